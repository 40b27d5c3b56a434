"""Layers, and models used as such, by their class's name, as configurations have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unitgain import _names
from unitgain._configurable import serialize
from unitgain.graph.operation import Operation
from unitgain.layers.base import Layer

__all__ = ["deserialize", "operation_from", "register", "serialize"]

_CLASSES: dict[str, type[Operation]] = {}


def register(classes: Mapping[str, type[Operation]]) -> None:
    """Let configurations name these classes: for the packages that define them."""
    _CLASSES.update(classes)


def known_classes(kind: type[Operation]) -> dict[str, type[Operation]]:
    """Return the registered subclasses of ``kind`` by name."""
    return {name: known for name, known in _CLASSES.items() if issubclass(known, kind)}


def operation_from(config: Mapping[str, Any]) -> Operation:
    """Return the layer, or the model used as one, of a class's name and configuration.

    Raises:
        ValueError: if it describes none.
    """
    return _names.resolve("layer", config, _CLASSES, Operation)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Layer:
    """Return a layer like the one that :func:`serialize` described; without its weights.

    Args:
        config: a mapping with a ``class_name`` and a ``config``.
        custom_objects: classes of one's own by name.

    Raises:
        ValueError: if it describes none.

    >>> import unitgain as ug
    >>> config = ug.layers.serialize(ug.layers.Dropout(0.5, name="drop"))
    >>> ug.layers.deserialize(config).get_config() == config["config"]
    True
    """
    table: Any = known_classes(Layer)
    with _names.custom_objects(custom_objects):
        return _names.resolve("layer", config, table, Layer)
