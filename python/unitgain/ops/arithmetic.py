"""Functions of single elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from unitgain.ops.function import operation
from unitgain.ops.primitives import CONDITIONS, WHOLE
from unitgain.ops.tracing import Traced, is_traced, numbers, record

__all__ = [
    "abs",
    "absolute",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cast",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "divide",
    "divide_no_nan",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
    "where",
]


def as_float(x: Any) -> Any:
    """Return whole numbers and booleans of arrays as float32, as Keras does."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "biu":
        return x.astype(np.float32)
    return x


def scalar_first(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Return both as arrays or numbers, those of no array as ones of the other's dtype."""
    return numbers(x1), numbers(x2)


def _unary(name: str, primitive: str, text: str) -> Callable[..., Any]:
    takes_whole = primitive in WHOLE or primitive in CONDITIONS

    def function(x: Any) -> Any:
        x = numbers(x)
        if not is_traced(x) and not takes_whole:
            x = as_float(np.asarray(x))
        return record(primitive, x)

    return _named(function, name, f"Return, for each element: {text[0].lower()}{text[1:]}.")


def _binary(name: str, primitive: str, text: str) -> Callable[..., Any]:
    def function(x1: Any, x2: Any) -> Any:
        x1, x2 = scalar_first(x1, x2)
        if primitive == "divide" and not is_traced(x1) and not is_traced(x2):
            x1, x2 = as_float(x1), as_float(x2)
        return record(primitive, x1, x2)

    return _named(
        function, name, f"Return, for each pair of elements: {text[0].lower()}{text[1:]}."
    )


def _named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return operation(function)


# Each function: its name, its primitive, what it is.
negative = _unary("negative", "negative", "-x")
abs = _unary("abs", "abs", "The magnitude of x")
absolute = _unary("absolute", "abs", "The magnitude of x")
square = _unary("square", "square", "x times x")
sqrt = _unary("sqrt", "sqrt", "The square root")
rsqrt = _unary("rsqrt", "rsqrt", "1 over the square root")
reciprocal = _unary("reciprocal", "reciprocal", "1 over x")
exp = _unary("exp", "exponential", "e to the power of x")
expm1 = _unary("expm1", "expm1", "exp(x) - 1, exact near 0")
log = _unary("log", "log", "The natural logarithm")
log1p = _unary("log1p", "log1p", "log(1 + x), exact near 0")
log2 = _unary("log2", "log2", "The logarithm to base 2")
log10 = _unary("log10", "log10", "The logarithm to base 10")
sign = _unary("sign", "sign", "-1, 0 or 1, as x is below, at or above 0")
floor = _unary("floor", "floor", "The largest integer that is not above x")
ceil = _unary("ceil", "ceil", "The smallest integer that is not below x")
trunc = _unary("trunc", "trunc", "x without its fraction")
logical_not = _unary("logical_not", "logical_not", "Whether x is 0")
isnan = _unary("isnan", "isnan", "Whether x is NaN")
isfinite = _unary("isfinite", "isfinite", "Whether x is neither infinite nor NaN")
isinf = _unary("isinf", "isinf", "Whether x is infinite")
sin = _unary("sin", "sin", "The sine")
cos = _unary("cos", "cos", "The cosine")
tan = _unary("tan", "tan", "The tangent")
arcsin = _unary("arcsin", "asin", "The inverse of the sine")
arccos = _unary("arccos", "acos", "The inverse of the cosine")
arctan = _unary("arctan", "atan", "The inverse of the tangent")
sinh = _unary("sinh", "sinh", "The hyperbolic sine")
cosh = _unary("cosh", "cosh", "The hyperbolic cosine")
tanh = _unary("tanh", "tanh", "The hyperbolic tangent")
arcsinh = _unary("arcsinh", "asinh", "The inverse of the hyperbolic sine")
arccosh = _unary("arccosh", "acosh", "The inverse of the hyperbolic cosine")
arctanh = _unary("arctanh", "atanh", "The inverse of the hyperbolic tangent")
erf = _unary("erf", "erf", "The error function")

add = _binary("add", "add", "The sum")
subtract = _binary("subtract", "subtract", "The difference")
multiply = _binary("multiply", "multiply", "The product")
divide = _binary("divide", "divide", "The quotient")
true_divide = _binary("true_divide", "divide", "The quotient")
floor_divide = _binary(
    "floor_divide", "floor_divide", "The largest integer that is not above the quotient"
)
mod = _binary("mod", "mod", "What the division leaves, with the divisor's sign")
maximum = _binary("maximum", "maximum", "The larger one; NaN if either is")
minimum = _binary("minimum", "minimum", "The smaller one; NaN if either is")
equal = _binary("equal", "equal", "Whether both are equal")
not_equal = _binary("not_equal", "not_equal", "Whether both differ")
less = _binary("less", "less", "Whether x1 < x2")
less_equal = _binary("less_equal", "less_equal", "Whether x1 <= x2")
greater = _binary("greater", "greater", "Whether x1 > x2")
greater_equal = _binary("greater_equal", "greater_equal", "Whether x1 >= x2")
logical_and = _binary("logical_and", "logical_and", "Whether neither is 0")
logical_or = _binary("logical_or", "logical_or", "Whether one is not 0")
arctan2 = _binary("arctan2", "arctan2", "The angle of the point (x2, x1)")


@operation
def power(x1: Any, x2: Any) -> Any:
    """Return ``x1`` to the power of ``x2``; small whole powers by products.

    The derivative by the exponent is that of a positive base, and 0 at a base of 0.
    """
    x1, x2 = scalar_first(x1, x2)
    if is_traced(x1) and not is_traced(x2) and np.ndim(x2) == 0:
        return _power_of(x1, float(x2))
    return record("power", x1, x2)


def _power_of(x: Traced, exponent: float) -> Any:
    """Return a traced value to the power of a number."""
    if exponent == 0:
        return ones_like(x)
    if exponent < 0:
        return record("reciprocal", _power_of(x, -exponent))
    if exponent == 0.5:
        return record("sqrt", x)
    if exponent == int(exponent) and exponent <= 16:
        return _whole_power(x, int(exponent))
    return record("power", x, exponent)


def _whole_power(x: Any, exponent: int) -> Any:
    if exponent == 1:
        return x
    half = _whole_power(x, exponent // 2)
    squared = record("square", half)
    return record("multiply", squared, x) if exponent % 2 else squared


def ones_like(x: Traced) -> Any:
    """Return ones of a traced value's shape."""
    return record("broadcast", x.trace.constant(np.array(1.0)), shape=x.dims)


@operation
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Return ``x1`` where a condition holds, else ``x2``.

    This is what an ``if`` becomes: both are computed, and the derivative goes to the one that was
    chosen. Keep what is not chosen finite: ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    Args:
        condition: booleans, or numbers that are not 0.
        x1: what is taken where it holds.
        x2: what is taken elsewhere.

    >>> import unitgain as ug
    >>> ug.ops.where([True, False], 1.0, 2.0).tolist()
    [1.0, 2.0]
    """
    if x1 is None or x2 is None:
        raise ValueError("where needs x1 and x2: which elements hold is not known beforehand")
    condition, x1, x2 = numbers(condition), numbers(x1), numbers(x2)
    return record("where", condition, x1, x2)


@operation
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Return ``x`` within ``x_min`` and ``x_max``; the derivative is 0 outside.

    Args:
        x: an array.
        x_min: the lowest value, or None for none.
        x_max: the highest value, or None for none.
    """
    made = numbers(x)
    if x_min is not None:
        made = record("maximum", made, numbers(x_min))
    return made if x_max is None else record("minimum", made, numbers(x_max))


@operation
def logical_xor(x1: Any, x2: Any) -> Any:
    """Return whether one is 0 and the other is not."""
    x1, x2 = scalar_first(x1, x2)
    return record("not_equal", record("logical_not", x1), record("logical_not", x2))


@operation
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """Return the quotient, 0 where the divisor is 0."""
    x1, x2 = scalar_first(x1, x2)
    zero = record("equal", x2, 0)
    quotient = record("divide", as_float(x1), as_float(record("where", zero, 1, x2)))
    return record("where", zero, 0.0, quotient)


@operation
def round(x: Any, decimals: int = 0) -> Any:
    """Return the nearest integer, the even one of two; or the nearest with so many decimals."""
    x = numbers(x)
    if decimals == 0:
        return record("round", x)
    scale = math.pow(10.0, decimals)
    return record("divide", record("round", record("multiply", x, scale)), scale)


@operation
def cast(x: Any, dtype: Any) -> Any:
    """Return the elements as numbers of another dtype.

    In a traced function all numbers are floats of one dtype, and a cast rounds towards 0, or makes
    0 and 1.

    Args:
        x: an array.
        dtype: ``"float32"``, ``"int32"``, ``"bool"`` ..., or a NumPy dtype.
    """
    kind = np.dtype(dtype).kind
    if kind not in "biuf":
        raise TypeError(f"dtype is {dtype}, expected one of numbers")
    x = numbers(x)
    if not is_traced(x):
        return np.asarray(x).astype(dtype)
    if kind == "b":
        return record("not_equal", x, 0)
    made = record("trunc", x) if kind in "iu" and x.kind == "float" else x
    return as_kind(made, "float" if kind == "f" else "int")


def as_kind(x: Traced, kind: str) -> Traced:
    """Return a traced value as one of another kind of numbers, the elements being what they are."""
    if x.kind == kind:
        return x
    return x.trace.value("reshape", (x,), {"shape": x.dims, "kind": kind}, x.dims, kind)
