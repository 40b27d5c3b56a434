"""Models of Keras 3, live or in a ``.keras`` file: configurations and arrays, and no code."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import (
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
)
from unitgain._extras import needed
from unitgain.convert.graphs import located, model_of
from unitgain.convert.states import Slots, go_on
from unitgain.formats import hdf5
from unitgain.graph.variables import Variable, taking_weights_from
from unitgain.layers.registry import known_classes
from unitgain.models import keras_weights
from unitgain.models.saving import explained
from unitgain.optimizers import schedules

__all__ = ["from_keras"]

# How much more than its bytes a member of an archive may come to; Keras does not compress.
_LARGEST_RATIO = 200
_LARGEST_CONFIG = 100_000_000
# Weights of so many values are made before it is known whether the file has them.
_SMALL = 1 << 20

Config = Mapping[str, Any]


def from_keras(model: Any, *, compile: bool = True) -> models.Model:
    """Return a model that computes what a model of Keras 3 does, with its weights.

    Sequential and functional models, one in another, of layers that are here, too. What a file says
    is read and not run: a layer, function or class that is not Keras's own and known here is an
    error. Reading a ``.keras`` file needs h5py alone, and no Keras.

    Args:
        model: a Keras model, or the path of a ``.keras`` file.
        compile: whether to take loss, metrics and optimizer, too, if there are any. The optimizer
            goes on with the steps and moments that it has.

    Raises:
        ValueError: if something has no counterpart, which the message names, or the file is
            damaged.
        TypeError: if ``model`` is neither a model nor a path.
        ImportError: if Keras or h5py is missing where it is needed.
    """
    if isinstance(model, (str, os.PathLike)):
        with explained(model):
            return _read(model, compile)
    keras = needed("keras", "keras", "from_keras")
    if not isinstance(model, keras.Model):
        raise TypeError(f"model is a {type(model).__name__}, expected a Keras model or a path")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return _read(path, compile)


def _read(path: Any, compile: bool) -> models.Model:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError("it is no .keras archive, which is a zip file") from None
    with archive:
        members = _checked(archive)
        if members["config.json"].file_size > _LARGEST_CONFIG:
            raise ValueError(f"its config.json has {members['config.json'].file_size} bytes")
        try:
            config = json.loads(archive.read("config.json"))
        except RecursionError:
            raise ValueError("its config.json is nested too deeply") from None
        with hdf5.Weights(io.BytesIO(archive.read("model.weights.h5"))) as file:
            return _Reading(file).model(config, compile)


def _checked(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members that are read, once the archive is known to be harmless."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise ValueError(f"its member {member.filename!r} is outside of the archive")
        if member.filename in members:
            raise ValueError(f"it has {member.filename!r} twice")
        if member.file_size > _LARGEST_RATIO * member.compress_size:
            raise ValueError(
                f"its member {member.filename!r} comes to {member.file_size} bytes, out of "
                f"{member.compress_size}"
            )
        if parts[0] == "assets" and not member.is_dir():
            raise ValueError(f"its layer at {'/'.join(parts[1:])} has files, which are not read")
        members[member.filename] = member
    for name in ("config.json", "model.weights.h5"):
        if name not in members:
            raise ValueError(f"it has no {name}, as a .keras archive of Keras 3 has")
    return members


# ---- configurations ----

# Where Keras's classes are looked for, by a part of their modules' names; the first that is found.
_NAMESPACES: dict[str, ModuleType] = {
    "schedules": schedules,
    "optimizers": optimizers,
    "initializers": initializers,
    "regularizers": regularizers,
    "constraints": constraints,
    "losses": losses,
    "metrics": metrics,
    "layers": layers,
    "activations": layers,
}
# Arguments that say nothing of what is computed here.
_IGNORED = frozenset(
    {"dtype", "input_axes", "loss_scale_factor", "output_axes", "renorm_momentum", "trainable"}
)
_POLICIES = frozenset({"float32", "float64"})
# Classes that go by another name here.
_RENAMED = {"IdentityInitializer": "Identity"}


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and {"class_name", "config"} <= value.keys()


def _class_of(value: Config) -> type[Any]:
    """Return our class of Keras's that a configuration names.

    Raises:
        ValueError: if it is not Keras's, or there is none here.
    """
    name, module = str(value["class_name"]), str(value.get("module"))
    parts = module.split(".")
    for part, namespace in _NAMESPACES.items():
        if parts[0] == "keras" and part in parts:
            found = getattr(namespace, _RENAMED.get(name, name), None)
            if isinstance(found, type) and found not in _OF_CODE:
                return found
    raise ValueError(f"{name!r} of {module!r} has no counterpart here")


def _cleaned(kind: type[Any], config: Config) -> dict[str, Any]:
    """Return a configuration with the arguments that our class takes.

    Raises:
        ValueError: if it has others that say something.
    """
    names: Any = getattr(kind, "_argument_names", None)
    known = {*(names() if names else ()), "name"}
    if issubclass(kind, layers.Layer):
        known.add("trainable")
    cleaned = {}
    for key, value in config.items():
        if key in known:
            cleaned[key] = _plain(value)
        elif key not in _IGNORED and value not in (None, False):
            raise ValueError(f"{kind.__name__} takes no {key} here, which is {value!r}")
    return cleaned


def _plain(value: Any) -> Any:
    """Return a value in a configuration as our classes take it."""
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return [_plain(one) for one in value["items"]]
    if not _is_object(value):
        return [_plain(one) for one in value] if isinstance(value, list) else value
    name = value["class_name"]
    if name == "function":  # of Keras's own, the name says which
        module = str(value.get("module"))
        if value.get("registered_name") != value["config"] or module != "builtins":
            raise ValueError(f"the function {value['config']!r} of {module!r} is not read")
        return value["config"]
    if name == "SeedGenerator":
        return value["config"].get("seed")
    kind = _class_of(value)
    return {"class_name": kind.__name__, "config": _cleaned(kind, value["config"])}


def _policy(config: Config) -> str | None:
    """Return the dtype that a layer computes in, if it says one."""
    given = config.get("dtype")
    while isinstance(given, Mapping):
        given = given.get("config", {}).get("name")
    return given


# ---- models ----

# Keras's operations between tensors.
_OPERATIONS: dict[str, Callable[[], layers.Layer]] = {
    "Add": layers.Add,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
    "Multiply": layers.Multiply,
    "Subtract": layers.Subtract,
}
# What is a function: the code in a file is not run.
_OF_CODE = (layers.Lambda, losses.LossFunctionWrapper)


class _Reading:
    """A model on its way from Keras's configuration."""

    def __init__(self, file: hdf5.Weights) -> None:
        self._file = file
        self._shapes = file.shapes()
        self._dtype = "float32"
        self._places: list[tuple[layers.Layer, str]] = []

    def model(self, config: Config, compile: bool) -> models.Model:
        """Return the model of a configuration, with the weights in the file."""
        self._dtype = self._common_policy(config)
        made = self._any_model(config, "")
        if not made.built:
            raise ValueError(f"{made.name} has no weights: build it before it is saved")
        for variable, array in keras_weights.matched(self._places, self._file):
            variable.assign(array)
        settings = config.get("compile_config")
        if compile and settings and settings.get("optimizer"):
            with located("its compile_config (compile=False leaves it out)"):
                self._compile(made, settings)
        return made

    def _common_policy(self, config: Config) -> str:
        found: set[str] = set()

        def visit(layer: Config) -> None:
            inner = layer.get("config", {})
            policy = _policy(inner)
            parts = inner.get("layers", [])
            if policy is not None and not parts and layer.get("class_name") != "InputLayer":
                found.add(policy)
            for one in parts:
                visit(one)

        visit(config)
        if not found <= _POLICIES or len(found) > 1:
            raise ValueError(
                f"its dtype policies are {', '.join(sorted(found))}, expected float32 or float64 "
                "throughout"
            )
        return found.pop() if found else "float32"

    def _any_model(self, config: Config, root: str) -> models.Model:
        name, inner = config.get("class_name"), config["config"]
        if name not in ("Sequential", "Functional"):
            raise ValueError(
                f"it is a {name!r} of {config.get('module')!r}, expected a Sequential or a "
                "functional model"
            )
        given: list[Config] = inner["layers"]
        classes = [str(one["class_name"]) for one in given if _is_layer(one)]
        groups = iter(keras_weights.group_names(classes))
        paths = [f"{root}layers/{next(groups)}" if _is_layer(one) else "" for one in given]
        with self._bounded():
            if name == "Sequential":
                return self._chain(inner, given, paths)
            return self._graph(inner, given, paths)

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Draw no random numbers, and make no large weights but of shapes that the file has."""

        def zeros(name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
            if np.prod(shape, dtype=np.float64) > _SMALL:
                if not self._shapes[shape]:
                    raise ValueError(f"there are no values of shape {shape} for {name}")
                self._shapes[shape] -= 1
            return np.zeros(shape, dtype)

        with taking_weights_from(zeros):
            yield

    def _input(self, config: Config) -> layers.Input:
        shape = config.get("batch_shape") or [None, None]
        if not all(isinstance(size, int) for size in shape[1:]):
            raise ValueError(f"{config.get('name')} is of shape {shape}, expected known sizes")
        given = config.get("dtype")
        dtype = given if isinstance(given, str) and "int" in given else self._dtype
        if self._dtype == "float64":
            dtype = "float64"
        return layers.Input(shape[1:], dtype, config["name"])

    def _operation(self, config: Config, path: str) -> Any:
        """Return the layer, or the model used as one, of a configuration."""
        name = str(config["class_name"])
        if name in ("Sequential", "Functional"):
            return self._any_model(config, f"{path}/")
        inner = config["config"]
        title = f"the layer {inner.get('name')!r} ({name})"
        with located(title):
            kind = _class_of(config)
            if kind not in known_classes(layers.Layer).values():
                raise ValueError(f"{name!r} has no counterpart here")
            if config.get("registered_name") not in (None, name, f"keras>{name}"):
                raise ValueError(f"{config['registered_name']!r} is not Keras's own")
            layer = kind.from_config(_cleaned(kind, inner))
        self._places.append((layer, path))
        return layer

    def _chain(self, inner: Config, given: list[Config], paths: list[str]) -> models.Model:
        made: list[Any] = []
        for config, path in zip(given, paths, strict=True):
            if config["class_name"] == "InputLayer":
                made.append(self._input(config["config"]))
            else:
                made.append(self._operation(config, path))
        shape = inner.get("build_input_shape")
        if shape and made and not isinstance(made[0], layers.Input):
            made.insert(0, self._input({"batch_shape": shape, "name": f"{inner['name']}_input"}))
        return models.Sequential(made, name=inner["name"])

    def _graph(self, inner: Config, given: list[Config], paths: list[str]) -> models.Model:
        tensors: dict[tuple[str, int, int], Any] = {}
        waiting: list[tuple[str, int, Any, Config]] = []
        computed = _computed(inner, given)
        for config, path in zip(given, paths, strict=True):
            name = config.get("name", config["config"].get("name"))
            if config["class_name"] == "InputLayer":
                tensors[name, 0, 0] = self._input(config["config"])
                continue
            if not path and name not in computed:  # a mask, which is made here by the layers
                continue
            operation = self._operation(config, path) if path else config
            waiting += [(name, i, operation, n) for i, n in enumerate(config["inbound_nodes"])]
        while waiting:
            left = []
            for name, number, operation, node in waiting:
                if not all(source in tensors for source in _sources(node)):
                    left.append((name, number, operation, node))
                    continue
                with located(f"the layer {name!r}"):
                    made = _called(operation, node, tensors)
                for i, tensor in enumerate(made):
                    tensors[name, number, i] = tensor
            if len(left) == len(waiting):
                raise ValueError(f"the inputs of the layer {left[0][0]!r} are made by none")
            waiting = left
        inputs = _structure(inner["input_layers"], tensors)
        outputs = _structure(inner["output_layers"], tensors)
        return model_of(inputs, outputs, inner["name"])

    # ---- training ----

    def _compile(self, model: models.Model, settings: Config) -> None:
        optimizer = settings["optimizer"]
        kind = _class_of(optimizer)
        if not issubclass(kind, optimizers.Optimizer):
            raise ValueError(f"the optimizer is a {optimizer['class_name']!r}")
        arguments = {
            name: _criteria(settings.get(name))
            for name in ("loss", "metrics", "loss_weights", "weighted_metrics")
        }
        model.compile(kind.from_config(_cleaned(kind, optimizer["config"])), **arguments)
        arrays = self._file.arrays("optimizer")
        if arrays and model.loss is not None:
            go_on(model, *self._kept(model, kind.__name__, arrays))

    def _kept(
        self, model: models.Model, kind: str, arrays: list[NDArray[Any]]
    ) -> tuple[int, list[tuple[Variable, Slots]]]:
        """Return the steps done, and what Keras's optimizer keeps for each variable."""
        model._own_optimizer()
        optimizer: Any = model.optimizer
        if kind not in _KEPT:
            raise ValueError(f"the state of a {kind} is not converted")
        states = optimizer._native.state()
        kept = {
            variable: {name: values.shape for name, values in state}
            for variable, state in zip(optimizer._trainable, states, strict=True)
        }
        has_rate = optimizer._schedule is None
        trained = set(model.trainable_weights)
        own = [weight for layer, _ in self._places for weight in layer.weights]
        variables = [weight for weight in dict.fromkeys(own) if weight in trained]
        slots: dict[Variable, dict[str, NDArray[Any]]] = {variable: {} for variable in variables}
        order = [
            (variable, name)
            for group in _KEPT_BY_ALL + _KEPT[kind]
            for variable in variables
            for name in group
            if name in kept[variable] or (kind in _KEPT_FOR_EACH and group in _KEPT[kind])
        ]
        first = 1 + has_rate
        expected = first + len(order) + _KEPT_AT_THE_END.get(kind, 0)
        if len(arrays) != expected:
            raise ValueError(f"its optimizer has {len(arrays)} arrays, expected {expected}")
        for (variable, name), values in zip(order, arrays[first:], strict=False):
            if name in kept[variable]:
                slots[variable][name] = values.reshape(kept[variable][name])
        return int(arrays[0]), list(slots.items())


