"""Layers of several inputs: sums, products, extremes, Dot and Concatenate."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.graph.tensors import define_operator
from unitgain.layers.affine import lower_scaled
from unitgain.layers.axes import lower_permuted, sample_axis
from unitgain.layers.base import Layer, SampleShape

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class _Merging(Layer):
    """A layer that is called with a list of tensors, of shapes that broadcast to one."""

    _takes_several = True
    _is_pair = False  # whether it takes two and no more
    supports_masking = True

    def _shapes(self, input_shape: Any) -> list[SampleShape]:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            raise ValueError(
                f"{self.name} is given samples of shape {input_shape}, expected a list of two "
                f"inputs or more"
            )
        if self._is_pair and len(input_shape) != 2:
            raise ValueError(f"{self.name} takes two inputs, but is given {len(input_shape)}")
        return input_shape

    def compute_output_shape(self, input_shape: Any) -> SampleShape:
        """Return the shape that the inputs' shapes broadcast to, as NumPy does it."""
        shapes = self._shapes(input_shape)
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                f"the inputs of {self.name} have samples of the shapes "
                f"{', '.join(map(str, shapes))}, which do not broadcast to one"
            ) from None

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return where one mask or another keeps a row; None if an input has none.

        Args:
            inputs: the inputs.
            previous_mask: a list of their masks, or None.
        """
        if previous_mask is None or any(mask is None for mask in previous_mask):
            return None
        return functools.reduce(np.logical_or, previous_mask)

    def _mask_shape(self, masks: Any, shapes: Any) -> SampleShape | None:
        if any(mask is None for mask in masks) or len({m.sample_shape for m in masks}) != 1:
            return None
        shape: SampleShape = masks[0].sample_shape
        return shape

    def _lower_mask(self, graph: NativeGraph, node: Any, masks: Sequence[int]) -> int:
        return int(graph.maximum(list(masks)))

    def _lower_broadcast(self, graph: NativeGraph, nodes: Sequence[int]) -> list[int]:
        """Return nodes of the output's shape."""
        shapes = self._shapes(self.input_shape)
        target = self.compute_output_shape(shapes)
        return [
            lower_broadcast(graph, node, shape, target)
            for node, shape in zip(nodes, shapes, strict=True)
        ]

    def _cols(self) -> int:
        return self.compute_output_shape(self.input_shape)[-1]


def lower_broadcast(graph: NativeGraph, node: int, shape: SampleShape, target: SampleShape) -> int:
    """Add what repeats a sample along its axes of size 1 until it has another shape."""
    if shape == target:
        return node
    sizes = [1] * (len(target) - len(shape)) + list(shape)
    for axis, size in enumerate(target):
        if sizes[axis] != size:
            node = graph.reshape(node, math.prod(sizes[:axis]), math.prod(sizes[axis:]))
            node = graph.concatenate([node] * size)
            sizes[axis] = size
    return int(graph.reshape(node, *rows_and_cols(target)))


class Add(_Merging):
    """The sum of its inputs, of shapes that broadcast: ``Add()([x, y])``.

    With ``y`` computed from ``x`` it is a residual connection (He, Zhang, Ren and Sun, "Deep
    residual learning for image recognition", CVPR 2016).

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs or their shapes do not
            broadcast.

    >>> import unitgain as ug
    >>> x = ug.layers.Input((4,))
    >>> y = ug.layers.Add()([x, ug.layers.Dense(4)(x)])
    >>> y.shape
    (None, 4)
    """

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the sum's node."""
        return int(graph.add(self._lower_broadcast(graph, node)))


class Average(_Merging):
    """The mean of its inputs, of shapes that broadcast: ``Average()([x, y])``.

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs or their shapes do not
            broadcast.
    """

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the sum's node, and one that divides."""
        total = graph.add(self._lower_broadcast(graph, node))
        return lower_scaled(graph, total, 1 / len(node), self._cols(), self.dtype)


