"""Verdicts: which layers are sick, and of what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from unitgain.layers.merging import Add
from unitgain.layers.normalization import BatchNormalization
from unitgain.signals.limits import LIMITS
from unitgain.signals.measures import LayerSignals
from unitgain.signals.places import Place, gain_of, kernel_of

__all__ = ["Finding", "judge"]

# Activations that are flat on both sides.
FLAT_ON_BOTH_SIDES = ("hard_sigmoid", "relu6", "sigmoid", "softsign", "step", "tanh")
# Losses that take what these outputs are sure of: there saturation is what was asked for.
_FROM_SATURATED = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "kl_divergence",
    "sparse_categorical_crossentropy",
)
Finding = tuple[int, str, str]  # the place's number, the verdict, and its cause


def judge(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    likeness: Callable[[int], float],
    rows: int,
    loss_kinds: Sequence[str],
) -> list[Finding]:
    """Return what is wrong.

    Args:
        places: where the layers lie.
        layers: their signals.
        likeness: how like the rows are in front of a place, by its number.
        rows: of the batch.
        loss_kinds: the losses of the outputs.
    """
    found: list[Finding] = []
    broken = _not_finite(places, layers)
    if broken is not None:
        found.append((broken, "exploding", "not finite"))
    else:
        found += _faded_or_blown(places, layers)
    by_gains = {i for i, _, _ in found}
    explodes = any(verdict == "exploding" for _, verdict, _ in found)
    for i, layer in enumerate(layers):
        if not _is_fed(places, layers, i):
            continue  # whose fault lies in front
        if layer.copies:
            found.append((i, "symmetric", "copies"))
        if is_dying(places, layers, i, likeness, rows):
            found.append((i, "dying", "dead"))
        if _is_saturated(places, layers, i, loss_kinds):
            found.append((i, "saturated", "slope"))
        # Of gradients that explode on their way it is no news that a step is large.
        if not explodes and i not in by_gains and _is_overthrown(places[i], layer):
            found.append((i, "exploding", "update"))
    return found


def _is_overthrown(place: Place, layer: LayerSignals) -> bool:
    """Whether a step changes a kernel by much, which is no beginner of next to nothing."""
    kernel = kernel_of(place.layer)
    if kernel is None or not layer.update_ratio > LIMITS["update"].value:
        return False
    return gain_of(kernel) > LIMITS["beginner"].value


def _is_fed(places: Sequence[Place], layers: Sequence[LayerSignals], i: int) -> bool:
    """Whether anything but zeros comes in; to a kernel of zeros it makes no difference."""
    kernel = kernel_of(places[i].layer)
    if kernel is not None and not kernel.array.any():
        return True
    values = [layers[s].after for s in places[i].sources]
    return not values or any(v is None or v.zeros < 1 for v in values)


def _not_finite(places: Sequence[Place], layers: Sequence[LayerSignals]) -> int | None:
    """Return the first place whose values are not finite, else the last whose gradient is not."""
    for i, layer in enumerate(layers):
        for values in (layer.before, layer.after):
            if values is not None and not values.is_finite:
                return i
    for i in reversed(range(len(layers))):
        norm = layers[i].gradient_norm
        if math.isinf(norm) or (math.isnan(norm) and layers[i].gradient_variance == math.inf):
            return i
    return None


# ---- vanishing and exploding ----


def _faded_or_blown(places: Sequence[Place], layers: Sequence[LayerSignals]) -> list[Finding]:
    """Blame layers for what vanishes or explodes somewhere on the way.

    Somewhere is where it matters: in front of a layer with weights, or at its gradient. To blame
    are those that lie between there and where the signal comes from, and have the gains for it.
    """
    reference = max(
        (v.after.spread for v, p in zip(layers, places, strict=True) if v.after and not p.inputs),
        default=1.0,
    )
    # Inputs of any scale, behind which normalisation sets its own, are no fault of a layer.
    forward = _Bounds(min(1.0, reference), max(1.0, reference))
    backward = _Bounds(1.0, 1.0)
    weighted = [i for i, p in enumerate(places) if p.layer is not None and p.layer.weights]
    in_front = {i: _spread_in_front(places[i], layers) for i in weighted}
    ill_forward = {i: v for i in weighted if (v := forward.verdict(in_front[i]))}
    ill_backward = {i: v for i in weighted if (v := backward.verdict(layers[i].backward_total))}
    blamed: dict[tuple[int, str], None] = {}
    if not ill_forward and not ill_backward:
        return []
    above = _reachable(places)
    for i, verdict in ill_forward.items():
        on_the_way = [s for s in range(len(places)) if i in above[s]]
        _blame(blamed, verdict, {s: layers[s].forward_gain for s in on_the_way})
    for i, verdict in ill_backward.items():
        if verdict == "vanishing" and _is_bypassed(places, above, i):
            continue
        fresh = [s for s in above[i] if _is_fresh(places, layers, s)]
        if fresh and layers[i].gradient_norm == 0:
            continue  # what a kernel of zeros lets through next comes with its first step
        _blame(blamed, verdict, {s: layers[s].backward_gain for s in above[i]})
    return [(i, verdict, "gains") for i, verdict in blamed]


class _Bounds(NamedTuple):
    """The signal that another is compared with."""

    low: float
    high: float

    def verdict(self, signal: float) -> str:
        """Return ``vanishing``, ``exploding``, or nothing."""
        if signal < LIMITS["vanished"].value * self.low:
            return "vanishing"
        return "exploding" if signal > LIMITS["exploded"].value * self.high else ""


def _spread_in_front(place: Place, layers: Sequence[LayerSignals]) -> float:
    values = [layers[s].after for s in place.sources]
    return max((v.spread for v in values if v is not None), default=math.nan)


def _is_bypassed(places: Sequence[Place], above: Sequence[set[int]], i: int) -> bool:
    """Whether a sum behind the place has another part, from the same origin, that goes around it.

    Signals take that way, and a branch may begin at next to nothing, as residual branches do
    (Zhang, Dauphin and Ma, "Fixup initialization", ICLR 2019).
    """
    origins = [a for a in range(len(places)) if i in above[a]]
    return any(
        s != i and s not in above[i] and any(s == a or s in above[a] for a in origins)
        for end in above[i]
        if isinstance(places[end].layer, Add)
        for s in places[end].sources
    )


def _is_fresh(places: Sequence[Place], layers: Sequence[LayerSignals], i: int) -> bool:
    """Whether a kernel is all zeros with a gradient, as the last of a residual branch may be."""
    kernel = kernel_of(places[i].layer)
    return layers[i].kernel_gradient_norm > 0 and kernel is not None and not kernel.array.any()


def _blame(blamed: dict[tuple[int, str], None], verdict: str, gains: Mapping[int, float]) -> None:
    """Add the layers whose gains make a good part of what has vanished or exploded.

    If one layer has half of it, those that have a quarter of what that one has; else all that have
    half of the mean.
    """
    sign = -1 if verdict == "vanishing" else 1
    logs = {i: sign * _log(gain) for i, gain in gains.items() if not math.isnan(gain)}
    total = sum(max(log, 0) for log in logs.values())
    largest = max(logs.values(), default=0.0)
    if largest <= 0:
        return
    least = largest / 4 if 2 * largest >= total else total / (2 * len(logs))
    for i, log in logs.items():
        if log >= least:
            blamed[i, verdict] = None


def _log(gain: float) -> float:
    return math.log(min(max(gain, 1e-30), 1e30))


def _reachable(places: Sequence[Place]) -> list[set[int]]:
    """Return for each place those that its values lead to."""
    above: list[set[int]] = [set() for _ in places]
    for i in reversed(range(len(places))):
        for source in places[i].sources:
            above[source] |= above[i] | {i}
    return above


# ---- dead and saturated units ----


def is_dying(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    i: int,
    likeness: Callable[[int], float],
    rows: int,
) -> bool:
    """Whether more units are dead than the likeness of the rows explains."""
    layer = layers[i]
    if layer.dead_share < LIMITS["dead"].value:
        return False
    expected = dead_by_chance(round(_likeness_in_front(places, i, likeness), 2), math.isqrt(rows))
    deviation = math.sqrt(expected * (1 - expected) / layer.units)
    limit = max(LIMITS["dead"].value, expected + LIMITS["dead_deviations"].value * deviation)
    return layer.dead_share >= min(limit, 1.0)


def _likeness_in_front(places: Sequence[Place], i: int, likeness: Callable[[int], float]) -> float:
    """Return that of the rows in front of the weights which an activation's values come from."""
    while len(places[i].sources) == 1 and not places[i].layer.weights:
        if isinstance(places[i].layer, BatchNormalization):
            break
        i = places[i].sources[0]
    return 0.0 if isinstance(places[i].layer, BatchNormalization) else likeness(i)


@lru_cache(maxsize=512)
def dead_by_chance(likeness: float, rows: int) -> float:
    """Return how likely random weights leave a unit at 0 for all rows, see ``LIMITS["dead"]``."""
    if likeness > LIMITS["alike"].value or rows < 2:
        return 0.5
    slope = math.sqrt(likeness / (1 - likeness))
    step = 0.05
    total = 0.0
    for k in range(-100, 101):
        t = k * step
        below = 0.5 * math.erfc(slope * t / math.sqrt(2))
        total += math.exp(-0.5 * t * t) * below**rows
    return total * step / math.sqrt(2 * math.pi)


def _is_saturated(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    i: int,
    loss_kinds: Sequence[str],
) -> bool:
    values = layers[i].after
    if values is None or math.isnan(values.saturated):
        return False
    if layers[i].activation in ("relu", "leaky_relu", "linear"):
        return False  # whose dead units are counted, or which have none
    is_end = all(i not in place.sources for place in places)
    if is_end and loss_kinds and all(kind in _FROM_SATURATED for kind in loss_kinds):
        return False
    both = layers[i].activation in FLAT_ON_BOTH_SIDES
    return values.saturated > LIMITS["saturated" if both else "saturated_one_side"].value
