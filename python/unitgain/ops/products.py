"""Products of matrices and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unitgain import _native
from unitgain.ops import sizes
from unitgain.ops.function import operation
from unitgain.ops.reductions import dims_of, reduce
from unitgain.ops.shaping import array_of
from unitgain.ops.sizes import ONE, Dims
from unitgain.ops.tracing import Traced, axis_of, is_traced, lifted, record

__all__ = ["dot", "matmul", "outer", "tensordot", "vdot"]


@operation
def matmul(x1: Any, x2: Any, out: Any = None, **options: Any) -> Any:
    """Return the product of matrices, as :func:`numpy.matmul` does.

    Args:
        x1: an array, whose last two axes are a matrix; one of one axis is a row.
        x2: likewise; one of one axis is a column.
        out: where the product goes.
        **options: ``bias``, ``activation`` and ``precision``, as :func:`unitgain.matmul` takes
            them, of arrays with values.
    """
    x1, x2 = (x if isinstance(x, _native.PackedMatrix) else array_of(x) for x in (x1, x2))
    if not is_traced(x1) and not is_traced(x2):
        return _native.matmul(x1, x2, out, **options)
    if out is not None or options:
        raise TypeError("the product of traced arrays takes no out, bias, activation or precision")
    trace = x1.trace if is_traced(x1) else x2.trace
    return _traced(lifted(trace, x1), lifted(trace, x2))


def _traced(a: Traced, b: Traced) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("matmul takes arrays of one axis at least: use multiply for numbers")
    row, column = a.ndim == 1, b.ndim == 1
    if row:
        a = record("reshape", a, shape=(ONE, *a.dims))
    if column:
        b = record("reshape", b, shape=(*b.dims, ONE))
    if a.dims[-1] != b.dims[-2]:
        raise ValueError(
            f"x1 has shape {sizes.text(a.dims)} and x2 has {sizes.text(b.dims)}: the last axis of "
            f"x1 and the last but one of x2 are multiplied"
        )
    made = _of_matrices(a, b)
    dims = list(made.dims)
    if column:
        del dims[-1]
    if row:
        del dims[-1 if column else -2]
    return record("reshape", made, shape=tuple(dims))


def _of_matrices(a: Traced, b: Traced) -> Any:
    m, k, n = a.dims[-2], a.dims[-1], b.dims[-1]
    if all(size == ONE for size in b.dims[:-2]):
        # One right operand: all rows at once.
        rows = sizes.count(a.dims[:-1])
        flat = record("reshape", a, shape=(rows, k))
        right = record("reshape", b, shape=(k, n))
        leading = sizes.broadcast(a.dims[:-2], b.dims[:-2])
        made = record("product", flat, right, a_turned=False, b_turned=False)
        return record("reshape", made, shape=(*leading, m, n))
    leading = sizes.broadcast(a.dims[:-2], b.dims[:-2])
    count = sizes.count(leading)
    stacks = [
        record("reshape", _broadcast(x, (*leading, *x.dims[-2:])), shape=(count, *x.dims[-2:]))
        for x in (a, b)
    ]
    made = record("product", *stacks, a_turned=False, b_turned=False)
    return record("reshape", made, shape=(*leading, m, n))


def _broadcast(x: Traced, dims: Dims) -> Any:
    return x if x.dims == dims else record("broadcast", x, shape=dims)


@operation
def dot(x1: Any, x2: Any) -> Any:
    """Return the product of matrices, of vectors, or of an array and a number.

    It sums over the last axis of ``x1`` and the last but one, or the only one, of ``x2``.
    """
    x1, x2 = array_of(x1), array_of(x2)
    if not is_traced(x1) and not is_traced(x2):
        return np.dot(x1, x2)
    if not dims_of(x1) or not dims_of(x2):
        return record("multiply", x1, x2)
    last = 0 if len(dims_of(x2)) == 1 else len(dims_of(x2)) - 2
    return tensordot(x1, x2, ([len(dims_of(x1)) - 1], [last]))


@operation
def vdot(x1: Any, x2: Any) -> Any:
    """Return the sum of the products of all elements."""
    x1, x2 = array_of(x1), array_of(x2)
    if sizes.count(dims_of(x1)) != sizes.count(dims_of(x2)):
        raise ValueError("x1 and x2 have different numbers of elements")
    x2 = record("reshape", x2, shape=dims_of(x1))
    return reduce("sum", record("multiply", x1, x2), None, False)


@operation
def outer(x1: Any, x2: Any) -> Any:
    """Return the products of each element of ``x1`` with each of ``x2``, a matrix."""
    x1, x2 = array_of(x1), array_of(x2)
    column = record("reshape", x1, shape=(sizes.count(dims_of(x1)), ONE))
    row = record("reshape", x2, shape=(ONE, sizes.count(dims_of(x2))))
    return record("multiply", column, row)


@operation
def tensordot(x1: Any, x2: Any, axes: int | Sequence[Any] = 2) -> Any:
    """Return the sums of products over axes of both arrays.

    Args:
        x1: an array.
        x2: an array.
        axes: how many last axes of ``x1`` and first ones of ``x2``; or the axes of each.
    """
    x1, x2 = array_of(x1), array_of(x2)
    a, b = dims_of(x1), dims_of(x2)
    if isinstance(axes, int):
        first, second = list(range(len(a) - axes, len(a))), list(range(axes))
    else:
        first, second = (
            [axis_of(i, len(d)) for i in np.atleast_1d(s)]
            for s, d in zip(axes, (a, b), strict=True)
        )
    if [a[i] for i in first] != [b[i] for i in second]:
        raise ValueError(
            f"axes are {axes}, which differ in x1 of shape {sizes.text(a)} and x2 of "
            f"{sizes.text(b)}"
        )
    rows = [i for i in range(len(a)) if i not in first]
    cols = [i for i in range(len(b)) if i not in second]
    depth = sizes.count(a[i] for i in first)
    left = record("transpose", x1, axes=(*rows, *first))
    right = record("transpose", x2, axes=(*second, *cols))
    left = record("reshape", left, shape=(sizes.count(a[i] for i in rows), depth))
    right = record("reshape", right, shape=(depth, sizes.count(b[i] for i in cols)))
    shape = (*(a[i] for i in rows), *(b[i] for i in cols))
    return record("reshape", matmul(left, right), shape=shape)
