"""Losses of margins."""

from __future__ import annotations

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import NativeLoss

__all__ = [
    "CategoricalHinge",
    "Hinge",
    "SquaredHinge",
]


class Hinge(NativeLoss):
    """The mean of max(1 - t y, 0). Targets are -1 and 1; if all are 0 or 1, 0 stands for -1."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "hinge",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("hinge", name, reduction, dtype)


class SquaredHinge(NativeLoss):
    """The mean of max(1 - t y, 0)^2, with the targets of :class:`Hinge`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "squared_hinge",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("squared_hinge", name, reduction, dtype)


class CategoricalHinge(NativeLoss):
    """max(0, 1 + max((1 - t) y) - sum(t y)) of each row, t being one-hot."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_hinge",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("categorical_hinge", name, reduction, dtype)
