"""Derivatives of traced values, in reverse: each primitive's rule is written in primitives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unitgain.ops import sizes
from unitgain.ops.primitives import CONDITIONS
from unitgain.ops.reductions import reduce
from unitgain.ops.sizes import ONE, Dims
from unitgain.ops.tracing import Traced, record

__all__ = ["gradients", "in_order"]

# What a rule is given: the gradient at the output, the output, the inputs, the attributes. It
# returns the gradients at the inputs, before what was broadcast is summed up; None for none.
Rule = Callable[..., Sequence[Any]]


def _add(a: Any, b: Any) -> Any:
    return record("add", a, b)


def _sub(a: Any, b: Any) -> Any:
    return record("subtract", a, b)


def _mul(a: Any, b: Any) -> Any:
    return record("multiply", a, b)


def _div(a: Any, b: Any) -> Any:
    return record("divide", a, b)


def _one(name: str, x: Any) -> Any:
    return record(name, x)


def _if(condition: Any, a: Any, b: Any) -> Any:
    return record("where", condition, a, b)


# The derivative of a function of one element, by the input x and the output y.
_SLOPES: dict[str, Callable[[Any, Any], Any]] = {
    "abs": lambda x, y: _one("sign", x),
    "square": lambda x, y: _mul(x, 2.0),
    "sqrt": lambda x, y: _div(0.5, y),
    "rsqrt": lambda x, y: _div(_mul(y, -0.5), x),
    "reciprocal": lambda x, y: _one("negative", _one("square", y)),
    "log2": lambda x, y: _div(1 / math.log(2), x),
    "log10": lambda x, y: _div(1 / math.log(10), x),
    "exponential": lambda x, y: y,
    "expm1": lambda x, y: _add(y, 1.0),
    "erf": lambda x, y: _mul(
        _one("exponential", _one("negative", _one("square", x))), 2 / math.sqrt(math.pi)
    ),
    "sin": lambda x, y: _one("cos", x),
    "cos": lambda x, y: _one("negative", _one("sin", x)),
    "tan": lambda x, y: _add(_one("square", y), 1.0),
    "asin": lambda x, y: _one("rsqrt", _sub(1.0, _one("square", x))),
    "acos": lambda x, y: _one("negative", _one("rsqrt", _sub(1.0, _one("square", x)))),
    "atan": lambda x, y: _div(1.0, _add(_one("square", x), 1.0)),
    "sinh": lambda x, y: _one("cosh", x),
    "cosh": lambda x, y: _one("sinh", x),
    "tanh": lambda x, y: _sub(1.0, _one("square", y)),
    "asinh": lambda x, y: _one("rsqrt", _add(_one("square", x), 1.0)),
    "acosh": lambda x, y: _one("rsqrt", _sub(_one("square", x), 1.0)),
    "atanh": lambda x, y: _div(1.0, _sub(1.0, _one("square", x))),
    "sigmoid": lambda x, y: _mul(y, _sub(1.0, y)),
    "softplus": lambda x, y: _one("sigmoid", x),
    "log_sigmoid": lambda x, y: _one("sigmoid", _one("negative", x)),
}

# Activations by elementary functions, for derivatives of their derivatives.
_FORMULAS: dict[str, Callable[[Any], Any]] = {
    "silu": lambda x: _mul(x, _one("sigmoid", x)),
    "gelu": lambda x: _mul(_mul(x, 0.5), _add(_one("erf", _mul(x, math.sqrt(0.5))), 1.0)),
    "gelu_tanh": lambda x: _mul(
        _mul(x, 0.5),
        _add(
            _one(
                "tanh",
                _mul(_add(x, _mul(_mul(_one("square", x), x), 0.044715)), math.sqrt(2 / math.pi)),
            ),
            1.0,
        ),
    ),
}


def _is_fixed(x: Traced) -> bool:
    """Return whether an operand is a number that is known."""
    while x.name in ("broadcast", "reshape"):
        x = x.inputs[0]
    return x.name == "constant" and x.attributes["values"].size == 1


def _maximum(u: Any, y: Any, a: Any, b: Any) -> Sequence[Any]:
    # A bound that is a number, as clip()'s, lets the gradient through where it is reached, as in
    # Keras; of two arrays' elements that are equal each has half.
    if _is_fixed(b):
        return _if(record("less", a, b), 0.0, u), None
    if _is_fixed(a):
        return None, _if(record("less", b, a), 0.0, u)
    both = _if(record("equal", a, b), _mul(u, 0.5), 0.0)
    return _if(record("greater", a, b), u, both), _if(record("less", a, b), u, both)


def _minimum(u: Any, y: Any, a: Any, b: Any) -> Sequence[Any]:
    if _is_fixed(b):
        return _if(record("greater", a, b), 0.0, u), None
    if _is_fixed(a):
        return None, _if(record("greater", b, a), 0.0, u)
    both = _if(record("equal", a, b), _mul(u, 0.5), 0.0)
    return _if(record("less", a, b), u, both), _if(record("greater", a, b), u, both)


def _power(u: Any, y: Any, a: Any, b: Any) -> Sequence[Any]:
    by_base = _mul(u, _mul(b, record("power", a, _sub(b, 1.0))))
    positive = record("greater", a, 0)
    by_exponent = _mul(u, _mul(y, _one("log", _if(positive, a, 1.0))))
    return by_base, _if(positive, by_exponent, 0.0)


def _arctan2(u: Any, y: Any, a: Any, b: Any) -> Sequence[Any]:
    share = _div(u, _add(_one("square", a), _one("square", b)))
    return _mul(share, b), _one("negative", _mul(share, a))


_RULES: dict[str, Rule] = {
    "negative": lambda u, y, x: (_one("negative", u),),
    "log": lambda u, y, x: (_div(u, x),),
    "log1p": lambda u, y, x: (_div(u, _add(x, 1.0)),),
    "add": lambda u, y, a, b: (u, u),
    "subtract": lambda u, y, a, b: (u, _one("negative", u)),
    "multiply": lambda u, y, a, b: (_mul(u, b), _mul(u, a)),
    "divide": lambda u, y, a, b: (_div(u, b), _one("negative", _div(_mul(u, y), b))),
    "maximum": _maximum,
    "minimum": _minimum,
    "power": _power,
    "arctan2": _arctan2,
    "mod": lambda u, y, a, b: (u, _one("negative", _mul(u, record("floor_divide", a, b)))),
    "where": lambda u, y, c, a, b: (None, _if(c, u, 0.0), _if(c, 0.0, u)),
    "relu": lambda u, y, x: (_if(record("greater", x, 0), u, 0.0),),
    "concatenate": lambda u, y, *xs, axis: _parts(u, xs, axis),
    "transpose": lambda u, y, x, axes: (
        record("transpose", u, axes=tuple(int(i) for i in np.argsort(axes))),
    ),
    "broadcast": lambda u, y, x, shape: (u,),
    "slice": lambda u, y, x, starts, steps, shape: (
        record("embed", u, shape=x.dims, starts=starts, steps=steps),
    ),
    "embed": lambda u, y, x, shape, starts, steps: (
        record("slice", u, starts=starts, steps=steps, shape=x.dims),
    ),
    "gather": lambda u, y, x, index, axis, along: (
        record("scatter", u, index, axis=axis, along=along, length=x.dims[axis]),
        None,
    ),
    "scatter": lambda u, y, x, index, axis, along, length: (
        record("gather", u, index, axis=axis, along=along),
        None,
    ),
    "cumulative": lambda u, y, x, axis, backward: (
        record("cumulative", u, axis=axis, backward=not backward),
    ),
}
for _name, _slope in _SLOPES.items():
    _RULES[_name] = lambda u, y, x, slope=_slope: (_mul(u, slope(x, y)),)
for _name in _FORMULAS:
    _RULES[_name] = lambda u, y, x, name=_name: (record(f"slope_of_{name}", x, u),)

# What is constant where it has a derivative at all.
_FLAT = CONDITIONS | {"sign", "floor", "ceil", "round", "trunc", "floor_divide", "argmax"}


def _slope_rule(name: str, u: Any, x: Any, upstream: Any) -> Sequence[Any]:
    """Return the gradients of ``upstream f'(x)``, by the formula of f."""
    y = _FORMULAS[name](x)
    one = record("broadcast", x.trace.constant(np.array(1.0)), shape=x.dims)
    (first,) = gradients([y], [x], [one])
    assert first is not None
    (second,) = gradients([first], [x], [_mul(u, upstream)])
    return second, record(f"slope_of_{name}", x, u)


