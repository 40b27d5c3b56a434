"""The whole training step: forward, loss, backward, update."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Case, Contender, Trial
from .numpy_reference import Network

LEARNING_RATE = 1e-3

# The contenders' losses are compared over their first steps, on one batch. Between the reference in
# float32 and in float64 they differ by 1e-7, or by up to 3e-5 where rounding decides on which side
# of zero a ReLU's input lies; a learning rate that is one percent off moves them by 1e-3.
STEPS = 10
TOLERANCE = 1e-4


def cases() -> list[Case]:
    """Return the demo's network with and without batch norm, then larger ones."""
    return [
        _step((64, 128, 64, 10), batch=16, batch_norm=True, quick=True),
        _step((64, 256, 128, 10), batch=32, batch_norm=True),
        _step((64, 256, 128, 10), batch=32, batch_norm=False),
        _step((784, 512, 512, 10), batch=128, batch_norm=True),
        _step((784, 512, 512, 10), batch=128, batch_norm=False),
        _epoch((64, 128, 64, 10), batch=16),
    ]


def build_model(
    sizes: tuple[int, ...], *, batch_norm: bool, learning_rate: float, metrics: tuple[str, ...] = ()
) -> Any:
    """Return unitgain's counterpart of :class:`~unitgain.benchmarks.numpy_reference.Network`."""
    layers: list[Any] = [ug.layers.Input((sizes[0],))]
    for units in sizes[1:-1]:
        if batch_norm:
            layers.append(ug.layers.Dense(units, use_bias=False))
            layers.append(ug.layers.BatchNormalization())
            layers.append(ug.layers.Activation("relu"))
        else:
            layers.append(ug.layers.Dense(units, activation="relu"))
    layers.append(ug.layers.Dense(sizes[-1]))
    model = ug.Sequential(layers)
    model.compile(
        optimizer=ug.optimizers.Adam(learning_rate=learning_rate),
        loss=ug.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
    )
    return model


def _data(sizes: tuple[int, ...], rows: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, sizes[0]), np.float32)
    return x, generator.integers(sizes[-1], size=rows)


def _describe(sizes: tuple[int, ...], batch: int, batch_norm: bool) -> str:
    network = "-".join(str(size) for size in sizes)
    return f"{network}{' with batch norm' if batch_norm else ''}, batch of {batch}"


def _name(kind: str, sizes: tuple[int, ...], batch_norm: bool) -> str:
    return f"training/{kind}/{'-'.join(str(s) for s in sizes)}{'-batch-norm' if batch_norm else ''}"


def _step(sizes: tuple[int, ...], *, batch: int, batch_norm: bool, quick: bool = False) -> Case:
    def prepare() -> Trial:
        x, y = _data(sizes, batch)
        network = Network(sizes, batch_norm=batch_norm, learning_rate=LEARNING_RATE)

        def unitgain() -> Contender:
            model = build_model(sizes, batch_norm=batch_norm, learning_rate=LEARNING_RATE)
            model.set_weights(network.get_weights())

            def step() -> Any:
                return model.train_on_batch(x, y)

            return Contender(step, lambda: [float(np.ravel(step())[0]) for _ in range(STEPS)])

        def numpy() -> Contender:
            own = Network(sizes, batch_norm=batch_norm, learning_rate=LEARNING_RATE)
            own.set_weights(network.get_weights())
            losses = lambda: [own.train_on_batch(x, y) for _ in range(STEPS)]  # noqa: E731
            return Contender(lambda: own.train_on_batch(x, y), losses)

        def torch() -> Contender:
            from . import torch_network

            return torch_network.training(network, x, y, STEPS)

        def jax() -> Contender:
            from . import jax_network

            return jax_network.training(network, x, y, STEPS)

        def sklearn() -> Contender:
            from . import sklearn_network

            return sklearn_network.training(network, x, y, STEPS)

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        if not batch_norm:
            contenders["scikit-learn"] = sklearn
        return Trial(contenders, TOLERANCE)

    title = f"training step, {_describe(sizes, batch, batch_norm)}"
    return Case(_name("step", sizes, batch_norm), title, prepare, quick=quick)


def _epoch(sizes: tuple[int, ...], *, batch: int) -> Case:
    """Return an epoch over the digits: what ``fit`` does, with shuffling and gathering."""

    def prepare() -> Trial:
        (x, y), _ = ug.datasets.load_digits()
        network = Network(sizes, learning_rate=LEARNING_RATE)
        weights = network.get_weights()

        def unitgain() -> Contender:
            model = build_model(sizes, batch_norm=True, learning_rate=LEARNING_RATE)
            model.set_weights(weights)

            def epoch(shuffle: bool = True) -> float:
                history = model.fit(x, y, batch_size=batch, shuffle=shuffle, verbose=0)
                return float(history.history["loss"][-1])

            return Contender(epoch, lambda: epoch(shuffle=False))

        def numpy() -> Contender:
            generator = np.random.default_rng(0)

            def epoch(shuffle: bool = True) -> float:
                order = generator.permutation(len(x)) if shuffle else np.arange(len(x))
                total = 0.0
                for start in range(0, len(x), batch):
                    rows = order[start : start + batch]
                    total += network.train_on_batch(x[rows], y[rows]) * len(rows)
                return total / len(x)

            return Contender(epoch, lambda: epoch(shuffle=False))

        # Some forty steps: what rounding does grows further than in ten.
        return Trial({OURS: unitgain, REFERENCE: numpy}, 10 * TOLERANCE)

    title = f"epoch over 1347 digits, {_describe(sizes, batch, True)}"
    return Case(_name("epoch", sizes, True), title, prepare)
