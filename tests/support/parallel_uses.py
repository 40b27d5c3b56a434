"""One use of the threads for each kind of native work, with its results."""

import numpy as np

import unitgain as ug


def product():
    numbers = np.random.default_rng(1)
    results = []
    for dtype in (np.float32, np.float64):
        for m, k, n in [(301, 257, 190), (64, 4000, 48), (7, 2000, 900)]:
            a, b = numbers.normal(size=(m, k)).astype(dtype), numbers.normal(size=(k, n))
            results.append(ug.matmul(a, b.astype(dtype)))
    return results


def svd():
    numbers = np.random.default_rng(2)
    tall, square = numbers.normal(size=(900, 60)), numbers.normal(size=(180, 180))
    return [*ug.linalg.svd(tall, full_matrices=False), *ug.linalg.svd(square)]


def elements():
    x = np.random.default_rng(3).normal(size=(700, 900)).astype(np.float32)
    return [ug.activations.tanh(x), ug.activations.softmax(x)]


def small_model():
    ug.random.seed(4)
    layers = [ug.layers.Input((60,)), ug.layers.Dense(300, use_bias=False)]
    layers += [ug.layers.BatchNormalization(), ug.layers.Activation("relu")]
    layers += [ug.layers.Dropout(0.3), ug.layers.Dense(8)]
    model = ug.Sequential(layers)
    model.compile("adam", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    numbers = np.random.default_rng(4)
    x = numbers.normal(size=(1500, 60)).astype(np.float32)
    return model, x, numbers.integers(8, size=1500)


def training():
    model, x, y = small_model()
    history = model.fit(x, y, epochs=2, batch_size=250, verbose=0)
    return [*model.get_weights(), np.array(history.history["loss"])]


def inference():
    model, x, _ = small_model()
    return [model.predict(x), model(x[:200])]