def _is_layer(config: Config) -> bool:
    """Return whether a part of a graph is a layer or a model, and not an operation."""
    return ".ops." not in f"{config.get('module')}."


def _criteria(given: Any) -> Any:
    """Return losses or metrics, and lists and dicts of them."""
    if isinstance(given, Mapping) and not _is_object(given):
        return {key: _criteria(value) for key, value in given.items()}
    return [_criteria(one) for one in given] if isinstance(given, list) else _plain(given)


def _history(given: Any) -> tuple[str, int, int] | None:
    """Return which tensor is meant, if one is."""
    if isinstance(given, Mapping) and given.get("class_name") == "__keras_tensor__":
        name, node, tensor = given["config"]["keras_history"]
        return str(name), int(node), int(tensor)
    return None


def _sources(node: Config) -> Iterator[tuple[str, int, int]]:
    for given in node["args"]:
        for one in given if isinstance(given, list) else [given]:
            source = _history(one)
            if source is not None:
                yield source


def _called(operation: Any, node: Config, tensors: Mapping[Any, Any]) -> list[Any]:
    """Call an operation as a node of Keras's graph does; return the tensors that it makes."""
    keywords = {key: value for key, value in node.get("kwargs", {}).items() if value is not None}
    training, mask = keywords.pop("training", None), keywords.pop("mask", None)
    if keywords:
        raise ValueError(f"it is called with {min(keywords)}={keywords[min(keywords)]!r}")

    def known(given: Any) -> Any:
        source = _history(given)
        if source is not None:
            return tensors[source]
        return [known(one) for one in given] if isinstance(given, list) else given

    arguments = [known(given) for given in node["args"]]
    if isinstance(operation, Mapping):
        return [_calculated(operation, arguments)]
    if len(arguments) != 1:
        raise ValueError(f"it is called with {len(arguments)} arguments, expected one")
    given_mask = {} if mask is None else _mask_given(mask, arguments[0], tensors)
    made = operation(arguments[0], training=training, **given_mask)
    return list(made) if isinstance(made, (list, tuple)) else [made]


