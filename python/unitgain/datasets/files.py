"""Data sets from a user's files: IDX (MNIST and its kin), npz, and tables of text."""

from __future__ import annotations

import csv
import gzip
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from unitgain import _names

__all__ = ["Table", "load_csv", "load_idx", "load_mnist", "load_npz"]

Path_ = str | os.PathLike[str]
Split = tuple[NDArray[Any], NDArray[Any]]

# The third byte of an IDX file: what its values are, the most significant byte first.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
MNIST_PARTS = ("train", "t10k")


def load_idx(filepath: Path_) -> NDArray[Any]:
    """Return the array of an IDX file, the format of MNIST, also if it is gzipped.

    Args:
        filepath: ``train-images-idx3-ubyte.gz``, say.

    Returns:
        The values in the file's type and shape, in the machine's byte order.

    Raises:
        ValueError: if it is no IDX file, or is longer or shorter than it says.
        OSError: if it cannot be read.

    Source:
        Y. LeCun, C. Cortes and C. Burges, "The MNIST database", which describes the format.
    """
    content = Path(filepath).read_bytes()
    if content.startswith(GZIP_MAGIC):
        content = gzip.decompress(content)
    kind = content[2] if len(content) >= 4 else 0
    if content[:2] != b"\0\0" or kind not in IDX_TYPES:
        raise ValueError(f"{os.fspath(filepath)} is no IDX file: it begins with {content[:4]!r}")
    begin = 4 + 4 * content[3]
    sizes = content[4:begin].ljust(begin - 4, b"\xff")  # a size that is cut off is none
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(IDX_TYPES[kind])
    expected = begin + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{os.fspath(filepath)} has {len(content)} bytes, but its shape {shape} needs "
            f"{expected}"
        )
    values = np.frombuffer(content, dtype, offset=begin).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def load_mnist(folder: Path_, *, raw: bool = False) -> tuple[Split, Split]:
    """Return a data set in MNIST's four files: MNIST itself, Fashion-MNIST, KMNIST.

    Args:
        folder: where ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two of
            ``t10k`` are, gzipped (``.gz``) or not.
        raw: return the images as the files have them, ``uint8`` of shape ``(n, 28, 28)``, instead
            of as input for a network.

    Returns:
        ``(x_train, y_train), (x_test, y_test)`` as from :func:`load_digits`: ``x`` of shape
        ``(n, 784)``, ``float32`` from 0 to 1; ``y`` the classes, ``int64``.

    Raises:
        FileNotFoundError: if a file is missing; the message names it.
        ValueError: if a file is damaged, or images and labels differ in number.
    """
    train, test = (_mnist_part(Path(folder), part, raw) for part in MNIST_PARTS)
    return train, test


def _mnist_part(folder: Path, part: str, raw: bool) -> Split:
    images = load_idx(_found(folder, f"{part}-images-idx3-ubyte"))
    labels = load_idx(_found(folder, f"{part}-labels-idx1-ubyte")).astype(np.int64)
    if len(images) != len(labels):
        raise ValueError(f"{folder} has {len(images)} images and {len(labels)} labels of {part}")
    if not raw:
        images = images.reshape(len(images), -1).astype(np.float32) / 255
    return images, labels


def _found(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{folder} has no file {name} and no {name}.gz")


def load_npz(filepath: Path_) -> tuple[Split, Split]:
    """Return a data set that NumPy saved, of the layout of Keras's ``mnist.npz``.

    Args:
        filepath: a file with the arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``, as they were saved.

    Raises:
        ValueError: if one is missing, or is of Python objects, which would run code.
        OSError: if the file cannot be read.
    """
    with np.load(filepath, allow_pickle=False) as arrays:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            if name not in arrays:
                raise ValueError(
                    f"{os.fspath(filepath)} has no array {name}, but {', '.join(arrays)}"
                )
        return (
            (arrays["x_train"], arrays["y_train"]),
            (arrays["x_test"], arrays["y_test"]),
        )


class Table(NamedTuple):
    """The table that :func:`load_csv` returns.

    Attributes:
        x: the features, ``(rows, columns)``; NaN where the file has nothing.
        y: the target, ``(rows,)``: numbers, or the classes' positions in ``classes``; None if
            there is no target.
        features: the names of x's columns, if the file has names, else empty.
        classes: the names of the classes, sorted, if the target is not of numbers, else empty.
    """

    x: NDArray[Any]
    y: NDArray[Any] | None
    features: list[str]
    classes: list[str]


def load_csv(
    filepath: Path_,
    target: int | str | None = -1,
    *,
    delimiter: str = ",",
    dtype: DTypeLike = "float32",
) -> Table:
    """Return a table of text as features and a target.

    The first row is taken for names if none of its fields is a number.

    Args:
        filepath: a text file, in UTF-8; fields may be quoted.
        target: the target's column, by its number or its name; None for none.
        delimiter: between two fields.
        dtype: of ``x``, and of ``y`` if that is of numbers with a fraction; whole numbers and
            classes are ``int64``.

    Raises:
        ValueError: if a row has more or fewer fields than the first, or a field of a feature is no
            number; the message has row and column. Or if there is no such target.
        OSError: if the file cannot be read.
    """
    with open(filepath, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if not rows:
        raise ValueError(f"{os.fspath(filepath)} is empty")
    names = [] if any(_is_number(field) for field in rows[0]) else [f.strip() for f in rows[0]]
    first = 1 if names else 0
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {i + 1} has {len(row)} fields, but row 1 has {len(rows[0])}")
    which = None if target is None else _column(target, names, len(rows[0]))
    columns = [j for j in range(len(rows[0])) if j != which]
    x = np.array(
        [[_number(row[j], i, j) for j in columns] for i, row in enumerate(rows) if i >= first],
        dtype,
    ).reshape(len(rows) - first, len(columns))
    features = [names[j] for j in columns] if names else []
    if which is None:
        return Table(x, None, features, [])
    y, classes = _target([row[which].strip() for row in rows[first:]], dtype)
    return Table(x, y, features, classes)


def _column(target: int | str, names: Sequence[str], count: int) -> int:
    if isinstance(target, str):
        if target not in names:
            raise ValueError(_names.unknown("target", target, dict.fromkeys(names)))
        return names.index(target)
    if not -count <= target < count:
        raise ValueError(f"target is {target}, but there are {count} columns")
    return target % count


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _number(field: str, row: int, column: int) -> float:
    if not field.strip():
        return math.nan
    try:
        return float(field)
    except ValueError:
        raise ValueError(
            f"row {row + 1} has {field!r} in column {column + 1}, expected a number"
        ) from None


def _target(fields: Sequence[str], dtype: DTypeLike) -> tuple[NDArray[Any], list[str]]:
    if all(map(_is_number, fields)):
        y = np.array([float(field) for field in fields])
        whole = bool((y == np.round(y)).all()) and bool((np.abs(y) < 2**53).all())
        return y.astype(np.int64 if whole else dtype), []
    classes, labels = np.unique(np.array(fields), return_inverse=True)
    return labels.astype(np.int64), classes.tolist()
