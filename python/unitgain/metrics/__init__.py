"""Metrics: what is reported beside the loss.

A metric is a configuration for :meth:`unitgain.Model.compile`, summed up by the native pass, and
by itself an accumulator: ``update_state(y_true, y_pred, sample_weight)``, ``result()``,
``reset_state()``; a call does the first two. Names, arguments and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._config import serialize
from unitgain.losses import Loss
from unitgain.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from unitgain.metrics.auc import AUC
from unitgain.metrics.base import Metric
from unitgain.metrics.calibration import (
    BrierScore,
    ExpectedCalibrationError,
    MaximumCalibrationError,
    NegativeLogLikelihood,
)
from unitgain.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from unitgain.metrics.f_score import F1Score, FBetaScore
from unitgain.metrics.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from unitgain.metrics.reduction import Mean, MeanMetricWrapper, Sum
from unitgain.metrics.regression import (
    ConcordanceCorrelation,
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    PearsonCorrelation,
    R2Score,
    RootMeanSquaredError,
)

_CLASSES: tuple[type[Metric], ...] = (
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy, AUC, FalseNegatives, FalsePositives,
    Precision, PrecisionAtRecall, Recall, RecallAtPrecision, SensitivityAtSpecificity,
    SpecificityAtSensitivity, TrueNegatives, TruePositives, F1Score, FBetaScore,
    BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge, Hinge, KLDivergence, Poisson,
    SparseCategoricalCrossentropy, SquaredHinge, ConcordanceCorrelation, CosineSimilarity,
    LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError,
    MeanSquaredLogarithmicError, PearsonCorrelation, R2Score, RootMeanSquaredError,
    Mean, MeanMetricWrapper, Sum, BrierScore, ExpectedCalibrationError, MaximumCalibrationError,
    NegativeLogLikelihood,
)  # fmt: skip

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BrierScore",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "ExpectedCalibrationError",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MaximumCalibrationError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "NegativeLogLikelihood",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "deserialize",
    "get",
    "serialize",
]

_ALIASES: dict[str, type[Metric]] = {
    "bce": BinaryCrossentropy,
    "fbeta_score": FBetaScore,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
_TABLE: dict[str, type[Metric]] = {
    **{_names.snake_case(metric.__name__): metric for metric in _CLASSES},
    **_ALIASES,
    **{alias.upper(): metric for alias, metric in _ALIASES.items() if len(alias) < 5},
}


def get(
    metric: str | Mapping[str, Any] | Metric | Loss | Callable[..., Any],
    loss: Loss | None = None,
    outputs: int | None = None,
) -> Metric:
    """Return the metric of that name, of that configuration or function, or the one given.

    "accuracy" (or "acc") is the accuracy that goes with the loss and the number of outputs, as in
    Keras: of labels the sparse one, of a single output the binary one, else the categorical one. A
    metric asked for by name is reported under that name.

    Args:
        metric: a name, a configuration, a metric, or a function ``f(y_true, y_pred)`` or a loss,
            for its mean.
        loss: the loss beside it; None for one that takes labels.
        outputs: the size of the outputs' last axis, if it is known.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a metric nor a function.
    """
    table: dict[str, Callable[[], Metric]] = dict(_TABLE)
    if isinstance(metric, str) and metric.lower() in ("accuracy", "acc"):
        accuracy: type[Metric] = SparseCategoricalAccuracy
        if loss is not None and not loss.takes_labels:
            accuracy = BinaryAccuracy if outputs == 1 else CategoricalAccuracy
        return accuracy(name=metric)
    own = _names.custom_object(metric)
    function: Any = metric if own is None else own
    if callable(function) and not isinstance(function, (type, Metric)):
        return MeanMetricWrapper(function, name=metric if isinstance(metric, str) else None)
    made = _names.resolve("metric", metric, table, Metric, _names.snake_case)
    if isinstance(metric, str):
        made.name = metric
    return made


deserialize = _names.deserializer("metric", get)
