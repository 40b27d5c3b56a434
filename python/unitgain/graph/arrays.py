"""Users' arrays as the native network takes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _native
from unitgain._arrays import NUMBER_CLASSES, Rows, as_numbers, as_rows
from unitgain.graph.tensors import SampleShape
from unitgain.losses import Loss


def samples(x: Any, shape: SampleShape, name: str = "x") -> Rows:
    """Return ``x`` as (samples, features), without a copy where its strides allow.

    A last axis of 1 may be left out, or come without being asked for, as in Keras.

    Raises:
        TypeError: if there is anything but numbers.
        ValueError: if a sample of ``x`` has another shape.
    """
    array = as_rows(x, name)
    if array.ndim == 2 and array.shape[1:] == shape:
        return array
    found = array.shape[1:]
    if array.ndim == len(shape) and shape[-1:] == (1,):
        found = (*found, 1)
    elif array.ndim == len(shape) + 2 and found[-1] == 1:
        found = found[:-1]
    if found != shape or array.ndim == 0:
        expected = ", ".join(["samples", *map(str, shape)])
        raise ValueError(f"{name} has shape {array.shape}, expected ({expected})")
    if not isinstance(array, np.ndarray):  # sparse, of one column more than asked for
        array = array.dense()
    return array.reshape(len(array), math.prod(shape))


def targets(y: Any, count: int, shape: SampleShape, loss: Loss, name: str = "y") -> NDArray[Any]:
    """Return ``y`` as the loss takes it: int32 labels, or (samples, values).

    Raises:
        TypeError: if there is anything but numbers.
        ValueError: if the number of samples or the shape does not fit, or a label is no class.
    """
    expected = "integer class labels" if loss.takes_labels else "numbers"
    array = as_numbers(y, name, NUMBER_CLASSES, expected)
    if array.ndim == 0 or len(array) != count:
        raise ValueError(
            f"{name} has shape {array.shape}, but x has {count} samples: both need as many"
        )
    if loss.takes_labels:
        return _labels(array, shape, loss, name)
    if loss.kind == "gaussian_nll":
        shape = (*shape[:-1], shape[-1] // 2)
    elif loss.kind == "custom_of_column":
        shape = (*shape[:-1], 1)
    if array.ndim == len(shape) and shape[-1] == 1:
        array = array[..., np.newaxis]
    if array.shape[1:] != shape:
        sizes = ", ".join(["samples", *map(str, shape)])
        raise ValueError(f"{name} has shape {array.shape}, expected ({sizes})")
    if loss._takes_signs and np.isin(array, (0, 1)).all():
        array = np.where(array == 0, -1, 1)
    if array.dtype == np.int32:  # which the native network takes for labels
        array = array.astype(np.int64)
    return array.reshape(count, math.prod(shape))


def _labels(array: NDArray[Any], shape: SampleShape, loss: Loss, name: str) -> NDArray[np.int32]:
    if array.shape[1:] == (*shape[:-1], 1):
        array = array[..., 0]
    if array.shape[1:] != shape[:-1]:
        expected = ", ".join(["samples", *map(str, shape[:-1])])
        raise ValueError(f"{name} has shape {array.shape}, expected ({expected}): class labels")
    labels = _native.class_labels(array, shape[-1], getattr(loss, "ignore_class", None))
    if labels is not None:
        return labels
    low, high = array.min(), array.max()
    if low >= 0 and high < shape[-1]:
        raise ValueError(f"{name} has labels that are no whole numbers")
    raise ValueError(
        f"{name} has labels from {low} to {high}, but the output has {shape[-1]} classes: "
        f"labels run from 0 to {shape[-1] - 1}"
    )
