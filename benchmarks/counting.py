"""Operations and bytes of a case, as the usual formulas count them: for rooflines."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Counted:
    """Floating-point operations, and bytes of operands and results, each moved once.

    An exponential, a logarithm, a tangent and an error function count as ``FUNCTION`` operations,
    a square root and a division as one.
    """

    operations: float
    bytes: float


FUNCTION = 20

# Of each value, forward; a gradient takes as many and a product.
ACTIVATIONS = {
    "copy": 0,
    "step": 1,
    "relu": 1,
    "relu6": 2,
    "leaky_relu": 2,
    "hard_sigmoid": 3,
    "hard_silu": 4,
    "softsign": 3,
    "elu": FUNCTION + 2,
    "selu": FUNCTION + 3,
    "celu": FUNCTION + 3,
    "exponential": FUNCTION,
    "sigmoid": FUNCTION + 2,
    "silu": FUNCTION + 3,
    "tanh": FUNCTION,
    "gelu": FUNCTION + 4,
    "gelu_tanh": FUNCTION + 8,
    "softplus": 2 * FUNCTION + 2,
    "log_sigmoid": 2 * FUNCTION + 2,
    "mish": 3 * FUNCTION + 3,
}
# Operations of each value, and how often a value of the matrix's size is read or written.
BY_VALUE = {
    "losses/softmax": (FUNCTION + 4, 2),
    "losses/log_softmax": (FUNCTION + 4, 2),
    "losses/cross_entropy": (FUNCTION + 5, 2),
    "losses/mean_squared_error": (5, 3),
    "losses/mean_absolute_error": (4, 3),
    "losses/huber": (8, 3),
    "losses/binary_crossentropy": (2 * FUNCTION + 8, 3),
    "losses/categorical_crossentropy": (FUNCTION + 7, 3),
    "losses/log_cosh": (2 * FUNCTION + 6, 3),
    "losses/gaussian_nll": (FUNCTION / 2 + 5, 2.5),  # half of the values are variances
    "losses/poisson": (FUNCTION + 6, 3),
    "losses/kl_divergence": (FUNCTION + 5, 3),
    "losses/hinge": (5, 3),
    "losses/squared_hinge": (6, 3),
    "losses/categorical_hinge": (6, 3),
    "losses/quantile": (5, 3),
    "losses/binary_focal_crossentropy": (2 * FUNCTION + 16, 3),
    "losses/cosine_similarity": (10, 3),
    "noise/dropout": (12, 2),  # Philox: ten rounds over four values, then a comparison
    "noise/gaussian_noise": (2 * FUNCTION + 12, 2),
    "batch_norm/forward": (8, 2),
    "batch_norm/both": (18, 4),
    "batch_norm/step": (18, 4),
    "layer_norm/both": (20, 4),
}
# Operations of each parameter, and the arrays of their number that are read and written.
OPTIMIZERS = {
    "adam": (12, 7),
    "adamw": (14, 7),
    "sgd": (4, 5),
    "rmsprop": (8, 5),
    "adagrad": (6, 5),
    "adadelta": (14, 7),
    "adamax": (9, 7),
    "nadam": (14, 7),
    "lion": (8, 5),
}
# Multiples of m n^2 and n^3, m not less than n (Golub and Van Loan, "Matrix Computations", 4th
# edition, 2013, section 8.6.4, by way of a QR decomposition), and of the bytes of the matrix.
DECOMPOSITIONS = {
    "svdvals": (2, 2, 1),
    "svd": (6, 20, 2),
    "pinv": (8, 20, 2),
    "pinv_half_rank": (8, 20, 2),
    "pinv_decaying": (8, 20, 2),
    "lstsq1": (2, 0, 1),
    "lstsq10": (2, 0, 1),
}


def counted(name: str) -> Counted | None:
    """Return what a case of this name counts; None where nobody has counted."""
    subject, *rest = name.split("/")
    count = _SUBJECTS.get(subject)
    return count(rest) if count else None


def _itemsize(kind: str) -> int:
    return 8 if kind.startswith("float64") else 4


def _matmul(parts: list[str]) -> Counted | None:
    if not re.fullmatch(r"\d+x\d+x\d+", parts[-1]):
        return None
    m, k, n = map(int, parts[-1].split("x"))
    return Counted(2.0 * m * k * n, float(_itemsize(parts[0])) * (m * k + k * n + m * n))


def _activation(parts: list[str]) -> Counted | None:
    name = parts[0].removesuffix("_gradient")
    gradient = name != parts[0]
    if name not in ACTIVATIONS:
        return None
    values = math.prod(map(int, parts[-1].split("x")))
    arrays = 3 if gradient else 2
    return Counted(
        float(values * (ACTIVATIONS[name] + gradient)), float(values * arrays * _itemsize(parts[1]))
    )


def _by_value(subject: str) -> Callable[[list[str]], Counted | None]:
    def count(parts: list[str]) -> Counted | None:
        found = BY_VALUE.get(f"{subject}/{parts[0]}")
        if found is None:
            return None
        values = math.prod(map(int, parts[-1].split("x")))
        return Counted(float(found[0] * values), 4.0 * found[1] * values)

    return count


def _optimizer(parts: list[str]) -> Counted | None:
    if parts[0] not in OPTIMIZERS:
        return None
    parameters = _parameters([int(size) for size in parts[-1].split("-")])
    operations, arrays = OPTIMIZERS[parts[0]]
    return Counted(float(operations * parameters), 4.0 * arrays * parameters)


def _parameters(units: list[int]) -> int:
    return units[0] if len(units) == 1 else sum(a * b + b for a, b in pairwise(units))


def _decomposition(parts: list[str]) -> Counted | None:
    if parts[0] not in DECOMPOSITIONS:
        return None
    n, m = sorted(map(int, parts[-1].split("x")))
    by_rows, cubes, arrays = DECOMPOSITIONS[parts[0]]
    return Counted(
        float(by_rows * m * n * n + cubes * n**3), float(arrays * m * n * _itemsize(parts[1]))
    )


_SUBJECTS: dict[str, Callable[[list[str]], Counted | None]] = {
    "matmul": _matmul,
    "activations": _activation,
    "losses": _by_value("losses"),
    "noise": _by_value("noise"),
    "batch_norm": _by_value("batch_norm"),
    "layer_norm": _by_value("layer_norm"),
    "optimizers": _optimizer,
    "linalg": _decomposition,
}
