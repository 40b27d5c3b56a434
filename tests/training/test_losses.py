"""Losses of arrays against Keras, PyTorch, SciPy, mpmath and differences, on every variant."""

import hypothesis
import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
import scipy.special
from loss_references import data, rows
from variants import rerun_on_other_variants

import unitgain as ug
from reference.losses import CASES, FILE, REDUCTIONS, arrays
from unitgain import _native, losses

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = [np.float32, np.float64]
REFERENCE = np.load(FILE)
ELEMENTWISE = [
    losses.MeanSquaredError(),
    losses.MeanAbsoluteError(),
    losses.Huber(0.7),
    losses.LogCosh(),
    losses.Poisson(),
    losses.KLDivergence(),
    losses.Hinge(),
    losses.SquaredHinge(),
    losses.CategoricalHinge(),
    losses.BinaryCrossentropy(),
    losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
    losses.CategoricalCrossentropy(label_smoothing=0.1),
    losses.CategoricalCrossentropy(from_logits=True),
    losses.Quantile(0.8),
    losses.CosineSimilarity(),
    losses.BinaryFocalCrossentropy(label_smoothing=0.1),
    losses.BinaryFocalCrossentropy(True, 0.3, 1.5, from_logits=True),
]
IN_PYTHON = [
    losses.CategoricalFocalCrossentropy(label_smoothing=0.1),
    losses.CategoricalFocalCrossentropy(0.5, 1.5, from_logits=True),
    losses.Dice(),
    losses.Tversky(0.3, 0.9),
]


def stored(case, reduction, weighted):
    key, index = f"{case}/{weighted}", REDUCTIONS.index(reduction)
    value = REFERENCE[f"{key}/rows"] if reduction is None else REFERENCE[f"{key}/values"][index]
    return value, REFERENCE[f"{key}/gradients"][index]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_keras(case, reduction, dtype):
    name, options, targets, predictions = CASES[case]
    made, weights = arrays()
    weights = made.get(f"weights of {targets}", weights)
    loss = getattr(losses, name)(**options, reduction=reduction)
    y_true, y_pred = made[targets], made[predictions].astype(dtype)
    eps = np.finfo(dtype).eps
    # 1 - p of a probability near 1, as of one clipped at 1e-7 from it, is as uncertain as p is.
    rtol = 2e-2 if "clipped" in case and dtype == np.float32 else 20 * eps
    for weight in (None, weights):
        value, gradient = loss.value_and_gradient(y_true, y_pred, weight)
        expected_value, expected_gradient = stored(case, reduction, weight is not None)
        np.testing.assert_allclose(value, expected_value, rtol=rtol, atol=20 * eps)
        assert np.shape(value) == expected_value.shape
        assert gradient.dtype == dtype
        scale = 1 + abs(expected_gradient).max()
        np.testing.assert_allclose(gradient, expected_gradient, rtol=rtol, atol=20 * eps * scale)
        np.testing.assert_array_equal(loss(y_true, y_pred, weight), value)
        np.testing.assert_array_equal(loss.gradient(y_true, y_pred, weight), gradient)
        in_place = y_pred.copy()
        assert loss.value_and_gradient(y_true, in_place, weight, out=in_place)[1] is in_place
        np.testing.assert_array_equal(in_place, gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [2, 16, 38])
