"""Checks of estimators' arguments and of the samples that they are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import callbacks, losses, optimizers
from unitgain._arrays import is_sparse
from unitgain.optimizers.registry import TABLE as OPTIMIZERS

__all__ = [
    "LINEAR_ARGUMENTS",
    "LOGISTIC_ARGUMENTS",
    "MLP_ARGUMENTS",
    "PERCEPTRON_ARGUMENTS",
    "RIDGE_ARGUMENTS",
    "Check",
    "as_dtype",
    "check_arguments",
]

Array = NDArray[Any]
# Whether a value is one that an argument may have, and what is said of others.
Check = tuple[Callable[[Any], bool], str]


def _real(low: float, high: float = math.inf, *, open_low: bool = False) -> Callable[[Any], bool]:
    """Return whether a value is a number from ``low`` on, or above it, and below ``high``."""

    def holds(value: Any) -> bool:
        if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
            return False
        number = float(value)
        return (low < number if open_low else low <= number) and number < high

    return holds


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= low
    )


def _or(value: Any, *checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda given: given is value or given == value or any(check(given) for check in checks)


def _flag(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _one_of(*values: Any) -> Check:
    return lambda given: given in values, "one of " + ", ".join(map(repr, values))


def _sizes(value: Any) -> bool:
    sizes = np.atleast_1d(np.asarray(value, dtype=object))
    return sizes.ndim == 1 and all(map(_whole(1), sizes))


def _shares(value: Any) -> bool:
    shares = np.atleast_1d(np.asarray(value, dtype=object))
    return shares.ndim == 1 and all(map(_real(0, 1), shares))


def _rate(value: Any) -> bool:
    known = isinstance(value, str) and value in ("constant", "invscaling", "adaptive")
    return known or isinstance(value, optimizers.schedules.LearningRateSchedule)


MLP_ARGUMENTS: Mapping[str, Check] = {
    "hidden_layer_sizes": (_sizes, "hidden_layer_sizes must be > 0, a number or several"),
    "activation": (lambda value: isinstance(value, str) or callable(value), "an activation"),
    "solver": (
        lambda value: (
            isinstance(value, optimizers.Optimizer)
            or (isinstance(value, str) and value.lower() in {"lbfgs", *OPTIMIZERS})
        ),
        "'lbfgs', 'sgd', 'adam' or another optimizer of unitgain.optimizers",
    ),
    "alpha": (_real(0), "a number of at least 0"),
    "batch_size": (_or("auto", _whole(1)), "'auto' or a whole number of at least 1"),
    "learning_rate": (_rate, "'constant', 'invscaling', 'adaptive' or a schedule"),
    "learning_rate_init": (_real(0, open_low=True), "a number above 0"),
    "power_t": (_real(0), "a number of at least 0"),
    "max_iter": (_whole(1), "a whole number of at least 1"),
    "shuffle": (_flag, "True or False"),
    "tol": (_real(0), "a number of at least 0"),
    "warm_start": (_flag, "True or False"),
    "momentum": (_or(1, _real(0, 1)), "a number from 0 to 1"),
    "nesterovs_momentum": (_flag, "True or False"),
    "early_stopping": (_flag, "True or False"),
    "validation_fraction": (_real(0, 1), "a number from 0 to 1, less than 1"),
    "beta_1": (_real(0, 1), "a number from 0 to 1, less than 1"),
    "beta_2": (_real(0, 1), "a number from 0 to 1, less than 1"),
    "epsilon": (_real(0, open_low=True), "a number above 0"),
    "n_iter_no_change": (_or(math.inf, _whole(1)), "a whole number of at least 1, or infinity"),
    "max_fun": (_whole(1), "a whole number of at least 1"),
    "dropout": (_shares, "a share from 0 to 1, less than 1, or one for each hidden layer"),
    "batch_norm": (_flag, "True or False"),
    "mixup": (_or(None, _real(0, open_low=True)), "None or a number above 0"),
    "ensemble": (_whole(1), "a whole number of at least 1"),
    "callbacks": (
        lambda value: value is None or isinstance(value, (list, tuple, callbacks.Callback)),
        "None, a callback, or a list of them",
    ),
    "label_smoothing": (_real(0, 1), "a number from 0 to 1, less than 1"),
    "class_weight": (
        _or(None, lambda value: isinstance(value, Mapping) or value == "balanced"),
        "None, 'balanced' or a dict by class",
    ),
    "loss": (lambda value: isinstance(value, (str, losses.Loss)), "a loss's name, or a loss"),
    "dtype": (lambda value: value in (None, "float32", "float64"), "None, 'float32' or 'float64'"),
}

_CLASS_WEIGHT = MLP_ARGUMENTS["class_weight"]

LINEAR_ARGUMENTS: Mapping[str, Check] = {
    "alpha": (lambda value: bool(np.all(np.asarray(value) >= 0)), "numbers of at least 0"),
    "fit_intercept": (_flag, "True or False"),
    "copy_X": (_flag, "True or False"),
    "tol": (_or(None, _real(0)), "None or a number of at least 0"),
    "positive": (_flag, "True or False"),
}

RIDGE_ARGUMENTS: Mapping[str, Check] = {
    **LINEAR_ARGUMENTS,
    "max_iter": (_or(None, _whole(1)), "None or a whole number of at least 1"),
    "solver": _one_of("auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"),
}

LOGISTIC_ARGUMENTS: Mapping[str, Check] = {
    "penalty": _one_of("deprecated", "l1", "l2", "elasticnet", None),
    "C": (_or(math.inf, _real(0, open_low=True)), "a number above 0, or infinity"),
    "l1_ratio": (_or(None, _or(1, _real(0, 1))), "a number from 0 to 1"),
    "dual": (_flag, "True or False"),
    "tol": (_real(0), "a number of at least 0"),
    "fit_intercept": (_flag, "True or False"),
    "class_weight": _CLASS_WEIGHT,
    "solver": _one_of("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"),
    "max_iter": (_whole(1), "a whole number of at least 1"),
    "warm_start": (_flag, "True or False"),
}

PERCEPTRON_ARGUMENTS: Mapping[str, Check] = {
    "penalty": _one_of("l1", "l2", "elasticnet", None),
    "alpha": (_real(0), "a number of at least 0"),
    "l1_ratio": (_or(1, _real(0, 1)), "a number from 0 to 1"),
    "fit_intercept": (_flag, "True or False"),
    "max_iter": (_whole(1), "a whole number of at least 1"),
    "tol": (_or(None, _real(0)), "None or a number of at least 0"),
    "shuffle": (_flag, "True or False"),
    "eta0": (_real(0, open_low=True), "a number above 0"),
    "early_stopping": (_flag, "True or False"),
    "validation_fraction": (_real(0, 1, open_low=True), "a number between 0 and 1"),
    "n_iter_no_change": (_whole(1), "a whole number of at least 1"),
    "class_weight": _CLASS_WEIGHT,
    "warm_start": (_flag, "True or False"),
}


def check_arguments(estimator: Any, table: Mapping[str, Check]) -> None:
    """Raise ValueError for an argument of an estimator that it cannot have."""
    for name, value in estimator.get_params(deep=False).items():
        if name in table:
            holds, expected = table[name]
            if not holds(value):
                raise ValueError(f"{name} is {value!r}, expected {expected}")


def as_dtype(X: Any, dtype: str) -> Any:
    """Return samples in the dtype of a network, in C order; sparse ones as they are.

    Raises:
        ValueError: if a value is beyond the dtype's range.
    """
    if is_sparse(X):
        return X
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(X, dtype)
    except FloatingPointError:
        raise ValueError(
            f"X holds values beyond the range of {dtype}: scale them, or give dtype='float64'"
        ) from None
