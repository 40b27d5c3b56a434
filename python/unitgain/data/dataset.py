"""Data sets that stay on disk: what ``fit``, ``evaluate`` and ``predict`` read window by window."""

from __future__ import annotations

import operator
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain import random
from unitgain.data.npy import ArrayTable, source_of
from unitgain.data.tables import Column, Table
from unitgain.data.windows import Pass, read_ahead

__all__ = ["Dataset", "Parts", "checked_rows", "first_of", "from_npy", "rows_of"]

# The bytes of a window, if nothing else is said, with the row's number in the window's order.
_WINDOW_BYTES = 1 << 26
_ORDER_BYTES = 16


class Parts:
    """What a user gives for ``x``, ``y`` or ``sample_weight``: one thing, a list, or a dict.

    Args:
        given: as the user has it; None: nothing.
        label: the argument's name.
        is_one: whether a list is one thing, as of columns' names.
    """

    def __init__(self, given: Any, label: str, is_one: bool = False) -> None:
        self.labels: list[str] = []
        self.values: list[Any] = []
        self.keys: list[Any] | None = None
        self._is_list = False
        if isinstance(given, Mapping):
            self.keys = list(given)
            self._take([(f"{label}[{key!r}]", given[key]) for key in self.keys])
        elif isinstance(given, (list, tuple)) and not is_one and not _is_rows(given):
            self._is_list = True
            self._take([(f"{label}[{i}]", value) for i, value in enumerate(given)])
        elif given is not None:
            self._take([(label, given)])
        if given is not None and not self.values:
            raise ValueError(f"{label} is empty")

    def _take(self, named: list[tuple[str, Any]]) -> None:
        self.labels = [name for name, _ in named]
        self.values = [value for _, value in named]

    def pack(self, arrays: Sequence[Any]) -> Any:
        """Return arrays in the order of the values as the user gave these; None for nothing."""
        if self.keys is not None:
            return dict(zip(self.keys, arrays, strict=True))
        if self._is_list:
            return list(arrays)
        return arrays[0] if arrays else None


def _is_rows(given: Sequence[Any]) -> bool:
    """Return whether a list is an array written as a list of numbers or of rows."""
    first = given[0] if given else None
    return isinstance(first, (bool, int, float, np.generic, list))


