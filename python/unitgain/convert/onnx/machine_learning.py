"""The operators of ai.onnx.ml that scikit-learn's linear models and scalers become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain import layers
from unitgain.convert.onnx.building import Builder, Tensor
from unitgain.convert.onnx.reading import UnsupportedError

__all__ = ["ML_OPERATORS"]

Array = NDArray[Any]
Node: TypeAlias = Any  # an onnx.NodeProto


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


ML_OPERATORS: dict[str, Callable[[Builder, Node], Any]] = {
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "Normalizer": _normalizer,
    "Scaler": _scaler,
}
