"""The passes of a run: epochs of training, and evaluations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _native, random
from unitgain._progress import ProgressBar, format_logs
from unitgain.callbacks.base import CallbackList
from unitgain.models.feeding import Batches, Samples
from unitgain.models.frozen import FrozenBase

__all__ = ["Run", "evaluated"]


@dataclass
class Run:
    """A run of epochs on the same samples.

    Attributes:
        model: the model, compiled.
        source: what it is trained on.
        batch_size: samples a step; those of batches say themselves.
        steps: batches an epoch; None: all that there are.
        shuffle: whether each epoch has an order of its own.
        verbose: as for ``fit``.
        mix: what makes new samples of those given.
        listeners: the callbacks.
        base: the frozen layers, if their outputs are to be computed once.
        validation: what epochs are evaluated on.
        is_evaluated: whether an epoch, from 1, is followed by an evaluation.
        validation_size: samples at a time in an evaluation.
        validation_steps: batches of an evaluation; None: all that there are.
    """

    model: Any
    source: Samples | Batches
    batch_size: int
    steps: int | None
    shuffle: bool
    verbose: str | int
    mix: _native.MixSpec
    listeners: CallbackList
    base: FrozenBase | None
    validation: Samples | Batches | None
    is_evaluated: Callable[[int], bool]
    validation_size: int
    validation_steps: int | None

    def __post_init__(self) -> None:
        self._stops_at_nan = any(
            getattr(callback, "stops_at_nan", False) for callback in self.listeners.callbacks
        )

    def epochs(self, first: int, end: int) -> None:
        """Train for the epochs from ``first``, counted from 0, until ``end``."""
        model, listeners = self.model, self.listeners
        model.stop_training = False
        model._resumed = None
        listeners.tell("train_begin")
        # A callback may have found out where an interrupted run is to go on.
        first, logs = model._resumed or (first, {})
        if self.base is not None:
            self._run_base(self.base if model._resumed is None else FrozenBase(model))
        for epoch in range(first, end):
            listeners.tell("epoch_begin", epoch)
            totals, logs = self._epoch(epoch, f"Epoch {epoch + 1}/{end}")
            if totals.diverged:
                listeners.diverged(epoch, totals.batches - 1)
            listeners.tell("epoch_end", epoch, logs)
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

    def _epoch(self, epoch: int, title: str) -> tuple[_native.Totals, dict[str, Any]]:
        """Return an epoch's sums and logs, those of its evaluation among them."""
        model = self.model
        network = model._native_network() if self.base is None else self.base.network()
        shown = self.verbose in ("auto", 1, True)
        with ProgressBar(title, self.steps, model._logs, shown) as bar:
            totals = self._train(network, bar)
            logs = model._logs(totals)
            if self.validation is not None and self.is_evaluated(epoch + 1):
                found = evaluated(
                    model,
                    network,
                    self.validation,
                    self.validation_size,
                    self.validation_steps,
                    self.listeners,
                )
                logs |= {f"val_{name}": value for name, value in found.items()}
            bar.finish(totals.batches, logs)
        if self.base is not None:
            self.base.finish()
        if self.verbose == 2:
            print(f"{title}: {format_logs(logs)}")
        return totals, logs

    def _train(self, network: Any, bar: ProgressBar) -> Any:
        model, listeners = self.model, self.listeners
        every_batch = listeners.wants_batches("train")

        def told(totals: _native.Totals) -> bool:
            if not every_batch:
                bar(totals)
                return True
            listeners.tell("train_batch_end", totals.batches - 1, model._logs(totals))
            if totals.batches != self.steps and not model.stop_training:
                listeners.tell("train_batch_begin", totals.batches)
            return not model.stop_training

        if every_batch:
            listeners.tell("train_batch_begin", 0)
        if isinstance(self.source, Samples):
            return network.train(
                self.source.x,
                self.source.y,
                self._order(len(self.source)),
                self.batch_size,
                told,
                self.mix,
                self.source.weights,
                every_batch,
                self._stops_at_nan,
            )
        totals = _native.Totals()
        for x, y, weights in self.source:
            batch = model._samples(x, y, weights)
            totals = model._native_network().train(
                batch.x,
                batch.y,
                None,
                max(1, len(batch)),
                told,
                self.mix,
                batch.weights,
                every_batch,
                self._stops_at_nan,
                totals,
            )
            if model.stop_training or totals.diverged:
                return totals
            if not every_batch:
                bar(totals)
        _check_batches_seen(totals.batches, self.steps, 6)  # fit's caller
        return totals

    def _order(self, count: int) -> NDArray[np.int64] | None:
        """Return the rows of an epoch; None: all, as they come."""
        order = None
        if self.shuffle:
            with random.drawing_from(self.model.streams):
                order = random.permutation(count)
        if self.steps is not None and self.steps * self.batch_size < count:
            order = np.arange(count) if order is None else order
            order = order[: self.steps * self.batch_size]
        return order


def evaluated(
    model: Any,
    network: Any,
    source: Samples | Batches,
    size: int,
    steps: int | None,
    listeners: CallbackList,
) -> dict[str, Any]:
    """Return the logs of an evaluation.

    Args:
        model: whose criteria they are.
        network: the native network: the model's, or a part of it.
        source: what it is evaluated on.
        size: samples at a time.
        steps: how many batches; None: all that there are.
        listeners: the callbacks.
    """
    every_batch = listeners.wants_batches("test")
    last = steps

    def told(totals: _native.Totals) -> None:
        if every_batch:
            listeners.tell("test_batch_end", totals.batches - 1, model._logs(totals))
            if totals.batches != last:
                listeners.tell("test_batch_begin", totals.batches)

    listeners.tell("test_begin")
    if isinstance(source, Samples):
        if steps is not None and steps * size < len(source):
            source = source.part(slice(steps * size))
        last = math.ceil(len(source) / size)
    if every_batch:
        listeners.tell("test_batch_begin", 0)
    if isinstance(source, Samples):
        totals = network.evaluate(source.x, source.y, size, told, source.weights, every_batch)
    else:
        totals = _native.Totals()
        for x, y, weights in source:
            batch = model._samples(x, y, weights)
            rows = max(1, len(batch))
            totals = network.evaluate(
                batch.x, batch.y, rows, told, batch.weights, every_batch, totals
            )
        _check_batches_seen(totals.batches, steps, 4)  # evaluate's caller
    logs: dict[str, Any] = model._logs(totals)
    listeners.tell("test_end", logs)
    return logs


def _check_batches_seen(batches: int, steps: int | None, depth: int) -> None:
    if batches == 0:
        raise ValueError("x yielded no batches")
    if steps is not None and batches < steps:
        warnings.warn(
            f"x yielded {batches} batches, but a pass was to take {steps}", stacklevel=depth
        )
