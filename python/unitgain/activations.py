"""Activation functions and their gradients, element by element.

Every function takes an array of any shape and strides, float32 or float64 (lists become float64),
and returns a new array, or writes into ``out``, which must have the shape and dtype of ``x`` and
may be ``x`` itself. A wrong dtype is a TypeError; a wrong shape or parameter is a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from unitgain import _names, _native, random

__all__ = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "gelu_tanh",
    "get",
    "glu",
    "gradient",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "step",
    "swish",
    "tanh",
]

Array = npt.NDArray[Any]


def _array(x: npt.ArrayLike) -> Array:
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    return np.asarray(x, dtype=np.float64)


def _apply(name: str, x: npt.ArrayLike, out: Array | None, **parameters: float) -> Array:
    return _native.activation(name, x, out, parameters)


def linear(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return a copy of ``x``."""
    return _native.activation("linear", x, out)


def step(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return 1 where ``x >= 0`` and 0 elsewhere. Its gradient is 0."""
    return _native.activation("step", x, out)


def relu(
    x: npt.ArrayLike,
    out: Array | None = None,
    *,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Return ``max(x, 0)``, or with parameters a bounded, leaky or shifted form of it.

    That is ``min(x, max_value)`` where ``x >= threshold``, and ``negative_slope * (x - threshold)``
    below. The derivative is ``negative_slope`` up to and at the threshold, and behind it 0 from
    ``max_value`` on.

    Raises:
        ValueError: if ``negative_slope`` or ``max_value`` is negative, or a parameter not finite.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML
    2010.
    """
    if negative_slope == 0 and max_value is None and threshold == 0:
        return _native.activation("relu", x, out)
    bound = math.inf if max_value is None else max_value
    return _apply(
        "relu", x, out, negative_slope=negative_slope, max_value=bound, threshold=threshold
    )


def relu6(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``min(max(x, 0), 6)``. The derivative is 0 at both kinks.

    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    return _native.activation("relu6", x, out)


def leaky_relu(x: npt.ArrayLike, out: Array | None = None, *, negative_slope: float = 0.2) -> Array:
    """Return ``x`` where it is positive and ``negative_slope * x`` elsewhere.

    Raises:
        ValueError: if ``negative_slope`` is negative or not finite.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013.
    """
    return _apply("leaky_relu", x, out, negative_slope=negative_slope)


def rrelu(
    x: npt.ArrayLike,
    out: Array | None = None,
    *,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    seed: SupportsIndex | None = None,
) -> Array:
    """Return ``x`` where it is positive and ``slope * x`` elsewhere.

    In training each value draws its slope evenly from [lower, upper]; otherwise the slope is their
    mean.

    Args:
        x: an array of any shape.
        out: where the result goes.
        lower: the lowest slope, at least 0.
        upper: the highest slope, at least ``lower``.
        training: whether slopes are drawn.
        seed: an integer that always draws the same slopes; None takes the process-wide seed.

    Raises:
        ValueError: if a slope is out of its range.

    Source: Xu, Wang, Chen and Li, "Empirical evaluation of rectified activations in convolutional
    network", 2015.
    """
    slopes = checked_slopes(lower, upper)
    if not training:
        return leaky_relu(x, out, negative_slope=sum(slopes) / 2)
    drawn = _native.noise("rrelu", slopes, _array(x), *random.key_and_stream(seed))
    return drawn if out is None else _native.activation("linear", drawn, out)


def checked_slopes(lower: float, upper: float) -> tuple[float, float]:
    """Return the slopes of a randomised ReLU.

    Raises:
        ValueError: unless they are finite and ``0 <= lower <= upper``.
    """
    if not (0 <= lower <= upper and math.isfinite(upper)):
        raise ValueError(
            f"lower is {lower} and upper is {upper}, expected finite 0 <= lower <= upper"
        )
    return float(lower), float(upper)


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
    return _native.activation("selu", x, out)


def celu(x: npt.ArrayLike, out: Array | None = None, *, alpha: float = 1.0) -> Array:
    """Return ``x`` where it is positive and ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Raises:
        ValueError: if ``alpha`` is not positive and finite.

    Source: Barron, "Continuously differentiable exponential linear units", 2017.
    """
    return _apply("celu", x, out, alpha=alpha)


def exponential(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``exp(x)``."""
    return _native.activation("exponential", x, out)


def sigmoid(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``1 / (1 + exp(-x))``."""
    return _native.activation("sigmoid", x, out)


def hard_sigmoid(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``relu6(x + 3) / 6``.

    Source: Courbariaux, Bengio and David, "BinaryConnect", NIPS 2015.
    """
    return _native.activation("hard_sigmoid", x, out)


def log_sigmoid(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``log(sigmoid(x))``, which is ``-softplus(-x)``."""
    return _native.activation("log_sigmoid", x, out)


def softplus(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``log(1 + exp(x))``.

    Source: Dugas, Bengio, Belisle, Nadeau and Garcia, "Incorporating second-order functional
    knowledge for better option pricing", NIPS 2000.
    """
    return _native.activation("softplus", x, out)


def tanh(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return the hyperbolic tangent."""
    return _native.activation("tanh", x, out)


def softsign(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x / (1 + abs(x))``.

    Source: Turian, Bergstra and Bengio, "Quadratic features and deep architectures for chunking",
    NAACL 2009.
    """
    return _native.activation("softsign", x, out)


def silu(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x * sigmoid(x)``, also known as swish.

    Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016; Ramachandran, Zoph
    and Le, "Searching for activation functions", 2017.
    """
    return _native.activation("silu", x, out)


swish = silu


def hard_silu(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x * relu6(x + 3) / 6``, also known as hard swish.

    Source: Howard and others, "Searching for MobileNetV3", ICCV 2019.
    """
    return _native.activation("hard_silu", x, out)


hard_swish = hard_silu


def gelu(x: npt.ArrayLike, out: Array | None = None, *, approximate: bool = False) -> Array:
    """Return ``x * Phi(x)`` with the normal distribution function ``Phi``.

    With ``approximate``, it is :func:`gelu_tanh`.

    Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016.
    """
    return _apply("gelu_tanh" if approximate else "gelu", x, out)


def gelu_tanh(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``, which is close to GELU.

    Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016.
    """
    return _native.activation("gelu_tanh", x, out)


def mish(x: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x * tanh(softplus(x))``.

    Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
    """
    return _native.activation("mish", x, out)


def prelu(x: npt.ArrayLike, alpha: npt.ArrayLike, out: Array | None = None) -> Array:
    """Return ``x`` where it is positive and ``alpha * x`` elsewhere.

    Args:
        x: an array of any shape.
        alpha: the slopes, of a shape that the last axes of ``x`` have, and of ``x``'s dtype.
        out: where to write the result, of ``x``'s shape and dtype; None for a new array.

    Raises:
        ValueError: if ``alpha`` or ``out`` does not fit ``x``.
        TypeError: if a dtype is not float32 or float64, or differs from ``x``'s.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.

    >>> prelu([[-2.0, -2.0], [1.0, -1.0]], [0.5, 0.1]).tolist()
    [[-1.0, -0.2], [1.0, -0.1]]
    """
    array, slopes = _with_slopes(_array(x), alpha)
    if out is not None:
        _require_like("out", out, array)
    result = _native.empty(array.shape, array.dtype)
    _native.prelu(array, slopes, result)
    if out is None:
        return result
    np.copyto(out, result)
    return out


def _prelu_gradient(x: Array, upstream: Array, alpha: npt.ArrayLike) -> tuple[Array, Array]:
    array, slopes = _with_slopes(x, alpha)
    _require_like("upstream", upstream, array)
    gradient_x = _native.empty(array.shape, array.dtype)
    gradient_alpha = _native.empty(slopes.shape, slopes.dtype)
    _native.prelu_gradient(
        array, slopes, np.ascontiguousarray(upstream), gradient_x, gradient_alpha
    )
    return gradient_x, gradient_alpha


def _with_slopes(x: Array, alpha: npt.ArrayLike) -> tuple[Array, Array]:
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"x has dtype {x.dtype}, expected float32 or float64")
    if isinstance(alpha, np.ndarray | np.generic):
        slopes = np.asarray(alpha)
    else:
        slopes = np.asarray(alpha, x.dtype)
    if slopes.dtype != x.dtype:
        raise TypeError(f"alpha has dtype {slopes.dtype}, but x has {x.dtype}")
    if slopes.ndim > x.ndim or x.shape[x.ndim - slopes.ndim :] != slopes.shape:
        raise ValueError(
            f"alpha has shape {slopes.shape}, expected the last sizes of x, which has {x.shape}"
        )
    return np.require(x, requirements=["C", "A"]), np.require(slopes, requirements=["C", "A"])


def _require_like(name: str, array: object, x: Array) -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be an array")
    if array.dtype != x.dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, but x has {x.dtype}")
    if array.shape != x.shape:
        raise ValueError(f"{name} has shape {array.shape}, but x has {x.shape}")


def glu(x: npt.ArrayLike, out: Array | None = None, *, axis: int = -1) -> Array:
    """Return ``a * sigmoid(b)``, of the two halves ``a`` and ``b`` of ``x`` along an axis.

    A layer of it is :class:`unitgain.layers.GLU`: it halves the size, which no other activation
    does, so that it has no place within a layer.

    Raises:
        ValueError: if there is no such axis, or its size is odd.

    Source: Dauphin, Fan, Auli and Grangier, "Language modeling with gated convolutional networks",
    ICML 2017.
    """
    array = _array(x)
    if not -array.ndim <= axis < array.ndim or array.shape[axis] % 2:
        raise ValueError(
            f"x has shape {array.shape}, expected an even size along axis {axis}, to be halved"
        )
    a, b = np.split(array, 2, axis)
    made: Array = np.multiply(a, sigmoid(b), out=out)
    return made


def softmax(x: npt.ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Return ``exp(x) / sum(exp(x))``, the sum being along ``axis``.

    Entries of -inf get probability 0. NaN, +inf, or nothing but -inf along the axis gives NaN.
    Probabilities below the smallest normal number are 0.

    Raises:
        ValueError: if ``x`` has no such axis.
    """
    return _native.along_axis("softmax", x, axis, out)


def log_softmax(x: npt.ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Return ``x - log(sum(exp(x)))``, the sum being along ``axis``: the logarithm of softmax.

    Nothing overflows or is rounded to 0 on the way. Entries of -inf stay -inf; NaN, +inf, or
    nothing but -inf along the axis gives NaN.

    Raises:
        ValueError: if ``x`` has no such axis.
    """
    return _native.along_axis("log_softmax", x, axis, out)


def gradient(name: str, x: npt.ArrayLike, upstream: npt.ArrayLike, **parameters: Any) -> Any:
    """Return the gradient at ``x`` of a loss whose gradient at the activation's output is given.

    Args:
        name: the activation; ``"softmax"`` and ``"log_softmax"`` take the parameter ``axis``;
            ``"prelu"`` takes ``alpha`` and returns the gradients with respect to ``x`` and to it.
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
    if name in ("softmax", "log_softmax"):
        axis = parameters.pop("axis", -1)
        if parameters:
            raise TypeError(f"{name}() got an unexpected parameter '{next(iter(parameters))}'")
        return _native.gradient_along_axis(name, x, upstream, axis)
    if name == "rrelu":
        slopes = checked_slopes(parameters.pop("lower", 1 / 8), parameters.pop("upper", 1 / 3))
        name, parameters["negative_slope"] = "leaky_relu", sum(slopes) / 2
    if name == "prelu":
        return _prelu_gradient(_array(x), _array(upstream), **parameters)
    if name == "gelu" and parameters.pop("approximate", False):
        name = "gelu_tanh"
    if name == "relu" and parameters.get("max_value", 0) is None:
        del parameters["max_value"]
    return _native.activation_gradient(name, x, upstream, None, parameters)


def _of_row(name: str, formula: str, defaults: Mapping[str, float]) -> Callable[..., Array]:
    """Return the function of a native activation that has none above."""

    def function(x: npt.ArrayLike, out: Array | None = None, **parameters: float) -> Array:
        return _native.activation(name, x, out, parameters)

    given = "".join(f", {parameter}={value:g}" for parameter, value in defaults.items())
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Return ``{formula}``.

    Its parameters, by keyword: ``{name}(x, out=None{given})``.
    """
    return function


_by_name: dict[str, Callable[..., Array]] = {}
for _name, (_formula, _defaults) in _native.activation_table().items():
    _by_name[_name] = globals().setdefault(_name, _of_row(_name, _formula, _defaults))
for _function in (rrelu, softmax, log_softmax):
    _by_name[_function.__name__] = _function
_by_name |= {"swish": silu, "hard_swish": hard_silu}


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
        raise ValueError(_names.unknown("activation", identifier, _by_name))
    return _by_name[identifier]
