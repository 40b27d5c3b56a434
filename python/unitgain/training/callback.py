"""What a run tells, and to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Callback", "CallbackList", "History"]

Logs = Mapping[str, float]


class Callback:
    """Called by ``fit``, ``evaluate`` and ``predict``; subclasses override what they need.

    An epoch is one native call. Only where a callback overrides ``on_train_batch_begin`` or
    ``on_train_batch_end`` does each step come back to Python, and likewise for the batches of
    ``evaluate`` and ``predict``.

    Attributes:
        model: the model that is trained; setting its ``stop_training`` ends the run.
        params: ``epochs``, ``steps`` (None if unknown) and ``verbose`` of the run.
    """

    model: Any
    params: Mapping[str, Any]

    def set_model(self, model: Any) -> None:
        """Set the model, before anything else is called."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Set what the run was asked to do."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Do something before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Do something after the last epoch, with its values."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Do something before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Do something after an epoch with its loss and metrics."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Do something before a step, counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Do something after a step, with the epoch's loss and metrics so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Do what ``on_train_batch_begin`` does: its older name."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Do what ``on_train_batch_end`` does: its older name."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Do something before an evaluation, that of an epoch's validation data included."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Do something after an evaluation, with its loss and metrics."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Do something before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Do something after a batch of an evaluation, with the loss and metrics so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Do something before ``predict``."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Do something after ``predict``."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Do something before a batch of ``predict``."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Do something after a batch of ``predict``."""


class CallbackList:
    """The callbacks of one run, each told in their order.

    Args:
        callbacks: the callbacks.
        model: the model of the run.
        params: what the run was asked to do, see :class:`Callback`.

    Raises:
        TypeError: if one of them is no callback.
    """

    def __init__(
        self, callbacks: Iterable[Callback], model: Any, params: Mapping[str, Any]
    ) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                kind = type(callback).__name__
                raise TypeError(f"a callback is of type {kind}, expected a ug.callbacks.Callback")
        # What others add to an epoch's values, such as the learning rate, is history, too.
        self.callbacks.sort(key=lambda callback: isinstance(callback, History))
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def tell(self, event: str, *arguments: Any) -> None:
        """Call one hook of every callback, by its name without ``on_``; logs may be left out."""
        if len(arguments) <= ("epoch" in event or "batch" in event):
            arguments = (*arguments, {})
        for callback in self.callbacks:
            getattr(callback, f"on_{event}")(*arguments)

    def wants_batches(self, what: str) -> bool:
        """Whether a callback has hooks of its own for batches of ``train``, ``test``, ``predict``.

        They may be its class's or, as a :class:`LambdaCallback`'s, its own attributes.
        """
        hooks = [f"on_{what}_batch_begin", f"on_{what}_batch_end"]
        if what == "train":
            hooks += ["on_batch_begin", "on_batch_end"]
        return any(
            getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in hooks
        )

    def diverged(self, epoch: int, batch: int) -> None:
        """Tell those who asked for it where a run's loss has ceased to be finite."""
        for callback in self.callbacks:
            if getattr(callback, "stops_at_nan", False):
                callback.on_divergence(epoch, batch)  # type: ignore[attr-defined]


class History(Callback):
    """The losses and metrics of a run; ``fit`` returns it.

    Attributes:
        epoch: the epochs' numbers, from 0.
        history: for each name (``loss``, ``accuracy``, ``val_loss`` ...) one value an epoch.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append the epoch's values."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
