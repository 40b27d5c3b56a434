"""Checks of samples, weights and seeds before they are clustered."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unitgain import _native, random
from unitgain._arrays import SparseRows, as_numbers, as_rows

__all__ = ["Array", "Seed", "as_weights", "checked_count", "checked_samples", "draw_stream"]

Array: TypeAlias = NDArray[Any]
# None, an integer, or NumPy's RandomState or Generator, from which one integer is drawn.
Seed: TypeAlias = Any

_MOST_ROWS = 2**31 - 1


def checked_samples(X: Any, features: int | None = None, *, name: str = "X") -> Array:
    """Return samples as a float32 or float64 matrix whose rows are contiguous; others as float64.

    Args:
        X: (samples, features): an array, a frame, a sparse matrix (made dense).
        features: how many features there must be; None for any number.
        name: what the argument is called in messages.

    Raises:
        TypeError: if there is anything but numbers.
        ValueError: if there is no sample or no feature, an entry is NaN or infinite, or the shape
            is another.
    """
    rows = as_rows(X, name)
    array = rows.dense() if isinstance(rows, SparseRows) else rows
    if array.ndim != 2:
        raise ValueError(
            f"{name} has shape {array.shape}, expected 2 dimensions (samples, features): a single "
            f"sample is {name}.reshape(1, -1), a single feature {name}.reshape(-1, 1)"
        )
    count, width = array.shape
    if count == 0 or width == 0:
        what = "sample" if count == 0 else "feature"
        raise ValueError(
            f"{name} has 0 {what}(s) (shape={array.shape}), while a minimum of 1 is required"
        )
    if features is not None and width != features:
        raise ValueError(f"{name} has {width} features, expected {features} as in fit")
    if count > _MOST_ROWS:
        raise ValueError(f"{name} has {count} samples, expected at most {_MOST_ROWS}")
    native = array.dtype.newbyteorder("=")
    dtype = native if native in (np.float32, np.float64) else np.dtype(np.float64)
    array = array.astype(dtype, copy=False)
    if array.strides[1] != array.itemsize or array.strides[0] % array.itemsize:
        array = np.ascontiguousarray(array)
    place = _native.find_non_finite(array)
    if place is not None:
        value = array[place]
        raise ValueError(
            f"{name} contains {'NaN' if np.isnan(value) else 'infinity'} at [{place[0]}, "
            f"{place[1]}]: expected finite numbers"
        )
    return array


def as_weights(sample_weight: Any, X: Array) -> Array | None:
    """Return the samples' weights as an array of X's dtype; None if all are 1.

    Raises:
        ValueError: if there is not one for each sample, one is negative or not finite, or all are
            0.
    """
    if sample_weight is None:
        return None
    weights = as_numbers(sample_weight, "sample_weight")
    if weights.ndim == 0:
        weights = np.full(len(X), weights)
    if weights.shape != (len(X),):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, expected ({len(X)},): one for each sample"
        )
    weights = np.ascontiguousarray(weights, X.dtype)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("sample_weight must be finite and at least 0 for each sample")
    if not weights.any():
        raise ValueError("sample_weight is 0 for all samples: no cluster has a centre")
    return weights


def checked_count(value: SupportsIndex, name: str, least: int = 1) -> int:
    """Return an integer that is at least ``least``.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is less.
    """
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected an integer") from None
    if count < least:
        raise ValueError(f"{name} is {count}, expected at least {least}")
    return count


def draw_stream(random_state: Seed) -> tuple[int, int]:
    """Return the key and the first stream of an estimator's random numbers.

    Raises:
        TypeError: if the seed is neither None, an integer nor one of NumPy's generators.
        ValueError: if it is negative.
    """
    if isinstance(random_state, np.random.RandomState):
        return random.key_and_stream(int(random_state.randint(0, 2**31 - 1)))
    if isinstance(random_state, np.random.Generator):
        return random.key_and_stream(int(random_state.integers(0, 2**63 - 1)))
    return random.key_and_stream(random_state)
