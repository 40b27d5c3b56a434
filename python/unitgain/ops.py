"""Operations on arrays."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from unitgain import _native

__all__ = ["matmul"]


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    /,
    out: NDArray[Any] | None = None,
    *,
    bias: ArrayLike | None = None,
    activation: str | None = None,
) -> Any:
    """Return ``activation(a @ b + bias)`` as one operation.

    Shapes follow :func:`numpy.matmul`: the last two dimensions multiply, the leading ones
    broadcast, and a 1-D operand is a row (``a``) or a column (``b``). Strided and transposed
    operands are read where they are. The bits do not depend on the number of threads.

    Args:
        a: ``(..., m, k)`` or ``(k,)``, float32 or float64.
        b: ``(..., k, n)`` or ``(k,)``, of the same dtype.
        out: where the result goes; may overlap the operands.
        bias: ``(n,)``, added to every row.
        activation: the name of an element-wise activation, see :mod:`unitgain.activations`.

    Returns:
        ``out``, or a new array (a scalar for two 1-D operands).

    Raises:
        ValueError: if shapes do not fit or the activation is unknown.
        TypeError: if a dtype is neither float32 nor float64, or they differ.

    >>> import numpy as np, unitgain as ug
    >>> ug.matmul(np.array([[1.0, -2.0]]), np.eye(2), bias=[0.5, 0.5], activation="relu")
    array([[1.5, 0. ]])
    """
    return _native.matmul(a, b, out, bias, activation)
