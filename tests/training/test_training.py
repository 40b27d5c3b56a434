"""Training: the same bits for any number of threads, updates against references, data handling."""

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain.layers import Activation, BatchNormalization, Dense, Dropout, Input

test_other_variants = rerun_on_other_variants(__file__)

LOGITS_LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)


def blobs(samples=300, features=20, classes=4, seed=0):
    """Return points around one centre a class, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, samples)
    centres = rng.standard_normal((classes, features)) * 2
    return (centres[y] + rng.standard_normal((samples, features))).astype(np.float32), y


def classifier(optimizer="adam", features=20, classes=4, width=33, dtype="float32", seed=5):
    ug.random.seed(seed)
    model = ug.Sequential(
        [
            Input((features,), dtype=dtype),
            Dense(width),
            BatchNormalization(),
            Activation("relu"),
            Dropout(0.2),
            Dense(width, activation="tanh"),
            Dense(classes),
        ]
    )
    model.compile(optimizer, LOGITS_LOSS, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weights_are_bitwise_equal_for_any_number_of_threads(dtype, optimizer):
    x, y = blobs(700, features=150, classes=10)
    runs = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            # Wide enough that the step is worth several threads.
            model = classifier(optimizer, 150, 10, width=320, dtype=dtype)
            history = model.fit(x, y, batch_size=200, epochs=2, verbose=0)
            runs.append((model.get_weights(), history.history, model.predict(x)))
    for weights, history, outputs in runs[1:]:
        assert history == runs[0][1]
        np.testing.assert_array_equal(outputs, runs[0][2])
        for a, b in zip(weights, runs[0][0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_seed_gives_other_weights_and_another_order():
    x, y = blobs()
    first, second = classifier(seed=1), classifier(seed=2)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    second.set_weights(first.get_weights())
    first.fit(x, y, epochs=1, verbose=0)
    second.fit(x, y, epochs=1, verbose=0)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def reference_updates(optimizer, gradients, weights):
    """Return the weights after each gradient, by the papers' formulas in float64."""
    w = weights.copy()
    velocity, m, v = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        if isinstance(optimizer, ug.optimizers.SGD):
            step = -optimizer.learning_rate * g
            velocity = optimizer.momentum * velocity + step
            w += optimizer.momentum * velocity + step if optimizer.nesterov else velocity
        else:
            m = optimizer.beta_1 * m + (1 - optimizer.beta_1) * g
            v = optimizer.beta_2 * v + (1 - optimizer.beta_2) * g * g
            m_hat, v_hat = m / (1 - optimizer.beta_1**t), v / (1 - optimizer.beta_2**t)
            # Keras and the paper's section 2 put epsilon beside the uncorrected root.
            epsilon = optimizer.epsilon / np.sqrt(1 - optimizer.beta_2**t)
            w -= optimizer.learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
        yield w.copy()


@pytest.mark.parametrize(
    "optimizer",
    [
        ug.optimizers.SGD(0.1),
        ug.optimizers.SGD(0.05, momentum=0.9),
        ug.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        ug.optimizers.Adam(),
        ug.optimizers.Adam(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
    ],
    ids=["sgd", "momentum", "nesterov", "adam", "adam with arguments"],
)
def test_updates_follow_the_papers_formulas_for_100_steps(optimizer):
    ug.random.seed(0)
    model = ug.Sequential([Input((6,), dtype="float64"), Dense(3)])
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 6)), rng.standard_normal((8, 3))
    kernel = model.layers[0].weights[0]
    first, gradients, trajectory = kernel.numpy(), [], []
    for _ in range(100):
        gradients.append(model.gradients(x, y)[1][0])
        model.train_on_batch(x, y)
        trajectory.append(kernel.numpy())
    expected = reference_updates(optimizer, gradients, first)
    for got, want in zip(trajectory, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)
    assert optimizer.iterations == 100


