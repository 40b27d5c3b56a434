"""The same arguments give scikit-learn's networks: weights, losses, epochs, scores, predictions."""

import inspect

import numpy as np
import pytest
import scipy.sparse
import sklearn
from sklearn import cluster as sklearn_cluster
from sklearn import linear_model, neural_network
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_wine,
    make_multilabel_classification,
)
from sklearn.preprocessing import StandardScaler

import unitgain.sklearn
from unitgain.sklearn import (
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Perceptron,
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


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="arguments and defaults are those of scikit-learn 1.9",
)
@pytest.mark.parametrize(
    "name", [name for name in unitgain.sklearn.__all__ if name != "ClusterFeatures"]
)
def test_constructors_take_scikit_learns_arguments_with_its_defaults(name):
    places = (linear_model, neural_network, sklearn_cluster)
    make = getattr(unitgain.sklearn, name)
    their = next(getattr(place, name) for place in places if hasattr(place, name))
    theirs = inspect.signature(their).parameters
    own = inspect.signature(make).parameters
    assert list(own)[: len(theirs)] == list(theirs)
    for argument, parameter in theirs.items():
        assert own[argument].default == parameter.default
        assert own[argument].kind == parameter.kind
    assert make(**make().get_params()).get_params() == {
        argument: parameter.default for argument, parameter in own.items()
    }


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


@pytest.mark.parametrize("data", [DIABETES, OUTPUTS], ids=["one", "several"])
def test_coefficients_of_least_squares_that_must_not_be_negative(data):
    weights = RNG.random(len(data[0]))
    theirs = linear_model.LinearRegression(positive=True).fit(*data, weights)
    found = LinearRegression(positive=True).fit(*data, weights)
    np.testing.assert_allclose(found.coef_, theirs.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.intercept_, theirs.intercept_, rtol=1e-7)
    theirs = linear_model.Ridge(0.1, positive=True, tol=1e-12).fit(*data, weights)
    found = Ridge(0.1, positive=True).fit(*data, weights)
    np.testing.assert_allclose(found.coef_, theirs.coef_, atol=1e-5)
    assert (found.coef_ >= 0).all()
    assert (found.coef_ == 0).any()