def _computed(inner: Config, given: list[Config]) -> set[str]:
    """Return the names of what a graph's outputs are made of, masks being left out."""
    nodes = {str(one.get("name", one["config"].get("name"))): one for one in given}
    stack: list[Any] = [inner["output_layers"]]
    found: set[str] = set()
    while stack:
        one = stack.pop()
        if isinstance(one, Mapping):
            stack.extend(one.values())
        elif isinstance(one, str):
            if one in nodes and one not in found:
                found.add(one)
                for node in nodes[one].get("inbound_nodes", []):
                    stack.extend(name for name, _, _ in _sources(node))
        elif isinstance(one, (list, tuple)):
            stack.extend(one)
    return found


def _mask_given(mask: Any, given: Any, tensors: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the keyword of a mask that is a tensor of the graph; none for one that layers made.

    Raises:
        ValueError: if it is computed otherwise.
    """
    source = _history(mask)
    if source in tensors:
        return {"mask": tensors[source]}
    if isinstance(given, list) or given.mask is None:
        raise ValueError("it is called with a mask, which no layer here has made")
    return {}


def _calculated(config: Config, arguments: list[Any]) -> Any:
    """Return what one of Keras's operations makes of tensors, or of a tensor and a number."""
    name = config["class_name"]
    if name not in _OPERATIONS or len(arguments) != 2:
        raise ValueError(f"the operation {name!r} has no counterpart here")
    title = config["config"].get("name")
    numbers = [one for one in arguments if isinstance(one, (int, float))]
    if not numbers:
        layer = _OPERATIONS[name]()
        layer.name = title or layer.name
        return layer(arguments)
    tensor_first = not isinstance(arguments[0], (int, float))
    number = float(numbers[0])
    scales = {
        "Add": (1.0, number),
        "Multiply": (number, 0.0),
        "Subtract": (1.0, -number) if tensor_first else (-1.0, number),
    }
    if name not in scales:
        raise ValueError(f"the operation {name!r} with a number has no counterpart here")
    return layers.Rescaling(*scales[name], name=title)(arguments[0 if tensor_first else 1])


def _structure(given: Any, tensors: Mapping[Any, Any]) -> Any:
    """Return the tensors of a model's inputs or outputs: one, a list, or a dict."""
    if isinstance(given, Mapping):
        return {key: _structure(value, tensors) for key, value in given.items()}
    if len(given) == 3 and isinstance(given[0], str):
        name, node, tensor = given
        if (name, node, tensor) not in tensors:
            raise ValueError(f"there is no tensor {given}")
        return tensors[name, node, tensor]
    return [_structure(one, tensors) for one in given]


# In their order in Keras: what is kept for all variables, one group behind the other, by its name
# here; of Muon's two, matrices have the first. Source: the optimizers' ``build`` in Keras 3.
_KEPT: dict[str, list[tuple[str, ...]]] = {
    "Adadelta": [("accumulated_grad", "accumulated_delta_var")],
    "Adafactor": [("row_moments", "column_moments", "velocity")],
    "Adagrad": [("accumulator",)],
    "Adam": [("momentum", "velocity"), ("velocity_hat",)],
    "AdamW": [("momentum", "velocity"), ("velocity_hat",)],
    "Adamax": [("momentum", "norm")],
    "Ftrl": [("accumulator", "linear")],
    "Lamb": [("momentum", "velocity")],
    "Lion": [("momentum",)],
    "Muon": [("momentum", "velocity")],
    "Nadam": [("momentum", "velocity")],
    "RMSprop": [("velocity",), ("momentum",), ("average_gradient",)],
    "SGD": [("momentum",)],
}
# Each variable has all of a group, though some of it is empty or follows from the rest.
_KEPT_FOR_EACH = {"Adafactor"}
# What is not a variable's and follows from the steps done: the product of Nadam's momenta.
_KEPT_AT_THE_END = {"Nadam": 1}
_KEPT_BY_ALL: list[tuple[str, ...]] = [("average",), ("gradient_accumulator",)]
