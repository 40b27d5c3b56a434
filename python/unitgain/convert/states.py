"""States of other programs' optimizers, for optimizers of models that are converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.variables import Variable

__all__ = ["Slots", "go_on"]

# The arrays that an optimizer keeps for a variable, by its name: ``momentum``, ``velocity`` ...
Slots = Mapping[str, NDArray[Any]]


def go_on(model: Any, iterations: int, slots: Sequence[tuple[Variable, Slots]]) -> None:
    """Let a compiled model's optimizer go on where another program's was.

    Args:
        model: the model.
        iterations: the steps that the other one has done.
        slots: what it keeps for each variable; those that are left out start at 0.

    Raises:
        ValueError: if it keeps anything else than the model's optimizer, or of another shape.
    """
    model._own_optimizer()
    optimizer = model.optimizer
    given = {id(variable): kept for variable, kept in slots}
    arrays = [np.array(iterations), np.array(float(optimizer.learning_rate))]
    owned = zip(optimizer._trainable, optimizer._native.state(), strict=True)
    for variable, values in owned:
        kept = given.get(id(variable))
        if kept is None:
            arrays += [array for _, array in values]
            continue
        names = [name for name, _ in values]
        if set(names) != kept.keys():
            raise ValueError(
                f"the state for {variable.name} has {', '.join(kept) or 'nothing'}, but "
                f"{type(optimizer).__name__} keeps {', '.join(names) or 'nothing'}"
            )
        arrays += [kept[name] for name in names]
    optimizer.set_weights(arrays)
