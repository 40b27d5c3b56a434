"""Layers that merge, reshape and normalise: Keras's values, float64 differences, files, copies."""

import copy
import pickle

import numpy as np
import pytest
from differences import check_gradients
from variants import rerun_on_other_variants

import unitgain as ug
from reference import merging as cases
from unitgain import layers
from unitgain.layers import Dense, Flatten, Input, SpectralNormalization

test_other_variants = rerun_on_other_variants(__file__)

KERAS = np.load(cases.FILE)
RNG = np.random.default_rng(0)


class Tap(ug.layers.Layer):
    """Hands its input on and keeps the gradient; a weight of its own has one computed at all."""

    def build(self, input_shape):
        self.add_weight((1,), "zeros", name="nothing")

    def call(self, inputs):
        return inputs

    def backward(self, upstream, inputs, outputs):
        self.gradient = upstream.copy()
        return upstream, [np.zeros(1, upstream.dtype)]


class Source(ug.layers.Layer):
    """Hands its input on, and the gradient that it was made with back."""

    def __init__(self, gradient):
        super().__init__()
        self.gradient = gradient

    def call(self, inputs):
        return inputs

    def backward(self, upstream, inputs, outputs):
        return self.gradient


class Upstream(ug.losses.Loss):
    """The sum of the outputs times the targets, whose gradient are these."""

    def call(self, y_true, y_pred):
        return (y_true * y_pred).sum(-1)

    def backward(self, y_true, y_pred):
        return y_true


def layer_of(case, **keywords):
    name, options, _ = cases.CASES[case]
    return getattr(layers, name)(**options, **keywords)


def graph_of(case, dtype, of=lambda tensor: tensor):
    """Return the inputs of a case and what its layer makes behind ``of`` them."""
    starts = [Input(shape, dtype) for shape in cases.CASES[case][2]]
    behind = [of(start) for start in starts]
    return starts, layer_of(case)(behind if len(behind) > 1 else behind[0])


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", cases.CASES)
def test_layers_are_those_of_keras(case, dtype):
    given = [x.astype(dtype) for x in cases.inputs(case)]
    taps = []

    def tapped(start):
        taps.append(Tap())
        return taps[-1](start)

    starts, output = graph_of(case, dtype, tapped)
    expected = KERAS[f"{case}/{dtype}"]
    made = ug.Model(starts, output)(given)
    source = Source(cases.upstream(case, made.shape).astype(dtype))
    model = ug.Model(starts, source(output))
    model.compile("sgd", "mse")
    model.gradients(given, np.zeros_like(made))
    found = cases.parts(made, *[tap.gradient for tap in taps])
    assert found.shape == expected.shape
    assert found.dtype == dtype
    # Sums have at most 12 terms, of magnitudes up to 5 or so.
    error = np.abs(found - expected) / (1 + np.abs(expected))
    assert error.max() < 16 * np.finfo(dtype).eps


