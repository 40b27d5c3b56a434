import mpmath
import numpy as np
import pytest
from variants import rerun_on_other_variants

from unitgain import _native, activations

test_other_variants = rerun_on_other_variants(__file__)

ops = _native.ops
dtypes = [np.float32, np.float64]
shapes = [(5, cols) for cols in (1, 2, 3, 10, 17, 31, 33, 64, 1000)] + [(1, 17), (130, 10)]


def logits_and_labels(shape, dtype, deviation=3.0):
    rng = np.random.default_rng(shape)
    logits = (deviation * rng.standard_normal(shape)).astype(dtype)
    return logits, rng.integers(0, shape[1], shape[0]).astype(np.int32)


def reference_softmax(x):
    x = x.astype(np.longdouble)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def reference_cross_entropy(logits, labels):
    """Losses and the gradient of their sum, in extended precision."""
    p = reference_softmax(logits)
    rows = np.arange(len(labels))
    x = logits.astype(np.longdouble)
    top = x.argmax(axis=1)
    others = np.exp(x - x[rows, top][:, None])
    others[rows, top] = 0
    losses = np.log1p(others.sum(axis=1)) + x[rows, top] - x[rows, labels]
    gradient = p.copy()
    gradient[rows, labels] = 0
    gradient[rows, labels] = -gradient.sum(axis=1)
    return losses, gradient


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", [*shapes, (0, 4), (3, 0)])
def test_softmax_and_its_gradient(shape, dtype):
    x, _ = logits_and_labels(shape, dtype) if shape[1] else (np.empty(shape, dtype), None)
    eps = np.finfo(dtype).eps
    y = activations.softmax(x)
    assert y.dtype == dtype
    assert y.shape == shape
    if x.size == 0:
        return
    p = reference_softmax(x)
    np.testing.assert_allclose(y, p, rtol=20 * eps)
    upstream = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    up = upstream.astype(np.longdouble)
    expected = p * (up - (p * up).sum(axis=1, keepdims=True))
    g = activations.gradient("softmax", x, upstream)
    np.testing.assert_allclose(g, expected, rtol=0, atol=20 * eps * abs(p * up).max())


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", [*shapes, (3, 7, 1), (2, 5, 16), (3, 10, 70), (1, 33, 257)])
def test_log_softmax_and_both_gradients_along_the_second_axis(shape, dtype):
    rng = np.random.default_rng(shape)
    x = (5 * rng.standard_normal(shape)).astype(dtype)
    upstream = rng.standard_normal(shape).astype(dtype)
    wide, up = x.astype(np.longdouble), upstream.astype(np.longdouble)
    eps = np.finfo(dtype).eps
    shifted = wide - wide.max(axis=1, keepdims=True)
    rest = np.where(shifted == 0, 0, np.exp(shifted)).sum(axis=1, keepdims=True)
    log_sum = np.log1p(rest)
    expected = shifted - log_sum
    p = np.exp(expected)
    slopes = {
        False: p * (up - (p * up).sum(axis=1, keepdims=True)),
        True: up - p * up.sum(axis=1, keepdims=True),
    }
    np.testing.assert_allclose(ops.softmax(x, 1), p, rtol=20 * eps)
    # Within a few ulp of the larger of x - max and log(sum), and of the roundings of x - max, which
    # move the sum by their shares of it.
    largest = np.maximum(abs(shifted), log_sum) + (p * abs(shifted)).sum(1, keepdims=True)
    assert (abs(ops.softmax(x, 1, logarithm=True) - expected) <= 8 * eps * largest).all()
    for logarithm, slope in slopes.items():
        got = ops.softmax(x, 1, logarithm=logarithm, upstream=upstream)
        terms = abs(up) + abs(p * up.sum(1, keepdims=True)) if logarithm else abs(p * up)
        np.testing.assert_allclose(got, slope, rtol=0, atol=20 * eps * terms.max())
        for threads in (2, 3):
            again = ops.softmax(x, 1, logarithm=logarithm, upstream=upstream, threads=threads)
            np.testing.assert_array_equal(again, got)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("cols", [3, 40])
