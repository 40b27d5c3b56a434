"""Models, layers and optimizers as documents, and back."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unitgain import _names, _native, random
from unitgain._config import serialize
from unitgain.layers.base import Layer, Variable, copies, initial_values
from unitgain.saving import formats
from unitgain.saving.document import Arrays, Document, from_file, to_file

if TYPE_CHECKING:
    from unitgain.models.base import Model
    from unitgain.optimizers.base import Optimizer

__all__ = ["load_model", "save_model"]

Path_ = str | os.PathLike[str]


def save_model(model: Model, filepath: Path_, overwrite: bool = True) -> None:
    """Write a model with all that it takes to go on training it, to one file.

    The file is of the safetensors format: architecture, loss, metrics, optimizer and random state
    are JSON in its header; weights and the optimizer's values are its arrays. It appears whole or
    not at all.

    Args:
        model: a model that has its weights.
        filepath: a name that ends in ``.safetensors``.
        overwrite: whether it may replace a file.

    Raises:
        ValueError: if the model has no weights yet, or the name ends otherwise.
        FileExistsError: if there is a file, and ``overwrite`` is False.
        TypeError: if something in the model has no configuration.
    """
    to_file(checked_path(filepath, overwrite), *model_document(model))


def load_model(
    filepath: Path_, custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Model:
    """Return the model that was written to a file; training goes on where it was.

    ``fit`` then gives the bits that it would have given without the file between: weights,
    optimizer, and the random numbers of shuffling, dropout and noise go on as they were (a call of
    :func:`unitgain.random.seed` sets others). Loading runs no code from the file, draws no random
    numbers and imports nothing.

    Args:
        filepath: what :func:`save_model` wrote.
        custom_objects: classes and functions of one's own by the names that the file has.
        compile: whether to take loss, metrics and optimizer from the file, too, if it has them.

    Raises:
        ValueError: if the file is damaged or was altered, or names something unknown.
        OSError: if it cannot be read.
    """
    with explained(filepath):
        document, arrays = from_file(filepath)
        if not compile:
            for name in _slot_names(document.pop("training", None)):
                arrays.pop(name, None)
        return model_of(document, arrays, custom_objects)


def checked_path(filepath: Path_, overwrite: bool) -> Path:
    """Return the path of a file to write.

    Raises:
        ValueError: if its name does not end in ``.safetensors``.
        FileExistsError: if it is there, and must not be replaced.
    """
    path = Path(formats.checked_name(filepath))
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} is there already, and overwrite is False")
    return path


@contextlib.contextmanager
def explained(filepath: Path_) -> Iterator[None]:
    """Make of every error that a file's contents lead to a ValueError that names the file."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"{os.fspath(filepath)} cannot be loaded: {error}") from error


# ---- models ----


def architecture(model: Model) -> Document:
    """Return what the model is, without weights."""
    from unitgain.models.nesting import leaves

    built = model.built
    return {
        "model": serialize(model),
        "shape": list(model.input_shape) if built else None,
        "dtype": model.dtype,
        "draws": {layer.name: layer.draws for layer in leaves(model.layers) if layer.draws},
    }


def model_document(model: Model) -> tuple[Document, Arrays]:
    """Return a model as a description and arrays."""
    document = architecture(model)
    variables = model.weights
    names = unique_names([weight.name for weight in variables])
    document["weights"] = names
    network = None
    if model.optimizer is not None:
        document["training"] = {"compile": model.get_compile_config(), "state": None}
        network = model._native_network() if model.built else None
    # Another thread may be training the model: all of this is of one moment between two steps.
    with _native.Still([weight.array for weight in variables]):
        arrays = {name: w.array.copy() for name, w in zip(names, variables, strict=True)}
        document["streams"] = random_state(model)
        if network is not None:
            assert model.optimizer is not None
            state, slots = optimizer_state(model.optimizer)
            document["training"] |= {"state": state, "step": network.step}
            arrays |= slots
    return document, arrays


def model_of(
    document: Document, arrays: Arrays, custom_objects: Mapping[str, Any] | None = None
) -> Model:
    """Return the model that :func:`model_document` described.

    Raises:
        ValueError: if description and arrays make no model.
    """
    names = _listed(document, "weights", arrays)
    if "model" not in document:
        raise ValueError(
            "it has weights alone, as save_weights writes them: make the model, and call its "
            "load_weights"
        )
    values = Values({name: arrays[name] for name in names})
    with _names.custom_objects(custom_objects):
        with building(values):
            model = structure(document)
        values.check_used()
        training = document.get("training")
        if training is not None:
            model.compile_from_config(training["compile"])
    if training is not None and training["state"] is not None:
        assert model.optimizer is not None
        spared = set(training["state"]["no_decay"])
        model.optimizer.exclude_from_weight_decay([w for w in model.weights if w.name in spared])
    extra = arrays.keys() - set(names) - _slot_names(training)
    if extra:
        raise ValueError(f"nothing takes the array {min(extra)!r}")
    _resume(model, document, arrays)
    return model


def restore(model: Model, document: Document, arrays: Arrays) -> None:
    """Put a compiled model where :func:`model_document` found one that was made alike.

    Layers may have other names: they are taken in their order.

    Raises:
        ValueError: if it is another model.
    """
    from unitgain.models.nesting import leaves

    model.set_weights(weights_of(document, arrays))
    drawing = [layer for layer in leaves(model.layers) if layer.draws]
    for layer, draws in zip(drawing, document["draws"].values(), strict=True):
        layer.draws = draws
    model._network = None  # made with the keys that layers drew from
    _resume(model, document, arrays)


