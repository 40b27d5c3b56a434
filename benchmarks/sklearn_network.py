"""The benchmarks' dense network in scikit-learn, which has no batch normalisation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .case import Array, Contender
from .extras import Extras
from .numpy_reference import WELL_FITTED, Network


def training(network: Network, x: Array, y: Array, steps: int) -> Contender:
    """Return training from the reference network's weights, on one batch, by Adam."""
    kind = MLPRegressor if network.regression else MLPClassifier
    model = kind(
        hidden_layer_sizes=network.sizes[1:-1],
        learning_rate_init=network.learning_rate,
        # Its squared error, and so its gradient, is half of the others'.
        epsilon=network.epsilon / (2 if network.regression else 1),
        alpha=0.0,
        batch_size=len(x),
        shuffle=False,
    )
    if network.regression:
        y = y.ravel()
        model.partial_fit(x, y)  # creates the arrays that are set next
    else:
        model.partial_fit(x, y, classes=np.arange(network.sizes[-1]))
    for i, layer in enumerate(network.layers):
        model.coefs_[i][:] = layer.kernel
        model.intercepts_[i][:] = layer.bias
    del model._optimizer  # the next call starts Adam afresh

    scale = 2.0 if network.regression else 1.0

    def step() -> float:
        model.partial_fit(x, y)
        return scale * float(model.loss_)

    return Contender(step, lambda: [step() for _ in range(steps)])


def fitting(
    network: Network, x: Array, y: Array, batch: int, epochs: int, extras: Extras | None
) -> Contender:
    """Return epochs over all samples in a new order each; it has no clipping, and no schedule."""

    def run() -> float:
        model = MLPClassifier(
            hidden_layer_sizes=network.sizes[1:-1],
            learning_rate_init=network.learning_rate,
            alpha=extras.l2 if extras else 0.0,
            early_stopping=extras is not None,
            validation_fraction=extras.validation if extras else 0.1,
            batch_size=batch,
            max_iter=epochs,
            tol=0.0,
            n_iter_no_change=epochs + 1,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            model.fit(x, y)
        return float(model.loss_ < WELL_FITTED)

    return Contender.of(run)


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
