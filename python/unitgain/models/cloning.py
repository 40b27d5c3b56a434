"""Copies of models, with whatever is to be another in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unitgain import _names
from unitgain._configurable import custom_classes, serialize
from unitgain.graph.operation import Operation
from unitgain.graph.structure import Structure
from unitgain.graph.tensors import SymbolicTensor, flatten
from unitgain.layers.core import Input
from unitgain.layers.registry import known_classes, operation_from
from unitgain.models.model import Model
from unitgain.models.sequential import Sequential

__all__ = ["clone_model", "model_from"]


def model_from(config: Mapping[str, Any]) -> Model:
    """Return the model of a class's name and configuration, without its weights' values.

    Raises:
        ValueError: if it describes none.
    """
    table: Any = known_classes(Model)
    return _names.resolve("model", config, table, Model)


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Model:
    """Return a model of the same configuration, whose weights are initialized anew.

    A compiled model's copy is compiled alike, with an optimizer of its own.

    Args:
        model: the model.
        input_tensors: what the copy begins with: a symbolic tensor, or a list or dict of them as
            the model's :attr:`~unitgain.Model.input`; None for new inputs.
        clone_function: makes the copy's layer of each layer, once for a layer used several times;
            it may return another one, or the same; None makes it of the layer's configuration.
        call_function: called with each of the copy's layers, what it is given, and the keywords of
            the call; returns symbolic tensors, and so may put layers before or behind. None calls
            the layer. Not for a :class:`~unitgain.Sequential`, which calls its layers itself.
        recursive: whether the models among the layers are copied by these functions, too, and not
            handed to ``clone_function``.

    Raises:
        ValueError: if a function does not go with the model, or ``input_tensors`` is not
            structured as the model's inputs.
        TypeError: if ``clone_function`` returns anything but a layer.

    >>> import unitgain as ug
    >>> model = ug.Sequential([ug.layers.Input((4,)), ug.layers.Dense(3), ug.layers.Dropout(0.5)])
    >>> def without_dropout(layer):
    ...     if isinstance(layer, ug.layers.Dropout):
    ...         return ug.layers.Identity(name=layer.name)
    ...     return type(layer).from_config(layer.get_config())
    >>> copy = ug.models.clone_model(model, clone_function=without_dropout)
    >>> type(copy.layers[-1]).__name__
    'Identity'
    """
    with custom_classes() as classes:
        config = serialize(model)
        is_compiled = model.optimizer is not None or model._objective is not None
        compiled = model.get_compile_config() if is_compiled else None
    with _names.custom_objects(classes):
        if input_tensors is None and clone_function is None and call_function is None:
            made = model_from(config)
        else:
            made = _Cloning(clone_function, call_function, recursive).of(model, input_tensors)
        if compiled is not None and made.optimizer is None:
            made.compile_from_config(compiled)
    return made


class _Cloning:
    """Copies of a model's layers, one for each layer, by the functions of :func:`clone_model`."""

    def __init__(
        self,
        clone_function: Callable[[Any], Any] | None,
        call_function: Callable[..., Any] | None,
        recursive: bool,
    ) -> None:
        self._clone = clone_function or (lambda layer: operation_from(serialize(layer)))
        self._call = call_function or (lambda layer, given, **keywords: layer(given, **keywords))
        self._calls_otherwise = call_function is not None
        self._recursive = recursive
        self._made: dict[int, Any] = {}

    def of(self, model: Model, input_tensors: Any = None) -> Model:
        if isinstance(model, Sequential):
            if self._calls_otherwise and not self._recursive:
                raise ValueError(
                    "call_function is for models that are made of calls of layers, but "
                    f"{model.name} is a Sequential, which calls its layers itself"
                )
            return self._chain(model, input_tensors)
        if type(model).call is not Model.call:
            raise ValueError(
                f"{model.name} is a {type(model).__name__}, whose layers its method call uses: "
                "make the copy of its own configuration"
            )
        return self._graph(model, input_tensors)

    def _layer(self, layer: Any) -> Any:
        known = self._made.get(id(layer))
        if known is None:
            nested = self._recursive and isinstance(layer, Model)
            known = self.of(layer) if nested else self._clone(layer)
            if not isinstance(known, Operation):
                raise TypeError(
                    f"clone_function returns a {type(known).__name__} for {layer.name}, expected a "
                    "layer"
                )
            self._made[id(layer)] = known
        return known

    def _chain(self, model: Sequential, input_tensors: Any) -> Sequential:
        layers = [self._layer(layer) for layer in model.layers]
        if input_tensors is not None:
            given = flatten(input_tensors)
            if len(given) != 1 or not isinstance(given[0], SymbolicTensor):
                raise ValueError(
                    f"input_tensors is {input_tensors!r}, expected one symbolic tensor, as "
                    f"{model.name} has one input"
                )
            layers.insert(0, _fresh_input(given[0]))
        elif model._input is not None:
            layers.insert(0, _fresh_input(model._input))
        return Sequential(layers, name=model.name)

    def _graph(self, model: Model, input_tensors: Any) -> Model:
        function = model.function
        if input_tensors is None:
            given: list[SymbolicTensor] = [*map(_fresh_input, function.inputs.tensors)]
        else:
            given = _checked_inputs(function.inputs, input_tensors)
        places = {id(t): new for t, new in zip(function.inputs.tensors, given, strict=True)}
        for use in function.nodes:
            tensors = [places[id(tensor)] for tensor in use.inputs]
            keywords: dict[str, Any] = {} if use.training is None else {"training": use.training}
            if use.masks:
                tensors, masks = tensors[: -use.masks], tensors[-use.masks :]
                keywords["mask"] = masks if use.several else masks[0]
            inputs = tensors if use.several else tensors[0]
            outputs = flatten(self._call(self._layer(use.layer), inputs, **keywords))
            if use.makes_mask:
                outputs.append(outputs[0].mask)
            places |= {id(t): new for t, new in zip(use.outputs, outputs, strict=True)}
        outputs = [places[id(tensor)] for tensor in function.outputs.tensors]
        return Model(function.inputs.pack(given), function.outputs.pack(outputs), name=model.name)


def _fresh_input(tensor: SymbolicTensor) -> Input:
    dtype = tensor.given_dtype if isinstance(tensor, Input) else tensor.dtype
    return Input(tensor.sample_shape, dtype, tensor.name)


def _checked_inputs(structure: Structure, given: Any) -> list[SymbolicTensor]:
    """Return the tensors for a model's inputs, in their order.

    Raises:
        ValueError: if they are not structured alike, or are no symbolic tensors.
    """
    if isinstance(given, Mapping) != (structure.keys is not None):
        expected = (
            "one tensor or a list" if structure.keys is None else f"a dict of {structure.keys}"
        )
        raise ValueError(
            f"input_tensors is a {type(given).__name__}, expected {expected}, as the model's inputs"
        )
    tensors = structure.arrange(given, "input_tensors")
    for tensor, shape in zip(tensors, structure.shapes, strict=True):
        if not isinstance(tensor, SymbolicTensor):
            raise ValueError(
                f"input_tensors has a {type(tensor).__name__}, expected symbolic tensors"
            )
        if tensor.sample_shape != shape:
            raise ValueError(
                f"input_tensors has samples of shape {tensor.sample_shape}, expected {shape}"
            )
    return tensors
