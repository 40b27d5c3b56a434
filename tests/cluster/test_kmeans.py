"""k-means against Lloyd's iteration in NumPy's float64, and against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain.cluster import KMeans, kmeans_plusplus

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = (np.float32, np.float64)


def blobs(n, features, k, seed=0, spread=1.0, offset=0.0):
    """Return samples around k centres."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((k, features)) * 2
    return centers[rng.integers(0, k, n)] + spread * rng.standard_normal((n, features)) + offset


def distances(x, centers):
    """Return the squared distances from the differences, in float64."""
    return ((x.astype(np.float64)[:, None] - centers.astype(np.float64)) ** 2).sum(axis=2)


def lloyd(x, weights, centers, most=300):
    """Return labels, centres and iterations of Lloyd's iteration as scikit-learn relocates."""
    x = x.astype(np.float64)
    labels = np.full(len(x), -1)
    iterations = 0
    while iterations < most:
        iterations += 1
        squares = distances(x, centers)
        found = squares.argmin(axis=1)
        sums = np.array([weights[found == j] @ x[found == j] for j in range(len(centers))])
        totals = np.array([weights[found == j].sum() for j in range(len(centers))])
        empty = np.flatnonzero(totals == 0)
        least = squares[np.arange(len(x)), found]
        if len(empty) and least.max() > 0:
            for j, i in zip(empty, np.argsort(-least, kind="stable"), strict=False):
                sums[found[i]] -= weights[i] * x[i]
                totals[found[i]] -= weights[i]
                sums[j], totals[j] = weights[i] * x[i], weights[i]
        filled = np.where(totals > 0, np.arange(len(centers)), totals.argmax())
        before, centers = centers, sums[filled] / totals[filled, None]
        if (found == labels).all() or (before == centers).all():
            break
        labels = found
    return distances(x, centers).argmin(axis=1), centers, iterations


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n", "features", "k"),
    [
        *((1, 1, 1), (7, 3, 7), (40, 1, 3), (300, 5, 2), (500, 17, 33), (1500, 64, 16)),
        *((700, 200, 5), (1000, 8, 8), (333, 16, 6), (1999, 13, 23), (2500, 2, 100)),
    ],
)
def test_the_result_is_that_of_lloyds_iteration_in_float64(dtype, weighted, n, features, k):
    x = blobs(n, features, k, seed=n).astype(dtype)
    weights = np.random.default_rng(1).random(n) if weighted else np.ones(n)
    init = x[np.random.default_rng(2).permutation(n)[:k]]
    model = KMeans(k, init=init, tol=0).fit(x, sample_weight=weights if weighted else None)
    labels, centers, iterations = lloyd(x, weights.astype(dtype).astype(np.float64), init)
    np.testing.assert_array_equal(model.labels_, labels)
    assert model.labels_.dtype == np.int32
    assert model.n_iter_ == iterations
    assert model.cluster_centers_.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(model.cluster_centers_, centers, rtol=8 * eps, atol=64 * eps)
    inertia = (weights * distances(x, centers).min(axis=1)).sum()
    assert model.inertia_ == pytest.approx(inertia, rel=32 * eps, abs=1e3 * eps**2)
    np.testing.assert_array_equal(model.predict(x), model.labels_)


def without_groups(n, features):
    return np.random.default_rng(3).standard_normal((n, features))


def with_far_samples(n, features):
    x = blobs(n, features, 20)
    x[::1000] *= 1e4
    return x


def with_large_columns(n, features):
    return blobs(n, features, 20) * np.geomspace(1e-3, 1e3, features)


