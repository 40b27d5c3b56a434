"""Configurations: what objects were made with, as JSON holds it, and objects made of that."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from unitgain import _names

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Configurable", "checked_config", "custom_classes", "serialize"]

_MISSING = object()
_found: ContextVar[dict[str, Any] | None] = ContextVar("unitgain_custom_classes", default=None)


class Configurable:
    """An object made by its arguments alone, each kept in an attribute of the same name."""

    @classmethod
    def _argument_names(cls) -> tuple[str, ...]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return tuple(p.name for p in parameters if p.kind not in variadic)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an object like this, as values that JSON can hold.

        Raises:
            NotImplementedError: if an argument is not kept in an attribute of its name.
        """
        names = self._argument_names()
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise NotImplementedError(
                f"{type(self).__name__} keeps no attribute for its argument {missing[0]!r}: "
                "set it, or override get_config"
            )
        return {name: serialize(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an object of what :meth:`get_config` returned.

        Raises:
            ValueError: if the configuration has a name that is no argument, or a wrong value.
        """
        return cls(**checked_config(cls, config, cls._argument_names()))

    def __repr__(self) -> str:
        given = [(name, self._argument(name)) for name in self._argument_names()]
        shown = [
            f"{name}={_short(value)}"
            for name, value in given
            if value is not _MISSING and not self._is_default(name, value)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _argument(self, name: str) -> Any:
        return getattr(self, name, _MISSING)

    def _is_default(self, name: str, value: Any) -> bool:
        """Return whether an argument is what it would be if it were not given."""
        for cls in type(self).__mro__:
            parameter = inspect.signature(cls.__init__).parameters.get(name)  # type: ignore[misc]
            if parameter is not None:
                default = parameter.default
                return default is not parameter.empty and _is_same(value, default)
        return value is None


def _is_same(value: Any, default: Any) -> bool:
    """Return whether an attribute is what a default makes: itself, or the object of that name."""
    if value is default:
        return True
    if isinstance(value, Configurable) and isinstance(default, str):
        name = type(value).__name__.lower()
        return repr(value).endswith("()") and name == default.replace("_", "").lower()
    return bool(np.array_equal(value, default))


def _short(value: Any) -> str:
    return f"<array of shape {value.shape}>" if isinstance(value, np.ndarray) else repr(value)


def checked_config(
    owner: type, config: Mapping[str, Any], names: tuple[str, ...]
) -> dict[str, Any]:
    """Return a configuration as a dict.

    Raises:
        ValueError: if it has a name that is not among ``names``.
    """
    for name in config:
        if name not in names:
            table = dict.fromkeys(names)
            raise ValueError(_names.unknown(f"an argument of {owner.__name__}", name, table))
    return dict(config)


def serialize(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: objects as their class's name and configuration.

    Raises:
        TypeError: if there is no such form of it.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [serialize(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): serialize(item) for key, item in value.items()}
    if hasattr(value, "get_config"):
        name = getattr(value, "saved_as", None)
        if name is None:
            name = type(value).__name__
            _note(type(value))
        return {"class_name": name, "config": value.get_config()}
    if callable(value) and hasattr(value, "__name__"):
        _note(value)
        return value.__name__
    raise TypeError(f"a {type(value).__name__} has no configuration: give its class a get_config")


@contextmanager
def custom_classes() -> Iterator[dict[str, Any]]:
    """Collect, by name, the classes and functions serialized in this block that are a user's."""
    found: dict[str, Any] = {}
    token = _found.set(found)
    try:
        yield found
    finally:
        _found.reset(token)


def _note(thing: Any) -> None:
    found = _found.get()
    if found is not None and not thing.__module__.startswith("unitgain."):
        found[thing.__name__] = thing
