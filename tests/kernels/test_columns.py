import numpy as np
import pytest
from variants import rerun_on_other_variants

from unitgain import _native

test_other_variants = rerun_on_other_variants(__file__)

ops = _native.ops
dtypes = [np.float32, np.float64]
widths = [0, 1, 3, 16, 17, 31, 33, 100, 1000, 1100]
heights = [1, 2, 31, 32, 33, 70]
shapes = [(9, cols) for cols in widths] + [(rows, 19) for rows in heights]


def data(shape, dtype, seed=0):
    return np.random.default_rng((*shape, seed)).standard_normal(shape).astype(dtype)


def statistics(x):
    x = x.astype(np.longdouble)
    return x.mean(axis=0), x.var(axis=0)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", [*shapes, (0, 5)])
def test_column_sums(shape, dtype):
    x = data(shape, dtype)
    expected = x.sum(axis=0, dtype=np.longdouble)
    atol = 4 * np.finfo(dtype).eps * max(shape[0], 1)
    np.testing.assert_allclose(ops.column_sums(x), expected, rtol=0, atol=atol)
    np.testing.assert_array_equal(
        ops.column_sums(x[:, : shape[1] // 2]), ops.column_sums(x[:, : shape[1] // 2].copy())
    )


def test_the_error_of_a_sum_does_not_grow_with_the_rows():
    x = np.full((1_000_000, 3), 0.1, np.float32)
    exact = float(np.float32(0.1)) * len(x)
    np.testing.assert_allclose(ops.column_sums(x), exact, rtol=1e-6)


def train(x, gamma, beta, epsilon=1e-3, momentum=0.9, threads=1):
    moving = [np.full(x.shape[1], v, x.dtype) for v in (0.5, 2.0)]
    kept = ops.batch_norm_train(x, gamma, beta, epsilon, momentum, *moving, threads=threads)
    return *kept, *moving


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", shapes)
@pytest.mark.parametrize("affine", ["gamma and beta", "gamma", "beta", "neither"])
def test_batch_norm_train(shape, dtype, affine):
    x = data(shape, dtype) * 2 + 1
    gamma = data((shape[1],), dtype, 1) if "gamma" in affine else None
    beta = data((shape[1],), dtype, 2) if "beta" in affine else None
    y, mean, _, inverse, moving_mean, moving_variance = train(x, gamma, beta)
    m, v = statistics(x)
    g = 1 if gamma is None else gamma
    b = 0 if beta is None else beta
    eps = np.finfo(dtype).eps
    # With one row the exact deviation is 0, and epsilon keeps rounding errors of it at 32 times.
    tolerance = {"rtol": 0, "atol": 200 * eps}
    np.testing.assert_allclose(mean, m, **tolerance)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(v + 1e-3), rtol=30 * eps)
    np.testing.assert_allclose(y, g * (x - m) / np.sqrt(v + 1e-3) + b, **tolerance)
    np.testing.assert_allclose(moving_mean, 0.9 * 0.5 + 0.1 * m, **tolerance)
    np.testing.assert_allclose(moving_variance, 0.9 * 2 + 0.1 * v, **tolerance)
    z = ops.batch_norm_infer(x, gamma, beta, 1e-3, moving_mean, moving_variance)
    expected = g * (x - moving_mean) / np.sqrt(moving_variance.astype(np.longdouble) + 1e-3) + b
    np.testing.assert_allclose(z, expected, **tolerance)


def test_a_large_mean_leaves_variance_and_result_accurate():
    rng = np.random.default_rng(3)
    x = (1e4 + 1e-2 * rng.standard_normal((5000, 21))).astype(np.float32)
    y, _, _, inverse, _, _ = train(x, None, None, epsilon=0)
    m, v = statistics(x)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(v), rtol=1e-6)
    np.testing.assert_allclose(y, (x - m) / np.sqrt(v), rtol=1e-5, atol=1e-5)


def test_a_large_mean_leaves_the_gradient_accurate():
    rng = np.random.default_rng(5)
    x = (1e4 + 1e-2 * rng.standard_normal((500, 21))).astype(np.float32)
    upstream = (1 + rng.standard_normal(x.shape)).astype(np.float32)
    _, *kept, _, _ = train(x, None, None, epsilon=0)
    got, gamma_gradient, _ = ops.batch_norm_gradient(x, upstream, None, *kept)
    m, v = statistics(x)
    n = (x - m) / np.sqrt(v)
    up = upstream.astype(np.longdouble)
    expected = (up - up.mean(axis=0) - n * (up * n).mean(axis=0)) / np.sqrt(v)
    np.testing.assert_allclose(gamma_gradient, (up * n).sum(axis=0), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_column_that_begins_unlike_the_rest_keeps_its_variance():
    x = 1e-2 * np.random.default_rng(6).standard_normal((100_000, 37)).astype(np.float32)
    x[:40, ::3] += 1e4
    y, _, _, inverse, _, _ = train(x, None, None, epsilon=0)
    m, v = statistics(x)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(v), rtol=1e-6)
    np.testing.assert_allclose(y, (x - m) / np.sqrt(v), rtol=1e-5, atol=1e-5)


