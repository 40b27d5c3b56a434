"""The progress bar of a training pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from unitgain import _native

Logs = Mapping[str, float]


class ProgressBar:
    """A tqdm bar over the batches of one epoch, or nothing when not ``shown``.

    Called by the native pass a few times a second with the batches done and the sums so far.
    """

    def __init__(
        self, title: str, batches: int | None, values: Callable[[_native.Totals], Logs], shown: bool
    ) -> None:
        self._values = values
        self._bar: Any = None
        if shown:
            from tqdm import tqdm  # here, because importing it takes longer than a small network

            self._bar = tqdm(
                total=batches, desc=title, unit="batch", leave=True, dynamic_ncols=True
            )

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

    def __call__(self, totals: _native.Totals) -> None:
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


def format_logs(logs: Logs) -> str:
    """Return ``loss=0.1234, accuracy=0.9876``."""
    return ", ".join(f"{name}={_text(value)}" for name, value in logs.items())


def _text(value: Any) -> str:
    if isinstance(value, float | int):
        return f"{value:.4f}"
    return f"[{' '.join(map(_text, value))}]"  # a metric's for each class or threshold
