"""Functions as layers: Lambda, and what operators between symbolic tensors make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unitgain import _names
from unitgain._configurable import serialize
from unitgain.graph.operation import connect
from unitgain.graph.tensors import SymbolicTensor, define_functions
from unitgain.layers.base import Layer, SampleShape
from unitgain.ops.function import FUNCTIONS
from unitgain.ops.tracing import TraceError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Lambda", "OpsFunction"]


class Lambda(Layer):
    """A function of arrays as a layer.

    Made of :mod:`unitgain.ops`, of operators and of NumPy's functions that have one there, it is
    traced once, and native code computes it, with its derivative; one that needs arrays' values is
    called for each batch, and cannot be trained through. Weights belong into a layer of one's own.

    Args:
        function: ``function(inputs)`` returns an array of as many samples.
        output_shape: a sample's, where it is to be checked.
        mask: taken for the sake of code written for Keras.
        arguments: further arguments of the function, by name.
        name: what the layer is called.

    Raises:
        TypeError: if ``function`` is none.

    A model with one is saved only if the function has a name, and loaded with
    ``custom_objects={name: function}``.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> layer = ug.layers.Lambda(lambda x: ug.ops.sin(x) + x)
    >>> layer(np.zeros((1, 2))).tolist()
    [[0.0, 0.0]]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Sequence[int] | None = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        if not callable(function):
            raise TypeError(f"function is of type {type(function).__name__}, expected a function")
        self.function = function
        self.output_shape = None if output_shape is None else tuple(output_shape)
        self.mask = mask
        self.arguments = dict(arguments or {})
        self._takes_several = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return what the function gives."""
        return self.function(inputs, **self.arguments)

    def compute_output_shape(self, input_shape: Any) -> SampleShape:
        """Return the shape of what the function gives for one sample."""
        made: SampleShape = super().compute_output_shape(input_shape)
        if self.output_shape is not None and made != self.output_shape:
            raise ValueError(
                f"output_shape of {self.name} is {self.output_shape}, but the function gives "
                f"samples of shape {made}"
            )
        return made

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this.

        Raises:
            TypeError: if the function has no name by which it could be found again.
        """
        name = getattr(self.function, "__name__", None)
        if name is None or name == "<lambda>":
            raise TypeError(
                f"{self.name} has a function without a name, which no file can hold: define it "
                f"with def, and give it to load_model as custom_objects={{name: function}}; or "
                f"write a class that derives from Layer"
            )
        given = {"name": self.name, "trainable": self.trainable}
        own = {"output_shape": self.output_shape, "arguments": self.arguments}
        config: dict[str, Any] = {"function": serialize(self.function), **serialize(own), **given}
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer of what :meth:`get_config` returned; functions are custom objects.

        Raises:
            ValueError: if there is no custom object of the function's name.
        """
        arguments = dict(config)
        function = _names.custom_function(arguments.pop("function", None), "a Lambda has")
        return cls(function, **arguments)


class OpsFunction(Layer):
    """A function of :mod:`unitgain.ops` of symbolic tensors: what ``x * 2`` and the like make.

    Args:
        function: its name.
        arguments: its arguments: ``{"tensor": 0}`` stands for the first tensor, ``{"array": ...}``
            for an array.
        keywords: those by name.
        name: what the layer is called.
    """

    _takes_several = True

    def __init__(
        self,
        function: str,
        arguments: Sequence[Any] = (),
        keywords: Mapping[str, Any] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if function not in FUNCTIONS:
            raise ValueError(_names.unknown("a function", function, FUNCTIONS))
        super().__init__(name or _names.unique_name(function), **options)
        self.function = function
        self.arguments = list(arguments)
        self.keywords = dict(keywords or {})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return what the function makes of the tensors' arrays."""
        given = _filled([self.arguments, self.keywords], inputs)
        return FUNCTIONS[self.function](*given[0], **given[1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this."""
        return {
            "function": self.function,
            "arguments": _as_json(self.arguments),
            "keywords": _as_json(self.keywords),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer of what :meth:`get_config` returned."""
        arguments = dict(config)
        for key in ("arguments", "keywords"):
            arguments[key] = _from_json(arguments.get(key))
        return cls(**arguments)


def _filled(given: Any, tensors: Sequence[Any]) -> Any:
    """Return arguments with the tensors in their places."""
    if isinstance(given, _Place):
        return tensors[given.number]
    if isinstance(given, (list, tuple)):
        return type(given)(_filled(one, tensors) for one in given)
    if isinstance(given, dict):
        return {key: _filled(one, tensors) for key, one in given.items()}
    return given


class _Place:
    """Where a tensor stands among arguments."""

    def __init__(self, number: int) -> None:
        self.number = number


def _taken(given: Any, found: list[SymbolicTensor]) -> Any:
    """Return arguments with places for the tensors, which are collected."""
    if isinstance(given, SymbolicTensor):
        for i, known in enumerate(found):
            if known is given:
                return _Place(i)
        found.append(given)
        return _Place(len(found) - 1)
    if isinstance(given, (list, tuple)):
        return type(given)(_taken(one, found) for one in given)
    if isinstance(given, dict):
        return {key: _taken(one, found) for key, one in given.items()}
    return given


def _as_json(given: Any) -> Any:
    if isinstance(given, _Place):
        return {"tensor": given.number}
    if isinstance(given, (np.ndarray, np.generic)):
        return {"array": given.tolist(), "dtype": given.dtype.name}
    if isinstance(given, slice):
        return {"slice": [given.start, given.stop, given.step]}
    if given is Ellipsis:
        return {"ellipsis": True}
    if isinstance(given, tuple):
        return {"tuple": [_as_json(one) for one in given]}
    if isinstance(given, list):
        return [_as_json(one) for one in given]
    if isinstance(given, dict):
        return {"dict": {key: _as_json(one) for key, one in given.items()}}
    if hasattr(given, "parameter"):
        raise TypeError(
            f"the variable {given.name} is an operand of symbolic tensors, which no file can hold: "
            f"write a class that derives from Layer and has it"
        )
    return serialize(given)


def _from_json(given: Any) -> Any:
    if isinstance(given, list):
        return [_from_json(one) for one in given]
    if not isinstance(given, Mapping):
        return given
    ((kind, value), *rest) = given.items()
    if kind == "tensor":
        return _Place(value)
    if kind == "array":
        return np.array(value, dict(rest)["dtype"])
    if kind == "slice":
        return slice(*value)
    if kind == "ellipsis":
        return Ellipsis
    if kind == "tuple":
        return tuple(_from_json(one) for one in value)
    if kind == "dict":
        return {key: _from_json(one) for key, one in value.items()}
    raise ValueError(f"an argument of a function is {kind!r}, which is none that was written")


def apply_function(name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Return the symbolic tensor, or list of them, that a function makes of symbolic tensors.

    Raises:
        ValueError: if shapes do not fit, or what is made has no samples along its first axis.
    """
    found: list[SymbolicTensor] = []
    places = _taken([list(arguments), dict(keywords)], found)
    layer = OpsFunction(name, *places)
    try:
        return connect(layer, found, True)
    except TraceError as error:
        raise TypeError(f"{name} of symbolic tensors: {error}") from error


define_functions(apply_function)
