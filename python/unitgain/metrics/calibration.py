"""How far predicted probabilities are what they say, as sums over bins and rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.metrics.base import Metric

__all__ = [
    "BrierScore",
    "ExpectedCalibrationError",
    "MaximumCalibrationError",
    "NegativeLogLikelihood",
]

_Floats = NDArray[np.float64]
# How far a float32 softmax may lie outside [0, 1].
_SLACK = 1e-5


def class_probabilities(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False
) -> tuple[NDArray[np.int64], _Floats, _Floats]:
    """Return labels, probabilities ``(rows, classes)`` and their logarithms, in float64.

    Args:
        y_true: class labels, or one-hot rows.
        y_pred: probabilities ``(..., classes)``; one column, or one dimension, is the probability
            of class 1 of two.
        from_logits: whether they are logits, of whose softmax (or sigmoid) is spoken.

    Raises:
        ValueError: if shapes do not fit, a label is no class, or a probability not in [0, 1].
    """
    given = np.asarray(y_pred, np.float64)
    targets = np.asarray(y_true)
    if given.ndim == 0:
        raise ValueError("y_pred is one number, expected an array of probabilities")
    is_binary = given.ndim == 1 or given.shape[-1] == 1
    rows = given.reshape(-1, 1) if is_binary else given.reshape(-1, given.shape[-1])
    classes = 2 if is_binary else rows.shape[1]
    if not is_binary and targets.shape == given.shape:
        labels = targets.reshape(rows.shape).argmax(axis=1)
    elif targets.size == len(rows):
        labels = _labels(targets.reshape(-1), classes)
    else:
        raise ValueError(
            f"y_true has shape {targets.shape}, expected a label for each of {len(rows)} rows of "
            f"y_pred{'' if is_binary else f', or {given.shape}'}"
        )
    if from_logits:
        logits = np.concatenate([np.zeros_like(rows), rows], axis=1) if is_binary else rows
        shifted = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return labels, np.exp(logs), logs
    if ((rows < -_SLACK) | (rows > 1 + _SLACK)).any():
        raise ValueError(
            "y_pred has a value outside [0, 1], which is no probability: are they logits? "
            "then say from_logits=True"
        )
    p = np.concatenate([1 - rows, rows], axis=1) if is_binary else rows
    with np.errstate(divide="ignore"):
        return labels, p, np.log(np.maximum(p, 0))


def _labels(given: NDArray[Any], classes: int) -> NDArray[np.int64]:
    labels = given.astype(np.int64)
    if (labels != given).any() or ((labels < 0) | (labels >= classes)).any():
        raise ValueError(f"y_true has a label that is no whole number from 0 to {classes - 1}")
    return labels


def predicted_and_right(
    labels: NDArray[np.int64], p: _Floats, is_binary: bool
) -> tuple[_Floats, _Floats]:
    """Return each row's probability, and 1 or 0 for whether what it is of came true.

    Of several classes it is that of the likeliest; of two given by one column, that of class 1.
    """
    if is_binary:
        return p[:, 1], (labels == 1).astype(np.float64)
    if len(p) == 0:
        return np.zeros(0), np.zeros(0)
    return p.max(axis=1), (p.argmax(axis=1) == labels).astype(np.float64)


def squared_distances(labels: NDArray[np.int64], p: _Floats, is_binary: bool) -> _Floats:
    """Return each row's Brier score: the squared distance to the one-hot row, or of class 1."""
    if is_binary:
        return np.asarray((p[:, 1] - (labels == 1)) ** 2)
    distances = p.copy()
    distances[np.arange(len(p)), labels] -= 1
    return np.asarray((distances**2).sum(axis=1))


def log_likelihoods(labels: NDArray[np.int64], logs: _Floats) -> _Floats:
    """Return the logarithm of the probability of each row's class, at least that of 1e-15."""
    return np.asarray(np.maximum(logs[np.arange(len(logs)), labels], np.log(1e-15)))


