"""The callbacks' base class, and the list of those of one run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from unitgain._figures import PALETTE, html_table, new_figure
from unitgain._progress import format_logs, format_value

__all__ = ["Callback", "CallbackList", "History", "Keeper", "as_list"]

Logs = Mapping[str, float]

# Epochs that a notebook shows of a history.
_MOST_ROWS = 20


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

    def get_state(self) -> dict[str, Any]:
        """Return what the callback needs to go on with a run that is interrupted.

        :class:`BackupAndRestore` keeps it with the model, after all callbacks were told of the
        epoch's end. Values are numbers, text, None, NumPy arrays, and lists and dicts of these.
        """
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned.

        It is called where a run is taken up again, after ``on_train_begin`` of all callbacks.

        Args:
            state: lists in place of tuples, and arrays that are copies.
        """

    def __repr__(self) -> str:
        """Return the class with those arguments that are not the defaults."""
        shown = []
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            if name in vars(self) and not _same(vars(self)[name], parameter.default):
                value = vars(self)[name]
                shown.append(f"{name}={getattr(value, '__name__', None) or repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

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
        """Do something after a batch of ``predict``, with a copy of its ``outputs``."""


def as_list(callbacks: Callback | Iterable[Callback] | None) -> list[Callback]:
    """Return callbacks as a list of them: a single one needs none."""
    if callbacks is None:
        return []
    return [callbacks] if isinstance(callbacks, Callback) else list(callbacks)


class Keeper(Callback):
    """A callback that keeps the others' state: told last of what has ended.

    Attributes:
        others: the other callbacks of the run.
    """

    others: Sequence[Callback] = ()

    def hand_out(self) -> None:
        """Give the others their state back, after all were told that the run begins."""
        raise NotImplementedError(f"{type(self).__name__} does not implement hand_out")


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
        self._as_given = list(self.callbacks)
        # Values that others add to an epoch's, such as the learning rate, is history, too; and
        # what keeps the others' state needs it as it is after they were told.
        self.callbacks.sort(key=lambda c: 2 if isinstance(c, Keeper) else isinstance(c, History))
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)
            if isinstance(callback, Keeper):
                callback.others = [c for c in self._as_given if c is not callback]

    def tell(self, event: str, *arguments: Any) -> None:
        """Call one hook of every callback, by its name without ``on_``; logs may be left out."""
        if len(arguments) <= ("epoch" in event or "batch" in event):
            arguments = (*arguments, {})
        # All find the model as a keeper restores it that was given before them.
        for callback in self._as_given if event == "train_begin" else self.callbacks:
            getattr(callback, f"on_{event}")(*arguments)
        if event == "train_begin":
            for callback in self.callbacks:
                if isinstance(callback, Keeper):
                    callback.hand_out()

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

    def epochs_ahead(self) -> float:
        """Return how many epochs may be done before a callback has to be told of the first.

        Those that do nothing between epochs, and a :class:`History`, let any number be done. Others
        say it in an attribute ``epochs_ahead``: until then they do nothing but take values in.
        """
        return min(
            (
                getattr(callback, "epochs_ahead", 1)
                for callback in self.callbacks
                for hook in ("on_epoch_begin", "on_epoch_end")
                if type(callback) is not History
                and getattr(getattr(callback, hook), "__func__", None)
                is not getattr(Callback, hook)
            ),
            default=math.inf,
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
        epochs_of: for each name the epochs of its values: not all need be evaluated.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}
        self.epochs_of: dict[str, list[int]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append the epoch's values; of arrays, which may change later, copies."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            kept = value.copy() if isinstance(value, np.ndarray) else value
            self.history.setdefault(name, []).append(kept)
            self.epochs_of.setdefault(name, []).append(epoch)

    def __repr__(self) -> str:
        """Return the number of epochs, and the values of the last."""
        if not self.epoch:
            return "History(no epochs)"
        epochs = "1 epoch" if len(self.epoch) == 1 else f"{len(self.epoch)} epochs"
        last = {name: values[-1] for name, values in self.history.items()}
        numbers = {name: float(v) for name, v in last.items() if isinstance(v, Real)}
        return f"History({epochs}, the last: {format_logs(numbers)})"

    def _repr_html_(self) -> str:
        names = list(self.history)
        values = [
            dict(zip(self.epochs_of[name], self.history[name], strict=False)) for name in names
        ]
        rows = [
            [str(epoch + 1), *(format_value(v[epoch]) if epoch in v else "" for v in values)]
            for epoch in self.epoch
        ]
        if len(rows) > _MOST_ROWS:
            first = _MOST_ROWS // 2
            rows = [*rows[:first], ["\N{HORIZONTAL ELLIPSIS}"] * (len(names) + 1), *rows[-first:]]
        return html_table(["epoch", *names], rows)

    def plot(self, names: Sequence[str] | None = None) -> Any:
        """Draw the values by epoch: one panel a name, training and validation in it.

        Args:
            names: which values, as ``["loss", "accuracy"]``; by default all that are numbers.

        Returns:
            The figure of matplotlib, which a notebook shows, and whose ``savefig`` writes a file.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if nothing has a name that is given, or there is nothing to draw.
        """
        known = {
            name: values
            for name, values in self.history.items()
            if all(isinstance(value, Real) for value in values)
        }
        panels = list(dict.fromkeys(name.removeprefix("val_") for name in known))
        if names is not None:
            for name in names:
                if name not in panels:
                    raise ValueError(f"the history has no {name!r}, only {', '.join(panels)}")
            panels = list(names)
        if not panels:
            raise ValueError("the history has no values to draw")
        lines = (("", PALETTE[0], "training"), ("val_", PALETTE[1], "validation"))
        cols = min(len(panels), 3)
        figure, axes = new_figure(-(-len(panels) // cols), cols)
        for panel, ax in zip(panels, axes.flat, strict=False):
            for prefix, color, label in lines:
                values = known.get(prefix + panel)
                if values is None:
                    continue
                epochs = [epoch + 1 for epoch in self.epochs_of[prefix + panel]]
                marker = "o" if len(values) == 1 else ""
                ax.plot(epochs, values, color=color, label=label, marker=marker)
            ax.set_title(panel, loc="left")
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.legend(frameon=False)
        for ax in list(axes.flat)[len(panels) :]:
            ax.remove()
        return figure


def _same(value: Any, default: Any) -> bool:
    """Whether an argument has its default; of arrays and the like, whose == is none, whether is."""
    if value is default or type(value) is not type(default):
        return value is default
    return isinstance(value, bool | int | float | str) and bool(value == default)
