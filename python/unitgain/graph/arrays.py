"""Users' arrays as the native network takes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _native
from unitgain.graph.tensors import SampleShape
from unitgain.losses import Loss


def samples(x: ArrayLike, shape: SampleShape, name: str = "x") -> NDArray[Any]:
    """Return ``x`` as (samples, features), without a copy where its strides allow.

    Raises:
        ValueError: if a sample of ``x`` has another shape.
    """
    array = np.asarray(x)
    if array.ndim == 2 and array.shape[1:] == shape:
        return array
    if array.shape[1:] != shape or array.ndim == 0:
        expected = ", ".join(["samples", *map(str, shape)])
        raise ValueError(f"{name} has shape {array.shape}, expected ({expected})")
    return array.reshape(len(array), math.prod(shape))


def targets(
    y: ArrayLike, count: int, shape: SampleShape, loss: Loss, name: str = "y"
) -> NDArray[Any]:
    """Return ``y`` as the loss takes it: int32 labels, or (samples, values).

    Raises:
        ValueError: if the number of samples or the shape does not fit, or a label is no class.
    """
    array = np.asarray(y)
    if array.ndim == 0 or len(array) != count:
        raise ValueError(
            f"{name} has shape {array.shape}, but x has {count} samples: both need as many"
        )
    if loss.takes_labels:
        return _labels(array, shape, loss, name)
    if loss.kind == "gaussian_nll":
        shape = (*shape[:-1], shape[-1] // 2)
    if array.ndim == len(shape) and shape[-1] == 1:
        array = array[..., np.newaxis]
    if array.shape[1:] != shape:
        expected = ", ".join(["samples", *map(str, shape)])
        raise ValueError(f"{name} has shape {array.shape}, expected ({expected})")
    if loss.kind in ("hinge", "squared_hinge") and np.isin(array, (0, 1)).all():
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
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {array.dtype}, expected integer class labels")
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
