"""Hashing and HashedCrossing: categories of any number as those of a fixed number."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain.layers.base import SampleShape
from unitgain.layers.encoding import (
    MODES,
    DataLayer,
    checked_mode,
    encoded_shape,
    whole_numbers,
)
from unitgain.layers.hashes import cross, fingerprint64, siphash64

__all__ = ["HashedCrossing", "Hashing", "are_texts", "as_texts", "checked_salt", "hash_bins"]

Array = NDArray[Any]


class Hashing(DataLayer):
    """Texts or integers as one of ``num_bins`` numbers, by a hash function.

    The function is FarmHash's ``Fingerprint64``, or with a salt SipHash-2-4, of the text in UTF-8,
    or of the integer's decimal digits; the bin is the hash modulo the number of bins. These are
    Keras's bins, everywhere and always.

    Before training the layer is called with arrays; what it costs within a network, to which no
    texts come, says :class:`~unitgain.layers.encoding.DataLayer`.

    Args:
        num_bins: how many bins there are.
        mask_value: a value that has bin 0 for itself; the others share the rest. None for none.
        salt: a number, or two, that make another function, SipHash; None for FarmHash.
        output_mode: ``"int"``: the bin's number. ``"one_hot"``, ``"multi_hot"``, ``"count"``: as
            :class:`CategoryEncoding` makes it of that.
        name: what the layer is called.

    Raises:
        ValueError: if ``num_bins`` is below 1, or there is no such mode; when called, if a number
            is no whole one.
        TypeError: if ``salt`` is neither None, an integer nor two; when called, if values are
            neither texts nor numbers.

    >>> import unitgain as ug
    >>> ug.layers.Hashing(num_bins=3)([["A"], ["B"], ["C"], ["D"], ["E"]]).ravel()
    array([1, 0, 1, 1, 2])
    """

    def __init__(
        self,
        num_bins: SupportsIndex,
        mask_value: str | int | None = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        self.num_bins = _checked_bins(num_bins)
        self.mask_value = mask_value
        self.salt = checked_salt(salt)
        self.output_mode = checked_mode(output_mode, MODES)

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape, or that with a row's length."""
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the bins' numbers, or rows."""
        if are_texts(inputs):
            values: Array = as_texts(inputs, "inputs")
        else:
            values = whole_numbers(inputs, "inputs")
        masks = self.mask_value is not None and self.num_bins > 1
        bins = hash_bins(values, self.num_bins - masks, self.salt)
        if masks:
            bins = np.where(values == self.mask_value, 0, bins + 1)
        return self.encoded(bins, self.output_mode, self.num_bins)


