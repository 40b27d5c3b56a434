"""What users train on, as the native network takes it: arrays with weights, and batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import random
from unitgain.graph.tensors import SampleShape

__all__ = [
    "PREDICT_BATCH",
    "Batches",
    "Samples",
    "are_batches",
    "class_weights",
    "row_weights",
    "unpacked",
]

# Enough rows that reading the weights, from memory if they are many, takes a hundredth of the time
# of multiplying with them, and a whole number of the products' tiles on every instruction set.
PREDICT_BATCH = 2016


@dataclass
class Samples:
    """Inputs, targets, and the weights of the targets' rows, if there are any.

    Each is an array with a sample a row, or :class:`~unitgain.graph.structure.Arrays`.
    """

    x: Any
    y: Any
    weights: Any = None

    def __len__(self) -> int:
        return len(self.x)

    def part(self, rows: slice) -> Samples:
        """Return some of the samples."""
        return Samples(
            self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows]
        )

    def split(self, share: float) -> tuple[Samples, Samples]:
        """Return the first samples and, of the given share, the last.

        Raises:
            ValueError: if ``share`` is not between 0 and 1, or leaves one part empty.
        """
        if not 0 < share < 1:
            raise ValueError(f"validation_split must be between 0 and 1, but it is {share}")
        count = int(len(self) * (1 - share))
        if count == 0 or count == len(self):
            raise ValueError(
                f"validation_split is {share}, which leaves no samples on one side of {len(self)}"
            )
        return self.part(slice(count)), self.part(slice(count, None))


def row_weights(
    given: ArrayLike, count: int, shape: SampleShape, name: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return weights of the rows of outputs of a shape: ``(count, rows)``, float64.

    Raises:
        ValueError: if they are not one for each of ``count`` samples, or for each of their rows.
    """
    weights = np.asarray(given, np.float64)
    rows = shape[:-1]
    if weights.ndim == len(rows) + 2 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.shape == (count, 1) and rows != (1,):
        weights = weights[:, 0]
    if weights.shape != (count,) and weights.shape != (count, *rows):
        expected = f"({count},)" if not rows else f"({count},) or {(count, *rows)}"
        raise ValueError(f"{name} has shape {np.shape(given)}, expected {expected}")
    if weights.ndim == 1:
        weights = np.broadcast_to(weights[:, None], (count, math.prod(rows)))
    return np.ascontiguousarray(weights.reshape(count, math.prod(rows)))


def class_weights(
    weights: Mapping[int, float], y: NDArray[Any], shape: SampleShape, takes_labels: bool
) -> NDArray[np.float64]:
    """Return each row's weight by its class: its label, its largest target, or 0 or 1 of one.

    Raises:
        TypeError: if ``weights`` is no mapping of classes to numbers.
    """
    if not isinstance(weights, Mapping):
        raise TypeError(f"class_weight is {type(weights).__name__}, expected a dict by class")
    if takes_labels:
        classes = y.astype(np.int64)
    elif shape[-1] == 1:
        classes = np.rint(np.asarray(y, np.float64)).astype(np.int64)
    else:
        classes = np.asarray(y).reshape(len(y), -1, shape[-1]).argmax(axis=-1)
    found = np.ones(classes.shape)
    for name, weight in weights.items():
        found[classes == int(name)] = float(weight)
    return found.reshape(len(y), -1)


def are_batches(x: Any) -> bool:
    """Return whether ``x`` yields batches, and is not itself samples."""
    if isinstance(x, (np.ndarray, list, tuple, dict)) or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or _is_indexed(x)


def unpacked(batch: Any) -> tuple[Any, Any, Any]:
    """Return a batch's inputs, targets and weights, those that it lacks being None.

    Raises:
        ValueError: if a tuple has none of them, or more.
    """
    if not isinstance(batch, tuple):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"a batch is a tuple of {len(batch)}, expected (x,), (x, y) or (x, y, sample_weight)"
        )
    x, y, weights = (*batch, None, None)[:3]
    return x, y, weights


class Batches:
    """Batches that a user's iterable yields, pass after pass.

    Args:
        given: an iterator, which later passes go on with; an iterable, of which each pass begins
            afresh; or what has a length and is indexed by a batch's number, and may have a method
            ``on_epoch_end``.
        steps: how many batches a pass takes; None: all.
        shuffle: whether batches that are indexed come in an order of their own in each pass.
        streams: what the order is drawn from; None: the process-wide seed.
    """

    def __init__(self, given: Any, steps: int | None, shuffle: bool, streams: Any = None) -> None:
        if steps is not None and steps < 1:
            raise ValueError(f"the steps of a pass must be at least 1, but they are {steps}")
        self._given = given
        self._asked = steps
        self._shuffle = shuffle
        self._streams = streams
        self._iterator = iter(given) if hasattr(given, "__next__") else None

    @property
    def steps(self) -> int | None:
        """How many batches a pass takes, if that is known."""
        if self._asked is not None:
            return self._asked
        try:
            return len(self._given)
        except TypeError:
            return None

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        steps = self._asked
        for done, batch in enumerate(self._pass()):
            yield unpacked(batch)
            if steps is not None and done + 1 == steps:
                break
        if hasattr(self._given, "on_epoch_end"):
            self._given.on_epoch_end()

    def _pass(self) -> Iterator[Any]:
        if self._iterator is not None:
            return cast("Iterator[Any]", self._iterator)
        if not _is_indexed(self._given):
            return cast("Iterator[Any]", iter(self._given))
        count = len(self._given)
        order: Any = range(count)
        if self._shuffle:
            with random.drawing_from(self._streams):
                order = random.permutation(count).tolist()
        return (self._given[i] for i in order)


def _is_indexed(given: Any) -> bool:
    return hasattr(given, "__len__") and hasattr(given, "__getitem__")
