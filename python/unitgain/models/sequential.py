"""Layers one behind the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from numpy.typing import ArrayLike, NDArray

from unitgain import _names
from unitgain._configurable import checked_config, serialize
from unitgain.dtype_policies import floatx
from unitgain.graph.function import Function
from unitgain.graph.operation import Operation
from unitgain.graph.tensors import SymbolicTensor
from unitgain.layers.core import Input
from unitgain.layers.registry import operation_from
from unitgain.models.inference import Spread
from unitgain.models.model import Model, asked_dtype, sample_shape
from unitgain.training.callback import Callback

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers one behind the other.

    Args:
        layers: the layers, of which some may be models; with an :class:`~unitgain.layers.Input`
            first the weights are made at once, without one when the first data come.
        trainable: whether training may change the weights; False freezes every layer.
        name: what the model is called.

    >>> import unitgain as ug
    >>> model = ug.Sequential([ug.layers.Input((4,)), ug.layers.Dense(3)])
    >>> model.count_params()
    15
    """

    saved_as = None

    def __init__(
        self,
        layers: Iterable[Operation] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        if isinstance(trainable, str):
            raise TypeError(f"trainable is {trainable!r}, expected a bool: a name is name=...")
        super().__init__(name=name, trainable=trainable)
        self._input: Input | None = None
        self._layers: list[Any] = []
        self._tensors: list[SymbolicTensor] = []  # what each layer makes, once the input is known
        for layer in layers or ():
            self.add(layer)
        self._freeze_if_asked()

    def add(self, layer: Operation) -> None:
        """Append a layer.

        Raises:
            TypeError: if it is neither a layer nor a model.
            ValueError: if its input's shape does not fit, or an Input comes after other layers.
        """
        if not isinstance(layer, Operation):
            raise TypeError(f"layer is of type {type(layer).__name__}, expected a layer")
        if isinstance(layer, Input):
            if self._input is not None or self._layers:
                raise ValueError("an Input must be the first layer")
            self._input = layer
            return
        if any(layer.name == other.name and layer is not other for other in self._layers):
            raise ValueError(f"the model has a layer named {layer.name!r} already")
        if self._input is None and not self._layers:
            self._input = _input_of(layer)
        if self._input is not None:
            self._tensors.append(self._behind(self._tensors, layer))
        self._layers.append(layer)
        self._forget_network()

    def _behind(self, tensors: list[SymbolicTensor], layer: Any) -> SymbolicTensor:
        assert self._input is not None
        tensor = layer(tensors[-1] if tensors else self._input)
        if not isinstance(tensor, SymbolicTensor):
            raise ValueError(f"{layer.name} has several outputs, of which the next layer takes one")
        return tensor

    def pop(self) -> Any:
        """Remove the last layer and return it.

        Raises:
            ValueError: if there is none.
        """
        if not self._layers:
            raise ValueError("the model has no layers")
        self._forget_network()
        layer = self._layers.pop()
        if self._tensors:
            layer.nodes.remove(self._tensors.pop().node)
        return layer

    def _forget_network(self) -> None:
        super()._forget_network()
        self._function = None

    @property
    def layers(self) -> list[Any]:
        """The layers, and the models that are used as such."""
        return list(self._layers)

    @property
    def built(self) -> bool:
        """Whether the layers have their weights."""
        return bool(self._tensors)

    @property
    def function(self) -> Function:
        """The chain of layers."""
        function = self._function
        if function is None:
            self._check_built()
            function = self._function = Function(self._input, self._tensors[-1])
        return function

    @property
    def dtype(self) -> str:
        """The dtype of weights and results, float32 or float64."""
        return (asked_dtype(self) or floatx()) if self._input is None else self._input.dtype

    def build(self, input_shape: Any, dtype: str | None = None) -> None:
        """Give the layers their weights, if they have none.

        Args:
            input_shape: of a sample, or of a batch whose size is None, as Keras has it.
            dtype: float32 or float64; None for that of the first layer made with one, else the
                default dtype, :func:`unitgain.config.floatx`.

        Raises:
            ValueError: if there are no layers, or a layer was built for another shape.
        """
        if not self._layers:
            raise ValueError("the model has no layers")
        with self._lock.current:  # many threads may call a new model at once
            if self.built:
                return
            self._input = Input(sample_shape(input_shape), dtype or asked_dtype(self))
            tensors: list[SymbolicTensor] = []
            for layer in self._layers:
                tensors.append(self._behind(tensors, layer))
            self._tensors = tensors

    if TYPE_CHECKING:  # a chain has one input and one output, which type checkers may know

        @overload
        def __call__(self, x: SymbolicTensor, training: bool | None = None) -> SymbolicTensor: ...

        @overload
        def __call__(
            self,
            x: ArrayLike,
            training: bool | None = None,
            *,
            out: NDArray[Any] | None = None,
        ) -> NDArray[Any]: ...

        def __call__(self, x: Any, training: bool | None = None, *, out: Any = None) -> Any:
            """Return the outputs for one batch."""

        @overload  # type: ignore[override]
        def predict(
            self,
            x: Any,
            batch_size: int | None = None,
            verbose: str | int = 0,
            steps: int | None = None,
            callbacks: Callback | Iterable[Callback] | None = None,
            *,
            out: NDArray[Any] | None = None,
        ) -> NDArray[Any]: ...

        @overload
        def predict(
            self,
            x: Any,
            batch_size: int | None = None,
            verbose: str | int = 0,
            *,
            training: Literal[True],
            samples: int | None = None,
        ) -> Spread: ...

        def predict(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
            """Return the outputs for many samples."""

        def predict_on_batch(self, x: ArrayLike) -> NDArray[Any]:
            """Return the outputs for one batch."""

    def get_config(self) -> dict[str, Any]:
        """Return the model's name and its layers' configurations, the Input's first."""
        layers = [*([] if self._input is None else [self._input]), *self._layers]
        return {"name": self.name, "layers": [serialize(layer) for layer in layers]}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model of what :meth:`get_config` returned, as for any model."""
        arguments = checked_config(cls, config, ("name", "layers"))
        with _names.custom_objects(custom_objects):
            layers = [operation_from(layer) for layer in arguments["layers"]]
        return cls(layers, name=arguments.get("name"))


def _input_of(layer: Any) -> Input | None:
    """Return the input that a first layer says it takes, if it does."""
    if isinstance(layer, Model):
        return Input(layer.input_shape, layer.dtype) if layer.built else None
    given = layer.given_input_shape
    return None if given is None else Input(given, layer.given_dtype)
