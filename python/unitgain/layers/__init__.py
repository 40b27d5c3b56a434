"""Layers: the parts that networks are made of."""

from unitgain.graph.tensors import SymbolicTensor
from unitgain.layers.activation import ELU, LeakyReLU, PReLU, ReLU, Softmax
from unitgain.layers.base import Layer, Variable
from unitgain.layers.core import Activation, Dense, Flatten, Input
from unitgain.layers.merging import Add, Concatenate, add, concatenate
from unitgain.layers.normalization import BatchNormalization, LayerNormalization
from unitgain.layers.preprocessing import Normalization, Rescaling
from unitgain.layers.registry import deserialize, register, serialize
from unitgain.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    RReLU,
)

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Input",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Normalization",
    "PReLU",
    "RReLU",
    "ReLU",
    "Rescaling",
    "Softmax",
    "SymbolicTensor",
    "Variable",
    "add",
    "concatenate",
    "deserialize",
    "serialize",
]

register(
    {
        name: known
        for name in __all__
        if isinstance(known := globals()[name], type) and issubclass(known, Layer)
    }
)
del register
