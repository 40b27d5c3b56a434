"""Layers: the parts that networks are made of."""

from unitgain.layers.activation import ELU, LeakyReLU, PReLU, ReLU
from unitgain.layers.base import Layer, Variable
from unitgain.layers.core import Activation, Dense, Flatten, Input, Rescaling
from unitgain.layers.merging import Add, Concatenate
from unitgain.layers.normalization import BatchNormalization, LayerNormalization
from unitgain.layers.regularization import (
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
    "PReLU",
    "RReLU",
    "ReLU",
    "Rescaling",
    "SymbolicTensor",
    "Variable",
]