class _OfProbabilities(Metric):
    """A metric of labels and probabilities."""

    direction = "down"

    def __init__(self, name: str | None, dtype: DTypePolicyLike, from_logits: bool) -> None:
        super().__init__(name=name, dtype=dtype)
        self.from_logits = from_logits

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take in a batch.

        Args:
            y_true: class labels, or one-hot rows.
            y_pred: probabilities, ``(rows, classes)``; one column is class 1 of two.
            sample_weight: a weight for each row.

        Raises:
            ValueError: if shapes do not fit, a label is no class, or a probability not in [0, 1].
        """
        labels, p, logs = class_probabilities(y_true, y_pred, self.from_logits)
        shape = np.shape(y_pred)
        weights = np.ones(len(p))
        if sample_weight is not None:
            weights = np.broadcast_to(np.asarray(sample_weight, np.float64).reshape(-1), len(p))
        self._add(labels, p, logs, weights, len(shape) == 1 or shape[-1] == 1)

    def _add(
        self,
        labels: NDArray[np.int64],
        p: _Floats,
        logs: _Floats,
        weights: _Floats,
        is_binary: bool,
    ) -> None:
        raise NotImplementedError


class ExpectedCalibrationError(_OfProbabilities):
    """The mean distance between how sure predictions are and how often they come true.

    Rows fall into bins of equal width by the probability of their likeliest class; a bin's distance
    is that of its mean probability to the share of its rows that are right, and weighs as many rows
    as it has. Of one column of probabilities it is class 1's, and how often that came. Naeini,
    Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI
    2015; Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.

    Args:
        bins: how many; a bin has its upper edge.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.

    >>> import unitgain as ug
    >>> round(ug.metrics.ExpectedCalibrationError()([0, 1], [[0.9, 0.1], [0.8, 0.2]]), 6)
    0.45
    """

    def __init__(
        self,
        bins: int = 15,
        name: str | None = "expected_calibration_error",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype, from_logits)
        if bins < 1:
            raise ValueError(f"bins must be at least 1, but it is {bins}")
        self.bins = bins
        self._sums = self.add_variable((3, bins), "zeros")  # weights, probabilities, rights

    def _add(
        self,
        labels: NDArray[np.int64],
        p: _Floats,
        logs: _Floats,
        weights: _Floats,
        is_binary: bool,
    ) -> None:
        predicted, right = predicted_and_right(labels, p, is_binary)
        edges = np.linspace(0, 1, self.bins + 1)[1:-1]
        bins = np.searchsorted(edges, predicted)
        columns = (np.ones_like(predicted), predicted, right)
        for sums, values in zip(self._sums, columns, strict=True):
            sums += np.bincount(bins, weights * values, self.bins)

    def result(self) -> float:
        """Return the error of the rows since the last reset; 0 of none."""
        weights, predicted, right = np.asarray(self._sums)
        total = weights.sum()
        return float(np.abs(predicted - right).sum() / total) if total else 0.0


class MaximumCalibrationError(ExpectedCalibrationError):
    """The largest of the bins' distances, see :class:`ExpectedCalibrationError`.

    Args:
        bins: how many; a bin has its upper edge.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.
    """

    def __init__(
        self,
        bins: int = 15,
        name: str | None = "maximum_calibration_error",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(bins, name, dtype, from_logits)

    def result(self) -> float:
        """Return the error of the rows since the last reset; 0 of none."""
        weights, predicted, right = np.asarray(self._sums)
        found = weights > 0
        if not found.any():
            return 0.0
        return float((np.abs(predicted - right)[found] / weights[found]).max())


class _RowMean(_OfProbabilities):
    def __init__(self, name: str | None, dtype: DTypePolicyLike, from_logits: bool) -> None:
        super().__init__(name, dtype, from_logits)
        self._sums = self.add_variable((2,), "zeros")

    def result(self) -> float:
        """Return the mean of the rows since the last reset; 0 of none."""
        total, weight = np.asarray(self._sums)
        return float(total / weight) if weight else 0.0


class BrierScore(_RowMean):
    """The mean squared distance between probabilities and what came: of one-hot rows the sum.

    Of one column it is ``(p - y)^2``, half of what two columns give. Brier, "Verification of
    forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.
    """

    def __init__(
        self,
        name: str | None = "brier_score",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype, from_logits)

    def _add(
        self,
        labels: NDArray[np.int64],
        p: _Floats,
        logs: _Floats,
        weights: _Floats,
        is_binary: bool,
    ) -> None:
        self._sums += weights @ squared_distances(labels, p, is_binary), weights.sum()


class NegativeLogLikelihood(_RowMean):
    """The mean of minus the logarithm of the class's probability, taken as at least 1e-15.

    It takes labels and one-hot rows, one column and several, alike; see also
    :class:`SparseCategoricalCrossentropy`, which native code sums up.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        from_logits: whether the outputs are logits.
    """

    def __init__(
        self,
        name: str | None = "negative_log_likelihood",
        dtype: DTypePolicyLike = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype, from_logits)

    def _add(
        self,
        labels: NDArray[np.int64],
        p: _Floats,
        logs: _Floats,
        weights: _Floats,
        is_binary: bool,
    ) -> None:
        self._sums += weights @ -log_likelihoods(labels, logs), weights.sum()
