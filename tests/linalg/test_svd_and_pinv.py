"""svd and pinv against NumPy in float64, and against what defines them."""

import threading

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import LinAlgError
from variants import rerun_on_other_variants

import unitgain as ug

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = [np.float32, np.float64]


def tolerance(a):
    """Ten roundings for each of the square root of the number of rows or columns."""
    return 10 * np.finfo(a.dtype).eps * np.sqrt(max(a.shape[-2:]))


def norm(a):
    """The Frobenius norm, safe from overflow and underflow."""
    wide = a.astype(np.longdouble)
    largest = abs(wide).max(initial=0)
    return largest * np.sqrt(((wide / largest) ** 2).sum()) if largest > 0 else largest


def assert_orthonormal_columns(q, bound):
    wide = q.astype(np.float64)
    assert np.linalg.norm(wide.T @ wide - np.eye(q.shape[1]), 2) <= bound


def assert_is_svd(a, full_matrices):
    u, s, vh = ug.linalg.svd(a, full_matrices=full_matrices)
    m, n = a.shape
    k = min(m, n)
    assert u.shape == ((m, m) if full_matrices else (m, k))
    assert vh.shape == ((n, n) if full_matrices else (k, n))
    assert s.shape == (k,)
    assert u.dtype == s.dtype == vh.dtype == a.dtype
    assert_orthonormal_columns(u, tolerance(a))
    assert_orthonormal_columns(vh.T, tolerance(a))
    assert (s >= 0).all()
    assert (np.diff(s) <= 0).all()
    product = (u[:, :k].astype(np.longdouble) * s) @ vh[:k].astype(np.longdouble)
    # What is below the type's normal range keeps an absolute precision only.
    smallest = np.finfo(a.dtype).smallest_subnormal * a.size
    assert norm(product - a) <= tolerance(a) * norm(a) + smallest
    alone = ug.linalg.svd(a, compute_uv=False)
    largest = s.max(initial=0)
    np.testing.assert_allclose(
        alone / (largest or 1), s / (largest or 1), rtol=0, atol=tolerance(a)
    )
    return u, s, vh


def with_spectrum(m, n, values, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((m, m)))[0][:, : len(values)]
    v = np.linalg.qr(rng.standard_normal((n, n)))[0][:, : len(values)]
    return ((u * np.asarray(values)) @ v.T).astype(dtype)


def kahan(n, angle=1.2):
    s, c = np.sin(angle), np.cos(angle)
    return np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))


def hilbert(n):
    i = np.arange(n)
    return 1.0 / (i[:, None] + i + 1)


def random_matrix(m, n, seed=0):
    return np.random.default_rng(seed).standard_normal((m, n))


