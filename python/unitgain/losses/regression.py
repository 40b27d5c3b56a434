"""Losses of differences."""

from __future__ import annotations

from unitgain.losses.base import NativeLoss

__all__ = [
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
]


class MeanSquaredError(NativeLoss):
    """The mean of (y - t)^2."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error"
    ) -> None:
        super().__init__("mean_squared_error", name, reduction)


class MeanAbsoluteError(NativeLoss):
    """The mean of abs(y - t). The derivative at 0 is 0."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error"
    ) -> None:
        super().__init__("mean_absolute_error", name, reduction)


class Huber(NativeLoss):
    """The mean of e^2 / 2 where abs(e) <= delta, delta (abs(e) - delta / 2) beyond; e = y - t.

    Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35, 1964.

    Args:
        delta: where the square becomes a line; above 0.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
    ) -> None:
        super().__init__("huber", name, reduction, delta=delta)
        self.delta = delta


class LogCosh(NativeLoss):
    """The mean of log(cosh(y - t)): e^2 / 2 near 0, abs(e) - log 2 far from it."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh"
    ) -> None:
        super().__init__("log_cosh", name, reduction)
