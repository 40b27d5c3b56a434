"""Simple models by name: linear and ridge regression, logistic regression, the perceptron.

Each is a few lines over the parts that networks are made of, with scikit-learn's methods:
``fit(X, y)``, ``predict(X)``, ``score(X, y)``, and attributes with an underscore once fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import activations, linalg, losses, optimizers, random
from unitgain._arrays import is_sparse
from unitgain._configurable import Configurable
from unitgain._native import matmul
from unitgain.layers import Dense, Input
from unitgain.models import Sequential

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "LinearRegression",
    "LogisticRegression",
    "Perceptron",
    "Ridge",
    "SoftmaxRegression",
]

Array = NDArray[Any]

# A pivot of the correlations' Cholesky factor, squared, below which columns count as dependent.
_LEAST_PIVOT = 1e-10
# The relative size of the first correction up to which the second would be below rounding.
_LARGEST_CORRECTION = 1e-6
# Samples whose scores the perceptron computes at a time.
_PERCEPTRON_ROWS = 64


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

    def _map(self, X: ArrayLike) -> Array:
        if not hasattr(self, "coef_"):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit first")
        samples = _samples(X)
        features = self.coef_.shape[-1]
        if samples.shape[1] != features:
            raise ValueError(f"X has {samples.shape[1]} features, but fit saw {features}")
        samples = samples.astype(self.coef_.dtype, copy=False)
        product = samples @ self.coef_.T if is_sparse(samples) else matmul(samples, self.coef_.T)
        return np.asarray(product + self.intercept_)


class LinearRegression(_Linear):
    """The linear map of least squares: ``coef_ = pinv(X) y``, of centred columns, in float64.

    :func:`unitgain.linalg.lstsq` takes the normal equations where the condition number allows it.

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

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to ``X`` (samples, features) and ``y`` (samples) or (samples, outputs).

        Args:
            X: an array, a frame, or a sparse matrix; that is made dense only where the normal
                equations do not determine the solution well.
            y: the targets.
            sample_weight: what each sample's squared error is multiplied by, (samples,).

        Raises:
            ValueError: if shapes do not fit, or an entry is NaN or infinite.
        """
        samples, targets = _samples(X), np.asarray(y, np.float64)
        _check_lengths(samples, targets)
        _check_finite(targets, "y")
        design = _Design(samples, _row_factors(sample_weight, len(targets)), self.fit_intercept)
        # With the means taken away, the intercept does not take part in the minimum norm.
        middle = design.mean_of(targets)
        columns = design.weighted((targets - middle).reshape(len(targets), -1))
        coefficients = self._coefficients(design, columns).T
        self.coef_ = coefficients[0] if targets.ndim == 1 else coefficients
        self.intercept_ = middle - matmul(self.coef_, design.center)
        return self

    def _coefficients(self, design: _Design, targets: Array) -> Array:
        """Return the coefficients for weighted and centred targets, (features, outputs)."""
        found = None
        if design.is_sparse and design.shape[0] > design.shape[1]:
            found = _by_normal_equations(design, targets, 0.0)
        return _least_squares(design, targets) if found is None else found

    def predict(self, X: ArrayLike) -> Array:
        """Return the predicted values, of the dtype of ``coef_``.

        Raises:
            ValueError: if the estimator is not fitted, ``X`` has other features, or an entry of it
                is NaN or infinite.
        """
        return self._map(X)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return R squared: 1 less the squared errors over those of the mean, mean over outputs."""
        targets, predicted = np.asarray(y, np.float64), self.predict(X)
        _check_score(targets, predicted)
        errors = ((targets - predicted) ** 2).sum(axis=0)
        spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
        return float(np.mean(1 - errors / spread))


