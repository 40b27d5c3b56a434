"""Several operators that are one layer, found by their structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["PATTERNS", "Bound", "matches"]

# The meaning of a pattern's names: values of the graph, or nodes.
Bound = dict[str, Any]


class Value(NamedTuple):
    """Any value; the same wherever the name comes again."""

    name: str


class Constant(NamedTuple):
    """A value that the file holds."""

    name: str


# An operator behind "name=", which binds the node, with ":1" of its second output; what follows are
# patterns of its inputs, further ones of which are free. Add, Mul and Equal take them either way.
Pattern = Any

X, EPSILON = Value("x"), Constant("epsilon")


def _square(x: Pattern) -> list[Pattern]:
    return [("Mul", x, x), ("square=Pow", x, Constant("two"))]


def _root(x: Pattern) -> list[Pattern]:
    """Return the root of the mean square of a pattern."""
    return [("Sqrt", ("Add", ("mean=ReduceMean", square), EPSILON)) for square in _square(x)]


def _over(x: Pattern, divisors: list[Pattern]) -> list[Pattern]:
    return [
        made
        for divisor in divisors
        for made in (("Div", x, divisor), ("Mul", x, ("Reciprocal", divisor)))
    ]


_CENTRED = ("Sub", X, ("first=ReduceMean", X))


def _moved() -> list[Pattern]:
    """Return ``x m - mean m`` with ``m = scale / root``, as TensorFlow adds it up."""
    made: list[Pattern] = []
    for root in _root(_CENTRED):
        for factor in (
            ("factor=Mul", ("Reciprocal", root), Constant("scale")),
            ("factor=Reciprocal", root),
        ):
            shift = ("Mul", ("Neg", ("first=ReduceMean", X)), factor)
            made += [
                ("Add", ("Mul", X, factor), offset)
                for offset in (shift, ("Add", shift, Constant("offset")))
            ]
    return made


_APART = ("Sub", ("unsqueeze=Unsqueeze", X), Constant("centers"))
_SQUARES = ("sum=ReduceSum", ("Mul", _APART, _APART))
_EXPONENT = ("Div", _SQUARES, Constant("factor"))

# The layers of the patterns; the first that matches counts.
PATTERNS: list[tuple[str, Pattern]] = [
    *(("layer_norm", pattern) for pattern in _over(_CENTRED, _root(_CENTRED))),
    *(("layer_norm", pattern) for pattern in _moved()),
    *(("rms_norm", pattern) for pattern in _over(X, _root(X))),
    ("unit_norm", ("Div", X, ("Max", ("mean=ReduceL2", X), EPSILON))),
    ("unit_norm", ("Div", X, ("Expand", ("Clip", ("mean=ReduceL2", X), EPSILON)))),
    ("unit_norm", ("Div", X, ("Clip", ("mean=ReduceL2", X), EPSILON))),
    ("glu", ("Mul", ("split=Split", X), ("Sigmoid", ("split=Split:1", X)))),
    ("rbf", ("Exp", _EXPONENT)),
    ("soft", ("Softmax", _EXPONENT)),
    ("distance", ("Sqrt", _SQUARES)),
    ("one_hot", ("Cast", ("Equal", ("ArgMin", _SQUARES), Constant("numbers")))),
]
_COMMUTATIVE = ("Add", "Mul", "Equal", "Max")


def matches(
    node: Any, producers: Mapping[str, Any], is_constant: Callable[[str], bool]
) -> tuple[str, Bound] | None:
    """Return what a node and those before it come to, with what the pattern's names stand for.

    Args:
        node: the last of the nodes.
        producers: the node that makes each value.
        is_constant: whether a value is one that the file holds.
    """
    for kind, pattern in PATTERNS:
        for bound in _match(pattern, node.output[0], {}, producers, is_constant):
            return kind, bound
    return None


def _match(
    pattern: Pattern,
    name: str,
    bound: Bound,
    producers: Mapping[str, Any],
    is_constant: Callable[[str], bool],
) -> Iterator[Bound]:
    """Yield the ways in which a value fits a pattern, each with more names bound."""
    if isinstance(pattern, (Value, Constant)):
        if isinstance(pattern, Constant) != is_constant(name):
            return
        if bound.get(pattern.name, name) == name:
            yield {**bound, pattern.name: name}
        return
    operator, *inputs = pattern
    label, _, operator = operator.rpartition("=")
    operator, _, output = operator.partition(":")
    node = producers.get(name)
    if node is None or node.op_type != operator or len(node.input) < len(inputs):
        return
    if node.output[int(output or 0)] != name:
        return
    if label:
        if bound.get(label, node) is not node:
            return
        bound = {**bound, label: node}
    orders = [list(node.input[: len(inputs)])]
    if operator in _COMMUTATIVE and len(inputs) == 2:
        orders.append(orders[0][::-1])
    for order in orders:
        yield from _match_all(inputs, order, bound, producers, is_constant)


def _match_all(
    patterns: list[Pattern],
    names: list[str],
    bound: Bound,
    producers: Mapping[str, Any],
    is_constant: Callable[[str], bool],
) -> Iterator[Bound]:
    if not patterns:
        yield bound
        return
    for found in _match(patterns[0], names[0], bound, producers, is_constant):
        yield from _match_all(patterns[1:], names[1:], found, producers, is_constant)
