"""Random numbers against the generator's known answers and the distributions' theory."""

import threading

import numpy as np
import pytest
import scipy.stats

import unitgain as ug
from unitgain import _native, random

DRAWS = {
    "uniform": lambda **options: ug.random.uniform(20_001, **options),
    "normal": lambda **options: ug.random.normal(20_001, **options),
    "truncated_normal": lambda **options: ug.random.truncated_normal(20_001, **options),
}


# The known answers that Random123 ships for philox4x32-10 (Salmon et al., SC 2011).
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_philox_gives_the_known_answers(counter, key, expected):
    def words(text):
        return [int(word, 16) for word in text.split()]

    assert list(_native.philox(words(counter), words(key))) == words(expected)


def test_uniform_is_the_documented_function_of_key_stream_and_position():
    key, stream = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    array = np.empty(7)
    _native.fill_uniform(array, key, stream, 0.0, 1.0)
    for i, value in enumerate(array):
        counter = [i // 2, 0, stream & 0xFFFFFFFF, stream >> 32]
        block = _native.philox(counter, [key & 0xFFFFFFFF, key >> 32])
        low, high = block[i % 2 * 2], block[i % 2 * 2 + 1]
        assert value == ((high << 32 | low) >> 11) * 2.0**-53


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("draw", "options", "distribution"),
    [
        ("uniform", {"minval": -2.0, "maxval": 5.0}, scipy.stats.uniform(-2.0, 7.0)),
        ("normal", {"mean": 3.0, "stddev": 0.5}, scipy.stats.norm(3.0, 0.5)),
        ("truncated_normal", {"mean": 3.0, "stddev": 0.5},
         scipy.stats.truncnorm(-2.0, 2.0, 3.0, 0.5)),
    ],
)  # fmt: skip
def test_numbers_follow_the_distribution(draw, options, distribution, dtype):
    values = DRAWS[draw](seed=11, dtype=dtype, **options)
    assert values.dtype == dtype
    assert scipy.stats.kstest(values.astype(np.float64), distribution.cdf).pvalue > 0.01
    # Five standard errors of the mean; a deviation's is smaller, these tails being no heavier
    # than the normal's.
    error = distribution.std() / np.sqrt(values.size)
    assert abs(values.mean(dtype=np.float64) - distribution.mean()) < 5 * error
    assert abs(values.std(dtype=np.float64) - distribution.std()) < 5 * error
    neighbours = np.corrcoef(values[:-1].astype(np.float64), values[1:].astype(np.float64))
    assert abs(neighbours[0, 1]) < 5 / np.sqrt(values.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_stays_below_its_open_end(dtype):
    low = np.dtype(dtype).type(1.0)
    high = np.nextafter(low, np.dtype(dtype).type(2.0))  # only `low` lies in [low, high)
    assert (ug.random.uniform(1000, low, high, dtype=dtype, seed=0) == low).all()
    # In [0, 1) one number in 2^25 rounds up to the end; between neighbours of 1 every eighth does.
    values = ug.random.uniform(1000, 1.0, 1.0 + 2.0**-22, dtype="float32", seed=0)
    assert values.max() < np.float32(1.0 + 2.0**-22)


def test_truncated_normal_ends_at_two_deviations():
    values = ug.random.truncated_normal(100_000, mean=1.0, stddev=3.0, dtype="float64", seed=4)
    assert abs(values - 1.0).max() <= 6.0
    assert abs(values - 1.0).max() > 5.99


@pytest.mark.parametrize("draw", DRAWS)
def test_same_seed_gives_same_bits(draw):
    first, second = DRAWS[draw](seed=5), DRAWS[draw](seed=5)
    np.testing.assert_array_equal(first.view(np.uint32), second.view(np.uint32))
    assert (DRAWS[draw](seed=6) != first).any()
    with ug.threads(1):
        alone = DRAWS[draw](seed=5)
    with ug.threads(3):
        together = DRAWS[draw](seed=5)
    np.testing.assert_array_equal(alone.view(np.uint32), together.view(np.uint32))


@pytest.mark.parametrize("draw", DRAWS)
def test_a_longer_array_begins_like_a_shorter_one(draw):
    shorter = getattr(ug.random, draw)(33, seed=8)
    np.testing.assert_array_equal(getattr(ug.random, draw)((7, 11), seed=8).ravel()[:33], shorter)


def test_process_wide_seed_repeats_the_sequence_of_draws():
    def draws():
        ug.random.seed(123)
        return [ug.random.uniform(5), ug.random.normal(5), ug.random.permutation(50)]

    for first, second in zip(draws(), draws(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (ug.random.uniform(5) != ug.random.uniform(5)).any()


def test_a_seed_of_ones_own_neither_uses_nor_copies_the_process_wide_one():
    ug.random.seed(9)
    expected = ug.random.uniform(4)
    ug.random.seed(9)
    own = ug.random.uniform(4, seed=9)
    np.testing.assert_array_equal(ug.random.uniform(4), expected)
    assert (own != expected).all()


def test_threads_get_distinct_streams():
    ug.random.seed(2)
    streams = []

    def take():
        for _ in range(2000):
            streams.append(random.next_stream())

    workers = [threading.Thread(target=take) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert random.current_seed() == 2
    assert sorted(streams) == list(range(8000))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000])
def test_permutation_holds_every_index_once(n):
    order = ug.random.permutation(n, seed=3)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_every_permutation_is_equally_likely():
    ug.random.seed(77)
    draws = 24_000
    orders = np.array([ug.random.permutation(4) for _ in range(draws)])
    _, counts = np.unique(orders @ [64, 16, 4, 1], return_counts=True)
    assert counts.size == 24
    assert scipy.stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("shape", [0, 5, (0, 3), (2, 0), (), (2, 3), [4, 1]])
def test_any_shape(shape):
    expected = np.empty(shape).shape
    for draw in (ug.random.uniform, ug.random.normal, ug.random.truncated_normal):
        assert draw(shape, seed=1).shape == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ug.random.seed(-1), ValueError, r"seed must be in \[0, 2\*\*64\), but it is -1"),
        (lambda: ug.random.seed(1 << 64), ValueError, "seed must be in"),
        (lambda: ug.random.seed(1.5), TypeError, "float"),
        (lambda: ug.random.uniform(3, 2.0, 1.0), ValueError, "minval is 2.0 and maxval is 1.0"),
        (lambda: ug.random.uniform(3, 0.0, np.nan), ValueError, "maxval is nan"),
        (lambda: ug.random.uniform(3, -1e308, 1e308), ValueError, "maxval is 1e"),
        (lambda: ug.random.uniform((2, -1)), ValueError, r"shape .* it is \(2, -1\)"),
        (lambda: ug.random.uniform(3, dtype="float16"), TypeError, "dtype is float16, expected"),
        (lambda: ug.random.uniform(3, dtype=">f4"), TypeError, "dtype is >f4, expected"),
        (lambda: ug.random.normal(3, np.inf), ValueError, "mean must be finite"),
        (lambda: ug.random.normal(3, stddev=-1.0), ValueError, "stddev must be .* it is -1.0"),
        (lambda: ug.random.truncated_normal(3, stddev=np.nan), ValueError, "stddev .* nan"),
        (lambda: ug.random.permutation(-2), ValueError, "n must be at least 0, but it is -2"),
        (lambda: _native.fill_normal(np.ones((4, 4))[:, 1:], 0, 0, 0.0, 1.0), ValueError,
         "array must be C-contiguous"),
        (lambda: _native.fill_normal(np.ones(4, np.int32), 0, 0, 0.0, 1.0), TypeError,
         "array has dtype int32, expected float32 or float64"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
