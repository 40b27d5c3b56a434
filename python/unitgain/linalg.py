"""Linear algebra with ``numpy.linalg``'s signatures, for float32 and float64.

Every function takes stacks of matrices, shape ``(..., M, N)``, with any strides. Every finite
matrix has its decomposition: nothing here fails to converge. Results have the same bits for any
number of threads. Integers and booleans are taken as float64, and numbers of the other byte order
as of this machine's; of other types, complex among them, there is a ``TypeError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.linalg import LinAlgError

from unitgain import _native

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LinAlgError",
    "PinvCertificate",
    "PinvResult",
    "QRResult",
    "SVDResult",
    "cholesky",
    "lstsq",
    "matrix_rank",
    "pinv",
    "qr",
    "svd",
]


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


class PinvCertificate(NamedTuple):
    """How well a matrix X meets what makes it the pseudoinverse of A; arrays for a stack.

    All is measured from A and X themselves, in float64, whichever way X was computed.

    Attributes:
        rank: the singular values that were not cut off: the trace of X A, which is a projection.
        condition: at least the largest of them over the smallest: the product of the Frobenius
            norms of A and X; 0 of rank 0.
        residual: the largest of the relative residuals of the four conditions of Penrose, "A
            generalized inverse for matrices", 1955: those of A X A = A and X A X = X, and how far A
            X and X A are from symmetric. In the Frobenius norm, each over that of A, X or the
            product. Of singular values that were cut off, the first has what they were.
    """

    rank: Any
    condition: Any
    residual: Any


class PinvResult(NamedTuple):
    """A pseudoinverse, and its certificate."""

    pinv: NDArray[Any]
    certificate: PinvCertificate


class QRResult(NamedTuple):
    """The factors of ``a = Q @ R``."""

    Q: NDArray[Any]
    R: NDArray[Any]


def _floats(a: ArrayLike, name: str) -> NDArray[Any]:
    """Return ``a`` as a float32 or float64 array: integers and booleans become float64."""
    array = np.asarray(a)
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    native = array.dtype.newbyteorder("=")
    if native in (np.float32, np.float64):
        return array.astype(native, copy=False)
    if array.dtype.kind == "c":
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected float32 or float64: "
            "complex matrices are not supported"
        )
    raise TypeError(
        f"{name} has dtype {array.dtype}, expected float32 or float64 "
        f"(convert it with {name}.astype)"
    )


def _matrices(a: ArrayLike, hermitian: bool = False) -> NDArray[Any]:
    """Return ``a`` as an array of at least two dimensions."""
    array = _floats(a, "a")
    if array.ndim < 2:
        raise LinAlgError(
            f"{array.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if hermitian and array.shape[-2] != array.shape[-1]:
        raise LinAlgError(
            f"a has shape {array.shape}, but with hermitian=True its matrices must be square"
        )
    return array


def _from_lower_triangle(a: NDArray[Any]) -> NDArray[Any]:
    """Return the symmetric matrices whose lower triangles are those of ``a``."""
    lower = np.tril(a)
    finite = np.isfinite(lower)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        text = ", ".join(map(str, index))
        raise LinAlgError(f"a[{text}] is {a[index]}, but every entry must be finite")
    symmetric: NDArray[Any] = lower + np.swapaxes(np.tril(a, -1), -2, -1)
    return symmetric


def _symmetric_svd(a: NDArray[Any]) -> SVDResult:
    """Return the decomposition whose ``Vh`` is ``U`` transposed, but for the signs of its rows.

    Twice a bound of the norm, added to the diagonal, makes ``a`` positive definite and keeps its
    eigenvectors, which then are the singular vectors. The eigenvalues are the Rayleigh quotients of
    ``a`` itself, whose error is of second order in the vectors'.
    """
    largest = abs(a).max(axis=(-2, -1), initial=0, keepdims=True)
    exponent = np.frexp(largest)[1]
    scaled = np.ldexp(a, -exponent)
    bound = abs(scaled).sum(axis=-1).max(axis=-1, initial=0)[..., None, None]
    shifted = scaled + 2 * np.maximum(bound, 1) * np.eye(a.shape[-1], dtype=a.dtype)
    vectors = _native.svd(shifted, False, True)[0]
    values = ((_native.matmul(scaled, vectors)) * vectors).sum(axis=-2)
    order = np.argsort(-abs(values), axis=-1, kind="stable")
    values = np.take_along_axis(values, order, axis=-1)
    vectors = np.take_along_axis(vectors, order[..., None, :], axis=-1)
    signed = vectors * np.copysign(np.ones_like(values), values)[..., None, :]
    return SVDResult(
        vectors, np.ldexp(abs(values), exponent[..., 0]), np.swapaxes(signed, -2, -1).copy()
    )


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
        a: Matrices, shape ``(..., M, N)``, float32 or float64. Integers are taken as float64.
        full_matrices: Whether ``U`` and ``Vh`` are square, ``(..., M, M)`` and ``(..., N, N)``, or
            have only the ``K = min(M, N)`` vectors that belong to singular values,
            ``(..., M, K)`` and ``(..., K, N)``.
        compute_uv: Whether to compute ``U`` and ``Vh`` at all.
        hermitian: Says that ``a`` is symmetric; its lower triangle alone is read. ``U`` then has
            the eigenvectors, the values are the eigenvalues' magnitudes, and ``Vh`` is ``U``
            transposed with the eigenvalues' signs on its rows.

    Returns:
        The named tuple ``(U, S, Vh)``, with ``S`` of shape ``(..., K)`` from the largest value to
        the smallest, or ``S`` alone if ``compute_uv`` is false. ``U`` and ``Vh`` are orthogonal and
        reproduce ``a`` to within a small multiple of its norm times the epsilon of its type.

    Raises:
        LinAlgError: if ``a`` has fewer than two dimensions, or an entry that is NaN or infinite,
            which the message names.
        TypeError: if ``a`` has another dtype than these.

    The methods: matrices of less than 24 columns, and stacks of small ones, by one-sided Jacobi
    (Drmac and Veselic, "New fast and accurate Jacobi SVD algorithm", SIAM Journal on Matrix
    Analysis and Applications 29, 2008); larger ones by a bidiagonal form and divide and conquer (Gu
    and Eisenstat, "A divide-and-conquer algorithm for the bidiagonal SVD", SIAM Journal on Matrix
    Analysis and Applications 16, 1995), with Jacobi behind it.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> u, s, vh = ug.linalg.svd([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    >>> s
    array([2., 1.])
    >>> u.shape, vh.shape
    ((3, 3), (2, 2))
    """
    array = _matrices(a, hermitian)
    if hermitian:
        array = _from_lower_triangle(array)
        values = _native.svd(array, False, False)
        return _symmetric_svd(array) if compute_uv else values
    result = _native.svd(array, bool(full_matrices), bool(compute_uv))
    return SVDResult(*result) if compute_uv else result


