"""Programs written for Keras, of which the import alone was changed."""

import copy

import numpy as np
import pytest

import unitgain as keras
from unitgain import initializers, layers

(X, Y), (X_TEST, Y_TEST) = keras.datasets.load_digits()
IMAGES = X.reshape(-1, 8, 8)


@pytest.mark.parametrize(
    ("first", "samples"),
    [
        (lambda: layers.Flatten(input_shape=[8, 8]), IMAGES),
        (lambda: layers.Dense(30, activation="relu", input_shape=X.shape[1:]), X),
        (lambda: layers.Dense(30, input_dim=64), X),
        (lambda: layers.BatchNormalization(input_shape=[64]), X),
        (lambda: layers.Dropout(rate=0.2, input_shape=(64,)), X),
        (lambda: layers.Normalization(input_shape=(64,)), X),
    ],
)
def test_the_first_layer_may_say_what_a_sample_is(first, samples):
    model = keras.models.Sequential()
    model.add(first())
    assert model.built
    model.add(layers.Dense(10, activation="softmax"))
    assert model.input_shape == samples.shape[1:]
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    model.fit(samples, Y, epochs=1, verbose=0)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(samples[:5]), model.predict(samples[:5]))


def test_a_layer_behind_another_ignores_what_it_was_told_of_samples():
    model = keras.Sequential([layers.Input((64,)), layers.Dense(3, input_shape=(5,))])
    assert model.input_shape == (64,)
    assert (
        layers.Dense(3, input_shape=(5,)).get_config().keys() == layers.Dense(3).get_config().keys()
    )


def test_two_inputs_two_outputs():
    wide, deep = layers.Input(shape=[5], name="wide"), layers.Input(shape=[6], name="deep")
    hidden = layers.Dense(30, activation="relu")(deep)
    main = layers.Dense(1, name="main")(layers.concatenate([wide, hidden]))
    aux = layers.Dense(1, name="aux")(layers.add([hidden, hidden]))
    model = keras.models.Model(inputs=[wide, deep], outputs=[main, aux])
    model.compile(loss=["mse", "mse"], loss_weights=[0.9, 0.1], optimizer="sgd")
    x, x_test = [X[:, :5], X[:, 2:8]], [X_TEST[:, :5], X_TEST[:, 2:8]]
    model.fit(x, [Y, Y], epochs=1, verbose=0, validation_data=(x_test, [Y_TEST, Y_TEST]))
    assert len(model.evaluate(x_test, [Y_TEST, Y_TEST])) == 3
    assert [y.shape for y in model.predict(x_test)] == [(450, 1), (450, 1)]


def test_a_typing_mistake_in_an_argument_is_named_with_the_nearest():
    with pytest.raises(TypeError, match=r"argument of Dense is 'actvation'.*mean 'activation'"):
        layers.Dense(3, actvation="relu")
    with pytest.raises(TypeError, match=r"argument of Dropout is 'rat'.*mean 'rate'"):
        layers.Dropout(0.1, rat=3)
    with pytest.raises(TypeError, match="argument of Add is 'axis'"):
        layers.Add(axis=1)


def test_names_of_functions_are_the_classes():
    names = [name for name in initializers.__all__ if name.islower() and name not in (
        "get", "calibrate", "deserialize", "serialize", "for_activation")]  # fmt: skip
    assert len(names) == 15
    for name in names:
        assert type(initializers.get(name)) is getattr(initializers, name)


def test_utils():
    keras.utils.set_random_seed(3)
    first = layers.Dense(4, input_dim=2)
    np.testing.assert_array_equal(keras.utils.to_categorical([1, 0]), [[0, 1], [1, 0]])
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    again = layers.Dense(4, input_dim=2)
    assert again.name == "dense"
    kernels = []
    for layer in (first, again):
        keras.utils.set_random_seed(3)
        kernels.append(keras.Sequential([layer]).get_weights()[0])
    np.testing.assert_array_equal(*kernels)


class Wide(keras.Model):
    """A wide and deep model, as a class."""

    def __init__(self, units=30, activation="relu", **keywords):
        super().__init__(**keywords)
        self.first = layers.Dense(units, activation=activation)
        self.noise = layers.Dropout(0.2)
        self.last = layers.Dense(10, activation="softmax")

    def call(self, inputs, training=None):
        hidden = self.noise(self.first(inputs), training=training)
        return self.last(layers.concatenate([inputs, hidden]))


def same_as_wide(dtype="float32"):
    x = layers.Input((64,), dtype)
    hidden = layers.Dropout(0.2)(layers.Dense(30, "relu")(x))
    return keras.Model(x, layers.Dense(10, "softmax")(layers.concatenate([x, hidden])))


