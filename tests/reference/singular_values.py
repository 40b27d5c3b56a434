"""Singular values of the battery's matrices, by mpmath.

    python tests/reference/singular_values.py

writes ``singular_values.npz`` beside this file: for each matrix of ``battery(SIZE)``, rounded to
float32 and as it is, the values of the decomposition in 60 digits, rounded to float64.
"""

import sys
from pathlib import Path

import mpmath
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from matrix_battery import battery

FILE = Path(__file__).with_suffix(".npz")
SIZE = 14


def exact_values(a):
    """Return the singular values, from the largest."""
    tall = a if a.shape[0] >= a.shape[1] else a.T
    with mpmath.workdps(60):
        values = mpmath.svd_r(mpmath.matrix(tall.tolist()), compute_uv=False)
        return np.sort([float(value) for value in values])[::-1]


def main():
    found = {}
    for name, a in battery(SIZE).items():
        for dtype in (np.float32, np.float64):
            rounded = a.astype(dtype).astype(np.float64)
            found[f"{np.dtype(dtype).name} {name}"] = exact_values(rounded)
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