@pytest.mark.parametrize("name", _native.loss_names)
def test_every_row_of_the_table_is_its_formula(name, columns, dtype):
    t, y = data(name, 9, columns)
    typed = t if t.dtype == np.int64 else t.astype(dtype)
    loss = type(losses.get(name))(reduction=None)
    eps = np.finfo(dtype).eps
    expected = rows[name](t, y)
    found, gradient = loss.value_and_gradient(typed, y.astype(dtype))
    np.testing.assert_allclose(found, expected, rtol=100 * eps, atol=20 * eps)
    step = 1e-6
    for column in (0, columns // 2, columns - 1):
        ends = [y + sign * step * np.eye(columns)[column] for sign in (1, -1)]
        slope = (rows[name](t, ends[0]) - rows[name](t, ends[1])) / (2 * step)
        np.testing.assert_allclose(gradient[:, column], slope, rtol=100 * eps, atol=1e-7 + 50 * eps)


def wide_data(loss, rows, cols, seed=0):
    """Return targets and float64 predictions away from kinks and clips."""
    rng = np.random.default_rng(seed)
    y_true = rng.random((rows, cols))
    if isinstance(loss, losses.Hinge | losses.SquaredHinge):
        y_true = 2.0 * rng.integers(0, 2, (rows, cols)) - 1
    return y_true, 0.1 + 0.8 * rng.random((rows, cols))


@pytest.mark.filterwarnings("ignore:.* on one output unit")
@pytest.mark.parametrize("cols", [1, 2, 7, 16, 17, 33, 100])
@pytest.mark.parametrize("loss", [*ELEMENTWISE, *IN_PYTHON], ids=lambda loss: loss.name)
def test_gradient_is_that_of_differences(loss, cols):
    y_true, y_pred = wide_data(loss, 5, cols)
    weights = np.array([1.0, 0.5, 2.0, 0.0, 1.0])
    gradient = loss.gradient(y_true, y_pred, weights)
    step = 1e-6
    for i, j in [(0, 0), (1, cols - 1), (2, cols // 2), (3, 0), (4, cols - 1)]:
        above, below = y_pred.copy(), y_pred.copy()
        above[i, j] += step
        below[i, j] -= step
        numeric = (loss(y_true, above, weights) - loss(y_true, below, weights)) / (2 * step)
        assert abs(numeric - gradient[i, j]) < 5e-8 * (1 + abs(numeric))


def slopes(loss, y_true, y_pred, weights, step=1e-6):
    """Return the differences of the sum of what the loss returns."""
    found = np.zeros_like(y_pred)
    for place in np.ndindex(*y_pred.shape):
        above, below = y_pred.copy(), y_pred.copy()
        above[place] += step
        below[place] -= step
        change = np.sum(loss(y_true, above, weights)) - np.sum(loss(y_true, below, weights))
        found[place] = change / (2 * step)
    return found


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, -1, (1, 2)])
def test_gradient_of_overlap_along_axes_is_that_of_differences(axis, reduction):
    rng = np.random.default_rng(8)
    y_true, y_pred = rng.integers(0, 2, (3, 4, 2)), rng.random((3, 4, 2))
    for loss in (losses.Dice(reduction, axis=axis), losses.Tversky(0.2, 0.6, reduction, axis=axis)):
        for weights in (None, rng.random((3, 4))):
            found = loss.gradient(y_true, y_pred, weights)
            expected = slopes(loss, y_true, y_pred, weights)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("axis", [None, 0, 2, (1, 2), (0, 1)])
def test_overlap_along_axes_is_that_of_its_formula(axis):
    rng = np.random.default_rng(9)
    t, y = rng.integers(0, 2, (3, 4, 2)), rng.random((3, 4, 2))
    dice = 1 - 2 * (t * y).sum(axis) / (t.sum(axis) + y.sum(axis) + 1e-7)
    for reduction, reduce in ((None, np.asarray), ("mean", np.mean), ("sum", np.sum)):
        found = losses.Dice(reduction, axis=axis)(t, y)
        np.testing.assert_allclose(found, reduce(dice), rtol=1e-12)
        assert np.shape(found) == np.shape(reduce(dice))
        half = losses.Tversky(reduction=reduction, axis=axis)(t, y)
        np.testing.assert_allclose(half, found, atol=1e-6)  # 1e-7 counts twice in its divisor


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradient_of_circle_loss_is_that_of_differences(reduction):
    rng = np.random.default_rng(10)
    embeddings = rng.standard_normal((9, 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings[:2] *= 0.9  # the distance of a row to itself, with the diagonal, has a kink at 1
    labels = [0, 1, 2, 0, 1, 2, 0, 1, 7]  # the last is alone with its label
    for loss in (losses.Circle(8.0, 0.25, reduction=reduction), losses.Circle(3.0, 0.4, False)):
        used = 0.9 * embeddings if not loss.remove_diagonal else embeddings
        for weights in (None, rng.random(9)):
            found = loss.gradient(labels, used, weights)
            expected = slopes(loss, labels, used, weights)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    alone = losses.Circle(reduction=None)(labels, embeddings)
    assert alone[-1] == 0
    assert (losses.Circle()(np.zeros(3), embeddings[:3])) == 0


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.95])
def test_quantile_loss_is_that_of_scikit_learn(quantile):
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(11)
    y_true, y_pred = rng.standard_normal((2, 40, 3))
    expected = sklearn_metrics.mean_pinball_loss(y_true, y_pred, alpha=quantile)
    assert losses.Quantile(quantile)(y_true, y_pred) == pytest.approx(expected, rel=1e-14)
    np.testing.assert_array_equal(losses.Quantile(quantile).gradient(y_true, y_true), 0)


def test_the_best_constant_of_the_quantile_loss_is_the_quantile():
    y = np.random.default_rng(12).standard_exponential(400)[:, None]
    loss = losses.Quantile(0.9)
    grid = np.linspace(0, 6, 601)
    best = grid[np.argmin([loss(y, np.full_like(y, value)) for value in grid])]
    assert abs(best - np.quantile(y, 0.9)) < 0.05


@pytest.mark.parametrize("dtype", DTYPES)
def test_cosine_similarity_of_rows_of_any_size(dtype):
    rng = np.random.default_rng(13)
    t, y = rng.standard_normal((2, 6, 40)).astype(dtype)
    top = np.finfo(dtype).max
    scales = np.array([1, 1e-3, top / 8, 1e20, 1e6, 1], dtype)[:, None]
    loss = losses.CosineSimilarity(reduction=None)
    value, gradient = loss.value_and_gradient(t, y * scales)
    a, b = t.astype(float), y.astype(float)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, -cosine, atol=20 * eps)
    np.testing.assert_allclose(loss(t * scales, y), value, atol=20 * eps)
    slope = loss.gradient(t, y)
    np.testing.assert_allclose(gradient * scales, slope, atol=20 * eps)
    assert losses.CosineSimilarity()(np.zeros((1, 3)), np.ones((1, 3))) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_focal_loss_of_extreme_logits_is_finite_and_right(dtype):
    logits = np.array([-3e38, -200, -30, -1, 0, 1, 30, 200, 3e38], dtype)[:, None]
    for gamma in (0.0, 0.5, 2.0, 3.7):
        for target in (0.0, 1.0):
            loss = losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction=None)
            y_true = np.full_like(logits, target)
            value, gradient = loss.value_and_gradient(y_true, logits)
            with mpmath.workdps(60):
                for z, v, g in zip(logits[:, 0], value, gradient[:, 0], strict=True):
                    x = mpmath.mpf(float(z)) * (1 if target == 0 else -1)
                    missing = 1 / (1 + mpmath.exp(-x)) if x > -1e5 else mpmath.mpf(0)
                    right = 1 / (1 + mpmath.exp(x)) if x < 1e5 else mpmath.mpf(0)
                    entropy = max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x)))
                    focus = missing**gamma
                    slope = focus * (missing + gamma * right * entropy)
                    rtol, tiny = 60 * np.finfo(dtype).eps, 10 * float(np.finfo(dtype).tiny)
                    np.testing.assert_allclose(float(v), float(focus * entropy), rtol, tiny)
                    sign = 1 if target == 0 else -1
                    np.testing.assert_allclose(float(g), sign * float(slope), rtol, tiny)


