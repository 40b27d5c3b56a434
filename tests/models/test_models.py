"""The layer API: building, weights, summary, and the errors that a user meets."""

import numpy as np
import pytest

import unitgain as ug
from unitgain.layers import Activation, BatchNormalization, Dense, Dropout, Flatten, Input

LOGITS_LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)


def small(**arguments):
    return ug.Sequential([Input((4,)), Dense(3, **arguments)])


def test_weights_have_keras_order_shapes_and_names():
    model = ug.Sequential([Input((4,)), Dense(3, name="first"), BatchNormalization(name="norm")])
    assert [(w.name, w.shape) for w in model.weights] == [
        ("first/kernel", (4, 3)),
        ("first/bias", (3,)),
        ("norm/gamma", (3,)),
        ("norm/beta", (3,)),
        ("norm/moving_mean", (3,)),
        ("norm/moving_variance", (3,)),
    ]
    assert [w.name for w in model.non_trainable_weights] == [
        "norm/moving_mean",
        "norm/moving_variance",
    ]
    assert model.count_params() == 27
    assert model.output_shape == (3,)
    assert model.get_layer("norm") is model.layers[1]


def test_get_weights_copies_and_array_does_not():
    model = small()
    weights = model.get_weights()
    weights[0][...] = 7
    assert not (model.layers[0].kernel.array == 7).any()
    model.layers[0].kernel.array[...] = 7
    model.layers[0].bias.assign([1, 2, 3])
    np.testing.assert_array_equal(model(np.ones((1, 4))), [[29, 30, 31]])


def test_an_array_of_weights_outlives_its_model():
    array = small().layers[0].kernel.array
    assert np.isfinite(array).all()
    assert array.shape == (4, 3)


def test_set_weights_moves_a_model_into_another():
    first, second = small(activation="tanh"), small(activation="tanh")
    second.set_weights(first.get_weights())
    x = np.random.default_rng(0).standard_normal((5, 4))
    np.testing.assert_array_equal(first(x), second(x))


def test_model_without_input_is_built_by_its_first_data():
    for dtype in (np.float32, np.float64):
        model = ug.Sequential([Dense(3), Activation("relu")])
        assert not model.built
        x = np.ones((2, 5), dtype)
        assert model.predict(x).dtype == dtype
        assert model.layers[0].kernel.shape == (5, 3)


def test_layers_can_be_popped_and_added():
    model = small()
    x = np.ones((2, 4))
    assert model(x).shape == (2, 3)
    model.add(Dense(7))
    assert model(x).shape == (2, 7)
    model.pop()
    assert model(x).shape == (2, 3)


def test_a_trained_base_serves_another_model():
    ug.random.seed(1)
    base = Dense(6, activation="relu")
    first = ug.Sequential([Input((4,)), base, Dense(2)])
    second = ug.Sequential([Input((4,)), base, Dense(5)])
    x = np.ones((3, 4))
    before = second(x)
    base.kernel.array[...] *= 2
    assert not np.array_equal(before, second(x))
    assert first.weights[0] is second.weights[0]


