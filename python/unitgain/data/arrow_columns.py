"""Columns of Arrow's tables as rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from unitgain import _names
from unitgain.data.tables import Column

__all__ = ["ArrowColumn", "column_of"]

_ENCODE = "encode categories as numbers, or leave the column out"
# So many rows are written at a time, column by column, that their part of the array stays in cache.
_TILE = 256


class ArrowColumn:
    """What a data set has under one name, made of columns of a table.

    Args:
        names: the columns.
        column: what is made of them.
        is_vector: whether it is one column whose values are fixed-size lists.
        has_tensor: whether Arrow itself makes rows of the columns.
    """

    def __init__(
        self, names: Sequence[str], column: Column, is_vector: bool, has_tensor: bool
    ) -> None:
        self.names = list(names)
        self.column = column
        self._is_vector = is_vector
        self._has_tensor = has_tensor

    def put(self, batch: Any, target: NDArray[Any]) -> None:
        """Put the rows of a record batch into an array of as many.

        Raises:
            ValueError: if a value is missing where there is no NaN for it.
        """
        if self._has_tensor:
            rows = batch.select(self.names).to_tensor(null_to_nan=True, row_major=True)
            target[...] = rows.to_numpy()
            return
        arrays = [batch.column(name) for name in self.names]
        if self.column.dtype.kind != "f":
            for name, array in zip(self.names, arrays, strict=True):
                if array.null_count:
                    raise ValueError(self._missing(name))
        if self._is_vector:
            target[...] = self._vectors(arrays[0]).reshape(target.shape)
        elif not self.column.shape:
            target[...] = _values(arrays[0])
        else:
            values = [_values(array) for array in arrays]
            for first in range(0, len(target), _TILE):
                part = target[first : first + _TILE]
                for i, array in enumerate(values):
                    part[:, i] = array[first : first + _TILE]

    def _vectors(self, array: Any) -> NDArray[Any]:
        if array.null_count:
            raise ValueError(self._missing(self.names[0]))
        values = getattr(array, "storage", array).flatten()
        if values.null_count and self.column.dtype.kind != "f":
            raise ValueError(self._missing(self.names[0]))
        return _values(values)

    def _missing(self, name: str) -> str:
        return (
            f"column {name!r} of {self.column.label} has missing values, expected a number in each "
            "row: fill them in, or leave out their rows"
        )


def _values(array: Any) -> NDArray[Any]:
    """Return an array's numbers, NaN for what is missing."""
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values.astype(np.float64) if values.dtype.kind == "O" else values


def column_of(given: Any, schema: Any, label: str) -> ArrowColumn:
    """Return what a user's column or columns are.

    Args:
        given: the name of one column, which gives a number or a vector a row; or a list of names.
        schema: Arrow's.
        label: what messages call it.

    Raises:
        ValueError: if there is no such column.
        TypeError: if it does not hold numbers.
    """
    is_single = isinstance(given, str)
    names = [given] if is_single else list(given)
    if not names:
        raise ValueError(f"{label} names no column")
    known = dict.fromkeys(schema.names)
    for name in names:
        if name not in known:
            raise ValueError(_names.unknown(f"a column of {label}", name, known))
        if schema.names.count(name) > 1:
            raise ValueError(f"there are several columns {name!r}: give each a name of its own")
    kinds = [_kind(schema.field(name).type, name, label) for name in names]
    if any(shape for _, shape in kinds):
        if len(names) > 1:
            raise ValueError(
                f"{label} is made of {len(names)} columns, of which some hold vectors: name such a "
                "column alone, and give the model several inputs by a dict"
            )
        dtype, shape = kinds[0]
        return ArrowColumn(names, Column(label, shape, dtype), True, False)
    if is_single:
        return ArrowColumn(names, Column(label, (), kinds[0][0]), False, False)
    dtype = np.result_type(np.float32, *(dtype for dtype, _ in kinds))
    column = Column(label, (len(names),), dtype)
    types = [schema.field(name).type for name in names]
    return ArrowColumn(names, column, False, all(map(_is_plain, types)))


def _kind(given: Any, name: str, label: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return a column's dtype, and the shape of its values."""
    import pyarrow as pa

    kind, shape = given, cast(tuple[int, ...], ())
    if isinstance(kind, pa.FixedShapeTensorType):
        shape, kind = tuple(kind.shape), kind.value_type
    elif pa.types.is_fixed_size_list(kind):
        shape, kind = (kind.list_size,), kind.value_type
    if pa.types.is_decimal(kind):
        return np.dtype(np.float64), shape
    if _is_plain(kind) or pa.types.is_boolean(kind):
        return np.dtype(kind.to_pandas_dtype()), shape
    advice = _ENCODE
    if pa.types.is_list(given) or pa.types.is_large_list(given):
        advice = "vectors are fixed-size lists: cast the column to pyarrow.list_(type, size)"
    raise TypeError(f"column {name!r} of {label} has type {given}, expected numbers: {advice}")


def _is_plain(given: Any) -> bool:
    import pyarrow as pa

    is_plain: Callable[[Any], bool] = pa.types.is_integer
    return is_plain(given) or bool(pa.types.is_floating(given))
