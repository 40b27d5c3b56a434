"""Estimators of scikit-learn that are networks, or parts of one, as models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from unitgain import layers
from unitgain.convert.graphs import connected, located
from unitgain.models import Sequential

__all__ = ["from_sklearn"]

# A layer with the values of its weights.
Part = tuple[Any, list[NDArray[Any]]]


def from_sklearn(
    estimator: Any, dtype: DTypeLike | None = None, *, name: str | None = None
) -> Sequential:
    """Return a model whose outputs are what a fitted estimator of scikit-learn predicts.

    Of a classifier with ``predict_proba`` they are those probabilities, a column for each of its
    ``classes_`` (a binary one ends in a softmax of two units, of which the first's score is 0); of
    one without, as ``Perceptron``, they are its ``decision_function``, ``(samples, 1)`` of two
    classes; of a regressor its predictions, ``(samples, targets)``; of a scaler what ``transform``
    returns. A ``Pipeline`` of these is one model, whose scalers are layers.

    Args:
        estimator: a fitted ``MLPClassifier``, ``MLPRegressor``, ``LogisticRegression``,
            ``LinearRegression``, ``Ridge``, ``SGDClassifier``, ``Perceptron``, ``StandardScaler``,
            ``MinMaxScaler``, or a ``Pipeline`` of them.
        dtype: of the model, float32 or float64; None: float64 if the estimator computes in it.
        name: what the model is called.

    Raises:
        ValueError: if the estimator is not fitted, or something in it has no counterpart.
        TypeError: if it is none of these.

    An estimator of :mod:`unitgain.sklearn` has its model as ``model_``.
    """
    steps = _steps(estimator)
    parts: list[Part] = []
    for title, step in steps:
        with located(title):
            parts += _parts(step)
    if not parts:
        raise ValueError("the pipeline has no step that computes anything")
    features = next(step.n_features_in_ for _, step in steps if hasattr(step, "n_features_in_"))
    if dtype is None:
        kinds = {array.dtype for _, arrays in parts for array in arrays}
        dtype = np.float32 if kinds == {np.dtype(np.float32)} else np.float64
    made = layers.Input((int(features),), dtype)
    tensor: Any = made
    for layer, arrays in parts:
        tensor = connected(layer, tensor)
        if layer.weights and arrays:
            layer.set_weights([np.asarray(array) for array in arrays])
    return Sequential([made, *(layer for layer, _ in parts)], name=name)


def _steps(estimator: Any) -> list[tuple[str, Any]]:
    """Return an estimator's steps, a pipeline's in their order, with titles."""
    if _kind(estimator) == "Pipeline":
        found = []
        for name, step in estimator.steps:
            if step not in (None, "passthrough"):
                found += [(f"the step {name!r}, {title}", one) for title, one in _steps(step)]
        return found
    return [(f"a {type(estimator).__name__}", estimator)]


def _kind(estimator: Any) -> str:
    """Return the name of the class of scikit-learn's that an estimator is of."""
    for kind in type(estimator).__mro__:
        if kind.__module__.startswith("sklearn.") and (
            kind.__name__ in ESTIMATORS or kind.__name__ == "Pipeline"
        ):
            return kind.__name__
    own = ": its model is its model_" if hasattr(estimator, "model_") else ""
    raise TypeError(
        f"estimator is a {type(estimator).__name__}, expected one of {', '.join(ESTIMATORS)} or a "
        f"Pipeline{own}"
    )


def _parts(estimator: Any) -> list[Part]:
    made = ESTIMATORS[_kind(estimator)]
    try:
        return made(estimator)
    except AttributeError as error:
        if hasattr(estimator, "n_features_in_"):
            raise
        raise ValueError(f"it is not fitted: {error}") from None


def _dense(kernel: Any, bias: Any, activation: str) -> Part:
    """Return a layer of a kernel ``(inputs, units)`` and a bias."""
    weights = np.asarray(kernel)
    return layers.Dense(weights.shape[1], activation), [
        weights,
        np.broadcast_to(np.asarray(bias, weights.dtype), (weights.shape[1],)),
    ]


def _of_two(kernel: NDArray[Any], bias: NDArray[Any]) -> Part:
    """Return a softmax of 0 and of a score, ``1 - sigmoid`` and ``sigmoid`` of that."""
    return _dense(
        np.column_stack([np.zeros_like(kernel), kernel]),
        np.concatenate([np.zeros_like(bias), bias]),
        "softmax",
    )


# ---- estimators ----

_ACTIVATIONS = {
    "exp": "exponential",
    "identity": "linear",
    "logistic": "sigmoid",
    "relu": "relu",
    "softmax": "softmax",
    "tanh": "tanh",
}


def _network(estimator: Any) -> list[Part]:
    pairs = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    hidden = _ACTIVATIONS[estimator.activation]
    last = _ACTIVATIONS[estimator.out_activation_]
    found = [_dense(kernel, bias, hidden) for kernel, bias in pairs[:-1]]
    kernel, bias = pairs[-1]
    is_binary = last == "sigmoid" and len(bias) == 1
    return [*found, _of_two(kernel, bias) if is_binary else _dense(kernel, bias, last)]


def _scores(estimator: Any, activation: str = "linear") -> list[Part]:
    """Return the layer of a linear model's coefficients, ``(targets, features)``."""
    kernel = np.atleast_2d(estimator.coef_).T
    return [_dense(kernel, np.ravel(estimator.intercept_), activation)]


def _logistic(estimator: Any) -> list[Part]:
    if len(estimator.classes_) == 2:
        return [_of_two(estimator.coef_.T, np.ravel(estimator.intercept_))]
    one_against_rest = estimator.solver == "liblinear" or (
        getattr(estimator, "multi_class", None) == "ovr"
    )
    return _shares(estimator) if one_against_rest else _scores(estimator, "softmax")


def _shares(estimator: Any) -> list[Part]:
    """Return ``sigmoid(z) / sum(sigmoid(z))``, the softmax of its logarithm."""
    return [*_scores(estimator, "log_sigmoid"), (layers.Softmax(), [])]


def _stochastic(estimator: Any) -> list[Part]:
    if estimator.loss == "modified_huber":
        raise ValueError("its loss is 'modified_huber', whose probabilities no layers here make")
    if estimator.loss != "log_loss":
        return _scores(estimator)
    if len(estimator.classes_) == 2:
        return [_of_two(estimator.coef_.T, np.ravel(estimator.intercept_))]
    return _shares(estimator)


def _standard_scaler(estimator: Any) -> list[Part]:
    features = estimator.n_features_in_
    mean = np.zeros(features) if estimator.mean_ is None else estimator.mean_
    scale = np.ones(features) if estimator.scale_ is None else estimator.scale_
    if not estimator.with_mean:
        mean = np.zeros(features)
    return [(layers.Normalization(mean=mean, variance=scale**2), [])]


def _min_max_scaler(estimator: Any) -> list[Part]:
    if not estimator.clip:
        return [(layers.Rescaling(estimator.scale_, estimator.min_), [])]
    low, high = map(float, estimator.feature_range)
    parts: list[Part] = [
        (layers.Rescaling(estimator.scale_, estimator.min_ - low), []),
        (layers.ReLU(max_value=high - low), []),
    ]
    return [*parts, (layers.Rescaling(1.0, low), [])] if low else parts


ESTIMATORS: dict[str, Callable[[Any], list[Part]]] = {
    "LinearRegression": _scores,
    "LogisticRegression": _logistic,
    "MLPClassifier": _network,
    "MLPRegressor": _network,
    "MinMaxScaler": _min_max_scaler,
    "Perceptron": _scores,
    "Ridge": _scores,
    "SGDClassifier": _stochastic,
    "StandardScaler": _standard_scaler,
}
