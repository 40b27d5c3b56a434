"""Penalties that the loss has for weights: :class:`L1`, :class:`L2` and kin.

A layer takes them as ``kernel_regularizer="l2"``, or with their factors:

>>> import unitgain as ug
>>> layer = ug.layers.Dense(5, kernel_regularizer=ug.regularizers.L2(1e-4))

While the layer is trainable, the penalty is part of the loss that ``fit``, ``evaluate`` and
``gradients`` report, and its gradient part of the gradient that is clipped and applied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native
from unitgain._configurable import Configurable
from unitgain._configurable import serialize as _serialize
from unitgain.ops.differentiation import grad, value_and_gradient_program
from unitgain.ops.tracing import TraceError

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


class Regularizer(Configurable):
    """A penalty of weights.

    One's own is a function made of :mod:`unitgain.ops`, or implements ``__call__`` with those:
    native code computes it, with its derivative.

    >>> import unitgain as ug
    >>> class FourthPowers(ug.regularizers.Regularizer):
    ...     def __call__(self, x):
    ...         return 0.01 * ug.ops.sum(x**4)
    >>> layer = ug.layers.Dense(3, kernel_regularizer=FourthPowers())
    >>> other = ug.layers.Dense(3, kernel_regularizer=lambda x: 0.01 * ug.ops.sum(x**4))

    Where it needs the weights' values it implements ``gradient``, too. Both are called once before
    each step then, which costs what calls of Python cost, and must not call the model that is being
    trained.
    """

    def __call__(self, x: ArrayLike) -> float:
        """Return the penalty of an array of weights."""
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")

    def gradient(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of the penalty by each weight, of the shape of ``x``."""
        try:
            made: NDArray[Any] = grad(self)(np.asarray(x))
            return made
        except TraceError as error:
            raise NotImplementedError(
                f"{type(self).__name__} has no derivative, which training needs: {error}; or "
                f"implement gradient(x)"
            ) from error

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise ValueError if weights of this shape have no such penalty."""

    def spec(self, name: str, array: NDArray[Any]) -> _native.PenaltySpec:
        """Return the penalty of these weights as the native step takes it."""
        if type(self).gradient is Regularizer.gradient:
            try:
                program = value_and_gradient_program(self, array)
                return _native.PenaltySpec(custom=(program, array))
            except TraceError:
                pass  # it is called, and training says why it cannot be done

        def penalty() -> tuple[float, NDArray[Any]]:
            made = np.asarray(self.gradient(array.copy()), array.dtype, order="C")
            if made.shape != array.shape:
                raise ValueError(
                    f"{type(self).__name__}.gradient returns shape {made.shape}, but {name} has "
                    f"{array.shape}"
                )
            return float(self(array.copy())), made

        return _native.PenaltySpec(custom=penalty)


class FunctionRegularizer(Regularizer):
    """A function of weights as a penalty.

    Args:
        fn: returns one number, made of an array by functions of :mod:`unitgain.ops`.
    """

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn

    def __call__(self, x: Any) -> Any:
        """Return what the function gives."""
        return self.fn(x)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FunctionRegularizer:
        """Make a regularizer of what ``get_config`` returned; functions are custom objects."""
        return cls(_names.custom_function(config["fn"], "the regularizer is"))


class Magnitudes(Regularizer):
    """``l1 * sum(|w|) + l2 * sum(w**2)``."""

    l1 = 0.0
    l2 = 0.0

    def __call__(self, x: ArrayLike) -> float:
        """Return the penalty of an array of weights."""
        array = np.asarray(x, np.float64)
        penalty = self.l1 * float(np.abs(array).sum()) if self.l1 else 0.0
        return penalty + (self.l2 * float((array**2).sum()) if self.l2 else 0.0)

    def gradient(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return ``l1 * sign(x) + 2 * l2 * x``."""
        x = np.asarray(x)
        return np.asarray(self.l1 * np.sign(x) + 2 * self.l2 * x, x.dtype)

    def spec(self, name: str, array: NDArray[Any]) -> _native.PenaltySpec:
        """Return the penalty as the native step takes it."""
        return _native.PenaltySpec(l1=self.l1, l2=self.l2)


class L1L2(Magnitudes):
    """``l1 * sum(|w|) + l2 * sum(w**2)``.

    Args:
        l1: the factor of the magnitudes, at least 0.
        l2: the factor of the squares, at least 0.

    Raises:
        ValueError: if a factor is negative or not finite.

    By its name, ``"l1_l2"``, both factors are 0.01. The gradient of ``|w|`` at 0 is taken as 0.

    >>> import unitgain as ug
    >>> ug.regularizers.L1L2(l1=0.5, l2=0.25)([1.0, -2.0])
    2.75
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("l1", l1)
        self.l2 = _factor("l2", l2)


class L1(Magnitudes):
    """``l1 * sum(|w|)``: leaves few weights that are not 0, or nearly so (the lasso).

    Args:
        l1: the factor, at least 0.

    Raises:
        ValueError: if the factor is negative or not finite.

    Source: Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", l1)


