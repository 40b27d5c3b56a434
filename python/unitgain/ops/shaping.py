"""Shapes: arrays joined, split, turned and indexed."""

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from unitgain.ops import sizes
from unitgain.ops.function import operation
from unitgain.ops.reductions import axes_of, constant_of, dims_of
from unitgain.ops.sizes import ONE, Size
from unitgain.ops.tracing import Traced, axis_of, is_traced, lifted, numbers, record

__all__ = [
    "arange",
    "broadcast_to",
    "concatenate",
    "convert_to_numpy",
    "convert_to_tensor",
    "copy",
    "expand_dims",
    "flip",
    "full",
    "full_like",
    "moveaxis",
    "ndim",
    "ones",
    "ones_like",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "shape",
    "size",
    "slice",
    "split",
    "squeeze",
    "stack",
    "stop_gradient",
    "swapaxes",
    "take",
    "take_along_axis",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unstack",
    "zeros",
    "zeros_like",
]

_builtin_slice = builtins.slice


def _size_value(x: Traced, size: Size) -> Any:
    """Return a size of a traced value: an int, or a place that may be used in shapes."""
    if not size.power:
        return size.factor
    return x.trace.count(size)


def _as_size(given: Any) -> Size | None:
    """Return an entry of a shape as a size; None where it is -1, to be found out."""
    if given is None:
        return None
    if isinstance(given, Traced):
        if given.name != "count" or given.attributes["scale"] != 1.0:
            raise TypeError("a shape of a traced function is of ints, and of sizes of ops.shape")
        size: Size = given.attributes["size"]
        return size
    number = operator.index(given)
    return None if number == -1 else Size(number)


def _dims(shape: Any) -> list[Size | None]:
    given = shape if isinstance(shape, (tuple, list)) else (shape,)
    return [_as_size(one) for one in given]


def array_of(x: Any) -> Any:
    """Return an argument as an array or a traced value."""
    x = numbers(x)
    return x if is_traced(x) else np.asarray(x)


@operation
def shape(x: Any) -> Any:
    """Return the shape; of a traced array, with numbers of ops where the batch's size decides."""
    x = array_of(x)
    return tuple(_size_value(x, n) for n in x.dims) if is_traced(x) else x.shape


@operation
def ndim(x: Any) -> int:
    """Return the number of axes."""
    return len(dims_of(array_of(x)))


@operation
def size(x: Any) -> Any:
    """Return the number of elements."""
    x = array_of(x)
    return _size_value(x, sizes.count(x.dims)) if is_traced(x) else x.size


@operation
def reshape(x: Any, newshape: Any) -> Any:
    """Return the elements, in their order, in another shape.

    Args:
        x: an array.
        newshape: the shape; -1 stands for what is left.
    """
    x = array_of(x)
    if not is_traced(x):
        return np.reshape(x, newshape)
    given = _dims(newshape)
    total = sizes.count(x.dims)
    known = sizes.count(n for n in given if n is not None)
    if given.count(None) > 1:
        raise ValueError(f"newshape is {newshape}, expected one -1 at most")
    rest = total.over(known) if None in given else ONE
    dims = tuple(rest if n is None else n for n in given)
    if rest is None or sizes.count(dims) != total:  # type: ignore[arg-type]
        raise ValueError(f"an array of shape {sizes.text(x.dims)} has no shape {newshape}")
    return record("reshape", x, shape=dims)


@operation
def ravel(x: Any) -> Any:
    """Return the elements as an array of one axis."""
    return reshape(x, (-1,))


@operation
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Return the array with its axes in another order, by default the reverse."""
    x = array_of(x)
    count = len(dims_of(x))
    order = tuple(reversed(range(count))) if axes is None else [axis_of(a, count) for a in axes]
    if sorted(order) != list(range(count)):
        raise ValueError(f"axes are {axes}, expected each of {count} axes once")
    return record("transpose", x, axes=tuple(order))


@operation
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Return the array with two axes changed for each other."""
    x = array_of(x)
    order = list(range(len(dims_of(x))))
    a, b = axis_of(axis1, len(order)), axis_of(axis2, len(order))
    order[a], order[b] = order[b], order[a]
    return record("transpose", x, axes=tuple(order))


