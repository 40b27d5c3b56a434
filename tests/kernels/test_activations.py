import mpmath
import numpy as np
import pytest
from activation_references import dense, exact, limits, ulp_errors, ulp_of
from scipy import special
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import _native, activations

test_other_variants = rerun_on_other_variants(__file__)

names = list(_native.activation_table())
dtypes = [np.float32, np.float64]

# Where the derivatives of silu, gelu, gelu_tanh and mish vanish.
roots = np.array([-1.27846454276107, -0.75179152469644, -0.75246142180185, -1.19243121451902])


def samples(dtype: type, n: int = 60) -> np.ndarray:
    """Values of every size and sign: denormal, tiny, ordinary, where exp underflows, huge."""
    rng = np.random.default_rng(0)
    edge = 104.0 if dtype is np.float32 else 746.0
    tiny = np.finfo(dtype).smallest_subnormal
    parts = [
        rng.uniform(-1, 1, n) * 10.0 ** rng.uniform(-30, 0, n),
        rng.uniform(-4, 4, 2 * n),
        rng.uniform(-1.1 * edge, 1.1 * edge, n),
        rng.uniform(-edge, -0.8 * edge, n),
        np.array([0.625, 88.8, 709.9, 1e30]) * rng.choice([-1, 1], (3, 1)),
        np.array([-3.2154174]),  # where the rounding errors in silu add up to more than 2 ulp
        (roots + np.concatenate([[0], 2.0 ** -np.arange(2, 50, 4)])[:, None]).ravel(),
        (roots - 2.0 ** -np.arange(2, 50, 4)[:, None]).ravel(),
        np.array([0.0, 3.0, 6.0, -3.0, -1.5]),
    ]
    x = np.concatenate([p.ravel() for p in parts]).astype(dtype)
    return np.concatenate([x, np.array([tiny, -tiny, 7 * tiny, -7 * tiny], dtype)])


def assert_within_2_ulp(name, x, values, definition):
    for xi, value in zip(x, values, strict=True):
        true = definition(mpmath.mpf(float(xi)))
        if abs(true) > float(np.finfo(x.dtype).max):
            continue
        error = abs(mpmath.mpf(float(value)) - true) / ulp_of(true, x.dtype)
        assert error <= 2, f"{name}({xi!r}) = {value!r}, {mpmath.nstr(error, 4)} ulp"


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", names)
def test_forward_is_within_2_ulp(name, dtype):
    x = samples(dtype)
    y = activations.get(name)(x)
    assert y.dtype == dtype
    assert_within_2_ulp(name, x, y, exact[name][0])


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", names)
def test_derivative_is_within_2_ulp(name, dtype):
    x = samples(dtype)
    assert_within_2_ulp(name, x, activations.gradient(name, x, np.ones_like(x)), exact[name][1])


@pytest.mark.parametrize("name", names)
def test_both_are_within_2_ulp_on_a_sweep_of_float32(name):
    bits = np.arange(0, 1 << 32, 20011, dtype=np.uint64).astype(np.uint32)
    rng = np.random.default_rng(9)
    usual = rng.uniform(-12, 12, 100_000)
    near_roots = np.repeat(roots, 200) + np.tile(np.arange(-100, 100) * 2.0**-24, len(roots))
    x = np.concatenate([bits.view(np.float32), usual.astype(np.float32), near_roots.astype("f4")])
    with np.errstate(all="ignore"):
        forward, derivative = (f(x.astype(np.float64)) for f in dense[name])
        assert ulp_errors(activations.get(name)(x), forward).max() <= 2
        finite = np.isfinite(x)
        got = activations.gradient(name, x, np.ones_like(x))
        assert ulp_errors(got[finite], derivative[finite]).max() <= 2


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", names)
def test_gradient_is_the_derivative_times_upstream(name, dtype):
    x = samples(dtype)
    upstream = np.random.default_rng(1).standard_normal(x.size).astype(dtype)
    derivative = activations.gradient(name, x, np.ones_like(x))
    np.testing.assert_array_equal(activations.gradient(name, x, upstream), upstream * derivative)


