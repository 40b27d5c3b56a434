"""Counts of right and wrong positives and negatives, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.metrics.base import NativeMetric, Value

__all__ = [
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "TrueNegatives",
    "TruePositives",
]

Counts = NDArray[np.float64]
# Keras's width of what rounding may do at both ends.
_EPSILON = 1e-7


class _Confusion(NativeMetric):
    """A function of the weights of true and false positives and negatives at thresholds.

    An output is positive if it is above the threshold, which NaN never is; a target is, if it is
    not 0.
    """

    kind = "confusion"
    elementwise = True
    class_id: int | None = None

    def _thresholds(self) -> NDArray[np.float64]:
        """Return the thresholds, in ascending order."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"thresholds": self._thresholds().tolist(), "class_id": self.class_id}

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return what the weights in the intervals between the thresholds come to."""
        intervals = sums.reshape(-1, 2, len(self._thresholds()) + 1)
        totals = intervals.sum(-1, keepdims=True)
        above = totals - np.cumsum(intervals, -1)[..., :-1]
        below = totals - above
        counts = above[:, 0], above[:, 1], below[:, 1], below[:, 0]
        return self.of_counts(*counts)

    def of_counts(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Value:
        """Return the metric's value; the counts are of (columns, thresholds)."""
        raise NotImplementedError


def _ratio(part: Counts, rest: Counts) -> Counts:
    """Return part / (part + rest), 0 of nothing."""
    whole = part + rest
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


