"""The passes of a run: epochs of training, and evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unitgain import _native
from unitgain._progress import EpochsBar, ProgressBar, format_logs, in_notebook
from unitgain._warnings import warn
from unitgain.training.callback import CallbackList
from unitgain.training.executions import Executions
from unitgain.training.feeding import Batches, Order, Samples, holds_sparse
from unitgain.training.frozen import FrozenBase
from unitgain.training.sharing import Sharing
from unitgain.training.traps import warn_of_infinite, warn_of_logits
from unitgain.training.windows import Windows

__all__ = ["Pass", "Run", "Source", "check_batches_seen", "evaluated"]


# How many steps a run beside others does ahead of what is told of them: so many that Python has no
# part in the time of the smallest networks.
_STEPS_AHEAD = 1000


@dataclass
class Pass:
    """Epochs' passes over samples in memory: what a run waits for, done alone or beside others.

    Attributes:
        network: the native network.
        samples: what it is trained on.
        order: the rows; None for all in turn, or as ``shuffles`` say. Of several epochs, a row of
            such numbers for each.
        batch_size: samples a step.
        mix: what makes new samples of those given.
        stops_at_nan: whether the pass ends where the loss is not finite.
        report: told how far it has come.
        every_batch: whether after every batch, and not now and then.
        epochs: how many; of one alone :meth:`run` is there.
        shuffles: the keys and streams of the orders of several.
    """

    network: Any
    samples: Samples
    order: Any
    batch_size: int
    mix: _native.MixSpec
    stops_at_nan: bool
    report: Callable[[_native.Totals], bool]
    every_batch: bool
    epochs: int = 1
    shuffles: Sequence[tuple[int, int]] = ()

    def run(self) -> list[_native.Totals]:
        """Do the pass, and return its sums."""
        totals: _native.Totals = self.network.train(
            self.samples.x,
            self.samples.y,
            self.order,
            self.batch_size,
            self.report,
            self.mix,
            self.samples.weights,
            self.every_batch,
            self.stops_at_nan,
        )
        return [totals]

    def native(self) -> _native.TrainingRun:
        """Return the passes for :func:`unitgain._native.train_together`, which tells nothing."""
        made: _native.TrainingRun = self.network.training_run(
            self.samples.x,
            self.samples.y,
            self.order,
            self.batch_size,
            self.mix,
            self.samples.weights,
            self.stops_at_nan,
            self.epochs,
            self.shuffles,
        )
        return made


# What a run is trained on, or evaluated on.
Source: TypeAlias = Samples | Batches | Windows

# Samples, their order, and how many a batch has.
_Chunk: TypeAlias = tuple[Samples, Any, int]

# Yields passes that are to be done, and is sent the sums of their epochs.
_Passes: TypeAlias = Generator[Pass, list[_native.Totals], Any]


@dataclass
class Run:
    """A run of epochs on the same samples.

    Attributes:
        model: the model, compiled.
        source: what it is trained on.
        batch_size: samples a step; those of batches say themselves.
        steps: batches an epoch; None: all that there are.
        order: of the samples.
        class_weight: of batches; that of samples is among their weights.
        verbose: as for ``fit``.
        mix: what makes new samples of those given.
        listeners: the callbacks.
        base: the frozen layers, if their outputs are to be computed once.
        validation: what epochs are evaluated on.
        is_evaluated: whether an epoch, from 1, is followed by an evaluation.
        validation_size: samples at a time in an evaluation.
        validation_steps: batches of an evaluation; None: all that there are.
        shared: the processes that train together; None: this one trains alone.
    """

    model: Any
    source: Source
    batch_size: int
    steps: int | None
    order: Order
    class_weight: Mapping[int, float] | None
    verbose: str | int
    mix: _native.MixSpec
    listeners: CallbackList
    base: FrozenBase | None
    validation: Source | None
    is_evaluated: Callable[[int], bool]
    validation_size: int
    validation_steps: int | None
    shared: Sharing | None = None

    def __post_init__(self) -> None:
        self._stops_at_nan = any(
            getattr(callback, "stops_at_nan", False) for callback in self.listeners.callbacks
        )
        # A notebook keeps every bar that it was shown.
        self._one_bar = self.verbose == "auto" and in_notebook()
        self._every_batch = self.listeners.wants_batches("train")
        self._is_first = True
        self._has_looked = False
        self._ahead: list[_native.Totals] = []  # of epochs that are done, and not told of

    def epochs(self, first: int, end: int) -> None:
        """Train for the epochs from ``first``, counted from 0, until ``end``."""
        passes = self.passes(first, end)
        try:
            wanted = next(passes)
            while True:
                wanted = passes.send(wanted.run())
        except StopIteration:
            pass
        finally:
            passes.close()

    def passes(self, first: int, end: int, ahead: bool = False) -> _Passes:
        """Train for such epochs, but leave passes over samples in memory to the caller.

        Args:
            first: the number of the first epoch, from 0.
            end: the number behind the last.
            ahead: whether a pass may be of several epochs, where nothing but the sums is told.
        """
        model, listeners = self.model, self.listeners
        model.stop_training = False
        model._resumed, model._order_position = None, None
        listeners.tell("train_begin")
        # A callback may have found out where an interrupted run is to go on.
        first, logs = model._resumed or (first, {})
        self.order.streams, self.order.position = model.streams, model._order_position
        if self.base is not None:
            self._run_base(self.base if model._resumed is None else FrozenBase(model))
        with closing(EpochsBar(end, self._one_bar)) as bar:
            for epoch in range(first, end):
                listeners.tell("epoch_begin", epoch)
                if self._ahead and not self._evaluates(epoch):
                    totals, values = self._done_before()
                else:
                    most = self._epochs_ahead(epoch, end) if ahead and not self._ahead else 1
                    title = f"Epoch {epoch + 1}/{end}"
                    totals, values = yield from self._epoch(epoch, title, most)
                if totals.batches == 0 and epoch > first:
                    warn(f"x ran out of batches: training ends after {epoch} of {end} epochs")
                    break
                logs = values
                if totals.diverged:
                    listeners.diverged(epoch, totals.batches - 1)
                listeners.tell("epoch_end", epoch, logs)
                bar(epoch + 1, logs)
                if model.stop_training:
                    break
        model._native_network().finalize()
        listeners.tell("train_end", logs)

    def _run_base(self, base: FrozenBase) -> None:
        """Put the frozen layers' outputs in place of the samples."""
        assert isinstance(self.source, Samples)
        self.base, self.source = base, base.outputs(self.source)
        if self.validation is not None:
            assert isinstance(self.validation, Samples)
            self.validation = base.outputs(self.validation)

    def _epochs_ahead(self, epoch: int, end: int) -> int:
        """Return how many epochs may be done before anybody is told of the first.

        Those between which nothing happens but orders being drawn, by nobody else.
        """
        if (
            not isinstance(self.source, Samples)
            or self.base is not None
            or self._stops_at_nan
            or self._every_batch
            or self.model.stop_training
            or self.verbose not in (0, False)
            or not self.order.is_drawn_alone()
            or not self.order.is_whole(len(self.source), self._most())
            or any(metric.keeps_state for _, metric in self.model._reported_metrics())
        ):
            return 1
        steps = math.ceil(len(self.source) / self.batch_size)
        most = min(self.listeners.epochs_ahead(), max(1, _STEPS_AHEAD // steps))
        last = min(end, epoch + int(most))
        if self.validation is not None:
            last = next((e + 1 for e in range(epoch, last) if self.is_evaluated(e + 1)), last)
        return last - epoch

    def _evaluates(self, epoch: int) -> bool:
        return self.validation is not None and self.is_evaluated(epoch + 1)

    def _done_before(self) -> tuple[_native.Totals, dict[str, Any]]:
        """Return the sums and logs of an epoch that the last pass did with others before it."""
        model, totals = self.model, self._ahead.pop(0)
        self._look(totals, self.source)
        if not (model.stop_training or totals.diverged):
            check_batches_seen(totals.batches, self.steps)
        model._order_position = self.order.position
        return totals, model._logs(totals)

    def _look(self, totals: _native.Totals, samples: Any) -> None:
        """Warn once of samples that are not finite, when a loss is not."""
        if not (math.isfinite(totals.loss) or self._has_looked):
            self._has_looked = True
            warn_of_infinite(samples)

    def _epoch(self, epoch: int, title: str, ahead: int) -> _Passes:
        """Return an epoch's sums and logs, those of its evaluation among them."""
        model = self.model
        network = model._native_network() if self.base is None else self.base.network()
        if isinstance(self.source, Windows):
            self.source.epoch = epoch
        if self.shared is not None:
            self.shared.prepare(network)
        shown = self.verbose in ("auto", 1, True) and not self._one_bar
        with ProgressBar(title, self.steps, model._logs, shown) as bar:
            totals = yield from self._train(network, bar, ahead)
            if totals.batches == 0 and not self._is_first:
                return totals, {}
            if not (model.stop_training or totals.diverged):
                check_batches_seen(totals.batches, self.steps)
            self._is_first = False
            model._order_position = self.order.position
            logs = model._logs(totals)
            if self._evaluates(epoch):
                assert self.validation is not None
                found = evaluated(
                    model,
                    network,
                    self.validation,
                    self.validation_size,
                    self.validation_steps,
                    self.listeners,
                    self.shared,
                )
                logs |= {f"val_{name}": value for name, value in found.items()}
            bar.finish(totals.batches, logs)
        if self.base is not None:
            self.base.finish()
        if self.verbose == 2:
            print(f"{title}: {format_logs(logs)}")
        return totals, logs

    def _train(self, network: Any, bar: ProgressBar, ahead: int) -> _Passes:
        model, listeners = self.model, self.listeners
        every_batch = self._every_batch
        told = Executions(listeners, "train", model.steps_per_execution)
        # The totals of the native pass under way, and how many batches the epoch has until its end.
        samples: Samples
        last = 0

        def report(totals: _native.Totals) -> bool:
            self._look(totals, samples)
            if not every_batch:
                bar(totals)
                return True
            told.end(totals.batches - 1, lambda: model._logs(totals))
            if totals.batches < last and not model.stop_training:
                told.begin(totals.batches)
            return not model.stop_training

        if isinstance(self.source, Samples) and not holds_sparse(self.source.x):
            samples = self.source
            if not self._ahead:
                warn_of_logits(model, network, samples.x)
                shuffles: Sequence[tuple[int, int]] = ()
                if ahead > 1:
                    order, shuffles = self.order.whole_passes(len(samples), ahead)
                else:
                    order = self._rows(samples)
                if every_batch:
                    count = len(samples) if order is None else len(order)
                    last = math.ceil(count / self.batch_size)
                    told.begin(0)
                self._ahead = yield Pass(
                    network,
                    samples,
                    order,
                    self.batch_size,
                    self.mix,
                    self._stops_at_nan,
                    report,
                    every_batch,
                    ahead,
                    shuffles,
                )
            totals = self._ahead.pop(0)
            told.finish()
            self._look(totals, samples)
            return totals
        totals = _native.Totals()
        chunks = self._chunks(self.source)
        for (samples, order, size), place, whole in self._shared_chunks(chunks):
            network = model._native_network()
            if self.shared is not None:
                self.shared.prepare(network)
            warn_of_logits(model, network, samples.x)
            last = totals.batches + math.ceil(_rows_of(samples, order) / size)
            if every_batch:
                told.begin(totals.batches)
            totals = network.train(
                samples.x,
                samples.y,
                order,
                max(1, whole or size),
                report,
                self.mix,
                samples.weights,
                every_batch,
                self._stops_at_nan,
                totals,
                (place, whole),
            )
            self._look(totals, samples)
            if model.stop_training or totals.diverged:
                break
            if not every_batch:
                bar(totals)
        chunks.close()
        told.finish()
        return totals

    def _shared_chunks(
        self, chunks: Generator[_Chunk, None, None]
    ) -> Iterator[tuple[_Chunk, int, int]]:
        """Yield an epoch's batches as :meth:`Sharing.batches` does."""
        if self.shared is None or not isinstance(self.source, Batches):
            return ((chunk, 0, 0) for chunk in chunks)
        shared = self.shared.batches(samples for samples, _, _ in chunks)
        return (((samples, None, len(samples)), place, whole) for samples, place, whole in shared)

    def _rows(self, samples: Samples) -> Any:
        return self.order.take(len(samples), self._most())

    def _most(self) -> int | None:
        return None if self.steps is None else self.steps * self.batch_size

    def _chunks(self, source: Source) -> Generator[_Chunk, None, None]:
        """Yield an epoch's samples, none of them sparse: batches, or windows of several."""
        if isinstance(source, Samples):
            order = self._rows(source)
            rows = np.arange(len(source)) if order is None else order
            for first in range(0, len(rows), self.batch_size):
                batch = source.batch(rows[first : first + self.batch_size])
                yield batch, None, len(batch)
            return
        with closing(_given_chunks(self.model, source)) as chunks:
            for samples, order, size in chunks:
                if self.class_weight is not None:
                    samples = self.model._weighted(samples, self.class_weight)
                yield samples.dense(), order, size


def _given_chunks(model: Any, source: Batches | Windows) -> Generator[_Chunk, None, None]:
    """Yield the samples of a user's batches, or of a data set's windows."""
    if isinstance(source, Windows):
        with closing(source.chunks(model)) as chunks:
            for samples, order in chunks:
                yield samples, order, source.batch_size
        return
    for x, y, weights in source:
        samples = model._samples(x, y, weights)
        yield samples, None, max(1, len(samples))


def _rows_of(samples: Samples, order: Any) -> int:
    return len(samples) if order is None else len(order)


def evaluated(
    model: Any,
    network: Any,
    source: Source,
    size: int,
    steps: int | None,
    listeners: CallbackList,
    shared: Sharing | None = None,
) -> dict[str, Any]:
    """Return the logs of an evaluation.

    Args:
        model: whose criteria they are.
        network: the native network: the model's, or a part of it.
        source: what it is evaluated on.
        size: samples at a time.
        steps: how many batches; None: all that there are.
        listeners: the callbacks.
        shared: the processes that evaluate together.
    """
    if shared is not None:
        shared.prepare(network)
    every_batch = listeners.wants_batches("test")
    told = Executions(listeners, "test", model.steps_per_execution)
    last = 0

    def report(totals: _native.Totals) -> None:
        if every_batch:
            told.end(totals.batches - 1, lambda: model._logs(totals))
            if totals.batches < last:
                told.begin(totals.batches)

    listeners.tell("test_begin")
    if isinstance(source, Samples) and steps is not None and steps * size < len(source):
        source = source.part(slice(steps * size))
    if isinstance(source, Samples) and not holds_sparse(source.x):
        last = math.ceil(len(source) / size)
        if every_batch:
            told.begin(0)
        totals = network.evaluate(source.x, source.y, size, report, source.weights, every_batch)
    else:
        totals = _native.Totals()
        with closing(_evaluated_chunks(model, source, size)) as chunks:
            for samples, _, rows in chunks:
                last = totals.batches + math.ceil(len(samples) / rows)
                if every_batch:
                    told.begin(totals.batches)
                x, y, weights = samples.x, samples.y, samples.weights
                totals = network.evaluate(x, y, rows, report, weights, every_batch, totals)
    told.finish()
    if isinstance(source, Batches) or len(source) > 0:
        check_batches_seen(totals.batches, steps)
    logs: dict[str, Any] = model._logs(totals)
    listeners.tell("test_end", logs)
    return logs


def _evaluated_chunks(model: Any, source: Source, size: int) -> Generator[_Chunk, None, None]:
    if isinstance(source, Samples):
        for first in range(0, len(source), size):
            batch = source.batch(slice(first, first + size))
            yield batch, None, len(batch)
        return
    with closing(_given_chunks(model, source)) as chunks:
        for samples, _, rows in chunks:
            yield samples.dense(), None, rows


def check_batches_seen(batches: int, steps: int | None) -> None:
    """Warn if a pass had fewer batches than it was to take.

    Raises:
        ValueError: if there were none.
    """
    if batches == 0:
        raise ValueError("x yielded no batches")
    if steps is not None and batches < steps:
        warn(f"x yielded {batches} batches, but a pass was to take {steps}")
