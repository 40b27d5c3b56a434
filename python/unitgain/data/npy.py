"""Columns in ``.npy`` files, in memory maps and in other arrays that are read by slices."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unitgain._arrays import as_numbers
from unitgain.data.tables import Column, Cursor, Table, blocks_of

__all__ = ["ArrayTable", "Source", "forget_pages", "source_of"]


class Source(Protocol):
    """Where one column's rows are."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def reader(self) -> Reader:
        """Return what reads rows, in one thread at a time."""


class Reader(Protocol):
    """Reads rows of a column."""

    def read(self, first: int, target: NDArray[Any]) -> None:
        """Fill ``target`` with the rows from ``first`` on."""

    def close(self) -> None:
        """Let go of what is open."""


def source_of(given: Any, label: str) -> Source:
    """Return the source that a user's path or array is.

    Args:
        given: the path of a ``.npy`` file, a memory map, or what has ``shape``, ``dtype`` and
            slices of rows; a list or a frame.
        label: what messages call it.

    Raises:
        TypeError: if it does not hold numbers.
        ValueError: if it has no rows at all, or the file is not as it says.
        OSError: if the file cannot be read.
    """
    if isinstance(given, (str, os.PathLike)):
        return NpyFile(given, label)
    sliced = all(hasattr(given, name) for name in ("shape", "dtype", "__getitem__"))
    array = given if sliced and not hasattr(given, "iloc") else as_numbers(given, label)
    if not isinstance(array.dtype, np.dtype):
        array = as_numbers(given, label)
    _check_numbers(array.dtype, array.shape, label)
    return SlicedArray(array)


def _check_numbers(dtype: np.dtype[Any], shape: tuple[int, ...], label: str) -> None:
    if dtype.kind not in "biuf":
        raise TypeError(f"{label} has dtype {dtype}, expected numbers")
    if not shape:
        raise ValueError(f"{label} has shape (), expected a row for each sample")


