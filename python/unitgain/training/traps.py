"""Data on which training goes on without a word, and comes to nothing: warnings."""

from __future__ import annotations

from typing import Any

import numpy as np

from unitgain._arrays import SparseRows
from unitgain._warnings import warn
from unitgain.graph.structure import Arrays
from unitgain.training.feeding import Samples, dense

__all__ = ["warn_of_infinite", "warn_of_logits"]

# How many samples are looked at, at a time.
_ROWS = 32
_BLOCK = 4096
# The activations whose outputs are what a loss takes.
_ENDS = {
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
    "sparse_categorical_crossentropy": "softmax",
}
# How far rounding takes a probability out of [0, 1].
_ROUNDING = 1e-5


def warn_of_logits(model: Any, network: Any, x: Any) -> None:
    """Warn if a loss of probabilities is given outputs outside [0, 1], once for each ``compile``.

    Args:
        model: a compiled model.
        network: its native network, or the part of it that ``x`` goes into.
        x: inputs, of which the first are looked at.
    """
    if not model._is_unseen or len(x) == 0:
        return
    model._is_unseen = False
    losses = model._output_losses()
    if not any(map(_takes_probabilities, losses)):
        return
    outputs = network.predict(dense(x[:_ROWS]), _ROWS)
    for loss, values in zip(losses, outputs if len(losses) > 1 else [outputs], strict=True):
        if not _takes_probabilities(loss) or not values.size:
            continue
        low, high = values.min(), values.max()
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            instead = ", or give the loss from_logits=True" if hasattr(loss, "from_logits") else ""
            warn(
                f"{loss.name} takes probabilities, but the outputs run from {low:.3g} to "
                f"{high:.3g}: end the model with {_ENDS[loss.kind]}{instead}"
            )


def _takes_probabilities(loss: Any) -> bool:
    return loss is not None and loss.kind in _ENDS and not getattr(loss, "from_logits", False)


def warn_of_infinite(samples: Samples) -> None:
    """Warn of the first value that is not finite, if there is one."""
    named = {"x": samples.x, "y": samples.y, "sample_weight": samples.weights}
    for name, given in named.items():
        for i, part in enumerate(given if isinstance(given, Arrays) else [given]):
            found = None if part is None else _not_finite(part)
            if found is not None:
                label = f"{name}[{i}]" if isinstance(given, Arrays) else name
                warn(
                    f"{label} has {found[0]} in column {found[1]}, and so the loss is not finite: "
                    "fill in such values, or leave out their rows"
                )
                return


def _not_finite(array: Any) -> tuple[float, int] | None:
    """Return the first value that is not finite, and its column."""
    if array.dtype.kind != "f":
        return None
    for first in range(0, len(array), _BLOCK):
        block = array[first : first + _BLOCK]
        block = block.dense() if isinstance(block, SparseRows) else block
        places = np.argwhere(~np.isfinite(block))
        if len(places):
            return float(block[tuple(places[0])]), int(places[0][1])
    return None
