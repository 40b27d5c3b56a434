"""Users' data of any kind as NumPy arrays, recognised by protocols, with nothing imported.

Frames of pandas and Polars, tensors with ``__array__`` or ``__dlpack__``, and SciPy's sparse
matrices, which stay sparse until a batch of them is read.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["NUMBER_CLASSES", "Rows", "SparseRows", "as_numbers", "as_rows", "is_array", "is_sparse"]

# The message for text in place of labels, and elsewhere.
NUMBER_CLASSES = "number the classes from 0: classes, y = np.unique(y, return_inverse=True)"
_ENCODE = (
    "encode categories as numbers, for instance with ug.utils.FeatureSpace, pandas.get_dummies or "
    "np.unique(column, return_inverse=True)"
)


class SparseRows:
    """A sparse matrix with a sample a row, of which parts are made dense.

    Args:
        matrix: a sparse matrix with SciPy's methods.
    """

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix.tocsr()

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and of columns."""
        return tuple(self._matrix.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The values' dtype."""
        dtype: np.dtype[Any] = self._matrix.dtype
        return dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> SparseRows:
        return SparseRows(self._matrix[rows])

    def dense(self) -> NDArray[Any]:
        """Return all rows as an array."""
        array: NDArray[Any] = self._matrix.toarray()
        return array


Rows: TypeAlias = NDArray[Any] | SparseRows


def is_sparse(x: Any) -> bool:
    """Return whether ``x`` is a sparse matrix."""
    return hasattr(x, "tocsr") and hasattr(x, "toarray")


def is_array(x: Any) -> bool:
    """Return whether ``x`` is an array, or a frame, a tensor or a sparse matrix."""
    if isinstance(x, np.ndarray):
        return True
    if isinstance(x, (np.generic, type)):
        return False
    return (
        hasattr(x, "__array__")
        or hasattr(x, "__dlpack__")
        or isinstance(x, SparseRows)
        or is_sparse(x)
    )


def as_rows(x: Any, name: str = "x") -> Rows:
    """Return samples as an array of numbers, or as :class:`SparseRows` if they are sparse.

    Raises:
        TypeError: if they are no numbers.
    """
    if isinstance(x, SparseRows):
        return x
    if not is_sparse(x):
        return as_numbers(x, name)
    rows = SparseRows(x)
    if rows.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {rows.dtype}, expected numbers")
    return rows


def as_numbers(
    x: Any, name: str = "x", hint: str = _ENCODE, expected: str = "numbers"
) -> NDArray[Any]:
    """Return booleans, integers or floating-point numbers, without a copy if they are an array.

    What is missing in pandas's nullable columns becomes NaN.

    Args:
        x: what the user gave.
        name: what it is called in messages.
        hint: what they say is to be done about text.
        expected: what they say is expected.

    Raises:
        TypeError: if there is anything but numbers; the message says in which column.
        ValueError: if it is no array at all, as of rows that differ in length.
    """
    array = x if isinstance(x, np.ndarray) else _array(x, name)
    if array.dtype.kind in "biuf":
        return array
    if hasattr(x, "dtypes") and hasattr(x, "columns") and array.ndim == 2:
        return _columns(x, name, hint, expected)
    found = _numbers(x, array)
    if found is None:
        raise TypeError(_refusal(array, name, hint, expected))
    return found


def _array(x: Any, name: str) -> NDArray[Any]:
    if is_sparse(x):
        return SparseRows(x).dense()
    if hasattr(x, "detach"):  # a tensor that gradients are computed of
        x = x.detach()
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        return np.from_dlpack(x)
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} cannot be made an array: {error}") from None


def _columns(frame: Any, name: str, hint: str, expected: str) -> NDArray[Any]:
    """Return a frame of columns that differ in dtype, as the dtype that holds them all."""
    columns = []
    for i, title in enumerate(frame.columns):
        column = frame.iloc[:, i] if hasattr(frame, "iloc") else frame[title]
        array = np.asarray(column)
        found = array if array.dtype.kind in "biuf" else _numbers(column, array)
        if found is None:
            raise TypeError(_refusal(array, name, hint, expected, f"column {title!r}"))
        columns.append(found)
    made = np.empty((len(frame), len(columns)), np.result_type(*columns))
    for i, found in enumerate(columns):
        made[:, i] = found
    return made


def _numbers(x: Any, array: NDArray[Any]) -> NDArray[Any] | None:
    """Return the numbers that an array of another dtype holds; None if it holds other things."""
    nullable = getattr(getattr(x, "dtype", None), "numpy_dtype", None)
    if nullable is not None and np.dtype(nullable).kind in "biuf":
        found: NDArray[Any] = x.to_numpy("float64", na_value=np.nan)
        return found
    if array.dtype.kind != "O":
        return None
    try:
        found = np.array(array.tolist())
    except ValueError:
        return None
    return found if found.dtype.kind in "biuf" else None


def _refusal(
    array: NDArray[Any], name: str, hint: str, expected: str, where: str | None = None
) -> str:
    """Return what to say of an array that is not of numbers."""
    kind = "object" if array.dtype.kind == "O" else str(array.dtype)
    column = array
    if where is None and array.ndim == 2:
        for i in range(array.shape[1]):
            if _numbers(None, array[:, i]) is None:
                where, column = f"column {i}", array[:, i]
                break
    place = "" if where is None else f" in {where}"
    odd = next((v for v in column.ravel().tolist() if _is_odd(v)), None)
    holds = "" if array.dtype.kind not in "OUST" else f", which holds {odd!r}"
    advice = f": {hint}" if isinstance(odd, (str, bytes)) else ""
    return f"{name} has dtype {kind}{place}{holds}, expected {expected}{advice}"


def _is_odd(value: Any) -> bool:
    return not isinstance(value, (bool, int, float, np.number, np.bool_))
