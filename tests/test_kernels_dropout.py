import numpy as np
import pytest

from unitgain import _native
from variants import rerun_on_other_variants

test_other_variants = rerun_on_other_variants(__file__)

ops = _native.ops


def reference_words(key: int, stream: int, n: int) -> np.ndarray:
    """The random words 0 ... n - 1 of a stream, one Philox block at a time."""
    low = 0xFFFFFFFF
    words = []
    for block in range((n + 3) // 4):
        counter = [block & low, block >> 32, stream & low, stream >> 32]
        words += ops.philox(counter, [key & low, key >> 32])
    return np.array(words[:n], dtype=np.uint32)


# Random123's published known answers for philox4x32-10 (its file kat_vectors): zeros, ones, and pi.
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, answer):
    assert ops.philox(counter, key) == answer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 3, 17, 63, 64, 65, 1000])
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_dropout_keeps_exactly_where_the_word_reaches_the_threshold(dtype, n, rate):
    key, stream = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    x = np.random.default_rng(n).standard_normal(n).astype(dtype)
    kept = reference_words(key, stream, n) >= round(rate * 2**32)
    expected = np.where(kept, x * dtype(1 / (1 - rate)), dtype(0))
    np.testing.assert_array_equal(ops.dropout(x, key, stream, rate), expected)


def test_dropout_has_equal_bits_for_any_thread_count():
    x = np.ones(5003, dtype=np.float32)
    one, two, three = (ops.dropout(x, 1, 2, 0.5, threads=threads) for threads in (1, 2, 3))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)


def test_dropout_keeps_the_mean_and_differs_between_streams():
    x = np.ones(100_000)
    first, second = ops.dropout(x, 7, 0, 0.3), ops.dropout(x, 7, 1, 0.3)
    # Six standard deviations of the mean of 100000 draws of 0 or 1 / 0.7.
    assert abs(first.mean() - 1) < 6 * np.sqrt(0.3 / 0.7 / x.size)
    agree = np.mean((first > 0) == (second > 0))
    assert abs(agree - (0.7**2 + 0.3**2)) < 0.01


def test_dropout_of_non_finite_values_drops_them():
    x = np.full(64, np.nan)
    kept = reference_words(3, 4, 64) >= 2**31
    np.testing.assert_array_equal(np.isnan(ops.dropout(x, 3, 4, 0.5)), kept)


def test_a_word_equal_to_the_threshold_is_kept():
    words = reference_words(5, 6, 64)
    rate = int(words[11]) / 2**32
    kept = ops.dropout(np.ones(64), 5, 6, rate) > 0
    np.testing.assert_array_equal(kept, words >= words[11])
