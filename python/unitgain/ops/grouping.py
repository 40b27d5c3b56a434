"""Which values of a trace are computed together, block by block, and in what order.

Functions of single elements, and sums and extremes along rows, go into groups: a group has rows and
columns, and computes its values for some rows after the others, which stay in the core's cache. A
sum over the rows is known when its group has ended. Everything else is a step by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unitgain.ops.derivatives import in_order
from unitgain.ops.primitives import BINARY, UNARY
from unitgain.ops.sizes import ONE, Dims, Size, count
from unitgain.ops.tracing import Traced

__all__ = ["Group", "Item", "Pattern", "arrange", "pattern", "root"]

LEAVES = frozenset(("input", "constant", "count"))


@dataclass(frozen=True)
class Pattern:
    """How an operand lies in rows x columns: ``full``, a ``row``, a ``column`` or ``single``."""

    level: str
    rows: Size = ONE
    columns: Size = ONE


def root(value: Traced) -> Traced:
    """Return the value whose elements these are: a reshape's are its input's."""
    while value.name == "reshape":
        value = value.inputs[0]
    return value


def peeled(value: Traced) -> Traced:
    """Return what is repeated to make a value."""
    while value.name == "broadcast":
        value = value.inputs[0]
    return value


def pattern(dims: Dims, whole: Dims) -> Pattern | None:
    """Return how an operand of a shape lies in that which it is broadcast to, None if otherwise."""
    padded = (ONE,) * (len(whole) - len(dims)) + dims
    flags = [(own == n, n) for own, n in zip(padded, whole, strict=True) if n != ONE]
    if all(fits for fits, _ in flags):
        return Pattern("full")
    if not any(fits for fits, _ in flags):
        return Pattern("single")
    first = flags[0][0]
    edge = next(i for i, (fits, _) in enumerate(flags) if fits != first)
    if any(fits == first for fits, _ in flags[edge:]):
        return None
    rows, columns = count(n for _, n in flags[:edge]), count(n for _, n in flags[edge:])
    return Pattern("row" if first else "column", rows, columns)


@dataclass
class Item:
    """A value that a group computes.

    Attributes:
        value: the value.
        operands: what it is made of, with how each lies in the group.
        size: the number of elements that it goes through.
        split: these as rows and columns, where that matters.
        kind: of a reduction ``row``, ``column`` or ``total``.
        level: ``full`` or ``row`` in the group.
    """

    value: Traced
    operands: list[tuple[Traced, Pattern]]
    size: Size
    split: tuple[Size, Size] | None = None
    kind: str = ""
    level: str = "full"

    @property
    def is_late(self) -> bool:
        """Whether it is known when the group has ended."""
        return self.value.name == "sum" and self.kind != "row"

    @property
    def is_shown_late(self) -> bool:
        """Whether other items of the group cannot read it: it is late, or one number."""
        return self.is_late or (self.kind == "row" and count(self.value.dims) == ONE)


@dataclass
class Group:
    """Values that are computed together.

    Attributes:
        size: the number of elements of those at the level ``full``.
        split: these as rows and columns, once something needs to know.
        items: the values, in order.
    """

    size: Size
    split: tuple[Size, Size] | None = None
    items: list[Item] = field(default_factory=list)

    @property
    def rows(self) -> Size:
        """The number of rows."""
        return self.split[0] if self.split else self.size

    @property
    def columns(self) -> Size:
        """The number of columns."""
        return self.split[1] if self.split else ONE

    def takes(self, item: Item) -> bool:
        """Take an item in, if it goes with the others; return whether it does."""
        if item.size == self.size:
            if item.split and self.split and item.split != self.split:
                return False
            self.split = self.split or item.split
            item.level = "full"
        elif item.size == ONE:
            return False
        elif self.split and item.size == self.rows and not item.split:
            item.level = "row"
        elif not self.split and item.split and item.split[0] == self.size != ONE:
            for other in self.items:
                other.level = "row"
            self.size, self.split = item.size, item.split
            item.level = "full"
        else:
            return False
        self.items.append(item)
        return True


def item_of(value: Traced) -> Item | None:
    """Return how a group computes a value; None if it is a step by itself."""
    name = value.name
    if name in UNARY or name in BINARY or name in ("where", "broadcast"):
        return _element_wise(value)
    if name not in ("sum", "max", "min", "argmax"):
        return None
    (x,) = value.inputs
    axes = (value.attributes["axis"],) if name == "argmax" else value.attributes["axes"]
    size = count(x.dims)
    kept = count(n for i, n in enumerate(x.dims) if i not in axes)
    reduced = count(n for i, n in enumerate(x.dims) if i in axes)
    operands = [(x, Pattern("full"))]
    if name == "sum" and len(axes) == x.ndim:
        return Item(value, operands, size, kind="total")
    if x.ndim - 1 in axes:
        return Item(value, operands, size, (kept, reduced), kind="row")
    return Item(value, operands, size, (reduced, kept), kind="column")


def _element_wise(value: Traced) -> Item:
    operands: list[tuple[Traced, Pattern]] = []
    split: tuple[Size, Size] | None = None
    for given in value.inputs:
        operand = peeled(given)
        found = pattern(operand.dims, value.dims)
        if found is not None and found.level in ("row", "column"):
            own = (found.rows, found.columns)
            if split is not None and own != split:
                found = None
            else:
                split = own
        if found is None:  # repeated before, by a step of its own
            operand, found = given, Pattern("full")
            if given.dims != value.dims:
                operand = given.trace.value("spread", (given,), {}, value.dims, given.kind)
        operands.append((operand, found))
    return Item(value, operands, count(value.dims), split)


Step = Group | Traced


def arrange(outputs: Sequence[Traced], leaves: Sequence[Traced] = ()) -> list[Step]:
    """Return the steps that compute values: groups, and values that are a step by themselves.

    Args:
        outputs: values.
        leaves: values that are there already.
    """
    steps: list[Step] = []
    given = {id(leaf) for leaf in leaves}
    # From which step on a value is known to others: in its own group at once.
    known: dict[int, int] = {}

    def ready(operands: Sequence[Traced]) -> int:
        return max((known.get(id(root(one)), 0) for one in operands), default=0)

    def place(value: Traced) -> None:
        if id(value) in known or id(value) in given:
            return
        if value.name in LEAVES or value.name == "reshape":
            return
        item = None if _is_wide(value) else item_of(value)
        if item is None:
            steps.append(value)
            known[id(value)] = len(steps)
            return
        for operand, _ in item.operands:
            if operand.name == "spread":
                place(operand)
        first = ready([operand for operand, _ in item.operands])
        at = next(
            (
                i
                for i, step in enumerate(steps)
                if i >= first and isinstance(step, Group) and step.takes(item)
            ),
            None,
        )
        if at is None:
            at = len(steps)
            group = Group(item.size)
            group.takes(item)
            steps.append(group)
        known[id(value)] = at + 1 if item.is_shown_late else at

    order = in_order(outputs, leaves)
    read = _read_whole(order, outputs)
    for value in order:
        if value.name != "broadcast" or id(value) in read:
            place(value)
    return steps


def _is_wide(value: Traced) -> bool:
    """Return whether a value is repeated in a way that no group has."""
    if value.name != "broadcast":
        return False
    return pattern(peeled(value).dims, value.dims) is None


def _read_whole(order: Sequence[Traced], outputs: Sequence[Traced]) -> set[int]:
    """Return the repeated values that something needs with all of their elements."""
    found = {id(root(one)) for one in outputs}
    for reader in order:
        if reader.name in UNARY or reader.name in BINARY or reader.name == "where":
            for operand, _ in _element_wise(reader).operands:
                found.add(id(operand))
                if operand.name == "spread":
                    found.update(id(one) for one in operand.inputs)
        elif reader.name != "broadcast":
            found.update(id(one) for one in reader.inputs)
    return found
