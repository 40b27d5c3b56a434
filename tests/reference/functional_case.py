"""A graph of layers for Keras and for unitgain alike, and data for it."""

import numpy as np

SIZES = {"a": 4, "b": 3, "c": 2}
SAMPLES, BATCH, EPOCHS = 20, 8, 4
LOSSES = ["sparse_categorical_crossentropy", "mse"]
WEIGHTS = [1.0, 0.5]
METRICS = [["accuracy"], ["mae"]]


def build(layers, model):
    """Return the model: a sum, concatenations, a layer used twice, and a norm."""
    a, b, c = [layers.Input((size,), name=name) for name, size in SIZES.items()]
    first = layers.Dense(5, activation="relu", name="first")(a)
    second = layers.Dense(5, activation="tanh", name="second")(b)
    total = layers.Add(name="total")([first, second])
    norm = layers.BatchNormalization(name="norm")(total)
    shared = layers.Dense(3, name="shared")
    joined = layers.Concatenate(name="joined")([shared(norm), c, first, shared(second)])
    classes = layers.Dense(3, activation="softmax", name="classes")(joined)
    both = layers.Concatenate(name="both")([joined, norm])
    return model([a, b, c], [classes, layers.Dense(2, name="values")(both)])


def data():
    """Return inputs and targets."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((SAMPLES, size)).astype(np.float32) for size in SIZES.values()]
    values = rng.standard_normal((SAMPLES, 2)).astype(np.float32)
    return x, [rng.integers(0, 3, SAMPLES), values]


def weights(shapes):
    """Return weights of these shapes; vectors are positive, as variances have to be."""
    rng = np.random.default_rng(1)
    arrays = [0.4 * rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    return [np.abs(w) + 0.5 if w.ndim == 1 else w for w in arrays]
