"""Functions and classes that Keras has under this name."""

from __future__ import annotations

from typing import SupportsIndex

from unitgain import _names, random
from unitgain.data import to_categorical
from unitgain.utils.feature_space import FeatureSpace

__all__ = ["FeatureSpace", "clear_session", "set_random_seed", "to_categorical"]


def clear_session(free_memory: bool = True) -> None:
    """Let the names of layers and models begin anew: the next is ``dense`` again.

    Args:
        free_memory: without effect: a model that nobody holds is freed at once.
    """
    _names.forget_names()


def set_random_seed(seed: SupportsIndex) -> None:
    """Set the process-wide seed, as :func:`unitgain.random.seed` does.

    NumPy's and Python's own generators stay as they are: nothing here draws from them.

    Raises:
        TypeError: if ``seed`` is not an integer.
        ValueError: if it is not in [0, 2**64).
    """
    random.seed(seed)
