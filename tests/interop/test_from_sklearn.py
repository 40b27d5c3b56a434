"""Estimators of scikit-learn become models whose outputs are what they predict."""

import numpy as np
import pytest

import unitgain as ug

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import linear_model
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(8)
X = 100 + RNG.standard_normal((120, 5)) * np.arange(1, 6)
SCALED = (X - X.mean(axis=0)) / X.std(axis=0)
SCORES = SCALED @ RNG.standard_normal((5, 3)) + 0.3 * RNG.standard_normal((120, 3))
TWO, THREE = np.where(SCORES[:, 0] > 0, "yes", "no"), SCORES.argmax(axis=1)
SHORT = {"max_iter": 8, "random_state": 0}

PROBABILITIES = {
    "two": (MLPClassifier(7, **SHORT), TWO),
    "three": (MLPClassifier((7, 4), "tanh", **SHORT), THREE),
    "logistic": (MLPClassifier(7, "logistic", **SHORT), THREE),
    "identity": (MLPClassifier(7, "identity", **SHORT), THREE),
    "labels": (MLPClassifier(7, **SHORT), SCORES > 0),
    "logistic two": (linear_model.LogisticRegression(), TWO),
    "logistic three": (linear_model.LogisticRegression(), THREE),
    "liblinear": (linear_model.LogisticRegression(solver="liblinear"), TWO),
    "cross-validated": (linear_model.LogisticRegressionCV(Cs=2, cv=2, use_legacy_attributes=False,
                        scoring="accuracy", l1_ratios=(0,)), THREE),
    "stochastic two": (linear_model.SGDClassifier("log_loss", random_state=0), TWO),
    "stochastic three": (linear_model.SGDClassifier("log_loss", random_state=0), THREE),
}  # fmt: skip
DECISIONS = {
    "hinge": (linear_model.SGDClassifier(random_state=0), THREE),
    "hinge of two": (linear_model.SGDClassifier(random_state=0), TWO),
    "perceptron": (linear_model.Perceptron(), THREE),
    "perceptron of two": (linear_model.Perceptron(fit_intercept=False), TWO),
}
REGRESSORS = {
    "network": (MLPRegressor(hidden_layer_sizes=(6, 5), **SHORT), SCORES[:, 0]),
    "network of three": (MLPRegressor(hidden_layer_sizes=6, activation="tanh", **SHORT), SCORES),
    "poisson": (MLPRegressor(hidden_layer_sizes=6, loss="poisson", **SHORT), abs(SCORES[:, 0])),
    "linear": (linear_model.LinearRegression(), SCORES[:, 0]),
    "linear of three": (linear_model.LinearRegression(fit_intercept=False), SCORES),
    "ridge": (linear_model.Ridge(2.0), SCORES[:, 0]),
    "ridge of three": (linear_model.Ridge(2.0), SCORES),
}


def converted(estimator, y, x=SCALED, **keywords):
    estimator.fit(x, y)
    return ug.convert.from_sklearn(estimator, **keywords)


@pytest.mark.parametrize("name", PROBABILITIES)
def test_outputs_are_the_probabilities(name):
    estimator, y = PROBABILITIES[name]
    model = converted(estimator, y)
    assert model.dtype == "float64"
    np.testing.assert_allclose(model.predict(SCALED), estimator.predict_proba(SCALED), 1e-10, 1e-12)


@pytest.mark.parametrize("name", DECISIONS)
def test_outputs_are_the_decision_function_where_there_are_no_probabilities(name):
    estimator, y = DECISIONS[name]
    found = converted(estimator, y).predict(SCALED)
    expected = estimator.decision_function(SCALED)
    np.testing.assert_allclose(found, expected.reshape(len(found), -1), 1e-10, 1e-10)
    if found.shape[1] > 1:
        assert np.array_equal(estimator.classes_[found.argmax(axis=1)], estimator.predict(SCALED))


@pytest.mark.parametrize("name", REGRESSORS)
def test_outputs_are_the_predictions(name):
    estimator, y = REGRESSORS[name]
    found = converted(estimator, y).predict(SCALED)
    expected = estimator.predict(SCALED)
    np.testing.assert_allclose(found, expected.reshape(len(found), -1), 1e-10, 1e-12)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        StandardScaler(with_mean=False, with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-2, 5)),
        MinMaxScaler(clip=True),
        MinMaxScaler((-2, 5), clip=True),
    ],
    ids=str,
)
def test_scalers_are_layers(scaler):
    x = np.column_stack([X, np.full(len(X), 3.0)])  # one feature is constant
    model = converted(scaler, None, x)
    for given in (x, 3 * x):
        np.testing.assert_allclose(model.predict(given), scaler.transform(given), 1e-11, 1e-11)


def test_a_pipeline_is_one_model_that_trains_on():
    pipeline = make_pipeline(
        StandardScaler(), "passthrough", make_pipeline(MinMaxScaler(), MLPClassifier(9, **SHORT))
    )
    model = converted(pipeline, THREE, X)
    np.testing.assert_allclose(model.predict(X), pipeline.predict_proba(X), 1e-9, 1e-11)
    model.compile(ug.optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    ug.random.seed(1)
    scaler = model.layers[0].get_weights()
    before = model.evaluate(X, THREE)
    model.fit(X, THREE, epochs=100, verbose=0)
    after = model.evaluate(X, THREE)
    assert after[0] < before[0] / 2
    assert after[1] > 0.9
    for one, other in zip(scaler, model.layers[0].get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_classifier_of_two_classes_trains_on():
    model = converted(linear_model.LogisticRegression(C=1e-3), TWO)
    model.compile(ug.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    labels = TWO == "yes"
    before = model.evaluate(SCALED, labels)
    model.fit(SCALED, labels, epochs=20, verbose=0)
    assert model.evaluate(SCALED, labels) < before / 2


def test_dtypes():
    estimator = MLPRegressor(hidden_layer_sizes=6, **SHORT).fit(
        SCALED.astype(np.float32), SCORES.astype(np.float32)
    )
    assert ug.convert.from_sklearn(estimator).dtype == "float32"
    model = ug.convert.from_sklearn(estimator, "float64", name="network")
    assert (model.dtype, model.name) == ("float64", "network")


def test_what_does_not_map_is_named():
    ridge = linear_model.Ridge()
    with pytest.raises(ValueError, match="a Ridge: it is not fitted"):
        ug.convert.from_sklearn(ridge)
    with pytest.raises(TypeError, match="a SVC, expected one of LinearRegression"):
        ug.convert.from_sklearn(SVC())
    step = linear_model.SGDClassifier("modified_huber")
    message = "the step 'sgdclassifier', a SGDClassifier: its loss is 'modified_huber'"
    with pytest.raises(ValueError, match=message):
        converted(make_pipeline(StandardScaler(), step), THREE)
    with pytest.raises(TypeError, match="a PCA, expected"):
        converted(make_pipeline(PCA(), ridge), SCORES)


def test_an_estimator_of_ours_has_its_model():
    from unitgain.sklearn import MLPRegressor

    estimator = MLPRegressor(max_iter=2).fit(SCALED, SCORES)
    with pytest.raises(TypeError, match="its model is its model_"):
        ug.convert.from_sklearn(estimator)
