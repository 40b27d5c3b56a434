"""F-scores: precision and recall in one number."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _names
from unitgain.dtype_policies import DTypePolicyLike
from unitgain.metrics.base import NativeMetric, Value

__all__ = ["F1Score", "FBetaScore"]

_AVERAGES = (None, "micro", "macro", "weighted")
_EPSILON = 1e-7  # keeps what has no positives at 0, as in Keras


def _is_number(given: Any) -> bool:
    return isinstance(given, numbers.Real)


class FBetaScore(NativeMetric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall) of each class.

    Args:
        average: None: a value for each class; ``"micro"``: of all outputs together;
            ``"macro"``: the classes' mean; ``"weighted"``: weighted with the classes' targets.
        beta: how many times recall counts as much as precision.
        threshold: above which an output is positive; by default a row's largest are.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    >>> import unitgain as ug
    >>> y_true = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> y_pred = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> ug.metrics.FBetaScore(beta=2.0, threshold=0.5)(y_true, y_pred).round(4)
    array([0.3846, 0.9091, 0.8333])
    """

    direction = "up"
    kind = "f_score"
    takes_rows = True

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: DTypePolicyLike = None,
    ) -> None:
        if average not in _AVERAGES:
            table = {str(known): None for known in _AVERAGES}
            raise ValueError(_names.unknown("average", average, table))
        if not _is_number(beta) or not beta > 0:
            raise ValueError(f"beta must be greater than 0, but it is {beta}")
        if threshold is not None and not (_is_number(threshold) and 0 < threshold <= 1):
            raise ValueError(f"threshold must be above 0 and at most 1, but it is {threshold}")
        super().__init__(name, dtype)
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        if self.threshold is None:
            return {"k": 1}
        return {"threshold": self.threshold}

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return the score, or one for each class."""
        tp, fp, fn, targets = sums.reshape(4, -1)
        if self.average == "micro":
            tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
        precision, recall = tp / (tp + fp + _EPSILON), tp / (tp + fn + _EPSILON)
        square = self.beta**2
        scores = (1 + square) * precision * recall / (square * precision + recall + _EPSILON)
        if self.average is None:
            return scores
        if self.average == "weighted":
            return float((scores * targets).sum() / (targets.sum() + _EPSILON))
        return float(np.mean(scores))


class F1Score(FBetaScore):
    """2 precision recall / (precision + recall) of each class, see :class:`FBetaScore`.

    Args:
        average: as for :class:`FBetaScore`.
        threshold: as for :class:`FBetaScore`.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
