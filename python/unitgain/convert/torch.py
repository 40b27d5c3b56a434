"""Modules of PyTorch as models: traced by torch.fx, each module and function by a table."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from unitgain import layers
from unitgain._extras import needed
from unitgain.convert.graphs import connected, located, model_of
from unitgain.convert.state_dicts import matched, parameter_names
from unitgain.convert.states import go_on
from unitgain.convert.torch_functions import (
    ALIASES,
    BATCH,
    BINARY,
    FUNCTIONS,
    MODULES,
    PLAIN_MODULES,
    SHAPING,
)
from unitgain.convert.torch_optimizers import optimizer_of, state_of
from unitgain.graph.tensors import SymbolicTensor
from unitgain.models import Model

__all__ = ["from_torch"]


def from_torch(
    module: Any,
    input_shape: Sequence[Any] | None = None,
    *,
    optimizer: Any = None,
    loss: Any = None,
    metrics: Any = None,
    name: str | None = None,
) -> Model:
    """Return a model that computes what a module of PyTorch does, with its weights.

    The module is traced by :mod:`torch.fx`, not run: what it does with its input must not depend on
    values. Of its modules and functions, those that a layer here computes are converted; layers
    have the modules' paths as names, with ``_`` for ``.``. Training goes on from there as PyTorch
    would do it, but for what is said in the guide: the moving variance of a batch norm moves
    towards the batch's biased one, and dropout draws other numbers.

    Args:
        module: an ``nn.Module``, of float32 or float64.
        input_shape: of a sample, without the batch; of several inputs, a list of shapes. None: what
            the first modules behind the input take.
        optimizer: an optimizer of the module, with which the model is compiled: ``SGD``, ``Adam``
            or ``AdamW`` of one group of parameters, whose steps and moments are carried along.
        loss: what the model is compiled with beside it, as :meth:`~unitgain.Model.compile` takes
            it.
        metrics: the same.
        name: what the model is called.

    Returns:
        A :class:`~unitgain.Sequential` of a chain, and else a :class:`~unitgain.Model`.

    Raises:
        ValueError: if something has no counterpart; the message has its path in the module.
        TypeError: if ``module`` is none, or cannot be traced.
        ImportError: if PyTorch is not installed.
    """
    torch = needed("torch", "torch", "from_torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module is a {type(module).__name__}, expected a torch.nn.Module")
    if (optimizer is None) != (loss is None):
        raise ValueError("optimizer and loss must be given together: a model is compiled with both")
    _check_tensors(torch, module)
    tracing = _Tracing(torch, module)
    inputs, outputs = tracing.run(input_shape)
    model = model_of(inputs, outputs, name)
    if optimizer is not None:
        given = {
            id(tensor): variable
            for part, layer in tracing.parts
            for tensor, variable in _parameters(part, layer)
        }
        model.compile(optimizer_of(optimizer, given), loss, metrics)
        go_on(model, *state_of(optimizer, given))
    return model


def _check_tensors(torch: Any, module: Any) -> None:
    """Raise ValueError if a dtype cannot be trained here, or two modules share a parameter."""
    seen: dict[int, str] = {}
    for path, tensor in module.named_parameters(remove_duplicate=False):
        if id(tensor) in seen and module.get_submodule(path.rpartition(".")[0]) is not (
            module.get_submodule(seen[id(tensor)].rpartition(".")[0])
        ):
            raise ValueError(f"{path} is {seen[id(tensor)]}: layers here do not share weights")
        seen.setdefault(id(tensor), path)
    dtypes: dict[Any, str] = {}
    for path, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point():
            dtypes.setdefault(tensor.dtype, path)
    for dtype, path in dtypes.items():
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"{path} is of {dtype}, expected float32 or float64: convert module.float()"
            )
    if len(dtypes) > 1:
        raise ValueError(f"{' and '.join(dtypes.values())} have different dtypes")


class _Tracing:
    """A module on its way to a graph of layers."""

    def __init__(self, torch: Any, module: Any) -> None:
        tracer = needed("torch.fx", "torch", "from_torch").Tracer()
        if tracer.is_leaf_module(module, ""):
            module = torch.nn.Sequential(module)
        modes = {child: child.training for child in module.modules()}
        module.train()  # so that dropout's functions are in the graph
        try:
            self._nodes = list(tracer.trace(module).nodes)
        except Exception as error:
            raise TypeError(
                f"the {type(module).__name__} cannot be traced by torch.fx: {error}"
            ) from error
        finally:
            for child, mode in modes.items():
                child.training = mode
        self._module = module
        floats = [t for t in module.state_dict().values() if t.is_floating_point()]
        is_double = bool(floats) and floats[0].dtype == torch.float64
        self._dtype = "float64" if is_double else "float32"
        self._values: dict[Any, Any] = {}
        self._layers: dict[int, Any] = {}  # by the module's identity
        self._names: set[str] = set()
        self.parts: list[tuple[Any, Any]] = []  # modules and their layers with weights

    def run(self, input_shape: Any) -> tuple[Any, Any]:
        """Return the symbolic inputs and outputs."""
        places = [node for node in self._nodes if node.op == "placeholder"]
        several = input_shape is not None and any(map(_is_shape, input_shape))
        shapes = list(input_shape) if several else [input_shape] * min(len(places), 1)
        if input_shape is None:
            shapes = [None] * len(places)
        if len(shapes) != len(places):
            raise ValueError(
                f"input_shape is {input_shape}, but the module has the inputs "
                f"{', '.join(node.target for node in places)}: give a list of a shape for each"
            )
        inputs = []
        for node, shape in zip(places, shapes, strict=True):
            known = self._input_shape(node) if shape is None else tuple(shape)
            name = self._fresh(str(node.target))
            self._values[node] = layers.Input(known, self._dtype, name)
            inputs.append(self._values[node])
        outputs = None
        for node in self._nodes:
            if node.op == "output":
                outputs = self._known(node.args[0])
            elif node.op != "placeholder":
                place = node.target if node.op == "call_module" else f"{node.op} {node.name}"
                with located(str(place)):
                    self._values[node] = self._step(node)
        return inputs[0] if len(inputs) == 1 else inputs, _listed(outputs)

    def _fresh(self, name: str) -> str:
        """Return a name that no layer has."""
        base, count = name.replace(".", "_").replace("/", "_"), 0
        while (made := f"{base}_{count}" if count else base) in self._names:
            count += 1
        self._names.add(made)
        return made

    def _input_shape(self, node: Any) -> tuple[int, ...]:
        """Return the shape that the first modules behind an input take."""
        for use in node.users:
            if use.op == "call_module":
                module = self._module.get_submodule(use.target)
                kind = type(module).__name__
                for attribute in ("in_features", "num_features", "normalized_shape"):
                    given = getattr(module, attribute, None)
                    if given is not None:
                        return tuple(given) if _is_shape(given) else (int(given),)
                if PLAIN_MODULES.get(kind, ("",))[0] not in FUNCTIONS:
                    continue
            elif _name(use) not in FUNCTIONS and _name(use) not in BINARY:
                continue
            return self._input_shape(use)
        raise ValueError(
            f"the shape of {node.target if node.op == 'placeholder' else 'the input'} is not known "
            "from the module behind it: give input_shape, that of a sample"
        )

    def _known(self, given: Any) -> Any:
        """Return an argument with tensors for nodes."""
        if isinstance(given, (list, tuple)):
            return type(given)(map(self._known, given))
        if isinstance(given, Mapping):
            return {key: self._known(value) for key, value in given.items()}
        if isinstance(given, slice):
            return slice(*map(self._known, (given.start, given.stop, given.step)))
        return self._values.get(given, given)

    def _step(self, node: Any) -> Any:
        arguments = list(map(self._known, node.args))
        keywords = {key: self._known(value) for key, value in node.kwargs.items()}
        for key in ("input", "self", "x"):
            if key in keywords and not arguments:
                arguments.insert(0, keywords.pop(key))
        if node.op == "call_module":
            return self._call_module(node.target, arguments, keywords)
        if node.op == "get_attr":
            raise ValueError(f"{node.target} is a tensor used as it is, which no layer here has")
        return self._call(_name(node), node.name, arguments, keywords)

    def _call_module(self, path: str, arguments: list[Any], keywords: Mapping[str, Any]) -> Any:
        module = self._module.get_submodule(path)
        kind = type(module).__name__
        if not type(module).__module__.startswith("torch.nn.modules.") or not (
            kind in MODULES or kind in PLAIN_MODULES
        ):
            known = ", ".join(sorted([*MODULES, *PLAIN_MODULES]))
            raise ValueError(f"a {kind} has no counterpart here; converted are {known}")
        if module._forward_hooks or module._forward_pre_hooks:
            raise ValueError("it has hooks, which cannot be converted")
        if len(arguments) != 1 or keywords or not isinstance(arguments[0], SymbolicTensor):
            raise ValueError("it is not called with a single tensor")
        (x,) = arguments
        if id(module) not in self._layers:
            made: list[Any]
            if kind in PLAIN_MODULES:
                function, attributes = PLAIN_MODULES[kind]
                given = [name == "training" or getattr(module, name) for name in attributes]
                made = (FUNCTIONS | SHAPING)[function](x, *given)
            else:
                made = [MODULES[kind](module, x)]
            self._layers[id(module)] = self._named(made, path)
            return self._first_call(module, self._layers[id(module)], x)
        return self._chained(self._layers[id(module)], x)

    def _first_call(self, module: Any, made: list[Any], x: Any) -> Any:
        layer = made[0]
        own = list(module.parameters(recurse=False))
        if len({tensor.requires_grad for tensor in own}) > 1:
            raise ValueError("some of its parameters are frozen, and others are not")
        if own and not own[0].requires_grad:
            layer.trainable = False
        y = self._chained(made, x)
        if own or list(module.buffers(recurse=False)):
            self.parts.append((module, layer))
            tensors = {
                name: tensor
                for name, tensor in module.state_dict(keep_vars=True).items()
                if "." not in name
            }
            for variable, array in matched(layer, tensors):
                variable.assign(array)
        elif layer.weights:  # a scale that the module does without
            for variable in layer.weights:
                variable.array[...] = 1
        return y

    def _named(self, made: list[Any], name: str) -> list[Any]:
        for layer in made:
            layer.name = self._fresh(name)
        return made

    def _chained(self, made: list[Any], x: Any) -> Any:
        for layer in made:
            x = connected(layer, x)
        return x

    def _call(self, function: str, name: str, arguments: list[Any], keywords: Any) -> Any:
        """Return what a function or method makes of its arguments."""
        first = arguments[0] if arguments else None
        numbers = not any(isinstance(one, SymbolicTensor) for one in _flat(arguments))
        if function in ("getattr", "size") or numbers:
            return _of_numbers(function, arguments, keywords)
        if function == "cat":
            axis = keywords.get("dim", arguments[1] if len(arguments) > 1 else 0)
            return self._chained_many(layers.Concatenate(axis), name, list(first))  # type: ignore[arg-type]
        if function in BINARY or function == "truediv":
            return self._binary(function, name, arguments, keywords)
        maker = (FUNCTIONS | SHAPING).get(function)
        if maker is None:
            known = ", ".join(sorted({*FUNCTIONS, *SHAPING, *BINARY, "cat", "truediv"}))
            raise ValueError(f"{function} has no counterpart here; converted are {known}")
        return self._chained(self._named(maker(*arguments, **keywords), name), first)

    def _chained_many(self, layer: Any, name: str, tensors: list[Any]) -> Any:
        (named,) = self._named([layer], name)
        return connected(named, tensors)

    def _binary(self, function: str, name: str, arguments: list[Any], keywords: Any) -> Any:
        if keywords or len(arguments) != 2:
            raise ValueError(f"{function} is called with {len(arguments)} arguments and {keywords}")
        a, b = arguments
        if isinstance(a, SymbolicTensor) and isinstance(b, SymbolicTensor):
            if function == "truediv":
                raise ValueError("a tensor is divided by a tensor, which no layer here does")
            return self._chained_many(BINARY[function](), name, [a, b])
        tensor, number = (a, b) if isinstance(a, SymbolicTensor) else (b, a)
        if not isinstance(number, (int, float)):
            raise ValueError(f"a tensor meets a {type(number).__name__}, expected a number")
        scale, offset = _affine(function, float(number), tensor is a)
        return self._chained(self._named([layers.Rescaling(scale, offset)], name), tensor)


def _affine(function: str, number: float, tensor_first: bool) -> tuple[float, float]:
    """Return scale and offset of a sum, difference, product or quotient with a number."""
    if function == "add":
        return 1.0, number
    if function == "mul":
        return number, 0.0
    if function == "sub":
        return (1.0, -number) if tensor_first else (-1.0, number)
    if function == "truediv" and tensor_first:
        return 1 / number, 0.0
    raise ValueError(f"{function} of a tensor and a number is not what a layer here does")


def _of_numbers(function: str, arguments: list[Any], keywords: Mapping[str, Any]) -> Any:
    """Return what is computed of shapes while a module is traced."""
    first, *rest = arguments
    if isinstance(first, SymbolicTensor):
        shape = (BATCH, *first.sample_shape)
        if function == "getattr" and rest == ["shape"]:
            return shape
        if function == "getattr" and rest == ["ndim"]:
            return len(shape)
        if function == "size":
            axis = [*rest, *keywords.values()]
            return shape[axis[0]] if axis else shape
        raise ValueError(f"its attribute {rest[0]!r} is used, which is not known here")
    computed = getattr(operator, function, None)
    if computed is None or any(one is BATCH for one in arguments):
        raise ValueError(f"{function} of {arguments} cannot be converted")
    return computed(*arguments)


def _name(node: Any) -> str:
    target = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
    return ALIASES.get(name, name)


def _flat(given: Any) -> list[Any]:
    return [inner for one in given for inner in (one if isinstance(one, (list, tuple)) else [one])]


def _listed(outputs: Any) -> Any:
    return list(outputs) if isinstance(outputs, tuple) else outputs


def _is_shape(given: Any) -> bool:
    return isinstance(given, Sequence) or hasattr(given, "__len__")


def _parameters(module: Any, layer: Any) -> list[tuple[Any, Any]]:
    """Return a module's parameters with the layer's variables."""
    own = dict(module.named_parameters(recurse=False))
    return [(own[n], v) for n, v in parameter_names(layer).items() if n in own]
