"""Metrics: what is reported beside the loss.

A metric is a configuration for :meth:`unitgain.Model.compile`, summed up by the native pass, and
by itself an accumulator: ``update_state(y_true, y_pred, sample_weight)``, ``result()``,
``reset_state()``; a call does the first two. Names, arguments and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._configurable import serialize
from unitgain.losses import Loss
from unitgain.metrics import (
    accuracy,
    auc,
    calibration,
    confusion,
    f_score,
    probabilistic,
    reduction,
    regression,
)
from unitgain.metrics.accuracy import *
from unitgain.metrics.auc import *
from unitgain.metrics.base import Metric
from unitgain.metrics.calibration import *
from unitgain.metrics.confusion import *
from unitgain.metrics.f_score import *
from unitgain.metrics.probabilistic import *
from unitgain.metrics.reduction import *
from unitgain.metrics.regression import *

__all__ = ["Metric", "deserialize", "get", "serialize"]
__all__ += accuracy.__all__
__all__ += auc.__all__
__all__ += calibration.__all__
__all__ += confusion.__all__
__all__ += f_score.__all__
__all__ += probabilistic.__all__
__all__ += reduction.__all__
__all__ += regression.__all__

_ALIASES = {
    "bce": "binary_crossentropy",
    "fbeta_score": "f_beta_score",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}
_TABLE = _names.table_of(globals(), __all__, Metric, _ALIASES)


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
