"""Losses in which rows count together: the overlap of masks, the distances of embeddings."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import Loss

__all__ = ["Circle", "Dice", "Tversky"]

_EPSILON = 1e-7

Rows = tuple[NDArray[np.float64], Any]


class _Overlap(Loss):
    """``1 - s I / (a I + b sum(t) + c sum(y) + 1e-7)`` with the intersection ``I = sum(t y)``."""

    _joins_rows = True
    # s, a, b, c.
    _coefficients: tuple[float, float, float, float]

    def __init__(
        self,
        reduction: str | None,
        name: str,
        axis: int | Sequence[int] | None,
        dtype: DTypePolicyLike,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if axis is not None and not isinstance(axis, int):
            axis = tuple(operator.index(one) for one in axis)
        self.axis = axis

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the losses: one, or one of each place along the axes that remain."""
        value, _, _ = self._value(y_true, y_pred)
        return value.reshape(()) if self.axis is None else value.squeeze(self.axis)

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of the sum of :meth:`call`'s values."""
        return self._pull(y_true, y_pred, np.ones(()))

    def _value(
        self, y_true: NDArray[Any], y_pred: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the losses, the intersections and the divisors, with the axes of y_pred."""
        if y_true.shape != y_pred.shape:
            raise ValueError(f"y_true has shape {y_true.shape}, expected {y_pred.shape}")
        t, y = y_true.astype(np.float64), y_pred.astype(np.float64)
        common, wanted, given = (
            np.asarray(part.sum(axis=self.axis, keepdims=True)) for part in (t * y, t, y)
        )
        share, a, b, c = self._coefficients
        divisor = a * common + b * wanted + c * given + _EPSILON
        return 1 - share * common / divisor, common, divisor

    def _pull(
        self, y_true: NDArray[Any], y_pred: NDArray[Any], upstream: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gradient of the losses' sum, each times ``upstream``."""
        _, common, divisor = self._value(y_true, y_pred)
        share, a, _, c = self._coefficients
        factor = upstream * share / divisor
        return np.asarray(factor * (common / divisor * (a * y_true + c) - y_true))

    def _rows(
        self,
        y_true: NDArray[Any],
        y_pred: NDArray[Any],
        wanted: bool,
        weights: NDArray[np.float64] | None,
    ) -> Rows:
        shape = y_pred.shape
        value, _, _ = self._value(y_true, y_pred)
        # A row's loss is the mean over its values of the losses that they belong to. Where losses
        # are summed and not averaged, each counts once; one loss of all counts for each weight.
        several = max(y_pred.size // max(value.size, 1), 1)
        factor = shape[-1] / several
        whole = weights is not None and (value.size == 1 or self.reduction in (None, "none"))
        if self.reduction not in (None, "none", "sum") or whole:
            factor = 1.0
        rows = factor * np.broadcast_to(value, shape).mean(axis=-1)
        gradient = None
        if wanted:
            upstream = np.ones(shape[:-1]) if weights is None else weights
            spread = np.broadcast_to(factor / shape[-1] * upstream[..., np.newaxis], shape)
            summed = np.asarray(spread.sum(axis=self.axis, keepdims=True))
            gradient = self._pull(y_true, y_pred, summed)
        if weights is None and self.reduction in (None, "none"):
            rows = self.call(y_true, y_pred)
        return rows, gradient


class Dice(_Overlap):
    """``1 - 2 sum(t y) / (sum(t) + sum(y))``: how far masks are from covering each other.

    Sums run over the whole batch, or along ``axis``. Targets t and predictions y are between 0 and
    1. Milletari, Navab and Ahmadi, "V-Net", 3DV 2016.

    Args:
        reduction: see :class:`~unitgain.losses.Loss`; None gives the losses that remain beside
            ``axis``.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
        axis: the axes of the sums, the first being the samples'; None is all of them.

    >>> import unitgain as ug
    >>> round(ug.losses.Dice()([[1.0, 1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0, 0.0]]), 6)
    0.333333
    """

    _coefficients = (2.0, 0.0, 1.0, 1.0)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(reduction, name, axis, dtype)


class Tversky(_Overlap):
    """``1 - I / (I + alpha sum(t (1 - y)) + beta sum((1 - t) y))`` with ``I = sum(t y)``.

    ``alpha`` weighs what the predictions y leave out, ``beta`` what they add; 1/2 and 1/2 is
    :class:`Dice`. (Keras computes the same, though it calls the first false positives.) Salehi,
    Erdogmus and Gholipour, "Tversky loss function", MLMI 2017.

    Args:
        alpha: at least 0.
        beta: at least 0.
        reduction: see :class:`Dice`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
        axis: see :class:`Dice`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(reduction, name, axis, dtype)
        for label, value in (("alpha", alpha), ("beta", beta)):
            if not (value >= 0 and np.isfinite(value)):
                raise ValueError(f"{label} must be at least 0, but it is {value}")
        self.alpha = alpha
        self.beta = beta
        self._coefficients = (1.0, 1.0 - alpha - beta, alpha, beta)


class Circle(Loss):
    """Circle loss of embeddings: near to those of the same label, far from others.

    With the distance ``d = max(1 - y_i . y_j, 0)`` of two rows of length 1, a row's loss is
    ``log(1 + sum exp(gamma (d^2 - m^2)) sum exp(gamma max(1 + m - d, 0) (1 - m - d)))``, the first
    sum over the rows of its label, the second over all others of the batch. Rows without a loss do
    not count in the mean. A batch costs the square of its rows. Sun et al., "Circle loss", CVPR
    2020.

    Targets are one number a row: whole ones, whatever they are. End the model with
    :class:`unitgain.layers.UnitNormalization`.

    Args:
        gamma: the scale of distances; above 0.
        margin: m, at least 0.
        remove_diagonal: whether a row is not compared with itself.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    kind = "custom_of_column"
    _joins_rows = True

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not (gamma > 0 and np.isfinite(gamma)):
            raise ValueError(f"gamma must be greater than 0, but it is {gamma}")
        if not (margin >= 0 and np.isfinite(margin)):
            raise ValueError(f"margin must be at least 0, but it is {margin}")
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = remove_diagonal

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return each row's loss."""
        values, _ = self._values(y_true, y_pred)
        return values

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of the sum of :meth:`call`'s values."""
        _, slopes = self._values(y_true, y_pred)
        return _by_rows(slopes, y_pred)

    def _values(
        self, y_true: NDArray[Any], y_pred: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each row's loss, and its derivatives by the products with all rows."""
        if y_pred.ndim != 2 or y_true.size != len(y_pred):
            raise ValueError(
                f"y_pred has shape {y_pred.shape} and y_true {y_true.shape}, expected "
                "(samples, values) and a label for each sample"
            )
        labels = y_true.reshape(-1).astype(np.int64)
        same = labels[:, np.newaxis] == labels
        other = ~same
        if self.remove_diagonal:
            same &= ~np.eye(len(labels), dtype=bool)
        y = y_pred.astype(np.float64)
        raw = 1 - y @ y.T
        d, m = np.maximum(raw, 0), self.margin
        near, near_share = _log_sum(self.gamma * (d**2 - m**2), same)
        beyond = np.maximum(1 + m - d, 0)
        far, far_share = _log_sum(self.gamma * beyond * (1 - m - d), other)
        total = near + far
        slopes = 2 * d * near_share + np.where(beyond > 0, 2 * (d - 1), 0) * far_share
        sigmoid = np.exp(-np.logaddexp(0, -total))[:, np.newaxis]
        return np.logaddexp(0, total), np.where(raw > 0, -self.gamma * sigmoid * slopes, 0)

    def _rows(
        self,
        y_true: NDArray[Any],
        y_pred: NDArray[Any],
        wanted: bool,
        weights: NDArray[np.float64] | None,
    ) -> Rows:
        values, slopes = self._values(y_true, y_pred)
        scale = 1.0
        if self.reduction not in (None, "none", "sum"):
            weighted = self.reduction == "mean_with_sample_weight" and weights is not None
            counts = weights if weighted and weights is not None else np.ones(len(values))
            counted = counts[values > 0].sum()
            scale = counts.sum() / counted if counted else 0.0
        if not wanted:
            return values * scale, None
        upstream = np.full(len(values), scale) if weights is None else weights * scale
        return values * scale, _by_rows(slopes * upstream[:, np.newaxis], y_pred)


def _log_sum(
    values: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithm of each row's sum of exponentials where the mask is, and the shares."""
    peak = np.max(values, axis=1, where=mask, initial=-np.inf)
    shift = np.where(np.isfinite(peak), peak, 0)
    powers = np.exp(np.where(mask, values - shift[:, np.newaxis], -np.inf))
    total = powers.sum(axis=1)
    with np.errstate(divide="ignore"):
        logarithm = np.log(total) + shift
    return logarithm, powers / np.where(total == 0, 1, total)[:, np.newaxis]


def _by_rows(slopes: NDArray[np.float64], y_pred: NDArray[Any]) -> NDArray[np.float64]:
    """Return the gradient by the rows of what depends on their products with each other."""
    return np.asarray((slopes + slopes.T) @ y_pred.astype(np.float64))
