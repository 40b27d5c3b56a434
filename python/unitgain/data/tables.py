"""Tables of rows that are read block by block: what a data set is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Cursor", "Table", "blocks_of"]

# The bytes of a block, if nothing else is said: reading one takes longer than finding it.
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Column:
    """What a table has of each row, under one name.

    Attributes:
        label: what messages call it: ``x``, ``x['name']``, ``y``.
        shape: of one row.
        dtype: of the values as they are read.
    """

    label: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """The bytes of one row."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class Cursor(ABC):
    """Reads the rows of a sequence of blocks, one after the other."""

    @abstractmethod
    def fill(self, targets: Sequence[NDArray[Any]]) -> None:
        """Fill arrays, one for each column that is read, with the next rows.

        Args:
            targets: C-contiguous arrays of the columns' shapes and dtypes, equally long.

        Raises:
            ValueError: if the file has become shorter, or holds what the column cannot.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""


class Table(ABC):
    """Rows in blocks, each of which is read in one go.

    Attributes:
        columns: what each row has.
        lengths: the blocks' numbers of rows, int64.
    """

    columns: Sequence[Column]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @abstractmethod
    def cursor(self, blocks: NDArray[np.int64], skipped: int, which: Sequence[int]) -> Cursor:
        """Return what reads blocks.

        Args:
            blocks: their numbers, in the order in which they are read.
            skipped: how many rows of the first are left out.
            which: the numbers of the columns that are read.
        """

    @abstractmethod
    def part(self, first: int, stop: int) -> Table:
        """Return the rows from ``first`` until ``stop``."""


def blocks_of(rows: int, columns: Sequence[Column], block: int | None) -> NDArray[np.int64]:
    """Return the lengths of equal blocks of rows, of which the last may be shorter.

    Args:
        rows: how many there are.
        columns: what each of them has.
        block: rows of a block; None: a mebibyte's.
    """
    size = block or max(1, _BLOCK_BYTES // max(1, sum(c.row_bytes for c in columns)))
    lengths = np.full(-(-rows // size), size, np.int64)
    if rows % size:
        lengths[-1] = rows % size
    return lengths
