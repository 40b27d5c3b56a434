"""Layers made of layers, and layers that always or never do what training does."""

import copy

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers

(X, Y), (X_TEST, _) = ug.datasets.load_digits()
LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)


class Residual(layers.Layer):
    """The input, and what some dense layers make of it."""

    def __init__(self, count, units, **keywords):
        super().__init__(**keywords)
        self.count, self.units = count, units
        self.hidden = [layers.Dense(units, activation="elu") for _ in range(count)]

    def call(self, inputs):
        hidden = inputs
        for layer in self.hidden:
            hidden = layer(hidden)
        return inputs + hidden


class MonteCarloDropout(layers.Dropout):
    """Dropout that drops in inference, too."""

    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


def model_of(*middle, dtype="float32", units=8):
    """Return a compiled classifier with layers in its middle."""
    ends = [layers.Input((64,), dtype), layers.Dense(units)], [layers.Dense(10)]
    model = ug.Sequential([*ends[0], *middle, *ends[1]])
    model.compile(ug.optimizers.SGD(0.1), LOSS)
    return model


def test_a_layer_made_of_layers_is_what_they_make():
    ug.random.seed(0)
    model = model_of(Residual(2, 8, name="block"))
    block = model.get_layer("block")
    assert [w.name for w in block.weights] == [
        f"block/hidden_{i}/{what}" for i in range(2) for what in ("kernel", "bias")
    ]
    x = layers.Input((64,))
    first, last = model.layers[0], model.layers[-1]
    inner = first(x)
    graph = ug.Model(x, last(layers.Add()([inner, block.hidden[1](block.hidden[0](inner))])))
    np.testing.assert_array_equal(model(X_TEST), graph(X_TEST))
    for mine, theirs in zip(model.gradients(X, Y)[1], same_gradients(model, graph), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def same_gradients(model, graph):
    """Return a graph's gradients in the order of the model's weights."""
    graph.compile(ug.optimizers.SGD(0.1), LOSS)
    found = dict(
        zip([w.name for w in graph.trainable_weights], graph.gradients(X, Y)[1], strict=True)
    )
    return [found[w.name] for w in model.trainable_weights]


def test_a_layer_made_of_layers_is_used_twice_with_the_same_weights():
    x = layers.Input((8,))
    block = Residual(1, 8)
    twice = ug.Model(x, block(block(x)))
    once = ug.Model(x, block(x))
    assert twice.count_params() == 72
    values = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    np.testing.assert_allclose(twice(values), once(once(values)), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(block(values), once(values))


def test_a_layer_made_of_layers_is_frozen_with_its_parts_and_thaws_with_them():
    model = model_of(Residual(2, 8))
    block = model.layers[1]
    before = block.get_weights()
    block.trainable = False
    assert len(model.trainable_weights) == 4
    model.fit(X, Y, epochs=1, verbose=0)
    for now, then in zip(block.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    block.trainable = True
    block.hidden[0].trainable = False
    assert len(model.trainable_weights) == 6
    model.fit(X, Y, epochs=1, verbose=0)
    np.testing.assert_array_equal(block.get_weights()[0], before[0])
    assert np.abs(block.get_weights()[2] - before[2]).max() > 0


def test_the_learning_rate_of_a_layer_made_of_layers_is_that_of_its_parts():
    model = model_of(Residual(1, 8))
    model.layers[1].learning_rate_multiplier = 0.0
    before = model.layers[1].get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    for now, then in zip(model.layers[1].get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_layers_made_of_layers_are_saved_and_copied(tmp_path):
    class Noisy(Residual):
        def __init__(self, count, units, **keywords):
            super().__init__(count, units, **keywords)
            self.drop = layers.Dropout(0.5)

        def call(self, inputs):
            return self.drop(super().call(inputs))

    layers.Dense(3)  # so that a fresh layer has another name
    model = model_of(Noisy(2, 8, name="noisy"))
    model.fit(X, Y, epochs=1, verbose=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    known = {"Noisy": Noisy}
    loaded = ug.load_model(path, known)
    copied = copy.deepcopy(model)
    assert isinstance(loaded.layers[1], Noisy)
    for other in (loaded, copied):
        np.testing.assert_array_equal(other(X_TEST), model(X_TEST))
    for one in (model, loaded, copied):
        one.fit(X, Y, epochs=1, verbose=0)
    for other in (loaded, copied):
        np.testing.assert_array_equal(other(X_TEST), model(X_TEST))
    remade = ug.Sequential.from_config(model.get_config(), known)
    assert remade.count_params() == model.count_params()


def test_what_a_call_of_layers_cannot_do_is_said():
    class Sorted(Residual):
        def call(self, inputs):
            return np.sort(super().call(inputs))

    class Nothing(Residual):
        def call(self, inputs):
            super().call(inputs)

    with pytest.raises(TypeError, match="no values: it is a place in a graph"):
        Sorted(1, 4)(layers.Input((4,)))
    with pytest.raises(ValueError, match="returns NoneType"):
        Nothing(1, 4)(layers.Input((4,)))


# ---- always, or never, as in training ----


def dropped(model, rows=400):
    """Return which share of ones a model of one dropout sets to 0."""
    return float((model.predict(np.ones((rows, 50), "float32")) == 0).mean())


def test_training_true_drops_in_inference():
    x = layers.Input((50,))
    always = ug.Model(x, layers.Dropout(0.5)(x, training=True))
    requested = ug.Model(x, layers.Dropout(0.5)(x))
    assert abs(dropped(always) - 0.5) < 0.02
    assert dropped(requested) == 0
    first, second = (always.predict(np.ones((4, 50))) for _ in range(2))
    assert (first != second).any()
    assert (always(np.ones((4, 50))) == 0).any()
    again = ug.Model.from_config(always.get_config())
    assert abs(dropped(again) - 0.5) < 0.02
    predictor = always.optimize_for_inference()
    assert (predictor(np.ones((4, 50))) != predictor(np.ones((4, 50)))).any()


def test_training_true_behind_a_product_drops_in_inference():
    x = layers.Input((6,))
    dense = layers.Dense(50, kernel_initializer="ones", activation="relu")
    model = ug.Model(x, layers.Dropout(0.25)(dense(x), training=True))
    values = model(np.ones((200, 6), "float32"))
    np.testing.assert_allclose(np.unique(values), [0, 8], rtol=1e-6)
    assert abs((values == 0).mean() - 0.25) < 0.02


def test_training_false_drops_nothing_in_training():
    x = layers.Input((50,))
    drop = layers.Dropout(0.5)
    inner = ug.Sequential([layers.Input((50,)), drop, layers.RReLU()])
    model = ug.Model(x, inner(x, training=False))
    values = np.random.default_rng(0).normal(size=(7, 50)).astype("float32")
    np.testing.assert_array_equal(model(values, training=True), model(values))
    assert (drop(values, training=True) == 0).any()


def test_what_is_said_of_an_inner_layer_stands_above_what_is_said_of_the_whole():
    x = layers.Input((50,))
    inner = ug.Model(x, layers.Dropout(0.5)(x, training=True))
    y = layers.Input((50,))
    assert abs(dropped(ug.Model(y, inner(y, training=False))) - 0.5) < 0.02


@pytest.mark.parametrize("trainable", [True, False])
def test_batch_norm_that_never_trains_keeps_its_statistics_and_has_the_gradient_of_constants(
    trainable,
):
    ug.random.seed(1)
    x = layers.Input((5,), "float64")
    norm = layers.BatchNormalization(trainable=trainable)
    y = layers.Dense(1)(layers.Activation("tanh")(norm(layers.Dense(4)(x), training=False)))
    model = ug.Model(x, y)
    model.compile("sgd", "mse")
    generator = np.random.default_rng(0)
    gamma, beta, mean, variance = (generator.uniform(0.5, 2, 4) for _ in range(4))
    norm.set_weights([gamma, beta, mean, variance])
    rows, target = generator.normal(size=(9, 5)), generator.normal(size=(9, 1))
    np.testing.assert_allclose(model(rows, training=True), model(rows), rtol=1e-12)
    _, gradients = model.gradients(rows, target)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        for index in np.ndindex(weight.shape):
            before, step = weight.array[index], 1e-6
            weight.array[index] = before + step
            above = model.evaluate(rows, target)
            weight.array[index] = before - step
            below = model.evaluate(rows, target)
            weight.array[index] = before
            np.testing.assert_allclose(
                gradient[index], (above - below) / (2 * step), rtol=1e-5, atol=1e-8
            )
    model.fit(rows, target, epochs=3, verbose=0)
    np.testing.assert_array_equal(norm.get_weights()[2:], [mean, variance])
    assert (norm.get_weights()[0] != gamma).any() == trainable


def test_batch_norm_that_always_trains_takes_the_batch_in_inference_and_moves_in_training_alone():
    x = layers.Input((5,))
    norm = layers.BatchNormalization()
    model = ug.Model(x, norm(layers.Dense(4)(x), training=True))
    model.compile("sgd", "mse")
    rows = np.random.default_rng(0).normal(3, 2, (64, 5)).astype("float32")
    out = model(rows)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=1e-2)
    np.testing.assert_array_equal(norm.get_weights()[2], np.zeros(4))
    model.fit(rows, out, epochs=1, verbose=0)
    assert (norm.get_weights()[2] != 0).all()


def test_a_dropout_with_a_call_of_its_own_gives_monte_carlo_dropout(tmp_path):
    ug.random.seed(0)
    model = model_of(MonteCarloDropout(0.3), units=32)
    assert (model.predict(X_TEST) != model.predict(X_TEST)).any()
    samples = np.stack([model(X_TEST[:20]) for _ in range(300)])
    plain = ug.Sequential([layers.Input((64,)), model.layers[0], model.layers[2]])
    np.testing.assert_allclose(
        samples.mean(axis=0), plain(X_TEST[:20]), atol=6 * samples.std() / 300**0.5
    )
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = ug.load_model(path, {"MonteCarloDropout": MonteCarloDropout})
    assert (loaded.predict(X_TEST) != loaded.predict(X_TEST)).any()


def test_random_numbers_of_inference_are_the_same_for_any_number_of_threads():
    def run(threads):
        with ug.threads(threads):
            ug.random.seed(3)
            model = model_of(MonteCarloDropout(0.3), units=64)
            model.fit(X, Y, epochs=2, verbose=0, validation_split=0.2)
            return model.predict(X_TEST)

    np.testing.assert_array_equal(run(1), run(2))