@pytest.mark.parametrize("name", names)
def test_gradient_agrees_with_central_differences(name):
    x = np.random.default_rng(2).uniform(-3, 3, 100)
    x = x[np.abs(x) > 1e-3]
    f = activations.get(name)
    h = 1e-5
    differences = (f(x + h) - f(x - h)) / (2 * h)
    np.testing.assert_allclose(
        activations.gradient(name, x, np.ones_like(x)), differences, rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", names)
def test_zero_infinity_and_nan(name, dtype):
    f = activations.get(name)
    y = f(np.array([0.0, -0.0, -np.inf, np.inf, np.nan], dtype))
    at_zero = f(np.zeros(1, dtype))[0]
    assert at_zero == dtype(exact[name][0](mpmath.mpf(0)))
    np.testing.assert_array_equal(y, np.array([at_zero, at_zero, *limits[name][0], np.nan], dtype))
    if at_zero == 0 and name != "hard_sigmoid":
        np.testing.assert_array_equal(np.signbit(y[:2]), [False, True])
    largest = np.finfo(dtype).max
    ends = f(np.array([-largest, largest], dtype))
    huge = np.array(limits[name][0])
    np.testing.assert_array_equal(np.isfinite(huge) | (abs(ends) > 0.1 * largest), True)
    np.testing.assert_array_equal(np.isinf(huge) | (abs(ends) < 10), True)
    gradient = activations.gradient(name, np.array([-np.inf, np.inf], dtype), np.ones(2, dtype))
    np.testing.assert_array_equal(gradient, np.array(limits[name][1], dtype))


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", names)
@pytest.mark.parametrize("n", [0, 1, 3, 7, 15, 17, 31, 33, 100])
def test_every_length_gives_each_element_its_own_value(name, dtype, n):
    x = np.random.default_rng(n).standard_normal(100).astype(dtype)
    f = activations.get(name)
    np.testing.assert_array_equal(f(x[:n]), f(x)[:n])
    g = activations.gradient(name, x, x)
    np.testing.assert_array_equal(activations.gradient(name, x[:n], x[:n]), g[:n])


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", [*names, "softmax", "log_softmax"])
def test_any_thread_count_gives_the_same_bits(name, dtype):
    x = np.random.default_rng(3).standard_normal((613, 333)).astype(dtype)
    f = activations.get(name)
    results = []
    for count in (1, 2, 3):
        with ug.threads(count):
            results.append((f(x), activations.gradient(name, x, x)))
    for y, g in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(g, results[0][1])


def test_parameters_are_used():
    x = np.array([-2.0, 3.0])
    np.testing.assert_array_equal(activations.leaky_relu(x, negative_slope=0.5), [-1, 3])
    np.testing.assert_allclose(activations.elu(x, alpha=3), [3 * np.expm1(-2), 3], rtol=1e-15)
    one = np.ones(2)
    np.testing.assert_array_equal(
        activations.gradient("leaky_relu", x, one, negative_slope=0.5), [0.5, 1]
    )
    np.testing.assert_allclose(
        activations.gradient("elu", x, one, alpha=3), [3 * np.exp(-2), 1], rtol=1e-14
    )


def test_relu_with_all_parameters():
    x = np.array([-2.0, 0.0, 0.5, 1.0, 3.0, 4.0, 5.0])
    parameters = {"negative_slope": 0.5, "max_value": 4.0, "threshold": 1.0}
    expected = [-1.5, -0.5, -0.25, 1, 3, 4, 4]
    np.testing.assert_array_equal(activations.relu(x, **parameters), expected)
    np.testing.assert_array_equal(
        activations.gradient("relu", x, np.ones_like(x), **parameters), [0.5] * 4 + [1, 0, 0]
    )
    # Keras bounds nothing below the threshold.
    parameters = {"negative_slope": 0.5, "max_value": 1.0, "threshold": 4.0}
    expected = [-3, -2, -1.75, -1.5, -0.5, 1, 1]
    np.testing.assert_array_equal(activations.relu(x, **parameters), expected)
    np.testing.assert_array_equal(
        activations.gradient("relu", x, np.ones_like(x), **parameters), [0.5] * 6 + [0]
    )
    assert activations.relu(np.array([-np.inf]), max_value=3.0) == 0
    np.testing.assert_array_equal(activations.relu(x, max_value=None), np.maximum(x, 0))


def test_celu_and_gelu_take_parameters():
    x = np.linspace(-6, 3, 50)
    np.testing.assert_allclose(
        activations.celu(x, alpha=0.3), np.where(x > 0, x, 0.3 * np.expm1(x / 0.3)), rtol=1e-14
    )
    np.testing.assert_array_equal(activations.gelu(x, approximate=True), activations.gelu_tanh(x))
    for extra in ({}, {"approximate": True}):
        name = "gelu_tanh" if extra else "gelu"
        np.testing.assert_array_equal(
            activations.gradient("gelu", x, x, **extra), activations.gradient(name, x, x)
        )


@pytest.mark.parametrize("dtype", dtypes)
def test_symmetries(dtype):
    x = np.random.default_rng(11).standard_normal(1000).astype(dtype) * 5
    for name in ("tanh", "softsign"):
        f = activations.get(name)
        np.testing.assert_array_equal(f(-x), -f(x))
    tight = {"rtol": 4 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).eps}
    for name in ("silu", "gelu", "gelu_tanh"):
        f = activations.get(name)
        np.testing.assert_allclose(f(x) - f(-x), x, **tight)
    np.testing.assert_allclose(activations.sigmoid(x) + activations.sigmoid(-x), 1, **tight)
    np.testing.assert_array_equal(activations.log_sigmoid(x), -activations.softplus(-x))


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("shape", [(5, 1), (700, 3), (40, 300), (3, 4, 5), (0, 4)])
def test_prelu_and_its_gradients(dtype, shape):
    rng = np.random.default_rng(12)
    x, upstream = rng.standard_normal((2, *shape)).astype(dtype)
    for alpha_shape in (shape[-1:], shape[1:], ()):
        alpha = rng.uniform(0, 1, alpha_shape).astype(dtype)
        y = activations.prelu(x, alpha)
        np.testing.assert_array_equal(y, np.where(x > 0, x, alpha * x))
        out = np.empty_like(x)
        assert activations.prelu(x, alpha, out=out) is out
        np.testing.assert_array_equal(out, y)
        dx, dalpha = activations.gradient("prelu", x, upstream, alpha=alpha)
        np.testing.assert_array_equal(dx, upstream * np.where(x > 0, dtype(1), alpha))
        axes = tuple(range(x.ndim - alpha.ndim))
        parts = np.where(x > 0, 0, upstream.astype(np.float64) * x)
        tolerance = 2 * np.finfo(dtype).eps
        bound = tolerance * np.abs(parts).sum(axes)
        assert dalpha.shape == alpha.shape
        assert (np.abs(dalpha - parts.sum(axes)) <= bound).all()
        with ug.threads(3):
            np.testing.assert_array_equal(
                activations.gradient("prelu", x, upstream, alpha=alpha)[1], dalpha
            )


