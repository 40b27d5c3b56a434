"""Rosenblatt's perceptron, by scikit-learn's arguments."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import check_random_state, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from unitgain._arrays import is_sparse
from unitgain.sklearn.checks import PERCEPTRON_ARGUMENTS, check_arguments

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Perceptron"]

Array = NDArray[Any]
# Samples whose scores are computed at a time.
_ROWS = 64
# The part of a correction that the intercept takes of sparse samples, as in scikit-learn.
_SPARSE_INTERCEPT = 0.01


class Perceptron(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Rosenblatt's rule: a sample on the wrong side is added to the weights, or taken from them.

    ("The perceptron: a probabilistic model for information storage and organization in the brain",
    Psychological Review 65, 1958.) Of more than two classes each is told from the rest. Without
    ``shuffle``, the coefficients are scikit-learn's; with it, those of other orders.

    Args:
        penalty: None, ``"l2"``, ``"l1"`` (by the truncated gradient: Tsuruoka, Tsujii and
            Ananiadou, ACL 2009) or ``"elasticnet"``. With one, samples are gone through one by one
            in Python.
        alpha: the penalty's factor.
        l1_ratio: the share of l1 in ``"elasticnet"``.
        fit_intercept: whether there is an intercept, which has no penalty.
        max_iter: the most epochs.
        tol: by how much the mean loss, or with ``early_stopping`` the score, has to become better;
            None: no matter.
        shuffle: whether each epoch has an order of its own.
        verbose: whether each epoch's loss is printed.
        eta0: the factor of corrections.
        n_jobs: taken for the sake of code written for scikit-learn.
        random_state: an integer or a ``RandomState``.
        early_stopping: whether training ends by the score of samples that are held back.
        validation_fraction: the share held back.
        n_iter_no_change: how many epochs without an improvement end training.
        class_weight: a dict of weights by class, ``"balanced"``, or None.
        warm_start: whether ``fit`` goes on from the coefficients there are.

    Attributes:
        coef_: ``(1, features)`` of two classes, else ``(classes, features)``.
        intercept_: ``(1,)`` or ``(classes,)``.
        classes_: the labels, sorted.
        n_iter_: the epochs done, the most of a class's.
        t_: samples gone through, and one.

    >>> from unitgain.sklearn import Perceptron
    >>> Perceptron().fit([[0.0], [1.0], [3.0]], ["low", "low", "high"]).predict([[4.0]]).tolist()
    ['high']
    """

    def __init__(
        self,
        *,
        penalty: str | None = None,
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        eta0: float = 1.0,
        n_jobs: int | None = None,
        random_state: Any = 0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.eta0 = eta0
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start

    def fit(
        self,
        X: Any,
        y: Any,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
    ) -> Self:
        """Fit to ``X`` (samples, features) and the labels ``y`` (samples).

        Args:
            X: an array, a frame, or a sparse matrix, of which a few rows are made dense at a time.
            y: the labels.
            coef_init: the coefficients to begin with, as ``coef_``.
            intercept_init: the intercepts to begin with, as ``intercept_``.

        Raises:
            ValueError: if shapes do not fit, an entry is NaN or infinite, or there is one class.
        """
        check_arguments(self, PERCEPTRON_ARGUMENTS)
        X, y = self._read(X, y, first=True)
        start = (getattr(self, "coef_", None), getattr(self, "intercept_", None))
        self.classes_, self.t_ = np.unique(y), 1.0
        self._begin(
            X,
            start[0] if coef_init is None and self.warm_start else coef_init,
            start[1] if intercept_init is None and self.warm_start else intercept_init,
        )
        self._train(X, y, np.ones(len(y)), self.max_iter)
        if self.tol is not None and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"{self.max_iter} epochs were not enough. Scale the data, or increase max_iter",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Go through samples once, on from the coefficients there are.

        Args:
            X: as for :meth:`fit`.
            y: as for :meth:`fit`; need not have all classes.
            classes: all labels; for the first call.
            sample_weight: what each sample's corrections are multiplied by.

        Raises:
            ValueError: if ``classes`` is missing at the first call or differs at another, or what
                :meth:`fit` raises.
        """
        check_arguments(self, PERCEPTRON_ARGUMENTS)
        if self.class_weight == "balanced" or self.early_stopping:
            raise ValueError(
                "class_weight='balanced' and early_stopping need all samples: partial_fit has "
                "neither. Give class_weight as a dict"
            )
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        X, y = self._read(X, y, first)
        if first:
            self.classes_, self.t_ = unique_labels(classes), 1.0
            self._begin(X, None, None)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"classes is {np.asarray(classes).tolist()}, but earlier calls had "
                f"{self.classes_.tolist()}"
            )
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has {unknown.tolist()}, which are not in classes")
        self._train(X, y, _check_sample_weight(sample_weight, X, dtype=np.float64), 1)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return ``X @ coef_.T + intercept_``, of two classes as one column, ``(samples,)``."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse=["csr"], reset=False)
        scores = np.asarray(X @ self.coef_.T + self.intercept_)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> Array:
        """Return the predicted labels."""
        scores = self.decision_function(X)
        number = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(np.int64)
        return np.asarray(self.classes_[number])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ---- training ----

    def _read(self, X: Any, y: Any, first: bool) -> tuple[Any, Array]:
        dtypes = [np.float64, np.float32]
        X, y = validate_data(self, X, y, accept_sparse=["csr"], dtype=dtypes, reset=first)
        check_classification_targets(y)
        return X, column_or_1d(y)

    def _begin(self, X: Any, coef: ArrayLike | None, intercept: ArrayLike | None) -> None:
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class, expected 2 or more")
        rows = 1 if len(self.classes_) == 2 else len(self.classes_)
        for name, given, shape in (
            ("coef", coef, (rows, X.shape[1])),
            ("intercept", intercept, (rows,)),
        ):
            made = np.zeros(shape, X.dtype)
            if given is not None:
                values = np.asarray(given, X.dtype)
                if values.size != made.size:
                    raise ValueError(f"{name}_init has shape {values.shape}, expected {shape}")
                made[:] = values.reshape(shape)
            setattr(self, f"{name}_", made)

    def _train(self, X: Any, y: Array, weights: Array, epochs: int) -> None:
        by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        numbers = np.searchsorted(self.classes_, y)
        held = np.zeros(len(y), bool)
        if self.early_stopping:
            split = StratifiedShuffleSplit(
                test_size=self.validation_fraction, random_state=self.random_state
            )
            held[next(split.split(numbers[:, None], numbers))[1]] = True
        state = check_random_state(self.random_state)
        if len(self.classes_) == 2:
            problems = [(1, by_class[1], by_class[0])]
        else:
            problems = [(i, weight, 1.0) for i, weight in enumerate(by_class)]
        seeds = state.randint(np.iinfo(np.int32).max, size=len(problems))
        self.n_iter_ = 0
        for row, (number, ours, others) in enumerate(problems):
            signs = np.where(numbers == number, 1.0, -1.0)
            steps = self.eta0 * signs * np.where(signs > 0, ours, others) * weights
            line = _Line(self, X, signs, steps, self.coef_[row], self.intercept_[row])
            self.n_iter_ = max(
                self.n_iter_, line.train(held, weights, epochs, np.random.RandomState(seeds[row]))
            )
            self.coef_[row], self.intercept_[row] = line.weights, line.intercept
        self.t_ += self.n_iter_ * len(y)


class _Line:
    """The weights and the intercept that tell one class from the rest.

    Args:
        estimator: whose arguments say how they are trained.
        X: all samples.
        signs: 1 or -1 for each.
        steps: the factor of each sample's correction.
        weights: to begin with.
        intercept: to begin with.
    """

    def __init__(
        self,
        estimator: Perceptron,
        X: Any,
        signs: Array,
        steps: Array,
        weights: Array,
        intercept: Any,
    ) -> None:
        self.weights, self.intercept = weights.astype(np.float64), float(intercept)
        self._x, self._signs, self._steps = X, signs, steps
        self._own = estimator
        share = {"l2": 0.0, "l1": 1.0, "elasticnet": float(estimator.l1_ratio)}
        self._penalised = estimator.penalty is not None
        self._l1 = share.get(str(estimator.penalty), 0.0)
        moved = _SPARSE_INTERCEPT if is_sparse(X) else 1.0
        self._moved = moved if estimator.fit_intercept else 0.0
        # Of the truncated gradient: what each weight could have been pulled, and has been.
        self._pull, self._pulled = 0.0, np.zeros(X.shape[1])
        # Of the weights, as the objective that stopping goes by knows them.
        self._square = float(self.weights @ self.weights)
        self._absolute = float(np.abs(self.weights).sum())

    def train(
        self, held: Array, sample_weight: Array, epochs: int, state: np.random.RandomState
    ) -> int:
        """Go through the samples not held back; return how many epochs it took."""
        rows, kept = np.flatnonzero(~held), np.flatnonzero(held)
        epoch = self._penalised_epoch if self._penalised else self._epoch
        tol = self._own.tol
        best, stale = math.inf, 0
        for done in range(1, epochs + 1):
            if self._own.shuffle:
                rows = state.permutation(rows)
            value = epoch(rows) / len(rows)
            if not (math.isfinite(self.intercept) and np.isfinite(self.weights).all()):
                raise ValueError(f"the weights are not finite after epoch {done}: scale the data")
            if self._own.verbose:
                print(f"Epoch {done}: mean loss {value:.6f}")
            if self._own.early_stopping:
                right = (self._scores(kept) > 0) == (self._signs[kept] > 0)
                value = -float(np.average(right, weights=sample_weight[kept]))
            stale = stale + 1 if tol is not None and value > best - tol else 0
            best = min(best, value)
            if stale >= self._own.n_iter_no_change:
                return done
        return epochs

    def _blocks(self, rows: Array, body: Callable[[Array, Array], None]) -> None:
        for first in range(0, len(rows), _ROWS):
            numbers = rows[first : first + _ROWS]
            block = self._x[numbers]
            block = block.toarray() if is_sparse(block) else block
            body(numbers, block.astype(np.float64, copy=False))

    def _scores(self, rows: Array) -> Array:
        return np.asarray(self._x[rows] @ self.weights + self.intercept)

    def _epoch(self, rows: Array) -> float:
        """Correct mistakes in turn; return the sum of their losses."""
        total = 0.0

        def body(numbers: Array, block: Array) -> None:
            nonlocal total
            signs, steps = self._signs[numbers], self._steps[numbers]
            scores = block @ self.weights + self.intercept
            here = 0
            while True:
                wrong = scores[here:] * signs[here:] <= 0
                at = int(wrong.argmax()) if len(wrong) else 0
                if not len(wrong) or not wrong[at]:
                    return
                here += at
                total -= scores[here] * signs[here]
                self.weights += steps[here] * block[here]
                self.intercept += steps[here] * self._moved
                scores[here + 1 :] += steps[here] * (block[here + 1 :] @ block[here] + self._moved)
                here += 1

        self._blocks(rows, body)
        return total

    def _penalised_epoch(self, rows: Array) -> float:
        """Do the same with the penalty after each sample; return the sum of all losses.

        The penalty's part of a loss is scikit-learn's, of the weights as the last correction left
        them (of sparse samples, those that it touched) and as they were scaled since: what l1 has
        pulled since does not show. It decides when training stops.
        """
        total = 0.0
        eta, alpha, l1 = self._own.eta0, self._own.alpha, self._l1
        shrunk = max(0.0, 1 - (1 - l1) * eta * alpha)

        def body(numbers: Array, block: Array) -> None:
            nonlocal total
            for number, row in zip(numbers, block, strict=True):
                weights = self.weights
                margin = float(row @ weights + self.intercept) * self._signs[number]
                penalty = (1 - l1) * 0.5 * self._square + l1 * self._absolute
                total += max(0.0, -margin) + alpha * penalty
                weights *= shrunk
                self._square *= shrunk**2
                self._absolute *= shrunk
                step = self._steps[number]
                if margin <= 0 and step != 0:
                    weights += step * row
                    self.intercept += step * self._moved
                    touched = weights[row != 0] if is_sparse(self._x) else weights
                    self._square = float(touched @ touched)
                    self._absolute = float(np.abs(touched).sum())
                if l1:
                    self._truncate(row)

        self._blocks(rows, body)
        return total

    def _truncate(self, row: Array) -> None:
        """Pull weights towards 0, and not beyond, by what they have not been pulled yet."""
        self._pull += self._l1 * self._own.eta0 * self._own.alpha
        # Of sparse samples those of entries that are there, as scikit-learn does.
        at = row != 0 if is_sparse(self._x) else slice(None)
        old, pulled = self.weights[at], self._pulled[at]
        new = np.where(
            old > 0,
            np.maximum(0, old - (self._pull + pulled)),
            np.minimum(0, old + (self._pull - pulled)),
        )
        new[old == 0] = 0
        self._pulled[at] += new - old
        self.weights[at] = new