def test_log_softmax_keeps_the_digits_of_a_confident_row(cols, dtype):
    x = np.zeros((2, cols), dtype)
    x[:, 1] = 30
    rest = mpmath.exp(-30) * (cols - 1)
    for y in (ops.softmax(x, 1, logarithm=True), ops.softmax(x.T.copy(), 0, logarithm=True).T):
        np.testing.assert_allclose(
            y[:, 1].astype(float), float(-mpmath.log1p(rest)), rtol=8 * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("cols", [5, 40])
def test_masked_entries_of_log_softmax_have_no_gradient(cols, dtype):
    x = np.random.default_rng(1).standard_normal((3, cols)).astype(dtype)
    masked = np.arange(cols) % 2 == 1
    x[:, masked] = -np.inf
    upstream = np.ones_like(x)
    for axis, a, up in [(1, x, upstream), (0, x.T.copy(), upstream.T.copy())]:
        y = ops.softmax(a, axis, logarithm=True)
        slope = ops.softmax(a, axis, logarithm=True, upstream=up)
        probability_slope = ops.softmax(a, axis, upstream=up)
        if axis == 0:
            y, slope, probability_slope = y.T, slope.T, probability_slope.T
        assert (y[:, masked] == -np.inf).all()
        np.testing.assert_array_equal(slope[:, masked], 0)
        np.testing.assert_array_equal(probability_slope[:, masked], 0)
        kept = x[:, ~masked].astype(np.longdouble)
        expected = kept - np.log(np.exp(kept).sum(1, keepdims=True))
        np.testing.assert_allclose(y[:, ~masked], expected, rtol=20 * np.finfo(dtype).eps)
        np.testing.assert_allclose(slope.sum(1), 0, atol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("cols", [3, 40])
def test_rows_without_an_answer_are_nan_along_either_axis(cols, bad, dtype):
    x = np.zeros((4, cols), dtype)
    x[1, cols - 1] = bad
    x[2] = -np.inf
    wanted = np.broadcast_to([[False], [True], [True], [False]], x.shape)
    for logarithm in (False, True):
        np.testing.assert_array_equal(np.isnan(ops.softmax(x, 1, logarithm=logarithm)), wanted)
        across = ops.softmax(x.T.copy(), 0, logarithm=logarithm)
        np.testing.assert_array_equal(np.isnan(across), wanted.T)


@pytest.mark.parametrize("dtype", dtypes)
def test_softmax_of_huge_and_masked_rows(dtype):
    big = np.finfo(dtype).max
    x = np.zeros((5, 40), dtype)
    x[0] = big
    x[1, 7] = big
    x[2, :39] = -np.inf
    x[3, ::2] = -np.inf
    x[4] = -big
    y = activations.softmax(x)
    np.testing.assert_allclose(y[[0, 4]], 1 / 40, rtol=1e-6)
    np.testing.assert_array_equal(y[1], np.arange(40) == 7)
    np.testing.assert_array_equal(y[2], np.arange(40) == 39)
    np.testing.assert_allclose(y[3], np.arange(40) % 2 / 20, rtol=1e-6)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf] * 20])
def test_softmax_without_an_answer_is_nan_in_that_row_alone(bad, dtype):
    x = np.zeros((3, 20), dtype)
    x[1, 20 - len(bad) :] = bad
    y = activations.softmax(x)
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to([[False], [True], [False]], y.shape))


def test_softmax_of_a_long_float32_row_sums_to_1():
    x = np.random.default_rng(1).standard_normal((1, 1_000_000)).astype(np.float32)
    y = activations.softmax(x)
    assert abs(y.sum(dtype=np.float64) - 1) < 3e-7
    np.testing.assert_allclose(y, reference_softmax(x).astype(np.float64), rtol=2e-6)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", shapes)
def test_cross_entropy_and_its_gradient(shape, dtype):
    logits, labels = logits_and_labels(shape, dtype)
    eps = np.finfo(dtype).eps
    losses, predicted, gradient = ops.cross_entropy(logits, labels, 0.25)
    expected_losses, expected_gradient = reference_cross_entropy(logits, labels)
    np.testing.assert_allclose(losses, expected_losses, rtol=20 * eps, atol=1e-30)
    np.testing.assert_allclose(gradient, 0.25 * expected_gradient, rtol=40 * eps, atol=eps)
    np.testing.assert_array_equal(predicted, logits.argmax(axis=1))
    without = ops.cross_entropy(logits, labels, 0.25, with_gradient=False)
    np.testing.assert_array_equal(without[0], losses)
    np.testing.assert_array_equal(without[1], predicted)
    assert without[2] is None


