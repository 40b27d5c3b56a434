"""Operators that work value by value, in NumPy; and the activation that some of them come to.

Exporters write GELU, mish and their kin as they like, of some ten operators. They are known by
their values: an expression of one variable is an activation if it has the same values everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import activations, layers

__all__ = ["OPERATORS", "Expression", "activation_layers"]

Array = NDArray[Any]
# An operator of arrays, given its attributes.
Operator = Callable[..., Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(a: Mapping[str, Any], x: Array) -> Array:
    made: Array = 0.5 * (1 + np.tanh(0.5 * x))
    return made


def _softplus(a: Mapping[str, Any], x: Array) -> Array:
    made: Array = np.logaddexp(0, x)
    return made


def _elu(x: Array, alpha: float, gamma: float = 1.0) -> Array:
    made: Array = gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return made


def _celu(a: Mapping[str, Any], x: Array) -> Array:
    alpha = a.get("alpha", 1.0)
    made: Array = np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)
    return made


def _gelu(a: Mapping[str, Any], x: Array) -> Array:
    if a.get("approximate", b"none") == b"tanh":
        return activations.gelu_tanh(np.asarray(x, np.float64))
    return activations.gelu(np.asarray(x, np.float64))


def _hard_sigmoid(a: Mapping[str, Any], x: Array) -> Array:
    made: Array = np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1)
    return made


def _clip(a: Mapping[str, Any], x: Array, low: Any = None, high: Any = None) -> Array:
    low = a.get("min", -np.inf) if low is None else low
    high = a.get("max", np.inf) if high is None else high
    made: Array = np.minimum(np.maximum(x, low), high)
    return made


def _cast(a: Mapping[str, Any], x: Array) -> Array:
    """Return numbers as they are: those of a network have one dtype."""
    return np.asarray(x, np.float64)


def _plain(function: Callable[..., Any]) -> Operator:
    """Return a function of arrays as an operator without attributes."""
    return lambda a, *arrays: function(*arrays)


def _divide(x: Array, y: Array) -> Array:
    """Return the quotient; of integers, rounded towards 0 as ONNX has it."""
    if np.asarray(x).dtype.kind in "iu" and np.asarray(y).dtype.kind in "iu":
        return np.asarray(np.trunc(np.true_divide(x, y)), np.int64)
    return np.asarray(np.true_divide(x, y))


def _fold(function: Callable[[Any, Any], Any]) -> Operator:
    """Return a function of two arrays as an operator of any number."""

    def apply(a: Mapping[str, Any], first: Array, *others: Array) -> Any:
        for other in others:
            first = function(first, other)
        return first

    return apply


OPERATORS: dict[str, Operator] = {
    "Abs": _plain(np.abs),
    "Add": _plain(np.add),
    "And": _plain(np.logical_and),
    "Cast": _cast,
    "Celu": _celu,
    "Clip": _clip,
    "Div": _plain(_divide),
    "Elu": lambda a, x: _elu(x, a.get("alpha", 1.0)),
    "Equal": _plain(np.equal),
    "Erf": _plain(_erf),
    "Exp": _plain(np.exp),
    "Gelu": _gelu,
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda a, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": lambda a, x: x,
    "LeakyRelu": lambda a, x: np.where(x < 0, a.get("alpha", 0.01) * x, x),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "Log": _plain(np.log),
    "Max": _fold(np.maximum),
    "Min": _fold(np.minimum),
    "Mish": lambda a, x: x * np.tanh(np.logaddexp(0, x)),
    "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative),
    "Not": _plain(np.logical_not),
    "Or": _plain(np.logical_or),
    "Pow": _plain(np.power),
    "Reciprocal": _plain(np.reciprocal),
    "Relu": lambda a, x: np.maximum(x, 0),
    "Selu": lambda a, x: _elu(x, a.get("alpha", 1.6732632), a.get("gamma", 1.0507010)),
    "Sigmoid": _sigmoid,
    "Sign": _plain(np.sign),
    "Softplus": _softplus,
    "Softsign": lambda a, x: x / (1 + np.abs(x)),
    "Sqrt": _plain(np.sqrt),
    "Sub": _plain(np.subtract),
    "Sum": _fold(np.add),
    "Swish": lambda a, x: x * _sigmoid(a, a.get("alpha", 1.0) * x),
    "Tanh": _plain(np.tanh),
    "ThresholdedRelu": lambda a, x: np.where(x > a.get("alpha", 1.0), x, 0),
    "Where": _plain(np.where),
}


class Expression:
    """A chain of operators on one tensor, value by value.

    Args:
        node: the operator's node.
        attributes: the node's.
        operands: expressions, the tensor itself, or numbers.
        source: the tensor that it is of.

    Attributes:
        depth: how many operators lie between the tensor and its values, at most.
    """

    def __init__(
        self, node: Any, attributes: Mapping[str, Any], operands: Sequence[Any], source: Any
    ) -> None:
        self.node = node
        self.attributes = attributes
        self.operands = list(operands)
        self.source = source
        self.depth = 1 + max(getattr(operand, "depth", 0) for operand in operands)

    def inner(self) -> list[Any]:
        """Return the tensor and the expressions that this one is made of, innermost first."""
        found: dict[int, Any] = {id(self.source): self.source}

        def visit(expression: Any) -> None:
            if id(expression) in found or not isinstance(expression, Expression):
                return
            for operand in expression.operands:
                visit(operand)
            found[id(expression)] = expression

        for operand in self.operands:
            visit(operand)
        return list(found.values())

    def values(self, variable: Any, points: Array) -> Array | None:
        """Return the values at points of a variable: the tensor, or one of :meth:`inner`.

        None if they do not depend on it alone.
        """
        known: dict[int, Any] = {id(variable): points}

        def evaluate(expression: Any) -> Any:
            if id(expression) in known:
                return known[id(expression)]
            if not isinstance(expression, Expression):
                return None if expression is self.source else expression
            arrays = [evaluate(operand) for operand in expression.operands]
            if any(
                array is None and operand is not None
                for array, operand in zip(arrays, expression.operands, strict=True)
            ):
                made = None
            else:
                made = OPERATORS[expression.node.op_type](expression.attributes, *arrays)
            known[id(expression)] = made
            return made

        with np.errstate(all="ignore"):
            made = evaluate(self)
        return None if made is None else np.broadcast_to(made, points.shape).astype(np.float64)


# Where functions are compared: kinks lie between, but for that of the step function.
_POINTS = np.concatenate(
    [
        [0.0],
        np.linspace(-12, 12, 97) + 0.0123,
        *([-x, x] for x in (1e-6, 1e-3, 20.3, 50.7, 101.0, 1.1e3, 1.1e6, 1e30)),
    ]
)
# The activations without parameters; ELU stands for CELU of the same.
_PLAIN = (
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "silu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "softplus",
    "softsign",
    "hard_sigmoid",
    "hard_silu",
    "mish",
    "log_sigmoid",
    "exponential",
    "step",
)
# An activation: its values at points, and layers that make it.
_Candidate = tuple[Callable[[Array], Array], Callable[[], list[Any]]]


def activation_layers(
    function: Callable[[Array], Array | None], dtype: str, has_halves: bool
) -> list[Any] | None:
    """Return the layers that have a function's values; none for the identity, None if unknown.

    Args:
        function: returns values at points, or None.
        dtype: of the network, which says how exact parameters are.
        has_halves: whether constants may have been rounded to 16 bits.
    """
    values = function(_POINTS)
    if values is None or not np.isfinite(values[np.abs(_POINTS) < 15]).all():
        return None
    if np.array_equal(values, _POINTS):
        return []
    best, made = 4e-3 if has_halves else 1e-6, None
    with np.errstate(all="ignore"):
        for candidate, layers_of in _candidates(function, dtype):
            expected = candidate(_POINTS)
            both = np.isfinite(values) & np.isfinite(expected)
            x, y, other = _POINTS[both], expected[both], values[both]
            apart = np.abs(other - y) / (np.abs(y) + np.minimum(np.abs(x), 0.5) + 1e-6)
            if apart.max() < best:
                best, made = apart.max(), layers_of
    return None if made is None else made()


def _candidates(function: Callable[[Array], Array | None], dtype: str) -> Iterator[_Candidate]:
    """Yield the activations, with the parameters that the function would have for them."""
    for name in _PLAIN:
        yield activations.get(name), partial(_one, layers.Activation, name)

    found = function(np.array([-1.0, -1.1e6, 1e30, -1e3, -2e3]))
    assert found is not None
    below, limit, highest, left, lefter = (float(value) for value in found + 0.0)

    def short(value: float) -> float:
        """Return the number of fewest digits that the network takes for the same."""
        return float(str(np.float32(value))) if dtype == "float32" else value

    slope = short(-below)
    if 0 < slope < math.inf:
        yield (
            lambda x: activations.leaky_relu(x, negative_slope=slope),
            partial(_one, layers.LeakyReLU, slope),
        )
    limit = short(-limit)
    if 0 < limit < 1e5:
        yield lambda x: activations.elu(x, alpha=limit), partial(_one, layers.ELU, limit)
        yield (
            lambda x: activations.celu(x, alpha=limit),
            lambda: [layers.Rescaling(1 / limit), layers.ELU(), layers.Rescaling(limit)],
        )
    highest, slope = short(highest), short((left - lefter) / 1e3)
    if highest > 0 and 0 <= slope < math.inf:
        threshold = short(_threshold(function, left, (left - lefter) / 1e3))
        bound = highest if highest < 1e29 else None
        if math.isfinite(threshold):
            yield (
                lambda x: activations.relu(
                    x, negative_slope=slope, max_value=bound, threshold=threshold
                ),
                partial(_one, layers.ReLU, bound, slope, threshold),
            )


def _one(kind: Callable[..., Any], *arguments: Any) -> list[Any]:
    return [kind(*arguments)]


def _threshold(function: Callable[[Array], Array | None], left: float, slope: float) -> float:
    """Return where a function leaves the line of this slope, or zero, that it is at -1000."""
    if slope:
        return -1e3 - left / slope

    def at(x: float) -> float:
        found = function(np.array([x]))
        assert found is not None
        return float(found[0])

    low, high = -1e3, 1e6
    if left != 0 or at(high) == 0:
        return math.nan
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return high
        low, high = (middle, high) if at(middle) == 0 else (low, middle)
