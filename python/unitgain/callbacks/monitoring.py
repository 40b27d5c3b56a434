"""What early stopping, checkpoints and plateaus share: a monitored value, and what is better."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from unitgain import _names
from unitgain.metrics import Metric
from unitgain.training.callback import Callback, Logs

__all__ = ["Monitor"]

_MODES = ("auto", "min", "max")
# Parts of metrics' names that tell what is better. A name that ends in "loss" is a loss's.
_SMALLER = (
    "loss", "error", "mse", "mae", "mape", "msle", "entropy", "hinge", "divergence", "poisson",
    "cosh", "nll", "huber", "perplexity", "false_",
)  # fmt: skip
_LARGER = (
    "acc", "auc", "precision", "recall", "score", "r2", "similarity", "iou", "sensitivity",
    "specificity", "correlation", "true_", "top_k",
)  # fmt: skip


class Monitor(Callback):
    """A callback that watches one value of the logs.

    Args:
        monitor: the value's name: ``loss``, ``accuracy``, ``val_loss`` ...
        mode: ``min`` if smaller is better, ``max`` if larger is; ``auto`` tells by the name.
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

    def _current(self, logs: Logs | None) -> float | None:
        """Return the monitored value, or None with a warning that names those there are."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} monitors {self.monitor!r}, which is not among the values "
                f"of the epoch: {', '.join(logs or {}) or 'there are none'}",
                stacklevel=2,
            )
        return value

    def _improves(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return True
        if self._larger_is_better():
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def _larger_is_better(self) -> bool:
        if self.mode == "auto":
            larger = larger_is_better(self.monitor, getattr(self.model, "metrics", []))
            if larger is None:
                raise ValueError(
                    f"{type(self).__name__} cannot tell by its name whether {self.monitor!r} "
                    f"should be small or large: pass mode='min' or mode='max'"
                )
            return larger
        return self.mode == "max"


def larger_is_better(name: str, metrics: Iterable[Metric]) -> bool | None:
    """Tell whether a larger value is better, by a metric's class and name; None: no telling."""
    name = name.removeprefix("val_")
    classes = [_names.snake_case(type(m).__name__) for m in metrics if m.name == name]
    for known in [*classes, name.lower()]:
        if known.endswith("loss"):
            return False
        for parts, answer in ((_LARGER, True), (_SMALLER, False)):
            if any(part in known for part in parts):
                return answer
    return None
