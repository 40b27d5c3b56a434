"""Data sets from Parquet and Arrow files, and from Arrow's tables in memory (extra ``arrow``)."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain._extras import needed
from unitgain.data.arrow_columns import ArrowColumn, column_of
from unitgain.data.dataset import Dataset, Parts
from unitgain.data.tables import Cursor, Table, blocks_of

__all__ = ["from_arrow", "from_parquet"]

# A larger row group is read in pieces, of which each column has a buffer.
_ROW_GROUP_BYTES = 1 << 26
_COLUMN_BUFFER = 1 << 16
# The bytes of a record batch.
_BATCH_BYTES = 1 << 22


def from_parquet(
    path: Any,
    features: Any = None,
    label: Any = None,
    sample_weight: str | None = None,
    *,
    window: SupportsIndex | None = None,
    seed: SupportsIndex | None = None,
) -> Dataset:
    """Return the rows of Parquet files as a :class:`Dataset` (extra ``arrow``).

    A block of the shuffling is a row group of a file; one that is large is read in pieces.

    Args:
        path: of a file, or of a folder of them and of more folders; or a list of files.
        features: the columns of ``x``: a list of names gives a row of numbers for each sample, one
            name of a column of fixed-size lists its values. Of several inputs a dict of such. None:
            all columns but those of the label and the weight.
        label: the columns of ``y``, in the same ways.
        sample_weight: the column of the weights.
        window: how many rows are shuffled together; by default those of 64 MB.
        seed: an integer that always gives the same orders; None takes the process-wide seed, once.

    Raises:
        ValueError: if there is no such column, or a file is no Parquet file.
        TypeError: if a column does not hold numbers.
        ImportError: if pyarrow is not installed.
        OSError: if a file cannot be read.
    """
    datasets = needed("pyarrow.dataset", "arrow", "from_parquet")
    needed("pyarrow.parquet", "arrow", "from_parquet")
    source = datasets.dataset(_paths(path), format="parquet", partitioning="hive")
    return _dataset(source, features, label, sample_weight, window, seed)


def from_arrow(
    source: Any,
    features: Any = None,
    label: Any = None,
    sample_weight: str | None = None,
    *,
    window: SupportsIndex | None = None,
    seed: SupportsIndex | None = None,
) -> Dataset:
    """Return the rows of Arrow's files, data sets or tables as a :class:`Dataset`.

    It needs the extra ``arrow``. A block of the shuffling is a record batch of a file in Arrow's
    format, also called Feather; of a data set of other files a row group or a whole file.

    Args:
        source: the path of a file in Arrow's format, or of a folder of them, or a list of files; a
            ``pyarrow.dataset.Dataset``; a ``pyarrow.Table``, or a frame that exports Arrow's
            stream, as those of Polars and pandas.
        features: as for :func:`from_parquet`.
        label: as for :func:`from_parquet`.
        sample_weight: as for :func:`from_parquet`.
        window: as for :func:`from_parquet`.
        seed: as for :func:`from_parquet`.

    Raises:
        ValueError: if there is no such column, or a data set is filtered.
        TypeError: if a column does not hold numbers, or ``source`` is none of those.
        ImportError: if pyarrow is not installed.
        OSError: if a file cannot be read.
    """
    arrow = needed("pyarrow", "arrow", "from_arrow")
    datasets = needed("pyarrow.dataset", "arrow", "from_arrow")
    if isinstance(source, arrow.RecordBatch):
        source = arrow.Table.from_batches([source])
    elif hasattr(source, "__arrow_c_stream__") and not isinstance(source, arrow.Table):
        source = arrow.table(source)
    elif not isinstance(source, (arrow.Table, datasets.Dataset)):
        source = datasets.dataset(_paths(source), format="ipc", partitioning="hive")
    return _dataset(source, features, label, sample_weight, window, seed)


def _paths(given: Any) -> Any:
    """Return one path, or a list of them.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    if isinstance(given, (list, tuple)) and all(isinstance(p, (str, os.PathLike)) for p in given):
        return [os.fspath(path) for path in given]
    raise TypeError(f"expected a path, or a list of them, but got a {type(given).__name__}")


