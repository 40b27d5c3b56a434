"""Metrics by themselves: the result over all rows of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import _names, _native

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Formulas, Trial

SIZE = (1024, 1024)
NAMES = tuple(name for name in _native.metric_names if name != "custom")  # one of Python's
# Where several classes are of one kind, the one that is measured.
CHOSEN = {"loss": "MeanSquaredError", "confusion": "Precision", "f_score": "F1Score"}
# Kinds whose targets are one-hot rows, or yes and no.
OF_CLASSES = ("binary_accuracy", "top_k", "categorical_accuracy", "confusion", "f_score")
TOLERANCE = 64 * float(np.finfo(np.float32).eps)


def cases() -> list[Case]:
    """Return a case of each kind."""
    return [_case(kind) for kind in NAMES]


def make(kind: str) -> ug.metrics.Metric:
    """Return the metric of a kind, with its defaults."""
    public = _names.classes_of(vars(ug.metrics), ug.metrics.__all__, ug.metrics.Metric)
    found = (
        metric
        for name, metric in public.items()
        if CHOSEN.get(kind, name) == name
        and getattr(metric, "kind", "custom") == kind
        and not getattr(metric, "takes_labels", False)
    )
    return next(found)()


def data(kind: str, shape: tuple[int, int], dtype: Any = np.float32) -> tuple[Array, Array]:
    """Return targets and predictions, some of which are equal."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0.05, 0.95, shape)
    t = np.where(rng.random(shape) < 0.25, y, rng.uniform(0.05, 0.95, shape))
    if kind in OF_CLASSES:
        t = np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
    return t.astype(dtype), y.astype(dtype)


def _moments(t: Array, y: Array) -> tuple[Any, ...]:
    """Return both means of each row, both variances and the covariance."""
    mean_t, mean_y = t.mean(axis=1), y.mean(axis=1)
    dt, dy = t - mean_t[:, None], y - mean_y[:, None]
    return mean_t, mean_y, (dt * dt).mean(axis=1), (dy * dy).mean(axis=1), (dt * dy).mean(axis=1)


def _pearson(t: Array, y: Array) -> Any:
    _, _, of_t, of_y, both = _moments(t, y)
    return np.mean(both / np.sqrt(of_t * of_y))


def _concordance(t: Array, y: Array) -> Any:
    mean_t, mean_y, of_t, of_y, both = _moments(t, y)
    return np.mean(2 * both / (of_t + of_y + (mean_t - mean_y) ** 2 + 1e-7))


def _cosine(t: Array, y: Array) -> Any:
    lengths = np.sqrt((t * t).sum(axis=1) * (y * y).sum(axis=1))
    return np.mean((t * y).sum(axis=1) / lengths)


def _logarithmic(t: Array, y: Array) -> Any:
    return np.mean((np.log1p(y) - np.log1p(t)) ** 2)


def _top_5(t: Array, y: Array) -> Any:
    rows = np.arange(len(y))
    return np.mean((y > y[rows, t.argmax(axis=1)][:, None]).sum(axis=1) < 5)


def _precision(t: Array, y: Array) -> Any:
    above = y > 0.5
    return np.sum(above & (t == 1)) / np.sum(above)


def _f1(t: Array, y: Array) -> Any:
    largest = np.zeros(y.shape, bool)
    largest[np.arange(len(y)), y.argmax(axis=1)] = True
    right = np.sum(largest & (t == 1), axis=0)
    precision = right / (np.sum(largest, axis=0) + 1e-7)
    recall = right / (np.sum(t == 1, axis=0) + 1e-7)
    return 2 * precision * recall / (precision + recall + 1e-7)


def _r2(t: Array, y: Array) -> Any:
    error, distance = t - y, t - t.mean(axis=0)
    return np.mean(1 - (error * error).sum(axis=0) / (distance * distance).sum(axis=0))


_values: dict[str, Callable[[Array, Array], Any]] = {
    "loss": lambda t, y: np.mean((y - t) ** 2),
    "equality": lambda t, y: np.mean(y == t),
    "binary_accuracy": lambda t, y: np.mean((y > 0.5) == (t == 1)),
    "top_k": _top_5,
    "percentage_error": lambda t, y: np.mean(np.abs(t - y) / np.abs(t)) * 100,
    "logarithmic_error": _logarithmic,
    "cosine_similarity": _cosine,
    "pearson": _pearson,
    "concordance": _concordance,
    "categorical_accuracy": lambda t, y: np.mean(t.argmax(axis=1) == y.argmax(axis=1)),
    "confusion": _precision,
    "f_score": _f1,
    "r2": _r2,
}
# The values of make(kind), from targets t and predictions y.
NUMPY = Formulas("benchmarks/metrics.py", _values)


def _case(kind: str) -> Case:
    def prepare() -> Trial:
        t, y = data(kind, SIZE)

        def unitgain() -> Contender:
            metric = make(kind)

            def run() -> Any:
                metric.reset_state()
                return metric(t, y)

            return Contender.of(run)

        def numpy() -> Contender:
            formula = NUMPY[kind]
            return Contender.of(lambda: formula(t, y))

        def exact() -> Exact:
            return Exact.of(NUMPY[kind](t.astype(np.float64), y.astype(np.float64)))

        return Trial({OURS: unitgain, REFERENCE: numpy}, TOLERANCE, exact=exact)

    rows, cols = SIZE
    title = f"{kind} of {rows} rows of {cols}, float32"
    return Case(f"metrics/{kind}/{rows}x{cols}", title, prepare)
