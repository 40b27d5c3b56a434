"""Layers whose arithmetic is written in Python, as nodes of the native graph.

What is made of :mod:`unitgain.ops` is traced, and native code; what needs arrays' values is called.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.native import NativeGraph
from unitgain.graph.tensors import SampleShape
from unitgain.ops.samples import TracedNode
from unitgain.ops.tracing import TraceError

__all__ = ["infer_output_shape", "lower_custom", "takes_training"]


def takes_training(layer: Any) -> bool:
    """Return whether the layer's ``call`` takes the keyword ``training``."""
    parameters = inspect.signature(layer.call).parameters.values()
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)


def _arguments(layer: Any, training: bool) -> dict[str, bool]:
    return {"training": training} if takes_training(layer) else {}


def has_backward(layer: Any) -> bool:
    """Return whether the layer's class says what its derivative is."""
    return any("backward" in vars(c) for c in type(layer).__mro__ if not _is_base(c))


def _is_base(kind: type) -> bool:
    return "ensure_built" in vars(kind)  # Layer, which this module cannot import


def trace_call(
    layer: Any, input_shape: Any, training: bool, which: int | None = None
) -> TracedNode:
    """Return what a layer's ``call`` does with samples of this shape.

    Raises:
        TraceError: if it needs values.
    """
    several = isinstance(input_shape, list)
    shapes = input_shape if several else [input_shape]

    def function(*places: Any) -> Any:
        given = list(places) if several else places[0]
        return layer.call(given, **_arguments(layer, training))

    return TracedNode(function, shapes, layer.dtype, layer.weights, which)


def infer_output_shape(layer: Any, input_shape: Any) -> Any:
    """Return a sample's shape behind a layer, by tracing its ``call``, or calling it with zeros."""
    if not has_backward(layer):
        try:
            traced = trace_call(layer, input_shape, False)
            made = traced.shapes()
            return made if traced.is_list else made[0]
        except TraceError:
            pass
    shapes = input_shape if isinstance(input_shape, list) else [input_shape]
    zeros = [np.zeros((2, *shape), layer.dtype) for shape in shapes]
    given = zeros if isinstance(input_shape, list) else zeros[0]
    array = np.asarray(layer.call(given, **_arguments(layer, False)))
    if array.ndim < 2 or len(array) != 2:
        raise ValueError(
            f"{layer.name} makes an array of shape {array.shape} of samples of shape "
            f"{input_shape}, expected (samples, features)"
        )
    return array.shape[1:]


def _checked(array: Any, shape: tuple[int, ...], what: str) -> NDArray[Any]:
    made = np.asarray(array)
    if made.shape != shape:
        raise ValueError(f"{what} has shape {made.shape}, expected {shape}")
    return made


def lower_custom(
    layer: Any, graph: NativeGraph, node: Any, mask: tuple[int, SampleShape] | None = None
) -> Any:
    """Add the node, or nodes, of a layer's ``call``: traced, or one that calls Python.

    Args:
        layer: the layer.
        graph: the native graph.
        node: what the layer reads, or a list of several.
        mask: a mask's node, and its samples' shape, for a ``call`` that takes one, which is called.
    """
    if mask is None and not has_backward(layer):
        try:
            return _lower_traced(layer, graph, node)
        except TraceError:
            pass
    return _lower_called(layer, graph, node, mask)


def _lower_traced(layer: Any, graph: NativeGraph, node: Any) -> Any:
    """Add an expression for each output."""
    shape = layer.input_shape
    infer = trace_call(layer, shape, False)
    count = len(infer.outputs)
    made = [_lower_output(layer, graph, node, i if infer.is_list else None) for i in range(count)]
    return made if infer.is_list else made[0]


def _lower_output(layer: Any, graph: NativeGraph, node: Any, which: int | None) -> int:
    passes = [trace_call(layer, layer.input_shape, False, which)]
    if takes_training(layer):
        passes.append(trace_call(layer, layer.input_shape, True, which))
    variables = list(dict.fromkeys(v for one in passes for v in one.variables))
    shape = passes[0].shapes()[which or 0]
    programs = [one.passes(variables) for one in passes]
    rows, cols = int(np.prod(shape[:-1], dtype=int)), shape[-1]
    return int(
        graph.expression(
            node if isinstance(node, list) else [node],
            rows,
            cols,
            [v.parameter for v in variables],
            programs[0],
            programs[-1],
            layer.trainable,
        )
    )


def _lower_called(
    layer: Any, graph: NativeGraph, node: Any, mask: tuple[int, SampleShape] | None
) -> int:
    """Add a node that calls the layer's ``call`` and ``backward``."""
    several = isinstance(node, list)
    shapes = layer.input_shape if several else [layer.input_shape]
    made = layer.compute_output_shape(layer.input_shape)
    variables = [w for w in layer.weights if w.trainable]

    def given(arrays: list[NDArray[Any]]) -> Any:
        inputs = [a.reshape(len(a), *s) for a, s in zip(arrays, shapes, strict=True)]
        return inputs if several else inputs[0]

    count = len(shapes)

    def keywords(arrays: list[NDArray[Any]], training: bool) -> dict[str, Any]:
        found: dict[str, Any] = _arguments(layer, training)
        if mask is not None:
            shape = mask[1][:-1] if mask[1] == (*shapes[0][:-1], 1) else mask[1]
            found["mask"] = (arrays[count] > 0.5).reshape(len(arrays[0]), *shape)
        return found

    def forward(arrays: list[NDArray[Any]], training: bool) -> NDArray[Any]:
        result = layer.call(given(arrays[:count]), **keywords(arrays, training))
        return _checked(result, (len(arrays[0]), *made), f"the output of {layer.name}")

    def backward(
        upstream: NDArray[Any], arrays: list[NDArray[Any]], output: NDArray[Any]
    ) -> tuple[list[Any], list[Any]]:
        rows = len(output)
        inputs = given(arrays[:count])
        result = layer.backward(upstream.reshape(rows, *made), inputs, output.reshape(rows, *made))
        weight_gradients: Any = []
        if layer.weights:
            if not isinstance(result, tuple) or len(result) != 2:
                raise ValueError(
                    f"{layer.name}.backward returns {type(result).__name__}, expected a pair: the "
                    f"gradient at the inputs, and a list of those at the trainable weights"
                )
            result, weight_gradients = result
        gradients = list(result) if several else [result]
        if len(gradients) != len(shapes) or len(weight_gradients) != len(variables):
            raise ValueError(
                f"{layer.name}.backward returns {len(gradients)} gradients at inputs and "
                f"{len(weight_gradients)} at weights, expected {len(shapes)} and {len(variables)}"
            )
        return (
            [
                _checked(g, (rows, *s), f"the gradient of {layer.name} at its input")
                for g, s in zip(gradients, shapes, strict=True)
            ]
            + [np.zeros_like(array) for array in arrays[count:]],
            [
                _checked(g, v.shape, f"the gradient of {v.name}")
                for g, v in zip(weight_gradients, variables, strict=True)
            ],
        )

    rows, cols = int(np.prod(made[:-1], dtype=int)), made[-1]
    nodes = list(node) if several else [node]
    if mask is not None:
        nodes.append(mask[0])
    parameters = [v.parameter for v in variables]
    return int(graph.custom(nodes, rows, cols, parameters, forward, backward, layer.trainable))
