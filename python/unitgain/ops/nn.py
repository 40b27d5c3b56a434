"""Activations, and what losses are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unitgain.ops import sizes
from unitgain.ops.arithmetic import as_float
from unitgain.ops.function import operation
from unitgain.ops.reductions import constant_of, dims_of, logsumexp, mean, reduce
from unitgain.ops.shaping import array_of
from unitgain.ops.sizes import ONE
from unitgain.ops.tracing import axis_of, is_traced, record

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "normalize",
    "one_hot",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy",
    "swish",
]

# What probabilities are kept from 0 and 1 by, as in unitgain.losses.
_CLIP = 1e-7


def _numbers(x: Any) -> Any:
    return as_float(array_of(x))


def _activation(name: str, primitive: str, formula: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return record(primitive, _numbers(x))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return ``{formula}`` for each element."
    return operation(function)


relu = _activation("relu", "relu", "max(x, 0)")
sigmoid = _activation("sigmoid", "sigmoid", "1 / (1 + exp(-x))")
softplus = _activation("softplus", "softplus", "log(1 + exp(x))")
log_sigmoid = _activation("log_sigmoid", "log_sigmoid", "log(sigmoid(x))")
silu = _activation("silu", "silu", "x sigmoid(x)")
swish = _activation("swish", "silu", "x sigmoid(x)")


@operation
def gelu(x: Any, approximate: bool = True) -> Any:
    """Return ``x Phi(x)``, with the normal distribution ``Phi``; or its formula with tanh."""
    return record("gelu_tanh" if approximate else "gelu", _numbers(x))


@operation
def relu6(x: Any) -> Any:
    """Return ``min(max(x, 0), 6)`` for each element."""
    return record("minimum", record("relu", _numbers(x)), 6.0)


@operation
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Return ``x`` above 0, ``negative_slope x`` below."""
    x = _numbers(x)
    return record("where", record("greater", x, 0), x, record("multiply", x, negative_slope))


@operation
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return ``x`` above 0, ``alpha (exp(x) - 1)`` below."""
    x = _numbers(x)
    below = record("expm1", record("minimum", x, 0.0))
    return record("where", record("greater", x, 0), x, record("multiply", below, alpha))


@operation
def selu(x: Any) -> Any:
    """Return ``1.0507 elu(x, 1.6733)``."""
    return record("multiply", elu(x, 1.6732632423543772), 1.0507009873554805)


@operation
def softsign(x: Any) -> Any:
    """Return ``x / (1 + abs(x))`` for each element."""
    x = _numbers(x)
    return record("divide", x, record("add", record("abs", x), 1.0))


@operation
def mish(x: Any) -> Any:
    """Return ``x tanh(softplus(x))`` for each element."""
    x = _numbers(x)
    return record("multiply", x, record("tanh", record("softplus", x)))


@operation
def hard_sigmoid(x: Any) -> Any:
    """Return ``relu6(x + 3) / 6`` for each element."""
    return record("divide", relu6(record("add", _numbers(x), 3.0)), 6.0)


@operation
def hard_silu(x: Any) -> Any:
    """Return ``x relu6(x + 3) / 6`` for each element."""
    x = _numbers(x)
    return record("multiply", x, hard_sigmoid(x))


@operation
def hard_swish(x: Any) -> Any:
    """Return :func:`hard_silu` by its other name."""
    return hard_silu(x)


@operation
def softmax(x: Any, axis: Any = -1) -> Any:
    """Return positive numbers along axes that sum to 1, in proportion to ``exp(x)``.

    Args:
        x: an array.
        axis: an axis, or several; None for all.
    """
    x = _numbers(x)
    shift = constant_of(reduce("max", x, axis, True))
    powers = record("exponential", record("subtract", x, shift))
    return record("divide", powers, reduce("sum", powers, axis, True))


@operation
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Return the logarithms of :func:`softmax`, exact where that rounds to 0 or 1."""
    x = _numbers(x)
    return record("subtract", x, logsumexp(x, axis, True))


