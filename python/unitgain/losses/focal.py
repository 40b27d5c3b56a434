"""Cross-entropies in which samples that are classified well count less.

Lin et al., "Focal loss for dense object detection", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import Loss, NativeLoss, check_axis

__all__ = ["BinaryFocalCrossentropy", "CategoricalFocalCrossentropy"]

_CLIP = 1e-7  # probabilities are clipped to [1e-7, 1 - 1e-7]


class BinaryFocalCrossentropy(NativeLoss):
    """The mean of ``m^gamma`` times the binary cross-entropy of t and the predicted probability p.

    ``m = t (1 - p) + (1 - t) p`` is the probability that the target's side is not given: near 0
    where the prediction is right.

    Args:
        apply_class_balancing: whether targets of 1 weigh ``alpha``, and of 0 ``1 - alpha``.
        alpha: 0 to 1.
        gamma: at least 0, which is the binary cross-entropy.
        from_logits: whether the predictions are logits, of which p is the sigmoid.
        label_smoothing: s replaces t by ``t (1 - s) + s / 2``.
        axis: the axis of the mean, which must be the last.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        check_axis(axis)
        super().__init__(
            "binary_focal_crossentropy",
            name,
            reduction,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            gamma=gamma,
            balances_classes=apply_class_balancing,
            alpha=alpha,
        )
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalFocalCrossentropy(Loss):
    """The sum over a row of ``alpha (1 - p)^gamma t (-log p)``: distributions t, predictions p.

    Each row of probabilities is divided by its sum, and p clipped to [1e-7, 1 - 1e-7].

    Args:
        alpha: a factor of all classes, or a sequence with one of each.
        gamma: at least 0.
        from_logits: whether the predictions are logits, of which p is the softmax.
        label_smoothing: s replaces t by ``t (1 - s) + s / classes``.
        axis: the classes' axis, which must be the last.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.

    >>> import unitgain as ug
    >>> loss = ug.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=0.0)
    >>> round(loss([[1.0, 0.0]], [[0.5, 0.5]]), 6)
    0.693147
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        check_axis(axis)
        super().__init__(name, reduction, dtype)
        if not np.ndim(alpha) < 2 or not np.all(np.asarray(alpha) >= 0):
            raise ValueError(f"alpha must be at least 0, one number or one a class, not {alpha}")
        if not (gamma >= 0 and np.isfinite(gamma)):
            raise ValueError(f"gamma must be at least 0, but it is {gamma}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"label_smoothing must be between 0 and 1, but it is {label_smoothing}"
            )
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return each row's loss."""
        weights = self._weighted_targets(y_true, y_pred)
        log_p, p, _, _ = self._probabilities(y_pred)
        # A logit of -inf is a masked class: without a target it adds nothing.
        terms = np.where(weights == 0, 0, -weights * (1 - p) ** self.gamma * log_p)
        return np.asarray(terms.sum(axis=-1))

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the derivative of the sum of :meth:`call`'s values."""
        weights = self._weighted_targets(y_true, y_pred)
        log_p, p, clipped, total = self._probabilities(y_pred)
        missing = 1 - p
        power = missing**self.gamma
        slope = self.gamma * power / np.where(missing == 0, 1, missing)
        # The derivative by log p of each class, as if the others stayed.
        own = weights * (slope * p * np.where(p == 0, 0, log_p) - power)
        own = np.where(clipped, 0, own)
        if self.from_logits:
            return np.asarray(own - p * own.sum(axis=-1, keepdims=True))
        return np.asarray((own / p - own.sum(axis=-1, keepdims=True)) / total)

    def _weighted_targets(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[np.float64]:
        classes = y_pred.shape[-1]
        if y_true.shape != y_pred.shape:
            raise ValueError(f"y_true has shape {y_true.shape}, expected {y_pred.shape}")
        if np.ndim(self.alpha) == 1 and np.size(self.alpha) != classes:
            raise ValueError(f"alpha has {np.size(self.alpha)} values for {classes} classes")
        smooth = y_true * (1 - self.label_smoothing) + self.label_smoothing / classes
        return np.asarray(np.asarray(self.alpha, np.float64) * smooth)

    def _probabilities(self, y_pred: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        """Return log p, p, whether p was clipped, and the sums of the rows."""
        given = y_pred.astype(np.float64)
        if self.from_logits:
            shifted = given - given.max(axis=-1, keepdims=True)
            powers = np.exp(shifted)
            total = powers.sum(axis=-1, keepdims=True)
            return shifted - np.log(total), powers / total, np.zeros(given.shape, bool), total
        total = given.sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = given / total
        p = np.clip(share, _CLIP, 1 - _CLIP)
        return np.log(p), p, share != p, total