@pytest.mark.parametrize("case", cases.CASES)
def test_gradients_are_those_of_differences(case):
    ug.random.seed(5)
    starts, output = graph_of(case, "float64", lambda x: Dense(x.sample_shape[-1], "tanh")(x))
    model = ug.Model(starts, Dense(2)(Flatten()(output)))
    model.compile("sgd", "mse")
    check_gradients(model, cases.inputs(case), RNG.standard_normal((cases.SAMPLES, 2)))


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", cases.CASES)
def test_models_are_saved_and_copied_and_train_on_alike(case, dtype, tmp_path):
    starts, output = graph_of(case, dtype, lambda x: Dense(x.sample_shape[-1])(x))
    model = ug.Model(starts, Dense(2)(Flatten()(output)))
    model.compile("adam", "mse")
    x = [array.astype(dtype) for array in cases.inputs(case)]
    y = RNG.standard_normal((cases.SAMPLES, 2)).astype(dtype)
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.safetensors")
    others = [
        ug.load_model(tmp_path / "model.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ]
    for one in (model, *others):
        one.fit(x, y, epochs=2, verbose=0)
    packed = model.optimize_for_inference()(x)
    for other in others:
        np.testing.assert_array_equal(other(x), model(x))
    np.testing.assert_allclose(packed, model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", cases.CASES)
def test_layers_run_alone_and_are_made_of_their_configuration(case):
    layer = layer_of(case, name="it")
    x = cases.inputs(case)
    given = x if len(x) > 1 else x[0]
    made = layer(given)
    assert made.dtype == np.float64
    for other in (copy.deepcopy(layer), layers.deserialize(layers.serialize(layer))):
        assert type(other) is type(layer)
        assert other.get_config() == layer.get_config()
        np.testing.assert_array_equal(other(given), made)


@pytest.mark.parametrize(
    "case", [case for case, (_, _, shapes) in cases.CASES.items() if len(shapes) == 1]
)
def test_layers_have_a_place_in_a_sequential_model(case):
    x = cases.inputs(case)[0]
    model = ug.Sequential([Input(x.shape[1:], "float64"), layer_of(case), Flatten(), Dense(1)])
    assert model(x).shape == (len(x), 1)
    np.testing.assert_array_equal(copy.deepcopy(model)(x), model(x))


def test_functions_merge_as_the_layers_do():
    x, y = Input((4,)), Input((4,))
    values = [RNG.standard_normal((3, 4)).astype("float32") for _ in range(2)]
    for name in ("Add", "Average", "Subtract", "Multiply", "Maximum", "Minimum"):
        found = ug.Model([x, y], getattr(layers, name.lower())([x, y]))(values)
        np.testing.assert_array_equal(found, getattr(layers, name)()(values))
    found = ug.Model([x, y], layers.dot([x, y], axes=1, normalize=True))(values)
    np.testing.assert_array_equal(found, layers.Dot(1, normalize=True)(values))


# ---- edges ----


def gradient_of(layer, *arrays):
    """Return the gradients at the inputs of the sum of a layer's outputs."""
    taps = [Tap() for _ in arrays]
    starts = [Input(x.shape[1:], x.dtype) for x in arrays]
    behind = [tap(start) for tap, start in zip(taps, starts, strict=True)]
    output = layer(behind if len(behind) > 1 else behind[0])
    made = np.ones((len(arrays[0]), *output.sample_shape))
    model = ug.Model(starts, Source(made)(output))
    model.compile("sgd", "mse")
    model.gradients(list(arrays), made)
    found = [tap.gradient for tap in taps]
    return found if len(found) > 1 else found[0]


def test_equal_inputs_of_an_extreme_share_the_gradient():
    x = np.array([[1.0, 2.0, np.nan]])
    for layer in (layers.Maximum(), layers.Minimum()):
        first, second = gradient_of(layer, x, np.array([[1.0, 3.0, 0.0]]))
        np.testing.assert_array_equal(first + second, 1)
        assert first[0, 0] == 0.5
        assert first[0, 2] == 1  # where the NaN comes from
    assert np.isnan(layers.Maximum()([x, np.zeros((1, 3))])[0, 2])


@pytest.mark.parametrize("merge", [layers.Multiply, layers.Maximum, layers.Minimum, layers.Add])
@pytest.mark.parametrize("activation", ["relu", "gelu", "sigmoid"])
def test_gradients_through_an_activation_behind_a_merge(merge, activation):
    ug.random.seed(5)
    start = Input((4,), "float64")
    parts = [Dense(4, "tanh")(start) for _ in range(3)]
    merged = layers.Activation(activation)(merge()([*parts, parts[0]]))
    model = ug.Model(start, Dense(2)(merged))
    model.compile("sgd", "mse")
    check_gradients(model, RNG.standard_normal((6, 4)), RNG.standard_normal((6, 2)))


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize(
    ("rows", "others", "depth"), [(1, 1, 700), (70, 50, 90), (1, 40, 33), (130, 2, 5), (3, 3, 1)]
)
def test_products_of_any_size_are_those_of_numpy(rows, others, depth, dtype):
    x = RNG.standard_normal((7, rows, depth)).astype(dtype)
    y = RNG.standard_normal((7, others, depth)).astype(dtype)
    exact = np.einsum("bik,bjk->bij", x.astype(np.longdouble), y.astype(np.longdouble))
    tolerance = 8 * depth * np.finfo(dtype).eps
    for threads in (1, 3):
        with ug.threads(threads):
            made = layers.Dot(2)([x, y])
            first, second = gradient_of(layers.Dot(2), x, y)
        np.testing.assert_allclose(made, exact, rtol=0, atol=tolerance)
        sums = np.broadcast_to(y.astype(float).sum(1, keepdims=True), x.shape)
        np.testing.assert_allclose(first, sums, rtol=0, atol=others * tolerance)
        sums = np.broadcast_to(x.astype(float).sum(1, keepdims=True), y.shape)
        np.testing.assert_allclose(second, sums, rtol=0, atol=rows * tolerance)


def test_steps_have_equal_bits_on_any_number_of_threads():
    x = RNG.standard_normal((300, 24)).astype("float32")
    y = RNG.standard_normal((300, 3))
    found = []
    for threads in (1, 2, 4):
        ug.random.seed(8)
        start = Input((24,))
        a, b = (layers.Reshape((4, 18))(Dense(72)(start)) for _ in range(2))
        extremes = [layers.Maximum()([a, b]), layers.Minimum()([a, b])]
        normal = layers.GroupNormalization(3)(layers.Multiply()(extremes))
        rows = layers.UnitNormalization()(layers.RMSNormalization()(normal))
        dots = layers.GLU()(layers.Dot(2)([rows, layers.GLU(1)(a)]))
        model = ug.Model(start, Dense(3)(Flatten()(dots)))
        model.compile("adam", "mse")
        with ug.threads(threads):
            model.fit(x, y, batch_size=90, epochs=2, verbose=0)
        found.append([*model.get_weights(), model.predict(x)])
    for values in found[1:]:
        for one, other in zip(values, found[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_infinities_are_subtracted_as_numpy_does():
    x = np.array([[np.inf, 1.0, -np.inf]])
    y = np.array([[1.0, np.inf, -np.inf]])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(layers.Subtract()([x, y]), x - y)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_norms_neither_overflow_nor_vanish(dtype):
    info = np.finfo(dtype)
    x = np.array([[3, 4], [-3, 4], [0, 0]], dtype)
    for scale in (info.max / 8, info.tiny * 2**100 if dtype == "float64" else 1e-8, 1):
        made = layers.UnitNormalization()(x * dtype_of(dtype)(scale))
        if scale > 1e-12:
            np.testing.assert_allclose(made[:2], x[:2] / 5, rtol=4 * info.eps)
        np.testing.assert_array_equal(made[2], 0)
    zero = np.zeros((1, 3))
    np.testing.assert_array_equal(gradient_of(layers.UnitNormalization(), zero), 1e12)
    found = gradient_of(layers.Dot(1, normalize=True), zero, np.ones((1, 3)))
    assert np.isfinite(found).all()


def dtype_of(name):
    return np.dtype(name).type


def test_empty_batches_pass():
    for case, (_, _, shapes) in cases.CASES.items():
        starts, output = graph_of(case, "float32")
        model = ug.Model(starts, output)
        empty = [np.zeros((0, *shape), np.float32) for shape in shapes]
        assert model.predict(empty).shape == (0, *output.sample_shape)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Multiply(name="m")([Input((4,)), Input((3,))]), ValueError,
         r"of m have .*\(4,\), \(3,\), which do not broadcast"),
        (lambda: layers.Maximum()([Input((4,))]), ValueError, "expected a list of two"),
        (lambda: layers.Subtract(name="s")([Input((4,))] * 3), ValueError, "s takes two .* 3"),
        (lambda: layers.Dot(1, name="d")([Input((4,)), Input((3,))]), ValueError,
         "of d have .* of sizes 4 and 3 along axes=1"),
        (lambda: layers.Dot(0)([Input((4,)), Input((4,))]), ValueError, "the batch is axis 0"),
        (lambda: layers.Dot(2)([Input((4,)), Input((4,))]), ValueError, "axis is 2"),
        (lambda: layers.Dot((1, 2, 3)), TypeError, "axes is .* a pair of ints"),
        (lambda: layers.Dot("last"), TypeError, "axes is 'last'"),
        (lambda: layers.Reshape((2, 0)), ValueError, r"target_shape is \(2, 0\)"),
        (lambda: layers.Reshape((-1, -1)), ValueError, r"target_shape is \(-1, -1\)"),
        (lambda: layers.Reshape(()), ValueError, r"target_shape is \(\)"),
        (lambda: layers.Reshape((5,), name="r")(Input((4,))), ValueError,
         r"of r is \(5,\), but samples of shape \(4,\) have 4 values"),
        (lambda: layers.Reshape((-1, 3))(Input((4,))), ValueError, "have 4 values"),
        (lambda: layers.Permute((0, 1)), ValueError, r"dims is \(0, 1\)"),
        (lambda: layers.Permute((2, 1))(Input((4,))), ValueError, "have 1 axes"),
        (lambda: layers.RepeatVector(0), ValueError, "n must be at least 1, but it is 0"),
        (lambda: layers.RepeatVector(2.5), TypeError, "float"),
        (lambda: layers.RepeatVector(2)(Input((4, 3))), ValueError, r"expected \(features,\)"),
        (lambda: layers.UnitNormalization("last"), TypeError, "axis is 'last'"),
        (lambda: layers.UnitNormalization(3)(Input((4,))), ValueError, "axis is 3"),
        (lambda: layers.GLU(name="g")(Input((5,))), ValueError, "g is given .* an even size"),
        (lambda: ug.activations.glu(np.ones(3)), ValueError, r"x has shape \(3,\)"),
        (lambda: Dense(4, activation="glu"), ValueError, "activation is 'glu'"),
        (lambda: SpectralNormalization("dense"), TypeError, "layer is of type str"),
        (lambda: SpectralNormalization(Dense(2), 0), ValueError, "power_iterations must be"),
        (lambda: SpectralNormalization(Flatten())(Input((4,))), ValueError, "wraps a Flatten"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- spectral normalization ----


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", cases.SPECTRAL)
def test_spectral_normalization_is_that_of_keras(case, dtype):
    iterations, shape = cases.SPECTRAL[case]
    layer = SpectralNormalization(Dense(cases.UNITS), iterations)
    model = ug.Sequential([Input(shape, dtype), layer])
    x = cases.inputs(case)[0].astype(dtype)
    sizes = [w.shape for w in layer.weights]
    layer.set_weights(cases.weights(case, sizes))
    results = [model(x)]
    upstream = cases.upstream(case, results[0].shape)
    rows = int(np.prod(upstream.shape[:-1]))
    # The loss is a mean over rows.
    model.compile(ug.optimizers.SGD(cases.RATE * rows), Upstream())
    for _ in range(cases.STEPS):
        probe = copy.deepcopy(layer)
        results.append(ug.Sequential([Input(shape, dtype), probe])(x, training=True))
        model.train_on_batch(x, upstream.astype(dtype))
    results += [*layer.get_weights(), model(x)]
    found, expected = cases.parts(*results), KERAS[f"{case}/{dtype}"]
    error = np.abs(found - expected) / (1 + np.abs(expected))
    assert error.max() < 100 * np.finfo(dtype).eps  # each step passes the roundings on


def test_spectral_normalization_finds_the_singular_value_and_stays_while_frozen():
    layer = SpectralNormalization(Dense(4), power_iterations=200)
    model = ug.Sequential([Input((6,), "float64"), layer])
    x = RNG.standard_normal((3, 6))
    model(x, training=True)
    assert np.linalg.norm(layer.kernel.array, 2) == pytest.approx(1, abs=1e-12)
    layer.kernel.assign(3 * layer.kernel.array)
    before = layer.get_weights()
    model(x)
    layer.trainable = False
    frozen = ug.Sequential([Input((6,), "float64"), layer])
    frozen(x, training=True)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    layer.kernel.assign(np.zeros((6, 4)))
    layer.trainable = True
    again = ug.Sequential([Input((6,), "float64"), layer])
    np.testing.assert_array_equal(again(x, training=True), np.zeros((3, 4)) + layer.layer.bias)
    assert np.isfinite(layer.get_weights()[1]).all()


def test_a_compiled_model_takes_up_that_its_layer_is_frozen_and_thawed():
    layer = SpectralNormalization(Dense(4, "relu"))
    model = ug.Sequential([Input((6,)), layer, Dense(1)])
    model.compile("adam", "mse")
    x, y = np.ones((8, 6), np.float32), np.ones((8, 1), np.float32)
    model.fit(x, y, epochs=1, verbose=0)
    before = layer.get_weights()
    layer.trainable = False
    model.fit(x, y, epochs=1, verbose=0)
    model.fit(x, y, epochs=1, verbose=0, cache_frozen=True)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    layer.trainable = True
    model.fit(x, y, epochs=1, verbose=0)
    assert np.abs(layer.vector_u.array - before[1]).max() > 0


def test_spectral_normalization_is_saved_and_copied(tmp_path):
    x = RNG.standard_normal((20, 6)).astype("float32")
    y = RNG.standard_normal((20, 1)).astype("float32")
    model = ug.Sequential([Input((6,)), SpectralNormalization(Dense(4, "relu"), 2), Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.safetensors")
    loaded, copied = ug.load_model(tmp_path / "model.safetensors"), copy.deepcopy(model)
    alone = copy.deepcopy(model.layers[0])
    np.testing.assert_array_equal(alone(x), model.layers[0](x))
    for one in (model, loaded, copied):
        one.fit(x, y, epochs=2, verbose=0)
    for other in (loaded, copied):
        assert isinstance(other.layers[0].layer, Dense)
        np.testing.assert_array_equal(other(x), model(x))
    assert model.count_params() == 6 * 4 + 4 + 4 + 4 + 1
    assert len(model.trainable_weights) == 4
