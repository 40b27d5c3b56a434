"""Mean, spread and disagreement of many predictions of the same samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unitgain.losses import GaussianNLL
from unitgain.models import Model

__all__ = ["Uncertainty", "monte_carlo", "summarize"]


class Uncertainty(NamedTuple):
    """Moments of several predictions, and what their uncertainty is made of.

    Of probabilities the parts are entropies in nats, one a row; of Gaussian networks variances, of
    the mean's shape; of other predictions None.

    Attributes:
        mean: the mean prediction, of the outputs' shape; of Gaussian networks the mean of the
            means.
        variance: how far the predictions differ from it, of the same shape.
        total: the entropy of the mean, or the variance of the mixture of the normal distributions.
        aleatoric: the mean of their entropies, or of their variances: what each leaves open.
        epistemic: ``total - aleatoric``: what they disagree about. The mutual information, or the
            variance of the means.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    total: NDArray[np.float64] | None = None
    aleatoric: NDArray[np.float64] | None = None
    epistemic: NDArray[np.float64] | None = None


def summarize(
    predictions: Iterable[Any],
    probabilities: bool = True,
    gaussian: GaussianNLL | None = None,
) -> Uncertainty:
    """Return mean, variance, and how much of the uncertainty is disagreement.

    Depeweg, Hernandez-Lobato, Doshi-Velez and Udluft, "Decomposition of uncertainty in Bayesian
    deep learning for efficient and risk-sensitive learning", ICML 2018: by the entropy and, of
    Gaussian networks, by the law of total variance.

    Args:
        predictions: arrays of one shape; a last axis of one is the probability of class 1 of two.
        probabilities: whether they are such, and have entropies.
        gaussian: the loss of networks whose outputs are means and variances, or their logarithms;
            ``probabilities`` is not looked at then.

    Raises:
        ValueError: if there are none, or shapes differ, or a last axis is odd that should have
            means and variances.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> of_two = [np.array([[1.0, 0.5]]), np.array([[3.0, 1.5]])]  # a mean and a variance each
    >>> found = ug.uncertainty.summarize(of_two, gaussian=ug.losses.GaussianNLL())
    >>> found.mean, found.aleatoric, found.epistemic
    (array([[2.]]), array([[1.]]), array([[1.]]))
    """
    count = 0
    mean = squares = inner = np.zeros(())
    shape: tuple[int, ...] | None = None
    for prediction in predictions:
        p = np.asarray(prediction, np.float64)
        if shape not in (None, p.shape):
            raise ValueError(f"a prediction has shape {p.shape}, expected {shape}")
        shape = p.shape
        count += 1
        if gaussian is not None:
            p, variances = _means_and_variances(p, gaussian)
            inner = inner + variances
        elif probabilities:
            inner = inner + _entropy(p)
        off = p - mean
        mean = mean + off / count
        squares = squares + off * (p - mean)  # Welford's sum
    if count == 0:
        raise ValueError("there are no predictions")
    variance, aleatoric = squares / count, inner / count
    if gaussian is not None:
        return Uncertainty(mean, variance, aleatoric + variance, aleatoric, variance)
    if not probabilities:
        return Uncertainty(mean, variance)
    total = _entropy(mean)
    return Uncertainty(mean, variance, total, aleatoric, np.maximum(total - aleatoric, 0))


def monte_carlo(
    model: Model, x: Any, samples: int = 100, probabilities: bool = True
) -> Uncertainty:
    """Return the summary of passes with dropout, as ``predict(x, training=True)`` makes them.

    Args:
        model: a model with one output and dropout or noise. If its loss is
            :class:`unitgain.losses.GaussianNLL`, its outputs are taken as means and variances.
        x: samples.
        samples: how many passes.
        probabilities: whether the outputs are such.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, but it is {samples}")
    passes = (model.predict(x, training=True, samples=1).mean for _ in range(samples))
    return summarize(passes, probabilities, gaussian_loss([model]))


def gaussian_loss(models: Iterable[Model]) -> GaussianNLL | None:
    """Return the loss of models that give means and variances; None if they give something else.

    Raises:
        ValueError: if some do, and some do not, or one has logarithms of variances and one not.
    """
    found = [model.loss if isinstance(model.loss, GaussianNLL) else None for model in models]
    kinds = {None if loss is None else loss.log_variance for loss in found}
    if len(kinds) > 1:
        raise ValueError("the models' losses differ in what the outputs are: means and variances")
    return found[0]


def _means_and_variances(
    outputs: NDArray[np.float64], loss: GaussianNLL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if outputs.ndim == 0 or outputs.shape[-1] % 2:
        raise ValueError(f"outputs have shape {outputs.shape}, expected means and variances")
    means, variances = np.split(outputs, 2, axis=-1)
    return means, np.maximum(np.exp(variances) if loss.log_variance else variances, loss.eps)


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    full = np.concatenate([1 - p, p], axis=-1) if p.shape[-1] == 1 else p
    logs = np.log(np.where(full > 0, full, 1.0))
    return np.asarray(-(full * logs).sum(axis=-1))