@operation
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Return the array with axes at other places, the rest in their order."""
    x = array_of(x)
    count = len(dims_of(x))
    sources = [axis_of(a, count) for a in np.atleast_1d(source)]
    targets = [axis_of(a, count) for a in np.atleast_1d(destination)]
    order = [axis for axis in range(count) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return record("transpose", x, axes=tuple(order))


@operation
def expand_dims(x: Any, axis: Any) -> Any:
    """Return the array with axes of size 1 put in."""
    x = array_of(x)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    dims = list(dims_of(x))
    for place in sorted(axis_of(one, len(dims) + len(given)) for one in given):
        dims.insert(place, ONE)
    return record("reshape", x, shape=tuple(dims))


@operation
def squeeze(x: Any, axis: Any = None) -> Any:
    """Return the array without axes of size 1: all of them, or those given.

    Raises:
        ValueError: if a given axis is longer.
    """
    x = array_of(x)
    dims = dims_of(x)
    axes = [i for i, n in enumerate(dims) if n == ONE] if axis is None else axes_of(axis, len(dims))
    if any(dims[i] != ONE for i in axes):
        raise ValueError(f"axis is {axis}, but the array has shape {sizes.text(dims)}")
    return record("reshape", x, shape=tuple(n for i, n in enumerate(dims) if i not in axes))


@operation
def broadcast_to(x: Any, shape: Any) -> Any:
    """Return the array repeated along axes to a shape."""
    x = array_of(x)
    if not is_traced(x):
        return np.broadcast_to(x, shape)
    given = _dims(shape)
    padded = (None,) * (len(given) - x.ndim) + x.dims
    dims = tuple(own if n is None else n for n, own in zip(given, padded, strict=True))
    if sizes.broadcast(x.dims, dims) != dims:
        raise ValueError(f"an array of shape {sizes.text(x.dims)} does not go into {shape}")
    return record("broadcast", x, shape=dims)


@operation
def concatenate(xs: Sequence[Any], axis: int = -1) -> Any:
    """Return arrays joined along an axis.

    Args:
        xs: arrays of one shape but for that axis.
        axis: the axis; the last by default.
    """
    given = [array_of(x) for x in xs]
    trace = next((x.trace for x in given if is_traced(x)), None)
    if trace is None:
        return np.concatenate(given, axis)
    values = [lifted(trace, x) for x in given]
    place = axis_of(axis, values[0].ndim)
    shapes = {tuple(n for i, n in enumerate(x.dims) if i != place) for x in values}
    if len(shapes) != 1 or len({x.ndim for x in values}) != 1:
        raise ValueError(
            f"arrays of shapes {', '.join(sizes.text(x.dims) for x in values)} cannot be joined "
            f"along axis {axis}"
        )
    return values[0] if len(values) == 1 else record("concatenate", *values, axis=place)


@operation
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Return arrays of one shape joined along a new axis."""
    given = [array_of(one) for one in x]
    if not any(is_traced(one) for one in given):
        return np.stack(given, axis)
    count = len(dims_of(given[0])) + 1
    place = axis_of(axis, count)
    return concatenate([expand_dims(one, place) for one in given], place)


@operation
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """Return the parts along an axis, as a list."""
    x = array_of(x)
    dims = dims_of(x)
    place = axis_of(axis, len(dims))
    length = _fixed(dims[place], "unstack")
    if num is not None and num != length:
        raise ValueError(f"num is {num}, but axis {axis} has {length} elements")
    return [_part(x, place, i, 1, True) for i in range(length)]


def _fixed(size: Size, what: str) -> int:
    if size.power:
        raise ValueError(f"{what} is along an axis whose size is the batch's, which may change")
    return size.factor


