"""Normalization and Rescaling against their formulas, and adapt against NumPy's moments."""

import copy

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain.layers import Dense, Input, Normalization, Rescaling, Softmax

test_other_variants = rerun_on_other_variants(__file__)

RNG = np.random.default_rng(0)


def run(layer, x, dtype="float64"):
    return ug.Sequential([Input(x.shape[1:], dtype), layer])(x)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis", "over"),
    [
        ((50, 4), -1, (0,)),
        ((50, 4), None, (0, 1)),
        ((20, 3, 5), -1, (0, 1)),
        ((20, 3, 5), 1, (0, 2)),
        ((20, 3, 5), (1, 2), (0,)),
        ((20, 3, 5), None, (0, 1, 2)),
    ],
)
def test_adapted_layers_standardise(shape, axis, over, invert):
    x = RNG.normal(3, 5, shape)
    layer = Normalization(axis, invert=invert)
    layer.adapt(x)
    mean, deviation = x.mean(over, keepdims=True), x.std(over, keepdims=True)
    expected = x * deviation + mean if invert else (x - mean) / deviation
    np.testing.assert_allclose(run(layer, x, "float32"), expected, rtol=1e-4, atol=1e-4)
    layer.adapt(x)
    np.testing.assert_allclose(run(layer, x), expected, rtol=1e-6, atol=1e-6)
    layer.adapt(x)  # now that the weights are float64
    np.testing.assert_allclose(run(layer, x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.mean, np.squeeze(mean, over), rtol=1e-12)
    np.testing.assert_allclose(layer.variance, np.squeeze(deviation, over) ** 2, rtol=1e-12)


def test_batches_give_what_the_whole_gives():
    x = RNG.normal(1e6, 2, (1000, 3))
    whole, parts = Normalization(), Normalization()
    whole.ensure_built((3,), "float64")
    parts.ensure_built((3,), "float64")
    whole.adapt(x)
    parts.adapt(x[i : i + 77] for i in range(0, 1000, 77))
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-14)
    np.testing.assert_allclose(parts.variance, whole.variance, rtol=1e-9)


def test_constant_features_become_zero_and_no_infinity():
    x = np.full((10, 2), 7.0)
    layer = Normalization()
    layer.adapt(x)
    np.testing.assert_array_equal(run(layer, x), 0)


def test_given_moments_are_used_and_shape_the_config():
    layer = Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    np.testing.assert_allclose(run(layer, np.array([[3.0, 5.0]])), [[1, 1]])
    with pytest.raises(ValueError, match="no adapt"):
        layer.adapt(np.ones((3, 2)))
    with pytest.raises(ValueError, match="together"):
        Normalization(mean=0.0)
    scalar = Normalization(axis=None, mean=1.0, variance=4.0)
    np.testing.assert_allclose(run(scalar, np.array([[3.0, 5.0]])), [[1, 2]])


def test_training_leaves_the_moments_and_gradients_pass_through():
    x = RNG.normal(3, 5, (40, 4))
    layer = Normalization()
    layer.adapt(x)
    model = ug.Sequential([Input((4,), "float64"), Dense(4), layer, Dense(1)])
    model.compile("sgd", "mse")
    before = layer.get_weights()
    y = x[:, :1]
    loss, gradients = model.gradients(x, y)
    kernel = model.layers[0].kernel.array
    kernel[1, 2] += 1e-6
    higher, _ = model.gradients(x, y)
    np.testing.assert_allclose((higher - loss) / 1e-6, gradients[0][1, 2], rtol=1e-3)
    model.fit(x, y, epochs=1, verbose=0)
    for mine, theirs in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert len(model.trainable_weights) == 4


def test_an_adapted_layer_is_copied_with_what_it_knows():
    layer = Normalization(invert=True)
    layer.adapt(RNG.normal(3, 5, (40, 4)))
    other = copy.deepcopy(layer)
    np.testing.assert_array_equal(other.mean, layer.mean)
    np.testing.assert_array_equal(other.variance, layer.variance)


@pytest.mark.parametrize("scale", [1 / 255, [1.0, 2.0, 0.0]])
@pytest.mark.parametrize("offset", [0.0, [3.0, 2.0, 1.0], -1])
def test_rescaling(scale, offset):
    x = RNG.normal(3, 5, (6, 2, 3))
    expected = x * np.array(scale) + np.array(offset)
    np.testing.assert_allclose(run(Rescaling(scale, offset), x), expected, rtol=1e-14, atol=1e-14)


def test_rescaling_takes_bytes():
    x = RNG.integers(0, 256, (6, 5)).astype(np.uint8)
    np.testing.assert_allclose(
        run(Rescaling(1 / 127.5, -1), x, "float32"), x / 127.5 - 1, atol=1e-6
    )


def test_rescaling_names_a_scale_that_does_not_fit():
    with pytest.raises(ValueError, match=r"scale has shape \(2,\).*3 features"):
        run(Rescaling([1, 2]), np.ones((1, 3)))


def test_softmax_layer():
    x = RNG.normal(0, 3, (4, 5))
    expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(run(Softmax(), x), expected, rtol=1e-14)
