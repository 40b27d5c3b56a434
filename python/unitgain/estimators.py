"""Simple models by name: linear regression, logistic and softmax regression, the perceptron.

Each is a few lines over the parts that networks are made of, with scikit-learn's methods:
``fit(X, y)``, ``predict(X)``, ``score(X, y)``, and attributes with an underscore once fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import activations, linalg, losses, optimizers, random
from unitgain._config import Configurable
from unitgain.layers import Dense, Input
from unitgain.models import Sequential
from unitgain.ops import matmul

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LinearRegression", "LogisticRegression", "Perceptron", "SoftmaxRegression"]

Array = NDArray[Any]


class _Linear(Configurable):
    """The base of linear models: coefficients, an intercept, and the map of samples by them.

    Attributes:
        coef_: ``(outputs, features)``, or ``(features,)`` where ``y`` had one dimension.
        intercept_: ``(outputs,)``, or a number.
    """

    coef_: Any
    intercept_: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments that make an estimator like this."""
        return {name: getattr(self, name) for name in self._argument_names()}

    def decision_function(self, X: ArrayLike) -> Array:
        """Return ``X @ coef_.T + intercept_``, of the dtype of ``coef_``.

        Raises:
            ValueError: if the estimator is not fitted, ``X`` has other features, or an entry of it
                is NaN or infinite.
        """
        if not hasattr(self, "coef_"):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit first")
        samples = _samples(X)
        features = self.coef_.shape[-1]
        if samples.shape[1] != features:
            raise ValueError(f"X has {samples.shape[1]} features, but fit saw {features}")
        samples = samples.astype(self.coef_.dtype, copy=False)
        return np.asarray(matmul(samples, self.coef_.T) + self.intercept_)


