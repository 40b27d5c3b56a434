"""Models as documents, in files and in copies."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native, random
from unitgain._configurable import custom_classes, serialize
from unitgain.formats import hdf5
from unitgain.formats.document import (
    Arrays,
    Document,
    from_bytes,
    from_file,
    listed_arrays,
    to_bytes,
    to_file,
)
from unitgain.formats.foreign import checked_name
from unitgain.formats.narrow import WEIGHTS_DTYPES, as_bfloat16, expanded, quantized
from unitgain.graph.native import NativeParameter
from unitgain.graph.variables import SavedWeights, Variable, copies, taking_weights_from
from unitgain.layers.registry import operation_from
from unitgain.models import keras_weights
from unitgain.training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Saving", "described", "explained", "model_document", "restore", "restored_predictor"]

Path_ = str | os.PathLike[str]


class Saving(Trainer):
    """Configurations, files, copies, and the random numbers that a loaded model goes on with."""

    # The streams that a loaded model draws from, until ug.random.seed replaces the process's.
    _streams: random.Streams | None = None
    _streams_instead_of: random.Streams | None = None

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights."""
        raise NotImplementedError

    def _forget_network(self) -> None:
        raise NotImplementedError

    @property
    def streams(self) -> random.Streams | None:
        """The random streams of a loaded model; None for those of the process."""
        if self._streams_instead_of is not random.process_streams():
            self._streams = None
        return self._streams

    def to_json(self, **arguments: Any) -> str:
        """Return the model's class and configuration as JSON.

        Args:
            **arguments: of :func:`json.dumps`.
        """
        return json.dumps(serialize(self), **arguments)

    def get_compile_config(self) -> dict[str, Any]:
        """Return the arguments of ``compile``, as values that JSON can hold."""
        config = {"loss": None} if self._objective is None else self._objective.get_config()
        how = {
            "run_eagerly": (self.run_eagerly, False),
            "steps_per_execution": (self.steps_per_execution, 1),
            "jit_compile": (self.jit_compile, False if self.run_eagerly else "auto"),
        }
        changed = {name: value for name, (value, default) in how.items() if value != default}
        return {"optimizer": serialize(self.optimizer), **config, **changed}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile with what :meth:`get_compile_config` returned; the optimizer starts afresh."""
        self.compile(**config)

    def save(
        self, filepath: Path_, overwrite: bool = True, *, weights_dtype: str | None = None
    ) -> None:
        """Write the model with all that it takes to go on training it, to one file.

        The file is of the safetensors format: architecture, loss, metrics, optimizer and random
        state are JSON in its header; weights and the optimizer's values are its arrays. It appears
        whole or not at all.

        Args:
            filepath: a name that ends in ``.safetensors``.
            overwrite: whether it may replace a file.
            weights_dtype: how weights are stored, by default as they are. ``"float32"``,
                ``"bfloat16"`` (all matrices, rounded to 8 significant bits: half the size) or
                ``"int8"`` (kernels, as integers of -127 to 127 times a float32 scale for each
                unit: a quarter). It is for float32 models that are to be run: what the optimizer
                keeps is left out. The file is loaded as any other, with weights of float32, by
                Python, C++ and C; :meth:`optimize_for_inference` makes of ``"int8"`` what it
                would have made of the model itself, to the bit.

        Raises:
            ValueError: if the model has no weights yet, the name ends otherwise, or the model or
                its weights have no such ``weights_dtype``.
            FileExistsError: if there is a file, and ``overwrite`` is False.
            TypeError: if something in the model has no configuration.
        """
        path = checked_path(filepath, overwrite)
        document, arrays = model_document(self)
        if weights_dtype is None:
            to_file(path, document, arrays)
        else:
            _write_narrow(path, self, weights_dtype, document, arrays)

    @classmethod
    def load(
        cls,
        filepath: Path_,
        custom_objects: Mapping[str, Any] | None = None,
        compile: bool = True,
    ) -> Self:
        """Return the model that :meth:`save` wrote to a file; training goes on where it was.

        ``fit`` then gives the bits that it would have given without the file between: weights,
        optimizer, and the random numbers of shuffling, dropout and noise go on as they were (a call
        of :func:`unitgain.random.seed` sets others). Loading runs no code from the file, draws no
        random numbers and imports nothing.

        Args:
            filepath: the file.
            custom_objects: classes and functions of one's own by the names that the file has.
            compile: whether to take loss, metrics and optimizer from the file, too, if it has them.

        Raises:
            ValueError: if the file is damaged or was altered, names something unknown, or holds a
                model of another class.
            OSError: if it cannot be read.
        """
        with explained(filepath):
            document, arrays = from_file(filepath)
            expanded(document, arrays)
            if not compile:
                for name in _slot_names(document.pop("training", None)):
                    arrays.pop(name, None)
            model = model_of(document, arrays, custom_objects)
            if not isinstance(model, cls):
                raise ValueError(f"it holds a {type(model).__name__}, expected a {cls.__name__}")
            return model

    def save_weights(self, filepath: Path_, overwrite: bool = True) -> None:
        """Write the weights alone to a file, whose name ends in ``.safetensors``.

        Raises:
            ValueError: if the model has no weights yet, or the name ends otherwise.
            FileExistsError: if there is a file, and ``overwrite`` is False.
        """
        self._check_built()
        path = checked_path(filepath, overwrite)
        to_file(path, *_weights_document(self.weights))

    def load_weights(self, filepath: Path_, skip_mismatch: bool = False) -> None:
        """Set the weights from a file of :meth:`save_weights` or :meth:`save`, in their order.

        Args:
            filepath: the file; the names of its layers are of no account. It may be one of Keras 3,
                ``.weights.h5`` (needs the extra ``keras``), of a model made of the same layers.
            skip_mismatch: whether weights of another shape are left as they are. The file must
                have as many as the model.

        Raises:
            ValueError: if the file is damaged, or its weights do not fit; nothing is changed then.
            ImportError: if it is HDF5, and h5py is not installed.
        """
        self._check_built()
        with explained(filepath):
            if os.path.isfile(filepath) and hdf5.is_hdf5(filepath):
                self._load_keras_weights(filepath, skip_mismatch)
                return
            document, arrays = from_file(filepath)
            expanded(document, arrays)
            found = _weights_of(document, arrays)
            variables = self.weights
            if skip_mismatch and len(found) == len(variables):
                found = [
                    array if array.shape == variable.shape else variable.array
                    for array, variable in zip(found, variables, strict=True)
                ]
            self.set_weights([np.asarray(array) for array in found])

    def _load_keras_weights(self, filepath: Path_, skip_mismatch: bool) -> None:
        if skip_mismatch:
            raise ValueError("skip_mismatch is for files of unitgain alone")
        with hdf5.Weights(filepath) as file:
            pairs = keras_weights.matched(keras_weights.places(self), file)
        arrays = {id(variable): array for variable, array in pairs}
        self.set_weights([arrays.get(id(variable), variable.array) for variable in self.weights])

    def _describe(self) -> Any:
        return described(self)

    def __reduce__(self) -> Any:
        with custom_classes() as classes:
            content = to_bytes(*model_document(self))
        return _restored_model, (content, classes)


# ---- files ----


def checked_path(filepath: Path_, overwrite: bool) -> Path:
    """Return the path of a file to write.

    Raises:
        ValueError: if its name does not end in ``.safetensors``.
        FileExistsError: if it is there, and must not be replaced.
    """
    path = Path(checked_name(filepath))
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} is there already, and overwrite is False")
    return path


@contextlib.contextmanager
def explained(filepath: Path_) -> Iterator[None]:
    """Make of every error that a file's contents lead to a ValueError that names the file."""
    try:
        yield
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as error:
        raise ValueError(f"{os.fspath(filepath)} cannot be loaded: {error}") from error


