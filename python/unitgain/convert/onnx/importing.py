"""Models from ONNX files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from unitgain import layers
from unitgain.convert.onnx.building import Builder, Tensor
from unitgain.convert.onnx.composites import PATTERN_LAYERS
from unitgain.convert.onnx.elementwise import OPERATORS, Expression
from unitgain.convert.onnx.machine_learning import ML_OPERATORS
from unitgain.convert.onnx.operators import OPERATOR_LAYERS, elementwise
from unitgain.convert.onnx.package import onnx_package
from unitgain.convert.onnx.patterns import Bound, matches
from unitgain.convert.onnx.reading import Graph, UnsupportedError, read_model
from unitgain.models.model import Model
from unitgain.models.saving import explained

__all__ = ["from_onnx"]

Array = NDArray[Any]
Node: TypeAlias = Any  # an onnx.NodeProto


def from_onnx(source: Any) -> Model:
    """Return the model of an ONNX file, with its weights, to run and to train on.

    Operators become layers: ``Gemm`` and ``MatMul`` are Dense, and several that are one activation
    or normalization are that one layer, as exporters write GELU or mish of ten operators. Layers
    are called after their nodes or weights. Weights in float16, bfloat16 or quantised (behind
    ``DequantizeLinear``) become numbers of the network's dtype, which is float64 if an input is,
    else float32. The batch, the first axis of all inputs, is of any size. Outputs of labels beside
    those of numbers, as scikit-learn's classifiers have them, are left out: a column of the
    probabilities is a label, in the order of ``classes_``. So are inputs that no output needs.

    Args:
        source: the file's path, its bytes, or an ``onnx.ModelProto``. Values that lie in other
            files are read from the file's own folder alone.

    Raises:
        ValueError: if the file is damaged, or a node is no work of dense networks; the message
            names the node and its operator.
        TypeError: if ``source`` is something else.
        ImportError: if onnx is not installed (``pip install unitgain[onnx]``).
        OSError: if the file cannot be read.
    """
    onnx_package()
    named = source if isinstance(source, (str, os.PathLike)) else "the ONNX model"
    if not isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)) and not hasattr(
        source, "graph"
    ):
        raise TypeError(
            f"source is of type {type(source).__name__}, expected a path, bytes or a ModelProto"
        )
    with explained(named):
        model, folder = read_model(source)
        return _model_of(Graph(model, folder))


def _model_of(graph: Graph) -> Model:
    outputs = _outputs(graph)
    dtype = _dtype(graph)
    builder = Builder(graph, dtype)
    rewritten: dict[int, tuple[str, Bound]] = {}
    for node in graph.nodes:
        found = matches(node, graph.producers, graph.is_constant)
        if found is not None:
            rewritten[id(node)] = found
    needed = _needed(graph, outputs, rewritten)
    inputs = []
    with builder.give_weights():
        for one in graph.inputs:
            if one.name in needed:
                made = _input(one, dtype)
                inputs.append(made)
                is_whole = made.values_dtype not in ("float32", "float64")
                builder.values[one.name] = Tensor(made, is_whole=is_whole)
        for node in graph.nodes:
            if not any(name in needed for name in node.output):
                continue
            for name, value in zip(node.output, _values(builder, node, rewritten), strict=False):
                builder.values[name] = value
        tensors = [_output(builder, name) for name in outputs]
        return Model(
            inputs if len(inputs) > 1 else inputs[0],
            tensors if len(tensors) > 1 else tensors[0],
            name=graph.name or None,
        )


def _values(builder: Builder, node: Node, rewritten: dict[int, tuple[str, Bound]]) -> Sequence[Any]:
    """Return what a node makes."""
    if id(node) in builder.absorbed:
        return [builder.values[n] for n in node.input if n not in builder.graph.constants]
    try:
        if id(node) in rewritten:
            kind, bound = rewritten[id(node)]
            made = PATTERN_LAYERS[kind](builder, node, bound)
            if made is None:
                raise UnsupportedError(
                    node, f"looks like the last of a {kind}, but is another function"
                )
        elif node.domain in ("", "ai.onnx") and node.op_type in OPERATOR_LAYERS:
            made = OPERATOR_LAYERS[node.op_type](builder, node)
        elif node.domain == "ai.onnx.ml" and node.op_type in ML_OPERATORS:
            made = ML_OPERATORS[node.op_type](builder, node)
        elif node.domain in ("", "ai.onnx") and node.op_type in OPERATORS:
            made = elementwise(builder, node)
        else:
            raise UnsupportedError(node)
    except UnsupportedError:
        raise
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UnsupportedError(node, f"cannot be converted: {error}") from error
    return made if isinstance(made, list) else [made]


# ---- inputs and outputs ----


def _float_types() -> set[int]:
    types = onnx_package().TensorProto
    return {types.FLOAT, types.DOUBLE, types.FLOAT16, types.BFLOAT16}


def _dtype(graph: Graph) -> str:
    double = onnx_package().TensorProto.DOUBLE
    kinds = {one.type.tensor_type.elem_type for one in graph.inputs}
    if kinds & _float_types():
        return "float64" if double in kinds else "float32"
    made = {one.type.tensor_type.elem_type for one in graph.outputs}
    return "float64" if double in made else "float32"


def _input(info: Any, dtype: str) -> Any:
    """Return the Input of a graph's input."""
    onnx = onnx_package()
    kind = info.type.tensor_type
    sizes = [one.dim_value if one.HasField("dim_value") else None for one in kind.shape.dim]
    if len(sizes) < 2 or any(not size or size < 1 for size in sizes[1:]):
        shown = ", ".join("?" if size is None else str(size) for size in sizes)
        raise ValueError(
            f"the input {info.name!r} has shape ({shown}), expected a batch of samples of a known "
            f"shape"
        )
    given = dtype
    if kind.elem_type not in _float_types():
        given = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return layers.Input([size or 0 for size in sizes[1:]], given, name=info.name)


def _outputs(graph: Graph) -> list[str]:
    """Return the names of the outputs that are numbers.

    A map from labels to probabilities, which ZipMap makes, counts as what it is made of.
    """
    floats = _float_types()
    names = []
    for one in graph.outputs:
        maker = graph.producers.get(one.name)
        if maker is not None and maker.op_type == "ZipMap":
            names.append(maker.input[0])
        elif one.type.tensor_type.elem_type in floats:
            names.append(one.name)
    if not names:
        raise ValueError("it has no output of floating-point numbers")
    return names


def _output(builder: Builder, name: str) -> Any:
    value = builder.values.get(name)
    if isinstance(value, Expression):
        value = builder.values[name] = builder.materialised(value)
    if not isinstance(value, Tensor):
        raise ValueError(f"the output {name!r} does not depend on an input")
    if isinstance(value.symbolic, layers.Input):
        return layers.Identity()(value.symbolic)
    return value.symbolic


def _needed(
    graph: Graph, outputs: Sequence[str], rewritten: dict[int, tuple[str, Bound]]
) -> set[str]:
    """Return the names of the values that the outputs are made of."""
    needed, waiting = set(outputs), list(outputs)
    while waiting:
        node = graph.producers.get(waiting.pop())
        if node is None:
            continue
        names = node.input
        if id(node) in rewritten:  # what lies between is a part of the layer
            names = [v for v in rewritten[id(node)][1].values() if isinstance(v, str)]
        for name in names:
            if name not in needed:
                needed.add(name)
                waiting.append(name)
    return needed
