"""qr, cholesky, lstsq and matrix_rank against NumPy, and against what defines them."""

from itertools import product

import numpy as np
import pytest
from numpy.linalg import LinAlgError
from variants import rerun_on_other_variants

import unitgain as ug

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = [np.float32, np.float64]
SHAPES = [(1, 1), (5, 3), (3, 5), (40, 40), (70, 33), (33, 70), (3, 6, 4), (20, 9, 9), (300, 150)]
EMPTY = [(0, 3), (3, 0), (0, 0), (2, 0, 3), (2, 3, 0), (0, 3, 2)]


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_as_numpys(ours, numpys, limit):
    """Check type, shape and values, to ``limit`` relative to the largest."""
    assert type(ours) is type(numpys)
    assert ours.dtype == numpys.dtype
    assert ours.shape == numpys.shape
    scale = abs(numpys).max(initial=0)
    np.testing.assert_allclose(ours, numpys, rtol=0, atol=limit * max(float(scale), 1e-30))


def parts(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["reduced", "complete", "r", "raw"])
def test_qr_is_numpys(mode, dtype):
    for shape in SHAPES + EMPTY:
        a = normal(shape, dtype)
        ours, numpys = ug.linalg.qr(a, mode), np.linalg.qr(a, mode)
        assert getattr(ours, "_fields", None) == getattr(numpys, "_fields", None)
        for our, their in zip(parts(ours), parts(numpys), strict=True):
            assert_as_numpys(our, their, 1e4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(600, 20), (130, 130), (64, 200), (5, 17, 6)])
def test_qr_is_orthogonal_and_reproduces_the_matrix(shape, dtype):
    for mode, kind in product(("reduced", "complete"), ("random", "rank 1", "zero")):
        a = normal(shape, dtype)
        a = a if kind == "random" else a[..., :1] * np.ones(shape[-1:], dtype) * (kind == "rank 1")
        q, r = ug.linalg.qr(a.astype(dtype), mode)
        bound = 10 * np.finfo(dtype).eps * np.sqrt(max(shape[-2:]))
        wide = q.astype(np.float64)
        gram = np.swapaxes(wide, -1, -2) @ wide
        assert np.linalg.norm(gram - np.eye(gram.shape[-1]), 2, (-2, -1)).max() <= bound
        assert np.linalg.norm(wide @ r - a) <= bound * np.linalg.norm(a)
        np.testing.assert_array_equal(r, np.triu(r))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 9, 63, 64, 65, 200])
def test_cholesky_is_numpys(n, dtype):
    a = normal((n, n), dtype)
    positive = a @ a.T + n * np.eye(n, dtype=dtype)
    for upper, matrix in product((False, True), (positive, np.stack([positive, 2 * positive]))):
        ours = ug.linalg.cholesky(matrix, upper=upper)
        assert_as_numpys(ours, np.linalg.cholesky(matrix, upper=upper), 100 * np.finfo(dtype).eps)
        # The other triangle is not read.
        other = np.full((n, n), np.nan, dtype)
        half = (
            np.triu(matrix) + np.tril(other, -1) if upper else np.tril(matrix) + np.triu(other, 1)
        )
        np.testing.assert_array_equal(ug.linalg.cholesky(half, upper=upper), ours)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_names_the_first_minor_that_is_not_positive(upper):
    for order in (1, 2, 40, 64, 65, 100):
        a = 3 * np.eye(100)
        a[order - 1, order - 1] = -1
        message = f"leading minor of order {order} is not positive"
        with pytest.raises(LinAlgError, match=f"^a is not positive definite: its {message}"):
            ug.linalg.cholesky(a, upper=upper)
        with pytest.raises(LinAlgError, match=rf"^a\[1, 0\] is not .* {message}"):
            ug.linalg.cholesky(np.stack([np.eye(100), a])[:, None], upper=upper)
    with pytest.raises(LinAlgError, match=r"a has shape \(2, 3\)"):
        ug.linalg.cholesky(np.ones((2, 3)), upper=upper)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [None, 1, 4])
