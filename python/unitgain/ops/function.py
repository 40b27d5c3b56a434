"""What makes a function one of :mod:`unitgain.ops`: arrays, traced arrays and symbolic tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from unitgain.ops.tracing import Traced

__all__ = ["FUNCTIONS", "operation"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

# All of them by their names.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _symbolic(given: Iterable[Any]) -> Any:
    for one in given:
        if hasattr(type(one), "apply_function"):
            return one
        if isinstance(one, (list, tuple)) and one and not isinstance(one[0], (int, float, str)):
            found = _symbolic(one)
            if found is not None:
                return found
    return None


def operation(function: _Function) -> _Function:
    """Let a function take symbolic tensors, too, which become a node of their graph.

    An object is one if its class has ``apply_function(name, arguments, keywords)``.
    """
    name = function.__name__.rstrip("_")

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        symbolic = _symbolic(arguments)
        if symbolic is None and keywords:
            symbolic = _symbolic(keywords.values())
        if symbolic is not None:
            return symbolic.apply_function(name, arguments, keywords)
        return function(*arguments, **keywords)

    FUNCTIONS[name] = call
    Traced.functions[name] = call
    return call  # type: ignore[return-value]
