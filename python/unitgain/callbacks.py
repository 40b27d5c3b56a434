"""What a training run tells, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unitgain.models import Model

__all__ = ["Callback", "History"]


class Callback:
    """Called by ``fit`` between epochs; subclasses override what they need.

    Attributes:
        model: the model that is trained; setting its ``stop_training`` ends the run.
    """

    model: Model

    def on_train_begin(self) -> None:
        """Do something before the first epoch."""

    def on_train_end(self) -> None:
        """Do something after the last epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Do something before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Do something after an epoch with its loss and metrics."""


class History(Callback):
    """The losses and metrics of a run; ``fit`` returns it.

    Attributes:
        epoch: the epochs' numbers, from 0.
        history: for each name (``loss``, ``accuracy``, ``val_loss`` ...) one value an epoch.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Append the epoch's values."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