def _dataset(
    source: Any,
    features: Any,
    label: Any,
    sample_weight: Any,
    window: SupportsIndex | None,
    seed: SupportsIndex | None,
) -> Dataset:
    y = Parts(label, "label", is_one=True)
    weights = Parts(sample_weight, "sample_weight", is_one=True)
    if features is None:
        taken = {
            n for v in (*y.values, *weights.values) for n in ([v] if isinstance(v, str) else v)
        }
        features = [name for name in source.schema.names if name not in taken]
    x = Parts(features, "features", is_one=True)
    columns = [
        column_of(given, source.schema, name)
        for part in (x, y, weights)
        for name, given in zip(part.labels, part.values, strict=True)
    ]
    row_bytes = sum(column.column.row_bytes for column in columns)
    blocks = _blocks(source, columns, row_bytes)
    return Dataset(
        ArrowTable(columns, [(b, 0, b.rows) for b in blocks]), (x, y, weights), window, seed
    )


class Block(Protocol):
    """Rows that are read in one go."""

    rows: int

    def batches(self, names: list[str], rows: int) -> Iterator[Any]:
        """Yield record batches of some columns.

        Args:
            names: the columns.
            rows: the most of a batch, where that can be chosen.
        """


class _RowGroup:
    """A row group of a Parquet file."""

    def __init__(self, fragment: Any, schema: Any, number: int, rows: int, is_large: bool) -> None:
        self.rows = rows
        self._fragment = fragment
        self._schema = schema
        self._number = number
        self._is_large = is_large

    def batches(self, names: list[str], rows: int) -> Iterator[Any]:
        """Yield record batches."""
        if not self._is_large or not set(names) <= set(self._fragment.physical_schema.names):
            part = self._fragment.subset(row_group_ids=[self._number], schema=self._schema)
            yield from part.to_batches(schema=self._schema, columns=names, batch_size=rows)
            return
        # The scanner decodes a whole row group before it yields a part of it.
        import pyarrow.parquet as pq

        options = {"buffer_size": _COLUMN_BUFFER, "pre_buffer": False}
        with self._fragment.open() as source, pq.ParquetFile(source, **options) as file:
            yield from file.iter_batches(rows, row_groups=[self._number], columns=names)


class _FileBatch:
    """A record batch of a file in Arrow's format."""

    def __init__(self, fragment: Any, number: int, rows: int) -> None:
        self.rows = rows
        self._fragment = fragment
        self._number = number

    def batches(self, names: list[str], rows: int) -> Iterator[Any]:
        """Yield the record batch."""
        with _open_file(self._fragment, names) as file:
            yield file.get_batch(self._number)


class _WholeFile:
    """A file of another format."""

    def __init__(self, fragment: Any, schema: Any) -> None:
        self.rows = fragment.count_rows()
        self._fragment = fragment
        self._schema = schema

    def batches(self, names: list[str], rows: int) -> Iterator[Any]:
        """Yield record batches."""
        yield from self._fragment.to_batches(schema=self._schema, columns=names, batch_size=rows)


class _Slice:
    """Rows of a table in memory."""

    def __init__(self, table: Any, first: int, rows: int) -> None:
        self.rows = rows
        self._table = table
        self._first = first

    def batches(self, names: list[str], rows: int) -> Iterator[Any]:
        """Yield record batches."""
        part = self._table.slice(self._first, self.rows).select(names)
        yield from part.to_batches(max_chunksize=rows)


def _open_file(fragment: Any, names: Sequence[str]) -> Any:
    """Return a reader of some columns of a file in Arrow's format."""
    import pyarrow as pa

    fields = sorted(fragment.physical_schema.names.index(name) for name in set(names))
    return pa.ipc.open_file(fragment.open(), options=pa.ipc.IpcReadOptions(included_fields=fields))


