"""Sets and intervals that hold the truth as often as is promised (split conformal prediction).

The promise holds on the average over calibration samples and new ones that are drawn alike. Vovk,
Gammerman and Shafer, "Algorithmic learning in a random world", 2005; Angelopoulos and Bates, "A
gentle introduction to conformal prediction", 2021.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import random
from unitgain.metrics.calibration import class_probabilities

__all__ = ["ConformalIntervals", "ConformalSets", "conformal_quantile"]

_Floats = NDArray[np.float64]


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """Return the ``ceil((n + 1)(1 - alpha))``-th smallest of n scores, infinite if there is none.

    Raises:
        ValueError: if ``alpha`` is not between 0 and 1, or there are no scores.
    """
    values = np.sort(np.asarray(scores, np.float64).reshape(-1))
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, but it is {alpha}")
    if len(values) == 0:
        raise ValueError("there are no calibration samples")
    which = math.ceil((len(values) + 1) * (1 - alpha) - 1e-9)
    return float(values[which - 1]) if which <= len(values) else math.inf


class ConformalSets:
    """Sets of classes that hold the right one with probability at least ``1 - alpha``.

    Args:
        method: ``"lac"``: the classes that are likely enough (least ambiguous sets: Sadinle, Lei
            and Wasserman, JASA 114, 2019); ``"aps"``: the likeliest classes up to enough, with a
            random share of the last (adaptive sets: Romano, Sesia and Candes, NeurIPS 2020).
        alpha: how often the class may be missing.
        seed: of the random shares; None: the process-wide one.

    Attributes:
        threshold: set by :meth:`fit`.
    """

    threshold: float

    def __init__(self, method: str = "lac", alpha: float = 0.1, seed: int | None = None) -> None:
        if method not in ("lac", "aps"):
            raise ValueError(f"method is {method!r}, expected 'lac' or 'aps'")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be between 0 and 1, but it is {alpha}")
        self.method, self.alpha, self.seed = method, alpha, seed

    def fit(self, probabilities: ArrayLike, y: ArrayLike) -> ConformalSets:
        """Calibrate with samples that the network was not trained on; return the predictor.

        Args:
            probabilities: ``(rows, classes)``, or of class 1 of two.
            y: class labels.
        """
        labels, p, _ = class_probabilities(y, probabilities)
        scores = self._scores(p)[np.arange(len(p)), labels]
        self.threshold = conformal_quantile(scores, self.alpha)
        return self

    def predict(self, probabilities: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each class is in each row's set, ``(rows, classes)``."""
        if not hasattr(self, "threshold"):
            raise ValueError("ConformalSets is not fitted: call fit(probabilities, y) first")
        rows = np.shape(probabilities)[0]
        p = class_probabilities(np.zeros(rows, int), probabilities)[1]
        return np.asarray(self._scores(p) <= self.threshold)

    def _scores(self, p: _Floats) -> _Floats:
        """Return each class's score, the higher the less it fits."""
        if self.method == "lac":
            return np.asarray(1 - p)
        order = np.argsort(-p, axis=1, kind="stable")
        ordered = np.take_along_axis(p, order, axis=1)
        u = random.uniform((len(p), 1), dtype="float64", seed=self.seed)
        through = np.cumsum(ordered, axis=1) - u * ordered
        scores = np.empty_like(p)
        np.put_along_axis(scores, order, through, axis=1)
        return scores


class ConformalIntervals:
    """Intervals that hold the target with probability at least ``1 - alpha``.

    With one prediction a row the interval is that far to both sides; with two, a lower and an upper
    quantile, as networks trained with :class:`unitgain.losses.Quantile` give, the ends are moved by
    as much as it takes (Romano, Patterson and Candes, "Conformalized quantile regression", NeurIPS
    2019).

    Args:
        alpha: how often the target may lie outside.

    Attributes:
        margin: set by :meth:`fit`; of quantiles it may be negative.
    """

    margin: float

    def __init__(self, alpha: float = 0.1) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be between 0 and 1, but it is {alpha}")
        self.alpha = alpha

    def fit(self, predictions: Any, y: ArrayLike) -> ConformalIntervals:
        """Calibrate with samples that the network was not trained on; return the predictor.

        Args:
            predictions: ``(rows,)`` or ``(rows, 1)``; or of quantiles ``(rows, 2)``, or a list of a
                lower and an upper array.
            y: targets, one a row.
        """
        low, high = _ends(predictions)
        targets = np.asarray(y, np.float64).reshape(-1)
        if len(targets) != len(low):
            raise ValueError(f"y has {len(targets)} targets for {len(low)} predictions")
        self.margin = conformal_quantile(np.maximum(low - targets, targets - high), self.alpha)
        return self

    def predict(self, predictions: Any) -> _Floats:
        """Return the lower and upper ends, ``(rows, 2)``; what would be turned over is its middle.

        Args:
            predictions: as for :meth:`fit`.
        """
        if not hasattr(self, "margin"):
            raise ValueError("ConformalIntervals is not fitted: call fit(predictions, y) first")
        low, high = _ends(predictions)
        ends = np.stack([low - self.margin, high + self.margin], axis=1)
        turned = ends[:, 0] > ends[:, 1]
        ends[turned] = ends[turned].mean(axis=1, keepdims=True)
        return ends


def _ends(predictions: Any) -> tuple[_Floats, _Floats]:
    if isinstance(predictions, (list, tuple)) and len(predictions) == 2 and np.ndim(predictions[0]):
        given = np.stack([np.asarray(p, np.float64).reshape(-1) for p in predictions], axis=1)
    else:
        given = np.asarray(predictions, np.float64)
        given = given[:, None] if given.ndim == 1 else given
    if given.ndim != 2 or given.shape[1] not in (1, 2):
        raise ValueError(f"predictions has shape {given.shape}, expected one or two columns")
    return given[:, 0], given[:, -1]
