"""Sizes of axes that may depend on how many samples a batch has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["BATCH", "ONE", "Dims", "Size", "broadcast", "count", "shown", "text"]


class Size(NamedTuple):
    """``factor * batch ** power``."""

    factor: int
    power: int = 0

    def times(self, other: Size) -> Size:
        """Return the product."""
        factor = self.factor * other.factor
        return Size(factor, self.power + other.power if factor else 0)

    def over(self, other: Size) -> Size | None:
        """Return the quotient, None if it is no size."""
        if other.factor == 0 or self.factor % other.factor or self.power < other.power:
            return None
        return Size(self.factor // other.factor, self.power - other.power)

    def of(self, batch: int) -> int:
        """Return the size in a batch of so many samples."""
        return int(self.factor * batch**self.power)

    def __str__(self) -> str:
        return f"{self.factor} {self.power}"


Dims = tuple[Size, ...]
ONE = Size(1)
BATCH = Size(1, 1)


def count(dims: Iterable[Size]) -> Size:
    """Return the number of elements."""
    total = ONE
    for size in dims:
        total = total.times(size)
    return total


def shown(dims: Sequence[Size]) -> tuple[int | None, ...]:
    """Return a shape as users see it: None where it depends on the batch."""
    return tuple(None if size.power else size.factor for size in dims)


def text(dims: Sequence[Size]) -> str:
    """Return the shape for a message."""
    names = [
        str(size.factor) if not size.power else f"{size.factor} * batch".removeprefix("1 * ")
        for size in dims
    ]
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def broadcast(*shapes: Dims) -> Dims:
    """Return the shape that arrays of these come to together.

    Raises:
        ValueError: if they do not broadcast.
    """
    ndim = max(map(len, shapes), default=0)
    made: list[Size] = []
    for axis in range(-ndim, 0):
        sizes = {dims[axis] for dims in shapes if len(dims) >= -axis} - {ONE}
        if len(sizes) > 1:
            raise ValueError(
                f"arrays of shapes {', '.join(map(text, shapes))} do not go together: axis {axis} "
                f"has different sizes"
            )
        made.append(sizes.pop() if sizes else ONE)
    return tuple(made)


def fixed(shape: Sequence[int]) -> Dims:
    """Return an array's shape as sizes."""
    return tuple(Size(int(n)) for n in shape)


def elements(shape: Sequence[int]) -> int:
    """Return how many elements an array of a shape has."""
    return math.prod(shape)