def test_moving_statistics_follow_keras_momentum():
    ug.random.seed(0)
    norm = BatchNormalization(momentum=0.8)
    model = ug.Sequential([Input((3,), dtype="float64"), norm, Dense(2)])
    model.compile(ug.optimizers.SGD(0.0), "mse")
    x = np.random.default_rng(0).standard_normal((10, 3)) * [1, 2, 3] + [4, 5, 6]
    y = np.zeros((10, 2))
    model.gradients(x, y)
    np.testing.assert_array_equal(norm.moving_mean.array, 0.0)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(norm.moving_mean.array, 0.2 * x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(norm.moving_variance.array, 0.8 + 0.2 * x.var(0), rtol=1e-13)


def test_frozen_layers_keep_their_weights_and_thawed_ones_train_again():
    x, y = blobs()
    model = classifier()
    norm = model.layers[1]
    model.layers[0].trainable = norm.trainable = False
    before = [w.numpy() for w in model.layers[0].weights + norm.weights]
    model.fit(x, y, epochs=2, verbose=0)
    for a, w in zip(before, model.layers[0].weights + norm.weights, strict=True):
        np.testing.assert_array_equal(a, w.array)
    model.layers[0].trainable = True
    model.fit(x, y, epochs=1, verbose=0)
    assert not np.array_equal(before[0], model.layers[0].weights[0].array)


def test_training_reaches_the_bayes_classifier_on_separated_blobs():
    x, y = blobs(600)
    model = classifier()
    history = model.fit(x[:400], y[:400], epochs=15, verbose=0, validation_data=(x[400:], y[400:]))
    assert history.history["val_accuracy"][-1] > 0.98
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == list(range(15))


def test_regression_finds_the_linear_map():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 5)).astype(np.float32)
    truth = rng.standard_normal((5, 2)).astype(np.float32)
    ug.random.seed(0)
    model = ug.Sequential([Input((5,)), Dense(2)])
    model.compile(ug.optimizers.SGD(0.1), "mse", metrics=["mae", "mse"])
    history = model.fit(x, x @ truth + 1, epochs=30, verbose=0)
    np.testing.assert_allclose(model.layers[0].kernel.array, truth, atol=1e-4)
    np.testing.assert_allclose(model.layers[0].bias.array, 1, atol=1e-4)
    assert history.history["mse"] == history.history["loss"]
    outputs = model.predict(x)
    loss, mae, _ = model.evaluate(x, x @ truth)
    assert loss == pytest.approx(((outputs - x @ truth) ** 2).mean(), rel=1e-5)
    assert mae == pytest.approx(np.abs(outputs - x @ truth).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.flip(np.flip(x, 1).copy(), 1),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.int32),
        lambda x: x.astype(np.uint8),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.int16),
        lambda x: x.tolist(),
    ],
)
def test_any_dtype_and_strides_train_as_contiguous_float32_does(convert):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 16, (90, 20)).astype(np.float32)
    y = rng.integers(0, 4, 90)
    expected, model = classifier(), classifier()
    expected.fit(x, y, epochs=2, batch_size=16, verbose=0)
    ug.random.seed(5)
    model = classifier()
    model.fit(convert(x), y, epochs=2, batch_size=16, verbose=0)
    for a, b in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(expected.predict(x), model.predict(convert(x)))
    np.testing.assert_array_equal(expected(x), model(convert(x)))


@pytest.mark.parametrize("batch_size", [1, 7, 32, 299, 300, 1000])
def test_results_do_not_depend_on_the_batch_size_of_inference(batch_size):
    x, y = blobs()
    model = classifier(dtype="float64")
    model.fit(x, y, epochs=1, verbose=0)
    outputs = model.predict(x, batch_size=batch_size)
    np.testing.assert_allclose(outputs, model(x), rtol=1e-12, atol=1e-14)
    logits = outputs - outputs.max(1, keepdims=True)
    losses = np.log(np.exp(logits).sum(1)) - logits[range(300), y]
    loss, accuracy = model.evaluate(x, y, batch_size=batch_size)
    assert loss == pytest.approx(losses.mean(), rel=1e-12)
    assert accuracy == pytest.approx((outputs.argmax(1) == y).mean())


def test_inference_with_folded_batch_norm_equals_the_layers_formulas():
    ug.random.seed(0)
    model = ug.Sequential([Input((7,), dtype="float64"), Dense(5), BatchNormalization()])
    rng = np.random.default_rng(0)
    for w in model.weights:
        w.array[...] = rng.uniform(0.5, 2, w.shape)
    kernel, bias, gamma, beta, mean, variance = model.get_weights()
    x = rng.standard_normal((11, 7))
    expected = gamma * (x @ kernel + bias - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(model(x), expected, rtol=1e-12)


def test_last_small_batch_single_row_and_empty_input():
    x, y = blobs(33)
    model = classifier()
    model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    assert model.predict(x[:1]).shape == (1, 4)
    assert model.predict(x[:0]).shape == (0, 4)
    assert model(x[:0]).shape == (0, 4)
    for method in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=r"^x has no samples"):
            method(x[:0], y[:0])
    with pytest.raises(ValueError, match="validation x has no samples"):
        model.fit(x, y, validation_data=(x[:0], y[:0]), verbose=0)


