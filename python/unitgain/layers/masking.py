"""Masking: leaves out the rows of a sample that hold one value alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.layers.base import Layer, SampleShape

__all__ = ["Masking"]


class Masking(Layer):
    """Marks the rows of samples whose values are all ``mask_value`` as ones that do not count.

    In samples of shape ``(rows, features)`` it is each row that counts or does not. The values of
    those that do not become 0, and the mask goes along, through dense layers, activations,
    dropout and merging layers, to those that read it: batch norm, softmax, and layers of one's own
    whose ``call`` has a parameter ``mask``. Losses and metrics leave out the rows of an output that
    it reaches.

    Args:
        mask_value: the value.
        name: what the layer is called.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> layer = ug.layers.Masking(mask_value=-1.0)
    >>> rows = np.array([[[1.0, 2.0], [-1.0, -1.0], [-1.0, 0.0]]])
    >>> layer(rows).tolist()
    [[[1.0, 2.0], [0.0, 0.0], [-1.0, 0.0]]]
    >>> layer.compute_mask(rows)
    array([[ True, False,  True]])
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.mask_value = float(mask_value)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return which rows hold another value."""
        return (np.asarray(inputs) != self.mask_value).any(axis=-1)

    def _mask_shape(self, masks: Any, shapes: SampleShape) -> SampleShape:
        return (*shapes[:-1], 1)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the mask, and what puts 0 in place of the rows that it leaves out."""
        return int(graph.keep_where([node, self._lower_mask(graph, node, [])], 0.0))

    def _lower_mask(self, graph: NativeGraph, node: int, masks: Any) -> int:
        assert self.input_shape is not None
        rows = graph.reshape(node, *rows_and_cols(self.input_shape))
        return int(graph.differs(rows, self.mask_value))