# ---- models ----


def architecture(model: Saving) -> Document:
    """Return what the model is, without weights."""
    built = model.built
    return {
        "model": serialize(model),
        "shape": list(model.function.input_shape) if built else None,
        "dtype": model.dtype,
        "draws": {layer.name: layer.draws for layer in model.leaves() if layer.draws},
    }


def model_document(model: Saving) -> tuple[Document, Arrays]:
    """Return a model as a description and arrays."""
    document = architecture(model)
    variables = model.weights
    names = _names.disambiguated([weight.name for weight in variables])
    document["weights"] = names
    network = None
    optimizer = model.optimizer
    if optimizer is not None or model.loss is not None:
        document["training"] = {"compile": model.get_compile_config(), "state": None}
        # An optimizer that has trained another model has no state of this one.
        if model.built and model.loss is not None and optimizer and optimizer.may_train(model):
            model._own_optimizer()
            network = model._native_network()
    # Another thread may be training the model: all of this is of one moment between two steps.
    with _native.Still([weight.array for weight in variables]):
        arrays = {name: w.array.copy() for name, w in zip(names, variables, strict=True)}
        document["streams"] = random_state(model)
        if network is not None:
            assert optimizer is not None
            state, slots = optimizer.get_state()
            document["training"] |= {"state": state, "step": network.step}
            arrays |= slots
    if model.built:
        graph = _lowered(model, dict(zip(names, variables, strict=True)), arrays)
        if graph is not None:
            document["signature"] = _signature(model)
            document["graph"], constants = graph
            arrays |= constants
    return document, arrays


