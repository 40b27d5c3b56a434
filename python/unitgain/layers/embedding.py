"""Embedding: a vector that is learned for each of so many categories."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import constraints, initializers, regularizers
from unitgain._warnings import warn
from unitgain.graph.native import NativeGraph
from unitgain.graph.variables import Variable
from unitgain.layers.base import SampleShape
from unitgain.layers.core import whole_number
from unitgain.layers.low_rank import LowRank

__all__ = ["Embedding"]


class Embedding(LowRank):
    """Turns whole numbers into vectors: each gets the row of a learned table that it names.

    Samples of shape ``(n,)`` become ``(n, output_dim)``, behind which a :class:`Flatten` makes one
    row of features. The numbers may come as integers or as floating-point numbers of any dtype; an
    :class:`Input` may say so (``dtype="int32"``). In a network of float32 they are exact up to
    2**24, and so many rows a table may have at most; float64 has room for 2**31 - 1.

    The gradient is computed for the rows that a batch names, and is 0 for all others, in an order
    that does not depend on the number of threads. The optimizer's update is that of the whole table
    at each step, as with Keras's and PyTorch's dense gradients: a row's momentum goes on, and its
    weight decays, where no sample names it.

    Args:
        input_dim: how many rows the table has: the numbers go from 0 to ``input_dim - 1``.
        output_dim: the size of a row.
        embeddings_initializer: makes the table, shape ``(input_dim, output_dim)``; ``"uniform"`` is
            that between -0.05 and 0.05.
        embeddings_regularizer: the penalty that the loss has for the table; None for none.
        embeddings_constraint: what the table is made to fulfil after each step; None for nothing.
        mask_zero: whether 0 stands for padding: the output has a mask of the other numbers, which
            batch norm, softmax, merging layers and layers of one's own read, and losses and metrics
            of the outputs that it reaches.
        weights: the table's first values, in place of the initializer's: an array, or a list of
            one.
        lora_rank: the rank of low-rank weights that are trained in place of the table, see
            :meth:`enable_lora`; None for none.
        lora_alpha: their strength; None is ``lora_rank``.
        name: what the layer is called.
        trainable: whether training may change the table.

    Raises:
        TypeError: if a size is no integer.
        ValueError: if a size is below 1, or ``weights`` has another shape; when the network runs,
            if a number is none of the table's rows: the message names the layer, the sample's row
            and the number.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> table = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> ug.layers.Embedding(3, 2, weights=table)(np.array([[2, 0]]))
    array([[[4., 5.],
            [0., 1.]]], dtype=float32)
    """

    _matrix_name = "embeddings"
    _takes_one_sample = True

    def __init__(
        self,
        input_dim: SupportsIndex,
        output_dim: SupportsIndex,
        embeddings_initializer: initializers.InitializerLike = "uniform",
        embeddings_regularizer: regularizers.RegularizerLike = None,
        embeddings_constraint: constraints.ConstraintLike = None,
        mask_zero: bool = False,
        weights: ArrayLike | None = None,
        lora_rank: SupportsIndex | None = None,
        lora_alpha: float | None = None,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        if keywords.pop("input_length", None) is not None:
            warn("input_length has no effect: an Input says how many numbers a sample has")
        super().__init__(name, trainable, **keywords)
        self.input_dim = _size("input_dim", input_dim)
        self.output_dim = _size("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(
            "random_uniform" if embeddings_initializer == "uniform" else embeddings_initializer
        )
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        self._set_lora(lora_rank, lora_alpha)
        self._given = None if weights is None else self._table(weights)

    def _table(self, weights: ArrayLike) -> NDArray[Any]:
        alone = isinstance(weights, (list, tuple)) and len(weights) == 1
        table = np.array(weights[0] if alone else weights)  # type: ignore[index]
        if table.shape != (self.input_dim, self.output_dim):
            raise ValueError(
                f"weights has shape {table.shape}, expected {(self.input_dim, self.output_dim)}"
            )
        return table

    @classmethod
    def _argument_names(cls) -> tuple[str, ...]:
        # The first values are weights, and no part of the configuration.
        return tuple(name for name in super()._argument_names() if name != "weights")

    def build(self, input_shape: SampleShape | None = None) -> None:
        """Make the table, whatever the shape of samples."""
        given = self._given
        self._matrix = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer if given is None else "zeros",
            name="embeddings",
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        if given is not None:
            self._matrix.assign(given)
            self._given = None
        self._enable_lora_if_asked()

    @property
    def embeddings(self) -> Variable:
        """The table; with low-rank weights, their sum as it is now, which is no weight itself."""
        return self._whole_matrix

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return where the numbers are not 0; None without ``mask_zero``."""
        return np.asarray(inputs) != 0 if self.mask_zero else None

    def _mask_shape(self, masks: Any, shapes: SampleShape) -> SampleShape | None:
        return (*shapes, 1) if self.mask_zero else None

    def _lower_mask(self, graph: NativeGraph, node: int, masks: Any) -> int:
        assert self.input_shape is not None
        return int(graph.differs(graph.reshape(node, math.prod(self.input_shape), 1), 0.0))

    def _features(self, input_shape: SampleShape) -> int:
        return self.input_dim  # the table is for samples of any shape

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape with ``output_dim`` behind it."""
        return (*input_shape, self.output_dim)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the table's node, and those of low-rank weights."""
        if not self.lora_enabled:
            return int(graph.embedding(node, self._matrix.parameter, self.trainable))
        a, _ = self._low_rank()
        adapted = graph.embedding(node, a.parameter, self.trainable)
        frozen = graph.embedding(node, self._matrix.parameter, False)
        return int(graph.add([frozen, self._lower_product(graph, adapted, None)]))


def _size(name: str, given: SupportsIndex) -> int:
    if isinstance(given, bool):
        raise TypeError(f"{name} is a bool, expected an integer")
    return whole_number(name, given)
