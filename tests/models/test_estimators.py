"""The simple models, against NumPy's least squares, exact rationals and SciPy's optima."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import optimize, sparse, special

import unitgain as ug
from unitgain.estimators import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
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


def dependent_columns():
    rng = np.random.default_rng(3)
    x = rng.random((100, 3))
    one_hot = np.eye(4)[rng.integers(0, 4, 100)]
    return {
        "shifted": np.c_[x, x[:, 2] + 2],
        "shifted far": np.c_[x, x[:, 2] + 1e6],
        "scaled": np.c_[x, 1e-3 * x[:, 2]],
        "one-hot": one_hot,
        "one-hot and their sum": np.c_[one_hot, one_hot.sum(axis=1)],
        "one-hot and a part's sum": np.c_[x, one_hot, one_hot[:, 0] + one_hot[:, 1]],
        "constant": np.c_[x, np.full(100, 0.1)],
        "constant among small": np.c_[x * 1e-10, np.full(100, 0.1)],
        "fewer samples": rng.random((20, 50)),
    }


@pytest.mark.parametrize("name", dependent_columns())
def test_dependent_columns_have_the_coefficients_that_scikit_learn_finds(name):
    peer = pytest.importorskip("sklearn.linear_model")
    x = dependent_columns()[name]
    y = np.random.default_rng(4).random((len(x), 2))
    model, expected = LinearRegression().fit(x, y), peer.LinearRegression().fit(x, y)
    # A shift by 1e6 leaves the columns equal only to 1e-10.
    limit = 1e-9 if name in ("shifted far", "constant among small") else 1e-12
    np.testing.assert_allclose(
        model.coef_, expected.coef_, rtol=0, atol=limit * abs(expected.coef_).max()
    )
    np.testing.assert_allclose(model.predict(x), expected.predict(x), rtol=1e-9)


def exact_least_squares(x, y):
    """Return the coefficients beside an intercept, from the normal equations in rationals."""
    rows = [[Fraction(v) for v in row] for row in np.c_[x, y].tolist()]
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    rows = [[v - mean for v, mean in zip(row, means, strict=True)] for row in rows]
    n = x.shape[1]
    table = [[sum(row[i] * row[j] for row in rows) for j in range(n + 1)] for i in range(n)]
    for i in range(n):
        table[i] = [v / table[i][i] for v in table[i]]
        for k in set(range(n)) - {i}:
            table[k] = [u - table[k][i] * v for u, v in zip(table[k], table[i], strict=True)]
    return np.array([float(row[n]) for row in table])


@pytest.mark.parametrize("scales", [(1e-6, 1e6), (1e6, 1e-6), (1e-12, 1e12), (1e-150, 1e150)])
@pytest.mark.parametrize("shape", [(12, 3), (60, 5), (80, 30)])
def test_badly_scaled_columns_have_exact_coefficients(shape, scales):
    rng = np.random.default_rng(shape)
    x = rng.random(shape) * np.geomspace(*scales, shape[1])
    y = rng.random(shape[0])
    model = LinearRegression().fit(x, y)
    np.testing.assert_allclose(model.coef_, exact_least_squares(x, y), rtol=1e-12)


def test_dependent_columns_of_other_scales_share_by_their_squares():
    # Of a and 1024 a the smallest coefficients are w / (1 + 2^20) and 1024 times that.
    a, b = RNG.integers(-50, 50, (2, 40)).astype(float)
    model = LinearRegression().fit(np.c_[a, 1024 * a, 1e6 * b], 3 * a + 2 * b + 7)
    first = 3 / (1 + 2**20)
    np.testing.assert_allclose(model.coef_, [first, 1024 * first, 2e-6], rtol=1e-9)
    assert model.intercept_ == pytest.approx(7)


def test_columns_that_are_all_constant_have_zero_coefficients():
    model = LinearRegression().fit(np.full((7, 2), 0.1), np.arange(7.0))
    np.testing.assert_array_equal(model.coef_, 0)
    assert model.intercept_ == 3


ALL = [LinearRegression, LogisticRegression, SoftmaxRegression, Perceptron]
TRAINED = [LogisticRegression, SoftmaxRegression]


@pytest.mark.parametrize("make", TRAINED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_feature_has_a_zero_coefficient(make, dtype):
    x = RNG.normal(0, 1, (100, 3))
    constant = np.full((100, 1), 0.1)  # whose mean rounds to another number
    y, settings = x[:, 0] > 0, {"max_iter": 8, "random_state": 0}
    model = make(**settings).fit(np.hstack([x, constant]).astype(dtype), y)
    without = make(**settings).fit(x.astype(dtype), y)
    np.testing.assert_array_equal(model.coef_[..., 3], 0)
    np.testing.assert_allclose(model.coef_[..., :3], without.coef_, rtol=1e-3)


@pytest.mark.parametrize("make", TRAINED)
def test_far_from_zero_float32_features_are_standardised_as_in_float64(make):
    x = RNG.normal([0, 4000], 1, (20000, 2)).astype(np.float32)
    y = x[:, 1] > 4000
    single = make(max_iter=4, random_state=0).fit(x, y)
    double = make(max_iter=4, random_state=0).fit(x.astype(np.float64), y)
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=0.02, atol=0.02)


def ridge_of_rationals(x, y, alpha, weights):
    """Coefficients by the normal equations in extended precision, of centred columns."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    mean = (weights @ x) / weights.sum()
    z = x - mean
    gram = (z.T * weights) @ z + alpha * np.eye(x.shape[1])
    right = (z.T * weights) @ (y - (weights @ y) / weights.sum())
    found = np.linalg.solve(gram.astype(float), right.astype(float))
    for _ in range(3):
        residual = (right - gram @ found).astype(float)
        found = found + np.linalg.solve(gram.astype(float), residual)
    return found.astype(float)


