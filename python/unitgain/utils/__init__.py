"""Functions and classes that Keras has under this name."""

from __future__ import annotations

from os import PathLike
from typing import Any, SupportsIndex

from unitgain import _names, random
from unitgain.data import to_categorical
from unitgain.models.diagram import Diagram
from unitgain.utils.feature_space import FeatureSpace
from unitgain.utils.py_dataset import PyDataset

__all__ = [
    "FeatureSpace",
    "PyDataset",
    "clear_session",
    "plot_model",
    "set_random_seed",
    "to_categorical",
]


def clear_session(free_memory: bool = True) -> None:
    """Let the names of layers and models begin anew: the next is ``dense`` again.

    Args:
        free_memory: without effect: a model that nobody holds is freed at once.
    """
    _names.forget_names()


def plot_model(
    model: Any,
    to_file: str | PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    dpi: int = 200,
) -> Diagram:
    """Draw a model's graph into a file, see :meth:`unitgain.Model.plot`.

    Args:
        model: the model, built.
        to_file: the file; None: none.
        show_shapes: whether the shapes that leave the layers are written.
        show_dtype: whether their dtype is written.
        show_layer_names: whether the layers' names are written, and not their classes alone.
        rankdir: ``"TB"``: downwards, ``"LR"``: from left to right.
        dpi: dots an inch.

    Returns:
        The drawing, which a notebook shows.

    Raises:
        ValueError: if ``rankdir`` is neither, the model is not built, or the format is unknown.
    """
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"rankdir is {rankdir!r}, expected 'TB' or 'LR'")
    made: Diagram = model.plot(
        to_file,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        horizontal=rankdir == "LR",
        dpi=dpi,
    )
    return made


def set_random_seed(seed: SupportsIndex) -> None:
    """Set the process-wide seed, as :func:`unitgain.random.seed` does.

    NumPy's and Python's own generators stay as they are: nothing here draws from them.

    Raises:
        TypeError: if ``seed`` is not an integer.
        ValueError: if it is not in [0, 2**64).
    """
    random.seed(seed)
