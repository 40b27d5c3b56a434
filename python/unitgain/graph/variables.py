"""Variables: named arrays of weights in native memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unitgain import _names, _native, constraints, initializers, random, regularizers
from unitgain.graph.native import native
from unitgain.graph.tensors import SampleShape
from unitgain.ops.function import FUNCTIONS
from unitgain.ops.tracing import define_operators

__all__ = [
    "SavedWeights",
    "Variable",
    "checked_sizes",
    "checked_weights",
    "copies",
    "initial_values",
    "note_change",
    "penalties",
    "taking_weights_from",
    "trainable_changes",
]

# Gives a weight of that name, shape and dtype its first values, in place of its initializer.
Values = Callable[[str, tuple[int, ...], str], NDArray[Any]]
_initial_values: ContextVar[Values | None] = ContextVar("unitgain_initial_values", default=None)


class Variable:
    """An array of weights. It lives in native memory, which :attr:`array` shows without a copy.

    Attributes:
        name: what the variable is called, ``dense/kernel``.
        array: the values; writing to it changes the weights.
        trainable: whether training may change it.
        regularizer: the penalty that a model's loss has for it, or None.
        constraint: what it fulfils after each step, or None.
        learning_rate_multiplier: what the optimizer's learning rate is multiplied by for it.
    """

    def __init__(
        self, name: str, values: NDArray[Any], trainable: bool, dtype: str = "float32"
    ) -> None:
        self.name = name
        self.trainable = trainable
        self.regularizer: regularizers.Regularizer | None = None
        self.constraint: constraints.Constraint | None = None
        self.learning_rate_multiplier = 1.0
        self.parameter = native(dtype).Parameter(name, values.shape)
        self.array: NDArray[Any] = self.parameter.array
        self.array[...] = values

    @property
    def path(self) -> str:
        """The name with that of the layer before it, as Keras calls it: ``dense/kernel``."""
        return self.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype, float32 or float64."""
        return self.array.dtype

    @property
    def value(self) -> NDArray[Any]:
        """The values, by Keras's name: :attr:`array`."""
        return self.array

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the values, between two steps."""
        return copies([self])[0]

    def assign(self, values: ArrayLike) -> None:
        """Set the values, between two steps of who trains them.

        Raises:
            ValueError: if ``values`` has another shape.
        """
        new = np.asarray(values)
        if new.shape != self.shape:
            raise ValueError(f"values has shape {new.shape}, but {self.name} has {self.shape}")
        with _native.Still([self.array]):
            self.array[...] = new

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("regularizer", "constraint", "learning_rate_multiplier"):
            note_change()  # a compiled model takes it up
        super().__setattr__(name, value)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.array if dtype is None else self.array.astype(dtype)
        return array.copy() if copy else array

    def __float__(self) -> float:
        return float(self.array.item())

    def __int__(self) -> int:
        return int(self.array.item())

    def __getitem__(self, places: Any) -> Any:
        return FUNCTIONS["getitem"](self, places)

    def __repr__(self) -> str:
        return f"<Variable {self.name}, shape={self.shape}, dtype={self.dtype}>"


# Variables are operands, of arrays and in functions that are traced.
define_operators(Variable, FUNCTIONS, compares=False)


def copies(variables: Sequence[Variable]) -> list[NDArray[Any]]:
    """Return the values of all variables as they are between two steps of who trains them."""
    arrays = [variable.array for variable in variables]
    with _native.Still(arrays):
        return [array.copy() for array in arrays]


class _Changes:
    count = 0
    numbers = itertools.count(1)


def note_change() -> None:
    """Note a change of what training does with a layer, for models to notice at little cost."""
    _Changes.count = next(_Changes.numbers)


def trainable_changes() -> int:
    """Return a number that changes whenever what training does with a layer is set."""
    return _Changes.count


def initial_values(
    name: str, shape: tuple[int, ...], initializer: initializers.Initializer, dtype: str
) -> NDArray[Any]:
    """Return a new variable's first values: the initializer's, or those that are being loaded.

    Raises:
        ValueError: if the initializer makes another shape.
    """
    given = _initial_values.get()
    values = np.asarray(initializer(shape, dtype) if given is None else given(name, shape, dtype))
    if values.shape != shape:
        raise ValueError(f"the initializer of {name} made shape {values.shape}, expected {shape}")
    return values


@contextmanager
def taking_weights_from(values: Values) -> Iterator[None]:
    """Take first values from ``values`` in this block, and no random numbers of the process's."""
    token = _initial_values.set(values)
    try:
        with random.drawing_from(random.Streams(0)):
            yield
    finally:
        _initial_values.reset(token)


class SavedWeights:
    """Saved weights by name, for operations that are being built.

    Args:
        arrays: the values; a name that comes again has ``:1``, ``:2`` ... behind it, as
            :func:`unitgain._names.disambiguated` makes it.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = dict(arrays)
        self._asked: Counter[str] = Counter()

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return the values of the weight of that name.

        Raises:
            ValueError: if there are none, or they have another shape or dtype.
        """
        found = self._arrays.pop(_names.numbered(name, self._asked[name]), None)
        self._asked[name] += 1
        if found is None:
            raise ValueError(f"there is no array for the weight {name}")
        if found.shape != shape or found.dtype != dtype:
            raise ValueError(
                f"the array for {name} is of shape {found.shape} and {found.dtype}, expected "
                f"{shape} and {dtype}"
            )
        return found

    def check_used(self) -> None:
        """Raise ValueError if a weight was not asked for."""
        if self._arrays:
            raise ValueError(f"the model has no weight {min(self._arrays)!r}")


def penalties(weights: Iterable[Variable]) -> list[float]:
    """Return the penalties of those weights that have a regularizer."""
    return [float(w.regularizer(w.array)) for w in weights if w.regularizer is not None]


def checked_weights(
    owner: str, variables: Sequence[Variable], weights: Sequence[ArrayLike]
) -> list[NDArray[Any]]:
    """Return ``weights`` as arrays that fit the variables.

    Raises:
        ValueError: if the number of arrays or a shape differs.
    """
    if len(weights) != len(variables):
        raise ValueError(
            f"weights has {len(weights)} arrays, but {owner} has {len(variables)} weights"
        )
    arrays = [np.asarray(w) for w in weights]
    for variable, array in zip(variables, arrays, strict=True):
        if array.shape != variable.shape:
            raise ValueError(
                f"the array for {variable.name} has shape {array.shape}, expected {variable.shape}"
            )
    return arrays


def checked_sizes(argument: str, shape: Sequence[int]) -> SampleShape:
    """Return a shape as a tuple of positive ints.

    Raises:
        ValueError: if it is empty or has a size below 1.
    """
    if any(size is None for size in shape):
        raise ValueError(f"{argument} is {tuple(shape)}, but every size of a sample must be known")
    sizes = tuple(int(size) for size in shape)
    if not sizes or any(size < 1 for size in sizes):
        raise ValueError(f"{argument} is {tuple(shape)}, expected one or more positive sizes")
    return sizes
