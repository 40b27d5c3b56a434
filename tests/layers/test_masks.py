"""Masks: softmax of what they keep, their way through a network, and what reads them."""

import copy

import numpy as np
import pytest
from differences import check_gradients

import unitgain as ug
from unitgain.layers import (
    Add,
    BatchNormalization,
    Concatenate,
    Dense,
    Dot,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Layer,
    Masking,
    Maximum,
    Softmax,
)

RNG = np.random.default_rng(0)


def masked_softmax(x, mask, axis=-1):
    """Return the softmax of what is kept in float64, 0 elsewhere."""
    kept = np.where(mask, x, -np.inf)
    highest = np.max(kept, axis, keepdims=True)
    powers = np.exp(kept - np.where(np.isfinite(highest), highest, 0))
    totals = powers.sum(axis, keepdims=True)
    return powers / np.where(totals > 0, totals, 1)


class Seen(Layer):
    """Hands its input on, and keeps the mask that it was given."""

    def call(self, inputs, mask=None):
        self.mask = None if mask is None else mask.copy()
        return inputs * 1

    def backward(self, upstream, inputs, outputs):
        return upstream


@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
@pytest.mark.parametrize("dtype", [bool, np.float32, np.int64])
def test_softmax_of_what_a_mask_keeps(axis, dtype):
    x = RNG.standard_normal((5, 3, 4)) * 3
    mask = RNG.random((5, 3, 4)) < 0.5
    mask[0] = False
    found = Softmax(axis=axis)(x, mask.astype(dtype))
    np.testing.assert_allclose(found, masked_softmax(x, mask, axis), rtol=1e-13)
    assert not found[0].any()


@pytest.mark.parametrize("shape", [(4,), (1, 4), (6, 1), (6, 4), (1, 1)])
def test_the_mask_of_a_softmax_broadcasts(shape):
    x = RNG.standard_normal((6, 4))
    mask = RNG.random(shape) < 0.6
    np.testing.assert_allclose(
        Softmax()(x, mask=mask), masked_softmax(x, np.broadcast_to(mask, x.shape)), rtol=1e-13
    )


def test_what_is_left_out_may_be_anything():
    x = np.array([[1.0, np.nan, 3.0, np.inf]])
    found = Softmax()(x, np.array([[True, False, True, False]]))
    np.testing.assert_allclose(found, [[1 / (1 + np.e**2), 0, 1 / (1 + np.e**-2), 0]], rtol=1e-13)


def test_gradients_of_a_masked_softmax_are_the_differences():
    x, mask = Input((4, 3), "float64"), Input((4, 5), "float64")
    model = ug.Model([x, mask], Dense(2)(Softmax()(Dense(5)(x), mask)))
    model.compile("sgd", "mse")
    given = [RNG.standard_normal((6, 4, 3)), (RNG.random((6, 4, 5)) < 0.6).astype(float)]
    y = RNG.standard_normal((6, 4, 2))
    check_gradients(model, given, y)


def test_masking_puts_zeros_and_marks_rows():
    x = np.array([[[7.0, 7], [7, 1], [0, 0]], [[7, 7], [7, 7], [2, np.nan]]])
    layer = Masking(7)
    expected = np.array([[False, True, True], [False, False, True]])
    np.testing.assert_array_equal(layer(x), np.where(expected[..., None], x, 0))
    np.testing.assert_array_equal(layer.compute_mask(x), expected)
    assert layer.supports_masking
    assert Masking.from_config(layer.get_config()).mask_value == 7


def test_a_mask_goes_along_to_those_that_read_it():
    seen = Seen()
    x = Input((4, 3))
    hidden = Dropout(0.1)(Dense(5, "relu")(Masking()(x)))
    model = ug.Model(x, Dense(2)(seen(hidden)))
    given = RNG.standard_normal((6, 4, 3)).astype(np.float32)
    kept = RNG.random((6, 4)) < 0.5
    model(given * kept[..., None])
    np.testing.assert_array_equal(seen.mask, kept)
    assert [type(layer).__name__ for layer in model.layers] == [
        "Input", "Masking", "Dense", "Dropout", "Seen", "Dense",
    ]  # fmt: skip
    assert hidden.mask is not None
    assert Seen()(Dense(2)(x)).mask is None