class L2(Magnitudes):
    """``l2 * sum(w**2)``: keeps weights small (ridge regression).

    With plain gradient descent it is weight decay of ``2 * l2``; with Adam it is not, as the
    gradient is divided by its own size: see ``weight_decay`` of :class:`~unitgain.optimizers.AdamW`
    (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019).

    Args:
        l2: the factor, at least 0.

    Raises:
        ValueError: if the factor is negative or not finite.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", l2)


class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean of ``|cosine|`` between the rows, or columns, of a matrix.

    With ``u_i`` the rows, or columns, divided by their norms (by 1e-7 at least), and ``n`` of them:
    ``factor * sum(|u_i . u_j|, i < j) / (n (n - 1) / 2)``. A single row has no pairs and a penalty
    of 0.

    Args:
        factor: at least 0.
        mode: ``"rows"`` or ``"columns"``. The columns of a kernel are what its units weigh their
            inputs with.

    Raises:
        ValueError: if ``factor`` is negative or not finite, there is no such mode, or the weights
            are no matrix.

    >>> import unitgain as ug
    >>> ug.regularizers.OrthogonalRegularizer(factor=0.5)([[1.0, 0.0], [0.0, 2.0]])
    0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(f"mode is {mode!r}, expected 'rows' or 'columns'")
        self.mode = mode

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise ValueError if the weights are no matrix."""
        if len(shape) != 2:
            raise ValueError(
                f"OrthogonalRegularizer is for matrices, but {name} has shape {tuple(shape)}"
            )

    def __call__(self, x: ArrayLike) -> float:
        """Return the penalty of a matrix."""
        x = np.asarray(x)
        self.check("x", x.shape)
        _, cosines, pairs = self._cosines(x)
        return 0.5 * self.factor * float(np.abs(cosines).sum()) / pairs

    def gradient(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of the penalty by each weight."""
        x = np.asarray(x)
        lengths, cosines, pairs = self._cosines(x)
        rows = (x if self.mode == "rows" else x.T).astype(np.float64)
        units = rows * lengths
        made = np.sign(cosines) @ units
        along = np.where(lengths < 1e7, (made * units).sum(axis=1, keepdims=True), 0.0)
        made = self.factor / pairs * lengths * (made - along * units)
        return np.asarray(made if self.mode == "rows" else made.T, x.dtype)

    def _cosines(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], float]:
        rows = (x if self.mode == "rows" else x.T).astype(np.float64)
        norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
        lengths = 1 / np.maximum(norms, 1e-7)
        units = rows * lengths
        cosines = units @ units.T
        np.fill_diagonal(cosines, 0.0)
        return lengths, cosines, max(1.0, len(rows) * (len(rows) - 1) / 2)

    def spec(self, name: str, array: NDArray[Any]) -> _native.PenaltySpec:
        """Return the penalty as the native step takes it."""
        self.check(name, array.shape)
        return _native.PenaltySpec(orthogonal=self.factor, columns=self.mode == "columns")


def _factor(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number of at least 0, but it is {value}")
    return float(value)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

RegularizerLike = str | Regularizer | Mapping[str, Any] | Callable[[Any], Any] | None

_TABLE: dict[str, Any] = {
    "FunctionRegularizer": FunctionRegularizer,
    "l1": L1,
    "l2": L2,
    "l1_l2": lambda: L1L2(0.01, 0.01),
    "l1l2": lambda: L1L2(0.01, 0.01),
    "orthogonal_regularizer": OrthogonalRegularizer,
    **{kind.__name__: kind for kind in (L1, L2, L1L2, OrthogonalRegularizer)},
}


def get(identifier: RegularizerLike) -> Regularizer | None:
    """Return the regularizer of that name (``"l2"``), of that configuration, or as given.

    None gives None.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a regularizer.
    """
    if identifier is None:
        return None
    if callable(identifier) and not isinstance(identifier, (type, Regularizer)):
        return FunctionRegularizer(identifier)
    return _names.resolve("regularizer", identifier, _TABLE, Regularizer, _names.snake_case)


def of_activities(identifier: RegularizerLike) -> Magnitudes | None:
    """Return :func:`get`'s regularizer, if it can be one of a layer's outputs.

    Raises:
        TypeError: if it is not L1, L2 or L1L2.
    """
    made = get(identifier)
    if made is None or isinstance(made, Magnitudes):
        return made
    raise TypeError(f"activity_regularizer is a {type(made).__name__}, expected L1, L2 or L1L2")


def serialize(regularizer: Regularizer | None) -> Any:
    """Return the regularizer's class name and configuration, as JSON can hold them."""
    return _serialize(regularizer)


deserialize = _names.deserializer("regularizer", get)