def _norms(a: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.sqrt((a * a).sum(axis=(-2, -1))))


def _certificate(a: NDArray[Any], x: NDArray[Any]) -> PinvCertificate:
    a, x = a.astype(np.float64), x.astype(np.float64)
    # A power of 2 by which no square overflows, and X has the inverse of.
    exponent = np.frexp(abs(a).max(axis=(-2, -1), initial=0, keepdims=True))[1]
    a, x = np.ldexp(a, -exponent), np.ldexp(x, exponent)
    xa, ax = _native.matmul(x, a), _native.matmul(a, x)
    off = [_native.matmul(ax, a) - a, _native.matmul(xa, x) - x]
    off += [product - np.swapaxes(product, -2, -1) for product in (ax, xa)]
    parts = [_norms(part) for part in off]
    sizes = [_norms(part) for part in (a, x, ax, xa)]
    ratios = [p / np.where(s > 0, s, 1) for p, s in zip(parts, sizes, strict=True)]
    rank = np.rint(np.trace(xa, axis1=-2, axis2=-1)).astype(np.int64)
    condition, residual = sizes[0] * sizes[1], np.max(ratios, axis=0)
    if a.ndim == 2:
        return PinvCertificate(int(rank), float(condition), float(residual))
    return PinvCertificate(rank, condition, residual)


@overload
def pinv(
    a: ArrayLike,
    rcond: ArrayLike | None = None,
    hermitian: bool = False,
    *,
    rtol: ArrayLike | _NoValue | None = _no_value,
    method: Literal["auto", "svd"] = "auto",
    return_certificate: Literal[False] = False,
) -> NDArray[Any]: ...


@overload
def pinv(
    a: ArrayLike,
    rcond: ArrayLike | None = None,
    hermitian: bool = False,
    *,
    rtol: ArrayLike | _NoValue | None = _no_value,
    method: Literal["auto", "svd"] = "auto",
    return_certificate: Literal[True],
) -> PinvResult: ...