def test_padding_of_an_embedding_is_marked():
    seen = Seen()
    x = Input((5,), "int32")
    model = ug.Model(x, seen(Embedding(7, 3, mask_zero=True)(x)))
    numbers = RNG.integers(7, size=(4, 5))
    model(numbers)
    np.testing.assert_array_equal(seen.mask, numbers != 0)
    layer = Embedding(7, 3, mask_zero=True)
    np.testing.assert_array_equal(layer.compute_mask(numbers), numbers != 0)
    assert Embedding(7, 3).compute_mask(numbers) is None


@pytest.mark.parametrize("merge", [Add, Maximum, Concatenate])
def test_merged_rows_count_where_one_does(merge):
    seen = Seen()
    a, b = Input((4, 3)), Input((4, 3))
    model = ug.Model([a, b], seen(merge()([Masking()(a), Masking()(b)])))
    one, other = RNG.random((2, 6, 4)) < 0.5
    x, y = RNG.standard_normal((2, 6, 4, 3))
    model([x * one[..., None], y * other[..., None]])
    np.testing.assert_array_equal(seen.mask, one | other)
    np.testing.assert_array_equal(merge().compute_mask([x, y], [one, other]), one | other)
    assert merge().compute_mask([x, y], [one, None]) is None
    assert Add()([Masking()(a), b]).mask is None
    assert Dot(2)([Masking()(a), Masking()(b)]).mask is None


def test_statistics_of_a_batch_leave_out_what_masking_does():
    x = RNG.standard_normal((8, 4, 3))
    kept = RNG.random((8, 4)) < 0.5
    x[~kept] = 0
    model = ug.Sequential([Input((4, 3), "float64"), Masking(), BatchNormalization(momentum=0)])
    model(x, training=True)
    np.testing.assert_allclose(model.layers[1].moving_mean.array, x[kept].mean(0), rtol=1e-12)
    np.testing.assert_allclose(model.layers[1].moving_variance.array, x[kept].var(0), rtol=1e-12)


def made_anew(layer):
    return type(layer).from_config(layer.get_config())


def models():
    """Yield models in which masks are made, merged, given and read."""
    yield ug.Sequential([Input((4, 3)), Masking(), BatchNormalization(), Dense(2)])
    a, b = Input((4, 3), name="a"), Input((4,), "int32", name="b")
    merged = Add()([Masking()(a), Embedding(5, 3, mask_zero=True)(b)])
    yield ug.Model([a, b], Softmax()(BatchNormalization()(merged)))
    mask = Input((3,), name="mask")
    x = Input((3,), name="x")
    yield ug.Model([x, mask], Softmax()(Dense(3)(x), mask))


@pytest.mark.parametrize("model", list(models()))
def test_models_with_masks_are_copied_saved_and_made_of_configurations(model, tmp_path):
    given = [
        RNG.integers(3, size=(6, *shape)).astype(np.float32)
        for shape in model.function.inputs.shapes
    ]
    given = given if len(given) > 1 else given[0]
    expected = model(given, training=True)
    model.save(tmp_path / "model.safetensors")
    cloned = ug.models.clone_model(model, clone_function=made_anew)
    cloned.set_weights(model.get_weights())
    loaded = ug.Model.load(tmp_path / "model.safetensors")
    inferred = model(given)
    for other in (copy.deepcopy(model), loaded, cloned):
        np.testing.assert_array_equal(other(given), inferred)
        np.testing.assert_array_equal(other(given, training=True), expected)
    model.summary(print_fn=lambda line: None)


def test_layers_that_know_of_no_masks_say_so():
    x = Masking()(Input((4, 3)))
    with pytest.warns(UserWarning, match="does not support masking"):
        assert Flatten()(x).mask is None
    with pytest.raises(TypeError, match="takes no mask"):
        Flatten()(np.ones((2, 3)), mask=np.ones(2))
    assert Dense(2)(np.ones((2, 3)), mask=np.ones(2)).shape == (2, 2)
    with pytest.raises(ValueError, match=r"mask of softmax.* has shape \(5,\)"):
        Softmax()(np.ones((2, 3)), np.ones(5))
    with pytest.raises(TypeError, match="expected a symbolic tensor beside symbolic tensors"):
        Softmax()(Input((3,)), np.ones(3))
    assert Dense(2).supports_masking
    assert not Flatten().supports_masking
    assert Dense(2).compute_mask(np.ones((2, 3)), np.ones(2)).shape == (2,)


