"""Layers: the parts that networks are made of."""

from unitgain.layers.activation import ELU, LeakyReLU, PReLU, ReLU, Softmax
from unitgain.layers.base import Layer, Variable
from unitgain.layers.core import Activation, Dense, Flatten, Input
from unitgain.layers.merging import Add, Concatenate, add, concatenate
from unitgain.layers.normalization import BatchNormalization, LayerNormalization
from unitgain.layers.preprocessing import Normalization, Rescaling
from unitgain.layers.registry import deserialize, serialize
from unitgain.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    RReLU,
)
from unitgain.layers.symbolic import SymbolicTensor

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
