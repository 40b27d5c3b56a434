"""Traced functions as programs that run natively."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unitgain import _native
from unitgain.ops import lowering
from unitgain.ops.derivatives import in_order
from unitgain.ops.sizes import Dims
from unitgain.ops.tracing import Traced

__all__ = ["Program", "compiled"]


class Program:
    """A program with the shapes of what it makes.

    Args:
        inputs: places of a trace, in the order in which arrays are given.
        outputs: what is made of them.
    """

    def __init__(self, inputs: Sequence[Traced], outputs: Sequence[Traced]) -> None:
        self.native = _native.Expression(lowering.program(inputs, outputs))
        self._shapes: list[Dims] = [value.dims for value in outputs]
        self._kinds = [value.kind for value in outputs]

    def run(self, arrays: Sequence[Any], dtype: str, batch: int = 1) -> list[NDArray[Any]]:
        """Return the arrays that are made of arrays.

        Args:
            arrays: the inputs.
            dtype: float32 or float64.
            batch: how many samples there are, where shapes depend on it.
        """
        flat = self.native.run([np.asarray(a) for a in arrays], batch, dtype == "float64")
        dtypes = {"bool": np.bool_, "int": np.int32}
        made = []
        for array, dims, kind in zip(flat, self._shapes, self._kinds, strict=True):
            shaped = array.reshape([size.of(batch) for size in dims])
            made.append(shaped.astype(dtypes[kind]) if kind in dtypes else shaped)
        return made


class _Cache:
    lock = Lock()
    programs: ClassVar[OrderedDict[Any, Any]] = OrderedDict()
    limit = 256


def structure(inputs: Sequence[Traced], outputs: Sequence[Traced]) -> Any:
    """Return what two traces share if and only if they compute the same."""
    order = in_order(outputs)
    numbers = {id(value): -1 - i for i, value in enumerate(inputs)}
    rows: list[Any] = []
    for i, value in enumerate(order):
        numbers.setdefault(id(value), i)
        known = value.attributes
        if value.name == "constant":
            values = known["values"]
            rows.append(("constant", values.shape, values.tobytes()))
        else:
            own = tuple(sorted((key, known[key]) for key in known))
            rows.append((value.name, own, value.dims, *(numbers[id(x)] for x in value.inputs)))
    return tuple(rows), tuple(numbers[id(x)] for x in outputs), tuple(x.dims for x in inputs)


def compiled(key: Any, make: Any) -> Any:
    """Return what ``make`` makes, or made before for an equal key."""
    with _Cache.lock:
        known = _Cache.programs.get(key)
        if known is not None:
            _Cache.programs.move_to_end(key)
            return known
    made = make()
    with _Cache.lock:
        _Cache.programs[key] = made
        if len(_Cache.programs) > _Cache.limit:
            _Cache.programs.popitem(last=False)
    return made