def test_prelu_refuses_what_does_not_fit():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"alpha has shape \(2,\), expected the last sizes of x"):
        activations.prelu(x, np.ones(2))
    with pytest.raises(TypeError, match="alpha has dtype float32, but x has float64"):
        activations.prelu(x, np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"out has shape \(3,\)"):
        activations.prelu(x, np.ones(3), out=np.ones(3))
    with pytest.raises(ValueError, match=r"upstream has shape \(3,\)"):
        activations.gradient("prelu", x, np.ones(3), alpha=np.ones(3))


views = {
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1, ::-1],
    "every second": lambda a: a[::2, ::2],
    "one row": lambda a: a[:1],
    "broadcast": lambda a: np.broadcast_to(a[0], (4, a.shape[1])),
    "unaligned": lambda a: unaligned(a),
    "scalar": lambda a: a[0, 0],
    "three-dimensional": lambda a: a.reshape(2, 3, -1)[:, ::-1],
    "empty": lambda a: a[:0],
}


def unaligned(a: np.ndarray) -> np.ndarray:
    raw = np.empty(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


@pytest.mark.parametrize("view", views.values(), ids=views.keys())
@pytest.mark.parametrize("name", ["silu", "softmax"])
def test_any_strides_give_what_a_contiguous_copy_gives(name, view):
    a = np.random.default_rng(4).standard_normal((6, 10)).astype(np.float32)
    x = view(a)
    if name == "softmax" and np.ndim(x) == 0:
        return
    f = activations.get(name)
    np.testing.assert_array_equal(f(x), f(np.array(x, order="C")))
    upstream = np.ascontiguousarray(x)[...].reshape(np.shape(x))
    g = activations.gradient(name, x, upstream)
    np.testing.assert_array_equal(g, activations.gradient(name, np.array(x, order="C"), upstream))


def test_out_receives_the_result():
    x = np.random.default_rng(5).standard_normal((8, 8))
    expected = activations.tanh(x)
    out = np.empty_like(x)
    assert activations.tanh(x, out) is out
    np.testing.assert_array_equal(out, expected)
    strided = np.empty((8, 16))[:, ::2]
    assert activations.tanh(x, out=strided) is strided
    np.testing.assert_array_equal(strided, expected)
    itself = x.copy()
    activations.tanh(itself, itself)
    np.testing.assert_array_equal(itself, expected)
    activations.tanh(x, out=x.T)
    np.testing.assert_array_equal(x, expected.T)


def test_out_may_overlap_x():
    a = np.random.default_rng(6).standard_normal(300)
    expected = activations.silu(a[:-1])
    np.testing.assert_array_equal(activations.silu(a[:-1], out=a[1:]), expected)


along_axis = {"softmax": activations.softmax, "log_softmax": activations.log_softmax}


def along_axis_expected(name, x, upstream, axis):
    """The values and the gradient in float64, by the definitions."""
    x = x.astype(np.float64)
    log = x - special.logsumexp(x, axis=axis, keepdims=True)
    p = np.exp(log)
    if name == "softmax":
        return p, p * (upstream - (upstream * p).sum(axis=axis, keepdims=True))
    return log, upstream - p * upstream.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("name", along_axis)
@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_softmax_along_each_axis_of_any_view(name, axis, dtype):
    f = along_axis[name]
    base = np.random.default_rng(7).standard_normal((6, 40, 50)).astype(dtype)
    rtol = 1e-5 if dtype is np.float32 else 1e-13
    for x in (base, base.transpose(2, 0, 1), base[::2, ::-1, 3:20], base[:, :1], base[:0]):
        upstream = np.random.default_rng(8).standard_normal(x.shape).astype(dtype)
        value, gradient = along_axis_expected(name, x, upstream, axis) if x.size else (x, x)
        np.testing.assert_allclose(f(x, axis), value, rtol=rtol)
        out = np.full((*x.shape[:-1], 2 * x.shape[-1]), 7, dtype)[..., ::2]
        assert f(x, axis=axis, out=out) is out
        np.testing.assert_array_equal(out, f(x, axis))
        got = activations.gradient(name, x, upstream, axis=axis)
        np.testing.assert_allclose(got, gradient, rtol=100 * rtol, atol=rtol)
        above = np.asfortranarray(upstream)
        np.testing.assert_array_equal(activations.gradient(name, x, above, axis=axis), got)
    itself = base.copy()
    f(itself, axis, itself)
    np.testing.assert_array_equal(itself, f(base, axis))
    f(base, axis, base[::-1])
    np.testing.assert_array_equal(base[::-1], itself)


def test_log_softmax_keeps_what_softmax_rounds_away():
    x = np.array([[0.0, -1e4, -np.inf], [3e38, 1.0, -3e38]], np.float32)
    expected = [[0, -1e4, -np.inf], [0, -3e38, -np.inf]]
    np.testing.assert_allclose(activations.log_softmax(x), expected, rtol=1e-6)
    assert np.all(np.isnan(activations.log_softmax(np.array([-np.inf, -np.inf]))))
    model = ug.Sequential(
        [ug.layers.Input((3,), dtype="float64"), ug.layers.Activation("log_softmax")]
    )
    y = np.random.default_rng(9).standard_normal((4, 3))
    np.testing.assert_allclose(model(y), activations.log_softmax(y), rtol=1e-14)


def test_lists_are_float64():
    y = activations.relu([-1, 2])
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, [0, 2])


