"""Models from ONNX files: a function for each operator."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain import layers
from unitgain.convert.onnx.building import Builder, Shape, Tensor
from unitgain.convert.onnx.elementwise import OPERATORS, Expression
from unitgain.convert.onnx.package import onnx_package
from unitgain.convert.onnx.patterns import Bound, matches
from unitgain.convert.onnx.reading import Graph, UnsupportedError, axes_of, read_model
from unitgain.graph.tensors import SampleShape
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
                is_whole = made.given_dtype not in ("float32", "float64")
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
            made = _PATTERN_LAYERS[kind](builder, node, bound)
            if made is None:
                raise UnsupportedError(
                    node, f"looks like the last of a {kind}, but is another function"
                )
        elif node.domain in ("", "ai.onnx") and node.op_type in _OPERATORS:
            made = _OPERATORS[node.op_type](builder, node)
        elif node.domain == "ai.onnx.ml" and node.op_type in _ML_OPERATORS:
            made = _ML_OPERATORS[node.op_type](builder, node)
        elif node.domain in ("", "ai.onnx") and node.op_type in OPERATORS:
            made = _elementwise(builder, node)
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


# ---- several operators that are a layer ----


def _is_last(node: Node, builder: Builder, rank: int) -> bool:
    """Return whether a node reduces the last axis and keeps it as 1."""
    attributes = builder.attributes(node)
    axes = axes_of(attributes, builder.array(node, 1))
    return attributes.get("keepdims", 1) == 1 and axes in ([-1], [rank])


def _number(builder: Builder, name: str) -> float:
    return float(builder.graph.constants[name].reshape(()))


def _norm_pattern(builder: Builder, node: Node, bound: Bound) -> Tensor | None:
    """Return a layer normalization, or one by the root mean square."""
    x = builder.tensor_named(node, bound["x"])
    rank = len(x.shape)
    reduced = [bound[role] for role in ("first", "mean") if role in bound]
    if not all(_is_last(one, builder, rank) for one in reduced):
        return None
    if "two" in bound and _number(builder, bound["two"]) != 2:
        return None
    epsilon = _number(builder, bound["epsilon"])
    size = x.shape[-1]
    name, scale, weight = builder.absorb(node.output[0], ["Mul"], lambda a: _is_row(a, size))
    if "first" not in bound:
        layer = layers.RMSNormalization(epsilon=epsilon, name=builder.name_of(node, weight))
        scale = np.ones(size) if scale is None else scale
        return Tensor(builder.call(layer, x.symbolic, scale=scale), x.shape)
    _, offset, _ = builder.absorb(name, ["Add"], lambda a: _is_row(a, size))
    return _layer_norm(builder, node, x, -1, epsilon, scale, offset, weight)


def _is_row(array: Array, size: int) -> bool:
    """Return whether an array has a value for each feature of the last axis."""
    return array.ndim > 0 and array.size == size == array.shape[-1]


def _layer_norm(
    builder: Builder,
    node: Node,
    x: Tensor,
    axis: Any,
    epsilon: float,
    scale: Array | None,
    offset: Array | None,
    weight: str,
) -> Tensor:
    layer = layers.LayerNormalization(
        axis,
        epsilon,
        center=offset is not None,
        scale=scale is not None,
        name=builder.name_of(node, weight),
    )
    weights = {"gamma": scale, "beta": offset}
    given = {role: array for role, array in weights.items() if array is not None}
    return Tensor(builder.call(layer, x.symbolic, **given), x.shape)


def _unit_norm_pattern(builder: Builder, node: Node, bound: Bound) -> Tensor | None:
    x = builder.tensor_named(node, bound["x"])
    if not _is_last(bound["mean"], builder, len(x.shape)):
        return None
    if _number(builder, bound["epsilon"]) > 1e-6:  # the layer's own is 1e-12
        return None
    layer = layers.UnitNormalization(name=builder.name_of(node))
    return Tensor(builder.call(layer, x.symbolic), x.shape)


def _glu_pattern(builder: Builder, node: Node, bound: Bound) -> Tensor | None:
    x = builder.tensor_named(node, bound["x"])
    split = bound["split"]
    sizes = builder.array(split, 1)
    axis = builder.attributes(split).get("axis", 0)
    if len(split.output) != 2 or (sizes is not None and sizes[0] != sizes[-1]):
        return None
    layer = layers.GLU(axis=axis, name=builder.name_of(node))
    return Tensor(builder.call(layer, x.symbolic))


def _affinity_pattern(kind: str) -> Callable[[Builder, Node, Bound], Tensor | None]:
    def convert(builder: Builder, node: Node, bound: Bound) -> Tensor | None:
        x = builder.tensor_named(node, bound["x"])
        rank = len(x.shape)
        axes = axes_of(builder.attributes(bound["unsqueeze"]), builder.array(bound["unsqueeze"], 1))
        attributes = builder.attributes(bound["sum"])
        over = axes_of(attributes, builder.array(bound["sum"], 1))
        if axes not in ([-2], [rank]) or over not in ([-1], [rank + 1]):
            return None
        if attributes.get("keepdims", 1) != 0:
            return None
        centers = builder.graph.constants[bound["centers"]]
        width = 1.0
        if "factor" in bound:
            factor = _number(builder, bound["factor"])
            if factor >= 0:
                return None
            width = math.sqrt(-factor / 2)
        if kind == "one_hot" and not np.array_equal(
            builder.graph.constants[bound["numbers"]], np.arange(len(centers))
        ):
            return None
        layer = layers.ClusterAffinity(len(centers), kind, width, name=builder.name_of(node))
        made = builder.call(layer, x.symbolic, centers=centers, bandwidth=np.array([width]))
        return Tensor(made)

    return convert


_PATTERN_LAYERS: dict[str, Callable[[Builder, Node, Bound], Tensor | None]] = {
    "glu": _glu_pattern,
    "layer_norm": _norm_pattern,
    "rms_norm": _norm_pattern,
    "unit_norm": _unit_norm_pattern,
    **{kind: _affinity_pattern(kind) for kind in ("distance", "one_hot", "rbf", "soft")},
}


# ---- products ----


def _gemm(builder: Builder, node: Node) -> Any:
    attributes = builder.attributes(node)
    x = builder.tensor(node)
    if attributes.get("transA", 0) or len(x.shape) != 1:
        raise UnsupportedError(node, "transposes the batch")
    kernel = builder.needed(node, 1)
    if kernel.ndim != 2:
        raise UnsupportedError(node, f"takes an array of shape {kernel.shape}")
    if attributes.get("transB", 0):
        kernel = kernel.T
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    bias = node.input[2] if len(node.input) > 2 else ""
    added = builder.graph.constants.get(bias)
    units = kernel.shape[1]
    if added is not None:
        added = np.broadcast_to(beta * added, (1, units))[0]
    made = _dense(
        builder,
        node,
        x,
        alpha * kernel,
        added,
        (node.input[1], bias if added is not None else "", alpha, beta),
    )
    if added is None and bias:
        other = builder.tensor(node, 2)
        other = builder.scaled(node, other, beta, 0.0, None) if beta != 1 else other
        return builder.merged(node, [made, other], layers.Add)
    return made


def _matmul(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    if node.input[1] not in builder.graph.constants:
        y = builder.tensor(node, 1)
        if len(x.shape) != 2 or len(y.shape) != 2:
            raise UnsupportedError(
                node, f"multiplies samples of the shapes {x.shape} and {y.shape}"
            )
        layer = layers.Dot((2, 1), name=builder.name_of(node))
        return Tensor(builder.call(layer, [x.symbolic, y.symbolic]))
    kernel = builder.needed(node, 1)
    if kernel.ndim != 2 or not x.shape:
        raise UnsupportedError(node, f"takes an array of shape {kernel.shape}")
    units = kernel.shape[1]
    _, bias, bias_name = builder.absorb(node.output[0], ["Add"], lambda a: _is_row(a, units))
    return _dense(builder, node, x, kernel, bias, (node.input[1], bias_name))


def _dense(
    builder: Builder, node: Node, x: Tensor, kernel: Array, bias: Array | None, key: Any
) -> Tensor:
    """Return a Dense layer; one of the same arrays is the same layer."""
    weight = node.input[1]
    layer = builder.shared(
        ("Dense", key),
        lambda: layers.Dense(
            kernel.shape[1], use_bias=bias is not None, name=builder.name_of(node, weight)
        ),
    )
    bias = None if bias is None else bias.reshape(-1)
    given = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}
    return Tensor(builder.call(layer, x.symbolic, **given))


def _gather(builder: Builder, node: Node) -> Any:
    indices = builder.values.get(node.input[1])
    table = builder.values.get(node.input[0])
    axis = builder.attributes(node).get("axis", 0)
    if isinstance(table, Shape):
        chosen = np.take(np.array(table.sizes, object), builder.needed(node, 1), axis)
        return Shape(np.ravel(chosen).tolist())
    rows = builder.needed(node, 0)
    if axis != 0 or rows.ndim != 2:
        raise UnsupportedError(node, f"takes from an array of shape {rows.shape} along axis {axis}")
    if isinstance(indices, Expression):
        indices = builder.tensor(node, 1)
    if not isinstance(indices, Tensor) or not indices.is_whole:
        raise UnsupportedError(node, f"is given no integers by {node.input[1]!r}")
    if not indices.shape:
        raise UnsupportedError(node, "is given no axis beside the batch's")
    layer = builder.shared(
        ("Embedding", node.input[0]),
        lambda: layers.Embedding(
            rows.shape[0], rows.shape[1], name=builder.name_of(node, node.input[0])
        ),
    )
    made = builder.call(layer, indices.symbolic, embeddings=rows)
    return Tensor(made)


# ---- normalizations and activations with weights ----


def _batch_norm(builder: Builder, node: Node) -> Tensor:
    attributes = builder.attributes(node)
    if attributes.get("training_mode", 0):
        raise UnsupportedError(node, "takes the batch's own statistics")
    x = builder.tensor(node)
    gamma, beta, mean, variance = (builder.needed(node, i) for i in range(1, 5))
    layer = layers.BatchNormalization(
        1,
        attributes.get("momentum", 0.9),
        attributes.get("epsilon", 1e-5),
        name=builder.name_of(node, node.input[1]),
    )
    weights = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    return Tensor(builder.call(layer, x.symbolic, **weights), x.shape)


def _norm_axes(builder: Builder, node: Node, x: Tensor) -> list[int]:
    """Return the axes of a normalization from its first on, the batch being axis 0."""
    rank = len(x.shape) + 1
    axis = builder.attributes(node).get("axis", -1) % rank
    if axis == 0:
        raise UnsupportedError(node, "normalizes the batch")
    return list(range(axis, rank))


def _layer_normalization(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    axes = _norm_axes(builder, node, x)
    epsilon = builder.attributes(node).get("epsilon", 1e-5)
    arrays = [builder.needed(node, 1), builder.array(node, 2)]
    shape = x.shape[axes[0] - 1 :]
    scale, offset = (None if a is None else np.broadcast_to(a, shape) for a in arrays)
    axis = axes if len(axes) > 1 else -1
    return _layer_norm(builder, node, x, axis, epsilon, scale, offset, node.input[1])


def _rms_normalization(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    axes = _norm_axes(builder, node, x)
    scale = np.broadcast_to(builder.needed(node, 1), x.shape[axes[0] - 1 :])
    layer = layers.RMSNormalization(
        axes,
        builder.attributes(node).get("epsilon", 1e-5),
        name=builder.name_of(node, node.input[1]),
    )
    return Tensor(builder.call(layer, x.symbolic, scale=scale), x.shape)


def _group_normalization(builder: Builder, node: Node) -> Tensor:
    """Return a normalization of groups of channels, or of each as ``InstanceNormalization`` has it.

    Before operator set 21 ``GroupNormalization`` had a scale for each group.
    """
    x = builder.tensor(node)
    attributes = builder.attributes(node)
    scale, offset = builder.needed(node, 1), builder.needed(node, 2)
    if len(scale) != x.shape[0]:
        raise UnsupportedError(node, f"has {len(scale)} scales for {x.shape[0]} channels")
    layer = layers.GroupNormalization(
        attributes.get("num_groups", -1),
        1,
        attributes.get("epsilon", 1e-5),
        name=builder.name_of(node, node.input[1]),
    )
    return Tensor(builder.call(layer, x.symbolic, gamma=scale, beta=offset), x.shape)


def _lp_normalization(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    attributes = builder.attributes(node)
    axis = attributes.get("axis", -1)
    if attributes.get("p", 2) != 2 or not x.shape:
        raise UnsupportedError(node, "is no Euclidean norm")
    layer = layers.UnitNormalization(axis, name=builder.name_of(node))
    return Tensor(builder.call(layer, x.symbolic), x.shape)


def _prelu(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    slopes = builder.needed(node, 1)
    while slopes.ndim > len(x.shape) and slopes.shape[0] == 1:
        slopes = slopes[0]
    slopes = slopes.reshape((1,) * (len(x.shape) - slopes.ndim) + slopes.shape)
    shared = [
        axis
        for axis, (size, own) in enumerate(zip(x.shape, slopes.shape, strict=True), 1)
        if own == 1 and size != 1
    ]
    name = builder.name_of(node, node.input[1])
    layer = layers.PReLU(shared_axes=shared, name=name)
    return Tensor(builder.call(layer, x.symbolic, alpha=slopes), x.shape)


def _softmax(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    rank = len(x.shape) + 1
    before_13 = 0 < builder.graph.opset < 13
    axis = builder.attributes(node).get("axis", 1 if before_13 else -1) % rank
    # Before operator set 13 all axes from this one on were one.
    axes = list(range(axis, rank)) if before_13 else [axis]
    name = builder.name_of(node)
    if node.op_type == "LogSoftmax":
        if axes != [rank - 1]:
            raise UnsupportedError(node, "is along another axis than the last")
        return Tensor(builder.call(layers.Activation("log_softmax", name), x.symbolic), x.shape)
    layer = layers.Softmax(axes if len(axes) > 1 or axes[0] != rank - 1 else -1, name=name)
    return Tensor(builder.call(layer, x.symbolic), x.shape)


# ---- shapes ----


def _shape(builder: Builder, node: Node) -> Shape:
    attributes = builder.attributes(node)
    sizes = [None, *builder.tensor(node).shape]
    return Shape(sizes[attributes.get("start", 0) : attributes.get("end")])


def _sizes(builder: Builder, node: Node, which: int) -> list[int | None]:
    """Return a shape that a node is given."""
    value = builder.values.get(node.input[which])
    if isinstance(value, Shape):
        return value.sizes
    return [int(size) for size in builder.needed(node, which)]


def _reshaped(builder: Builder, node: Node, x: Tensor, shape: SampleShape) -> Tensor:
    """Return samples in another shape; that of () is kept as one size of 1."""
    if math.prod(shape) != math.prod(x.shape):
        raise UnsupportedError(node, f"makes samples of shape {shape} of such of shape {x.shape}")
    target = shape or (1,)
    if x.symbolic.sample_shape == target:
        return Tensor(x.symbolic, shape, x.is_whole)
    name = builder.name_of(node)
    layer = layers.Flatten(name=name) if len(target) == 1 else layers.Reshape(target, name)
    return Tensor(builder.call(layer, x.symbolic), shape, x.is_whole)


def _reshape(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    sizes = _sizes(builder, node, 1)
    now = [None, *x.shape]
    if not builder.attributes(node).get("allowzero", 0):
        sizes = [now[i] if size == 0 else size for i, size in enumerate(sizes)]
    if not sizes or None in sizes[1:]:
        raise UnsupportedError(node, "moves the batch to another axis")
    count, rest = math.prod(x.shape), [int(size or 0) for size in sizes[1:]]
    if sizes[0] == -1 and -1 not in rest and math.prod(rest) == count:
        return _reshaped(builder, node, x, tuple(rest))
    # A batch of a number that the file was written with is one of any size.
    if sizes[0] == -1 or math.prod(rest) == 0:
        raise UnsupportedError(node, f"makes {sizes} of samples of shape {x.shape}")
    known = math.prod(size for size in rest if size != -1)
    if rest.count(-1) == 1 and count % known == 0:
        rest = [count // known if size == -1 else size for size in rest]
    return _reshaped(builder, node, x, tuple(rest))


def _flatten(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    rank = len(x.shape) + 1
    axis = builder.attributes(node).get("axis", 1)
    if (axis % rank if axis < 0 else axis) != 1:
        raise UnsupportedError(node, f"makes one axis of the batch and others: axis is {axis}")
    return _reshaped(builder, node, x, (math.prod(x.shape),))


def _squeeze(builder: Builder, node: Node) -> Any:
    value = builder.values.get(node.input[0])
    if isinstance(value, Shape):
        return value
    x = builder.tensor(node)
    axes = axes_of(builder.attributes(node), builder.array(node, 1))
    rank = len(x.shape) + 1
    if axes is None:
        axes = [i for i in range(1, rank) if x.shape[i - 1] == 1]
    gone = {axis % rank for axis in axes}
    if 0 in gone:
        raise UnsupportedError(node, "removes the batch's axis")
    return _reshaped(builder, node, x, tuple(s for i, s in enumerate(x.shape, 1) if i not in gone))


def _unsqueeze(builder: Builder, node: Node) -> Any:
    value = builder.values.get(node.input[0])
    if isinstance(value, Shape):
        return value
    x = builder.tensor(node)
    axes = axes_of(builder.attributes(node), builder.array(node, 1)) or []
    rank = len(x.shape) + 1 + len(axes)
    places = {axis % rank for axis in axes}
    if 0 in places:
        raise UnsupportedError(node, "puts an axis before the batch's")
    sizes = iter(x.shape)
    return _reshaped(
        builder, node, x, tuple(1 if i in places else next(sizes) for i in range(1, rank))
    )


def _transpose(builder: Builder, node: Node) -> Tensor:
    x = builder.tensor(node)
    rank = len(x.shape) + 1
    perm = list(builder.attributes(node).get("perm", range(rank)[::-1]))
    if not perm or perm[0] != 0:
        raise UnsupportedError(node, "moves the batch to another axis")
    if perm == list(range(rank)):
        return x
    layer = layers.Permute(perm[1:], name=builder.name_of(node))
    return Tensor(builder.call(layer, x.symbolic))


def _concat(builder: Builder, node: Node) -> Any:
    axis = builder.attributes(node)["axis"]
    parts = [builder.values.get(name) for name in node.input]
    if any(isinstance(part, Shape) for part in parts):
        sizes: list[int | None] = []
        for i in range(len(parts)):
            sizes += _sizes(builder, node, i)
        return Shape(sizes)
    tensors = [builder.tensor(node, i) for i in range(len(parts))]
    if len(tensors) == 1:
        return tensors[0]
    if axis % (len(tensors[0].shape) + 1) == 0:
        raise UnsupportedError(node, "puts batches behind one another")
    layer = layers.Concatenate(axis, name=builder.name_of(node))
    return Tensor(builder.call(layer, [tensor.symbolic for tensor in tensors]))


def _slice(builder: Builder, node: Node) -> Shape:
    value = builder.values.get(node.input[0])
    if not isinstance(value, Shape):
        raise UnsupportedError(node, "takes a part of samples")
    arrays = [builder.array(node, i) for i in range(1, 5)]
    made = builder.folded(node, [np.array(value.sizes, object), *arrays])
    assert made is not None
    return Shape(made.tolist())


def _expand(builder: Builder, node: Node) -> Tensor:
    """Return samples as they are, if that is what is asked for."""
    x = builder.tensor(node)
    sizes = _sizes(builder, node, 1)[1:]
    if any(size not in (1, own) for size, own in zip(sizes, x.shape, strict=True)):
        raise UnsupportedError(node, f"repeats samples of shape {x.shape}")
    return x


# ---- value by value ----


def _elementwise(builder: Builder, node: Node) -> Any:
    value = builder.values.get(node.input[0])
    if isinstance(value, Shape):
        return value if node.op_type in ("Cast", "Identity") else _shape_arithmetic(node)
    if node.op_type == "Cast":
        return _cast(builder, node)
    if node.op_type == "Identity":
        return value
    made = builder.elementwise(node)
    if made is not None:
        return made
    operators = {"Add": (1.0, 1.0), "Sub": (1.0, -1.0), "Mul": (1.0, 0.0), "Div": (1.0, 0.0)}
    arrays = [name for name in node.input if name in builder.graph.constants]
    if node.op_type in operators and len(arrays) == 1:
        return _with_array(builder, node, arrays[0])
    if node.op_type in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean") and not arrays:
        tensors = [builder.tensor(node, i) for i in range(len(node.input))]
        return builder.merged(node, tensors)
    raise UnsupportedError(node, "takes inputs that no layer takes together")


def _shape_arithmetic(node: Node) -> Any:
    raise UnsupportedError(node, "calculates with the batch's size")


def _with_array(builder: Builder, node: Node, name: str) -> Tensor:
    """Return a tensor plus, minus, times or over an array of the file."""
    array = np.asarray(builder.graph.constants[name], np.float64)
    comes_first = node.input[0] == name
    x = builder.tensor(node, 1 if comes_first else 0)
    label = builder.name_of(node)
    if node.op_type == "Add":
        return builder.scaled(node, x, 1.0, array, label)
    if node.op_type == "Sub":
        scale, offset = (-1.0, array) if comes_first else (1.0, -array)
        return builder.scaled(node, x, scale, offset, label)
    if node.op_type == "Div":
        if comes_first:
            raise UnsupportedError(node, "divides by samples")
        array = 1 / array
    _, added, _ = builder.absorb(node.output[0], ["Add"], lambda a: a.shape == array.shape)
    return builder.scaled(node, x, array, 0.0 if added is None else added, label)


def _mean(builder: Builder, node: Node) -> Tensor:
    return builder.merged(node, [builder.tensor(node, i) for i in range(len(node.input))])


def _cast(builder: Builder, node: Node) -> Any:
    """Return what it is given: a network has one dtype, and integers are numbers of it.

    Numbers become integers, which cuts off their fractions, for the rows of a table alone.
    """
    onnx = onnx_package()
    value = builder.values.get(node.input[0])
    kind = onnx.helper.tensor_dtype_to_np_dtype(builder.attributes(node)["to"])
    is_float = kind.kind == "f" or kind.name == "bfloat16"
    if isinstance(value, Tensor) and (value.is_whole or is_float):
        return Tensor(value.symbolic, value.shape, not is_float)
    if is_float:
        return builder.elementwise(node)
    consumers = builder.graph.consumers.get(node.output[0], [])
    if kind.kind in "iu" and all(one.op_type in ("Gather", "Cast") for one in consumers):
        x = builder.tensor(node)
        return Tensor(x.symbolic, x.shape, True)
    if kind.kind == "b":
        return builder.elementwise(node)
    raise UnsupportedError(node, f"makes {kind.name} of numbers")


def _dropout(builder: Builder, node: Node) -> Any:
    """Return a Dropout of the file's rate; inference hands its input on."""
    rate = builder.attributes(node).get("ratio", 0.5)
    given = builder.array(node, 1)
    rate = float(rate if given is None else given.reshape(()))
    training = builder.array(node, 2)
    if training is not None and training.any():
        raise UnsupportedError(node, "drops values in inference")
    x = builder.tensor(node)
    if rate == 0:
        return x
    layer = layers.Dropout(rate, name=builder.name_of(node))
    return Tensor(builder.call(layer, x.symbolic), x.shape)


