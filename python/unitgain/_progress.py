"""The progress bar of a training pass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

Logs = Mapping[str, float]


def in_notebook() -> bool:
    """Return whether this runs in a notebook's kernel, where bars are widgets."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


def new_bar(**options: Any) -> Any:
    """Return a tqdm bar, a widget in a notebook."""
    # Here, because importing it takes longer than a small network.
    if in_notebook():
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    return tqdm(dynamic_ncols=True, **options)


class ProgressBar:
    """A tqdm bar over the batches of one epoch, or nothing when not ``shown``.

    Called by the native pass a few times a second with the batches done and the sums so far.
    """

    def __init__(
        self, title: str, batches: int | None, values: Callable[[Any], Logs], shown: bool
    ) -> None:
        self._values = values
        self._bar: Any = None
        if shown:
            self._bar = new_bar(total=batches, desc=title, unit="batch")

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, totals: Any) -> None:
        """Move the bar to the batches done."""
        if self._bar is not None:
            self._bar.set_postfix_str(format_logs(self._values(totals)), refresh=False)
            self._bar.update(totals.batches - self._bar.n)

    def finish(self, batches: int, logs: Logs) -> None:
        """Show the epoch's final values."""
        if self._bar is not None:
            self._bar.set_postfix_str(format_logs(logs), refresh=False)
            self._bar.update(batches - self._bar.n)
            self._bar.refresh()


class EpochsBar:
    """A tqdm bar over the epochs of a run with the values of the last, or nothing.

    Args:
        epochs: how many there are, those of an interrupted run before it among them.
        shown: whether there is a bar.
    """

    def __init__(self, epochs: int, shown: bool) -> None:
        self._bar = new_bar(total=epochs, unit="epoch") if shown else None

    def __call__(self, done: int, logs: Logs) -> None:
        """Move the bar to the epochs done."""
        if self._bar is not None:
            self._bar.set_postfix_str(format_logs(logs), refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def format_logs(logs: Logs) -> str:
    """Return ``loss=0.1234, accuracy=0.9876``."""
    return ", ".join(f"{name}={format_value(value)}" for name, value in logs.items())


def format_value(value: Any) -> str:
    """Return a number as ``0.1234``, a metric's array as ``[0.1234 0.5678]``."""
    if isinstance(value, float | int):
        return f"{value:.4f}"
    return f"[{' '.join(map(format_value, value))}]"  # a metric's for each class or threshold
