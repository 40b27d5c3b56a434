"""The benchmarks' dense network in Keras, on the backend that ``KERAS_BACKEND`` names.

A process has one backend, chosen when Keras is imported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .case import Array, Contender
from .extras import Extras
from .keras_backend import chosen
from .numpy_reference import WELL_FITTED, Network

os.environ.setdefault("KERAS_BACKEND", chosen())
import keras


def _model(
    network: Network, dropout: float = 0.0, extras: Extras | None = None
) -> tuple[Any, float]:
    """Return the compiled model and the share of the samples to validate with."""
    options: dict[str, Any] = {}
    if extras:
        names = ("kernel_regularizer", "bias_regularizer")
        options = {name: keras.regularizers.L2(extras.l2) for name in names}
    layers: list[Any] = [keras.layers.Input((network.sizes[0],))]
    for layer in network.layers[:-1]:
        units = layer.kernel.shape[1]
        layers.append(keras.layers.Dense(units, use_bias=layer.bias is not None, **options))
        if layer.gamma is not None:
            layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.Activation("relu"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    layers.append(keras.layers.Dense(network.sizes[-1], **options))
    model = keras.Sequential(layers)
    model.set_weights(network.get_weights())
    rate: Any = network.learning_rate
    clip: dict[str, Any] = {}
    if extras:
        rate = keras.optimizers.schedules.ExponentialDecay(rate, 1, extras.decay)
        clip = {"global_clipnorm": extras.clipnorm}
    model.compile(
        keras.optimizers.Adam(rate, **clip),
        "mean_squared_error"
        if network.regression
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"] if extras else None,
    )
    return model, extras.validation if extras else 0.0


def training(network: Network, x: Array, y: Array, steps: int) -> Contender:
    """Return training from the reference network's weights, on one batch.

    The losses that are compared are without dropout.
    """
    timed, _ = _model(network, network.dropout)

    def losses() -> list[float]:
        compared, _ = _model(network)
        found = []
        for _ in range(steps):
            compared.reset_metrics()  # else the loss is the mean of all steps
            found.append(float(compared.train_on_batch(x, y)))
        return found

    return Contender(lambda: timed.train_on_batch(x, y), losses)


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer, compiled where it can be."""
    layers: list[Any] = [keras.layers.Input((x.shape[1],))]
    layers += [keras.layers.Dense(len(bias), activation="relu") for _, bias in pairs[:-1]]
    layers.append(keras.layers.Dense(len(pairs[-1][1])))
    model = keras.Sequential(layers)
    model.set_weights([array for pair in pairs for array in pair])
    return Contender.of(lambda: model.predict_on_batch(x))


def fitting(
    network: Network, x: Array, y: Array, batch: int, epochs: int, extras: Extras | None
) -> Contender:
    """Return epochs over all samples in a new order each."""

    def run() -> float:
        model, held_out = _model(network, extras=extras)
        history = model.fit(x, y, batch, epochs, validation_split=held_out, verbose=0)
        penalty = sum(float(keras.ops.convert_to_numpy(loss)) for loss in model.losses)
        return float(history.history["loss"][-1] - penalty < WELL_FITTED)

    return Contender.of(run)
