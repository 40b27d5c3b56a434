"""Callbacks' state as JSON and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unitgain.formats.document import Arrays

__all__ = ["packed", "unpacked"]


def packed(value: Any, name: str, arrays: Arrays) -> Any:
    """Return a value as JSON can hold it; its arrays are put into ``arrays`` under names of theirs.

    Args:
        value: a number, text, None, a NumPy array, or a list, tuple or dict of these.
        name: what the value is called.
        arrays: those that go with the JSON.

    Raises:
        TypeError: if a value is of another type, or a key is no text.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        arrays[name] = np.array(value)
        return {"array" if isinstance(value, np.ndarray) else "scalar": name}
    if isinstance(value, list | tuple):
        return [packed(item, f"{name}/{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"items": {k: packed(item, f"{name}/{k}", arrays) for k, item in value.items()}}
    raise TypeError(
        f"{name} is of type {type(value).__name__}, expected numbers, text, None, NumPy arrays, "
        f"and lists and dicts of these with text as keys"
    )


def unpacked(value: Any, arrays: Arrays) -> Any:
    """Return what :func:`packed` was given: tuples as lists, arrays as copies."""
    if isinstance(value, list):
        return [unpacked(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "items" in value:
        return {key: unpacked(item, arrays) for key, item in value["items"].items()}
    if "scalar" in value:
        return arrays[value["scalar"]][()]
    return np.array(arrays[value["array"]])
