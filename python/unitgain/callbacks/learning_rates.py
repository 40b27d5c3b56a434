"""Learning rates from epoch to epoch: LearningRateScheduler, ReduceLROnPlateau."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, MutableMapping
from typing import Any

from unitgain.callbacks.monitoring import Monitor
from unitgain.optimizers import Optimizer
from unitgain.training.callback import Callback, Logs

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


def _optimizer(callback: Callback) -> Optimizer:
    optimizer: Optimizer | None = callback.model.optimizer
    if optimizer is None:
        raise ValueError(f"{type(callback).__name__} needs a model that is compiled")
    return optimizer


def _log_rate(callback: Callback, logs: Logs | None) -> None:
    if isinstance(logs, MutableMapping):
        logs["learning_rate"] = float(_optimizer(callback).learning_rate)


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, and reports it as ``learning_rate``.

    Schedules of :mod:`unitgain.optimizers` set it at every step instead.

    Args:
        schedule: a function of the epoch, from 0, and the learning rate so far, or of the epoch
            alone, that returns the new one.
        verbose: 1 for a line an epoch.

    Raises:
        ValueError: from ``fit``, if the function returns no number.

    >>> import unitgain as ug
    >>> halve = ug.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the epoch's learning rate."""
        optimizer = _optimizer(self)
        arguments = (epoch, optimizer.learning_rate)
        rate = self.schedule(*arguments[: 2 if _takes_two(self.schedule) else 1])
        if not isinstance(rate, numbers.Real):
            raise ValueError(f"the schedule returned {rate!r}, expected a float")
        optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: setting the learning rate to {float(rate):g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Report the learning rate."""
        _log_rate(self, logs)


def _takes_two(function: Callable[..., float]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a built-in that does not tell
        return True
    return True


class ReduceLROnPlateau(Monitor):
    """Reduces the learning rate when a monitored value has stopped improving.

    It reports the rate of each epoch as ``learning_rate``.

    Args:
        monitor: the value's name.
        factor: what the rate is multiplied by, less than 1.
        patience: how many epochs without improvement reduce it.
        verbose: 1 for a line at each reduction.
        mode: ``min``, ``max``, or ``auto``: as the metric states, or its name tells. A value that
            is NaN is no improvement.
        min_delta: by how much a value must be better to count as an improvement.
        cooldown: epochs after a reduction that are not counted.
        min_lr: the least rate.

    Raises:
        ValueError: if ``factor`` is 1 or more, there is no such mode, or ``auto`` cannot tell.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 <= factor < 1:
            raise ValueError(f"factor must be at least 0 and less than 1, but it is {factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def get_state(self) -> dict[str, Any]:
        """Return the best value, and the epochs since it and since a reduction."""
        names = ("best", "wait", "cooldown_counter")
        return {name: getattr(self, name) for name in names}

    def in_cooldown(self) -> bool:
        """Tell whether epochs are not counted, after a reduction."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Count the epoch, and reduce the rate if there were enough."""
        _log_rate(self, logs)
        current = self._current(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = _optimizer(self)
        before = optimizer.learning_rate
        if before <= self.min_lr:
            return
        optimizer.learning_rate = max(before * self.factor, self.min_lr)
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: reducing the learning rate to {optimizer.learning_rate:g}")
