"""How long one call takes at worst: quantiles of the times of a million calls for one row.

``python -m unitgain.benchmarks.latency [CALLS] [LIBRARY ...]`` times every call by itself, in a
process that does nothing else, and prints a table. The mean hides what a program with a deadline
has to reckon with: a page that is touched for the first time, an interrupt, the garbage collector.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from . import inference
from .case import OURS, REFERENCE
from .report import format_table

SIZES = (64, 256, 128, 10)
CALLS = 1_000_000
QUANTILES = (0.5, 0.99, 0.999, 0.9999)
WARM_UP = 1000


def time_calls(run: Callable[[], object], calls: int) -> NDArray[np.int64]:
    """Return the nanoseconds of each of so many calls, behind some that are not counted."""
    times = np.zeros(calls, np.int64)
    clock = time.perf_counter_ns
    for _ in range(min(WARM_UP, calls)):
        run()
    gc.collect()
    for i in range(calls):
        begin = clock()
        run()
        times[i] = clock() - begin
    return times


def measure(calls: int, libraries: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the times of each library's calls for one row, unitgain's first."""
    found = {}
    for packed in (False, True):
        contenders = inference._case(SIZES, 1, packed).prepare().contenders
        for library in dict.fromkeys([OURS, *libraries]):
            if packed and library != OURS:
                continue
            name = f"{library}, packed" if packed else library
            found[name] = time_calls(contenders[library]().run, calls)
    return found


def format_latency(found: dict[str, NDArray[np.int64]]) -> str:
    """Return a table of quantiles in microseconds."""
    headers = [f"p{100 * q:g}" for q in QUANTILES]
    rows = [
        (
            name,
            *(f"{value / 1e3:.2f} µs" for value in np.quantile(times, QUANTILES)),
            f"{times.max() / 1e3:.0f} µs",
        )
        for name, times in found.items()
    ]
    network = "-".join(map(str, SIZES))
    return format_table((f"one row, {network}", *headers, "longest"), rows)


def main(arguments: Sequence[str]) -> None:
    """Time calls and print the table."""
    calls = int(arguments[0]) if arguments else CALLS
    print(format_latency(measure(calls, arguments[1:] or [REFERENCE])))


if __name__ == "__main__":
    main(sys.argv[1:])
