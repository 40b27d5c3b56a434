"""Errors of values, and how well they go together."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _names, losses
from unitgain.dtype_policies import DTypePolicyLike
from unitgain.metrics.base import NativeMetric, RowMean, Value

__all__ = [
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "PearsonCorrelation",
    "R2Score",
    "RootMeanSquaredError",
]


class MeanSquaredError(RowMean):
    """The mean of (y - target)^2, in squared units of the targets.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> ug.metrics.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]])
    0.25
    """

    direction = "down"
    kind = "loss"

    def __init__(
        self, name: str | None = "mean_squared_error", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"loss": losses.MeanSquaredError().spec}


class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean of (y - target)^2, in units of the targets.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> ug.metrics.RootMeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]])
    0.5
    """

    elementwise = True

    def __init__(
        self, name: str | None = "root_mean_squared_error", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return the root of the mean."""
        return math.sqrt(super().value(sums))


class MeanAbsoluteError(RowMean):
    """The mean of abs(y - target), in units of the targets.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    direction = "down"
    kind = "loss"

    def __init__(
        self, name: str | None = "mean_absolute_error", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"loss": losses.MeanAbsoluteError().spec}


class LogCoshError(RowMean):
    """The mean of log(cosh(y - target)): half the square near 0, a line far from it.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    direction = "down"
    kind = "loss"

    def __init__(self, name: str | None = "logcosh", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name, dtype)

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"loss": losses.LogCosh().spec}


class MeanAbsolutePercentageError(RowMean):
    """The mean of 100 abs(y - target) / max(abs(target), 1e-7).

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    direction = "down"
    kind = "percentage_error"

    def __init__(
        self, name: str | None = "mean_absolute_percentage_error", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)


class MeanSquaredLogarithmicError(RowMean):
    """The mean of (log(1 + y) - log(1 + target))^2; what is below 1e-7 counts as that.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    direction = "down"
    kind = "logarithmic_error"

    def __init__(
        self, name: str | None = "mean_squared_logarithmic_error", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)


class _LastAxis(RowMean):
    """A statistic of each row, which is the last axis."""

    direction = "up"
    takes_rows = True

    def __init__(self, name: str | None, dtype: DTypePolicyLike, axis: int) -> None:
        if axis != -1:
            raise ValueError(f"axis is {axis}, but only the last axis, -1, is supported")
        super().__init__(name, dtype)
        self.axis = axis


class CosineSimilarity(_LastAxis):
    """The mean over the rows of the cosine of the angle to the targets; 0 of a row of zeros.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        axis: must be the last.

    >>> import unitgain as ug
    >>> round(ug.metrics.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]), 6)
    0.5
    """

    kind = "cosine_similarity"

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: DTypePolicyLike = None, axis: int = -1
    ) -> None:
        super().__init__(name, dtype, axis)


class PearsonCorrelation(_LastAxis):
    """The mean over the rows of Pearson's correlation with the targets; NaN of a constant row.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        axis: must be the last.
    """

    kind = "pearson"

    def __init__(
        self,
        name: str | None = "pearson_correlation",
        dtype: DTypePolicyLike = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype, axis)


class ConcordanceCorrelation(_LastAxis):
    """The mean over the rows of Lin's coefficient of concordance with the targets.

    2 cov(y, t) / (var(y) + var(t) + (mean(y) - mean(t))^2 + 1e-7). Lin, "A concordance correlation
    coefficient to evaluate reproducibility", Biometrics 45, 1989.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        axis: must be the last.
    """

    kind = "concordance"

    def __init__(
        self,
        name: str | None = "concordance_correlation",
        dtype: DTypePolicyLike = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype, axis)


_AGGREGATIONS = {"uniform_average": 0, "variance_weighted_average": 1, None: 2}


class R2Score(NativeMetric):
    """The coefficient of determination: 1 - sum((t - y)^2) / sum((t - mean(t))^2) of each column.

    Its means are taken by an update that does not cancel where targets are far from 0 (West,
    Communications of the ACM 22, 1979). Of a column of constant targets it is 0, or NaN if the
    outputs are right; it is NaN of no samples.

    Args:
        class_aggregation: ``"uniform_average"``: the columns' mean;
            ``"variance_weighted_average"``: weighted with the targets' variances; None: a value
            for each column.
        num_regressors: how many independent variables there are, for the adjusted coefficient; 0
            for the plain one.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    >>> import unitgain as ug
    >>> round(ug.metrics.R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]), 6)
    0.571429
    """

    direction = "up"
    kind = "r2"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: DTypePolicyLike = None,
    ) -> None:
        if class_aggregation not in _AGGREGATIONS:
            table = {str(known): None for known in _AGGREGATIONS}
            raise ValueError(_names.unknown("class_aggregation", class_aggregation, table))
        if num_regressors < 0:
            raise ValueError(f"num_regressors must be at least 0, but it is {num_regressors}")
        super().__init__(name, dtype)
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return the coefficient, or one for each column."""
        weights, _, total, errors = sums[1:].reshape(4, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(weights > 0, 1 - errors / total, np.nan)
            scores = np.where(np.isinf(scores), 0.0, scores)
            if self.class_aggregation is None:
                score: Any = scores
            elif self.class_aggregation == "uniform_average":
                score = float(scores.mean())
            else:
                score = float((total * scores).sum() / total.sum())
        return self._adjusted(score, float(sums[0]))

    def _adjusted(self, score: Value, count: float) -> Value:
        rest = count - self.num_regressors - 1
        if self.num_regressors == 0:
            return score
        if rest <= 0:
            warnings.warn("R2Score has too few samples to adjust for num_regressors", stacklevel=3)
            return score
        return 1 - (1 - score) * (count - 1) / rest
