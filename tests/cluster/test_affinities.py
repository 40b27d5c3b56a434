"""Affinities to centres: from the estimators, as features, and as a layer."""

import numpy as np
import pytest

import unitgain as ug
from unitgain.cluster import ClusterFeatures, KMeans
from unitgain.layers import ClusterAffinity, Dense, Input

AFFINITIES = ("distance", "rbf", "soft", "one_hot")


def expected_of(x, centers, affinity, bandwidth):
    """Return the affinities by their formulas, in float64."""
    x, centers = x.astype(np.float64), centers.astype(np.float64)
    squares = ((x[:, None] - centers) ** 2).sum(axis=2)
    if affinity == "distance":
        return np.sqrt(squares)
    if affinity == "one_hot":
        return np.eye(len(centers))[squares.argmin(axis=1)]
    exponents = -squares / (2 * bandwidth**2)
    if affinity == "rbf":
        return np.exp(exponents)
    shares = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def data(n=300, features=7, dtype=np.float64):
    return (2 + 3 * np.random.default_rng(0).standard_normal((n, features))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("affinity", AFFINITIES)
@pytest.mark.parametrize(("features", "k"), [(1, 1), (7, 5), (40, 33), (3, 70)])
def test_affinities_are_those_of_the_formulas(dtype, affinity, features, k):
    x = data(200, features, dtype)
    model = KMeans(k, random_state=0).fit(x)
    made = model.transform(x, affinity=affinity)
    assert made.dtype == dtype
    assert made.shape == (200, k)
    expected = expected_of(x, model.cluster_centers_, affinity, model.bandwidth_)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(made, expected, rtol=400 * eps, atol=200 * eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_distances_are_accurate(dtype):
    # From the products alone, of 1000 - 1000.001 nothing would be left in float32.
    x = np.array([[1000.0, 1000.0], [1000.0, 1000.0009765625], [0.0, 1.0]], dtype)
    model = KMeans(3, init=x).fit(x)
    made = model.transform(x)
    np.testing.assert_array_equal(np.diag(made), 0)
    assert made[0, 1] == np.float64(0.0009765625)


def test_the_bandwidth_is_the_distance_from_the_own_centre():
    x = data()
    model = KMeans(4, random_state=0).fit(x)
    assert model.bandwidth_ == pytest.approx(np.sqrt(model.inertia_ / len(x)))
    wide = model.transform(x, affinity="rbf", bandwidth=1e6)
    np.testing.assert_allclose(wide, 1, atol=1e-9)
    apart = np.array([[0.0], [4.0]])
    assert KMeans(2, random_state=0).fit(apart).bandwidth_ == 2.0
    assert KMeans(1).fit(apart[:1]).bandwidth_ == 1.0


def test_what_is_no_affinity_is_refused():
    model = KMeans(2, random_state=0).fit(data())
    with pytest.raises(ValueError, match=r"affinity is 'rfb'.*did you mean 'rbf'"):
        model.transform(data(), affinity="rfb")
    for bandwidth in (0, -1.0, float("nan"), float("inf"), "wide"):
        with pytest.raises(ValueError, match="bandwidth is"):
            model.transform(data(), affinity="rbf", bandwidth=bandwidth)


# ---- features ----


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("affinity", AFFINITIES)
def test_features_are_affinities(affinity, append):
    x = data()
    model = ClusterFeatures(5, affinity, append, random_state=0)
    made = model.fit_transform(x)
    expected = KMeans(5, random_state=0).fit(x).transform(x, affinity=affinity)
    np.testing.assert_array_equal(made[:, -5:], expected)
    if append:
        np.testing.assert_array_equal(made[:, :7], x)
    assert made.shape == (300, 5 + 7 * append)
    assert len(model.get_feature_names_out()) == made.shape[1]
    np.testing.assert_array_equal(model.transform(x[:3]), made[:3])


def test_features_have_names_and_parameters():
    model = ClusterFeatures(2, append=True, bandwidth=0.5, random_state=0).fit(data(features=2))
    names = ["x0", "x1", "clusterfeatures0", "clusterfeatures1"]
    assert model.get_feature_names_out().tolist() == names
    assert model.get_feature_names_out(["a", "b"]).tolist() == ["a", "b", *names[2:]]
    assert model.bandwidth_ == 0.5
    assert model.get_params()["append"] is True
    with pytest.raises(ValueError, match="not fitted"):
        ClusterFeatures(2).transform(data())


def test_features_work_in_scikit_learns_pipelines():
    pipeline = pytest.importorskip("sklearn.pipeline")
    linear = pytest.importorskip("sklearn.linear_model")
    x = data()
    y = (x[:, 0] > 2) ^ (x[:, 1] > 2)
    model = pipeline.make_pipeline(
        ClusterFeatures(30, "rbf", random_state=0), linear.LogisticRegression(C=10)
    )
    assert model.fit(x, y).score(x, y) > 0.8


# ---- the layer ----


def adapted(affinity, x, dtype="float64", **keywords):
    layer = ClusterAffinity(4, affinity, **keywords)
    layer.adapt(x, random_state=0)
    return ug.Sequential([Input(x.shape[1:], dtype=dtype), layer]), layer


@pytest.mark.parametrize("affinity", AFFINITIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_layer_makes_what_the_estimator_makes(affinity, dtype):
    x = data(dtype=dtype)
    model, layer = adapted(affinity, x, dtype)
    found = KMeans(4, random_state=0).fit(x.astype(np.float32))
    np.testing.assert_allclose(layer.centers, found.cluster_centers_, rtol=1e-5)
    expected = expected_of(x, layer.centers, affinity, found.bandwidth_)
    tolerance = 1e-4 if dtype == "float32" else 1e-6
    np.testing.assert_allclose(model.predict(x), expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(model(x[:5]), expected[:5], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("affinity", AFFINITIES)
def test_gradients_are_those_of_differences(affinity):
    rng = np.random.default_rng(1)
    x, y = data(9, 3), rng.standard_normal((9, 2))
    ug.random.seed(0)
    layer = ClusterAffinity(4, affinity, bandwidth=1.5, trainable=True)
    hidden = Dense(3, activation="tanh")
    model = ug.Sequential([Input((3,), dtype="float64"), hidden, layer, Dense(2)])
    model.compile("sgd", "mse")
    layer._centers.assign(rng.standard_normal((4, 3)))
    gradients = model.gradients(x, y)[1]
    assert len(gradients) == 5
    step = 1e-6
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        for index in np.ndindex(weight.shape):
            value = weight.array[index]
            weight.array[index] = value + step
            above = model.gradients(x, y)[0]
            weight.array[index] = value - step
            below = model.gradients(x, y)[0]
            weight.array[index] = value
            assert gradient[index] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_centres_stay_unless_they_are_trainable():
    x = data(100, 3)
    for trainable in (False, True):
        model = ug.Sequential([Input((3,)), ClusterAffinity(4, trainable=trainable), Dense(1)])
        layer = model.layers[0]
        layer.adapt(x, random_state=0)
        model.compile("adam", "mse")
        before = layer.centers.copy()
        model.fit(x, x[:, 0], epochs=2, verbose=0)
        assert np.array_equal(before, layer.centers) is not trainable
        assert len(model.trainable_weights) == 2 + trainable


def test_a_saved_model_holds_the_centres(tmp_path):
    x = data()
    model, _ = adapted("soft", x, "float32")
    model.save(tmp_path / "model.safetensors")
    loaded = ug.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    again = ug.layers.deserialize(ug.layers.serialize(model.layers[0]))
    assert (again.n_clusters, again.affinity, again.bandwidth) == (4, "soft", "auto")


def test_the_layer_takes_batches_and_sequences():
    x = data(240, 6)
    whole, batched = ClusterAffinity(3), ClusterAffinity(3)
    whole.adapt(x, random_state=0)
    batched.adapt(iter(np.split(x, 4)), random_state=0)
    np.testing.assert_array_equal(whole.centers, batched.centers)
    model = ug.Sequential([Input((2, 6)), whole])
    assert model.output_shape[-2:] == (2, 3)
    made = model.predict(x.reshape(120, 2, 6))
    np.testing.assert_allclose(
        made.reshape(240, 3), ug.Sequential([Input((6,)), batched])(x), rtol=1e-5
    )


def test_what_the_layer_cannot_use_is_refused():
    with pytest.raises(ValueError, match="n_clusters is 0"):
        ClusterAffinity(0)
    with pytest.raises(ValueError, match="affinity is 'none'"):
        ClusterAffinity(2, "none")
    with pytest.raises(ValueError, match="bandwidth is -1"):
        ClusterAffinity(2, bandwidth=-1)
    with pytest.raises(ValueError, match="n_samples=1 should be >= n_clusters=2"):
        ClusterAffinity(2).adapt([[1.0]])
