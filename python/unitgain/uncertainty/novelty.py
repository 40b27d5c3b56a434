"""Samples unlike those that a network was trained on, and when to keep quiet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import linalg
from unitgain._warnings import warn
from unitgain.models import Model
from unitgain.uncertainty.ensemble import Ensemble
from unitgain.uncertainty.scaling import logits_model

__all__ = ["OutOfDistribution", "aurc", "auroc", "fpr_at_tpr", "rejection_threshold"]

_Floats = NDArray[np.float64]
# The residual of a pseudoinverse up to which the distances by it have three digits.
_LEAST_EXACT = 1e-3


def _log_sum_exp(z: _Floats) -> _Floats:
    top = z.max(axis=1)
    return np.asarray(top + np.log(np.exp(z - top[:, None]).sum(axis=1)))


def _entropy(z: _Floats) -> _Floats:
    logs = z - _log_sum_exp(z)[:, None]
    p = np.exp(logs)
    return np.asarray(-(p * np.where(p > 0, logs, 0)).sum(axis=1))


# Each method's score of logits.
_OF_LOGITS: dict[str, Callable[[_Floats], _Floats]] = {
    "msp": lambda z: -np.exp(z.max(axis=1) - _log_sum_exp(z)),
    "entropy": _entropy,
    "energy": lambda z: -_log_sum_exp(z),
    "max_logit": lambda z: -z.max(axis=1),
}
_METHODS = (*_OF_LOGITS, "mahalanobis", "knn", "disagreement")


class OutOfDistribution:
    """A score for each sample, the higher the less it is like those of the training.

    - ``"msp"``: minus the largest softmax probability (Hendrycks and Gimpel, ICLR 2017);
    - ``"entropy"`` of the softmax;
    - ``"energy"``: minus the log-sum-exp of the logits (Liu, Wang, Owens and Li, NeurIPS 2020);
    - ``"max_logit"``: minus the largest logit (Hendrycks et al., ICML 2022);
    - ``"mahalanobis"``: the least squared distance of the features to a class's mean, by the
      classes' common covariance and its pseudoinverse (Lee, Lee, Lee and Shin, NeurIPS 2018);
      without ``y`` all samples are one class;
    - ``"knn"``: the distance of the features, brought to length 1, to their k-th neighbour's (Sun,
      Ming, Zhu and Li, ICML 2022);
    - ``"disagreement"``: the mutual information of an ensemble's predictions.

    Args:
        model: a model with one output, or an :class:`Ensemble` for ``"disagreement"``.
        method: one of those.
        layer: whose outputs the features are; by default what the last layer is given.
        k: which neighbour.

    Raises:
        ValueError: if there is no such method, or it does not go with the model.

    Attributes:
        threshold: set by :meth:`fit`: what a share ``tpr`` of its samples lies below.
        covariance: set by :meth:`fit` of ``"mahalanobis"``: of the features.
        precision: its pseudoinverse: directions in which known features do not vary count nothing.
        certificate: how good that is, see :class:`unitgain.linalg.PinvCertificate`; a warning says
            if distances have fewer than three digits.
    """

    threshold: float

    def __init__(
        self, model: Any, method: str = "energy", layer: str | None = None, k: int = 50
    ) -> None:
        if method not in _METHODS:
            raise ValueError(f"method is {method!r}, expected one of {', '.join(_METHODS)}")
        if (method == "disagreement") != isinstance(model, Ensemble):
            raise ValueError(f"method {method!r} does not go with a {type(model).__name__}")
        if k < 1:
            raise ValueError(f"k must be at least 1, but it is {k}")
        self.method, self.k = method, k
        self._is_fitted = False
        self._run: Any = model
        if method in _OF_LOGITS:
            self._run = logits_model(model)
        elif method != "disagreement":
            chosen = model.layers[-1].input if layer is None else model.get_layer(layer).output
            self._run = Model(model.input, chosen)

    def fit(self, x: Any, y: ArrayLike | None = None, tpr: float = 0.95) -> OutOfDistribution:
        """Look at samples of the training; return the detector.

        The threshold is taken from their own scores; of ``"knn"`` each is not its own neighbour.

        Args:
            x: the samples.
            y: class labels, for ``"mahalanobis"``.
            tpr: the share of such samples that is to be accepted.
        """
        outputs = self._outputs(x)
        if len(outputs) == 0:
            raise ValueError("x has no samples")
        if self.method == "mahalanobis":
            labels = np.zeros(len(outputs), int) if y is None else np.asarray(y).reshape(-1)
            if len(labels) != len(outputs):
                raise ValueError(f"y has {len(labels)} labels for {len(outputs)} samples")
            classes, where = np.unique(labels, return_inverse=True)
            self._means = np.stack([outputs[where == c].mean(0) for c in range(len(classes))])
            off = outputs - self._means[where]
            self.covariance = off.T @ off / len(outputs)
            self.precision, self.certificate = linalg.pinv(
                self.covariance, hermitian=True, rtol=None, return_certificate=True
            )
            if not self.certificate.residual <= _LEAST_EXACT:
                _, condition, residual = self.certificate
                warn(
                    f"the features' covariance has the condition {condition:.1e}, and its "
                    f"pseudoinverse the residual {residual:.1e}: distances are not exact; take "
                    "another layer"
                )
        elif self.method == "knn":
            if len(outputs) <= self.k:
                raise ValueError(f"k is {self.k}, but x has {len(outputs)} samples")
            self._known = outputs
        self._is_fitted = True
        own = self._scores(outputs, known=True)
        self.threshold = rejection_threshold(own, tpr)
        return self

    def score(self, x: Any) -> _Floats:
        """Return each sample's score, the higher the stranger."""
        if not self._is_fitted and self.method in ("mahalanobis", "knn"):
            raise ValueError(f"the method {self.method} needs samples: call fit(x) first")
        return self._scores(self._outputs(x))

    def predict(self, x: Any) -> NDArray[np.bool_]:
        """Return whether each sample's score is above the threshold."""
        if not self._is_fitted:
            raise ValueError("there is no threshold yet: call fit(x) first")
        return np.asarray(self.score(x) > self.threshold)

    def _outputs(self, x: Any) -> _Floats:
        outputs: _Floats
        if self.method == "disagreement":
            outputs = np.asarray(self._run.uncertainty(x).epistemic, np.float64)
            return np.asarray(outputs.reshape(len(outputs), -1).mean(axis=1))
        outputs = np.asarray(self._run.predict(x), np.float64)
        outputs = outputs.reshape(len(outputs), -1)
        if self.method in _OF_LOGITS and outputs.shape[1] == 1:
            outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
        if self.method == "knn":
            lengths = np.linalg.norm(outputs, axis=1, keepdims=True)
            outputs = outputs / np.maximum(lengths, 1e-12)
        return np.asarray(outputs)

    def _scores(self, outputs: _Floats, known: bool = False) -> _Floats:
        if self.method == "disagreement":
            return outputs
        if self.method == "mahalanobis":
            distances = [
                ((off @ self.precision) * off).sum(axis=1)
                for off in (outputs - mean for mean in self._means)
            ]
            return np.asarray(np.min(distances, axis=0))
        if self.method == "knn":
            found = []
            for first in range(0, len(outputs), 1024):
                block = outputs[first : first + 1024]
                squares = np.maximum(2 - 2 * block @ self._known.T, 0)
                kth = self.k if known else self.k - 1
                found.append(np.sqrt(np.partition(squares, kth, axis=1)[:, kth]))
            return np.concatenate(found) if found else np.zeros(0)
        return _OF_LOGITS[self.method](outputs)


