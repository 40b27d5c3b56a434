import numpy as np
import pytest
from scipy import stats
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import _native
from unitgain.layers import (
    Activation,
    AlphaDropout,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Input,
    RReLU,
)

test_other_variants = rerun_on_other_variants(__file__)

KEY, STREAM = 0x0123456789ABCDEF, 0xFEDCBA9876543210
ALPHA = -1.7580993408473766
NOISES = {
    "dropout": [0.3],
    "alpha_dropout": [0.3],
    "gaussian_noise": [0.7],
    "gaussian_dropout": [0.3],
    "rrelu": [0.125, 0.375],
}


def words(key: int, stream: int, n: int) -> np.ndarray:
    """The random words of positions 0 ... n - 1, one Philox block at a time."""
    low = 0xFFFFFFFF
    groups = []
    for group in range((n + 63) // 64):
        counters = range(16 * group, 16 * group + 16)
        blocks = [
            _native.philox([c & low, c >> 32, stream & low, stream >> 32], [key & low, key >> 32])
            for c in counters
        ]
        groups.append(np.array(blocks).T.ravel())
    return np.concatenate([np.empty(0), *groups])[:n].astype(np.uint32)


def uniforms(w: np.ndarray) -> np.ndarray:
    return ((w >> 1) + 0.5) / 2.0**31


def normals(n: int) -> np.ndarray:
    """Box and Muller's pairs: radius from the first 32 words of a group, angle from the others."""
    w = words(KEY, STREAM, (n + 63) // 64 * 64).reshape(-1, 2, 32)
    radius = np.sqrt(-2 * np.log(uniforms(w[:, 0])))
    angle = 2 * np.pi * w[:, 1] / 2.0**32
    pair = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pair.ravel()[:n]


def slopes_and_shifts(name: str, n: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = slope x + shift, by each noise's definition."""
    rate = NOISES[name][0]
    kept = words(KEY, STREAM, n) >= round(rate * 2**32)
    if name == "dropout":
        return kept / (1 - rate), np.zeros(n)
    if name == "alpha_dropout":
        a = ((1 - rate) * (1 + rate * ALPHA**2)) ** -0.5
        b = -a * ALPHA * rate
        return a * kept, np.where(kept, b, a * ALPHA + b)
    if name == "gaussian_noise":
        return np.ones(n), rate * normals(n)
    if name == "gaussian_dropout":
        return 1 + np.sqrt(rate / (1 - rate)) * normals(n), np.zeros(n)
    lower, upper = NOISES[name]
    drawn = lower + (upper - lower) * uniforms(words(KEY, STREAM, n))
    return np.where(x > 0, 1, drawn), np.zeros(n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 3, 17, 63, 64, 65, 1000])
@pytest.mark.parametrize("name", NOISES)
def test_noise_is_what_its_words_say(name, n, dtype):
    x = np.random.default_rng(n).standard_normal(n).astype(dtype)
    upstream = np.random.default_rng(n + 1).standard_normal(n).astype(dtype)
    slope, shift = slopes_and_shifts(name, n, x)
    y = _native.noise(name, NOISES[name], x, KEY, STREAM)
    gradient = _native.noise_gradient(name, NOISES[name], x, upstream, KEY, STREAM)
    assert y.dtype == gradient.dtype == dtype
    tolerance = 3e-6 if dtype is np.float32 else 1e-9
    np.testing.assert_allclose(y, slope * x + shift, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gradient, slope * upstream, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NOISES)
def test_noise_has_equal_bits_for_any_thread_count_and_size(name):
    x = np.random.default_rng(1).standard_normal(400_003).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            results.append(_native.noise(name, NOISES[name], x, 1, 2))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    part = _native.noise(name, NOISES[name], x[:1234], 1, 2)
    np.testing.assert_array_equal(part, results[0][:1234])


@pytest.mark.parametrize("rate", [0.0, 2.0**-32, 0.25, 1 - 2.0**-20])
def test_dropout_drops_with_exactly_its_rate(rate):
    w = words(5, 6, 256)
    kept = _native.noise("dropout", [rate], np.ones(256), 5, 6) > 0
    np.testing.assert_array_equal(kept, w >= round(rate * 2**32))
    on_the_edge = int(w[11]) / 2**32
    kept = _native.noise("dropout", [on_the_edge], np.ones(256), 5, 6) > 0
    np.testing.assert_array_equal(kept, w >= w[11])


def test_dropout_of_non_finite_values_drops_them():
    kept = words(3, 4, 64) >= 2**31
    for value in (np.nan, np.inf):
        y = _native.noise("dropout", [0.5], np.full(64, value), 3, 4)
        np.testing.assert_array_equal(np.isfinite(y), ~kept)
        y = _native.noise("alpha_dropout", [0.5], np.full(64, value), 3, 4)
        np.testing.assert_array_equal(np.isfinite(y), ~kept)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaussian_noise_is_normal_and_independent(dtype):
    z = _native.noise("gaussian_noise", [1.0], np.zeros(200_000, dtype), 7, 8).astype(np.float64)
    assert stats.kstest(z, "norm").pvalue > 1e-4
    other = _native.noise("gaussian_noise", [1.0], np.zeros(200_000, dtype), 7, 9)
    for lagged in (z[1:], z[32:], z[64:], other):
        n = len(lagged)
        assert abs(np.mean(z[:n] * lagged)) < 6 / np.sqrt(n)
    assert 4 < np.abs(z).max() < 7


def test_alpha_dropout_keeps_mean_and_variance_of_a_normalised_input():
    x = np.random.default_rng(2).standard_normal(400_000)
    y = _native.noise("alpha_dropout", [0.2], x, 1, 1)
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02


def test_rrelu_slopes_fill_their_range_evenly():
    y = _native.noise("rrelu", [0.125, 0.375], np.full(100_000, -1.0), 3, 3)
    assert stats.kstest(-y, "uniform", args=(0.125, 0.25)).pvalue > 1e-4


def test_random_dropout_follows_the_seed_and_takes_any_array():
    x = np.random.default_rng(4).standard_normal((6, 8, 10))
    y = ug.random.dropout(x.transpose(2, 0, 1), 0.4, seed=1)
    np.testing.assert_array_equal(y, ug.random.dropout(x.transpose(2, 0, 1).copy(), 0.4, seed=1))
    kept = y != 0
    np.testing.assert_allclose(y[kept], (x.transpose(2, 0, 1) / 0.6)[kept], rtol=1e-15)
    assert 0.5 < kept.mean() < 0.7
    ug.random.seed(3)
    first, second = ug.random.dropout(x, 0.5), ug.random.dropout(x, 0.5)
    assert np.any(first != second)
    ug.random.seed(3)
    np.testing.assert_array_equal(first, ug.random.dropout(x, 0.5))
    assert ug.random.dropout([1.0, 2.0], 0.0).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="rate must be at least 0 and less than 1"):
        ug.random.dropout(x, 1.0)
    with pytest.raises(TypeError, match="expected float32 or float64"):
        ug.random.dropout(np.ones(3, int), 0.5)


@pytest.mark.parametrize(
    "layer", [Dropout(0.3), AlphaDropout(0.3), GaussianNoise(0.5), GaussianDropout(0.3)]
)
def test_layers_draw_in_training_alone_and_anew_at_each_step(layer):
    model = ug.Sequential([Input((50,), dtype="float64"), layer, Dense(50, use_bias=False)])
    model.layers[1].kernel.array[...] = np.eye(50)
    x = np.random.default_rng(5).standard_normal((40, 50))
    np.testing.assert_array_equal(model(x), x)
    first, second = model(x, training=True), model(x, training=True)
    assert np.any(first != x)
    assert np.any(first != second)
    assert abs(np.mean(first - x)) < 0.2


def test_rrelu_takes_its_mean_slope_outside_training():
    x = np.random.default_rng(6).standard_normal((30, 8))
    mean = (1 / 8 + 1 / 3) / 2
    expected = np.where(x > 0, x, mean * x)
    np.testing.assert_allclose(ug.activations.rrelu(x), expected, rtol=1e-15)
    drawn = ug.activations.rrelu(x, training=True, seed=1, out=np.empty_like(x))
    np.testing.assert_array_equal(drawn, ug.activations.rrelu(x, training=True, seed=1))
    slopes = (drawn / x)[x < 0]
    assert np.all((slopes >= 1 / 8) & (slopes <= 1 / 3))
    assert np.ptp(slopes) > 0.1
    gradient = ug.activations.gradient("rrelu", x, x, lower=0.1, upper=0.3)
    np.testing.assert_allclose(gradient, np.where(x > 0, x, 0.2 * x), rtol=1e-14)

    for layers in (
        [RReLU(seed=2)],
        [Activation("rrelu")],
        [Dense(8, activation="rrelu", use_bias=False)],
    ):
        model = ug.Sequential([Input((8,), dtype="float64"), *layers])
        for weight in model.weights:
            weight.array[...] = np.eye(8)
        np.testing.assert_allclose(model(x), expected, rtol=1e-12)
        slopes = (model(x, training=True) / x)[x < 0]
        assert np.ptp(slopes) > 0.1
        assert abs(slopes.mean() - mean) < 0.03


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AlphaDropout(1.0), "rate must be at least 0 and less than 1, but it is 1.0"),
        (lambda: GaussianDropout(-0.1), "rate must be at least 0"),
        (lambda: GaussianNoise(float("inf")), "stddev must be finite and at least 0"),
        (lambda: GaussianNoise(-1), "stddev must be finite and at least 0"),
        (lambda: RReLU(0.3, 0.2), "expected finite 0 <= lower <= upper"),
        (lambda: ug.activations.rrelu([1.0], lower=-1), "lower is -1"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
