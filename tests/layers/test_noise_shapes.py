"""Dropout that values share along axes, by noise_shape."""

import numpy as np
import pytest
from differences import check_gradients
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain.layers import AlphaDropout, Dense, Dropout, Flatten, Input

test_other_variants = rerun_on_other_variants(__file__)

# SELU's limit at -infinity.
LIMIT = -1.7580993408473768599
SHAPES = [
    (None, 1, None), (1, None, None), (None, None, 1), (None, 1, 1), (1, 1, None), (1, 1, 1),
    (7, 1, 4),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [Dropout, AlphaDropout])
@pytest.mark.parametrize("noise_shape", SHAPES)
def test_values_share_what_is_drawn(noise_shape, kind, dtype):
    rate = 0.4
    x = np.random.default_rng(1).uniform(1, 2, (7, 6, 4)).astype(dtype)
    found = kind(rate, noise_shape=noise_shape, seed=3)(x, training=True)
    if kind is Dropout:
        kept = found != 0
        expected = np.where(kept, x / (1 - rate), 0)
    else:
        a = ((1 - rate) * (1 + rate * LIMIT**2)) ** -0.5
        b = -a * LIMIT * rate
        dropped = np.isclose(found, a * LIMIT + b, rtol=1e-5)
        kept = ~dropped
        expected = np.where(kept, a * x + b, a * LIMIT + b)
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-12)
    for axis, size in enumerate(noise_shape):
        if size == 1:
            assert (kept == kept.take([0], axis)).all()
        elif (np.array(noise_shape) == 1).sum() < 3:
            assert not (kept == kept.take([0], axis)).all()
    np.testing.assert_array_equal(kind(rate, noise_shape, seed=3)(x), x)


def test_as_many_are_dropped_as_the_rate_says():
    ones = np.ones((4000, 5, 3))
    found = Dropout(0.25, (None, 1, None), seed=1)(ones, training=True)
    share = (found[:, 0] == 0).mean()
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / found[:, 0].size)


@pytest.mark.parametrize("kind", [Dropout, AlphaDropout])
@pytest.mark.parametrize("noise_shape", [(None, 1, None), (1, None, None)])
def test_gradients_are_of_what_was_drawn(kind, noise_shape):
    ug.random.seed(5)
    model = ug.Sequential(
        [Input((3, 2), "float64"), Dense(4, "tanh"), kind(0.4, noise_shape), Flatten(), Dense(2)]
    )
    model.compile("sgd", "mse")
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((5, 3, 2)), rng.standard_normal((5, 2))
    check_gradients(model, x, y)


def test_bits_are_the_same_for_any_number_of_threads():
    x = np.random.default_rng(4).standard_normal((50, 40, 30)).astype(np.float32)
    found = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            found.append(Dropout(0.5, (None, 1, None), seed=2)(x, training=True))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_the_shape_is_kept_in_configurations_and_files(tmp_path):
    layer = Dropout(0.5, [None, 1, 3], seed=1)
    assert Dropout.from_config(layer.get_config()).noise_shape == (None, 1, 3)
    model = ug.Sequential([Input((2, 3)), layer])
    model.save(tmp_path / "model.safetensors")
    x = np.ones((6, 2, 3), np.float32)
    loaded = ug.Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded(x, training=True), model(x, training=True))


@pytest.mark.parametrize("noise_shape", ["ab", (1.5, 1), (0, 1), (-1, 1), 3, (True, 1)])
def test_what_is_no_shape_is_refused(noise_shape):
    with pytest.raises(ValueError, match="expected a sequence of positive integers and None"):
        Dropout(0.5, noise_shape=noise_shape)


@pytest.mark.parametrize("noise_shape", [(None, 1), (None, 2, 1, 1), (None, 5, 1)])
def test_a_shape_that_does_not_fit_is_refused(noise_shape):
    with pytest.raises(ValueError, match="expected the sizes of a batch of samples of shape"):
        Dropout(0.5, noise_shape)(np.ones((2, 3, 4)))
