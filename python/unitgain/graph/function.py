"""Functions: what leads from symbolic inputs to symbolic outputs, in an order to run it in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from unitgain.graph.native import NativeGraph, NativeNetwork, native, rows_and_cols
from unitgain.graph.operation import Operation
from unitgain.graph.order import nodes_between, operations_in_order
from unitgain.graph.structure import Structure
from unitgain.graph.tensors import Node

__all__ = ["Function", "lower_node"]


class Function:
    """The graph of operations between inputs and outputs.

    Args:
        inputs: a symbolic tensor, or a list or a dict of them.
        outputs: a symbolic tensor that depends on the inputs, or a list or a dict of them.

    Attributes:
        inputs: how the inputs are given.
        outputs: how the outputs are given; their names are those of the operations that make them.
        nodes: the uses of operations, each behind those that it needs.
        operations: the operations in Keras's order: those farthest from the outputs first.

    Raises:
        TypeError: if one of them is no symbolic tensor.
        ValueError: if an output depends on an input that is not given, an input is not used, or
            two operations have one name.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs = Structure(inputs)
        results = Structure(outputs).tensors
        self.nodes: list[Node] = nodes_between(self.inputs.tensors, results)
        self.operations: list[Operation] = operations_in_order(
            self.inputs.tensors, results, self.nodes
        )
        makers = [t.name if t.node.layer is None else t.node.layer.name for t in results]
        self.outputs = Structure(outputs, _unique(makers))
        for name, count in Counter(operation.name for operation in self.operations).items():
            if count > 1:
                raise ValueError(f"the model has two layers named {name!r}")

    @property
    def dtype(self) -> str:
        """The dtype of all tensors, float32 or float64."""
        return self.inputs.tensors[0].dtype

    @property
    def input_shape(self) -> Any:
        """The shape of one sample; of several inputs, a list or dict."""
        return self.inputs.pack(self.inputs.shapes)

    @property
    def output_shape(self) -> Any:
        """The shape of the output for one sample; of several outputs, a list or dict."""
        return self.outputs.pack(self.outputs.shapes)

    def lower(self, graph: NativeGraph, node: Any) -> Any:
        """Add the operations to a native graph behind the inputs' node, or nodes.

        Returns:
            The outputs' node, or a list of several.
        """
        given = node if isinstance(node, list) else [node]
        places = {id(t): n for t, n in zip(self.inputs.tensors, given, strict=True)}
        for use in self.nodes:
            made = lower_node(graph, use, [places[id(tensor)] for tensor in use.inputs])
            places |= {id(t): place for t, place in zip(use.outputs, made, strict=True)}
        results = [places[id(tensor)] for tensor in self.outputs.tensors]
        return results[0] if len(results) == 1 else results

    def network(self) -> NativeNetwork:
        """Return a native network of the function; its weights are shared."""
        types = native(self.dtype)
        graph = types.Graph()
        inputs = [graph.input(*rows_and_cols(shape)) for shape in self.inputs.shapes]
        return types.Network(graph, self.lower(graph, inputs))

    def run(self, x: Any, training: bool = False) -> Any:
        """Return the outputs for one batch, by a network made for this call."""
        inputs = self.inputs.native_arrays(x, "x")
        network = self.network()
        made = network.forward(inputs) if training else network.predict(inputs, max(1, len(inputs)))
        return self.outputs.pack_arrays(made)


def lower_node(graph: NativeGraph, use: Node, inputs: Sequence[int]) -> list[int]:
    """Add one use of an operation to a native graph; return the nodes of its outputs."""
    count = len(use.inputs) - use.masks
    shapes = [tensor.sample_shape for tensor in use.data_inputs]
    outside = graph.training
    if use.training is not None:
        graph.training = use.training
    if use.masks or use.makes_mask:
        found: list[int] = use.layer.lower_masked_use(graph, use, inputs[:count], inputs[count:])
        graph.training = outside
        return found
    made = use.layer.lower_use(
        graph,
        list(inputs) if use.several else inputs[0],
        shapes if use.several else shapes[0],
        use.native,
    )
    graph.training = outside
    return made if isinstance(made, list) else [made]


def _unique(names: Sequence[str]) -> list[str]:
    """Return names in which a number tells those apart that come again: ``out``, ``out_1``."""
    made: list[str] = []
    for name in names:
        count = sum(other == name for other in names[: len(made)])
        made.append(f"{name}_{count}" if count else name)
    return made
