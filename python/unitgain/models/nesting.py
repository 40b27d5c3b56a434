"""Models as layers of other models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from unitgain.layers.base import Layer, Variable, penalties
from unitgain.layers.composite import is_traced, trace
from unitgain.layers.symbolic import Node, SymbolicTensor, connect, flatten

__all__ = ["LayerLike", "leaves", "lower_layer"]


class LayerLike:
    """What a model needs to be used as a layer."""

    name: str
    layers: list[Any]
    nodes: list[Node]

    @property
    def trainable(self) -> bool:
        """Whether training may change the weights; setting it sets that of every layer."""
        return any(layer.trainable for layer in leaves(self.layers))

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in leaves(self.layers):
            layer.trainable = value

    @property
    def learning_rate_multiplier(self) -> float | None:
        """That of every layer; None if they differ. Setting it sets that of every layer."""
        found = {layer.learning_rate_multiplier for layer in leaves(self.layers)}
        return found.pop() if len(found) == 1 else None

    @learning_rate_multiplier.setter
    def learning_rate_multiplier(self, value: float) -> None:
        for layer in leaves(self.layers):
            layer.learning_rate_multiplier = value

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        raise NotImplementedError(f"{type(self).__name__} does not implement trainable_weights")

    @property
    def losses(self) -> list[float]:
        """The penalties of the trainable weights that have a regularizer, without activities'."""
        return penalties(self.trainable_weights)

    def _connect(self, inputs: Any, training: bool | None = None) -> Any:
        """Use the model as a layer behind symbolic tensors."""
        tensors = self._flat_inputs(inputs)
        return connect(self, tensors, len(tensors) > 1, self._pack_outputs, training)

    def _flat_inputs(self, inputs: Any) -> list[SymbolicTensor]:
        tensors = flatten(inputs)
        if len(tensors) != 1:
            raise ValueError(f"{self.name} takes one input, but is given {len(tensors)}")
        return tensors

    def _pack_outputs(self, outputs: list[Any]) -> Any:
        return outputs[0]


def leaves(layers: Iterable[Any]) -> Iterator[Layer]:
    """Yield the layers and what they are made of, and in place of models their layers."""
    for layer in layers:
        if isinstance(layer, LayerLike):
            yield from leaves(layer.layers)
        else:
            yield layer
            yield from leaves(layer.parts)


def lower_layer(
    layer: Any,
    graph: Any,
    node: Any,
    input_shape: Any,
    training: bool | None = None,
    native: bool = False,
) -> Any:
    """Add a layer, or a model, to a native graph behind ``node``.

    Args:
        layer: the layer or model.
        graph: the native graph.
        node: the number of the node that it reads, or a list of them.
        input_shape: of a sample, or a list of shapes.
        training: as in the layer's :class:`~unitgain.layers.symbolic.Node`.
        native: as there.
    """
    outside = graph.training
    if training is not None:
        graph.training = training
    if isinstance(layer, Layer):
        layer.input_shape = input_shape
        if not native and is_traced(layer):
            layer = trace(layer, input_shape)
    made = layer.lower(graph, node)
    graph.training = outside
    return made