def battery():
    """Return matrices by name; float32 ones are made from them by rounding."""
    a = random_matrix(12, 9)
    cases = {
        f"random {m}x{n}": random_matrix(m, n)
        for m, n in [
            (1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (5, 3), (4, 4), (17, 17), (33, 32),
            (64, 64), (100, 20), (20, 100), (130, 67),
        ]
    }  # fmt: skip
    cases |= {
        f"condition 1e{p}": with_spectrum(40, 30, np.logspace(0, -p, 30), seed=p)
        for p in (2, 7, 12, 16, 20)
    }
    cases |= {
        "zero": np.zeros((6, 4)),
        "identity": np.eye(8),
        "signed permutation": -np.eye(9)[::-1],
        "all ones": np.ones((20, 13)),
        "rank 1": np.outer(np.arange(1.0, 9), np.arange(1.0, 6)),
        "half rank": random_matrix(30, 12) @ random_matrix(12, 25, 1),
        "one cluster": with_spectrum(24, 24, [3.0] * 12 + [1.0] * 12),
        "duplicate columns": np.hstack([a, a]),
        "duplicate rows": np.vstack([a, a, a]),
        "zero columns": np.hstack([a, np.zeros((12, 5)), a[:, :2]]),
        "zero rows": np.vstack([np.zeros((3, 9)), a, np.zeros((2, 9))]),
        "one entry": np.pad([[-3.0]], ((4, 2), (1, 5))),
        "nilpotent": np.eye(10, k=1),
        "bidiagonal": np.eye(30) + 2 * np.eye(30, k=1),
        "integers": np.arange(42.0).reshape(7, 6) % 5 - 2,
        "magic": np.array([[16.0, 2, 3, 13], [5, 11, 10, 8], [9, 7, 6, 12], [4, 14, 15, 1]]),
        "hilbert": hilbert(14),
        "kahan": kahan(40),
        "graded": np.diag(np.logspace(0, -30, 25)) @ random_matrix(25, 25),
        "graded columns": random_matrix(25, 20) @ np.diag(np.logspace(-25, 5, 20)),
        "graded diagonal": np.diag(np.logspace(10, -20, 16)),
        "symmetric": a.T @ a,
    }  # fmt: skip
    return cases


BATTERY = battery()


def in_extreme_range(a, dtype, exponent):
    """Multiply ``a`` by a power of two so that its norm is near 10**exponent."""
    shift = int(np.floor(exponent * np.log2(10) - np.log2(np.linalg.norm(a))))
    return np.ldexp(a, shift).astype(dtype)


EXTREMES = {
    np.float32: [38, 30, 20, -20, -30, -37, -40, -44],
    np.float64: [307, 300, 160, -160, -300, -306, -312, -322],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("full_matrices", [False, True])
@pytest.mark.parametrize("name", BATTERY)
def test_svd_factors_are_orthogonal_and_reproduce_the_matrix(name, full_matrices, dtype):
    a = BATTERY[name].astype(dtype)
    for matrix in (a, a.T):
        _, s, _ = assert_is_svd(matrix, full_matrices)
        expected = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        assert abs(s - expected).max() <= tolerance(a) * max(expected[0], 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["random 17x17", "random 5x3", "integers", "condition 1e12"])
def test_svd_is_as_good_at_either_end_of_the_range(name, dtype):
    for exponent in EXTREMES[dtype]:
        a = in_extreme_range(BATTERY[name], dtype, exponent)
        assert_is_svd(a, True)


def test_singular_values_of_a_graded_matrix_are_accurate_to_the_smallest():
    # One-sided Jacobi's relative accuracy on a matrix whose columns are well conditioned but for
    # their scale (Demmel and Veselic, "Jacobi's method is more accurate than QR", 1992).
    scale = 10.0 ** -np.arange(0, 40, 2)
    a = random_matrix(30, 20) * scale
    with mpmath.workdps(100):
        exact = mpmath.svd_r(mpmath.matrix(a.tolist()), compute_uv=False)
        expected = np.array([float(value) for value in exact])
    np.testing.assert_allclose(ug.linalg.svd(a, compute_uv=False), expected, rtol=1e-13)


# ---- pinv ----


def assert_is_pseudoinverse(a, b, condition):
    """Check the four Moore-Penrose conditions, to what the condition number leaves of them."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    bound = tolerance(a) * condition
    size = np.linalg.norm(wide_a, 2)
    inverse_size = np.linalg.norm(wide_b, 2)
    projection, other_projection = wide_a @ wide_b, wide_b @ wide_a
    assert np.linalg.norm(projection @ wide_a - wide_a, 2) <= bound * size
    assert np.linalg.norm(wide_b @ projection - wide_b, 2) <= bound * inverse_size
    assert np.linalg.norm(projection - projection.T, 2) <= bound
    assert np.linalg.norm(other_projection - other_projection.T, 2) <= bound


def test_pinv_fulfils_the_moore_penrose_conditions_and_agrees_with_numpy():
    for name, a in BATTERY.items():
        rcond = 1e-10
        values = np.linalg.svd(a, compute_uv=False)
        if ((values > 1e-11 * values[0]) & (values < 1e-9 * values[0])).any():
            continue  # a singular value at the cutoff may be counted either way
        kept = values[values > rcond * values[0]]
        condition = kept[0] / kept[-1] if kept.size else 1.0
        for matrix in (a, a.T, np.asfortranarray(a)):
            b = ug.linalg.pinv(matrix, rcond)
            # A x = b has no more accurate answer than the discarded values leave.
            left_out = values[kept.size] / values[0] if kept.size < values.size and kept.size else 0
            slack = condition * (1 + left_out * condition / tolerance(a))
            assert_is_pseudoinverse(matrix, b, slack)
            expected = np.linalg.pinv(matrix, rcond)
            error = np.linalg.norm(b - expected)
            assert error <= tolerance(a) * condition * np.linalg.norm(expected), name


@pytest.mark.parametrize("name", BATTERY)
def test_float32_pinv_is_that_of_float64_with_the_default_rcond(name):
    a = BATTERY[name].astype(np.float32)
    values = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    kept = values[values > 1e-15 * values[0]]
    if kept.size == 0:
        assert not ug.linalg.pinv(a).any()
        return
    if kept[-1] < 1e-12 * kept[0]:
        # NumPy's answer itself hangs on the rounding of float64.
        assert np.isfinite(ug.linalg.pinv(a)).all()
        return
    expected = np.linalg.pinv(a.astype(np.float64))
    for matrix, reference in ((a, expected), (a.T, expected.T)):
        b = ug.linalg.pinv(matrix)
        assert b.dtype == np.float32
        bound = tolerance(a) * min(kept[0] / kept[-1], 2.0**14) * np.linalg.norm(expected)
        assert np.linalg.norm(b - reference) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
def test_pinv_of_extreme_scales(dtype):
    a = BATTERY["random 7x1" if dtype == np.float32 else "random 5x3"]
    expected = np.linalg.pinv(a)
    for exponent in EXTREMES[dtype][:-2]:
        scaled = in_extreme_range(a, dtype, exponent)
        factor = np.float64(scaled.ravel()[0]) / a.ravel()[0]
        b = ug.linalg.pinv(scaled).astype(np.longdouble)
        limit = np.finfo(dtype).smallest_subnormal
        assert abs(b - expected / factor).max() <= 1e3 * tolerance(scaled) * norm(b) + limit


def test_cutoff_is_rcond_times_the_largest_singular_value():
    a = np.diag([4.0, 2.0, 1.0])
    np.testing.assert_allclose(ug.linalg.pinv(a, 0.5), np.diag([0.25, 0, 0]), atol=1e-15)
    np.testing.assert_allclose(ug.linalg.pinv(a, 0.49), np.diag([0.25, 0.5, 0]), atol=1e-15)
    np.testing.assert_allclose(ug.linalg.pinv(a, rtol=0.49), np.diag([0.25, 0.5, 0]), atol=1e-15)
    assert not ug.linalg.pinv(a, 1.0).any()
    stack = np.stack([a, a])
    both = ug.linalg.pinv(stack, np.array([0.5, 0.1]))
    np.testing.assert_allclose(both[0], np.diag([0.25, 0, 0]), atol=1e-15)
    np.testing.assert_allclose(both[1], np.diag([0.25, 0.5, 1]), atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rtol_none_is_size_times_epsilon(dtype):
    eps = np.finfo(dtype).eps
    above, below = np.diag([1, 4.5 * eps, 0, 0]), np.diag([1, 3.5 * eps, 0, 0])
    assert ug.linalg.pinv(above.astype(dtype), rtol=None)[1, 1] > 0
    assert ug.linalg.pinv(below.astype(dtype), rtol=None)[1, 1] == 0
    assert ug.linalg.pinv(below.astype(dtype), rtol=0)[1, 1] > 0


# ---- arrays of any shape and layout ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 3, 4, 6), (40, 3, 3), (1, 1, 2, 2), (0, 3, 2)])
def test_stacks_are_decomposed_matrix_by_matrix(shape, dtype):
    a = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for full_matrices in (True, False):
        u, s, vh = ug.linalg.svd(a, full_matrices)
        expected = np.linalg.svd(a, full_matrices)
        assert (u.shape, s.shape, vh.shape) == tuple(part.shape for part in expected)
        for index in np.ndindex(shape[:-2]):
            single = ug.linalg.svd(a[index], full_matrices)
            product = (u[index][:, : s.shape[-1]] * s[index]) @ vh[index][: s.shape[-1]]
            np.testing.assert_allclose(product, a[index], atol=tolerance(a) * s[index][0])
            np.testing.assert_allclose(s[index], single.S, atol=tolerance(a) * s[index][0])
            assert_orthonormal_columns(u[index], tolerance(a))
            assert_orthonormal_columns(vh[index].T, tolerance(a))
    b = ug.linalg.pinv(a)
    assert b.shape == np.linalg.pinv(a).shape
    for index in np.ndindex(shape[:-2]):
        single = ug.linalg.pinv(a[index])
        limit = tolerance(a) * np.linalg.cond(a[index]) * abs(single).max()
        np.testing.assert_allclose(b[index], single, atol=limit)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_does_not_depend_on_its_neighbours_in_a_stack(dtype):
    a = np.random.default_rng(0).standard_normal((50, 9, 6)).astype(dtype)
    a[7] = 1
    order = np.random.default_rng(1).permutation(50)
    for function in (ug.linalg.pinv, lambda x: ug.linalg.svd(x, compute_uv=False)):
        np.testing.assert_array_equal(function(a)[order], function(a[order]))
        np.testing.assert_array_equal(function(a)[:20], function(a[:20]))
    for whole, part in zip(ug.linalg.svd(a), ug.linalg.svd(a[order]), strict=True):
        np.testing.assert_array_equal(whole[order], part)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 3), (2, 3, 0), (0, 0, 3)])
def test_empty_dimensions_are_numpys(shape):
    a = np.zeros(shape, np.float32)
    for full_matrices in (True, False):
        for ours, numpys in zip(
            ug.linalg.svd(a, full_matrices), np.linalg.svd(a, full_matrices), strict=True
        ):
            assert ours.dtype == numpys.dtype
            np.testing.assert_array_equal(ours, numpys)
    ours, numpys = ug.linalg.pinv(a), np.linalg.pinv(a)
    assert (ours.shape, ours.dtype) == (numpys.shape, numpys.dtype)
    assert ug.linalg.svd(a, compute_uv=False).shape == np.linalg.svd(a, compute_uv=False).shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_do_not_matter(dtype):
    base = np.random.default_rng(0).standard_normal((2, 30, 40)).astype(dtype)
    packed = np.zeros(20, np.dtype([("flag", "u1"), ("row", dtype, 12)]))
    packed["row"] = base[0, :20, :12]
    views = [
        base[0, ::3, ::2],
        base[1, ::-1, ::-2],
        base[:, 3:9, 5:30].transpose(0, 2, 1),
        base.transpose(1, 0, 2)[4:9],
        np.broadcast_to(base[0, 0], (5, 40)),
        packed["row"],
    ]
    for view in views:
        dense = np.ascontiguousarray(view)
        for ours, reference in zip(ug.linalg.svd(view), ug.linalg.svd(dense), strict=True):
            np.testing.assert_array_equal(ours, reference)
        np.testing.assert_array_equal(ug.linalg.pinv(view), ug.linalg.pinv(dense))


def test_inputs_are_not_written():
    a = random_matrix(6, 4)
    a.flags.writeable = False
    before = a.copy()
    ug.linalg.svd(a)
    ug.linalg.pinv(a)
    np.testing.assert_array_equal(a, before)


def test_lists_are_float64():
    result = ug.linalg.svd([[1, 2], [3, 4], [5, 6]])
    assert result.S.dtype == np.float64
    np.testing.assert_allclose(
        ug.linalg.pinv([[1, 2], [3, 4]]), np.linalg.inv([[1, 2], [3, 4]]), rtol=1e-13
    )


def test_hermitian_gives_the_same_decomposition():
    a = BATTERY["symmetric"]
    u, s, vh = ug.linalg.svd(a, hermitian=True)
    np.testing.assert_allclose((u * s) @ vh, a, atol=1e-13 * s[0])
    np.testing.assert_allclose(
        ug.linalg.pinv(a, hermitian=True), np.linalg.pinv(a, hermitian=True), rtol=1e-10
    )


def test_result_unpacks_and_has_numpys_names():
    result = ug.linalg.svd(np.eye(2))
    u, s, vh = result
    assert result._fields == ("U", "S", "Vh")
    assert result.U is u
    assert result.S is s
    assert result.Vh is vh


# ---- errors ----


@pytest.mark.parametrize("function", [ug.linalg.svd, ug.linalg.pinv])
class TestErrors:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_non_finite_entries_are_named(self, function, bad):
        for dtype in DTYPES:
            a = np.ones((40, 30), dtype)
            a[17, 23] = a[30, 2] = bad
            with pytest.raises(LinAlgError, match=rf"a\[17, 23\] is {bad}, .* must be finite"):
                function(a)
            with pytest.raises(LinAlgError, match=rf"a\[2, 30\] is {bad}"):
                function(a.T)
            with pytest.raises(LinAlgError, match=rf"a\[1, 3\] is {bad}"):
                function(a[15::2, 2::7])

    def test_non_finite_entries_of_stacks_are_named(self, function):
        a = np.ones((2, 3, 4, 5))
        a[1, 2, 3, 0] = np.nan
        with pytest.raises(LinAlgError, match=r"a\[1, 2, 3, 0\] is nan"):
            function(a)

    @pytest.mark.parametrize("dtype", [np.float16, np.complex128, np.longdouble, object])
    def test_other_dtypes_are_refused(self, function, dtype):
        name = np.dtype(dtype).name
        with pytest.raises(TypeError, match=f"a has dtype {name}, expected float32 or float64"):
            function(np.ones((2, 2), dtype))

    def test_complex_matrices_are_said_to_be_unsupported(self, function):
        with pytest.raises(TypeError, match="complex matrices are not supported"):
            function([[1j]])

    def test_fewer_than_two_dimensions_are_refused(self, function):
        with pytest.raises(LinAlgError, match=r"1-dimensional .* at least two-dimensional"):
            function(np.ones(3))
        with pytest.raises(LinAlgError, match="0-dimensional"):
            function(3.0)

    def test_hermitian_needs_a_square_matrix(self, function):
        with pytest.raises(LinAlgError, match=r"a has shape \(2, 3\)"):
            function(np.ones((2, 3)), hermitian=True)


def test_rcond_and_rtol_exclude_each_other():
    with pytest.raises(ValueError, match="`rtol` and `rcond` can't be both set"):
        ug.linalg.pinv(np.eye(2), 1e-3, rtol=1e-3)


def test_rcond_must_fit_the_stack():
    with pytest.raises(ValueError, match=r"rcond has shape \(3,\), .* stack's \(2,\)"):
        ug.linalg.pinv(np.ones((2, 2, 2)), [0.1, 0.2, 0.3])


# ---- threads ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(30, 20), (170, 170), (280, 260), (230, 800), (20, 9, 7)])
def test_bits_are_equal_for_any_number_of_threads(shape, dtype):
    a = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    singular = a.copy()
    singular[..., -3:] = singular[..., :3]
    results = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            inverses = ug.linalg.pinv(a), ug.linalg.pinv(singular, 1e-4)
            results.append((*ug.linalg.svd(singular, False), *inverses))
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_many_python_threads_at_once():
    matrices = [random_matrix(40, 30, seed) for seed in range(8)]
    expected = [ug.linalg.pinv(a) for a in matrices]
    wrong = []

    def work(i):
        for _ in range(5):
            if not np.array_equal(ug.linalg.pinv(matrices[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- properties ----


@st.composite
def matrices(draw):
    m, n = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    dtype = draw(st.sampled_from(DTYPES))
    kind = draw(st.sampled_from(["any", "low rank", "graded", "small integers"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "any":
        width = 32 if dtype == np.float32 else 64
        entries = st.floats(allow_nan=False, allow_infinity=False, width=width)
        a = np.array(draw(st.lists(entries, min_size=m * n, max_size=m * n))).reshape(m, n)
        # So that the norm is a number of the type.
        a = a / 64
    elif kind == "low rank":
        rank = draw(st.integers(0, min(m, n)))
        a = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    elif kind == "graded":
        a = rng.standard_normal((m, n)) * 10.0 ** rng.integers(-20, 20, (1, n))
    else:
        a = rng.integers(-2, 3, (m, n)).astype(np.float64)
    return a.astype(dtype)


@settings(max_examples=250, deadline=None)
@given(matrices(), st.booleans())
def test_every_finite_matrix_has_a_decomposition(a, full_matrices):
    assert_is_svd(a, full_matrices)
    with np.errstate(over="ignore"):
        assert ug.linalg.pinv(a).shape == a.T.shape
