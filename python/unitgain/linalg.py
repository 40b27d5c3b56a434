"""Linear algebra with ``numpy.linalg``'s signatures, for float32 and float64.

Every function takes stacks of matrices, shape ``(..., M, N)``, with any strides. The singular value
decomposition is one-sided Jacobi: it has an answer for every finite matrix and, unlike
``numpy.linalg``'s, cannot fail to converge. Results have the same bits for any number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.linalg import LinAlgError

from unitgain import _native

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LinAlgError", "SVDResult", "pinv", "svd"]


class _NoValue:
    """The default of an argument that also takes ``None``."""

    def __repr__(self) -> str:
        return "<no value>"


_no_value = _NoValue()


class SVDResult(NamedTuple):
    """The factors of ``a = (U * S[..., None, :]) @ Vh``, for ``full_matrices=False``."""

    U: NDArray[Any]
    S: NDArray[Any]
    Vh: NDArray[Any]


def _matrices(a: ArrayLike, hermitian: bool) -> NDArray[Any]:
    """Return ``a`` as an array of at least two dimensions; Python numbers become float64."""
    array = np.asarray(a)
    if not isinstance(a, np.ndarray) and array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"a has dtype {array.dtype}, expected float32 or float64 (convert it with a.astype)"
        )
    if array.ndim < 2:
        raise LinAlgError(
            f"{array.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if hermitian and array.shape[-2] != array.shape[-1]:
        raise LinAlgError(
            f"a has shape {array.shape}, but with hermitian=True the last two dimensions must be "
            "equal"
        )
    return array


@overload
def svd(
    a: ArrayLike,
    full_matrices: bool = True,
    compute_uv: Literal[True] = True,
    hermitian: bool = False,
) -> SVDResult: ...


@overload
def svd(
    a: ArrayLike,
    full_matrices: bool = True,
    *,
    compute_uv: Literal[False],
    hermitian: bool = False,
) -> NDArray[Any]: ...


@overload
def svd(
    a: ArrayLike, full_matrices: bool, compute_uv: Literal[False], hermitian: bool = False
) -> NDArray[Any]: ...


def svd(
    a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> SVDResult | NDArray[Any]:
    """Singular value decomposition ``a = U @ diag(S) @ Vh``.

    Args:
        a: Matrices, shape ``(..., M, N)``, float32 or float64. Lists are taken as float64.
        full_matrices: Whether ``U`` and ``Vh`` are square, ``(..., M, M)`` and ``(..., N, N)``, or
            have only the ``K = min(M, N)`` vectors that belong to singular values,
            ``(..., M, K)`` and ``(..., K, N)``.
        compute_uv: Whether to compute ``U`` and ``Vh`` at all.
        hermitian: Says that ``a`` is symmetric. The same method computes the result.

    Returns:
        The named tuple ``(U, S, Vh)``, with ``S`` of shape ``(..., K)`` from the largest value to
        the smallest, or ``S`` alone if ``compute_uv`` is false. ``U`` and ``Vh`` are orthogonal and
        reproduce ``a`` to within a small multiple of its norm times the epsilon of its type.

    Raises:
        LinAlgError: if ``a`` has fewer than two dimensions or an entry that is NaN or infinite,
            which the message names.
        TypeError: if ``a`` is neither float32 nor float64.

    The method: Drmac and Veselic, "New fast and accurate Jacobi SVD algorithm", SIAM J. Matrix
    Anal. Appl. 29, 2008.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> u, s, vh = ug.linalg.svd([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    >>> s
    array([2., 1.])
    >>> u.shape, vh.shape
    ((3, 3), (2, 2))
    """
    result = _native.svd(_matrices(a, hermitian), bool(full_matrices), bool(compute_uv))
    return SVDResult(*result) if compute_uv else result


def pinv(
    a: ArrayLike,
    rcond: ArrayLike | None = None,
    hermitian: bool = False,
    *,
    rtol: ArrayLike | _NoValue | None = _no_value,
) -> NDArray[Any]:
    """Moore-Penrose pseudoinverse, from the singular value decomposition.

    Args:
        a: Matrices, shape ``(..., M, N)``, float32 or float64. Lists are taken as float64.
        rcond: Singular values of at most ``rcond`` times the largest count as zero. One number, or
            one for each matrix of the stack. Default: 1e-15.
        hermitian: Says that ``a`` is symmetric. The same method computes the result.
        rtol: The Array API's name for ``rcond``; ``rtol=None`` stands for ``max(M, N)`` times the
            epsilon of the type. Only one of the two can be given.

    Returns:
        The pseudoinverses, shape ``(..., N, M)``. A float32 matrix whose singular values spread
        over more than float32 arithmetic resolves is computed in float64, so that ``rcond`` means
        what it says.

    Raises:
        LinAlgError: if ``a`` has fewer than two dimensions or an entry that is NaN or infinite,
            which the message names.
        TypeError: if ``a`` is neither float32 nor float64.
        ValueError: if both ``rcond`` and ``rtol`` are given, or ``rcond`` does not fit the stack.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.linalg.pinv([[2.0, 0.0], [0.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  , 0.  ],
           [0.  , 0.  , 0.25]])
    """
    array = _matrices(a, hermitian)
    if rcond is not None and rtol is not _no_value:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    cutoff: Any = rcond
    if rcond is None:
        if rtol is _no_value:
            cutoff = 1e-15
        elif rtol is None:
            cutoff = max(array.shape[-2:]) * np.finfo(array.dtype).eps
        else:
            cutoff = rtol
    stack = array.shape[:-2]
    cutoff = np.asarray(cutoff, dtype=np.float64)
    try:
        cutoff = np.broadcast_to(cutoff, stack)
    except ValueError:
        raise ValueError(
            f"rcond has shape {cutoff.shape}, which does not broadcast to the stack's {stack}"
        ) from None
    return _native.pinv(array, np.ascontiguousarray(cutoff))
