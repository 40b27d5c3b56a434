"""scikit-learn's own checks, whole, and that what is beyond scikit-learn fails no more of them."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from unitgain.sklearn import (
    ClusterFeatures,
    KMeans,
    LinearRegression,
    LogisticRegression,
    MiniBatchKMeans,
    MLPClassifier,
    MLPRegressor,
    Perceptron,
    Ridge,
)

# A check that needs an environment of its own, and one of a method that networks do not have.
SKIPPED = {
    "check_array_api_input",
    "check_classifiers_multilabel_output_format_decision_function",
}
# Two seeds, or one seed's masks, make of one sample twice something else than of its weight 2.
RANDOM = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def failures(estimator):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(results) > 50
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= SKIPPED
    return {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}


@pytest.mark.parametrize(
    "make", [LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor, Perceptron, Ridge]
)
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_passes_scikit_learns_checks_whole(make):
    assert failures(make()) == {}


@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier(ensemble=2, dropout=0.1, batch_norm=True, max_iter=50),
        MLPClassifier(activation="gelu", solver="lion", label_smoothing=0.1, max_iter=50),
        MLPRegressor("gaussian_nll", ensemble=2, max_iter=50),
        MLPRegressor("huber", (8, 8), solver="lbfgs", batch_norm=True, max_iter=50),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_no_argument_of_ours_makes_a_check_fail(estimator):
    assert failures(estimator).keys() <= RANDOM


@pytest.mark.parametrize(
    "estimator",
    [KMeans(), MiniBatchKMeans(), ClusterFeatures(), ClusterFeatures(append=True)],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_clusters_pass_the_checks_that_scikit_learns_pass(estimator):
    # Which samples k-means++ draws depends on their number and order, in scikit-learn's as well.
    assert failures(estimator).keys() <= RANDOM
