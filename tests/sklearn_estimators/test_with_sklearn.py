"""The estimators in scikit-learn's tools, and on every kind of table that it takes."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, load_wine
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import unitgain as ug
from unitgain.sklearn import (
    ClusterFeatures,
    KMeans,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Perceptron,
    Ridge,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
FAST = {"max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}
ALL = [
    MLPClassifier(**FAST),
    MLPRegressor(**FAST),
    LogisticRegression(),
    Perceptron(),
    LinearRegression(),
    Ridge(),
]


def named(estimators):
    return pytest.mark.parametrize("estimator", estimators, ids=lambda e: type(e).__name__)


@named(ALL)
def test_a_pipeline_scores_in_cross_validation(estimator):
    scores = cross_val_score(make_pipeline(StandardScaler(), clone(estimator)), X, Y, cv=3)
    shuffled = cross_val_score(make_pipeline(StandardScaler(), clone(estimator)), X, Y[::-1], cv=3)
    assert np.isfinite(scores).all()
    assert np.isfinite(shuffled).all()


def test_a_grid_search_of_two_processes_finds_what_one_finds():
    grid = {"hidden_layer_sizes": [(4,), (8, 8)], "dropout": [0.0, 0.1]}
    found = [
        GridSearchCV(MLPClassifier(**FAST), grid, cv=2, n_jobs=jobs).fit(X, Y) for jobs in (None, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    np.testing.assert_array_equal(*scores)
    assert found[1].best_score_ > 0.9


def test_a_grid_goes_over_losses_optimizers_and_schedules():
    grid = {
        "loss": ["huber", ug.losses.Quantile(0.5)],
        "solver": ["sgd", ug.optimizers.AdamW(0.02)],
        "learning_rate": ["constant", ug.optimizers.schedules.CosineDecay(0.02, 500)],
    }
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(MLPRegressor(**FAST), grid, cv=folds, n_jobs=2, error_score="raise")
    assert search.fit(X, Y).best_score_ > 0.5


def test_calibration_and_permutation_importance():
    calibrated = CalibratedClassifierCV(MLPClassifier(**FAST), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    assert calibrated.score(X, Y) > 0.9
    noise = np.c_[X[:, 2:], np.random.default_rng(0).normal(size=150)]
    model = MLPClassifier(**FAST).fit(noise, Y)
    importance = permutation_importance(model, noise, Y, random_state=0).importances_mean
    assert importance[:2].min() > importance[2]


def test_data_frames_keep_their_columns_names():
    frame = pd.DataFrame(X, columns=list("abcd"))
    steps = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])], remainder="passthrough")
    steps.set_output(transform="pandas")
    pipeline = make_pipeline(steps, MLPClassifier(**FAST)).fit(frame, Y)
    names = ["scale__a", "scale__b", "remainder__c", "remainder__d"]
    assert pipeline[-1].feature_names_in_.tolist() == names
    assert pipeline.score(frame, Y) > 0.9
    model = MLPClassifier(**FAST).fit(frame, pd.Series(Y).map({0: "x", 1: "y", 2: "z"}))
    assert model.classes_.tolist() == ["x", "y", "z"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_categories_behind_an_encoder():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"kind": rng.choice(list("uvw"), 200), "value": rng.normal(size=200)})
    target = frame["value"] * frame["kind"].map({"u": 1, "v": 2, "w": 3})
    columns = ColumnTransformer(
        [("kind", OneHotEncoder(), ["kind"])], remainder="passthrough", sparse_threshold=1.0
    )
    model = make_pipeline(columns, MLPRegressor(**{**FAST, "max_iter": 200}))
    assert model.fit(frame, target).score(frame, target) > 0.95


def test_frames_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=list("abcd"))
    model = MLPClassifier(**FAST).fit(frame, polars.Series(Y))
    assert model.feature_names_in_.tolist() == list("abcd")
    np.testing.assert_array_equal(model.predict(frame), MLPClassifier(**FAST).fit(X, Y).predict(X))


def test_metadata_routing_hands_weights_through():
    weights = (Y != 2).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**FAST).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model)
        found = cross_validate(
            pipeline, X, Y, params={"sample_weight": weights}, cv=3, return_estimator=True
        )
    assert found["test_score"].min() > 0.9
    for estimator in found["estimator"]:  # classes without a weight are not learnt
        assert (estimator.predict(X[Y == 2]) == 2).mean() < 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint64, bool, ">f8"])
@named(ALL)
def test_numbers_of_every_dtype(estimator, dtype):
    x = (X > 0).astype(dtype)
    model = clone(estimator).fit(x, Y)
    expected = clone(estimator).fit(x.astype(np.float64), Y)
    np.testing.assert_allclose(model.predict(x), expected.predict(x), rtol=1e-2, atol=0.02)


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_sparse_rows_are_made_dense_batch_by_batch(make, monkeypatch):
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((1000, 6)) < 0.3, rng.normal(size=(1000, 6)), 0)
    y = (dense.sum(axis=1) > 0).astype(int)
    rows, made = [], sparse.csr_matrix.toarray

    def toarray(matrix, *arguments, **keywords):
        rows.append(matrix.shape[0])
        return made(matrix, *arguments, **keywords)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", toarray)
    given = {"max_iter": 5, "random_state": 0, "dtype": "float64", "batch_size": 100}
    model = make(**given).fit(sparse.csr_matrix(dense), y)
    assert set(rows) == {100}
    other = make(**given).fit(dense, y)
    np.testing.assert_allclose(model.coefs_[0], other.coefs_[0], rtol=1e-9, atol=1e-12)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        np.testing.assert_allclose(model.predict(kind(dense)), model.predict(dense), rtol=1e-9)
    lbfgs = {"solver": "lbfgs", "max_iter": 5, "random_state": 0}
    kinds = (sparse.csr_matrix, np.asarray)
    sparse_one, dense_one = (make(**lbfgs).fit(kind(dense), y) for kind in kinds)
    np.testing.assert_allclose(sparse_one.coefs_[0], dense_one.coefs_[0], rtol=1e-6, atol=1e-9)


def test_lbfgs_sums_the_gradients_of_sparse_parts(monkeypatch):
    monkeypatch.setattr("unitgain.sklearn.lbfgs._ROWS", 32)
    weights = np.random.default_rng(0).random(150)
    given = {"solver": "lbfgs", "max_iter": 10, "random_state": 0, "alpha": 1.0}
    whole = MLPClassifier(**given).fit(X, Y, weights)
    parts = MLPClassifier(**given).fit(sparse.csr_array(X), Y, weights)
    np.testing.assert_allclose(parts.coefs_[0], whole.coefs_[0], rtol=1e-6, atol=1e-9)


@named(ALL)
def test_fitted_estimators_are_copied_and_pickled(estimator):
    model = clone(estimator).fit(X, Y)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.get_params() == model.get_params()
        assert not hasattr(clone(other), "n_features_in_")


def test_training_goes_on_after_a_pickle_as_it_would_have():
    model = MLPClassifier((8,), random_state=0, solver="adam")
    model.partial_fit(X, Y, classes=[0, 1, 2])
    other = pickle.loads(pickle.dumps(model))
    for each in (model, other):
        each.partial_fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads():
    x, y = load_wine(return_X_y=True)
    found = []
    for threads in (1, 2):
        with ug.threads(threads):
            model = MLPClassifier(**FAST, dropout=0.2, batch_norm=True, dtype="float32")
            found.append(model.fit(x, y).predict_proba(x))
    np.testing.assert_array_equal(*found)


def test_affinities_are_columns_of_frames():
    frame = pd.DataFrame(X, columns=list("abcd"))
    features = ClusterFeatures(3, append=True, random_state=0).set_output(transform="pandas")
    made = features.fit_transform(frame)
    assert list(made)[:4] == list("abcd")
    assert made.shape == (150, 7)
    distances = KMeans(3, random_state=0).set_output(transform="pandas").fit_transform(frame)
    assert list(distances) == ["kmeans0", "kmeans1", "kmeans2"]
    shares = KMeans(3, random_state=0).fit(X).transform(X, affinity="soft")
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    model = make_pipeline(ClusterFeatures(6, random_state=0), LogisticRegression(C=100))
    grid = {"clusterfeatures__n_clusters": [2, 8], "clusterfeatures__affinity": ["rbf", "soft"]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(X, Y)
    assert search.best_score_ > 0.9
