"""Losses of relative differences, and one for labels that may be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import Loss

__all__ = [
    "CategoricalGeneralizedCrossEntropy",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
]

_LEAST = 1e-7


class MeanAbsolutePercentageError(Loss):
    """The mean of ``100 abs(t - y) / abs(t)``. Targets below 1e-7 count as that; slow near 0.

    Args:
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.

    >>> import unitgain as ug
    >>> round(ug.losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 5.0]]), 6)
    37.5
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return each value's loss."""
        t, y = y_true.astype(np.float64), y_pred.astype(np.float64)
        return np.asarray(100 * np.abs(t - y) / np.maximum(np.abs(t), _LEAST))

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives; 0 where the prediction is the target."""
        t, y = y_true.astype(np.float64), y_pred.astype(np.float64)
        return np.asarray(100 * np.sign(y - t) / np.maximum(np.abs(t), _LEAST))


class MeanSquaredLogarithmicError(Loss):
    """The mean of ``(log(1 + t) - log(1 + y))^2``. What is below 1e-7 counts as that.

    A prediction there has the derivative 0.

    Args:
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.

    >>> import unitgain as ug
    >>> round(ug.losses.MeanSquaredLogarithmicError()([[1.0, 3.0]], [[3.0, 3.0]]), 6)
    0.240227
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    @staticmethod
    def _difference(y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[np.float64]:
        t, y = y_true.astype(np.float64), y_pred.astype(np.float64)
        return np.asarray(np.log1p(np.maximum(y, _LEAST)) - np.log1p(np.maximum(t, _LEAST)))

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return each value's loss."""
        return self._difference(y_true, y_pred) ** 2

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives."""
        y = y_pred.astype(np.float64)
        slope = np.where(y < _LEAST, 0.0, 2 / (1 + np.maximum(y, _LEAST)))
        return np.asarray(self._difference(y_true, y_pred) * slope)


class CategoricalGeneralizedCrossEntropy(Loss):
    """``(1 - p^q) / q`` of each row, p being the probability that is predicted for its label.

    Between the cross-entropy, which it is as q goes to 0, and the mean absolute error at q = 1: a
    label that is wrong counts for less. Zhang and Sabuncu, "Generalized cross entropy loss for
    training deep neural networks with noisy labels", NeurIPS 2018.

    Args:
        q: above 0 and below 1.
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.

    Raises:
        ValueError: if ``q`` is not between 0 and 1; when called, if a label is no class.

    >>> import unitgain as ug
    >>> ug.losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]])
    1.0
    """

    takes_labels = True

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"q must be above 0 and below 1, but it is {q}")
        super().__init__(name, reduction, dtype)
        self.q = q

    def _labels(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[np.int64]:
        """Return the labels with the predictions' axes."""
        rows = y_pred.shape[:-1]
        if y_true.size != int(np.prod(rows)):
            raise ValueError(
                f"y_true has shape {y_true.shape}, expected {rows}: a label for each row of y_pred"
            )
        labels = y_true.astype(np.int64).reshape(*rows, 1)
        if ((labels < 0) | (labels >= y_pred.shape[-1])).any():
            raise ValueError(f"y_true has a label that is not from 0 to {y_pred.shape[-1] - 1}")
        return labels

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return each row's loss."""
        labels = self._labels(y_true, y_pred)
        p = np.take_along_axis(y_pred.astype(np.float64), labels, -1)[..., 0]
        return np.asarray((1 - np.maximum(p, 0.0) ** self.q) / self.q)

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives; those of probabilities below 1e-7 as if they were that."""
        labels = self._labels(y_true, y_pred)
        p = np.take_along_axis(y_pred.astype(np.float64), labels, -1)
        gradient = np.zeros(y_pred.shape)
        slope = -(np.maximum(p, _LEAST) ** (self.q - 1))
        np.put_along_axis(gradient, labels, slope, -1)
        return gradient
