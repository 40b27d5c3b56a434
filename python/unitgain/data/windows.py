"""Passes over a table, window by window, read ahead by a thread of their own."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain import _native
from unitgain.data.tables import Table

__all__ = ["Pass", "Window", "read_ahead"]

# One is trained on, one waits, and one is being filled.
_BUFFERS = 3

Buffer: TypeAlias = list[NDArray[Any]]


@dataclass
class Window:
    """Rows of a pass, in memory until the next window is asked for.

    Attributes:
        arrays: an array for each column that is read.
        order: the rows in the order of the pass, int64; None for all in turn.
        buffer: what the arrays are a part of.
    """

    arrays: list[NDArray[Any]]
    order: NDArray[np.int64] | None
    buffer: Buffer

    def __len__(self) -> int:
        return len(self.arrays[0]) if self.order is None else len(self.order)


@dataclass(frozen=True)
class Pass:
    """One pass over a table's rows, each of which comes once.

    Attributes:
        table: the rows.
        which: the numbers of the columns that are read.
        window: how many rows are shuffled together.
        batch_size: each window but the last has a whole number of batches; what is left over goes
            on to the next.
        key: of the random numbers.
        epoch: which of the shuffled passes; None: rows in turn.
        first: how many rows of the pass are left out.
    """

    table: Table
    which: Sequence[int]
    window: int
    batch_size: int
    key: int
    epoch: int | None
    first: int

    def buffers(self) -> list[Buffer]:
        """Return what windows are read into."""
        rows = min(self.window + self.batch_size - 1, len(self.table))
        count = min(_BUFFERS, 1 + -(-len(self.table) // self.window))
        columns = [self.table.columns[i] for i in self.which]
        return [[np.empty((rows, *c.shape), c.dtype) for c in columns] for _ in range(count)]

    def windows(
        self, take: Callable[[], Buffer], give_back: Callable[[Buffer], None]
    ) -> Iterator[Window]:
        """Yield windows.

        Args:
            take: returns a buffer that is free, once there is one.
            give_back: is given one that nobody needs.
        """
        total, lengths = len(self.table), self.table.lengths
        number, left_out = divmod(self.first, self.window)
        blocks = self._blocks()
        # The block in which the first window begins, and the rows before that.
        ends = np.cumsum(lengths[blocks])
        skipped = number * self.window
        at = int(np.searchsorted(ends, skipped, side="right"))
        skipped -= int(ends[at - 1]) if at else 0
        # The last window, the rows of it that go on to the next, and whether it was yielded.
        previous: Buffer = []
        held: Buffer = []
        tail: Any = slice(0)
        carried, was_yielded = 0, True
        with closing(self.table.cursor(blocks[at:], skipped, self.which)) as cursor:
            for begin in range(number * self.window, total, self.window):
                rows = min(self.window, total - begin)
                buffer = take()
                for target, source in zip(buffer, previous, strict=bool(previous)):
                    target[:carried] = source[tail]
                if not was_yielded:
                    give_back(held)
                arrays = [array[: carried + rows] for array in buffer]
                cursor.fill([array[carried:] for array in arrays])
                found = carried + rows - left_out
                kept = found if begin + rows == total else found - found % self.batch_size
                order = self._order(begin // self.window, rows, carried, left_out)
                if order is None:
                    tail = slice(left_out + kept, None)
                    window = Window([a[left_out:][:kept] for a in arrays], None, buffer)
                else:
                    tail = order[kept:]
                    window = Window(arrays, order[:kept], buffer)
                if kept:
                    yield window
                previous, held, was_yielded = arrays, buffer, kept > 0
                carried, left_out = found - kept, 0

    def _blocks(self) -> NDArray[np.int64]:
        count = len(self.table.lengths)
        if self.epoch is None:
            return np.arange(count)
        return _native.permutation(count, self.key, self.epoch << 32)

    def _order(
        self, number: int, rows: int, carried: int, left_out: int
    ) -> NDArray[np.int64] | None:
        """Return the order of a window's rows behind those that were carried over."""
        if self.epoch is None:
            return None
        order = _native.permutation(rows, self.key, (self.epoch << 32) + 1 + number)
        return np.concatenate([np.arange(carried), carried + order[left_out:]])


class _StoppedError(Exception):
    """Ends the reading thread: nobody waits for windows any more."""


class _Exchange:
    """What the reading thread and the one that waits for it share."""

    def __init__(self, buffers: list[Buffer]) -> None:
        self.process = os.getpid()
        self.thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._free = deque(buffers)
        self._full: deque[Window] = deque()
        self._error: BaseException | None = None
        self._has_ended = self._is_stopped = False

    def take(self) -> Buffer:
        """Return a free buffer, once there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._is_stopped)
            if self._is_stopped:
                raise _StoppedError
            return self._free.popleft()

    def give_back(self, buffer: Buffer) -> None:
        """Take a buffer that is free."""
        with self._changed:
            self._free.append(buffer)
            self._changed.notify_all()

    def put(self, window: Window) -> None:
        """Hand a window over."""
        with self._changed:
            self._full.append(window)
            self._changed.notify_all()

    def end(self, error: BaseException | None) -> None:
        """Say that there are no more windows, or why."""
        with self._changed:
            self._error, self._has_ended = error, True
            self._changed.notify_all()

    def get(self) -> Window | None:
        """Return the next window, once there is one; None at the end."""
        if os.getpid() != self.process:
            raise RuntimeError(
                "this process was forked while a pass over a Dataset was under way, and the thread "
                "that reads is the parent's: begin a pass of its own here"
            )
        with self._changed:
            self._changed.wait_for(lambda: self._full or self._has_ended)
            if self._full:
                return self._full.popleft()
            if self._error is not None:
                raise self._error
            return None

    def stop(self) -> None:
        """End the reading thread, and wait until it has ended."""
        if os.getpid() != self.process or self.thread is None:
            return
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self.thread.join()


_all: weakref.WeakSet[_Exchange] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    # A thread that still reads when the interpreter goes may find half of it gone.
    for exchange in list(_all):
        exchange.stop()


def _read(exchange: _Exchange, given: Pass) -> None:
    error: BaseException | None = None
    try:
        for window in given.windows(exchange.take, exchange.give_back):
            exchange.put(window)
    except _StoppedError:
        pass
    except BaseException as failure:  # of any kind: it is raised in the thread that waits
        error = failure
    exchange.end(error)


def read_ahead(given: Pass) -> Generator[Window, None, None]:
    """Yield a pass's windows while a thread reads those that follow.

    At most two windows beside the one that was yielded are in memory. What the thread raises is
    raised here; it ends when the iterator is closed.
    """
    if len(given.table) <= given.first:
        return
    exchange = _Exchange(given.buffers())
    exchange.thread = threading.Thread(
        target=_read, args=(exchange, given), name="unitgain-reader", daemon=True
    )
    _all.add(exchange)
    exchange.thread.start()
    try:
        while (window := exchange.get()) is not None:
            yield window
            exchange.give_back(window.buffer)
    finally:
        exchange.stop()
