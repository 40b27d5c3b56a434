"""The whole training step: forward, loss, backward, update; and runs of many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Case, Contender, Exact, Trial
from .extras import Extras
from .numpy_reference import WELL_FITTED, Network

LEARNING_RATE = 1e-3

# The contenders' losses are compared over their first steps, on one batch. Between the reference in
# float32 and in float64 they differ by 1e-7, or by up to 3e-5 where rounding decides on which side
# of zero a ReLU's input lies; a learning rate that is one percent off moves them by 1e-3.
STEPS = 10
TOLERANCE = 1e-4


# The losses of bfloat16 products: each operand is rounded by up to 2^-9 of itself.
BFLOAT16_TOLERANCE = 0.05


@dataclass(frozen=True)
class _Training:
    """A network and a batch."""

    sizes: tuple[int, ...]
    batch: int
    batch_norm: bool = False
    dropout: float = 0.0
    regression: bool = False
    precision: str = "highest"

    @property
    def name(self) -> str:
        """The part of its name by which it differs from other networks."""
        parts = ["-".join(map(str, self.sizes)), *self._differences()]
        return "-".join(part.replace(" ", "-") for part in parts)

    @property
    def title(self) -> str:
        """The same in words."""
        network, differences = "-".join(map(str, self.sizes)), " and ".join(self._differences())
        return f"{network}{' with ' if differences else ''}{differences}, batch of {self.batch}"

    def _differences(self) -> list[str]:
        found = []
        if self.batch_norm:
            found.append("batch norm")
        if self.dropout:
            found.append("dropout")
        if self.precision != "highest":
            found.append(self.precision)
        return found

    def data(self) -> tuple[Any, Any]:
        """Return one batch."""
        generator = np.random.default_rng(0)
        x = generator.standard_normal((self.batch, self.sizes[0]), np.float32)
        if self.regression:
            return x, generator.standard_normal((self.batch, self.sizes[-1]), np.float32)
        return x, generator.integers(self.sizes[-1], size=self.batch)

    def reference(self, dtype: Any = np.float32) -> Network:
        """Return NumPy's counterpart, with the weights that all begin with."""
        network = Network(
            self.sizes,
            batch_norm=self.batch_norm,
            dropout=self.dropout,
            regression=self.regression,
            learning_rate=LEARNING_RATE,
            dtype=dtype,
        )
        if dtype != np.float32:
            network.set_weights(self.reference().get_weights())
        return network

    def model(self, weights: list[Any], dropout: float) -> Any:
        """Return unitgain's counterpart with these weights."""
        model = build_model(
            self.sizes,
            batch_norm=self.batch_norm,
            dropout=dropout,
            regression=self.regression,
            learning_rate=LEARNING_RATE,
        )
        model.set_weights(weights)
        return model


def cases() -> list[Case]:
    """Return the demo's network, the small programs of a course, and larger ones."""
    deep = (100, 256, 256, 256, 256, 1)
    wide = (1024, 2048, 2048, 1024)
    return [
        _step(_Training((64, 128, 64, 10), 16, batch_norm=True), quick=True),
        _step(_Training((64, 64, 64, 4), 32)),
        _step(_Training((64, 256, 128, 10), 32)),
        _step(_Training((64, 256, 128, 10), 32, batch_norm=True)),
        _step(_Training((784, 300, 100, 10), 128)),
        _step(_Training((784, 300, 100, 10), 128, batch_norm=True)),
        _step(_Training(deep, 256, regression=True)),
        _step(_Training(deep, 256, batch_norm=True, dropout=0.2, regression=True)),
        _step(_Training(wide, 512), large=True),
        _step(_Training(wide, 512, precision="medium"), large=True),
        _epoch((64, 128, 64, 10), batch=16),
        _fit(_Training((64, 256, 128, 10), 64), epochs=50),
        _fit(_Training((64, 256, 128, 10), 64), epochs=50, extras=Extras()),
        _fit(_Training((64, 256, 128, 10), 64), epochs=50, monitored=True),
    ]


