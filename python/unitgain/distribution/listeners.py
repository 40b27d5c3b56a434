"""The callbacks of a run that processes share: told on the first, whose decisions hold for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unitgain.distribution.communicator import MPICommunicator
from unitgain.distribution.state import digest, state_of
from unitgain.models.saving import restore
from unitgain.training.callback import Callback, CallbackList, History

__all__ = ["SharedCallbacks"]

_EVENTS = [
    *("train_begin", "train_end", "epoch_begin", "epoch_end"),
    *("train_batch_begin", "train_batch_end", "test_begin", "test_end"),
    *("test_batch_begin", "test_batch_end"),
]


class SharedCallbacks(CallbackList):
    """A run's callbacks, of which the first process tells its own, and others their history alone.

    Args:
        listeners: the run's callbacks on this process.
        model: the model.
        communicator: between the processes.
        alone: runs a function in which the model is the first process's alone.
        agree: is told of an error that all processes raise.
    """

    def __init__(
        self,
        listeners: CallbackList,
        model: Any,
        communicator: MPICommunicator,
        alone: Callable[[Callable[[], None]], None],
        agree: Callable[[BaseException], None],
    ) -> None:
        self.callbacks, self._as_given = listeners.callbacks, listeners._as_given
        self._model, self._communicator = model, communicator
        self._alone, self._agree = alone, agree
        self._is_first = communicator.rank == 0
        acting = {event for event in _EVENTS if self._acts(event)}
        batches = {what: listeners.wants_batches(what) for what in ("train", "test", "predict")}
        self._acting, self._batches, self.stops_at_nan = communicator.share(
            (acting, batches, any(getattr(c, "stops_at_nan", False) for c in self.callbacks))
        )

    def tell(self, event: str, *arguments: Any) -> None:
        """Call one hook of the callbacks, and take over what they have changed."""
        if event not in self._acting:
            return self._tell_histories(event, arguments)
        logs = arguments[-1] if arguments and isinstance(arguments[-1], dict) else None
        if self._is_first:
            self._decide(lambda: super(SharedCallbacks, self).tell(event, *arguments), logs)
        else:
            self._follow(logs)
            self._tell_histories(event, arguments)
        return None

    def wants_batches(self, what: str) -> bool:
        """Whether a callback of the first process has hooks for batches."""
        return bool(self._batches[what])

    def diverged(self, epoch: int, batch: int) -> None:
        """Tell those who asked for it where a run's loss has ceased to be finite."""
        if self._is_first:
            self._decide(lambda: super(SharedCallbacks, self).diverged(epoch, batch), None)
        else:
            self._follow(None)

    def _acts(self, event: str) -> bool:
        """Whether a callback may do something at an event, beside taking values in."""
        hooks = [f"on_{event}"]
        if event.startswith("train_batch"):
            hooks.append(f"on_{event.removeprefix('train_')}")
        return any(
            type(callback) is not History
            and getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in hooks
        )

    def _tell_histories(self, event: str, arguments: tuple[Any, ...]) -> None:
        for callback in self.callbacks:
            if type(callback) is History:
                getattr(callback, f"on_{event}")(*arguments)

    def _decide(self, tell: Callable[[], None], logs: dict[str, Any] | None) -> None:
        """Tell the callbacks, and the other processes what has come of it."""
        model, share = self._model, self._communicator.share
        before = digest(*state_of(model))
        try:
            self._alone(tell)
        except BaseException as error:
            share({"error": f"{type(error).__name__}: {error}"})
            self._agree(error)
            raise
        after = state_of(model)
        share(
            {
                "error": None,
                "stop": model.stop_training,
                "resumed": model._resumed,
                "order": model._order_position,
                "rate": _rate(model.optimizer),
                "logs": logs,
                "state": None if digest(*after) == before else after,
            }
        )

    def _follow(self, logs: dict[str, Any] | None) -> None:
        """Take over what the first process has decided."""
        model, decided = self._model, self._communicator.share()
        if decided["error"] is not None:
            error = RuntimeError(f"a callback of process 0 has raised {decided['error']}")
            self._agree(error)
            raise error
        if decided["state"] is not None:
            restore(model, *decided["state"])
        if decided["rate"] is not None:
            model.optimizer.learning_rate = decided["rate"]
        model.stop_training = decided["stop"]
        model._resumed, model._order_position = decided["resumed"], decided["order"]
        if logs is not None:
            logs.clear()
            logs.update(decided["logs"])


def _rate(optimizer: Any) -> float | None:
    """Return the learning rate, if it is a number that callbacks may set, and no schedule's."""
    return None if optimizer._schedule is not None else float(optimizer.learning_rate)