def twice(n, features):
    x = without_groups(n // 2, features)
    return np.concatenate([x, x])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("samples", "n", "features", "k"),
    [
        (lambda n, features: blobs(n, features, 20), 4096, 17, 16),
        (lambda n, features: blobs(n, features, 20, offset=300.0), 4097, 32, 17),
        (lambda n, features: blobs(n, features, 20) * 1e-17, 4100, 18, 16),
        (without_groups, 4501, 64, 24),
        (with_far_samples, 4200, 33, 19),
        (with_large_columns, 4200, 20, 16),
        (twice, 4500, 25, 16),
    ],
)
def test_so_is_that_of_many_samples_which_integers_may_tell(dtype, samples, n, features, k):
    x = samples(n, features).astype(dtype)
    init = x[np.random.default_rng(2).permutation(n)[:k]]
    init[0] = x[0]
    model = KMeans(k, init=init, tol=0, max_iter=8).fit(x)
    labels, centers, iterations = lloyd(x, np.ones(n), init, most=8)
    assert model.n_iter_ == iterations
    np.testing.assert_array_equal(model.labels_, labels)
    eps = float(np.finfo(dtype).eps)
    largest = np.abs(centers).max(axis=0)
    assert (np.abs(model.cluster_centers_ - centers) <= 64 * eps * largest).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("features", range(1, 19))
def test_of_centres_that_are_equally_near_the_first_is_taken(dtype, features):
    rng = np.random.default_rng(features)
    x = rng.integers(-2, 3, (259, features)).astype(dtype)  # of whole numbers, every sum is exact
    for pairs in (0, 1, 2, 7):
        half = rng.integers(-2, 3, (pairs, features)).astype(dtype)
        # Each twice; and their mean, which is taken away, is 0.
        centers = np.concatenate([half, -half, np.zeros((1, features), dtype), half, -half])
        labels = ug._native.kmeans_assign(x, None, centers, False, False)[0]
        np.testing.assert_array_equal(labels, distances(x, centers).argmin(axis=1))
        part = ug._native.kmeans_assign(x[3:200], None, centers, False, False)[0]
        np.testing.assert_array_equal(part, labels[3:200])


@pytest.mark.parametrize("features", [3, 8, 16, 24])
def test_where_products_cannot_tell_the_differences_do(features):
    rng = np.random.default_rng(0)
    half = 3000 + rng.standard_normal((6, features))
    centers = np.concatenate([half, -half]).astype(np.float32)  # whose mean is 0
    x = np.concatenate([3000 + rng.standard_normal((300, features))] * 2).astype(np.float32)
    x[300:] *= -1
    labels = ug._native.kmeans_assign(x, None, centers, False, False)[0]
    squares = distances(x, centers)
    np.testing.assert_allclose(squares[np.arange(600), labels], squares.min(axis=1), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scikit_learn_finds_the_same_from_the_same_start(dtype):
    cluster = pytest.importorskip("sklearn.cluster")
    x = np.random.default_rng(0).standard_normal((3000, 20)).astype(dtype)
    weights = np.random.default_rng(1).integers(0, 3, len(x))
    ours = KMeans(24, init=x[:24]).fit(x, sample_weight=weights)
    theirs = cluster.KMeans(24, init=x[:24].astype(np.float64), n_init=1)
    theirs.fit(x.astype(np.float64), sample_weight=weights)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-6)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.score(x) == pytest.approx(theirs.score(x.astype(np.float64)), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("features", [3, 24])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype, features):
    x = blobs(20000, features, 40, spread=2.0).astype(dtype)
    found = []
    for threads in (1, 2, 3, 8):
        ug.set_num_threads(threads)
        model = KMeans(40, random_state=3, max_iter=25).fit(x)
        chosen = kmeans_plusplus(x, 40, random_state=4)[1]
        found.append((model.cluster_centers_, model.labels_, model.inertia_, chosen))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_leave_out_no_sample_whose_label_changes(dtype):
    # Slowly moving centres of much overlap: what most iterations look at are few samples.
    x = blobs(6000, 8, 30, seed=5, spread=1.5, offset=50.0).astype(dtype)
    centers = x[:30]
    model = KMeans(30, init=centers, tol=0, max_iter=60).fit(x)
    one_by_one = centers
    for _ in range(model.n_iter_):  # each fit begins without bounds
        step = KMeans(30, init=one_by_one, tol=0, max_iter=1).fit(x)
        one_by_one = step.cluster_centers_
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(model.cluster_centers_, one_by_one, rtol=tolerance)
    np.testing.assert_array_equal(model.labels_, step.labels_)


