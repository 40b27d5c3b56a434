"""Linear models: this library's own, and logistic regression by a network without hidden layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from unitgain import estimators, random
from unitgain.sklearn.checks import LINEAR_ARGUMENTS, check_arguments
from unitgain.sklearn.classifier import NetworkClassifier

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LinearRegression", "LogisticRegression", "Perceptron", "Ridge"]

Array = NDArray[Any]


class _Regression(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The parts of scikit-learn's interface that the linear regressions lack."""

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
        check_arguments(self, LINEAR_ARGUMENTS)
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

    Attributes:
        coef_: ``(outputs, features)``, or ``(features,)`` where ``y`` had one dimension.
        intercept_: ``(outputs,)``, or a number.

    >>> from unitgain.sklearn import LinearRegression
    >>> LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]).predict([[10.0]]).round(6)
    array([21.])
    """


class Ridge(_Regression, estimators.Ridge):
    """Least squares with a penalty, as :class:`unitgain.estimators.Ridge`.

    Args:
        alpha: the factor of ``sum(coef_**2)``, or one for each output.
        fit_intercept: whether there is an intercept, which has no penalty.

    Attributes:
        coef_: ``(outputs, features)``, or ``(features,)`` where ``y`` had one dimension.
        intercept_: ``(outputs,)``, or a number.
    """


class Perceptron(ClassifierMixin, BaseEstimator, estimators.Perceptron):  # type: ignore[misc]
    """Rosenblatt's rule, as :class:`unitgain.estimators.Perceptron`.

    Of several classes, a mistake corrects the right one and the one said. (scikit-learn's trains
    one against the rest.)

    Args:
        max_iter: the most epochs.
        tol: by which share of the samples mistakes have to become fewer; None: no matter.
        shuffle: whether each epoch has an order of its own.
        random_state: an integer or a ``RandomState``.
        fit_intercept: whether there is an intercept.
        n_iter_no_change: after how many epochs in which they did not, the last is the last.

    Attributes:
        coef_: ``(1, features)`` of two classes, else ``(classes, features)``.
        intercept_: ``(1,)`` or ``(classes,)``.
        classes_: the labels, sorted.
        n_iter_: the epochs done.
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        random_state: Any = 0,
        n_iter_no_change: int = 5,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to ``X`` (samples, features) and the labels ``y`` (samples).

        Raises:
            ValueError: if shapes do not fit, an entry is NaN or infinite, or there is one class.
        """
        check_arguments(self, LINEAR_ARGUMENTS)
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        estimators.Perceptron.fit(self, X, column_or_1d(y))
        self.coef_, self.intercept_ = np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return ``X @ coef_.T + intercept_``, of two classes as one column, ``(samples,)``."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, reset=False)
        scores = super().decision_function(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def _streams(self) -> random.Streams:
        return random.Streams(int(check_random_state(self.random_state).randint(2**31)))


class LogisticRegression(NetworkClassifier):
    """Logistic regression, of several classes with the softmax, by L-BFGS in float64.

    Minimises the cross-entropy plus ``sum(coef_**2) / (2 C)`` over the sum of the samples' weights,
    as scikit-learn's does.

    Args:
        C: the inverse of the penalty; infinity for none.
        tol: how small the gradient has to become.
        fit_intercept: whether there is an intercept, which has no penalty.
        class_weight: a dict of weights by class, ``"balanced"``, or None.
        max_iter: the most iterations.
        warm_start: whether ``fit`` goes on from the coefficients there are.

    Attributes:
        coef_: ``(1, features)`` of two classes, else ``(classes, features)``.
        intercept_: ``(1,)`` or ``(classes,)``.
        classes_: the labels, sorted.
        n_iter_: iterations done.

    >>> from unitgain.sklearn import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[0.4], [2.6]]).tolist()
    [0, 1]
    """

    # A network that is trained to the least loss, which has no other minimum.
    hidden_layer_sizes = ()
    activation = "identity"
    solver = "lbfgs"
    learning_rate = "constant"
    dropout = 0.0
    batch_norm = False
    initializer = "zeros"
    max_fun = 15000
    # The gradient alone says when it ends, as in scikit-learn's.
    _lbfgs_options = MappingProxyType({"ftol": 64 * np.finfo(np.float64).eps, "maxls": 50})

    def __init__(
        self,
        *,
        C: float = 1.0,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = None,
        max_iter: int = 100,
        warm_start: bool = False,
    ) -> None:
        self.C = C
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.warm_start = warm_start

    @property
    def alpha(self) -> float:  # type: ignore[override]
        """The penalty's factor."""
        return 0.0 if math.isinf(self.C) else 1 / self.C

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
        return self.fit_intercept

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool = False) -> Self:
        check_arguments(self, LINEAR_ARGUMENTS)
        return super()._fit(X, y, sample_weight, incremental)

    def _read_targets(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, Array]:
        if type_of_target(y) == "multilabel-indicator":
            raise ValueError("y has several labels a sample, expected one: take MLPClassifier")
        X, targets = super()._read_targets(X, y, first, incremental)
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class, expected 2 or more")
        return X, targets
