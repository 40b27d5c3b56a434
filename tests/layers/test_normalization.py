"""Batch and layer normalization as layers, along any axis, against their definitions."""

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import _native
from unitgain.layers import (
    BatchNormalization,
    Dense,
    Flatten,
    GroupNormalization,
    Input,
    LayerNormalization,
    RMSNormalization,
)

test_other_variants = rerun_on_other_variants(__file__)

ops = _native.ops
dtypes = [np.float32, np.float64]


def layer_norm(x, gamma, beta, epsilon, axis=-1):
    x = x.astype(np.longdouble)
    mean = x.mean(axis=axis, keepdims=True)
    variance = x.var(axis=axis, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def layer_norm_gradient(x, upstream, gamma, epsilon):
    x, g = x.astype(np.longdouble), upstream.astype(np.longdouble) * gamma
    inverse = 1 / np.sqrt(x.var(axis=1, keepdims=True) + epsilon)
    n = (x - x.mean(axis=1, keepdims=True)) * inverse
    mean_g, mean_gn = g.mean(axis=1, keepdims=True), (g * n).mean(axis=1, keepdims=True)
    return inverse * (g - mean_g - n * mean_gn), (upstream * n).sum(axis=0), upstream.sum(axis=0)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("affine", ["gamma and beta", "gamma", "beta", "neither"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (3, 16), (17, 33), (70, 5), (1030, 3), (2, 1000), (0, 4)]
)
def test_layer_norm_and_its_gradient(shape, affine, dtype):
    rng = np.random.default_rng(shape)
    x, upstream = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    gamma = rng.standard_normal(shape[1]).astype(dtype) if "gamma" in affine else None
    beta = rng.standard_normal(shape[1]).astype(dtype) if "beta" in affine else None
    g, b = 1 if gamma is None else gamma, 0 if beta is None else beta
    got = ops.layer_norm(x, upstream, gamma, beta, 1e-3)
    expected = (layer_norm(x, g, b, 1e-3), *layer_norm_gradient(x, upstream, g, 1e-3))
    eps = np.finfo(dtype).eps
    tolerances = [50, 300, 50 + shape[0], 10 + shape[0]]
    for a, e, tolerance in zip(got, expected, tolerances, strict=True):
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * 4 * eps)
    for threads in (2, 3):
        again = ops.layer_norm(x, upstream, gamma, beta, 1e-3, threads=threads)
        for a, e in zip(again, got, strict=True):
            np.testing.assert_array_equal(a, e)


def test_layer_norm_of_a_large_mean_keeps_its_variance():
    rng = np.random.default_rng(1)
    x = (1e4 + 1e-2 * rng.standard_normal((5, 3001))).astype(np.float32)
    upstream = (1 + rng.standard_normal(x.shape)).astype(np.float32)
    y, gradient, gamma_gradient, _ = ops.layer_norm(x, upstream, None, None, 0.0)
    np.testing.assert_allclose(y, layer_norm(x, 1, 0, 0), rtol=1e-5, atol=1e-5)
    expected = layer_norm_gradient(x, upstream, 1, 0)
    np.testing.assert_allclose(gradient, expected[0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(gamma_gradient, expected[1], rtol=1e-5, atol=1e-4)


def test_layer_norm_of_equal_values_gives_beta():
    x = np.full((2, 9), 0.1, np.float32)
    beta = np.arange(9, dtype=np.float32)
    y, gradient, *_ = ops.layer_norm(x, np.ones_like(x), None, beta, 1e-3)
    np.testing.assert_array_equal(y, np.broadcast_to(beta, y.shape))
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 5), (2, 16, 33), (1, 1, 40), (4, 50, 1)])
def test_transpose(shape, dtype):
    x = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    for threads in (1, 2):
        y = ops.transpose(x, *shape, threads=threads).ravel()
        np.testing.assert_array_equal(y, x.transpose(0, 2, 1).ravel())


def one_layer(layer, shape, dtype="float64"):
    """A compiled model of the layer, its weights away from their initial values."""
    model = ug.Sequential([Input(shape, dtype=dtype), layer, Flatten()])
    model.compile(ug.optimizers.SGD(0.0), "mse")
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.array[...] = rng.uniform(0.5, 1.5, weight.shape)
    return model


def check_against_differences(model, x, target):
    _, gradients = model.gradients(x, target)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient.shape == weight.shape
        for index in np.ndindex(weight.shape):
            value = weight.array[index]
            losses = []
            for step in (1e-5, -1e-5):
                weight.array[index] = value + step
                losses.append(model.gradients(x, target)[0])
            weight.array[index] = value
            slope = (losses[0] - losses[1]) / 2e-5
            assert slope == pytest.approx(gradient[index], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2, -3])
def test_batch_norm_along_any_axis(axis):
    shape = (3, 4, 5)
    layer = BatchNormalization(axis=axis, momentum=0.8)
    model = one_layer(layer, shape)
    x = np.random.default_rng(3).standard_normal((6, *shape)) * 2 + 1
    others = tuple(d for d in range(4) if d != axis % 4)
    features = [1] * 4
    features[axis] = x.shape[axis]
    gamma, beta, moving_mean, moving_variance = (w.array.reshape(features) for w in layer.weights)
    assert layer.gamma.shape == (x.shape[axis],)

    inferred = gamma * (x - moving_mean) / np.sqrt(moving_variance + 1e-3) + beta
    np.testing.assert_allclose(model(x), inferred.reshape(6, -1), rtol=1e-12)
    mean = x.mean(axis=others, keepdims=True)
    variance = x.var(axis=others, keepdims=True)
    trained = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
    moved = 0.8 * moving_mean + 0.2 * mean, 0.8 * moving_variance + 0.2 * variance
    y = model(x, training=True)
    np.testing.assert_allclose(y, trained.reshape(6, -1), rtol=1e-11, atol=1e-12)
    for weight, expected in zip(layer.weights[2:], moved, strict=True):
        np.testing.assert_allclose(weight.array, expected.ravel(), rtol=1e-12)


