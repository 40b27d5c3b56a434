"""The monitored value of early stopping, checkpoints and plateaus, and its direction."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from unitgain import _names
from unitgain.metrics import Metric
from unitgain.training.callback import Callback, Logs

__all__ = ["Monitor"]

_MODES = ("auto", "min", "max")
_DIRECTIONS = {"up": True, "down": False}
# Words of metrics' names that tell what is better, and names that do so as a whole.
_LARGER = {
    "acc", "accuracy", "auc", "precision", "recall", "sensitivity", "specificity", "similarity",
    "correlation", "iou", "dice", "f1", "r2",
}  # fmt: skip
_LARGER_NAMES = {"r2_score", "f1_score", "fbeta_score", "true_positives", "true_negatives"}
_SMALLER = {
    "loss", "error", "errors", "mse", "mae", "mape", "msle", "rmse", "crossentropy", "entropy",
    "hinge", "divergence", "poisson", "logcosh", "cosh", "nll", "huber", "perplexity", "bce",
}  # fmt: skip
_SMALLER_NAMES = {"false_positives", "false_negatives", "brier_score"}


class Monitor(Callback):
    """A callback that watches one value of the logs.

    A value that is NaN is no improvement on any other, and any other is one on it.

    Args:
        monitor: the value's name: ``loss``, ``accuracy``, ``val_loss`` ...
        mode: ``min`` if smaller is better, ``max`` if larger is; ``auto`` takes what the metric of
            that name states as its ``direction``, else what the name's words tell, if they do.
        min_delta: by how much a value must be better to count as an improvement.
        best: what the first value has to improve on; None for nothing.

    Raises:
        ValueError: if there is no such mode.
    """

    def __init__(
        self, monitor: str, mode: str, min_delta: float = 0.0, best: float | None = None
    ) -> None:
        if mode not in _MODES:
            raise ValueError(_names.unknown("mode", mode, dict.fromkeys(_MODES)))
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best = best

    def get_state(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": self.best}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        vars(self).update(state)

    def _current(self, logs: Logs | None) -> float | None:
        """Return the monitored value, or None with a warning that names those there are."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} monitors {self.monitor!r}, which is not among the values "
                f"of the epoch: {', '.join(logs or {}) or 'there are none'}",
                stacklevel=2,
            )
            return None
        if np.size(value) != 1:
            raise ValueError(
                f"{type(self).__name__} monitors {self.monitor!r}, which is {np.size(value)} "
                f"values, expected one number"
            )
        return float(np.reshape(value, ()))

    def _improves(self, value: float, reference: float | None) -> bool:
        larger = self._larger_is_better()
        if math.isnan(value):
            return False
        if reference is None or math.isnan(reference):
            return True
        if larger:
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def _larger_is_better(self) -> bool:
        if self.mode == "auto":
            name = self.monitor.removeprefix("val_")
            larger = _direction_of(name, _reported_as(name, self.model))
            if larger is None:
                raise ValueError(
                    f"{type(self).__name__} cannot tell by its name whether {self.monitor!r} "
                    f"should be small or large: pass mode='min' or mode='max'"
                )
            return larger
        return self.mode == "max"


def larger_is_better(name: str, metrics: Iterable[Metric]) -> bool | None:
    """Tell whether a larger value is better, by a metric of that name and by the name; None: no."""
    name = name.removeprefix("val_")
    return _direction_of(name, [metric for metric in metrics if metric.name == name])


def _reported_as(name: str, model: Any) -> list[Metric]:
    """Return a model's metrics that the logs have under a name."""
    if not hasattr(model, "_reported_metrics"):
        return [metric for metric in getattr(model, "metrics", []) if metric.name == name]
    return [metric for reported, metric in model._reported_metrics() if reported == name]


def _direction_of(name: str, metrics: list[Metric]) -> bool | None:
    """Tell whether a larger value is better: as a metric states, or its class's name, or its own.

    Raises:
        ValueError: if a metric's direction is neither "up" nor "down" nor None.
    """
    for metric in metrics:
        # Keras's metrics, and those written for it, have the name with the underscore.
        stated = getattr(metric, "_direction", metric.direction)
        if stated is not None and stated not in _DIRECTIONS:
            raise ValueError(
                f"the metric {name} has the direction {stated!r}, expected 'up' or 'down'"
            )
        if stated is not None:
            return _DIRECTIONS[stated]
    for known in [*(_names.snake_case(type(metric).__name__) for metric in metrics), name.lower()]:
        direction = _direction_of_name(known)
        if direction is not None:
            return direction
    return None


def _direction_of_name(name: str) -> bool | None:
    name = re.sub(r"_\d+$", "", name)  # of several of one name
    if name.endswith("loss"):
        return False
    words = set(re.split(r"[^a-z0-9]+", name))
    larger = not words.isdisjoint(_LARGER) or _ends_in(name, _LARGER_NAMES)
    smaller = not words.isdisjoint(_SMALLER) or _ends_in(name, _SMALLER_NAMES)
    return None if larger == smaller else larger


def _ends_in(name: str, endings: Iterable[str]) -> bool:
    return any(name == ending or name.endswith(f"_{ending}") for ending in endings)
