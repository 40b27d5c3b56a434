"""Element-wise functions on arrays of any strides: the values, the layout, and `out`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unitgain as ug
from unitgain import activations


@st.composite
def views(draw):
    """An array of up to four dimensions, seen through a random chain of views."""
    shape = draw(st.lists(st.integers(0, 9), min_size=0, max_size=4))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    if x.ndim:
        x = x.transpose(draw(st.permutations(range(x.ndim))))
    index = tuple(
        slice(None, None, draw(st.sampled_from([1, 1, 1, 2, -1, -3]))) for _ in range(x.ndim)
    )
    x = x[index]
    if draw(st.booleans()):
        x = np.broadcast_to(x, (draw(st.integers(1, 3)), *x.shape))
    return x


@settings(max_examples=300, deadline=None)
@given(views(), st.integers(0, 2))
def test_any_view_gives_the_values_and_the_layout_of_numpy(x, kind):
    y = np.array(x, order="C")
    if kind == 0:
        got, expected = activations.tanh(x), activations.tanh(y)
    elif kind == 1:
        got, expected = activations.gradient("tanh", x, x), activations.gradient("tanh", y, y)
    else:
        upstream = np.array(x, order="F")
        got, expected = activations.gradient("elu", x, upstream), activations.gradient("elu", y, y)
    np.testing.assert_array_equal(got, expected)
    if kind == 0 and x.size > 1:
        like = np.negative(x)
        assert [s for s, n in zip(got.strides, x.shape, strict=True) if n > 1] == [
            s for s, n in zip(like.strides, x.shape, strict=True) if n > 1
        ]


@settings(max_examples=200, deadline=None)
@given(views(), st.data())
def test_out_may_have_any_strides(x, data):
    order = data.draw(st.permutations(range(x.ndim)))
    steps = [data.draw(st.sampled_from([1, 2, -1])) for _ in order]
    base = np.zeros([abs(s) * x.shape[a] for s, a in zip(steps, order, strict=True)], x.dtype)
    index = tuple(slice(None, None, s) for s in steps)
    out = base[index].transpose(np.argsort(order)) if x.ndim else base
    assert activations.sigmoid(x, out=out) is out
    np.testing.assert_array_equal(out, activations.sigmoid(np.array(x, order="C")))
    # Nothing between the elements of `out` was touched.
    out[...] = 0
    assert not base.any()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_views_have_equal_bits_for_any_thread_count(threads):
    x = np.random.default_rng(1).standard_normal((700, 900)).astype(np.float32)
    with ug.threads(threads):
        for view in (x.T, x[:, ::2], x[::3], x[:, 5:77], x[::-1]):
            expected = activations.tanh(np.ascontiguousarray(view))
            np.testing.assert_array_equal(activations.tanh(view), expected)


def overlapping(a: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    square = a.reshape(16, 16)
    return [
        (a[:-1], a[1:]),
        (a[1:], a[:-1]),
        (a[::-1], a),
        (square, square.T),
        (square[:, ::2], square[:, 8:]),
        (square[::2], square[8:]),
    ]


@pytest.mark.parametrize("case", range(6))
def test_out_may_overlap_the_inputs_in_any_way(case):
    a = np.random.default_rng(2).standard_normal(256)
    x, out = overlapping(a)[case]
    expected = np.tanh(x.copy())
    activations.tanh(x, out=out)
    np.testing.assert_allclose(out, expected, rtol=1e-15)


def test_unaligned_arrays_are_read_and_written():
    raw = np.zeros(81, np.uint8)
    x = raw[1:].view(np.float64)
    x[...] = np.arange(10)
    np.testing.assert_array_equal(activations.relu(x - 5), np.maximum(np.arange(10) - 5, 0))
    assert activations.relu(-x, out=x) is x
    np.testing.assert_array_equal(x, 0)


def test_out_that_repeats_elements_is_written_as_by_numpy():
    memory = np.zeros(3)
    out = np.lib.stride_tricks.as_strided(memory, (4, 3), (0, 8))
    activations.relu(np.tile([1.0, 2.0, 3.0], (4, 1)), out=out)
    np.testing.assert_array_equal(memory, [1, 2, 3])
