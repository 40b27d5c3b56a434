"""What callbacks are told of batches: of each, or of as many at a time as ``compile`` said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unitgain.training.callback import CallbackList

__all__ = ["Executions"]


class Executions:
    """Tells callbacks where an execution of several batches begins, and where it ends.

    The number told at the beginning is that of its first batch, from 0, and at the end that of its
    last; of an execution that a pass cuts short, the last that it would have had, as in Keras.

    Args:
        listeners: the callbacks.
        what: what the batches are of: ``train``, ``test`` or ``predict``.
        size: how many batches an execution has.
    """

    def __init__(self, listeners: CallbackList, what: str, size: int = 1) -> None:
        self._listeners = listeners
        self._what = what
        self._size = size
        self._first: int | None = None  # of the execution under way
        self._logs: Callable[[], Any] | None = None

    def begin(self, batch: int) -> bool:
        """Note that a batch is about to be run; return whether an execution begins with it."""
        if self._first is not None:
            return False
        self._first = batch
        self._listeners.tell(f"{self._what}_batch_begin", batch)
        return True

    def end(self, batch: int, logs: Callable[[], Any]) -> None:
        """Note that a batch was run.

        Args:
            batch: its number, from 0.
            logs: returns the values so far.
        """
        self._logs = logs
        if self._first is None or batch + 1 - self._first >= self._size:
            self.finish()

    def finish(self) -> None:
        """Tell of an execution that is under way: its pass is over."""
        if self._first is None or self._logs is None:
            return
        last, logs = self._first + self._size - 1, self._logs()
        self._first = self._logs = None
        self._listeners.tell(f"{self._what}_batch_end", last, logs)
