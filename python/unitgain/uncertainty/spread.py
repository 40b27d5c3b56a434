"""What many predictions of the same samples say together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unitgain.models import Model

__all__ = ["Uncertainty", "monte_carlo", "summarize"]


class Uncertainty(NamedTuple):
    """Moments of several predictions, and of probabilities the entropies, in nats.

    Attributes:
        mean: the mean prediction, of the outputs' shape.
        variance: how far the predictions differ from it, of the same shape.
        total: the entropy of the mean, one a row; None of predictions that are no probabilities.
        aleatoric: the mean of their entropies: what each of them leaves open.
        epistemic: the mutual information, ``total - aleatoric``: what they disagree about.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    total: NDArray[np.float64] | None = None
    aleatoric: NDArray[np.float64] | None = None
    epistemic: NDArray[np.float64] | None = None


def summarize(predictions: Iterable[Any], probabilities: bool = True) -> Uncertainty:
    """Return mean, variance, and how much of the uncertainty is disagreement.

    Depeweg, Hernandez-Lobato, Doshi-Velez and Udluft, "Decomposition of uncertainty in Bayesian
    deep learning for efficient and risk-sensitive learning", ICML 2018.

    Args:
        predictions: arrays of one shape; a last axis of one is the probability of class 1 of two.
        probabilities: whether they are such, and have entropies. Of a Gaussian network, whose
            outputs are means and variances, give the means alone.

    Raises:
        ValueError: if there are none, or shapes differ.
    """
    count = 0
    mean = squares = inner = np.zeros(())
    for prediction in predictions:
        p = np.asarray(prediction, np.float64)
        if count and p.shape != mean.shape:
            raise ValueError(f"a prediction has shape {p.shape}, expected {mean.shape}")
        count += 1
        off = p - mean
        mean = mean + off / count
        squares = squares + off * (p - mean)  # Welford's sum
        if probabilities:
            inner = inner + _entropy(p)
    if count == 0:
        raise ValueError("there are no predictions")
    variance = squares / count
    if not probabilities:
        return Uncertainty(mean, variance)
    total, aleatoric = _entropy(mean), inner / count
    return Uncertainty(mean, variance, total, aleatoric, np.maximum(total - aleatoric, 0))


def monte_carlo(
    model: Model, x: Any, samples: int = 100, probabilities: bool = True
) -> Uncertainty:
    """Return the summary of passes with dropout, as ``predict(x, training=True)`` makes them.

    Args:
        model: a model with one output and dropout or noise.
        x: samples.
        samples: how many passes.
        probabilities: whether the outputs are such.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, but it is {samples}")
    passes = (model.predict(x, training=True, samples=1).mean for _ in range(samples))
    return summarize(passes, probabilities)


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    full = np.concatenate([1 - p, p], axis=-1) if p.shape[-1] == 1 else p
    logs = np.log(np.where(full > 0, full, 1.0))
    return np.asarray(-(full * logs).sum(axis=-1))
