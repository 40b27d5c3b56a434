"""Users' data as the native network takes it: arrays with weights, and batches."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _native, random
from unitgain._arrays import SparseRows, as_numbers, is_array
from unitgain.graph.structure import Arrays
from unitgain.graph.tensors import SampleShape

__all__ = [
    "PREDICT_BATCH",
    "Batches",
    "Order",
    "Samples",
    "are_batches",
    "class_weights",
    "dense",
    "holds_sparse",
    "row_weights",
    "unpacked",
]

# Enough rows that reading the weights, from memory if they are many, takes a hundredth of the time
# of multiplying with them, and a whole number of the products' tiles on every instruction set.
PREDICT_BATCH = 2016


@dataclass
class Samples:
    """Inputs, targets, and the weights of the targets' rows, if there are any.

    Each is an array with a sample a row, or :class:`~unitgain.graph.structure.Arrays`; inputs may
    also be :class:`~unitgain._arrays.SparseRows`.
    """

    x: Any
    y: Any
    weights: Any = None

    def __len__(self) -> int:
        return len(self.x)

    def part(self, rows: Any) -> Samples:
        """Return some of the samples."""
        return Samples(
            self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows]
        )

    def dense(self) -> Samples:
        """Return the samples as the native network reads them, none of them sparse."""
        return Samples(dense(self.x), self.y, self.weights)

    def batch(self, rows: Any) -> Samples:
        """Return some of the samples, none of them sparse."""
        return self.part(rows).dense()

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


def holds_sparse(x: Any) -> bool:
    """Return whether inputs, or some of several, are sparse."""
    parts = x if isinstance(x, Arrays) else [x]
    return any(isinstance(part, SparseRows) for part in parts)


def dense(x: Any) -> Any:
    """Return inputs of which none are sparse."""
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, SparseRows):
        return x.dense()
    if holds_sparse(x):
        return Arrays([dense(part) for part in x])
    return x


def row_weights(
    given: Any, count: int, shape: SampleShape, name: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return weights of the rows of outputs of a shape: ``(count, rows)``, float64.

    Those of one dimension are the samples', if there are as many; all others broadcast as NumPy's
    arrays do.

    Raises:
        ValueError: if they are not one for each of ``count`` samples, or for each of their rows, or
            what broadcasts to that.
    """
    weights = as_numbers(given, name).astype(np.float64, copy=False)
    whole = (count, *shape[:-1])
    if weights.ndim == len(whole) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if 0 < weights.ndim < len(whole) and weights.shape[0] == count:
        weights = weights.reshape(*weights.shape, *[1] * (len(whole) - weights.ndim))
    try:
        weights = np.broadcast_to(weights, whole)
    except ValueError:
        expected = f"({count},)" if len(whole) == 1 else f"({count},), {whole}"
        raise ValueError(
            f"{name} has shape {np.shape(given)}, expected {expected} or what broadcasts to it"
        ) from None
    return np.ascontiguousarray(weights.reshape(count, math.prod(whole[1:])))


