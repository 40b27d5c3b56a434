"""Layers by their class's name, as configurations have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unitgain import _names
from unitgain._config import serialize
from unitgain.layers.base import Layer

__all__ = ["deserialize", "serialize"]


def known_layers() -> dict[str, type[Layer]]:
    """Return every layer of :mod:`unitgain.layers` by its class's name."""
    from unitgain import layers

    classes = (getattr(layers, name) for name in layers.__all__)
    return {c.__name__: c for c in classes if isinstance(c, type) and issubclass(c, Layer)}


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
    with _names.custom_objects(custom_objects):
        return _names.resolve("layer", config, known_layers(), Layer)
