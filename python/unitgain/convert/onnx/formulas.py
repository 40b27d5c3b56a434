"""The activations by ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from unitgain.convert.onnx.writer import Writer

__all__ = ["ACTIVATIONS"]

# Adds an activation with its parameters behind a value, and returns the name of what it makes.
Formula = Callable[[Writer, str, Sequence[float]], str]

# Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017, equation
# (14): the fixed point of mean 0 and variance 1.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _operator(name: str) -> Formula:
    return lambda w, x, _: w(name, x)


def _relu(w: Writer, x: str, parameters: Sequence[float]) -> str:
    negative_slope, max_value, threshold = parameters
    if (negative_slope, max_value, threshold) == (0.0, math.inf, 0.0):
        return w("Relu", x)
    above = x if max_value == math.inf else w("Min", x, max_value)
    below = w("Mul", w("Sub", x, threshold), negative_slope) if negative_slope else 0.0
    return w("Where", w("GreaterOrEqual", x, threshold), above, below)


def _leaky_relu(w: Writer, x: str, parameters: Sequence[float]) -> str:
    (slope,) = parameters
    if w.is_exact(slope):
        return w("LeakyRelu", x, alpha=slope)
    return w("Add", w("Max", x, 0.0), w("Mul", w("Min", x, 0.0), slope))


def _elu(w: Writer, x: str, parameters: Sequence[float]) -> str:
    (alpha,) = parameters
    if w.is_exact(alpha):
        return w("Elu", x, alpha=alpha)
    return _exponential_below(w, x, alpha, 1.0)


def _exponential_below(w: Writer, x: str, alpha: float, width: float) -> str:
    """Add ``max(x, 0) + alpha (exp(min(x, 0) / width) - 1)``."""
    below = w("Min", x, 0.0)
    if width != 1.0:
        below = w("Div", below, width)
    below = w("Mul", w("Sub", w("Exp", below), 1.0), alpha)
    return w("Add", w("Max", x, 0.0), below)


def _selu(w: Writer, x: str, _: Sequence[float]) -> str:
    if w.dtype == np.float32:
        return w("Selu", x, alpha=_SELU_ALPHA, gamma=_SELU_SCALE)
    return w("Mul", _exponential_below(w, x, _SELU_ALPHA, 1.0), _SELU_SCALE)


def _celu(w: Writer, x: str, parameters: Sequence[float]) -> str:
    (alpha,) = parameters
    if w.dtype == np.float32:  # the operator has no other type
        return w("Celu", x, alpha=alpha)
    return _exponential_below(w, x, alpha, alpha)


def _clipped(w: Writer, x: str) -> str:
    return w("Clip", w("Add", x, 3.0), 0.0, 6.0)


def _hard_sigmoid(w: Writer, x: str, _: Sequence[float]) -> str:
    if w.dtype == np.float32:
        return w("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    return w("Div", _clipped(w, x), 6.0)


def _hard_silu(w: Writer, x: str, _: Sequence[float]) -> str:
    if w.dtype == np.float32:
        return w("HardSwish", x)
    return w("Mul", x, w("Div", _clipped(w, x), 6.0))


def _gelu(w: Writer, x: str, _: Sequence[float]) -> str:
    return w("Mul", w("Mul", x, 0.5), w("Add", _erf(w, w("Div", x, math.sqrt(2))), 1.0))


def _gelu_tanh(w: Writer, x: str, _: Sequence[float]) -> str:
    cubic = w("Mul", w("Mul", w("Mul", x, x), x), 0.044715)
    inner = w("Mul", w("Add", x, cubic), math.sqrt(2 / math.pi))
    return w("Mul", w("Mul", x, 0.5), w("Add", w("Tanh", inner), 1.0))


def _erf(w: Writer, x: str) -> str:
    """Add the error function.

    ONNX Runtime has none of float64. There it is ``1 - exp(-x^2) w(ix)`` of ``|x|``, with ``w`` by
    equation (38) of Weideman, "Computation of the complex error function", SIAM J. Numer. Anal. 31,
    1994, good to 1e-15.
    """
    if w.dtype == np.float32:
        return w("Erf", x)
    size, coefficients = _weideman(40)
    positive = w("Abs", x)
    below = w("Add", positive, size)
    z = w("Div", w("Sub", size, positive), below)
    total: str | float = coefficients[0]
    for coefficient in coefficients[1:]:
        total = w("Add", w("Mul", total, z), coefficient)
    assert isinstance(total, str)
    first = w("Div", w("Mul", total, 2.0), w("Mul", below, below))
    faddeeva = w("Add", first, w("Div", 1 / math.sqrt(math.pi), below))
    tail = w("Mul", w("Exp", w("Neg", w("Mul", x, x))), faddeeva)
    return w("Mul", w("Sign", x), w("Sub", 1.0, tail))


def _weideman(terms: int) -> tuple[float, list[float]]:
    """Return the length L and the polynomial's coefficients, the highest power's first."""
    size = math.sqrt(terms / math.sqrt(2))
    points = 2 * terms
    theta = np.arange(-points + 1, points) * np.pi / points
    t = size * np.tan(theta / 2)
    values = np.append(0.0, np.exp(-(t**2)) * (size**2 + t**2))
    found = np.fft.fft(np.fft.fftshift(values)).real / (2 * points)
    return size, found[1 : terms + 1][::-1].tolist()


ACTIVATIONS: dict[str, Formula] = {
    "linear": lambda w, x, _: x,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "sigmoid": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "silu": lambda w, x, _: w("Mul", x, w("Sigmoid", x)),
    "step": lambda w, x, _: w("Cast", w("GreaterOrEqual", x, 0.0), to=w.type),
    "relu6": lambda w, x, _: w("Clip", x, 0.0, 6.0),
    "celu": _celu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": _hard_sigmoid,
    "softplus": _operator("Softplus"),
    "log_sigmoid": lambda w, x, _: w("Neg", w("Softplus", w("Neg", x))),
    "softsign": _operator("Softsign"),
    "hard_silu": _hard_silu,
    "mish": _operator("Mish"),
    "exponential": _operator("Exp"),
}
