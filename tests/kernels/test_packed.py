"""Packed matrices: the products of what they were made of, again and again."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import rerun_on_other_variants

import unitgain as ug

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = [np.float32, np.float64]


def random(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(x, packed, result):
    weights = packed.unpack()
    # To float32 float64 is exact, by 2^-29 of the bound, and far quicker than long double.
    wider = np.float64 if x.dtype == np.float32 else np.longdouble
    exact = x.astype(wider) @ weights.astype(wider)
    magnitude = np.abs(x).astype(np.float64) @ np.abs(weights).astype(np.float64)
    unit = (weights.shape[0] + 2) * np.finfo(x.dtype).eps / 2
    rounding = {"highest": 0, "high": 4e-6, "medium": 2.0**-8}[packed.precision]
    assert result.shape == exact.shape
    assert (np.abs(result - exact) <= (unit + rounding) * magnitude).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("precision", ["highest", "high", "medium", None])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 70), st.integers(0, 90), st.integers(0, 300), st.integers(0, 2**31))
def test_products_are_those_of_the_weights(dtype, precision, m, n, k, seed):
    x, weights = random((m, k), dtype, seed), random((k, n), dtype, seed + 1)
    packed = ug.ops.PackedMatrix(weights, precision)
    result = x @ packed
    assert result.dtype == dtype
    check(x, packed, result)


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_of_depth_and_of_columns(dtype):
    for k, n in [(3000, 90), (70, 3000), (2100, 1100)]:
        packed = ug.ops.PackedMatrix(random((k, n), dtype))
        for m in (1, 2, 3, 4, 5, 40, 300):
            x = random((m, k), dtype, m)
            results = []
            for threads in (1, 2, 3):
                with ug.threads(threads):
                    results.append(x @ packed)
            check(x, packed, results[0])
            for other in results[1:]:
                np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("precision", ["highest", "high"])
def test_unpack_gives_the_weights_back(dtype, precision):
    weights = random((2500, 77), dtype)
    weights[3, 4], weights[5, 6], weights[7, 8] = np.inf, np.nan, 1e-40
    for view in (weights, weights.T, weights[::-3, ::2]):
        np.testing.assert_array_equal(ug.ops.PackedMatrix(view, precision).unpack(), view)


def test_medium_keeps_weights_that_are_close():
    weights = random((300, 200))
    packed = ug.ops.PackedMatrix(weights, "medium")
    assert (np.abs(packed.unpack() - weights) <= 2.0**-8 * np.abs(weights)).all()
    again = ug.ops.PackedMatrix(packed.unpack(), "medium")
    np.testing.assert_array_equal(again.unpack(), packed.unpack())


@pytest.mark.parametrize("value", [np.inf, np.nan, 3.4e38, 1e-42])
def test_medium_keeps_what_bfloat16_cannot(value):
    weights = random((64, 64))
    weights[2, 3] = value
    packed = ug.ops.PackedMatrix(weights, "medium")
    x = random((70, 64))
    x[5, 6] = value
    with np.errstate(all="ignore"):
        expected, result = x @ weights, x @ packed
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(expected))


def test_what_a_packed_matrix_says_of_itself():
    packed = ug.ops.PackedMatrix(random((20, 30)), "high")
    assert packed.shape == (20, 30)
    assert packed.ndim == 2
    assert packed.dtype == np.float32
    assert packed.precision == "high"
    assert packed.nbytes >= 20 * 30 * 4
    assert repr(packed) == "PackedMatrix(shape=(20, 30), dtype=float32, precision=high)"
    with ug.float32_matmul_precision("medium"):
        assert ug.ops.PackedMatrix(random((20, 30))).precision == "medium"
        assert ug.ops.PackedMatrix(random((20, 30), np.float64)).precision == "highest"


def test_operands_as_in_numpy():
    weights = random((6, 5), np.float64)
    packed = ug.ops.PackedMatrix(weights)
    for shape in [(6,), (1, 6), (4, 6), (3, 2, 6), (0, 6), (2, 0, 6)]:
        x = random(shape, np.float64)
        np.testing.assert_allclose(x @ packed, x @ weights, rtol=1e-12, atol=1e-12)
    x = random((8, 12), np.float64)[::-2, ::2]
    np.testing.assert_allclose(x @ packed, x @ weights, rtol=1e-12, atol=1e-12)
    result = ug.matmul([[1.0] * 6], packed, bias=np.ones(5), activation="relu")
    np.testing.assert_allclose(result[0], np.maximum(weights.sum(0) + 1, 0), rtol=1e-12)


def test_out_may_be_the_operand_or_have_any_strides():
    weights = random((40, 40))
    packed = ug.ops.PackedMatrix(weights)
    x = random((3, 40, 40), seed=1)
    expected = x @ packed
    out = np.empty((40, 3, 40), np.float32).transpose(1, 2, 0)
    assert ug.matmul(x, packed, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert ug.matmul(x, packed, out=x) is x
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_pickles_and_copies_multiply_alike(precision):
    x = random((50, 300))
    packed = ug.ops.PackedMatrix(random((300, 70)), precision)
    for other in (pickle.loads(pickle.dumps(packed)), copy.copy(packed), copy.deepcopy(packed)):
        assert other.precision == precision
        np.testing.assert_array_equal(x @ other, x @ packed)


def test_a_packed_matrix_is_a_copy():
    weights = random((30, 30))
    packed = ug.ops.PackedMatrix(weights)
    before = packed.unpack()
    weights[...] = 0
    packed.unpack()[...] = 0
    np.testing.assert_array_equal(packed.unpack(), before)


def test_many_threads_multiply_one_packed_matrix():
    packed = ug.ops.PackedMatrix(random((400, 300)))
    x = random((60, 400))
    expected, results = x @ packed, [None] * 8

    def multiply(i):
        results[i] = x @ packed

    threads = [threading.Thread(target=multiply, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_errors_name_what_came():
    packed = ug.ops.PackedMatrix(random((6, 5)))
    with pytest.raises(ValueError, match=r"b has shape \(6, 5\), but a has shape \(2, 5\)"):
        random((2, 5)) @ packed
    with pytest.raises(TypeError, match="b is packed float32, but a has dtype float64"):
        random((2, 6), np.float64) @ packed
    with pytest.raises(ValueError, match=r"weights has shape \(3,\), expected two dimensions"):
        ug.ops.PackedMatrix(random(3))
    with pytest.raises(TypeError, match="weights has dtype int64"):
        ug.ops.PackedMatrix(np.ones((2, 2), np.int64))
