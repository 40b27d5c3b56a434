"""Functions of unitgain.ops and their derivatives, against NumPy in float64 and differences."""

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import ops

RANDOM = np.random.default_rng(3)


def numbers(*shape, low=-2.0, high=2.0):
    """Return numbers away from the kinks at whole multiples of a half."""
    x = RANDOM.uniform(low, high, shape)
    return np.where(np.abs(x * 2 - np.round(x * 2)) < 0.05, x + 0.07, x)


# Name: function of arrays, the same in NumPy or None where it is NumPy's own, arrays.
X, Y, POSITIVE = numbers(3, 4), numbers(3, 4), numbers(3, 4, low=0.2)
UNIT = numbers(3, 4, low=-0.9, high=0.9)
ROW, COLUMN, CUBE = numbers(4), numbers(3, 1), numbers(2, 3, 4)
INDEX = np.array([2, 0, 2, -1])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


CASES = {
    **{
        name: (getattr(ops, name), getattr(np, name), (X,))
        for name in [
            "negative",
            "abs",
            "square",
            "exp",
            "expm1",
            "sin",
            "cos",
            "tanh",
            "sinh",
            "cosh",
            "arctan",
            "arcsinh",
            "floor",
            "ceil",
            "sign",
            "trunc",
            "isnan",
            "isfinite",
            "isinf",
            "logical_not",
        ]
    },
    **{
        name: (getattr(ops, name), getattr(np, name), (POSITIVE,))
        for name in ["sqrt", "reciprocal", "log", "log1p", "log2", "log10", "tan"]
    },
    **{
        name: (getattr(ops, name), getattr(np, name), (UNIT,))
        for name in ["arcsin", "arccos", "arctanh"]
    },
    **{
        name: (getattr(ops, name), getattr(np, name), (X, Y))
        for name in [
            "add",
            "subtract",
            "multiply",
            "maximum",
            "minimum",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "logical_and",
            "logical_or",
            "logical_xor",
            "arctan2",
        ]
    },
    "arccosh": (ops.arccosh, np.arccosh, (POSITIVE + 1.1,)),
    "rsqrt": (ops.rsqrt, lambda x: 1 / np.sqrt(x), (POSITIVE,)),
    "divide": (ops.divide, np.divide, (X, POSITIVE)),
    "mod": (ops.mod, np.mod, (X, POSITIVE)),
    "floor_divide": (ops.floor_divide, np.floor_divide, (X, POSITIVE)),
    "power": (ops.power, np.power, (POSITIVE, X)),
    "power of a number": (lambda x: x**3 + x**-2 + x**0.5, None, (POSITIVE,)),
    "rows": (ops.multiply, np.multiply, (X, ROW)),
    "columns": (ops.add, np.add, (COLUMN, X)),
    "rows and columns": (ops.multiply, np.multiply, (COLUMN, ROW)),
    "cube and row": (lambda x, y: x * y - y, None, (CUBE, numbers(2, 1, 4))),
    "number": (lambda x: 2.5 / (x - 3.0), None, (X,)),
    "where": (
        lambda x, y: ops.where(x > y, x * y, y),
        lambda x, y: np.where(x > y, x * y, y),
        (X, Y),
    ),
    "clip": (lambda x: ops.clip(x, -0.7, 0.9), lambda x: np.clip(x, -0.7, 0.9), (X,)),
    "sum": (ops.sum, np.sum, (X,)),
    "sum of rows": (lambda x: ops.sum(x, -1), lambda x: x.sum(-1), (CUBE,)),
    "sum of columns": (lambda x: ops.sum(x, 0), lambda x: x.sum(0), (CUBE,)),
    "sum of the middle": (lambda x: ops.sum(x, 1), lambda x: x.sum(1), (CUBE,)),
    "sum kept": (
        lambda x: ops.sum(x, (0, 2), keepdims=True),
        lambda x: x.sum((0, 2), keepdims=True),
        (CUBE,),
    ),
    "mean": (lambda x: ops.mean(x, (1, 2)), lambda x: x.mean((1, 2)), (CUBE,)),
    "max": (lambda x: ops.max(x, 1), lambda x: x.max(1), (CUBE,)),
    "min": (lambda x: ops.min(x, keepdims=True), lambda x: x.min(keepdims=True), (CUBE,)),
    "var": (lambda x: ops.var(x, 0), lambda x: x.var(0), (X,)),
    "std": (lambda x: ops.std(x, -1), lambda x: x.std(-1), (X,)),
    "norm": (lambda x: ops.norm(x, axis=1), lambda x: np.linalg.norm(x, axis=1), (X,)),
    "logsumexp": (
        lambda x: ops.logsumexp(x, 1),
        lambda x: np.log(np.exp(x).sum(1)),
        (CUBE,),
    ),
    "argmax": (lambda x: ops.argmax(x, 1), lambda x: x.argmax(1), (CUBE,)),
    "argmin": (lambda x: ops.argmin(x, -1), lambda x: x.argmin(-1), (CUBE,)),
    "cumsum": (lambda x: ops.cumsum(x, 1), lambda x: x.cumsum(1), (CUBE,)),
    "any": (lambda x: ops.any(x > 1.5, 1), lambda x: (x > 1.5).any(1), (CUBE,)),
    "all": (lambda x: ops.all(x > -1.5, 1), lambda x: (x > -1.5).all(1), (CUBE,)),
    "matmul": (ops.matmul, np.matmul, (X, numbers(4, 5))),
    "matmul of stacks": (ops.matmul, np.matmul, (CUBE, numbers(2, 4, 3))),
    "matmul of broadcast stacks": (ops.matmul, np.matmul, (CUBE, numbers(5, 1, 4, 2))),
    "matmul of vectors": (ops.matmul, np.matmul, (ROW, numbers(4))),
    "matmul of a vector": (ops.matmul, np.matmul, (CUBE, ROW)),
    "dot": (ops.dot, np.dot, (CUBE, numbers(4, 2))),
    "outer": (ops.outer, np.outer, (ROW, numbers(3))),
    "tensordot": (
        lambda x, y: ops.tensordot(x, y, ([1, 2], [1, 0])),
        lambda x, y: np.tensordot(x, y, ([1, 2], [1, 0])),
        (CUBE, numbers(4, 3, 2)),
    ),
    "reshape": (lambda x: ops.reshape(x, (4, -1)), lambda x: x.reshape(4, -1), (CUBE,)),
    "transpose": (
        lambda x: ops.transpose(x, (1, 2, 0)) * 2,
        lambda x: x.transpose(1, 2, 0) * 2,
        (CUBE,),
    ),
    "swapaxes": (lambda x: ops.swapaxes(x, 0, 2), lambda x: x.swapaxes(0, 2), (CUBE,)),
    "moveaxis": (lambda x: ops.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), (CUBE,)),
    "concatenate": (
        lambda x, y: ops.concatenate([x, y, x], 1),
        lambda x, y: np.concatenate([x, y, x], 1),
        (X, Y),
    ),
    "stack": (lambda x, y: ops.stack([x, y], 1), lambda x, y: np.stack([x, y], 1), (X, Y)),
    "split": (
        lambda x: ops.split(x, 2, axis=2)[1],
        lambda x: np.split(x, 2, axis=2)[1],
        (CUBE,),
    ),
    "slices": (lambda x: x[:, 1:, ::-2], None, (CUBE,)),
    "indices": (lambda x: x[1, ..., None, 2], None, (CUBE,)),
    "take": (lambda x: ops.take(x, INDEX, 2), lambda x: x.take(INDEX, 2), (CUBE,)),
    "take_along_axis": (
        lambda x: ops.take_along_axis(x, np.array([[0, 2], [-1, 2], [1, 1]]), 1),
        lambda x: np.take_along_axis(x, np.array([[0, 2], [-1, 2], [1, 1]]), 1),
        (X,),
    ),
    "flip": (lambda x: ops.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2)), (CUBE,)),
    "tile": (lambda x: ops.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), (CUBE,)),
    "repeat": (lambda x: ops.repeat(x, 2, 1), lambda x: np.repeat(x, 2, 1), (CUBE,)),
    "pad": (
        lambda x: ops.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
        lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
        (X,),
    ),
    "broadcast_to": (
        lambda x: ops.broadcast_to(x, (2, 3, 4)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        (COLUMN,),
    ),
    "tril": (lambda x: ops.tril(x, -1), lambda x: np.tril(x, -1), (CUBE,)),
    "triu": (lambda x: ops.triu(x, 1), lambda x: np.triu(x, 1), (CUBE,)),
    "softmax": (ops.softmax, softmax, (X,)),
    "softmax of the first axis": (
        lambda x: ops.softmax(x, 0),
        lambda x: softmax(x.T).T,
        (X,),
    ),
    "log_softmax": (ops.log_softmax, lambda x: np.log(softmax(x)), (X,)),
    "normalize": (
        ops.normalize,
        lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
        (X,),
    ),
    "sigmoid": (ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), (X,)),
    "softplus": (ops.softplus, lambda x: np.log1p(np.exp(x)), (X,)),
    "log_sigmoid": (ops.log_sigmoid, lambda x: -np.log1p(np.exp(-x)), (X,)),
    "relu": (ops.relu, lambda x: np.maximum(x, 0), (X,)),
    "silu": (ops.silu, lambda x: x / (1 + np.exp(-x)), (X,)),
    "gelu": (lambda x: ops.gelu(x, False), lambda x: 0.5 * x * (1 + erf(x / 2**0.5)), (X,)),
    "gelu_tanh": (
        ops.gelu,
        lambda x: 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
        (X,),
    ),
    "erf": (ops.erf, lambda x: erf(x), (X,)),
    "mish": (ops.mish, lambda x: x * np.tanh(np.log1p(np.exp(x))), (X,)),
    "elu": (ops.elu, lambda x: np.where(x > 0, x, np.expm1(x)), (X,)),
    "categorical_crossentropy": (
        lambda y, x: ops.categorical_crossentropy(y, x, from_logits=True),
        lambda y, x: -(y * np.log(softmax(x))).sum(-1),
        (X, Y),
    ),
    "sparse_categorical_crossentropy": (
        lambda x: ops.sparse_categorical_crossentropy(np.array([1, 0, 3]), x, from_logits=True),
        lambda x: -np.log(softmax(x))[range(3), [1, 0, 3]],
        (X,),
    ),
    "binary_crossentropy": (
        ops.binary_crossentropy,
        lambda y, x: -(y * np.log(x) + (1 - y) * np.log(1 - x)),
        (Y, (UNIT + 1) / 2),
    ),
}


