import numpy as np
import pytest

from unitgain import _native
from variants import rerun_on_other_variants

test_other_variants = rerun_on_other_variants(__file__)

ops = _native.ops
dtypes = [np.float32, np.float64]
sizes = [0, 1, 3, 17, 31, 33, 1000]


def arrays(n, dtype, count):
    rng = np.random.default_rng(n)
    return [rng.standard_normal(n).astype(dtype) for _ in range(count)]


def wide(*values):
    return [v.astype(np.longdouble) for v in values]


def close(got, expected, dtype, size=1.0):
    """Require agreement to some roundings of numbers of this size."""
    error = np.abs(got - expected)
    assert (error <= 8 * np.finfo(dtype).eps * (size + np.abs(expected))).all(), error.max()


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("n", sizes)
def test_sgd(n, dtype):
    w, g = arrays(n, dtype, 2)
    W, G = wide(w, g)
    ops.sgd(w, g, 0.125)
    close(w, W - 0.125 * G, dtype)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("n", sizes)
def test_sgd_momentum(n, dtype, nesterov):
    w, g, v = arrays(n, dtype, 3)
    W, G, V = wide(w, g, v)
    for _ in range(2):
        ops.sgd_momentum(w, g, v, 0.125, 0.75, nesterov)
        V = 0.75 * V - 0.125 * G
        W = W + (0.75 * V - 0.125 * G if nesterov else V)
    close(v, V, dtype)
    close(w, W, dtype)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("n", sizes)
def test_adam(n, dtype):
    w, g, m, v = arrays(n, dtype, 4)
    v = abs(v)
    W, G, M, V = wide(w, g, m, v)
    for _ in range(2):
        ops.adam(w, g, m, v, 0.125, 0.9, 0.999, 2.0**-20)
        M = M + (G - M) * (1 - 0.9)
        V = V + (G * G - V) * (1 - 0.999)
        W = W - 0.125 * M / (np.sqrt(V) + 2.0**-20)
    close(m, M, dtype)
    close(v, V, dtype)
    close(w, W, dtype, size=1 + abs(M / np.sqrt(V)))
