"""The native classes behind graphs, for networks of float32 and of float64."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from unitgain import _native
from unitgain.graph.tensors import SampleShape

if TYPE_CHECKING:
    from unitgain._native import _Graph, _Network, _NetworkTypes, _Parameter

__all__ = [
    "NativeGraph",
    "NativeNetwork",
    "NativeParameter",
    "NativeTypes",
    "native",
    "rows_and_cols",
]

NativeGraph: TypeAlias = "_Graph"
NativeNetwork: TypeAlias = "_Network"
NativeParameter: TypeAlias = "_Parameter"
NativeTypes: TypeAlias = "_NetworkTypes"


def native(dtype: str) -> NativeTypes:
    """Return the native classes for float32 or float64 networks."""
    types: NativeTypes = getattr(_native, dtype)
    return types


def rows_and_cols(shape: SampleShape) -> tuple[int, int]:
    """Return one sample as the native graph sees it: rows along which layers repeat, features."""
    return math.prod(shape[:-1]), shape[-1]
