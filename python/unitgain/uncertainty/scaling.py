"""Probabilities made right after training, from logits on validation data.

Each calibrator is fitted with ``fit(logits, y)``, is a function of logits, and its
``apply(model)`` returns a model that ends in it, as layers that are saved with the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _native, layers
from unitgain.layers.registry import register
from unitgain.metrics.calibration import class_probabilities
from unitgain.models import Model

__all__ = [
    "IsotonicCalibration",
    "IsotonicRegression",
    "PlattScaling",
    "TemperatureScaling",
    "VectorScaling",
]

_Floats = NDArray[np.float64]


class _Calibrator:
    """A map from logits to probabilities."""

    is_fitted = False

    def fit(self, logits: ArrayLike, y: ArrayLike) -> Any:
        """Fit to logits and labels that the network was not trained on; return the calibrator.

        Args:
            logits: ``(rows, classes)``; one column is class 1 of two.
            y: class labels, or one-hot rows.

        Raises:
            ValueError: if shapes do not fit, there are no rows, or a logit is not finite.
        """
        given = _columns(logits)
        if len(given) == 0:
            raise ValueError("logits has no rows")
        if not np.isfinite(given).all():
            raise ValueError("logits has a value that is not finite")
        labels = class_probabilities(y, given, from_logits=True)[0]
        self._fit(given, labels)
        self.is_fitted = True
        return self

    def __call__(self, logits: ArrayLike) -> _Floats:
        """Return calibrated probabilities, ``(rows, classes)``, or one column of one."""
        self._check_fitted()
        outputs = _columns(logits)
        for layer in self._layers(outputs.shape[1]):
            layer.ensure_built((outputs.shape[1],), "float64")
            model_input = layers.Input((outputs.shape[1],), "float64")
            outputs = Model(model_input, layer(model_input)).predict(outputs)
        return np.asarray(outputs, np.float64)

    def apply(self, model: Model) -> Model:
        """Return a model with the same weights that ends in calibrated probabilities.

        Args:
            model: a model with one output. If it ends in a softmax or a sigmoid, of a dense layer
                or by itself, what stands before that is calibrated, else its outputs.

        Raises:
            ValueError: if the calibrator is not fitted, or the model has several outputs.
        """
        self._check_fitted()
        tensor = logits_model(model).outputs[0]
        for layer in self._layers(tensor.sample_shape[-1]):
            tensor = layer(tensor)
        return Model(model.input, tensor)

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(logits, y) first")

    def _fit(self, logits: _Floats, labels: NDArray[np.int64]) -> None:
        raise NotImplementedError

    def _layers(self, columns: int) -> list[layers.Layer]:
        raise NotImplementedError


class TemperatureScaling(_Calibrator):
    """``softmax(logits / temperature)``, of one column the sigmoid: the order of classes stays.

    The temperature is where the negative log-likelihood, which is convex in its inverse, is least:
    Newton's method within a bracket. Guo, Pleiss, Sun and Weinberger, "On calibration of modern
    neural networks", ICML 2017.

    Attributes:
        temperature: above 1 if the network was too sure. Between 1e-3 and 1e3.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> logits = np.array([[4.0, 0.0]] * 4)
    >>> scaling = ug.uncertainty.TemperatureScaling().fit(logits, [0, 0, 0, 1])
    >>> scaling(logits)[0].round(3)
    array([0.75, 0.25])
    """

    temperature: float = 1.0

    def _fit(self, logits: _Floats, labels: NDArray[np.int64]) -> None:
        z = np.concatenate([np.zeros_like(logits), logits], 1) if _is_one(logits) else logits
        self.temperature = _native.fit_temperature(z, labels.astype(np.int32))

    def _layers(self, columns: int) -> list[layers.Layer]:
        return [layers.Rescaling(1 / self.temperature), _probabilities(columns)]


class VectorScaling(_Calibrator):
    """``softmax(scale * logits + offset)``, with a scale and an offset for each class.

    Both are where the negative log-likelihood is least, found by Newton's method, its steps by this
    library's pseudoinverse; a penalty of 1e-6 times the squares keeps them finite where classes can
    be told apart without error. Guo et al., ICML 2017.

    Attributes:
        scale: ``(classes,)``.
        offset: ``(classes,)``, of mean 0.
    """

    scale: _Floats
    offset: _Floats

    def _fit(self, logits: _Floats, labels: NDArray[np.int64]) -> None:
        if _is_one(logits):
            raise ValueError("logits has one column: for two classes take PlattScaling")
        self.scale, offset = _native.fit_vector_scaling(logits, labels.astype(np.int32))
        self.offset = offset - offset.mean()

    def _layers(self, columns: int) -> list[layers.Layer]:
        return [layers.Rescaling(self.scale, self.offset), _probabilities(columns)]


class PlattScaling(_Calibrator):
    """``sigmoid(scale * logit + offset)``; of several classes each against the rest.

    Targets are those of Platt, "Probabilistic outputs for support vector machines", 1999, which
    keep both numbers finite; the method is Newton's with the line search of Lin, Lin and Weng, "A
    note on Platt's probabilistic outputs", Machine Learning 68, 2007. Probabilities of several
    classes are divided by their sum (Zadrozny and Elkan, KDD 2002).

    Attributes:
        scale: one for each column.
        offset: one for each column.
    """

    scale: _Floats
    offset: _Floats

    def _fit(self, logits: _Floats, labels: NDArray[np.int64]) -> None:
        fitted = [_native.fit_sigmoid(z, y) for z, y in _against_the_rest(logits, labels)]
        self.scale, self.offset = (np.array(values) for values in zip(*fitted, strict=True))

    def _layers(self, columns: int) -> list[layers.Layer]:
        made: list[layers.Layer] = [
            layers.Rescaling(self.scale, self.offset),
            layers.Activation("sigmoid"),
        ]
        return [*made, SharesOfSum()] if columns > 1 else made


class IsotonicCalibration(_Calibrator):
    """A rising step function of the logit, of several classes of each against the rest.

    It is the one whose squares are least, found by pooling neighbours that fall (Zadrozny and
    Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD
    2002), and lines between its steps, as scikit-learn has it. It needs some thousands of rows.

    Attributes:
        steps: for each column the logits, rising, and the probabilities there.
    """

    steps: list[tuple[_Floats, _Floats]]

    def _fit(self, logits: _Floats, labels: NDArray[np.int64]) -> None:
        self.steps = [_native.fit_isotonic(z, y) for z, y in _against_the_rest(logits, labels)]

    def _layers(self, columns: int) -> list[layers.Layer]:
        made: list[layers.Layer] = [
            IsotonicRegression([[part.tolist() for part in step] for step in self.steps])
        ]
        return [*made, SharesOfSum()] if columns > 1 else made


class SharesOfSum(layers.Layer):
    """Each value over the sum of its row; of a row of zeros all alike."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the shares."""
        total = inputs.sum(axis=-1, keepdims=True)
        even = np.full_like(inputs, 1 / inputs.shape[-1])
        return np.divide(inputs, total, out=even, where=total > 0)