def _resume(model: Model, document: Document, arrays: Arrays) -> None:
    """Set the optimizer's state, the steps done and the random numbers to come."""
    training = document.get("training")
    if training is not None and training["state"] is not None:
        assert model.optimizer is not None
        network = model._native_network()
        set_optimizer_state(model.optimizer, training["state"], arrays)
        network.step = int(training["step"])
    key, position = document["streams"]
    model._streams = random.Streams(int(key), int(position))
    model._streams_instead_of = random.process_streams()


def structure(document: Document) -> Model:
    """Return a model of :func:`architecture`, whose weights are what ``initial_values`` gives."""
    from unitgain.models.nesting import leaves
    from unitgain.models.registry import model_from

    model = model_from(document["model"])
    if document["shape"] is not None and not model.built:
        model.build(tuple(int(size) for size in document["shape"]), document["dtype"])
    known = {layer.name: layer for layer in leaves(model.layers)}
    for name, draws in document["draws"].items():
        if name not in known:
            raise ValueError(_names.unknown("the layer that draws", name, known))
        known[name].draws = draws
    return model


def random_state(model: Model) -> list[int]:
    """Return the seed and the next stream of what the model's training draws from."""
    streams = model.streams or random.current_streams()
    return [streams.key, streams.position]


# ---- optimizers ----


def optimizer_state(optimizer: Optimizer) -> tuple[Document, Arrays]:
    """Return where an optimizer is: counts, and arrays for each of its variables.

    To be called while it is held between two steps, see ``Optimizer._still``.
    """
    count, rate, *slots = optimizer.variables
    names = unique_names([f"optimizer/{slot.name}" for slot in slots])
    state = {
        "iterations": int(count.array),
        "learning_rate": float(rate.array),
        "slots": names,
        "no_decay": optimizer.without_decay(),
    }
    return state, {name: slot.array.copy() for name, slot in zip(names, slots, strict=True)}


def set_optimizer_state(optimizer: Optimizer, state: Document, arrays: Arrays) -> None:
    """Put an optimizer that has its variables where :func:`optimizer_state` found one.

    Raises:
        ValueError: if it is another kind's, or of other variables.
    """
    names = _listed(state, "slots", arrays)
    count = np.array(int(state["iterations"]))
    rate = np.array(float(state["learning_rate"]))
    if count < 0:
        raise ValueError(f"iterations must be at least 0, but it is {count}")
    slots = optimizer.variables[2:]
    for name, slot in zip(names, slots, strict=False):
        if arrays[name].dtype != slot.dtype:
            raise ValueError(f"{name} has dtype {arrays[name].dtype}, expected {slot.dtype}")
    optimizer.set_weights([count, rate, *(arrays[name] for name in names)])


# ---- weights ----


class Values:
    """Saved weights by name, for layers that are being built."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = dict(arrays)

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        """Return the values of the weight of that name.

        Raises:
            ValueError: if there are none, or they have another shape or dtype.
        """
        found = self._arrays.pop(name, None)
        occurrence = 1
        while found is None and f"{name}:{occurrence}" in self._arrays:
            found = self._arrays.pop(f"{name}:{occurrence}")
        if found is None:
            raise ValueError(f"there is no array for the weight {name}")
        if found.shape != shape or found.dtype != dtype:
            raise ValueError(
                f"the array for {name} is of shape {found.shape} and {found.dtype}, expected "
                f"{shape} and {dtype}"
            )
        return found

    def check_used(self) -> None:
        """Raise ValueError if a weight was not asked for."""
        if self._arrays:
            raise ValueError(f"the model has no weight {min(self._arrays)!r}")


@contextlib.contextmanager
def building(values: Any) -> Iterator[None]:
    """Take weights from ``values`` in this block, and no random numbers from the process's."""
    token = initial_values.set(values)
    try:
        with random.drawing_from(random.Streams(0)):
            yield
    finally:
        initial_values.reset(token)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, those that come again with ``:1``, ``:2`` ... behind them."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        result.append(f"{name}:{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return result


def layer_document(layer: Layer) -> tuple[Document, Arrays]:
    """Return a layer as a description and arrays."""
    names = unique_names([weight.name for weight in layer.weights])
    document = {
        "layer": serialize(layer),
        "shape": list(layer.input_shape) if layer.built and layer.input_shape else None,
        "dtype": layer.dtype,
        "draws": layer.draws,
        "weights": names,
    }
    return document, dict(zip(names, copies(layer.weights), strict=True))


def layer_of(
    document: Document, arrays: Arrays, custom_objects: Mapping[str, Any] | None = None
) -> Layer:
    """Return the layer that :func:`layer_document` described."""
    from unitgain.layers.registry import deserialize

    values = Values(arrays)
    with building(values):
        layer = deserialize(document["layer"], custom_objects)
        if document["shape"] is not None:
            layer.ensure_built(tuple(document["shape"]), document["dtype"])
    values.check_used()
    layer.draws = document["draws"]
    return layer


def weights_document(variables: Sequence[Variable]) -> tuple[Document, Arrays]:
    """Return weights alone as a description and arrays."""
    names = unique_names([weight.name for weight in variables])
    return {"weights": names}, dict(zip(names, copies(variables), strict=True))


def weights_of(document: Document, arrays: Arrays) -> list[Any]:
    """Return the weights of a model's document, or of :func:`weights_document`."""
    return [arrays[name] for name in _listed(document, "weights", arrays)]


def _listed(document: Mapping[str, Any], key: str, arrays: Arrays) -> list[str]:
    names = document.get(key)
    if not isinstance(names, list) or len(set(map(str, names))) != len(names):
        raise ValueError(f"{key} is no list of different names")
    for name in names:
        if name not in arrays:
            raise ValueError(f"there is no array {name!r}")
    return names


def _slot_names(training: Document | None) -> set[str]:
    state = None if training is None else training["state"]
    return set() if state is None else set(state["slots"])