def _write_narrow(
    path: Path, model: Saving, weights_dtype: str, document: Document, arrays: Arrays
) -> None:
    """Write what :func:`model_document` returned with weights of another dtype."""
    if weights_dtype not in WEIGHTS_DTYPES:
        raise ValueError(
            _names.unknown("weights_dtype", weights_dtype, dict.fromkeys(WEIGHTS_DTYPES))
        )
    if model.dtype != "float32":
        raise ValueError(f"weights_dtype is for float32 models, but this one is {model.dtype}")
    training = document.get("training")
    for name in _slot_names(training):
        del arrays[name]
    if training is not None:
        training["state"] = None
        training.pop("step", None)
    weights = zip(document["weights"], model.weights, strict=True)
    matrices = {
        name: weight
        for name, weight in weights
        if arrays[name].ndim >= 2 and arrays[name].dtype == np.float32
    }
    if weights_dtype == "bfloat16":
        rounded = {name: as_bfloat16(arrays[name]) for name in matrices}
        others = {name: array for name, array in arrays.items() if name not in rounded}
        to_file(path, document, others | rounded, rounded.keys())  # the widest first: all aligned
    elif weights_dtype == "int8":
        kernels = [name for name, weight in matrices.items() if _is_kernel(weight)]
        to_file(path, *quantized(document, arrays, kernels))
    else:
        to_file(path, document, arrays)


def _is_kernel(weight: Variable) -> bool:
    return len(weight.shape) == 2 and weight.name.rsplit("/", 1)[-1] == "kernel"


def _signature(model: Saving) -> Document:
    """Return names and shapes of inputs and outputs, for programs that read the graph."""
    structures = {"inputs": model.function.inputs, "outputs": model.function.outputs}
    return {
        key: [
            {"name": name, "shape": list(shape)}
            for name, shape in zip(structure.names, structure.shapes, strict=True)
        ]
        for key, structure in structures.items()
    }


def _lowered(
    model: Saving, weights: Mapping[str, Variable], taken: Iterable[str]
) -> tuple[Document, Arrays] | None:
    """Return the native graph, and arrays that its nodes read beside the model's weights.

    It is what a program without Python runs. None if a layer computes in Python.

    Args:
        model: a built model.
        weights: its weights by name.
        taken: names of arrays, which others must not have.
    """
    named: dict[str, NativeParameter | None] = dict.fromkeys(taken)
    named |= {name: weight.parameter for name, weight in weights.items()}
    described = model.function.network().describe(named)
    if described is None:
        return None
    graph, parameters = described
    constants = parameters.keys() - weights.keys()
    return graph, {name: parameters[name].array for name in sorted(constants)}


