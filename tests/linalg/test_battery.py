"""The accuracy of decompositions on matrices that break them, against mpmath, NumPy and bounds."""

from itertools import product

import numpy as np
import pytest
from matrix_battery import EMPTY, EXTREME_CASES, EXTREMES, battery, kahan, scaled, with_spectrum
from variants import rerun_on_other_variants

import unitgain as ug
from reference import singular_values as reference

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = [np.float32, np.float64]
# Within lanes' and Jacobi's sizes, and on either side of every block size of the larger ones.
SIZES = (5, 14, 40, 70, 150)
EXACT = np.load(reference.FILE)


def eps(a):
    return float(np.finfo(a.dtype).eps)


def bound(a):
    """Ten roundings for each of the square root of the number of rows or columns."""
    return 10 * eps(a) * np.sqrt(max(a.shape[-2:]))


def norm(a):
    """The Frobenius norm, safe from overflow and underflow."""
    largest = float(abs(a).max(initial=0))
    wide = a.astype(np.float64)
    return np.longdouble(largest) * np.linalg.norm(wide / largest) if largest > 0 else largest


def unscaled(a):
    """Return ``a`` in float64, times the power of two that makes its largest entry near 1."""
    exponent = -int(np.frexp(abs(a).max(initial=0))[1])
    return np.ldexp(a.astype(np.float64), exponent), exponent


def assert_is_svd(a, u, s, vh):
    """Check shapes, order, orthogonality and reconstruction."""
    k = min(a.shape)
    wide, exponent = unscaled(a)
    # Equal entries make the roundings of all reflectors alike, so that they add up: on such
    # matrices MKL's vectors are off by up to 1.8 of these bounds.
    alike = 2 if a.size and (a == a.flat[0]).all() else 1
    for q in (u, vh.T):
        q = q.astype(np.float64)
        assert np.linalg.norm(q.T @ q - np.eye(q.shape[1]), 2) <= alike * bound(a)
    assert (s >= 0).all()
    assert (np.diff(s) <= 0).all()
    values = np.ldexp(s.astype(np.float64), exponent)
    rest = (u[:, :k].astype(np.float64) * values) @ vh[:k].astype(np.float64) - wide
    # What is below the type's normal range keeps an absolute precision only.
    lost = np.ldexp(float(np.finfo(a.dtype).smallest_subnormal), exponent) * max(a.shape)
    rounding = np.finfo(np.float64).eps * max(a.shape) * np.linalg.norm(wide)
    assert np.linalg.norm(rest) <= bound(a) * np.linalg.norm(wide) + rounding + lost


def each(sizes=SIZES):
    """Yield each matrix of the battery as float32 and as float64."""
    for n in sizes:
        for (name, a), dtype in product(battery(n).items(), DTYPES):
            yield f"{name}, size {n}, {np.dtype(dtype).name}", a.astype(dtype)


def check_each(check, sizes=SIZES):
    """Run ``check`` on each matrix, and say at the end for which ones it failed."""
    failed = []
    for name, a in each(sizes):
        try:
            check(a)
        except (AssertionError, np.linalg.LinAlgError) as error:
            failed.append(f"{name}: {str(error).splitlines()[0] if str(error) else error!r}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("full_matrices", [False, True])
@pytest.mark.parametrize("n", SIZES)
def test_svd_is_orthogonal_and_reproduces_the_matrix(n, full_matrices):
    check_each(lambda a: assert_is_svd(a, *ug.linalg.svd(a, full_matrices)), [n])


def test_singular_values_are_mpmaths():
    def check(name, a, values):
        expected = EXACT[name]
        # One rounding is that of the values themselves, on either side.
        limit = eps(a) * (1 + np.sqrt(min(a.shape))) * expected[0]
        assert abs(values.astype(np.float64) - expected).max() <= limit

    failed = []
    for label, a in reference.cases():
        stack = np.stack([a] * 20)
        for kind, values in {
            "with vectors": ug.linalg.svd(a).S,
            "alone": ug.linalg.svd(a, compute_uv=False),
            "of a stack": ug.linalg.svd(stack, compute_uv=False)[-1],
        }.items():
            try:
                check(label, a, values)
            except AssertionError as error:
                failed.append(f"{label}, {kind}: {error}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("n", SIZES[2:])
def test_singular_values_of_larger_matrices_are_numpys_in_float64(n):
    def check(a):
        expected = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        values = ug.linalg.svd(a, compute_uv=False)
        # In float64 NumPy's own errors come to it: clusters have some 3 sqrt(n) epsilons.
        roundings = (1 if a.dtype == np.float32 else 5) * np.sqrt(max(a.shape))
        limit = roundings * eps(a) * max(expected[0], 0)
        assert abs(values - expected).max() <= limit

    check_each(check, [n])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 40])
