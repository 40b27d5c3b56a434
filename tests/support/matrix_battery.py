"""Matrices on which decompositions fail, by name and size: what the accuracy tests run over."""

import numpy as np


def with_spectrum(m, n, values, seed=0):
    """Return a matrix of random singular vectors with these singular values."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((m, len(values))))[0]
    v = np.linalg.qr(rng.standard_normal((n, len(values))))[0]
    return (u * np.asarray(values)) @ v.T


def kahan(n, angle=1.2):
    """Kahan's triangle, whose smallest singular value no pivoting shows."""
    s, c = np.sin(angle), np.cos(angle)
    return np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))


def sinc_toeplitz(n, bandwidth=0.25):
    """The sinc operator, whose singular values cluster at 1 and at 0."""
    i = np.arange(n)
    return np.sinc(2 * bandwidth * (i[:, None] - i)) * 2 * bandwidth


def battery(n):
    """Return float64 matrices by name, of sizes near ``n``, representable in float32's range."""
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n))
    i = np.arange(n)
    half = max(n // 2, 1)
    cases = {
        "random": a,
        "tall": rng.standard_normal((3 * n, half)),
        "wide": rng.standard_normal((half, 2 * n)),
        "row": rng.standard_normal((1, n)),
        "column": rng.standard_normal((n, 1)),
    }
    cases |= {f"condition 1e{p}": with_spectrum(n, n, np.logspace(0, -p, n), p) for p in (1, 4, 8)}
    cases |= {
        f"tall condition 1e{p}": with_spectrum(2 * n, n, np.logspace(0, -p, n), p)
        for p in (12, 16, 20)
    }
    cases |= {
        "one small value": with_spectrum(n, n, [1.0] * (n - 1) + [1e-9]),
        "one large value": with_spectrum(n, n, [1.0] + [1e-9] * (n - 1)),
        "two clusters": with_spectrum(n, n, [3.0] * half + [1.0] * (n - half)),
        "hilbert": 1.0 / (i[:, None] + i + 1),
        "kahan": kahan(n),
        "vandermonde": np.vander(np.linspace(0, 1, n), n),
        "cauchy": 1.0 / (i[:, None] - i + 0.5),
        "sinc": sinc_toeplitz(n),
        "graded rows": np.logspace(0, -30, n)[:, None] * a,
        "graded columns": a * np.logspace(-25, 5, n),
        "graded both": np.logspace(0, -15, n)[:, None] * a * np.logspace(0, -15, n),
        "duplicate columns": np.hstack([a[:, :half], a[:, :half]]),
        "duplicate rows": np.vstack([a, a[:half]]),
        "zero columns": np.hstack([a[:, :half], np.zeros((n, half)), a[:, half:]]),
        "zero rows": np.vstack([np.zeros((3, n)), a, np.zeros((half, n))]),
        "rank 0": np.zeros((n, half)),
        "rank 1": np.outer(1.0 + i, rng.standard_normal(half)),
        "half rank": a[:, :half] @ rng.standard_normal((half, n)),
        "bidiagonal": np.eye(n) + 2 * np.eye(n, k=1),
        "bidiagonal with clusters": np.diag(1 + 1e-9 * (i % 3)) + 1e-9 * np.eye(n, k=1),
        "nilpotent": np.eye(n, k=1),
        "integers": rng.integers(-3, 4, (n, n)).astype(float),
        "identity": np.eye(n),
        "all ones": np.ones((n, half)),
    }  # fmt: skip
    return cases


def scaled(a, dtype, exponent):
    """Return ``a`` times a power of two such that its norm is near ``10**exponent``."""
    shift = int(np.floor(exponent * np.log2(10) - np.log2(np.linalg.norm(a))))
    return np.ldexp(a, shift).astype(dtype)


# Norms at either end of a type's range, denormal numbers among them.
EXTREMES = {np.float32: (38, 30, -30, -37, -42), np.float64: (307, 300, -300, -306, -320)}
EXTREME_CASES = ("random", "tall", "wide", "half rank", "condition 1e4", "graded both")
EMPTY = ((0, 3), (3, 0), (0, 0))