class Subtract(_Merging):
    """The first of two inputs minus the second, of shapes that broadcast: ``Subtract()([x, y])``.

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are not two inputs or their shapes do not broadcast.
    """

    _is_pair = True

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the sum of the first and the other's negative."""
        first, second = self._lower_broadcast(graph, node)
        return int(graph.add([first, lower_scaled(graph, second, -1, self._cols(), self.dtype)]))


class Multiply(_Merging):
    """The product of its inputs, value by value: ``Multiply()([x, y])``.

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs or their shapes do not
            broadcast.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.Multiply()([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])])
    array([[3., 8.]])
    """

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the product's node."""
        return int(graph.multiply(self._lower_broadcast(graph, node)))


class Maximum(_Merging):
    """The largest of its inputs, value by value: ``Maximum()([x, y])``.

    Inputs that are equally large get equal shares of the gradient.

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs or their shapes do not
            broadcast.
    """

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the maximum's node."""
        return int(graph.maximum(self._lower_broadcast(graph, node)))


class Minimum(_Merging):
    """The smallest of its inputs, value by value: ``Minimum()([x, y])``.

    Inputs that are equally small get equal shares of the gradient.

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs or their shapes do not
            broadcast.
    """

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the minimum's node."""
        return int(graph.minimum(self._lower_broadcast(graph, node)))


