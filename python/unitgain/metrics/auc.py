"""Areas under curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names
from unitgain.dtype_policies import DTypePolicyLike
from unitgain.metrics.base import Value
from unitgain.metrics.confusion import _EPSILON, Counts, _Confusion, _even, _ratio

__all__ = ["AUC"]

_CURVES = ("ROC", "PR", "PRGAIN")
_METHODS = ("interpolation", "minoring", "majoring")


class AUC(_Confusion):
    """The area under a curve of what a classifier does at thresholds from 0 to 1.

    Of the receiver operating characteristic it is the probability that a positive's output is
    above a negative's, up to what happens between two thresholds: outputs between the same two
    count as equal. Outputs are clipped to [0, 1]; NaN is above no threshold; a target is positive
    if it is not 0.

    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006; for the
    interpolation of precision and recall, Davis and Goadrich, "The relationship between
    precision-recall and ROC curves", ICML 2006; for their gains, Flach and Kull,
    "Precision-recall-gain curves", NIPS 2015.

    Args:
        num_thresholds: how many, at even distances; more make the area more exact.
        curve: ``"ROC"``: true positives' share by false positives'; ``"PR"``: precision by recall;
            ``"PRGAIN"``: precision's gain by recall's.
        summation_method: ``"interpolation"`` between two thresholds; ``"minoring"``, the smaller of
            their values; ``"majoring"``, the larger.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        thresholds: in place of ``num_thresholds``, those between 0 and 1.
        multi_label: whether each column has a curve of its own, the result being their mean; else
            all outputs are taken together.
        num_labels: how many columns there are, for the sake of code written for Keras.
        label_weights: of the columns, in the mean or in the one curve.
        from_logits: whether the outputs are logits, whose sigmoids are taken.

    Raises:
        ValueError: if an argument is out of its range.

    >>> import unitgain as ug
    >>> ug.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    0.75
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: DTypePolicyLike = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: ArrayLike | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        if str(curve).upper() not in _CURVES:
            raise ValueError(_names.unknown("curve", curve, dict.fromkeys(_CURVES)))
        if str(summation_method).lower() not in _METHODS:
            table = dict.fromkeys(_METHODS)
            raise ValueError(_names.unknown("summation_method", summation_method, table))
        if num_labels is not None and not multi_label:
            raise ValueError("num_labels is for multi_label=True")
        self.curve = curve.upper()
        self.summation_method = summation_method.lower()
        self.thresholds = None if thresholds is None else sorted(float(t) for t in thresholds)
        if self.thresholds is not None:
            num_thresholds = len(self.thresholds) + 2
            if any(not 0 <= t <= 1 for t in self.thresholds):
                raise ValueError(f"thresholds must be between 0 and 1, but are {thresholds}")
        if num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2, but it is {num_thresholds}")
        self.num_thresholds = num_thresholds
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights: Any = label_weights
        self.from_logits = from_logits
        self._weights = None if label_weights is None else np.asarray(label_weights, np.float64)
        self.elementwise = not multi_label and label_weights is None

    def _thresholds(self) -> NDArray[np.float64]:
        if self.thresholds is None:
            found = _even(self.num_thresholds)
        else:
            found = np.array([0.0, *self.thresholds, 1.0])
        # All outputs are above the first, and none above the last.
        found[0], found[-1] = -_EPSILON, 1 + _EPSILON
        return found

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        weights = [] if self.multi_label or self._weights is None else self._weights.tolist()
        return {
            **super().arguments(),
            "by_column": self.multi_label,
            "from_logits": self.from_logits,
            "clips": True,
            "column_weights": weights,
        }

    def of_counts(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Value:
        """Return the area, or the mean of the columns'."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _interpolated_precision(tp, fp, fn)
        else:
            x, y = self._curve(tp, fp, tn, fn)
            left, right = y[:, :-1], y[:, 1:]
            heights = {
                "interpolation": (left + right) / 2,
                "minoring": np.minimum(left, right),
                "majoring": np.maximum(left, right),
            }[self.summation_method]
            areas = ((x[:, :-1] - x[:, 1:]) * heights).sum(-1)
        if self.multi_label and self._weights is not None and len(areas) == self._weights.size:
            total = self._weights.sum()
            return float((areas * self._weights).sum() / total) if total else 0.0
        return float(areas.mean())

    def _curve(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> tuple[Counts, Counts]:
        recall = _ratio(tp, fn)
        if self.curve == "ROC":
            return _ratio(fp, tn), recall
        if self.curve == "PR":
            return recall, _ratio(tp, fp)
        # Where there are no true positives, the gain of recall is 0, that of precision 1.
        balance = _quotient(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0.0, 1 - balance * _quotient(fn, tp))
        precision_gain = np.where(tp == 0, 1.0, 1 - balance * _quotient(fp, tp))
        return np.maximum(recall_gain, 0.0), precision_gain


def _quotient(part: Counts, whole: Counts) -> Counts:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def _interpolated_precision(tp: Counts, fp: Counts, fn: Counts) -> Counts:
    """Return the area under the curve on which positives, true and false, grow in proportion.

    Between two thresholds true positives are a line a + b p of all positives p, so that precision
    by recall has the area (b (tp - tp') + a b log(p / p')) / (tp + fn).
    """
    positive = tp + fp
    found, more = tp[:, :-1] - tp[:, 1:], positive[:, :-1] - positive[:, 1:]
    slope = _quotient(found, np.maximum(more, 0.0))
    start = tp[:, 1:] - slope * positive[:, 1:]
    both = (positive[:, :-1] > 0) & (positive[:, 1:] > 0)
    growth = np.divide(positive[:, :-1], positive[:, 1:], out=np.ones_like(slope), where=both)
    area = slope * (found + start * np.log(growth))
    areas: Counts = _quotient(area, np.maximum(tp[:, 1:] + fn[:, 1:], 0.0)).sum(-1)
    return areas
