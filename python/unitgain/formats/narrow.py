"""Weights in fewer bits than float32: bfloat16, and int8 with a scale for each column."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _native
from unitgain.formats.document import Arrays, Document

__all__ = ["WEIGHTS_DTYPES", "as_bfloat16", "expanded", "quantized"]

WEIGHTS_DTYPES = ("float32", "bfloat16", "int8")
# Where a description says which array has the scales of another, whose values are int8.
_SCALES = "scales"


def as_bfloat16(array: NDArray[Any]) -> NDArray[Any]:
    """Return the nearest numbers that bfloat16 holds, in float32; ties go to the even one."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + (bits >> 16 & 1))) & np.uint32(0xFFFF0000)
    nan = (bits & 0xFFFF0000) | 0x400000
    return np.where(np.isnan(array), nan, rounded).astype(np.uint32).view(np.float32)


def quantized(
    document: Document, arrays: Mapping[str, NDArray[Any]], names: Collection[str]
) -> tuple[Document, Arrays]:
    """Return a document some of whose matrices are int8, each with an array of its scales.

    Args:
        document: a description.
        arrays: by name.
        names: of those to quantize, of float32.

    Raises:
        ValueError: if one has values that are not finite.
    """
    found = {name: array for name, array in arrays.items() if name not in names}
    narrow: Arrays = {}
    scales = {}
    for name in names:
        place = f"{name}:{_SCALES}"
        while place in arrays:
            place += "_"
        narrow[name], found[place] = _native.quantize_columns(arrays[name], name)
        scales[name] = place
    return {**document, _SCALES: scales}, found | narrow  # the widest first: all are aligned


def expanded(document: Document, arrays: Arrays) -> None:
    """Put float32 matrices in the place of those that :func:`quantized` made; exactly equal ones.

    Raises:
        ValueError: if an array or its scales are missing, or do not fit.
    """
    scales = document.pop(_SCALES, {})
    if not isinstance(scales, dict):
        raise ValueError("scales does not map names of arrays to names of arrays")
    for name, place in scales.items():
        if name not in arrays or place not in arrays:
            raise ValueError(f"there is no array {name!r}, or none of its scales {place!r}")
        values, factors = arrays[name], arrays[place]
        fits = values.ndim == 2 and factors.shape == values.shape[1:]
        if not fits or values.dtype != np.int8 or factors.dtype != np.float32:
            raise ValueError(
                f"{name!r} is {values.dtype} of shape {values.shape}, and its scales are "
                f"{factors.dtype} of shape {factors.shape}: expected an int8 matrix and a float32 "
                "number for each column"
            )
    for name, place in scales.items():
        arrays[name] = arrays[name].astype(np.float32) * arrays[place]
    for place in set(scales.values()):
        del arrays[place]