def test_the_error_of_the_moments_does_not_grow_with_the_rows():
    x = np.random.default_rng(4).uniform(0, 1, (500_000, 2)).astype(np.float32)
    _, mean, _, inverse, _, _ = train(x, None, None, epsilon=0)
    m, v = statistics(x)
    np.testing.assert_allclose(mean, m, rtol=1e-6)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(v), rtol=1e-6)


def test_a_constant_column_has_no_variance():
    x = np.full((77, 3), [0.1, -1e30, 0.0], np.float32)
    y, mean, _, inverse, _, _ = train(x, None, np.array([1, 2, 3], np.float32))
    np.testing.assert_array_equal(mean, x[0])
    np.testing.assert_allclose(inverse, 1e3**0.5, rtol=1e-6)
    np.testing.assert_array_equal(y, np.broadcast_to([1, 2, 3], y.shape))


def test_no_rows_change_nothing():
    x = np.empty((0, 4), np.float32)
    *_, moving_mean, moving_variance = train(x, None, None)
    np.testing.assert_array_equal(moving_mean, 0.5)
    np.testing.assert_array_equal(moving_variance, 2)
    ones = np.ones(4, np.float32)
    _, gamma_gradient, beta_gradient = ops.batch_norm_gradient(x, x, None, ones, ones, ones)
    np.testing.assert_array_equal(gamma_gradient, 0)
    np.testing.assert_array_equal(beta_gradient, 0)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", shapes)
@pytest.mark.parametrize("with_gamma", [True, False])
def test_batch_norm_gradient(shape, dtype, with_gamma):
    x, upstream = data(shape, dtype), data(shape, dtype, 5)
    gamma = data((shape[1],), dtype, 6) if with_gamma else None
    _, *kept, _, _ = train(x, gamma, None)
    got, gamma_gradient, beta_gradient = ops.batch_norm_gradient(x, upstream, gamma, *kept)
    m, v = statistics(x)
    n = (x - m) / np.sqrt(v + 1e-3)
    up = upstream.astype(np.longdouble)
    factor = (1 if gamma is None else gamma) / np.sqrt(v + 1e-3)
    expected = factor * (up - up.mean(axis=0) - n * (up * n).mean(axis=0))
    atol = 300 * np.finfo(dtype).eps * shape[0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=atol)
    np.testing.assert_allclose(gamma_gradient, (up * n).sum(axis=0), rtol=0, atol=atol)
    np.testing.assert_allclose(beta_gradient, up.sum(axis=0), rtol=0, atol=atol)
    none, *parameters = ops.batch_norm_gradient(x, upstream, gamma, *kept, with_gradient=False)
    assert none is None
    np.testing.assert_array_equal(parameters, [gamma_gradient, beta_gradient])


def test_batch_norm_gradient_agrees_with_central_differences():
    x, weights = data((7, 5), np.float64), data((7, 5), np.float64, 7)
    gamma, beta = data((5,), np.float64, 8), data((5,), np.float64, 9)

    def loss(x, gamma, beta):
        return np.sum(weights * np.sin(train(x, gamma, beta)[0]))

    def differences(f, at, h=1e-5):
        result = np.empty_like(at)
        for i in np.ndindex(at.shape):
            step = np.zeros_like(at)
            step[i] = h
            result[i] = (f(at + step) - f(at - step)) / (2 * h)
        return result

    y, *kept, _, _ = train(x, gamma, beta)
    upstream = weights * np.cos(y)
    got = ops.batch_norm_gradient(x, upstream, gamma, *kept)
    expected = (
        differences(lambda at: loss(at, gamma, beta), x),
        differences(lambda at: loss(x, at, beta), gamma),
        differences(lambda at: loss(x, gamma, at), beta),
    )
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", dtypes)
def test_columns_have_equal_bits_for_any_thread_count(dtype):
    x, upstream = data((45, 115), dtype), data((45, 115), dtype, 10)
    gamma, beta = data((115,), dtype, 11), data((115,), dtype, 12)
    results = []
    for threads in (1, 2, 3):
        forward = train(x, gamma, beta, threads=threads)
        backward = ops.batch_norm_gradient(x, upstream, gamma, *forward[1:4], threads=threads)
        infer = ops.batch_norm_infer(x, gamma, beta, 1e-3, *forward[4:], threads=threads)
        results.append([*forward, *backward, infer, ops.column_sums(x, threads=threads)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