def rejection_threshold(scores: ArrayLike, tpr: float = 0.95) -> float:
    """Return the least score that at least a share ``tpr`` of ``scores`` does not exceed."""
    values = np.sort(np.asarray(scores, np.float64).reshape(-1))
    if not 0 < tpr <= 1:
        raise ValueError(f"tpr must be above 0 and at most 1, but it is {tpr}")
    if len(values) == 0:
        raise ValueError("scores is empty")
    return float(values[int(np.ceil(tpr * len(values) - 1e-9)) - 1])


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """Return the probability that a score of ``outside`` is above one of ``inside``, ties half.

    Exact, by ranks (Mann and Whitney, 1947).

    >>> import unitgain as ug
    >>> ug.uncertainty.auroc([0.1, 0.4], [0.3, 0.9])
    0.75
    """
    a, b = _both(inside, outside)
    ordered = np.sort(a)
    below = np.searchsorted(ordered, b, "left").sum()
    upto = np.searchsorted(ordered, b, "right").sum()
    return float((below + upto) / 2 / (len(a) * len(b)))


def fpr_at_tpr(inside: ArrayLike, outside: ArrayLike, tpr: float = 0.95) -> float:
    """Return the share of ``outside`` that is accepted where a share ``tpr`` of ``inside`` is."""
    a, b = _both(inside, outside)
    return float((b <= rejection_threshold(a, tpr)).mean())


def aurc(errors: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the risk-coverage curve: the mean risk of the n surest, over all n.

    Geifman, Uziel and El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers",
    ICLR 2019.

    Args:
        errors: each sample's loss, or whether it was wrong.
        scores: how unsure of it the network was; of equal ones the order does not count: each has
            their mean loss.
    """
    losses = np.asarray(errors, np.float64).reshape(-1)
    values = np.asarray(scores, np.float64).reshape(-1)
    if len(losses) != len(values) or len(values) == 0:
        raise ValueError(f"errors has {len(losses)} values and scores {len(values)}")
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared = np.bincount(where, losses) / counts
    ordered = np.repeat(shared, counts)
    return float((np.cumsum(ordered) / np.arange(1, len(ordered) + 1)).mean())


def _both(inside: ArrayLike, outside: ArrayLike) -> tuple[_Floats, _Floats]:
    a, b = (np.asarray(scores, np.float64).reshape(-1) for scores in (inside, outside))
    if len(a) == 0 or len(b) == 0:
        raise ValueError(f"there are {len(a)} scores inside and {len(b)} outside, expected some")
    return a, b