def erf(x):
    """Return the error function by its series, exact for |x| < 2."""
    total, term = np.zeros_like(x), x
    for n in range(60):
        total = total + term / (2 * n + 1)
        term = -term * x * x / (n + 1)
    return total * 2 / np.pi**0.5


def weights_for(shape):
    """Return numbers by which a function's values are weighed, for one number to differentiate."""
    return np.random.default_rng(5).uniform(0.5, 1.5, shape)


def differences(f, arrays, which, step=1e-6):
    """Return the derivative of a number by each element of an array, by central differences."""
    made = np.zeros(arrays[which].shape)
    for place in np.ndindex(made.shape):
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[which][place] += sign * step
            sides.append(f(*moved))
        made[place] = (sides[0] - sides[1]) / (2 * step)
    return made


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    function, reference, arrays = CASES[name]
    reference = reference or function
    expected = np.asarray(reference(*arrays), np.float64)
    np.testing.assert_allclose(function(*arrays), expected, rtol=1e-12, atol=1e-14)
    w = weights_for(expected.shape)

    def traced(*given):
        return ops.sum(function(*given) * w)

    def plain(*given):
        return float(np.sum(np.asarray(reference(*given), np.float64) * w))

    every = tuple(range(len(arrays)))
    value, gradients = ug.value_and_grad(traced, every)(*arrays)
    np.testing.assert_allclose(value, plain(*arrays), rtol=1e-12, atol=1e-13)
    for which, gradient in enumerate(gradients):
        assert gradient.shape == arrays[which].shape
        assert gradient.dtype == np.float64
        wanted = differences(plain, arrays, which)
        np.testing.assert_allclose(gradient, wanted, rtol=2e-6, atol=2e-7)

    single = [a.astype(np.float32) for a in arrays]
    value, gradients = ug.value_and_grad(traced, every)(*single)
    assert value.dtype == np.float32
    for which, gradient in enumerate(gradients):
        assert gradient.dtype == np.float32
        wanted = differences(plain, [a.astype(np.float64) for a in single], which)
        np.testing.assert_allclose(gradient, wanted, rtol=2e-4, atol=2e-5)


test_other_variants = rerun_on_other_variants(__file__)
