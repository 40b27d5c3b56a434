"""Models as modules of PyTorch."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from unitgain._extras import needed
from unitgain.convert.graphs import located
from unitgain.convert.state_dicts import TRANSPOSED, parameter_names
from unitgain.graph.tensors import flatten
from unitgain.layers import Dense, Layer, Normalization
from unitgain.layers.activation import Parametric
from unitgain.layers.axes import sample_axes, sample_axis
from unitgain.models import Model

__all__ = ["to_torch"]


def to_torch(model: Model) -> Any:
    """Return an ``nn.Module`` that computes what a model does, with copies of its weights.

    Of a chain of layers it is an ``nn.Sequential``, whose parts have the layers' names; of a graph
    a module that is called with the inputs in their order, and returns the outputs as the model
    does. Layers that are not trainable have parameters that need no gradient. Losses, penalties,
    constraints and optimizers stay behind.

    Args:
        model: a model that has its weights.

    Raises:
        ValueError: if the model has no weights yet, or PyTorch has no counterpart of a layer; the
            message names it.
        ImportError: if PyTorch is not installed.
    """
    torch = needed("torch", "torch", "to_torch")
    function = model.function
    parts: dict[int, tuple[str, Any]] = {}
    steps = []
    for node in function.nodes:
        layer = node.layer
        with located(layer.name):
            if node.training is not None:
                raise ValueError(f"it is called with training={node.training}")
            if id(layer) not in parts:
                name = layer.name.replace(".", "_")
                parts[id(layer)] = name, _module(torch, layer, node.inputs)
        steps.append((parts[id(layer)][0], node))
    chain = [module for _, module in parts.values()]
    is_chain = len(function.inputs) == 1 and len(steps) == len(chain)
    sources = [function.inputs.tensors[0], *(node.outputs[0] for _, node in steps)]
    for source, (_, node) in zip(sources, steps, strict=False):
        is_chain = is_chain and node.inputs == [source] and len(node.outputs) == 1
    if is_chain and [sources[-1]] == function.outputs.tensors and function.outputs.keys is None:
        made = torch.nn.Sequential()
        for (name, module), (_, node) in zip(parts.values(), steps, strict=True):
            if isinstance(node.layer, Dense) and isinstance(module, torch.nn.Sequential):
                made.add_module(name, module[0])
                made.add_module(f"{name}_activation", module[1])
            else:
                made.add_module(name, module)
    else:
        made = _classes(torch).Graph(function, dict(parts.values()), steps)
    return made.to(getattr(torch, model.dtype))


def _module(torch: Any, layer: Any, inputs: Sequence[Any]) -> Any:
    """Return a layer, or a model that is used as one, as a module."""
    if not isinstance(layer, Layer):
        return to_torch(layer)
    maker = LAYERS.get(type(layer).__name__)
    if maker is None:
        raise ValueError(
            f"a {type(layer).__name__} has no counterpart in PyTorch; converted are "
            f"{', '.join(LAYERS)}"
        )
    shapes = [tensor.sample_shape for tensor in inputs]
    made = maker(torch, layer, shapes[0] if len(shapes) == 1 else shapes)
    made = made.to(getattr(torch, layer.dtype))
    if layer.weights and not isinstance(layer, Normalization):
        _copy_weights(torch, layer, made)
    return made


def _copy_weights(torch: Any, layer: Any, module: Any) -> None:
    """Copy a layer's weights into the one part of a module that has parameters or buffers."""
    owner = next(part for part in module.modules() if part._parameters or part._buffers)
    tensors = owner.state_dict()
    variables = parameter_names(layer)
    with torch.no_grad():
        for name, variable in variables.items():
            values = torch.from_numpy(variable.numpy())
            is_transposed = variable.name.rpartition("/")[2] in TRANSPOSED
            tensors[name].copy_(values.T if is_transposed else values.reshape(tensors[name].shape))
    for name, parameter in owner.named_parameters():
        if name not in variables or not layer.trainable:
            parameter.requires_grad_(False)


# ---- what PyTorch has as functions alone ----


