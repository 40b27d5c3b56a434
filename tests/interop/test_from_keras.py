"""Models of Keras become models that compute, and learn, what they do; and back."""

import os

import numpy as np
import pytest

import unitgain as ug

pytest.importorskip("h5py", reason="h5py is not installed")
os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch", reason="PyTorch, Keras's backend here, is not installed")
keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers

# Of Keras's own with this NumPy.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:The object being serialized includes a `lambda`:UserWarning",
)
# Keras on PyTorch rounds to float32 on its way, also in float64.
TOLERANCE = {"float32": 5e-6, "float64": 1e-6}


def drawn(model, seed=0):
    """Return a Keras model with weights drawn, to tell all of them apart."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.standard_normal(w.shape) / 2 for w in model.weights])
    for layer in [
        *model.layers,
        *(part for m in model.layers for part in getattr(m, "layers", [])),
    ]:
        if hasattr(layer, "moving_variance"):
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
    return model


def check(theirs, dtype="float32", ints=None):
    """Convert a model there and back, and compare the outputs; return ours and the input."""
    ours = ug.convert.from_keras(drawn(theirs))
    rng = np.random.default_rng(1)
    shape = (9, *theirs.input_shape[1:])
    x = rng.standard_normal(shape).astype(dtype) if ints is None else rng.integers(0, ints, shape)
    expected = theirs.predict(x, verbose=0)
    found = ours.predict(x)
    back = ug.convert.to_keras(ours).predict(x, verbose=0)
    as_list = expected if isinstance(expected, list) else [expected]
    for one, other in ((found, as_list), (back, as_list)):
        for made, known in zip(one if isinstance(one, list) else [one], other, strict=True):
            assert made.dtype == known.dtype
            np.testing.assert_allclose(made, known, TOLERANCE[dtype], TOLERANCE[dtype])
    return ours, x


@pytest.fixture
def double():
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            yield


PARTS = [
    ("relu", lambda: L.Activation("relu")),
    ("gelu", lambda: L.Activation("gelu")),
    ("softmax", lambda: L.Softmax()),
    ("leaky", lambda: L.LeakyReLU(0.2)),
    ("relu6", lambda: L.ReLU(6.0, 0.1, 0.2)),
    ("elu", lambda: L.ELU(0.5)),
    ("prelu", lambda: L.PReLU()),
    ("batch", lambda: L.BatchNormalization(momentum=0.5, epsilon=0.1)),
    ("batch of none", lambda: L.BatchNormalization(center=False, scale=False)),
    ("layer", lambda: L.LayerNormalization()),
    ("group", lambda: L.GroupNormalization(2)),
    ("rms", lambda: L.RMSNormalization()),
    ("unit", lambda: L.UnitNormalization()),
    ("dropout", lambda: L.Dropout(0.3, seed=3)),
    ("alpha", lambda: L.AlphaDropout(0.3)),
    ("noise", lambda: L.GaussianNoise(0.3)),
    ("gaussian", lambda: L.GaussianDropout(0.3)),
    ("flatten", lambda: L.Flatten()),
    ("reshape", lambda: L.Reshape((2, 4))),
    ("repeat", lambda: L.RepeatVector(3)),
    ("rescaling", lambda: L.Rescaling(2.0, 1.0)),
    ("normalization", lambda: L.Normalization(mean=[1.0] * 8, variance=[4.0] * 8)),
    ("identity", lambda: L.Identity()),
    ("dense", lambda: L.Dense(3, "tanh", use_bias=False, kernel_regularizer="l2")),
    ("penalty", lambda: L.ActivityRegularization(0.1, 0.2)),
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name, _ in PARTS])
def test_a_layer_computes_the_same(name):
    model = keras.Sequential([L.Input((5,)), L.Dense(8), dict(PARTS)[name]()])
    ours, _ = check(model)
    assert isinstance(ours, ug.Sequential)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in model.layers]


@pytest.mark.usefixtures("double")
def test_models_of_float64():
    model = keras.Sequential([L.Input((5,)), L.Dense(4, "elu"), L.BatchNormalization()])
    assert check(model, "float64")[0].dtype == "float64"


def test_models_of_whole_numbers():
    table = [L.Input((3,), dtype="int32"), L.Embedding(7, 4), L.Flatten(), L.Dense(2)]
    check(keras.Sequential(table), ints=7)


def test_dtypes_of_16_bits_are_refused():
    mixed = keras.Sequential([L.Input((5,)), L.Dense(4, dtype="mixed_bfloat16")])
    with pytest.raises(ValueError, match="dtype policies are mixed_bfloat16"):
        ug.convert.from_keras(mixed)


def graph():
    x = L.Input((6,), name="x")
    shared = L.Dense(8, "relu", name="zz")
    a, b = shared(x), L.Dense(8, name="aa")(x)
    c = L.Add()([a, b]) * 2.0 + 1.0
    c = L.BatchNormalization()(0.5 - c) * a
    c = L.Maximum()([c, shared(L.Dense(6)(c))])
    inner = keras.Sequential([L.Input((8,)), L.Dense(4, "gelu"), L.LayerNormalization()])
    y = L.Input((8,))
    nested = keras.Model(y, inner(y) + L.Dense(4)(y))
    other = keras.Sequential([L.Input((8,)), L.Dense(4, "selu")])
    d = L.Concatenate()([nested(c), other(L.Dropout(0.2)(a)), other(c)])
    return keras.Model(x, [L.Dense(3, "softmax")(d), c])


def test_graphs_with_models_in_models():
    ours, _ = check(graph())
    assert not isinstance(ours, ug.Sequential)


def test_inputs_and_outputs_by_name():
    x = {"a": L.Input((3,), name="a"), "b": L.Input((2,), name="b")}
    made = {"sum": L.Dense(4)(x["a"]) + L.Dense(4)(x["b"]), "half": L.Rescaling(0.5)(x["b"])}
    theirs = drawn(keras.Model(x, made))
    ours = ug.convert.from_keras(theirs)
    given = {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 2), np.float32)}
    for name, expected in theirs.predict(given, verbose=0).items():
        np.testing.assert_allclose(ours.predict(given)[name], expected, 1e-6)


@keras.saving.register_keras_serializable("mine")
class Twice(L.Layer):
    def call(self, inputs):
        return inputs * 2


@keras.saving.register_keras_serializable("mine", "Flatten")
class Flat(L.Flatten):
    pass


REFUSED = {
    "Lambda": lambda: L.Lambda(lambda x: x, name="code"),
    "Twice": lambda: Twice(name="code"),
    "Flat": lambda: Flat(name="code"),
    "renorm": lambda: L.BatchNormalization(renorm=True, name="code"),
    "activation": lambda: L.Dense(3, "sparsemax", name="code"),
    "function": lambda: L.Dense(3, lambda x: x, name="code"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_that_are_not_kerass_or_not_here_are_named(name):
    model = keras.Sequential([L.Input((4,)), REFUSED[name]()])
    with pytest.raises(ValueError, match="the layer 'code'"):
        ug.convert.from_keras(model)


def test_subclasses_are_refused():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Model()
    model(np.ones((1, 2)))
    with pytest.raises(ValueError, match="it is a 'Model'"):
        ug.convert.from_keras(model)
    with pytest.raises(TypeError, match="expected a Keras model or a path"):
        ug.convert.from_keras(3)


# ---- training ----

optimizers = keras.optimizers
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=1.0),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "adadelta": lambda: optimizers.Adadelta(0.5),
    "adamax": lambda: optimizers.Adamax(0.01),
    "lamb": lambda: optimizers.Lamb(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "adafactor": lambda: optimizers.Adafactor(0.05, use_ema=True),
    "muon": lambda: optimizers.Muon(0.01),
    "lion": lambda: optimizers.Lion(0.001),
    "ftrl": lambda: optimizers.Ftrl(0.05),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)),
    "average": lambda: optimizers.Adam(0.01, use_ema=True),
    "accumulating": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=2),
}


def trained(name):
    keras.utils.set_random_seed(4)
    x = L.Input((6,))
    # A bias in front of batch norm has a gradient of nothing but rounding, which Lion takes whole.
    first, second = L.Dense(5, "tanh")(x), L.Dense(5, use_bias=False)(x)
    hidden = L.BatchNormalization()(L.Multiply()([first, second]))
    model = keras.Model(x, L.Dense(3)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[name](), loss, metrics=["accuracy"])
    return model


def data():
    rng = np.random.default_rng(5)
    return rng.standard_normal((64, 6)), rng.integers(0, 3, 64)


@pytest.mark.slow
@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_where_it_was(name, tmp_path):
    theirs, (x, y) = trained(name), data()
    for _ in range(5):
        theirs.train_on_batch(x, y)
    theirs.save(tmp_path / "model.keras")
    ours = ug.convert.from_keras(tmp_path / "model.keras")
    assert ours.metrics_names == ["loss", "accuracy"]
    assert int(ours.optimizer._calls) == 5
    expected, found = [], []
    for _ in range(7):
        expected.append(float(theirs.test_on_batch(x, y)[0]))
        found.append(ours.evaluate(x, y)[0])
        theirs.train_on_batch(x, y)
        ours.train_on_batch(x, y)
    np.testing.assert_allclose(found, expected, 1e-6)


def test_compile_can_be_left_out():
    theirs, _ = trained("adam"), data()
    assert ug.convert.from_keras(theirs, compile=False).optimizer is None
    theirs.compile("adam", lambda y_true, y_pred: keras.ops.mean(y_pred))
    with pytest.raises(ValueError, match=r"compile=False leaves it out"):
        ug.convert.from_keras(theirs)


# ---- weights ----


def test_weights_go_into_a_model_of_the_same_layers(tmp_path):
    theirs = drawn(graph())
    path = tmp_path / "model.weights.h5"
    theirs.save_weights(path)
    ours = ug.convert.from_keras(theirs)
    expected = ours.get_weights()
    ours.set_weights([np.zeros_like(array) for array in expected])
    ours.load_weights(path)
    for one, other in zip(ours.get_weights(), expected, strict=True):
        assert np.array_equal(one, other)
    other = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"shape \(6, 8\) for"):
        other.load_weights(path)


def test_to_keras_names_what_keras_has_not():
    for layer in (ug.layers.GLU(name="own"), ug.layers.Activation("gelu_tanh", name="own")):
        model = ug.Sequential([ug.layers.Input((4,)), layer])
        with pytest.raises(ValueError, match="own: "):
            ug.convert.to_keras(model)


@pytest.mark.slow
def test_to_keras_trains():
    layers = ug.layers
    ours = ug.Sequential(
        [layers.Input((6,)), layers.Dense(8, layers.ReLU(), kernel_regularizer="l2")]
    )
    ours.add(layers.Dense(3, kernel_constraint="max_norm", trainable=False))
    theirs = ug.convert.to_keras(ours)
    assert isinstance(theirs, keras.Sequential)
    x, y = data()
    theirs.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = theirs.evaluate(x, y, verbose=0)
    theirs.fit(x, y, epochs=20, verbose=0)
    assert theirs.evaluate(x, y, verbose=0) < before
    assert np.array_equal(theirs.get_weights()[2], ours.get_weights()[2])