class Kept(ug.losses.Loss):
    """The squared error, written in Python."""

    def call(self, y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean(-1)

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


def masked_model(loss, **arguments):
    """Return a compiled model whose output a mask reaches, and the same without."""
    made = []
    for first in (Masking(), Dropout(0.0)):
        ug.random.seed(3)
        model = ug.Sequential([Input((4, 3), "float64"), first, Dense(5, "tanh"), Dense(2)])
        model.compile(ug.optimizers.SGD(0.1), loss, **arguments)
        made.append(model)
    made[1].set_weights(made[0].get_weights())
    return made


@pytest.mark.parametrize("loss", ["mse", "huber", Kept(), ug.losses.MeanSquaredError("sum")])
def test_losses_and_metrics_leave_out_the_rows_that_a_mask_does(loss):
    rng = np.random.default_rng(5)
    kept = rng.random((7, 4)) < 0.5
    x, y = rng.standard_normal((7, 4, 3)), rng.standard_normal((7, 4, 2))
    x[~kept] = 0
    masked, plain = masked_model(loss, metrics=["mae"])
    value, metric = masked.evaluate(x, y)
    scale = 1 if getattr(loss, "reduction", None) == "sum" else kept.size / kept.sum()
    each = ug.losses.get(loss)(y, plain.predict(x), sample_weight=kept)
    np.testing.assert_allclose(value, each * scale, rtol=1e-12)
    np.testing.assert_allclose(metric, np.abs(plain.predict(x) - y)[kept].mean(), rtol=1e-12)
    _, gradients = masked.gradients(x, y)
    _, expected = plain.gradients(x, y, sample_weight=kept.astype(float))
    for ours, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, other * scale, rtol=1e-11, atol=1e-14)
    masked.fit(x, y, batch_size=3, epochs=2, verbose=0)
    # What is wanted of the rows left out does not matter.
    y[~kept] = 100
    np.testing.assert_allclose(masked.evaluate(x, y), masked.evaluate(x, np.where(y == 100, 0, y)))


def test_weights_beside_a_mask():
    rng = np.random.default_rng(6)
    kept, weights = rng.random((7, 4)) < 0.5, rng.random((7, 4))
    x, y = rng.standard_normal((7, 4, 3)), rng.standard_normal((7, 4, 2))
    x[~kept] = 0
    masked, plain = masked_model(ug.losses.MeanSquaredError("mean_with_sample_weight"))
    found = masked.evaluate(x, y, sample_weight=weights)
    np.testing.assert_allclose(found, plain.evaluate(x, y, sample_weight=weights * kept))
    masked, _ = masked_model("mse")
    with pytest.raises(ValueError, match='give its loss reduction="mean_with_sample_weight"'):
        masked.fit(x, y, sample_weight=weights, verbose=0)
    masked, _ = masked_model(ug.losses.MeanSquaredError("sum"), metrics=["mae"])
    with pytest.raises(ValueError, match="give its metrics as weighted_metrics"):
        masked.evaluate(x, y, sample_weight=weights)


def test_padding_does_not_count_in_the_loss_of_each_number():
    x = Input((5,), "int32")
    model = ug.Model(x, Dense(3, "softmax")(Embedding(6, 4, mask_zero=True)(x)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    numbers, labels = RNG.integers(6, size=(8, 5)), RNG.integers(3, size=(8, 5))
    value, accuracy = model.evaluate(numbers, labels)
    likely, kept = model.predict(numbers), numbers != 0
    chosen = np.take_along_axis(likely, labels[..., None], -1)[..., 0]
    np.testing.assert_allclose(value, -np.log(chosen)[kept].mean(), rtol=1e-5)
    np.testing.assert_allclose(accuracy, (likely.argmax(-1) == labels)[kept].mean(), rtol=1e-6)


def test_a_mask_that_depends_on_trained_weights_reaches_no_loss():
    model = ug.Sequential([Input((4, 3)), Dense(3, "relu"), Masking(), Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="depends on the weights of dense"):
        model.evaluate(np.ones((2, 4, 3)), np.ones((2, 4, 2)))
    model(np.ones((2, 4, 3)))


def test_a_softmax_across_the_batch_takes_the_array_as_one_sample():
    x, mask = RNG.standard_normal((3, 4)), RNG.random((3, 4)) < 0.6
    np.testing.assert_allclose(
        Softmax(axis=(1, 0))(x, mask), masked_softmax(x, mask, (0, 1)), rtol=1e-13
    )
    np.testing.assert_allclose(Softmax(axis=0)(x), masked_softmax(x, True, 0), rtol=1e-13)
    np.testing.assert_allclose(Softmax()(x[0]), masked_softmax(x[0], True), rtol=1e-13)
    np.testing.assert_allclose(Softmax(axis=0)(x[0]), masked_softmax(x[0], True), rtol=1e-13)