@operation
def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """Return ``x`` over its norms along an axis, which are ``epsilon`` (1e-7) at least.

    Args:
        x: an array.
        axis: the axis.
        order: 2 for the root of the sum of squares, 1 for the sum of magnitudes.
        epsilon: the least norm.
    """
    x = _numbers(x)
    least = _CLIP if epsilon is None else epsilon
    if order == 1:
        total = record("maximum", reduce("sum", record("abs", x), axis, True), least)
        return record("divide", x, total)
    if order != 2:
        raise ValueError(f"order is {order}, expected 1 or 2")
    squares = record("maximum", reduce("sum", record("square", x), axis, True), least * least)
    return record("multiply", x, record("rsqrt", squares))


@operation
def one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """Return 1 at each label's place along a new axis, and 0 elsewhere.

    A label that is no class, -1 for one, gives zeros.

    Args:
        x: whole numbers.
        num_classes: the new axis's size.
        axis: where the new axis is.
        dtype: float32 by default.
        sparse: False.
    """
    if sparse:
        raise ValueError("sparse is True, but arrays are dense")
    x = array_of(x)
    dims = dims_of(x)
    place = axis_of(axis, len(dims) + 1)
    labels = record("reshape", x, shape=(*dims[:place], ONE, *dims[place:]))
    classes = np.arange(num_classes).reshape(-1, *(1,) * (len(dims) - place))
    made = record("equal", labels, classes)
    if is_traced(made):
        return record("where", made, 1.0, 0.0)
    return made.astype(dtype or "float32")


def _of_classes(target: Any, output: Any, axis: int) -> tuple[Any, Any]:
    target, output = _numbers(target), _numbers(output)
    if dims_of(target) != dims_of(output):
        raise ValueError(
            f"target has shape {sizes.text(dims_of(target))}, but output has "
            f"{sizes.text(dims_of(output))}"
        )
    return target, output


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax(output, axis)
    share = record("divide", output, reduce("sum", output, axis, True))
    kept = record("minimum", record("maximum", share, _CLIP), 1 - _CLIP)
    return record("log", kept)


@operation
def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Return ``-sum(target log p)`` along an axis.

    Args:
        target: probabilities of the classes.
        output: those predicted, or their logits.
        from_logits: whether the outputs are logits.
        axis: the classes' axis.
    """
    target, output = _of_classes(target, output, axis)
    logs = _log_probabilities(output, from_logits, axis)
    return record("negative", reduce("sum", record("multiply", target, logs), axis, False))


@operation
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Return ``-log p`` of each label.

    Args:
        target: labels, of the outputs' shape without the classes' axis, or with 1 there.
        output: the predicted probabilities, or their logits.
        from_logits: whether the outputs are logits.
        axis: the classes' axis.
    """
    target, output = array_of(target), _numbers(output)
    dims = dims_of(output)
    place = axis_of(axis, len(dims))
    rest = tuple(n for i, n in enumerate(dims) if i != place)
    if sizes.count(dims_of(target)) != sizes.count(rest):
        raise ValueError(
            f"target has shape {sizes.text(dims_of(target))}, but output has {sizes.text(dims)}"
        )
    target = record("reshape", target, shape=rest)
    classes = dims[place].factor
    return categorical_crossentropy(one_hot(target, classes, place), output, from_logits, place)


@operation
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Return ``-target log p - (1 - target) log(1 - p)`` for each element.

    Args:
        target: 0 or 1, or a probability.
        output: the predicted probabilities, or their logits.
        from_logits: whether the outputs are logits.
    """
    target, output = _of_classes(target, output, -1)
    if from_logits:
        return record("subtract", record("softplus", output), record("multiply", target, output))
    kept = record("minimum", record("maximum", output, _CLIP), 1 - _CLIP)
    rest = record("log1p", record("negative", kept))
    with_one = record("multiply", target, record("log", kept))
    with_zero = record("multiply", record("subtract", 1.0, target), rest)
    return record("negative", record("add", with_one, with_zero))


@operation
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Return the mean and the variance along axes."""
    x = _numbers(x)
    away = record("subtract", x, constant_of(mean(x, axes, True)))
    middle = mean(x, axes, keepdims)
    squares = mean(record("square", away), axes, keepdims)
    return middle, squares


__all__ += ["moments"]
