"""Layers one behind the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from unitgain import _names
from unitgain._config import checked_config, serialize
from unitgain.layers.base import Layer, SampleShape, rows_and_cols
from unitgain.layers.core import Input
from unitgain.layers.symbolic import SymbolicTensor
from unitgain.models.base import Model
from unitgain.models.nesting import lower_layer
from unitgain.models.registry import layer_from

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers one behind the other.

    Args:
        layers: the layers, of which some may be models; with an :class:`~unitgain.layers.Input`
            first the weights are made at once, without one when the first data come.
        name: what the model is called.

    >>> import unitgain as ug
    >>> model = ug.Sequential([ug.layers.Input((4,)), ug.layers.Dense(3)])
    >>> model.count_params()
    15
    """

    def __init__(self, layers: Iterable[Layer | Model] = (), name: str | None = None) -> None:
        super().__init__(name)
        self._input: Input | None = None
        self._tensors: list[SymbolicTensor] = []  # what each layer makes, once the input is known
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer | Model) -> None:
        """Append a layer.

        Raises:
            TypeError: if it is neither a layer nor a model.
            ValueError: if its input's shape does not fit, or an Input comes after other layers.
        """
        if not isinstance(layer, (Layer, Model)):
            raise TypeError(f"layer is of type {type(layer).__name__}, expected a layer")
        if isinstance(layer, Input):
            if self._input is not None or self.layers:
                raise ValueError("an Input must be the first layer")
            self._input = layer
            return
        if any(layer.name == other.name and layer is not other for other in self.layers):
            raise ValueError(f"the model has a layer named {layer.name!r} already")
        if self._input is None and not self.layers and isinstance(layer, Model) and layer.built:
            self._input = Input(layer.input_shape, layer.dtype)
        given = getattr(layer, "given_input_shape", None)
        if self._input is None and not self.layers and given is not None:
            self._input = Input(given)
        if self._input is not None:
            self._tensors.append(self._behind(self._tensors, layer))
        self.layers.append(layer)
        self._forget_network()

    def _behind(self, tensors: list[SymbolicTensor], layer: Any) -> SymbolicTensor:
        assert self._input is not None
        tensor = layer(tensors[-1] if tensors else self._input)
        if not isinstance(tensor, SymbolicTensor):
            raise ValueError(f"{layer.name} has several outputs, of which the next layer takes one")
        return tensor

    def pop(self) -> Layer | Model:
        """Remove the last layer and return it.

        Raises:
            ValueError: if there is none.
        """
        if not self.layers:
            raise ValueError("the model has no layers")
        self._forget_network()
        layer: Layer | Model = self.layers.pop()
        if self._tensors:
            layer.nodes.remove(self._tensors.pop().node)
        return layer

    def get_config(self) -> dict[str, Any]:
        """Return the model's name and its layers' configurations, the Input's first."""
        layers = [*([] if self._input is None else [self._input]), *self.layers]
        return {"name": self.name, "layers": [serialize(layer) for layer in layers]}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model of what :meth:`get_config` returned, as for any model."""
        arguments = checked_config(cls, config, ("name", "layers"))
        with _names.custom_objects(custom_objects):
            layers = [layer_from(layer) for layer in arguments["layers"]]
        return cls(layers, arguments.get("name"))

    @property
    def built(self) -> bool:
        """Whether the layers have their weights."""
        return bool(self._tensors)

    def build(self, input_shape: SampleShape, dtype: str = "float32") -> None:
        """Give the layers their weights, for samples of this shape.

        Raises:
            ValueError: if there are no layers, or a layer was built for another shape.
        """
        if not self.layers:
            raise ValueError("the model has no layers")
        if self.built:
            return
        self._input = Input(input_shape, dtype)
        tensors: list[SymbolicTensor] = []
        for layer in self.layers:
            tensors.append(self._behind(tensors, layer))
        self._tensors = tensors

    @property
    def dtype(self) -> str:
        """The dtype of weights and results, float32 or float64."""
        return "float32" if self._input is None else self._input.dtype

    @property
    def input(self) -> SymbolicTensor:
        """The symbolic tensor that the model begins with."""
        self._check_built()
        assert self._input is not None
        return self._input

    @property
    def output(self) -> SymbolicTensor:
        """The symbolic tensor that the model ends with."""
        self._check_built()
        return self._tensors[-1]

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensor that the model begins with, in a list."""
        return [self.input]

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic tensor that the model ends with, in a list."""
        return [self.output]

    @property
    def input_shape(self) -> SampleShape:
        """The shape of one sample."""
        return self.input.sample_shape

    @property
    def output_shape(self) -> SampleShape:
        """The shape of the output for one sample."""
        return self.output.sample_shape

    def ensure_built(self, input_shape: SampleShape, dtype: str) -> None:
        """Build the model, used as a layer, or check that it fits its input.

        Raises:
            ValueError: if it was built for samples of another shape or dtype.
        """
        if not self.built:
            self.build(input_shape, dtype)
        if (input_shape, dtype) != (self.input_shape, self.dtype):
            raise ValueError(
                f"{self.name} takes {self.dtype} samples of shape {self.input_shape}, but its "
                f"input has {dtype} samples of shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the shape of one sample's output."""
        return self.output_shape

    def lower(self, graph: Any, node: Any) -> Any:
        """Add the layers to a native graph behind ``node``; return the node of the output."""
        shape = self.input_shape
        for layer, tensor in zip(self.layers, self._tensors, strict=True):
            node = lower_layer(layer, graph, node, shape)
            shape = tensor.sample_shape
        return node

    def _lower(self, graph: Any) -> int:
        return int(self.lower(graph, graph.input(*rows_and_cols(self.input_shape))))
