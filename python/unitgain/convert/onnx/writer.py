"""Nodes and constants of an ONNX graph that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain.convert.onnx.package import onnx_package

__all__ = ["Writer"]


class Writer:
    """Collects nodes and constants, and gives each value a name of its own.

    Args:
        dtype: of the network, float32 or float64.
        taken: names that values must not have: those of the graph's inputs and outputs.

    Attributes:
        dtype: of the network.
        layer: what the names of nodes begin with.
        nodes: the nodes so far.
        initializers: the constants so far.
    """

    def __init__(self, dtype: str, taken: Sequence[str]) -> None:
        self.dtype = np.dtype(dtype)
        self.layer = ""
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._onnx = onnx_package()
        self._taken = set(taken)
        self._constants: dict[Any, str] = {}

    def fresh(self, name: str) -> str:
        """Return a name that no value has, this one if it is free."""
        made, count = name, 0
        while made in self._taken:
            count += 1
            made = f"{name}_{count}"
        self._taken.add(made)
        return made

    def constant(self, values: ArrayLike, name: str = "", dtype: Any = None) -> str:
        """Return the name of a constant; equal ones without a name are one.

        Args:
            values: of the network's dtype if no other is given.
            name: what it is called if that is free.
            dtype: of the constant.
        """
        array: NDArray[Any] = np.asarray(values, dtype or self.dtype)
        key: Any = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            plain = "_".join(map(str, array.ravel())) if array.size < 5 else "values"
            made = self.fresh(name or f"constant_{plain}")
            self.initializers.append(self._onnx.numpy_helper.from_array(array, made))
            self._constants[key] = made
        return self._constants[key]

    def several(
        self, operator: str, inputs: Sequence[str | float], count: int, **attributes: Any
    ) -> list[str]:
        """Add a node of which inputs may be numbers; return the names of its outputs."""
        name = self.fresh(f"{self.layer}/{operator}")
        outputs = [name] if count == 1 else [self.fresh(f"{name}:{i}") for i in range(count)]
        given = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self.nodes.append(self._onnx.helper.make_node(operator, given, outputs, name, **attributes))
        return outputs

    def __call__(self, operator: str, *inputs: str | float, **attributes: Any) -> str:
        """Add a node of one output, and return its name."""
        return self.several(operator, inputs, 1, **attributes)[0]

    def integers(self, values: Sequence[int]) -> str:
        """Return the name of a constant of int64, as shapes and axes are."""
        return self.constant(values, dtype=np.int64)

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Add a node that gives samples another shape, and leaves the batch."""
        return self("Reshape", x, self.integers([0, *shape]))

    def is_exact(self, value: float) -> bool:
        """Return whether an attribute, which has 32 bits, is the value that the network takes."""
        return self.dtype == np.float32 or float(np.float32(value)) == value

    @property
    def type(self) -> int:
        """The network's dtype as ONNX numbers it."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(self.dtype))
