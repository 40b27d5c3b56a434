"""Losses: what training makes small.

A loss is a configuration for :meth:`unitgain.Model.compile`, and a function of arrays:
``loss(y_true, y_pred)`` is its value, ``loss.gradient(y_true, y_pred)`` the gradient with respect
to ``y_pred``. Names, arguments and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._config import serialize
from unitgain.losses.base import Loss
from unitgain.losses.focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from unitgain.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from unitgain.losses.joint import Circle, Dice, Tversky
from unitgain.losses.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    GaussianNLL,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from unitgain.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Quantile,
)

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "deserialize",
    "get",
    "serialize",
]

_CLASSES: dict[str, Callable[[], Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "gaussian_nll": GaussianNLL,
    "poisson": Poisson,
    "kl_divergence": KLDivergence,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge,
    "quantile": Quantile,
    "cosine_similarity": CosineSimilarity,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "dice": Dice,
    "tversky": Tversky,
    "circle": Circle,
}
_ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
}
_TABLE: dict[str, Callable[[], Loss]] = {
    **_CLASSES,
    **{loss.__name__: loss for loss in _CLASSES.values()},
    **{alias: _CLASSES[name] for alias, name in _ALIASES.items()},
    **{alias.upper(): _CLASSES[name] for alias, name in _ALIASES.items()},
}


def get(loss: str | Mapping[str, Any] | Loss) -> Loss:
    """Return the loss of that name, of that configuration, or the one given.

    Names are those of Keras: ``"mean_squared_error"``, ``"MeanSquaredError"``, ``"mse"`` ...

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a loss; of a function, training
            would lack the derivative: subclass :class:`Loss`.
    """
    if callable(loss) and not isinstance(loss, (type, Loss)):
        raise TypeError(
            f"loss is a function, {getattr(loss, '__name__', loss)!s}, whose derivative nobody "
            "knows: subclass unitgain.losses.Loss, with call and backward"
        )
    return _names.resolve("loss", loss, _TABLE, Loss)


deserialize = _names.deserializer("loss", get)
