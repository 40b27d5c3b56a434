"""The learning-rate range test: which rates a model can learn with."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import random
from unitgain._figures import check_file

__all__ = ["LearningRates", "find_learning_rate"]

# Of the running mean of the losses, and where a run has diverged: Smith's implementations' usual
# choices.
_SMOOTHING, _DIVERGED = 0.9, 4.0


@dataclass
class LearningRates:
    """The result of :func:`find_learning_rate`.

    Attributes:
        learning_rates: the rates tried, ascending, up to where the loss diverged.
        losses: the loss of the step with each.
        smoothed: the losses' running means.
        steepest: the rate at which the smoothed loss falls fastest.
        suggestion: a tenth of the rate with the lowest smoothed loss.
    """

    learning_rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    steepest: float
    suggestion: float

    def plot(self, path: str | Path) -> None:
        """Draw the losses over the rates, and write the figure to a file.

        Args:
            path: the file, its format told by its ending.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if matplotlib cannot write the format that the name ends in.
        """
        check_file(Path(path))
        from matplotlib.figure import Figure

        figure: Any = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(self.learning_rates, self.losses, color="#9aa5b1", label="loss")
        axes.plot(self.learning_rates, self.smoothed, color="#1f6fb4", label="smoothed")
        axes.axvline(self.suggestion, color="#1f6fb4", linestyle="--", label="suggestion")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
        axes.set_ylim(top=1.2 * max(self.losses[0], self.smoothed.min()))
        axes.legend()
        figure.savefig(path)


def find_learning_rate(
    model: Any,
    x: Any,
    y: Any,
    min_lr: float = 1e-6,
    max_lr: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
) -> LearningRates:
    """Train a copy of a model with a growing learning rate, and see where its loss falls.

    The rate grows by the same factor from step to step, until the loss is four times the lowest, or
    no longer finite (L. N. Smith, "Cyclical learning rates for training neural networks", 2017,
    arXiv:1506.01186). The model itself, its optimizer and the process's random numbers stay as they
    are.

    Args:
        model: a compiled model.
        x: samples, as for ``fit``.
        y: labels or targets, as for ``fit``.
        min_lr: the first rate.
        max_lr: the last rate.
        steps: how many rates.
        batch_size: samples a step; the samples come in a fixed order of their own.

    Raises:
        ValueError: if the model is not compiled, shapes do not fit, or the rates do not ascend.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.random.seed(0)
    >>> model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.ones((64, 3))
    >>> found = ug.find_learning_rate(model, x, x.sum(axis=1))
    >>> bool(1e-6 < found.suggestion < 1)
    True
    """
    if not 0 < min_lr < max_lr:
        raise ValueError(f"rates must ascend from above 0, but they are {min_lr} and {max_lr}")
    if steps < 2 or batch_size < 1:
        raise ValueError(
            f"steps must be at least 2 and batch_size 1, but they are {steps} and {batch_size}"
        )
    samples = model._samples(x, y)
    if len(samples) == 0:
        raise ValueError("x has no samples")
    trial = copy.deepcopy(model)
    config = trial.get_compile_config()
    config["optimizer"]["config"]["learning_rate"] = min_lr
    trial.compile_from_config(config)
    network = trial._native_network()

    rates = min_lr * (max_lr / min_lr) ** (np.arange(steps) / (steps - 1))
    own = random.Streams(0)
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    order: NDArray[np.int64] = np.empty(0, np.int64)
    for step, rate in enumerate(rates):
        if len(order) < min(batch_size, len(samples)):
            with random.drawing_from(own):
                order = np.concatenate([order, random.permutation(len(samples))])
        rows, order = np.ascontiguousarray(order[:batch_size]), order[batch_size:]
        trial.optimizer.learning_rate = float(rate)
        batch = samples.batch(rows)
        totals = network.train(batch.x, batch.y, None, batch_size)
        loss = totals.loss / totals.weight
        if not math.isfinite(loss):
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        losses.append(loss)
        smoothed.append(mean / (1 - _SMOOTHING ** (step + 1)))
        if smoothed[-1] > _DIVERGED * min(smoothed):
            break
    if not losses:
        raise ValueError("the loss is not finite at the first step")
    return _found(rates[: len(losses)], np.array(losses), np.array(smoothed))


def _found(
    rates: NDArray[np.float64], losses: NDArray[np.float64], smoothed: NDArray[np.float64]
) -> LearningRates:
    lowest = int(smoothed.argmin())
    falls = np.diff(smoothed[: lowest + 1])
    steepest = int(falls.argmin()) if len(falls) else 0
    return LearningRates(rates, losses, smoothed, float(rates[steepest]), float(rates[lowest]) / 10)