@pytest.mark.parametrize("log_variance", [False, True])
def test_gaussian_gradient_is_that_of_differences(log_variance):
    rng = np.random.default_rng(1)
    loss = losses.GaussianNLL(full=True, log_variance=log_variance)
    y_true, y_pred = rng.standard_normal((3, 20)), rng.random((3, 40)) + 0.2
    gradient = loss.gradient(y_true, y_pred)
    for i, j in np.ndindex(y_pred.shape):
        above, below = y_pred.copy(), y_pred.copy()
        above[i, j] += 1e-6
        below[i, j] -= 1e-6
        numeric = (loss(y_true, above) - loss(y_true, below)) / 2e-6
        assert abs(numeric - gradient[i, j]) < 1e-8 * (1 + abs(numeric))


def test_gaussian_with_log_variances_is_that_with_variances():
    rng = np.random.default_rng(2)
    y_true, y_pred = rng.standard_normal((4, 3)), rng.standard_normal((4, 6))
    as_variances = y_pred.copy()
    as_variances[:, 3:] = np.exp(y_pred[:, 3:])
    np.testing.assert_allclose(
        losses.GaussianNLL(log_variance=True)(y_true, y_pred),
        losses.GaussianNLL()(y_true, as_variances),
        rtol=1e-13,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_cosh_keeps_its_digits_at_both_ends(dtype):
    errors = np.array([1e-12, 1e-6, 1e-3, 0.3, 0.99, 1.01, 5, 40, 1e4, 3e38], dtype)
    y_true = np.zeros((len(errors), 1), dtype)
    loss = losses.LogCosh(reduction=None)
    value, gradient = loss.value_and_gradient(y_true, errors[:, None])
    for e, v, g in zip(errors, value, gradient[:, 0], strict=True):
        with mpmath.workdps(50):
            x = mpmath.mpf(float(e))
            exact = x - mpmath.log(2) if x > 1e4 else mpmath.log(mpmath.cosh(x))
            slope = mpmath.mpf(1) if x > 1e4 else mpmath.tanh(x)
        np.testing.assert_allclose(float(v), float(exact), rtol=6 * np.finfo(dtype).eps)
        np.testing.assert_allclose(float(g), float(slope), rtol=6 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(loss(y_true, -errors[:, None]), value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_crossentropy_from_logits_keeps_its_digits_at_both_ends(dtype):
    logits = np.array([-3e38, -1e4, -80, -20, -1, 0, 1, 20, 80, 1e4, 3e38], dtype)[:, None]
    for target in (0.0, 1.0):
        y_true = np.full_like(logits, target)
        loss = losses.BinaryCrossentropy(from_logits=True, reduction=None)
        value, gradient = loss.value_and_gradient(y_true, logits)
        with mpmath.workdps(50):
            for z, v, g in zip(logits[:, 0], value, gradient[:, 0], strict=True):
                x = mpmath.mpf(float(z)) * (1 if target == 0 else -1)
                e = mpmath.exp(-abs(x))
                exact = max(x, 0) + mpmath.log1p(e)
                slope = 1 / (1 + e) if x >= 0 else e / (1 + e)
                rtol, tiny = 6 * np.finfo(dtype).eps, float(np.finfo(dtype).tiny)
                np.testing.assert_allclose(float(v), float(exact), rtol=rtol, atol=tiny)
                sign = 1 if target == 0 else -1
                np.testing.assert_allclose(float(g), sign * float(slope), rtol=rtol, atol=tiny)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_and_sparse_cross_entropy_agree_on_extreme_logits(dtype):
    inf = np.inf
    logits = np.array(
        [[1e4, 0, -1e4], [3e38, 0, -3e38], [-inf, 2, 1], [0, 40, 3], [-inf, -inf, 5]], dtype
    )
    labels = np.array([0, 0, 2, 1, 2])
    one_hot = np.eye(3)[labels]
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    dense = losses.CategoricalCrossentropy(from_logits=True, reduction=None)
    a, b = sparse.value_and_gradient(labels, logits), dense.value_and_gradient(one_hot, logits)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(a[0], b[0], rtol=8 * eps)
    np.testing.assert_allclose(a[1], b[1], rtol=8 * eps)
    assert np.isfinite(a[0]).all()
    np.testing.assert_array_equal(a[1][logits == -inf], 0)
    expected = mpmath.log1p(mpmath.exp(-40) + mpmath.exp(-37))
    np.testing.assert_allclose(float(a[0][3]), float(expected), rtol=8 * eps)
    # A target without any probability has no loss.
    assert dense(np.zeros((1, 3)), logits[:1]) == 0


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.name)
def test_nan_in_a_prediction_reaches_the_loss_of_its_row_alone(loss):
    for cols in (3, 40):
        y_true, y_pred = wide_data(loss, 3, cols)
        y_pred = y_pred.astype(np.float32)
        y_pred[1, cols - 1] = np.nan
        rows = _native.loss(
            _native.LossSpec(loss.kind, reduction="none"), y_true, y_pred, None, True
        )[0]
        np.testing.assert_array_equal(np.isnan(rows), [False, True, False])


def test_mean_of_a_million_equal_rows_keeps_its_digits():
    y_pred = np.full((1_000_000, 1), 0.1, np.float32)
    loss = losses.MeanSquaredError()
    one = loss(np.zeros((1, 1)), y_pred[:1])
    assert abs(loss(np.zeros_like(y_pred), y_pred) / one - 1) < 4 * np.finfo(np.float64).eps
    logits = np.zeros((1_000_000, 3), np.float32)
    cross = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert abs(cross(np.zeros(1_000_000, int), logits) - np.log(3)) < 1e-15


@pytest.mark.filterwarnings("ignore:.* on one output unit")
@pytest.mark.parametrize("cols", [1, 10, 300])
def test_results_have_equal_bits_for_any_thread_count(cols):
    rng = np.random.default_rng(3)
    y_true, y_pred = rng.random((3000, cols)), rng.random((3000, cols))
    labels = rng.integers(0, cols, 3000)
    every = [*ELEMENTWISE, losses.SparseCategoricalCrossentropy(from_logits=True)]
    for loss in every:
        truth = labels if loss.takes_labels else y_true
        results = []
        for threads in (1, 2, 3):
            with ug.threads(threads):
                results.append(loss.value_and_gradient(truth, y_pred))
        for value, gradient in results[1:]:
            assert value == results[0][0]
            np.testing.assert_array_equal(gradient, results[0][1])


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", "log_cosh"])
def test_any_leading_shape(loss, shape):
    rng = np.random.default_rng(5)
    y_true, y_pred = rng.random((*shape, 4)), rng.random((*shape, 4))
    loss = losses.get(loss)
    value, gradient = loss.value_and_gradient(y_true, y_pred)
    assert gradient.shape == y_pred.shape
    flat = loss(y_true.reshape(-1, 4), y_pred.reshape(-1, 4))
    assert value == flat
    if y_pred.size == 0:
        assert value == 0


def test_strided_and_integer_arrays_are_taken():
    rng = np.random.default_rng(6)
    y_pred = rng.random((6, 8))[::2, ::-1]
    y_true = rng.integers(0, 2, (3, 8))
    loss = losses.BinaryCrossentropy()
    assert loss(y_true, y_pred) == loss(y_true.astype(float), y_pred.copy())
    column = rng.random((5, 1))
    assert losses.get("mse")(np.zeros(5), column) == losses.get("mse")(np.zeros((5, 1)), column)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: losses.get("mse")(np.zeros((3, 2)), np.zeros((3, 4))), ValueError, "(3, 2)"),
        (lambda: losses.get("mse")(np.zeros(3), np.float64(1)), ValueError, "y_pred"),
        (lambda: losses.get("mse")(np.zeros(3), np.zeros(3, complex)), TypeError, "y_pred has dtype"),
        (lambda: losses.get("mse")(["a"], np.zeros(1)), TypeError, "y_true has dtype"),
        (
            lambda: losses.SparseCategoricalCrossentropy()([3, 0], np.ones((2, 3))),
            ValueError,
            "0 to 2",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy()([0.5, 0], np.ones((2, 3))),
            ValueError,
            "whole number",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy()([1, 0, 2], np.ones((2, 3))),
            ValueError,
            "expected (2,)",
        ),
        (
            lambda: losses.get("mse")(np.zeros((3, 2)), np.zeros((3, 2)), np.ones(2)),
            ValueError,
            "sample_weight has shape (2,)",
        ),
        (
            lambda: losses.get("mse").gradient(
                np.zeros(3), np.zeros(3), out=np.zeros(3, np.float32)
            ),
            TypeError,
            "out",
        ),
        (
            lambda: losses.get("mse").gradient(np.zeros(3), np.zeros(3), out=np.zeros(4)),
            ValueError,
            "out has shape (4,)",
        ),
        (lambda: losses.GaussianNLL()(np.zeros(1), np.zeros(3)), ValueError, "3 values"),
        (lambda: losses.GaussianNLL(eps=0), ValueError, "eps"),
        (lambda: losses.Huber(-1.0), ValueError, "delta"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=2), ValueError, "label_smoothing"),
        (lambda: losses.BinaryCrossentropy(axis=0), ValueError, "axis is 0"),
        (lambda: losses.MeanSquaredError(reduction="average"), ValueError, "'average'"),
        (lambda: losses.Quantile(1.0), ValueError, "quantile must be between 0 and 1"),
        (lambda: losses.BinaryFocalCrossentropy(gamma=-1), ValueError, "gamma must be"),
        (lambda: losses.BinaryFocalCrossentropy(alpha=2), ValueError, "alpha must be"),
        (lambda: losses.CategoricalFocalCrossentropy(gamma=-1), ValueError, "gamma must be"),
        (
            lambda: losses.CategoricalFocalCrossentropy([0.1, 0.2])(np.eye(3), np.eye(3)),
            ValueError,
            "alpha has 2 values for 3 classes",
        ),
        (lambda: losses.CosineSimilarity(axis=0), ValueError, "axis is 0"),
        (lambda: losses.Tversky(alpha=-1), ValueError, "alpha must be at least 0"),
        (lambda: losses.Dice()(np.zeros((2, 3)), np.zeros((2, 4))), ValueError, "(2, 3)"),
        (lambda: losses.Circle(gamma=0), ValueError, "gamma must be greater than 0"),
        (lambda: losses.Circle()([1, 2], np.zeros((3, 4))), ValueError, "a label for each"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "alias",
    ["quantile", "Dice", "circle", "mse", "MSE", "mae", "bce", "BCE", "kld", "KLDivergence"],
)
def test_aliases(alias):
    assert isinstance(losses.get(alias), losses.Loss)


finite_rows = st.lists(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=5, max_size=5), min_size=1, max_size=20
)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(finite_rows, st.floats(-100, 100, width=32))
def test_properties_of_softmax_and_cross_entropy(rows, shift):
    x = np.array(rows)
    y = _native.ops.softmax(x, 1)
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-14)
    shifted = _native.ops.softmax(x + shift, 1)
    np.testing.assert_allclose(shifted, y, rtol=1e-10, atol=1e-300)
    log_y = _native.ops.softmax(x, 1, logarithm=True)
    np.testing.assert_allclose(log_y, scipy.special.log_softmax(x, axis=1), rtol=1e-13, atol=1e-15)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    value, gradient = loss.value_and_gradient(np.zeros(len(x), int), x)
    assert value >= 0
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-15)
    expected = (scipy.special.logsumexp(x, axis=1) - x[:, 0]).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-11)
