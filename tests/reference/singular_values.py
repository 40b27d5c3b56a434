"""Singular values of the battery's matrices, by mpmath.

    cd tests && python -m reference.singular_values

writes ``singular_values.npz`` beside this file: for each matrix of ``battery(SIZE)``, and some of
``battery(LARGER_SIZE)``, rounded to float32 and as it is, the values of the decomposition in 60
digits, rounded to float64.
"""

from pathlib import Path

import mpmath
import numpy as np
from matrix_battery import battery

FILE = Path(__file__).with_suffix(".npz")
SIZE = 14
LARGER_SIZE = 40
LARGER = ("random", "tall", "condition 1e4", "two clusters", "cauchy", "sinc", "kahan", "half rank")


def cases():
    """Yield names and matrices, of either type."""
    larger = battery(LARGER_SIZE)
    chosen = [*battery(SIZE).items(), *((f"larger {name}", larger[name]) for name in LARGER)]
    for name, a in chosen:
        for dtype in (np.float32, np.float64):
            yield f"{np.dtype(dtype).name} {name}", a.astype(dtype)


def exact_values(a):
    """Return the singular values, from the largest."""
    tall = a if a.shape[0] >= a.shape[1] else a.T
    with mpmath.workdps(60):
        values = mpmath.svd_r(mpmath.matrix(tall.tolist()), compute_uv=False)
        return np.sort([float(value) for value in values])[::-1]


def main():
    found = {name: exact_values(a.astype(np.float64)) for name, a in cases()}
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
