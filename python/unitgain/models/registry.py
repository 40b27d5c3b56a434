"""Models from configurations and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from unitgain import _names
from unitgain._configurable import custom_classes, serialize
from unitgain.layers.registry import known_classes
from unitgain.models.model import Model

__all__ = ["clone_model", "load_model", "model_from", "model_from_json", "save_model"]


def model_from(config: Mapping[str, Any]) -> Model:
    """Return the model of a class's name and configuration, without its weights' values.

    Raises:
        ValueError: if it describes none.
    """
    table: Any = known_classes(Model)
    return _names.resolve("model", config, table, Model)


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


def save_model(
    model: Model,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    *,
    weights_dtype: str | None = None,
) -> None:
    """Write a model to a file: :meth:`Model.save <unitgain.Model.save>` as a function."""
    model.save(filepath, overwrite, weights_dtype=weights_dtype)


def load_model(
    filepath: str | PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
) -> Model:
    """Return the model in a file: :meth:`Model.load <unitgain.Model.load>` as a function."""
    return Model.load(filepath, custom_objects, compile)