@pytest.mark.parametrize("shape", [(60, 5), (5, 60), (40, 40), (1, 3)])
@pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_ridge_fulfils_its_normal_equations(shape, alpha, container):
    rng = np.random.default_rng(5)
    x, y = rng.normal(2, 1, shape), rng.normal(4, 1, shape[0])
    weights = rng.random(shape[0]) + 0.5
    model = Ridge(alpha).fit(container(x), y, weights)
    expected = ridge_of_rationals(x, y, alpha, weights)
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(
        model.predict(container(x)), x @ model.coef_ + model.intercept_, rtol=1e-10
    )


def test_ridge_where_the_normal_equations_lose_all_digits():
    rng = np.random.default_rng(6)
    u, _ = np.linalg.qr(rng.normal(size=(50, 6)))
    v, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    values, alpha = np.logspace(0, -9, 6), 1e-16
    x, y = u * values @ v.T, rng.normal(size=50)
    expected = v @ (values / (values**2 + alpha) * (u.T @ y))
    model = Ridge(alpha, fit_intercept=False).fit(x, y)
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-5)


def test_ridge_takes_a_penalty_for_each_output():
    x, y = RNG.normal(size=(30, 4)), RNG.normal(size=(30, 2))
    both = Ridge([0.5, 20.0]).fit(x, y)
    for i, alpha in enumerate([0.5, 20.0]):
        np.testing.assert_allclose(both.coef_[i], Ridge(alpha).fit(x, y[:, i]).coef_, rtol=1e-12)
    with pytest.raises(ValueError, match=r"alpha has shape \(3,\), expected a number or \(2,\)"):
        Ridge([1.0, 2.0, 3.0]).fit(x, y)
    with pytest.raises(ValueError, match="alpha is -1, expected finite numbers"):
        Ridge(-1).fit(x, y)


@pytest.mark.parametrize("make", [LinearRegression, Ridge])
def test_a_weight_counts_as_so_many_samples(make):
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    times = rng.integers(0, 4, 20)
    weighted = make().fit(x, y, times)
    repeated = make().fit(np.repeat(x, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-9)
    for wrong in (np.ones(19), -np.ones(20), np.zeros(20)):
        with pytest.raises(ValueError, match="sample_weight"):
            make().fit(x, y, wrong)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("fitted", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("requested", [np.float32, np.float64, np.int64, ">f4"])
def test_any_dtype_goes_with_any_other(make, fitted, requested):
    x = RNG.integers(-9, 9, (60, 3))
    y = (x[:, 0] > 0).astype(int)
    settings = {} if make is LinearRegression else {"max_iter": 8, "random_state": 0}
    model = make(**settings).fit(x.astype(fitted), y)
    linear = model.predict if make is LinearRegression else model.decision_function
    own, other = linear(x.astype(fitted)), linear(x.astype(requested))
    assert other.dtype == own.dtype == model.coef_.dtype
    np.testing.assert_allclose(other, own, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(x.astype(requested)), model.predict(x.astype(fitted)))
    assert model.score(x.astype(requested), y) == pytest.approx(model.score(x.astype(fitted), y))
    if make in TRAINED:
        assert model.predict_proba(x.astype(requested)).dtype == model.coef_.dtype


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_named(make, value):
    x = RNG.normal(0, 1, (20, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    model = make().fit(x, y)
    x[7, 1] = value
    message = rf"X\[7, 1\] is {value}, but every entry must be finite"
    with pytest.raises(ValueError, match=message):
        make().fit(x, y)
    with pytest.raises(ValueError, match=message):
        model.predict(x)


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
        (lambda: Perceptron().fit([[1.0 + 2j], [2]], [1, 0]), "X has dtype complex128"),
        (lambda: LinearRegression().fit([[1.0], [2]], [1, np.nan]), r"y\[1\] is nan"),
        (
            lambda: LinearRegression().fit([[1.0], [2]], [1, 2]).score([[1.0], [2]], [[1], [2]]),
            r"y has shape \(2, 1\), but predictions have \(2,\)",
        ),
        (
            lambda: Perceptron().fit([[1.0], [2]], [1, 2]).score([[1.0], [2]], [[1], [2]]),
            r"y has shape \(2, 1\), but predictions have \(2,\)",
        ),
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
        "fit_intercept": True,
        "tol": None,
        "n_iter_no_change": 5,
    }
