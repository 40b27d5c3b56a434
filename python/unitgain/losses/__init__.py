"""Losses: what training makes small.

A loss is a configuration for :meth:`unitgain.Model.compile`, and a function of arrays:
``loss(y_true, y_pred)`` is its value, ``loss.gradient(y_true, y_pred)`` the gradient with respect
to ``y_pred``. Names, arguments and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._configurable import serialize
from unitgain.losses import focal, hinge, joint, probabilistic, regression, relative, traced
from unitgain.losses.base import Loss
from unitgain.losses.focal import *
from unitgain.losses.hinge import *
from unitgain.losses.joint import *
from unitgain.losses.probabilistic import *
from unitgain.losses.regression import *
from unitgain.losses.relative import *
from unitgain.losses.traced import *

__all__ = ["Loss", "deserialize", "get", "serialize"]
__all__ += focal.__all__
__all__ += hinge.__all__
__all__ += joint.__all__
__all__ += probabilistic.__all__
__all__ += regression.__all__
__all__ += relative.__all__
__all__ += traced.__all__

_ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}
_TABLE = _names.table_of(globals(), __all__, Loss, _ALIASES)


def get(loss: str | Mapping[str, Any] | Loss | Callable[..., Any]) -> Loss:
    """Return the loss of that name, of that configuration, of that function, or the one given.

    Names are those of Keras: ``"mean_squared_error"``, ``"MeanSquaredError"``, ``"mse"`` ...

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a loss nor a function.
    """
    if callable(loss) and not isinstance(loss, (type, Loss)):
        return LossFunctionWrapper(loss)
    custom = _names.custom_object(loss)
    if callable(custom) and not isinstance(custom, (type, Loss)):
        return LossFunctionWrapper(custom)
    return _names.resolve("loss", loss, _TABLE, Loss)


deserialize = _names.deserializer("loss", get)