class _AtThresholds(_Confusion):
    """A value for each threshold; a number if there is one."""

    def __init__(
        self,
        thresholds: float | Sequence[float] | None,
        name: str | None,
        dtype: DTypePolicyLike,
        default: float = 0.5,
    ) -> None:
        super().__init__(name, dtype)
        self.thresholds = thresholds
        given = [default] if thresholds is None else np.atleast_1d(np.asarray(thresholds)).tolist()
        if not given:
            raise ValueError("thresholds must not be empty")
        for threshold in [] if thresholds is None else given:
            if threshold is None or not 0 <= threshold <= 1:
                raise ValueError(f"thresholds must be between 0 and 1, but one is {threshold}")
        self._given: list[float] = given

    def _thresholds(self) -> NDArray[np.float64]:
        return np.sort(np.asarray(self._given, np.float64))

    def of_counts(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Value:
        """Return the values in the order in which the thresholds were given."""
        found = self.at_each(tp, fp, tn, fn)[0]
        places = np.argsort(np.argsort(self._given, kind="stable"))
        return float(found[0]) if len(found) == 1 else found[places]

    def at_each(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Counts:
        """Return the value at each threshold."""
        raise NotImplementedError


class _Count(_AtThresholds):
    """The weights of the outputs in one place of the confusion matrix.

    Args:
        thresholds: above which an output is positive: a number from 0 to 1, or several.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if a threshold is not between 0 and 1.
    """

    which: int

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(thresholds, name, dtype)

    def at_each(self, *counts: Counts) -> Counts:
        """Return the value at each threshold."""
        return counts[self.which]


class TruePositives(_Count):
    """Counts outputs that are positive, as their targets are; or the sum of their rows' weights.

    An output is positive if it is above the threshold, which NaN never is; a target is, if it is
    not 0.

    Args:
        thresholds: a number from 0 to 1, or several; 0.5 by default.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> ug.metrics.TruePositives()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    2.0
    """

    direction = "up"
    which = 0


class FalsePositives(_Count):
    """Counts outputs that are positive where the target is not, see :class:`TruePositives`."""

    direction = "down"
    which = 1


class TrueNegatives(_Count):
    """Counts outputs that are negative, as their targets are, see :class:`TruePositives`."""

    direction = "up"
    which = 2


class FalseNegatives(_Count):
    """Counts outputs that are negative where the target is not, see :class:`TruePositives`."""

    direction = "down"
    which = 3


class _OfSome(_AtThresholds):
    """A share, of one class or of the largest outputs if asked."""

    direction = "up"

    def __init__(
        self,
        thresholds: float | Sequence[float] | None,
        top_k: int | None,
        class_id: int | None,
        name: str | None,
        dtype: DTypePolicyLike,
    ) -> None:
        # Outputs beyond the k largest count as -1e10, as in Keras.
        super().__init__(thresholds, name, dtype, 0.5 if top_k is None else -1e10)
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be at least 1, but it is {top_k}")
        if class_id is not None and class_id < 0:
            raise ValueError(f"class_id must be at least 0, but it is {class_id}")
        self.top_k = top_k
        self.class_id = class_id
        self.elementwise = top_k is None and class_id is None

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {**super().arguments(), "k": self.top_k or 0}


class Precision(_OfSome):
    """The share of the positive outputs whose targets are positive; 0 if there are none.

    Args:
        thresholds: above which an output is positive: a number from 0 to 1, or several, for as many
            results; 0.5 by default.
        top_k: how many of a row's largest outputs may be positive; without ``thresholds`` all of
            them are. Of equals the first come first.
        class_id: the one column that counts; all by default.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if a threshold is not between 0 and 1, or a number is too small.

    >>> import unitgain as ug
    >>> ug.metrics.Precision()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    0.6666666666666666
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)

    def at_each(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Counts:
        """Return the value at each threshold."""
        return _ratio(tp, fp)


class Recall(_OfSome):
    """The share of the positive targets whose outputs are positive; 0 if there are none.

    Args:
        thresholds: as for :class:`Precision`.
        top_k: as for :class:`Precision`.
        class_id: as for :class:`Precision`.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if a threshold is not between 0 and 1, or a number is too small.

    >>> import unitgain as ug
    >>> ug.metrics.Recall()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    0.6666666666666666
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)

    def at_each(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Counts:
        """Return the value at each threshold."""
        return _ratio(tp, fn)


class _Best(_Confusion):
    """The largest of one share at the thresholds at which another is large enough."""

    direction = "up"
    # The shares, by their names: the first is an argument, how large it is to be at least.
    _limited: str
    _wanted: str

    def __init__(
        self,
        limit: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: DTypePolicyLike,
    ) -> None:
        super().__init__(name, dtype)
        if not 0 <= limit <= 1:
            raise ValueError(f"{self._limited} must be between 0 and 1, but it is {limit}")
        if num_thresholds < 1:
            raise ValueError(f"num_thresholds must be at least 1, but it is {num_thresholds}")
        self._limit = limit
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self.elementwise = class_id is None

    def _thresholds(self) -> NDArray[np.float64]:
        return np.array([0.5]) if self.num_thresholds == 1 else _even(self.num_thresholds)

    def of_counts(self, tp: Counts, fp: Counts, tn: Counts, fn: Counts) -> Value:
        """Return the largest share, 0 if the other is nowhere large enough."""
        shares = {
            "sensitivity": (tp, fn),
            "recall": (tp, fn),
            "specificity": (tn, fp),
            "precision": (tp, fp),
        }
        limited, wanted = _ratio(*shares[self._limited]), _ratio(*shares[self._wanted])
        return float(np.where(limited >= self._limit, wanted, 0.0).max())


class SensitivityAtSpecificity(_Best):
    """The largest tp / (tp + fn) of the thresholds at which tn / (tn + fp) is large enough.

    Args:
        specificity: how large that must be at least.
        num_thresholds: how many thresholds are tried, at even distances from 0 to 1.
        class_id: the one column that counts; all by default.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _limited, _wanted = "specificity", "sensitivity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity


class SpecificityAtSensitivity(_Best):
    """The largest tn / (tn + fp) of the thresholds at which tp / (tp + fn) is large enough.

    Args:
        sensitivity: how large that must be at least.
        num_thresholds: as for :class:`SensitivityAtSpecificity`.
        class_id: the one column that counts; all by default.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _limited, _wanted = "sensitivity", "specificity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity


class PrecisionAtRecall(_Best):
    """The largest precision of the thresholds at which the recall is large enough.

    Args:
        recall: how large that must be at least.
        num_thresholds: as for :class:`SensitivityAtSpecificity`.
        class_id: the one column that counts; all by default.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _limited, _wanted = "recall", "precision"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall


class RecallAtPrecision(_Best):
    """The largest recall of the thresholds at which the precision is large enough.

    Args:
        precision: how large that must be at least.
        num_thresholds: as for :class:`SensitivityAtSpecificity`.
        class_id: the one column that counts; all by default.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _limited, _wanted = "precision", "recall"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision


def _even(count: int) -> NDArray[np.float64]:
    return np.arange(count, dtype=np.float64) / (count - 1)
