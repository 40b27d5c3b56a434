"""Arrays in a file of the safetensors format, and text beside them.

The format: eight bytes with the header's length, a header in JSON that gives each array's dtype,
shape and place, then the arrays, little-endian and in C order, without gaps. Nothing in it is code.
Source: https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unitgain.formats import atomic, foreign

__all__ = ["read", "read_bytes", "write", "write_bytes"]

_DTYPES = {
    "BOOL": "?", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
# NumPy has none: read and written as float32, of which it is the upper half.
_BFLOAT16 = "BF16"
# The safetensors library's limit, too.
_LONGEST_HEADER = 100_000_000

Arrays = dict[str, NDArray[Any]]


def write(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Any],
    text: Mapping[str, str],
    bfloat16: Collection[str] = (),
) -> None:
    """Write a file, or leave the one that was there: whoever reads sees one of them, whole.

    Args:
        path: where.
        arrays: by name.
        text: what goes into the header's ``__metadata__``.
        bfloat16: the names of arrays of float32 that are written as bfloat16, which holds them.

    Raises:
        TypeError: if an array's dtype has no name in the format.
        OSError: if the folder cannot be written.
    """
    atomic.write(path, _chunks(arrays, text, bfloat16))


def write_bytes(arrays: Mapping[str, Any], text: Mapping[str, str]) -> bytes:
    """Return what :func:`write` writes."""
    return b"".join(_chunks(arrays, text))


def read(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, str]]:
    """Return a file's arrays and text; those of bfloat16 as float32.

    Raises:
        ValueError: if the file is not of the format, in any respect; it names the format of
            another program's, if that is known.
        OSError: if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except (ValueError, IsADirectoryError):
        known = foreign.description(path)
        if known is None:
            raise
        raise ValueError(f"it is {known}") from None


def read_bytes(content: bytes) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays and text of what :func:`write_bytes` returned."""
    import io

    return _read(io.BytesIO(content), len(content))


def _chunks(
    arrays: Mapping[str, Any], text: Mapping[str, str], bfloat16: Collection[str] = ()
) -> Iterator[Any]:
    header: dict[str, Any] = {"__metadata__": dict(text)}
    contents = []
    end = 0
    for name, value in arrays.items():
        given = np.asarray(value)
        array = np.ascontiguousarray(given, given.dtype.newbyteorder("<")).reshape(given.shape)
        if array.dtype not in _NAMES:
            raise TypeError(f"{name} has dtype {given.dtype}, which safetensors files do not hold")
        dtype = _NAMES[array.dtype]
        if name in bfloat16:
            dtype, array = _BFLOAT16, (array.view(np.uint32) >> 16).astype("<u2")
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        contents.append(array)
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # so that the arrays begin at a multiple of 8
    yield len(encoded).to_bytes(8, "little")
    yield encoded
    for array in contents:
        yield array.reshape(-1).view(np.uint8).data if array.size else b""


def _read(file: BinaryIO, size: int) -> tuple[Arrays, dict[str, str]]:
    header, start = _read_header(file, size)
    text = header.pop("__metadata__", {})
    if not isinstance(text, dict) or not all(isinstance(value, str) for value in text.values()):
        raise ValueError("the file's __metadata__ does not map names to texts")
    places = {name: _place(name, entry, size - start) for name, entry in header.items()}
    _check_cover([place[2] for place in places.values()], size - start)
    arrays = {}
    for name, (dtype, shape, (begin, end)) in places.items():
        array = np.empty(shape, dtype)
        file.seek(start + begin)
        if end > begin and file.readinto(array.reshape(-1).view(np.uint8).data) != end - begin:  # type: ignore[attr-defined]
            raise ValueError(f"the file ends within {name!r}")
        arrays[name] = _widened(array) if header[name]["dtype"] == _BFLOAT16 else array
    return arrays, text


def _read_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    prefix = file.read(8)
    if len(prefix) < 8:
        raise ValueError(f"the file has {size} bytes, too few for the length of a header")
    length = int.from_bytes(prefix, "little")
    if length > min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"the header has {length} bytes by the file's word, of {size} in the file")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_repeats)
    except RecursionError:
        raise ValueError("the header is nested too deeply") from None
    except ValueError as error:  # of JSON, and of UTF-8
        raise ValueError(f"the header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise ValueError(f"the header is a {type(header).__name__}, expected names and places")
    return header, 8 + length


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _place(
    name: str, entry: Any, available: int
) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the header's entry {name!r} is not a dtype, a shape and data_offsets")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in (*_DTYPES, _BFLOAT16):
        known = ", ".join((*_DTYPES, _BFLOAT16))
        raise ValueError(f"{name!r} has dtype {code!r}, expected one of {known}")
    if not _is_counts(shape) or len(shape) > 32:
        raise ValueError(f"{name!r} has shape {shape!r}, expected a list of sizes")
    if not _is_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{name!r} has data_offsets {offsets!r}, expected two of at least 0")
    begin, end = offsets
    dtype = np.dtype(_DTYPES.get(code, "<u2"))
    if not begin <= end <= available:
        raise ValueError(f"{name!r} lies from {begin} to {end}, but there are {available} bytes")
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise ValueError(f"{name!r} of shape {shape} and {dtype} does not fill {end - begin} bytes")
    if any(size > 1 << 62 for size in shape):  # beside a size of 0
        raise ValueError(f"{name!r} has shape {shape}, which is too large")
    return dtype, tuple(shape), (begin, end)


def _widened(halves: NDArray[Any]) -> NDArray[Any]:
    """Return the float32 numbers whose upper halves are given, and the lower ones 0."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _is_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _check_cover(places: list[tuple[int, int]], size: int) -> None:
    """Raise ValueError if the arrays overlap, or leave bytes between or behind them."""
    at = 0
    for begin, end in sorted(places):
        if begin != at:
            raise ValueError(
                f"an array begins at {begin}, but the one before ends at {at}: they "
                + ("overlap" if begin < at else "leave a gap")
            )
        at = end
    if at != size:
        raise ValueError(f"the arrays end at {at}, but there are {size} bytes")
