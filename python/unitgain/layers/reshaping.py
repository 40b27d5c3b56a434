"""Reshape, Permute, RepeatVector: the values of a sample in another shape or order."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.layers.axes import lower_permuted
from unitgain.layers.base import Layer, SampleShape

__all__ = ["Permute", "RepeatVector", "Reshape"]


class Reshape(Layer):
    """Gives samples another shape; their values keep their order, and their memory.

    Args:
        target_shape: a sample's shape, without the batch; one size may be -1, which is then what
            the others leave.
        name: what the layer is called.

    Raises:
        ValueError: if a size is neither positive nor -1, or two are -1; or at the first use, if
            samples have another number of values.

    >>> import unitgain as ug
    >>> ug.layers.Reshape((-1, 2))(ug.layers.Input((12,))).shape
    (None, 6, 2)
    """

    def __init__(
        self, target_shape: Sequence[int], name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.target_shape = tuple(operator.index(size) for size in target_shape)
        sizes = [size for size in self.target_shape if size != -1]
        are_sizes = all(size > 0 for size in sizes)
        if not self.target_shape or len(self.target_shape) > len(sizes) + 1 or not are_sizes:
            raise ValueError(
                f"target_shape is {self.target_shape}, expected positive sizes, of which one may "
                f"be -1"
            )

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the target shape, with what belongs in place of -1."""
        known = math.prod(size for size in self.target_shape if size != -1)
        count = math.prod(input_shape)
        if count % known or (-1 not in self.target_shape and count != known):
            raise ValueError(
                f"target_shape of {self.name} is {self.target_shape}, but samples of shape "
                f"{input_shape} have {count} values"
            )
        return tuple(count // known if size == -1 else size for size in self.target_shape)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a node that reads the same memory."""
        assert self.input_shape is not None
        return int(graph.reshape(node, *rows_and_cols(self.compute_output_shape(self.input_shape))))


class Permute(Layer):
    """Puts the axes of a sample in another order.

    Args:
        dims: which axis comes where, counted from 1, the batch being axis 0: ``(2, 1)`` transposes
            a matrix.
        name: what the layer is called.

    Raises:
        ValueError: if these are not all axes from 1 on, once each; or at the first use, if samples
            have more or fewer.

    >>> import unitgain as ug
    >>> ug.layers.Permute((2, 1))(ug.layers.Input((10, 64))).shape
    (None, 64, 10)
    """

    def __init__(self, dims: Sequence[int], name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.dims = tuple(operator.index(axis) for axis in dims)
        if not self.dims or sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims is {self.dims}, expected each axis from 1 on, once")

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the sizes in the axes' order."""
        if len(input_shape) != len(self.dims):
            raise ValueError(
                f"dims of {self.name} is {self.dims}, but samples of shape {input_shape} have "
                f"{len(input_shape)} axes"
            )
        return tuple(input_shape[axis - 1] for axis in self.dims)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add transpositions."""
        assert self.input_shape is not None
        return lower_permuted(graph, node, self.input_shape, [axis - 1 for axis in self.dims])


class RepeatVector(Layer):
    """Repeats a row of features, as the rows of a matrix.

    Args:
        n: how many rows there are to be.
        name: what the layer is called.

    Raises:
        TypeError: if ``n`` is no integer.
        ValueError: if it is below 1; or at the first use, if samples are no rows of features.

    >>> import unitgain as ug
    >>> ug.layers.RepeatVector(3)(ug.layers.Input((32,))).shape
    (None, 3, 32)
    """

    def __init__(self, n: SupportsIndex, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        if isinstance(n, bool):
            raise TypeError("n is a bool, expected an integer")
        self.n = operator.index(n)
        if self.n < 1:
            raise ValueError(f"n must be at least 1, but it is {self.n}")

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return ``(n, features)``."""
        if len(input_shape) != 1:
            raise ValueError(
                f"{self.name} is given samples of shape {input_shape}, expected (features,)"
            )
        return (self.n, *input_shape)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the row beside itself, as a matrix."""
        assert self.input_shape is not None
        node = graph.concatenate([node] * self.n)
        return int(graph.reshape(node, self.n, self.input_shape[0]))
