"""Models of all kinds of native nodes, for tests of what is written of them."""

import numpy as np

import unitgain as ug
from unitgain import layers


def chain(dtype):
    return ug.Sequential(
        [
            layers.Input((3, 4), dtype),
            layers.Rescaling([0.5, 1, 2, 3], 0.25),
            layers.Normalization(mean=0.1, variance=2.0, invert=True),
            layers.Dense(6, "silu", activity_regularizer="l2"),
            layers.BatchNormalization(axis=1),
            layers.GaussianNoise(0.1),
            layers.PReLU(shared_axes=[1]),
            layers.LayerNormalization(),
            layers.Dense(5, use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.ReLU(negative_slope=0.1, max_value=1.0, threshold=0.2),
            layers.Permute((2, 1)),
            layers.Flatten(),
            layers.Dense(8, "rrelu", trainable=False),
            layers.Dropout(0.5),
            layers.Dense(5, "log_softmax"),
        ]
    )


def branches(dtype):
    x, y = layers.Input((6,), dtype), layers.Input((4,), dtype)
    shared = layers.Dense(4, "elu", name="twice")
    both = layers.Add()([shared(layers.Dense(4)(x)), shared(y)])
    last = layers.Concatenate()([both, y, layers.Dropout(0.5)(both, training=True)])
    return ug.Model([x, y], [layers.Dense(3, "softmax")(last), layers.Dense(2)(both)])


def merged(dtype):
    x, y = layers.Input((6,), dtype), layers.Input((4,), dtype)
    numbers = layers.Activation("step")(layers.Dense(3)(x))
    rows = layers.Embedding(2, 6)(numbers)
    normal = layers.RMSNormalization()(layers.GroupNormalization(2)(rows))
    both = layers.Dot((2, 1))([layers.UnitNormalization()(normal), layers.Dense(6)(y)])
    gated = layers.GLU()(layers.Dense(6)(both))
    extremes = [layers.Maximum()([gated, both]), layers.Minimum()([gated, both])]
    sides = layers.Concatenate(axis=-1)([rows, layers.Rescaling(2.0)(rows)])
    return ug.Model([x, y], [layers.Dense(2)(layers.Multiply()(extremes)), layers.Flatten()(sides)])


def trained(make, dtype):
    ug.random.seed(3)
    model = make(dtype)
    shapes = model.input_shape if isinstance(model.input_shape, list) else [model.input_shape]
    generator = np.random.default_rng(0)
    x = [generator.normal(size=(40, *shape)).astype(dtype) for shape in shapes]
    sizes = model.output_shape if isinstance(model.output_shape, list) else [model.output_shape]
    y = [generator.normal(size=(40, *shape)) for shape in sizes]
    model.compile("adam", "mse")
    model.fit(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0], epochs=2, verbose=0)
    return model, x