@functools.cache
def _classes(torch: Any) -> Any:
    """Return modules for what PyTorch has as functions alone."""

    class Exponential(torch.nn.Module):  # type: ignore[misc]
        """``exp(x)``."""

        def forward(self, x: Any) -> Any:
            return torch.exp(x)

    class FrozenBatchNorm1d(torch.nn.BatchNorm1d):  # type: ignore[misc]
        """A batch norm that keeps its running statistics, also in training."""

        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    class Along(torch.nn.Module):  # type: ignore[misc]
        """A norm of features along another axis than 1, all axes behind which are made one."""

        def __init__(self, norm: Any, axis: int) -> None:
            super().__init__()
            self.norm = norm
            self.axis = axis

        def forward(self, x: Any) -> Any:
            moved = torch.movedim(x, self.axis, 1)
            flat = moved.reshape(moved.shape[0], moved.shape[1], -1)
            return torch.movedim(self.norm(flat).reshape(moved.shape), 1, self.axis)

    class Affine(torch.nn.Module):  # type: ignore[misc]
        """``x * scale + offset``."""

        def __init__(self, scale: Any, offset: Any) -> None:
            super().__init__()
            for name, value in (("scale", scale), ("offset", offset)):
                if isinstance(value, float):
                    setattr(self, name, value)
                else:
                    self.register_buffer(name, torch.as_tensor(value), persistent=False)

        def forward(self, x: Any) -> Any:
            return x * self.scale + self.offset

    class Standardized(torch.nn.Module):  # type: ignore[misc]
        """``(x - mean) / deviation``, or the way back."""

        def __init__(self, mean: Any, deviation: Any, invert: bool) -> None:
            super().__init__()
            self.invert = invert
            self.register_buffer("mean", torch.from_numpy(mean))
            self.register_buffer("deviation", torch.from_numpy(deviation))

        def forward(self, x: Any) -> Any:
            if self.invert:
                return x * self.deviation + self.mean
            return (x - self.mean) / self.deviation

    class Permute(torch.nn.Module):  # type: ignore[misc]
        """Axes in another order, the batch being axis 0."""

        def __init__(self, dims: Sequence[int]) -> None:
            super().__init__()
            self.dims = (0, *dims)

        def forward(self, x: Any) -> Any:
            return x.permute(self.dims)

    class Reshape(torch.nn.Module):  # type: ignore[misc]
        """Samples of another shape."""

        def __init__(self, shape: Sequence[int]) -> None:
            super().__init__()
            self.shape = tuple(shape)

        def forward(self, x: Any) -> Any:
            return x.reshape(x.shape[0], *self.shape)

    class Concatenate(torch.nn.Module):  # type: ignore[misc]
        """Tensors one behind the other along an axis."""

        def __init__(self, axis: int) -> None:
            super().__init__()
            self.axis = axis

        def forward(self, *tensors: Any) -> Any:
            return torch.cat(tensors, self.axis)

    class Folded(torch.nn.Module):  # type: ignore[misc]
        """The sum, product, maximum ... of tensors, or their mean."""

        def __init__(self, function: str, mean: bool) -> None:
            super().__init__()
            self.function = function
            self.mean = mean

        def forward(self, *tensors: Any) -> Any:
            result = functools.reduce(getattr(torch, self.function), tensors)
            return result / len(tensors) if self.mean else result

    class Graph(torch.nn.Module):  # type: ignore[misc]
        """Modules and what each is given."""

        def __init__(self, function: Any, parts: Mapping[str, Any], steps: Sequence[Any]) -> None:
            super().__init__()
            for name, module in parts.items():
                self.add_module(name, module)
            inputs, outputs = function.inputs.tensors, function.outputs.tensors
            places = {id(tensor): i for i, tensor in enumerate(inputs)}
            self.steps = []
            for name, node in steps:
                self.steps.append((name, [places[id(t)] for t in node.inputs]))
                places |= {id(t): len(places) + i for i, t in enumerate(node.outputs)}
            self.inputs = len(inputs)
            self.results = [places[id(t)] for t in outputs]
            self.names = function.outputs.keys
            self.single = not function.outputs.is_list and self.names is None

        def forward(self, *inputs: Any) -> Any:
            if len(inputs) != self.inputs:
                raise ValueError(f"{len(inputs)} inputs are given, expected {self.inputs}")
            values = list(inputs)
            for name, sources in self.steps:
                made = getattr(self, name)(*(values[i] for i in sources))
                values += flatten(made)
            found = [values[i] for i in self.results]
            if self.names is not None:
                return dict(zip(self.names, found, strict=True))
            return found[0] if self.single else found

    return SimpleNamespace(
        Affine=Affine,
        Along=Along,
        Concatenate=Concatenate,
        Exponential=Exponential,
        Folded=Folded,
        FrozenBatchNorm1d=FrozenBatchNorm1d,
        Graph=Graph,
        Permute=Permute,
        Reshape=Reshape,
        Standardized=Standardized,
    )


