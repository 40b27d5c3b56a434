"""The call of a model on one plain matrix, and how it gives way to the general one."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import layers

test_on_other_variants = rerun_on_other_variants(__file__)


def network(dtype="float32"):
    ug.random.seed(3)
    return ug.Sequential(
        [
            layers.Input((20,), dtype=dtype),
            layers.Dense(33, "gelu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(5, "softmax"),
        ]
    )


def expected(model, x):
    """The outputs by the general path, which has several batches."""
    return model.predict(np.concatenate([x, x]), batch_size=len(x))[: len(x)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 7, 300])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_call_gives_what_predict_gives(dtype, rows, frozen):
    model = network(dtype)
    x = np.random.default_rng(0).standard_normal((rows, 20)).astype(dtype)
    want = expected(model, x)
    if frozen:
        model = model.optimize_for_inference()
    result = model(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, want, rtol=3e-5 if dtype == "float32" else 1e-13)


def test_strided_and_other_arrays_give_the_same():
    model = network()
    wide = np.random.default_rng(0).standard_normal((6, 40)).astype(np.float32)
    x = wide[::2, ::2]
    want = model(np.ascontiguousarray(x))
    for given in (
        x,
        np.asfortranarray(x),
        x.astype(">f4"),
        x.astype(np.float64),
        x.tolist(),
        x[::-1][::-1],
    ):
        np.testing.assert_array_equal(model(given), want)
    assert model(x[:0]).shape == (0, 5)


def test_what_does_not_fit_is_named():
    model = network()
    with pytest.raises(ValueError, match=r"x has shape \(3, 19\), expected \(samples, 20\)"):
        model(np.zeros((3, 19), np.float32))
    with pytest.raises(ValueError, match="shape"):
        model(np.zeros(20, np.float32))


def test_changes_of_weights_and_layers_count():
    model = network()
    x = np.ones((1, 20), np.float32)
    before = model(x)
    model.set_weights([w + np.float32(0.1) for w in model.get_weights()])
    assert not np.array_equal(model(x), before)
    np.testing.assert_allclose(model(x), expected(model, x), rtol=3e-5)
    model.pop()
    assert model(x).shape == (1, 33)
    assert copy.deepcopy(model)(x).shape == (1, 33)


def test_a_call_while_a_python_layer_trains_neither_hangs_nor_fails():
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

        def backward(self, upstream, x, y):
            return 2 * upstream

    model = ug.Sequential([layers.Input((4,)), layers.Dense(4), Twice(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 4), np.float32), np.ones((64, 1), np.float32)
    trainer = threading.Thread(target=lambda: model.fit(x, y, 1, epochs=5, verbose=0))
    trainer.start()
    while trainer.is_alive():
        assert np.isfinite(model(x[:1])).all()
    trainer.join()