def test_lstsq_is_numpys(count, dtype):
    for shape in SHAPES[:6] + SHAPES[-1:] + EMPTY[:3]:
        full = normal(shape, dtype)
        b = normal((shape[0],) if count is None else (shape[0], count), dtype, 1)
        low = np.zeros_like(full)
        low[:, : shape[1] // 2] = full[:, : shape[1] // 2]
        for a in (full, low, full[:, :1] * np.ones(shape[1:], dtype)):
            ours, numpys = ug.linalg.lstsq(a, b), np.linalg.lstsq(a, b, rcond=None)
            assert ours[2] == numpys[2]
            for i in (0, 1, 3):
                assert_as_numpys(ours[i], numpys[i], 1e4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (30, 30)])
def test_lstsq_cuts_singular_values_off_where_numpy_does(shape):
    k = min(shape)
    u, v = (np.linalg.qr(normal((n, k), np.float64, n))[0] for n in shape)
    a = (u * np.logspace(0, -12, k)) @ v.T
    b = normal((shape[0], 3), np.float64)
    for rcond in (1e-3, 1e-7, 1e-10):
        ours, numpys = ug.linalg.lstsq(a, b, rcond), np.linalg.lstsq(a, b, rcond)
        assert ours[2] == numpys[2]
        assert_as_numpys(ours[0], numpys[0], 1e-14 / rcond)
    assert ug.linalg.lstsq(a, b, -1)[2] == k


@pytest.mark.parametrize("exponent", [300, -300])
def test_lstsq_is_as_good_at_either_end_of_the_range(exponent):
    a, b = normal((30, 8), np.float64), normal(30, np.float64, 1)
    expected = np.linalg.lstsq(a, b, rcond=None)
    scale = 2.0 ** round(exponent * np.log2(10))
    found = ug.linalg.lstsq(a * scale, b)
    np.testing.assert_allclose(found[0] * scale, expected[0], rtol=1e-12)
    np.testing.assert_allclose(found[3] / scale, expected[3], rtol=1e-13)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


def test_lstsq_takes_stacks():
    a, b = normal((4, 2, 20, 6), np.float64), normal((4, 2, 20, 3), np.float64, 1)
    a[1, 1, :, 0] = 0
    x, residuals, ranks, s = ug.linalg.lstsq(a, b)
    vectors = ug.linalg.lstsq(a, b[..., 0])[0]
    for index in np.ndindex(4, 2):
        single = ug.linalg.lstsq(a[index], b[index])
        np.testing.assert_array_equal(x[index], single[0])
        np.testing.assert_allclose(vectors[index], single[0][:, 0], atol=1e-13)
        np.testing.assert_array_equal(s[index], single[3])
        assert ranks[index] == single[2]
        if index != (1, 1):
            np.testing.assert_array_equal(residuals[index], single[1])
    assert np.isnan(residuals[1, 1]).all()


@pytest.mark.parametrize("shape", [(3,), (2, 4), (5, 2), (4, 1, 1)])
def test_lstsq_refuses_shapes_that_do_not_fit(shape):
    with pytest.raises(LinAlgError, match=r"b has shape .* but a has shape \(4, 2\)"):
        ug.linalg.lstsq(np.ones((4, 2)), np.ones(shape))


