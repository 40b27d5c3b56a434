"""Normalization and Rescaling: inputs brought to unit scale within the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain._arrays import SparseRows, as_numbers, as_rows, is_array
from unitgain.data import partitions
from unitgain.data.dataset import Dataset, from_npy
from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.initializers import Constant
from unitgain.layers.affine import lower_affine
from unitgain.layers.axes import sample_axes
from unitgain.layers.base import Layer, SampleShape, Variable
from unitgain.layers.normalization import _Normalization

__all__ = ["Normalization", "Rescaling", "batches_of_numbers"]

# The least deviation that is divided by, as in Keras.
_LEAST = 1e-7
# How many rows of a sparse matrix are made dense at a time.
_BLOCK = 4096

_BESIDE = "{} is {} arrays, expected samples alone: adapt(x), or adapt(x for x, y in batches)"


class Normalization(_Normalization):
    """``(x - mean) / max(deviation, 1e-7)`` with the mean and deviation of data seen before.

    ``adapt`` takes them from data, once; they are weights that training leaves. In a model the
    layer standardises whatever comes, in training and in inference alike, so that it is saved with
    what it knows.

    Args:
        axis: the axis or axes that have a mean each, the batch being axis 0. None: one mean for all
            values.
        mean: the mean, in place of one from ``adapt``; with ``variance``.
        variance: the variance, with ``mean``.
        invert: whether to undo it instead: ``x * max(deviation, 1e-7) + mean``.
        name: what the layer is called.

    Raises:
        ValueError: if one of ``mean`` and ``variance`` is given without the other.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> layer = ug.layers.Normalization()
    >>> layer.adapt([[0.0, 10.0], [2.0, 30.0]])
    >>> ug.Sequential([ug.layers.Input((2,)), layer])(np.array([[2.0, 20.0]]))
    array([[1., 0.]], dtype=float32)
    """

    _takes_one_sample = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        invert: bool = False,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        if (mean is None) != (variance is None):
            raise ValueError("mean and variance must be given together")
        super().__init__(0.0, False, False, "zeros", "ones", name, False, **keywords)
        self.axis = axis
        self.invert = invert
        self._given = None if mean is None or variance is None else (mean, variance)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this."""
        mean, variance = self._given or (None, None)
        given = {
            "mean": None if mean is None else np.asarray(mean).tolist(),
            "variance": None if variance is None else np.asarray(variance).tolist(),
        }
        return {**super().get_config(), **given}

    @property
    def mean(self) -> NDArray[Any]:
        """The mean, of the shape of the axes kept."""
        return self._mean.numpy()

    @property
    def variance(self) -> NDArray[Any]:
        """The variance, of the shape of the axes kept, and at least 1e-14."""
        return self._spread.numpy() ** 2 if self.invert else self._spread.numpy()

    @property
    def is_adaptable(self) -> bool:
        """Whether :meth:`adapt` may be called: not if the moments were given."""
        return self._given is None

    def build(self, input_shape: SampleShape) -> None:
        """Make mean and variance: those given, or 0 and 1."""
        self._axes = self._kept(input_shape)
        shape = tuple(input_shape[axis] for axis in self._axes) or (1,)
        self._mean = self.add_weight(shape, Constant(0.0), trainable=False, name="mean")
        # The native node takes a variance to divide by, or a deviation to multiply by.
        kind = "deviation" if self.invert else "variance"
        self._spread = self.add_weight(shape, Constant(1.0), trainable=False, name=kind)
        if self._given is not None:
            self._assign(*(np.asarray(values, np.float64) for values in self._given))
        if self.invert:
            self._zero = Variable(f"{self.name}/zero", np.zeros(shape), False, self.dtype)
            self._one = Variable(f"{self.name}/one", np.ones(shape), False, self.dtype)

    def ensure_built(self, input_shape: SampleShape, dtype: str) -> None:
        """Build the layer, or make its weights another dtype's: adapt may come before the model."""
        if self.built and self.dtype != dtype:
            values = self.get_weights()
            self.weights.clear()
            self.dtype = dtype
            self.build(input_shape)
            self.set_weights(values)
        super().ensure_built(input_shape, dtype)

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data, forgetting those before.

        Args:
            data: samples, ``(samples, *input_shape)``, or an iterable of batches of them, without
                targets; or a :class:`~unitgain.data.Dataset`, of which ``x`` alone is read. Of a
                Dask array or frame each partition's moments are taken where it is computed.

        Raises:
            ValueError: if ``mean`` and ``variance`` were given, or there are no samples, or targets
                beside them.
            TypeError: if there is anything but numbers.
        """
        if self._given is not None:
            raise ValueError(f"{self.name} was made with a mean and a variance: it has no adapt")
        moments = _Moments()
        if partitions.is_partitioned(data):
            shape = partitions.sample_shape(data) or (1,)
            for part in partitions.each_partition(_moments_of, data, shape, self._kept(shape)):
                moments.merge(part)
            if not self.built:
                self.ensure_built(shape, "float32")
            self._assign(*moments.result())
            return
        for batch in batches_of_numbers(data):
            shape = batch.shape[1:] or (1,)
            moments.merge(_moments_of(batch, shape, self._kept(shape)))
            if not self.built:
                self.ensure_built(shape, self.dtype)
        self._assign(*moments.result())

    def _assign(self, mean: NDArray[Any], variance: NDArray[Any]) -> None:
        variance = np.maximum(variance, _LEAST**2)
        spread = np.sqrt(variance) if self.invert else variance
        self._mean.assign(np.broadcast_to(mean, self._mean.shape))
        self._spread.assign(np.broadcast_to(spread, self._spread.shape))

    def _kept(self, input_shape: SampleShape) -> tuple[int, ...]:
        if self.axis is None:
            return ()
        return sample_axes(self.axis, input_shape)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the affine map as a batch norm that never moves."""
        assert self.input_shape is not None
        if self._axes:
            return super().lower(graph, node)
        node = self._lower_last(graph, graph.reshape(node, math.prod(self.input_shape), 1))
        return int(graph.reshape(node, *rows_and_cols(self.input_shape)))

    def _lower_last(self, graph: NativeGraph, node: int) -> int:
        if self.invert:
            return lower_affine(graph, node, self._spread, self._mean, self._zero, self._one)
        return lower_affine(graph, node, None, None, self._mean, self._spread)


