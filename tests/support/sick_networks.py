"""Networks with one fault planted in each, and their healthy twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import layers
from unitgain.initializers import Constant, RandomNormal

ROWS = 96


@dataclass
class Ill:
    """One fault.

    Attributes:
        name: of the fault.
        sick: makes what is diagnosed: the model and the arguments of ``diagnose``.
        twin: the same without the fault.
        verdict: the word that must be among the layer's verdicts.
        layers: the names of the sick layers: the verdict is theirs alone, and, as the layers of a
            deep net differ by chance, that of four in five at least.
        advice: what the advice for one of them must say.
    """

    name: str
    sick: Callable[[], tuple[Any, dict[str, Any]]]
    twin: Callable[[], tuple[Any, dict[str, Any]]]
    verdict: str
    layers: list[str]
    advice: str


def inputs(width, dtype="float32", rows=ROWS, scale=1.0):
    return scale * ug.random.normal((rows, width), seed=11, dtype=dtype)


def targets(loss, rows=ROWS, units=1):
    if loss == "sparse_categorical_crossentropy":
        return np.arange(rows) % units
    if loss == "binary_crossentropy":
        return (np.arange(rows) % 2).reshape(-1, 1).astype("float32")
    return ug.random.normal((rows, units), seed=12)


def chain(
    depth,
    width,
    activation,
    kernel,
    *,
    dtype="float32",
    at=None,
    optimizer="adam",
    scale=1.0,
    seed=0,
    **options,
):
    """Return a regression net of equal hidden layers; ``at``: other arguments by number."""
    ug.random.seed(seed)
    model = ug.Sequential([layers.Input((width,), dtype=dtype, name="x")])
    for i in range(depth):
        arguments = {"kernel_initializer": kernel, **options, **(at or {}).get(i, {})}
        model.add(layers.Dense(width, activation, name=f"hidden_{i}", **arguments))
    model.add(layers.Dense(1, name="output"))
    model.compile(optimizer, "mse")
    return model, {"x": inputs(width, dtype, scale=scale), "y": targets("mse")}


def classifier(*tail, loss="sparse_categorical_crossentropy", units=10, y=None, front=(), **given):
    """Return a small classifier that ends in these layers."""
    ug.random.seed(0)
    hidden = layers.Dense(32, "relu", kernel_initializer="he_normal", name="hidden_0")
    model = ug.Sequential([layers.Input((20,), name="x"), *front, hidden, *tail])
    model.compile("adam", loss)
    name = loss if isinstance(loss, str) else loss.name
    wanted = targets(name, units=units) if y is None else y
    return model, {"x": inputs(20), "y": wanted, **given}


def names(*numbers):
    return [f"hidden_{i}" for i in numbers]


def normalised(activation, rows=ROWS, batch_size=None, kind=layers.BatchNormalization):
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((20,), name="x")])
    for i in range(3):
        model.add(layers.Dense(32, kernel_initializer="lecun_normal", name=f"hidden_{i}"))
        model.add(kind(name=f"norm_{i}"))
        model.add(layers.Activation(activation, name=f"act_{i}"))
    model.add(layers.Dense(1, name="output"))
    model.compile("adam", "mse")
    given = {"x": inputs(20, rows=rows), "y": targets("mse", rows), "batch_size": batch_size}
    return model, given


def selu_with(dropout):
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((20,), name="x")])
    for i in range(3):
        model.add(layers.Dense(32, "selu", kernel_initializer="lecun_normal", name=f"hidden_{i}"))
        model.add(dropout(0.1, name=f"drop_{i}"))
    model.add(layers.Dense(1, name="output"))
    model.compile("adam", "mse")
    return model, {"x": inputs(20), "y": targets("mse")}


def residual(deviation):
    """Return eight residual blocks, the third of which has a branch of these weights."""
    ug.random.seed(0)
    x = layers.Input((32,), name="x")
    h = x
    for i in range(8):
        kernel = RandomNormal(0.0, deviation if i == 2 else 0.1)
        branch = layers.Dense(32, "relu", kernel_initializer="he_normal", name=f"in_{i}")(h)
        branch = layers.Dense(32, kernel_initializer=kernel, name=f"out_{i}")(branch)
        h = layers.Add(name=f"sum_{i}")([h, branch])
    model = ug.Model(x, layers.Dense(1, name="output")(h))
    model.compile("adam", "mse")
    return model, {"x": inputs(32), "y": targets("mse")}


def some_dead():
    model, given = chain(2, 64, "relu", "he_normal")
    bias = np.zeros(64)
    bias[::2] = -20
    bias[1::8] = -20
    model.get_layer("hidden_0").bias.assign(bias)
    return model, given


def broken(value):
    model, given = chain(5, 16, "tanh", "glorot_uniform")
    kernel = model.get_layer("hidden_2").kernel
    values = kernel.numpy()
    values[3, 4] = value
    kernel.assign(values)
    return model, given


def raw_inputs(front):
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((20,), name="x"), *front])
    model.add(layers.Dense(32, "tanh", name="hidden_0"))
    model.add(layers.Dense(1, name="output"))
    model.compile("adam", "mse")
    given = {"x": inputs(20, scale=50) + 1000, "y": targets("mse")}
    for layer in front:
        layer.adapt(given["x"])
    return model, given


def step_between(activation):
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((20,), name="x")])
    model.add(layers.Dense(32, "tanh", name="hidden_0"))
    model.add(layers.Dense(32, name="hidden_1"))
    model.add(layers.Activation(activation, name="act"))
    model.add(layers.Dense(1, name="output"))
    model.compile("adam", "mse")
    return model, {"x": inputs(20), "y": targets("mse")}


def sgd(rate):
    return ug.optimizers.SGD(rate)


def logits(units, name="output"):
    return layers.Dense(units, name=name)


def probabilities(units, activation="softmax"):
    return layers.Dense(units, activation, name="output")


def sparse(from_logits):
    return ug.losses.SparseCategoricalCrossentropy(from_logits=from_logits)


def binary(from_logits):
    return ug.losses.BinaryCrossentropy(from_logits=from_logits)


UNIT = RandomNormal(0.0, 1.0)
BINARY = {"loss": "binary_crossentropy", "units": 1}

BATTERY = [
    Ill("unit-normal sigmoid",
        lambda: chain(3, 64, "sigmoid", UNIT),
        lambda: chain(3, 64, "sigmoid", "glorot_uniform"),
        "saturated", names(0), "glorot_uniform"),
    Ill("unit-normal tanh, float64",
        lambda: chain(10, 128, "tanh", UNIT, dtype="float64"),
        lambda: chain(10, 128, "tanh", "glorot_normal", dtype="float64"),
        "saturated", names(*range(10)), "glorot_uniform"),
    Ill("ReLU with Glorot's weights, 30 deep",
        lambda: chain(30, 64, "relu", "glorot_uniform"),
        lambda: chain(30, 64, "relu", "he_uniform"),
        "vanishing", names(*range(30)), "he_normal"),
    Ill("ReLU with Glorot's weights, 60 deep, float64",
        lambda: chain(60, 32, "relu", "glorot_normal", dtype="float64"),
        lambda: chain(60, 32, "relu", "he_normal", dtype="float64"),
        "vanishing", names(*range(60)), "he_normal"),
    Ill("unit-normal ReLU",
        lambda: chain(20, 32, "relu", UNIT),
        lambda: chain(20, 32, "relu", "he_normal"),
        "exploding", [*names(*range(20)), "output"], "gain"),
    Ill("GELU with weights too small",
        lambda: chain(12, 48, "gelu", RandomNormal(0.0, 0.02)),
        lambda: chain(12, 48, "gelu", "he_normal"),
        "vanishing", names(*range(12)), "gain"),
    Ill("linear layers with doubled weights",
        lambda: chain(40, 64, None, RandomNormal(0.0, 0.25)),
        lambda: chain(40, 64, None, RandomNormal(0.0, 0.125)),
        "exploding", [*names(*range(40)), "output"], "gain"),
    Ill("sigmoids, 20 deep",
        lambda: chain(20, 64, "sigmoid", "glorot_uniform"),
        lambda: chain(20, 64, "tanh", "glorot_uniform"),
        "vanishing", names(*range(20)), "slope"),
    Ill("SELU with weights twice too large, 100 deep",
        lambda: chain(100, 64, "selu", RandomNormal(0.0, 0.25)),
        lambda: chain(100, 64, "selu", "lecun_normal"),
        "exploding", [*names(*range(100)), "output"], "lecun_normal"),
    Ill("SELU with weights too small",
        lambda: chain(10, 64, "selu", RandomNormal(0.0, 0.01)),
        lambda: chain(10, 64, "selu", "lecun_uniform"),
        "vanishing", names(*range(10)), "lecun_normal"),
    Ill("one layer of tiny weights",
        lambda: chain(8, 32, "tanh", "glorot_uniform",
                      at={4: {"kernel_initializer": RandomNormal(0.0, 1e-6)}}),
        lambda: chain(8, 32, "tanh", "glorot_uniform"),
        "vanishing", names(4), "gain"),
    Ill("one layer of huge weights, float64",
        lambda: chain(8, 32, "relu", "he_normal", dtype="float64",
                      at={3: {"kernel_initializer": RandomNormal(0.0, 1e4)}}),
        lambda: chain(8, 32, "relu", "he_normal", dtype="float64"),
        "exploding", names(3), "gain"),
    Ill("all weights zero",
        lambda: chain(3, 32, "tanh", "zeros"),
        lambda: chain(3, 32, "tanh", "glorot_uniform"),
        "symmetric", names(0, 1), "copies"),
    Ill("constant weights",
        lambda: chain(2, 16, "elu", Constant(0.05)),
        lambda: chain(2, 16, "elu", "he_normal"),
        "symmetric", names(0), "he_normal"),
    Ill("weights of one",
        lambda: classifier(layers.Dense(8, "sigmoid", kernel_initializer="ones", name="hidden_1"),
                           layers.Dense(1, "sigmoid", kernel_initializer="ones", name="output"),
                           **BINARY),
        lambda: classifier(layers.Dense(8, "sigmoid", name="hidden_1"),
                           layers.Dense(1, "sigmoid", name="output"), **BINARY),
        "symmetric", names(1), "copies"),
    Ill("one layer of dead ReLUs",
        lambda: chain(3, 64, "relu", "he_normal",
                      at={1: {"bias_initializer": Constant(-10)}}),
        lambda: chain(3, 64, "relu", "he_normal"),
        "dying", names(1), "leaky_relu"),
    Ill("two thirds of the units dead",
        some_dead, lambda: chain(2, 64, "relu", "he_normal"),
        "dying", names(0), "40 of 64"),
    Ill("learning rate too high",
        lambda: chain(3, 32, "relu", "he_normal", optimizer=sgd(100.0)),
        lambda: chain(3, 32, "relu", "he_normal", optimizer=sgd(0.01)),
        "exploding", [*names(0, 1, 2), "output"], "learning rate"),
    Ill("Adam's rate too high",
        lambda: chain(5, 128, "selu", "lecun_normal", optimizer=ug.optimizers.Adam(0.3)),
        lambda: chain(5, 128, "selu", "lecun_normal", optimizer=ug.optimizers.Adam(0.001)),
        "exploding", [*names(*range(5)), "output"], "learning rate"),
    Ill("inputs as they came",
        lambda: raw_inputs([]), lambda: raw_inputs([layers.Normalization(name="scale")]),
        "misconfigured", ["x"], "not standardised"),
    Ill("inputs far too small",
        lambda: chain(2, 32, "tanh", "glorot_uniform", scale=1e-4),
        lambda: chain(2, 32, "tanh", "glorot_uniform"),
        "misconfigured", ["x"], "not standardised"),
    Ill("batch norm with one row",
        lambda: normalised("relu", rows=1),
        lambda: normalised("relu", rows=32),
        "misconfigured", ["norm_0", "norm_1", "norm_2"], "batch of 1"),
    Ill("batch norm with batches of one",
        lambda: normalised("tanh", rows=16, batch_size=1),
        lambda: normalised("tanh", rows=16, batch_size=8),
        "misconfigured", ["norm_0", "norm_1", "norm_2"], "batch of 1"),
    Ill("labels from 1",
        lambda: classifier(probabilities(10), y=np.arange(ROWS) % 10 + 1),
        lambda: classifier(probabilities(10)),
        "misconfigured", ["output"], "from 1 to 10"),
    Ill("labels of -1 and 1 for a sigmoid",
        lambda: classifier(probabilities(1, "sigmoid"), **BINARY,
                           y=np.where(np.arange(ROWS) % 2, 1.0, -1.0).reshape(-1, 1)),
        lambda: classifier(probabilities(1, "sigmoid"), **BINARY),
        "misconfigured", ["output"], "labels out of range"),
    Ill("softmax twice",
        lambda: classifier(probabilities(10), layers.Softmax(name="again")),
        lambda: classifier(logits(10), layers.Softmax(name="again")),
        "misconfigured", ["again"], "softmax twice"),
    Ill("softmax, and once more in the loss",
        lambda: classifier(probabilities(10), loss=sparse(True)),
        lambda: classifier(probabilities(10), loss=sparse(False)),
        "misconfigured", ["output"], "softmax twice"),
    Ill("sigmoid, and once more in the loss",
        lambda: classifier(probabilities(1, "sigmoid"), loss=binary(True), units=1),
        lambda: classifier(probabilities(1, "sigmoid"), loss=binary(False), units=1),
        "misconfigured", ["output"], "sigmoid twice"),
    Ill("no sigmoid at all",
        lambda: classifier(logits(1), loss=binary(False), units=1),
        lambda: classifier(logits(1), loss=binary(True), units=1),
        "misconfigured", ["output"], "from_logits=True"),
    Ill("SELU behind batch norm",
        lambda: normalised("selu"), lambda: normalised("relu"),
        "misconfigured", ["act_0", "act_1", "act_2"], "SELU normalises by itself"),
    Ill("dropout behind SELU",
        lambda: selu_with(layers.Dropout), lambda: selu_with(layers.AlphaDropout),
        "misconfigured", ["drop_0", "drop_1", "drop_2"], "AlphaDropout"),
    Ill("a weight that is NaN",
        lambda: broken(np.nan), lambda: broken(0.1),
        "exploding", names(2), "not finite"),
    Ill("a step between layers",
        lambda: step_between("step"), lambda: step_between("tanh"),
        "vanishing", ["act"], "no slope"),
    Ill("a residual branch that explodes",
        lambda: residual(1e4), lambda: residual(0.1),
        "exploding", ["out_2"], "gain"),
    Ill("softsign driven flat by its biases",
        lambda: chain(3, 32, "softsign", "glorot_uniform",
                      at={2: {"bias_initializer": Constant(30.0)}}),
        lambda: chain(3, 32, "softsign", "glorot_uniform"),
        "saturated", names(2), "flat"),
]  # fmt: skip
