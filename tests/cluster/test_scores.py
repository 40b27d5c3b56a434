"""Silhouettes, inertia curves, and the number of clusters."""

import sys

import numpy as np
import pytest

from unitgain import cluster


def blobs(n, k, seed=0, spread=0.6):
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(k) / k
    centers = 6 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.arange(n) % k
    return centers[labels] + spread * rng.standard_normal((n, 2)), labels


def silhouettes(x, labels):
    """Return them by their definition."""
    apart = np.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    made = []
    for i, own in enumerate(labels):
        mine = np.flatnonzero(labels == own)
        if len(mine) == 1:
            made.append(0.0)
            continue
        a = apart[i, mine].sum() / (len(mine) - 1)
        b = min(apart[i, labels == other].mean() for other in set(labels) - {own})
        made.append((b - a) / max(a, b) if max(a, b) > 0 else 0.0)
    return np.array(made)


@pytest.mark.parametrize(("n", "features"), [(3, 1), (60, 2), (1300, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silhouettes_are_those_of_the_definition(n, features, dtype):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, features)).astype(dtype) + 7
    labels = rng.integers(0, 4, n)
    labels[:3] = [0, 0, 9]
    made = cluster.silhouette_samples(x, labels)
    expected = silhouettes(x.astype(np.float64), labels)
    np.testing.assert_allclose(made, expected, rtol=1e-6, atol=1e-8)
    assert cluster.silhouette_score(x, labels) == pytest.approx(expected.mean())


def test_scikit_learn_says_the_same():
    metrics = pytest.importorskip("sklearn.metrics")
    x, labels = blobs(500, 5)
    expected = metrics.silhouette_score(x, labels)
    assert cluster.silhouette_score(x, labels) == pytest.approx(expected, rel=1e-9)
    names = np.array(list("abcde"))[labels]
    assert cluster.silhouette_score(x, names) == pytest.approx(expected, rel=1e-9)
    some = cluster.silhouette_score(x, labels, sample_size=200, random_state=0)
    assert some == pytest.approx(expected, rel=0.05)


def test_duplicates_have_silhouettes():
    x = np.repeat([[0.0], [1.0]], 3, axis=0)
    np.testing.assert_allclose(cluster.silhouette_samples(x, [0, 0, 0, 1, 1, 1]), 1.0)
    np.testing.assert_array_equal(cluster.silhouette_samples(np.ones((4, 1)), [0, 0, 1, 1]), 0.0)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0, 1]])
def test_labels_without_silhouettes_are_refused(labels):
    with pytest.raises(ValueError, match="labels has"):
        cluster.silhouette_score([[0.0], [1.0], [2.0]], labels)


@pytest.mark.parametrize("criterion", ["silhouette", "elbow"])
@pytest.mark.parametrize("k", [3, 5])
def test_the_number_of_clusters_is_found(criterion, k):
    x, _ = blobs(400, k)
    found = cluster.choose_n_clusters(x, range(2, 10), criterion=criterion, random_state=0)
    assert found.n_clusters == k
    assert found.criterion == criterion
    np.testing.assert_array_equal(found.candidates, np.arange(2, 10))
    curve = cluster.inertia_curve(x, range(2, 10), random_state=0)
    np.testing.assert_array_equal(found.inertias, curve)
    assert (np.diff(curve) < 0).all()
    assert np.isfinite(found.silhouettes).all()


def test_candidates_that_have_no_silhouette_do_not_count():
    x, _ = blobs(4, 2)
    found = cluster.choose_n_clusters(x, [1, 2, 4], random_state=0)
    assert found.n_clusters == 2
    assert np.isnan(found.silhouettes[[0, 2]]).all()
    with pytest.raises(ValueError, match="no candidate has a silhouette"):
        cluster.choose_n_clusters(x, [1])
    with pytest.raises(ValueError, match="too few for 'elbow'"):
        cluster.choose_n_clusters(x, [2, 3], criterion="elbow")
    with pytest.raises(ValueError, match="criterion is 'gap'"):
        cluster.choose_n_clusters(x, [2], criterion="gap")


def test_the_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    x, _ = blobs(60, 3)
    found = cluster.choose_n_clusters(x, range(2, 6), random_state=0)
    found.plot(tmp_path / "counts.png")
    assert (tmp_path / "counts.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="its name must end in"):
        found.plot(tmp_path / "counts.txt")


def test_drawing_without_matplotlib_names_the_extra(monkeypatch, tmp_path):
    found = cluster.choose_n_clusters(blobs(30, 2)[0], [2, 3], random_state=0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"unitgain\[plot\]"):
        found.plot(tmp_path / "counts.png")
