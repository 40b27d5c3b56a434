"""Each optimizer's rule as its paper has it, in NumPy, for one array.

They are plain rather than fast. Tests compare with them in float64; the benchmarks have those in
``optimizers.py`` beside them that are written for speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug

from .case import Array, Formulas


class Rule:
    """One optimizer's steps of one array.

    Args:
        optimizer: which one, with its settings.
    """

    def __init__(self, optimizer: ug.optimizers.Optimizer) -> None:
        self.o: Any = optimizer
        self.state: dict[str, Array] = {}
        self.change = CHANGES[type(optimizer).__name__.lower()]
        self.w: Array = np.zeros(0)  # the weights after their decay

    def mean(self, name: str, value: Array, decay: float) -> Any:
        """Return the exponential moving average of what comes under a name, from 0."""
        old = self.state.get(name, np.zeros_like(value))
        self.state[name] = decay * old + (1 - decay) * value
        return self.state[name]

    def step(self, w: Array, g: Array, t: int) -> Any:
        """Return the new weights from the old ones and the gradient; ``t`` counts from 1."""
        rate = self.o.learning_rate
        self.w = w * (1 - rate * (self.o.weight_decay or 0))
        return self.w - self.change(self, g, t, self.o, rate)


def _sgd(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    v = rule.state["v"] = o.momentum * rule.state.get("v", 0 * g) + rate * g
    return o.momentum * v + rate * g if o.nesterov else v


def _adagrad(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    a = rule.state.get("a", np.full_like(g, o.initial_accumulator_value)) + g**2
    rule.state["a"] = a
    return rate * g / np.sqrt(a + o.epsilon)


def _adadelta(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    a = rule.mean("a", g**2, o.rho)
    d = g * np.sqrt(rule.state.get("b", 0 * g) + o.epsilon) / np.sqrt(a + o.epsilon)
    rule.mean("b", d**2, o.rho)
    return rate * d


def _rmsprop(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    v = rule.mean("v", g**2, o.rho)
    if o.centered:
        v = v - rule.mean("a", g, o.rho) ** 2
    p = o.momentum * rule.state.get("p", 0 * g) + rate * g / np.sqrt(v + o.epsilon)
    rule.state["p"] = p
    return p


def _adam(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    m, v = rule.mean("m", g, o.beta_1), rule.mean("v", g**2, o.beta_2)
    if o.amsgrad:
        v = rule.state["u"] = np.maximum(rule.state.get("u", 0 * g), v)
    rate *= math.sqrt(1 - o.beta_2**t) / (1 - o.beta_1**t)
    return rate * m / (np.sqrt(v) + o.epsilon)


def _adamax(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    u = rule.state["u"] = np.maximum(o.beta_2 * rule.state.get("u", 0 * g), np.abs(g))
    return rate / (1 - o.beta_1**t) * rule.mean("m", g, o.beta_1) / (u + o.epsilon)


def _nadam(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    c = [o.beta_1 * (1 - 0.5 * 0.96**i) for i in range(1, t + 2)]
    m, v = rule.mean("m", g, o.beta_1), rule.mean("v", g**2, o.beta_2)
    h = c[t] * m / (1 - math.prod(c)) + (1 - c[t - 1]) * g / (1 - math.prod(c[:t]))
    return rate * h / (np.sqrt(v / (1 - o.beta_2**t)) + o.epsilon)


def _lion(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    m = rule.state.get("m", 0 * g)
    rule.mean("m", g, o.beta_2)
    return rate * np.sign(o.beta_1 * m + (1 - o.beta_1) * g)


def _muon(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    if g.ndim != 2:
        m, v = rule.mean("m", g, o.adam_beta_1), rule.mean("v", g**2, o.adam_beta_2)
        rate *= o.adam_lr_ratio * math.sqrt(1 - o.adam_beta_2**t) / (1 - o.adam_beta_1**t)
        return rate * m / (np.sqrt(v) + o.epsilon)
    m = rule.state["m"] = o.momentum * rule.state.get("m", 0 * g) + g
    u, s, vt = np.linalg.svd(g + o.momentum * m if o.nesterov else m, full_matrices=False)
    s = s / (np.sqrt(np.sum(s**2)) + 1e-7)
    for _ in range(o.ns_steps):  # on the singular values, which is all that it changes
        s = o.muon_a * s + o.muon_b * s**3 + o.muon_c * s**5
    return rate * o.rms_rate * math.sqrt(max(g.shape)) * ((u * s) @ vt)


def _lamb(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    m, v = rule.mean("m", g, o.beta_1), rule.mean("v", g**2, o.beta_2)
    u = m / (1 - o.beta_1**t) / (np.sqrt(v / (1 - o.beta_2**t)) + o.epsilon)
    return rate * np.linalg.norm(rule.w) / np.linalg.norm(u) * u


def _ftrl(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    n = rule.state.get("n", np.full_like(g, o.initial_accumulator_value))
    rule.state["n"] = n + g**2
    p = -o.learning_rate_power
    sigma = ((n + g**2) ** p - n**p) / rate
    g = g + 2 * o.l2_shrinkage_regularization_strength * rule.w
    z = rule.state["z"] = rule.state.get("z", 0 * g) + g - sigma * rule.w
    divisor = (o.beta + rule.state["n"] ** p) / rate
    divisor = divisor + 2 * o.l2_regularization_strength
    l1 = o.l1_regularization_strength
    return rule.w - np.where(np.abs(z) <= l1, 0, (np.sign(z) * l1 - z) / divisor)


def _adafactor(rule: Rule, g: Array, t: int, o: Any, rate: float) -> Any:
    b, square = 1 - t**o.beta_2_decay, g**2 + o.epsilon_1
    if g.ndim < 2:
        v = rule.mean("v", square, b)
    else:
        r, c = rule.mean("r", square.mean(-1), b), rule.mean("c", square.mean(-2), b)
        v = r[..., None] * c[..., None, :] / r.mean(-1)[..., None, None]
    u = g / np.sqrt(v)
    u = u / max(1, float(np.sqrt((u**2).mean())) / o.clip_threshold)
    size = max(o.epsilon_2, float(np.sqrt((rule.w**2).mean())))
    return min(rate, 1 / math.sqrt(t)) * size * u


_changes: dict[str, Callable[[Rule, Array, int, Any, float], Any]] = {
    "sgd": _sgd,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adam,
    "adamax": _adamax,
    "nadam": _nadam,
    "lion": _lion,
    "muon": _muon,
    "lamb": _lamb,
    "ftrl": _ftrl,
    "adafactor": _adafactor,
}
# The amount that a step takes off the weights.
CHANGES = Formulas("benchmarks/optimizer_formulas.py", _changes)
