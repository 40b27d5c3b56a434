"""The frozen layers that a model begins with, run once for all samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from unitgain.layers.base import Layer, native, rows_and_cols
from unitgain.layers.custom import takes_training
from unitgain.layers.regularization import Noise
from unitgain.models.feeding import Samples, dense, holds_sparse
from unitgain.models.nesting import leaves, lower_layer

__all__ = ["FrozenBase"]


class FrozenBase:
    """A sequential model cut behind the frozen layers that it begins with.

    They give the same outputs at every step, unless they draw random numbers: so these are
    computed once, and a network of the layers behind, which shares weights and optimizer with the
    model, trains on them.

    Args:
        model: a built model.

    Raises:
        ValueError: if it is no sequential model, or its first layer is not frozen.
    """

    def __init__(self, model: Any) -> None:
        from unitgain.models.sequential import Sequential

        if not isinstance(model, Sequential):
            raise ValueError("cache_frozen needs a Sequential")
        count = 0
        for layer in model.layers[:-1]:
            if not all(_is_fixed(leaf) for leaf in leaves([layer])):
                break
            count += 1
        trained = [leaf.name for leaf in leaves(model.layers[:count]) if leaf.weights]
        if not trained:
            raise ValueError(
                "cache_frozen needs frozen layers that the model begins with: set trainable to "
                "False of the first layers"
            )
        self._model = model
        self._count = count
        tensors = model._tensors
        self._shape = tensors[count - 1].sample_shape
        types = native(model.dtype)
        graph = types.Graph()
        node, shape = graph.input(*rows_and_cols(model.input_shape)), model.input_shape
        for layer, tensor in zip(model.layers[:count], tensors, strict=False):
            node = lower_layer(layer, graph, node, shape)
            shape = tensor.sample_shape
        self._base = types.Network(graph, node)
        graph = types.Graph()
        node = graph.input(*rows_and_cols(shape))
        for layer, tensor in zip(model.layers[count:], tensors[count:], strict=True):
            node = lower_layer(layer, graph, node, shape)
            shape = tensor.sample_shape
        self._rest = types.Network(graph, node)
        self._whole: Any = None

    def outputs(self, samples: Samples) -> Samples:
        """Return the samples with the frozen layers' outputs in place of the inputs."""
        from unitgain.models.training import PREDICT_BATCH

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


def _is_fixed(layer: Any) -> bool:
    """Whether a layer gives the same outputs at every step of training."""
    if isinstance(layer, Noise) or (layer.trainable and layer.weights):
        return False
    return type(layer).call is Layer.call or not takes_training(layer)
