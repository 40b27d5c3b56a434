"""ug.matmul against NumPy in float64, on every variant."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import _native

test_other_variants = rerun_on_other_variants(__file__)

# Edges of the micro-tiles (4, 6, 12, 14 rows; 4 to 32 columns), of the blocks (k of 256), and of
# what is packed.
SIZES = [1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 29, 31, 32, 33, 43, 64, 97]
DTYPES = [np.float32, np.float64]


def wider_than(dtype):
    """Return a type that is exact beside this one, by 2^-29 or 2^-11 of the bound, and quick."""
    return np.float64 if np.dtype(dtype) == np.float32 else np.longdouble


def bound(a, b, dtype):
    """Return gamma_k |A| |B|: what rounding may cost, Higham's Accuracy and Stability, 3.5."""
    k = a.shape[-1]
    unit = np.finfo(dtype).eps / 2
    wider = wider_than(dtype)
    magnitude = np.abs(a).astype(wider) @ np.abs(b).astype(wider)
    return (k + 1) * unit / (1 - (k + 1) * unit) * magnitude + np.finfo(dtype).smallest_subnormal


def check(a, b, result):
    wider = wider_than(a.dtype)
    exact = a.astype(wider) @ b.astype(wider)
    assert result.dtype == a.dtype
    assert result.shape == exact.shape
    assert (np.abs(result - exact) <= bound(a, b, a.dtype)).all()


