"""The uses of operations between inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unitgain.graph.tensors import Node, SymbolicTensor

__all__ = ["nodes_between", "operations_in_order"]


def nodes_between(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> list[Node]:
    """Return the nodes that the outputs need, each behind those that it needs.

    Raises:
        ValueError: if an output depends on an Input that is not among the inputs, or an input on
            nothing that leads to an output.
    """
    ends = {id(tensor) for tensor in inputs}
    ordered: list[Node] = []
    seen: set[int] = set()
    used: set[int] = set()
    # Depth first, without recursion: a model may be deeper than Python's stack.
    stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, done = stack.pop()
        if id(tensor) in ends:
            used.add(id(tensor))
            continue
        node = tensor.node
        if done:
            ordered.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not node.inputs:
            raise ValueError(
                f"the outputs depend on the input {tensor.name}, which is not among the inputs"
            )
        stack.append((tensor, True))
        stack.extend((source, False) for source in reversed(node.inputs))
    for tensor in inputs:
        if id(tensor) not in used:
            raise ValueError(f"no output depends on the input {tensor.name}")
    return ordered


def operations_in_order(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor], nodes: Sequence[Node]
) -> list[Any]:
    """Return the operations in Keras's order: those farthest from the outputs first.

    Those as far come in the order in which a walk from the outputs meets them.
    """
    input_layers = [t.node.layer for t in inputs if not t.node.inputs and t.node.layer is not None]
    ends = {id(tensor) for tensor in inputs}
    depths = {id(tensor.node): 0 for tensor in [*outputs, *inputs]}
    for node in reversed(nodes):
        for source in node.inputs:
            known = depths.get(id(source.node), 0)
            depths[id(source.node)] = max(known, depths[id(node)] + 1)

    met: list[Any] = []
    seen: set[int] = set()
    stack = list(reversed(outputs))
    while stack:
        tensor = stack.pop()
        if id(tensor.node) in seen:
            continue
        seen.add(id(tensor.node))
        known = any(tensor.node.layer is layer for layer in met)  # another use of the layer
        if not known and (id(tensor) not in ends or tensor.node.layer in input_layers):
            met.append(tensor.node.layer)
        if id(tensor) not in ends:
            stack.extend(reversed(tensor.node.inputs))
    farthest: dict[int, int] = {}
    for node in [*nodes, *(t.node for t in inputs)]:
        depth = max(farthest.get(id(node.layer), 0), depths[id(node)])
        farthest[id(node.layer)] = depth
    return sorted(met, key=lambda layer: -farthest[id(layer)])
