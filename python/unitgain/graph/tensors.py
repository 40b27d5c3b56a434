"""Symbolic tensors: what layers will be given and give, of which models are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from unitgain.ops.function import FUNCTIONS
from unitgain.ops.tracing import NUMPY_NAMES, define_operators

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Node",
    "SampleShape",
    "SymbolicTensor",
    "define_functions",
    "define_operator",
    "flatten",
    "is_symbolic",
]

SampleShape: TypeAlias = tuple[int, ...]

# Operators between tensors, set by the layers that compute them.
_operators: dict[str, Callable[[list[Any]], Any]] = {}


def define_operator(symbol: str, function: Callable[[list[Any]], Any]) -> None:
    """Let an operator between symbolic tensors, ``"+"``, be a function of the list of both."""
    _operators[symbol] = function


# What functions of unitgain.ops make of symbolic tensors, set by the layer that computes them.
_functions: list[Callable[[str, Sequence[Any], Any], Any]] = []


def define_functions(apply: Callable[[str, Sequence[Any], Any], Any]) -> None:
    """Let functions of :mod:`unitgain.ops` be called with symbolic tensors.

    Args:
        apply: ``apply(name, arguments, keywords)`` returns what one makes of them.
    """
    _functions[:] = [apply]


class SymbolicTensor:
    """The place of an array in a graph of layers: a shape and a dtype without values.

    Attributes:
        sample_shape: one sample's shape.
        shape: the same behind the batch's size, which is None.
        dtype: float32 or float64.
        name: that of the layer which makes it.
        mask: a tensor with a 1 for each row that counts and a 0 for others, of ``(*rows, 1)``; None
            if all count.
    """

    sample_shape: SampleShape
    dtype: str
    name: str
    node: Node
    mask: SymbolicTensor | None = None

    def __init__(self, sample_shape: SampleShape, dtype: str, name: str) -> None:
        self.sample_shape = sample_shape
        self.dtype = dtype
        self.name = name

    @classmethod
    def source(cls, sample_shape: SampleShape, dtype: str, name: str = "input") -> Self:
        """Return a tensor that no operation makes: where a graph begins."""
        tensor = cls(sample_shape, dtype, name)
        Node(None, [], False, [tensor])
        return tensor

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape with the batch's size first, None."""
        return (None, *self.sample_shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name}, shape={self.shape}, dtype={self.dtype}>"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        name = NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or keywords or name not in FUNCTIONS:
            raise TypeError(
                f"numpy.{ufunc.__name__}: {self!r} has no values: it is a place in a graph of "
                f"layers"
            )
        return self.apply_function(name, inputs, {})

    @staticmethod
    def apply_function(name: str, arguments: Sequence[Any], keywords: Any) -> Any:
        """Return what a function of :mod:`unitgain.ops` makes of symbolic tensors."""
        return _functions[0](name, arguments, keywords)

    @property
    def ndim(self) -> int:
        """The number of axes, the batch's included."""
        return len(self.shape)

    def __getitem__(self, places: Any) -> Any:
        return self.apply_function("getitem", (self, places), {})

    def __len__(self) -> int:
        raise TypeError(f"{self!r} has no length: how many samples there are is not known")

    def __iter__(self) -> Any:
        raise TypeError(f"{self!r} is not iterable: how many samples there are is not known")

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} has no values to decide by: use unitgain.ops.where(condition, a, b)"
        )

    def __add__(self, other: Any) -> Any:
        if isinstance(other, SymbolicTensor) and other.sample_shape == self.sample_shape:
            return _operators["+"]([self, other])
        return self.apply_function("add", (self, other), {})

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        raise TypeError(f"{self!r} has no values: it is a place in a graph of layers")


define_operators(SymbolicTensor, FUNCTIONS, compares=False)


class Node:
    """One use of a layer: from which tensors it makes which.

    Attributes:
        layer: the layer, or the model that is used as one; None where a graph begins without one.
        inputs: what it is given.
        several: whether it is given a list.
        outputs: what it makes.
        training: whether it always, or never, does what training does; None: as the model runs.
        native: whether it is the native layer that a traced one overrides.
        masks: how many of the inputs, the last ones, are masks.
        makes_mask: whether the last output is a mask.
    """

    def __init__(
        self,
        layer: Any,
        inputs: Sequence[SymbolicTensor],
        several: bool,
        outputs: Sequence[SymbolicTensor],
        training: bool | None = None,
        native: bool = False,
        masks: int = 0,
        makes_mask: bool = False,
    ) -> None:
        self.layer = layer
        self.inputs = list(inputs)
        self.several = several
        self.outputs = list(outputs)
        self.training = training
        self.native = native
        self.masks = masks
        self.makes_mask = makes_mask
        for tensor in outputs:
            tensor.node = self

    @property
    def data_inputs(self) -> list[SymbolicTensor]:
        """The inputs that are no masks."""
        return self.inputs[: len(self.inputs) - self.masks]

    @property
    def data_outputs(self) -> list[SymbolicTensor]:
        """The outputs that are no masks."""
        return self.outputs[: len(self.outputs) - self.makes_mask]


def flatten(given: Any) -> list[Any]:
    """Return one thing, or those in a list, a tuple or a dict, as a list."""
    if isinstance(given, (list, tuple)):
        return list(given)
    return list(given.values()) if isinstance(given, dict) else [given]


def is_symbolic(given: Any) -> bool:
    """Return whether there is a symbolic tensor in what a layer is called with."""
    return any(isinstance(one, SymbolicTensor) for one in flatten(given))
