"""Looking things up by name: string aliases, unknown names, and fresh names for layers."""

from __future__ import annotations

import difflib
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

_counts: Counter[str] = Counter()
_lock = threading.Lock()


def snake_case(name: str) -> str:
    """Return ``BatchNormalization`` as ``batch_normalization``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def unique_name(prefix: str) -> str:
    """Return ``prefix``, then ``prefix_1``, ``prefix_2`` ... as long as the process lives."""
    with _lock:
        count = _counts[prefix]
        _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def unknown(argument: str, name: object, known: Mapping[str, object]) -> str:
    """Return the message for a name that is not in the table, with the nearest that is."""
    message = f"{argument} is {name!r}, expected one of {', '.join(sorted(known))}"
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"{message}; did you mean {near[0]!r}?" if near else message


def resolve(argument: str, value: object, table: Mapping[str, Callable[[], T]], kind: type[T]) -> T:
    """Return ``value`` if it is a ``kind``, or what the table makes for its name.

    Raises:
        ValueError: if the name is not in the table.
        TypeError: if ``value`` is neither a name nor a ``kind``.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        if value not in table:
            raise ValueError(unknown(argument, value, table))
        return table[value]()
    if isinstance(value, type) and issubclass(value, kind):
        raise TypeError(f"{argument} is the class {value.__name__}; make one: {value.__name__}()")
    raise TypeError(
        f"{argument} is of type {type(value).__name__}, expected a name or a {kind.__name__}"
    )
