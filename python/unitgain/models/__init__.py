"""Models: layers that are trained and run together."""

from unitgain.models.base import Model
from unitgain.models.functional import Functional
from unitgain.models.predictor import Predictor
from unitgain.models.sequential import Sequential

__all__ = ["Functional", "Model", "Predictor", "Sequential"]
