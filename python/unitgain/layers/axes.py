"""Axes of samples: which are meant, and native nodes along others than the last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.layers.base import SampleShape

__all__ = [
    "checked_axes",
    "lower_along",
    "lower_permuted",
    "sample_axes",
    "sample_axis",
]


def sample_axis(axis: int, input_shape: SampleShape) -> int:
    """Return which axis of a sample, from 0, is meant by an axis that counts the batch.

    Raises:
        ValueError: if it is the batch's, or there is none such.
    """
    dimensions = len(input_shape) + 1
    if not -dimensions <= axis < dimensions or axis % dimensions == 0:
        raise ValueError(
            f"axis is {axis}, but samples of shape {input_shape} have the axes 1 to "
            f"{dimensions - 1} (the batch is axis 0)"
        )
    return axis % dimensions - 1


def checked_axes(axis: Any) -> int | list[int]:
    """Return an argument that is one axis, or several.

    Raises:
        TypeError: if it is neither an int nor a list of ints.
    """
    given = [axis] if isinstance(axis, int) else axis
    if not isinstance(given, (list, tuple)) or not all(isinstance(one, int) for one in given):
        raise TypeError(f"axis is {axis!r}, expected an int or a list of ints")
    return axis if isinstance(axis, int) else list(axis)


def sample_axes(axis: int | Sequence[int], input_shape: SampleShape) -> tuple[int, ...]:
    """Return the axes of a sample, from 0 and in order, meant by one or several, as above.

    Raises:
        ValueError: if there are none, or :func:`sample_axis` refuses one.
    """
    given = [axis] if isinstance(axis, int) else axis
    axes = tuple(sorted({sample_axis(one, input_shape) for one in given}))
    if not axes:
        raise ValueError(f"axis is {axis}, expected at least one axis")
    return axes


def lower_permuted(graph: NativeGraph, node: int, shape: SampleShape, order: Sequence[int]) -> int:
    """Add what puts the axes of a sample, from 0, in another order: transpositions.

    Each brings one axis to its place, and turns those behind.
    """
    now = list(range(len(shape)))
    for place, axis in enumerate(order):
        skip = now.index(axis)
        if skip == place:
            continue
        sizes = [shape[a] for a in now]
        rows, cols = math.prod(sizes[place:skip]), math.prod(sizes[skip:])
        if rows > 1 and cols > 1:  # else the values stay where they are
            node = graph.transpose(graph.reshape(node, math.prod(sizes[:skip]), cols), rows)
        now = [*now[:place], *now[skip:], *now[place:skip]]
    return int(graph.reshape(node, *rows_and_cols(tuple(shape[axis] for axis in order))))


def lower_along(
    graph: NativeGraph,
    node: int,
    shape: SampleShape,
    axes: Sequence[int],
    lower: Callable[[int], int],
) -> int:
    """Add what ``lower`` adds behind a node whose rows lie along ``axes`` of a sample.

    If these are not the last, it comes between transpositions. What it adds keeps the shape.
    """
    first, last = axes[0], axes[-1]
    if last - first != len(axes) - 1:
        order = [axis for axis in range(len(shape)) if axis not in axes] + list(axes)
        sizes = tuple(shape[axis] for axis in order)
        node = lower_permuted(graph, node, shape, order)
        behind = range(len(shape) - len(axes), len(shape))
        node = lower_along(graph, node, sizes, behind, lower)
        return lower_permuted(graph, node, sizes, [order.index(i) for i in range(len(shape))])
    features, inner = math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :])
    outer = math.prod(shape[:first])
    if inner == 1:
        node = lower(graph.reshape(node, outer, features))
    else:
        node = graph.transpose(graph.reshape(node, outer * features, inner), features)
        node = graph.transpose(lower(node), inner)
    return int(graph.reshape(node, *rows_and_cols(shape)))