def test_samples_of_several_dimensions():
    model = ug.Sequential([Input((2, 3)), Dense(4), Flatten(), Dense(5)])
    x = np.random.default_rng(0).standard_normal((6, 2, 3)).astype(np.float32)
    kernel, bias, head, head_bias = model.get_weights()
    expected = (x @ kernel + bias).reshape(6, 8) @ head + head_bias
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("given", ["f4", "f8", ">f4", ">f8", "f2", "i8", "i4", ">i4", "u1", "?"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_comes_out_has_the_model_s_dtype_whatever_goes_in(dtype, given):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (10, 4)).astype(given), rng.integers(0, 2, (10, 3)).astype(given)
    model = ug.Sequential([Input((4,), dtype), Dense(5, "relu"), BatchNormalization(), Dense(3)])
    model.compile("sgd", "mse", metrics=["mae"])
    exact = x.astype(dtype), y.astype(dtype)
    for found in (
        model(x),
        model(x[:1]),
        model(x, training=True),
        model.predict(x),
        model.predict_on_batch(x),
        model.optimize_for_inference().predict(x),
        *model.gradients(x, y)[1],
    ):
        assert found.dtype == dtype
    np.testing.assert_array_equal(model.predict(x), model.predict(exact[0]))
    weights = np.arange(10).astype(given)
    assert model.evaluate(x, y, sample_weight=weights) == model.evaluate(
        *exact, sample_weight=weights.astype(float)
    )
    model.fit(x, y, validation_data=exact, epochs=1, verbose=0)
    model.train_on_batch(x, y)
    assert {w.dtype for w in model.weights} == {np.dtype(dtype)}


def test_identity_networks_copy_their_input():
    model = ug.Sequential([Input((2, 3)), Flatten()])
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    y = model(x)
    np.testing.assert_array_equal(y, x.reshape(2, 6))
    y[...] = 0
    assert x.any()


def test_dropout_does_nothing_in_inference_and_keeps_its_rate_in_training():
    ug.random.seed(0)
    model = ug.Sequential([Input((1000,), dtype="float64"), Dropout(0.3), Dense(1000)])
    model.layers[1].kernel.array[...] = np.eye(1000)
    x = np.ones((20, 1000))
    np.testing.assert_array_equal(model(x), x)
    model.compile("sgd", "mse")
    # The gradient of the bias is 2 (y - 0) / n summed over the batch: it shows each mask.
    _, (_, bias) = model.gradients(x, np.zeros((20, 1000)))
    kept = bias.sum() * 1000 * 20 / 2 / (20 * 1000)
    assert kept == pytest.approx(1.0, abs=0.02)


def test_summary_shows_every_layer_and_the_number_of_weights(capsys):
    model = ug.Sequential([Input((64,)), Dense(256, name="hidden"), BatchNormalization(name="bn")])
    model.summary()
    text = capsys.readouterr().out
    for words in ("hidden (Dense)", "(None, 256)", "16,640", "bn (BatchNormalization)", "17,664"):
        assert words in text
    assert "not trainable: 512" in text


def test_progress_bar_shows_loss_and_metrics(capsys):
    model = small()
    model.compile("adam", LOGITS_LOSS, metrics=["accuracy"])
    x, y = np.ones((10, 4)), np.zeros(10, int)
    model.fit(x, y, epochs=2, verbose=1, validation_data=(x, y))
    bar = capsys.readouterr().err
    for words in ("Epoch 2/2", "loss=", "accuracy=", "val_accuracy="):
        assert words in bar
    model.fit(x, y, epochs=1, verbose=2)
    captured = capsys.readouterr()
    assert captured.out.startswith("Epoch 1/1: loss=")
    assert captured.err == ""
    model.fit(x, y, epochs=1, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Dense(0), ValueError, "units must be at least 1"),
        (lambda: Dense(2.5), TypeError, "expected an integer"),
        (lambda: Dense(3, activation="rleu"), ValueError, "relu"),
        (lambda: Dense(3, activation=abs), TypeError, "unitgain.activations"),
        (lambda: Dense(3, kernel_initializer="he_norml"), ValueError, "did you mean 'he_normal'"),
        (lambda: Dense(3, kernel_initializer=ug.initializers.Zeros), TypeError, "make one"),
        (lambda: Dropout(1.0), ValueError, "rate must be at least 0 and less than 1"),
        (lambda: BatchNormalization(momentum=2), ValueError, "momentum must be between 0 and 1"),
        (lambda: BatchNormalization(epsilon=-1), ValueError, "epsilon must be at least 0"),
        (lambda: ug.Sequential([Input((2, 3)), BatchNormalization(axis=3)]), ValueError, "axis"),
        (lambda: Input(()), ValueError, "shape is ()"),
        (lambda: Input((4,), dtype="complex64"), TypeError, "dtype is complex64"),
        (lambda: ug.Sequential([Dense(3), Input((4,))]), ValueError, "first layer"),
        (lambda: ug.Sequential(["dense"]), TypeError, "type str"),
        (
            lambda: ug.Sequential([Dense(3, name="a"), Dense(3, name="a")]),
            ValueError,
            "named 'a' already",
        ),
        (lambda: small().compile("adm", "mse"), ValueError, "did you mean 'adam'"),
        (lambda: small().compile("adam", "msee"), ValueError, "did you mean 'mse'"),
        (
            lambda: small().compile("adam", "mse", ["sparse_categorical_accuracy"]),
            ValueError,
            "needs class labels",
        ),
        (lambda: small().compile("adam", "mse", ["acuracy"]), ValueError, "mean 'accuracy'"),
        (lambda: ug.optimizers.SGD(-1), ValueError, "learning_rate must be at least 0"),
        (lambda: ug.optimizers.SGD(momentum=2), ValueError, "momentum must be between"),
        (lambda: ug.optimizers.Adam(beta_1=1.0), ValueError, "beta_1 must be"),
        (lambda: ug.initializers.VarianceScaling(mode="fan"), ValueError, "mode is 'fan'"),
        (lambda: ug.initializers.VarianceScaling(-1), ValueError, "scale must be positive"),
        (lambda: small().get_layer("x"), ValueError, "name is 'x'"),
        (lambda: ug.Sequential([Dense(3)]).count_params(), ValueError, "no weights yet"),
        (lambda: ug.Sequential().predict(np.ones((2, 3))), ValueError, "no layers"),
        (lambda: small().set_weights([np.ones((4, 3))]), ValueError, "weights has 1 arrays"),
        (
            lambda: small().set_weights([np.ones((3, 4)), np.ones(3)]),
            ValueError,
            "has shape (3, 4), expected (4, 3)",
        ),
        (lambda: small().fit(np.ones((5, 4)), np.ones(5)), ValueError, "is not compiled"),
        (lambda: small()(np.ones((5, 3))), ValueError, "x has shape (5, 3), expected (samples, 4)"),
        (lambda: small()(np.ones(4)), ValueError, "x has shape (4,), expected (samples, 4)"),
        (lambda: small()(np.full((1, 4), "a")), TypeError, "x has dtype"),
        (lambda: small()(np.ones((1, 4), complex)), TypeError, "x has dtype complex128"),
        (lambda: small().predict(np.ones((1, 4)), batch_size=0), ValueError, "batch_size"),
    ],
)
def test_errors_name_the_argument_and_what_came(make, error, words):
    with pytest.raises(error) as raised:
        make()
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (np.zeros(4, int), ValueError, "y has shape (4,), but x has 5 samples"),
        (np.zeros((5, 2), int), ValueError, "y has shape (5, 2), expected (samples)"),
        (np.array([0, 1, 2, 3, 0]), ValueError, "labels from 0 to 3, but the output has 3"),
        (np.array([0, 1, -1, 2, 0]), ValueError, "labels from -1 to 2"),
        (np.array([0, 1, 0.5, 2, 0]), ValueError, "no whole numbers"),
        (np.array([0, 1, np.nan, 2, 0]), ValueError, "labels from nan"),
        (np.array([0, 1, 2**40, 2, 0]), ValueError, "labels from 0 to 1099511627776"),
        (np.array(list("abcde")), TypeError, "expected integer class labels"),
    ],
)
def test_wrong_labels_are_refused_before_any_work(y, error, words):
    model = small()
    model.compile("adam", LOGITS_LOSS)
    before = model.get_weights()
    for call in (model.fit, model.evaluate, model.train_on_batch, model.gradients):
        with pytest.raises(error) as raised:
            call(np.ones((5, 4)), y)
        assert words in str(raised.value)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_targets_are_refused():
    model = small()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"y has shape \(5, 2\), expected \(samples, 3\)"):
        model.fit(np.ones((5, 4)), np.ones((5, 2)))


