"""Callbacks that end a run: EarlyStopping, TerminateOnNaN."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from unitgain.callbacks.monitoring import Monitor
from unitgain.training.callback import Callback, Logs

__all__ = ["EarlyStopping", "TerminateOnNaN"]


class EarlyStopping(Monitor):
    """Ends a run when a monitored value has not improved for some epochs.

    Args:
        monitor: the value's name.
        min_delta: by how much a value must be better to count as an improvement.
        patience: how many epochs without improvement end the run.
        verbose: 1 for a line when the run is ended or weights are restored.
        mode: ``min``, ``max``, or ``auto``: as the metric states, or its name tells. A value that
            is NaN is never the best.
        baseline: a value that must be improved on, too, for the epochs without improvement to be
            counted anew.
        restore_best_weights: whether the model gets the weights of its best epoch back when the run
            ends, for whatever reason.
        start_from_epoch: the first epoch, from 0, that is looked at.

    Attributes:
        best: the best value of the last run; None if there was none.
        best_epoch: its epoch, from 0.
        stopped_epoch: the epoch, from 0, after which the run was ended; 0 if it was not.

    Raises:
        ValueError: if there is no such mode, or ``auto`` cannot tell.

    Source: Prechelt, "Early stopping - but when?", 1998.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> model = ug.Sequential([ug.layers.Input((1,)), ug.layers.Dense(1)])
    >>> model.compile(ug.optimizers.SGD(0.0), "mse")
    >>> stop = ug.callbacks.EarlyStopping(monitor="loss", patience=3)
    >>> x = np.ones((4, 1))
    >>> len(model.fit(x, 2 * x, epochs=50, verbose=0, callbacks=[stop]).epoch)
    4
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._forget()

    def _forget(self) -> None:
        self.wait = 0
        self.best = None
        self.best_epoch = 0
        self.stopped_epoch = 0
        self.best_weights: list[NDArray[Any]] | None = None

    def get_state(self) -> dict[str, Any]:
        """Return the best epoch, with its weights, and the epochs since."""
        names = ("wait", "best", "best_epoch", "stopped_epoch", "best_weights")
        return {name: getattr(self, name) for name in names}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the run before."""
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare the epoch's value with the best."""
        current = self._current(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        improves = self._improves(current, self.best)
        # If no epoch's value is a number, the first epoch has the weights to restore.
        if self.restore_best_weights and (improves or self.best_weights is None):
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        if improves:
            self.best, self.best_epoch = current, epoch
            if self.baseline is None or self._improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Restore the best epoch's weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Ends a run when the loss is NaN or infinite.

    Args:
        raise_error: whether to raise instead, so that no callback is told of the run's end.

    Raises:
        RuntimeError: with ``raise_error``, from ``fit``.
    """

    # Tells fit to have the native epoch end at the step where the loss is no longer finite.
    stops_at_nan = True

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_divergence(self, epoch: int, batch: int) -> None:
        """End the run after a step, both numbers from 0, whose loss is not finite."""
        message = f"the loss is not finite after batch {batch + 1} of epoch {epoch + 1}"
        if self.raise_error:
            raise RuntimeError(message)
        print(f"{message}: terminating training")
        self.model.stop_training = True