def test_a_model_with_a_call_of_its_own_is_the_graph_that_call_makes(tmp_path):
    models = []
    for make in (Wide, same_as_wide):
        keras.utils.set_random_seed(4)
        model = make()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(X, Y, epochs=2, verbose=0, validation_split=0.1)
        models.append(model)
    own, graph = models
    assert isinstance(own, Wide)
    assert type(own).__name__ == "Wide"
    for mine, expected in zip(own.get_weights(), graph.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert own.evaluate(X_TEST, Y_TEST) == graph.evaluate(X_TEST, Y_TEST)
    np.testing.assert_array_equal(own(X_TEST), graph(X_TEST))
    own.summary()
    own.save(tmp_path / "wide.safetensors")
    loaded = keras.models.load_model(tmp_path / "wide.safetensors")
    np.testing.assert_array_equal(loaded.predict(X_TEST), own.predict(X_TEST))
    loaded.fit(X, Y, verbose=0)
    own.fit(X, Y, verbose=0)
    for mine, expected in zip(own.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_a_model_with_a_call_of_its_own_takes_several_inputs_and_serves_as_a_layer():
    class Sum(keras.Model):
        def __init__(self):
            super().__init__(name="sum")
            self.both = [layers.Dense(3), layers.Dense(3)]

        def call(self, inputs):
            first, second = inputs
            return {"a": layers.add([self.both[0](first), self.both[1](second)]), "b": first}

    model = Sum()
    x = (X[:, :5], X[:, 5:8])
    found = model.predict(x)
    kernels = [layer.get_weights() for layer in model.both]
    expected = sum(part @ kernel + bias for part, (kernel, bias) in zip(x, kernels, strict=True))
    np.testing.assert_allclose(found["a"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["b"], x[0])
    wide = Wide()
    outer = keras.Sequential([layers.Input((64,)), wide, layers.Dense(2)])
    np.testing.assert_array_equal(outer(X), outer.layers[1](wide(X)))


def test_what_a_model_with_a_call_of_its_own_cannot_do_is_said():
    model = Wide()
    with pytest.raises(ValueError, match="not compiled"):
        model.fit(X, Y)
    with pytest.raises(ValueError, match="no weights yet"):
        model.summary()
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        model.compile("adm", "mse")
    with pytest.raises(ValueError, match="did you mean 'mse'"):
        model.compile("adam", "msee")


def test_the_learning_rate_is_assigned_to():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10)])
    model.compile("sgd", "mse")
    rate = model.optimizer.learning_rate
    rate.assign(0.5)
    assert model.optimizer.learning_rate == 0.5
    assert (rate, type(rate.numpy())) == (0.01, float)
    model.fit(X, np.eye(10)[Y], verbose=0)
    assert model.optimizer.learning_rate == 0.5
    assert type(copy.deepcopy(rate)) is float
    scheduled = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    with pytest.raises(TypeError, match="schedule"):
        scheduled.learning_rate.assign(0.5)


def test_layers_are_found_by_name_or_place_and_summaries_go_anywhere():
    model = same_as_wide()
    assert model.get_layer(index=-1) is model.layers[-1]
    assert model.get_layer(model.layers[1].name) is model.layers[1]
    with pytest.raises(ValueError, match="index is 99, but there are"):
        model.get_layer(index=99)
    with pytest.raises(ValueError, match="one of the two"):
        model.get_layer()
    lines = []
    model.summary(print_fn=lines.append)
    assert lines[0] == f"Model: {model.name}"


def test_a_loaded_model_may_be_left_without_optimizer(tmp_path):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert keras.Model.load(path).optimizer is not None
    loaded = keras.models.load_model(path, compile=False)
    assert loaded.optimizer is None
    np.testing.assert_array_equal(loaded(X_TEST), model(X_TEST))


def test_configurations_make_models_of_their_kind():
    for model in (same_as_wide(), keras.Sequential([keras.Input((64,)), layers.Dense(10)])):
        made = keras.Model.from_config(model.get_config())
        assert type(made) is type(model)
        assert made.count_params() == model.count_params()


@pytest.mark.parametrize(
    ("made", "function"),
    [
        (lambda: layers.LeakyReLU(0.2), lambda z: np.where(z > 0, z, 0.2 * z)),
        (lambda: layers.ELU(0.5), lambda z: np.where(z > 0, z, 0.5 * np.expm1(z))),
        (lambda: layers.ReLU(max_value=1.0), lambda z: np.clip(z, 0, 1)),
    ],
)
def test_layers_are_activations_of_others(made, function, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(9, activation=made(), kernel_initializer="he_normal"),
            layers.Dense(9, "linear"),
            layers.Activation(made()),
        ]
    )
    kernel, bias, second, shift = model.get_weights()
    expected = function(function(X_TEST @ kernel + bias) @ second + shift)
    np.testing.assert_allclose(model(X_TEST), expected, rtol=1e-4, atol=1e-5)
    path = tmp_path / "model.safetensors"
    model.save(path)
    for other in (keras.models.load_model(path), copy.deepcopy(model)):
        np.testing.assert_array_equal(other(X_TEST), model(X_TEST))
    assert isinstance(model.layers[0].activation, type(made()))
    auto = layers.Dense(3, made(), kernel_initializer="auto").kernel_initializer
    assert isinstance(auto, initializers.HeNormal)
    with pytest.raises(TypeError, match="or a ReLU, LeakyReLU or ELU layer"):
        layers.Dense(3, activation=layers.PReLU())


def test_variables_are_weights():
    model = keras.Sequential([keras.Input((64,)), layers.BatchNormalization(), layers.Dense(2)])
    norm = model.layers[0]
    assert [v.name.split("/")[1] for v in norm.variables] == [
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    ]
    assert len(norm.trainable_variables) == len(norm.non_trainable_variables) == 2
    assert len(model.variables) == 6
    assert len(model.trainable_variables) == 4
    assert len(model.non_trainable_variables) == 2