@pytest.mark.parametrize("ended", [{"max_iter": 3}, {"tol": 0.05}])
def test_labels_are_those_of_the_centres_however_it_ended(ended):
    x = blobs(3000, 8, 20, seed=2, spread=2.0)
    model = KMeans(20, init=x[:20], **ended).fit(x)
    near = distances(x, model.cluster_centers_).argmin(axis=1)
    np.testing.assert_array_equal(model.labels_, near)
    assert model.n_iter_ < KMeans(20, init=x[:20], tol=0).fit(x).n_iter_


def test_pauses_between_iterations_change_nothing(monkeypatch):
    x = blobs(3000, 8, 20, seed=2, spread=2.0)
    expected = KMeans(20, init=x[:20], tol=0).fit(x)
    monkeypatch.setattr("unitgain.cluster.kmeans._OPERATIONS_A_CALL", 4.0 * x.size * 20)
    model = KMeans(20, init=x[:20], tol=0).fit(x)
    assert model.n_iter_ == expected.n_iter_
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    np.testing.assert_allclose(model.cluster_centers_, expected.cluster_centers_, rtol=1e-12)


def test_an_offset_costs_no_digits():
    x = blobs(2000, 6, 5, seed=8, spread=0.5).astype(np.float32)
    moved = x + np.float32(4096)  # exactly, but for bits that x - 4096 has lost alike
    model = KMeans(5, init=moved[:5]).fit(moved)
    labels, _, _ = lloyd(moved, np.ones(len(x)), moved[:5])
    np.testing.assert_array_equal(model.labels_, labels)


def test_a_cluster_without_samples_takes_the_farthest():
    x = np.array([[0.0], [1.0], [2.0], [30.0]])
    model = KMeans(2, init=[[1.0], [500.0]], max_iter=1).fit(x)
    assert sorted(model.cluster_centers_[:, 0]) == [1.0, 30.0]


def test_fractional_weights_that_leave_a_cluster_leave_nothing():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.random((50, 1)), 10 + rng.random((50, 1)), [[4.9], [5.0], [5.1]]])
    weights = np.full(len(x), 0.1)
    init = [[5.0], [0.0], [1.0], [10.0], [11.0], [5.2]]
    model = KMeans(6, init=init, tol=0).fit(x, sample_weight=weights)
    labels, centers, _ = lloyd(x, weights, np.array(init))
    np.testing.assert_array_equal(model.labels_, labels)
    np.testing.assert_allclose(model.cluster_centers_, centers, rtol=1e-13)


def test_samples_of_weight_zero_do_not_count():
    x = blobs(400, 3, 4)
    keep = np.random.default_rng(0).random(400) < 0.5
    some = KMeans(4, init=x[:4]).fit(x, sample_weight=keep)
    alone = KMeans(4, init=x[:4]).fit(x[keep])
    np.testing.assert_allclose(some.cluster_centers_, alone.cluster_centers_, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_samples_that_are_all_equal_are_one_cluster(k):
    x = np.full((5, 2), 3.0)
    model = KMeans(k, random_state=0)
    if k == 1:
        model.fit(x)
    else:
        with pytest.warns(UserWarning, match=f"1 different clusters.*n_clusters={k}"):
            model.fit(x)
    assert model.inertia_ == 0
    np.testing.assert_array_equal(model.cluster_centers_, np.full((k, 2), 3.0))
    np.testing.assert_array_equal(model.labels_, 0)


def test_as_many_clusters_as_samples_are_the_samples():
    x = np.random.default_rng(0).standard_normal((20, 3))
    model = KMeans(20, random_state=0).fit(x)
    assert model.inertia_ == 0
    assert len(set(model.labels_)) == 20


def test_duplicates_are_found_as_one():
    x = np.repeat([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]], 10, axis=0)
    for seed in range(5):
        model = KMeans(3, random_state=seed).fit(x)
        assert model.inertia_ == 0
        assert sorted(map(tuple, model.cluster_centers_)) == [(0, 0), (1, 1), (5, 5)]


