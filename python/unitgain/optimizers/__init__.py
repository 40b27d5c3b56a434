"""Optimizers: how a step changes the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._config import serialize
from unitgain.optimizers import schedules

from .adam import Adam, Adamax, AdamW, Lamb, Nadam
from .adaptive import Adadelta, Adafactor, Adagrad, Ftrl, RMSprop
from .base import Optimizer
from .loss_scale import LossScaleOptimizer
from .muon import Muon
from .registry import TABLE, find
from .sgd import SGD, Lion

__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion",
    "LossScaleOptimizer", "Muon", "Nadam", "Optimizer", "RMSprop", "deserialize", "get",
    "schedules", "serialize",
]  # fmt: skip

_CLASSES: tuple[Callable[..., Optimizer], ...] = (
    SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, Adamax, Nadam, Lion, Muon, Lamb, Ftrl, Adafactor,
    LossScaleOptimizer,
)  # fmt: skip
TABLE.update({kind.__name__.lower(): kind for kind in _CLASSES})


def get(optimizer: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """Return the optimizer of that name (in any case), of that configuration, or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor an optimizer.
    """
    return find(optimizer)


deserialize = _names.deserializer("optimizer", get)
