"""Losses of differences."""

from __future__ import annotations

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import NativeLoss, check_axis

__all__ = [
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Quantile",
]


class MeanSquaredError(NativeLoss):
    """The mean of (y - t)^2."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("mean_squared_error", name, reduction, dtype)


class MeanAbsoluteError(NativeLoss):
    """The mean of abs(y - t). The derivative at 0 is 0."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("mean_absolute_error", name, reduction, dtype)


class Huber(NativeLoss):
    """The mean of e^2 / 2 where abs(e) <= delta, delta (abs(e) - delta / 2) beyond; e = y - t.

    Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35, 1964.

    Args:
        delta: where the square becomes a line; above 0.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("huber", name, reduction, dtype, delta=delta)
        self.delta = delta


class LogCosh(NativeLoss):
    """The mean of log(cosh(y - t)): e^2 / 2 near 0, abs(e) - log 2 far from it."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "log_cosh",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("log_cosh", name, reduction, dtype)


class Quantile(NativeLoss):
    """The mean of ``max(q (t - y), (q - 1) (t - y))``, least where y is the q-quantile of t.

    Also called the pinball loss. With q = 0.9 nine of ten targets come to lie below the
    predictions; with q = 0.5 it is half the mean absolute error. The derivative at 0 is 0. Koenker
    and Bassett, "Regression quantiles", Econometrica 46, 1978.

    Args:
        quantile: q, between 0 and 1.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.

    >>> import unitgain as ug
    >>> round(ug.losses.Quantile(0.9)([[1.0], [2.0]], [[0.0], [3.0]]), 6)
    0.5
    """

    def __init__(
        self,
        quantile: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "quantile",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("quantile", name, reduction, dtype, quantile=quantile)
        self.quantile = quantile


class CosineSimilarity(NativeLoss):
    """Minus the cosine of the angle between a row of predictions and its targets: -1 to 1.

    Rows shorter than 1e-7 are divided by that in place of their length, so that a row of zeros has
    the loss 0.

    Args:
        axis: the axis of the vectors, which must be the last.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: DTypePolicyLike = None,
    ) -> None:
        check_axis(axis)
        super().__init__("cosine_similarity", name, reduction, dtype)
