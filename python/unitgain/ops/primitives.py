"""The primitives that functions of arrays are made of, and how NumPy computes each.

Each is known by its name: to the tracer, which records it (``tracing.py``), to its derivative
(``derivatives.py``) and to native code (``cpp/src/ops/expression_functions.cpp``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _native

__all__ = ["BINARY", "CONDITIONS", "EVALUATE", "UNARY", "WHOLE"]


def _native_activation(name: str) -> Callable[[Any], Any]:
    def evaluate(x: Any) -> Any:
        return _native.activation(name, np.asarray(x))

    return evaluate


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.asarray(x).dtype])(x)


def _slope(name: str) -> Callable[[Any, Any], Any]:
    def evaluate(x: Any, upstream: Any) -> Any:
        dtype = np.result_type(x, upstream)
        both = np.broadcast_arrays(np.asarray(x, dtype), np.asarray(upstream, dtype))
        return _native.activation_gradient(name, both[0], both[1])

    return evaluate


def _rsqrt(x: Any) -> Any:
    return 1 / np.sqrt(x)


# Activations that are primitives: others are compositions.
ACTIVATIONS = ("sigmoid", "tanh", "softplus", "relu", "silu", "gelu", "gelu_tanh", "log_sigmoid")

UNARY: dict[str, Callable[[Any], Any]] = {
    "negative": np.negative,
    "abs": np.abs,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
    "reciprocal": np.reciprocal,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "logical_not": np.logical_not,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "exponential": np.exp,
    "expm1": np.expm1,
    "erf": _erf,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}
UNARY |= {name: _native_activation(name) for name in ACTIVATIONS}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "power": np.power,
    "arctan2": np.arctan2,
    "mod": np.mod,
    "floor_divide": np.floor_divide,
}
BINARY |= {f"slope_of_{name}": _slope(name) for name in ACTIVATIONS}

# What gives booleans, and what gives whole numbers of whole numbers.
CONDITIONS = frozenset(
    [
        "logical_not",
        "isnan",
        "isfinite",
        "isinf",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "logical_and",
        "logical_or",
    ]
)
WHOLE = frozenset(
    [
        "negative",
        "abs",
        "square",
        "sign",
        "floor",
        "ceil",
        "round",
        "trunc",
        "add",
        "subtract",
        "multiply",
        "maximum",
        "minimum",
        "mod",
        "floor_divide",
        "power",
    ]
)


def _embed(x: NDArray[Any], shape: Any, starts: Any, steps: Any) -> NDArray[Any]:
    made = np.zeros([size.factor for size in shape], x.dtype)
    places = tuple(
        slice(start, start + n * step if start + n * step >= 0 else None, step)
        for start, step, n in zip(starts, steps, x.shape, strict=True)
    )
    made[places] = x
    return made


def _slice(x: NDArray[Any], starts: Any, steps: Any, shape: Any) -> NDArray[Any]:
    stops = [s + n.factor * step for s, step, n in zip(starts, steps, shape, strict=True)]
    return x[
        tuple(
            slice(start, stop if stop >= 0 else None, step)
            for start, stop, step in zip(starts, stops, steps, strict=True)
        )
    ]


def _product(a: NDArray[Any], b: NDArray[Any], a_turned: bool, b_turned: bool) -> NDArray[Any]:
    made: NDArray[Any] = _native.matmul(
        np.swapaxes(a, -1, -2) if a_turned else a, np.swapaxes(b, -1, -2) if b_turned else b
    )
    return made


def _gather(x: NDArray[Any], index: NDArray[Any], axis: int, along: bool) -> NDArray[Any]:
    if along:
        return np.take_along_axis(x, index.astype(np.intp), axis)
    return np.take(x, index.astype(np.intp), axis)


def _scatter(
    x: NDArray[Any], index: NDArray[Any], axis: int, along: bool, length: Any
) -> NDArray[Any]:
    index = index.astype(np.intp)
    count = index.shape[axis] if along else index.size
    rest = x.shape[axis + (1 if along else index.ndim) :]
    made = np.zeros((*x.shape[:axis], length.factor, *rest), x.dtype)
    if along:
        places: list[Any] = list(np.indices(x.shape, sparse=True))
        places[axis] = index
        np.add.at(made, tuple(places), x)
    else:
        flat = x.reshape(*x.shape[:axis], count, *rest)
        chosen: Any = (slice(None),) * axis + (index.reshape(-1),)
        np.add.at(made, chosen, flat)
    return made


def _cumulative(x: NDArray[Any], axis: int, backward: bool) -> NDArray[Any]:
    if backward:
        return np.flip(np.cumsum(np.flip(x, axis), axis, dtype=x.dtype), axis)
    return np.cumsum(x, axis, dtype=x.dtype)


# By its name, with its attributes as keywords.
EVALUATE: dict[str, Callable[..., Any]] = {
    **UNARY,
    **BINARY,
    "where": np.where,
    "sum": lambda x, axes: np.sum(x, axes, dtype=x.dtype),
    "max": lambda x, axes: np.max(x, axes),
    "min": lambda x, axes: np.min(x, axes),
    "argmax": lambda x, axis: np.argmax(x, axis).astype(np.int32),
    "reshape": lambda x, shape: np.reshape(x, [size.factor for size in shape]),
    "transpose": lambda x, axes: np.transpose(x, axes),
    "broadcast": lambda x, shape: np.broadcast_to(x, [size.factor for size in shape]),
    "slice": _slice,
    "embed": _embed,
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "product": _product,
    "gather": _gather,
    "scatter": _scatter,
    "cumulative": _cumulative,
}