def build_model(
    sizes: tuple[int, ...],
    *,
    batch_norm: bool,
    learning_rate: float,
    dropout: float = 0.0,
    regression: bool = False,
    metrics: tuple[str, ...] = (),
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
        if dropout:
            layers.append(ug.layers.Dropout(dropout))
    layers.append(ug.layers.Dense(sizes[-1]))
    model = ug.Sequential(layers)
    model.compile(
        optimizer=ug.optimizers.Adam(learning_rate=learning_rate),
        loss="mean_squared_error"
        if regression
        else ug.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
    )
    return model


def _step(training: _Training, *, quick: bool = False, large: bool = False) -> Case:
    def prepare() -> Trial:
        x, y = training.data()
        network = training.reference()
        weights = network.get_weights()

        def unitgain() -> Contender:
            compared, timed = (training.model(weights, rate) for rate in (0.0, training.dropout))

            def step_of(model: Any) -> float:
                with ug.float32_matmul_precision(training.precision):
                    return float(np.ravel(model.train_on_batch(x, y))[0])

            plain = partial(timed.train_on_batch, x, y)
            return Contender(
                plain if training.precision == "highest" else partial(step_of, timed),
                lambda: [step_of(compared) for _ in range(STEPS)],
            )

        def numpy(dtype: Any = np.float32) -> Contender:
            own = training.reference(dtype)
            own.dropout = 0.0
            values = x.astype(dtype, copy=False)
            losses = [own.train_on_batch(values, y) for _ in range(STEPS)]
            own.dropout = training.dropout
            return Contender(lambda: own.train_on_batch(x, y), lambda: losses)

        def torch() -> Contender:
            from . import torch_network

            rounded = training.precision == "medium"
            return torch_network.training(network, x, y, STEPS, bfloat16=rounded)

        def jax() -> Contender:
            from . import jax_network

            return jax_network.training(network, x, y, STEPS)

        def sklearn() -> Contender:
            from . import sklearn_network

            return sklearn_network.training(network, x, y, STEPS)

        def keras() -> Contender:
            from . import keras_network

            return keras_network.training(network, x, y, STEPS)

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        if training.precision == "highest":
            contenders |= {"JAX": jax, "Keras": keras}
        if not (training.batch_norm or training.dropout or large):
            contenders["scikit-learn"] = sklearn
        return Trial(
            contenders,
            BFLOAT16_TOLERANCE if training.precision == "medium" else TOLERANCE,
            exact=lambda: Exact.of(numpy(np.float64).result()),
        )

    title = f"training step, {training.title}"
    return Case(f"training/step/{training.name}", title, prepare, quick=quick, large=large)


def _epoch(sizes: tuple[int, ...], *, batch: int) -> Case:
    """Return an epoch over the digits: what ``fit`` does, with shuffling and gathering."""
    training = _Training(sizes, batch, batch_norm=True)

    def prepare() -> Trial:
        (x, y), _ = ug.datasets.load_digits()
        network = training.reference()
        weights = network.get_weights()

        def unitgain() -> Contender:
            model = training.model(weights, 0.0)

            def epoch(shuffle: bool = True) -> float:
                history = model.fit(x, y, batch_size=batch, shuffle=shuffle, verbose=0)
                return float(history.history["loss"][-1])

            return Contender(epoch, lambda: epoch(shuffle=False))

        def numpy() -> Contender:
            generator = np.random.default_rng(0)

            def epoch(shuffle: bool = True) -> float:
                order = generator.permutation(len(x)) if shuffle else np.arange(len(x))
                return _numpy_epoch(network, x, y, order, batch)

            return Contender(epoch, lambda: epoch(shuffle=False))

        def exact() -> Exact:
            wide, order = training.reference(np.float64), np.arange(len(x))
            return Exact.of(_numpy_epoch(wide, x.astype(np.float64), y, order, batch))

        # Some forty steps: what rounding does grows further than in ten.
        return Trial({OURS: unitgain, REFERENCE: numpy}, 10 * TOLERANCE, exact=exact)

    title = f"epoch over 1347 digits, {training.title}"
    return Case(f"training/epoch/{training.name}", title, prepare)


def _fit(
    training: _Training, *, epochs: int, extras: Extras | None = None, monitored: bool = False
) -> Case:
    """Return a whole run on the digits, from a new network to its last epoch.

    What must agree is whether the network has learnt them. With ``monitored`` ours is watched by a
    :class:`~unitgain.callbacks.SignalMonitor`, whose cost is the difference to the case without.
    """

    def prepare() -> Trial:
        (x, y), _ = ug.datasets.load_digits()
        network = training.reference()

        def unitgain() -> float:
            model = training.model(network.get_weights(), 0.0)
            held_out = extras.put_on(model, LEARNING_RATE) if extras else 0.0
            watched = [ug.callbacks.SignalMonitor(on="record")] if monitored else []
            history = model.fit(
                x,
                y,
                training.batch,
                epochs,
                validation_split=held_out,
                verbose=0,
                callbacks=watched,
            )
            penalty = sum(model.losses)
            return float(history.history["loss"][-1] - penalty < WELL_FITTED)

        def numpy() -> float:
            generator, own, loss = np.random.default_rng(0), training.reference(), np.inf
            for _ in range(epochs):
                order = generator.permutation(len(x))
                loss = _numpy_epoch(own, x, y, order, training.batch)
            return float(loss < WELL_FITTED)

        def torch() -> Contender:
            from . import torch_network

            return torch_network.fitting(network, x, y, training.batch, epochs, extras)

        def sklearn() -> Contender:
            from . import sklearn_network

            return sklearn_network.fitting(network, x, y, training.batch, epochs, extras)

        def keras() -> Contender:
            from . import keras_network

            return keras_network.fitting(network, x, y, training.batch, epochs, extras)

        contenders = {OURS: lambda: Contender.of(unitgain), REFERENCE: lambda: Contender.of(numpy)}
        if not monitored:
            contenders |= {"PyTorch": torch, "Keras": keras, "scikit-learn": sklearn}
        return Trial(contenders, 0.0, exact=lambda: Exact.of(1.0))

    title, name = f"{epochs} epochs over 1347 digits, {training.title}", training.name
    if extras:
        title += ", with schedule, penalty, clipping, metric and validation"
        name += "-with-extras"
    if monitored:
        title += ", watched by a SignalMonitor"
        name += "-monitored"
    return Case(f"training/fit/{name}", title, prepare, rounds=5)


def _numpy_epoch(network: Network, x: Any, y: Any, order: Any, batch: int) -> float:
    total = 0.0
    for start in range(0, len(x), batch):
        rows = order[start : start + batch]
        total += network.train_on_batch(x[rows], y[rows]) * len(rows)
    return total / len(x)
