"""Models: a graph of layers that is trained, run, saved, and used as a layer."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike

from unitgain import _fork, _names, _native, optimizers
from unitgain._arrays import as_rows
from unitgain._configurable import checked_config
from unitgain.dtype_policies import floatx
from unitgain.graph.function import Function
from unitgain.graph.native import NativeGraph, NativeNetwork, native
from unitgain.graph.operation import Operation, connect
from unitgain.graph.tensors import Node, SymbolicTensor, flatten
from unitgain.graph.variables import Variable, checked_weights, trainable_changes
from unitgain.layers.base import Layer
from unitgain.layers.composite import missing_arguments
from unitgain.layers.core import Input
from unitgain.layers.registry import operation_from
from unitgain.models.diagram import Diagram, diagram
from unitgain.models.exporting import Exporting
from unitgain.models.graph_config import graph_config, graph_of
from unitgain.models.inference import Inference
from unitgain.models.input_gradients import InputGradients
from unitgain.models.predictor import quick_call
from unitgain.models.saving import Saving
from unitgain.models.summary import summary, summary_html
from unitgain.signals.diagnosis import Diagnosis
from unitgain.training.callback import History, Logs
from unitgain.training.criteria import Criterion, Objective
from unitgain.training.feeding import PREDICT_BATCH

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Functional", "Model"]


class NotBuiltError(ValueError, AttributeError):
    """What a model that is not built has not got: ``hasattr`` is told so, too."""


class Model(Saving, Exporting, Inference, InputGradients, Diagnosis, Operation):
    """A graph of layers that is trained and run: ``Model(inputs, outputs)``.

    Any number of threads may call one model: inference runs side by side, a training step alone.
    A model is a layer too: called with a symbolic tensor it becomes part of another model, with
    which it shares its weights.

    A subclass that makes layers in its ``__init__`` and uses them in a method ``call(inputs)`` is a
    graph as well: ``call`` is run once with symbolic tensors, when the shape of a sample is known.
    Saved, it is a model of the graph that it made.

    Args:
        inputs: an :class:`~unitgain.layers.Input`, or a list or a dict of them.
        outputs: what layers make of them: a symbolic tensor, or a list or a dict of them.
        name: what the model is called.
        trainable: whether training may change the weights; False freezes every layer.

    Raises:
        TypeError: if one of them is no symbolic tensor.
        ValueError: if an output depends on an input that is not given, an input is not used, or
            two layers have one name.

    >>> import unitgain as ug
    >>> x = ug.layers.Input((4,))
    >>> hidden = ug.layers.Dense(4, activation="relu")(x)
    >>> y = ug.layers.Dense(1)(ug.layers.Add()([x, hidden]))
    >>> ug.Model(x, y).count_params()
    25
    """

    # The class's name in files and configurations; None: its own.
    saved_as: ClassVar[str | None] = "Functional"

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        if (inputs is None) != (outputs is None):
            missing = "inputs" if inputs is None else "outputs"
            raise ValueError(f"{missing} is missing: a model is Model(inputs, outputs)")
        self.name = name or _names.unique_name(self._default_name())
        self.stop_training = False
        self._history: weakref.ref[History] | None = None
        self._epochs: tuple[Any, ...] = ([], {}, {})
        # Where BackupAndRestore lets fit begin, the logs of the epoch before, and the next rows.
        self._resumed: tuple[int, Logs] | None = None
        self._order_position: list[int] | None = None
        self._is_unseen = True  # what the outputs are, since the last compile
        self.optimizer: optimizers.Optimizer | None = None
        self._objective: Objective | None = None
        self._criteria: list[Criterion] = []
        self.nodes: list[Node] = []
        self._function: Function | None = None
        # The native network, with what it was made for; made anew by whoever needs it next.
        self._network: NativeNetwork | None = None
        # Runs one batch in inference mode, or returns None for what it leaves to others.
        self._quick_call: Callable[[Any], Any] | None = None
        self._network_trainable: list[Any] = []
        self._trainable_changes = -1
        self._needs_compile = False
        self._step_totals: Any = _native.Totals()
        self._lock = _fork.Lock()
        self._trainable_once_built = bool(trainable)
        if inputs is not None:
            self._function = Function(inputs, outputs)
            self._freeze_if_asked()

    def _freeze_if_asked(self) -> None:
        """Take up ``trainable=False``, once there are layers to freeze."""
        if not self._trainable_once_built and self.layers:
            self.trainable = False

    def _default_name(self) -> str:
        return "functional" if type(self) is Model else _names.snake_case(type(self).__name__)

    # ---- structure ----

    def call(self, inputs: Any) -> Any:
        """Return what layers make of symbolic tensors: for a subclass to override."""
        raise NotImplementedError(f"{type(self).__name__} does not implement call")

    @property
    def built(self) -> bool:
        """Whether the graph is known, and the layers have their weights."""
        return self._function is not None

    @property
    def function(self) -> Function:
        """The graph between inputs and outputs."""
        function = self._function
        if function is None:
            raise self._not_built()
        return function

    def build(self, input_shape: Any, dtype: str | None = None) -> None:
        """Give the layers their weights, if they have none: run ``call`` with symbolic tensors.

        Args:
            input_shape: of a sample, or of a batch whose size is None, as Keras has it; of several
                inputs, a list or dict of shapes.
            dtype: float32 or float64; None for that of the first layer made with one, else the
                default dtype, :func:`unitgain.config.floatx`.

        Raises:
            ValueError: if the shape does not fit the layers.
        """
        if self.built:
            return
        inputs: Any
        dtype = dtype or asked_dtype(self)
        if isinstance(input_shape, Mapping):
            inputs = {
                key: Input(sample_shape(shape), dtype, key) for key, shape in input_shape.items()
            }
        elif isinstance(input_shape, list) and not all(map(_is_size, input_shape)):
            inputs = [Input(sample_shape(shape), dtype) for shape in input_shape]
        else:
            inputs = Input(sample_shape(input_shape), dtype)
        self._function = Function(inputs, self.call(inputs, **missing_arguments(self.call)))
        self._freeze_if_asked()
        if self._objective is not None:
            self._criteria = self._objective.criteria(self._function.outputs)

    def _build_for(self, x: Any, name: str) -> None:
        """Build the model for samples like those of ``x``."""
        shape: Any
        if isinstance(x, Mapping):
            parts = {key: as_rows(one, f"{name}[{key!r}]") for key, one in x.items()}
            shape = {key: part.shape[1:] for key, part in parts.items()}
            first = next(iter(parts.values()))
        elif isinstance(x, tuple) or (isinstance(x, list) and np.ndim(x[0]) > 1):
            listed = [as_rows(one, f"{name}[{i}]") for i, one in enumerate(x)]
            shape = [part.shape[1:] for part in listed]
            first = listed[0]
        else:
            first = as_rows(x, name)
            shape = first.shape[1:]
        if first.ndim < 2:
            raise ValueError(f"{name} has shape {first.shape}, expected samples of features")
        self.build(shape, asked_dtype(self) or ("float64" if first.dtype == np.float64 else None))

    @property
    def layers(self) -> list[Any]:
        """The layers, and the models that are used as such, in Keras's order."""
        return [] if self._function is None else list(self._function.operations)

    def leaves(self) -> Iterator[Any]:
        """Yield the layers and what they are made of, and in place of models their layers."""
        for layer in self.layers:
            yield from layer.leaves()

    @property
    def dtype(self) -> str:
        """The dtype of weights and results, float32 or float64."""
        if self._function is None:
            return asked_dtype(self) or floatx()
        return self._function.dtype

    @property
    def input(self) -> Any:
        """The symbolic tensor that the model begins with, or a list or dict of them."""
        return self.function.inputs.pack(self.function.inputs.tensors)

    @property
    def output(self) -> Any:
        """The symbolic tensor that the model ends with, or a list or dict of them."""
        return self.function.outputs.pack(self.function.outputs.tensors)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that the model begins with."""
        return list(self.function.inputs.tensors)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that the model ends with."""
        return list(self.function.outputs.tensors)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, by which losses and metrics may be given."""
        return list(self.function.outputs.names)

    @property
    def input_shape(self) -> Any:
        """The shape of one sample; of several inputs, a list or dict."""
        return self.function.input_shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output for one sample; of several outputs, a list or dict."""
        return self.function.output_shape

    # ---- weights ----

    @property
    def weights(self) -> list[Variable]:
        """All weights, layer by layer."""
        return list(dict.fromkeys(w for layer in self.layers for w in layer.weights))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return list(dict.fromkeys(w for layer in self.layers for w in layer.trainable_weights))

    @property
    def trainable(self) -> bool:
        """Whether training may change the weights; setting it sets that of every layer."""
        return any(layer.trainable for layer in self.leaves())

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.leaves():
            layer.trainable = value

    @property
    def learning_rate_multiplier(self) -> float | None:
        """That of every layer; None if they differ. Setting it sets that of every layer."""
        found = {layer.learning_rate_multiplier for layer in self.leaves()}
        return found.pop() if len(found) == 1 else None

    @learning_rate_multiplier.setter
    def learning_rate_multiplier(self, value: float) -> None:
        for layer in self.leaves():
            layer.learning_rate_multiplier = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return the layer of that name, or at that place among :attr:`layers`.

        Raises:
            ValueError: if there is none, or not just one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"name is {name!r} and index {index}, expected one of the two")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"index is {index}, but there are {len(self.layers)} layers")
            return self.layers[index]
        assert name is not None
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(_names.unknown("name", name, {layer.name: layer for layer in self.layers}))

    def count_params(self) -> int:
        """Return the number of values in the weights."""
        self._check_built()
        return sum(math.prod(weight.shape) for weight in self.weights)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of :meth:`get_weights`, between two steps.

        Raises:
            ValueError: if the number of arrays or a shape differs; nothing is changed then.
        """
        self._check_built()
        variables = self.weights
        arrays = checked_weights(self.name, variables, weights)
        self._native_network().assign([v.parameter for v in variables], arrays)

    def summary(
        self, line_length: int = 72, print_fn: Callable[[str], object] | None = None
    ) -> None:
        """Print the layers with shapes, connections and numbers of weights, and the memory needed.

        The memory is what the model itself takes at most: weights, and buffers for the batches
        named; in training also gradients and what the optimizer keeps.

        Args:
            line_length: the width, at least.
            print_fn: given the text, one line at a time, in place of the screen.
        """
        self._check_built()
        for line in summary(self, line_length, PREDICT_BATCH).splitlines():
            (print_fn or print)(line)

    def plot(
        self,
        path: str | PathLike[str] | None = None,
        *,
        show_shapes: bool = True,
        show_dtype: bool = False,
        show_layer_names: bool = True,
        horizontal: bool = False,
        dpi: int = 150,
    ) -> Diagram:
        """Draw the graph of layers, by Graphviz where it is installed, else by matplotlib.

        Args:
            path: a file to write, its format told by its ending: ``.svg``, ``.png``, ``.pdf``, or
                ``.dot`` for Graphviz's language.
            show_shapes: whether the shapes that leave the layers are written.
            show_dtype: whether their dtype is written.
            show_layer_names: whether the layers' names are written, and not their classes alone.
            horizontal: whether data flow from left to right, and not downwards.
            dpi: dots an inch, of formats that have pixels.

        Returns:
            The drawing, which a notebook shows.

        Raises:
            ImportError: if neither Graphviz nor matplotlib is installed.
            ValueError: if the model is not built, or the format is unknown.
        """
        self._check_built()
        made = diagram(self, show_shapes, show_dtype, show_layer_names, horizontal, dpi)
        if path is not None:
            made.save(path)
        return made

    def _repr_html_(self) -> str | None:
        if not self.built:
            return None
        return summary_html(self, PREDICT_BATCH)

    # ---- as a layer of other models ----

    def ensure_built(self, input_shape: Any, dtype: str) -> None:
        """Build the model, used as a layer, or check that it fits its inputs.

        Raises:
            ValueError: if it was built for samples of another shape or dtype.
        """
        if not self.built:
            self.build(input_shape, dtype)
        given = input_shape if isinstance(input_shape, list) else [input_shape]
        expected = self.function.inputs.shapes
        if given != expected or dtype != self.dtype:
            raise ValueError(
                f"{self.name} takes {self.dtype} samples of shape "
                f"{', '.join(map(str, expected))}, but its input has {dtype} samples of shape "
                f"{', '.join(map(str, given))}"
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of one sample's output, or a list of several outputs'."""
        shapes = self.function.outputs.shapes
        return shapes[0] if len(shapes) == 1 else list(shapes)

    def lower(self, graph: NativeGraph, node: Any) -> Any:
        """Add the model's layers to a native graph; return the node, or nodes, of its outputs."""
        return self.function.lower(graph, node)

    def _connect(self, inputs: Any, training: bool | None = None) -> Any:
        """Use the model as a layer behind symbolic tensors."""
        if not self.built:
            tensors = flatten(inputs)
            shapes = [tensor.sample_shape for tensor in tensors]
            several = isinstance(inputs, (list, tuple)) and len(tensors) > 1
            self.build(shapes if several else shapes[0], tensors[0].dtype)
        structure = self.function.inputs
        single = len(structure) == 1 and isinstance(inputs, (list, tuple)) and len(inputs) == 1
        tensors = structure.arrange(inputs[0] if single else inputs, "inputs")
        return connect(self, tensors, len(tensors) > 1, self.function.outputs.pack, training)

    # ---- the native network ----

    def _check_built(self) -> None:
        if not self.built:
            raise self._not_built()

    def _not_built(self) -> ValueError:
        return NotBuiltError(
            f"{self.name} has no weights yet: give it an Input layer, or call build"
        )

    def _forget_network(self) -> None:
        self._network = self._quick_call = None

    def _native_network(self) -> NativeNetwork:
        """Return the native network, made anew when layers or what is trainable have changed."""
        if (
            self._network is None
            or self._needs_compile
            or self._trainable_changes != trainable_changes()
        ):
            with self._lock.current:
                return self._prepared_network()
        return self._network

    def _prepared_network(self) -> NativeNetwork:
        function = self.function
        changes = trainable_changes()
        trainable = [layer._lowering() for layer in self.leaves()]
        network = self._network
        if network is None or trainable != self._network_trainable:
            network = function.network()
            self._network = network
            self._quick_call = quick_call(network, function.input_shape, function.output_shape)
            self._network_trainable = trainable
            self._needs_compile = self._objective is not None
        variables = self._trained_variables(network)
        if self.optimizer is not None and not self._needs_compile:
            network.set_options(self.optimizer.options(variables))
        if self._needs_compile:
            # Without an optimizer it is evaluated alone; the network wants one.
            optimizer = self.optimizer or optimizers.SGD(0.0)
            options = optimizer.options(variables)
            network.compile(optimizer.spec(), self._native_losses(), options)
            if self.optimizer is not None and self.optimizer.may_train(self):
                self._attach_optimizer(network)
            self._needs_compile = False
        self._trainable_changes = changes
        return network

    def _trained_variables(self, network: NativeNetwork) -> list[Variable]:
        known = {id(weight.parameter): weight for weight in self.weights}
        return [known[id(parameter)] for parameter in network.trainable]

    def _attach_optimizer(self, network: NativeNetwork) -> None:
        assert self.optimizer is not None
        native_optimizer = native(self.dtype).optimizer_of(network)
        self.optimizer.attach(native_optimizer, self._trained_variables(network), self)

    def _own_optimizer(self) -> None:
        """Make sure that the optimizer's state is that of the model's network.

        Raises:
            ValueError: if there is none, or it has trained another model.
        """
        network = self._native_network()
        optimizer = self.optimizer
        if optimizer is None:
            raise ValueError(
                f"{self.name} cannot be trained: it is compiled with optimizer=None, for "
                "evaluation alone"
            )
        if optimizer.is_of(self):
            return
        if not optimizer.may_train(self):
            raise ValueError(
                f"{self.name} cannot be trained with {optimizer.name}, which has trained other "
                f"variables: an optimizer keeps the state of one model's. Compile each model with "
                f"an optimizer of its own, such as "
                f"{type(optimizer).__name__}.from_config(optimizer.get_config())"
            )
        with self._lock.current:
            self._attach_optimizer(network)

    # ---- configuration ----

    def get_config(self) -> dict[str, Any]:
        """Return the model's name, its layers' configurations, and where each is used."""
        return {"name": self.name, **graph_config(self.function)}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model of what :meth:`get_config` returned; its weights are initialized anew.

        Args:
            config: the configuration.
            custom_objects: classes of one's own by name.

        Raises:
            ValueError: if the configuration describes no model of this class.
        """
        with _names.custom_objects(custom_objects):
            if cls is Model and "uses" not in config:  # of a chain
                made: Any = operation_from({"class_name": "Sequential", "config": config})
                return cast("Self", made)
            names = ("name", "layers", "inputs", "uses", "outputs")
            arguments = checked_config(cls, config, names)
            return cls(*graph_of(arguments), arguments.get("name"))

    def __repr__(self) -> str:
        if not self.built:
            return f"<{type(self).__name__} {self.name}, not built>"
        return (
            f"<{type(self).__name__} {self.name}: {self.input_shape} to {self.output_shape}, "
            f"{self.count_params():,} weights>"
        )


# Keras's name of a model of any graph of layers.
Functional = Model


def asked_dtype(thing: Any, seen: set[int] | None = None) -> str | None:
    """Return the dtype that a layer was made with, the first of those in a model or list; or None.

    Args:
        thing: a model or a layer, of which the attributes are searched too, or a list or a dict.
        seen: the addresses of those that were searched before.
    """
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return None
    seen.add(id(thing))
    parts: Iterable[Any] = ()
    if isinstance(thing, Operation):
        if isinstance(thing, Model) and thing.built:
            return thing.dtype
        found: str | None = getattr(thing, "given_dtype", None)
        if found is None and isinstance(thing, Layer) and thing.built and thing.weights:
            found = thing.dtype  # which the weights have
        if found is not None:
            return found
        parts = vars(thing).values()
    elif isinstance(thing, Mapping):
        parts = thing.values()
    elif isinstance(thing, (list, tuple)):
        parts = thing
    return next((dtype for part in list(parts) if (dtype := asked_dtype(part, seen))), None)


def sample_shape(shape: Sequence[int | None]) -> tuple[int, ...]:
    """Return the shape of a sample, from one that may have the batch's size, None, in front.

    Raises:
        ValueError: if a size of the sample is None.
    """
    sizes = tuple(shape)
    if len(sizes) > 1 and sizes[0] is None:
        sizes = sizes[1:]
    known = tuple(size for size in sizes if size is not None)
    if len(known) != len(sizes):
        raise ValueError(f"input_shape is {tuple(shape)}, expected a known size of each axis")
    return known


def _is_size(given: Any) -> bool:
    return given is None or isinstance(given, (int, np.integer))