@pytest.mark.parametrize("settings", [{"l1_ratio": 0.5}, {"l1_ratio": 1, "C": 0.1}], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logistic_regression_with_an_l1_penalty_has_scikit_learns_optimum(settings, fit_intercept):
    given = {"solver": "saga", "tol": 1e-9, "max_iter": 20000, "fit_intercept": fit_intercept}
    weights = RNG.random(len(WINE[0]))
    theirs = linear_model.LogisticRegression(**given, **settings).fit(*WINE, weights)
    found = LogisticRegression(**given, **settings).fit(*WINE, weights)
    np.testing.assert_allclose(found.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_array_equal(found.coef_ == 0, theirs.coef_ == 0)
    assert (found.coef_ == 0).any()
    np.testing.assert_allclose(found.intercept_, np.ravel(theirs.intercept_), atol=1e-4)


@pytest.mark.parametrize("name", ["newton-cg", "newton-cholesky", "sag", "saga"])
def test_any_name_of_a_solver_gives_the_one_minimum(name):
    solved = [LogisticRegression(solver=s, tol=1e-8).fit(*WINE).coef_ for s in (name, "lbfgs")]
    np.testing.assert_array_equal(*solved)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_penalties_by_their_older_names_and_those_that_are_not_here():
    none = LogisticRegression(penalty=None).fit(*WINE).coef_
    np.testing.assert_array_equal(none, LogisticRegression(C=np.inf).fit(*WINE).coef_)
    lasso = LogisticRegression("l1", C=0.1, solver="saga").fit(*WINE).coef_
    other = LogisticRegression(l1_ratio=1.0, C=0.1, solver="saga").fit(*WINE).coef_
    np.testing.assert_array_equal(lasso, other)
    with pytest.raises(ValueError, match="'lbfgs' has no l1 penalty: take solver='saga'"):
        LogisticRegression(l1_ratio=0.5).fit(*WINE)
    for settings in ({"solver": "liblinear"}, {"dual": True}):
        with pytest.raises(ValueError, match="and with it dual=True, is not here"):
            LogisticRegression(**settings).fit(*WINE)
    with pytest.raises(ValueError, match="solver is 'other', expected one of"):
        LogisticRegression(solver="other").fit(*WINE)
    with pytest.raises(ValueError, match="'svd' has no positive"):
        Ridge(solver="svd", positive=True).fit(*DIABETES)
    with pytest.raises(ValueError, match="is for positive=True"):
        Ridge(solver="lbfgs").fit(*DIABETES)


def test_a_penalty_by_name_is_deprecated_as_in_scikit_learn():
    with pytest.warns(FutureWarning, match="l1_ratio=0 is 'l2'"):
        LogisticRegression("l2").fit(*WINE)


PERCEPTRONS = [
    {},
    {"penalty": "l2", "alpha": 0.01},
    {"penalty": "l1", "alpha": 3e-4},
    {"penalty": "l1", "alpha": 0.01},
    {"penalty": "l1", "alpha": 0.1},
    {"penalty": "elasticnet", "l1_ratio": 0.4},
    {"penalty": "elasticnet", "alpha": 0.03},
    {"early_stopping": True, "validation_fraction": 0.2},
    {"class_weight": "balanced", "eta0": 0.5},
    {"fit_intercept": False, "tol": None, "max_iter": 7},
    {"n_iter_no_change": 2, "tol": 0.1},
]


@pytest.mark.parametrize("settings", PERCEPTRONS, ids=str)
@pytest.mark.parametrize("data", [WINE, CANCER], ids=["wine", "cancer"])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_perceptrons_are_scikit_learns(data, settings, is_sparse):
    x, y = data
    if is_sparse:
        x = scipy.sparse.csr_matrix(np.where(abs(x) > 0.5, x, 0))
    theirs = linear_model.Perceptron(**settings, shuffle=False).fit(x, y)
    found = Perceptron(**settings, shuffle=False).fit(x, y)
    assert found.n_iter_ == theirs.n_iter_
    assert found.t_ == theirs.t_
    np.testing.assert_allclose(found.coef_, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(found.intercept_, theirs.intercept_, atol=1e-10)
    np.testing.assert_array_equal(found.predict(x), theirs.predict(x))


@pytest.mark.parametrize("data", [WINE, CANCER], ids=["wine", "cancer"])
def test_perceptrons_learn_on_as_scikit_learns(data):
    x, y = data
    weights = RNG.random(len(x))
    made = []
    for make in (linear_model.Perceptron, Perceptron):
        given = {"shuffle": False, "class_weight": {0: 2.0}}
        steps, warm = make(**given), make(**given, warm_start=True, max_iter=2)
        for part in range(4):
            own = slice(part * 40, part * 40 + 40)
            steps.partial_fit(x[own], y[own], np.unique(y), weights[own])
        warm.fit(x, y).fit(x, y)
        # Of a copy: scikit-learn's changes what it is given.
        begun = make(**given, max_iter=2).fit(x, y, steps.coef_.copy(), steps.intercept_.copy())
        made.append((steps, warm, begun))
    for theirs, found in zip(*made, strict=True):
        np.testing.assert_allclose(found.coef_, theirs.coef_, atol=1e-10)
        np.testing.assert_allclose(found.intercept_, theirs.intercept_, atol=1e-10)
        assert found.t_ == theirs.t_


def test_what_a_perceptron_cannot_learn_on_is_an_error():
    x, y = WINE
    with pytest.raises(ValueError, match="classes must be passed"):
        Perceptron().partial_fit(x, y)
    begun = Perceptron().partial_fit(x[:20], y[:20], [0, 1, 2])
    with pytest.raises(ValueError, match=r"y has \[7\], which are not in classes"):
        begun.partial_fit(x[:20], np.full(20, 7))
    with pytest.raises(ValueError, match=r"classes is \[0, 1\], but"):
        begun.partial_fit(x[:20], y[:20], [0, 1])
    for settings in ({"class_weight": "balanced"}, {"early_stopping": True}):
        with pytest.raises(ValueError, match="need all samples"):
            Perceptron(**settings).partial_fit(x, y, [0, 1, 2])
    with pytest.raises(ValueError, match="coef_init has shape"):
        Perceptron().fit(x, y, coef_init=np.zeros((2, 13)))
