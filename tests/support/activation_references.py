"""The activations: mpmath definitions, and the same in NumPy's float64.

``exact`` has each function and its derivative (at a kink, from the left) in arithmetic of 200 bits.
``dense`` has them over float64 arrays, good to far more than a float32 holds; they are written
independently of the kernels, with SciPy's functions. ``limits`` has them at -inf and +inf.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy import special

from unitgain.benchmarks.case import Formulas

mpmath.mp.prec = 300

Real = mpmath.mpf
Array = NDArray[np.float64]

alpha = Real("1.6732632423543772848170429916717")
scale = Real("1.0507009873554804934193349852946")
cubic = Real("0.044715")


# Beyond 100 the normal distribution's tail is below every double; mpmath would take long.
def _phi(x: Real) -> Real:
    x = min(abs(x), Real(100))
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


# Beyond 5000, 0 or infinite in double. A number below 2^-7000 is a 0 that can be divided by.
def _exp(x: Real) -> Real:
    return mpmath.exp(max(min(x, Real(5000)), Real(-5000)))


def _cdf(x: Real) -> Real:
    x = max(min(x, Real(100)), Real(-100))
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _logistic(x: Real) -> Real:
    return 1 / (1 + _exp(-x))


def _log1p_exp(x: Real) -> Real:
    return max(x, Real(0)) + mpmath.log1p(_exp(-abs(x)))


def _silu_slope(x: Real, z: Real, slope: Real) -> Real:
    return _logistic(z) + x * slope * _logistic(z) * _logistic(-z)


def _inner(x: Real) -> Real:
    return mpmath.sqrt(8 / mpmath.pi) * (x + cubic * x**3)


def _inner_slope(x: Real) -> Real:
    return mpmath.sqrt(8 / mpmath.pi) * (1 + 3 * cubic * x * x)


def _gate(x: Real) -> Real:
    return _tanh(_log1p_exp(x))


def _mish_slope(x: Real) -> Real:
    return _gate(x) + x * _sech(_log1p_exp(x)) ** 2 * _logistic(x)


def _relu6(x: Real) -> Real:
    return min(max(x, Real(0)), Real(6))


def _expm1(x: Real) -> Real:
    return mpmath.expm1(max(x, Real(-5000)))


def _sech(x: Real) -> Real:
    return mpmath.sech(min(abs(x), Real(5000)))


def _tanh(x: Real) -> Real:
    return mpmath.tanh(max(min(x, Real(5000)), Real(-5000)))


FILE = "tests/support/activation_references.py"
Pair = tuple[Callable[[Real], Real], Callable[[Real], Real]]

_exact: dict[str, Pair] = {
    "linear": (lambda x: x, lambda x: Real(1)),
    "step": (lambda x: Real(x >= 0), lambda x: Real(0)),
    "relu": (lambda x: max(x, Real(0)), lambda x: Real(x > 0)),
    "relu6": (_relu6, lambda x: Real(0 < x < 6)),
    "leaky_relu": (
        lambda x: x if x > 0 else Real(0.2) * x,
        lambda x: Real(1 if x > 0 else 0.2),
    ),
    "elu": (
        lambda x: x if x > 0 else _expm1(x),
        lambda x: Real(1) if x > 0 else _exp(x),
    ),
    "selu": (
        lambda x: scale * (x if x > 0 else alpha * _expm1(x)),
        lambda x: scale * (1 if x > 0 else alpha * _exp(x)),
    ),
    "celu": (
        lambda x: x if x > 0 else _expm1(x),
        lambda x: Real(1) if x > 0 else _exp(x),
    ),
    "exponential": (_exp, _exp),
    "sigmoid": (_logistic, lambda x: _logistic(x) * _logistic(-x)),
    "hard_sigmoid": (lambda x: _relu6(x + 3) / 6, lambda x: Real(-3 < x < 3) / 6),
    "log_sigmoid": (lambda x: -_log1p_exp(-x), lambda x: _logistic(-x)),
    "softplus": (_log1p_exp, _logistic),
    "tanh": (_tanh, lambda x: _sech(x) ** 2),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "silu": (lambda x: x * _logistic(x), lambda x: _silu_slope(x, x, Real(1))),
    "hard_silu": (
        lambda x: x * _relu6(x + 3) / 6,
        lambda x: Real(0) if x <= -3 else Real(1) if x >= 3 else (2 * x + 3) / 6,
    ),
    "gelu": (lambda x: x * _cdf(x), lambda x: _cdf(x) + x * _phi(x)),
    "gelu_tanh": (
        lambda x: x * _logistic(_inner(x)),
        lambda x: _silu_slope(x, _inner(x), _inner_slope(x)),
    ),
    "mish": (lambda x: x * _gate(x), _mish_slope),
}
exact = Formulas(FILE, _exact)


# ---- float64 ----


def _within(x: Array, limit: float) -> Array:
    return np.clip(x, -limit, limit)


def _elu(x: Array, factor: float, scaled: float) -> Array:
    return np.where(x >= 0, factor * x, scaled * np.expm1(np.minimum(x, 0)))


def _elu_slope(x: Array, factor: float, scaled: float) -> Array:
    return np.where(x > 0, factor, scaled * np.exp(np.minimum(x, 0)))


def _dense_softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def _gated(x: Array, gate: Array) -> Array:
    return np.where(np.isinf(x), np.where(x > 0, np.inf, -0.0), x * gate)


def _dense_gate(x: Array) -> Array:
    e = np.exp(np.minimum(x, 40))
    return e * (e + 2) / (e * (e + 2) + 2)


def _dense_inner(x: Array) -> Array:
    x = _within(x, 1e50)
    return np.sqrt(8 / np.pi) * (x + 0.044715 * x**3)


def _dense_silu_slope(x: Array, z: Array, slope: Array) -> Array:
    """Return 1 - f(-x) above 0, and e (1 + e + x z') / (1 + e)^2 with e = exp z below."""
    e = np.exp(-np.abs(z))
    below = e * (1 + e - np.abs(x) * slope) / (1 + e) ** 2
    return np.where(x < 0, below, 1 - below)


def _dense_gelu_slope(x: Array) -> Array:
    a = np.minimum(np.abs(x), 40)
    density = np.exp(-a * a / 2)
    below = density * (special.erfcx(a / np.sqrt(2)) / 2 - a / np.sqrt(2 * np.pi))
    return np.where(x < 0, below, 1 - below)


def _dense_gelu(x: Array) -> Array:
    a = np.minimum(np.abs(x), 40)
    tail = a * np.exp(-a * a / 2) * special.erfcx(a / np.sqrt(2)) / 2
    return np.where(x < 0, -tail, x - tail)


def _dense_mish_slope(x: Array) -> Array:
    x = _within(x, 300)
    e = np.exp(np.minimum(x, 0))
    below = e * (4 * (x + 1) + (4 * x + 6) * e + 4 * e**2 + e**3) / (e**2 + 2 * e + 2) ** 2
    gate = _dense_gate(x)
    return np.where(x < 0, below, gate + x * (1 - gate**2) * special.expit(x))


def _limited(f: Callable[[Array], Array], limit: float) -> Callable[[Array], Array]:
    return lambda x: f(_within(x, limit))


_S, _SA = float(scale), float(scale * alpha)
DensePair = tuple[Callable[[Array], Array], Callable[[Array], Array]]

_dense: dict[str, DensePair] = {
    "linear": (lambda x: x, np.ones_like),
    "step": (lambda x: np.heaviside(x, 1), np.zeros_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0)),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: np.where((x > 0) & (x < 6), 1.0, 0)),
    "leaky_relu": (
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: np.where(x > 0, 1, 0.2),
    ),
    "elu": (lambda x: _elu(x, 1, 1), lambda x: _elu_slope(x, 1, 1)),
    "selu": (lambda x: _elu(x, _S, _SA), lambda x: _elu_slope(x, _S, _SA)),
    "celu": (lambda x: _elu(x, 1, 1), lambda x: _elu_slope(x, 1, 1)),
    "exponential": (np.exp, np.exp),
    "sigmoid": (special.expit, lambda x: special.expit(x) * special.expit(-x)),
    "hard_sigmoid": (
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where((x > -3) & (x < 3), 1 / 6, 0),
    ),
    "log_sigmoid": (lambda x: -_dense_softplus(-x), lambda x: special.expit(-x)),
    "softplus": (_dense_softplus, special.expit),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(_within(x, 300)) ** 2),
    "softsign": (
        lambda x: np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x))),
        lambda x: 1 / (1 + np.abs(x)) ** 2,
    ),
    "silu": (
        lambda x: _gated(x, special.expit(x)),
        _limited(lambda x: _dense_silu_slope(x, x, np.ones_like(x)), 300),
    ),
    "hard_silu": (
        lambda x: _gated(x, np.clip(x + 3, 0, 6) / 6),
        lambda x: np.where(x <= -3, 0, np.where(x >= 3, 1, (2 * x + 3) / 6)),
    ),
    "gelu": (_dense_gelu, _dense_gelu_slope),
    "gelu_tanh": (
        lambda x: _gated(x, special.expit(_dense_inner(x))),
        _limited(
            lambda x: _dense_silu_slope(
                x, _dense_inner(x), np.sqrt(8 / np.pi) * (1 + 3 * 0.044715 * x * x)
            ),
            30,
        ),
    ),
    "mish": (lambda x: _gated(x, _dense_gate(x)), _dense_mish_slope),
}
dense = Formulas(FILE, _dense)

