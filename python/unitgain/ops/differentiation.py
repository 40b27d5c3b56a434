"""Gradients of functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unitgain.ops import sizes
from unitgain.ops.derivatives import gradients
from unitgain.ops.programs import Program, compiled, structure
from unitgain.ops.tracing import (
    Trace,
    Traced,
    TraceError,
    is_traced,
    lifted,
    numbers,
    record,
    tracing,
)

__all__ = ["grad", "value_and_grad"]


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., Any]:
    """Return a function that gives a function's value, and its gradient.

    The function is called with places of arrays, which record what it does by :mod:`unitgain.ops`,
    by Python's operators and by NumPy's functions; it has no values to decide by, see
    :func:`unitgain.ops.where`. What it does is done natively then, with its derivative.

    Args:
        function: returns one number, made of its arrays. An argument that is no array, and is not
            among those of ``argnums``, is given as it is.
        argnums: the argument that the derivative is by, or several.

    Returns:
        A function of the same arguments, which returns a pair: the value, and the gradient, of the
        argument's shape; or a list of them if ``argnums`` is one.

    Raises:
        TypeError: when it is called, if the function needs values, or an argument is no array of
            numbers.
        ValueError: when it is called, if the function returns more than one number.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> f = ug.value_and_grad(lambda x: ug.ops.sum(x**3))
    >>> value, gradient = f(np.array([1.0, 2.0]))
    >>> float(value), gradient.tolist()
    (9.0, [3.0, 12.0])
    """
    several = not isinstance(argnums, int)
    wanted = list(argnums) if not isinstance(argnums, int) else [argnums]

    def call(*arguments: Any, **keywords: Any) -> Any:
        if any(is_traced(one) for one in arguments):
            return _inside(function, wanted, several, arguments, keywords)
        arrays, dtype = _arrays(arguments, wanted)
        trace = Trace(dtype)
        places = {i: trace.input(sizes.fixed(a.shape), _kind(a)) for i, a in arrays.items()}
        given = [places.get(i, one) for i, one in enumerate(arguments)]
        with tracing(trace):
            value = _number(function(*given, **keywords), trace)
            inputs = trace.inputs
            chosen = [places[i] for i in _counted(wanted, len(arguments))]

            def make() -> Program:
                return Program(inputs, [value, *_gradients(value, chosen)])

            key = (structure(inputs, [value]), tuple(wanted))
            program = compiled(key, make)
        values = [*arrays.values(), *(holder.array for holder, _ in trace.variables)]
        result, *found = program.run(values, dtype)
        return result, (found if several else found[0])

    return call


def value_and_gradient_program(function: Callable[..., Any], array: Any) -> Any:
    """Return the native program of a function's value and gradient for arrays of one shape.

    Raises:
        TraceError: if the function needs values.
    """
    trace = Trace(array.dtype.name)
    place = trace.input(sizes.fixed(array.shape))
    with tracing(trace):
        value = _number(function(place), trace)
        return Program([place], [value, *_gradients(value, [place])]).native


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives a function's gradient.

    Arguments and errors are those of :func:`value_and_grad`. The gradient of a gradient is the
    second derivative:

    >>> import numpy as np
    >>> import unitgain as ug
    >>> f = lambda x: ug.ops.sum(ug.ops.exp(2 * x))
    >>> first = ug.grad(f)
    >>> second = ug.grad(lambda x: ug.ops.sum(first(x)))
    >>> first(np.zeros(2)).tolist(), second(np.zeros(2)).tolist()
    ([2.0, 2.0], [4.0, 4.0])
    """
    both = value_and_grad(function, argnums)
    return lambda *arguments, **keywords: both(*arguments, **keywords)[1]


def _counted(wanted: Sequence[int], count: int) -> list[int]:
    if any(not -count <= i < count for i in wanted):
        raise ValueError(f"argnums is {list(wanted)}, but there are {count} arguments")
    return [i % count for i in wanted]


def _kind(array: Any) -> str:
    return {"b": "bool", "f": "float"}.get(array.dtype.kind, "int")


def _arrays(arguments: Sequence[Any], wanted: Sequence[int]) -> tuple[dict[int, Any], str]:
    """Return the arguments that are arrays, by their places, and the dtype of what is computed."""
    chosen = set(_counted(wanted, len(arguments)))
    arrays: dict[int, Any] = {}
    for i, one in enumerate(arguments):
        if i not in chosen and not isinstance(one, np.ndarray):
            continue
        array = np.asarray(numbers(one))
        if array.dtype.kind not in "biuf":
            raise TypeError(f"argument {i} has dtype {array.dtype}, expected numbers")
        if i in chosen and array.dtype.kind != "f":
            array = array.astype(np.float64)
        arrays[i] = array
    single = all(a.dtype != np.float64 for a in arrays.values() if a.dtype.kind == "f")
    return arrays, "float32" if single else "float64"


def _number(value: Any, trace: Trace) -> Traced:
    if not is_traced(value) and np.ndim(value) == 0 and not isinstance(value, (str, type(None))):
        value = lifted(trace, value)
    if not is_traced(value):
        raise TypeError(
            f"the function returns {type(value).__name__}, expected one number made of its "
            f"arguments: its derivative is asked for"
        )
    if sizes.count(value.dims) != sizes.ONE:
        raise ValueError(
            f"the function returns an array of shape {sizes.text(value.dims)}, expected one "
            f"number: the sum or the mean of it, say"
        )
    made: Traced = record("reshape", value, shape=())
    return made


def _gradients(value: Traced, inputs: Sequence[Traced]) -> list[Traced]:
    trace = value.trace
    one = trace.constant(np.array(1.0))
    found = gradients([value], inputs, [one])
    return [
        record("broadcast", lifted(trace, 0.0), shape=x.dims)
        if made is None
        else lifted(trace, made)
        for made, x in zip(found, inputs, strict=True)
    ]


def _inside(
    function: Callable[..., Any],
    wanted: Sequence[int],
    several: bool,
    arguments: Sequence[Any],
    keywords: Any,
) -> Any:
    """Return value and gradient as values of the trace that the arguments belong to."""
    trace = next(one.trace for one in arguments if is_traced(one))
    value = _number(function(*arguments, **keywords), trace)
    chosen = []
    for i in _counted(wanted, len(arguments)):
        if not is_traced(arguments[i]):
            raise TraceError(f"argument {i} has no part in the function that is traced")
        chosen.append(arguments[i])
    found = _gradients(value, chosen)
    return value, (found if several else found[0])
