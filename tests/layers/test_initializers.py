"""Initial weights have the distribution they promise, and keep a signal's strength."""

import math

import numpy as np
import pytest
from scipy import stats

import unitgain as ug
from unitgain import initializers, layers

SHAPE = (300, 500)
UNIFORM, TRUNCATED, NORMAL = "uniform", "truncated", "normal"
# name: variance of (inputs, units), distribution; from the papers' formulas.
SCALED = {
    "GlorotNormal": (lambda i, u: 2 / (i + u), TRUNCATED),
    "GlorotUniform": (lambda i, u: 2 / (i + u), UNIFORM),
    "FourfoldGlorotNormal": (lambda i, u: 32 / (i + u), TRUNCATED),
    "FourfoldGlorotUniform": (lambda i, u: 32 / (i + u), UNIFORM),
    "HeNormal": (lambda i, u: 2 / i, TRUNCATED),
    "HeUniform": (lambda i, u: 2 / i, UNIFORM),
    "LecunNormal": (lambda i, u: 1 / i, TRUNCATED),
    "LecunUniform": (lambda i, u: 1 / i, UNIFORM),
}
VARIANCE_SCALING = {
    (mode, distribution): (
        initializers.VarianceScaling(3.0, mode, distribution, seed=8),
        3.0 / count,
        kind,
    )
    for mode, count in (("fan_in", 300), ("fan_out", 500), ("fan_avg", 400))
    for distribution, kind in (
        ("uniform", UNIFORM),
        ("truncated_normal", TRUNCATED),
        ("untruncated_normal", NORMAL),
    )
}
CASES = {
    **{
        name: (getattr(initializers, name)(seed=7), variance(*SHAPE), kind)
        for name, (variance, kind) in SCALED.items()
    },
    **{"-".join(key): case for key, case in VARIANCE_SCALING.items()},
}


