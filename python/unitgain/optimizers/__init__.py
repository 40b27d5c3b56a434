"""Optimizers: how a step changes the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._config import serialize
from unitgain.optimizers import schedules

from .adam import Adam, Adamax, AdamW, Nadam
from .adaptive import Adadelta, Adagrad, RMSprop
from .base import Optimizer
from .muon import Muon
from .sgd import SGD, Lion

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Muon", "Nadam", "Optimizer",
    "RMSprop", "deserialize", "get", "schedules", "serialize",
]  # fmt: skip

_CLASSES: tuple[type[Optimizer], ...] = (
    SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, Adamax, Nadam, Lion, Muon,
)  # fmt: skip
_TABLE: dict[str, Callable[[], Optimizer]] = {kind.__name__.lower(): kind for kind in _CLASSES}


def get(optimizer: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """Return the optimizer of that name (in any case), of that configuration, or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor an optimizer.
    """
    return _names.resolve("optimizer", optimizer, _TABLE, Optimizer, str.lower)


deserialize = _names.deserializer("optimizer", get)
