"""The frozen layers that a model begins with, run once for all samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from unitgain.graph.function import lower_node
from unitgain.graph.native import NativeNetwork, native, rows_and_cols
from unitgain.graph.tensors import Node
from unitgain.layers.base import Layer
from unitgain.layers.composite import is_traced
from unitgain.layers.custom import takes_training
from unitgain.layers.encoding import DataLayer
from unitgain.layers.regularization import Noise
from unitgain.training.feeding import PREDICT_BATCH, Samples, dense, holds_sparse

__all__ = ["FrozenBase"]


class FrozenBase:
    """A chain of layers cut behind the frozen ones that it begins with.

    They give the same outputs at every step, unless they draw random numbers: so these are
    computed once, and a network of the layers behind, which shares weights and optimizer with the
    model, trains on them.

    Args:
        model: a built model.

    Raises:
        ValueError: if its layers do not form a chain, or the first is not frozen.
    """

    def __init__(self, model: Any) -> None:
        chain: list[Node] = model.function.nodes
        ends = [*model.function.inputs.tensors, *(t for use in chain for t in use.outputs)]
        sources = [tensor for use in chain for tensor in use.inputs]
        if [id(tensor) for tensor in sources] != [id(tensor) for tensor in ends[:-1]]:
            raise ValueError("cache_frozen needs a chain of layers, such as a Sequential")
        count = 0
        for use in chain[:-1]:
            if not all(_is_fixed(leaf, use) for leaf in use.layer.leaves()):
                break
            count += 1
        trained = [leaf for use in chain[:count] for leaf in use.layer.leaves() if leaf.weights]
        if not trained:
            raise ValueError(
                "cache_frozen needs frozen layers that the model begins with: set trainable to "
                "False of the first layers"
            )
        self._model = model
        self._base = _network(chain[:count], model.dtype)
        self._rest = _network(chain[count:], model.dtype)
        self._whole: Any = None

    def outputs(self, samples: Samples) -> Samples:
        """Return the samples with the frozen layers' outputs in place of the inputs."""
        if holds_sparse(samples.x):
            parts = [
                self._base.predict(dense(samples.x[first : first + PREDICT_BATCH]), PREDICT_BATCH)
                for first in range(0, len(samples), PREDICT_BATCH)
            ]
            return Samples(np.concatenate(parts), samples.y, samples.weights)
        found = self._base.predict(samples.x, PREDICT_BATCH)
        return Samples(found, samples.y, samples.weights)

    def network(self) -> Any:
        """Return the network of the layers behind, ready for an epoch."""
        whole = self._model._native_network()
        if whole is not self._whole:
            self._rest.continue_training(whole)
            self._whole = whole
        return self._rest

    def finish(self) -> None:
        """Let the model's own network go on where the epoch has ended."""
        self._whole.step = self._rest.step


def _network(chain: list[Node], dtype: str) -> NativeNetwork:
    types = native(dtype)
    graph = types.Graph()
    nodes = [graph.input(*rows_and_cols(chain[0].inputs[0].sample_shape))]
    for use in chain:
        nodes = lower_node(graph, use, nodes)
    return types.Network(graph, nodes[0])


def _is_fixed(layer: Any, use: Node) -> bool:
    """Whether a layer, or what it is made of, gives the same outputs at every step of training.

    Args:
        layer: the layer of the use, or a part of that, each of which is asked for by itself.
        use: the use.
    """
    if is_traced(layer):
        return not layer.trainable_weights
    if layer.trainable and layer.weights:
        return False
    never_trains = use.layer is layer and use.training is False
    if never_trains or isinstance(layer, DataLayer):
        return True
    if isinstance(layer, Noise):
        return False
    return type(layer).call is Layer.call or not takes_training(layer)
