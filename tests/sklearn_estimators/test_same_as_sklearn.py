"""The same arguments give scikit-learn's networks: weights, losses, epochs, scores, predictions."""

import inspect

import numpy as np
import pytest
from sklearn import linear_model, neural_network
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_wine,
    make_multilabel_classification,
)
from sklearn.preprocessing import StandardScaler

from unitgain.sklearn import (
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Ridge,
)

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(load):
    x, y = load(return_X_y=True)
    return StandardScaler().fit_transform(x), y


CANCER, WINE = table(load_breast_cancer), table(load_wine)
X, Y = load_diabetes(return_X_y=True)
DIABETES = X, (Y - Y.mean()) / Y.std()
LABELS = make_multilabel_classification(300, 10, random_state=0)
OUTPUTS = DIABETES[0], RNG.normal(size=(442, 3))
COUNTS = DIABETES[0], RNG.poisson(3, 442)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_constructors_take_scikit_learns_arguments_with_its_defaults(name):
    theirs = inspect.signature(getattr(neural_network, name)).parameters
    ours = inspect.signature({"MLPClassifier": MLPClassifier}.get(name, MLPRegressor)).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for argument, parameter in theirs.items():
        assert ours[argument].default == parameter.default
        assert ours[argument].kind == parameter.kind


def assert_same(theirs, ours, x, tolerance=1e-9):
    assert ours.n_iter_ == theirs.n_iter_
    assert (ours.n_layers_, ours.n_outputs_) == (theirs.n_layers_, theirs.n_outputs_)
    assert ours.out_activation_ == theirs.out_activation_
    for mine, their in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, their, rtol=tolerance, atol=tolerance)
    for mine, their in zip(ours.intercepts_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, their, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=max(tolerance, 1e-9))
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-6)
    for curve in ("loss_curve_", "validation_scores_"):
        mine, their = getattr(ours, curve, None), getattr(theirs, curve, None)
        assert (mine is None) == (their is None)
        if mine is not None:
            np.testing.assert_allclose(mine, their, rtol=tolerance, atol=tolerance)


SETTINGS = {
    "defaults": {},
    "two layers": {"hidden_layer_sizes": (20, 10), "batch_size": 50},
    "tanh in turn": {"activation": "tanh", "shuffle": False},
    "logistic": {"activation": "logistic"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01},
    "plain sgd": {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.3},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5},
    "betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2, "tol": 1e-3},
    "patience": {"n_iter_no_change": 2, "tol": 1e-2},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize(
    ("name", "data"), [("MLPClassifier", CANCER), ("MLPRegressor", DIABETES)], ids=["c", "r"]
)
def test_training_by_batches_is_scikit_learns(name, data, settings):
    given = {"max_iter": 25, "alpha": 0.0, "random_state": 3, **settings}
    theirs = getattr(neural_network, name)(**given).fit(*data)
    ours = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    assert_same(theirs, ours(**given, dtype="float64").fit(*data), data[0])


@pytest.mark.parametrize("data", [WINE, LABELS], ids=["wine", "labels"])
@pytest.mark.parametrize("early", [False, True])
def test_several_classes_and_several_labels(data, early):
    given = {"max_iter": 25, "alpha": 0.0, "random_state": 3, "early_stopping": early}
    theirs = neural_network.MLPClassifier(**given).fit(*data)
    ours = MLPClassifier(**given, dtype="float64").fit(*data)
    assert_same(theirs, ours, data[0])
    np.testing.assert_allclose(ours.predict_proba(data[0]), theirs.predict_proba(data[0]), 1e-8)


@pytest.mark.parametrize("data", [OUTPUTS, COUNTS], ids=["outputs", "counts"])
def test_several_outputs_and_counts(data):
    loss = "poisson" if data is COUNTS else "squared_error"
    given = {"loss": loss, "max_iter": 25, "alpha": 0.0, "random_state": 3}
    theirs = neural_network.MLPRegressor(**given).fit(*data)
    # The Poisson loss is of exp(output) + 1e-7.
    tolerance = 1e-5 if loss == "poisson" else 1e-9
    ours = MLPRegressor(**given, dtype="float64").fit(*data)
    assert_same(theirs, ours, data[0], tolerance)


