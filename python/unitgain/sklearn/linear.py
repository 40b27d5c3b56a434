"""Linear models: this library's own, and logistic regression by a network without hidden layers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from unitgain import estimators
from unitgain.sklearn.checks import (
    LINEAR_ARGUMENTS,
    LOGISTIC_ARGUMENTS,
    RIDGE_ARGUMENTS,
    Check,
    check_arguments,
)
from unitgain.sklearn.classifier import NetworkClassifier
from unitgain.sklearn.network_estimator import keep_arguments

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LinearRegression", "LogisticRegression", "Ridge"]

Array = NDArray[Any]


class _Regression(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The parts of scikit-learn's interface that the linear regressions lack."""

    _arguments: Mapping[str, Check] = LINEAR_ARGUMENTS

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to ``X`` (samples, features) and ``y`` (samples) or (samples, outputs).

        Args:
            X: an array, a frame, or a sparse matrix, which stays so unless its columns depend on
                each other.
            y: the targets.
            sample_weight: what each sample's squared error is multiplied by.

        Raises:
            ValueError: if shapes do not fit, or an entry is NaN or infinite.
        """
        check_arguments(self, self._arguments)
        X, y = validate_data(self, X, y, accept_sparse=["csr"], multi_output=True, y_numeric=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        super().fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Array:
        """Return the predicted values."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse=["csr"], reset=False)
        return np.asarray(super().predict(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags


class LinearRegression(_Regression, estimators.LinearRegression):
    """Least squares, as :class:`unitgain.estimators.LinearRegression`.

    Args:
        fit_intercept: whether there is an intercept.
        copy_X: taken for the sake of code written for scikit-learn: X is never changed.
        tol: likewise: the solution is direct, and rounding says what depends on what.
        n_jobs: likewise: threads are those of :func:`unitgain.set_num_threads`.
        positive: whether coefficients must not be negative.

    Attributes:
        coef_: ``(outputs, features)``, or ``(features,)`` where ``y`` had one dimension.
        intercept_: ``(outputs,)``, or a number.

    >>> from unitgain.sklearn import LinearRegression
    >>> LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]).predict([[10.0]]).round(6)
    array([21.])
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive

    def _coefficients(self, design: Any, targets: Array) -> Array:
        if self.positive:
            return _nonnegative(design.dense(), targets)
        return super()._coefficients(design, targets)


class Ridge(_Regression, estimators.Ridge):
    """Least squares with a penalty, as :class:`unitgain.estimators.Ridge`.

    Args:
        alpha: the factor of ``sum(coef_**2)``, or one for each output.
        fit_intercept: whether there is an intercept, which has no penalty.
        copy_X: taken for the sake of code written for scikit-learn: X is never changed.
        max_iter: likewise: the solution is direct.
        tol: likewise.
        solver: any of scikit-learn's names: all have one solution, which is found as
            :class:`unitgain.estimators.Ridge` does. ``"lbfgs"`` is for ``positive``.
        positive: whether coefficients must not be negative.
        random_state: taken for the sake of code written for scikit-learn.

    Attributes:
        coef_: ``(outputs, features)``, or ``(features,)`` where ``y`` had one dimension.
        intercept_: ``(outputs,)``, or a number.
        n_iter_: 1, as the solution is direct.
    """

    _arguments = RIDGE_ARGUMENTS

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit, see :meth:`LinearRegression.fit`."""
        if self.positive and self.solver not in ("auto", "lbfgs"):
            raise ValueError(f"solver={self.solver!r} has no positive: take 'auto' or 'lbfgs'")
        if self.solver == "lbfgs" and not self.positive:
            raise ValueError("solver='lbfgs' is for positive=True: take 'auto'")
        super().fit(X, y, sample_weight)
        self.n_iter_ = 1
        return self

    def _ridge(self, design: Any, targets: Array, alpha: float) -> Array:
        if not self.positive:
            return super()._ridge(design, targets, alpha)
        features = design.shape[1]
        stacked = np.concatenate([design.dense(), np.sqrt(alpha) * np.eye(features)])
        zeros = np.zeros((features, targets.shape[1]))
        return _nonnegative(stacked, np.concatenate([targets, zeros]))


def _nonnegative(samples: Array, targets: Array) -> Array:
    """Return the coefficients of least squares that are at least 0, (features, outputs)."""
    return np.stack([nnls(samples, column)[0] for column in targets.T], axis=1)


class LogisticRegression(NetworkClassifier):
    """Logistic regression, of several classes with the softmax, by L-BFGS in float64.

    Minimises the cross-entropy plus ``sum(coef_**2) / (2 C)`` over the sum of the samples' weights,
    as scikit-learn's does.

    With ``l1_ratio``, ``l1_ratio * sum(abs(coef_)) + (1 - l1_ratio) / 2 * sum(coef_**2)`` takes the
    place of ``sum(coef_**2) / 2``.

    Args:
        penalty: deprecated, as in scikit-learn 1.8: ``l1_ratio`` and ``C`` say it. ``"l2"``,
            ``"l1"``, ``"elasticnet"``, or None for none.
        C: the inverse of the penalty; infinity for none.
        l1_ratio: the share of l1 in the penalty, from 0 to 1; above 0 with ``solver="saga"`` alone.
        dual: only False: the dual problem is that of ``"liblinear"``, which is not here.
        tol: how small the gradient has to become.
        fit_intercept: whether there is an intercept, which has no penalty.
        intercept_scaling: of ``"liblinear"``, which is not here.
        class_weight: a dict of weights by class, ``"balanced"``, or None.
        random_state: taken for the sake of code written for scikit-learn: nothing is drawn.
        solver: ``"lbfgs"``, ``"newton-cg"``, ``"newton-cholesky"``, ``"sag"`` or ``"saga"``, which
            have the same minimum: whatever the name, L-BFGS finds it. Not ``"liblinear"``, which
            has another: its intercept has a penalty.
        max_iter: the most iterations.
        verbose: whether the loss and the iterations are printed.
        warm_start: whether ``fit`` goes on from the coefficients there are.
        n_jobs: taken for the sake of code written for scikit-learn.

    Attributes:
        coef_: ``(1, features)`` of two classes, else ``(classes, features)``.
        intercept_: ``(1,)`` or ``(classes,)``.
        classes_: the labels, sorted.
        n_iter_: iterations done, ``(1,)``.

    >>> from unitgain.sklearn import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[0.4], [2.6]]).tolist()
    [0, 1]
    """

    # A network that is trained to the least loss, which has no other minimum.
    hidden_layer_sizes = ()
    activation = "identity"
    learning_rate = "constant"
    dropout = 0.0
    batch_norm = False
    initializer = "zeros"
    max_fun = 15000
    # The gradient alone says when it ends, as in scikit-learn's.
    _lbfgs_options = MappingProxyType({"ftol": 64 * np.finfo(np.float64).eps, "maxls": 50})

    _arguments = LOGISTIC_ARGUMENTS
    _takes_all = True

    def __init__(
        self,
        penalty: str | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: str | Mapping[Any, float] | None = None,
        random_state: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        keep_arguments(self, locals())

    @property
    def alpha(self) -> float:  # type: ignore[override]
        """The factor of the penalty's squares."""
        return self._strength() * (1 - self._l1_share())

    @property
    def _l1(self) -> float:  # type: ignore[override]
        return self._strength() * self._l1_share()

    def _strength(self) -> float:
        return 0.0 if self.penalty is None or math.isinf(self.C) else 1 / self.C

    def _l1_share(self) -> float:
        if self.penalty in ("deprecated", "elasticnet"):
            return float(self.l1_ratio or 0.0)
        return 1.0 if self.penalty == "l1" else 0.0

    @property
    def coef_(self) -> Array:
        """The coefficients."""
        return self.coefs_[0].T

    @property
    def intercept_(self) -> Array:
        """The intercepts."""
        found = self.intercepts_
        return found[0] if found else np.zeros(len(self.coef_))

    def decision_function(self, X: Any) -> Array:
        """Return ``X @ coef_.T + intercept_``, of two classes as one column, ``(samples,)``."""
        scores = self._outputs(X)[0]
        return scores[:, 0] if scores.shape[1] == 1 else scores

    @property
    def _use_bias(self) -> bool:  # type: ignore[override]
        return bool(self.fit_intercept)

    def _check_together(self, incremental: bool, weights: Array | None, X: Any) -> None:
        if self.solver == "liblinear" or self.dual:
            raise ValueError(
                "solver='liblinear', and with it dual=True, is not here: take 'saga' for l1, else "
                "'lbfgs'. Unlike liblinear's, the intercept has no penalty then"
            )
        if self.penalty != "deprecated":
            warnings.warn(
                "penalty is deprecated: l1_ratio=0 is 'l2', l1_ratio=1 is 'l1', and C=np.inf None",
                FutureWarning,
                stacklevel=4,
            )
        if self._l1 > 0 and self.solver != "saga":
            raise ValueError(f"solver={self.solver!r} has no l1 penalty: take solver='saga'")

    def _keep_results(self) -> None:
        super()._keep_results()
        self.n_iter_ = np.array([self.n_iter_], np.int32)

    def _read_targets(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, Array]:
        if type_of_target(y) == "multilabel-indicator":
            raise ValueError("y has several labels a sample, expected one: take MLPClassifier")
        X, targets = super()._read_targets(X, y, first, incremental)
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class, expected 2 or more")
        return X, targets
