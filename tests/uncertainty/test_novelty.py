"""Strange samples: scores, areas and thresholds against scikit-learn and formulas."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import roc_auc_score

import unitgain as ug
from unitgain import layers
from unitgain import uncertainty as unc

RNG = np.random.default_rng(2)
X = RNG.standard_normal((300, 5))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
FAR = RNG.standard_normal((40, 5)) + 8


@pytest.fixture(scope="module")
def model():
    ug.random.seed(0)
    net = ug.Sequential(
        [
            layers.Input((5,), "float64"),
            layers.Dense(12, activation="tanh", name="features"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(X, Y, epochs=5, verbose=0)
    return net


def logits(model, x):
    first, a, second, b = model.get_weights()
    return np.tanh(x @ first + a) @ second + b


def test_scores_of_logits_are_the_formulas(model):
    z = logits(model, FAR)
    p = np.exp(log_softmax(z, axis=1))
    expected = {
        "msp": -p.max(axis=1),
        "entropy": -(p * np.log(p)).sum(axis=1),
        "energy": -logsumexp(z, axis=1),
        "max_logit": -z.max(axis=1),
    }
    for method, values in expected.items():
        found = unc.OutOfDistribution(model, method).score(FAR)
        np.testing.assert_allclose(found, values, rtol=1e-9)


def test_mahalanobis_is_the_distance_to_the_nearest_class(model):
    first, a = model.get_weights()[:2]
    known, far = np.tanh(X @ first + a), np.tanh(FAR @ first + a)
    means = np.stack([known[c == Y].mean(0) for c in range(3)])
    inverse = np.linalg.inv(np.cov((known - means[Y]).T, bias=True))
    expected = [min(mahalanobis(f, m, inverse) ** 2 for m in means) for f in far]
    detector = unc.OutOfDistribution(model, "mahalanobis").fit(X, Y)
    np.testing.assert_allclose(detector.score(FAR), expected, rtol=1e-6)
    named = unc.OutOfDistribution(model, "mahalanobis", layer="features").fit(X, Y)
    np.testing.assert_array_equal(named.score(FAR), detector.score(FAR))


def test_knn_is_the_distance_to_the_kth_neighbour(model):
    first, a = model.get_weights()[:2]
    known, far = (np.tanh(part @ first + a) for part in (X, FAR))
    known, far = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (known, far))
    detector = unc.OutOfDistribution(model, "knn", k=5).fit(X)
    expected = np.sort(cdist(far, known), axis=1)[:, 4]
    np.testing.assert_allclose(detector.score(FAR), expected, atol=1e-7)
    own = np.sort(cdist(known, known), axis=1)[:, 5]
    assert detector.threshold == pytest.approx(np.sort(own)[284], abs=1e-7)


def test_threshold_accepts_the_stated_share(model):
    for method in ("msp", "energy", "mahalanobis"):
        detector = unc.OutOfDistribution(model, method).fit(X, Y, tpr=0.9)
        assert (~detector.predict(X)).mean() == pytest.approx(0.9, abs=0.004)


def test_disagreement_is_the_ensembles():
    def build():
        net = ug.Sequential([layers.Input((5,)), layers.Dense(3, activation="softmax")])
        net.compile("adam", "sparse_categorical_crossentropy")
        return net

    many = unc.Ensemble(build, 3)
    found = unc.OutOfDistribution(many, "disagreement").score(FAR)
    np.testing.assert_array_equal(found, many.uncertainty(FAR).epistemic)
    with pytest.raises(ValueError, match="does not go with"):
        unc.OutOfDistribution(many, "energy")


def test_what_is_missing_is_said(model):
    with pytest.raises(ValueError, match="expected one of msp"):
        unc.OutOfDistribution(model, "guess")
    with pytest.raises(ValueError, match=r"call fit\(x\) first"):
        unc.OutOfDistribution(model, "knn").score(X)
    with pytest.raises(ValueError, match=r"call fit\(x\) first"):
        unc.OutOfDistribution(model).predict(X)
    with pytest.raises(ValueError, match="y has 2 labels for 300"):
        unc.OutOfDistribution(model, "mahalanobis").fit(X, [0, 1])


def test_areas_are_scikit_learns():
    a, b = RNG.integers(0, 20, 200), RNG.integers(5, 25, 90)  # with ties
    labels, scores = np.r_[np.zeros(200), np.ones(90)], np.r_[a, b]
    assert unc.auroc(a, b) == pytest.approx(roc_auc_score(labels, scores))
    values = RNG.random(200)
    others = RNG.random(90) + 0.3
    assert unc.fpr_at_tpr(values, others) == (others <= np.sort(values)[189]).mean()
    errors = RNG.random(100) < 0.2
    doubt = RNG.permutation(100)
    ordered = errors[np.argsort(doubt)]
    expected = np.mean([ordered[:n].mean() for n in range(1, 101)])
    assert unc.aurc(errors, doubt) == pytest.approx(expected)
    assert unc.aurc(errors, np.zeros(100)) == pytest.approx(errors.mean())


def test_mahalanobis_keeps_the_certificate_and_warns_of_a_poor_one(model, monkeypatch):
    detector = unc.OutOfDistribution(model, "mahalanobis").fit(X, Y)
    assert detector.certificate.rank == 12
    assert detector.certificate.residual < 1e-9
    copied = ug.Sequential([layers.Input((10,), "float64"), layers.Dense(2)])
    twice = np.concatenate([X, X], axis=1)  # ten columns of rank five
    of_inputs = unc.OutOfDistribution(copied, "mahalanobis").fit(twice, Y)
    assert of_inputs.certificate.rank == 5
    found = of_inputs.score(np.concatenate([FAR, FAR], axis=1))
    means = np.stack([X[c == Y].mean(0) for c in range(3)])
    inverse = np.linalg.inv(np.cov((X - means[Y]).T, bias=True))
    expected = [min(mahalanobis(f, m, inverse) ** 2 for m in means) for f in FAR]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    monkeypatch.setattr(unc.novelty, "_LEAST_EXACT", 0.0)
    with pytest.warns(UserWarning, match="take another layer"):
        unc.OutOfDistribution(model, "mahalanobis").fit(X, Y)