def _blocks(source: Any, columns: Sequence[ArrowColumn], row_bytes: int) -> list[Block]:
    """Return the blocks of a table, or of a data set's files."""
    import pyarrow as pa

    blocks: list[Block] = []
    if isinstance(source, pa.Table):
        first = 0
        for rows in blocks_of(len(source), [c.column for c in columns], None).tolist():
            blocks.append(_Slice(source, first, rows))
            first += rows
        return blocks
    names = {name for column in columns for name in column.names}
    for fragment in source.get_fragments():
        blocks += _file_blocks(fragment, source.schema, names, row_bytes)
    return blocks


def _file_blocks(fragment: Any, schema: Any, names: set[str], row_bytes: int) -> Iterator[Block]:
    import pyarrow.dataset as datasets

    if hasattr(fragment, "row_groups"):
        for group in fragment.row_groups:
            is_large = group.num_rows * row_bytes > _ROW_GROUP_BYTES
            yield _RowGroup(fragment, schema, group.id, group.num_rows, is_large)
    elif isinstance(fragment.format, datasets.IpcFileFormat) and names <= set(
        fragment.physical_schema.names
    ):
        # A batch's length is known once it is read: of one column, the least.
        with _open_file(fragment, [min(names, key=lambda n: _width(fragment, n))]) as file:
            for number in range(file.num_record_batches):
                yield _FileBatch(fragment, number, file.get_batch(number).num_rows)
    else:
        yield _WholeFile(fragment, schema)


def _width(fragment: Any, name: str) -> int:
    try:
        return int(fragment.physical_schema.field(name).type.bit_width)
    except ValueError:  # of a type whose values differ in width
        return 1 << 30


class ArrowTable(Table):
    """Columns of Arrow's blocks.

    Args:
        columns: what is made of them.
        parts: blocks, with the first row of each that is meant and how many are.
    """

    def __init__(
        self, columns: Sequence[ArrowColumn], parts: Sequence[tuple[Block, int, int]]
    ) -> None:
        self._made = columns
        self._parts = parts
        self.columns = [column.column for column in columns]
        self.lengths = np.array([rows for _, _, rows in parts], np.int64)

    def part(self, first: int, stop: int) -> ArrowTable:
        """Return some of the rows."""
        parts, begin = [], 0
        for block, skipped, rows in self._parts:
            low, high = max(first - begin, 0), min(stop - begin, rows)
            if low < high:
                parts.append((block, skipped + low, high - low))
            begin += rows
        return ArrowTable(self._made, parts)

    def cursor(self, blocks: NDArray[np.int64], skipped: int, which: Sequence[int]) -> Cursor:
        """Return what reads blocks."""
        columns = [self._made[i] for i in which]
        return _ArrowCursor(columns, self._rows(columns, blocks.tolist(), skipped))

    def _rows(
        self, columns: Sequence[ArrowColumn], blocks: Sequence[int], skipped: int
    ) -> Generator[Any, None, None]:
        """Yield record batches of blocks without what is left out of them."""
        names = list(dict.fromkeys(name for column in columns for name in column.names))
        row_bytes = sum(column.column.row_bytes for column in columns)
        most = min(1 << 16, max(_BATCH_BYTES // max(1, row_bytes), 256))
        for number in blocks:
            block, first, rows = self._parts[number]
            first, left, skipped = first + skipped, rows - skipped, 0
            for batch in block.batches(names, most):
                cut = batch.slice(first, left)
                first = max(0, first - len(batch))
                left -= len(cut)
                if len(cut):
                    yield cut
                if not left:
                    break
            if left:
                raise ValueError("a file became shorter while it was read")


class _ArrowCursor(Cursor):
    """Puts record batches into arrays."""

    def __init__(self, columns: Sequence[ArrowColumn], batches: Generator[Any, None, None]) -> None:
        self._columns = columns
        self._batches = batches
        self._batch: Any = None

    def fill(self, targets: Sequence[NDArray[Any]]) -> None:
        done, rows = 0, len(targets[0])
        while done < rows:
            if self._batch is None or not len(self._batch):
                self._batch = next(self._batches)
            part = self._batch.slice(0, rows - done)
            for column, target in zip(self._columns, targets, strict=True):
                column.put(part, target[done : done + len(part)])
            self._batch = self._batch.slice(len(part))
            done += len(part)

    def close(self) -> None:
        self._batches.close()
