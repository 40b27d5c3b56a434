"""Classes and functions of one's own by name, and any object as what JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from unitgain import (
    _names,
    activations,
    constraints,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
)
from unitgain._configurable import serialize
from unitgain.optimizers import schedules

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
    "serialize_keras_object",
]

T = TypeVar("T")

_MODULES: dict[str, ModuleType] = {
    "layers": layers,
    "models": models,
    "losses": losses,
    "metrics": metrics,
    "optimizers": optimizers,
    "optimizers.schedules": schedules,
    "regularizers": regularizers,
    "constraints": constraints,
    "initializers": initializers,
    "dtype_policies": dtype_policies,
    "activations": activations,
}

custom_object_scope = CustomObjectScope = _names.custom_objects


def get_custom_objects() -> dict[str, Any]:
    """Return the classes and functions that are registered for the whole process, by name.

    It is the table itself: what is added to it is known from then on.
    """
    return _names.registered


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """Return a decorator that lets files and configurations name a class or function of one's own.

    Without it :func:`load_model` is given ``custom_objects``.

    Args:
        package: what stands before the name, ``"package>name"``.
        name: by what it is known; None for its own.

    Raises:
        ValueError: if the class has no ``get_config``.

    >>> import unitgain as ug
    >>> @ug.saving.register_keras_serializable("mine")
    ... class Doubled(ug.regularizers.L2):
    ...     pass
    >>> ug.saving.get_registered_name(Doubled)
    'mine>Doubled'
    >>> ug.regularizers.get({"class_name": "Doubled", "config": {"l2": 0.5}})
    Doubled(l2=0.5)
    """

    def register(thing: T) -> T:
        given: Any = thing
        if isinstance(given, type) and not hasattr(given, "get_config"):
            raise ValueError(f"{given.__name__} has no get_config, by which it would be made again")
        full = f"{package}>{name or given.__name__}"
        _names.registered[full] = given
        _names.registered_names[given] = full
        return thing

    return register


def get_registered_name(obj: Any) -> str:
    """Return the name that a class or function is registered by; else its own."""
    return _names.registered_names.get(obj) or str(obj.__name__)


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Return the class or function of that name, or None.

    Args:
        name: as :func:`get_registered_name` gives it.
        custom_objects: more of them, which go first.
        module_objects: more of them, which go last.
    """
    with _names.custom_objects(custom_objects):
        found = _names.custom_object(name)
    return (module_objects or {}).get(name) if found is None else found


def serialize_keras_object(obj: Any) -> Any:
    """Return an object as JSON can hold it: its module, its class's name and its configuration.

    Args:
        obj: a layer, a model, a loss or another object with a ``get_config``; a function; numbers,
            texts and arrays, and lists and dicts of such.

    Raises:
        TypeError: if there is no such form of it.

    >>> import unitgain as ug
    >>> ug.saving.serialize_keras_object(ug.regularizers.L2(0.5))["module"]
    'unitgain.regularizers'
    """
    if isinstance(obj, (list, tuple)):
        return [serialize_keras_object(one) for one in obj]
    if isinstance(obj, Mapping):
        return {str(key): serialize_keras_object(one) for key, one in obj.items()}
    if isinstance(obj, np.ndarray) or not (hasattr(obj, "get_config") or callable(obj)):
        return serialize(obj)
    if not hasattr(obj, "get_config"):
        name = getattr(obj, "__name__", type(obj).__name__)
        return {"module": _module_of(obj), "class_name": "function", "config": name} | {
            "registered_name": get_registered_name(obj)
        }
    made: dict[str, Any] = serialize(obj)
    made["class_name"] = getattr(obj, "saved_as", None) or type(obj).__name__
    return made | {
        "module": _module_of(type(obj)),
        "registered_name": get_registered_name(type(obj)),
    }


def _module_of(thing: Any) -> str | None:
    """Return the public module of a class or function, None of one's own."""
    name = str(getattr(thing, "saved_as", None) or getattr(thing, "__name__", ""))
    for path, module in _MODULES.items():
        found = getattr(module, name, None)
        if found is thing:
            return f"unitgain.{path}"
    return None


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return the object that :func:`serialize_keras_object`, or Keras's, described.

    Args:
        config: what it returned.
        custom_objects: classes and functions of one's own by name.
        safe_mode: taken for the sake of code written for Keras: no code is read.

    Raises:
        ValueError: if it describes none that is known.
    """
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(one, custom_objects) for one in config]
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config:
        return {k: deserialize_keras_object(one, custom_objects) for k, one in config.items()}
    with _names.custom_objects(custom_objects):
        return _made(config)


def _made(config: Mapping[str, Any]) -> Any:
    name = config["class_name"]
    registered = config.get("registered_name")
    if name == "function":
        found = _names.custom_object(registered) or _names.custom_object(config["config"])
        return found or activations.get(config["config"])
    custom = _names.custom_object(registered) or _names.custom_object(name)
    if custom is not None:
        return custom.from_config(config.get("config", {}))
    module = str(config.get("module") or "").partition(".")[2]
    places = [_MODULES[module]] if module in _MODULES else list(_MODULES.values())
    for place in places:
        found = getattr(place, name, None)
        if isinstance(found, type) and hasattr(found, "from_config"):
            return found.from_config(config.get("config", {}))
    raise ValueError(
        f"there is no class {name!r}: give it among custom_objects, or register it by "
        "unitgain.saving.register_keras_serializable"
    )
