"""Graphs of layers being made: without random numbers, and chains as chains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.variables import taking_weights_from
from unitgain.layers import Input
from unitgain.models import Model, Sequential

__all__ = ["connected", "located", "model_of"]


def connected(layer: Any, inputs: Any, training: bool | None = None) -> Any:
    """Call a layer with symbolic tensors; weights that it makes are 0, and nothing is drawn."""

    def zeros(name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        return np.zeros(shape, dtype)

    with taking_weights_from(zeros):
        return layer(inputs, training=training)


def model_of(inputs: Any, outputs: Any, name: str | None = None) -> Model:
    """Return the model between symbolic tensors, a :class:`Sequential` if it is a chain."""
    model = Model(inputs, outputs, name)
    nodes = model.function.nodes
    layers = [node.layer for node in nodes]
    chained = all(
        node.inputs == [source]
        and not node.several
        and node.training is None
        and len(node.outputs) == 1
        for node, source in zip(nodes, [inputs, *(n.outputs[0] for n in nodes)], strict=False)
    )
    distinct = len(set(map(id, layers))) == len(layers)
    if not (isinstance(inputs, Input) and nodes and chained and distinct):
        return model
    if outputs is not nodes[-1].outputs[0]:
        return model
    for layer in layers:
        layer.nodes.clear()
    return Sequential([inputs, *layers], name=name)


@contextlib.contextmanager
def located(place: str) -> Iterator[None]:
    """Put a place in front of the message of a ValueError or TypeError."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if str(error).startswith(place):
            raise
        raise type(error)(f"{place}: {error}") from error
