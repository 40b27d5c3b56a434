"""Models: layers put together, trained and run."""

from unitgain.layers.registry import register
from unitgain.models.cloning import clone_model
from unitgain.models.model import Functional, Model
from unitgain.models.predictor import Predictor
from unitgain.models.registry import load_model, model_from_json, save_model
from unitgain.models.sequential import Sequential

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

register({"Functional": Model, "Sequential": Sequential})
del register
