"""Metrics: what is reported beside the loss, as means over the samples."""

from __future__ import annotations

from collections.abc import Callable

from unitgain import _names, _native
from unitgain.losses import Loss

__all__ = [
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "get",
]


class Metric:
    """A metric that the native pass sums up. The subclasses are those there are."""

    needs_labels: bool

    def __init__(self, name: str) -> None:
        self.name = name

    def result(self, totals: _native.Totals) -> float:
        """Return the metric's value from a pass's sums."""
        raise NotImplementedError(f"{type(self).__name__} does not implement result")

    def check(self, loss: Loss) -> None:
        """Raise ValueError if the metric does not go with the loss."""
        if self.needs_labels != loss.takes_labels:
            needs = "class labels" if self.needs_labels else "target values"
            raise ValueError(f"the metric {self.name} needs {needs}, but the loss is {loss.name}")


class SparseCategoricalAccuracy(Metric):
    """The share of samples whose largest output is the label's."""

    needs_labels = True

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def result(self, totals: _native.Totals) -> float:
        """Return the accuracy, 0 to 1."""
        return totals.correct / max(1, totals.samples)


class MeanSquaredError(Metric):
    """The mean of (y - target)^2."""

    needs_labels = False

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(name)

    def result(self, totals: _native.Totals) -> float:
        """Return the mean, in squared units of the targets."""
        return totals.loss / max(1, totals.samples)


class MeanAbsoluteError(Metric):
    """The mean of abs(y - target)."""

    needs_labels = False

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(name)

    def result(self, totals: _native.Totals) -> float:
        """Return the mean, in units of the targets."""
        return totals.absolute_error / max(1, totals.samples)


# A metric asked for by name is reported under that name, as in Keras.
_TABLE: dict[str, Callable[[], Metric]] = {
    "accuracy": lambda: SparseCategoricalAccuracy("accuracy"),
    "acc": lambda: SparseCategoricalAccuracy("acc"),
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": lambda: MeanSquaredError("mse"),
    "mean_absolute_error": MeanAbsoluteError,
    "mae": lambda: MeanAbsoluteError("mae"),
}


def get(metric: str | Metric) -> Metric:
    """Return the metric of that name, or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a metric.
    """
    return _names.resolve("metric", metric, _TABLE, Metric)
