"""Calibration against scikit-learn and float64 formulas."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from sklearn.calibration import _SigmoidCalibration, calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

import unitgain as ug
from unitgain import uncertainty as unc

RNG = np.random.default_rng(1)
LOGITS = 3 * RNG.standard_normal((1000, 4))
Y = np.array([RNG.choice(4, p=np.exp(log_softmax(row / 2.5))) for row in LOGITS])
P = np.exp(log_softmax(LOGITS, axis=1))
ONE = 1 / (1 + np.exp(-LOGITS[:, 0]))
IS = (RNG.random(1000) < ONE**2).astype(int)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_reliability_is_scikit_learns_curve(strategy):
    found = unc.reliability(IS, ONE, 10, strategy)
    accuracy, confidence = calibration_curve(IS, ONE, n_bins=10, strategy=strategy)
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, confidence)
    assert found.counts.sum() == 1000


def test_errors_are_the_bins_distances():
    top, right = P.max(axis=1), P.argmax(axis=1) == Y
    distances = []
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        here = (top > low) & (top <= high)
        if here.any():
            distances.append((here.mean(), abs(top[here].mean() - right[here].mean())))
    expected = sum(w * d for w, d in distances)
    assert unc.expected_calibration_error(Y, P) == pytest.approx(expected)
    assert unc.maximum_calibration_error(Y, P) == pytest.approx(max(d for _, d in distances))
    assert unc.expected_calibration_error(np.eye(4)[Y], LOGITS, from_logits=True) == pytest.approx(
        expected
    )


def test_scores_are_scikit_learns():
    assert unc.brier_score(IS, ONE) == pytest.approx(brier_score_loss(IS, ONE))
    assert unc.brier_score(Y, P) == pytest.approx(((P - np.eye(4)[Y]) ** 2).sum(1).mean())
    assert unc.negative_log_likelihood(Y, P) == pytest.approx(log_loss(Y, P))
    assert unc.negative_log_likelihood(IS, ONE) == pytest.approx(log_loss(IS, ONE))


@pytest.mark.parametrize(
    ("metric", "function"),
    [
        (ug.metrics.ExpectedCalibrationError, unc.expected_calibration_error),
        (ug.metrics.MaximumCalibrationError, unc.maximum_calibration_error),
        (ug.metrics.BrierScore, unc.brier_score),
        (ug.metrics.NegativeLogLikelihood, unc.negative_log_likelihood),
    ],
)
def test_metrics_are_the_functions_over_batches(metric, function):
    made = metric()
    for first in range(0, 1000, 130):
        made.update_state(Y[first : first + 130], P[first : first + 130])
    assert made.result() == pytest.approx(function(Y, P))
    weights = RNG.integers(0, 3, 1000)
    weighted = metric()
    weighted.update_state(Y, P, weights)
    assert weighted.result() == pytest.approx(function(np.repeat(Y, weights), P.repeat(weights, 0)))
    made.reset_state()
    assert made.result() == 0
    name = made.name
    net = ug.Sequential([ug.layers.Input((4,)), ug.layers.Dense(4, activation="softmax")])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=[name])
    logs = net.evaluate(LOGITS, Y, batch_size=128, return_dict=True)
    assert logs[name] == pytest.approx(function(Y, net.predict(LOGITS)), rel=1e-4)


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([0, 1], [[2.0, -1.0], [0.0, 1.0]], "from_logits=True"),
        ([0, 4], [[0.5, 0.5], [0.0, 1.0]], "whole number from 0 to 1"),
        ([0, 1, 1], [[0.5, 0.5], [0.0, 1.0]], "label for each of 2 rows"),
        (0, 0.5, "one number"),
    ],
)
def test_what_is_no_probability_is_refused(y, p, says):
    with pytest.raises(ValueError, match=says):
        unc.brier_score(y, p)


def test_no_rows_have_no_error():
    empty = np.zeros((0, 3))
    assert unc.expected_calibration_error([], empty) == unc.brier_score([], empty) == 0
    with pytest.raises(ValueError, match="no rows"):
        unc.TemperatureScaling().fit(empty, [])
    with pytest.raises(ValueError, match="not finite"):
        unc.TemperatureScaling().fit([[np.nan, 1.0]], [0])
    with pytest.raises(ValueError, match="not fitted"):
        unc.PlattScaling()([[1.0]])


def test_temperature_is_where_the_likelihood_is_greatest():
    found = unc.TemperatureScaling().fit(LOGITS, Y)

    def loss(t):
        return -log_softmax(LOGITS / t, axis=1)[np.arange(1000), Y].mean()

    best = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9})
    assert found.temperature == pytest.approx(best.x, rel=1e-5)
    np.testing.assert_allclose(found(LOGITS), np.exp(log_softmax(LOGITS / found.temperature, 1)))
    separable = unc.TemperatureScaling().fit([[5.0, 0.0], [0.0, 5.0]], [0, 1])
    assert 1e-3 <= separable.temperature < 0.1  # the loss is 0 in float64


def test_vector_scaling_is_where_the_likelihood_is_greatest():
    skewed = LOGITS * [1, 2, 0.5, 1] + [1, 0, -2, 0]
    found = unc.VectorScaling().fit(skewed, Y)

    def loss(theta):
        logs = log_softmax(theta[:4] * skewed + theta[4:], axis=1)
        return -logs[np.arange(1000), Y].mean() + 5e-7 * theta @ theta

    best = minimize(loss, np.r_[np.ones(4), np.zeros(4)], tol=1e-12)
    ours = loss(np.r_[found.scale, found.offset])
    assert ours <= best.fun + 1e-9
    np.testing.assert_allclose(found.scale, best.x[:4], rtol=1e-3, atol=1e-4)


def test_platt_scaling_is_scikit_learns():
    z = LOGITS[:, 0]
    found = unc.PlattScaling().fit(z, IS)
    peer = _SigmoidCalibration().fit(z, IS)
    np.testing.assert_allclose(found(z)[:, 0], peer.predict(z), rtol=1e-4)


def test_slopes_of_the_likelihood_are_zero_where_fitted():
    # Newton's method converges by squares: what is left is rounding, here and in the 1000 terms.
    found = unc.VectorScaling().fit(LOGITS, Y)
    z = found.scale * LOGITS + found.offset
    off = (np.exp(log_softmax(z, axis=1)) - np.eye(4)[Y]) / 1000
    by_scale = (off * LOGITS).sum(axis=0) + 1e-6 * found.scale
    assert np.abs(by_scale).max() < 1e-12
    assert np.abs(off.sum(axis=0) + 1e-6 * found.offset).max() < 1e-6  # the mean was taken off
    platt = unc.PlattScaling().fit(LOGITS[:, 0], IS)
    wanted = np.where(IS, (IS.sum() + 1) / (IS.sum() + 2), 1 / ((1 - IS).sum() + 2))
    off = 1 / (1 + np.exp(-platt.scale * LOGITS[:, 0] - platt.offset)) - wanted
    assert abs(off @ LOGITS[:, 0]) < 1e-9
    assert abs(off.sum()) < 1e-9


@pytest.mark.parametrize("make", [unc.TemperatureScaling, unc.VectorScaling])
def test_fits_have_the_same_bits_for_any_number_of_threads(make):
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((3000, 40)), rng.integers(0, 40, 3000)
    found = []
    for threads in (1, 2, 7):
        with ug.threads(threads):
            found.append(make().fit(z, y)(z))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_isotonic_calibration_is_scikit_learns():
    z = np.round(LOGITS[:, 0], 2)  # with ties
    found = unc.IsotonicCalibration().fit(z, IS)
    peer = IsotonicRegression(out_of_bounds="clip").fit(z, IS)
    at = np.linspace(-12, 12, 500)
    np.testing.assert_allclose(found(at)[:, 0], peer.predict(at), atol=1e-12)


@pytest.mark.parametrize(
    "make", [unc.TemperatureScaling, unc.VectorScaling, unc.PlattScaling, unc.IsotonicCalibration]
)
@pytest.mark.parametrize("ending", ["dense", "activation", "logits"])
def test_a_model_keeps_its_calibration_in_its_file(make, ending, tmp_path):
    tail = {
        "dense": [ug.layers.Dense(4, activation="softmax")],
        "activation": [ug.layers.Dense(4), ug.layers.Activation("softmax")],
        "logits": [ug.layers.Dense(4)],
    }[ending]
    net = ug.Sequential([ug.layers.Input((4,)), *tail])
    kernel, bias = net.get_weights()
    fitted = make().fit(LOGITS @ kernel + bias, Y)
    calibrated = fitted.apply(net)
    expected = fitted(LOGITS @ kernel + bias)
    np.testing.assert_allclose(calibrated.predict(LOGITS), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(expected.sum(axis=1), 1)
    calibrated.save(tmp_path / "net.safetensors")
    again = ug.load_model(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(LOGITS), calibrated.predict(LOGITS))