def class_weights(
    weights: Mapping[int, float], y: NDArray[Any], shape: SampleShape, takes_labels: bool
) -> NDArray[np.float64]:
    """Return each row's weight by its class: its label, its largest target, or 0 or 1 of one.

    Raises:
        TypeError: if ``weights`` is no mapping of classes to numbers.
        ValueError: if a key is no class.
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
        found[classes == _class_number(name)] = float(weight)
    return found.reshape(len(y), -1)


def _class_number(key: Any) -> int:
    if isinstance(key, (float, np.floating)) and float(key).is_integer():
        return int(key)
    try:
        return operator.index(key)
    except TypeError:
        raise ValueError(
            f"class_weight has the key {key!r} of type {type(key).__name__}, expected the classes' "
            "numbers, from 0"
        ) from None


def are_batches(x: Any) -> bool:
    """Return whether ``x`` yields batches, and is not itself samples."""
    if isinstance(x, (list, tuple, dict)) or is_array(x):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or _is_indexed(x)


def unpacked(batch: Any) -> tuple[Any, Any, Any]:
    """Return a batch's inputs, targets and weights, those that it lacks being None.

    A list of arrays is a tuple, as PyTorch's ``DataLoader`` has it.

    Raises:
        ValueError: if a tuple has none of them, or more.
    """
    if isinstance(batch, list) and any(is_array(part) or isinstance(part, dict) for part in batch):
        batch = tuple(batch)
    if not isinstance(batch, tuple):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"a batch is a tuple of {len(batch)}, expected (x,), (x, y) or (x, y, sample_weight)"
        )
    x, y, weights = (*batch, None, None)[:3]
    return x, y, weights


class Order:
    """The order in which a run takes its rows, or its numbered batches.

    It is made of passes over all of them. An epoch takes a whole pass or, if it has fewer steps,
    goes on where the one before has ended; at the end of a pass it ends, too, as in Keras.

    Args:
        shuffle: whether each pass has an order of its own.

    Attributes:
        streams: what the orders are drawn from; None: the process-wide seed.
        position: where the order goes on: how many were taken of a pass, and the key and the stream
            that the pass was drawn with. None: with a new pass.
    """

    def __init__(self, shuffle: bool) -> None:
        self.streams: random.Streams | None = None
        self.position: list[int] | None = None
        self._shuffle = shuffle

    @property
    def shuffles(self) -> bool:
        """Whether each pass has an order of its own."""
        return self._shuffle

    def take(self, count: int, most: int | None = None) -> NDArray[np.int64] | None:
        """Return the numbers of an epoch's; None for all in turn.

        Args:
            count: how many there are.
            most: how many an epoch takes; None: all.
        """
        if self.position is None or self.position[0] >= count:
            self.position = self._new_pass()
        taken, key, stream = self.position
        end = count if most is None else min(count, taken + most)
        self.position = None if end == count else [end, key, stream]
        if self._shuffle:
            return _native.permutation(count, key, stream)[taken:end]
        return None if (taken, end) == (0, count) else np.arange(taken, end)

    def is_whole(self, count: int, most: int | None) -> bool:
        """Return whether each epoch takes a whole pass, and nothing is left of one.

        Args:
            count: as for :meth:`take`.
            most: as for :meth:`take`.
        """
        is_left = self.position is not None and self.position[0] < count
        return not is_left and (most is None or most >= count)

    def is_drawn_alone(self) -> bool:
        """Return whether nobody else draws what orders are drawn from."""
        return self.streams is not None

    def whole_passes(
        self, count: int, passes: int
    ) -> tuple[NDArray[np.int64] | None, list[tuple[int, int]]]:
        """Return the orders of whole passes, ``(passes, count)``, or their keys and streams.

        None and no keys if rows come in turn.

        Args:
            count: as for :meth:`take`.
            passes: how many.
        """
        self.position = None
        if not self._shuffle:
            return None, []
        with random.drawing_from(self.streams):
            return None, [random.key_and_stream(None) for _ in range(passes)]

    def _new_pass(self) -> list[int]:
        if not self._shuffle:
            return [0, 0, 0]
        with random.drawing_from(self.streams):
            return [0, *random.key_and_stream(None)]


class Batches:
    """Batches that a user's iterable yields, pass after pass.

    Args:
        given: an iterator or another iterable; or what has a length and is indexed by a batch's
            number. It may have a method ``on_epoch_end``.
        steps: how many batches a pass takes; None: all. A pass goes on where the one before has
            ended, and where nothing is left it begins anew, if the iterable can.
        order: of batches that are indexed.
        afresh: whether each pass begins anew even with ``steps``, if the iterable can.
    """

    def __init__(
        self, given: Any, steps: int | None, order: Order | None = None, afresh: bool = False
    ) -> None:
        if steps is not None and steps < 1:
            raise ValueError(f"the steps of a pass must be at least 1, but they are {steps}")
        self._given = given
        self._asked = steps
        self._afresh = afresh or steps is None
        self._order = order or Order(False)
        self._current: Iterator[Any] | None = None

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
        batches = self._numbered() if _is_indexed(self._given) else self._going_on()
        for number, batch in enumerate(batches, 1):
            yield unpacked(batch)
            if number == self._asked:
                break
        if hasattr(self._given, "on_epoch_end"):
            self._given.on_epoch_end()

    def _numbered(self) -> Iterator[Any]:
        if self._afresh:
            self._order.position = None
        count = len(self._given)
        order = self._order.take(count, self._asked)
        return (self._given[i] for i in (range(count) if order is None else order.tolist()))

    def _going_on(self) -> Iterator[Any]:
        found = False
        if self._current is not None and not self._afresh:
            for batch in self._current:
                found = True
                yield batch
        if not found:
            # A generator of ours: a second loop over an iterator itself may take it back.
            self._current = (batch for batch in self._given)
            for batch in self._current:  # not "yield from", which would close it with this one
                yield batch


def _is_indexed(given: Any) -> bool:
    return hasattr(given, "__len__") and hasattr(given, "__getitem__")