def random(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_product_is_within_the_rounding_bound_for_tile_and_block_edges(dtype):
    rng = np.random.default_rng(0)
    shapes = [(m, n, k) for m in SIZES for n in SIZES for k in (1, 19)]
    shapes += [(m, n, k) for m in (1, 15, 100) for n in (1, 33, 100) for k in (255, 256, 257, 600)]
    for m, n, k in shapes:
        a, b = random(rng, (m, k), dtype), random(rng, (k, n), dtype)
        check(a, b, ug.matmul(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_product_spans_several_blocks_of_every_loop(dtype):
    rng = np.random.default_rng(1)
    for m, n, k in [(1100, 70, 520), (60, 3200, 300), (700, 40, 1)]:
        a, b = random(rng, (m, k), dtype), random(rng, (k, n), dtype)
        check(a, b, ug.matmul(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_reversed_transposed_and_broadcast_operands_are_read_in_place(dtype):
    rng = np.random.default_rng(2)
    for m, n, k in [(5, 3, 4), (37, 41, 29), (130, 67, 300)]:
        base_a, base_b = random(rng, (2 * m, 3 * k), dtype), random(rng, (3 * k, 2 * n), dtype)
        lefts = [
            base_a[::2, ::3],
            base_a[::-2, ::-3],
            np.asfortranarray(base_a[:m, :k]),
            np.broadcast_to(base_a[:1, :k], (m, k)),
            np.broadcast_to(base_a[:m, :1], (m, k)),
        ]
        rights = [
            base_b[::3, ::2],
            base_b[::-3, ::-2],
            np.asfortranarray(base_b[:k, :n]),
            np.broadcast_to(base_b[:1, :n], (k, n)),
        ]
        for a in lefts:
            for b in rights:
                check(a, b, ug.matmul(a, b))


def test_unaligned_operands_and_other_byte_strides_give_the_right_product():
    raw = np.zeros(4 * 12 + 1, np.uint8)
    a = raw[1:].view(np.float32).reshape(3, 4)
    a[...] = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(ug.matmul(a, np.eye(4, dtype=np.float32)), a)
    record = np.zeros(6, [("pad", np.int8), ("x", np.float64)])
    record["x"] = np.arange(6)
    np.testing.assert_array_equal(ug.matmul(np.eye(6), record["x"]), np.arange(6.0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((0, 3), (3, 4)),
        ((3, 0), (0, 4)),
        ((3, 4), (4, 0)),
        ((0, 0), (0, 0)),
        ((4,), (4,)),
        ((4,), (4, 3)),
        ((3, 4), (4,)),
        ((0,), (0,)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((4,), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((0, 2, 3), (3, 2)),
    ],
)
def test_shapes_follow_numpy(a, b, dtype):
    rng = np.random.default_rng(3)
    x, y = random(rng, a, dtype), random(rng, b, dtype)
    expected = np.matmul(x, y)
    result = ug.matmul(x, y)
    assert np.shape(result) == expected.shape
    assert np.asarray(result).dtype == dtype
    np.testing.assert_allclose(result, expected, rtol=20 * np.finfo(dtype).eps, atol=1e-5)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_any_shape_is_within_the_rounding_bound(m, n, k, seed):
    rng = np.random.default_rng(seed)
    a, b = random(rng, (m, k), np.float32), random(rng, (k, n), np.float32)
    check(a, b, ug.matmul(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_the_number_of_threads(dtype):
    rng = np.random.default_rng(4)
    for m, n, k in [(400, 500, 300), (33, 2000, 200), (3000, 20, 100), (64, 64, 5000)]:
        a, b = random(rng, (m, k), dtype), random(rng, (k, n), dtype)
        results = []
        for threads in (1, 2, 3, 4):
            with ug.threads(threads):
                results.append(ug.matmul(a, b))
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_rows_by_a_matrix_that_no_cache_of_a_thread_holds(dtype):
    rng = np.random.default_rng(11)
    for k, n in [(700, 1100), (1203, 3001), (150, 7000)]:
        b = random(rng, (k, n), dtype)
        for m in range(1, 6):
            for a in (random(rng, (m, k), dtype), random(rng, (k, m), dtype).T):
                results = []
                for threads in (1, 2, 3):
                    with ug.threads(threads):
                        results.append(ug.matmul(a, b))
                check(a, b, results[0])
                for other in results[1:]:
                    np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_may_have_any_strides_and_may_overlap_the_operands(dtype):
    rng = np.random.default_rng(5)
    a, b = random(rng, (20, 20), dtype), random(rng, (20, 20), dtype)
    expected = ug.matmul(a, b)
    for out in (
        np.empty((20, 20), dtype),
        np.empty((20, 20), dtype, order="F"),
        np.empty((40, 60), dtype)[::2, ::3],
        np.empty((20, 20), dtype)[::-1, ::-1],
    ):
        assert ug.matmul(a, b, out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    x = a.copy()
    assert ug.matmul(x, b, out=x) is x
    np.testing.assert_array_equal(x, expected)
    stack = random(rng, (3, 20, 20), dtype)
    expected = np.stack([ug.matmul(m, b) for m in stack])
    shifted = np.empty((4, 20, 20), dtype)
    shifted[1:] = stack
    ug.matmul(shifted[1:], b, out=shifted[:3])
    np.testing.assert_array_equal(shifted[:3], expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",  # those whose slope is bounded by little more than 1
    [name for name in _native.activation_table() if name not in ("step", "exponential")],
)
def test_bias_and_activation_are_applied_to_the_product(dtype, name):
    rng = np.random.default_rng(6)
    for m, n, k in [(1, 1, 1), (7, 5, 3), (50, 70, 300), (33, 129, 40)]:
        a, b, bias = random(rng, (m, k), dtype), random(rng, (k, n), dtype), random(rng, n, dtype)
        result = ug.matmul(a, b, bias=bias, activation=name)
        z = a.astype(np.float64) @ b.astype(np.float64) + bias
        expected = getattr(ug.activations, name)(z)
        slack = bound(a, b, dtype) + 4 * np.finfo(dtype).eps * (np.abs(z) + np.abs(expected) + 1)
        assert (np.abs(result - expected) <= 1.8 * slack).all()


def test_nan_and_infinity_come_out_as_numpy_has_them():
    a = np.array([[np.inf, 1.0], [np.nan, 0.0], [1.0, 2.0], [np.inf, -np.inf]], np.float32)
    b = np.array([[1.0, 0.0], [1.0, -1.0]], np.float32)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(ug.matmul(a, b), np.matmul(a, b))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.ones((2, 3)), np.ones((4, 2))), ValueError, ["(4, 2)", "(2, 3)", "3 rows"]),
        ((np.ones((2, 3), np.float32), np.ones((3, 2))), TypeError, ["float64", "float32"]),
        ((np.ones((2, 3), int), np.ones((3, 2))), TypeError, ["a has dtype int64"]),
        ((np.float64(2), np.ones((3, 2))), ValueError, ["a is a scalar"]),
        ((np.ones((2, 2, 3)), np.ones((3, 3, 2))), ValueError, ["do not broadcast"]),
        ((np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 3))), ValueError, ["out has shape (2, 3)"]),
        (
            (np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 2), np.float32)),
            TypeError,
            ["out has dtype float32"],
        ),
    ],
)
def test_errors_name_the_argument_and_what_came(arguments, error, words):
    with pytest.raises(error) as raised:
        ug.matmul(*arguments)
    for word in words:
        assert word in str(raised.value)


def test_keyword_errors_name_the_argument_and_what_came():
    a, b = np.ones((2, 3)), np.ones((3, 2))
    with pytest.raises(ValueError, match=r"bias has shape \(3,\), expected \(2,\)"):
        ug.matmul(a, b, bias=np.ones(3))
    with pytest.raises(ValueError, match="relu"):
        ug.matmul(a, b, activation="rleu")
    locked = np.ones((2, 2))
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        ug.matmul(a, b, out=locked)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40)),
    st.data(),
)
def test_stacks_broadcast_as_in_numpy(stack, ones_a, ones_b, sizes, data):
    m, n, k = sizes
    lead_a = [1 if data.draw(st.booleans()) else size for size in stack][min(ones_a, len(stack)) :]
    lead_b = [1 if data.draw(st.booleans()) else size for size in stack][min(ones_b, len(stack)) :]
    rng = np.random.default_rng(7)
    a, b = random(rng, (*lead_a, m, k), np.float64), random(rng, (*lead_b, k, n), np.float64)
    if data.draw(st.booleans()):
        a = np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    if data.draw(st.booleans()):
        b = b[..., ::-1]
    expected = np.matmul(a, b)
    result = ug.matmul(a, b)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_a_stack_have_the_bits_of_single_ones(dtype):
    rng = np.random.default_rng(8)
    for count, m, n, k in [(7, 20, 30, 40), (5, 200, 150, 100), (1000, 4, 4, 4), (3, 1, 500, 300)]:
        a, b = random(rng, (count, m, k), dtype), random(rng, (count, k, n), dtype)
        expected = np.stack([ug.matmul(x, y) for x, y in zip(a, b, strict=True)])
        for threads in (1, 2, 3):
            with ug.threads(threads):
                np.testing.assert_array_equal(ug.matmul(a, b), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([1, -1]), st.booleans())
