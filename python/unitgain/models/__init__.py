"""Models: layers put together, trained and run."""

from unitgain.models.base import Model
from unitgain.models.functional import Functional
from unitgain.models.predictor import Predictor
from unitgain.models.registry import clone_model, model_from_json
from unitgain.models.sequential import Sequential
from unitgain.saving import load_model, save_model

__all__ = [
    "Functional",
    "Model",
    "Predictor",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]