class Ridge(LinearRegression):
    """Least squares with the penalty ``alpha * sum(coef_**2)``, in float64.

    It is plain least squares of the samples with ``sqrt(alpha)`` times the identity below them, or
    beside them if they are fewer than the features: :func:`unitgain.linalg.lstsq` takes the normal
    equations of that where the condition number allows it. The intercept has no penalty.

    Args:
        alpha: the penalty's factor, at least 0, or one for each output.
        fit_intercept: whether there is an intercept.

    >>> import unitgain as ug
    >>> ug.estimators.Ridge(alpha=2.0).fit([[-1.0], [1.0]], [-2.0, 2.0]).coef_
    array([1.])
    """

    def __init__(self, alpha: Any = 1.0, *, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def _coefficients(self, design: _Design, targets: Array) -> Array:
        alphas = np.asarray(self.alpha, np.float64)
        if alphas.ndim > 1 or (alphas.ndim == 1 and len(alphas) != targets.shape[1]):
            raise ValueError(
                f"alpha has shape {alphas.shape}, expected a number or {(targets.shape[1],)}"
            )
        if not (np.isfinite(alphas) & (alphas >= 0)).all():
            raise ValueError(f"alpha is {self.alpha!r}, expected finite numbers of at least 0")
        if alphas.ndim == 0:
            return self._ridge(design, targets, float(alphas))
        parts = [
            self._ridge(design, targets[:, i : i + 1], float(alpha))
            for i, alpha in enumerate(alphas)
        ]
        return np.concatenate(parts, axis=1)

    def _ridge(self, design: _Design, targets: Array, alpha: float) -> Array:
        if alpha == 0:
            return super()._coefficients(design, targets)
        if design.is_sparse:
            found = _by_normal_equations(design, targets, alpha)
            if found is not None:
                return found
        samples, features = design.shape
        root = np.sqrt(alpha)
        if samples < features:
            stacked = np.concatenate([design.dense(), root * np.eye(samples)], axis=1)
            return linalg.lstsq(stacked, targets, rcond=0)[0][:features]
        stacked = np.concatenate([design.dense(), root * np.eye(features)])
        zeros = np.zeros((features, targets.shape[1]))
        return linalg.lstsq(stacked, np.concatenate([targets, zeros]), rcond=0)[0]


class _Classifier(_Linear):
    """A linear map and the class that it says; subclasses fit it.

    Attributes:
        classes_: the labels, sorted.
    """

    classes_: Array

    def decision_function(self, X: ArrayLike) -> Array:
        """Return ``X @ coef_.T + intercept_``, of the dtype of ``coef_``.

        Raises:
            ValueError: if the estimator is not fitted, ``X`` has other features, or an entry of it
                is NaN or infinite.
        """
        return self._map(X)

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
        samples, labels = _dense_samples(X), np.asarray(y)
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
        fit_intercept: whether there is an intercept.
        tol: by which share of the samples mistakes have to become fewer; None: no matter.
        n_iter_no_change: after how many epochs in which they did not, the last is the last.

    Attributes:
        n_iter_: the epochs done; fewer than ``max_iter`` if one had no mistake.
    """

    def __init__(
        self,
        *,
        max_iter: SupportsIndex = 1000,
        shuffle: bool = True,
        random_state: SupportsIndex | None = None,
        fit_intercept: bool = True,
        tol: float | None = None,
        n_iter_no_change: int = 5,
    ) -> None:
        self.max_iter = int(max_iter)
        self.shuffle = shuffle
        self.random_state = random_state
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to ``X`` (samples, features) and the labels ``y`` (samples)."""
        samples, numbers = self._encode(X, y)
        last = np.full_like(samples[:, :1], float(self.fit_intercept))
        rows = np.concatenate([samples, last], axis=1)
        weights = np.zeros((len(self.classes_), rows.shape[1]), rows.dtype)
        streams = self._streams()
        self.n_iter_, fewest, stale = 0, len(rows) + 1.0, 0
        for _ in range(self.max_iter):
            self.n_iter_ += 1
            with random.drawing_from(streams):
                order = random.permutation(len(rows)) if self.shuffle else np.arange(len(rows))
            mistakes = _perceptron_epoch(weights, rows[order], numbers[order])
            if not mistakes:
                break
            if self.tol is not None:
                stale = stale + 1 if mistakes > fewest - self.tol * len(rows) else 0
                fewest = min(fewest, mistakes)
                if stale >= self.n_iter_no_change:
                    break
        self.coef_, self.intercept_ = weights[:, :-1], weights[:, -1]
        if len(self.classes_) == 2:
            self.coef_ = self.coef_[1] - self.coef_[0]
            self.intercept_ = self.intercept_[1] - self.intercept_[0]
        return self

    def _streams(self) -> random.Streams | None:
        return None if self.random_state is None else random.Streams(int(self.random_state))


def _perceptron_epoch(weights: Array, rows: Array, numbers: Array) -> int:
    """Correct the weights for each mistake in turn; return how many there were."""
    mistakes = 0
    for first in range(0, len(rows), _PERCEPTRON_ROWS):
        block, wanted = rows[first : first + _PERCEPTRON_ROWS], numbers[first:][:_PERCEPTRON_ROWS]
        scores = block @ weights.T
        here = 0
        while True:
            wrong = scores[here:].argmax(axis=1) != wanted[here:]
            if not wrong.any():
                break
            here += int(wrong.argmax())
            row, right, said = block[here], wanted[here], scores[here].argmax()
            weights[right] += row
            weights[said] -= row
            here += 1
            change = block[here:] @ row
            scores[here:, right] += change
            scores[here:, said] -= change
            mistakes += 1
    return mistakes


class _Design:
    """Samples with their means taken away, each row times a factor; sparse ones stay so.

    Args:
        samples: float32 or float64, or sparse.
        factors: the rows', whose squares are the samples' weights; None: all 1.
        centres: whether the means are taken away.
    """

    def __init__(self, samples: Any, factors: Array | None, centres: bool) -> None:
        self.samples = samples.astype(np.float64)
        self.is_sparse = is_sparse(samples)
        self.shape: tuple[int, int] = samples.shape
        self._factors = factors
        self._centres = centres
        self.center: Array = self.mean_of(self.samples)
        self._dense: Array | None = None

    def mean_of(self, columns: Any) -> Any:
        """Return the weighted means of columns, or 0 if there is no intercept."""
        if not self._centres:
            return np.zeros(columns.shape[1:]) if columns.ndim > 1 else 0.0
        if is_sparse(columns):
            weights = np.ones(self.shape[0]) if self._factors is None else self._factors**2
            return np.asarray(columns.T @ weights).reshape(-1) / weights.sum()
        return _means(columns, None if self._factors is None else self._factors**2)

    def weighted(self, columns: Array) -> Array:
        """Return columns, each row times its factor."""
        return columns if self._factors is None else columns * self._factors[:, None]

    def dense(self) -> Array:
        """Return the whole."""
        if self._dense is None:
            samples = self.samples.toarray() if is_sparse(self.samples) else self.samples
            self._dense = self.weighted(samples - self.center)
        return self._dense

    def gram(self, of_samples: bool) -> Array:
        """Return ``Z Z'`` of sparse samples, or ``Z' Z`` of their features."""
        factors = np.ones(self.shape[0]) if self._factors is None else self._factors
        weighted = self.samples.multiply(factors[:, None]).tocsr()
        if of_samples:
            means = np.outer(weighted @ self.center, factors)
            squares = (self.center @ self.center) * np.outer(factors, factors)
            return np.asarray((weighted @ weighted.T).toarray() - means - means.T + squares)
        outer = np.outer(self.center, self.center) * (factors**2).sum()
        return np.asarray((weighted.T @ weighted).toarray() - outer)

    def times(self, coefficients: Array) -> Array:
        """Return ``Z @ coefficients``."""
        return self.weighted(self.samples @ coefficients - self.center @ coefficients)

    def transposed_times(self, columns: Array) -> Array:
        """Return ``Z' @ columns``."""
        columns = self.weighted(columns)
        return np.asarray(self.samples.T @ columns - np.outer(self.center, columns.sum(axis=0)))


def _by_normal_equations(design: _Design, targets: Array, alpha: float) -> Array | None:
    """Return the coefficients for sparse samples, or None if they would lose digits.

    One step of refinement with residuals of the samples themselves (Bjorck, "Stability analysis of
    the method of seminormal equations for linear least squares problems", 1987) squares the
    relative error, and tells it.
    """
    of_samples = alpha > 0 and design.shape[0] < design.shape[1]
    gram = design.gram(of_samples)
    diagonal = np.einsum("ii->i", gram)
    diagonal += alpha
    if not (diagonal > 0).all():
        return None
    unit = 1 / np.sqrt(diagonal)
    try:
        factor = linalg.cholesky(gram * unit[:, None] * unit)
    except np.linalg.LinAlgError:
        return None
    if np.einsum("ii->i", factor).min() ** 2 < _LEAST_PIVOT:
        return None

    def solve(right: Array) -> Array:
        middle = np.linalg.solve(factor, right * unit[:, None])
        return np.asarray(np.linalg.solve(factor.T, middle) * unit[:, None])

    if of_samples:
        found = solve(targets)
        residual = targets - design.times(design.transposed_times(found)) - alpha * found
    else:
        found = solve(design.transposed_times(targets))
        residual = design.transposed_times(targets - design.times(found)) - alpha * found
    correction = solve(residual)
    sizes = [np.sqrt(((x / unit[:, None]) ** 2).sum(axis=0)) for x in (correction, found)]
    if not (sizes[0] <= _LARGEST_CORRECTION * sizes[1]).all():
        return None
    found = found + correction
    return design.transposed_times(found) if of_samples else found


def _row_factors(sample_weight: ArrayLike | None, count: int) -> Array | None:
    """Return the square roots of weights, or None if there are none."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (count,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected {(count,)}")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError("sample_weight must be finite, at least 0, and not 0 throughout")
    return np.sqrt(weights)


def _samples(X: Any) -> Any:
    """Return samples as an array of floating-point numbers, or as a sparse matrix of them."""
    if is_sparse(X):
        rows = X.tocsr()
        if rows.ndim != 2 or 0 in rows.shape:
            raise ValueError(f"X has shape {rows.shape}, expected (samples, features)")
        if not np.isfinite(rows.data).all():
            raise ValueError("X has a value that is not finite, but every entry must be")
        return rows
    return _dense_samples(X)


def _dense_samples(X: Any) -> Array:
    if is_sparse(X):
        X = X.toarray()
    array = np.asarray(X)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"X has shape {array.shape}, expected (samples, features)")
    if array.dtype.kind == "c":
        raise ValueError(f"X has dtype {array.dtype}, expected real numbers")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    _check_finite(array, "X")
    return array


def _means(columns: Array, weights: Array | None = None) -> Array:
    """Return the means of columns, in float64: of equal values exactly their value.

    What rounding would leave of a constant column is noise, which scaling would make a feature.
    """
    if weights is None:
        means = columns.mean(axis=0, dtype=np.float64)
    else:
        means = np.average(columns, axis=0, weights=weights)
    return np.asarray(np.where((columns == columns[0]).all(axis=0), columns[0], means))


def _least_squares(design: _Design, targets: Array) -> Array:
    """Return the smallest coefficients of least squares, (features, outputs).

    Entries, and so centred ones, are known to an epsilon of their column's largest. In that unit a
    singular value up to the larger dimension is rounding, as in :func:`unitgain.linalg.lstsq`, but
    neither a column's unit nor its offset counts.
    """
    centred, samples = design.dense(), design.samples
    precision = _powers_of_two(design.weighted(samples.toarray() if design.is_sparse else samples))
    epsilon = np.finfo(np.float64).eps * max(samples.shape)
    if samples.shape[0] >= samples.shape[1]:
        unit = _powers_of_two(centred)
        found, _, _, values = linalg.lstsq(centred / unit, targets, rcond=0)
        if values[-1] * (unit / precision).min() > epsilon:  # a bound of those in that unit
            return np.asarray(found / unit[:, None])
    left, values, right = linalg.svd(centred / precision, full_matrices=False)
    rank = np.count_nonzero(values > epsilon)
    if rank == samples.shape[1]:
        return np.asarray(found / unit[:, None])
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


def _check_lengths(samples: Any, targets: Array) -> None:
    if targets.ndim == 0 or len(targets) != samples.shape[0]:
        raise ValueError(
            f"y has shape {targets.shape}, but X has {samples.shape[0]} samples: both need as many"
        )


def _check_score(given: Array, predicted: Array) -> None:
    if given.shape != predicted.shape:
        raise ValueError(f"y has shape {given.shape}, but predictions have {predicted.shape}")
