"""Tall matrices, whose products with themselves serve where they are as good as a decomposition.

The conditions here lie on both sides of the certificates: 2^5 and 2^11 for ``lstsq`` of float64 and
float32, 12 (of a bound some three times the condition) and 2^14 for ``pinv``, 2^11 for ``svd`` of
float32.
"""

from itertools import product

import numpy as np
import pytest
from numpy.linalg import LinAlgError
from tall_matrices import DTYPES, eps, normal, orthonormal, spectra, with_spectrum
from variants import rerun_on_other_variants

import unitgain as ug

test_other_variants = rerun_on_other_variants(__file__)

SHAPE = (700, 45)


def layouts(a):
    """The matrix in row order, in column order, and with strides."""
    padded = np.zeros((a.shape[0], 2 * a.shape[1] + 1), a.dtype)
    padded[:, 1::2] = a
    return np.ascontiguousarray(a), np.asfortranarray(a), padded[:, 1::2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("condition", [1.5, 20, 50, 1e3, 3e3, 1e5])
def test_lstsq_is_as_good_as_longdoubles_at_any_condition(condition, dtype):
    m, n = SHAPE
    for values, noise in product(spectra(condition, n), (0.0, 1e-6, 1.0)):
        a = with_spectrum(values).astype(dtype)
        rest = normal((m, 3), 3)
        b = (a @ normal((n, 3), 2) + noise * rest).astype(dtype)
        # Corrected in longdouble until nothing changes any more.
        wide, right = a.astype(np.longdouble), b.astype(np.longdouble)
        q, r = np.linalg.qr(a.astype(np.float64))
        exact = np.zeros((n, 3), np.longdouble)
        for _ in range(4):
            exact += np.linalg.solve(r, q.T @ (right - wide @ exact).astype(np.float64))
        left = right - wide @ exact
        x, residuals, rank, s = ug.linalg.lstsq(a, b, 1e-8)
        assert rank == n
        relative = float(np.linalg.norm(left) / np.linalg.norm(exact))
        # What the rounding of A and B to double leaves, and that of the result.
        limit = 1e2 * eps(np.float64) * (condition + condition**2 * relative) + 2 * eps(dtype)
        assert np.linalg.norm(x - exact) <= limit * np.linalg.norm(exact)
        squares = (left**2).sum(0)
        blur = 1e2 * eps(np.float64) ** 2 * condition**2 * (right**2).sum(0)
        assert (abs(residuals - squares) <= 4 * eps(dtype) * squares + blur + 1e-10 * squares).all()
        numpys = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        kept = 40 if dtype == np.float64 else 0
        np.testing.assert_allclose(s, numpys, rtol=eps(dtype) if kept == 0 else 1e-9, atol=0)
        assert abs(s - numpys).max() <= (kept * eps(np.float64) or eps(dtype)) * numpys[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_lstsq_takes_numpys_rank_where_the_cut_is_near(dtype):
    m, n = SHAPE
    b = normal((m, 2), 2).astype(dtype)
    for condition, values in product((4, 25, 1e3), (0, 1, 2)):
        a = with_spectrum(spectra(condition, n)[values]).astype(dtype)
        for side in (0.999, 1.001):
            rcond = side / condition
            ours = ug.linalg.lstsq(a, b, rcond)
            numpys = np.linalg.lstsq(a.astype(np.float64), b.astype(np.float64), rcond)
            assert ours[2] == numpys[2]
            assert ours[1].shape == numpys[1].shape
            error = np.linalg.norm(ours[0] - numpys[0])
            assert error <= 1e4 * eps(dtype) * condition * np.linalg.norm(numpys[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_lstsq_is_not_fooled_by_dependent_columns(dtype):
    m, n = SHAPE
    a = normal(SHAPE).astype(dtype)
    b = normal(m, 2).astype(dtype)
    double, nearly, zero, one = a.copy(), a.copy(), a.copy(), np.ones_like(a)
    double[:, 7] = double[:, 30]
    nearly[:, 7] = nearly[:, 30] * (1 + 4 * eps(dtype) * np.sign(b))
    zero[:, 11] = 0
    for matrix in (double, nearly, zero, one, np.zeros_like(a)):
        ours = ug.linalg.lstsq(matrix, b)
        numpys = np.linalg.lstsq(matrix, b, rcond=m * eps(dtype))
        assert ours[2] == numpys[2] < n
        scale = max(np.linalg.norm(numpys[0]), 1e-30)
        assert np.linalg.norm(ours[0] - numpys[0]) <= 1e4 * eps(dtype) * scale
        assert ours[1].shape == (0,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kahans_triangle_does_not_fool_any_road(dtype):
    """Its diagonal says nothing of its least singular value."""
    m, n = SHAPE
    for angle in (0.3, 0.6, 1.0):
        sine, cosine = np.sin(angle), np.cos(angle)
        kahan = np.diag(sine ** np.arange(n)) @ (np.eye(n) - cosine * np.triu(np.ones((n, n)), 1))
        a = (orthonormal(m, n) @ kahan).astype(dtype)
        values = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        for factor in (0.9, 1.1):
            cut = factor * values[-1] / values[0]
            if cut < 64 * eps(dtype):
                continue
            kept = values[values > cut * values[0]]
            assert ug.linalg.lstsq(a, a[:, :2], cut)[2] == kept.size
            size = np.linalg.norm(ug.linalg.pinv(a, cut), 2)
            assert size * kept[-1] == pytest.approx(1, rel=100 * eps(dtype) / cut)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scales_that_squares_do_not_hold(dtype):
    a, b = normal(SHAPE).astype(dtype), normal((SHAPE[0], 2), 1).astype(dtype)
    x, _, _, s = np.linalg.lstsq(a, b, rcond=None)
    inverse = np.linalg.pinv(a.astype(np.float64))
    limit = 300 * eps(dtype)
    for exponent in (
        (-120, -60, 60, 120) if dtype == np.float32 else (-1000, -530, -300, 300, 505, 1000)
    ):
        scale = dtype(2.0) ** dtype(exponent)
        found = ug.linalg.lstsq(a * scale, b * scale)
        np.testing.assert_allclose(found[0], x, rtol=0, atol=limit * abs(x).max())
        for values in (found[3], ug.linalg.lstsq(a * scale, b)[3]):
            np.testing.assert_allclose(values / scale, s, rtol=limit)
        np.testing.assert_allclose(
            ug.linalg.pinv(a * scale) * scale, inverse, rtol=0, atol=limit * abs(inverse).max()
        )
        np.testing.assert_allclose(
            ug.linalg.svd(a * scale, compute_uv=False) / scale, s, rtol=limit
        )
    one_small = a.copy()
    one_small[:, 3] *= dtype(1e-30)
    np.testing.assert_allclose(
        ug.linalg.svd(one_small, compute_uv=False)[:-1],
        np.linalg.svd(one_small.astype(np.float64), compute_uv=False)[:-1],
        rtol=limit,
    )


def test_lstsq_of_nothing_and_of_what_fits():
    a = normal(SHAPE)
    zero = ug.linalg.lstsq(a, np.zeros(SHAPE[0]))
    np.testing.assert_array_equal(zero[0], 0)
    np.testing.assert_array_equal(zero[1], 0)
    expected = normal((SHAPE[1], 2), 1)
    x, residuals, _, _ = ug.linalg.lstsq(a, a @ expected)
    np.testing.assert_allclose(x, expected, rtol=1e-12)
    assert (residuals <= 1e-26).all()
    # A residual of 1e-9 of the right-hand side, which their squares tell nothing of.
    rest = normal(SHAPE[0], 2)
    rest -= a @ np.linalg.lstsq(a, rest, rcond=None)[0]
    b = (a @ expected[:, 0]) + 1e-9 * rest
    assert ug.linalg.lstsq(a, b)[1] == pytest.approx(1e-18 * (rest @ rest), rel=1e-5)
    b = (a @ expected[:, 0] + 1e-3 * rest).astype(np.float32)
    found = ug.linalg.lstsq(a.astype(np.float32), b)[1]
    exact = np.linalg.lstsq(a.astype(np.float32).astype(np.float64), b.astype(np.float64), None)[1]
    np.testing.assert_allclose(found, exact, rtol=4e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_named(value, dtype):
    a, b = normal(SHAPE).astype(dtype), normal(SHAPE[0], 1).astype(dtype)
    bad, bad_right = a.copy(), b.copy()
    bad[601, 13] = bad_right[333] = value
    for function in (ug.linalg.pinv, ug.linalg.svd, lambda x: ug.linalg.lstsq(x, b)):
        with pytest.raises(LinAlgError, match=r"^a\[601, 13\] is -?(nan|inf)"):
            function(bad)
    with pytest.raises(LinAlgError, match=r"^a\[601, 13\] is"):
        ug.linalg.pinv(bad.T.copy().T)
    with pytest.raises(LinAlgError, match=r"^a\[1, 601, 13\] is"):
        ug.linalg.pinv(np.stack([a, bad]))
    with pytest.raises(LinAlgError, match=r"^b\[333\] is"):
        ug.linalg.lstsq(a, bad_right)


def moore_penrose(a, b):
    a, b = a.astype(np.longdouble), b.astype(np.longdouble)
    ba = b @ a
    sizes = np.linalg.norm(a), np.linalg.norm(b)
    return (
        np.linalg.norm(a @ ba - a) / sizes[0],
        np.linalg.norm(ba @ b - b) / sizes[1],
        np.linalg.norm(a @ b - (a @ b).T),
        np.linalg.norm(ba - ba.T),
    )


@pytest.mark.parametrize(
    ("condition", "dtype"),
    [*product((1.5, 3, 5, 9, 30), DTYPES), (200, np.float32), (1000, np.float32)],
)
def test_pinv_fulfils_the_moore_penrose_conditions_as_well_as_numpys(condition, dtype):
    for values in spectra(condition, 30):
        a = with_spectrum(values, (300, 30)).astype(dtype)
        cut = 1e-6 if dtype == np.float32 else 1e-12
        theirs = moore_penrose(a, np.linalg.pinv(a, cut))
        for matrix in layouts(a):
            ours = moore_penrose(a, ug.linalg.pinv(matrix, cut))
            turned = moore_penrose(a, ug.linalg.pinv(matrix.T, cut).T)
            for our, turn, their in zip(ours, turned, theirs, strict=True):
                assert max(our, turn) <= 2 * their + 10 * eps(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pinv_is_not_fooled_near_the_cut(dtype):
    margin = 1e-3 if dtype == np.float32 else 1e-9
    for condition, side in product((1.5, 2, 4, 100), (-1, 1)):
        cut = 1 / condition
        for others in (np.ones(SHAPE[1] - 1), np.geomspace(1, min(cut * 1.5, 1), SHAPE[1] - 1)):
            a = with_spectrum([*others, cut * (1 + side * margin)]).astype(dtype)
            expected = np.linalg.pinv(a.astype(np.float64), cut)
            for method in ("auto", "svd"):
                error = np.linalg.norm(ug.linalg.pinv(a, cut, method=method) - expected)
                assert error <= 50 * eps(dtype) * condition * np.linalg.norm(expected)


@pytest.mark.parametrize("condition", [1.5, 1e2, 1.9e3, 2.2e3, 1e5, 1e6, 1e9])
def test_float32_svd_is_that_of_float64(condition):
    m, n = SHAPE
    for values in spectra(condition, n):
        a = with_spectrum(values).astype(np.float32)
        wide = a.astype(np.float64)
        exact = np.linalg.svd(wide, compute_uv=False)
        for matrix, turn in product(layouts(a), (False, True)):
            u, s, vt = ug.linalg.svd(matrix.T if turn else matrix, full_matrices=False)
            alone = ug.linalg.svd(matrix.T if turn else matrix, compute_uv=False)
            np.testing.assert_allclose(s, alone, rtol=0, atol=2 * eps(np.float32) * s[0])
            assert abs(s - exact).max() <= eps(np.float32) * np.sqrt(n) * exact[0]
            if condition < 2**11:
                np.testing.assert_allclose(s, exact, rtol=eps(np.float32))
            u, vt = u.astype(np.float64), vt.astype(np.float64)
            bound = 10 * eps(np.float32) * np.sqrt(m)
            assert np.linalg.norm(u.T @ u - np.eye(n), 2) <= bound
            assert np.linalg.norm(vt @ vt.T - np.eye(n), 2) <= bound
            rebuilt = (u * s) @ vt
            assert np.linalg.norm(rebuilt - (wide.T if turn else wide)) <= bound * np.linalg.norm(a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2100, 60), (5000, 17), (900, 130)])
def test_bits_are_equal_for_any_number_of_threads(shape, dtype):
    a, b = normal(shape).astype(dtype), normal((shape[0], 4), 1).astype(dtype)
    results = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            results.append(
                (
                    *ug.linalg.lstsq(a, b),
                    *ug.linalg.lstsq(a, b[:, 0]),
                    *ug.linalg.svd(a, False),
                    ug.linalg.svd(a, compute_uv=False),
                    ug.linalg.pinv(a),
                    ug.linalg.pinv(a.T),
                )
            )
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_does_not_depend_on_its_neighbours_in_a_stack(dtype):
    """Those of a stack that the short path does not take go on alone."""
    good, bad = normal(SHAPE), with_spectrum(spectra(1e5, SHAPE[1])[0])
    stack = np.stack([good, bad, good[::-1], bad]).astype(dtype)
    b = normal((4, SHAPE[0], 2), 1).astype(dtype)
    inverses, values = ug.linalg.pinv(stack, 1e-6), ug.linalg.svd(stack, compute_uv=False)
    solutions = ug.linalg.lstsq(stack, b, 1e-6)
    for i, a in enumerate(stack):
        np.testing.assert_array_equal(inverses[i], ug.linalg.pinv(a, 1e-6))
        np.testing.assert_array_equal(values[i], ug.linalg.svd(a, compute_uv=False))
        np.testing.assert_array_equal(solutions[0][i], ug.linalg.lstsq(a, b[i], 1e-6)[0])
