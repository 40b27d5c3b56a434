"""Operations: what graphs are made of, layers and models alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from unitgain.graph.native import NativeGraph
from unitgain.graph.tensors import Node, SymbolicTensor
from unitgain.graph.variables import Variable, copies, penalties

__all__ = ["Operation", "connect"]


class Operation:
    """A step of a graph: called with symbolic tensors, and lowered to nodes of the native graph.

    Attributes:
        name: what the operation is called; among those of one graph, no other is.
        nodes: its uses.
    """

    name: str
    nodes: list[Node]

    if TYPE_CHECKING:  # attributes of layers, properties of models

        @property
        def weights(self) -> list[Variable]:
            """All weights."""
            raise NotImplementedError

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        raise NotImplementedError(f"{type(self).__name__} does not implement trainable_weights")

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves: frozen ones, and moving statistics."""
        trainable = self.trainable_weights
        return [w for w in self.weights if w not in trainable]

    @property
    def variables(self) -> list[Variable]:
        """All weights, by Keras's other name."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The weights that training leaves."""
        return self.non_trainable_weights

    @property
    def losses(self) -> list[float]:
        """The penalties of the trainable weights that have a regularizer, without activities'."""
        return penalties(self.trainable_weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights, between two steps."""
        return copies(self.weights)

    def ensure_built(self, input_shape: Any, dtype: str) -> None:
        """Make the weights for samples of this shape, or check that they fit.

        Raises:
            ValueError: if they were made for others.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement ensure_built")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of one sample's output, or a list of several outputs'."""
        raise NotImplementedError(f"{type(self).__name__} does not implement compute_output_shape")

    def lower(self, graph: NativeGraph, node: Any) -> Any:
        """Add the operation to a native graph behind ``node``; return the node of its output.

        Either is a list for several inputs or outputs.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement lower")

    def lower_use(self, graph: NativeGraph, node: Any, input_shape: Any, native: bool) -> Any:
        """Lower one use, for inputs of this shape.

        Args:
            graph: the native graph.
            node: the number of the node that it reads, or a list of them.
            input_shape: of a sample, or a list of shapes.
            native: as in :class:`~unitgain.graph.tensors.Node`.
        """
        return self.lower(graph, node)

    def lower_masked_use(
        self, graph: NativeGraph, use: Node, inputs: Sequence[int], masks: Sequence[int]
    ) -> list[int]:
        """Lower one use that is given masks, or makes one; return the nodes of its outputs.

        Args:
            graph: the native graph.
            use: the use.
            inputs: the nodes that it reads.
            masks: the nodes of the masks.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement lower_masked_use")

    def leaves(self) -> Iterator[Any]:
        """Yield the layers that the operation comes to: itself and its parts, or a model's."""
        yield self


def connect(
    layer: Operation,
    inputs: list[SymbolicTensor],
    several: bool,
    pack: Callable[[list[SymbolicTensor]], Any] | None = None,
    training: bool | None = None,
    masks: Sequence[SymbolicTensor] = (),
    mask_shape: tuple[int, ...] | None = None,
) -> Any:
    """Give a layer a place behind ``inputs``; return the tensor that it makes there.

    Args:
        layer: a layer or a model.
        inputs: what it is to be given.
        several: whether as a list.
        pack: makes what is returned of the outputs; None: a list of several, or the only one.
        training: whether it is always, or never, to do what training does; None: as the model runs.
        masks: the masks that it is to be given.
        mask_shape: a sample's shape of the mask that it makes; None if it makes none.

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
    makes_mask = mask_shape is not None
    made_too = outputs
    if mask_shape is not None:
        outputs[0].mask = SymbolicTensor(mask_shape, dtypes[0], f"{layer.name}_mask")
        made_too = [*outputs, outputs[0].mask]
    given = [*inputs, *masks]
    layer.nodes.append(
        Node(layer, given, several, made_too, training, masks=len(masks), makes_mask=makes_mask)
    )
    if pack is not None:
        return pack(outputs)
    return outputs if isinstance(made, list) else outputs[0]
