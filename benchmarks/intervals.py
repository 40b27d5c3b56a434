"""How sure ratios of times are: bootstrap intervals of medians, and of geometric means of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .timing import Times

Samples = NDArray[np.float64]

# How often turns are drawn anew, and what part of the results an interval leaves out below and
# above.
DRAWS = 1000
TAIL = 0.025


def log_ratios(times: Times, over: Times) -> Samples:
    """Return logarithms of one's median over the other's, of turns drawn with replacement.

    Turns of the same number belong together, as they are made one behind the other, so that both
    are drawn alike (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
    """
    turns = np.array([times.turns, over.turns])
    rounds = turns.shape[1]
    drawn = np.random.default_rng(rounds).integers(rounds, size=(DRAWS, rounds))
    above, below = np.median(turns[:, drawn], axis=2)
    return np.asarray(np.log(above / below))


def log_changes(before: Sequence[float], after: Sequence[float]) -> Samples:
    """Return logarithms of the later median over the earlier, each drawn by itself."""
    medians = []
    for seed, turns in enumerate((before, after)):
        drawn = np.random.default_rng(seed).integers(len(turns), size=(DRAWS, len(turns)))
        medians.append(np.median(np.asarray(turns)[drawn], axis=1))
    return np.asarray(np.log(medians[1] / medians[0]))


def interval(logarithms: Any) -> tuple[float, float]:
    """Return the ratios between which 95% of those drawn lie."""
    low, high = np.exp(np.quantile(logarithms, (TAIL, 1 - TAIL)))
    return float(low), float(high)


def interval_of_mean(draws: Iterable[Samples]) -> tuple[float, float]:
    """Return the interval of the geometric mean of several ratios."""
    return interval(np.mean(list(draws), axis=0))
