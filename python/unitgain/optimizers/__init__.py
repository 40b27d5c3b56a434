"""Optimizers: how a step changes the weights."""

from __future__ import annotations

from collections.abc import Callable

from unitgain import _names

from .adam import Adam, Adamax, AdamW, Nadam
from .adaptive import Adadelta, Adagrad, RMSprop
from .base import Optimizer
from .muon import Muon
from .sgd import SGD, Lion

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Muon", "Nadam", "Optimizer",
    "RMSprop", "get",
]  # fmt: skip

_CLASSES: tuple[type[Optimizer], ...] = (
    SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, Adamax, Nadam, Lion, Muon,
)  # fmt: skip
_TABLE: dict[str, Callable[[], Optimizer]] = {kind.__name__.lower(): kind for kind in _CLASSES}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimizer of that name (in any case), or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor an optimizer.
    """
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    return _names.resolve("optimizer", name, _TABLE, Optimizer)