@pytest.mark.parametrize("axis", [1, 2, 3, -2, (1, 2), (2, 3), (1, 3), (-1, -2, -3)])
def test_layer_norm_along_any_axes(axis):
    shape = (3, 4, 5)
    layer = LayerNormalization(axis=axis)
    model = one_layer(layer, shape)
    x = np.random.default_rng(4).standard_normal((6, *shape)) * 2 + 1
    axes = tuple(sorted(a % 4 for a in np.atleast_1d(axis)))
    features = [x.shape[d] if d in axes else 1 for d in range(4)]
    gamma, beta = (w.array.reshape(features) for w in layer.weights)
    assert layer.gamma.shape == tuple(x.shape[d] for d in axes)
    expected = layer_norm(x, gamma, beta, 1e-3, axes).astype(float)
    np.testing.assert_allclose(model(x), expected.reshape(6, -1), rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(model(x, training=True), model(x))


@pytest.mark.parametrize(
    "layer",
    [
        BatchNormalization(axis=1),
        BatchNormalization(axis=2),
        LayerNormalization(axis=1),
        LayerNormalization(axis=-1),
        LayerNormalization(axis=(1, 2)),
        LayerNormalization(scale=False),
        LayerNormalization(center=False),
        LayerNormalization(center=False, scale=False),
        GroupNormalization(2),
        GroupNormalization(3, axis=1),
        GroupNormalization(-1, center=False, scale=False),
        RMSNormalization(),
        RMSNormalization(axis=1),
        RMSNormalization(axis=(1, 2)),
    ],
)
def test_gradients_through_norms_agree_with_differences(layer):
    ug.random.seed(5)
    layers = [Dense(4), layer, Dense(3, activation="tanh"), Flatten(), Dense(2)]
    model = ug.Sequential([Input((3, 4), dtype="float64"), *layers])
    model.compile(ug.optimizers.SGD(0.0), "mse")
    rng = np.random.default_rng(6)
    check_against_differences(model, rng.standard_normal((5, 3, 4)), rng.standard_normal((5, 2)))


def test_group_norm_of_one_group_and_of_groups_of_rows_are_layer_norms():
    x = np.random.default_rng(7).standard_normal((6, 4, 10)) + 3
    whole = GroupNormalization(1)(x)
    expected = layer_norm(x, 1, 0, 1e-3, (1, 2)).astype(float)
    np.testing.assert_allclose(whole, expected, rtol=1e-11, atol=1e-12)
    # Five groups of two features: those of the layer norm of each as a sample.
    parts = x.reshape(6, 4, 5, 2)
    expected = layer_norm(parts, 1, 0, 1e-3, (1, 3)).astype(float).reshape(x.shape)
    np.testing.assert_allclose(GroupNormalization(5)(x), expected, rtol=1e-11, atol=1e-12)
    turned = GroupNormalization(5, axis=1)(x.transpose(0, 2, 1)).transpose(0, 2, 1)
    np.testing.assert_allclose(turned, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_rms_norm_is_its_formula_and_does_not_overflow(axis):
    x = np.random.default_rng(8).standard_normal((6, 4, 10)) + 1
    axes = tuple(np.atleast_1d(axis))
    expected = x / np.sqrt((x**2).mean(axes, keepdims=True) + 1e-6)
    np.testing.assert_allclose(RMSNormalization(axis)(x), expected, rtol=1e-13)
    large = RMSNormalization(axis)(x.astype(np.float32) * np.float32(1e30))
    np.testing.assert_allclose(large, expected, rtol=1e-5, atol=1e-6)


def test_a_frozen_group_norm_keeps_its_weights():
    x, y = np.random.default_rng(9).standard_normal((2, 12, 6)).astype(np.float32)
    norms = [GroupNormalization(3), RMSNormalization()]
    model = ug.Sequential([Input((6,)), *norms, Dense(6)])
    for norm, trainable in zip(norms, (False, True), strict=True):
        norm.trainable = trainable
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    same = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert same == [True, True, False, False, False]


def test_batch_norm_of_one_row_and_of_a_last_partial_batch():
    model = one_layer(BatchNormalization(), (4,), "float32")
    beta = model.layers[0].beta.array.copy()
    one = np.array([[1.0, 2, 3, 4]], np.float32)
    np.testing.assert_array_equal(model(one, training=True), beta[None])
    model.fit(np.ones((7, 4), np.float32), np.ones((7, 4)), batch_size=3, verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerNormalization(epsilon=-1), "epsilon must be at least 0, but it is -1"),
        (lambda: one_layer(LayerNormalization(axis=0), (3,)), "axis is 0, but samples of shape"),
        (lambda: one_layer(BatchNormalization(axis=3), (2, 3)), r"have the axes 1 to 2"),
        (lambda: GroupNormalization(0), "groups must be an int of at least 1, or -1"),
        (lambda: one_layer(GroupNormalization(4), (6,)), "has 4 groups, but 6 features"),
        (lambda: RMSNormalization(epsilon=-1), "epsilon must be at least 0"),
        (lambda: one_layer(RMSNormalization(axis=2), (3,)), "axis is 2"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
