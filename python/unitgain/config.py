"""Which instruction set runs, and on how many threads."""

from __future__ import annotations

import os
import platform
from types import TracebackType

import numpy as np

from unitgain import _native

__all__ = ["num_threads", "set_num_threads", "show_config", "threads"]


def set_num_threads(threads: int) -> None:
    """Set how many threads an operation may use, for the whole process.

    The number starts as ``OMP_NUM_THREADS``, or as the CPUs that the process may use. Results have
    the same bits for any number; operations too small to gain run on the caller.

    Raises:
        ValueError: if ``threads`` is less than 1.
    """
    _native.set_num_threads(threads)


def num_threads() -> int:
    """Return how many threads an operation called from here may use."""
    return _native.num_threads()


class threads:  # noqa: N801 - a context manager, read as a word: ``with ug.threads(2):``
    """Set how many threads operations may use, within a ``with`` block, for the calling thread.

    >>> import unitgain as ug
    >>> with ug.threads(1):
    ...     ug.num_threads()
    1

    Raises:
        ValueError: if ``threads`` is less than 1.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, but it is {threads}")
        self._threads = threads
        self._before: list[int] = []

    def __enter__(self) -> None:
        self._before.append(_native.set_thread_override(self._threads))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _native.set_thread_override(self._before.pop())


def config_text() -> str:
    """Return what :func:`show_config` prints."""
    active = _native.active_variant()
    asked = os.environ.get("UNITGAIN_ISA")
    why = f"asked for by UNITGAIN_ISA={asked}" if asked else "the newest that this machine can run"
    lines = [
        f"unitgain {_native.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}",
        f"machine: {platform.machine()}, {os.cpu_count()} CPUs",
        f"threads: {num_threads()}",
        f"instruction set: {active} ({why})",
    ]
    for name, missing in _native.variants():
        lines.append(f"  {name:<9} {'lacks ' + missing if missing else 'can run'}")
    return "\n".join(lines)


def show_config() -> None:
    """Print the versions, the threads, and which instruction set was chosen and why."""
    print(config_text())
