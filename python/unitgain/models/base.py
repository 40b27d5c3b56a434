"""What every model is: layers with weights, and the native network that is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from unitgain import _fork, _names, _native, losses, metrics, optimizers
from unitgain.layers.base import (
    SampleShape,
    Variable,
    checked_weights,
    copies,
    native,
    rows_and_cols,
    trainable_changes,
)
from unitgain.layers.symbolic import Node
from unitgain.models.inference import Inference
from unitgain.models.nesting import LayerLike, leaves
from unitgain.models.predictor import quick_call
from unitgain.models.saving import Saving
from unitgain.models.summary import summary
from unitgain.models.training import PREDICT_BATCH, Training, resolve_metrics

__all__ = ["Model"]


class Model(LayerLike, Saving, Training, Inference):
    """A graph of layers that is trained and run: ``Model(inputs, outputs)``.

    Any number of threads may call one model: inference runs side by side, a training step alone.
    A model is a layer too: called with a symbolic tensor it becomes part of another model, with
    which it shares its weights.

    A subclass that makes layers in its ``__init__`` and uses them in a method ``call(inputs)`` is a
    graph as well: ``call`` is run once with symbolic tensors, when the shape of a sample is known.

    Args:
        inputs: an :class:`~unitgain.layers.Input`, or a list or a dict of them.
        outputs: what layers make of them: a symbolic tensor, or a list or a dict of them.
        name: what the model is called.

    Raises:
        ValueError: if an output depends on an input that is not given, or an input is not used.

    >>> import unitgain as ug
    >>> x = ug.layers.Input((4,))
    >>> hidden = ug.layers.Dense(4, activation="relu")(x)
    >>> y = ug.layers.Dense(1)(ug.layers.Add()([x, hidden]))
    >>> ug.Model(x, y).count_params()
    25
    """

    def __new__(cls, *arguments: Any, **keywords: Any) -> Model:
        """Make a model of the class for graphs, if that is what is given, or what call makes."""
        if cls is Model and (arguments or "inputs" in keywords):
            from unitgain.models.functional import Functional

            return super().__new__(Functional)
        if hasattr(cls, "call"):
            from unitgain.models.subclassed import traced

            kind: Any = cls
            made: Model = super().__new__(traced(kind))
            return made
        return super().__new__(cls)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or _names.unique_name(_names.snake_case(type(self).__name__))
        self.stop_training = False
        self._initial_epoch: int | None = None  # where BackupAndRestore lets fit begin
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self._loss_weight = 1.0
        self.metrics: list[metrics.Metric] = []
        # "accuracy" can only be told when the number of outputs is known.
        self._metrics_as_asked: list[Any] = []
        self._weighted_as_asked: list[Any] = []
        self.layers: list[Any] = []  # layers, and models that are used as such
        self.nodes: list[Node] = []
        # The native network, with what it was made for; made anew by whoever needs it next.
        self._network: Any = None
        # Runs one batch in inference mode, or returns None for what it leaves to others.
        self._quick_call: Callable[[Any], Any] | None = None
        self._network_trainable: list[bool] = []
        self._trainable_changes = -1
        self._network_shapes: tuple[SampleShape, SampleShape] = ((), ())
        self._needs_compile = False
        self._lock = _fork.Lock()

    # ---- structure ----

    def _lower(self, graph: Any) -> Any:
        """Put the layers into a native graph; return the output's node, or a list of several."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _lower")

    @property
    def input_shape(self) -> SampleShape:
        """The shape of one sample."""
        raise NotImplementedError(f"{type(self).__name__} does not implement input_shape")

    @property
    def output_shape(self) -> SampleShape:
        """The shape of the output for one sample."""
        raise NotImplementedError(f"{type(self).__name__} does not implement output_shape")

    @property
    def weights(self) -> list[Variable]:
        """All weights, layer by layer."""
        return list(dict.fromkeys(w for layer in self.layers for w in layer.weights))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return list(dict.fromkeys(w for layer in self.layers for w in layer.trainable_weights))

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves: frozen ones, and moving statistics."""
        trainable = self.trainable_weights
        return [w for w in self.weights if w not in trainable]

    @property
    def variables(self) -> list[Variable]:
        """All weights, by Keras's other name."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The weights that training leaves."""
        return self.non_trainable_weights

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
        return _size(self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights, between two steps."""
        return copies(self.weights)

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

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name} has no weights yet: give it an Input layer, or call build"
            )

    def _forget_network(self) -> None:
        self._network = self._quick_call = None

    def _native_network(self) -> Any:
        """Return the native network, made anew when layers or what is trainable have changed."""
        if (
            self._network is None
            or self._needs_compile
            or self._trainable_changes != trainable_changes()
        ):
            with self._lock.current:
                self._prepare_network()
        return self._network

    def _prepare_network(self) -> None:
        self._check_built()
        changes = trainable_changes()
        trainable = [layer.trainable for layer in leaves(self.layers)]
        if self._network is None or trainable != self._network_trainable:
            types = native(self.dtype)
            graph = types.Graph()
            self._network_shapes = self.input_shape, self.output_shape
            self._network = types.Network(graph, self._lower(graph))
            self._quick_call = quick_call(self._network, *self._network_shapes)
            self._network_trainable = trainable
            self._needs_compile = self.optimizer is not None and self.loss is not None
        known = {id(weight.parameter): weight for weight in self.weights}
        variables = [known[id(parameter)] for parameter in self._network.trainable]
        if self.optimizer is not None and not self._needs_compile:
            self._network.set_options(self.optimizer.options(variables))
        if self._needs_compile:
            assert self.optimizer is not None
            self.metrics = self._resolved_metrics()
            options = self.optimizer.options(variables)
            self._network.compile(self.optimizer.spec(), self._native_losses(), options)
            self.optimizer.attach(native(self.dtype).optimizer_of(self._network), variables)
            self._needs_compile = False
        self._trainable_changes = changes

    def _resolved_metrics(self) -> list[metrics.Metric]:
        assert self.loss is not None
        asked = [*self._metrics_as_asked, *self._weighted_as_asked]
        return resolve_metrics(asked, self.loss, self._network_shapes[1][-1])

    def _native_losses(self) -> list[_native.OutputLoss]:
        """Return each output's loss and metrics for the native network."""
        assert self.loss is not None
        shape = self._network_shapes[1]
        measured = [m.native_spec(shape, weighted) for _, m, weighted in self._named_metrics()]
        return [self.loss.native(shape, measured, self._loss_weight)]

    @staticmethod
    def _rows_and_cols(shape: SampleShape) -> tuple[int, int]:
        return rows_and_cols(shape)


def _size(weights: Sequence[Variable]) -> int:
    return sum(math.prod(w.shape) for w in weights)