@pytest.mark.parametrize("dtype", dtypes)
def test_a_confident_loss_and_gradient_keep_their_digits(dtype):
    logits = np.array([[0, 30, 1], [40, 0, 2]], dtype)
    labels = np.array([1, 0], np.int32)
    losses, _, gradient = ops.cross_entropy(logits, labels, 1.0)
    for row, label, loss, slope in zip(logits, labels, losses, gradient, strict=True):
        rest = mpmath.fsum(
            mpmath.exp(float(v) - float(row[label])) for j, v in enumerate(row) if j != label
        )
        rtol = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(loss, float(mpmath.log1p(rest)), rtol=rtol)
        np.testing.assert_allclose(slope[label], float(-rest / (1 + rest)), rtol=rtol)


@pytest.mark.parametrize("dtype", dtypes)
def test_cross_entropy_of_extreme_rows(dtype):
    inf, nan = np.inf, np.nan
    logits = np.array(
        [[0, -inf, 0], [-inf, 3, -inf], [1, nan, nan], [1e30, 0, 0], [5, 5, 5]], dtype
    )
    labels = np.array([1, 1, 0, 1, 2], np.int32)
    losses, predicted, gradient = ops.cross_entropy(logits, labels, 1.0)
    assert losses[0] == inf
    assert losses[1] == 0
    assert np.isnan(losses[2])
    assert losses[3] == dtype(1e30)
    np.testing.assert_allclose(losses[4], np.log(3), rtol=1e-6)
    np.testing.assert_array_equal(predicted, logits.argmax(axis=1))
    np.testing.assert_array_equal(gradient[0], [0.5, -1, 0.5])
    np.testing.assert_array_equal(gradient[1], [0, 0, 0])
    assert np.isnan(gradient[2]).all()
    np.testing.assert_array_equal(gradient[3], [1, -1, 0])


@pytest.mark.parametrize("position", [0, 5, 15, 16, 31, 32, 36])
def test_predicted_is_the_first_of_the_largest(position):
    logits = np.zeros((2, 37), np.float32)
    logits[0, position:] = 1
    logits[1, position:] = np.nan
    _, predicted, _ = ops.cross_entropy(logits, np.zeros(2, np.int32), 1.0)
    np.testing.assert_array_equal(predicted, [position, position])


def keras_loss(row, label):
    """Sparse cross-entropy of probabilities as Keras defines it, in 200 bits."""
    row = [mpmath.mpf(float(v)) for v in row]
    share = row[label] / mpmath.fsum(row)
    return -mpmath.log(min(max(share, mpmath.mpf("1e-7")), 1 - mpmath.mpf("1e-7")))


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", shapes)
def test_cross_entropy_from_probabilities(shape, dtype):
    logits, labels = logits_and_labels(shape, dtype)
    rows = np.exp(logits)
    losses, predicted, gradient = ops.cross_entropy(rows, labels, 0.5, from_logits=False)
    expected = [float(keras_loss(row, label)) for row, label in zip(rows, labels, strict=True)]
    # Near a share of 1 the loss is as uncertain as the share's rounding.
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(losses, expected, rtol=8 * eps, atol=2 * eps)
    np.testing.assert_array_equal(predicted, rows.argmax(axis=1))
    x = rows.astype(np.longdouble)
    total = x.sum(axis=1, keepdims=True)
    hot = labels[:, None] == np.arange(shape[1])
    clipped = (x[hot][:, None] / total > 1 - 1e-7) | (x[hot][:, None] / total < 1e-7)
    true = np.where(clipped, 0, 1 / total - hot / np.where(x > 0, x, 1))
    np.testing.assert_allclose(gradient, 0.5 * true, rtol=1e3 * eps, atol=eps * abs(true).max())


@pytest.mark.parametrize("dtype", dtypes)
def test_clipped_probabilities_have_no_gradient(dtype):
    rows = np.array([[1, 0, 0], [1, 0, 0], [2, 1, 1]], dtype)
    losses, _, gradient = ops.cross_entropy(
        rows, np.array([0, 1, 0], np.int32), 1.0, from_logits=False
    )
    np.testing.assert_allclose(losses, [1e-7, -np.log(1e-7), np.log(2)], rtol=0.2)
    np.testing.assert_allclose(losses[1:], [-np.log(1e-7), np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(gradient[:2], 0)
    np.testing.assert_allclose(gradient[2], [-0.25, 0.25, 0.25], rtol=1e-6)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("dtype", dtypes)
def test_cross_entropy_has_equal_bits_for_any_thread_count(dtype, from_logits):
    logits, labels = logits_and_labels((131, 37), dtype)
    rows = logits if from_logits else np.exp(logits)
    one, *others = (
        ops.cross_entropy(rows, labels, 1.0, threads=threads, from_logits=from_logits)
        for threads in (1, 2, 3)
    )
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
