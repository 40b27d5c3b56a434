"""Activation functions and their gradients, element by element.

Every function takes an array of any shape and strides, float32 or float64 (lists become float64),
and returns a new array, or writes into ``out``, which must have the shape and dtype of ``x`` and
may be ``x`` itself. A wrong dtype is a TypeError; a wrong shape or parameter is a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from unitgain import _native

__all__ = [
    "elu",
    "get",
    "gradient",
    "leaky_relu",
    "linear",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "swish",
    "tanh",
]

Array = npt.NDArray[Any]


def _array(x: npt.ArrayLike) -> Array:
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    return np.asarray(x, dtype=np.float64)


def _apply(name: str, x: npt.ArrayLike, out: Array | None, **parameters: float) -> Array:
    result: Array = _native.activation(name, _array(x), out, parameters)
    return result


def linear(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return a copy of ``x``."""
    return _apply("linear", x, out)


def relu(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``max(x, 0)``."""
    return _apply("relu", x, out)


def leaky_relu(x: npt.ArrayLike, out: Array | None = None, *, negative_slope: float = 0.2) -> Array:
    """Return ``x`` where it is positive and ``negative_slope * x`` elsewhere.

    Raises:
        ValueError: if ``negative_slope`` is negative or not finite.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013.
    """
    return _apply("leaky_relu", x, out, negative_slope=negative_slope)


def elu(x: npt.ArrayLike, out: Array | None = None, *, alpha: float = 1.0) -> Array:
    """Return ``x`` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere.

    Raises:
        ValueError: if ``alpha`` is negative or not finite.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
    exponential linear units (ELUs)", ICLR 2016.
    """
    return _apply("elu", x, out, alpha=alpha)


def selu(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``1.0507 * elu(x, alpha=1.6733)``, the constants that keep mean 0 and variance 1.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS
    2017.
    """
    return _apply("selu", x, out)


def sigmoid(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``1 / (1 + exp(-x))``."""
    return _apply("sigmoid", x, out)


def tanh(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return the hyperbolic tangent."""
    return _apply("tanh", x, out)


def silu(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x * sigmoid(x)``, also known as swish.

    Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016.
    """
    return _apply("silu", x, out)


swish = silu


def softmax(x: npt.ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Return ``exp(x) / sum(exp(x))``, the sum being along ``axis``.

    Entries of -inf get probability 0. NaN, +inf, or nothing but -inf along the axis gives NaN.
    Probabilities below the smallest normal number are 0.

    Raises:
        ValueError: if ``x`` has no such axis.
    """
    array = _array(x)
    if axis == -1:
        last: Array = _native.softmax(array, out)
        return last
    if out is None:
        out = np.empty(array.shape, array.dtype)
    _native.softmax(_axis_last(array, axis), _axis_last(out, axis))
    return out


def _axis_last(array: Array, axis: int) -> Array:
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis is {axis}, but the array has {array.ndim} dimensions")
    return np.moveaxis(array, axis, -1)


def gradient(name: str, x: npt.ArrayLike, upstream: npt.ArrayLike, **parameters: Any) -> Array:
    """Return the gradient at ``x`` of a loss whose gradient at the activation's output is given.

    Args:
        name: the activation, or ``"softmax"``, which takes the parameter ``axis``.
        x: the activation's input, of any shape.
        upstream: the loss's gradient with respect to the activation's output, of ``x``'s shape and
            dtype.
        **parameters: the activation's own.

    Raises:
        ValueError: if the name is unknown, the shapes differ or a parameter's value is bad.
        TypeError: if a dtype is not float32 or float64, if the dtypes differ, or if the activation
            has no such parameter.

    >>> import numpy as np
    >>> gradient("relu", np.array([-1.0, 2.0]), np.array([10.0, 10.0])).tolist()
    [0.0, 10.0]
    """
    array, above = _array(x), _array(upstream)
    result: Array
    if name != "softmax":
        result = _native.activation_gradient(name, array, above, None, parameters)
        return result
    axis = parameters.pop("axis", -1)
    if parameters:
        raise TypeError(f"softmax() got an unexpected parameter '{next(iter(parameters))}'")
    result = _native.softmax_gradient(_axis_last(array, axis), _axis_last(above, axis), None)
    return np.moveaxis(result, -1, axis)


_by_name: dict[str, Callable[..., Array]] = {
    "linear": linear,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "silu": silu,
    "swish": swish,
    "softmax": softmax,
}


def get(identifier: str | Callable[..., Array] | None) -> Callable[..., Array]:
    """Return the activation function of that name; a callable as it is, and ``linear`` for None.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if the identifier is of another type.

    >>> get("tanh") is tanh
    True
    """
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(
            f"an activation is a name, a function or None, not {type(identifier).__name__}"
        )
    if identifier not in _by_name:
        near = get_close_matches(identifier, _by_name, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"unknown activation {identifier!r}, expected one of {', '.join(_by_name)}{hint}"
        )
    return _by_name[identifier]