def _sum_rule(u: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Sequence[Any]:
    return (record("broadcast", _kept(u, x.dims, axes), shape=x.dims),)


def _kept(u: Any, dims: Dims, axes: tuple[int, ...]) -> Any:
    shape = tuple(ONE if i in axes else n for i, n in enumerate(dims))
    return record("reshape", u, shape=shape)


def _extreme_rule(u: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Sequence[Any]:
    """Share the gradient among all that are the largest."""
    found = record("equal", x, _kept(y, x.dims, axes))
    chosen = _if(found, 1.0, 0.0)
    share = _div(u, record("sum", chosen, axes=axes))
    return (_mul(chosen, _kept(share, x.dims, axes)),)


def _reshape_rule(
    u: Any, y: Any, x: Any, shape: Dims, kind: Any = None, stops: bool = False
) -> Any:
    return (None if stops else record("reshape", u, shape=x.dims),)


def _product_rule(u: Any, y: Any, a: Any, b: Any, a_turned: bool, b_turned: bool) -> Sequence[Any]:
    if a_turned:
        by_a = record("product", b, u, a_turned=b_turned, b_turned=True)
    else:
        by_a = record("product", u, b, a_turned=False, b_turned=not b_turned)
    if b_turned:
        by_b = record("product", u, a, a_turned=True, b_turned=a_turned)
    else:
        by_b = record("product", a, u, a_turned=not a_turned, b_turned=False)
    return by_a, by_b


def _parts(u: Any, xs: Sequence[Traced], axis: int) -> Sequence[Any]:
    """Return each array's part of the gradient of them joined."""
    made, start = [], 0
    for x in xs:
        if x.dims[axis].power and len(xs) > 1:
            raise ValueError("arrays joined along the batch have no derivative")
        starts = tuple(start if i == axis else 0 for i in range(x.ndim))
        made.append(record("slice", u, starts=starts, steps=(1,) * x.ndim, shape=x.dims))
        start += x.dims[axis].factor
    return made


_RULES |= {
    "sum": _sum_rule,
    "max": _extreme_rule,
    "min": _extreme_rule,
    "reshape": _reshape_rule,
    "product": _product_rule,
}


def _of_slope(name: str) -> Rule:
    return lambda u, y, x, upstream: _slope_rule(name, u, x, upstream)


for _name in _FORMULAS:
    _RULES[f"slope_of_{_name}"] = _of_slope(_name)


def in_order(outputs: Sequence[Traced], leaves: Sequence[Traced] = ()) -> list[Traced]:
    """Return all that values are made of, each behind its inputs.

    Args:
        outputs: values.
        leaves: values that are there already, and what they are made of is not looked at.
    """
    found: list[Traced] = []
    known = {id(leaf) for leaf in leaves}
    seen: set[int] = set()
    waiting = [(value, False) for value in reversed(outputs)]
    while waiting:
        value, done = waiting.pop()
        if done:
            found.append(value)
        elif id(value) not in seen:
            seen.add(id(value))
            waiting.append((value, True))
            if id(value) not in known:
                waiting.extend((one, False) for one in reversed(value.inputs))
    return found


def gradients(
    outputs: Sequence[Traced], inputs: Sequence[Traced], upstream: Sequence[Any]
) -> list[Traced | None]:
    """Return the gradients at inputs, None where an input has no part in the outputs.

    Args:
        outputs: values.
        inputs: values that they are made of.
        upstream: the gradient at each output, of its shape.
    """
    order = in_order(outputs)
    wanted = {id(value) for value in inputs}
    reaches: set[int] = set()
    for value in order:
        if id(value) in wanted or any(id(one) in reaches for one in value.inputs):
            reaches.add(id(value))
    found: dict[int, Any] = {}
    for value, gradient in zip(outputs, upstream, strict=True):
        _accumulate(found, value, gradient)
    for value in reversed(order):
        gradient = found.get(id(value))
        if gradient is None or id(value) not in reaches or value.name in _FLAT or not value.inputs:
            continue
        rule = _RULES[value.name]
        parts = rule(gradient, value, *value.inputs, **value.attributes)
        for one, part in zip(value.inputs, parts, strict=True):
            if part is not None and id(one) in reaches:
                _accumulate(found, one, _unbroadcast(part, one.dims))
    return [found.get(id(value)) for value in inputs]


def _accumulate(found: dict[int, Any], value: Traced, gradient: Any) -> None:
    known = found.get(id(value))
    found[id(value)] = gradient if known is None else record("add", known, gradient)


def _unbroadcast(gradient: Any, dims: Dims) -> Any:
    """Return the sum over the axes along which an input was broadcast."""
    given = gradient.dims if isinstance(gradient, Traced) else ()
    if given == dims:
        return gradient
    if not isinstance(gradient, Traced):
        return gradient
    if len(given) < len(dims) or sizes.broadcast(given, dims) != given:
        # A gradient that is the same for all elements.
        return record("broadcast", gradient, shape=dims)
    extra = len(given) - len(dims)
    axes = list(range(extra))
    axes += [i + extra for i, n in enumerate(dims) if n == ONE and given[i + extra] != ONE]
    total = reduce("sum", gradient, axes, False)
    return record("reshape", total, shape=dims)