def pinv(
    a: ArrayLike,
    rcond: ArrayLike | None = None,
    hermitian: bool = False,
    *,
    rtol: ArrayLike | _NoValue | None = _no_value,
    method: Literal["auto", "svd"] = "auto",
    return_certificate: bool = False,
) -> NDArray[Any] | PinvResult:
    """Moore-Penrose pseudoinverse, as the singular value decomposition defines it.

    Args:
        a: Matrices, shape ``(..., M, N)``, float32 or float64. Integers are taken as float64.
        rcond: Singular values of at most ``rcond`` times the largest count as zero. One number, or
            one for each matrix of the stack. Default: 1e-15.
        hermitian: Says that ``a`` is symmetric; its lower triangle alone is read.
        rtol: The Array API's name for ``rcond``; ``rtol=None`` stands for ``max(M, N)`` times the
            epsilon of the type. Only one of the two can be given.
        method: ``"svd"`` computes the singular values and vectors. ``"auto"`` inverts a matrix
            through its QR decomposition where that proves that no singular value is at the cutoff
            or below: the same pseudoinverse, within rounding, in a fraction of the time.
        return_certificate: Whether to measure how good the result is, too, by six products.

    Returns:
        The pseudoinverses, shape ``(..., N, M)``, or a :class:`PinvResult` of them and their
        certificate. A float32 matrix whose condition leaves float32 arithmetic fewer than two
        digits is computed in float64, as NumPy does with all, so that ``rcond`` means what it says.
        An ill-conditioned float64 matrix of less than 24 columns is computed in C's ``long
        double``, so that little but the rounding of its entries is left.

    Raises:
        LinAlgError: if ``a`` has fewer than two dimensions, or an entry that is NaN or infinite,
            which the message names.
        TypeError: if ``a`` has another dtype than these.
        ValueError: if both ``rcond`` and ``rtol`` are given, ``rcond`` does not fit the stack, or
            ``method`` is neither.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.linalg.pinv([[2.0, 0.0], [0.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  , 0.  ],
           [0.  , 0.  , 0.25]])
    """
    array = _matrices(a, hermitian)
    if hermitian:
        array = _from_lower_triangle(array)
    if method not in ("auto", "svd"):
        raise ValueError(f"method is {method!r}, expected 'auto' or 'svd'")
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
    inverse = _native.pinv(array, np.ascontiguousarray(cutoff), method == "svd")
    return PinvResult(inverse, _certificate(array, inverse)) if return_certificate else inverse


def matrix_rank(
    A: ArrayLike,
    tol: ArrayLike | None = None,
    hermitian: bool = False,
    *,
    rtol: ArrayLike | None = None,
) -> Any:
    """Number of singular values above a tolerance.

    Args:
        A: Matrices, shape ``(..., M, N)``, float32 or float64, or one vector. Integers are taken
            as float64.
        tol: Singular values of at most ``tol`` count as zero. One number, or one for each matrix.
            Default: ``rtol`` times the largest.
        hermitian: Says that ``A`` is symmetric; its lower triangle alone is read.
        rtol: The tolerance relative to the largest singular value. Default: ``max(M, N)`` times the
            epsilon of the type. Only one of the two can be given.

    Returns:
        The ranks, an integer or an array of the stack's shape. A vector has rank 1, or 0 if all
        of it is zero.

    Raises:
        LinAlgError: if an entry is NaN or infinite, which the message names.
        TypeError: if ``A`` has another dtype than these.
        ValueError: if both ``tol`` and ``rtol`` are given.

    >>> import unitgain as ug
    >>> ug.linalg.matrix_rank([[1.0, 2.0], [2.0, 4.0]])
    1
    """
    if tol is not None and rtol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    vector = np.asarray(A)
    if vector.ndim < 2:
        return int(np.any(vector != 0))
    values = svd(A, compute_uv=False, hermitian=hermitian)
    if tol is not None:
        cut = np.asarray(tol)[..., None]
    else:
        if rtol is None:
            relative: Any = max(vector.shape[-2:]) * np.finfo(values.dtype).eps
        else:
            relative = np.asarray(rtol)[..., None]
        cut = values.max(axis=-1, initial=0, keepdims=True) * relative
    ranks = np.count_nonzero(values > cut, axis=-1)
    return int(ranks) if np.ndim(ranks) == 0 else ranks