def _part(x: Any, axis: int, start: int, length: int, drops: bool = False) -> Any:
    dims = dims_of(x)
    shape = tuple(Size(length) if i == axis else n for i, n in enumerate(dims))
    starts = tuple(start if i == axis else 0 for i in range(len(dims)))
    made = record("slice", x, starts=starts, steps=(1,) * len(dims), shape=shape)
    return squeeze(made, axis) if drops else made


@operation
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the array in parts along an axis, as a list.

    Args:
        x: an array.
        indices_or_sections: how many parts of one length, or where parts begin after the first.
        axis: the axis.
    """
    x = array_of(x)
    dims = dims_of(x)
    place = axis_of(axis, len(dims))
    length = _fixed(dims[place], "split")
    if isinstance(indices_or_sections, (int, np.integer)):
        parts = int(indices_or_sections)
        if parts < 1 or length % parts:
            raise ValueError(f"an axis of {length} elements has no {parts} parts of one length")
        edges = [length // parts * i for i in range(parts + 1)]
    else:
        edges = [0, *(min(int(i), length) for i in indices_or_sections), length]
    return [_part(x, place, a, max(b - a, 0)) for a, b in itertools.pairwise(edges)]


@operation
def getitem(x: Any, places: Any) -> Any:
    """Return what ``x[places]`` is: ints, slices, None, ``...``, and arrays of whole numbers."""
    x = array_of(x)
    if not is_traced(x):
        return x[places]
    given = list(places) if isinstance(places, tuple) else [places]
    if any(isinstance(p, Traced) or np.ndim(p) for p in given if not _is_plain(p)):
        return _indexed(x, given)
    used = sum(p is not None and p is not Ellipsis for p in given)
    if used > x.ndim:
        raise IndexError(f"{used} indices for an array of shape {sizes.text(x.dims)}")
    at = next((i for i, p in enumerate(given) if p is Ellipsis), len(given))
    fill = [_builtin_slice(None)] * (x.ndim - used)
    return _sliced(x, [*given[:at], *fill, *given[at + 1 :]])


def _is_plain(place: Any) -> bool:
    return (
        place is None or place is Ellipsis or isinstance(place, (int, np.integer, _builtin_slice))
    )


def _indexed(x: Traced, given: list[Any]) -> Any:
    """Return what an array of indices takes along one axis."""
    found = [i for i, p in enumerate(given) if not _is_plain(p)]
    index = numbers(given[found[0]])
    kind = index.kind if is_traced(index) else np.asarray(index).dtype.kind
    if kind in ("bool", "b"):
        raise TypeError(
            "what a condition chooses has a size that is not known beforehand: use "
            "unitgain.ops.where(condition, x, 0)"
        )
    full = _builtin_slice(None)
    if len(found) > 1 or any(p != full for i, p in enumerate(given) if i != found[0]):
        raise TypeError("a traced array takes an array of indices along one axis, the rest whole")
    return take(x, index, found[0])


def _sliced(x: Traced, given: list[Any]) -> Any:
    starts, steps, taken, kept = [], [], [], []
    axis = 0
    for place in given:
        if place is None:
            kept.append(ONE)
            continue
        length = x.dims[axis]
        start, step, size, drops = _range_of(place, length, axis)
        starts.append(start)
        steps.append(step)
        taken.append(size)
        if not drops:
            kept.append(size)
        axis += 1
    made: Any = x
    if tuple(taken) != x.dims or any(step != 1 for step in steps):
        made = record("slice", x, starts=tuple(starts), steps=tuple(steps), shape=tuple(taken))
    return record("reshape", made, shape=tuple(kept))


def _range_of(place: Any, length: Size, axis: int) -> tuple[int, int, Size, bool]:
    """Return the start, the step and the size of what an int or a slice takes, and if one goes."""
    if place == _builtin_slice(None):
        return 0, 1, length, False
    if length.power:
        raise ValueError(
            f"axis {axis} is as long as the batch, which may change: it is taken whole, x[:, ...]"
        )
    if isinstance(place, _builtin_slice):
        start, stop, step = place.indices(length.factor)
        return start, step, Size(len(range(start, stop, step))), False
    number = operator.index(place)
    if not -length.factor <= number < length.factor:
        raise IndexError(f"index {number} of axis {axis}, which has {length.factor} elements")
    return number % length.factor, 1, ONE, True


@operation
def slice(inputs: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """Return the part of an array of a shape that begins at these indices."""
    x = array_of(inputs)
    places = [
        _builtin_slice(None) if n == -1 and s == 0 else _builtin_slice(s, s + n)
        for s, n in zip(start_indices, shape, strict=True)
    ]
    return getitem(x, tuple(places))


@operation
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return the elements, or the parts along an axis, at indices.

    In a traced function an index out of range gives NaN.

    Args:
        x: an array.
        indices: whole numbers; those below 0 count from the end.
        axis: the axis; None for the flattened array's.
    """
    x, indices = array_of(x), array_of(indices)
    if axis is None:
        x, axis = record("reshape", x, shape=(sizes.count(dims_of(x)),)), 0
    place = axis_of(axis, len(dims_of(x)))
    return record("gather", x, indices, axis=place, along=False)


