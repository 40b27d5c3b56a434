"""Weights of Keras 3 for models that are made alike: which array is whose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import initializers
from unitgain.formats import hdf5
from unitgain.graph.operation import Operation
from unitgain.graph.variables import Variable
from unitgain.layers.base import Layer
from unitgain.layers.low_rank import LowRank
from unitgain.layers.preprocessing import Normalization
from unitgain.layers.spectral_normalization import SpectralNormalization

__all__ = ["group_names", "matched", "places"]


def group_names(classes: Iterable[str]) -> list[str]:
    """Return the names of the groups of layers of these classes, in their order.

    They are the classes' names with underscores, and a number behind those that come again: names
    of layers are of no account. Source: what Keras 3 writes.

    >>> group_names(["Dense", "PReLU", "Dense"])
    ['dense', 'p_re_lu', 'dense_1']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in classes:
        snake = re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()
        found.append(f"{snake}_{seen[snake]}" if seen[snake] else snake)
        seen[snake] += 1
    return found


def places(model: Any, root: str = "") -> Iterator[tuple[Layer, str]]:
    """Yield each layer of a model, and of the models in it, with its group's path."""
    operations: list[Operation] = model.layers
    classes = [getattr(o, "saved_as", None) or type(o).__name__ for o in operations]
    for operation, name in zip(operations, group_names(classes), strict=True):
        path = f"{root}layers/{name}"
        if isinstance(operation, Layer):
            yield operation, path
        else:
            yield from places(operation, f"{path}/")


def matched(
    found: Iterable[tuple[Layer, str]], file: hdf5.Weights
) -> list[tuple[Variable, NDArray[Any]]]:
    """Return each weight of the layers with its array.

    Raises:
        ValueError: if a layer has another number of weights or another shape.
    """
    pairs: dict[int, tuple[Variable, NDArray[Any]]] = {}  # a layer may be in several models
    for layer, path in found:
        own = layer.weights
        if isinstance(layer, LowRank) and layer.lora_enabled:  # which Keras adds to the matrix
            a, b = layer._low_rank()
            own = [weight for weight in own if weight not in (a, b)]
            pairs[id(a)] = a, initializers.HeUniform()(a.shape, layer.dtype)
            pairs[id(b)] = b, np.zeros(b.shape, layer.dtype)
        if isinstance(layer, SpectralNormalization):
            own = [layer.vector_u]
            pairs |= {id(v): (v, a) for v, a in matched([(layer.layer, f"{path}/layer")], file)}
        if not own or id(own[0]) in pairs:
            continue
        arrays = file.arrays(path)
        if isinstance(layer, Normalization):
            if not layer.is_adaptable and not arrays:  # its moments are in its configuration
                continue
            if layer.invert:
                raise ValueError(f"{layer.name} inverts, and has other weights than Keras's layer")
            arrays = arrays[:2]  # behind them is the count of what they were taken from
        if len(arrays) != len(own):
            raise ValueError(
                f"{layer.name} has {len(own)} weights, but there are {len(arrays)} at {path!r}"
            )
        for variable, array in zip(own, arrays, strict=True):
            if array.size == variable.array.size and isinstance(layer, Normalization):
                array = array.reshape(variable.shape)
            if array.shape != variable.shape:
                raise ValueError(
                    f"{path!r} has an array of shape {array.shape} for {variable.name}, which has "
                    f"{variable.shape}"
                )
            pairs[id(variable)] = variable, array
    return list(pairs.values())
