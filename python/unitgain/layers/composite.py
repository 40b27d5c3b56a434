"""Layers whose ``call`` is made of layers: it is traced with symbolic tensors, as a model's is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from unitgain.graph.function import Function
from unitgain.graph.operation import Operation
from unitgain.graph.tensors import SymbolicTensor

__all__ = ["adopt_parts", "is_traced", "missing_arguments", "trace"]


def _definer(kind: type, name: str) -> type:
    return next(c for c in kind.__mro__ if name in vars(c))


def is_traced(layer: Any) -> bool:
    """Return whether a layer's ``call`` says what it does, of layers that it calls.

    It does if it overrides that of a layer with native code; or if there are layers among the
    attributes, and the class has no ``backward``, which goes with a ``call`` of arrays.
    """
    kind = type(layer)
    base = _definer(kind, "ensure_built")  # Layer, which this module cannot import
    call, lower = _definer(kind, "call"), _definer(kind, "lower")
    if call is base:
        return False
    if lower is not base:
        return call is not lower and issubclass(call, lower)
    return _definer(kind, "backward") is base and any(_named_parts(layer))


def _named_parts(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the layers and models among a layer's attributes, and in lists and dicts there."""
    for attribute, value in vars(layer).items():
        if isinstance(value, (list, tuple)):
            found = [(f"{attribute}_{i}", one) for i, one in enumerate(value)]
        elif isinstance(value, dict):
            found = [(f"{attribute}_{key}", one) for key, one in value.items()]
        else:
            found = [(attribute, value)]
        yield from ((name, one) for name, one in found if _is_part(one))


def _is_part(value: Any) -> bool:
    return isinstance(value, Operation)


def adopt_parts(layer: Any, input_shape: Any) -> None:
    """Build the layers that a traced one calls, and take their weights for its own.

    They get names that a copy's will have, too: the layer's and the attribute's.
    """
    parts = dict(_named_parts(layer))
    for attribute, part in parts.items():
        if not part.built and not part.nodes:
            part.name = f"{layer.name}/{attribute}"
    layer.parts = list(dict.fromkeys(parts.values()))
    trace(layer, input_shape)
    found = [weight for part in layer.parts for weight in part.weights]
    layer.weights = list(dict.fromkeys([*layer.weights, *found]))
    if not layer.trainable:
        layer.trainable = False  # and so are they
    if layer.learning_rate_multiplier != 1:
        layer.learning_rate_multiplier = layer.learning_rate_multiplier


def trace(layer: Any, input_shape: Any) -> Function:
    """Return what a layer's ``call`` makes of samples of this shape.

    Raises:
        ValueError: if it does not return one symbolic tensor.
    """
    several = isinstance(input_shape, list)
    shapes = input_shape if several else [input_shape]
    known: Function | None = layer.traces.get(tuple(shapes))
    if known is not None:
        return known
    inputs = [SymbolicTensor.source(shape, layer.dtype) for shape in shapes]
    layer.is_tracing = True
    try:
        output = layer.call(inputs if several else inputs[0], **missing_arguments(layer.call))
    finally:
        layer.is_tracing = False
    if not isinstance(output, SymbolicTensor):
        raise ValueError(
            f"{layer.name}.call returns {type(output).__name__}, expected what layers make of its "
            f"inputs: one symbolic tensor"
        )
    made = Function(inputs, output)
    layer.traces[tuple(shapes)] = made
    return made


def missing_arguments(call: Callable[..., Any]) -> dict[str, None]:
    """Return ``training=None`` for a ``call`` that cannot do without."""
    parameter = inspect.signature(call).parameters.get("training")
    needed = parameter is not None and parameter.default is inspect.Parameter.empty
    return {"training": None} if needed else {}
