"""Models from and for other programs: PyTorch, Keras, scikit-learn, ONNX, C.

Importing it teaches :meth:`unitgain.Model.export` its formats.
"""

from unitgain.convert.c_source import export_c
from unitgain.convert.keras import from_keras
from unitgain.convert.keras_models import to_keras
from unitgain.convert.onnx import from_onnx
from unitgain.convert.sklearn import from_sklearn
from unitgain.convert.state_dicts import load_state_dict
from unitgain.convert.torch import from_torch
from unitgain.convert.torch_modules import to_torch
from unitgain.models.exporting import register_format

__all__ = [
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "load_state_dict",
    "to_keras",
    "to_torch",
]

register_format("c", export_c)
del export_c, register_format
