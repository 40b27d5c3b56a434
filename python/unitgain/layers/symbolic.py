"""Symbolic tensors: what layers will be given and give, of which models are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = ["Node", "SymbolicTensor", "connect", "flatten", "is_symbolic"]

SampleShape: TypeAlias = tuple[int, ...]


class SymbolicTensor:
    """The place of an array in a graph of layers: a shape and a dtype without values.

    Attributes:
        sample_shape: one sample's shape.
        shape: the same behind the batch's size, which is None.
        dtype: float32 or float64.
        name: that of the layer which makes it.
    """

    sample_shape: SampleShape
    dtype: str
    name: str
    node: Node

    def __init__(self, sample_shape: SampleShape, dtype: str, name: str) -> None:
        self.sample_shape = sample_shape
        self.dtype = dtype
        self.name = name

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape with the batch's size first, None."""
        return (None, *self.sample_shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name}, shape={self.shape}, dtype={self.dtype}>"

    def __add__(self, other: Any) -> Any:
        from unitgain.layers.merging import Add

        return Add()([self, other]) if isinstance(other, SymbolicTensor) else NotImplemented

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        raise TypeError(f"{self!r} has no values: it is a place in a graph of layers")


class Node:
    """One use of a layer: from which tensors it makes which.

    Attributes:
        layer: the layer, or the model that is used as one.
        inputs: what it is given.
        several: whether it is given a list.
        outputs: what it makes.
        training: whether it always, or never, does what training does; None: as the model runs.
        native: whether it is the native layer that a traced one overrides.
    """

    def __init__(
        self,
        layer: Any,
        inputs: Sequence[SymbolicTensor],
        several: bool,
        outputs: Sequence[SymbolicTensor],
        training: bool | None = None,
        native: bool = False,
    ) -> None:
        self.layer = layer
        self.inputs = list(inputs)
        self.several = several
        self.outputs = list(outputs)
        self.training = training
        self.native = native
        for tensor in outputs:
            tensor.node = self


def flatten(given: Any) -> list[Any]:
    """Return one thing, or those in a list, a tuple or a dict, as a list."""
    if isinstance(given, (list, tuple)):
        return list(given)
    return list(given.values()) if isinstance(given, dict) else [given]


def is_symbolic(given: Any) -> bool:
    """Return whether there is a symbolic tensor in what a layer is called with."""
    return any(isinstance(one, SymbolicTensor) for one in flatten(given))


def connect(
    layer: Any,
    inputs: list[SymbolicTensor],
    several: bool,
    pack: Callable[[list[SymbolicTensor]], Any] | None = None,
    training: bool | None = None,
) -> Any:
    """Give a layer a place behind ``inputs``; return the tensor that it makes there.

    Args:
        layer: a layer or a model.
        inputs: what it is to be given.
        several: whether as a list.
        pack: makes what is returned of the outputs of a model that has several.
        training: whether it is always, or never, to do what training does; None: as the model runs.

    Raises:
        TypeError: if an input is no symbolic tensor.
        ValueError: if dtypes differ, or shapes do not fit the layer.
    """
    for tensor in inputs:
        if not isinstance(tensor, SymbolicTensor):
            raise TypeError(
                f"{layer.name} is given a {type(tensor).__name__} beside symbolic tensors"
            )
    dtypes = sorted({tensor.dtype for tensor in inputs})
    if len(dtypes) != 1:
        raise ValueError(f"the inputs of {layer.name} have different dtypes: {dtypes}")
    shapes: Any = [tensor.sample_shape for tensor in inputs]
    shape = shapes if several else shapes[0]
    layer.ensure_built(shape, dtypes[0])
    made = layer.compute_output_shape(shape)
    made_shapes = made if isinstance(made, list) else [made]
    outputs = [SymbolicTensor(tuple(s), dtypes[0], layer.name) for s in made_shapes]
    layer.nodes.append(Node(layer, inputs, several, outputs, training))
    return outputs[0] if pack is None else pack(outputs)