class NpyFile:
    """An array in a ``.npy`` file, which is read by its position and not mapped.

    Pages that a mapping has touched count as the process's memory; a buffer that is read into again
    and again does not grow.

    Args:
        path: the file.
        label: what messages call the column.

    Raises:
        ValueError: if it is no ``.npy`` file, or shorter than it says.
        TypeError: if it does not hold numbers.
    """

    def __init__(self, path: str | os.PathLike[str], label: str) -> None:
        self.path = Path(path)
        self._label = label
        with self.path.open("rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                # Later versions are for the names of records' fields.
                if version == (1, 0):
                    header = np.lib.format.read_array_header_1_0(file)
                else:
                    header = np.lib.format.read_array_header_2_0(file)
            except ValueError as error:
                raise ValueError(f"{label}: {self.path} is no .npy file: {error}") from None
            self.shape: tuple[int, ...] = header[0]
            self.is_fortran: bool = header[1]
            self._stored: np.dtype[Any] = header[2]
            self._begin = file.tell()
            size = os.fstat(file.fileno()).st_size
        self.dtype = self._stored.newbyteorder("=")
        _check_numbers(self._stored, self.shape, label)
        expected = self._begin + math.prod(self.shape) * self.dtype.itemsize
        if size < expected:
            raise ValueError(
                f"{label}: {self.path} has {size} bytes, but its shape {self.shape} of "
                f"{self._stored} needs {expected}"
            )

    def reader(self) -> Reader:
        """Return what reads rows."""
        return _FileReader(self)

    def __repr__(self) -> str:
        return f"{self._label}: {self.path}"


class _FileReader:
    def __init__(self, source: NpyFile) -> None:
        self._source = source
        self._file = source.path.open("rb", buffering=0)
        self._width = math.prod(source.shape[1:])

    def read(self, first: int, target: NDArray[Any]) -> None:
        source = self._source
        flat = target.reshape(len(target), self._width)
        if not source.is_fortran or self._width == 1:
            self._bytes(first * self._width, flat.reshape(-1))
        else:
            # A column's rows lie together; the columns in the order of a transposed row.
            order = np.arange(self._width).reshape(source.shape[1:]).T.reshape(-1)
            column = np.empty(len(target), source.dtype)
            for number, place in enumerate(order):
                self._bytes(number * source.shape[0] + first, column)
                flat[:, place] = column
        if source._stored != source.dtype:
            flat.byteswap(inplace=True)

    def _bytes(self, first: int, values: NDArray[Any]) -> None:
        """Fill a one-dimensional array with the file's values from a number on."""
        source, room = self._source, memoryview(values.view(np.uint8).data)
        self._file.seek(source._begin + first * source.dtype.itemsize)
        while len(room):
            count = self._file.readinto(room)
            if not count:
                raise ValueError(f"{source} ended while it was read")
            room = room[count:]

    def close(self) -> None:
        self._file.close()


class SlicedArray:
    """An array of which slices of rows are copied: a memory map, or HDF5's data sets."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = tuple(array.shape)
        self.dtype = array.dtype.newbyteorder("=")

    def reader(self) -> Reader:
        """Return what reads rows."""
        return _SliceReader(self.array)


class _SliceReader:
    def __init__(self, array: Any) -> None:
        self._array = array

    def read(self, first: int, target: NDArray[Any]) -> None:
        target[...] = self._array[first : first + len(target)]
        forget_pages(self._array)

    def close(self) -> None:
        pass


def forget_pages(array: Any) -> None:
    """Let go of the memory behind a memory map; what it holds stays in the system's cache."""
    mapping = _mapping_of(array)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping_of(array: Any) -> mmap.mmap | None:
    """Return the mapping whose pages may be let go of; not that of one's own, unsaved changes."""
    if not isinstance(array, np.memmap) or array.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    found = getattr(array, "_mmap", None)
    return found if isinstance(found, mmap.mmap) else None


class ArrayTable(Table):
    """Columns that are read independently of each other.

    Args:
        columns: what they are called.
        sources: where they are.
        block: rows of a block; None: about a mebibyte's.
        first: the first row.
        stop: the row behind the last; None: all.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        sources: Sequence[Source],
        block: int | None,
        first: int = 0,
        stop: int | None = None,
    ) -> None:
        self.columns = columns
        self._sources = sources
        self._block = block
        self._first = first
        rows = (sources[0].shape[0] if stop is None else stop) - first
        self.lengths = blocks_of(rows, columns, block)

    def part(self, first: int, stop: int) -> ArrayTable:
        """Return some of the rows."""
        begin = self._first
        return ArrayTable(self.columns, self._sources, self._block, begin + first, begin + stop)

    def cursor(self, blocks: NDArray[np.int64], skipped: int, which: Sequence[int]) -> Cursor:
        """Return what reads blocks."""
        size = int(self.lengths[0]) if len(self.lengths) else 1
        firsts, lengths = self._first + blocks * size, self.lengths[blocks]
        if len(blocks):
            firsts[0] += skipped
            lengths[0] -= skipped
        return _ArrayCursor([self._sources[i].reader() for i in which], firsts, lengths)


class _ArrayCursor(Cursor):
    """Reads runs of rows from several columns."""

    def __init__(
        self, readers: Sequence[Reader], firsts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> None:
        self._readers = readers
        self._runs = zip(firsts.tolist(), lengths.tolist(), strict=True)
        self._first = self._left = 0

    def fill(self, targets: Sequence[NDArray[Any]]) -> None:
        done, rows = 0, len(targets[0])
        while done < rows:
            if not self._left:
                self._first, self._left = next(self._runs)
            count = min(self._left, rows - done)
            for reader, target in zip(self._readers, targets, strict=True):
                reader.read(self._first, target[done : done + count])
            self._first += count
            self._left -= count
            done += count

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
