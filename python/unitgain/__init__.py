"""Dense neural networks on CPUs: fast kernels under a thin layer API."""

from unitgain import linalg
from unitgain._native import __version__
from unitgain.config import num_threads, set_num_threads, show_config, threads

__all__ = ["__version__", "linalg", "num_threads", "set_num_threads", "show_config", "threads"]
