"""UnitNormalization: samples brought to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unitgain.graph.native import NativeGraph
from unitgain.layers.axes import checked_axes, lower_along, sample_axes
from unitgain.layers.base import Layer, SampleShape

__all__ = ["UnitNormalization"]


class UnitNormalization(Layer):
    """``x / max(|x|, 1e-12)``: samples of Euclidean norm 1 along an axis or several.

    Args:
        axis: the axis or axes of the norm, the batch being axis 0.
        name: what the layer is called.

    Raises:
        TypeError: if ``axis`` is neither an int nor a list of ints.
        ValueError: at the first use, if there is no such axis.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.UnitNormalization()(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """

    _epsilon = 1e-12
    supports_masking = True

    def __init__(
        self, axis: int | Sequence[int] = -1, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.axis = checked_axes(axis)

    def build(self, input_shape: SampleShape) -> None:
        """Check the axes."""
        sample_axes(self.axis, input_shape)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the norm's node, between transpositions if the axes are not last."""
        assert self.input_shape is not None
        return lower_along(
            graph,
            node,
            self.input_shape,
            sample_axes(self.axis, self.input_shape),
            lambda rows: graph.unit_norm(rows, self._epsilon),
        )
