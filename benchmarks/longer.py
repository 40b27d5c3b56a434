"""Activations and their slopes in long double, by forms in which nothing cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .activation_peers import NUMPY, NUMPY_SLOPES
from .case import Array

# Terms of the series below 2, and of the continued fraction from there on: at 2, where both need
# the most, each is then within 2^-63 of its limit.
TERMS, FRACTIONS = 60, 120
_wide = np.longdouble
_PI = 4 * np.arctan(_wide(1))


def erfc(z: Array) -> Array:
    """Return 1 - erf(z), also where that is small.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, formulas 7.1.6 and 7.1.14.
    """
    a = np.abs(np.asarray(z, _wide))
    found = np.empty_like(a)
    near = a < 2
    x = a[near]
    term = x.copy()
    total = x.copy()
    for n in range(1, TERMS):
        term *= 2 * x * x / (2 * n + 1)
        total += term
    found[near] = 1 - 2 / np.sqrt(_PI) * np.exp(-x * x) * total
    x = a[~near]
    fraction = x.copy()
    for n in range(FRACTIONS, 0, -1):
        fraction = x + _wide(n) / 2 / fraction
    found[~near] = np.exp(-x * x) / (np.sqrt(_PI) * fraction)
    return np.where(np.asarray(z) < 0, 2 - found, found)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _normal(x: Array) -> Array:
    """Return the normal distribution's probability of values below x."""
    return erfc(-x / np.sqrt(_wide(2))) / 2


def _gelu_slope(x: Array) -> Any:
    return _normal(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * _PI)


def _tanh_of_gelu(x: Array) -> Array:
    """Return what 1 + tanh, halved, is in GELU's approximation: a sigmoid."""
    return _sigmoid(2 * np.sqrt(2 / _PI) * (x + _wide("0.044715") * x**3))


def _gelu_tanh_slope(x: Array) -> Any:
    s = _tanh_of_gelu(x)
    inner = 2 * np.sqrt(2 / _PI) * (1 + 3 * _wide("0.044715") * x * x)
    return s + x * s * _opposite(x) * inner


def _opposite(x: Array) -> Array:
    return _tanh_of_gelu(-x)


_FORWARD: dict[str, Callable[[Array], Any]] = {
    "gelu": lambda x: x * _normal(x),
    "gelu_tanh": lambda x: x * _tanh_of_gelu(x),
}
_SLOPES: dict[str, Callable[[Array], Any]] = {
    "tanh": lambda x: 4 * _sigmoid(2 * x) * _sigmoid(-2 * x),
    "gelu": _gelu_slope,
    "gelu_tanh": _gelu_tanh_slope,
}


def activation(name: str, x: Array) -> Any:
    """Return the activation's values."""
    wide = x.astype(_wide)
    return _FORWARD[name](wide) if name in _FORWARD else NUMPY[name](wide, np.empty_like(wide))


def slope(name: str, x: Array) -> Any:
    """Return the activation's derivative."""
    return _SLOPES.get(name, NUMPY_SLOPES[name])(x.astype(_wide))
