"""Axes of samples: which are meant, and native nodes along others than the last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.layers.base import SampleShape

__all__ = ["lower_along", "neighbouring_axes", "sample_axis"]


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


def neighbouring_axes(axis: int | Sequence[int], input_shape: SampleShape) -> tuple[int, ...]:
    """Return the axes of a sample, from 0, that are meant by one or several that count the batch.

    Raises:
        ValueError: if they are no neighbours, or :func:`sample_axis` refuses one.
    """
    given = [axis] if isinstance(axis, int) else list(axis)
    axes = tuple(sorted(sample_axis(one, input_shape) for one in given))
    if not axes or axes != tuple(range(axes[0], axes[0] + len(axes))):
        raise ValueError(f"axis is {axis}, expected one axis or neighbouring ones")
    return axes


def lower_along(
    graph: NativeGraph,
    node: int,
    shape: SampleShape,
    axes: Sequence[int],
    lower: Callable[[int], int],
) -> int:
    """Add what ``lower`` adds behind a node whose rows lie along ``axes``, neighbours, of a sample.

    If these are not the last, it comes between two transpositions.
    """
    first, last = axes[0], axes[-1]
    features, inner = math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :])
    outer = math.prod(shape[:first])
    if inner == 1:
        node = lower(graph.reshape(node, outer, features))
    else:
        node = graph.transpose(graph.reshape(node, outer * features, inner), features)
        node = graph.transpose(lower(node), inner)
    return int(graph.reshape(node, *rows_and_cols(shape)))
