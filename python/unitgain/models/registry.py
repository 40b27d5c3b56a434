"""Models from configurations and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from unitgain import _names
from unitgain.models.cloning import model_from
from unitgain.models.model import Model

__all__ = ["load_model", "model_from_json", "save_model"]


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
