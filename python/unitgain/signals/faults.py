"""Faults that show in how a model is built and fed, rather than in its signals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.layers.discretization import Discretization
from unitgain.layers.embedding import Embedding
from unitgain.layers.encoding import CategoryEncoding
from unitgain.layers.hashing import Hashing
from unitgain.layers.lookup import IntegerLookup
from unitgain.layers.normalization import BatchNormalization
from unitgain.layers.preprocessing import Rescaling
from unitgain.layers.regularization import Dropout
from unitgain.signals.limits import LIMITS
from unitgain.signals.measures import LayerSignals, Measured
from unitgain.signals.places import Place, activation_of, is_softmax, kernel_of, normalizes

__all__ = ["Fault", "faults_of_structure", "faults_of_targets", "unstandardised"]

Fault = tuple[int, str]  # the place's number, and what to do

_FROM_LOGITS_ENDS = {
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
}
# The range of an activation's outputs.
_RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
_ROUNDING = 1e-5
# Layers that scale their inputs, or take them for numbers of categories.
_TAKES_ANY_SCALE = (CategoryEncoding, Discretization, Embedding, Hashing, IntegerLookup, Rescaling)


def faults_of_structure(
    places: Sequence[Place], losses: Sequence[tuple[int, Any]], rows: int
) -> Iterator[Fault]:
    """Yield what is wrong with how layers follow each other.

    Args:
        places: where the layers lie.
        losses: the place of each output that has a loss, and the loss.
        rows: of a batch.
    """
    for i, place in enumerate(places):
        layer = place.layer
        sources = [places[s].layer for s in place.sources]
        if is_softmax(layer) and any(map(is_softmax, sources)) and not _has_kernel(layer):
            yield (
                i,
                "softmax twice: what comes in is a softmax's already; leave one of the two out",
            )
        takes_batch = isinstance(layer, BatchNormalization) and place.training is not False
        if takes_batch and rows * _rows(place) == 1:
            yield (
                i,
                "batch norm with a batch of 1: of one row the mean is the row itself, and nothing "
                "is left of it; take larger batches, or LayerNormalization",
            )
        is_behind = any(map(normalizes, sources))
        if activation_of(layer) == "selu" and (
            _is_normalised(places, i) if _has_kernel(layer) else is_behind
        ):
            yield i, _SELU_NORMALISED
        drops = type(layer) is Dropout and layer.rate > 0
        if drops and any(activation_of(source) == "selu" for source in sources):
            yield (
                i,
                "dropout behind SELU moves its mean and variance: take AlphaDropout "
                "(Klambauer et al., NIPS 2017)",
            )
    for i, loss in losses:
        end = _FROM_LOGITS_ENDS.get(loss.kind)
        activation = activation_of(places[i].layer)
        if getattr(loss, "from_logits", False) and end == activation:
            yield (
                i,
                f"{end} twice: the loss has from_logits=True and applies another; leave out the "
                f"layer's, or from_logits",
            )


_SELU_NORMALISED = (
    "SELU behind batch norm: SELU normalises by itself, from weights of variance 1 / inputs; leave "
    "the normalisation out, or take ReLU"
)


def _is_normalised(places: Sequence[Place], i: int) -> bool:
    """Whether a normalisation lies behind the layer's own activation, in front of the next one."""
    readers = [j for j, place in enumerate(places) if i in place.sources]
    return any(normalizes(places[j].layer) for j in readers)


def _has_kernel(layer: Any) -> bool:
    return kernel_of(layer) is not None


def _rows(place: Place) -> int:
    return int(np.prod(place.shape[:-1], dtype=int))


def faults_of_targets(
    places: Sequence[Place], losses: Sequence[tuple[int, Any]], targets: Sequence[Any]
) -> Iterator[Fault]:
    """Yield the outputs whose labels, or targets, they cannot be.

    Args:
        places: where the layers lie.
        losses: the place of each output that has a loss, and the loss.
        targets: what is wanted of each of them, as the user gave it; None: not known.
    """
    for (i, loss), given in zip(losses, targets, strict=True):
        values = None if given is None else np.asarray(given)
        if values is None or values.dtype.kind not in "biuf" or not values.size:
            continue
        fault = _fault_of_labels(values, loss, places[i])
        if fault:
            yield i, fault


def _fault_of_labels(values: NDArray[Any], loss: Any, place: Place) -> str | None:
    if loss.takes_labels:
        classes = place.shape[-1]
        seen = values[values != loss.ignore_class] if _ignores(loss) else values
        if seen.size and (seen.min() < 0 or seen.max() >= classes or (seen % 1 != 0).any()):
            return (
                f"labels out of range: they run from {seen.min()} to {seen.max()}, but the output "
                f"has {classes} classes, whose labels are whole numbers from 0 to {classes - 1}"
            )
        return None
    low, high = float(values.min()), float(values.max())
    bounds = _RANGES.get(activation_of(place.layer))
    if loss.kind in _FROM_LOGITS_ENDS:
        bounds = (0.0, 1.0)
    if loss.kind in ("hinge", "squared_hinge", "categorical_hinge"):
        bounds = None
    if bounds is not None and (low < bounds[0] - _ROUNDING or high > bounds[1] + _ROUNDING):
        return (
            f"labels out of range: they run from {low:.3g} to {high:.3g}, but {place.name} can be "
            f"from {bounds[0]:g} to {bounds[1]:g} only"
        )
    return None


def _ignores(loss: Any) -> bool:
    return getattr(loss, "ignore_class", None) is not None


def unprobable(
    places: Sequence[Place], losses: Sequence[tuple[int, Any]], layers: Sequence[LayerSignals]
) -> Iterator[Fault]:
    """Yield the outputs that a loss takes for probabilities, which they are not."""
    for i, loss in losses:
        end = _FROM_LOGITS_ENDS.get(loss.kind)
        values = layers[i].after
        if end is None or values is None or getattr(loss, "from_logits", False):
            continue
        if values.smallest < -_ROUNDING or values.largest > 1 + _ROUNDING:
            yield (
                i,
                f"{loss.name} takes probabilities, but the outputs run from {values.smallest:.3g} "
                f"to {values.largest:.3g}: end the model with {end}, or give the loss "
                f"from_logits=True",
            )


def unstandardised(places: Sequence[Place], nodes: dict[int, Measured]) -> Iterator[Fault]:
    """Yield the inputs that are far from mean 0 and variance 1, unless a layer sees to that."""
    for i, place in enumerate(places):
        node = nodes.get(place.output)
        if place.inputs or node is None:
            continue
        readers = [p.layer for p in places if i in p.sources]
        if readers and all(normalizes(r) or isinstance(r, _TAKES_ANY_SCALE) for r in readers):
            continue
        columns = np.sqrt(node.values[1] / node.rows)
        largest, whole = float(columns.max()), float(np.sqrt((columns**2).mean()))
        if largest > LIMITS["input_large"].value:
            which = int(columns.argmax())
            yield (
                i,
                f"inputs not standardised: column {which} has a root mean square of "
                f"{largest:.3g}; begin with layers.Normalization, or divide by the deviation",
            )
        elif 0 < whole < LIMITS["input_small"].value:
            yield (
                i,
                f"inputs not standardised: their root mean square is {whole:.3g}; begin with "
                f"layers.Normalization, or divide by the deviation",
            )