def test_out_may_lie_anywhere_over_the_operands(first, second, step, left):
    memory = random(np.random.default_rng(9), 200, np.float64)
    a, b = memory[first : first + 64].reshape(8, 8), np.eye(8) * 2
    if not left:
        a, b = b, a
    out = memory[second : second + 64].reshape(8, 8)[::step]
    expected = np.matmul(a, b)
    assert ug.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_bias_may_lie_in_out():
    a, b, out = np.eye(3), np.ones((3, 3)), np.arange(9.0).reshape(3, 3)
    expected = a @ b + out[2]
    np.testing.assert_array_equal(ug.matmul(a, b, out=out, bias=out[2]), expected)


def test_thin_flat_and_deep_shapes_are_within_the_bound():
    rng = np.random.default_rng(10)
    shapes = [(1, 3000, 300), (2, 2000, 300), (3000, 1, 300), (2500, 5, 200), (900, 900, 3)]
    shapes += [(10, 12, 20000), (1, 1, 50000), (3, 3000, 200), (30, 2000, 100), (700, 800, 8)]
    # Little depth, few columns against little or great depth, and last columns that fill little of
    # a vector.
    shapes += [(1900, 60, 5), (66, 2600, 2), (1, 1180, 4), (1300, 7, 15), (97, 300, 16)]
    shapes += [(117, 3, 325), (5, 4, 1932), (40, 6, 47), (13, 8, 1242), (7, 2, 90), (200, 5, 21)]
    shapes += [(300, 100, 128), (512, 100, 300), (400, 49, 200), (300, 36, 600), (290, 33, 70)]
    shapes += [(1, 137, 351), (2, 550, 790), (2, 40, 1300)]
    for m, n, k in shapes:
        for dtype in DTYPES:
            left, right = random(rng, (m, k), dtype), random(rng, (k, n), dtype)
            for a in (left, np.asfortranarray(left)):
                for b in (right, np.asfortranarray(right)):
                    result = ug.matmul(a, b)
                    check(a, b, result)
                    with ug.threads(3):
                        np.testing.assert_array_equal(ug.matmul(a, b), result)
                    bias = random(rng, n, dtype)
                    shifted = ug.matmul(a, b, bias=bias, activation="relu")
                    np.testing.assert_array_equal(shifted, np.maximum(result + bias, 0))


def test_the_signature_is_that_of_a_python_function():
    names = list(inspect.signature(ug.matmul).parameters)
    assert names == ["a", "b", "out", "bias", "activation", "precision"]
    assert ug.matmul.__module__ == "unitgain"
    a = np.eye(2)
    for call, words in [
        (lambda: ug.matmul(a), "misses the positional argument 'b'"),
        (lambda: ug.matmul(a, a, None, a), "at most 3 positional"),
        (lambda: ug.matmul(a, a, None, out=None), "multiple values for argument 'out'"),
        (lambda: ug.matmul(a, a, axis=1), "unexpected keyword argument 'axis'"),
        (lambda: ug.matmul(a, b=a), "unexpected keyword argument 'b'"),
    ]:
        with pytest.raises(TypeError, match=words):
            call()
