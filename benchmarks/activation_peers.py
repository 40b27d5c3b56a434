"""Each activation and its gradient by NumPy, PyTorch and JAX, in each library's best form.

NumPy has all of them, which the others need not. Its forms work in place in ``out`` where the
formula allows it. PyTorch's gradients are its own
backward operations, called directly with what autograd would have saved; where there is none, the
same formula. Names are unitgain's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .case import Array, Formulas

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
SLOPE = 0.2
GELU = np.sqrt(2 / np.pi)
FILE = "benchmarks/activation_peers.py"


# ---- NumPy ----


def _sigmoid(x: Array, out: Array) -> Array:
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def _leaky_relu(x: Array, out: Array) -> Array:
    np.multiply(x, x.dtype.type(SLOPE), out=out)
    return np.maximum(out, x, out=out)


def _elu(x: Array, out: Array, factor: float, scaled: float) -> Array:
    np.minimum(x, 0, out=out)
    np.expm1(out, out=out)
    out *= x.dtype.type(scaled / factor)
    np.copyto(out, x, where=x > 0)
    out *= x.dtype.type(factor)
    return out


def _hard_sigmoid(x: Array, out: Array) -> Array:
    np.add(x, 3, out=out)
    np.clip(out, 0, 6, out=out)
    out /= 6
    return out


def _softplus(x: Array, out: Array) -> Array:
    np.abs(x, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    out += np.maximum(x, 0)
    return out


def _softsign(x: Array, out: Array) -> Array:
    np.abs(x, out=out)
    out += 1
    return np.divide(x, out, out=out)


def _erf(z: Array) -> Any:
    """Return erf to 1.5e-7, formula 7.1.26 of Abramowitz and Stegun: NumPy has none."""
    a = np.abs(z)
    t = 1 / (1 + 0.3275911 * a)
    p = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592
    return np.copysign(1 - p * t * np.exp(-a * a), z)


def _gelu(x: Array, out: Array) -> Array:
    np.multiply(x, x.dtype.type(np.sqrt(0.5)), out=out)
    np.add(_erf(out), 1, out=out)
    out *= x
    out *= 0.5
    return out


def _gelu_tanh(x: Array, out: Array) -> Array:
    np.multiply(x, x, out=out)
    out *= x.dtype.type(0.044715 * GELU)
    out += x.dtype.type(GELU)
    out *= x
    np.tanh(out, out=out)
    out += 1
    out *= x
    out *= 0.5
    return out


def _mish(x: Array, out: Array) -> Array:
    np.tanh(_softplus(x, out), out=out)
    out *= x
    return out


def _times(x: Array, out: Array, gate: Callable[[Array, Array], Array]) -> Any:
    return np.multiply(x, gate(x, out), out=out)


def _slope(x: Array, condition: Array, below: float, above: float = 1.0) -> Any:
    return np.where(condition, x.dtype.type(above), x.dtype.type(below))


def _logistic(x: Array) -> Any:
    return _sigmoid(x, np.empty_like(x))


def _elu_slope(x: Array, factor: float, scaled: float) -> Any:
    below = np.exp(np.minimum(x, 0)) * x.dtype.type(scaled)
    return np.where(x > 0, x.dtype.type(factor), below)


def _silu_slope(x: Array) -> Any:
    s = _logistic(x)
    return s * (1 + x * (1 - s))


def _gelu_slope(x: Array) -> Any:
    density = np.exp(-x * x / 2) * x.dtype.type(1 / np.sqrt(2 * np.pi))
    return (1 + _erf(x * x.dtype.type(np.sqrt(0.5)))) / 2 + x * density


def _gelu_tanh_slope(x: Array) -> Any:
    t = np.tanh(x.dtype.type(GELU) * (x + x.dtype.type(0.044715) * x * x * x))
    inner = x.dtype.type(GELU) * (1 + x.dtype.type(3 * 0.044715) * x * x)
    return (1 + t) / 2 + x * (1 - t * t) * inner / 2


def _mish_slope(x: Array) -> Any:
    t = np.tanh(_softplus(x, np.empty_like(x)))
    return t + x * (1 - t * t) * _logistic(x)


def _hard_silu_slope(x: Array) -> Any:
    return np.where(x <= -3, x.dtype.type(0), np.where(x >= 3, x.dtype.type(1), (2 * x + 3) / 6))


_forward: dict[str, Callable[[Array, Array], Array]] = {
    "step": lambda x, out: np.greater_equal(x, 0, out=out),
    "relu": lambda x, out: np.maximum(x, 0, out=out),
    "relu6": lambda x, out: np.clip(x, 0, 6, out=out),
    "leaky_relu": _leaky_relu,
    "elu": partial(_elu, factor=1, scaled=1),
    "selu": partial(_elu, factor=SCALE, scaled=SCALE * ALPHA),
    "celu": partial(_elu, factor=1, scaled=1),
    "exponential": lambda x, out: np.exp(x, out=out),
    "sigmoid": _sigmoid,
    "hard_sigmoid": _hard_sigmoid,
    "log_sigmoid": lambda x, out: np.negative(_softplus(-x, out), out=out),
    "softplus": _softplus,
    "tanh": lambda x, out: np.tanh(x, out=out),
    "softsign": _softsign,
    "silu": partial(_times, gate=_sigmoid),
    "hard_silu": partial(_times, gate=_hard_sigmoid),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "mish": _mish,
}
NUMPY = Formulas(FILE, _forward)

_slopes: dict[str, Callable[[Array], Array]] = {
    "step": np.zeros_like,
    "relu": lambda x: _slope(x, x > 0, 0),
    "relu6": lambda x: _slope(x, (x > 0) & (x < 6), 0),
    "leaky_relu": lambda x: _slope(x, x > 0, SLOPE),
    "elu": partial(_elu_slope, factor=1, scaled=1),
    "selu": partial(_elu_slope, factor=SCALE, scaled=SCALE * ALPHA),
    "celu": partial(_elu_slope, factor=1, scaled=1),
    "exponential": np.exp,
    "sigmoid": lambda x: _logistic(x) * _logistic(-x),
    "hard_sigmoid": lambda x: _slope(x, (x > -3) & (x < 3), 0, 1 / 6),
    "log_sigmoid": lambda x: _logistic(-x),
    "softplus": _logistic,
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "softsign": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "silu": _silu_slope,
    "hard_silu": _hard_silu_slope,
    "gelu": _gelu_slope,
    "gelu_tanh": _gelu_tanh_slope,
    "mish": _mish_slope,
}
NUMPY_SLOPES = Formulas(FILE, _slopes)


# ---- PyTorch ----

_Function = Callable[[Any], Any]

TORCH: dict[str, Callable[[Any], _Function]] = {
    "relu": lambda torch: torch.relu,
    "relu6": lambda torch: torch.nn.functional.relu6,
    "leaky_relu": lambda torch: partial(torch.nn.functional.leaky_relu, negative_slope=SLOPE),
    "elu": lambda torch: torch.nn.functional.elu,
    "selu": lambda torch: torch.nn.functional.selu,
    "celu": lambda torch: torch.nn.functional.celu,
    "exponential": lambda torch: torch.exp,
    "sigmoid": lambda torch: torch.sigmoid,
    "hard_sigmoid": lambda torch: torch.nn.functional.hardsigmoid,
    "log_sigmoid": lambda torch: torch.nn.functional.logsigmoid,
    "softplus": lambda torch: torch.nn.functional.softplus,
    "tanh": lambda torch: torch.tanh,
    "softsign": lambda torch: torch.nn.functional.softsign,
    "silu": lambda torch: torch.nn.functional.silu,
    "hard_silu": lambda torch: torch.nn.functional.hardswish,
    "gelu": lambda torch: torch.nn.functional.gelu,
    "gelu_tanh": lambda torch: partial(torch.nn.functional.gelu, approximate="tanh"),
    "mish": lambda torch: torch.nn.functional.mish,
}


def torch_forward(name: str) -> _Function:
    """Return PyTorch's function."""
    import torch

    return TORCH[name](torch)


