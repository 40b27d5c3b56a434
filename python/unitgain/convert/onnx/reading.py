"""ONNX files as graphs: nodes in order, and all that the file holds as arrays."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain.convert.onnx.elementwise import OPERATORS
from unitgain.convert.onnx.package import onnx_package
from unitgain.convert.onnx.tensors import array_of, dequantized

__all__ = ["Graph", "UnsupportedError", "attributes_of", "described", "read_model"]

Array = NDArray[Any]
Source: TypeAlias = Any

# Before 7, operators broadcast by attributes.
_OLDEST_OPSET = 7
# The most values that are computed from constants, unless the file's own are more.
_MOST_VALUES = 2**26


class UnsupportedError(ValueError):
    """A node that no layer stands for."""

    def __init__(self, node: Any, reason: str = "") -> None:
        domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
        super().__init__(
            f"the operator {domain}{node.op_type} of the node {described(node)!r} "
            + (reason or "is none of a dense network's")
        )


def described(node: Any) -> str:
    """Return what a node is called: its name, or that of what it makes."""
    return str(node.name or next(iter(node.output), ""))


def attributes_of(node: Any) -> dict[str, Any]:
    """Return a node's attributes as Python's values."""
    helper = onnx_package().helper
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def read_model(source: Source) -> tuple[Any, str | None]:
    """Return a ``ModelProto`` from a path, bytes or itself, and the folder of its file.

    Raises:
        TypeError: if it is something else.
        ValueError: if it is no ONNX model.
        OSError: if the file cannot be read.
    """
    onnx = onnx_package()
    folder = None
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        folder = os.path.dirname(os.path.abspath(path))
        with open(path, "rb") as file:
            source = file.read()
    if isinstance(source, onnx.ModelProto):
        return source, folder
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"source is of type {type(source).__name__}, expected a path, bytes or a ModelProto"
        )
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(source))
    except Exception as error:
        raise ValueError(f"it is no ONNX model: {error}") from error
    if not model.HasField("graph"):
        raise ValueError("it is no ONNX model: it has no graph")
    return model, folder


class Graph:
    """A model's nodes that depend on its inputs, and the arrays that do not.

    Attributes:
        name: the graph's name.
        opset: the version of ONNX's own operators.
        nodes: the nodes that depend on inputs, in order.
        constants: all else, by name.
        producers: the node that makes each value.
        consumers: the nodes that take each value.
        has_halves: whether there are arrays of 16 bits, of which some constants are, too.
        inputs: what the model is given.
        outputs: what it makes.
    """

    def __init__(self, model: Any, folder: str | None) -> None:
        graph = model.graph
        self.name = graph.name
        self.opset = _opset(model)
        if model.functions:
            raise ValueError(
                "it has functions of its own: onnx.inliner.inline_local_functions makes nodes of "
                "them"
            )
        if graph.sparse_initializer:
            raise ValueError("it has sparse initializers, which are not read")
        self.constants: dict[str, Array] = {}
        for tensor in graph.initializer:
            self.constants[tensor.name] = array_of(tensor, folder)
        self.has_halves = any(one.data_type in _halves() for one in graph.initializer)
        held = sum(array.size for array in self.constants.values())
        self._budget = max(_MOST_VALUES, 8 * held)  # of values made from constants
        self.inputs = [one for one in graph.input if one.name not in self.constants]
        self.outputs = list(graph.output)
        known = {"", *self.constants, *(one.name for one in self.inputs)}
        self.nodes: list[Any] = []
        self.producers: dict[str, Any] = {}
        self.consumers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                if name not in known:
                    raise ValueError(
                        f"the node {described(node)!r} takes {name!r}, which nothing before makes"
                    )
                self.consumers.setdefault(name, []).append(node)
            known.update(node.output)
            self.producers.update(dict.fromkeys(node.output, node))
            made = self._folded(node, folder)
            if made is None:
                self.nodes.append(node)
            else:
                self.constants[node.output[0]] = made
        for one in self.outputs:
            if one.name not in known:
                raise ValueError(f"nothing makes the output {one.name!r}")

    def is_constant(self, name: str) -> bool:
        """Return whether the file holds a value."""
        return name in self.constants

    def _folded(self, node: Any, folder: str | None) -> Array | None:
        """Return what a node makes of constants alone; None if it needs more."""
        if node.domain not in ("", "ai.onnx") or len(node.output) != 1:
            return None
        if node.op_type == "Constant":
            return _constant(node, folder)
        if not node.input or any(name and name not in self.constants for name in node.input):
            return None
        arrays = [self.constants[name] if name else None for name in node.input]
        made = folded(node, attributes_of(node), arrays, self._budget)
        self._budget -= 0 if made is None else made.size
        return made


def _halves() -> tuple[int, int]:
    types = onnx_package().TensorProto
    return types.FLOAT16, types.BFLOAT16


def _opset(model: Any) -> int:
    versions = {one.domain: one.version for one in model.opset_import}
    version = int(versions.get("", versions.get("ai.onnx", 0)))
    if 0 < version < _OLDEST_OPSET:
        raise ValueError(
            f"it is of operator set {version}, expected {_OLDEST_OPSET} or later: "
            "onnx.version_converter.convert_version makes it newer"
        )
    return version


def _constant(node: Any, folder: str | None) -> Array:
    (attribute,) = node.attribute
    if attribute.name == "value":
        return array_of(attribute.t, folder)
    if attribute.name in ("value_float", "value_floats"):
        return np.asarray(onnx_package().helper.get_attribute_value(attribute), np.float32)
    if attribute.name in ("value_int", "value_ints"):
        return np.asarray(onnx_package().helper.get_attribute_value(attribute), np.int64)
    raise UnsupportedError(node, f"has a {attribute.name}, which is not read")


# ---- what is computed from constants alone ----


def _size_of(operator: str, attributes: Mapping[str, Any], arrays: Sequence[Array]) -> int:
    """Return how many values an operator makes of arrays, at most."""
    if operator in ("Expand", "ConstantOfShape"):
        asked = math.prod(int(size) for size in np.ravel(arrays[-1]))
        return asked * (arrays[0].size if operator == "Expand" else 1)
    if operator == "Concat":
        return sum(array.size for array in arrays)
    if operator == "Gather":
        along = arrays[0].shape[attributes.get("axis", 0)]
        return int(arrays[1].size * (arrays[0].size // max(1, along)))
    if operator in OPERATORS and operator != "Cast":
        return math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    return int(arrays[0].size)


def folded(
    node: Any, attributes: Mapping[str, Any], arrays: Sequence[Any], most: int = _MOST_VALUES
) -> Array | None:
    """Return what an operator makes of arrays; None if it is not known here.

    Args:
        node: the operator's node.
        attributes: the node's.
        arrays: what it is given; None for what it is not.
        most: how many values it may make.

    Raises:
        UnsupportedError: if the result is too large.
    """
    operator = node.op_type
    if operator not in _FOLDING and operator not in OPERATORS:
        return None
    size = _size_of(operator, attributes, [array for array in arrays if array is not None])
    if size > most:
        raise UnsupportedError(node, f"makes {size} values of constants, too many to be meant")
    with np.errstate(all="ignore"):
        if operator in _FOLDING:
            made = _FOLDING[operator](attributes, *arrays)
        else:
            made = OPERATORS[operator](attributes, *arrays)
    result = np.asarray(made)
    floats = [a.dtype for a in arrays if a is not None and a.dtype.kind == "f"]
    if operator != "Cast" and result.dtype.kind == "f" and floats:
        result = result.astype(floats[-1])
    return result


def axes_of(attributes: Mapping[str, Any], axes: Any) -> list[int] | None:
    """Return the axes that an attribute has, or since operator set 13 an input; None for all."""
    given = attributes.get("axes") if axes is None else axes
    return None if given is None else [int(axis) for axis in np.ravel(given)]


def _unsqueeze(a: Mapping[str, Any], x: Array, axes: Any = None) -> Array:
    return np.expand_dims(x, tuple(axes_of(a, axes) or []))


def _squeeze(a: Mapping[str, Any], x: Array, axes: Any = None) -> Array:
    given = axes_of(a, axes)
    return np.squeeze(x, None if given is None else tuple(given))


def _reshape(a: Mapping[str, Any], x: Array, shape: Array) -> Array:
    sizes = [int(size) for size in shape]
    if not a.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def _slice(
    a: Mapping[str, Any],
    x: Array,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Array:
    starts = np.ravel(a["starts"] if starts is None else starts)
    ends = np.ravel(a["ends"] if ends is None else ends)
    axes = a.get("axes", range(len(starts))) if axes is None else np.ravel(axes)
    steps = [1] * len(starts) if steps is None else np.ravel(steps)
    index: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis)] = slice(int(start), int(end), int(step))
    made: Array = x[tuple(index)]
    return made


def _dequantize(a: Mapping[str, Any], x: Array, scale: Array, zero: Array | None = None) -> Array:
    if a.get("block_size", 0):
        raise ValueError("weights quantised by blocks are not read")
    return dequantized(x, scale, zero, a.get("axis", 1)).astype(np.float32)


def _cast_constant(a: Mapping[str, Any], x: Array) -> Array:
    dtype = onnx_package().helper.tensor_dtype_to_np_dtype(a["to"])
    return x.astype(np.float32 if dtype.name in ("float16", "bfloat16") else dtype)


_FOLDING: dict[str, Any] = {
    "Cast": _cast_constant,
    "Concat": lambda a, *arrays: np.concatenate(arrays, a["axis"]),
    "ConstantOfShape": lambda a, shape: np.full(
        [int(size) for size in shape],
        array_of(a["value"], None).reshape(()) if "value" in a else np.float32(0),
    ),
    "DequantizeLinear": _dequantize,
    "Expand": lambda a, x, shape: x * np.ones([int(size) for size in shape], x.dtype),
    "Flatten": lambda a, x: x.reshape(math.prod(x.shape[: a.get("axis", 1)]), -1),
    "Gather": lambda a, x, indices: np.take(x, indices, a.get("axis", 0)),
    "Reshape": _reshape,
    "Shape": lambda a, x: np.asarray(x.shape[a.get("start", 0) : a.get("end")], np.int64),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": lambda a, x: np.transpose(x, a.get("perm")),
    "Unsqueeze": _unsqueeze,
}