class Dot(_Merging):
    """The products of two inputs along an axis of each, sample by sample: ``Dot(1)([x, y])``.

    The output has the other axes of the first and then those of the second; behind two rows of
    features it has one value.

    Args:
        axes: the axis of both, or a pair of the first's and the second's, the batch being axis 0.
        normalize: whether each input is divided by its norm along the axis first (by 1e-7 where
            that is less): the output is then the cosine of the angle between the two.
        name: what the layer is called.

    Raises:
        TypeError: if ``axes`` is neither an int nor a pair of ints.
        ValueError: when called, if there are not two inputs, there is no such axis, or its sizes
            differ.

    >>> import unitgain as ug
    >>> x, y = ug.layers.Input((3, 5)), ug.layers.Input((10, 3))
    >>> ug.layers.Dot((1, 2))([x, y]).shape
    (None, 5, 10)
    """

    _is_pair = True
    _epsilon = 1e-7

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return None: the rows of the output are others."""

    def _mask_shape(self, masks: Any, shapes: Any) -> None:
        return None

    def __init__(
        self,
        axes: int | Sequence[int],
        normalize: bool = False,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        given = [axes, axes] if isinstance(axes, int) else axes
        if (
            not isinstance(given, (list, tuple))
            or len(given) != 2
            or not all(isinstance(axis, int) for axis in given)
        ):
            raise TypeError(f"axes is {axes!r}, expected an int or a pair of ints")
        self.axes = axes if isinstance(axes, int) else list(axes)
        self.normalize = normalize

    def _pair(self, shapes: Sequence[SampleShape]) -> list[int]:
        """Return the axis of each input's array."""
        given = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        return [sample_axis(axis, shape) + 1 for axis, shape in zip(given, shapes, strict=True)]

    def compute_output_shape(self, input_shape: Any) -> SampleShape:
        """Return the sizes of the axes that are kept."""
        shapes = self._shapes(input_shape)
        kept: list[int] = []
        sizes = []
        for shape, axis in zip(shapes, self._pair(shapes), strict=True):
            kept += [*shape[: axis - 1], *shape[axis:]]
            sizes.append(shape[axis - 1])
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"the inputs of {self.name} have samples of the shapes {shapes[0]} and "
                f"{shapes[1]}, of sizes {sizes[0]} and {sizes[1]} along axes={self.axes}"
            )
        return tuple(kept) or (1,)

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the products' node, behind what makes rows of the axes, of length 1 if asked for."""
        shapes = self._shapes(self.input_shape)
        rows = []
        for part, shape, axis in zip(node, shapes, self._pair(shapes), strict=True):
            kept = [other for other in range(len(shape)) if other != axis - 1]
            moved = lower_permuted(graph, part, shape, [*kept, axis - 1])
            size = shape[axis - 1]
            moved = graph.reshape(moved, math.prod(shape) // size, size)
            rows.append(graph.unit_norm(moved, self._epsilon) if self.normalize else moved)
        made = rows_and_cols(self.compute_output_shape(shapes))
        return int(graph.reshape(graph.dot(rows), *made))


class Concatenate(_Merging):
    """Its inputs one beside the other along an axis: ``Concatenate()([x, y])``.

    Args:
        axis: along which they lie, the batch being axis 0.
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs, their other sizes differ, or
            there is no such axis.

    >>> import unitgain as ug
    >>> x, y = ug.layers.Input((4,)), ug.layers.Input((3,))
    >>> ug.layers.Concatenate()([x, y]).shape
    (None, 7)
    """

    def __init__(self, axis: int = -1, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.axis = axis

    def _sample_axis(self, shape: SampleShape) -> int:
        dimensions = len(shape) + 1
        if not -dimensions <= self.axis < dimensions or self.axis % dimensions == 0:
            raise ValueError(
                f"axis of {self.name} is {self.axis}, but samples of shape {shape} have the axes "
                f"1 to {dimensions - 1} (the batch is axis 0)"
            )
        return self.axis % dimensions - 1

    def compute_output_shape(self, input_shape: Any) -> SampleShape:
        """Return the inputs' shape with the sum of their sizes along the axis."""
        shapes = self._shapes(input_shape)
        axis = self._sample_axis(shapes[0])
        rest = {(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes}
        if len(rest) != 1:
            raise ValueError(
                f"the inputs of {self.name} have samples of the shapes "
                f"{', '.join(map(str, shapes))}: but for the axis {self.axis} they must agree"
            )
        size = sum(shape[axis] for shape in shapes)
        return (*shapes[0][:axis], size, *shapes[0][axis + 1 :])

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the node, behind reshapes if the axis is not the last."""
        shapes = self._shapes(self.input_shape)
        axis = self._sample_axis(shapes[0])
        if axis == len(shapes[0]) - 1:
            return int(graph.concatenate(node))
        rows = math.prod(shapes[0][:axis])
        flat = [
            graph.reshape(part, rows, math.prod(shape[axis:]))
            for part, shape in zip(node, shapes, strict=True)
        ]
        whole = rows_and_cols(self.compute_output_shape(shapes))
        return int(graph.reshape(graph.concatenate(flat), *whole))


define_operator("+", lambda tensors: Add()(tensors))


def add(inputs: Sequence[Any], **keywords: Any) -> Any:
    """Return ``Add(**keywords)(inputs)``."""
    return Add(**keywords)(inputs)


def average(inputs: Sequence[Any], **keywords: Any) -> Any:
    """Return ``Average(**keywords)(inputs)``."""
    return Average(**keywords)(inputs)


def subtract(inputs: Sequence[Any], **keywords: Any) -> Any:
    """Return ``Subtract(**keywords)(inputs)``."""
    return Subtract(**keywords)(inputs)


def multiply(inputs: Sequence[Any], **keywords: Any) -> Any:
    """Return ``Multiply(**keywords)(inputs)``."""
    return Multiply(**keywords)(inputs)


def maximum(inputs: Sequence[Any], **keywords: Any) -> Any:
    """Return ``Maximum(**keywords)(inputs)``."""
    return Maximum(**keywords)(inputs)


def minimum(inputs: Sequence[Any], **keywords: Any) -> Any:
    """Return ``Minimum(**keywords)(inputs)``."""
    return Minimum(**keywords)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **keywords: Any) -> Any:
    """Return ``Dot(axes, **keywords)(inputs)``."""
    return Dot(axes, **keywords)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **keywords: Any) -> Any:
    """Return ``Concatenate(axis, **keywords)(inputs)``."""
    return Concatenate(axis, **keywords)(inputs)
