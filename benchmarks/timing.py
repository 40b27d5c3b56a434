"""Fair times: contenders take turns in one process, and the median of their turns counts."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter, sleep
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Effort:
    """How long to measure: ``rounds`` turns for each contender, of about ``seconds`` each.

    Before each turn it is quiet for ``rest`` seconds.
    """

    rounds: int
    seconds: float
    rest: float


# OpenBLAS's threads stay awake for 2^28 clock ticks after a product, some 100 ms, and would take
# time from whoever comes next.
THOROUGH = Effort(rounds=15, seconds=0.02, rest=0.12)
QUICK = Effort(rounds=3, seconds=0.001, rest=0.0)


# Quartiles farther apart than this tell of the machine's other work, not of the library.
STEADY = 1.5
# How often turns are made before those of a machine that does not come to rest are taken.
ATTEMPTS = 3


@dataclass(frozen=True)
class Times:
    """Seconds that one run takes, averaged over each of the turns."""

    turns: tuple[float, ...]

    @cached_property
    def median(self) -> float:
        """The middle one."""
        return float(np.median(self.turns))

    @cached_property
    def low(self) -> float:
        """The lower quartile."""
        return float(np.quantile(self.turns, 0.25))

    @cached_property
    def high(self) -> float:
        """The upper quartile."""
        return float(np.quantile(self.turns, 0.75))

    @property
    def spread(self) -> float:
        """The upper quartile over the lower."""
        return self.high / self.low

    @property
    def steady(self) -> bool:
        """Whether the quartiles lie close enough to each other."""
        return self.spread <= STEADY


def _turn(run: Callable[[], Any], repeats: int) -> float:
    """Return the seconds of one run, averaged over ``repeats``, after one that is not counted.

    The uncounted run refills the caches and wakes the library's threads.
    """
    run()
    start = perf_counter()
    for _ in range(repeats):
        run()
    return (perf_counter() - start) / repeats


def _repeats(run: Callable[[], Any], seconds: float) -> int:
    """Return how many runs make a turn of about the given seconds.

    Later estimates are better ones: the first runs compile, allocate and fault pages in.
    """
    repeats = 1
    for _ in range(6):
        enough = math.ceil(seconds / max(_turn(run, repeats), 1e-9))
        if enough <= 2 * repeats:
            return enough
        repeats = min(enough, 8 * repeats)
    return repeats


def fastest(*runs: Callable[[], Any]) -> Callable[[], Any]:
    """Return the one that is done first, of ways in which a library does the same thing."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(5):
        for run, turns in zip(runs, times, strict=True):
            turns.append(_turn(run, _repeats(run, 1e-3)))
    return runs[int(np.argmin([min(turns) for turns in times]))]


def alternate(runs: Mapping[str, Callable[[], Any]], effort: Effort) -> dict[str, Times]:
    """Time functions that do the same thing, taking turns, and return each one's times.

    The order rotates from round to round, so that none always follows the same one. Python's
    garbage collector is off meanwhile. Turns that are not steady are made again, all of them, and
    the steadiest count.
    """
    repeats = {name: _repeats(run, effort.seconds) for name, run in runs.items()}
    attempts: list[dict[str, Times]] = []
    while len(attempts) < ATTEMPTS:
        attempts.append(_rounds(runs, repeats, effort))
        if all(times.steady for times in attempts[-1].values()):
            break
    return min(attempts, key=lambda times: max(each.spread for each in times.values()))


def _rounds(
    runs: Mapping[str, Callable[[], Any]], repeats: Mapping[str, int], effort: Effort
) -> dict[str, Times]:
    names = list(runs)
    turns: dict[str, list[float]] = {name: [] for name in names}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for shift in range(effort.rounds):
            start = shift % len(names)
            for name in names[start:] + names[:start]:
                sleep(effort.rest)
                turns[name].append(_turn(runs[name], repeats[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: Times(tuple(times)) for name, times in turns.items()}
