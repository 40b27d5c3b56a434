"""Verdicts: which layers are sick, and of what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from unitgain.layers.normalization import BatchNormalization
from unitgain.signals.limits import LIMITS
from unitgain.signals.measures import LayerSignals
from unitgain.signals.places import Place

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
    likenesses: Sequence[float],
    rows: int,
    loss_kinds: Sequence[str],
) -> list[Finding]:
    """Return what is wrong.

    Args:
        places: where the layers lie.
        layers: their signals.
        likenesses: how like the rows are in front of each.
        rows: of the batch.
        loss_kinds: the losses of the outputs.
    """
    found: list[Finding] = []
    broken = _not_finite(places, layers)
    if broken is not None:
        found.append((broken, "exploding", "not finite"))
    else:
        found += _faded_or_blown(places, layers)
    for i, layer in enumerate(layers):
        if layer.copies:
            found.append((i, "symmetric", "copies"))
        if is_dying(places, layers, i, likenesses, rows):
            found.append((i, "dying", "dead"))
        if _is_saturated(places, layers, i, loss_kinds):
            found.append((i, "saturated", "slope"))
        if layer.update_ratio > LIMITS["update"].value:
            found.append((i, "exploding", "update"))
    return found


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
    above = _reachable(places)
    reference = max(
        (v.after.spread for v, p in zip(layers, places, strict=True) if v.after and not p.inputs),
        default=1.0,
    )
    weighted = [i for i, p in enumerate(places) if p.layer is not None and p.layer.weights]
    blamed: dict[tuple[int, str], None] = {}
    for i in weighted:
        spread = max(
            (v.spread for s in places[i].sources if (v := layers[s].after) is not None),
            default=math.nan,
        )
        # Inputs of any scale, behind which normalisation sets its own, are no fault of a layer.
        low, high = min(1.0, reference), max(1.0, reference)
        on_the_way = [s for s in range(len(places)) if i in above[s]]
        gains = {s: layers[s].forward_gain for s in on_the_way}
        _blame(blamed, spread, low, high, gains)
    for i in weighted:
        on_the_way = [s for s in above[i]] + [i]
        gains = {s: layers[s].backward_gain for s in on_the_way if not _is_fresh(places, layers, s)}
        if len(gains) < len(on_the_way) and layers[i].gradient_norm == 0:
            continue  # what a kernel of zeros lets through next comes with its first step
        _blame(blamed, layers[i].backward_total, 1.0, 1.0, gains, own=i)
    return [(i, verdict, "gains") for i, verdict in blamed]


def _is_fresh(places: Sequence[Place], layers: Sequence[LayerSignals], i: int) -> bool:
    """Whether a kernel is all zeros with a gradient, as the last of a residual branch may be."""
    return layers[i].condition == math.inf and (
        layers[i].kernel_gradient_norm > 0
        and places[i].layer is not None
        and not places[i].layer.kernel.array.any()
    )


def _blame(
    blamed: dict[tuple[int, str], None],
    signal: float,
    low: float,
    high: float,
    gains: dict[int, float],
    own: int | None = None,
) -> None:
    if signal < LIMITS["vanished"].value * low:
        verdict, sign, worst = "vanishing", -1, LIMITS["shrinks"].value
    elif signal > LIMITS["exploded"].value * high:
        verdict, sign, worst = "exploding", 1, LIMITS["grows"].value
    else:
        return
    logs = {i: _log(gain) for i, gain in gains.items() if i != own and not math.isnan(gain)}
    total = sum(max(sign * log, 0) for log in logs.values())
    for i, log in logs.items():
        if sign * log > abs(math.log(worst)) and sign * log * 2 * len(logs) >= total:
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
    likenesses: Sequence[float],
    rows: int,
) -> bool:
    """Whether more units are dead than the likeness of the rows explains."""
    layer = layers[i]
    if not layer.dead:
        return False
    expected = dead_by_chance(round(_likeness_in_front(places, i, likenesses), 2), math.isqrt(rows))
    deviation = math.sqrt(expected * (1 - expected) / layer.units)
    limit = max(LIMITS["dead"].value, expected + LIMITS["dead_deviations"].value * deviation)
    return layer.dead_share >= min(limit, 1.0)


def _likeness_in_front(places: Sequence[Place], i: int, likenesses: Sequence[float]) -> float:
    """Return that of the rows in front of the weights which an activation's values come from."""
    while len(places[i].sources) == 1 and not places[i].layer.weights:
        if isinstance(places[i].layer, BatchNormalization):
            break
        i = places[i].sources[0]
    return 0.0 if isinstance(places[i].layer, BatchNormalization) else likenesses[i]


@lru_cache(maxsize=512)
def dead_by_chance(likeness: float, rows: int) -> float:
    """Return how likely random weights leave a unit at 0 for all rows, see ``LIMITS["dead"]``."""
    if likeness >= 1 or rows < 2:
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


