"""k-means a batch at a time."""

import numpy as np
import pytest

from unitgain.cluster import KMeans, MiniBatchKMeans


def blobs(n, k, seed=0):
    rng = np.random.default_rng(seed)
    return 6 * rng.standard_normal((k, 5))[rng.integers(0, k, n)] + rng.standard_normal((n, 5))


def test_it_finds_about_what_k_means_finds():
    x = blobs(6000, 8)
    whole = KMeans(8, n_init=5, random_state=0).fit(x)
    parts = MiniBatchKMeans(8, n_init=5, random_state=0).fit(x)
    assert parts.inertia_ == pytest.approx(whole.inertia_, rel=0.02)
    assert parts.labels_.shape == (6000,)
    np.testing.assert_array_equal(parts.predict(x), parts.labels_)
    assert parts.n_features_in_ == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_centre_is_the_mean_of_all_samples_that_went_to_it(dtype):
    x = blobs(900, 3).astype(dtype)
    weights = np.random.default_rng(1).random(900)
    model = MiniBatchKMeans(3, init=x[:3], reassignment_ratio=0)
    sums, totals = np.zeros((3, 5)), np.zeros(3)
    for first in range(0, 900, 300):
        part, weight = x[first : first + 300], weights[first : first + 300]
        before = model.cluster_centers_ if first else x[:3]
        near = ((part[:, None] - before) ** 2).sum(axis=2).argmin(axis=1)
        model.partial_fit(part, sample_weight=weight)
        np.testing.assert_array_equal(model.labels_, near)
        for j in range(3):
            sums[j] += weight[near == j] @ part[near == j]
            totals[j] += weight[near == j].sum()
        tolerance = 16 * np.finfo(dtype).eps
        np.testing.assert_allclose(
            model.cluster_centers_, sums / totals[:, None], rtol=tolerance, atol=tolerance
        )
    np.testing.assert_allclose(model.counts_, totals, rtol=1e-6)
    assert model.n_steps_ == 3


def test_a_centre_that_nothing_goes_to_is_set_on_a_sample():
    x = blobs(2000, 2)
    model = MiniBatchKMeans(2, init=[x[0], np.full(5, 1e3)], random_state=0)
    for part in np.split(x, 10):
        model.partial_fit(part)
    assert np.abs(model.cluster_centers_).max() < 50
    assert model.counts_.min() > 100


def test_a_seed_says_what_comes():
    x = blobs(3000, 6)
    one, two = (MiniBatchKMeans(6, random_state=4, batch_size=100).fit(x) for _ in range(2))
    np.testing.assert_array_equal(one.cluster_centers_, two.cluster_centers_)


def test_one_sample_and_batches_larger_than_all():
    model = MiniBatchKMeans(1, random_state=0).fit([[1.0, 2.0]])
    np.testing.assert_array_equal(model.cluster_centers_, [[1.0, 2.0]])
    assert model.inertia_ == 0


def test_it_ends_when_nothing_gets_better():
    x = blobs(5000, 4)
    assert MiniBatchKMeans(4, random_state=0, batch_size=500).fit(x).n_iter_ < 100
    ended = MiniBatchKMeans(4, random_state=0, batch_size=500, tol=10.0, max_no_improvement=None)
    assert ended.fit(x).n_iter_ < 100
    goes_on = MiniBatchKMeans(4, random_state=0, batch_size=500, max_no_improvement=None)
    assert goes_on.set_params(max_iter=7).fit(x).n_iter_ == 7


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="n_samples=1 should be >= n_clusters=2"):
        MiniBatchKMeans(2).partial_fit([[1.0]])
    with pytest.raises(ValueError, match="batch_size is 0"):
        MiniBatchKMeans(1, batch_size=0).fit([[1.0]])
    model = MiniBatchKMeans(1).partial_fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="X has 1 features, expected 2"):
        model.partial_fit([[1.0]])
    with pytest.raises(ValueError, match="not fitted"):
        MiniBatchKMeans(1).predict([[1.0]])
