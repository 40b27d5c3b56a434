"""Layers: the parts that networks are made of."""

from unitgain.layers.activation import ELU, LeakyReLU, PReLU, ReLU
from unitgain.layers.base import Layer, Variable
from unitgain.layers.core import Activation, Dense, Flatten, Input
from unitgain.layers.normalization import BatchNormalization
from unitgain.layers.regularization import Dropout

__all__ = [
    "ELU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "Variable",
]
