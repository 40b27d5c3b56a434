"""Loops as one writes them for Numba: compiled, in parallel, with vectors where LLVM finds them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from .case import Array

HALF, ONE, ROOT = np.float32(0.5), np.float32(1), np.float32(math.sqrt(0.5))
ZERO = np.float32(0)
# Of a single-precision number.
SCALARS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: max(x, ZERO),
    "sigmoid": lambda x: ONE / (ONE + math.exp(-x)),
    "silu": lambda x: x / (ONE + math.exp(-x)),
    "tanh": lambda x: math.tanh(x),
    "gelu": lambda x: HALF * x * (ONE + math.erf(x * ROOT)),
    "softplus": lambda x: max(x, ZERO) + math.log1p(math.exp(-abs(x))),
}


def activation(name: str) -> Any:
    """Return the activation of float32 arrays, written into a second one."""
    scalar = numba.njit(fastmath=True)(SCALARS[name])

    @numba.njit(parallel=True, fastmath=True)
    def loop(x: Array, out: Array) -> Array:
        for row in numba.prange(x.shape[0]):
            for col in range(x.shape[1]):
                out[row, col] = scalar(x[row, col])
        return out

    return loop


@numba.njit(parallel=True, fastmath=True)
def _sums_by_label(
    x: Array, centers: Array, labels: Array, parts: int
) -> tuple[Array, Array, Array]:
    """Label the samples; return the sums, counts and changes of labels of each part of them."""
    rows, features = x.shape
    clusters = centers.shape[0]
    sums = np.zeros((parts, clusters, features), x.dtype)
    counts = np.zeros((parts, clusters), np.int64)
    changes = np.zeros(parts, np.int64)
    for part in numba.prange(parts):
        for i in range(part * rows // parts, (part + 1) * rows // parts):
            best, least = 0, np.inf
            for c in range(clusters):
                distance = x.dtype.type(0)
                for k in range(features):
                    apart = x[i, k] - centers[c, k]
                    distance += apart * apart
                if distance < least:
                    best, least = c, distance
            changes[part] += labels[i] != best
            labels[i] = best
            counts[part, best] += 1
            for k in range(features):
                sums[part, best, k] += x[i, k]
    return sums, counts, changes


def lloyd(x: Array, centers: Array, iterations: int) -> Array:
    """Return the centres after some iterations; a cluster that gets empty stays where it is."""
    labels = np.full(len(x), -1)
    for _ in range(iterations):
        sums, counts, changes = _sums_by_label(x, centers, labels, numba.get_num_threads())
        if not changes.any():
            break
        total = counts.sum(axis=0)
        filled = total > 0
        centers = centers.copy()
        centers[filled] = sums.sum(axis=0)[filled] / total[filled, None].astype(x.dtype)
    return centers
