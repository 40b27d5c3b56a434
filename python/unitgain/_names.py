"""Looking things up by name: string aliases, unknown names, and fresh names for layers."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from unitgain import _fork

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_counts: Counter[str] = Counter()
_lock = _fork.Lock()
# Classes and functions of users' that are known in the whole process, by name, and their names.
registered: dict[str, Any] = {}
registered_names: dict[Any, str] = {}
_custom: ContextVar[Mapping[str, Any]] = ContextVar("unitgain_custom_objects", default={})  # noqa: B039


def snake_case(name: str) -> str:
    """Return ``BatchNormalization`` as ``batch_normalization``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def unique_name(prefix: str) -> str:
    """Return ``prefix``, then ``prefix_1``, ``prefix_2`` ... as long as the process lives."""
    with _lock.current:
        count = _counts[prefix]
        _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def disambiguated(names: Sequence[str]) -> list[str]:
    """Return the names, those that come again with ``:1``, ``:2`` ... behind them."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        result.append(numbered(name, seen[name]))
        seen[name] += 1
    return result


def numbered(name: str, occurrence: int) -> str:
    """Return what :func:`disambiguated` makes of a name that has come ``occurrence`` times."""
    return f"{name}:{occurrence}" if occurrence else name


def forget_names() -> None:
    """Let :func:`unique_name` begin anew."""
    with _lock.current:
        _counts.clear()


def unknown(argument: str, name: object, known: Mapping[str, object]) -> str:
    """Return the message for a name that is not in the table, with the nearest that is."""
    message = f"{argument} is {name!r}, expected one of {', '.join(sorted(known))}"
    # Of names that differ in case alone, the one in lower case.
    by_letters = {key.lower(): key for key in sorted(known)}
    near = difflib.get_close_matches(str(name).lower(), list(by_letters), n=1)
    return f"{message}; did you mean {by_letters[near[0]]!r}?" if near else message


def classes_of(
    module: Mapping[str, Any], public: Sequence[str], base: type[T]
) -> dict[str, type[T]]:
    """Return those of a module's public names that are classes derived from ``base``."""
    found = {name: module.get(name) for name in public}
    return {
        name: c
        for name, c in found.items()
        if isinstance(c, type) and issubclass(c, base) and c is not base
    }


def table_of(
    module: Mapping[str, Any], public: Sequence[str], base: type[T], aliases: Mapping[str, str]
) -> dict[str, type[T]]:
    """Return a module's public classes by their names: ``MeanSquaredError`` and those it goes by.

    Args:
        module: the module's names.
        public: those that are public.
        base: what the classes are; itself, it is left out.
        aliases: short names, which go in capital letters too, of names in small letters.
    """
    classes = classes_of(module, public, base)
    table = {snake_case(name): found for name, found in classes.items()} | classes
    for alias, name in aliases.items():
        table[alias] = table[alias.upper()] = table[name]
    return table


@contextmanager
def custom_objects(objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Let these names mean these classes and functions in this block, beside those known."""
    token = _custom.set({**_custom.get(), **(objects or {})})
    try:
        yield
    finally:
        _custom.reset(token)


given_objects = custom_objects  # where a parameter has its name


def custom_object(name: object) -> Any:
    """Return what :func:`custom_objects`, or a registration, made of a name, or None."""
    if not isinstance(name, str):
        return None
    found = _custom.get().get(name)
    if found is None:
        found = registered.get(name)
    if found is None and registered:
        ending = f">{name}"
        found = next((thing for full, thing in registered.items() if full.endswith(ending)), None)
    return found


def custom_function(name: object, owner: str) -> Callable[..., Any]:
    """Return a function, or what :func:`custom_objects` made of its name.

    Args:
        name: the function, or its name.
        owner: what has the function, for the message.

    Raises:
        ValueError: if there is none of the name.
    """
    if callable(name):
        return name
    found: Callable[..., Any] | None = custom_object(name)
    if found is None:
        raise ValueError(
            f"{owner} the function {name!r}, which is not known: give it as "
            f"custom_objects={{{name!r}: function}}"
        )
    return found


def resolve(
    argument: str,
    value: object,
    table: Mapping[str, Callable[[], T]],
    kind: type[T],
    key: Callable[[str], str] = str,
) -> T:
    """Return ``value`` if it is a ``kind``, or what its name or configuration makes.

    Args:
        argument: what messages call the value.
        value: a ``kind``, a name, or a mapping ``{"class_name": ..., "config": ...}``.
        table: classes, or functions that make a ``kind``, by name.
        kind: the base class.
        key: makes a name that is not in the table one that may be.

    Raises:
        ValueError: if the name is not in the table, or the configuration makes no such object.
        TypeError: if ``value`` is neither a name nor a ``kind``.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        return _maker(argument, value, table, kind, key)()
    if isinstance(value, Mapping):
        name, config = class_and_config(argument, value)
        maker: Any = _maker(argument, name, table, kind, key)
        if not hasattr(maker, "from_config"):
            raise ValueError(unknown(argument, name, table))
        made = maker.from_config(config)
        if not isinstance(made, kind):
            raise ValueError(f"{argument} is {name!r}, which makes no {kind.__name__}")
        return made
    if isinstance(value, type) and issubclass(value, kind):
        raise TypeError(f"{argument} is the class {value.__name__}; make one: {value.__name__}()")
    raise TypeError(
        f"{argument} is of type {type(value).__name__}, expected a name or a {kind.__name__}"
    )


class Deserializer(Protocol[T_co]):
    """Makes what a configuration describes, with classes of one's own by name."""

    def __call__(
        self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> T_co: ...


def deserializer(what: str, get: Callable[[Any], T]) -> Deserializer[T]:
    """Return the function ``deserialize`` of a module.

    Args:
        what: what it makes, in the words of its documentation.
        get: makes it from a configuration.
    """

    def deserialize(
        config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> T:
        with given_objects(custom_objects):
            return get(config)

    deserialize.__doc__ = f"""Return the {what} that :func:`serialize` described.

    Args:
        config: a mapping with a ``class_name`` and a ``config``.
        custom_objects: classes and functions of one's own by name.

    Raises:
        ValueError: if it describes none.
    """
    deserialize.__module__ = get.__module__
    deserialize.__qualname__ = "deserialize"
    return deserialize


def _maker(
    argument: str,
    name: str,
    table: Mapping[str, Callable[[], T]],
    kind: type[T],
    key: Callable[[str], str],
) -> Callable[[], T]:
    custom = custom_object(name)
    if isinstance(custom, kind):
        return lambda: custom
    if isinstance(custom, type) and issubclass(custom, kind):
        return custom
    found = table.get(name, table.get(key(name)))
    if found is None:
        raise ValueError(unknown(argument, name, table))
    return found


def class_and_config(argument: str, value: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a configuration's class name and arguments.

    Raises:
        ValueError: if it has none.
    """
    name, config = value.get("class_name"), value.get("config", {})
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise ValueError(
            f"{argument} is a {type(value).__name__}, expected one with a class_name and a config"
        )
    return name, dict(config)
