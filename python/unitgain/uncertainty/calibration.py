"""Whether probabilities are what they say: errors, scores, and the reliability diagram."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain.metrics.calibration import (
    class_probabilities,
    log_likelihoods,
    predicted_and_right,
    squared_distances,
)

__all__ = [
    "Reliability",
    "brier_score",
    "expected_calibration_error",
    "maximum_calibration_error",
    "negative_log_likelihood",
    "plot_reliability",
    "reliability",
]


class Reliability(NamedTuple):
    """The bins of a reliability diagram that are not empty: arrays of as many values.

    Attributes:
        confidence: the mean of the predicted probabilities.
        accuracy: the share of the rows of which they came true.
        counts: how many rows.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    counts: NDArray[np.int64]


def reliability(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    bins: int = 15,
    strategy: str = "uniform",
    from_logits: bool = False,
) -> Reliability:
    """Return how often predictions come true by how sure they are.

    Of several classes it is the likeliest that is looked at; of one column class 1, as
    ``sklearn.calibration.calibration_curve`` does.

    Args:
        y_true: class labels ``(rows,)``, or one-hot rows.
        y_pred: probabilities ``(rows, classes)``, or of class 1 of two, ``(rows,)``.
        bins: how many.
        strategy: ``"uniform"``: bins of equal width; ``"quantile"``: of about as many rows.
        from_logits: whether ``y_pred`` are logits.

    Raises:
        ValueError: if shapes do not fit, a label is no class, a probability not in [0, 1], or an
            argument out of range.

    >>> import unitgain as ug
    >>> ug.uncertainty.reliability([0, 1, 1], [0.2, 0.7, 0.9], bins=2).accuracy
    array([0., 1.])
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, but it is {bins}")
    labels, p, _ = class_probabilities(y_true, y_pred, from_logits)
    predicted, right = predicted_and_right(labels, p, _is_binary(y_pred))
    if strategy == "uniform":
        edges = np.linspace(0, 1, bins + 1)
    elif strategy == "quantile":
        edges = np.quantile(predicted, np.linspace(0, 1, bins + 1)) if len(p) else np.zeros(2)
    else:
        raise ValueError(f"strategy is {strategy!r}, expected 'uniform' or 'quantile'")
    where = np.searchsorted(edges[1:-1], predicted)
    count = np.bincount(where, minlength=len(edges) - 1)
    found = count > 0
    means = [
        np.bincount(where, values, len(edges) - 1)[found] / count[found]
        for values in (predicted, right)
    ]
    return Reliability(means[0], means[1], count[found])


def expected_calibration_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    bins: int = 15,
    strategy: str = "uniform",
    from_logits: bool = False,
) -> float:
    """Return the bins' mean distance of confidence and accuracy, weighted by their rows.

    Arguments and errors are those of :func:`reliability`; see
    :class:`unitgain.metrics.ExpectedCalibrationError`. Of no rows it is 0.

    >>> import unitgain as ug
    >>> round(ug.uncertainty.expected_calibration_error([0, 1], [[0.9, 0.1], [0.8, 0.2]]), 6)
    0.45
    """
    confidence, accuracy, count = reliability(y_true, y_pred, bins, strategy, from_logits)
    return float(np.abs(confidence - accuracy) @ count / max(1, count.sum()))


def maximum_calibration_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    bins: int = 15,
    strategy: str = "uniform",
    from_logits: bool = False,
) -> float:
    """Return the largest of the bins' distances; as :func:`expected_calibration_error`."""
    confidence, accuracy, _ = reliability(y_true, y_pred, bins, strategy, from_logits)
    return float(np.abs(confidence - accuracy).max(initial=0))


def brier_score(y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False) -> float:
    """Return the mean squared distance of probabilities to what came; 0 of no rows.

    Of several classes it is the sum over them (Brier, 1950), of one column ``(p - y)^2``. Arguments
    and errors are those of :func:`reliability`.
    """
    labels, p, _ = class_probabilities(y_true, y_pred, from_logits)
    return _mean(squared_distances(labels, p, _is_binary(y_pred)))


def negative_log_likelihood(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False
) -> float:
    """Return the mean of minus the logarithm of the class's probability, at least 1e-15.

    Arguments and errors are those of :func:`reliability`; of no rows it is 0.
    """
    labels, _, logs = class_probabilities(y_true, y_pred, from_logits)
    return _mean(-log_likelihoods(labels, logs))


def plot_reliability(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    bins: int = 15,
    strategy: str = "uniform",
    from_logits: bool = False,
    ax: Any = None,
) -> Any:
    """Draw the reliability diagram, and return the axes; needs the extra ``plot``.

    Args:
        y_true: as for :func:`reliability`.
        y_pred: as for :func:`reliability`.
        bins: as for :func:`reliability`.
        strategy: as for :func:`reliability`.
        from_logits: as for :func:`reliability`.
        ax: the axes of matplotlib to draw on; None: new ones.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    found = reliability(y_true, y_pred, bins, strategy, from_logits)
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise ImportError(
                "plot_reliability needs matplotlib: pip install unitgain[plot]"
            ) from None
        ax = pyplot.figure().gca()
    error = np.abs(found.confidence - found.accuracy) @ found.counts / max(1, found.counts.sum())
    ax.plot([0, 1], [0, 1], linestyle="--", color="gray")
    ax.plot(found.confidence, found.accuracy, marker="o")
    ax.set(xlabel="predicted probability", ylabel="share that came true", xlim=(0, 1), ylim=(0, 1))
    ax.set_title(f"expected calibration error {error:.3f}")
    return ax


def _is_binary(y_pred: ArrayLike) -> bool:
    shape = np.shape(y_pred)
    return len(shape) == 1 or shape[-1] == 1


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0
