"""Traced values as a program for native code: ``cpp/src/ops/expression_program.hpp``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unitgain.ops.grouping import LEAVES, Group, Item, Pattern, arrange, root
from unitgain.ops.sizes import ONE, Dims, Size, count
from unitgain.ops.tracing import Traced

__all__ = ["program"]

_ZERO = Size(0)


def program(inputs: Sequence[Traced], outputs: Sequence[Traced]) -> str:
    """Return the program that computes outputs of inputs.

    Args:
        inputs: places of the trace, and values that are there already, in the order in which their
            arrays will be given.
        outputs: values.
    """
    return _Program(inputs, outputs).text()


def _strides(dims: Dims) -> list[Size]:
    """Return how far apart in memory the elements along each axis are."""
    made, step = [], ONE
    for size in reversed(dims):
        made.append(step)
        step = step.times(size)
    return made[::-1]


class _Program:
    """Buffers and steps; a buffer is known by its value, or is a copy of one for an output."""

    def __init__(self, inputs: Sequence[Traced], outputs: Sequence[Traced]) -> None:
        self.inputs = list(inputs)
        self.outputs = [root(value) for value in outputs]
        self.steps = arrange(outputs, inputs)
        # Names of buffers: ("input", 0), ("output", 1), ("scratch", 2) ...
        self.places: dict[int, tuple[str, int]] = {
            id(value): ("input", i) for i, value in enumerate(self.inputs)
        }
        self.scratch: list[Size] = []
        self.constants: list[np.ndarray] = []
        self.counts: list[Traced] = []
        self.lines: list[list[object]] = []
        self.copies: list[tuple[Traced, int]] = []
        for i, value in enumerate(self.outputs):
            if id(value) in self.places or value.name in LEAVES:
                self.copies.append((value, i))
            else:
                self.places[id(value)] = ("output", i)
        self._lower()

    # ---- buffers ----

    def buffer(self, value: Traced) -> tuple[str, int]:
        """Return where a value lies, which is made by a step or comes from outside."""
        value = root(value)
        place = self.places.get(id(value))
        if place is None:
            if value.name == "constant":
                self.constants.append(value.attributes["values"])
                place = ("constant", len(self.constants) - 1)
            elif value.name == "count":
                self.counts.append(value)
                place = ("count", len(self.counts) - 1)
            else:
                place = self._fresh(value)
            self.places[id(value)] = place
        return place

    def _fresh(self, value: Traced) -> tuple[str, int]:
        size = count(value.dims)
        free = self.free.get(size)
        if free:
            return ("scratch", free.pop())
        self.scratch.append(size)
        return ("scratch", len(self.scratch) - 1)

    # ---- steps ----

    def _lower(self) -> None:
        self.free: dict[Size, list[int]] = {}
        self.readers = self._readers()
        last = self._last_readers()
        for number, step in enumerate(self.steps):
            if isinstance(step, Group):
                _GroupText(self, step, self._kept(number, step)).write()
            else:
                self._lower_alone(step)
            for value in last.get(number, ()):
                kind, place = self.places.get(id(value), ("register", 0))
                if kind == "scratch":
                    self.free.setdefault(count(value.dims), []).append(place)
        for value, i in self.copies:
            self.copy(self.buffer(value), ("output", i), (count(value.dims),), [ONE], [ONE])

    def _readers(self) -> dict[int, list[int]]:
        """Return the numbers of the steps that read each value."""
        readers: dict[int, list[int]] = {}
        for number, step in enumerate(self.steps):
            if isinstance(step, Group):
                given = [operand for item in step.items for operand, _ in item.operands]
            else:
                given = list(step.inputs)
            for one in given:
                readers.setdefault(id(root(one)), []).append(number)
        return readers

    def _kept(self, number: int, group: Group) -> set[int]:
        """Return the values of a group that are needed after it."""
        outputs = {id(value) for value in self.outputs}
        return {
            id(item.value)
            for item in group.items
            if id(item.value) in outputs
            or item.is_shown_late
            or any(reader != number for reader in self.readers.get(id(item.value), ()))
        }

    def _last_readers(self) -> dict[int, list[Traced]]:
        """Return, by the number of a step, the values that nothing reads behind it."""
        made: dict[int, Traced] = {}
        for step in self.steps:
            values = [item.value for item in step.items] if isinstance(step, Group) else [step]
            made |= {id(value): value for value in values}
        last: dict[int, list[Traced]] = {}
        for key, value in made.items():
            if key in self.readers:
                last.setdefault(max(self.readers[key]), []).append(value)
        return last

    def line(self, *words: object) -> None:
        """Add a step."""
        self.lines.append(list(words))

    def copy(
        self,
        source: tuple[str, int],
        target: tuple[str, int],
        sizes: Sequence[Size],
        from_strides: Sequence[Size],
        to_strides: Sequence[Size],
        from_offset: Size = _ZERO,
        to_offset: Size = _ZERO,
    ) -> None:
        """Add a copy of elements between two arrays."""
        words: list[object] = ["copy", source, target, from_offset, to_offset, len(sizes)]
        for row in zip(sizes, from_strides, to_strides, strict=True):
            words.extend(row)
        self.lines.append(words)

    def _lower_alone(self, value: Traced) -> None:
        getattr(self, f"_lower_{value.name}")(value)

    def _lower_transpose(self, value: Traced) -> None:
        (x,) = value.inputs
        own = _strides(x.dims)
        strides = [own[axis] for axis in value.attributes["axes"]]
        self.copy(self.buffer(x), self.buffer(value), value.dims, strides, _strides(value.dims))

    def _lower_broadcast(self, value: Traced) -> None:
        (x,) = value.inputs
        padded = (ONE,) * (value.ndim - x.ndim) + x.dims
        own = _strides(padded)
        strides = [
            _ZERO if size == ONE != whole else stride
            for size, whole, stride in zip(padded, value.dims, own, strict=True)
        ]
        self.copy(self.buffer(x), self.buffer(value), value.dims, strides, _strides(value.dims))

    _lower_spread = _lower_broadcast

    def _lower_slice(self, value: Traced) -> None:
        (x,) = value.inputs
        own, offset = self._places(x.dims, value)
        to = self.buffer(value)
        self.copy(self.buffer(x), to, value.dims, own, _strides(value.dims), from_offset=offset)

    def _lower_embed(self, value: Traced) -> None:
        (x,) = value.inputs
        own, offset = self._places(value.dims, value)
        to = self.buffer(value)
        self.line("fill", to, 0.0)
        self.copy(self.buffer(x), to, x.dims, _strides(x.dims), own, to_offset=offset)

    def _places(self, dims: Dims, value: Traced) -> tuple[list[Size], Size]:
        """Return the steps and the first place in an array of which a part is taken."""
        starts, steps = value.attributes["starts"], value.attributes["steps"]
        strides = _strides(dims)
        offset = _ZERO
        for start, stride in zip(starts, strides, strict=True):
            if start:
                part = Size(start).times(stride)
                if offset.factor and offset.power != part.power:
                    raise ValueError("a part begins at a place that depends on the batch's size")
                offset = Size(offset.factor + part.factor, part.power)
        own = [Size(step).times(stride) for step, stride in zip(steps, strides, strict=True)]
        return own, offset

    def _lower_concatenate(self, value: Traced) -> None:
        axis, to = value.attributes["axis"], self.buffer(value)
        strides = _strides(value.dims)
        start = 0
        for x in value.inputs:
            offset = Size(start).times(strides[axis]) if start else _ZERO
            if x.dims[axis].power:  # parts along the batch: so many samples' elements
                offset = Size(start, x.dims[axis].power).times(strides[axis]) if start else _ZERO
            start += x.dims[axis].factor
            self.copy(self.buffer(x), to, x.dims, _strides(x.dims), strides, to_offset=offset)

    def _lower_product(self, value: Traced) -> None:
        a, b = value.inputs
        turned = value.attributes["a_turned"], value.attributes["b_turned"]
        m, n = value.dims[-2:]
        k = a.dims[-2 if turned[0] else -1]
        stacked = value.ndim > 2
        self.line(
            "product",
            *(self.buffer(x) for x in (a, b, value)),
            value.dims[0] if stacked else ONE,
            *(m, n, k),
            m.times(k) if stacked else _ZERO,
            k.times(n) if stacked else _ZERO,
            *map(int, turned),
        )

    def _lower_gather(self, value: Traced) -> None:
        self._lower_indexed(value, value.dims, adds=False)

    def _lower_scatter(self, value: Traced) -> None:
        self.line("fill", self.buffer(value), 0.0)
        self._lower_indexed(value, value.inputs[0].dims, adds=True)

    def _lower_indexed(self, value: Traced, moved: Dims, adds: bool) -> None:
        """Add the step that moves elements; ``moved`` is the shape of as many as there are."""
        x, index = value.inputs
        axis, along = value.attributes["axis"], value.attributes["along"]
        whole = value.dims if adds else x.dims
        outer, inner = count(whole[:axis]), count(whole[axis + 1 :])
        places = moved[axis] if along else count(index.dims)
        strides = [places.times(inner), inner, ONE] if along else [_ZERO, ONE, _ZERO]
        self.line(
            "gather",
            int(adds),
            *(self.buffer(one) for one in (x, index, value)),
            *(outer, whole[axis], places, inner),
            *strides,
        )

    def _lower_cumulative(self, value: Traced) -> None:
        (x,) = value.inputs
        axis = value.attributes["axis"]
        self.line(
            "cumulative",
            *(self.buffer(one) for one in (x, value)),
            *(count(x.dims[:axis]), x.dims[axis], count(x.dims[axis + 1 :])),
            int(value.attributes["backward"]),
        )

    # ---- the text ----

    def text(self) -> str:
        """Return the program."""
        kinds = {
            "input": len(self.inputs),
            "output": len(self.outputs),
            "scratch": len(self.scratch),
            "constant": len(self.constants),
            "count": len(self.counts),
        }
        first, at = {}, 0
        for kind, number in kinds.items():
            first[kind] = at
            at += number
        sizes = [
            ("inputs", [count(value.dims) for value in self.inputs]),
            ("outputs", [count(value.dims) for value in self.outputs]),
            ("scratch", self.scratch),
        ]
        lines = [" ".join([name, str(len(given)), *map(str, given)]) for name, given in sizes]
        lines.append(f"constants {len(self.constants)}")
        for values in self.constants:
            lines.append(" ".join([str(values.size), *(float(v).hex() for v in values.flat)]))
        lines.append(f"counts {len(self.counts)}")
        for value in self.counts:
            known = value.attributes
            lines.append(f"{known['scale'].hex()} {known['size']} {int(known['reciprocal'])}")
        lines.append(f"steps {len(self.lines)}")
        for words in self.lines:
            lines.append(" ".join(_word(word, first) for word in words))
        return "\n".join(lines) + "\n"


def _word(word: object, first: dict[str, int]) -> str:
    if isinstance(word, Size):
        return str(word)
    if isinstance(word, float):
        return word.hex()
    if isinstance(word, tuple):
        if len(word) == 3:  # a buffer as an operand of a group, with its level
            return f"b{first[word[0]] + word[1]}{word[2]}"
        return str(first[word[0]] + word[1])
    return str(word)


_LETTERS = {"full": "f", "row": "r", "column": "c", "single": "s"}


class _GroupText:
    """The instructions of a group: registers hold what nothing outside reads."""

    def __init__(self, program: _Program, group: Group, kept: set[int]) -> None:
        self.program = program
        self.group = group
        self.kept = kept
        self.own: dict[int, Item] = {id(item.value): item for item in group.items}
        self.words: list[object] = []
        self.count = 0
        self.free: dict[str, list[int]] = {"f": [], "r": []}
        self.used = {"f": 0, "r": 0}
        self.registers: dict[object, tuple[int, str]] = {}
        self.last: dict[object, int] = {}
        for number, item in enumerate(group.items):
            for operand, found in item.operands:
                value = root(operand)
                self.last[id(value)] = number
                self.last[(id(value), found.level)] = number

    def write(self) -> None:
        """Add the group's step to the program."""
        for number, item in enumerate(self.group.items):
            self._write_item(item, number)
        self.program.line(
            "group",
            self.group.rows,
            self.group.columns,
            self.used["f"],
            self.used["r"],
            self.count,
            *self.words,
        )

    def _take(self, letter: str) -> int:
        if self.free[letter]:
            return self.free[letter].pop()
        self.used[letter] += 1
        return self.used[letter] - 1

    def _instruct(self, function: str, to: object, *operands: object) -> None:
        self.count += 1
        self.words.extend([function, len(operands), to, *operands])

    def _letter(self, item: Item) -> str:
        """Return the level of an item's own elements."""
        return "r" if item.level == "row" else "f"

    def _at(self, value: Traced, letter: str) -> object:
        """Return where an operand lies: in a register, or in a buffer."""
        found = self.registers.get(id(value))
        if found is not None:
            return f"t{found[0]}{found[1]}"
        kind, place = self.program.buffer(value)
        return (kind, place, letter)

    def _operand(self, operand: Traced, found: Pattern, item: Item, spreads: bool) -> object:
        """Return an operand's place; what lies otherwise than the item's elements is spread."""
        value = root(operand)
        if found.level == "full":
            return self._at(value, self._letter(item))
        if found.level == "single":
            if not spreads:
                return self._at(value, "s")
            single = self._at(value, "s")
            return self._spread((id(value), "single"), "maximum", single, single)
        if self.group.columns == ONE:
            return self._at(value, "f" if found.level == "row" else "s")
        function = "spread_rows" if found.level == "row" else "spread_columns"
        return self._spread(
            (id(value), found.level), function, self._at(value, _LETTERS[found.level])
        )

    def _spread(self, key: object, function: str, *operands: object) -> str:
        known = self.registers.get(key)
        if known is None:
            known = self.registers[key] = (self._take("f"), "f")
            self._instruct(function, f"t{known[0]}f", *operands)
        return f"t{known[0]}f"

    def _write_item(self, item: Item, number: int) -> None:
        if item.is_late:
            self._write_late(item)
            self._release(item, number)
            return
        name = item.value.name
        spreads = name.startswith("slope_of_")
        operands = [self._operand(x, found, item, spreads) for x, found in item.operands]
        # A result may take the place of an operand that nothing reads any more, but not of one
        # with other elements.
        if not item.kind:
            self._release(item, number)
        letter = "r" if item.kind == "row" else self._letter(item)
        if item.kind == "row" and self.group.columns == ONE:
            letter = "f"
        to = self._result(item, letter)
        if item.kind:
            self._instruct(f"row_{name}", to, *operands)
            self._release(item, number)
        elif name == "broadcast":
            self._instruct("where", to, *operands * 3)
        else:
            self._instruct(name, to, *operands)

    def _result(self, item: Item, letter: str) -> object:
        value = item.value
        if id(value) in self.kept:
            kind, place = self.program.buffer(value)
            return (kind, place, letter)
        register = self._take(letter)
        self.registers[id(value)] = (register, letter)
        return f"t{register}{letter}"

    def _write_late(self, item: Item) -> None:
        (operand, _), value = item.operands[0], item.value
        kind, place = self.program.buffer(value)
        at = self._at(root(operand), self._letter(item))
        if item.kind == "total" and item.level == "full" and self.group.columns != ONE:
            register = self._take("r")
            self._instruct("row_sum", f"t{register}r", at)
            self._instruct("add_columns", (kind, place, "c"), f"t{register}r")
            self.free["r"].append(register)
        else:
            self._instruct("add_columns", (kind, place, "c"), at)

    def _release(self, item: Item, number: int) -> None:
        """Free the registers of operands that nothing behind this item reads."""
        for operand, found in item.operands:
            value = root(operand)
            for key in (id(value), (id(value), found.level)):
                if self.last.get(key) == number and key in self.registers:
                    register, letter = self.registers.pop(key)
                    self.free[letter].append(register)
