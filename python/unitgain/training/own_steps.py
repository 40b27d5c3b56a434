"""Passes of models with a ``train_step`` or ``test_step`` of their own: batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unitgain.graph.structure import Arrays
from unitgain.training.executions import Executions
from unitgain.training.feeding import Samples

__all__ = ["OwnTotals", "as_given", "checked_logs", "run_steps"]


@dataclass
class OwnTotals:
    """What such a pass comes to: its last step's values, in place of native sums.

    Attributes:
        logs: the values.
        batches: how many there were.
    """

    logs: dict[str, Any]
    batches: int = 0
    diverged = False
    loss = 0.0


def checked_logs(step: str, logs: Any) -> dict[str, Any]:
    """Return what a step returned, as a dict.

    Raises:
        TypeError: if it is none of values by name.
    """
    if not isinstance(logs, Mapping):
        raise TypeError(
            f"{step} returns a {type(logs).__name__}, expected a dict of values by name"
        )
    return {str(name): _number(value) for name, value in logs.items()}


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value


def as_given(model: Any, samples: Samples) -> tuple[Any, ...]:
    """Return samples as a user would give them: ``(x, y)`` or ``(x, y, sample_weight)``."""
    function = model.function
    x = function.inputs.pack_arrays(samples.x)
    targets = list(samples.y) if isinstance(samples.y, Arrays) else [samples.y]
    shaped = [
        None if one is None else _shaped(one, shape)
        for one, shape in zip(targets, function.outputs.shapes, strict=True)
    ]
    y = function.outputs.pack(shaped)
    if samples.weights is None:
        return x, y
    weights = samples.weights
    if isinstance(weights, Arrays):
        return x, y, function.outputs.pack(list(weights))
    return x, y, weights.reshape(len(weights), *function.outputs.shapes[0][:-1])


def _shaped(target: Any, shape: tuple[int, ...]) -> Any:
    """Return targets in an output's shape, or labels in that of its rows."""
    if target.dtype == np.int32:
        return target.reshape(len(target), *shape[:-1])
    size = target.size // max(1, len(target))
    return target.reshape(len(target), *shape) if size == math.prod(shape) else target


def run_steps(
    step: Callable[[Any], Any],
    name: str,
    data: Generator[Any, None, None],
    told: Executions,
    stopped: Callable[[], bool],
    report: Callable[[OwnTotals], None],
) -> OwnTotals:
    """Call a model's own step with each of a pass's batches; return the last's values.

    Args:
        step: the method.
        name: what it is called.
        data: yields what it is given.
        told: tells the callbacks.
        stopped: whether a callback asks for the end.
        report: told after each batch how far the pass has come.
    """
    totals = OwnTotals({})
    for given in data:
        told.begin(totals.batches)
        totals.logs = checked_logs(name, step(given))
        totals.batches += 1
        told.end(totals.batches - 1, lambda: dict(totals.logs))
        report(totals)
        if stopped():
            break
    data.close()
    told.finish()
    return totals