@operation
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return, for each place of ``indices``, the element along the axis that it names.

    Args:
        x: an array.
        indices: whole numbers, of the shape of ``x`` but along the axis.
        axis: the axis; None for the flattened array's.
    """
    x, indices = array_of(x), array_of(indices)
    if axis is None:
        x, axis = record("reshape", x, shape=(sizes.count(dims_of(x)),)), 0
    dims, own = dims_of(x), dims_of(indices)
    place = axis_of(axis, len(dims))
    if len(own) != len(dims) or any(own[i] != n for i, n in enumerate(dims) if i != place):
        raise ValueError(
            f"indices have shape {sizes.text(own)}, but x has {sizes.text(dims)}: they differ "
            f"along axis {axis} alone"
        )
    return record("gather", x, indices, axis=place, along=True)


@operation
def flip(x: Any, axis: Any = None) -> Any:
    """Return the array with the elements along axes in reverse order."""
    x = array_of(x)
    dims = dims_of(x)
    axes = axes_of(axis, len(dims))
    for i in axes:
        _fixed(dims[i], "flip")
    starts = tuple(dims[i].factor - 1 if i in axes else 0 for i in range(len(dims)))
    steps = tuple(-1 if i in axes else 1 for i in range(len(dims)))
    return record("slice", x, starts=starts, steps=steps, shape=dims)


@operation
def tile(x: Any, repeats: Any) -> Any:
    """Return the array repeated as a whole along each axis."""
    x = array_of(x)
    if not is_traced(x):
        return np.tile(x, repeats)
    times = [Size(int(n)) for n in np.atleast_1d(repeats)]
    dims = (ONE,) * (len(times) - x.ndim) + x.dims
    times = [ONE] * (len(dims) - len(times)) + times
    pairs = tuple(n for size in dims for n in (ONE, size))
    wide = tuple(n for t, size in zip(times, dims, strict=True) for n in (t, size))
    made = record("broadcast", record("reshape", x, shape=pairs), shape=wide)
    whole = tuple(t.times(size) for t, size in zip(times, dims, strict=True))
    return record("reshape", made, shape=whole)


@operation
def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    """Return the array with each element along an axis so many times."""
    x = array_of(x)
    if not is_traced(x):
        return np.repeat(x, repeats, axis)
    if axis is None:
        x, axis = record("reshape", x, shape=(sizes.count(x.dims),)), 0
    place, times = axis_of(axis, x.ndim), Size(operator.index(repeats))
    before, own, behind = x.dims[:place], x.dims[place], x.dims[place + 1 :]
    made = record("reshape", x, shape=(*before, own, ONE, *behind))
    made = record("broadcast", made, shape=(*before, own, times, *behind))
    return record("reshape", made, shape=(*before, own.times(times), *behind))


@operation
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """Return the array with elements put before and behind it along each axis.

    Args:
        x: an array.
        pad_width: how many: ``(before, behind)`` of each axis, of all, or one number.
        mode: ``"constant"``; of arrays with values any that NumPy has.
        constant_values: what is put there.
    """
    x = array_of(x)
    if not is_traced(x):
        keywords = {"constant_values": constant_values} if mode == "constant" else {}
        padded: Any = np.pad
        return padded(x, pad_width, mode, **keywords)
    if mode != "constant":
        raise ValueError(f"mode is {mode!r}, but traced arrays are padded by a constant")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    made = x
    for axis, (before, behind) in enumerate(widths):
        parts = [made]
        for at, width in ((0, before), (2, behind)):
            if width:
                dims = tuple(Size(int(width)) if i == axis else n for i, n in enumerate(made.dims))
                part = record("broadcast", lifted(x.trace, constant_values), shape=dims)
                parts.insert(at and len(parts), part)
        made = concatenate(parts, axis)
    return made


def _filled(x: Any, value: Any, dtype: Any) -> Any:
    x = array_of(x)
    if not is_traced(x):
        return np.full_like(x, value, dtype=dtype)
    return record("broadcast", lifted(x.trace, value), shape=x.dims)


@operation
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Return zeros of an array's shape."""
    return _filled(x, 0, dtype)


