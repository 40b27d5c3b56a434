"""The simple models, against NumPy's least squares and SciPy's optima."""

import numpy as np
import pytest
from scipy import optimize, special

import unitgain as ug
from unitgain.estimators import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    SoftmaxRegression,
)

RNG = np.random.default_rng(0)
(X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST) = ug.datasets.load_digits()


@pytest.mark.parametrize("outputs", [None, 3])
@pytest.mark.parametrize("intercept", [True, False])
def test_linear_regression_is_least_squares(outputs, intercept):
    x = RNG.normal(2, 1, (60, 5))
    y = RNG.normal(4, 1, (60,) if outputs is None else (60, outputs))
    model = LinearRegression(fit_intercept=intercept).fit(x, y)
    columns = np.concatenate([x, np.ones((60, 1))], axis=1) if intercept else x
    expected = np.linalg.lstsq(columns, y, rcond=None)[0]
    np.testing.assert_allclose(model.coef_, expected[:5].T, rtol=1e-9, atol=1e-11)
    if intercept:
        np.testing.assert_allclose(model.intercept_, expected[5], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(model.predict(x), columns @ expected, rtol=1e-9)
    residual = ((y - columns @ expected) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    assert model.score(x, y) == pytest.approx(np.mean(1 - residual))


def test_linear_regression_takes_dependent_columns():
    x = RNG.normal(0, 1, (20, 3))
    model = LinearRegression().fit(np.concatenate([x, x], axis=1), x.sum(axis=1))
    np.testing.assert_allclose(model.coef_, 0.5, rtol=1e-10)  # the smallest that fit


def test_logistic_regression_finds_the_optimum():
    x = RNG.normal(0, 1, (500, 3)) * [1, 10, 0.1] + [0, 5, 1]
    truth = x @ [1.0, -0.2, 5.0]
    y = np.where(RNG.random(500) < special.expit(truth - truth.mean()), "yes", "no")
    model = LogisticRegression(max_iter=200, random_state=1).fit(x, y)
    columns = np.concatenate([x, np.ones((500, 1))], axis=1)
    sign = np.where(y == "yes", 1, -1)

    def loss(w):
        return np.logaddexp(0, -sign * (columns @ w)).mean()

    best = optimize.minimize(loss, np.zeros(4), method="BFGS", tol=1e-10)
    found = loss(np.append(model.coef_, model.intercept_))
    assert found < best.fun + 2e-4
    assert list(model.classes_) == ["no", "yes"]
    np.testing.assert_allclose(
        model.predict_proba(x)[:, 1], special.expit(columns @ best.x), atol=0.03
    )
    assert model.score(x, y) == pytest.approx((model.predict(x) == y).mean())


def test_softmax_regression_reads_digits():
    model = SoftmaxRegression(max_iter=40, alpha=0.01, random_state=0).fit(X_TRAIN, Y_TRAIN)
    assert model.score(X_TEST, Y_TEST) > 0.95
    probabilities = model.predict_proba(X_TEST)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(X_TEST))


def test_a_state_gives_the_same_coefficients_and_leaves_the_process_seed():
    ug.random.seed(3)
    expected = ug.random.uniform(2)
    ug.random.seed(3)
    first = LogisticRegression(max_iter=4, random_state=5).fit(X_TRAIN, Y_TRAIN > 4)
    np.testing.assert_array_equal(ug.random.uniform(2), expected)
    second = LogisticRegression(max_iter=4, random_state=5).fit(X_TRAIN, Y_TRAIN > 4)
    np.testing.assert_array_equal(first.coef_, second.coef_)


@pytest.mark.parametrize("classes", [2, 4])
def test_perceptron_ends_on_what_a_linear_map_tells_apart(classes):
    centers = 8 * RNG.normal(0, 1, (classes, 5))
    y = RNG.integers(0, classes, 200)
    x = centers[y] + RNG.normal(0, 0.3, (200, 5))
    model = Perceptron(random_state=0).fit(x, y + 10)
    assert model.n_iter_ < 1000
    assert model.score(x, y + 10) == 1
    assert model.decision_function(x).shape == ((200,) if classes == 2 else (200, classes))


def test_perceptron_cannot_tell_exclusive_or():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    model = Perceptron(max_iter=50, random_state=0).fit(x, [0, 1, 1, 0])
    assert model.n_iter_ == 50
    assert model.score(x, [0, 1, 1, 0]) < 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearRegression().predict([[1.0]]), "not fitted"),
        (lambda: LinearRegression().fit([1.0], [1.0]), r"X has shape \(1,\)"),
        (lambda: LinearRegression().fit([[1.0]], [1.0, 2.0]), "both need as many"),
        (lambda: LinearRegression().fit([[1.0], [2.0]], [1, 2]).predict([[1, 2]]), "2 features"),
        (lambda: LogisticRegression().fit([[1.0], [2], [3]], [1, 2, 3]), "SoftmaxRegression"),
        (lambda: Perceptron().fit([[1.0], [2]], [1, 1]), "1 class"),
        (lambda: Perceptron().fit([[1.0], [2]], [[1], [0]]), "expected labels"),
    ],
)
def test_errors_name_what_came(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_are_scikit_learn_s():
    assert Perceptron(max_iter=5).get_params() == {
        "max_iter": 5,
        "shuffle": True,
        "random_state": None,
    }
