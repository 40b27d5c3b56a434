"""The CPUs that a run's threads may use, unitgain's and its peers' alike."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby


def allowed() -> list[int]:
    """Return the CPUs that this process may use; nothing where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def parse(text: str) -> list[int]:
    """Return the CPUs of a list such as ``0-3,8``.

    Raises:
        ValueError: if it is none, or the process may not use one of them, or the system places
            threads by itself alone.
    """
    found: set[int] = set()
    for part in text.split(","):
        if not (match := re.fullmatch(r"(\d+)(?:-(\d+))?", part)):
            raise ValueError(f"expected CPUs as in 0-3,8, got {text!r}")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    usable = allowed()
    if not usable:
        raise ValueError("this system cannot pin threads to CPUs")
    if not found or not found <= set(usable):
        raise ValueError(f"expected some of the CPUs {name(usable)}, got {text!r}")
    return sorted(found)


def name(cpus: list[int]) -> str:
    """Return CPUs as a list of ranges: ``0-3,8``."""
    runs = [[cpu for _, cpu in run] for _, run in groupby(enumerate(cpus), lambda p: p[1] - p[0])]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


@contextmanager
def inherited(cpus: list[int]) -> Iterator[None]:
    """Have processes that this thread starts meanwhile use these CPUs alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