@pytest.mark.parametrize("data", [WINE, OUTPUTS], ids=["c", "r"])
def test_the_penalty_of_one_batch_and_the_weights_of_samples_are_scikit_learns(data):
    x, y = data[0][:150], data[1][:150]
    weights = RNG.random(150)
    made = ("MLPClassifier", MLPClassifier) if data is WINE else ("MLPRegressor", MLPRegressor)
    given = {"max_iter": 25, "alpha": 3.0, "random_state": 3}
    theirs = getattr(neural_network, made[0])(**given).fit(x, y, weights)
    # The penalty of several outputs' losses is that of the last weights, not of those before.
    ours = made[1](**given, dtype="float64").fit(x, y, weights)
    for mine, their in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-9, atol=1e-9)
    if data is WINE:
        assert_same(theirs, ours, x)


@pytest.mark.parametrize("data", [WINE, CANCER, DIABETES, COUNTS], ids=["w", "c", "d", "p"])
def test_lbfgs_is_scikit_learns(data):
    given = {"solver": "lbfgs", "max_iter": 10, "random_state": 3, "alpha": 0.5}
    if data is DIABETES or data is COUNTS:
        given["loss"] = "poisson" if data is COUNTS else "squared_error"
        pair = neural_network.MLPRegressor, MLPRegressor
    else:
        pair = neural_network.MLPClassifier, MLPClassifier
    theirs, ours = (make(**given).fit(*data) for make in pair)
    assert_same(theirs, ours, data[0], 1e-4 if data is COUNTS else 1e-7)


def test_partial_fit_and_warm_starts_are_scikit_learns():
    x, y = CANCER
    made = []
    for make in (neural_network.MLPClassifier, MLPClassifier):
        own = {} if make is not MLPClassifier else {"dtype": "float64"}
        steps = make(alpha=0.0, random_state=3, **own)
        for first in range(0, 400, 100):
            steps.partial_fit(x[first : first + 100], y[first : first + 100], classes=[0, 1])
        warm = make(alpha=0.0, random_state=3, max_iter=5, warm_start=True, **own)
        made.append((steps, warm.fit(x, y).fit(x, y)))
    for theirs, ours in zip(*made, strict=True):
        assert_same(theirs, ours, x)
        assert ours.t_ == theirs.t_


def test_float32_follows_float64_to_its_digits():
    x, y = CANCER
    double = MLPClassifier(random_state=3, max_iter=20, dtype="float64").fit(x, y)
    single = MLPClassifier(random_state=3, max_iter=20).fit(x, y)
    assert (single.model_.dtype, double.model_.dtype) == ("float32", "float64")
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(single.predict_proba(x), double.predict_proba(x), atol=1e-3)


@pytest.mark.parametrize("data", [WINE, CANCER], ids=["wine", "cancer"])
@pytest.mark.parametrize("settings", [{}, {"C": 0.01}, {"fit_intercept": False}], ids=str)
def test_logistic_regression_has_scikit_learns_optimum(data, settings):
    given = {"tol": 1e-8, "max_iter": 2000, **settings}
    theirs = linear_model.LogisticRegression(**given).fit(*data)
    ours = LogisticRegression(**given).fit(*data)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, np.ravel(theirs.intercept_), atol=1e-5)
    np.testing.assert_allclose(
        ours.decision_function(data[0]), theirs.decision_function(data[0]), atol=1e-4
    )


@pytest.mark.parametrize("pair", [(LinearRegression, {}), (Ridge, {"alpha": 3.0})], ids=str)
@pytest.mark.parametrize("data", [DIABETES, OUTPUTS], ids=["one", "several"])
def test_linear_regressions_are_scikit_learns(pair, data):
    make, settings = pair
    weights = RNG.random(len(data[0]))
    theirs = getattr(linear_model, make.__name__)(**settings).fit(*data, weights)
    ours = make(**settings).fit(*data, weights)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-7)