@operation
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Return ones of an array's shape."""
    return _filled(x, 1, dtype)


@operation
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return an array's shape filled with a number."""
    return _filled(x, fill_value, dtype)


def _made(shape: Any, value: float, dtype: Any) -> Any:
    given = _dims(shape)
    traced = next((n for n in np.atleast_1d(np.array(shape, object)) if is_traced(n)), None)
    if traced is None:
        return np.full(shape, value, dtype or "float32")
    dims = tuple(ONE if n is None else n for n in given)
    return record("broadcast", lifted(traced.trace, value), shape=dims)


def zeros(shape: Any, dtype: Any = "float32") -> Any:
    """Return zeros of a shape."""
    return _made(shape, 0.0, dtype)


def ones(shape: Any, dtype: Any = "float32") -> Any:
    """Return ones of a shape."""
    return _made(shape, 1.0, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return a number in every place of a shape."""
    return _made(shape, fill_value, dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Return the numbers from ``start`` to below ``stop``, a step apart; from 0 if one is given."""
    if is_traced(start) or is_traced(stop):
        raise TypeError("arange of a traced function has ints for its ends")
    if stop is None:
        start, stop = 0, start
    made = np.arange(start, stop, step)
    return made.astype(dtype or ("int32" if made.dtype.kind in "iu" else "float32"))


def _triangle(x: Any, k: int, keeps: Any) -> Any:
    x = array_of(x)
    dims = dims_of(x)
    rows, cols = (_fixed(n, "a triangle") for n in dims[-2:])
    mask = keeps(np.ones((rows, cols)), k) != 0
    return record("where", mask, x, 0)


@operation
def tril(x: Any, k: int = 0) -> Any:
    """Return matrices with 0 above a diagonal, ``k`` above the main one."""
    return _triangle(x, k, np.tril)


@operation
def triu(x: Any, k: int = 0) -> Any:
    """Return matrices with 0 below a diagonal, ``k`` above the main one."""
    return _triangle(x, k, np.triu)


@operation
def stop_gradient(variable: Any) -> Any:
    """Return the array; derivatives take it for constant."""
    return constant_of(array_of(variable))


@operation
def copy(x: Any) -> Any:
    """Return a copy of an array."""
    x = array_of(x)
    return x if is_traced(x) else x.copy()


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None) -> Any:
    """Return a list or an array as an array; a traced one as it is."""
    x = array_of(x)
    return x if is_traced(x) or dtype is None else x.astype(dtype)


def convert_to_numpy(x: Any) -> Any:
    """Return an array with its values."""
    return np.asarray(numbers(x))
