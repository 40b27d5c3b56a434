"""Programs as users of Keras write them do here as they do there."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers

X = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
Y = X[:, :1] * 2


@pytest.mark.parametrize("shape", [(None, 4), (4,), [None, 4]])
def test_build_takes_the_shape_of_a_batch_or_of_a_sample(shape):
    model = ug.Sequential([layers.Dense(3), layers.Dense(1)])
    model.build(shape)
    assert model.count_params() == 4 * 3 + 3 + 3 + 1
    assert model.input_shape == (4,)


def test_build_needs_known_sizes():
    with pytest.raises(ValueError, match="expected a known size"):
        ug.Sequential([layers.Dense(3)]).build((None, None, 4))


def test_a_model_with_a_call_is_built_by_a_batch_s_shape():
    class Own(ug.Model):
        def __init__(self):
            super().__init__()
            self.out = layers.Dense(2)

        def call(self, inputs):
            return self.out(inputs)

    model = Own()
    model.build((None, 4))
    assert model(X).shape == (12, 2)


def test_a_subclass_hands_inputs_and_outputs_to_its_base():
    class Own(ug.Model):
        def __init__(self, units):
            x = layers.Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x), name="own")

    model = Own(3)
    assert (model.name, model.output_shape) == ("own", (3,))
    with pytest.raises(ValueError, match="outputs is missing"):
        ug.Model(inputs=layers.Input((4,)))


def test_a_first_layer_s_input_shape_may_have_the_batch_in_front():
    model = ug.Sequential([layers.Dense(3, input_shape=(None, 4))])
    assert model.input_shape == (4,)


class Scale(layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
        self.shift = self.add_weight((input_shape[-1],), "zeros", trainable=False)
        self.other = self.add_weight(input_shape[-1])

    def call(self, inputs):
        return inputs * self.factor.value + self.shift.value


def test_add_weight_takes_shape_and_initializer_first():
    layer = Scale(name="scale")
    np.testing.assert_array_equal(layer(X), X)
    assert [w.path for w in layer.weights] == [
        "scale/factor",
        "scale/variable",
        "scale/variable_1",
    ]
    assert [w.shape for w in layer.weights] == [(4,)] * 3
    bound = np.sqrt(6 / 8)  # Glorot's, uniform: of a vector as many inputs as outputs
    assert np.abs(layer.other.array).max() <= bound
    assert layer.other.array.any()


def test_add_weight_names_what_is_wrong():
    with pytest.raises(TypeError, match="name='factor'"):
        layers.Layer().add_weight("factor", (3,))
    with pytest.raises(TypeError, match="dtype is float64, but own has float32"):
        layers.Layer(name="own").add_weight((3,), dtype="float64")


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        ("mae", ["mae"]),
        (["mae"], ["mae"]),
        ([["mae", "mse"]], ["mae", "mse"]),
        ({"out": ["mae"]}, ["mae"]),
        ({"out": "mae"}, ["mae"]),
        (None, []),
    ],
)
@pytest.mark.parametrize("loss", ["mse", ["mse"], {"out": "mse"}])
@pytest.mark.parametrize("is_built", [True, False])
def test_losses_and_metrics_of_one_output_in_every_form(metrics, names, loss, is_built):
    model = ug.Sequential([layers.Dense(1, name="out")])
    if is_built:
        model.build((None, 4))
    model.compile("sgd", loss, metrics=metrics)
    assert model.metrics_names == ["loss", *names]
    logs = model.fit(X, Y, epochs=1, verbose=0).history
    assert list(logs) == ["loss", *names]
    assert model.metrics_names == ["loss", *names]
    error = np.abs(model.predict(X) - Y)
    found = model.evaluate(X, Y, return_dict=True)
    assert found["loss"] == pytest.approx((error**2).mean(), rel=1e-5)
    if "mae" in names:
        assert found["mae"] == pytest.approx(error.mean(), rel=1e-5)


def test_an_output_s_name_that_is_not_there_is_named():
    model = ug.Sequential([layers.Input((4,)), layers.Dense(1, name="out")])
    with pytest.raises(ValueError, match="did you mean 'out'"):
        model.compile("sgd", "mse", metrics={"outt": "mae"})


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: layers.Dense(4, name="d"), "Dense(units=4, name='d')"),
        (
            lambda: layers.Dense(4, "relu", kernel_initializer="he_normal", name="d"),
            "Dense(units=4, activation='relu', kernel_initializer=HeNormal(), name='d')",
        ),
        (lambda: layers.Dropout(0.5, name="d"), "Dropout(rate=0.5, name='d')"),
        (
            lambda: ug.optimizers.SGD(0.1, momentum=0.9, name="s"),
            "SGD(name='s', learning_rate=0.1, momentum=0.9)",
        ),
        (lambda: ug.losses.Huber(delta=2.0), "Huber(delta=2.0)"),
        (lambda: ug.losses.MeanSquaredError(), "MeanSquaredError()"),
        (lambda: ug.regularizers.L2(0.1), "L2(l2=0.1)"),
        (lambda: ug.constraints.MaxNorm(3.0), "MaxNorm(max_value=3.0)"),
        (
            lambda: ug.Sequential([layers.Input((4,)), layers.Dense(1)], name="net"),
            "<Sequential net: (4,) to (1,), 5 weights>",
        ),
        (lambda: ug.Sequential(name="net"), "<Sequential net, not built>"),
    ],
)
def test_objects_show_what_they_are(made, text):
    assert repr(made()) == text


def test_an_optimizer_shows_its_schedule():
    schedule = ug.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9)
    assert "ExponentialDecay(" in repr(ug.optimizers.Adam(schedule))
