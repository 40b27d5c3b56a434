"""Layers of several operators, as :mod:`unitgain.convert.onnx.patterns` finds them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain import layers
from unitgain.convert.onnx.building import Builder, Tensor
from unitgain.convert.onnx.patterns import Bound
from unitgain.convert.onnx.reading import axes_of

__all__ = ["PATTERN_LAYERS", "is_row", "layer_norm"]

Array = NDArray[Any]
Node: TypeAlias = Any  # an onnx.NodeProto


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
    if "factor" in bound:
        return _norm_of_factor(builder, node, bound, x, epsilon)
    name, scale, weight = builder.absorb(node.output[0], ["Mul"], lambda a: is_row(a, size))
    if "first" not in bound:
        layer = layers.RMSNormalization(epsilon=epsilon, name=builder.name_of(node, weight))
        scale = np.ones(size) if scale is None else scale
        return Tensor(builder.call(layer, x.symbolic, scale=scale), x.shape)
    _, offset, _ = builder.absorb(name, ["Add"], lambda a: is_row(a, size))
    return layer_norm(builder, node, x, -1, epsilon, scale, offset, weight)


def _norm_of_factor(
    builder: Builder, node: Node, bound: Bound, x: Tensor, epsilon: float
) -> Tensor | None:
    """Return a layer normalization whose scale and offset are among the pattern's values."""
    constants = builder.graph.constants
    held = [constants[bound[role]] if role in bound else None for role in ("scale", "offset")]
    if not all(array is None or is_row(array, x.shape[-1]) for array in held):
        return None
    scale, offset = (None if array is None else array.reshape(-1) for array in held)
    return layer_norm(builder, node, x, -1, epsilon, scale, offset, bound.get("scale", ""))


def is_row(array: Array, size: int) -> bool:
    """Return whether an array has a value for each feature of the last axis."""
    return array.ndim > 0 and array.size == size == array.shape[-1]


def layer_norm(
    builder: Builder,
    node: Node,
    x: Tensor,
    axis: Any,
    epsilon: float,
    scale: Array | None,
    offset: Array | None,
    weight: str,
) -> Tensor:
    """Return a layer normalization, with a gamma and a beta if there are arrays for them."""
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


PATTERN_LAYERS: dict[str, Callable[[Builder, Node, Bound], Tensor | None]] = {
    "glu": _glu_pattern,
    "layer_norm": _norm_pattern,
    "rms_norm": _norm_pattern,
    "unit_norm": _unit_norm_pattern,
    **{kind: _affinity_pattern(kind) for kind in ("distance", "one_hot", "rbf", "soft")},
}