class Dataset:
    """Rows on disk, of which a few windows at a time are in memory.

    Made by :func:`from_npy`, :func:`from_parquet` or :func:`from_arrow`; given to ``fit``,
    ``evaluate`` and ``predict`` in place of ``x``. A thread reads ahead: one window is trained on
    while the next waits and another is read.

    ``fit`` takes the rows in an order of each epoch's own, which depends on the seed, the epoch's
    number, the window and the file's blocks alone: neither on the size of batches, nor on threads,
    nor on what was read before. The blocks come in a random order; ``window`` rows of them at a
    time are shuffled, and training goes on to the next window when all of them were taken. So rows
    that are neighbours in the file are shuffled within a window, and what is far apart by blocks.
    Of rows that fit into one window every order is equally likely. (Philox4x32-10: Salmon, Moraes,
    Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.) Everywhere else, and
    with ``shuffle=False``, rows come as the file has them.

    Attributes:
        window: how many rows are shuffled together, and read in one go.
        table: where the rows are.
    """

    def __init__(
        self,
        table: Table,
        parts: tuple[Parts, Parts, Parts],
        window: SupportsIndex | None = None,
        seed: SupportsIndex | None = None,
    ) -> None:
        self.table = table
        self._parts = parts
        if window is None:
            row = sum(column.row_bytes for column in table.columns) + _ORDER_BYTES
            self.window = max(1, _WINDOW_BYTES // row)
        else:
            self.window = checked_rows("window", window)
        self._key = random.mixed_key(seed)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        rows = f"<Dataset of {len(self)} rows:"
        columns = (f" {c.label} {c.shape} {c.dtype}" for c in self.table.columns)
        return f"{rows}{','.join(columns)}; windows of {self.window} rows>"

    @property
    def key(self) -> int:
        """What the orders are drawn with."""
        return self._key

    @property
    def has_weights(self) -> bool:
        """Whether there is a ``sample_weight``."""
        return bool(self._parts[2].values)

    def part(self, first: SupportsIndex, stop: SupportsIndex) -> Dataset:
        """Return the rows from ``first`` until ``stop``, as a slice has them: a view.

        >>> import numpy as np
        >>> import unitgain as ug
        >>> data = ug.data.from_npy(np.arange(10.0))
        >>> len(data.part(0, 8)), next(data.part(8, 10).batches(2))
        (8, array([8., 9.]))
        """
        begin, end, _ = slice(operator.index(first), operator.index(stop)).indices(len(self))
        made = Dataset(self.table.part(begin, max(begin, end)), self._parts, self.window, 0)
        made._key = self._key
        return made

    def no_inputs(self) -> Any:
        """Return ``x`` of no rows."""
        columns = self.table.columns[: len(self._parts[0].values)]
        return self._parts[0].pack([np.empty((0, *c.shape), c.dtype) for c in columns])

    def split(self, share: float) -> tuple[Dataset, Dataset]:
        """Return the first rows and, of the given share, the last.

        Raises:
            ValueError: if ``share`` is not between 0 and 1, or leaves one part empty.
        """
        count = int(len(self) * (1 - share)) if 0 < share < 1 else 0
        if count in (0, len(self)):
            raise ValueError(
                f"the share is {share} of {len(self)} rows, expected one between 0 and 1 that "
                "leaves some on both sides"
            )
        return self.part(0, count), self.part(count, len(self))

    def batches(
        self, batch_size: SupportsIndex = 32, epoch: SupportsIndex | None = None
    ) -> Generator[Any, None, None]:
        """Yield batches: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``, copies.

        Args:
            batch_size: rows of each but the last.
            epoch: in which epoch's order the rows come, from 0; None: as the file has them.

        Raises:
            ValueError: if the file is damaged, or shorter than it was.

        >>> import numpy as np
        >>> import unitgain as ug
        >>> data = ug.data.from_npy(np.arange(6.0)[:, None], np.arange(6), seed=1)
        >>> len(list(data.batches(4)))
        2
        >>> sorted(y for _, y in data.batches(1, epoch=0)) == list(range(6))
        True
        """
        size = checked_rows("batch_size", batch_size)
        number = None if epoch is None else operator.index(epoch)
        with closing(self.windows(size, number)) as windows:
            for x, y, weights, order in windows:
                rows = len(first_of(x)) if order is None else len(order)
                for begin in range(0, rows, size):
                    stop = min(begin + size, rows)
                    taken = np.arange(begin, stop) if order is None else order[begin:stop]
                    batch = [rows_of(part, taken) for part in (x, y, weights)]
                    while batch[-1] is None:
                        batch.pop()
                    yield batch[0] if len(batch) == 1 else tuple(batch)

    def windows(
        self,
        batch_size: int,
        epoch: int | None = None,
        first: int = 0,
        only_x: bool = False,
    ) -> Generator[tuple[Any, Any, Any, NDArray[np.int64] | None], None, None]:
        """Yield ``x, y, sample_weight, order``, which are overwritten once the next is asked for.

        Args:
            batch_size: each window but the last has a whole number of batches.
            epoch: as for :meth:`batches`.
            first: how many rows of the pass are left out.
            only_x: whether nothing else is read.

        Yields:
            The arrays, and the rows in the order in which they are taken; None: all in turn.
        """
        counts = [len(part.values) for part in self._parts]
        which = range(counts[0] if only_x else sum(counts))
        given = Pass(self.table, which, self.window, batch_size, self._key, epoch, first)
        ends = np.cumsum(counts).tolist()
        with closing(read_ahead(given)) as windows:
            for window in windows:
                parts = [
                    part.pack(window.arrays[end - count : end])
                    if end <= len(window.arrays)
                    else None
                    for part, end, count in zip(self._parts, ends, counts, strict=True)
                ]
                yield parts[0], parts[1], parts[2], window.order


def checked_rows(name: str, value: SupportsIndex) -> int:
    """Return a number of rows.

    Raises:
        ValueError: if it is below 1.
        TypeError: if it is no integer.
    """
    rows = operator.index(value)
    if rows < 1:
        raise ValueError(f"{name} must be at least 1, but it is {rows}")
    return rows


def first_of(given: Any) -> NDArray[Any]:
    """Return the first array of one, a list, or a dict."""
    if isinstance(given, dict):
        given = list(given.values())
    found: NDArray[Any] = given[0] if isinstance(given, list) else given
    return found


def rows_of(given: Any, rows: Any) -> Any:
    """Return rows of one array, of a list, or of a dict; None of None."""
    if isinstance(given, dict):
        return {key: value[rows] for key, value in given.items()}
    if isinstance(given, list):
        return [value[rows] for value in given]
    return None if given is None else given[rows]


def from_npy(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    window: SupportsIndex | None = None,
    block: SupportsIndex | None = None,
    seed: SupportsIndex | None = None,
) -> Dataset:
    """Return the rows of ``.npy`` files, or of memory maps, as a :class:`Dataset`.

    Files are read by their positions, not mapped, and so in a fixed amount of memory. Numbers of
    any dtype and byte order are converted batch by batch; an array that the file has column by
    column (``fortran_order``) is read right, and more slowly.

    Args:
        x: the samples: the path of a file, an ``np.memmap``, or what else has a shape, a dtype and
            slices of rows, as HDF5's data sets. Of several inputs a list or a dict.
        y: the labels or targets, in the same ways.
        sample_weight: the weights, in the same ways.
        window: how many rows are shuffled together; by default those of 64 MB.
        block: how many neighbouring rows stay together until then; by default those of 1 MB.
        seed: an integer that always gives the same orders; None takes the process-wide seed, once.

    Raises:
        ValueError: if there are not as many rows of each, or a file is not what it says.
        TypeError: if there is anything but numbers.
        OSError: if a file cannot be read.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> data = ug.data.from_npy(np.ones((100, 3), np.float32), np.zeros(100))
    >>> model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> len(model.fit(data, epochs=2, verbose=0).epoch), model.predict(data).shape
    (2, (100, 1))
    """
    parts = Parts(x, "x"), Parts(y, "y"), Parts(sample_weight, "sample_weight")
    if x is None:
        raise ValueError("x is None, expected a path or an array")
    sources, columns = [], []
    for part in parts:
        for label, given in zip(part.labels, part.values, strict=True):
            source = source_of(given, label)
            sources.append(source)
            columns.append(Column(label, tuple(source.shape[1:]), source.dtype))
    for column, source in zip(columns, sources, strict=True):
        if source.shape[0] != sources[0].shape[0]:
            raise ValueError(
                f"{column.label} has {source.shape[0]} rows, but {columns[0].label} has "
                f"{sources[0].shape[0]}: both need as many"
            )
    rows = None if block is None else checked_rows("block", block)
    return Dataset(ArrayTable(columns, sources, rows), parts, window, seed)