class LinearRegression(_Linear):
    """The linear map of least squares: ``coef_ = pinv(X) y``, of centred columns, in float64.

    Of several that fit equally well, the one with the smallest coefficients (Penrose, "On best
    approximate solutions of linear matrix equations", 1956). Columns that depend on others within
    the rounding of their entries count as dependent, whatever their scales.

    Args:
        fit_intercept: whether there is an intercept.

    >>> import unitgain as ug
    >>> model = ug.estimators.LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.predict([[10.0]]).round(6)
    array([21.])
    """

    def __init__(self, *, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to ``X`` (samples, features) and ``y`` (samples) or (samples, outputs).

        Raises:
            ValueError: if shapes do not fit, or an entry is NaN or infinite.
        """
        samples, targets = _samples(X).astype(np.float64), np.asarray(y, np.float64)
        _check_lengths(samples, targets)
        _check_finite(targets, "y")
        # With the means taken away, the intercept does not take part in the minimum norm.
        center = _means(samples) * self.fit_intercept
        middle = _means(targets) * self.fit_intercept
        columns = (targets - middle).reshape(len(targets), -1)
        coefficients = _least_squares(samples, samples - center, columns).T
        self.coef_ = coefficients[0] if targets.ndim == 1 else coefficients
        self.intercept_ = middle - matmul(self.coef_, center)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the predicted values."""
        return self.decision_function(X)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return R squared: 1 less the squared errors over those of the mean, mean over outputs."""
        targets, predicted = np.asarray(y, np.float64), self.predict(X)
        _check_score(targets, predicted)
        errors = ((targets - predicted) ** 2).sum(axis=0)
        spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
        return float(np.mean(1 - errors / spread))


class _Classifier(_Linear):
    """A linear map and the class that it says; subclasses fit it.

    Attributes:
        classes_: the labels, sorted.
    """

    classes_: Array

    def predict(self, X: ArrayLike) -> Array:
        """Return the predicted labels."""
        scores = self.decision_function(X)
        number = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(np.int64)
        return np.asarray(self.classes_[number])

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the share of samples whose label is predicted."""
        labels, predicted = np.asarray(y), self.predict(X)
        _check_score(labels, predicted)
        return float(np.mean(predicted == labels))

    def _encode(self, X: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
        samples, labels = _samples(X), np.asarray(y)
        if labels.ndim != 1:
            raise ValueError(f"y has shape {labels.shape}, expected labels (samples,)")
        _check_lengths(samples, labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class, expected 2 or more")
        return samples, numbers


class _Trained(_Classifier):
    """Logistic and softmax regression: a dense layer trained by Adam on standardised features."""

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        learning_rate: float = 0.05,
        max_iter: SupportsIndex = 100,
        batch_size: int = 64,
        random_state: SupportsIndex | None = None,
    ) -> None:
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.max_iter = int(max_iter)
        self.batch_size = batch_size
        self.random_state = random_state

    def _train(self, samples: Array, targets: Array, outputs: int, loss: losses.Loss) -> None:
        center = _means(samples)
        scale = (samples - center).std(axis=0)
        scale[scale == 0] = 1
        optimizer = optimizers.Adam(self.learning_rate, weight_decay=self.alpha)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        streams = None if self.random_state is None else random.Streams(int(self.random_state))
        with random.drawing_from(streams):
            # From zero, as the loss is convex: a feature that says nothing keeps its zero.
            dense = Dense(outputs, kernel_initializer="zeros")
            model = Sequential([Input(samples.shape[1:], samples.dtype), dense])
            model.compile(optimizer, loss)
            x = ((samples - center) / scale).astype(samples.dtype, copy=False)
            for share in (1.0, 0.3, 0.1, 0.03):  # smaller steps, so that the noise dies down
                optimizer.learning_rate = self.learning_rate * share
                model.fit(x, targets, self.batch_size, -(-self.max_iter // 4), verbose=0)
        kernel, bias = model.get_weights()
        coefficients = (kernel / scale[:, None]).T
        self.coef_ = coefficients.astype(samples.dtype, copy=False)
        self.intercept_ = (bias - matmul(coefficients, center)).astype(samples.dtype, copy=False)


class LogisticRegression(_Trained):
    """Two classes by a sigmoid: ``P(second class) = sigmoid(x coef_ + intercept_)``.

    Trained by Adam on the binary cross-entropy of standardised features.

    Args:
        alpha: the weight decay of the standardised coefficients.
        learning_rate: of the first quarter of the epochs.
        max_iter: how many epochs.
        batch_size: samples a step.
        random_state: an integer that always gives the same result; None takes the process's seed.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to ``X`` (samples, features) and the labels ``y`` (samples) of two classes."""
        samples, numbers = self._encode(X, y)
        if len(self.classes_) != 2:
            raise ValueError(
                f"y has {len(self.classes_)} classes, but LogisticRegression has two: "
                "take SoftmaxRegression"
            )
        self._train(samples, numbers[:, None], 1, losses.BinaryCrossentropy(from_logits=True))
        self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probabilities of both classes, (samples, 2)."""
        second = activations.sigmoid(self.decision_function(X))
        return np.stack([1 - second, second], axis=1)


class SoftmaxRegression(_Trained):
    """Several classes by a softmax: ``P(class) = softmax(x coef_.T + intercept_)[class]``.

    Trained by Adam on the cross-entropy of standardised features. Arguments are those of
    :class:`LogisticRegression`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to ``X`` (samples, features) and the labels ``y`` (samples)."""
        samples, numbers = self._encode(X, y)
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        self._train(samples, numbers, len(self.classes_), loss)
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probabilities of the classes, (samples, classes)."""
        return activations.softmax(self.decision_function(X))


class Perceptron(_Classifier):
    """Rosenblatt's rule: after each mistake, the sample is added to its class's weights.

    And taken from those of the class that was said ("The perceptron: a probabilistic model for
    information storage and organization in the brain", Psychological Review 65, 1958). On samples
    that a linear map can tell apart it ends (Novikoff, 1962).

    Args:
        max_iter: the most epochs.
        shuffle: whether each epoch has an order of its own.
        random_state: an integer that always gives the same result; None takes the process's seed.

    Attributes:
        n_iter_: the epochs done; fewer than ``max_iter`` if one had no mistake.
    """

    def __init__(
        self,
        *,
        max_iter: SupportsIndex = 1000,
        shuffle: bool = True,
        random_state: SupportsIndex | None = None,
    ) -> None:
        self.max_iter = int(max_iter)
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to ``X`` (samples, features) and the labels ``y`` (samples)."""
        samples, numbers = self._encode(X, y)
        rows = np.concatenate([samples, np.ones_like(samples[:, :1])], axis=1)
        weights = np.zeros((len(self.classes_), rows.shape[1]), rows.dtype)
        streams = None if self.random_state is None else random.Streams(int(self.random_state))
        self.n_iter_ = 0
        for _ in range(self.max_iter):
            self.n_iter_ += 1
            with random.drawing_from(streams):
                order = random.permutation(len(rows)) if self.shuffle else range(len(rows))
            if not _perceptron_epoch(weights, rows, numbers, order):
                break
        self.coef_, self.intercept_ = weights[:, :-1], weights[:, -1]
        if len(self.classes_) == 2:
            self.coef_ = self.coef_[1] - self.coef_[0]
            self.intercept_ = self.intercept_[1] - self.intercept_[0]
        return self


def _perceptron_epoch(weights: Array, rows: Array, numbers: Array, order: Any) -> int:
    mistakes = 0
    for i in order:
        said = int((weights @ rows[i]).argmax())
        if said != numbers[i]:
            weights[numbers[i]] += rows[i]
            weights[said] -= rows[i]
            mistakes += 1
    return mistakes


def _samples(X: ArrayLike) -> Array:
    array = np.asarray(X)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"X has shape {array.shape}, expected (samples, features)")
    if array.dtype.kind == "c":
        raise ValueError(f"X has dtype {array.dtype}, expected real numbers")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    _check_finite(array, "X")
    return array


def _means(columns: Array) -> Array:
    """Return the means of columns, in float64: of equal values exactly their value.

    What rounding would leave of a constant column is noise, which scaling would make a feature.
    """
    means = columns.mean(axis=0, dtype=np.float64)
    return np.asarray(np.where((columns == columns[0]).all(axis=0), columns[0], means))


def _least_squares(samples: Array, centred: Array, targets: Array) -> Array:
    """Return the smallest coefficients of least squares, (features, outputs).

    Entries, and so centred ones, are known to an epsilon of their column's largest. In that unit a
    singular value up to the larger dimension is rounding, as in :func:`unitgain.linalg.lstsq`, but
    neither a column's unit nor its offset counts.
    """
    precision = _powers_of_two(samples)
    left, values, right = linalg.svd(centred / precision, full_matrices=False)
    rank = np.count_nonzero(values > np.finfo(np.float64).eps * max(samples.shape))
    if rank == samples.shape[1]:
        unit = _powers_of_two(centred)
        return linalg.lstsq(centred / unit, targets, rcond=0)[0] / unit[:, None]
    # Those on the row space are determined; of all that agree there, the smallest are taken.
    determined = matmul(left[:, :rank].T, targets) / values[:rank, None]
    return linalg.lstsq(right[:rank] * precision, determined, rcond=0)[0]


def _powers_of_two(columns: Array) -> Array:
    """Return for each column a power of two that its entries do not reach: scaling is exact."""
    return np.asarray(np.ldexp(1.0, np.frexp(abs(columns).max(axis=0))[1]))


def _check_finite(array: Array, name: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        text = ", ".join(map(str, index))
        raise ValueError(f"{name}[{text}] is {array[index]}, but every entry must be finite")


def _check_lengths(samples: Array, targets: Array) -> None:
    if targets.ndim == 0 or len(targets) != len(samples):
        raise ValueError(
            f"y has shape {targets.shape}, but X has {len(samples)} samples: both need as many"
        )


def _check_score(given: Array, predicted: Array) -> None:
    if given.shape != predicted.shape:
        raise ValueError(f"y has shape {given.shape}, but predictions have {predicted.shape}")
