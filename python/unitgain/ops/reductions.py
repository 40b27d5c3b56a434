"""Sums, means and extremes along axes."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from unitgain.ops import arithmetic, sizes
from unitgain.ops.arithmetic import as_float
from unitgain.ops.function import operation
from unitgain.ops.sizes import ONE, Size
from unitgain.ops.tracing import Traced, axis_of, is_traced, numbers, record

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "cumsum",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "std",
    "sum",
    "var",
]


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that are meant, each counted from the first, in their order.

    Raises:
        ValueError: if there is no such axis, or one comes twice.
    """
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = sorted(axis_of(one, ndim) for one in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis is {axis}, in which one comes twice")
    return tuple(axes)


def with_ones(x: Any, dims: sizes.Dims, axes: tuple[int, ...]) -> Any:
    """Return what reduction along axes left, with those axes as ones of size 1."""
    kept = tuple(ONE if i in axes else size for i, size in enumerate(dims))
    return record("reshape", x, shape=kept)


def dims_of(x: Any) -> sizes.Dims:
    """Return the shape of an array or a traced value."""
    return x.dims if isinstance(x, Traced) else sizes.fixed(np.shape(x))


def reduce(name: str, x: Any, axis: Any, keepdims: bool) -> Any:
    """Return what a primitive makes of an array along axes."""
    x = numbers(x)
    if not is_traced(x):
        x = np.asarray(x)
    dims = dims_of(x)
    axes = axes_of(axis, len(dims))
    if name in ("max", "min") and builtins.any(dims[i].factor == 0 for i in axes):
        raise ValueError(f"{name} of an axis without elements")
    made = _reduced(name, x, dims, axes)
    return with_ones(made, dims, axes) if keepdims else made


def _reduced(name: str, x: Any, dims: sizes.Dims, axes: tuple[int, ...]) -> Any:
    """Return it without the axes; in a trace, the axes are last, or first in a sum."""
    if not is_traced(x) or not axes:
        return record(name, x, axes=axes)
    long = [i for i, size in enumerate(dims) if size != ONE]
    reduced = [i for i in long if i in axes]
    kept = [i for i in long if i not in axes]
    rest = tuple(size for i, size in enumerate(dims) if i not in axes)
    if reduced:
        flat = record("reshape", x, shape=tuple(dims[i] for i in long))
        places = [long.index(i) for i in reduced]
        trailing = places == list(range(len(kept), len(long)))
        leading = name == "sum" and places == list(range(len(reduced)))
        if not trailing and not leading:
            order = [long.index(i) for i in (*kept, *reduced)]
            flat = record("transpose", flat, axes=tuple(order))
            places = list(range(len(kept), len(long)))
        x = record(name, flat, axes=tuple(places))
    return record("reshape", x, shape=rest)


@operation
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the sum along axes.

    Args:
        x: an array.
        axis: an axis, or several; None for all.
        keepdims: whether the axes stay, with size 1.
    """
    return reduce("sum", x, axis, keepdims)


@operation
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the mean along axes; of no elements NaN.

    Args:
        x: an array.
        axis: an axis, or several; None for all.
        keepdims: whether the axes stay, with size 1.
    """
    x = numbers(x)
    if not is_traced(x):
        return np.mean(as_float(np.asarray(x)), _axis(axis), keepdims=keepdims)
    total = reduce("sum", x, axis, keepdims)
    size = sizes.count(x.dims[i] for i in axes_of(axis, x.ndim))
    return record("multiply", total, _one_over(x, size))


def _axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _one_over(x: Traced, size: Size) -> Any:
    if size.factor == 0:
        return float("nan")
    return x.trace.count(size, reciprocal=True)


@operation
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the largest element along axes; NaN if there is one.

    The derivative goes to all that are the largest, in equal parts.

    Args:
        x: an array.
        axis: an axis, or several; None for all.
        keepdims: whether the axes stay, with size 1.
        initial: the least that is returned; None for none.
    """
    made = reduce("max", x, axis, keepdims)
    return made if initial is None else record("maximum", made, numbers(initial))


@operation
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the smallest element along axes; NaN if there is one.

    Arguments are those of :func:`max`.
    """
    made = reduce("min", x, axis, keepdims)
    return made if initial is None else record("minimum", made, numbers(initial))


@operation
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the variance along axes: the mean square of the distance from the mean.

    Args:
        x: an array.
        axis: an axis, or several; None for all.
        keepdims: whether the axes stay, with size 1.
    """
    x = numbers(x)
    away = record("subtract", as_float(x), mean(x, axis, True))
    return mean(record("square", away), axis, keepdims)


@operation
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the standard deviation along axes, the root of :func:`var`."""
    return record("sqrt", var(x, axis, keepdims))


@operation
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return whether no element along axes is 0."""
    return record("logical_not", any(record("logical_not", numbers(x)), axis, keepdims))


@operation
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return whether an element along axes is not 0."""
    x = record("not_equal", numbers(x), 0)
    if not is_traced(x):
        return np.any(x, _axis(axis), keepdims=keepdims)
    return record("not_equal", reduce("sum", x, axis, keepdims), 0)


@operation
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """Return how many elements along axes are not 0."""
    x = record("not_equal", numbers(x), 0)
    if not is_traced(x):
        return np.sum(x, _axis(axis), dtype=np.int32)
    return reduce("sum", x, axis, False)


@operation
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the place of the largest element along an axis, the first of several.

    Args:
        x: an array.
        axis: the axis; None for the flattened array's.
        keepdims: whether the axis stays, with size 1.
    """
    x = numbers(x)
    if not is_traced(x):
        return np.argmax(np.asarray(x), axis, keepdims=keepdims).astype(np.int32)
    if axis is None:
        made = argmax(record("reshape", x, shape=(sizes.count(x.dims),)), 0)
        return with_ones(made, x.dims, tuple(range(x.ndim))) if keepdims else made
    place = axis_of(axis, x.ndim)
    order = (*(i for i in range(x.ndim) if i != place), place)
    turned = x if order == tuple(range(x.ndim)) else record("transpose", x, axes=order)
    made = record("argmax", turned, axis=x.ndim - 1)
    return with_ones(made, x.dims, (place,)) if keepdims else made


@operation
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the place of the smallest element along an axis; as :func:`argmax`."""
    x = numbers(x)
    if not is_traced(x):
        return np.argmin(np.asarray(x), axis, keepdims=keepdims).astype(np.int32)
    return argmax(record("negative", x), axis, keepdims)


@operation
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Return the sums along an axis as far as each element.

    Args:
        x: an array.
        axis: the axis; None for the flattened array's.
        dtype: of the sums; None for that of ``x``.
    """
    x = numbers(x)
    if not is_traced(x):
        x = np.asarray(x)
    if dtype is not None:
        x = arithmetic.cast(x, dtype)
    if axis is None:
        x, axis = record("reshape", x, shape=(sizes.count(dims_of(x)),)), 0
    return record("cumulative", x, axis=axis_of(axis, x.ndim), backward=False)


@operation
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return ``log(sum(exp(x)))`` along axes, without overflow.

    Args:
        x: an array.
        axis: an axis, or several; None for all.
        keepdims: whether the axes stay, with size 1.
    """
    x = numbers(x)
    if not is_traced(x):
        x = as_float(np.asarray(x))
    dims = dims_of(x)
    largest = constant_of(reduce("max", x, axis, True))
    # An infinite one would leave NaN of the difference.
    shift = record("where", record("isfinite", largest), largest, 0.0)
    total = reduce("sum", record("exponential", record("subtract", x, shift)), axis, True)
    made = record("add", record("log", total), shift)
    if keepdims:
        return made
    kept = tuple(n for i, n in enumerate(dims) if i not in axes_of(axis, len(dims)))
    return record("reshape", made, shape=kept)


def constant_of(x: Any) -> Any:
    """Return a value through which no derivative goes."""
    if not isinstance(x, Traced):
        return x
    return x.trace.value("reshape", (x,), {"shape": x.dims, "stops": True}, x.dims, x.kind)


@operation
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors along axes, or of all elements.

    Args:
        x: an array.
        ord: 2 or None for the root of the sum of squares, 1 for the sum of magnitudes, infinity for
            the largest of them.
        axis: an axis, or several; None for all.
        keepdims: whether the axes stay, with size 1.
    """
    magnitudes = record("abs", as_float(numbers(x)))
    if ord in (None, 2, "fro", "euclidean"):
        return record("sqrt", reduce("sum", record("square", magnitudes), axis, keepdims))
    if ord == 1:
        return reduce("sum", magnitudes, axis, keepdims)
    if ord == np.inf:
        return reduce("max", magnitudes, axis, keepdims)
    raise ValueError(f"ord is {ord!r}, expected 1, 2 or infinity")
