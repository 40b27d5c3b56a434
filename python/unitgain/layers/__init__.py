"""Layers: the parts that networks are made of."""

from unitgain.graph.tensors import SymbolicTensor
from unitgain.layers.activation import ELU, GLU, LeakyReLU, PReLU, ReLU, Softmax
from unitgain.layers.base import Layer, Variable
from unitgain.layers.cluster_affinity import ClusterAffinity
from unitgain.layers.core import Activation, Dense, Flatten, Identity, Input
from unitgain.layers.discretization import Discretization
from unitgain.layers.embedding import Embedding
from unitgain.layers.encoding import CategoryEncoding
from unitgain.layers.function import Lambda, OpsFunction
from unitgain.layers.group_normalization import GroupNormalization, RMSNormalization
from unitgain.layers.hashing import HashedCrossing, Hashing
from unitgain.layers.lookup import IntegerLookup, StringLookup
from unitgain.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
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
from unitgain.layers.reshaping import Permute, RepeatVector, Reshape
from unitgain.layers.saved_graph import SavedGraph
from unitgain.layers.spectral_normalization import SpectralNormalization
from unitgain.layers.unit_normalization import UnitNormalization

__all__ = [
    "ELU",
    "GLU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "CategoryEncoding",
    "ClusterAffinity",
    "Concatenate",
    "Dense",
    "Discretization",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "HashedCrossing",
    "Hashing",
    "Identity",
    "Input",
    "IntegerLookup",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "RReLU",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Softmax",
    "SpectralNormalization",
    "StringLookup",
    "Subtract",
    "SymbolicTensor",
    "UnitNormalization",
    "Variable",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

register(
    {
        name: known
        for name in __all__
        if isinstance(known := globals()[name], type) and issubclass(known, Layer)
    }
    | {"OpsFunction": OpsFunction, "SavedGraph": SavedGraph}
)
del OpsFunction, SavedGraph, register
