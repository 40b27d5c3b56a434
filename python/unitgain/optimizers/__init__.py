"""Optimizers: how a step changes the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unitgain import _names
from unitgain._configurable import serialize
from unitgain.optimizers import adam, adaptive, loss_scale, muon, schedules, sgd

from .adam import *
from .adaptive import *
from .base import Optimizer
from .loss_scale import *
from .muon import *
from .registry import TABLE, find
from .sgd import *

__all__ = ["Optimizer", "deserialize", "get", "schedules", "serialize"]
__all__ += adam.__all__
__all__ += adaptive.__all__
__all__ += loss_scale.__all__
__all__ += muon.__all__
__all__ += sgd.__all__

TABLE.update(
    {name.lower(): kind for name, kind in _names.classes_of(globals(), __all__, Optimizer).items()}
)


def get(optimizer: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """Return the optimizer of that name (in any case), of that configuration, or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor an optimizer.
    """
    return find(optimizer)


deserialize = _names.deserializer("optimizer", get)
