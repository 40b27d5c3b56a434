"""What every model does: compile, fit, evaluate, predict, and hold weights."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _data, _names, _native, losses, metrics, optimizers, random
from unitgain._progress import ProgressBar, format_logs
from unitgain.callbacks import Callback, History
from unitgain.config import get_float32_matmul_precision
from unitgain.data.mixing import Mixer
from unitgain.layers.base import (
    SampleShape,
    Variable,
    checked_weights,
    native,
    rows_and_cols,
    trainable_changes,
)
from unitgain.layers.symbolic import Node, SymbolicTensor, is_symbolic
from unitgain.models.nesting import LayerLike, leaves
from unitgain.models.predictor import Predictor
from unitgain.models.saving import Saving
from unitgain.models.summary import summary

__all__ = ["Model"]

# Enough rows for the products to run at full speed, few enough for their results to stay in cache.
_PREDICT_BATCH = 256


class Model(LayerLike, Saving):
    """A graph of layers that is trained and run: ``Model(inputs, outputs)``.

    Any number of threads may call one model: inference runs side by side, a training step alone.
    A model is a layer too: called with a symbolic tensor it becomes part of another model, with
    which it shares its weights.

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
        """Make a model of the class for graphs, if that is what is given."""
        if cls is Model and (arguments or "inputs" in keywords):
            from unitgain.models.functional import Functional

            return super().__new__(Functional)
        return super().__new__(cls)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or _names.unique_name(_names.snake_case(type(self).__name__))
        self.stop_training = False
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.metrics: list[metrics.Metric] = []
        # "accuracy" can only be told when the number of outputs is known.
        self._metrics_as_asked: list[str | metrics.Metric] = []
        self.layers: list[Any] = []  # layers, and models that are used as such
        self.nodes: list[Node] = []
        # The native network, with what it was made for; made anew by whoever needs it next.
        self._network: Any = None
        self._network_trainable: list[bool] = []
        self._trainable_changes = -1
        self._network_shapes: tuple[SampleShape, SampleShape] = ((), ())
        self._needs_compile = False
        self._lock = threading.Lock()

    # ---- structure ----

    @property
    def built(self) -> bool:
        """Whether the layers have their weights."""
        raise NotImplementedError(f"{type(self).__name__} does not implement built")

    def build(self, input_shape: SampleShape, dtype: str = "float32") -> None:
        """Give the layers their weights, for samples of this shape."""
        raise NotImplementedError(f"{type(self).__name__} does not implement build")

    def _lower(self, graph: Any) -> Any:
        """Put the layers into a native graph; return the output's node, or a list of several."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _lower")

    @property
    def dtype(self) -> str:
        """The dtype of weights and results, float32 or float64."""
        raise NotImplementedError(f"{type(self).__name__} does not implement dtype")

    @property
    def input_shape(self) -> SampleShape:
        """The shape of one sample."""
        raise NotImplementedError(f"{type(self).__name__} does not implement input_shape")

    @property
    def output_shape(self) -> SampleShape:
        """The shape of the output for one sample."""
        raise NotImplementedError(f"{type(self).__name__} does not implement output_shape")

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that the model ends with."""
        raise NotImplementedError(f"{type(self).__name__} does not implement outputs")

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

    def get_layer(self, name: str) -> Any:
        """Return the layer of that name.

        Raises:
            ValueError: if there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(_names.unknown("name", name, {layer.name: layer for layer in self.layers}))

    def count_params(self) -> int:
        """Return the number of values in the weights."""
        self._check_built()
        return _size(self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of :meth:`get_weights`, between two steps.

        Raises:
            ValueError: if the number of arrays or a shape differs; nothing is changed then.
        """
        self._check_built()
        variables = self.weights
        arrays = checked_weights(self.name, variables, weights)
        self._native_network().assign([v.parameter for v in variables], arrays)

    def summary(self, line_length: int = 72) -> None:
        """Print the layers with shapes, connections and numbers of weights, and the memory needed.

        The memory is what the model itself takes at most: weights, and buffers for the batches
        named; in training also gradients and what the optimizer keeps.
        """
        self._check_built()
        print(summary(self, line_length, _PREDICT_BATCH))

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name} has no weights yet: give it an Input layer, or call build"
            )

    def _native_network(self) -> Any:
        """Return the native network, made anew when layers or what is trainable have changed."""
        if (
            self._network is None
            or self._needs_compile
            or self._trainable_changes != trainable_changes()
        ):
            with self._lock:
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
            self._network_trainable = trainable
            self._needs_compile = self.optimizer is not None
        known = {id(weight.parameter): weight for weight in self.weights}
        variables = [known[id(parameter)] for parameter in self._network.trainable]
        if self.optimizer is not None and not self._needs_compile:
            self._network.set_options(self.optimizer.options(variables))
        if self._needs_compile:
            assert self.optimizer is not None
            self.metrics = self._resolved_metrics()
            options = self.optimizer.options(variables)
            loss, measured, weights = self._native_losses()
            self._network.compile(self.optimizer.spec(), loss, measured, options, weights)
            self.optimizer.attach(native(self.dtype).optimizer_of(self._network), variables)
            self._needs_compile = False
        self._trainable_changes = changes

    def _resolved_metrics(self) -> list[metrics.Metric]:
        assert self.loss is not None
        return _resolve_metrics(self._metrics_as_asked, self.loss, self._network_shapes[1][-1])

    def _native_losses(self) -> tuple[Any, Any, list[float]]:
        """Return the losses, what their metrics need, and their weights, for the native network."""
        assert self.loss is not None
        return self.loss.spec, metrics.spec(self.metrics), []

    @staticmethod
    def _rows_and_cols(shape: SampleShape) -> tuple[int, int]:
        return rows_and_cols(shape)

    # ---- training ----

    def compile(
        self,
        optimizer: str | optimizers.Optimizer,
        loss: str | losses.Loss,
        metrics: Sequence[str | metrics.Metric] | None = None,
    ) -> None:
        """Set what training needs. The optimizer starts afresh.

        Args:
            optimizer: a name or an instance of :mod:`unitgain.optimizers`.
            loss: a name or an instance of :mod:`unitgain.losses`.
            metrics: names or instances of :mod:`unitgain.metrics`.

        Raises:
            ValueError: if a name is unknown, or a metric does not go with the loss.
        """
        chosen_loss = losses.get(loss)
        chosen_optimizer = optimizers.get(optimizer)
        outputs = self.outputs[0].sample_shape[-1] if self.built else None
        chosen_metrics = _resolve_metrics(metrics or [], chosen_loss, outputs)
        self.optimizer = chosen_optimizer
        self.loss = chosen_loss
        self.metrics = chosen_metrics
        self._metrics_as_asked = list(metrics or [])
        self._needs_compile = True

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        augment: Mixer | None = None,
    ) -> History:
        """Train on ``x`` and ``y``. An epoch is one native call; Ctrl-C ends it between two steps.

        Args:
            x: samples, ``(samples, *input_shape)``. Numbers of any dtype: each batch is converted
                as it is read.
            y: class labels ``(samples,)``, or target values, as the loss has it.
            batch_size: samples a step, 32 by default; an epoch's last batch may be smaller.
            epochs: the number of the last epoch.
            verbose: 0 for silence, 1 (or "auto") for a progress bar an epoch, 2 for a line.
            callbacks: told of epochs, see :mod:`unitgain.callbacks`.
            validation_split: the share of samples, the last ones, kept for validation.
            validation_data: ``(x, y)`` evaluated after each epoch; goes before the split.
            shuffle: whether each epoch has an order of its own.
            initial_epoch: the number of the first epoch, from 0.
            augment: makes new samples of those given, see :class:`unitgain.data.MixUp`; for losses
                that take target values, as of one-hot rows from
                :func:`unitgain.data.to_categorical`.

        Returns:
            The loss and metrics of each epoch.

        Raises:
            ValueError: if the model is not compiled, or shapes or values do not fit.
        """
        loss = self._compiled_loss()
        batch_size = _checked_batch_size(batch_size, 32)
        inputs, labels = self._samples(x, y, loss)
        validation = None
        if validation_data is not None:
            validation = self._samples(*validation_data, loss, ("validation x", "validation y"))
        elif validation_split:
            inputs, labels, *held_out = _data.split(inputs, labels, validation_split)
            validation = (held_out[0], held_out[1])
        if len(inputs) == 0:
            raise ValueError("x has no samples")

        mix = _native.MixSpec() if augment is None else augment.spec(self._network_shapes[0])
        history = History()
        listeners = [history, *(callbacks or [])]
        for listener in listeners:
            listener.model = self
            listener.on_train_begin()
        self.stop_training = False
        for epoch in range(initial_epoch, epochs):
            for listener in listeners:
                listener.on_epoch_begin(epoch)
            title = f"Epoch {epoch + 1}/{epochs}"
            logs = self._train_epoch(
                inputs, labels, validation, batch_size, shuffle, title, verbose, mix
            )
            for listener in listeners:
                listener.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        self._native_network().finalize()
        for listener in listeners:
            listener.on_train_end()
        return history

    def _train_epoch(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        validation: tuple[NDArray[Any], NDArray[Any]] | None,
        batch_size: int,
        shuffle: bool,
        title: str,
        verbose: str | int,
        mix: _native.MixSpec,
    ) -> dict[str, float]:
        network = self._native_network()
        with random.drawing_from(self.streams):
            order = random.permutation(len(x)) if shuffle else None
        batches = math.ceil(len(x) / batch_size)
        with ProgressBar(title, batches, self._logs, verbose in ("auto", 1, True)) as bar:
            logs = self._logs(network.train(x, y, order, batch_size, bar, mix))
            if validation is not None:
                totals = network.evaluate(*validation, max(batch_size, _PREDICT_BATCH), _quiet)
                logs |= {f"val_{name}": value for name, value in self._logs(totals).items()}
            bar.finish(batches, logs)
        if verbose == 2:
            print(f"{title}: {format_logs(logs)}")
        return logs

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int | None = None,
        verbose: str | int = 0,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and metrics on ``x`` and ``y``, in inference mode.

        Args:
            x: samples, as for :meth:`fit`.
            y: labels or targets, as for :meth:`fit`.
            batch_size: samples at a time; the result is the same for any.
            verbose: 0 for silence, else the result is printed too.
            return_dict: whether to return a dict by name.

        Returns:
            The loss, or a list of the loss and the metrics if there are any, or a dict.

        Raises:
            ValueError: if the model is not compiled, or shapes or values do not fit.
        """
        loss = self._compiled_loss()
        inputs, labels = self._samples(x, y, loss)
        size = _checked_batch_size(batch_size, _PREDICT_BATCH)
        logs = self._logs(self._native_network().evaluate(inputs, labels, size, _quiet))
        if verbose not in (0, False):
            print(format_logs(logs))
        return _results(logs, return_dict)

    def train_on_batch(self, x: ArrayLike, y: ArrayLike, return_dict: bool = False) -> Any:
        """Do one training step on all of ``x`` and ``y``; return its loss and metrics.

        Returns and raises what :meth:`evaluate` does.
        """
        loss = self._compiled_loss()
        inputs, labels = self._samples(x, y, loss)
        totals = self._native_network().train(inputs, labels, None, max(1, len(inputs)))
        return _results(self._logs(totals), return_dict)

    def test_on_batch(self, x: ArrayLike, y: ArrayLike, return_dict: bool = False) -> Any:
        """Return the loss and metrics on ``x`` and ``y``, in inference mode, changing nothing."""
        return self.evaluate(x, y, batch_size=None, return_dict=return_dict)

    def gradients(self, x: ArrayLike, y: ArrayLike) -> tuple[float, list[NDArray[Any]]]:
        """Return the loss of one batch in training mode and its gradient; nothing is changed.

        Returns:
            The loss, and an array for each of :attr:`trainable_weights`, of its shape.
        """
        loss = self._compiled_loss()
        inputs, labels = self._samples(x, y, loss)
        network = self._native_network()
        totals, arrays = network.gradients(inputs, labels)
        known = dict(zip(map(id, network.trainable), arrays, strict=True))
        return _mean_loss(totals), [known[id(w.parameter)] for w in self.trainable_weights]

    def _compiled_loss(self) -> losses.Loss:
        if self.loss is None:
            raise ValueError(f"{self.name} is not compiled: call compile(optimizer, loss) first")
        return self.loss

    def _samples(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: losses.Loss,
        names: tuple[str, str] = ("x", "y"),
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        inputs = self._inputs(x, names[0])
        return inputs, _data.targets(y, len(inputs), self._network_shapes[1], loss, names[1])

    def _inputs(self, x: ArrayLike, name: str = "x") -> NDArray[Any]:
        if self._network is None and not self.built:
            array = np.asarray(x)
            if array.ndim < 2:
                raise ValueError(f"{name} has shape {array.shape}, expected samples of features")
            dtype = "float64" if array.dtype == np.float64 else "float32"
            self.build(array.shape[1:], dtype)
        self._native_network()
        return _data.samples(x, self._network_shapes[0], name)

    def _logs(self, totals: Any) -> dict[str, float]:
        logs = {"loss": _mean_loss(totals)}
        return logs | {metric.name: metric.result(totals) for metric in self.metrics}

    # ---- inference ----

    def predict(
        self, x: ArrayLike, batch_size: int | None = None, verbose: str | int = 0
    ) -> NDArray[Any]:
        """Return the outputs for many samples, ``(samples, *output_shape)``.

        Args:
            x: samples, ``(samples, *input_shape)``.
            batch_size: samples at a time, by default as many as run fastest.
            verbose: 1 for a progress bar.

        Raises:
            ValueError: if shapes do not fit, or the model has no weights yet.
        """
        inputs = self._inputs(x)
        size = _checked_batch_size(batch_size, _PREDICT_BATCH)
        batches = math.ceil(len(inputs) / size)
        with ProgressBar("predict", batches, lambda totals: {}, verbose in (1, True)) as bar:
            outputs = self._native_network().predict(inputs, size, bar)
            bar.finish(batches, {})
        return self._shaped(outputs)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, as a call does."""
        return self(x)

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return the outputs for one batch: the call of the lowest latency.

        With a symbolic tensor, the model becomes part of another as a layer, and the output is a
        symbolic tensor.

        Args:
            x: samples, ``(samples, *input_shape)``; or a symbolic tensor.
            training: whether batch norm takes the batch's statistics (and moves its moving ones)
                and dropout drops, differently at each call.
        """
        if not isinstance(x, np.ndarray) and is_symbolic(x):
            return self._connect(x)
        inputs = self._inputs(x)
        network = self._native_network()
        if training:
            outputs = network.forward(inputs)
        else:
            outputs = network.predict(inputs, max(1, len(inputs)))
        return self._shaped(outputs)

    def optimize_for_inference(self, precision: str | None = None) -> Predictor:
        """Return a :class:`Predictor`: the model with its weights as they are now, packed.

        Training the model further does not change the predictor.

        Args:
            precision: of float32 products, see :func:`unitgain.set_float32_matmul_precision`;
                by default the one in force. ``"medium"`` may keep the weights in bfloat16: half
                the memory, and half the time where reading them is what takes it.

        Raises:
            ValueError: if the model has no weights yet, or there is no such precision.
        """
        from unitgain.saving.copying import described

        precision = precision or get_float32_matmul_precision()
        network = self._native_network().frozen(precision)
        return self._predictor(network, precision, described(self))

    def _predictor(self, network: Any, precision: str, architecture: Any) -> Predictor:
        shapes = self._network_shapes
        return Predictor(network, *shapes, _PREDICT_BATCH, self.name, precision, architecture)

    def _shaped(self, outputs: NDArray[Any]) -> NDArray[Any]:
        shape = self._network_shapes[1]
        return outputs if len(shape) == 1 else outputs.reshape(len(outputs), *shape)


def _quiet(batches: int, totals: Any) -> None:
    """Show nothing: the native pass answers Ctrl-C whenever it calls."""


def _size(weights: Sequence[Variable]) -> int:
    return sum(math.prod(w.shape) for w in weights)


def _results(logs: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values if len(values) > 1 else values[0]


def _checked_batch_size(batch_size: int | None, default: int) -> int:
    if batch_size is None:
        return default
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, but it is {batch_size}")
    return int(batch_size)


def _mean_loss(totals: Any) -> float:
    loss = totals.loss / totals.weight if totals.weight else 0.0
    return float(loss + totals.penalty / totals.samples if totals.penalty else loss)


def _resolve_metrics(
    names: Sequence[str | metrics.Metric], loss: losses.Loss, outputs: int | None
) -> list[metrics.Metric]:
    resolved = [metrics.get(name, loss, outputs) for name in names]
    for metric in resolved:
        metric.check(loss)
    return resolved
