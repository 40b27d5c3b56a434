"""Optimizers by name: the table that the package fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names

from .base import Optimizer

__all__ = ["TABLE", "find"]

TABLE: dict[str, Callable[[], Optimizer]] = {}


def find(optimizer: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """Return the optimizer of that name (in any case), of that configuration, or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor an optimizer.
    """
    return _names.resolve("optimizer", optimizer, TABLE, Optimizer, str.lower)