@pytest.mark.parametrize(
    "dtype", [np.int64, np.float16, np.complex128, np.longdouble, ">f8", object]
)
def test_other_dtypes_are_refused(dtype):
    x = np.ones(3, dtype=dtype)
    for f in (activations.relu, activations.softmax):
        with pytest.raises(TypeError, match=r"x has dtype .*, expected float32 or float64"):
            f(x)


def test_bad_out_is_refused():
    x = np.ones(3)
    with pytest.raises(ValueError, match=r"out has shape \(4,\), but x has \(3,\)"):
        activations.relu(x, np.ones(4))
    with pytest.raises(TypeError, match="out has dtype float32, but x has float64"):
        activations.relu(x, np.ones(3, np.float32))
    with pytest.raises(TypeError, match="out must be an array"):
        activations.relu(x, [1.0, 2.0, 3.0])
    readonly = np.ones(3)
    readonly.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        activations.relu(x, readonly)
    with pytest.raises(ValueError, match=r"upstream has shape \(2,\), but x has \(3,\)"):
        activations.gradient("relu", x, np.ones(2))


def test_bad_names_and_parameters_are_refused():
    with pytest.raises(ValueError, match=r"unknown activation 'rleu', expected one of .*'relu'"):
        activations.gradient("rleu", [1.0], [1.0])
    with pytest.raises(
        ValueError, match=r"activation is 'sigmod', expected.*did you mean 'sigmoid'"
    ):
        activations.get("sigmod")
    with pytest.raises(TypeError, match="an activation is a name, a function or None, not int"):
        activations.get(3)
    with pytest.raises(ValueError, match="negative_slope must be finite and at least 0"):
        activations.leaky_relu([1.0], negative_slope=-1)
    with pytest.raises(ValueError, match="alpha must be finite"):
        activations.elu([1.0], alpha=float("nan"))
    with pytest.raises(ValueError, match="celu: alpha must be finite and positive"):
        activations.celu([1.0], alpha=0)
    with pytest.raises(ValueError, match="relu: threshold must be finite, but it is nan"):
        activations.relu([1.0], threshold=float("nan"))
    with pytest.raises(TypeError, match=r"relu\(\) got an unexpected parameter 'alpha'"):
        activations.gradient("relu", [1.0], [1.0], alpha=1)
    with pytest.raises(ValueError, match="axis is 2, but the array has 1 dimensions"):
        activations.softmax([1.0], axis=2)


def test_get_finds_names_and_keeps_callables():
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert activations.get(abs) is abs
    assert activations.get("hard_swish") is activations.hard_silu
    assert {activations.get(name).__name__ for name in names} == set(names)