def torch_backward(name: str, x: Any, upstream: Any) -> Callable[[], Any]:
    """Return a function that computes the gradient at ``x`` from what autograd saves."""
    import torch

    aten, g = torch.ops.aten, upstream
    y = torch_forward(name)(x)
    if name == "log_sigmoid":
        buffer = aten.log_sigmoid_forward(x)[1]
        return lambda: aten.log_sigmoid_backward(g, x, buffer)
    return {
        "relu": lambda: aten.threshold_backward(g, y, 0),
        "relu6": lambda: aten.hardtanh_backward(g, x, 0, 6),
        "leaky_relu": lambda: aten.leaky_relu_backward(g, x, SLOPE, False),
        "elu": lambda: aten.elu_backward(g, 1.0, 1.0, 1.0, False, x),
        "selu": lambda: aten.elu_backward(g, ALPHA, SCALE, 1.0, False, x),
        "celu": lambda: aten.elu_backward(g, 1.0, 1.0, 1.0, False, x),
        "exponential": lambda: g * y,
        "sigmoid": lambda: aten.sigmoid_backward(g, y),
        "hard_sigmoid": lambda: aten.hardsigmoid_backward(g, x),
        "softplus": lambda: aten.softplus_backward(g, x, 1.0, 20.0),
        "tanh": lambda: aten.tanh_backward(g, y),
        "softsign": lambda: g / (1 + x.abs()) ** 2,
        "silu": lambda: aten.silu_backward(g, x),
        "hard_silu": lambda: aten.hardswish_backward(g, x),
        "gelu": lambda: aten.gelu_backward(g, x),
        "gelu_tanh": lambda: aten.gelu_backward(g, x, approximate="tanh"),
        "mish": lambda: aten.mish_backward(g, x),
    }[name]


# ---- JAX ----

JAX: dict[str, Callable[[Any], _Function]] = {
    "relu": lambda jax: jax.nn.relu,
    "relu6": lambda jax: jax.nn.relu6,
    "leaky_relu": lambda jax: partial(jax.nn.leaky_relu, negative_slope=SLOPE),
    "elu": lambda jax: jax.nn.elu,
    "selu": lambda jax: jax.nn.selu,
    "celu": lambda jax: jax.nn.celu,
    "exponential": lambda jax: jax.numpy.exp,
    "sigmoid": lambda jax: jax.nn.sigmoid,
    "hard_sigmoid": lambda jax: jax.nn.hard_sigmoid,
    "log_sigmoid": lambda jax: jax.nn.log_sigmoid,
    "softplus": lambda jax: jax.nn.softplus,
    "tanh": lambda jax: jax.numpy.tanh,
    "softsign": lambda jax: jax.nn.soft_sign,
    "silu": lambda jax: jax.nn.silu,
    "hard_silu": lambda jax: jax.nn.hard_swish,
    "gelu": lambda jax: partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": lambda jax: partial(jax.nn.gelu, approximate=True),
    "mish": lambda jax: jax.nn.mish,
}


def jax_forward(name: str) -> _Function:
    """Return JAX's function, not compiled."""
    from .jax_network import jax

    return JAX[name](jax)
