"""Callbacks that report a run: CSVLogger, ProgressBar."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from unitgain._progress import EpochsBar
from unitgain.training.callback import Callback, Logs

__all__ = ["CSVLogger", "ProgbarLogger", "ProgressBar"]


class CSVLogger(Callback):
    """Writes a line an epoch to a CSV file: the epoch, from 0, and the values by their names.

    As in Keras, the names of the first epoch make the columns, in alphabetical order. If no
    validation is among them, there are columns for it, too, with ``NA`` where there are no values.

    Args:
        filename: the file.
        separator: what stands between two values.
        append: whether to go on with a file that is there, with no second heading. False: it is
            overwritten.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.sep = self.separator = separator
        self.append = append
        self.keys: list[str] | None = None
        self._begun = False
        self._kept = 0  # the bytes of the file that stay: those of others, and of epochs that ended

    def get_state(self) -> dict[str, Any]:
        """Return the columns, and how many bytes of the file are of epochs that ended."""
        return {"keys": self.keys, "bytes": self._kept}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on in the file behind those epochs; lines of one that was cut off are removed."""
        self.keys, self._kept = state["keys"], state["bytes"]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew. What the file had is removed when the first line is written."""
        path = Path(self.filename)
        self.keys = None
        self._begun = False
        self._kept = path.stat().st_size if self.append and path.exists() else 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch's line."""
        values = logs or {}
        if self.keys is None:
            self.keys = sorted(values)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        with self._opened() as file:
            writer = csv.writer(file, delimiter=self.sep)
            if file.tell() == 0:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(values.get(key, "NA") for key in self.keys)])
            self._kept = file.tell()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Leave the file, an empty one of a run without epochs."""
        if not self._begun:
            self._opened().close()

    def _opened(self) -> TextIO:
        path = Path(self.filename)
        file = path.open("r+" if path.exists() else "w", newline="", encoding="utf-8")
        file.seek(0, os.SEEK_END)
        if not self._begun:
            file.seek(min(self._kept, file.tell()))
            file.truncate()
        self._begun = True
        return file


class ProgressBar(Callback):
    """One bar for the epochs of a run, with the values of the last.

    It is for runs of many short epochs, with ``fit(verbose=0)``: where ``fit`` shows a bar or a
    line an epoch itself, this shows nothing.
    """

    _bar: EpochsBar | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Show the bar."""
        self._bar = EpochsBar(self.params["epochs"], self.params.get("verbose") in (0, False))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar(epoch + 1, logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


ProgbarLogger = ProgressBar