@pytest.mark.parametrize(
    ("arguments", "x", "message"),
    [
        ({}, [[1.0, np.nan]], r"X contains NaN at \[0, 1\]"),
        ({}, [[1.0], [-np.inf]], r"X contains infinity at \[1, 0\]"),
        ({}, [1.0, 2.0], "2 dimensions"),
        ({}, np.empty((0, 3)), "0 sample"),
        ({}, np.empty((3, 0)), "0 feature"),
        ({"n_clusters": 3}, [[1.0], [2.0]], "n_samples=2 should be >= n_clusters=3"),
        ({"n_clusters": 0}, [[1.0]], "n_clusters is 0, expected at least 1"),
        ({"init": [[1.0, 2.0]]}, [[1.0]], r"init has shape \(1, 2\)"),
        ({"init": "kmeans"}, [[1.0]], "init is 'kmeans'"),
        ({"n_init": 0}, [[1.0]], "n_init is 0"),
        ({"n_init": "ten"}, [[1.0]], "n_init is 'ten'"),
        ({"max_iter": 0}, [[1.0]], "max_iter is 0"),
        ({"tol": -1}, [[1.0]], "tol is -1"),
        ({"algorithm": "fast"}, [[1.0]], "algorithm is 'fast'"),
        ({"random_state": -1}, [[1.0]], "seed must be in"),
        ({"n_clusters": 1}, np.float32([[1e30], [-1e30]]), "too large for float32: scale it, or"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, x, message):
    with pytest.raises(ValueError, match=message):
        KMeans(**{"n_clusters": 1, **arguments}).fit(x)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "sample_weight has shape"),
        ([1.0, -1.0], "at least 0"),
        ([1.0, np.nan], "must be finite"),
        ([0.0, 0.0], "0 for all samples"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        KMeans(1).fit([[1.0], [2.0]], sample_weight=weights)


def test_types_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match=r"n_clusters is 2\.5"):
        KMeans(2.5).fit([[1.0], [2.0], [3.0]])
    with pytest.raises(TypeError, match="expected numbers"):
        KMeans(1).fit([["a"], ["b"]])


def test_an_estimator_that_is_not_fitted_says_so():
    for name in ("predict", "transform", "score"):
        with pytest.raises(ValueError, match="this KMeans is not fitted"):
            getattr(KMeans(2), name)([[1.0]])
    model = KMeans(1).fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="X has 3 features, expected 2"):
        model.predict([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("make", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
def test_strides_and_types_do_not_matter(make):
    x = np.random.default_rng(0).integers(0, 9, (200, 6))
    expected = KMeans(4, random_state=0).fit(x.astype(np.float64))
    for given_x in (make(x.astype(np.float64)), x, x.astype(np.float16), x[::-1][::-1].tolist()):
        model = KMeans(4, random_state=0).fit(given_x)
        np.testing.assert_array_equal(model.cluster_centers_, expected.cluster_centers_)


def test_samples_are_not_changed():
    x = blobs(100, 3, 2)
    before = x.copy()
    x.flags.writeable = False
    init = x[:2].copy()
    KMeans(2, init=init).fit(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(init, before[:2])


def test_parameters_are_read_set_and_shown():
    model = KMeans(5, tol=0.0)
    assert model.get_params()["n_clusters"] == 5
    assert model.set_params(n_clusters=3, init="random") is model
    assert (model.n_clusters, model.init) == (3, "random")
    assert repr(model) == "KMeans(n_clusters=3, init='random', tol=0.0)"
    with pytest.raises(ValueError, match="did you mean 'n_clusters'"):
        model.set_params(n_cluster=2)


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_a_seed_says_what_comes(init):
    x = blobs(500, 4, 6, spread=3.0)
    make = lambda seed: KMeans(6, init=init, n_init=2, random_state=seed).fit(x).cluster_centers_  # noqa: E731
    np.testing.assert_array_equal(make(1), make(1))
    np.testing.assert_array_equal(make(np.random.RandomState(1)), make(np.random.RandomState(1)))
    assert not np.array_equal(make(1), make(2))


def test_more_runs_find_no_worse_clusters():
    x = blobs(400, 2, 12, spread=0.3)
    once = [KMeans(12, init="random", n_init=1, random_state=s).fit(x).inertia_ for s in range(5)]
    often = KMeans(12, init="random", n_init=10, random_state=0).fit(x).inertia_
    assert often <= min(once[0], np.median(once))


def test_a_function_may_choose_the_first_centres():
    x = blobs(100, 2, 3)
    seen = []

    def first(X, n_clusters, random_state):
        seen.append(random_state.random_sample())
        return X[:n_clusters]

    model = KMeans(3, init=first, n_init=1, random_state=0).fit(x)
    expected = KMeans(3, init=x[:3]).fit(x)
    np.testing.assert_array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert len(seen) == 1


# ---- k-means++ ----


def test_seeding_chooses_different_samples():
    x = blobs(300, 5, 10)
    centers, indices = kmeans_plusplus(x, 50, random_state=0)
    np.testing.assert_array_equal(centers, x[indices])
    assert len(set(indices.tolist())) == 50


def test_seeding_draws_by_squared_distance():
    # One trial: the second centre's probabilities are known.
    x = np.array([[0.0], [1.0], [3.0]])
    weights = np.array([1.0, 2.0, 1.0])
    pairs = np.zeros((3, 3))
    draws = 4000
    for seed in range(draws):
        first, second = kmeans_plusplus(
            x, 2, sample_weight=weights, random_state=seed, n_local_trials=1
        )[1]
        pairs[first, second] += 1
    share = weights * (x - x[:, 0]) ** 2
    expected = (weights / weights.sum())[:, None] * share / share.sum(axis=1, keepdims=True)
    deviation = np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(pairs / draws - expected) <= 4 * deviation + 1e-12).all()


def test_seeding_is_about_as_good_as_scikit_learns():
    cluster = pytest.importorskip("sklearn.cluster")
    x = blobs(2000, 8, 20, spread=0.5)

    def potential(centers):
        return distances(x, centers).min(axis=1).sum()

    ours = [potential(kmeans_plusplus(x, 20, random_state=s)[0]) for s in range(12)]
    theirs = [potential(cluster.kmeans_plusplus(x, 20, random_state=s)[0]) for s in range(12)]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.2)


def test_seeding_skips_samples_without_weight():
    x = np.arange(10.0).reshape(-1, 1)
    weights = np.where(np.arange(10) < 4, 1.0, 0.0)
    for seed in range(20):
        indices = kmeans_plusplus(x, 4, sample_weight=weights, random_state=seed)[1]
        assert sorted(indices.tolist()) == [0, 1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    features=st.integers(1, 20),
    k=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-12, 1.0, 1e9]),
)
def test_every_sample_has_its_nearest_centre_and_every_centre_its_mean(n, features, k, seed, scale):
    rng = np.random.default_rng(seed)
    x = scale * rng.integers(-3, 4, (n, features)).astype(np.float64)
    k = min(k, len(np.unique(x, axis=0)))
    model = KMeans(k, random_state=seed, tol=0).fit(x)
    squares = distances(x, model.cluster_centers_)
    own = squares[np.arange(n), model.labels_]
    slack = 1e-12 * scale**2 * features
    assert (own <= squares.min(axis=1) + slack).all()
    assert len(set(model.labels_)) == k
    for j in range(k):
        mean = x[model.labels_ == j].mean(axis=0)
        np.testing.assert_allclose(model.cluster_centers_[j], mean, atol=1e-12 * scale)
