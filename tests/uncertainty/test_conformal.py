"""Conformal prediction: the promised coverage over 200 splits."""

import numpy as np
import pytest
from scipy.stats import betabinom

import unitgain as ug
from unitgain import uncertainty as unc

RNG = np.random.default_rng(3)
P = RNG.dirichlet(np.full(6, 0.4), 1200)
Y = (P.cumsum(axis=1) < RNG.random((1200, 1))).sum(axis=1).clip(max=5)
CALIBRATED, TESTED, SPLITS = 400, 800, 200


def covered(fit_and_cover):
    """Return how many samples are covered of those tested, over splits of the same samples."""
    found = []
    for split in range(SPLITS):
        order = np.random.default_rng(split).permutation(1200)
        found.append(fit_and_cover(order[:CALIBRATED], order[CALIBRATED:]))
    return np.array(found)


def check(counts, alpha):
    # What is covered of TESTED new samples is beta-binomial (Vovk, "Conditional validity of
    # inductive conformal predictors", 2012).
    which = int(np.ceil((CALIBRATED + 1) * (1 - alpha)))
    law = betabinom(TESTED, which, CALIBRATED + 1 - which)
    assert abs(counts.mean() - law.mean()) < 4 * law.std() / np.sqrt(SPLITS)
    outside = ((counts < law.ppf(0.005)) | (counts > law.ppf(0.995))).sum()
    assert outside <= 10


@pytest.mark.parametrize("alpha", [0.1, 0.25])
@pytest.mark.parametrize("method", ["lac", "aps"])
def test_sets_hold_the_class_as_often_as_promised(method, alpha):
    def cover(first, rest):
        sets = unc.ConformalSets(method, alpha).fit(P[first], Y[first]).predict(P[rest])
        return sets[np.arange(TESTED), Y[rest]].sum()

    ug.random.seed(0)
    check(covered(cover), alpha)


@pytest.mark.parametrize("quantiles", [False, True])
def test_intervals_hold_the_target_as_often_as_promised(quantiles):
    x = RNG.uniform(0, 2, 1200)
    y = x + x * RNG.standard_normal(1200)
    predicted = np.stack([x - 1.2 * x, x + 0.9 * x], axis=1) if quantiles else x

    def cover(first, rest):
        intervals = unc.ConformalIntervals(0.1).fit(predicted[first], y[first])
        low, high = intervals.predict(predicted[rest]).T
        return ((low <= y[rest]) & (y[rest] <= high)).sum()

    check(covered(cover), 0.1)


def test_quantile_is_the_smallest_that_suffices():
    assert unc.conformal_quantile(np.arange(9), 0.1) == 8
    assert unc.conformal_quantile(np.arange(8), 0.1) == np.inf
    assert unc.conformal_quantile(np.arange(99), 0.1) == 89
    with pytest.raises(ValueError, match="no calibration samples"):
        unc.conformal_quantile([], 0.1)
    with pytest.raises(ValueError, match="alpha must be between"):
        unc.ConformalSets(alpha=1)


def test_aps_sets_have_the_likeliest_classes():
    sets = unc.ConformalSets("aps", 0.1, seed=1).fit(P, Y).predict(P)
    order = np.argsort(-P, axis=1)
    ranked = np.take_along_axis(sets, order, axis=1)
    assert (ranked[:, :-1] >= ranked[:, 1:]).all()


def test_intervals_take_two_outputs_and_refuse_others():
    ends = unc.ConformalIntervals(0.2).fit([np.zeros((50, 1)), np.ones((50, 1))], np.full(50, 0.5))
    assert ends.margin == -0.5
    np.testing.assert_array_equal(ends.predict(np.array([[0.0, 0.4]])), [[0.2, 0.2]])
    with pytest.raises(ValueError, match="one or two columns"):
        ends.predict(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="3 targets for 50"):
        unc.ConformalIntervals().fit(np.zeros(50), np.zeros(3))
    with pytest.raises(ValueError, match="not fitted"):
        unc.ConformalIntervals().predict(np.zeros(3))
