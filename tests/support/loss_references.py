"""The losses of rows: their formulas in NumPy's float64, of targets t, outputs y."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unitgain import _native
from unitgain.benchmarks.case import Formulas

Array = NDArray[np.float64]


def _share(y: Array) -> Array:
    return y / y.sum(axis=1, keepdims=True)


def _binary(t: Array, y: Array) -> Array:
    return -t * np.log(y) - (1 - t) * np.log(1 - y)


def _huber(t: Array, y: Array) -> Array:
    e = np.abs(y - t)
    return np.where(e <= 1, e**2 / 2, e - 1 / 2).mean(axis=1)


def _gaussian(t: Array, y: Array) -> Array:
    mean, variance = np.split(y, 2, axis=1)
    return ((np.log(variance) + (mean - t) ** 2 / variance) / 2).mean(axis=1)


def _cosine(t: Array, y: Array) -> Array:
    return -(t * y).sum(axis=1) / np.linalg.norm(t, axis=1) / np.linalg.norm(y, axis=1)


_rows: dict[str, Callable[[Array, Array], Array]] = {
    "sparse_categorical_crossentropy": lambda t, y: -np.log(_share(y)[np.arange(len(y)), t]),
    "categorical_crossentropy": lambda t, y: -(t * np.log(_share(y))).sum(axis=1),
    "binary_crossentropy": lambda t, y: _binary(t, y).mean(axis=1),
    "mean_squared_error": lambda t, y: ((y - t) ** 2).mean(axis=1),
    "mean_absolute_error": lambda t, y: np.abs(y - t).mean(axis=1),
    "huber": _huber,
    "log_cosh": lambda t, y: np.log(np.cosh(y - t)).mean(axis=1),
    "gaussian_nll": _gaussian,
    "poisson": lambda t, y: (y - t * np.log(y + 1e-7)).mean(axis=1),
    "kl_divergence": lambda t, y: (t * np.log(t / y)).sum(axis=1),
    "hinge": lambda t, y: np.maximum(1 - t * y, 0).mean(axis=1),
    "squared_hinge": lambda t, y: (np.maximum(1 - t * y, 0) ** 2).mean(axis=1),
    "categorical_hinge": lambda t, y: np.maximum(
        1 + ((1 - t) * y).max(axis=1) - (t * y).sum(axis=1), 0
    ),
    "quantile": lambda t, y: (np.abs(y - t) / 2).mean(axis=1),
    "binary_focal_crossentropy": lambda t, y: (
        (t * (1 - y) + (1 - t) * y) ** 2 * _binary(t, y)
    ).mean(axis=1),
    "cosine_similarity": _cosine,
}
# Each row's loss with the default parameters, of outputs between 0 and 1.
rows = Formulas("tests/support/loss_references.py", _rows)


def data(name: str, samples: int, columns: int) -> tuple[NDArray, Array]:
    """Return targets of the kind that a loss takes, and outputs between 0 and 1, for an even width.

    Everything is a float32 number.
    """
    rng = np.random.default_rng(4)
    y = rng.uniform(0.05, 0.95, (samples, columns)).astype(np.float32)
    spec = _native.LossSpec(name)
    if spec.takes_labels:
        return rng.integers(0, columns, samples), y.astype(np.float64)
    t = rng.uniform(0.05, 0.95, (samples, columns // 2 if name == "gaussian_nll" else columns))
    if spec.takes_signs:
        t = np.sign(t - 0.5)
    return t.astype(np.float32).astype(np.float64), y.astype(np.float64)
