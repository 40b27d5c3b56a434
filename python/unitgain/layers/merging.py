"""Layers of several inputs: Add and Concatenate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.graph.tensors import define_operator
from unitgain.layers.base import Layer, SampleShape

__all__ = ["Add", "Concatenate", "add", "concatenate"]


class _Merging(Layer):
    """A layer that is called with a list of tensors."""

    _takes_several = True

    def _shapes(self, input_shape: Any) -> list[SampleShape]:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            raise ValueError(
                f"{self.name} is given samples of shape {input_shape}, expected a list of two "
                f"inputs or more"
            )
        return input_shape


class Add(_Merging):
    """The sum of its inputs, all of one shape: ``Add()([x, y])``.

    With ``y`` computed from ``x`` it is a residual connection (He, Zhang, Ren and Sun, "Deep
    residual learning for image recognition", CVPR 2016).

    Args:
        name: what the layer is called.

    Raises:
        ValueError: when called, if there are fewer than two inputs or their shapes differ.

    >>> import unitgain as ug
    >>> x = ug.layers.Input((4,))
    >>> y = ug.layers.Add()([x, ug.layers.Dense(4)(x)])
    >>> y.shape
    (None, 4)
    """

    def compute_output_shape(self, input_shape: Any) -> SampleShape:
        """Return the inputs' shape."""
        shapes = self._shapes(input_shape)
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError(
                f"the inputs of {self.name} have samples of the shapes "
                f"{', '.join(map(str, shapes))}: a sum needs the same shape of all"
            )
        return shapes[0]

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add the sum's node."""
        return int(graph.add(node))


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


def concatenate(inputs: Sequence[Any], axis: int = -1, **keywords: Any) -> Any:
    """Return ``Concatenate(axis, **keywords)(inputs)``."""
    return Concatenate(axis, **keywords)(inputs)