def test_either_end_of_the_range_is_as_good(n, dtype):
    cases = battery(n)
    for name, exponent in product(EXTREME_CASES, EXTREMES[dtype]):
        a = scaled(cases[name], dtype, exponent)
        assert_is_svd(a, *ug.linalg.svd(a, full_matrices=True))
        q, r = ug.linalg.qr(a)
        k = min(a.shape)
        # Stacks take another path.
        parts = ug.linalg.svd(np.stack([a] * 17), full_matrices=False)
        assert_is_svd(a, *(part[3] for part in parts))
        wide, shift = unscaled(a)
        rest = q.astype(np.float64) @ np.ldexp(r.astype(np.float64), shift) - wide
        lost = np.ldexp(float(np.finfo(dtype).smallest_subnormal), shift) * max(a.shape)
        assert np.linalg.norm(rest) <= bound(a) * np.linalg.norm(wide) + k * lost


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", EMPTY)
def test_empty_matrices_have_decompositions(shape, dtype):
    a = np.zeros(shape, dtype)
    for ours, numpys in zip(ug.linalg.svd(a), np.linalg.svd(a), strict=True):
        np.testing.assert_array_equal(ours, numpys)
    assert ug.linalg.pinv(a).shape == shape[::-1]


# ---- pseudoinverses ----


def moore_penrose(a, b):
    """Return how far ``b`` is from fulfilling the four conditions, relative to the norms."""
    a, b = a.astype(np.longdouble), b.astype(np.longdouble)
    ab, ba = a @ b, b @ a
    a_norm, b_norm = np.linalg.norm(a) or 1, np.linalg.norm(b) or 1
    return [
        float(rest)
        for rest in (
            np.linalg.norm(ab @ a - a) / a_norm,
            np.linalg.norm(b @ ab - b) / b_norm,
            np.linalg.norm(ab - ab.T),
            np.linalg.norm(ba - ba.T),
        )
    ]


def gap_at_cut(values, rtol):
    """Return whether no singular value is so near the cut that rounding could move it across."""
    relative = values / max(values[0], np.finfo(float).tiny)
    return not ((relative > rtol / 4) & (relative < rtol * 4)).any()


def cut_of(a):
    return max(a.shape) * eps(a)


@pytest.mark.parametrize("method", ["auto", "svd"])
def test_moore_penrose_conditions_hold_as_well_as_numpys(method):
    def check(a):
        rtol = 4 * cut_of(a)
        values = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        if not gap_at_cut(values, rtol):
            return
        kept = values[values > rtol * values[0]]
        condition = kept[0] / kept[-1] if kept.size else 1.0
        theirs = moore_penrose(a, np.linalg.pinv(a, rtol))
        ours = moore_penrose(a, ug.linalg.pinv(a, rtol, method=method))
        # Where NumPy's is the luckier: the bound of a decomposition, and what the condition number
        # makes of two roundings.
        floor = bound(a) + 2 * eps(a) * np.sqrt(max(a.shape)) * condition
        for our, their in zip(ours, theirs, strict=True):
            assert our <= 2 * their + floor, (our, their, floor)

    check_each(check, (5, 14, 40))


def perturbation_bound(a, values, rtol):
    """The largest difference of two backward stable pseudoinverses, relative to the norm of one."""
    kept = values[values > rtol * values[0]]
    if kept.size == 0:
        return 0.0
    condition = kept[0] / kept[-1]
    left_out = values[kept.size] / kept[-1] if kept.size < values.size else 0.0
    return bound(a) * condition * (1 + left_out * condition)


@pytest.mark.parametrize("n", SIZES[:4])
def test_auto_and_svd_agree_within_the_perturbation_bound(n):
    def check(a):
        values = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        for rtol in (4 * cut_of(a), 1e-5, 1e-2):
            if not gap_at_cut(values, rtol):
                continue
            auto = ug.linalg.pinv(a, rtol).astype(np.float64)
            svd = ug.linalg.pinv(a, rtol, method="svd").astype(np.float64)
            limit = perturbation_bound(a, values, rtol) * norm(svd)
            assert norm(auto - svd) <= limit, (rtol, norm(auto - svd), limit)

    check_each(check, [n])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 6), (30, 12), (45, 45), (90, 70)])
