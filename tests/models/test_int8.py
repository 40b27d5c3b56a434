"""Weights of 8 and 16 bits: predictors and files, against the formulas in NumPy's integers."""

import copy
import pickle

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import layers
from unitgain.formats.narrow import as_bfloat16

test_other_variants = rerun_on_other_variants(__file__)

RNG = np.random.default_rng(0)


def network(sizes, activation="relu", seed=0):
    ug.random.seed(seed)
    model = ug.Sequential([layers.Input((sizes[0],))])
    for units in sizes[1:-1]:
        model.add(layers.Dense(units, activation, bias_initializer="random_normal"))
    model.add(layers.Dense(sizes[-1], bias_initializer="random_normal"))
    return model


def quantized_kernel(kernel):
    """Return integers and scales of a kernel's columns: 16 significant bits of max / 127."""
    greatest = np.abs(kernel).max(axis=0).astype(np.float32)
    significand, exponent = np.frexp(greatest / np.float32(127))
    scale = np.ldexp(np.floor(significand.astype(np.float64) * 2**16) / 2**16, exponent)
    values = np.rint(np.divide(kernel, scale, where=scale > 0, out=np.zeros(kernel.shape)))
    return np.clip(values, -127, 127).astype(np.int64), scale


def quantized_rows(x):
    low, high = np.minimum(x.min(axis=1), 0), np.maximum(x.max(axis=1), 0)
    scale = (high.astype(np.float64) - low) / 255
    zero = np.rint(-low / scale)
    values = np.clip(np.rint(x / scale[:, None] + zero[:, None]), 0, 255)
    return values.astype(np.int64), zero.astype(np.int64), scale


def dense(x, kernel, bias):
    """Return the layer's output as the integers say, in float64."""
    values, scale = quantized_kernel(kernel)
    rows, zero, row_scale = quantized_rows(x)
    sums = rows @ values - zero[:, None] * values.sum(axis=0)
    return sums * scale * row_scale[:, None] + bias


@pytest.mark.parametrize("sizes", [(1, 1), (3, 5), (64, 33), (300, 100), (785, 40)])
@pytest.mark.parametrize("rows", [1, 2, 31])
def test_a_dense_layer_is_what_its_integers_say(sizes, rows):
    model = network(sizes)
    x = RNG.normal(size=(rows, sizes[0])).astype(np.float32) + 0.3
    got = model.optimize_for_inference("int8")(x)
    kernel, bias = model.get_weights()
    expected = dense(x, kernel, bias)
    # A value on the border between two integers may go to either: one step of some products.
    step = np.abs(kernel).max() * (np.ptp(x) + np.abs(x).max()) / 255
    assert np.median(np.abs(got - expected)) <= 2e-6 * np.abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=step + 1e-6)


def test_int8_of_the_digits_is_as_accurate():
    (x, y), (x_test, y_test) = ug.datasets.load_digits()
    ug.random.seed(1)
    model = ug.Sequential([layers.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10)])
    model.compile("adam", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=10, verbose=0)
    exact = model(x_test)
    got = model.optimize_for_inference("int8")(x_test)
    assert np.sqrt(np.mean((got - exact) ** 2)) < 0.02 * exact.std()
    right = [np.mean(scores.argmax(axis=1) == y_test) for scores in (exact, got)]
    assert right[1] > right[0] - 0.005


