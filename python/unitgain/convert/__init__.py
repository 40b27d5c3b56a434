"""Models from and for other programs: PyTorch, Keras, scikit-learn."""

from unitgain.convert.keras import from_keras
from unitgain.convert.keras_models import to_keras
from unitgain.convert.sklearn import from_sklearn
from unitgain.convert.state_dicts import load_state_dict
from unitgain.convert.torch import from_torch
from unitgain.convert.torch_modules import to_torch

__all__ = ["from_keras", "from_sklearn", "from_torch", "load_state_dict", "to_keras", "to_torch"]