class HashedCrossing(DataLayer):
    """Several columns of categories as one, by a hash of what they hold together.

    The function is TensorFlow's: of the texts' FarmHash, or the integers themselves, in the
    columns' order. The bins are Keras's.

    Before training the layer is called with arrays; what it costs within a network, to which no
    texts come, says :class:`~unitgain.layers.encoding.DataLayer`.

    Args:
        num_bins: how many bins there are.
        output_mode: ``"int"``: the bin's number. ``"one_hot"``: a row with 1 there.
        name: what the layer is called.

    Raises:
        ValueError: if ``num_bins`` is below 1, or there is no such mode; when called, if there are
            fewer than two columns, they differ in shape, or are no columns.

    >>> import unitgain as ug
    >>> ug.layers.HashedCrossing(num_bins=5)((["A", "B", "A", "B", "A"], [101, 101, 101, 102, 102]))
    array([1, 4, 1, 1, 3])
    """

    _takes_several = True

    def __init__(
        self,
        num_bins: SupportsIndex,
        output_mode: str = "int",
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        self.num_bins = _checked_bins(num_bins)
        self.output_mode = checked_mode(output_mode, MODES[:2])

    def compute_output_shape(self, input_shape: Any) -> SampleShape:
        """Return ``(1,)``, or a row's length."""
        if not isinstance(input_shape, list) or any(shape != (1,) for shape in input_shape):
            raise ValueError(
                f"{self.name} is given samples of shape {input_shape}, expected a list of columns "
                f"of shape (1,)"
            )
        self._check_count(input_shape)
        return encoded_shape((1,), self.output_mode, self.num_bins)

    def _check_count(self, columns: Any) -> None:
        if not isinstance(columns, (list, tuple)) or len(columns) < 2:
            count = len(columns) if isinstance(columns, (list, tuple)) else 1
            raise ValueError(f"{self.name} is given {count} column, expected two or more")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the bins' numbers, or rows."""
        self._check_count(inputs)
        columns: list[Array] = [
            as_texts(column, f"inputs[{i}]")
            if are_texts(column)
            else whole_numbers(column, f"inputs[{i}]")
            for i, column in enumerate(inputs)
        ]
        shapes = [column.shape for column in columns]
        if len(set(shapes)) > 1 or len(shapes[0]) > 2 or shapes[0][1:] not in ((), (1,)):
            raise ValueError(
                f"{self.name} is given columns of the shapes {', '.join(map(str, shapes))}, "
                f"expected all (), (samples,) or (samples, 1)"
            )
        words = [
            _hashes(column, None) if column.dtype == object else column.ravel().view(np.uint64)
            for column in columns
        ]
        bins = (cross(words) % np.uint64(self.num_bins)).astype(np.int64).reshape(shapes[0])
        return self.encoded(bins, self.output_mode, self.num_bins)


def _checked_bins(num_bins: SupportsIndex) -> int:
    count = operator.index(num_bins)
    if count < 1:
        raise ValueError(f"num_bins must be at least 1, but it is {count}")
    return count


def checked_salt(salt: int | Sequence[int] | None) -> list[int] | None:
    """Return a salt as two integers, or None.

    Raises:
        TypeError: if it is neither None, an integer nor two.
    """
    pair = [salt, salt] if isinstance(salt, int) else salt
    if pair is None:
        return None
    if (
        not isinstance(pair, (list, tuple))
        or len(pair) != 2
        or not all(isinstance(n, int) for n in pair)
    ):
        raise TypeError(f"salt is {salt!r}, expected an integer, two, or None")
    return [int(n) for n in pair]


def are_texts(values: Any) -> bool:
    """Return whether an array, or what is to be one, is of texts."""
    array = np.asarray(values)
    if array.dtype.kind in "USTO":
        return array.dtype.kind != "O" or any(isinstance(v, (str, bytes)) for v in array.flat)
    return False


def as_texts(values: Any, name: str, encoding: str = "utf-8") -> Array:
    """Return texts as an array of Python's strings.

    Raises:
        TypeError: if one is no text.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "USTO" and array.size:
        raise TypeError(f"{name} has dtype {array.dtype}, expected texts")
    made = np.empty(array.shape, object)
    flat = made.reshape(-1)
    for i, value in enumerate(array.ravel().tolist()):
        if isinstance(value, bytes):
            flat[i] = value.decode(encoding)
        elif isinstance(value, str):
            flat[i] = value
        else:
            raise TypeError(f"{name} has {value!r} at {i}, expected texts")
    return made


def hash_bins(values: Array, bins: int, salt: Sequence[int] | None) -> NDArray[np.int64]:
    """Return the bins of an array of strings or int64."""
    found = _hashes(values, salt) % np.uint64(bins)
    return found.astype(np.int64).reshape(values.shape)


def _hashes(values: Array, salt: Sequence[int] | None) -> NDArray[np.uint64]:
    """Return the hashes of strings, or of the digits of integers, each of which is hashed once."""
    flat = values.ravel().tolist()
    places = {value: i for i, value in enumerate(dict.fromkeys(flat))}
    texts = [str(value).encode() for value in places]
    made = fingerprint64(texts) if salt is None else siphash64(texts, (salt[0], salt[1]))
    return made[np.fromiter(map(places.__getitem__, flat), np.int64, len(flat))]
