"""initializers.calibrate: unit variance in front of every activation."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import initializers, layers


def deep(activation, depth=20, dtype="float32"):
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((24,), dtype=dtype)])
    for i in range(depth):
        kernel = initializers.RandomNormal(0.0, 3.0)
        model.add(layers.Dense(24, activation, kernel_initializer=kernel, name=f"hidden_{i}"))
    model.add(layers.Dense(3, name="output"))
    return model


def variances(model, x):
    """Return the variance in front of each activation, by NumPy in float64."""
    h, found = x.astype("float64"), []
    for layer in model.layers:
        z = h @ layer.kernel.numpy().astype("float64") + layer.bias.numpy()
        found.append(z.var())
        name = layer.activation
        h = z if name == "linear" else getattr(ug.activations, name)(z)
    return np.array(found)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "selu", "softplus", "mish"])
def test_every_layer_gets_unit_variance(activation, dtype):
    model = deep(activation, dtype=dtype)
    x = 5 + 3 * ug.random.normal((200, 24), seed=1, dtype=dtype)
    found = initializers.calibrate(model, x, tolerance=0.01)
    assert list(found) == [layer.name for layer in model.layers]
    np.testing.assert_allclose(variances(model, x), 1, atol=0.01)
    np.testing.assert_allclose(list(found.values()), variances(model, x), rtol=1e-3)


def test_kernels_are_orthonormal_but_for_a_factor():
    model = deep("relu", depth=3)
    x = ug.random.normal((200, 24), seed=1)
    initializers.calibrate(model, x)
    for layer in model.layers[:3]:
        values = np.linalg.svd(layer.kernel.numpy(), compute_uv=False)
        np.testing.assert_allclose(values, values[0], rtol=1e-4)


def test_directions_may_be_kept():
    model = deep("relu", depth=3)
    before = [layer.kernel.numpy() for layer in model.layers]
    initializers.calibrate(model, ug.random.normal((200, 24), seed=1), orthonormal=False)
    for old, layer in zip(before, model.layers, strict=True):
        ratio = layer.kernel.numpy() / old
        np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-4)


def test_it_heals_what_the_diagnosis_finds():
    model = deep("relu")
    x = ug.random.normal((200, 24), seed=1)
    assert "exploding" in model.diagnose(x).verdict
    initializers.calibrate(model, x)
    assert model.diagnose(x).verdict == "healthy"


def test_any_graph_and_frozen_layers():
    ug.random.seed(0)
    x = layers.Input((24,))
    shared = layers.Dense(24, "relu", name="shared")
    frozen = layers.Dense(24, "relu", name="frozen")
    h = layers.Add()([x, frozen(layers.BatchNormalization()(shared(shared(x))))])
    model = ug.Model(x, [layers.Dense(3, name="one")(h), layers.Dense(1, name="two")(h)])
    frozen.trainable = False
    before = frozen.kernel.numpy()
    found = initializers.calibrate(model, ug.random.normal((99, 24), seed=1))
    assert set(found) == {"shared", "one", "two"}
    np.testing.assert_array_equal(frozen.kernel.numpy(), before)


def test_errors():
    model = deep("relu", depth=2)
    x = ug.random.normal((50, 24), seed=1)
    with pytest.raises(ValueError, match="hidden_0 have variance 0"):
        initializers.calibrate(model, np.zeros((50, 24)))
    with pytest.raises(ValueError, match="x has no samples"):
        initializers.calibrate(model, x[:0])
    with pytest.raises(ValueError, match="tolerance must be positive"):
        initializers.calibrate(model, x, tolerance=0)
    with pytest.raises(ValueError, match="max_iterations must be at least 1"):
        initializers.calibrate(model, x, max_iterations=0)