class IsotonicRegression(layers.Layer):
    """A piecewise linear function of each feature, constant beyond its ends.

    Args:
        steps: for each feature two lists, the points, rising, and the values there.
        name: what the layer is called.
    """

    def __init__(self, steps: list[Any], name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.steps = steps

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the functions' values."""
        if inputs.shape[-1] != len(self.steps):
            raise ValueError(f"{self.name} has {len(self.steps)} functions, not one a feature")
        columns = [
            np.interp(inputs[..., i], points, values)
            for i, (points, values) in enumerate(self.steps)
        ]
        return np.stack(columns, axis=-1).astype(inputs.dtype)


register({"SharesOfSum": SharesOfSum, "IsotonicRegression": IsotonicRegression})


def logits_model(model: Model) -> Model:
    """Return a model, with the same weights, of what stands before a last softmax or sigmoid."""
    if len(model.outputs) != 1:
        raise ValueError(f"{model.name} has {len(model.outputs)} outputs, expected one")
    last = model.layers[-1]
    ends_in = getattr(last, "activation", None)
    name = ends_in if isinstance(ends_in, str) else getattr(ends_in, "name", None)
    if name not in ("softmax", "sigmoid"):
        return model
    if isinstance(last, layers.Activation):
        return Model(model.input, last.input)
    if not isinstance(last, layers.Dense):
        return model
    config = {**last.get_config(), "activation": None, "name": f"{last.name}_logits"}
    dense = layers.Dense.from_config(config)
    made = Model(model.input, dense(last.input))
    dense.set_weights(last.get_weights())
    return made


def _probabilities(columns: int) -> layers.Layer:
    return layers.Activation("softmax" if columns > 1 else "sigmoid")


def _columns(logits: ArrayLike) -> _Floats:
    given = np.asarray(logits, np.float64)
    if given.ndim == 1:
        given = given[:, None]
    if given.ndim != 2:
        raise ValueError(f"logits has shape {given.shape}, expected (rows, classes)")
    return given


def _is_one(logits: _Floats) -> bool:
    return bool(logits.shape[1] == 1)


def _against_the_rest(logits: _Floats, labels: NDArray[np.int64]) -> list[tuple[_Floats, _Floats]]:
    """Return each column, and whether its rows are of its class; one column is class 1."""
    first = 1 if _is_one(logits) else 0
    return [(z, (labels == c).astype(np.float64)) for c, z in enumerate(logits.T, first)]