def qr(
    a: ArrayLike, mode: Literal["reduced", "complete", "r", "raw"] = "reduced"
) -> QRResult | NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
    """QR decomposition ``a = Q @ R``, ``Q`` with orthonormal columns and ``R`` upper triangular.

    Args:
        a: Matrices, shape ``(..., M, N)``, float32 or float64. Integers are taken as float64.
        mode: With ``K = min(M, N)``: ``"reduced"`` for the named tuple ``(Q, R)`` of shapes
            ``(..., M, K)`` and ``(..., K, N)``; ``"complete"`` for ``(..., M, M)`` and
            ``(..., M, N)``; ``"r"`` for ``R`` alone, ``(..., K, N)``; ``"raw"`` for ``(h, tau)`` of
            shapes ``(..., N, M)`` and ``(..., K)``: ``h`` is transposed, with ``R`` on and above
            the diagonal and, below it, the tails of the reflectors ``I - tau v v^T`` whose
            product ``Q`` is.

    Raises:
        LinAlgError: if ``a`` has fewer than two dimensions, or an entry that is NaN or infinite,
            which the message names.
        TypeError: if ``a`` has another dtype than these.
        ValueError: if ``mode`` is none of these.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> a = np.arange(6.0).reshape(3, 2)
    >>> q, r = ug.linalg.qr(a)
    >>> np.allclose(q @ r, a), np.allclose(q.T @ q, np.eye(2))
    (True, True)
    """
    modes = {
        "reduced": _native.QrMode.reduced,
        "complete": _native.QrMode.complete,
        "r": _native.QrMode.r,
        "raw": _native.QrMode.raw,
    }
    if mode not in modes:
        raise ValueError(f"mode is {mode!r}, expected 'reduced', 'complete', 'r' or 'raw'")
    result = _native.qr(_matrices(a), modes[mode])
    return QRResult(*result) if mode in ("reduced", "complete") else result


def cholesky(a: ArrayLike, /, *, upper: bool = False) -> NDArray[Any]:
    """Cholesky factor of symmetric positive definite matrices.

    Args:
        a: Matrices, shape ``(..., M, M)``, float32 or float64. Integers are taken as float64.
            One triangle is read: the lower one, or the upper one if ``upper``.
        upper: Whether to return the upper triangular ``U`` with ``a = U.T @ U`` in place of the
            lower triangular ``L`` with ``a = L @ L.T``.

    Raises:
        LinAlgError: if a matrix is not positive definite (the message names the matrix of the stack
            and its first leading minor that is not positive), is not square, or has an entry that
            is NaN or infinite.
        TypeError: if ``a`` has another dtype than these.

    >>> import unitgain as ug
    >>> ug.linalg.cholesky([[4.0, 2.0], [2.0, 10.0]])
    array([[2., 0.],
           [1., 3.]])
    """
    array = _matrices(a)
    if array.shape[-2] != array.shape[-1]:
        raise LinAlgError(f"a has shape {array.shape}, but its matrices must be square")
    return _native.cholesky(array, bool(upper))


def lstsq(
    a: ArrayLike, b: ArrayLike, rcond: float | None = None
) -> tuple[NDArray[Any], NDArray[Any], Any, NDArray[Any]]:
    """Least-squares solution of ``a @ x = b``, of least norm where there are several.

    Args:
        a: Matrices, shape ``(..., M, N)``, float32 or float64. Integers are taken as float64.
        b: Right-hand sides, shape ``(..., M)`` or ``(..., M, P)`` with the stack of ``a``. For a
            single matrix one dimension means one right-hand side; for a stack, one dimension less
            than ``a``.
        rcond: Singular values of at most ``rcond`` times the largest count as zero. Default:
            ``max(M, N)`` times the epsilon of the type; ``-1`` stands for the epsilon.

    Returns:
        ``(x, residuals, rank, s)``: the solutions, shape ``(..., N)`` or ``(..., N, P)``; the sums
        of squares of ``b - a @ x``, shape ``(P,)``, or ``(0,)`` where ``M <= N`` or the rank is
        below ``N`` (of a stack ``(..., P)``, NaN for such matrices); the rank; and the singular
        values, shape ``(..., min(M, N))``. As NumPy's, float32 results are computed in float64.

    Raises:
        LinAlgError: if the shapes do not fit, or an entry is NaN or infinite, which the message
            names.
        TypeError: if ``a`` or ``b`` has another dtype than these.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x, _, rank, _ = ug.linalg.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> np.round(x, 12), rank
    (array([1., 2.]), 2)
    """
    matrices, right = _matrices(a), _floats(b, "b")
    stack, (m, n) = matrices.shape[:-2], matrices.shape[-2:]
    vector = right.ndim < matrices.ndim
    if right.shape[: len(stack) + 1] != (*stack, m) or right.ndim > matrices.ndim:
        raise LinAlgError(f"b has shape {right.shape}, but a has shape {matrices.shape}")
    common = np.result_type(matrices, right)
    epsilon = float(np.finfo(common).eps)
    cut = max(m, n) * epsilon if rcond is None else float(rcond)
    x, residuals, ranks, s = _native.lstsq(
        matrices.astype(common, copy=False),
        right.astype(common, copy=False),
        cut if cut >= 0 else epsilon,
    )
    certain = (ranks == n) & (m > n)
    if stack:
        residuals = np.where(certain[..., None], residuals, np.asarray(np.nan, common))
    elif not certain:
        residuals = residuals[:0]
    return x[..., 0] if vector else x, residuals, ranks if stack else int(ranks), s
