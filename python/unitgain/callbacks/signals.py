"""The health of a network's signals while it trains: SignalMonitor."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from unitgain._warnings import warn
from unitgain.signals.diagnosis import conclude, examined, losses_at, nodes_of
from unitgain.signals.limits import by_gravity
from unitgain.signals.measures import LayerSignals
from unitgain.signals.places import places_of
from unitgain.training.callback import Callback, Logs

__all__ = ["SignalMonitor", "SignalRecord", "SignalsError"]

# A unit that training has made rare is 0 for all rows of one batch: dead is what was so in the last
# eight that were looked at.
_BATCHES = 8


class SignalsError(RuntimeError):
    """Raised by a :class:`SignalMonitor` with ``on="raise"`` where signals are not healthy."""


class SignalRecord(NamedTuple):
    """Measures of a :class:`SignalMonitor` at one step.

    Attributes:
        step: the optimizer's steps before it.
        loss: of its batch.
        verdict: ``healthy``, or what is wrong, the gravest first.
        layers: the layers' signals, with verdicts and advice.
    """

    step: int
    loss: float
    verdict: str
    layers: list[LayerSignals]


class SignalMonitor(Callback):
    """Watches the signals of every layer while a model trains.

    Every so many steps the batch goes forward and back once more before its step, in one native
    pass that measures values and gradients: nothing of the training changes, not a bit. What is
    looked for is what :meth:`Model.diagnose` looks for, by the same limits. The epoch's values in
    the history get the last numbers of the whole model: ``signal_forward`` and ``signal_backward``,
    the lowest spread and gradient of a layer over the inputs' and the outputs'; ``signal_update``,
    the largest step of a kernel over the kernel; ``signal_dead`` and ``signal_saturated``, the
    largest share of a layer, of ReLU's the dead units alone. With ``fit(cache_frozen=True)``
    nothing is seen.

    Args:
        every: after how many steps, again and again, beginning with the first. By number and not by
            time, so that what goes into the history is the same in each run. A look costs as much
            as some 30 to 100 steps of a small network.
        on: ``"warn"`` to warn of each verdict when it first comes up, ``"raise"`` to end the
            training by a :class:`SignalsError`, ``"record"`` to do neither.
        log_dir: a folder for TensorBoard's event files; None for none.

    Attributes:
        records: what was seen, one a look; of the run under way or of the last.
        began: the step at which a layer first had a verdict: ``{(layer, verdict): step}``.

    Raises:
        ValueError: if ``every`` is below 1, or ``on`` is another.
        ImportError: if there is a ``log_dir`` and ``tensorboard`` is not installed.
    """

    def __init__(
        self,
        every: int = 2000,
        on: str = "warn",
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, but it is {every}")
        if on not in ("warn", "raise", "record"):
            raise ValueError(f"on is {on!r}, expected 'warn', 'raise' or 'record'")
        self.every = every
        self.on = on
        self.log_dir = log_dir
        self.records: list[SignalRecord] = []
        self.began: dict[tuple[str, str], int] = {}
        self._network: Any = None
        self._writer = None if log_dir is None else _event_writer(log_dir)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin to watch."""
        self.records, self.began = [], {}
        self._numbers: dict[str, float] = {}
        self._dead: dict[str, dict[int, int]] = {}  # in how many looks on end each unit was
        self._network = None
        self._attach()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Watch the network that the model has, which is another where layers were frozen."""
        self._attach()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the last numbers to the epoch's values."""
        if isinstance(logs, dict):
            logs.update(self._numbers)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Watch no more."""
        if self._network is not None:
            self._network.monitor(0, None)
            self._network = None
        if self._writer is not None:
            self._writer.flush()

    def _attach(self) -> None:
        network = self.model._native_network()
        if network is self._network:
            return
        self._network = network
        self._places = places_of(self.model.function)
        self._losses = [loss.kind for _, loss in losses_at(self.model, self._places)]
        self._trainable = [id(parameter) for parameter in network.trainable]
        look = weakref.WeakMethod(self._look)  # the network is held by what holds this

        def tell(signals: Any, step: int) -> None:
            method = look()
            if method is not None:
                method(signals, step)

        network.monitor(self.every, tell)

    def _look(self, signals: Any, step: int) -> None:
        loss, nodes, norms = signals
        measured = nodes_of(nodes)
        rows = max((node.rows for node in measured.values()), default=1)
        layers, findings = examined(
            self._places,
            measured,
            dict(zip(self._trainable, norms.tolist(), strict=True)),
            rows,
            self._losses,
            conditions=False,
            adjust=self._keep_dead,
        )
        verdict = "healthy"
        if findings:
            conclude(self._places, layers, findings, [], False)
            verdict = ", ".join(by_gravity({verdict for _, verdict, _ in findings}))
        self.records.append(SignalRecord(step, loss, verdict, layers))
        self._numbers = _summary(layers)
        if self._writer is not None:
            _write(self._writer, step, layers)
        fresh = [
            (layers[i], verdict)
            for i, verdict, _ in findings
            if (layers[i].name, verdict) not in self.began
        ]
        known = {verdict for _, verdict in self.began}
        for layer, found in fresh:
            self.began[layer.name, found] = step
        if self.on == "raise" and fresh:
            raise SignalsError(_message(fresh, step))
        if self.on == "warn":
            told = [one for one in fresh if one[1] not in known]
            if told:
                warn(_message(told, step))

    def _keep_dead(self, layers: list[LayerSignals]) -> None:
        """Keep of the dead units those that were so in the last looks."""
        enough = min(len(self.records) + 1, _BATCHES)
        for layer in layers:
            known = self._dead.get(layer.name, {})
            counts = {unit: known.get(unit, 0) + 1 for unit in layer.dead}
            self._dead[layer.name] = counts
            layer.dead = [unit for unit, count in counts.items() if count >= enough]


def _message(found: Sequence[tuple[LayerSignals, str]], step: int) -> str:
    verdicts = ", ".join(by_gravity({verdict for _, verdict in found}))
    names = ", ".join(dict.fromkeys(layer.name for layer, _ in found))
    advice = dict.fromkeys(text for layer, _ in found for text in layer.advice)
    return f"signals are {verdicts} since step {step}, in {names}: {'; '.join(advice)}"


def _summary(layers: Sequence[LayerSignals]) -> dict[str, float]:
    """Return the numbers of the whole model, by the names that they have in the history."""

    def extreme(values: list[float], choose: Any) -> float:
        known = [value for value in values if not math.isnan(value)]
        return float(choose(known)) if known else math.nan

    saturated = [
        x.after.saturated for x in layers if x.after is not None and x.activation != "relu"
    ]
    return {
        "signal_forward": extreme([x.forward_total for x in layers], min),
        "signal_backward": extreme([x.backward_total for x in layers], min),
        "signal_update": extreme([x.update_ratio for x in layers], max),
        "signal_dead": extreme([x.dead_share for x in layers], max),
        "signal_saturated": extreme(saturated, max),
    }


def _event_writer(log_dir: str | os.PathLike[str]) -> Any:
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError("log_dir needs tensorboard: pip install tensorboard") from error
    return EventFileWriter(os.fspath(log_dir))


def _write(writer: Any, step: int, layers: Sequence[LayerSignals]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    names = ("forward_gain", "backward_gain", "gradient_norm", "update_ratio", "dead_share")
    values = [
        Summary.Value(tag=f"{layer.name}/{name}", simple_value=getattr(layer, name))
        for layer in layers
        for name in names
        if math.isfinite(getattr(layer, name))
    ]
    writer.add_event(Event(step=step, summary=Summary(value=values)))
