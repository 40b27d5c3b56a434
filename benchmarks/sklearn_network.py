"""The benchmarks' dense network in scikit-learn, which has no batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .case import Array, Contender
from .numpy_reference import Network


def training(network: Network, x: Array, y: Array, steps: int) -> Contender:
    """Return training from the reference network's weights, on one batch, by Adam."""
    model = MLPClassifier(
        hidden_layer_sizes=network.sizes[1:-1],
        learning_rate_init=network.learning_rate,
        epsilon=network.epsilon,
        alpha=0.0,
        batch_size=len(x),
        shuffle=False,
    )
    classes = np.arange(network.sizes[-1])
    model.partial_fit(x, y, classes=classes)  # creates the arrays that are set next
    for i, layer in enumerate(network.layers):
        model.coefs_[i][:] = layer.kernel
        model.intercepts_[i][:] = layer.bias
    del model._optimizer  # the next call starts Adam afresh

    def step() -> float:
        model.partial_fit(x, y)
        return float(model.loss_)

    return Contender(step, lambda: [step() for _ in range(steps)])


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer.

    As a regressor, whose outputs are the last layer's own, as in the other libraries.
    """
    hidden = tuple(bias.size for _, bias in pairs[:-1])
    model = MLPRegressor(hidden_layer_sizes=hidden, batch_size=2)
    outputs = pairs[-1][1].size
    model.partial_fit(np.zeros((2, x.shape[1]), x.dtype), np.zeros((2, outputs), x.dtype))
    for i, (kernel, bias) in enumerate(pairs):
        model.coefs_[i], model.intercepts_[i] = kernel, bias
    return Contender.of(lambda: model.predict(x))