def test_validation_split_takes_the_last_samples():
    x, y = blobs(100)
    first, second = classifier(), classifier()
    a = first.fit(x, y, validation_split=0.2, epochs=1, verbose=0, shuffle=False)
    ug.random.seed(5)
    second = classifier()
    b = second.fit(
        x[:80], y[:80], validation_data=(x[80:], y[80:]), epochs=1, verbose=0, shuffle=False
    )
    assert a.history == b.history


def test_callbacks_hear_of_epochs_and_can_stop_the_run():
    class Recorder(ug.callbacks.Callback):
        def __init__(self):
            self.calls = []

        def on_train_begin(self, logs=None):
            self.calls.append("begin")

        def on_epoch_begin(self, epoch, logs=None):
            self.calls.append(epoch)

        def on_epoch_end(self, epoch, logs=None):
            self.calls.append(sorted(logs))
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs=None):
            self.calls.append("end")

    x, y = blobs()
    recorder = Recorder()
    history = classifier().fit(x, y, epochs=9, verbose=0, callbacks=[recorder])
    names = ["accuracy", "loss"]
    assert recorder.calls == ["begin", 0, names, 1, names, "end"]
    assert len(history.history["loss"]) == 2


def test_learning_rate_can_be_changed_between_epochs():
    x, y = blobs()
    model = classifier("sgd")
    model.fit(x, y, epochs=1, verbose=0)
    model.optimizer.learning_rate = 0.0
    before = model.layers[0].kernel.numpy()
    model.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(before, model.layers[0].kernel.array)
    assert model.optimizer.iterations == 20


def test_labels_as_a_column_and_as_whole_floats_are_the_same_labels():
    x, y = blobs()
    expected = classifier().evaluate(x, y)
    assert classifier().evaluate(x, y[:, np.newaxis]) == expected
    assert classifier().evaluate(x, y.astype(np.float32)) == expected
    assert classifier().evaluate(x, y.astype(np.uint8)) == expected


def test_call_in_training_mode_takes_batch_statistics_and_drops():
    ug.random.seed(0)
    norm = BatchNormalization(momentum=0.9)
    model = ug.Sequential([Input((50,), dtype="float64"), norm, Dropout(0.5)])
    x = np.random.default_rng(0).standard_normal((400, 50)) * 3 + 7
    outputs = [model(x, training=True) for _ in range(3)]
    normal = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3)
    for y in outputs:
        kept = y != 0
        assert 0.47 < kept.mean() < 0.53
        np.testing.assert_allclose(y[kept], 2 * normal[kept], rtol=1e-9)
    assert not np.array_equal(outputs[0] != 0, outputs[1] != 0)
    np.testing.assert_allclose(norm.moving_mean.array, (1 - 0.9**3) * x.mean(0), rtol=1e-12)
    expected = (x - norm.moving_mean.array) / np.sqrt(norm.moving_variance.array + 1e-3)
    np.testing.assert_allclose(model(x), expected, rtol=1e-9)
    assert model(x[:0], training=True).shape == (0, 50)


def test_training_takes_denormals_for_zero_and_nothing_else_does():
    ug.random.seed(0)
    model = ug.Sequential([Input((4,)), Dense(4, use_bias=False)])
    model.layers[0].kernel.array[...] = np.eye(4)
    model.compile("sgd", "mse")
    tiny = np.full((2, 4), 1e-40, np.float32)
    np.testing.assert_array_equal(model(tiny), tiny)
    _, (gradient,) = model.gradients(tiny, np.ones((2, 4)))
    np.testing.assert_array_equal(gradient, 0.0)
    model.fit(tiny, np.ones((2, 4)), verbose=0)
    np.testing.assert_array_equal(model(tiny), tiny)
    np.testing.assert_array_equal(tiny * np.float32(0.5), np.float32(5e-41))
