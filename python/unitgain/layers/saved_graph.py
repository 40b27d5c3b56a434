"""The layer that a native graph of a file becomes, where the file has no layers of Python's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unitgain.graph.native import NativeGraph, native
from unitgain.graph.operation import connect
from unitgain.graph.tensors import SampleShape, is_symbolic
from unitgain.initializers import Zeros
from unitgain.layers.base import Layer

__all__ = ["SavedGraph"]


class SavedGraph(Layer):
    """A graph of native nodes as one layer: what a C++ program has saved.

    Args:
        graph: the nodes and the numbers of those that are outputs, as files have them.
        shapes: the shape of each array of weights, by the name that the nodes have for it.
        output_shapes: a sample's shape at each output.
        name: what the layer is called.
        trainable: whether training may change the weights.
    """

    def __init__(
        self,
        graph: Mapping[str, Any],
        shapes: Mapping[str, Sequence[int]],
        output_shapes: Sequence[Sequence[int]],
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, trainable)
        self.graph = dict(graph)
        self.shapes = {key: list(shape) for key, shape in shapes.items()}
        self.output_shapes = [list(shape) for shape in output_shapes]
        self._takes_several = sum(node["kind"] == "input" for node in self.graph["nodes"]) > 1

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Give the layer a place; of several outputs it returns a list."""
        if len(self.output_shapes) == 1 or not is_symbolic(inputs):
            return super().__call__(inputs, training=training)
        tensors = list(inputs) if self._takes_several else [inputs]
        return connect(self, tensors, self._takes_several, list, training)

    def build(self, input_shape: Any) -> None:
        """Make the weights; training changes those that it changed where the graph was made."""
        types = native(self.dtype)
        trial = {key: types.Parameter(key, shape) for key, shape in self.shapes.items()}
        graph = types.Graph.from_description(self.graph, trial)
        trained = types.Network(graph, self.graph["outputs"]).trainable
        for key, shape in self.shapes.items():
            changes = any(parameter is trial[key] for parameter in trained)
            self.add_weight(shape, Zeros(), trainable=changes, name=key)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of one sample's output, or a list of several outputs'."""
        shapes: list[SampleShape] = [tuple(shape) for shape in self.output_shapes]
        return shapes[0] if len(shapes) == 1 else shapes

    def lower(self, graph: NativeGraph, node: Any) -> Any:
        """Add the nodes to a native graph; return the node, or nodes, of the outputs."""
        given = iter(node if isinstance(node, list) else [node])
        parameters = {
            key: weight.parameter for key, weight in zip(self.shapes, self.weights, strict=True)
        }
        places: list[int] = []
        for described in self.graph["nodes"]:
            if described["kind"] == "input":
                places.append(next(given))
                continue
            trainable = self.trainable and described.get("trainable", False)
            inputs = [places[number] for number in described["inputs"]]
            moved = {**described, "inputs": inputs, "trainable": trainable}
            places.append(graph.add_node(moved, parameters))
        outputs = [places[number] for number in self.graph["outputs"]]
        return outputs[0] if len(outputs) == 1 else outputs

    def _features(self, input_shape: Any) -> Any:
        return input_shape
