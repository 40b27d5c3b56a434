"""Constraints that weights fulfil after each step: :class:`MaxNorm`, :class:`NonNeg` and others.

A layer takes them as ``kernel_constraint="max_norm"``, or with their settings:

>>> import unitgain as ug
>>> layer = ug.layers.Dense(5, kernel_constraint=ug.constraints.MaxNorm(3.0))

The units of a ``Dense`` layer are the columns of its kernel: ``axis=0`` takes one norm of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native
from unitgain._configurable import Configurable
from unitgain._configurable import serialize as _serialize

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

Axis = int | Sequence[int] | None

# Keras's, which keeps a zero from being divided by.
_EPSILON = 1e-7


class Constraint(Configurable):
    """A projection of weights.

    One's own implements ``__call__``:

    >>> import numpy as np
    >>> import unitgain as ug
    >>> class Ternary(ug.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return np.clip(np.round(w), -1, 1)
    >>> layer = ug.layers.Dense(3, kernel_constraint=Ternary())

    It is called after each step, with a copy of the weights, which costs what calls of Python cost;
    it must not call the model that is being trained.
    """

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """Return weights like ``w`` that fulfil the constraint: here, as they are."""
        return np.asarray(w)

    def spec(self, name: str, array: NDArray[Any]) -> _native.ConstraintSpec:
        """Return the constraint of these weights as the native step takes it."""

        def project() -> None:
            made = np.asarray(self(array.copy()))
            if made.shape != array.shape:
                raise ValueError(
                    f"{type(self).__name__} makes shape {made.shape} of {name}, which has "
                    f"{array.shape}"
                )
            array[...] = made

        return _native.ConstraintSpec(_native.ConstraintKind.custom, custom=project)


class NonNeg(Constraint):
    """Negative weights become 0.

    >>> import unitgain as ug
    >>> ug.constraints.NonNeg()([-1.0, 2.0])
    array([0., 2.])
    """

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """Return weights like ``w`` that are not negative."""
        return np.maximum(w, 0)

    def spec(self, name: str, array: NDArray[Any]) -> _native.ConstraintSpec:
        """Return the constraint as the native step takes it."""
        return _native.ConstraintSpec(_native.ConstraintKind.non_negative)


class _Norm(Constraint):
    """``w * (rate * clip(norm, least, most) + (1 - rate) * norm) / (norm + 1e-7)``."""

    axis: Axis

    def _bounds(self) -> tuple[float, float, float]:
        """Return the least and the most that a norm may be, and the rate."""
        raise NotImplementedError

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """Return weights like ``w`` with such norms."""
        w = np.asarray(w)
        axes = self.axis if self.axis is None or isinstance(self.axis, int) else tuple(self.axis)
        norms = np.sqrt(np.sum(np.square(w), axis=axes, keepdims=True))
        least, most, rate = self._bounds()
        desired = rate * np.clip(norms, least, most) + (1 - rate) * norms
        return np.asarray(w * (desired / (_EPSILON + norms)))

    def spec(self, name: str, array: NDArray[Any]) -> _native.ConstraintSpec:
        """Return the constraint as the native step takes it."""
        rank = array.ndim
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        axes = list(range(rank)) if given is None else list(given)
        if any(not -rank <= axis < rank for axis in axes):
            raise ValueError(
                f"axis of {type(self).__name__} is {self.axis}, but {name} has shape {array.shape}"
            )
        least, most, rate = self._bounds()
        axes = sorted({axis % rank for axis in axes})
        return _native.ConstraintSpec(_native.ConstraintKind.norm, axes, least, most, rate)


class MaxNorm(_Norm):
    """Scales weights down whose norm is above ``max_value``.

    Args:
        max_value: the largest norm, at least 0.
        axis: the axis, or neighbouring axes, along which a norm is taken; None: all.

    Raises:
        ValueError: if ``max_value`` is negative, or at the first use, there is no such axis.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15, 2014.

    >>> import unitgain as ug
    >>> float(abs(ug.constraints.MaxNorm(1.0)([3.0, 4.0])).max().round(6))
    0.8
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = _bound("max_value", max_value)
        self.axis = _axis(axis)

    def _bounds(self) -> tuple[float, float, float]:
        return 0.0, self.max_value, 1.0


class UnitNorm(_Norm):
    """Scales weights to a norm of 1.

    Args:
        axis: as for :class:`MaxNorm`.
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = _axis(axis)

    def _bounds(self) -> tuple[float, float, float]:
        return 1.0, 1.0, 1.0


class MinMaxNorm(_Norm):
    """Scales weights to a norm between ``min_value`` and ``max_value``, or part of the way.

    Args:
        min_value: the smallest norm, at least 0.
        max_value: the largest norm.
        rate: the share of the way that a step goes, 0 to 1: the norm becomes
            ``rate * clip(norm, min_value, max_value) + (1 - rate) * norm``.
        axis: as for :class:`MaxNorm`.

    Raises:
        ValueError: if a value is out of its range.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        self.min_value = _bound("min_value", min_value)
        self.max_value = _bound("max_value", max_value)
        if self.min_value > self.max_value:
            raise ValueError(f"min_value is {min_value}, but max_value is {max_value}")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, but it is {rate}")
        self.rate = rate
        self.axis = _axis(axis)

    def _bounds(self) -> tuple[float, float, float]:
        return self.min_value, self.max_value, self.rate


def _bound(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{name} must be at least 0, but it is {value}")
    return value


def _axis(axis: Axis) -> Axis:
    if axis is None or isinstance(axis, int):
        return axis
    axes = [int(a) for a in axis]
    if not axes:
        raise ValueError("axis is empty, expected an axis, several, or None")
    return axes


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

ConstraintLike = str | Constraint | Mapping[str, Any] | None

_TABLE: dict[str, Callable[[], Constraint]] = {
    _names.snake_case(kind.__name__): kind for kind in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
}


def get(identifier: ConstraintLike) -> Constraint | None:
    """Return the constraint of that name (``"max_norm"``), of that configuration, or as given.

    None gives None.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a constraint.
    """
    if identifier is None:
        return None
    return _names.resolve("constraint", identifier, _TABLE, Constraint, _names.snake_case)


def serialize(constraint: Constraint | None) -> Any:
    """Return the constraint's class name and configuration, as JSON can hold them."""
    return _serialize(constraint)


deserialize = _names.deserializer("constraint", get)
