"""Dense neural networks on CPUs: fast kernels under a thin layer API."""

from unitgain._native import __version__  # before NumPy: it says where both cannot be imported

# isort: split
from unitgain import (
    activations,
    callbacks,
    cluster,
    config,
    constraints,
    convert,
    data,
    datasets,
    distribution,
    dtype_policies,
    estimators,
    initializers,
    layers,
    linalg,
    losses,
    metrics,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    signals,
    uncertainty,
    utils,
    zoo,
)
from unitgain._native import matmul
from unitgain.config import (
    float32_matmul_precision,
    get_float32_matmul_precision,
    num_threads,
    reproducible,
    set_float32_matmul_precision,
    set_num_threads,
    set_reproducible,
    set_threading_layer,
    show_config,
    threading_layer,
    threads,
)
from unitgain.dtype_policies import DTypePolicy
from unitgain.initializers import Initializer
from unitgain.layers import Input, Layer, Variable
from unitgain.learning_rate_finder import find_learning_rate
from unitgain.losses import Loss
from unitgain.memory import cache_limit, cache_memory, clear_cache, set_cache_limit
from unitgain.metrics import Metric
from unitgain.models import Model, Sequential
from unitgain.ops.differentiation import grad, value_and_grad
from unitgain.optimizers import Optimizer
from unitgain.regularizers import Regularizer
from unitgain.saving import load_model

__all__ = [
    "DTypePolicy",
    "Initializer",
    "Input",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "cache_limit",
    "cache_memory",
    "callbacks",
    "clear_cache",
    "cluster",
    "config",
    "constraints",
    "convert",
    "data",
    "datasets",
    "distribution",
    "dtype_policies",
    "estimators",
    "find_learning_rate",
    "float32_matmul_precision",
    "get_float32_matmul_precision",
    "grad",
    "initializers",
    "layers",
    "linalg",
    "load_model",
    "losses",
    "matmul",
    "metrics",
    "num_threads",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "reproducible",
    "saving",
    "set_cache_limit",
    "set_float32_matmul_precision",
    "set_num_threads",
    "set_reproducible",
    "set_threading_layer",
    "show_config",
    "signals",
    "threading_layer",
    "threads",
    "uncertainty",
    "utils",
    "value_and_grad",
    "zoo",
]
