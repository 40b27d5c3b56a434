"""Models by their class's name, as configurations have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from unitgain import _names
from unitgain._config import custom_classes, serialize
from unitgain.layers.base import Layer
from unitgain.layers.registry import deserialize
from unitgain.models.base import Model

__all__ = ["clone_model", "layer_from", "model_from", "model_from_json"]


def _classes() -> dict[str, type[Model]]:
    from unitgain.models.functional import Functional
    from unitgain.models.sequential import Sequential

    return {"Sequential": Sequential, "Functional": Functional}


def layer_from(config: Mapping[str, Any]) -> Layer | Model:
    """Return the layer, or the model used as one, of a class's name and configuration.

    Raises:
        ValueError: if it describes none.
    """
    if isinstance(config, Mapping) and config.get("class_name") in _classes():
        return model_from(config)
    return deserialize(config)


def model_from(config: Mapping[str, Any]) -> Model:
    """Return the model of a class's name and configuration, without its weights' values.

    Raises:
        ValueError: if it describes none.
    """
    return _names.resolve("model", config, _classes(), Model)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return the model that ``to_json`` described; its weights are initialized anew.

    Args:
        json_string: what :meth:`Model.to_json` returned.
        custom_objects: classes of one's own by name.

    Raises:
        ValueError: if it describes none.
    """
    config = json.loads(json_string)
    if not isinstance(config, Mapping):
        raise ValueError(f"json_string holds a {type(config).__name__}, expected a model's class")
    with _names.custom_objects(custom_objects):
        return model_from(config)


def clone_model(model: Model) -> Model:
    """Return a model of the same configuration, whose weights are initialized anew."""
    with custom_classes() as classes:
        config = serialize(model)
    with _names.custom_objects(classes):
        return model_from(config)
