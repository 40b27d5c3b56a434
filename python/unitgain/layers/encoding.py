"""CategoryEncoding, and what it has in common with other layers of the data before training."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names
from unitgain._arrays import as_numbers
from unitgain.dtype_policies import DTypePolicy, DTypePolicyLike
from unitgain.graph.operation import connect
from unitgain.graph.tensors import flatten, is_symbolic
from unitgain.layers.base import Layer, SampleShape

__all__ = [
    "CategoryEncoding",
    "DataLayer",
    "checked_mode",
    "encode",
    "encoded_shape",
    "whole_numbers",
]

Array = NDArray[Any]

MODES = ("int", "one_hot", "multi_hot", "count")


class DataLayer(Layer):
    """A layer of the data before training, such as one of categories.

    Called with arrays it works with NumPy on these as they are: integers stay integers, of any
    number of dimensions. Called with symbolic tensors it is a part of the network, to which indices
    come, and in which they go on, as floating-point numbers, exact up to 2**24 in float32; each
    batch then costs a call of Python, and no gradient passes.

    Args:
        name: what the layer is called.
        trainable: without effect.
        dtype: of what it makes of arrays: an integer dtype, or, of rows, float32 or float64; None
            for int64 indices, and rows of the default dtype.
        sparse: must be False.
        **keywords: see :class:`Layer`.

    Raises:
        ValueError: if it is another.
    """

    def __init__(
        self,
        name: str | None = None,
        trainable: bool = True,
        dtype: DTypePolicyLike = None,
        sparse: bool = False,
        **keywords: Any,
    ) -> None:
        if sparse:
            raise ValueError("sparse is True, but layers make dense arrays")
        self.integer_dtype = _integer_dtype(dtype)
        super().__init__(
            name, trainable, dtype=None if self.integer_dtype is not None else dtype, **keywords
        )

    def encoded(
        self, indices: NDArray[np.int64], mode: str, depth: int, weights: Array | None = None
    ) -> Array:
        """Return :func:`encode` of indices, in the layer's dtype.

        Raises:
            ValueError: if indices themselves are to be of a floating-point dtype.
        """
        if mode == "int" and self.integer_dtype is None:
            if self.given_dtype is not None:
                raise ValueError(
                    f"{self.name} makes indices, of an integer dtype, but dtype is "
                    f"{self.given_dtype}"
                )
            return indices
        return encode(indices, mode, depth, self.integer_dtype or self.dtype, weights)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as values that JSON can hold."""
        config = super().get_config()
        return config if self.integer_dtype is None else config | {"dtype": self.integer_dtype}

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Give the layer a place behind symbolic tensors, or run it on arrays.

        Args:
            inputs: an array, or what can be made one; or a symbolic tensor.
            training: without effect.
            mask: without effect.
        """
        if is_symbolic(inputs):
            several = self._takes_several
            return connect(self, flatten(inputs), several, training=training)
        return self.call(inputs)

    def backward(self, upstream: Any, inputs: Any, outputs: Any) -> Any:
        """Return zeros: the outputs change in steps."""
        if isinstance(inputs, list):
            return [np.zeros_like(one) for one in inputs]
        return np.zeros_like(inputs)


class CategoryEncoding(DataLayer):
    """Integer categories as rows of zeros and ones, or of counts.

    Before training the layer is called with arrays; see :class:`DataLayer` for what it costs within
    a network.

    Args:
        num_tokens: how many categories there are: values go from 0 to ``num_tokens - 1``.
        output_mode: ``"one_hot"``: a row for each value, in place of a last axis of size 1, or
            behind the others. ``"multi_hot"``: a row for all values along the last axis, with 1 for
            each that is there. ``"count"``: the same with how often it is there.
        name: what the layer is called.

    Raises:
        ValueError: if there is no such mode, or ``num_tokens`` is below 1; when called, if a value
            is no category.

    >>> import unitgain as ug
    >>> ug.layers.CategoryEncoding(4, output_mode="count")([[0, 1], [0, 0], [3, 1]])
    array([[1., 1., 0., 0.],
           [2., 0., 0., 0.],
           [0., 1., 0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        num_tokens: SupportsIndex | None = None,
        output_mode: str = "multi_hot",
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        if num_tokens is None:
            raise ValueError("num_tokens is needed; IntegerLookup finds it in data")
        self.num_tokens = operator.index(num_tokens)
        if self.num_tokens < 1:
            raise ValueError(f"num_tokens must be at least 1, but it is {self.num_tokens}")
        self.output_mode = checked_mode(output_mode, MODES[1:])

    def __call__(
        self,
        inputs: Any,
        training: bool | None = None,
        mask: Any = None,
        *,
        count_weights: Any = None,
    ) -> Any:
        """Give the layer a place behind a symbolic tensor, or run it on an array.

        Args:
            inputs: integers; or a symbolic tensor.
            training: without effect.
            mask: without effect.
            count_weights: for arrays with ``output_mode="count"``: what each value counts, of their
                shape; None: 1.
        """
        if is_symbolic(inputs):
            if count_weights is not None:
                raise ValueError("count_weights is for arrays, not for symbolic tensors")
            return super().__call__(inputs)
        return self.call(inputs, count_weights=count_weights)

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the shape with the row's length."""
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def call(self, inputs: Any, training: bool | None = None, count_weights: Any = None) -> Any:
        """Return the rows."""
        indices = whole_numbers(inputs, "inputs")
        weights = None
        if count_weights is not None:
            if self.output_mode != "count":
                raise ValueError(
                    f"count_weights needs output_mode='count', but {self.name} has "
                    f"{self.output_mode!r}"
                )
            weights = as_numbers(count_weights, "count_weights")
            if weights.shape != indices.shape:
                raise ValueError(
                    f"count_weights has shape {weights.shape}, but inputs has {indices.shape}"
                )
        outside = (indices < 0) | (indices >= self.num_tokens)
        if outside.any():
            raise ValueError(
                f"inputs has {indices[outside][0]}, but {self.name} has {self.num_tokens} "
                f"categories: values from 0 to {self.num_tokens - 1}"
            )
        return self.encoded(indices, self.output_mode, self.num_tokens, weights)


def checked_mode(mode: str, known: Sequence[str]) -> str:
    """Return the name of an output mode, by its newest spelling.

    Raises:
        ValueError: if there is none such.
    """
    name = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode)
    if name not in known:
        raise ValueError(_names.unknown("output_mode", mode, dict.fromkeys(known)))
    return name


def encode(
    indices: NDArray[np.int64], mode: str, depth: int, dtype: str, weights: Array | None = None
) -> Array:
    """Return indices as rows of ``depth`` values.

    Args:
        indices: the indices; one that is negative counts for nothing.
        mode: one of :data:`MODES`; ``"int"`` leaves them as they are.
        depth: the length of a row.
        dtype: of the indices or rows.
        weights: what each index counts, if ``mode`` is ``"count"``.
    """
    if mode == "int":
        return indices.astype(dtype, copy=False)
    if indices.ndim == 0:
        indices = indices[np.newaxis]
    if mode == "one_hot" and (indices.ndim < 2 or indices.shape[-1] != 1):
        indices = indices[..., np.newaxis]
    along = indices.shape[-1]
    flat = indices.reshape(math.prod(indices.shape[:-1]), along)
    rows, cols = np.nonzero(flat >= 0)
    made = np.zeros((len(flat), depth), dtype)
    chosen = flat[rows, cols]
    if mode == "count":
        add: Any = 1 if weights is None else weights.reshape(flat.shape)[rows, cols]
        np.add.at(made, (rows, chosen), add)
    else:
        made[rows, chosen] = 1
    return made.reshape(*indices.shape[:-1], depth)


def _integer_dtype(dtype: Any) -> str | None:
    """Return the name of an integer dtype, None of anything else."""
    if dtype is None or isinstance(dtype, (DTypePolicy, Mapping)):
        return None
    try:
        known = np.dtype(dtype)
    except TypeError:
        return None
    return known.name if known.kind in "iu" else None


def encoded_shape(shape: SampleShape, mode: str, depth: int) -> SampleShape:
    """Return the shape of one sample behind :func:`encode`."""
    if mode == "int":
        return shape
    if mode == "one_hot" and shape[-1] != 1:
        return (*shape, depth)
    return (*shape[:-1], depth)


def whole_numbers(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Return values as int64.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if one is no whole number, or beyond int64.
    """
    numbers = as_numbers(values, name)
    if numbers.dtype.kind in "bi":
        return numbers.astype(np.int64, copy=False)
    with np.errstate(invalid="ignore"):
        made = numbers.astype(np.int64)
        wrong = (made != numbers) | ((made < 0) & (numbers > 0))
    if wrong.any():
        raise ValueError(f"{name} has {numbers[wrong][0]}, expected whole numbers")
    return made