def scipy_distribution(kind, variance):
    deviation = math.sqrt(variance)
    if kind == UNIFORM:
        return stats.uniform(-math.sqrt(3) * deviation, 2 * math.sqrt(3) * deviation)
    if kind == NORMAL:
        return stats.norm(0, deviation)
    # As in Keras: truncated at two deviations of the normal whose truncation has the variance.
    return stats.truncnorm(-2, 2, scale=deviation / stats.truncnorm(-2, 2).std())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_mean_variance_range_and_distribution(name, dtype):
    initializer, variance, kind = CASES[name]
    values = initializer(SHAPE, dtype)
    assert values.shape == SHAPE
    assert values.dtype == dtype
    expected = scipy_distribution(kind, variance)
    flat = values.astype(np.float64).ravel()
    n = flat.size
    kurtosis = float(expected.stats("k"))
    assert abs(flat.mean()) < 4 * math.sqrt(variance / n)
    assert abs(flat.var() / variance - 1) < 4 * math.sqrt((kurtosis + 2) / n)
    low, high = expected.support()
    assert low * 1.000001 <= flat.min()
    assert flat.max() <= high * 1.000001
    if kind != NORMAL:
        assert flat.min() < 0.99 * low
        assert flat.max() > 0.99 * high
    assert stats.kstest(flat, expected.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_values_are_independent_along_both_axes(name):
    values = CASES[name][0](SHAPE, "float64")
    values = values / values.std()
    bound = 4.5 / math.sqrt(values.size)
    for lag in (1, 2, 3, 64):
        assert abs((values[lag:] * values[:-lag]).mean()) < bound
        assert abs((values[:, lag:] * values[:, :-lag]).mean()) < bound
        assert abs((values[:, lag:] ** 2 * values[:, :-lag] ** 2).mean() - 1) < 4 * bound


def test_without_a_seed_every_call_draws_anew():
    for name in ("GlorotUniform", "HeNormal", "Orthogonal"):
        initializer = getattr(initializers, name)()
        assert not np.array_equal(initializer((4, 4)), initializer((4, 4)))
        seeded = getattr(initializers, name)(seed=1)
        np.testing.assert_array_equal(seeded((4, 4)), seeded((4, 4)))


@pytest.mark.parametrize("shape", [(5,), (), (2, 3, 4)])
def test_fans_of_other_shapes_are_those_of_keras(shape):
    # keras.src.initializers.random_initializers.compute_fans: a vector has its length for both, a
    # scalar 1, and leading axes multiply the inputs only here, where there are no convolutions.
    fan_in = {(5,): 5, (): 1, (2, 3, 4): 6}[shape]
    values = [initializers.LecunUniform(seed=s)(shape, "float64") for s in range(2000)]
    assert abs(np.var(values) * fan_in - 1) < 0.1


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (2, 3, 5), (1, 7)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_columns_or_rows(shape, dtype):
    matrix = initializers.Orthogonal(2.0, seed=3)(shape, dtype)
    assert matrix.shape == shape
    assert matrix.dtype == dtype
    matrix = matrix.reshape(-1, shape[-1]).astype(np.float64)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    tolerance = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(matrix.T @ matrix, 4 * np.eye(matrix.shape[1]), atol=tolerance)


def test_orthogonal_matrices_are_equally_likely():
    # The trace of a random orthogonal matrix has mean 0 and variance 1, its determinant each sign
    # as often (Diaconis and Shahshahani, "On the eigenvalues of random matrices", 1994).
    matrices = [initializers.Orthogonal(seed=s)((6, 6), "float64") for s in range(1500)]
    traces = np.trace(matrices, axis1=1, axis2=2)
    assert abs(traces.mean()) < 4 / math.sqrt(1500)
    assert abs(traces.var() - 1) < 0.2
    assert abs(np.linalg.det(matrices).mean()) < 0.12
    entries = np.array(matrices)[:, 2, 4]
    # An entry is a coordinate of a point on the unit sphere: its square is Beta(1/2, 5/2).
    assert stats.kstest(entries**2, stats.beta(0.5, 2.5).cdf).pvalue > 1e-3


def test_identity():
    np.testing.assert_array_equal(initializers.Identity(2.0)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    with pytest.raises(ValueError, match="matrices"):
        initializers.Identity()((3,))
    with pytest.raises(ValueError, match="two sizes"):
        initializers.Orthogonal()((3,))


GLOROT = [
    "exponential", "hard_sigmoid", "linear", "log_sigmoid", "log_softmax", "sigmoid", "softmax",
    "softsign", "step", "tanh", None,
]  # fmt: skip
HE = [
    "celu", "elu", "gelu", "gelu_tanh", "hard_silu", "hard_swish", "leaky_relu", "mish", "prelu",
    "relu", "relu6", "rrelu", "silu", "softplus", "swish",
]  # fmt: skip


def test_for_activation_names_the_rule():
    assert all(type(initializers.for_activation(a)).__name__ == "GlorotUniform" for a in GLOROT)
    assert all(type(initializers.for_activation(a)).__name__ == "HeNormal" for a in HE)
    assert type(initializers.for_activation(ug.activations.selu)).__name__ == "LecunNormal"
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        initializers.for_activation("relv")


def test_every_activation_has_a_rule():
    for name in ug.activations.__all__:
        if name not in ("get", "glu", "gradient"):  # glu is no activation of a layer
            initializers.for_activation(name, seed=1)


def test_auto_is_the_activation_s():
    for activation in ("relu", "tanh", "selu"):
        dense = layers.Dense(3, activation, kernel_initializer="auto")
        expected = initializers.for_activation(activation)
        assert type(dense.kernel_initializer) is type(expected)


# ---- what they are for ----


def strengths(depths, make_layers, width=256, samples=256):
    """Mean and variance of a signal behind so many layers, in training mode."""
    parts = make_layers(max(depths))
    x = ug.random.normal((samples, width), seed=1)
    found = []
    for depth in depths:
        model = ug.Sequential([layers.Input((width,)), *parts[: depth * len(parts) // max(depths)]])
        signal = model(x, training=True)
        found.append((float(signal.mean()), float(signal.var())))
    return found


def test_self_normalizing_nets_keep_mean_0_and_variance_1_through_100_layers():
    ug.random.seed(4)

    def selu(depth):
        return [
            layer
            for _ in range(depth)
            for layer in (
                layers.Dense(256, "selu", kernel_initializer="lecun_normal"),
                layers.AlphaDropout(0.05),
            )
        ]

    for mean, variance in strengths((1, 10, 30, 100), selu):
        assert abs(mean) < 0.1
        assert 0.75 < variance < 1.35


def test_sigmoid_nets_with_unit_normal_weights_lose_their_gradient_where_selu_nets_keep_it():
    # Units saturate. A layer of n units multiplies the squared gradient by n E[s'(z)^2], with z of
    # variance about 0.45 n: some 0.1 sqrt(n), which is 0.57 for 32 units.
    ug.random.seed(4)

    def gradient_ratio(activation, initializer):
        model = ug.Sequential(
            [
                layers.Input((32,)),
                *(layers.Dense(32, activation, kernel_initializer=initializer) for _ in range(100)),
                layers.Dense(1),
            ]
        )
        model.compile("sgd", "mse")
        x = ug.random.normal((64, 32), seed=1)
        _, gradients = model.gradients(x, np.ones((64, 1), np.float32))
        first, last = gradients[0], gradients[-4]
        return np.linalg.norm(first) / np.linalg.norm(last)

    unit_normal = initializers.RandomNormal(0.0, 1.0)
    assert gradient_ratio("sigmoid", unit_normal) < 1e-6
    assert 0.02 < gradient_ratio("selu", "lecun_normal") < 50


def test_the_fourfold_rule_keeps_the_gradient_of_sigmoid_nets():
    ug.random.seed(4)

    def spread_behind(initializer):
        def sigmoid(depth):
            return [
                layers.Dense(256, "sigmoid", kernel_initializer=initializer) for _ in range(depth)
            ]

        parts = sigmoid(10)
        model = ug.Sequential([layers.Input((256,)), *parts])
        return model(ug.random.normal((256, 256), seed=1)).std(axis=0).mean()

    # How much the outputs still depend on the input.
    assert spread_behind("fourfold_glorot_uniform") > 100 * spread_behind("glorot_uniform")
