"""Tall matrices for which the product with itself is not good enough: of any condition and rank."""

import functools
from itertools import product

import numpy as np
import pytest
from tall_matrices import DTYPES, eps, normal, spectra, with_spectrum
from variants import rerun_on_other_variants

import unitgain as ug

test_other_variants = rerun_on_other_variants(__file__)

# Either side of the sizes that one thread does alone.
SHAPES = [(500, 11), (700, 45), (900, 140)]


def coherent(shape, condition):
    """Rows that matter among many that do not: what a sketch of few sums may miss."""
    m, n = shape
    a = 1e-9 * normal(shape)
    a[np.random.default_rng(5).permutation(m)[:n]] += with_spectrum(
        np.geomspace(1, 1 / condition, n), (n, n)
    )
    return a


def repeated(shape):
    """One row over and over, its signs in turn, and an identity at the end."""
    m, n = shape
    a = np.tile(normal(n), (m, 1)) * (-1.0) ** np.arange(m)[:, None]
    a[-n:] += np.eye(n)
    return a


def beyond(shape):
    """Matrices for which the product with itself is not good enough, by name."""
    m, n = shape
    steps = np.arange(n)
    cases = {
        f"{name}, condition {condition:.0e}": with_spectrum(values, shape)
        for condition in (1e3, 1e8, 1e13, 1e17)
        for name, values in zip(("even", "small", "large"), spectra(condition, n), strict=True)
    }
    cases |= {
        "uniform": np.random.default_rng(0).random(shape),
        "half rank": normal((m, n // 2)) @ normal((n // 2, n), 1),
        "rank 1": np.outer(normal(m), normal(n, 1)),
        "equal entries": np.ones(shape),
        "graded columns": normal(shape) * 10.0 ** (-steps / 3),
        "graded rows": normal(shape) * np.geomspace(1, 1e-12, m)[:, None],
        "zero columns": normal(shape) * (steps % 3 > 0),
        "few rows": np.vstack([normal((n, n)), np.zeros((m - n, n))]),
        "identity below": np.vstack([np.zeros((m - n, n)), np.eye(n)]),
        "coherent": coherent(shape, 1e4),
        "repeated": repeated(shape),
        "polynomials": np.linspace(0, 1, m)[:, None] ** steps,
    }  # fmt: skip
    return cases


@functools.cache
def decomposed(shape, dtype):
    """Of each of these matrices its name, itself in the dtype and NumPy's SVD of it in float64."""
    cases = {name: case.astype(dtype) for name, case in beyond(shape).items()}
    return [
        (name, a, np.linalg.svd(a.astype(np.float64), full_matrices=False))
        for name, a in cases.items()
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_pinv_is_that_of_the_singular_values_beyond_the_certificates(shape, dtype):
    for name, a, (u, s, vt) in decomposed(shape, dtype):
        for cut in (max(shape) * eps(dtype), 1e-4):
            kept = s > cut * s[0]
            if ((s > cut / 4 * s[0]) & (s < cut * 4 * s[0])).any():
                continue
            expected = (vt[kept].T / s[kept]) @ u[:, kept].T
            condition = s[0] / s[kept][-1]
            # Those of NumPy and ours, each off by a few roundings of A; a value left out next to
            # the kept ones turns their space.
            left_out = s[~kept][0] / s[kept][-1] if not kept.all() else 0
            limit = 10 * eps(np.float64) * np.sqrt(max(shape)) * condition * (
                1 + left_out * condition
            ) + 2 * eps(dtype)
            for matrix in (a, np.asfortranarray(a), a.T):
                found = ug.linalg.pinv(matrix, cut)
                found = found.T if matrix.shape != a.shape else found
                error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
                assert error <= limit, (name, cut, error, limit)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_lstsq_is_numpys_beyond_the_certificates(shape, dtype):
    m, n = shape
    for name, a, (_, s, _) in decomposed(shape, dtype):
        wide = a.astype(np.float64)
        for cut, noise in product((max(shape) * eps(dtype), 1e-4), (0.0, 1e-3)):
            if ((s > cut / 4 * s[0]) & (s < cut * 4 * s[0])).any():
                continue
            b = (a @ normal((n, 2), 2) + noise * normal((m, 2), 3)).astype(dtype)
            ours = ug.linalg.lstsq(a, b, cut)
            right = b.astype(np.float64)
            numpys = np.linalg.lstsq(wide, right, cut)
            assert ours[2] == numpys[2], name
            assert ours[1].shape == numpys[1].shape, name
            rounding = 10 * eps(np.float64) * np.sqrt(m)
            assert abs(ours[3] - numpys[3]).max() <= (rounding + eps(dtype)) * s[0], name
            kept = s[ours[2] - 1]
            residual = np.linalg.norm(right - wide @ numpys[0])
            condition = s[0] / kept
            left_out = s[ours[2]] / kept if ours[2] < n else 0
            size = np.linalg.norm(numpys[0])
            limit = (
                rounding
                * condition
                * (
                    np.linalg.norm(right) / s[0]
                    + size
                    + condition * (residual / s[0] + left_out * size)
                )
            )
            limit += 2 * eps(dtype) * size
            error = np.linalg.norm(ours[0].astype(np.float64) - numpys[0])
            assert error <= limit, (name, cut, noise, error, limit)
            if numpys[1].size:
                blur = (rounding * condition * np.linalg.norm(right)) ** 2
                np.testing.assert_allclose(
                    ours[1], numpys[1], rtol=1e-6 + 4 * eps(dtype), atol=blur, err_msg=name
                )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_svd_is_orthogonal_beyond_the_certificates(shape, dtype):
    for name, a, (_, exact, _) in decomposed(shape, dtype):
        # Equal entries make the roundings of all reflectors alike.
        bound = (20 if name == "equal entries" else 10) * eps(dtype) * np.sqrt(shape[0])
        for matrix in (a, np.asfortranarray(a), a.T):
            u, s, vt = (x.astype(np.float64) for x in ug.linalg.svd(matrix, full_matrices=False))
            alone = ug.linalg.svd(matrix, compute_uv=False)
            for values in (s, alone):
                assert abs(values - exact).max() <= bound * exact[0], name
            for q in (u, vt.T):
                assert np.linalg.norm(q.T @ q - np.eye(q.shape[1]), 2) <= bound, name
            rest = (u * s) @ vt - matrix
            assert np.linalg.norm(rest) <= bound * np.linalg.norm(a), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_beyond_the_certificates_are_equal_for_any_number_of_threads(dtype):
    for shape in ((2100, 60), (5000, 17), (1400, 140)):
        m, n = shape
        b = normal((m, 3), 1).astype(dtype)
        for case in (
            with_spectrum(np.geomspace(1, 1e-8, n), shape),
            normal((m, n // 2)) @ normal((n // 2, n), 1),
            np.vstack([normal((n, n)), np.zeros((m - n, n))]),
        ):
            a = case.astype(dtype)
            results = []
            for threads in (1, 2, 3):
                with ug.threads(threads):
                    results.append(
                        (ug.linalg.pinv(a), *ug.linalg.lstsq(a, b), *ug.linalg.svd(a, 0))
                    )
            for other in results[1:]:
                for first, second in zip(results[0], other, strict=True):
                    np.testing.assert_array_equal(first, second)