def model_of(
    document: Document, arrays: Arrays, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the model that :func:`model_document` described.

    Raises:
        ValueError: if description and arrays make no model.
    """
    if "ensemble" in document:
        raise ValueError("it holds an ensemble: call unitgain.uncertainty.Ensemble.load")
    if "model" not in document and "graph" in document:
        document, arrays = _as_layers(document, arrays)
    names = listed_arrays(document, "weights", arrays)
    if "model" not in document:
        raise ValueError(
            "it has weights alone, as save_weights writes them: make the model, and call its "
            "load_weights"
        )
    values = SavedWeights({name: arrays[name] for name in names})
    with _names.custom_objects(custom_objects):
        with taking_weights_from(values):
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
    extra -= _graph_names(document, arrays)
    if extra:
        raise ValueError(f"nothing takes the array {min(extra)!r}")
    _resume(model, document, arrays)
    return model


def _as_layers(document: Document, arrays: Arrays) -> tuple[Document, Arrays]:
    """Return what a program without Python has saved, as a document of a model of one layer."""
    graph, signature, name = document["graph"], document["signature"], "saved_graph"
    read = sorted(_graph_names(document, arrays))
    inputs, outputs = signature["inputs"], signature["outputs"]
    layer = {
        "graph": graph,
        "shapes": {key: list(arrays[key].shape) for key in read},
        "output_shapes": [output["shape"] for output in outputs],
        "name": name,
    }
    several = len(inputs) > 1

    def packed(values: list[Any]) -> Document:
        return {"kind": "list" if len(values) > 1 else "one", "names": None, "values": values}

    config = {
        "name": "functional",
        "layers": [{"class_name": "SavedGraph", "config": layer}],
        "inputs": packed([{**given, "dtype": document["dtype"]} for given in inputs]),
        "uses": [[0, [[-1, i] for i in range(len(inputs))], several]],
        "outputs": packed([[0, i] for i in range(len(outputs))]),
    }
    streams = random.current_streams()
    made: Document = {
        "model": {"class_name": "Functional", "config": config},
        "shape": None,
        "draws": {},
        "weights": [f"{name}/{key}" for key in read],
        "streams": [streams.key, streams.position],
    }
    return made, {f"{name}/{key}": arrays[key] for key in read}


def restore(model: Saving, document: Document, arrays: Arrays) -> None:
    """Put a compiled model where :func:`model_document` found one that was made alike.

    Layers may have other names: they are taken in their order.

    Raises:
        ValueError: if it is another model.
    """
    model.set_weights(_weights_of(document, arrays))
    drawing = [layer for layer in model.leaves() if layer.draws]
    drawn = list(document["draws"].values())
    if [layer.draws for layer in drawing] != drawn:
        for layer, draws in zip(drawing, drawn, strict=True):
            layer.draws = draws
        model._forget_network()  # made with the keys that layers drew from
    _resume(model, document, arrays)


def _resume(model: Saving, document: Document, arrays: Arrays) -> None:
    """Set the optimizer's state, the steps done and the random numbers to come."""
    training = document.get("training")
    if training is not None and training["state"] is not None:
        assert model.optimizer is not None
        network = model._native_network()
        model.optimizer.set_state(training["state"], arrays)
        network.step = int(training["step"])
    key, position = document["streams"]
    model._streams = random.Streams(int(key), int(position))
    model._streams_instead_of = random.process_streams()


def structure(document: Document) -> Any:
    """Return a model of :func:`architecture`, whose weights are what ``initial_values`` gives."""
    model: Any = operation_from(document["model"])
    if not isinstance(model, Saving):
        raise ValueError(f"model is a {type(model).__name__}, expected a model")
    if document["shape"] is not None and not model.built:
        model.build(tuple(int(size) for size in document["shape"]), document["dtype"])
    known = {layer.name: layer for layer in model.leaves()}
    for name, draws in document["draws"].items():
        if name not in known:
            raise ValueError(_names.unknown("the layer that draws", name, known))
        known[name].draws = draws
    return model


def random_state(model: Saving) -> list[int]:
    """Return the seed and the next stream of what the model's training draws from."""
    streams = model.streams or random.current_streams()
    return [streams.key, streams.position]


def described(model: Saving) -> Any:
    """Return a model's architecture with the classes that it needs, or the error that it meets."""
    try:
        with custom_classes() as classes:
            return architecture(model), classes
    except (TypeError, NotImplementedError) as error:
        return error


def _restored_model(content: bytes, classes: Mapping[str, Any]) -> Any:
    """Return a copy of the model that ``__reduce__`` described."""
    return model_of(*from_bytes(content), classes)


def restored_predictor(content: bytes, classes: Mapping[str, Any]) -> Any:
    """Return a copy of a predictor that :class:`~unitgain.models.Predictor` described."""
    document, arrays = from_bytes(content)

    def zeros(name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        return np.zeros(shape, dtype)

    with _names.custom_objects(classes), taking_weights_from(zeros):
        model = structure(document)
    model.name = document["name"]
    for i, parameter in enumerate(model._native_network().parameters):
        parameter.array[...] = arrays[str(i)]
    return model.optimize_for_inference(document["precision"])


def _weights_document(variables: Sequence[Variable]) -> tuple[Document, Arrays]:
    names = _names.disambiguated([weight.name for weight in variables])
    return {"weights": names}, dict(zip(names, copies(variables), strict=True))


def _weights_of(document: Document, arrays: Arrays) -> list[NDArray[Any]]:
    return [arrays[name] for name in listed_arrays(document, "weights", arrays)]


def _graph_names(document: Document, arrays: Arrays) -> set[str]:
    """Return the names of the arrays that the native graph's nodes read.

    Raises:
        ValueError: if one is missing.
    """
    nodes = document["graph"]["nodes"] if "graph" in document else []
    names = {name for node in nodes for name in node["parameters"].values()}
    for name in names - arrays.keys():
        raise ValueError(f"there is no array {name!r}, which the graph reads")
    return names


def _slot_names(training: Document | None) -> set[str]:
    state = None if training is None else training["state"]
    return set() if state is None else set(state["slots"])
