"""Low-rank weights of Dense and Embedding: the formulas, gradients, training, files."""

import copy

import numpy as np
import pytest
from differences import check_gradients

import unitgain as ug
from unitgain.layers import Dense, Embedding, Flatten, Input

RNG = np.random.default_rng(0)


def dense_model(dtype="float64", **keywords):
    """Return a compiled model with a layer to adapt, and its data."""
    ug.random.seed(1)
    layers = [Dense(5, "tanh"), Dense(4, "gelu", name="adapted", **keywords), Dense(2)]
    model = ug.Sequential([Input((3,), dtype), *layers])
    model.compile(ug.optimizers.Adam(0.01), "mse")
    return model, RNG.standard_normal((7, 3)), RNG.standard_normal((7, 2))


def embedding_model(dtype="float64", **keywords):
    """Return a compiled model with a table to adapt, and its data."""
    ug.random.seed(2)
    layer = Embedding(6, 3, name="adapted", **keywords)
    model = ug.Sequential([Input((4,), dtype), layer, Flatten(), Dense(2)])
    model.compile(ug.optimizers.Adam(0.01), "mse")
    return model, RNG.integers(6, size=(7, 4)), RNG.standard_normal((7, 2))


def matrix_of(layer):
    """Return what a layer has as its matrix."""
    return (layer.kernel if isinstance(layer, Dense) else layer.embeddings).array


def low_rank_of(layer):
    """Return the two matrices of low rank."""
    name = "kernel" if isinstance(layer, Dense) else "embeddings"
    return getattr(layer, f"lora_{name}_a"), getattr(layer, f"lora_{name}_b")


MODELS = pytest.mark.parametrize("make", [dense_model, embedding_model])


@MODELS
@pytest.mark.parametrize("alpha", [None, 0.5, 6])
def test_outputs_are_those_of_the_sum(make, alpha):
    model, x, _ = make()
    layer = model.get_layer("adapted")
    before, frozen = model.predict(x), matrix_of(layer).copy()
    layer.enable_lora(2, lora_alpha=alpha)
    np.testing.assert_allclose(model.predict(x), before, rtol=1e-13)
    a, b = low_rank_of(layer)
    assert np.abs(a.array).max() > 0
    assert not b.array.any()
    b.assign(RNG.standard_normal(b.shape))
    whole = frozen + (2 if alpha is None else alpha) / 2 * (a.array @ b.array)
    np.testing.assert_allclose(matrix_of(layer), whole, rtol=1e-13)
    plain, _, _ = make()
    plain.set_weights([w for w in model.get_weights() if w.shape not in (a.shape, b.shape)])
    plain.get_layer("adapted").weights[0].assign(whole)
    np.testing.assert_allclose(model.predict(x), plain.predict(x), rtol=1e-12)
    layer.merge_lora()
    assert len(model.weights) == len(plain.weights)
    np.testing.assert_allclose(model.predict(x), plain.predict(x), rtol=1e-12)
    assert layer.lora_rank is None
    assert all(w.trainable for w in layer.weights)


@MODELS
def test_gradients_are_the_differences(make):
    model, x, y = make(lora_rank=2, lora_alpha=3)
    layer = model.get_layer("adapted")
    for weight in low_rank_of(layer):
        weight.array[...] = RNG.standard_normal(weight.shape)
    names = [weight.name.split("/")[1] for weight in layer.trainable_weights]
    assert "kernel" not in names
    assert "embeddings" not in names
    check_gradients(model, x, y)


@MODELS
def test_training_leaves_the_matrix_and_takes_up_the_product(make):
    model, x, y = make("float32")
    model.fit(x, y, epochs=2, verbose=0)
    layer = model.get_layer("adapted")
    frozen = layer.weights[0].numpy()
    layer.enable_lora(1)
    before = model.evaluate(x, y)
    model.fit(x, y, epochs=20, verbose=0)
    np.testing.assert_array_equal(layer.weights[0].array, frozen)
    assert all(weight.array.any() for weight in low_rank_of(layer))
    assert model.evaluate(x, y) < before
    if isinstance(layer, Dense):
        assert layer.bias in layer.trainable_weights


@MODELS
def test_an_adapted_model_is_copied_and_saved_with_its_low_rank_weights(make, tmp_path):
    model, x, y = make("float32")
    layer = model.get_layer("adapted")
    layer.enable_lora(2, 8.0)
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "model.safetensors")
    for other in (copy.deepcopy(model), ug.Model.load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(other(x), model(x))
        again = other.get_layer("adapted")
        assert (again.lora_rank, again.lora_alpha, again.lora_enabled) == (2, 8.0, True)
        assert [w.name for w in again.trainable_weights] == [
            w.name for w in layer.trainable_weights
        ]
        other.fit(x, y, verbose=0, shuffle=False)
    np.testing.assert_allclose(model.optimize_for_inference()(x), model(x), rtol=1e-5, atol=1e-6)


def test_initializers_and_regularizers_are_those_asked_for():
    model, x, y = dense_model(kernel_regularizer=ug.regularizers.L2(0.5))
    layer = model.get_layer("adapted")
    layer.enable_lora(3, a_initializer="ones", b_initializer="ones")
    assert all((weight.array == 1).all() for weight in low_rank_of(layer))
    np.testing.assert_allclose(sum(layer.losses), 0.5 * (5 * 3 + 3 * 4))
    assert model.evaluate(x, y) > sum(layer.losses)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="has no weights yet"):
        Dense(3).enable_lora(2)
    model, _, _ = dense_model(kernel_constraint="non_neg")
    with pytest.raises(ValueError, match="has a kernel_constraint"):
        model.get_layer("adapted").enable_lora(2)
    model, _, _ = dense_model(lora_rank=2)
    with pytest.raises(ValueError, match="has low-rank weights already"):
        model.get_layer("adapted").enable_lora(2)
    with pytest.raises(ValueError, match="has no low-rank weights"):
        model.layers[0].merge_lora()
    with pytest.raises(ValueError, match="rank must be at least 1, but it is 0"):
        model.layers[0].enable_lora(0)
    with pytest.raises(TypeError):
        Dense(3, lora_rank=1.5)
