"""What can be traced, and what is said of what cannot."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import ops


def test_a_second_derivative_is_the_derivative_of_the_first():
    x = np.linspace(-1.5, 1.4, 7)
    for function in (ops.exp, ops.tanh, ops.sigmoid, ops.softplus, ops.silu, ops.gelu, ops.square):
        first = ug.grad(lambda v, f=function: ops.sum(f(v)))
        second = ug.grad(lambda v, f=first: ops.sum(f(v)))(x)
        step = 1e-5
        wanted = (first(x + step) - first(x - step)) / (2 * step)
        np.testing.assert_allclose(second, wanted, rtol=1e-5, atol=1e-8)
    hessian = ug.grad(lambda v: ops.sum(ug.grad(lambda u: ops.sum(u**3) * ops.sum(u))(v)))(x)
    np.testing.assert_allclose(hessian, 3 * (x**2) * 7 + 6 * x * x.sum() + 3 * (x**2).sum())


def test_control_flow_on_values_says_what_to_write():
    def decides(x):
        return ops.sum(x) if ops.sum(x) > 0 else ops.sum(-x)

    with pytest.raises(TypeError, match=r"unitgain\.ops\.where"):
        ug.grad(decides)(np.ones(3))
    for bad, words in [
        (lambda x: float(ops.sum(x)), "float"),
        (lambda x: ops.sum(np.linalg.inv(x)), "numpy"),
        (lambda x: ops.sum(np.asarray(x)), "asarray"),
        (lambda x: ops.sum(x[x > 0]), "where"),
        (lambda x: max(x[0, 0], x[0, 1]), "condition"),
    ]:
        with pytest.raises(TypeError, match=words):
            ug.grad(bad)(np.eye(2))


def test_what_is_no_number_has_no_gradient():
    with pytest.raises(ValueError, match=r"shape \(3,\), expected one number"):
        ug.grad(lambda x: x * 2)(np.ones(3))
    with pytest.raises(TypeError, match="returns NoneType"):
        ug.grad(lambda x: None)(np.ones(3))
    with pytest.raises(TypeError, match="expected numbers"):
        ug.grad(lambda x: ops.sum(x))(np.array(["a"]))
    with pytest.raises(ValueError, match="argnums"):
        ug.grad(lambda x: ops.sum(x), 1)(np.ones(3))
    with pytest.raises(ValueError, match="do not go together"):
        ug.grad(lambda x: ops.sum(x + np.ones(4)))(np.ones(3))


def test_shapes_that_do_not_fit_name_the_shapes():
    x = np.ones((2, 3))
    for bad, words in [
        (lambda v: ops.matmul(v, v), r"\(2, 3\)"),
        (lambda v: ops.reshape(v, (4, -1)), "no shape"),
        (lambda v: ops.concatenate([v, ops.transpose(v)], 0), "cannot be joined"),
        (lambda v: ops.sum(v, 2), "axis is 2"),
        (lambda v: ops.squeeze(v, 0), "axis is 0"),
        (lambda v: v[0, 5], "index 5"),
    ]:
        with pytest.raises((ValueError, IndexError), match=words):
            ug.grad(lambda v, f=bad: ops.sum(f(v)))(x)


def test_numpy_functions_are_traced_by_their_names():
    x = np.array([[0.3, 1.2], [2.0, 0.1]])
    made = ug.grad(lambda v: np.sum(np.exp(v) * np.where(v > 1, v, 2.0)) + np.mean(v, axis=0)[0])(x)
    wanted = np.where(x > 1, np.exp(x) * (x + 1), 2 * np.exp(x))
    wanted[:, 0] += 0.5
    np.testing.assert_allclose(made, wanted, rtol=1e-12)
    scale = np.array([1.0, 2.0])
    np.testing.assert_allclose(ug.grad(lambda v: ops.sum(scale * v))(x), [[1, 2], [1, 2]])


def test_constants_around_a_function_are_read_at_each_call():
    factor = np.array([2.0])
    slope = ug.grad(lambda x: ops.sum(factor * x))
    assert slope(np.ones(2)).tolist() == [2.0, 2.0]
    factor[0] = 3.0
    assert slope(np.ones(2)).tolist() == [3.0, 3.0]


def test_dtypes_follow_the_arrays():
    square = ug.value_and_grad(lambda x: ops.sum(x * x))
    for dtype in (np.float32, np.float64):
        value, gradient = square(np.arange(3, dtype=dtype))
        assert value.dtype == gradient.dtype == dtype
    assert square(np.arange(3))[1].dtype == np.float64
    value, gradient = square([1.0, 2.0])
    assert float(value) == 5
    assert gradient.tolist() == [2, 4]


def test_odd_arrays_give_what_numpy_gives():
    total = ug.value_and_grad(lambda x: ops.sum(x * x))
    value, gradient = total(np.zeros((0, 3)))
    assert float(value) == 0
    assert gradient.shape == (0, 3)
    strided = np.arange(24.0).reshape(4, 6)[::2, ::-3]
    np.testing.assert_array_equal(total(strided)[1], 2 * strided)
    value, gradient = total(np.array([np.nan, np.inf, 1.0]))
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, [np.nan, np.inf, 2.0])
    big = ug.grad(lambda x: ops.sum(ops.logsumexp(x, -1)))(np.array([[1e4, 0.0], [-1e4, -1e4]]))
    np.testing.assert_allclose(big, [[1, 0], [0.5, 0.5]])


def test_the_gradient_of_an_extreme_is_shared_by_equals():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    np.testing.assert_allclose(
        ug.grad(lambda v: ops.sum(ops.max(v, 1)))(x), [[0, 0.5, 0.5], [1 / 3] * 3]
    )
    np.testing.assert_allclose(
        ug.grad(lambda v: ops.sum(ops.maximum(v, x)))(x), np.full((2, 3), 0.5)
    )
    np.testing.assert_array_equal(
        ug.grad(lambda v: ops.sum(ops.clip(v, 1.0, 2.5)))(x), [[1, 0, 0], [1, 1, 1]]
    )


def test_stop_gradient_is_constant():
    x = np.array([2.0, 3.0])
    np.testing.assert_allclose(ug.grad(lambda v: ops.sum(v * ops.stop_gradient(v)))(x), x)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1023,), (4097,), (7, 130), (300, 1), (2, 9000)])
def test_results_do_not_depend_on_the_threads(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    def function(v):
        away = v - ops.mean(v, axis=0)
        return ops.mean(ops.exp(-away * away)) + ops.sum(ops.max(v, -1) * 1e-3)

    with ug.threads(1):
        value, gradient = ug.value_and_grad(function)(x)
    with ug.threads(4):
        again, same = ug.value_and_grad(function)(x)
    assert value == again
    np.testing.assert_array_equal(gradient, same)


def test_long_sums_are_exact_to_float32():
    x = np.random.default_rng(1).uniform(0, 1, 1_000_001).astype(np.float32)
    value, _ = ug.value_and_grad(lambda v: ops.sum(v))(x)
    assert abs(float(value) / x.astype(np.float64).sum() - 1) < 1e-6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ends too early"),
        ("inputs x", "'x' in a wrong place"),
        ("inputs 0 outputs 0 scratch 0 constants 0 counts 0 steps 1 jump", "'jump'"),
        ("inputs 0 outputs 1 1 0 scratch 0 constants 0 counts 0 steps 1 fill 3 0x0p+0", "'3'"),
    ],
)
def test_a_text_that_is_no_program_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        ug._native.Expression(text)