def test_the_certificate_is_not_fooled_near_the_cut(shape, dtype):
    """A singular value just below the cut is dropped and one just above kept, by either path."""
    m, n = shape
    k = min(shape)
    margin = 1e-3 if dtype == np.float32 else 1e-9
    for cut, side in product((1e-3, 1e-1, 0.5), (-1, 1)):
        smallest = cut * (1 + side * margin)
        for others in (np.ones(k - 1), np.geomspace(1, cut * 1.5, k - 1)):
            a = with_spectrum(m, n, [*others, smallest]).astype(dtype)
            expected = np.linalg.pinv(a.astype(np.float64), cut)
            for matrix, inverse in ((a, expected), (a.T, expected.T)):
                for found in (
                    ug.linalg.pinv(matrix, cut),
                    ug.linalg.pinv(matrix, cut, method="svd"),
                    ug.linalg.pinv(np.stack([matrix] * 16), cut)[7],
                ):
                    error = np.linalg.norm(found - inverse)
                    assert error <= bound(a) / cut * np.linalg.norm(inverse)


def test_kahans_and_graded_matrices_do_not_fool_the_certificate():
    rng = np.random.default_rng(0)
    for n in (10, 40, 80):
        graded = np.triu(rng.standard_normal((n, n))) * np.logspace(0, -9, n)
        for a in (kahan(n), graded, graded.T, kahan(n, 0.9).T):
            values = np.linalg.svd(a, compute_uv=False)
            for factor in (0.99, 1.01):
                cut = factor * values[-1] / values[0]
                if not 1e-13 < cut < 1:
                    continue
                for method in ("auto", "svd"):
                    found = ug.linalg.pinv(a, cut, method=method)
                    size = np.linalg.norm(found, 2)
                    kept = values[values > cut * values[0]]
                    assert size == pytest.approx(1 / kept[-1], rel=1e-16 / cut * n + 1e-10)


# ---- ten thousand small matrices ----


def small_matrix(rng):
    m, n = rng.integers(1, 9, 2)
    rank = rng.integers(0, min(m, n) + 1)
    a = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    kind = rng.integers(0, 4)
    if kind == 0:
        a = np.round(a)
    elif kind == 1:
        a = a * 10.0 ** rng.integers(-15, 16, (1, n))
    elif kind == 2:
        a = np.ldexp(a, int(rng.integers(-100, 100)))
    return a.astype(DTYPES[rng.integers(0, 2)])


def test_ten_thousand_small_matrices_of_all_shapes_and_ranks_have_answers():
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        a = small_matrix(rng)
        u, s, vh = ug.linalg.svd(a, full_matrices=False)
        size = float(s[0])
        if size > 0:
            rest = ((u * (s / size)) @ vh - a / a.dtype.type(size)).astype(np.float64)
            assert np.linalg.norm(rest) <= 10 * bound(a)
        with np.errstate(over="ignore"):
            assert ug.linalg.pinv(a).shape == a.T.shape
        x, _, rank, values = ug.linalg.lstsq(a, np.ones(a.shape[0], a.dtype))
        assert np.isfinite(x).all() or size < 1e-25
        assert 0 <= rank <= min(a.shape)
        assert abs(values.astype(np.float64) - s).max() <= 10 * bound(a) * size
        assert ug.linalg.qr(a).R.shape == (min(a.shape), a.shape[1])


def test_stacks_of_small_matrices_of_all_ranks_have_answers():
    rng = np.random.default_rng(1)
    for dtype, (m, n) in product(DTYPES, [(4, 4), (8, 8), (9, 5), (5, 12), (32, 32), (64, 48)]):
        ranks = rng.integers(0, min(m, n) + 1, 50)
        a = np.stack(
            [rng.standard_normal((m, r)) @ rng.standard_normal((r, n)) for r in ranks]
        ).astype(dtype)
        u, s, vh = ug.linalg.svd(a, full_matrices=True)
        for i in range(50):
            assert_is_svd(a[i], u[i], s[i], vh[i])
        inverses = ug.linalg.pinv(a, rtol=None)
        for i, rank in enumerate(ranks):
            assert ug.linalg.matrix_rank(a[i]) == rank
            expected = ug.linalg.pinv(a[i].astype(np.float64), rtol=cut_of(a[i]))
            condition = s[i, 0] / s[i, rank - 1] if rank else 0
            error = np.linalg.norm(inverses[i] - expected)
            assert error <= 10 * bound(a) * condition**2 * np.linalg.norm(expected)
