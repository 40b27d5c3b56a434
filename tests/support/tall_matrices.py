"""Tall matrices of a condition that is chosen, for the tests of what is made for them."""

import functools

import numpy as np

DTYPES = [np.float32, np.float64]


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@functools.cache
def orthonormal(rows, cols, seed=0):
    q = np.linalg.qr(normal((rows, cols), seed))[0]
    q.flags.writeable = False
    return q


def spectra(condition, n):
    """Singular values of that condition: even steps, one that is small, one that is large."""
    return (
        np.geomspace(1, 1 / condition, n),
        np.r_[np.ones(n - 1), 1 / condition],
        np.r_[1, np.full(n - 1, 1 / condition)],
    )


def with_spectrum(values, shape=(700, 45), seed=0):
    m, n = shape
    return (orthonormal(m, n, seed) * values) @ orthonormal(n, n, seed + 1).T


def eps(dtype):
    return float(np.finfo(dtype).eps)
