"""Memory kept between calls for large results.

An array of 256 KiB or more that unitgain returns gives its memory back when it is deleted, and the
next result of nearly that size takes it: fresh memory from the system costs several times what the
arithmetic on it does. What is kept is bounded, 256 MiB unless set otherwise; what was released
longest ago goes back to the system first. Safe to use from any thread.
"""

from __future__ import annotations

import operator
from typing import SupportsIndex

from unitgain import _native

__all__ = ["cache_limit", "cache_memory", "clear_cache", "set_cache_limit"]


def cache_memory() -> int:
    """Return how many bytes are kept now for the next large results."""
    return _native.cache_memory()


def cache_limit() -> int:
    """Return the most bytes that are kept."""
    return _native.cache_limit()


def set_cache_limit(limit: SupportsIndex) -> int:
    """Set the most bytes that are kept, for the whole process; return what it was.

    Args:
        limit: in bytes; 0 keeps nothing. What is kept beyond it returns to the system at once.

    Raises:
        ValueError: if ``limit`` is negative.

    >>> import unitgain as ug
    >>> before = ug.set_cache_limit(0)
    >>> ug.cache_memory()
    0
    >>> ug.set_cache_limit(before)
    0
    """
    new = operator.index(limit)
    if new < 0:
        raise ValueError(f"limit must be at least 0, but it is {new}")
    before = _native.cache_limit()
    _native.set_cache_limit(new)
    return before


def clear_cache() -> None:
    """Return all memory that is kept to the system."""
    _native.clear_cache()
