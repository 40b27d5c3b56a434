"""Graphs of layers as configurations, and back.

A tensor is written as a pair of numbers: the use of a layer that makes it, -1 for the inputs, and
which of that use's outputs, or of the inputs, it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unitgain._configurable import serialize
from unitgain.graph.function import Function
from unitgain.graph.structure import Structure
from unitgain.graph.tensors import SymbolicTensor, flatten
from unitgain.layers.core import Input
from unitgain.layers.registry import operation_from

__all__ = ["graph_config", "graph_of"]


def graph_config(function: Function) -> dict[str, Any]:
    """Return a graph's layers, inputs, uses of layers and outputs, as JSON can hold them."""
    inputs, outputs = function.inputs, function.outputs
    places = {id(tensor): [-1, i] for i, tensor in enumerate(inputs.tensors)}
    layers = [layer for layer in function.operations if not isinstance(layer, Input)]
    numbers = {id(layer): i for i, layer in enumerate(layers)}
    uses = []
    for number, use in enumerate(function.nodes):
        sources = [places[id(tensor)] for tensor in use.inputs]
        # Of later entries those at the end that say nothing are left out.
        more = [use.training, use.masks] if use.masks else [use.training]
        more = [] if more == [None] else more
        uses.append([numbers[id(use.layer)], sources, use.several, *more])
        places |= {id(tensor): [number, i] for i, tensor in enumerate(use.outputs)}
    given = [
        {
            "shape": list(t.sample_shape),
            "dtype": t.values_dtype if isinstance(t, Input) else t.dtype,
            "name": t.name,
        }
        for t in inputs.tensors
    ]
    return {
        "layers": [serialize(layer) for layer in layers],
        "inputs": _packed(inputs, given),
        "uses": uses,
        "outputs": _packed(outputs, [places[id(tensor)] for tensor in outputs.tensors]),
    }


def _packed(structure: Structure, values: list[Any]) -> dict[str, Any]:
    kind = "dict" if structure.keys is not None else "list" if structure.is_list else "one"
    return {"kind": kind, "names": structure.keys, "values": values}


def _unpacked(packed: Mapping[str, Any], values: list[Any]) -> Any:
    if packed["kind"] == "dict":
        return dict(zip(packed["names"], values, strict=True))
    return values if packed["kind"] == "list" else values[0]


def graph_of(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the inputs and outputs of the graph that :func:`graph_config` described.

    Raises:
        ValueError: if it describes none.
    """
    inputs = [Input(**arguments) for arguments in config["inputs"]["values"]]
    layers: list[Any] = [operation_from(layer) for layer in config["layers"]]
    made: list[list[SymbolicTensor]] = []

    def find(place: Any) -> SymbolicTensor:
        use, output = (int(number) for number in place)
        row = inputs if use == -1 else made[use] if 0 <= use < len(made) else []
        if not 0 <= output < len(row):
            raise ValueError(f"the graph has no tensor {place}")
        return row[output]

    for number, sources, several, *more in config["uses"]:
        if not 0 <= int(number) < len(layers):
            raise ValueError(f"the graph has no layer {number}")
        tensors = [find(place) for place in sources]
        training, masks = (*more, None, None)[:2]
        keywords: dict[str, Any] = {"training": None if training is None else bool(training)}
        if masks:
            count = len(tensors) - int(masks)
            tensors, given_masks = tensors[:count], tensors[count:]
            keywords["mask"] = given_masks if several else given_masks[0]
        given = tensors if several else tensors[0]
        outputs = flatten(layers[int(number)](given, **keywords))
        made.append(outputs[0].node.outputs)
    outputs = [find(place) for place in config["outputs"]["values"]]
    return _unpacked(config["inputs"], inputs), _unpacked(config["outputs"], outputs)
