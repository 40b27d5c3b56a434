"""Where layers lie in the native graph of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unitgain import activations
from unitgain.graph.function import Function
from unitgain.graph.native import NativeGraph, native, rows_and_cols
from unitgain.graph.tensors import Node
from unitgain.graph.variables import Variable
from unitgain.layers.activation import Parametric, PReLU, Softmax
from unitgain.layers.composite import is_traced, trace
from unitgain.layers.group_normalization import GroupNormalization, RMSNormalization
from unitgain.layers.normalization import BatchNormalization, LayerNormalization
from unitgain.layers.preprocessing import Normalization
from unitgain.layers.unit_normalization import UnitNormalization

__all__ = [
    "Lowering",
    "Place",
    "activation_of",
    "gain_of",
    "is_softmax",
    "kernel_of",
    "normalizes",
    "places_of",
]


_NORMALIZING = (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
    UnitNormalization,
)


@dataclass
class Place:
    """One use of a layer: the native nodes that it became.

    Attributes:
        name: the layer's name; of further uses with a number behind.
        layer: the layer; None for an input that has none.
        inputs: the nodes that it reads.
        nodes: its own nodes; none if it hands its input on.
        output: the node that others read.
        training: whether it always, or never, does what training does; None: as the model runs.
        sources: the places that it reads, by their number.
        shape: of a sample behind it.
    """

    name: str
    layer: Any
    inputs: list[int]
    nodes: list[int]
    output: int
    training: bool | None = None
    sources: list[int] = field(default_factory=list)
    shape: tuple[int, ...] = ()


class Lowering:
    """A function lowered as :meth:`Function.lower` does it, and where each layer comes to lie.

    Attributes:
        graph: the native graph.
        places: those of the uses of layers, in the order of the nodes.
    """

    def __init__(self, function: Function) -> None:
        self.graph: NativeGraph = native(function.dtype).Graph()
        self.places: list[Place] = []
        self.makers: dict[int, int] = {}  # the place that each node is the output of
        self.count = 0  # of the nodes so far
        self.names: dict[str, int] = {}
        inputs = []
        for tensor in function.inputs.tensors:
            node = self.graph.input(*rows_and_cols(tensor.sample_shape))
            inputs.append(node)
            self._note(tensor.name, tensor.node.layer, [], node, None, tensor.sample_shape)
        self.outputs = self._lower(function, inputs, None)

    def _note(
        self,
        name: str,
        layer: Any,
        inputs: list[int],
        output: int,
        training: bool | None,
        shape: Sequence[int],
    ) -> None:
        used = self.names[name] = self.names.get(name, 0) + 1
        end = max(self.count, output + 1)
        self.places.append(
            Place(
                name if used == 1 else f"{name} ({used})",
                layer,
                inputs,
                list(range(self.count, end)),
                output,
                training,
                [self.makers[node] for node in inputs],
                tuple(shape),
            )
        )
        self.count = end
        self.makers[output] = len(self.places) - 1

    def _lower(self, function: Function, inputs: list[int], training: bool | None) -> list[int]:
        found = {id(t): n for t, n in zip(function.inputs.tensors, inputs, strict=True)}
        for use in function.nodes:
            made = self._lower_use(use, [found[id(tensor)] for tensor in use.inputs], training)
            found |= {id(t): node for t, node in zip(use.outputs, made, strict=True)}
        return [found[id(tensor)] for tensor in function.outputs.tensors]

    def _lower_use(self, use: Node, inputs: list[int], training: bool | None) -> list[int]:
        training = training if use.training is None else use.training
        inner = self._inner_function(use)
        if inner is not None:
            return self._lower(inner, inputs, training)
        shapes = [tensor.sample_shape for tensor in use.data_inputs]
        given, masks = inputs[: len(shapes)], inputs[len(shapes) :]
        if masks or use.makes_mask:
            made: list[int] = use.layer.lower_masked_use(self.graph, use, given, masks)
        else:
            made = [
                use.layer.lower_use(
                    self.graph,
                    given if use.several else given[0],
                    shapes if use.several else shapes[0],
                    use.native,
                )
            ]
        shape = use.outputs[0].sample_shape
        self._note(use.layer.name, use.layer, given, made[0], training, shape)
        return made

    @staticmethod
    def _inner_function(use: Node) -> Function | None:
        """Return what a layer or model comes to that is made of layers; None for others."""
        function = getattr(use.layer, "function", None)
        if isinstance(function, Function):
            return function
        if use.native or not is_traced(use.layer):
            return None
        shapes = [tensor.sample_shape for tensor in use.data_inputs]
        return trace(use.layer, shapes if use.several else shapes[0])


def places_of(function: Function) -> list[Place]:
    """Return where each use of a layer comes to lie when a function is lowered, in that order."""
    return Lowering(function).places


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation; ``linear`` if it has none."""
    if isinstance(layer, Parametric):
        return layer.function
    if isinstance(layer, PReLU):
        return "prelu"
    if isinstance(layer, Softmax):
        return "softmax"
    found = getattr(layer, "activation", None)
    if isinstance(found, Parametric):
        return found.function
    return found if isinstance(found, str) and hasattr(activations, found) else "linear"


def kernel_of(layer: Any) -> Variable | None:
    """Return the matrix of a layer's weights; None if it has none."""
    kernel = getattr(layer, "kernel", None)
    return kernel if isinstance(kernel, Variable) and kernel.array.ndim == 2 else None


def gain_of(kernel: Variable) -> float:
    """Return the root mean square of a kernel's values, times the root of the number of inputs."""
    values = kernel.array.astype(np.float64)
    return float(np.sqrt((values**2).mean() * len(values)))


def is_softmax(layer: Any) -> bool:
    """Return whether a layer ends in a softmax."""
    return activation_of(layer) == "softmax"


def normalizes(layer: Any) -> bool:
    """Return whether a layer centres and scales what it is given, as batch norm does."""
    return isinstance(layer, _NORMALIZING)
