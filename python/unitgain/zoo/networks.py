"""The networks: those that are shipped, and those of a user's own with a card."""

from __future__ import annotations

import builtins
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unitgain import _names, _native
from unitgain.models import Model, load_model
from unitgain.zoo import cards
from unitgain.zoo.cards import Card

__all__ = ["card", "list", "load", "save"]

Path_ = str | os.PathLike[str]

_FOLDER = Path(__file__).parent
_SUFFIX = ".safetensors"


def list() -> builtins.list[str]:
    """Return the names of the networks that come with unitgain.

    >>> import unitgain as ug
    >>> "digits_mlp" in ug.zoo.list()
    True
    """
    return sorted(path.stem for path in _FOLDER.glob("*" + _SUFFIX))


def load(name: Path_, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return a trained network, compiled with its loss and metrics.

    It takes features as the data set has them: what scales them is its first layer.

    Args:
        name: one of :func:`list`; or a file that :func:`save` wrote, or the folder of one.
        custom_objects: classes and functions of one's own by the names that the file has.

    Raises:
        ValueError: if there is no such network, it has no card, or file and card do not belong
            together.
        OSError: if a file cannot be read.

    >>> import unitgain as ug
    >>> model = ug.zoo.load("digits_mlp")
    >>> _, (x, y) = ug.datasets.load_digits()
    >>> model(x[:8]).argmax(axis=1)
    array([0, 4, 8, 2, 6, 0, 4, 8])
    """
    path = _path(name)
    cards.read(path)
    return load_model(path, custom_objects)


def card(name: Path_) -> Card:
    """Return the card of a network.

    Args:
        name: as for :func:`load`.

    Raises:
        ValueError: as :func:`load` does.
        OSError: if a file cannot be read.

    >>> import unitgain as ug
    >>> print(ug.zoo.card("wine_mlp").task)
    Tells which of three cultivars a wine was made of, by its chemical analysis.
    """
    return cards.read(_path(name))


def save(model: Model, filepath: Path_, card: Card, overwrite: bool = True) -> Card:
    """Write a model and its card, for :func:`load`.

    The card is a file of the same name that ends in ``.json``. Layers, number of weights,
    instruction set and version are filled in where the card leaves them open.

    Args:
        model: a model with weights.
        filepath: a name that ends in ``.safetensors``.
        card: what is known of it.
        overwrite: whether a file may be replaced.

    Returns:
        The card as it was written.

    Raises:
        ValueError: as :meth:`unitgain.Model.save` does.
        FileExistsError: if there is a file, and ``overwrite`` is False.
    """
    path = Path(filepath)
    model.save(path, overwrite)
    written = dataclasses.replace(
        card,
        architecture=card.architecture or _layers(model),
        parameters=model.count_params(),
        instruction_set=card.instruction_set or _native.active_variant(),
        version=_native.__version__,
        sha256=cards.digest(path),
    )
    cards.write(path, written)
    return written


def _layers(model: Model) -> str:
    """Return the layers in a line, with the shapes that leave them."""
    parts = []
    for layer in model.layers:
        if isinstance(layer, Model):
            parts.append(f"{layer.name} ({_layers(layer)})")
            continue
        activation = layer.get_config().get("activation")
        kind = type(layer).__name__
        about = [str(layer.units)] if hasattr(layer, "units") else []
        about += [activation] if isinstance(activation, str) and activation != "linear" else []
        parts.append(f"{kind}({', '.join(about)})" if about else kind)
    return ", ".join(parts)


def _path(name: Path_) -> Path:
    text = os.fspath(name)
    if text in list():
        return _FOLDER / (text + _SUFFIX)
    path = Path(text)
    if path.is_dir():
        found = sorted(path.glob("*" + _SUFFIX))
        if len(found) != 1:
            raise ValueError(f"{path} holds {len(found)} files in {_SUFFIX}, expected one")
        return found[0]
    if path.exists() or path.suffix == _SUFFIX or len(path.parts) > 1:
        return path
    known = dict.fromkeys(list())
    raise ValueError(_names.unknown("name", text, known) + "; or the path of a file with a card")