# ---- activations ----

# By our name: PyTorch's module and its arguments.
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "celu": ("CELU", {}),
    "gelu": ("GELU", {}),
    "gelu_tanh": ("GELU", {"approximate": "tanh"}),
    "hard_sigmoid": ("Hardsigmoid", {}),
    "hard_silu": ("Hardswish", {}),
    "hard_swish": ("Hardswish", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.2}),
    "elu": ("ELU", {}),
    "linear": ("Identity", {}),
    "log_sigmoid": ("LogSigmoid", {}),
    "log_softmax": ("LogSoftmax", {"dim": -1}),
    "mish": ("Mish", {}),
    "relu": ("ReLU", {}),
    "relu6": ("ReLU6", {}),
    "rrelu": ("RReLU", {}),
    "selu": ("SELU", {}),
    "sigmoid": ("Sigmoid", {}),
    "silu": ("SiLU", {}),
    "softmax": ("Softmax", {"dim": -1}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "swish": ("SiLU", {}),
    "tanh": ("Tanh", {}),
}


def _activation(torch: Any, activation: Any) -> Any:
    if isinstance(activation, Parametric):
        return _parametric(torch, activation)
    if activation == "exponential":
        return _classes(torch).Exponential()
    if activation not in ACTIVATIONS:
        raise ValueError(f"the activation {activation!r} has no counterpart in PyTorch")
    name, arguments = ACTIVATIONS[activation]
    return getattr(torch.nn, name)(**arguments)


def _parametric(torch: Any, layer: Any) -> Any:
    values = dict(layer.parameters)
    if layer.function == "elu":
        return torch.nn.ELU(values["alpha"])
    if layer.function == "leaky_relu":
        return torch.nn.LeakyReLU(values["negative_slope"])
    if values["threshold"] or (values["negative_slope"] and values["max_value"] < math.inf):
        raise ValueError(f"a relu of {values} has no counterpart in PyTorch")
    if values["max_value"] < math.inf:
        return torch.nn.Hardtanh(0.0, values["max_value"])
    if values["negative_slope"]:
        return torch.nn.LeakyReLU(values["negative_slope"])
    return torch.nn.ReLU()


# ---- layers ----


def _dense(torch: Any, layer: Any, shape: Any) -> Any:
    linear = torch.nn.Linear(shape[-1], layer.units, layer.use_bias)
    if layer.activation == "linear":
        return linear
    return torch.nn.Sequential(linear, _activation(torch, layer.activation))


def _batch_norm(torch: Any, layer: Any, shape: Any) -> Any:
    classes = _classes(torch)
    kind = torch.nn.BatchNorm1d if layer.trainable else classes.FrozenBatchNorm1d
    axis = sample_axis(layer.axis, shape)
    made = kind(shape[axis], layer.epsilon, 1 - layer.momentum, layer.center or layer.scale)
    is_plain = axis == 0 and len(shape) <= 2
    return made if is_plain else classes.Along(made, axis + 1)


def _layer_norm(torch: Any, layer: Any, shape: Any) -> Any:
    sizes = _last_sizes(layer, shape)
    affine = layer.center or layer.scale
    return torch.nn.LayerNorm(sizes, layer.epsilon, affine, layer.center)


def _rms_norm(torch: Any, layer: Any, shape: Any) -> Any:
    return torch.nn.RMSNorm(_last_sizes(layer, shape), layer.epsilon)


