"""Functions as losses, metrics, layers and regularizers, beside what is native or in NumPy."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers, ops

RANDOM = np.random.default_rng(7)
X = RANDOM.standard_normal((40, 6)).astype(np.float32)
Y = RANDOM.standard_normal((40, 3)).astype(np.float32)
LABELS = RANDOM.integers(0, 3, 40)
WEIGHTS = RANDOM.uniform(0.2, 2.0, 40)


def model(*middle, units=3, dtype="float32", activation=None):
    ug.random.seed(1)
    front = layers.Dense(units, kernel_initializer="glorot_uniform", activation=activation)
    return ug.Sequential([layers.Input((6,), dtype=dtype), front, *middle])


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def quartic(y_true, y_pred):
    return (y_true - y_pred) ** 4


def whole(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred))


def focal(y_true, y_pred):
    p = ops.softmax(y_pred)
    return -ops.sum(y_true * (1 - p) ** 2 * ops.log(ops.clip(p, 1e-7, 1 - 1e-7)), axis=-1)


def trained(loss, y=Y, weights=None, dtype="float32", **keywords):
    made = model(dtype=dtype)
    made.compile(ug.optimizers.SGD(0.1), loss, **keywords)
    history = made.fit(
        X, y, epochs=3, batch_size=16, verbose=0, shuffle=False, sample_weight=weights
    )
    return made, history.history


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    ("function", "native"), [(squared, "mse"), (whole, "mae")], ids=["rows", "one"]
)
def test_a_function_trains_as_the_native_loss(function, native, weights, dtype):
    if function is whole and weights is not None:
        pytest.skip("one number of a batch has no rows to weigh")
    made, history = trained(function, weights=weights, dtype=dtype)
    other, expected = trained(native, weights=weights, dtype=dtype)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=rtol)
    for a, b in zip(made.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6 if dtype == "float32" else 1e-13)


def test_a_loss_of_labels_is_told_so():
    def own(y_true, y_pred):
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)

    own.takes_labels = True
    made, history = trained(own, LABELS)
    native = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    other, expected = trained(native, LABELS)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(made.get_weights()[0], other.get_weights()[0], rtol=1e-5, atol=1e-6)


def test_no_python_runs_in_the_batches():
    calls = []

    def counted(y_true, y_pred):
        calls.append(1)
        return quartic(y_true, y_pred)

    def metric(y_true, y_pred):
        calls.append(2)
        return ops.max(ops.abs(y_true - y_pred), axis=-1)

    class Twice(layers.Layer):
        def call(self, inputs):
            calls.append(3)
            return inputs * 2.0

    made = model(Twice(), layers.Lambda(lambda x: calls.append(4) or ops.tanh(x)))
    made.compile(ug.optimizers.SGD(0.01), counted, metrics=[metric])
    made.fit(X, Y, epochs=1, batch_size=8, verbose=0)
    before = len(calls)
    made.fit(X, Y, epochs=4, batch_size=8, verbose=0)
    made.predict(X)
    assert len(calls) == before


def test_losses_of_arrays_have_gradients():
    loss = ug.losses.get(quartic)
    value, gradient = loss.value_and_gradient(Y, X[:, :3], WEIGHTS)
    away = (X[:, :3] - Y).astype(np.float64)
    assert np.isclose(value, ((away**4).mean(1) * WEIGHTS).mean(), rtol=1e-5)
    wanted = 4 * away**3 / 3 / 40 * WEIGHTS[:, np.newaxis]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6)


def test_gradients_of_a_model_are_those_of_differences():
    made = model(layers.Lambda(lambda x: ops.sin(x) * x), dtype="float64")
    made.compile("sgd", focal)
    y = np.eye(3)[LABELS]
    x = X.astype(np.float64)
    _, found = made.gradients(x, y)
    kernel = made.layers[0].kernel
    for place in [(0, 0), (3, 2)]:
        sides = []
        for sign in (1, -1):
            kernel.array[place] += sign * 1e-6
            sides.append(made.evaluate(x, y, verbose=0))
            kernel.array[place] -= sign * 1e-6
        difference = (sides[0] - sides[1]) / 2e-6
        assert np.isclose(found[0][place], difference, rtol=1e-6, atol=1e-9)


def test_a_layer_of_ops_trains_its_weights():
    class Gate(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")
            self.mix = self.add_weight((input_shape[-1], 2), "glorot_uniform", name="mix")

        def call(self, inputs):
            return ops.matmul(ops.tanh(inputs * self.scale), self.mix) + 0.5

    gate = Gate()
    made = model(gate, dtype="float64")
    made.compile(ug.optimizers.SGD(0.1), "mse")
    x, y = X.astype(np.float64), Y[:, :2].astype(np.float64)
    hidden = x @ made.layers[0].kernel.array
    scale, mix = gate.scale.array, gate.mix.array
    np.testing.assert_allclose(made.predict(x), np.tanh(hidden * scale) @ mix + 0.5, rtol=1e-12)
    _, found = made.gradients(x, y)
    error = 2 * (np.tanh(hidden * scale) @ mix + 0.5 - y) / y.size
    inner = error @ mix.T * (1 - np.tanh(hidden * scale) ** 2)
    np.testing.assert_allclose(found[3], np.tanh(hidden * scale).T @ error, rtol=1e-10)
    np.testing.assert_allclose(found[2], (inner * hidden).sum(0), rtol=1e-10)
    np.testing.assert_allclose(found[0], x.T @ (inner * scale), rtol=1e-10)
    before = made.evaluate(x, y, verbose=0)
    made.fit(x, y, epochs=5, verbose=0)
    assert made.evaluate(x, y, verbose=0) < before


def test_a_call_is_told_whether_it_trains():
    class Doubled(layers.Layer):
        def call(self, inputs, training=False):
            return inputs * 2.0 if training else inputs

    layer = Doubled()
    np.testing.assert_array_equal(layer(X), X)
    np.testing.assert_array_equal(layer(X, training=True), 2 * X)


def test_layers_that_need_values_are_called():
    class Sorted(layers.Layer):
        def call(self, inputs):
            return np.sort(inputs, axis=-1)

    made = model(Sorted())
    np.testing.assert_array_equal(np.diff(made.predict(X), axis=-1) >= 0, True)
    made.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=r"unitgain\.ops"):
        made.fit(X, Y, verbose=0)


def test_views_of_weights_are_refused():
    class Frozen(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight((3, 3), "ones", name="w")

        def call(self, inputs):
            return ops.matmul(inputs, self.w.array.T)

    made = model(Frozen())
    made.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match="uses arrays' values"):
        made.fit(X, Y, verbose=0)


def test_a_metric_of_ops_is_the_mean_over_all_samples():
    def largest(y_true, y_pred):
        return ops.max(ops.abs(y_true - y_pred), axis=-1)

    made = model()
    made.compile("sgd", "mse", metrics=[largest], weighted_metrics=[quartic])
    found = made.evaluate(X, Y, batch_size=16, verbose=0, return_dict=True, sample_weight=WEIGHTS)
    away = np.abs(made.predict(X) - Y).astype(np.float64)
    assert np.isclose(found["largest"], away.max(1).mean(), rtol=1e-5)
    assert np.isclose(
        found["quartic"], ((away**4).mean(1) * WEIGHTS).sum() / WEIGHTS.sum(), rtol=1e-5
    )


def test_a_regularizer_of_ops():
    def fourth(w):
        return 0.01 * ops.sum(w**4)

    dense = layers.Dense(3, kernel_regularizer=fourth)
    made = ug.Sequential([layers.Input((6,)), dense])
    made.compile("sgd", "mse")
    loss, found = made.gradients(X, Y)
    kernel = dense.kernel.array
    error = made.predict(X) - Y
    assert np.isclose(loss, (error**2).mean() + 0.01 * (kernel**4).sum(), rtol=1e-5)
    wanted = X.T @ (2 * error / error.size) + 0.04 * kernel**3
    np.testing.assert_allclose(found[0], wanted, rtol=1e-4, atol=1e-6)


def test_operators_between_symbolic_tensors():
    x = ug.Input((6,), dtype="float64")
    a, b = layers.Dense(3)(x), layers.Dense(3)(x)
    mixed = ops.concatenate([a * b - 2 / (a**2 + 1), -a[:, :2], 1.0 - b @ np.eye(3)])
    made = ug.Model(x, mixed)
    first, second = (ug.Model(x, t).predict(X.astype(np.float64)) for t in (a, b))
    wanted = np.concatenate(
        [first * second - 2 / (first**2 + 1), -first[:, :2], 1 - second], axis=-1
    )
    np.testing.assert_allclose(made.predict(X.astype(np.float64)), wanted, rtol=1e-12)
    made.compile("sgd", "mse")
    made.fit(X.astype(np.float64), wanted + 0.1, epochs=2, verbose=0)


def test_models_with_operators_are_saved(tmp_path):
    x = ug.Input((6,))
    h = layers.Dense(4)(x)
    parts = ops.split(ops.relu(h) * np.arange(4.0) + h, 2, axis=1)
    made = ug.Model(x, ops.where(parts[0] > 0, parts[0], parts[1])[:, ::-1])
    made.save(tmp_path / "model.safetensors")
    again = ug.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(made.predict(X), again.predict(X))


def test_functions_are_saved_by_their_names(tmp_path):
    made = model(layers.Lambda(squash, arguments={"by": 2.0}))
    made.compile("sgd", quartic, metrics=[squared])
    made.save(tmp_path / "model.safetensors")
    known = {"squash": squash, "quartic": quartic, "squared": squared}
    again = ug.load_model(tmp_path / "model.safetensors", custom_objects=known)
    np.testing.assert_array_equal(made.predict(X), again.predict(X))
    np.testing.assert_array_equal(made.evaluate(X, Y, verbose=0), again.evaluate(X, Y, verbose=0))
    with pytest.raises(ValueError, match="squash"):
        ug.load_model(tmp_path / "model.safetensors")
    nameless = model(layers.Lambda(lambda v: v))
    with pytest.raises(TypeError, match="without a name"):
        nameless.save(tmp_path / "other.safetensors")


def squash(x, by):
    return ops.tanh(x / by)


def test_training_is_the_same_for_any_number_of_threads():
    def run(count):
        with ug.threads(count):
            made = ug.Sequential(
                [layers.Input((6,)), layers.Dense(50), layers.Lambda(ops.mish), layers.Dense(3)]
            )
            return made, made.compile("adam", focal)

    weights = []
    for count in (1, 3):
        ug.random.seed(4)
        made, _ = run(count)
        with ug.threads(count):
            made.fit(np.tile(X, (30, 1)), np.tile(np.eye(3)[LABELS], (30, 1)), verbose=0)
        weights.append(made.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