class Rescaling(Layer):
    """``x * scale + offset``.

    Args:
        scale: a number, or one for each feature of the last axis.
        offset: the same.
        name: what the layer is called.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.Sequential([ug.layers.Input((2,)), ug.layers.Rescaling(1 / 16)])(np.array([[8, 16]]))
    array([[0.5, 1. ]], dtype=float32)
    """

    _takes_one_sample = supports_masking = True

    def __init__(
        self, scale: ArrayLike, offset: ArrayLike = 0.0, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.scale = _number_or_array(scale)
        self.offset = _number_or_array(offset)

    def build(self, input_shape: SampleShape) -> None:
        """Make what the native node reads; none of it is a weight."""
        values = {"scale": self.scale, "offset": self.offset, "zero": 0.0, "one": 1.0}
        self._values = {}
        for name, value in values.items():
            try:
                full = np.broadcast_to(value, (input_shape[-1],))
            except ValueError:
                raise ValueError(
                    f"{name} has shape {np.shape(value)}, but {self.name} has {input_shape[-1]} "
                    "features"
                ) from None
            self._values[name] = Variable(f"{self.name}/{name}", full, False, self.dtype)

    def ensure_built(self, input_shape: SampleShape, dtype: str) -> None:
        """Build the layer, anew for another input."""
        if self.built and (self.dtype != dtype or self.input_shape != input_shape):
            self.built = False
        super().ensure_built(input_shape, dtype)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the affine map as a batch norm that never moves."""
        assert self.input_shape is not None
        if self._values["scale"].shape != self.input_shape[-1:]:  # one of several uses
            self.build(self.input_shape)
        values = self._values
        return lower_affine(
            graph, node, values["scale"], values["offset"], values["zero"], values["one"]
        )


def _number_or_array(value: ArrayLike) -> Any:
    array = np.asarray(value, np.float64)
    return float(array) if array.ndim == 0 else array


def batches_of_numbers(data: Any) -> Iterator[NDArray[Any]]:
    """Yield batches of float64, however the data come: of much data a part at a time.

    Of tuples they are the samples, which come first.

    Raises:
        ValueError: if the data are a tuple of samples and targets, and not batches of them.
    """
    if isinstance(data, tuple) and any(map(is_array, data)):
        raise ValueError(_BESIDE.format("data", len(data)))
    if (isinstance(data, list | tuple) and not _is_list_of_batches(data)) or is_array(data):
        rows = as_rows(data, "data")
        if isinstance(rows, SparseRows):
            for first in range(0, len(rows), _BLOCK):
                yield rows[first : first + _BLOCK].dense().astype(np.float64, copy=False)
        elif isinstance(rows, np.memmap):
            yield from batches_of_numbers(from_npy(rows))
        else:
            yield rows.astype(np.float64, copy=False)
        return
    if isinstance(data, Dataset) or partitions.is_partitioned(data):
        for part in partitions.partitions(data):
            yield part.astype(np.float64, copy=False)
        return
    for given in data:
        batch = given
        if isinstance(batch, list | tuple) and any(map(is_array, batch)):
            batch = batch[0]
        yield as_numbers(batch, "data").astype(np.float64, copy=False)


def _moments_of(batch: NDArray[Any], shape: SampleShape, kept: tuple[int, ...]) -> _Moments:
    """Return the moments of samples of a shape, of which some axes have a mean each."""
    values = batch.astype(np.float64, copy=False).reshape(len(batch), *shape)
    over = tuple(i for i in range(values.ndim) if i - 1 not in kept)
    made = _Moments()
    made.count = math.prod(values.shape[axis] for axis in over)
    if made.count:
        made.mean = values.mean(over)
        made.squares = ((values - values.mean(over, keepdims=True)) ** 2).sum(over)
    return made


def _is_list_of_batches(data: Any) -> bool:
    """Return whether a list holds arrays of several samples each, or tuples of such and more."""
    first = data[0] if isinstance(data, list) and data else None
    if isinstance(first, tuple):
        first = first[0] if first else None
    return first is not None and is_array(first) and np.ndim(first) > 1


class _Moments:
    """Mean and variance of batches that come one by one.

    Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983, (2.1).
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def merge(self, other: _Moments) -> None:
        """Take in the moments of other values."""
        if other.count == 0:
            return
        total = self.count + other.count
        apart = other.mean - self.mean
        self.squares = self.squares + other.squares + apart**2 * (self.count * other.count / total)
        self.mean = self.mean + apart * (other.count / total)
        self.count = total

    def result(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return mean and variance of all values.

        Raises:
            ValueError: if there were none.
        """
        if self.count == 0:
            raise ValueError("data has no samples")
        return np.asarray(self.mean), np.asarray(self.squares / self.count)
