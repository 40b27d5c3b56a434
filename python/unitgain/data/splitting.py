"""Splits, class weights and one-hot targets."""

from __future__ import annotations

import math
import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import random
from unitgain._arrays import NUMBER_CLASSES, as_numbers, is_sparse

__all__ = ["class_weights", "to_categorical", "train_test_split"]


def train_test_split(
    *arrays: Any,
    test_size: float | None = None,
    train_size: float | None = None,
    random_state: SupportsIndex | None = None,
    shuffle: bool = True,
    stratify: ArrayLike | None = None,
) -> list[Any]:
    """Split arrays along their first axis into a training and a test part.

    Args:
        *arrays: arrays of the same length, lists, frames or sparse matrices.
        test_size: the test part: a share between 0 and 1, or a number of samples. None: what
            ``train_size`` leaves, or a quarter.
        train_size: the training part, in the same way. None: what ``test_size`` leaves.
        random_state: an integer that always gives the same split; None takes the process-wide seed.
        shuffle: whether samples are drawn at random; otherwise the last ones are the test part.
        stratify: class labels; each class is split in the same proportions, as nearly as whole
            samples can be.

    Returns:
        For each array its training and its test part, one after the other: copies. Of a pandas
        frame or series, and of a sparse matrix, they are such, too.

    Raises:
        ValueError: if lengths differ, a part would be empty, or a class has fewer than 2 samples.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> labels = np.repeat([0, 1], [80, 20])
    >>> train, test = ug.data.train_test_split(labels, test_size=0.2, stratify=labels)
    >>> np.bincount(train), np.bincount(test)
    (array([64, 16]), array([16,  4]))
    """
    given = [_with_rows(array) for array in arrays]
    if not given or any(array.ndim == 0 for array in given):
        raise ValueError("there are no arrays to split")
    total = given[0].shape[0]
    lengths = {array.shape[0] for array in given}
    if len(lengths) > 1:
        raise ValueError(f"the arrays have different lengths: {sorted(lengths)}")
    train, test = _sizes(total, train_size, test_size)
    if stratify is not None:
        if not shuffle:
            raise ValueError("stratify needs shuffle=True")
        chosen = _stratified(np.asarray(stratify), total, train, test, random_state)
    else:
        order = random.permutation(total, random_state) if shuffle else np.arange(total)
        chosen = order[:train], order[train : train + test]
    return [_rows_of(array, rows) for array in given for rows in chosen]


def _with_rows(array: Any) -> Any:
    """Return what has a shape, and rows that can be taken by number."""
    if hasattr(array, "iloc"):
        return array
    return array.tocsr() if is_sparse(array) else np.asarray(array)


def _rows_of(array: Any, rows: NDArray[np.int64]) -> Any:
    return array.iloc[rows] if hasattr(array, "iloc") else array[rows]


def _sizes(total: int, train_size: float | None, test_size: float | None) -> tuple[int, int]:
    test = None if test_size is None else _count("test_size", test_size, total, math.ceil)
    train = None if train_size is None else _count("train_size", train_size, total, math.floor)
    if test is None:
        test = math.ceil(0.25 * total) if train is None else total - train
    if train is None:
        train = total - test
    if train < 1 or test < 1 or train + test > total:
        raise ValueError(
            f"train_size is {train_size} and test_size is {test_size}, which leaves {train} and "
            f"{test} of {total} samples"
        )
    return train, test


def _count(name: str, size: float, total: int, rounding: Any) -> int:
    if isinstance(size, float):
        if not 0 < size < 1:
            raise ValueError(f"{name} is {size}, expected a share between 0 and 1 or a number")
        return int(rounding(size * total))
    return operator.index(size)


def _stratified(
    labels: NDArray[Any], total: int, train: int, test: int, seed: SupportsIndex | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if labels.shape != (total,):
        raise ValueError(f"stratify has shape {labels.shape}, expected ({total},)")
    classes, of_class, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"the class {classes[counts.argmin()]} has {counts.min()} sample, but stratify needs 2 "
            "of each"
        )
    if min(train, test) < len(classes):
        raise ValueError(f"{min(train, test)} samples cannot hold {len(classes)} classes")
    order = random.permutation(total, seed)
    for_test = _apportion(counts, test)
    for_train = _apportion(counts - for_test, train)
    train_rows, test_rows = [], []
    for number, (first, second) in enumerate(zip(for_test, for_train, strict=True)):
        members = order[of_class[order] == number]
        test_rows.append(members[:first])
        train_rows.append(members[first : first + second])
    # In the order drawn, not class by class.
    place = np.empty(total, np.int64)
    place[order] = np.arange(total)
    parts = (np.concatenate(rows) for rows in (train_rows, test_rows))
    ordered = [rows[np.argsort(place[rows])] for rows in parts]
    return ordered[0], ordered[1]


def _apportion(counts: NDArray[Any], seats: int) -> NDArray[np.int64]:
    """Return whole shares of ``counts`` that sum to ``seats``: by the largest remainders."""
    exact = counts * (seats / counts.sum())
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    rest = np.argsort(-(exact - shares), kind="stable")
    shares[rest[: seats - int(shares.sum())]] += 1
    return shares


def class_weights(y: ArrayLike, kind: str = "balanced") -> dict[int, float]:
    """Return a weight for each class that makes rare classes count as much as frequent ones.

    ``samples / (classes * samples of the class)`` (King and Zeng, "Logistic regression in rare
    events data", Political Analysis 9, 2001), for ``fit(..., class_weight=...)``.

    Args:
        y: class labels ``(samples,)``, or one-hot rows.
        kind: ``"balanced"``.

    Raises:
        ValueError: if there are no samples, or ``kind`` is another.

    >>> import unitgain as ug
    >>> ug.data.class_weights([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    if kind != "balanced":
        raise ValueError(f"kind is {kind!r}, expected 'balanced'")
    labels = as_numbers(y, "y", NUMBER_CLASSES)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(axis=1)
    labels = labels.reshape(-1)
    if labels.size == 0:
        raise ValueError("y has no samples")
    classes, counts = np.unique(labels, return_counts=True)
    weights = labels.size / (len(classes) * counts)
    return {int(c): float(w) for c, w in zip(classes, weights, strict=True)}


def to_categorical(
    x: ArrayLike, num_classes: SupportsIndex | None = None, dtype: str = "float32"
) -> NDArray[Any]:
    """Return class labels as one-hot rows, ``(*x.shape, num_classes)``.

    Args:
        x: integers from 0.
        num_classes: how many classes there are; None for the largest label and one.
        dtype: of the result.

    Raises:
        ValueError: if a label is no class.

    >>> import unitgain as ug
    >>> ug.data.to_categorical([2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = as_numbers(x, "x", NUMBER_CLASSES)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    whole = labels.astype(np.int64)
    classes = int(whole.max(initial=-1)) + 1 if num_classes is None else operator.index(num_classes)
    if (whole != labels).any() or whole.min(initial=0) < 0 or whole.max(initial=-1) >= classes:
        raise ValueError(f"x has labels that are no whole numbers from 0 to {classes - 1}")
    rows = np.zeros((whole.size, classes), dtype)
    rows[np.arange(whole.size), whole.reshape(-1)] = 1
    return rows.reshape(*whole.shape, classes)
