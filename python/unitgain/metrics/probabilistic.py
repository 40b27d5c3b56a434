"""Losses as metrics: cross-entropies, divergences and hinges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import losses
from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import NativeLoss
from unitgain.metrics.base import RowMean

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]


class _LossMean(RowMean):
    """The mean of a loss over the rows, whatever is trained with."""

    direction = "down"
    kind = "loss"

    def loss(self) -> NativeLoss:
        """Return the loss."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"loss": self.loss().spec}


class BinaryCrossentropy(_LossMean):
    """The mean of :class:`unitgain.losses.BinaryCrossentropy`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.
        label_smoothing: as the loss has it.
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.BinaryCrossentropy(self.from_logits, self.label_smoothing)


class CategoricalCrossentropy(_LossMean):
    """The mean of :class:`unitgain.losses.CategoricalCrossentropy`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.
        label_smoothing: as the loss has it.
        axis: the classes' axis, which must be the last.
    """

    takes_rows = True

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        self.loss()  # checks the arguments

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.CategoricalCrossentropy(self.from_logits, self.label_smoothing, self.axis)


class SparseCategoricalCrossentropy(_LossMean):
    """The mean of :class:`unitgain.losses.SparseCategoricalCrossentropy`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.
        ignore_class: the label of rows that do not count.
        axis: the classes' axis, which must be the last.
    """

    takes_labels = True
    takes_rows = True

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis
        self.loss()  # checks the arguments

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.SparseCategoricalCrossentropy(
            self.from_logits, self.ignore_class, axis=self.axis
        )

    def check(self, loss: losses.Loss) -> None:
        """Raise ValueError if the metric does not go with the loss's targets."""
        super().check(loss)
        ignored = getattr(loss, "ignore_class", None)
        if ignored is not None and ignored < 0 and self.ignore_class != ignored:
            raise ValueError(
                f"the loss has ignore_class={ignored}, but the metric {self.name} has "
                f"{self.ignore_class}: give it the same"
            )

    def _labels(self, y_true: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int32]:
        labels = super()._labels(y_true, shape)
        ignored = np.full(labels.shape, False)
        if self.ignore_class is not None:
            ignored = np.reshape(y_true, labels.shape) == self.ignore_class
        if ((labels < 0) & ~ignored).any():
            raise ValueError(
                f"y_true has a label that is no whole number from 0 to {shape[-1] - 1}"
            )
        return labels if self.ignore_class is None else np.where(ignored, self.ignore_class, labels)


class KLDivergence(_LossMean):
    """The mean of :class:`unitgain.losses.KLDivergence`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    takes_rows = True

    def __init__(self, name: str | None = "kl_divergence", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name, dtype)

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.KLDivergence()


class Poisson(_LossMean):
    """The mean of :class:`unitgain.losses.Poisson`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    def __init__(self, name: str | None = "poisson", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name, dtype)

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.Poisson()


class Hinge(_LossMean):
    """The mean of :class:`unitgain.losses.Hinge`; a batch of targets 0 and 1 is one of -1 and 1.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    def __init__(self, name: str | None = "hinge", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name, dtype)

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.Hinge()


class SquaredHinge(_LossMean):
    """The mean of :class:`unitgain.losses.SquaredHinge`, with targets as :class:`Hinge`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    def __init__(self, name: str | None = "squared_hinge", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name, dtype)

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.SquaredHinge()


class CategoricalHinge(_LossMean):
    """The mean of :class:`unitgain.losses.CategoricalHinge`.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    takes_rows = True

    def __init__(
        self, name: str | None = "categorical_hinge", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)

    def loss(self) -> NativeLoss:
        """Return the loss."""
        return losses.CategoricalHinge()
