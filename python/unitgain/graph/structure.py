"""A model's inputs or outputs: one, a list of them, or a dict, and users' arrays in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from unitgain import _names
from unitgain._arrays import Rows, is_array
from unitgain.graph import arrays
from unitgain.graph.tensors import SampleShape, SymbolicTensor, flatten

__all__ = ["Arrays", "Structure"]


class Arrays:
    """Arrays of as many samples each; its length is their number, and indexing takes samples."""

    def __init__(self, arrays: Sequence[Rows | None]) -> None:
        self.arrays = list(arrays)

    def __len__(self) -> int:
        return next(len(array) for array in self.arrays if array is not None)

    def __getitem__(self, rows: Any) -> Arrays:
        return Arrays([None if array is None else array[rows] for array in self.arrays])

    def __iter__(self) -> Iterator[Rows | None]:
        return iter(self.arrays)


class Structure:
    """How the inputs, or the outputs, of a model are given.

    Args:
        given: a symbolic tensor, or a list or a dict of them.
        names: what they are called, if not by the dict's keys.
    """

    def __init__(self, given: Any, names: Sequence[str] | None = None) -> None:
        self.tensors: list[SymbolicTensor] = flatten(given)
        for tensor in self.tensors:
            if not isinstance(tensor, SymbolicTensor):
                raise TypeError(
                    f"inputs and outputs of a model are symbolic tensors, but there is a "
                    f"{type(tensor).__name__}"
                )
        self.keys = list(given) if isinstance(given, dict) else None
        self.is_list = isinstance(given, (list, tuple))
        self.names = self.keys or list(names or [tensor.name for tensor in self.tensors])
        self.shapes: list[SampleShape] = [tensor.sample_shape for tensor in self.tensors]

    def __len__(self) -> int:
        return len(self.tensors)

    def without_graph(self) -> Structure:
        """Return the same structure of tensors that belong to no graph, and keep none alive."""
        tensors = [SymbolicTensor(t.sample_shape, t.dtype, t.name) for t in self.tensors]
        return Structure(self.pack(tensors), self.names)

    def label(self, argument: str, which: int) -> str:
        """Return how a message calls one of them: ``x``, or ``x['name']``."""
        return argument if len(self) == 1 else f"{argument}[{self.names[which]!r}]"

    def arrange(self, given: Any, argument: str, default: Any = ...) -> list[Any]:
        """Return one of ``given`` for each, in their order.

        Args:
            given: one thing, a list or tuple in their order, or a dict by their names.
            argument: what it is called in messages.
            default: what stands for names that a dict lacks; they are an error without.

        Raises:
            ValueError: if there are too few or too many, or a name is unknown.
        """
        if isinstance(given, dict):
            for key in given:
                if key not in self.names:
                    raise ValueError(
                        _names.unknown(f"a key of {argument}", key, dict.fromkeys(self.names))
                    )
            missing = [name for name in self.names if name not in given]
            if missing and default is ...:
                raise ValueError(f"{argument} has no entry for {', '.join(map(repr, missing))}")
            return [given.get(name, default) for name in self.names]
        if len(self) == 1 and not (isinstance(given, (list, tuple)) and _holds_arrays(given)):
            return [given]
        expected = f"a list or a dict of {len(self)}: {', '.join(self.names)}"
        if not isinstance(given, (list, tuple)):
            raise ValueError(f"{argument} is {type(given).__name__}, expected {expected}")
        if len(given) != len(self):
            raise ValueError(f"{argument} has {len(given)} entries, expected {expected}")
        return list(given)

    def native_arrays(self, x: Any, name: str) -> Any:
        """Return a user's inputs as the native network takes them: an array, or :class:`Arrays`.

        Raises:
            ValueError: if a shape does not fit, or there are not as many samples of each.
        """
        if len(self) == 1 and is_array(x):
            return arrays.samples(x, self.shapes[0], name)
        given = self.arrange(x, name)
        rows = [
            arrays.samples(array, shape, self.label(name, i))
            for i, (array, shape) in enumerate(zip(given, self.shapes, strict=True))
        ]
        for i, array in enumerate(rows):
            if len(array) != len(rows[0]):
                raise ValueError(
                    f"{self.label(name, i)} has {len(array)} samples, but "
                    f"{self.label(name, 0)} has {len(rows[0])}"
                )
        return rows[0] if len(rows) == 1 else Arrays(rows)

    def pack(self, values: Sequence[Any]) -> Any:
        """Return values as the structure has them: one, a list, or a dict."""
        if self.keys is not None:
            return dict(zip(self.keys, values, strict=True))
        return list(values) if self.is_list else values[0]

    def pack_arrays(self, outputs: Any) -> Any:
        """Return what the native network made, ``(samples, features)`` each, in its shapes."""
        made = [outputs] if len(self) == 1 else outputs
        shaped = [
            array if len(shape) == 1 else array.reshape(len(array), *shape)
            for array, shape in zip(made, self.shapes, strict=True)
        ]
        return self.pack(shaped)


def _holds_arrays(given: Sequence[Any]) -> bool:
    """Return whether a list is one of arrays, and not itself an array written as a list."""
    return len(given) == 1 and is_array(given[0])