@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax", "gelu"])
def test_batch_norm_and_activations_follow_in_float32(activation):
    ug.random.seed(3)
    model = ug.Sequential(
        [
            layers.Input((20,)),
            layers.Dense(30, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation(activation),
            layers.Dense(4),
        ]
    )
    model.compile("sgd", "mse")
    x = RNG.normal(size=(64, 20)).astype(np.float32)
    model.fit(x, RNG.normal(size=(64, 4)).astype(np.float32), epochs=2, verbose=0)
    got, exact = model.optimize_for_inference("int8")(x), model(x)
    assert np.abs(got - exact).max() < 0.03 * np.abs(exact).max()


def test_outputs_do_not_depend_on_threads_or_on_other_rows():
    model = network((300, 257, 130, 10))
    predictor = model.optimize_for_inference("int8")
    x = RNG.normal(size=(150, 300)).astype(np.float32)
    with ug.threads(1):
        expected = predictor(x)
    for count in (2, 3):
        with ug.threads(count):
            np.testing.assert_array_equal(predictor(x), expected)
    np.testing.assert_array_equal(predictor(x[77:78]), expected[77:78])
    np.testing.assert_array_equal(predictor.predict(x), expected)
    np.testing.assert_array_equal(predictor(np.asfortranarray(x.astype(np.float64))), expected)
    assert predictor(x[:0]).shape == (0, 10)


def test_rows_of_values_that_are_not_finite_are_nan_and_no_others_are():
    model = network((50, 7))
    predictor = model.optimize_for_inference("int8")
    x = RNG.normal(size=(5, 50)).astype(np.float32)
    expected = predictor(x)
    x[1, 3], x[3, 49] = np.nan, -np.inf
    got = predictor(x)
    assert np.isnan(got[[1, 3]]).all()
    np.testing.assert_array_equal(got[[0, 2, 4]], expected[[0, 2, 4]])
    zeros = np.zeros((2, 50), np.float32)
    np.testing.assert_array_equal(predictor(zeros), model(zeros))
    largest = np.full((1, 50), np.finfo(np.float32).max, np.float32)
    assert not np.isnan(predictor(largest * 1e-3)).any()


def test_predictors_of_int8_are_copied_to_the_bit():
    predictor = network((20, 30, 3)).optimize_for_inference("int8")
    assert predictor.precision == "int8"
    x = RNG.normal(size=(9, 20)).astype(np.float32)
    for twin in (copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        np.testing.assert_array_equal(twin(x), predictor(x))


def test_what_int8_cannot_hold_is_an_error():
    model = ug.Sequential([layers.Input((3,), dtype="float64"), layers.Dense(2)])
    with pytest.raises(ValueError, match="int8 is for float32 models, but this one is float64"):
        model.optimize_for_inference("int8")
    broken = network((3, 2))
    broken.layers[-1].kernel.assign(np.full((3, 2), np.inf, np.float32))
    with pytest.raises(ValueError, match="kernel has values that are not finite"):
        broken.optimize_for_inference("int8")


# ---- files ----


def test_int8_files_hold_integers_and_the_same_predictor(tmp_path):
    model = network((100, 50, 10))
    x = RNG.normal(size=(40, 100)).astype(np.float32)
    model.save(tmp_path / "whole.safetensors")
    model.save(tmp_path / "m.safetensors", weights_dtype="int8")
    loaded = ug.load_model(tmp_path / "m.safetensors")
    for got, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert got.dtype == np.float32
        if weight.ndim == 1:
            np.testing.assert_array_equal(got, weight)
        else:
            values, scale = quantized_kernel(weight)
            np.testing.assert_array_equal(got, values * scale)
    np.testing.assert_array_equal(
        loaded.optimize_for_inference("int8")(x), model.optimize_for_inference("int8")(x)
    )
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "m")]
    assert sizes[1] < sizes[0] - 2.9 * (100 * 50 + 50 * 10)
    loaded.save(tmp_path / "again.safetensors", weights_dtype="int8")
    again = ug.load_model(tmp_path / "again.safetensors")
    for got, weight in zip(again.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(got, weight)
    weights_alone = network((100, 50, 10), seed=5)
    weights_alone.load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(weights_alone(x), loaded(x))


def nearest_bfloat16(x):
    significand, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(significand * 256) / 256, exponent)


def test_bfloat16_files_hold_the_nearest_numbers(tmp_path):
    model = network((60, 40, 10))
    model.save(tmp_path / "m.safetensors", weights_dtype="bfloat16")
    loaded = ug.load_model(tmp_path / "m.safetensors")
    for got, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        expected = nearest_bfloat16(weight) if weight.ndim > 1 else weight
        np.testing.assert_array_equal(got, expected)
    loaded.compile("adam", "mse")
    x = RNG.normal(size=(8, 60)).astype(np.float32)
    loaded.fit(x, np.zeros((8, 10), np.float32), verbose=0)


def test_bfloat16_keeps_nan_and_rounds_up_to_infinity():
    values = np.array([np.nan, np.inf, -np.inf, 3.4e38, 0.0, -0.0, 1e-40], np.float32)
    got = as_bfloat16(values)
    assert np.isnan(got[0])
    np.testing.assert_array_equal(got[1:4], [np.inf, -np.inf, np.inf])
    np.testing.assert_array_equal(np.signbit(got[4:6]), [False, True])
    np.testing.assert_allclose(got[6], 1e-40, atol=4.6e-41)


@pytest.mark.parametrize("weights_dtype", ["float32", "bfloat16", "int8"])
def test_narrow_files_are_for_inference_and_keep_the_compile_arguments(tmp_path, weights_dtype):
    model = network((8, 6, 2))
    model.compile("adam", "mse")
    x = RNG.normal(size=(16, 8)).astype(np.float32)
    y = RNG.normal(size=(16, 2)).astype(np.float32)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "m.safetensors", weights_dtype=weights_dtype)
    loaded = ug.load_model(tmp_path / "m.safetensors")
    assert isinstance(loaded.optimizer, ug.optimizers.Adam)
    assert int(loaded.optimizer.iterations) == 0
    np.testing.assert_allclose(loaded(x), model(x), rtol=0.1, atol=0.05)
    loaded.fit(x, y, verbose=0)


def test_wrong_weights_dtypes_are_errors(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="weights_dtype is 'int4', expected one of"):
        network((3, 2)).save(path, weights_dtype="int4")
    wide = ug.Sequential([layers.Input((3,), dtype="float64"), layers.Dense(2)])
    with pytest.raises(ValueError, match="weights_dtype is for float32 models"):
        wide.save(path, weights_dtype="int8")
    assert not path.exists()


def test_a_file_whose_scales_do_not_fit_is_an_error(tmp_path):
    from unitgain.formats import document

    path = tmp_path / "m.safetensors"
    network((3, 2)).save(path, weights_dtype="int8")
    described, arrays = document.from_file(path)
    scales = next(iter(described["scales"].values()))
    document.to_file(path, described, arrays | {scales: np.ones(3, np.float32)})
    with pytest.raises(ValueError, match="expected an int8 matrix and a float32 number"):
        ug.load_model(path)
    del arrays[scales]
    document.to_file(path, described, arrays)
    with pytest.raises(ValueError, match="none of its scales"):
        ug.load_model(path)
