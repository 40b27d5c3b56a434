"""The operators of ONNX itself, each as what layers make of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain import layers
from unitgain.convert.onnx.building import Builder, Shape, Tensor
from unitgain.convert.onnx.composites import is_row, layer_norm
from unitgain.convert.onnx.elementwise import Expression
from unitgain.convert.onnx.package import onnx_package
from unitgain.convert.onnx.reading import UnsupportedError, axes_of
from unitgain.graph.tensors import SampleShape

__all__ = ["OPERATOR_LAYERS", "elementwise"]

Array = NDArray[Any]
Node: TypeAlias = Any  # an onnx.NodeProto


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
    _, bias, bias_name = builder.absorb(node.output[0], ["Add"], lambda a: is_row(a, units))
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
    return layer_norm(builder, node, x, axis, epsilon, scale, offset, node.input[1])


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


def elementwise(builder: Builder, node: Node) -> Any:
    """Return what an operator makes of tensors and arrays value by value."""
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


OPERATOR_LAYERS: dict[str, Callable[[Builder, Node], Any]] = {
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
