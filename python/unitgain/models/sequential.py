"""Layers one behind the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from unitgain._config import checked_config, serialize
from unitgain.layers.base import Layer, SampleShape, rows_and_cols
from unitgain.layers.core import Input
from unitgain.layers.registry import deserialize
from unitgain.models.base import Model

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers one behind the other.

    Args:
        layers: the layers; with an :class:`~unitgain.layers.Input` first the weights are made at
            once, without one when the first data come.
        name: what the model is called.

    >>> import unitgain as ug
    >>> model = ug.Sequential([ug.layers.Input((4,)), ug.layers.Dense(3)])
    >>> model.count_params()
    15
    """

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None) -> None:
        super().__init__(name)
        self._input: Input | None = None
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer) -> None:
        """Append a layer.

        Raises:
            TypeError: if it is no layer.
            ValueError: if its input's shape does not fit, or an Input comes after other layers.
        """
        if not isinstance(layer, Layer):
            raise TypeError(f"layer is of type {type(layer).__name__}, expected a layer")
        if isinstance(layer, Input):
            if self._input is not None or self.layers:
                raise ValueError("an Input must be the first layer")
            self._input = layer
            return
        if any(layer.name == other.name and layer is not other for other in self.layers):
            raise ValueError(f"the model has a layer named {layer.name!r} already")
        if self.layers and self.built:
            layer.ensure_built(self.output_shape, self.dtype)
        elif self._input is not None:
            layer.ensure_built(self._input.shape, self._input.dtype)
        self.layers.append(layer)
        self._network = None

    def pop(self) -> Layer:
        """Remove the last layer and return it.

        Raises:
            ValueError: if there is none.
        """
        if not self.layers:
            raise ValueError("the model has no layers")
        self._network = None
        return self.layers.pop()

    def get_config(self) -> dict[str, Any]:
        """Return the model's name and its layers' configurations, the Input's first."""
        layers = [*([] if self._input is None else [self._input]), *self.layers]
        return {"name": self.name, "layers": [serialize(layer) for layer in layers]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a model of what :meth:`get_config` returned; its weights are initialized anew.

        Raises:
            ValueError: if the configuration describes no model.
        """
        arguments = checked_config(cls, config, ("name", "layers"))
        return cls([deserialize(layer) for layer in arguments["layers"]], arguments.get("name"))

    @property
    def built(self) -> bool:
        """Whether the layers have their weights."""
        return bool(self.layers) and all(layer.built for layer in self.layers)

    def build(self, input_shape: SampleShape, dtype: str = "float32") -> None:
        """Give the layers their weights, for samples of this shape.

        Raises:
            ValueError: if there are no layers, or a layer was built for another shape.
        """
        if not self.layers:
            raise ValueError("the model has no layers")
        if self._input is None:
            self._input = Input(input_shape, dtype)
        shape = self._input.shape
        for layer in self.layers:
            layer.ensure_built(shape, self._input.dtype)
            shape = layer.compute_output_shape(shape)

    @property
    def input_shape(self) -> SampleShape:
        """The shape of one sample."""
        self._check_built()
        assert self._input is not None
        return self._input.shape

    def _lower(self, graph: Any) -> int:
        shape = self.input_shape
        node = int(graph.input(*rows_and_cols(shape)))
        for layer in self.layers:
            layer.input_shape = shape
            node = layer.lower(graph, node)
            shape = layer.compute_output_shape(shape)
        return node
