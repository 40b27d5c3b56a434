"""Metrics: what is reported beside the loss, as means over the samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names, _native
from unitgain._config import Configurable, serialize
from unitgain.losses import Loss

__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "deserialize",
    "get",
    "serialize",
    "spec",
]


class Metric(Configurable):
    """A metric that the native pass sums up. The subclasses are those there are."""

    needs_labels: bool
    # What it needs to have summed up: a field of the native MetricSpec, and one of Totals.
    needs: str
    total: str

    def __init__(self, name: str) -> None:
        self.name = name

    def result(self, totals: _native.Totals) -> float:
        """Return the metric's value from a pass's sums."""
        return float(getattr(totals, self.total)) / max(1, totals.samples)

    def check(self, loss: Loss) -> None:
        """Raise ValueError if the metric does not go with the loss."""
        if self.needs_labels != loss.takes_labels:
            needs = "class labels" if self.needs_labels else "target values"
            raise ValueError(f"the metric {self.name} needs {needs}, but the loss is {loss.name}")
        if loss.kind == "gaussian_nll":
            raise ValueError(f"the metric {self.name} needs a target for each output")


class SparseCategoricalAccuracy(Metric):
    """The share of samples whose largest output is the label's."""

    needs_labels = True
    needs = "accuracy"
    total = "correct"

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)


class CategoricalAccuracy(Metric):
    """The share of samples whose largest output is where the largest target is."""

    needs_labels = False
    needs = "accuracy"
    total = "correct"

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name)


class BinaryAccuracy(Metric):
    """The share of outputs that are above 1/2 where the target is 1, and not where it is 0."""

    needs_labels = False
    needs = "binary_accuracy"
    total = "binary_correct"

    def __init__(self, name: str = "binary_accuracy") -> None:
        super().__init__(name)


class MeanSquaredError(Metric):
    """The mean of (y - target)^2, in squared units of the targets."""

    needs_labels = False
    needs = "errors"
    total = "squared_error"

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(name)


class MeanAbsoluteError(Metric):
    """The mean of abs(y - target), in units of the targets."""

    needs_labels = False
    needs = "errors"
    total = "absolute_error"

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(name)


# A metric asked for by name is reported under that name, as in Keras.
_TABLE: dict[str, Callable[[], Metric]] = {
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": lambda: MeanSquaredError("mse"),
    "mean_absolute_error": MeanAbsoluteError,
    "mae": lambda: MeanAbsoluteError("mae"),
}


def get(
    metric: str | Mapping[str, Any] | Metric, loss: Loss | None = None, outputs: int | None = None
) -> Metric:
    """Return the metric of that name, of that configuration, or the one given.

    "accuracy" (or "acc") is the accuracy that goes with the loss and the number of outputs, as in
    Keras: of labels the sparse one, of a single output the binary one, else the categorical one.

    Args:
        metric: a name, a configuration or a metric.
        loss: the loss beside it; None for one that takes labels.
        outputs: the size of the outputs' last axis, if it is known.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a metric.
    """
    accuracy: Callable[[str], Metric] = SparseCategoricalAccuracy
    if loss is not None and not loss.takes_labels:
        accuracy = BinaryAccuracy if outputs == 1 else CategoricalAccuracy
    table = {
        "accuracy": lambda: accuracy("accuracy"),
        "acc": lambda: accuracy("acc"),
        **_TABLE,
    }
    return _names.resolve("metric", metric, table, Metric, _names.snake_case)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Metric:
    """Return the metric that :func:`serialize` described.

    Args:
        config: a mapping with a ``class_name`` and a ``config``.
        custom_objects: classes of one's own by name.

    Raises:
        ValueError: if it describes none.
    """
    with _names.custom_objects(custom_objects):
        return get(config)


def spec(metrics: list[Metric]) -> _native.MetricSpec:
    """Return what the native pass must sum up for these metrics."""
    return _native.MetricSpec(**{metric.needs: True for metric in metrics})
