"""Models written to files while they train: ModelCheckpoint, BackupAndRestore."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unitgain.callbacks.monitoring import Monitor
from unitgain.callbacks.states import packed, unpacked
from unitgain.formats.document import Document, from_file, to_file
from unitgain.formats.foreign import checked_name
from unitgain.models.saving import explained, model_document, restore
from unitgain.training.callback import Callback, Keeper, Logs

__all__ = ["BackupAndRestore", "ModelCheckpoint"]


class ModelCheckpoint(Monitor):
    """Saves the model, or its weights, after each epoch or after a number of steps.

    Args:
        filepath: the file's name, which ends in ``.safetensors``. It may hold fields for the epoch,
            from 1, the batch, from 1, and the logs: ``"{epoch:02d}-{val_loss:.2f}.safetensors"``.
            Folders that are missing are made.
        monitor: the value that tells which model is the best.
        verbose: 1 for a line at each file.
        save_best_only: whether to save only when the value is the best so far.
        save_weights_only: whether to save the weights alone, for ``load_weights``. Else it is what
            :func:`unitgain.load_model` reads, with the optimizer's state.
        mode: ``min``, ``max``, or ``auto``: as the metric states, or its name tells. A value that
            is NaN is never the best.
        save_freq: ``"epoch"``, or after how many steps to save, counted on from epoch to epoch.
            With a number, each step comes back to Python.
        initial_value_threshold: what the first value has to improve on, with ``save_best_only``.

    Attributes:
        best: the best value so far, over all runs; None if there was none.

    Raises:
        ValueError: if the name ends otherwise or names a value that the logs have not,
            ``save_freq`` is neither, there is no such mode, or ``auto`` cannot tell.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, best=initial_value_threshold)
        self.filepath = checked_name(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = checked_frequency(save_freq)
        self.initial_value_threshold = initial_value_threshold
        self._steps = 0
        self._epoch = 0
        if save_freq != "epoch":  # on this object alone: others leave whole epochs to native code
            vars(self)["on_train_batch_end"] = self._after_step

    def get_state(self) -> dict[str, Any]:
        """Return the best value so far, and the steps since a file."""
        return {"best": self.best, "steps": self._steps}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        self.best, self._steps = state["best"], state["steps"]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save the model, if it is due."""
        if self.save_freq == "epoch":
            self._save(logs or {}, {"epoch": epoch + 1})

    def _after_step(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self._steps == self.save_freq:
            self._steps = 0
            self._save(logs or {}, {"epoch": self._epoch + 1, "batch": batch + 1})

    def _save(self, logs: Logs, place: dict[str, int]) -> None:
        try:
            path = self.filepath.format(**{**logs, **place})
        except KeyError as error:
            raise ValueError(
                f"filepath is {self.filepath!r}, but there is no {error} among "
                f"{', '.join([*place, *logs])}"
            ) from None
        if not self._is_due(logs, path):
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)

    def _is_due(self, logs: Logs, path: str) -> bool:
        title = f"Epoch {self._epoch + 1}: "
        if not self.save_best_only:
            self._say(f"{title}saving the model to {path}")
            return True
        current = self._current(logs)
        if current is None:  # as Keras does: better too many files than none
            return True
        before = "nothing" if self.best is None else f"{self.best:.5f}"
        if not self._improves(current, self.best):
            self._say(f"{title}{self.monitor} did not improve on {before}")
            return False
        self._say(f"{title}{self.monitor} improved on {before} to {current:.5f}, saving to {path}")
        self.best = current
        return True

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            print(text)


class BackupAndRestore(Keeper):
    """Lets a run that was interrupted go on when the program is started again.

    The model is saved as training goes on. If ``fit`` is called where a run before was cut off, the
    model gets its state back and the epochs that were completed are left out: what comes then has
    the bits of a run that was never interrupted. At the end of a run the files are deleted.

    The other callbacks' state is kept with the model, see :meth:`Callback.get_state`, and goes back
    to those of the same class, in their order. An epoch is complete when all of them were told of
    its end: of what ended, this callback is told last.

    Args:
        backup_dir: a folder for this callback's files alone.
        save_freq: ``"epoch"``, or after how many steps to save. An epoch that was cut off begins
            anew, with the weights that it was cut off with.
        double_checkpoint: whether the file before is kept, too, in case the last is damaged.
        delete_checkpoint: whether the files are deleted at the end of a run.

    Raises:
        ValueError: if ``backup_dir`` is empty, or ``save_freq`` is neither; from ``fit``, if the
            file is damaged or another model's.
        TypeError: from ``fit``, if the state of a callback has a value that a file cannot hold.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not os.fspath(backup_dir):
            raise ValueError("backup_dir is empty")
        self.backup_dir = Path(backup_dir)
        self.save_freq = checked_frequency(save_freq)
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._path = self.backup_dir / "latest.safetensors"
        self._before = self.backup_dir / "before.safetensors"
        self._steps = 0
        self._epoch = 0
        self._states: Document = {}  # found in the file, for the other callbacks
        if save_freq != "epoch":
            vars(self)["on_train_batch_end"] = self._after_step

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restore the model, and tell ``fit`` where to begin, if there is a file."""
        self._states = {}
        found = [path for path in (self._path, self._before) if path.exists()]
        for path in found:
            try:
                with explained(path):
                    document, arrays = from_file(path)
                    run = unpacked(document["run"], arrays)
                    restore(self.model, document, arrays)
                    self.model.stop_training = run["stopped"]
                    ended = self.params["epochs"] if run["stopped"] else 0
                    self.model._resumed = max(run["epoch"], ended), run["logs"]
                    self.model._order_position = run["order_position"]
                    self._steps, self._states = run["steps"], run["states"]
                return
            except ValueError:
                if path is found[-1]:
                    raise

    def hand_out(self) -> None:
        """Give the other callbacks the state that was found."""
        for name, callback in _numbered(self.others):
            if name in self._states:
                callback.set_state(self._states[name])
        self._states = {}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save the model after the epoch."""
        if self.save_freq == "epoch":
            self._save(epoch + 1, logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Delete the files."""
        if self.delete_checkpoint:
            for path in (self._path, self._before):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # of a folder that holds something else
                self.backup_dir.rmdir()

    def _after_step(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self._steps == self.save_freq:
            self._steps = 0
            self._save(self._epoch)

    def _save(self, epoch: int, logs: Logs | None = None) -> None:
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        document, arrays = model_document(self.model)
        run = {
            "epoch": epoch,
            "order_position": self.model._order_position,
            "steps": self._steps,
            "stopped": bool(self.model.stop_training),
            "logs": dict(logs or {}),
            "states": {name: c.get_state() for name, c in _numbered(self.others)},
        }
        document["run"] = packed(run, "run", arrays)
        if self.double_checkpoint and self._path.exists():
            self._path.replace(self._before)
        to_file(self._path, document, arrays)


def _numbered(callbacks: Iterable[Callback]) -> Iterator[tuple[str, Callback]]:
    """Yield each callback with its class's name and the number of that class's before it."""
    seen: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__name__
        yield f"{name}:{seen[name]}", callback
        seen[name] += 1


def checked_frequency(save_freq: str | int) -> str | int:
    """Return when to save: ``"epoch"``, or after a number of steps.

    Raises:
        ValueError: if it is neither.
    """
    if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
        raise ValueError(
            f"save_freq is {save_freq!r}, expected 'epoch' or a number of steps of at least 1"
        )
    return save_freq