def test_a_layer_refuses_a_second_input_of_another_size():
    layer = Dense(3)
    ug.Sequential([Input((4,)), layer])
    with pytest.raises(ValueError, match="was built for 4 float32 features"):
        ug.Sequential([Input((5,)), layer])
    with pytest.raises(ValueError, match="has 4 float64 features"):
        ug.Sequential([Input((4,), dtype="float64"), layer])


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 700),
        ("glorot_normal", 2 / 700),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initializers_have_mean_zero_and_the_papers_variance(name, variance, dtype):
    ug.random.seed(3)
    values = ug.initializers.get(name)((300, 400), dtype)
    assert values.dtype == dtype
    n = values.size
    # Five standard errors of the mean, and of the variance (of a normal, the widest of them).
    assert abs(values.mean(dtype=float)) < 5 * np.sqrt(variance / n)
    assert abs(values.var(dtype=float) / variance - 1) < 5 * np.sqrt(2 / n)
    if "uniform" in name:
        assert np.abs(values).max() <= np.sqrt(3 * variance)
    else:
        assert np.abs(values).max() <= 2 * np.sqrt(variance) / 0.8796


def deep_model(dtype="float32"):
    layers = [Input((40,), dtype=dtype), Dense(70, "gelu"), BatchNormalization(), Dropout(0.5)]
    model = ug.Sequential([*layers, Dense(33, "relu"), ug.layers.LayerNormalization(), Dense(5)])
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.uniform(0.2, 1.0, w.shape) - 0.6 * (len(w.shape) > 1) for w in model.weights]
    )
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [0, 1, 7, 300])
def test_a_predictor_gives_what_its_model_gave(dtype, rows):
    model = deep_model(dtype)
    x = np.random.default_rng(1).standard_normal((rows, 40)).astype(dtype)
    expected = model.predict(x)
    predictor = model.optimize_for_inference(precision="highest")
    model.set_weights([np.zeros(w.shape) for w in model.weights])
    tolerance = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(predictor(x), expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(predictor.predict(x), predictor(x))


def test_a_predictor_of_medium_precision_is_near_its_model():
    model = deep_model()
    x = np.random.default_rng(1).standard_normal((100, 40)).astype("float32")
    expected = model.predict(x)
    got = model.optimize_for_inference("medium")(x)
    assert np.abs(got - expected).max() < 0.05 * np.abs(expected).max()


def test_a_predictor_checks_what_comes():
    predictor = deep_model().optimize_for_inference()
    with pytest.raises(ValueError, match=r"x has .*39"):
        predictor(np.ones((2, 39), "float32"))
    with pytest.raises(ValueError, match="highest, high or medium"):
        deep_model().optimize_for_inference("best")
    with pytest.raises(ValueError, match="no weights yet"):
        ug.Sequential([Dense(3)]).optimize_for_inference()
