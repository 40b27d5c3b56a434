"""Functions and modules of PyTorch, each with the layers here that compute it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unitgain import layers
from unitgain.graph.tensors import SymbolicTensor

__all__ = ["ALIASES", "BATCH", "BINARY", "FUNCTIONS", "MODULES", "PLAIN_MODULES", "SHAPING"]


class _Batch:
    """The size of a batch, where a module asks for it."""


BATCH = _Batch()


# Return the layers of a function of one tensor and other arguments.
Maker = Callable[..., list[Any]]


def _activation(name: str) -> Maker:
    def make(x: SymbolicTensor, inplace: bool = False) -> list[Any]:
        return [layers.Activation(name)]

    return make


def _scaled(layer: Any, factor: float) -> list[Any]:
    """Return layers of ``f(x factor) / factor``."""
    if factor == 1:
        return [layer]
    return [layers.Rescaling(factor), layer, layers.Rescaling(1 / factor)]


def _celu(x: SymbolicTensor, alpha: float = 1.0, inplace: bool = False) -> list[Any]:
    return _scaled(layers.Activation("celu"), 1 / alpha)


def _elu(x: SymbolicTensor, alpha: float = 1.0, inplace: bool = False) -> list[Any]:
    return [layers.ELU(alpha)]


def _leaky_relu(
    x: SymbolicTensor, negative_slope: float = 0.01, inplace: bool = False
) -> list[Any]:
    return [layers.LeakyReLU(negative_slope)]


def _softplus(x: SymbolicTensor, beta: float = 1.0, threshold: float = 20.0) -> list[Any]:
    if threshold < 20:  # above it PyTorch is linear, which from 20 on is a matter of rounding
        raise ValueError(f"threshold is {threshold}, expected at least 20")
    return _scaled(layers.Activation("softplus"), beta)


def _gelu(x: SymbolicTensor, approximate: str = "none") -> list[Any]:
    return [layers.Activation({"none": "gelu", "tanh": "gelu_tanh"}[approximate])]


def _glu(x: SymbolicTensor, dim: int = -1) -> list[Any]:
    return [layers.GLU(dim)]


def _rrelu(
    x: SymbolicTensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> list[Any]:
    return [layers.RReLU(lower, upper) if training else layers.LeakyReLU((lower + upper) / 2)]


def _hardtanh(
    x: SymbolicTensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> list[Any]:
    """Return layers of ``min(max(x, a), b) = relu(x - a, max_value=b - a) + a``."""
    bounded = layers.ReLU(max_value=max_val - min_val)
    if min_val == 0:
        return [bounded]
    return [layers.Rescaling(1.0, -min_val), bounded, layers.Rescaling(1.0, min_val)]


def _softmax(
    x: SymbolicTensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> list[Any]:
    if dim is None or dtype is not None:
        raise ValueError(f"dim is {dim} and dtype {dtype}, expected an axis and no dtype")
    return [layers.Softmax(dim)]


def _log_softmax(
    x: SymbolicTensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> list[Any]:
    if dim not in (-1, len(x.sample_shape)) or dtype is not None:
        raise ValueError(f"dim is {dim} and dtype {dtype}, expected the last axis and no dtype")
    return [layers.Activation("log_softmax")]


def _dropout(
    x: SymbolicTensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> list[Any]:
    return [layers.Dropout(p) if training else layers.Identity()]


def _alpha_dropout(
    x: SymbolicTensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> list[Any]:
    return [layers.AlphaDropout(p) if training else layers.Identity()]


def _identity(x: SymbolicTensor) -> list[Any]:
    return [layers.Identity()]


def _flatten(x: SymbolicTensor, start_dim: int = 0, end_dim: int = -1) -> list[Any]:
    dimensions = len(x.sample_shape) + 1
    first, last = start_dim % dimensions, end_dim % dimensions
    if first == 0:
        raise ValueError("start_dim is 0: it would flatten the batch, too")
    if (first, last) == (1, dimensions - 1):
        return [layers.Flatten()]
    sizes = x.sample_shape
    flat = math.prod(sizes[first - 1 : last])
    return [layers.Reshape((*sizes[: first - 1], flat, *sizes[last:]))]


def _unflatten(x: SymbolicTensor, dim: int, sizes: Sequence[int]) -> list[Any]:
    axis = dim % (len(x.sample_shape) + 1)
    if axis == 0:
        raise ValueError("dim is the batch's axis")
    shape = x.sample_shape
    return [layers.Reshape((*shape[: axis - 1], *sizes, *shape[axis:]))]


def _reshape(x: SymbolicTensor, *sizes: Any) -> list[Any]:
    batch, *rest = _given(sizes)
    known = -1 not in rest and math.prod(rest) == math.prod(x.sample_shape)
    if batch is not BATCH and not (batch == -1 and known):
        raise ValueError(f"a reshape to {batch, *rest} does not keep the batch's axis")
    return [layers.Flatten() if rest == [-1] else layers.Reshape(tuple(rest))]


def _permute(x: SymbolicTensor, *dims: Any) -> list[Any]:
    first, *rest = [axis % (len(x.sample_shape) + 1) for axis in _given(dims)]
    if first:
        raise ValueError(f"dims is {_given(dims)}, which moves the batch's axis")
    return [layers.Permute(rest)]


def _transpose(x: SymbolicTensor, dim0: int, dim1: int) -> list[Any]:
    axes = list(range(len(x.sample_shape) + 1))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return _permute(x, axes)


def _given(sizes: Sequence[Any]) -> Sequence[Any]:
    """Return sizes that are given one by one, or as a tuple."""
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


# PyTorch's functions and methods of one tensor.
FUNCTIONS: dict[str, Maker] = {
    "alpha_dropout": _alpha_dropout,
    "celu": _celu,
    "clone": _identity,
    "contiguous": _identity,
    "dropout": _dropout,
    "elu": _elu,
    "exp": _activation("exponential"),
    "gelu": _gelu,
    "hardsigmoid": _activation("hard_sigmoid"),
    "hardswish": _activation("hard_silu"),
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "log_softmax": _log_softmax,
    "logsigmoid": _activation("log_sigmoid"),
    "mish": _activation("mish"),
    "neg": lambda x: [layers.Rescaling(-1.0)],
    "relu": _activation("relu"),
    "relu6": _activation("relu6"),
    "rrelu": _rrelu,
    "selu": _activation("selu"),
    "sigmoid": _activation("sigmoid"),
    "silu": _activation("silu"),
    "softmax": _softmax,
    "softplus": _softplus,
    "softsign": _activation("softsign"),
    "tanh": _activation("tanh"),
}
# Those that change the shape.
SHAPING: dict[str, Maker] = {
    "flatten": _flatten,
    "glu": _glu,
    "permute": _permute,
    "reshape": _reshape,
    "transpose": _transpose,
    "unflatten": _unflatten,
}
# Modules without parameters: the function that each is, and the attributes that are its arguments.
PLAIN_MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "AlphaDropout": ("alpha_dropout", ("p", "training")),  # it is traced as it trains
    "CELU": ("celu", ("alpha",)),
    "Dropout": ("dropout", ("p",)),
    "ELU": ("elu", ("alpha",)),
    "Flatten": ("flatten", ("start_dim", "end_dim")),
    "GELU": ("gelu", ("approximate",)),
    "GLU": ("glu", ("dim",)),
    "Hardsigmoid": ("hardsigmoid", ()),
    "Hardswish": ("hardswish", ()),
    "Hardtanh": ("hardtanh", ("min_val", "max_val")),
    "Identity": ("clone", ()),
    "LeakyReLU": ("leaky_relu", ("negative_slope",)),
    "LogSigmoid": ("logsigmoid", ()),
    "LogSoftmax": ("log_softmax", ("dim",)),
    "Mish": ("mish", ()),
    "RReLU": ("rrelu", ("lower", "upper", "training")),
    "ReLU": ("relu", ()),
    "ReLU6": ("relu6", ()),
    "SELU": ("selu", ()),
    "SiLU": ("silu", ()),
    "Sigmoid": ("sigmoid", ()),
    "Softmax": ("softmax", ("dim",)),
    "Softplus": ("softplus", ("beta", "threshold")),
    "Softsign": ("softsign", ()),
    "Tanh": ("tanh", ()),
    "Unflatten": ("unflatten", ("dim", "unflattened_size")),
}
# Functions of two tensors, or of one and a number.
BINARY: dict[str, Callable[[], Any]] = {
    "add": layers.Add,
    "maximum": layers.Maximum,
    "minimum": layers.Minimum,
    "mul": layers.Multiply,
    "sub": layers.Subtract,
}
ALIASES = {
    "__add__": "add",
    "__mul__": "mul",
    "__sub__": "sub",
    "concat": "cat",
    "concatenate": "cat",
    "div": "truediv",
    "divide": "truediv",
    "hardtanh_": "hardtanh",
    "iadd": "add",
    "imul": "mul",
    "isub": "sub",
    "multiply": "mul",
    "negative": "neg",
    "subtract": "sub",
    "swapaxes": "transpose",
    "true_divide": "truediv",
    "view": "reshape",
}


# ---- layers, by modules ----


def _affine(module: Any) -> dict[str, Any]:
    """Return whether a norm has an offset, and a scale."""
    return {"center": module.bias is not None, "scale": module.weight is not None}


def _linear(module: Any, x: SymbolicTensor) -> Any:
    return layers.Dense(module.out_features, use_bias=module.bias is not None)


def _batch_norm(module: Any, x: SymbolicTensor) -> Any:
    if not module.track_running_stats or module.momentum is None:
        raise ValueError("a batch norm without running statistics, or of their plain mean")
    return layers.BatchNormalization(1, 1 - module.momentum, module.eps, **_affine(module))


def _layer_norm(module: Any, x: SymbolicTensor) -> Any:
    return layers.LayerNormalization(
        _last_axes(module, x),
        module.eps,
        **_affine(module),
    )


def _rms_norm(module: Any, x: SymbolicTensor) -> Any:
    epsilon = np.finfo(x.dtype).eps if module.eps is None else module.eps
    return layers.RMSNormalization(
        _last_axes(module, x), float(epsilon), trainable=module.elementwise_affine
    )


def _last_axes(module: Any, x: SymbolicTensor) -> list[int]:
    shape = tuple(module.normalized_shape)
    if x.sample_shape[-len(shape) :] != shape:
        raise ValueError(f"normalized_shape is {shape}, but samples have {x.sample_shape}")
    return list(range(-len(shape), 0))


def _group_norm(module: Any, x: SymbolicTensor) -> Any:
    return layers.GroupNormalization(module.num_groups, 1, module.eps, **_affine(module))


def _embedding(module: Any, x: SymbolicTensor) -> Any:
    for argument in ("padding_idx", "max_norm"):
        if getattr(module, argument) is not None:
            raise ValueError(f"{argument} is {getattr(module, argument)}, expected None")
    if module.scale_grad_by_freq:
        raise ValueError("scale_grad_by_freq is True, expected False")
    return layers.Embedding(module.num_embeddings, module.embedding_dim)


def _prelu(module: Any, x: SymbolicTensor) -> Any:
    axes = range(1, len(x.sample_shape) + 1)
    own = () if module.num_parameters == 1 else (1,)  # PyTorch's slopes are of axis 1
    return layers.PReLU(shared_axes=[axis for axis in axes if axis not in own])


MODULES: dict[str, Callable[[Any, SymbolicTensor], Any]] = {
    "BatchNorm1d": _batch_norm,
    "Embedding": _embedding,
    "GroupNorm": _group_norm,
    "LayerNorm": _layer_norm,
    "Linear": _linear,
    "PReLU": _prelu,
    "RMSNorm": _rms_norm,
}