_OPERATORS: dict[str, Callable[[Builder, Node], Any]] = {
    "BatchNormalization": _batch_norm,
    "Concat": _concat,
    "Dropout": _dropout,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _group_normalization,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": _softmax,
    "LpNormalization": _lp_normalization,
    "MatMul": _matmul,
    "Mean": _mean,
    "PRelu": _prelu,
    "RMSNormalization": _rms_normalization,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


# ---- the operators of ai.onnx.ml that scikit-learn's linear models and scalers become ----


def _scaler(builder: Builder, node: Node) -> Tensor:
    """Return ``(x - offset) * scale``."""
    x = builder.tensor(node)
    attributes = builder.attributes(node)
    size = x.shape[-1] if x.shape else 1
    offset, scale = (
        np.broadcast_to(np.asarray(attributes.get(key, default), np.float64), (size,))
        for key, default in (("offset", [0.0]), ("scale", [1.0]))
    )
    name = builder.name_of(node)
    if (scale > 0).all() and (scale <= 1e7).all():  # the layer divides by no less than 1e-7
        layer = layers.Normalization(mean=offset, variance=1 / scale**2, name=name)
        return Tensor(builder.call(layer, x.symbolic), x.shape)
    centred = builder.scaled(node, x, 1.0, -offset, None)
    return builder.scaled(node, centred, scale, 0.0, name)


def _linear(builder: Builder, node: Node, units: int) -> Tensor:
    """Return the products with the coefficients, plus the intercepts."""
    x = builder.tensor(node)
    attributes = builder.attributes(node)
    kernel = np.reshape(attributes["coefficients"], (units, -1)).T
    bias = attributes.get("intercepts")
    layer = layers.Dense(units, use_bias=bias is not None, name=builder.name_of(node))
    weights = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": np.array(bias)}
    return Tensor(builder.call(layer, x.symbolic, **weights))


def _transformed(builder: Builder, node: Node, x: Tensor) -> Tensor:
    """Return scores as ``post_transform`` makes them."""
    name = builder.attributes(node).get("post_transform", b"NONE").decode()
    if name == "NONE":
        return x
    if name == "SOFTMAX":
        return Tensor(builder.call(layers.Softmax(), x.symbolic))
    if name == "LOGISTIC":
        return Tensor(builder.call(layers.Activation("sigmoid"), x.symbolic))
    raise UnsupportedError(node, f"has post_transform {name}")


def _linear_regressor(builder: Builder, node: Node) -> Tensor:
    units = builder.attributes(node).get("targets", 1)
    return _transformed(builder, node, _linear(builder, node, units))


def _linear_classifier(builder: Builder, node: Node) -> list[Any]:
    """Return the labels, which are left out, and the scores."""
    attributes = builder.attributes(node)
    classes = len(attributes.get("classlabels_ints") or attributes.get("classlabels_strings") or [])
    x = builder.tensor(node)
    rows = len(attributes["coefficients"]) // x.shape[-1]
    if rows != classes:
        raise UnsupportedError(node, f"has {rows} rows of coefficients for {classes} classes")
    return [None, _transformed(builder, node, _linear(builder, node, rows))]


def _normalizer(builder: Builder, node: Node) -> Tensor:
    norm = builder.attributes(node).get("norm", b"MAX").decode()
    x = builder.tensor(node)
    if norm == "L1" and isinstance(x.symbolic.node.layer, layers.Softmax):
        return x  # which adds up to 1
    if norm != "L2":
        raise UnsupportedError(node, f"divides by the norm {norm}")
    return Tensor(
        builder.call(layers.UnitNormalization(name=builder.name_of(node)), x.symbolic), x.shape
    )


_ML_OPERATORS: dict[str, Callable[[Builder, Node], Any]] = {
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "Normalizer": _normalizer,
    "Scaler": _scaler,
}
