"""Losses of relative differences, and the generalized cross-entropy, beside NumPy's formulas."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import losses

RNG = np.random.default_rng(3)
ROWS, COLUMNS = 7, 4
TARGETS = RNG.uniform(0.2, 3, (ROWS, COLUMNS))
OUTPUTS = RNG.uniform(0.2, 3, (ROWS, COLUMNS))
LABELS = RNG.integers(0, COLUMNS, ROWS)
PROBABILITIES = RNG.dirichlet(np.ones(COLUMNS), ROWS)

CASES = [
    (
        losses.MeanAbsolutePercentageError,
        TARGETS,
        OUTPUTS,
        100 * np.abs((TARGETS - OUTPUTS) / TARGETS).mean(axis=-1),
    ),
    (
        losses.MeanSquaredLogarithmicError,
        TARGETS,
        OUTPUTS,
        ((np.log(1 + TARGETS) - np.log(1 + OUTPUTS)) ** 2).mean(axis=-1),
    ),
    (
        losses.CategoricalGeneralizedCrossEntropy,
        LABELS,
        PROBABILITIES,
        (1 - np.sqrt(PROBABILITIES[np.arange(ROWS), LABELS])) / 0.5,
    ),
]


@pytest.mark.parametrize(("make", "t", "y", "expected"), CASES)
def test_values_are_the_formulas(make, t, y, expected):
    np.testing.assert_allclose(make(reduction=None)(t, y), expected, rtol=1e-12)
    weights = RNG.random(ROWS)
    np.testing.assert_allclose(make()(t, y, weights), (expected * weights).mean(), rtol=1e-12)


@pytest.mark.parametrize(("make", "t", "y", "expected"), CASES)
def test_gradients_are_float64_differences(make, t, y, expected):
    loss, step = make(), 1e-6
    found = loss.gradient(t, y)
    for i in range(ROWS):
        for j in range(COLUMNS):
            up, down = y.copy(), y.copy()
            up[i, j] += step
            down[i, j] -= step
            slope = (loss(t, up) - loss(t, down)) / (2 * step)
            assert abs(found[i, j] - slope) < 1e-6 * max(1, abs(slope))


@pytest.mark.parametrize(
    ("loss", "y"), [("mape", TARGETS), ("msle", TARGETS), (CASES[2][0](), LABELS)]
)
def test_models_train_with_them(loss, y):
    ug.random.seed(0)
    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(COLUMNS, activation="softmax")])
    model.compile(ug.optimizers.Adam(0.05), loss)
    history = model.fit(RNG.random((ROWS, 3)), y, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_limits_are_finite():
    zero = np.zeros((1, 2))
    assert losses.MeanAbsolutePercentageError()(zero, zero + 1e-7) == pytest.approx(100)
    msle = losses.MeanSquaredLogarithmicError()
    assert msle(zero, zero - 5) == 0
    assert not msle.gradient(zero + 1, zero - 5).any()
    gce = losses.CategoricalGeneralizedCrossEntropy()
    assert gce([0], [[0.0, 1.0]]) == 2
    assert np.isfinite(gce.gradient([0], [[0.0, 1.0]])).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), "q must be above 0"),
        (lambda: CASES[2][0]()([2], [[0.5, 0.5]]), "not from 0 to 1"),
        (lambda: CASES[2][0]()([0, 1], [[0.5, 0.5]]), "a label for each row"),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_copies_are_equal():
    loss = losses.get(losses.serialize(losses.CategoricalGeneralizedCrossEntropy(q=0.3)))
    assert loss.get_config()["q"] == 0.3