def _last_sizes(layer: Any, shape: Any) -> tuple[int, ...]:
    axes = sample_axes(layer.axis, shape)
    if axes != tuple(range(axes[0], len(shape))):
        raise ValueError(f"axis is {layer.axis}, but PyTorch's norm is of the last axes")
    return tuple(shape[axis] for axis in axes)


def _group_norm(torch: Any, layer: Any, shape: Any) -> Any:
    axis = sample_axis(layer.axis, shape)
    groups = shape[axis] if layer.groups == -1 else layer.groups
    affine = layer.center or layer.scale
    made = torch.nn.GroupNorm(groups, shape[axis], layer.epsilon, affine)
    return made if axis == 0 else _classes(torch).Along(made, axis + 1)


def _prelu(torch: Any, layer: Any, shape: Any) -> Any:
    sizes = layer.alpha.shape
    if math.prod(sizes) == 1:
        return torch.nn.PReLU(1)
    if len(sizes) == 1 or math.prod(sizes) == sizes[0]:  # PyTorch's slopes are of axis 1
        return torch.nn.PReLU(sizes[0])
    raise ValueError(f"its slopes are of shape {sizes}, but PyTorch's are one, or of axis 1")


def _softmax(torch: Any, layer: Any, shape: Any) -> Any:
    if not isinstance(layer.axis, int):
        raise ValueError(f"axis is {layer.axis}, but PyTorch's softmax is along one axis")
    return torch.nn.Softmax(layer.axis)


def _rescaling(torch: Any, layer: Any, shape: Any) -> Any:
    return _classes(torch).Affine(layer.scale, layer.offset)


def _normalization(torch: Any, layer: Any, shape: Any) -> Any:
    sizes = [size if axis in layer._axes else 1 for axis, size in enumerate(shape)]
    mean, deviation = layer.mean.reshape(sizes), np.sqrt(layer.variance).reshape(sizes)
    return _classes(torch).Standardized(mean, deviation, layer.invert)


def _concatenate(torch: Any, layer: Any, shapes: Any) -> Any:
    return _classes(torch).Concatenate(layer.axis)


def _folded(function: str) -> Callable[[Any, Any, Any], Any]:
    """Return what makes a module that folds its inputs by a function of two."""

    def make(torch: Any, layer: Any, shapes: Any) -> Any:
        if len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"its inputs have different numbers of axes: {shapes}")
        return _classes(torch).Folded(function, type(layer).__name__ == "Average")

    return make


Maker = Callable[[Any, Any, Any], Any]
LAYERS: dict[str, Maker] = {
    "Activation": lambda torch, layer, shape: _activation(torch, layer.activation),
    "Add": _folded("add"),
    "AlphaDropout": lambda torch, layer, shape: torch.nn.AlphaDropout(layer.rate),
    "Average": _folded("add"),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Dropout": lambda torch, layer, shape: torch.nn.Dropout(layer.rate),
    "ELU": lambda torch, layer, shape: _parametric(torch, layer),
    "Embedding": lambda torch, layer, shape: torch.nn.Embedding(layer.input_dim, layer.output_dim),
    "Flatten": lambda torch, layer, shape: torch.nn.Flatten(),
    "GLU": lambda torch, layer, shape: torch.nn.GLU(layer.axis),
    "GroupNormalization": _group_norm,
    "Identity": lambda torch, layer, shape: torch.nn.Identity(),
    "LayerNormalization": _layer_norm,
    "LeakyReLU": lambda torch, layer, shape: _parametric(torch, layer),
    "Maximum": _folded("maximum"),
    "Minimum": _folded("minimum"),
    "Multiply": _folded("mul"),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": lambda torch, layer, shape: _classes(torch).Permute(layer.dims),
    "RMSNormalization": _rms_norm,
    "RReLU": lambda torch, layer, shape: torch.nn.RReLU(*layer.slopes),
    "ReLU": lambda torch, layer, shape: _parametric(torch, layer),
    "Rescaling": _rescaling,
    "Reshape": lambda torch, layer, shape: _classes(torch).Reshape(
        layer.compute_output_shape(shape)
    ),
    "Softmax": _softmax,
    "Subtract": _folded("sub"),
}
