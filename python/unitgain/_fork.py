"""Forked children: models are between two steps there, and no lock is held."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, ClassVar
from weakref import WeakSet

from unitgain import _native

__all__ = ["Lock"]

# How long a fork waits for the steps of other threads, in seconds. A step of a layer written in
# Python may be waiting for what the forking thread does next.
_PATIENCE = 10.0


class Lock:
    """A lock that a forked child finds free: ``with lock.current:``."""

    _all: ClassVar[WeakSet[Lock]] = WeakSet()

    def __init__(self) -> None:
        self.current = threading.Lock()
        self._all.add(self)

    @classmethod
    def renew(cls) -> None:
        """Forget who holds the locks: in a forked child nobody is left to release them."""
        for lock in cls._all:
            lock.current = threading.Lock()


_forking = threading.local()


def _before() -> None:
    _forking.still = still = _native.Still()
    still.hold(_PATIENCE)


def _after_in_parent() -> None:
    _forking.still.release()


def _after_in_child() -> None:
    _forking.still.release()
    Lock.renew()
    _free_progress_bars()


def _free_progress_bars() -> None:
    """Let tqdm write, even if a thread of the parent's was writing just then."""
    tqdm: Any = sys.modules.get("tqdm.std")
    if tqdm is None:
        return
    lock = tqdm.TqdmDefaultWriteLock.th_lock
    if lock.acquire(blocking=False):
        lock.release()
    else:
        tqdm.tqdm.set_lock(threading.RLock())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
