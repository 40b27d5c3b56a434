"""Advice for a verdict, by the model's layers and settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from unitgain import initializers
from unitgain.signals.measures import LayerSignals
from unitgain.signals.places import Place, activation_of, gain_of, kernel_of, normalizes

__all__ = ["Case", "advise"]

_SQUASHING = ("sigmoid", "hard_sigmoid", "tanh", "softsign")
_GLOROT = (
    initializers.GlorotNormal,
    initializers.GlorotUniform,
    initializers.FourfoldGlorotNormal,
    initializers.FourfoldGlorotUniform,
)
_HE = (initializers.HeNormal, initializers.HeUniform)
_LECUN = (initializers.LecunNormal, initializers.LecunUniform)


@dataclass
class Case:
    """A sick layer as the rules see it.

    Attributes:
        verdict: what is wrong.
        cause: what showed it.
        signals: the layer's signals.
        layer: the layer.
        activation: the activation behind its weights, which may be another layer's.
        initializer: of its kernel; None without one.
        gain: the deviation of the kernel's values, times the root of the number of inputs.
        is_large: whether the model's inputs are far from standardised.
    """

    verdict: str
    cause: str
    signals: LayerSignals
    layer: Any
    activation: str
    initializer: Any
    gain: float
    is_large: bool


# Each rule: the verdicts and a cause that it is for (None: any), the test, and the advice. All that
# hold are given, in this order; the last of a verdict holds where no other does.
Rule = tuple[tuple[str, ...], str | None, Callable[[Case], bool], str]
_RULES: tuple[Rule, ...] = (
    (
        ("exploding",),
        "update",
        lambda c: True,
        "a step changes the kernel by half of itself or more: the learning rate is too high; "
        "divide it by ten, or ask ug.find_learning_rate",
    ),
    (
        ("exploding", "vanishing", "saturated", "dying"),
        None,
        lambda c: c.is_large and c.cause != "update",
        "the inputs are not standardised: begin with layers.Normalization, or divide them by "
        "their deviation",
    ),
    (
        ("saturated", "vanishing", "exploding"),
        "any",
        lambda c: c.activation in _SQUASHING and c.gain > 2,
        "the kernel's gain is {c.gain:.2g} (its deviation times the root of the inputs): take "
        "kernel_initializer='glorot_uniform' (Glorot), or ug.initializers.calibrate",
    ),
    (
        ("vanishing",),
        "gains",
        lambda c: _rectifies(c.activation) and isinstance(c.initializer, (*_GLOROT, *_LECUN)),
        "{c.activation} lets half of the signal through, which weights by "
        "{kind} do not make up for: take kernel_initializer='he_normal' (He)",
    ),
    (
        ("vanishing", "exploding", "saturated"),
        "any",
        lambda c: c.activation == "selu" and not isinstance(c.initializer, _LECUN),
        "SELU keeps a signal with weights of variance 1 / inputs alone: take "
        "kernel_initializer='lecun_normal' (LeCun)",
    ),
    (
        ("vanishing", "exploding"),
        "gains",
        lambda c: (
            c.initializer is not None
            and (c.gain < 0.5 or c.gain > 2.5)
            and not isinstance(c.initializer, (*_GLOROT, *_HE, *_LECUN))
        ),
        "the kernel's gain is {c.gain:.2g} (its deviation times the root of the inputs), expected "
        "about {expected}: take kernel_initializer='auto', or ug.initializers.calibrate",
    ),
    (
        ("vanishing",),
        "gains",
        lambda c: c.activation in ("sigmoid", "hard_sigmoid"),
        "a sigmoid's slope is 1/4 at most: take tanh, ReLU or SELU between layers, or normalise "
        "in front of it",
    ),
    (
        ("vanishing",),
        "gains",
        lambda c: c.activation == "step",
        "a step has no slope: nothing is learned through it",
    ),
    (
        ("vanishing",),
        "gains",
        lambda c: normalizes(c.layer) and type(c.layer).__name__ == "BatchNormalization",
        "batch norm takes from each unit what all rows have in common, and these rows have "
        "nothing else: give it batches of many, differing rows",
    ),
    (
        ("dying",),
        None,
        lambda c: True,
        "{dead} of {c.signals.units} units are zero for every row and learn no more: take "
        "leaky_relu or elu, a smaller learning rate, and biases that start at 0",
    ),
    (
        ("symmetric",),
        None,
        lambda c: True,
        "units {copies} are copies of each other and stay so: initialise the kernel by random "
        "numbers, such as kernel_initializer='{rule}'",
    ),
    (
        ("saturated",),
        None,
        lambda c: not (c.gain > 2 and c.activation in _SQUASHING),
        "{saturated:.0%} of the values lie where {c.activation} is flat: scale down what comes in, "
        "by smaller weights or normalisation",
    ),
    (
        ("exploding",),
        "not finite",
        lambda c: True,
        "the first values that are not finite are here: look for weights or inputs that are not, "
        "or for a learning rate that is too high",
    ),
)
_OTHERWISE = {
    "vanishing": "the layer's gain is {gain:.2g} where 1 keeps the signal: scale its weights up "
    "(ug.initializers.calibrate), normalise behind it, or add a connection around it",
    "exploding": "the layer's gain is {gain:.2g} where 1 keeps the signal: scale its weights down "
    "(ug.initializers.calibrate), normalise behind it, or clip gradients",
}


def advise(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    which: int,
    verdict: str,
    cause: str,
    is_large: bool,
) -> list[str]:
    """Return what to do about a layer, a sentence each."""
    case = _case(places, layers, which, verdict, cause, is_large)
    signals = case.signals
    gains = [g for g in (signals.forward_gain, signals.backward_gain) if not math.isnan(g)]
    extreme = max(gains, key=lambda g: abs(math.log(max(g, 1e-30))), default=math.nan)
    words = {
        "c": case,
        "kind": type(case.initializer).__name__,
        "rule": _rule_for(case.activation),
        "expected": _gain_of(case.activation),
        "dead": len(signals.dead),
        "copies": ", ".join(map(str, signals.copies[0][:4])) if signals.copies else "",
        "saturated": math.nan if signals.after is None else signals.after.saturated,
        "gain": extreme,
    }
    found = [
        text.format(**words)
        for verdicts, needed, test, text in _RULES
        if verdict in verdicts
        and (needed in (None, cause) or (needed == "any" and cause != "update"))
        and test(case)
    ]
    if not found:
        found = [_OTHERWISE[verdict].format(**words)]
    return found


def _case(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    which: int,
    verdict: str,
    cause: str,
    is_large: bool,
) -> Case:
    """Return a layer with its weights: an activation by itself has those in front of it."""
    activation = activation_of(places[which].layer)
    at = which
    while kernel_of(places[at].layer) is None and len(places[at].sources) == 1:
        at = places[at].sources[0]
    if activation == "linear":
        activation = behind(places, which)
    kernel = kernel_of(places[at].layer)
    gain, initializer = math.nan, None
    if kernel is not None:
        gain = gain_of(kernel)
        initializer = getattr(places[at].layer, "kernel_initializer", None)
    return Case(
        verdict,
        cause,
        layers[which],
        places[which].layer,
        activation,
        initializer,
        gain,
        is_large,
    )


def behind(places: Sequence[Place], which: int) -> str:
    """Return the activation that follows a layer, through normalisation and the like."""
    activation = activation_of(places[which].layer)
    while activation == "linear":
        readers = [i for i, place in enumerate(places) if which in place.sources]
        if len(readers) != 1 or kernel_of(places[readers[0]].layer) is not None:
            return "linear"
        which = readers[0]
        activation = activation_of(places[which].layer)
    return activation


def _rectifies(activation: str) -> bool:
    return isinstance(initializers.for_activation(activation), _HE)


def _rule_for(activation: str) -> str:
    names = {"GlorotUniform": "glorot_uniform", "HeNormal": "he_normal"}
    return names.get(type(initializers.for_activation(activation)).__name__, "lecun_normal")


def _gain_of(activation: str) -> str:
    return "1.4" if _rectifies(activation) else "1"
