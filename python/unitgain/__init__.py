"""Dense neural networks on CPUs: fast kernels under a thin layer API."""

from unitgain import datasets, random
from unitgain._native import __version__
from unitgain.config import num_threads, set_num_threads, show_config, threads

__all__ = [
    "__version__",
    "datasets",
    "num_threads",
    "random",
    "set_num_threads",
    "show_config",
    "threads",
]
