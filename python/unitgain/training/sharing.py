"""What training asks of processes that share it; :mod:`unitgain.distribution` has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

__all__ = ["Sharing", "current_sharing", "set_sharing"]

Made = TypeVar("Made")
Result = TypeVar("Result")
Batch = TypeVar("Batch")


class Sharing:
    """Processes that train one model together, each running the same program."""

    def train(
        self, model: Any, make: Callable[[], Made], go: Callable[[Made], Result], afresh: bool
    ) -> Result:
        """Do something with a model on all processes, once all have what it takes.

        Args:
            model: the model.
            make: returns what is to be used, or raises an error that all are then told of.
            go: does it.
            afresh: whether all take over the model's state from the first, and not only at the
                first time.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement train")

    def listen(self, run: Any) -> None:
        """Let the first process alone tell its callbacks of a run, and decide for all."""
        raise NotImplementedError(f"{type(self).__name__} does not implement listen")

    def prepare(self, network: Any) -> None:
        """Let a native network share its next passes with the other processes."""
        raise NotImplementedError(f"{type(self).__name__} does not implement prepare")

    def batches(self, own: Iterator[Batch]) -> Iterator[tuple[Batch, int, int]]:
        """Yield each batch with the place of its first row and the rows of all: 0 if it is whole.

        Args:
            own: the batches of this process, which have a length.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement batches")


_current: Sharing | None = None


def current_sharing() -> Sharing | None:
    """Return who shares training in this process; None: nobody."""
    return _current


def set_sharing(sharing: Sharing | None) -> None:
    """Share training from now on; None: with nobody."""
    global _current
    _current = sharing