def test_matrix_rank_is_numpys():
    a = normal((3, 5, 8, 6), np.float64)
    a[1, :, :, 3:] = 0
    a[2] = 1
    cases = [{}, {"tol": 1e-3}, {"rtol": 0.3}, {"tol": np.ones((3, 5))}, {"rtol": [0.5] * 5}]
    for arguments in cases:
        ours = ug.linalg.matrix_rank(a, **arguments)
        np.testing.assert_array_equal(ours, np.linalg.matrix_rank(a, **arguments))
    symmetric = a[0, 0].T @ a[0, 0]
    assert ug.linalg.matrix_rank(symmetric, hermitian=True) == 6
    assert ug.linalg.matrix_rank(np.ones(4)) == 1
    assert ug.linalg.matrix_rank(np.zeros(4)) == 0
    assert ug.linalg.matrix_rank(np.zeros((0, 4))) == 0
    with pytest.raises(ValueError, match="`tol` and `rtol` can't be both set"):
        ug.linalg.matrix_rank(np.eye(2), 0.1, rtol=0.1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_hermitian_svd_has_eigenvectors_and_signs(dtype):
    a = normal((4, 30, 30), dtype)
    a = np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)
    u, s, vh = ug.linalg.svd(np.tril(a), hermitian=True)
    numpys = np.linalg.svd(a, hermitian=True)
    bound = 10 * np.finfo(dtype).eps * np.sqrt(30) * s.max()
    np.testing.assert_allclose(s, numpys.S, atol=bound)
    np.testing.assert_allclose((u * s[:, None, :]) @ vh, a, atol=bound)
    np.testing.assert_array_equal(abs(u), abs(np.swapaxes(vh, -1, -2)))
    with pytest.raises(LinAlgError, match=r"a\[2, 1\] is nan"):
        ug.linalg.svd(np.where(np.arange(9).reshape(3, 3) == 7, np.nan, 1.0), hermitian=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_are_equal_for_any_number_of_threads(dtype):
    a, b = normal((700, 130), dtype), normal((700, 5), dtype, 1)
    positive = a.T @ a
    stack = normal((60, 9, 7), dtype)
    results = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            found = [*ug.linalg.qr(a), *ug.linalg.qr(stack), ug.linalg.cholesky(positive)]
            x, residuals, _, s = ug.linalg.lstsq(a, b)
            results.append([*found, x, residuals, s, *ug.linalg.svd(stack), ug.linalg.pinv(stack)])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "function",
    [ug.linalg.qr, ug.linalg.cholesky, ug.linalg.matrix_rank, lambda a: ug.linalg.lstsq(a, a)],
)
def test_errors_name_the_entry_and_the_type(function):
    a = np.stack([np.eye(4)] * 2)
    a[1, 3, 2] = np.inf
    with pytest.raises(LinAlgError, match=r"a\[1, 3, 2\] is inf, but every entry must be finite"):
        function(a)
    with pytest.raises(TypeError, match="a has dtype float16, expected float32 or float64"):
        function(np.eye(3, dtype=np.float16))


def test_lstsq_names_entries_of_the_right_hand_side():
    b = np.ones((5, 2))
    b[3, 1] = np.nan
    with pytest.raises(LinAlgError, match=r"b\[3, 1\] is nan"):
        ug.linalg.lstsq(np.ones((5, 2)), b)
    with pytest.raises(LinAlgError, match=r"b\[3\] is nan"):
        ug.linalg.lstsq(np.ones((5, 2)), b[:, 1])


def test_pinv_refuses_other_methods():
    with pytest.raises(ValueError, match="method is 'qr', expected 'auto' or 'svd'"):
        ug.linalg.pinv(np.eye(2), method="qr")
    with pytest.raises(ValueError, match="mode is 'full', expected 'reduced'"):
        ug.linalg.qr(np.eye(2), "full")


@pytest.mark.parametrize("dtype", ["i1", "u2", ">i4", "i8", "?", ">f4", ">f8", "<f4", "=f8"])
@pytest.mark.parametrize(
    "function", ["svd", "svdvals", "pinv", "qr", "cholesky", "lstsq", "matrix_rank"]
)
def test_numbers_of_other_types_are_taken_as_by_numpy(function, dtype):
    a = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0]]).astype(dtype)
    b = np.array([1, 1, 0]).astype(dtype)
    if function == "cholesky":
        a = np.diag([1, 1, 1]).astype(dtype)

    def results(module):
        if function == "svdvals":
            return module.svd(a, compute_uv=False)
        return getattr(module, function)(*(a, b) if function == "lstsq" else (a,))

    for ours, numpys in zip(parts(results(ug.linalg)), parts(results(np.linalg)), strict=True):
        if np.asarray(numpys).dtype.kind == "f":
            assert ours.dtype == numpys.dtype.newbyteorder("=")
        # The singular vectors' signs are free.
        np.testing.assert_allclose(abs(ours), abs(numpys), atol=1e-6)