# At -inf and +inf: the function and its derivative.
inf = np.inf
_limits: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "linear": ((-inf, inf), (1, 1)),
    "step": ((0, 1), (0, 0)),
    "relu": ((0, inf), (0, 1)),
    "relu6": ((0, 6), (0, 0)),
    "leaky_relu": ((-inf, inf), (0.2, 1)),
    "elu": ((-1, inf), (0, 1)),
    "selu": ((-_SA, inf), (0, _S)),
    "celu": ((-1, inf), (0, 1)),
    "exponential": ((0, inf), (0, inf)),
    "sigmoid": ((0, 1), (0, 0)),
    "hard_sigmoid": ((0, 1), (0, 0)),
    "log_sigmoid": ((-inf, 0), (1, 0)),
    "softplus": ((0, inf), (0, 1)),
    "tanh": ((-1, 1), (0, 0)),
    "softsign": ((-1, 1), (0, 0)),
    "silu": ((0, inf), (0, 1)),
    "hard_silu": ((0, inf), (0, 1)),
    "gelu": ((0, inf), (0, 1)),
    "gelu_tanh": ((0, inf), (0, 1)),
    "mish": ((0, inf), (0, 1)),
}
limits = Formulas(FILE, _limits)


def ulp_of(value: Real, dtype: type) -> Real:
    """Return the distance between the numbers of a dtype around an exact value."""
    info = np.finfo(dtype)
    exponent = mpmath.frexp(value)[1] if value else info.minexp + 1
    return mpmath.ldexp(1, max(exponent - info.nmant - 1, info.minexp - info.nmant))


def ulp_errors(value: NDArray[np.float32], true: Array) -> Array:
    """Return the errors of float32 values in units of the last place that the true value has."""
    exponent = np.frexp(true)[1]
    ulp = np.ldexp(1.0, np.maximum(exponent - 24, -149))
    rounded = true.astype(np.float32)  # an overflow to infinity is right where this one overflows
    same = (value == rounded) & np.isinf(rounded) | (value == true)
    same |= np.isnan(value) & np.isnan(true)
    return np.where(same, 0, np.abs(value.astype(np.float64) - true) / ulp)
