"""A benchmark case: one operation, and how each library does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Formula = TypeVar("Formula")

OURS = "unitgain"
REFERENCE = "NumPy"
# unitgain on its other threading layer, where a case sets it beside the pool.
OPENMP = "on openmp"
# The libraries to compare with, and the module whose presence means that one can run.
PEERS = {
    REFERENCE: "numpy",
    "PyTorch": "torch",
    "JAX": "jax",
    "Keras": "keras",
    "SciPy": "scipy",
    "scikit-learn": "sklearn",
    "ONNX Runtime": "onnxruntime",
    "Numba": "numba",
}


class Formulas(dict[str, Formula]):
    """Formulas in NumPy by the names of rows (``cpp/include/unitgain/rows``).

    The cases and the reference tests are those of all rows, so that each needs its formula: where
    there is none, the error says into which file it belongs.
    """

    def __init__(self, file: str, formulas: Mapping[str, Formula]) -> None:
        super().__init__(formulas)
        self.file = file

    def __missing__(self, name: str) -> Formula:
        raise LookupError(f"{self.file} has no formula of {name!r}: add it to the table there")


@dataclass(frozen=True)
class Contender:
    """One library's way to do the operation.

    ``run`` does it once, complete when it returns. ``result`` gives the numbers that all
    contenders must agree on; it is called once, before ``run`` is ever timed. Where nothing else
    is given, those are what ``run`` returns. ``reads`` is how many bytes a run cannot but read, 0
    where their reading does not bound its time.
    """

    run: Callable[[], Any]
    result: Callable[[], Any]
    reads: int = 0

    @classmethod
    def of(cls, run: Callable[[], Any], reads: int = 0) -> Contender:
        """Return the contender whose result is what ``run`` returns."""
        return cls(run, run, reads)


@dataclass(frozen=True)
class Exact:
    """A result in arithmetic of twice the precision or so, at some of its rows.

    ``unit`` is the type whose units in the last place errors are counted in, where each value of
    the result stands for itself; None where they are sums, whose terms may cancel.
    """

    rows: slice | EllipsisType
    values: Array
    unit: Any = None

    @classmethod
    def of(cls, values: Any, rows: slice | EllipsisType = ...) -> Exact:
        """Return what a contender in a longer type found, at these rows or at all."""
        return cls(rows, np.asarray(values))


@dataclass(frozen=True)
class Trial:
    """A case made ready: inputs exist, and each library can be asked for its contender.

    ``contenders`` maps a library's name to a function that imports the library and returns its
    :class:`Contender`; unitgain and NumPy are always among them. ``tolerance`` is the largest
    difference from NumPy's result, relative to that result's largest absolute value, that rounding
    can explain; ``accuracy`` the largest error of unitgain's own, where it promises less than what
    libraries may differ by. ``operations`` is how many floating-point operations a run takes, 0
    where the number says little; ``peak`` is the type whose multiply-adds bound their rate, and
    ``bfloat16_products`` the products of bfloat16 numbers that unitgain makes of one of its
    operands' numbers, 0 where it makes none. ``exact`` gives what errors are measured from; where
    there is none, NumPy's result is as good as any (a copy, a decomposition in float64).
    """

    contenders: Mapping[str, Callable[[], Contender]]
    tolerance: float
    operations: int = 0
    peak: str = ""
    bfloat16_products: int = 0
    exact: Callable[[], Exact] | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class Case:
    """A named operation of a given size; ``prepare`` allocates its inputs.

    ``title`` says it in words. ``quick`` cases are those that ``unitgain bench --quick`` runs,
    ``large`` ones those that take too long for a test. ``rounds`` is how many turns are enough
    where many cases stand for one figure.
    """

    name: str
    title: str
    prepare: Callable[[], Trial]
    quick: bool = False
    large: bool = False
    rounds: int | None = None


def longer(dtype: Any) -> Any:
    """Return a type in which rounding is next to nothing: float64, or long double for float64."""
    return np.float64 if dtype == np.float32 else np.longdouble


def some_rows(shape: tuple[int, ...]) -> slice:
    """Return rows enough to tell errors by, of results so large that all would take long."""
    return slice(None, None, max(1, int(np.prod(shape)) >> 18))


def difference(result: Any, reference: Any) -> float:
    """Return the largest absolute difference, relative to the reference's largest absolute value.

    Results of different shapes, or with a NaN in one alone, differ infinitely.
    """
    ours, theirs = np.asarray(result, np.float64), np.asarray(reference, np.float64)
    if ours.shape != theirs.shape:
        return float("inf")
    if ours.size == 0:
        return 0.0
    if np.array_equal(ours, theirs, equal_nan=True):
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))
    return largest if np.isfinite(largest) else float("inf")


def errors(result: Any, exact: Exact) -> tuple[float, float]:
    """Return the largest error and the root mean square of the errors.

    The largest is relative to the largest absolute value, the root mean square to that of the
    values. Errors are infinite where shapes differ or a result is not finite.
    """
    ours = np.asarray(result)[exact.rows].astype(exact.values.dtype)
    if ours.shape != exact.values.shape:
        return float("inf"), float("inf")
    gap, values = np.abs(ours - exact.values), np.abs(exact.values)
    if not np.all(np.isfinite(gap)):
        return float("inf"), float("inf")
    if not np.any(gap):
        return 0.0, 0.0
    with np.errstate(divide="ignore"):
        largest = np.max(gap) / np.max(values)
        root_mean_square = np.sqrt(np.mean(gap**2) / np.mean(values**2))
    return float(largest), float(root_mean_square)


def units_in_last_place(result: Any, exact: Exact) -> float | None:
    """Return the largest error in units in the last place of the exact values.

    None where results are sums, or the type of the exact values is no longer than the result's.
    """
    if exact.unit is None or np.finfo(exact.values.dtype).eps >= np.finfo(exact.unit).eps:
        return None
    ours = np.asarray(result)[exact.rows].astype(exact.values.dtype)
    if ours.shape != exact.values.shape or not np.all(np.isfinite(ours)):
        return float("inf")
    spacing = np.spacing(np.abs(exact.values).astype(exact.unit))
    return float(np.max(np.abs(ours - exact.values) / spacing, initial=0))
