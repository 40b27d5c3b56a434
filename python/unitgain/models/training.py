"""What every model does to learn: compile, fit, evaluate, and single steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _data, _native, losses, optimizers, random
from unitgain import metrics as known_metrics
from unitgain._progress import format_logs
from unitgain.callbacks.base import Callback, CallbackList, History
from unitgain.data.mixing import Mixer
from unitgain.layers.base import SampleShape, Variable
from unitgain.layers.symbolic import SymbolicTensor
from unitgain.metrics import Metric
from unitgain.metrics.base import results
from unitgain.models.feeding import (
    Batches,
    Samples,
    are_batches,
    class_weights,
    row_weights,
)
from unitgain.models.frozen import FrozenBase
from unitgain.models.passes import Run, evaluated

__all__ = ["PREDICT_BATCH", "Training", "checked_batch_size", "mean_loss"]

# Enough rows that reading the weights, from memory if they are many, takes a hundredth of the time
# of multiplying with them, and a whole number of the products' tiles on every instruction set.
PREDICT_BATCH = 2016

# Arguments of Keras's compile that change nothing here, whatever they are.
_WITHOUT_EFFECT = ("jit_compile", "steps_per_execution", "auto_scale_loss")


class Training:
    """Compiling, training and evaluating."""

    name: str
    optimizer: optimizers.Optimizer | None
    loss: losses.Loss | None
    metrics: list[Metric]
    stop_training: bool
    _initial_epoch: int | None
    _metrics_as_asked: list[Any]
    _weighted_as_asked: list[Any]
    _loss_weight: float
    _needs_compile: bool
    _network: Any
    _network_shapes: tuple[SampleShape, SampleShape]

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that the model ends with."""
        raise NotImplementedError(f"{type(self).__name__} does not implement outputs")

    @property
    def built(self) -> bool:
        """Whether the layers have their weights."""
        raise NotImplementedError(f"{type(self).__name__} does not implement built")

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        raise NotImplementedError(f"{type(self).__name__} does not implement trainable_weights")

    @property
    def streams(self) -> random.Streams | None:
        """What a loaded model draws from; None for what the process does."""
        raise NotImplementedError(f"{type(self).__name__} does not implement streams")

    def build(self, input_shape: SampleShape, dtype: str = "float32") -> None:
        """Give the layers their weights, for samples of this shape."""
        raise NotImplementedError(f"{type(self).__name__} does not implement build")

    def _native_network(self) -> Any:
        raise NotImplementedError

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "rmsprop",
        loss: str | losses.Loss | None = None,
        metrics: Sequence[Any] | None = None,
        loss_weights: Any = None,
        weighted_metrics: Sequence[Any] | None = None,
        *,
        run_eagerly: bool = False,
        **without_effect: Any,
    ) -> None:
        """Set what training needs. The optimizer starts afresh.

        Args:
            optimizer: a name or an instance of :mod:`unitgain.optimizers`.
            loss: a name or an instance of :mod:`unitgain.losses`; None for a model that only
                predicts.
            metrics: names or instances of :mod:`unitgain.metrics`, or functions of ``y_true`` and
                ``y_pred``, which are called after each batch, see
                :class:`unitgain.metrics.MeanMetricWrapper`.
            loss_weights: what the loss is multiplied by, a number or a list of one.
            weighted_metrics: as ``metrics``, of which the samples' weights count.
            run_eagerly: must be False: steps are native.
            **without_effect: ``jit_compile``, ``steps_per_execution`` and ``auto_scale_loss``,
                taken for the sake of code written for Keras.

        Raises:
            ValueError: if a name is unknown, or a metric does not go with the loss.
            TypeError: if there is no such argument.
        """
        check_compile_arguments(run_eagerly, without_effect)
        self._loss_weight = _single_weight(loss_weights)
        if loss is None:
            self.optimizer, self.loss, self.metrics = optimizers.get(optimizer), None, []
            self._metrics_as_asked, self._weighted_as_asked = [], []
            self._needs_compile = False
            return
        chosen_loss = losses.get(loss)
        chosen_optimizer = optimizers.get(optimizer)
        outputs = self.outputs[0].sample_shape[-1] if self.built else None
        asked, weighted = list(metrics or []), list(weighted_metrics or [])
        chosen_metrics = resolve_metrics([*asked, *weighted], chosen_loss, outputs)
        self.optimizer = chosen_optimizer
        self.loss = chosen_loss
        self.metrics = chosen_metrics
        # "accuracy" alone may come to mean another metric, when the outputs are known.
        found = [
            name if isinstance(name, str) and name.lower() in ("accuracy", "acc") else metric
            for name, metric in zip([*asked, *weighted], chosen_metrics, strict=True)
        ]
        self._metrics_as_asked = found[: len(asked)]
        self._weighted_as_asked = found[len(asked) :]
        self._needs_compile = True

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        augment: Mixer | None = None,
        cache_frozen: bool = False,
    ) -> History:
        """Train on ``x`` and ``y``. An epoch is one native call; Ctrl-C ends it between two steps.

        Args:
            x: samples, ``(samples, *input_shape)``. Numbers of any dtype: each batch is converted
                as it is read. Or batches: an iterable or an iterator of ``(x, y)`` or
                ``(x, y, sample_weight)``, or what has a length and is indexed by a batch's number,
                as ``keras.utils.PyDataset``; one batch at a time is held in memory.
            y: class labels ``(samples,)``, or target values, as the loss has it.
            batch_size: samples a step, 32 by default; an epoch's last batch may be smaller.
            epochs: the number of the last epoch.
            verbose: 0 for silence, 1 (or "auto") for a progress bar an epoch, 2 for a line.
            callbacks: told of epochs, see :mod:`unitgain.callbacks`.
            validation_split: the share of samples, the last ones, kept for validation; for one
                that has all classes in their shares, see :func:`unitgain.data.train_test_split`.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or batches, evaluated after
                epochs; goes before the split.
            shuffle: whether each epoch has an order of its own.
            class_weight: what the loss of a class's samples is multiplied by, by class; see
                :func:`unitgain.data.class_weights`.
            sample_weight: what each sample's loss is multiplied by, ``(samples,)``; of several
                outputs, a list or a dict.
            initial_epoch: the number of the first epoch, from 0.
            steps_per_epoch: batches an epoch; by default all that there are.
            validation_steps: the same of an evaluation.
            validation_batch_size: samples at a time in an evaluation.
            validation_freq: after how many epochs each evaluation is, or the numbers of the epochs,
                from 1, that are followed by one.
            augment: makes new samples of those given, see :class:`unitgain.data.MixUp`; for losses
                that take target values, as of one-hot rows from
                :func:`unitgain.data.to_categorical`.
            cache_frozen: whether the outputs of the frozen layers that a :class:`Sequential` begins
                with are computed once for all samples, and not at every step.

        Returns:
            The loss and metrics of each epoch.

        Raises:
            ValueError: if the model is not compiled, shapes or values do not fit, or there are no
                samples to train on or to evaluate.
        """
        self._check_compiled()
        size = checked_batch_size(batch_size, 32)
        source: Samples | Batches
        validation: Samples | Batches | None = None
        if are_batches(x):
            self._check_batches(y, sample_weight, validation_split, augment, cache_frozen)
            source = Batches(x, steps_per_epoch, shuffle, self.streams)
        else:
            source = self._samples(x, y, sample_weight, class_weight)
            if validation_data is None and validation_split:
                source, validation = source.split(validation_split)
            _check_some(source)
        if validation_data is not None:
            validation = self._validation(validation_data, validation_steps)

        mix = _native.MixSpec()
        if augment is not None:
            if isinstance(source, Samples) and source.weights is not None:
                raise ValueError("augment mixes samples, whose weights it cannot: give no weights")
            mix = augment.spec(self._network_shapes[0])
        base = FrozenBase(self) if cache_frozen else None
        if base is not None:
            if augment is not None:
                raise ValueError("augment changes samples: the frozen layers cannot be cached")
            assert isinstance(source, Samples)
            source = base.outputs(source)
            if isinstance(validation, Batches):
                raise ValueError("cache_frozen needs validation_data in arrays")
            validation = None if validation is None else base.outputs(validation)

        history = History()
        steps = source.steps if isinstance(source, Batches) else math.ceil(len(source) / size)
        if steps_per_epoch is not None:
            steps = min(steps_per_epoch, steps or steps_per_epoch)
        params = {"epochs": epochs, "steps": steps, "verbose": verbose}
        listeners = CallbackList([history, *(callbacks or [])], self, params)  # type: ignore[arg-type]
        run = Run(
            model=self,
            source=source,
            batch_size=size,
            steps=steps,
            shuffle=shuffle,
            verbose=verbose,
            mix=mix,
            listeners=listeners,
            base=base,
            validation=validation,
            is_evaluated=_evaluated_epochs(validation_freq),
            validation_size=validation_batch_size or max(size, PREDICT_BATCH),
            validation_steps=validation_steps,
        )
        run.epochs(initial_epoch, epochs)
        return history

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and metrics on ``x`` and ``y``, in inference mode.

        Args:
            x: samples, or batches, as for :meth:`fit`.
            y: labels or targets, as for :meth:`fit`.
            batch_size: samples at a time; the result is the same for any.
            verbose: 0 for silence, else the result is printed too.
            sample_weight: as for :meth:`fit`.
            steps: how many batches; by default all.
            callbacks: told of the evaluation.
            return_dict: whether to return a dict by name.

        Returns:
            The loss, or a list of the loss and the metrics if there are any, or a dict.

        Raises:
            ValueError: if the model is not compiled, shapes or values do not fit, or there are no
                samples, of which a mean has no value.
        """
        self._check_compiled()
        source: Samples | Batches
        if are_batches(x):
            self._check_batches(y, sample_weight)
            source = Batches(x, steps, False)
        else:
            source = self._samples(x, y, sample_weight)
            _check_some(source)
        size = checked_batch_size(batch_size, PREDICT_BATCH)
        params = {"epochs": 1, "steps": steps, "verbose": verbose}
        listeners = CallbackList(callbacks or [], self, params)  # type: ignore[arg-type]
        logs = evaluated(self, self._native_network(), source, size, steps, listeners)
        if verbose not in (0, False):
            print(format_logs(logs))
        return _results(logs, return_dict)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Do one training step on all of ``x`` and ``y``; return its loss and metrics.

        Arguments are those of :meth:`fit`; returns and raises what :meth:`evaluate` does.
        """
        self._check_compiled()
        batch = self._samples(x, y, sample_weight, class_weight)
        _check_some(batch)
        network = self._native_network()
        size = max(1, len(batch))
        if batch.weights is None:
            totals = network.train(batch.x, batch.y, None, size)
        else:
            totals = network.train(batch.x, batch.y, None, size, weights=batch.weights)
        return _results(self._logs(totals), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Return the loss and metrics on ``x`` and ``y``, in inference mode, changing nothing."""
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None
    ) -> tuple[float, list[NDArray[Any]]]:
        """Return the loss of one batch in training mode and its gradient; nothing is changed.

        Returns:
            The loss, and an array for each of :attr:`trainable_weights`, of its shape.
        """
        self._check_compiled()
        batch = self._samples(x, y, sample_weight)
        network = self._native_network()
        totals, arrays = network.gradients(batch.x, batch.y, batch.weights)
        known = dict(zip(map(id, network.trainable), arrays, strict=True))
        return mean_loss(totals), [known[id(w.parameter)] for w in self.trainable_weights]

    # ---- what is given ----

    def _check_compiled(self) -> None:
        if self.loss is None:
            raise ValueError(f"{self.name} is not compiled: call compile(optimizer, loss) first")

    def _check_batches(
        self,
        y: Any,
        sample_weight: Any,
        validation_split: float = 0.0,
        augment: Any = None,
        cache_frozen: bool = False,
    ) -> None:
        given = {
            "y": y is not None,
            "sample_weight": sample_weight is not None,
            "validation_split": bool(validation_split),
            "augment": augment is not None,
            "cache_frozen": cache_frozen,
        }
        for argument, is_given in given.items():
            if is_given:
                raise ValueError(f"x yields batches: {argument} needs arrays")

    def _validation(self, given: Any, steps: int | None) -> Samples | Batches:
        if are_batches(given):
            return Batches(given, steps, False)
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            raise ValueError("validation_data is (x, y), (x, y, sample_weight) or batches")
        x, y, weights = (*given, None)[:3]
        samples = self._samples(x, y, weights, names=("validation x", "validation y"))
        _check_some(samples, "validation x")
        return samples

    def _samples(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        names: tuple[str, str] = ("x", "y"),
    ) -> Samples:
        """Return a user's arrays as the native network takes them."""
        self._check_compiled()
        loss = self.loss
        assert loss is not None
        inputs = self._inputs(x, names[0])
        shape = self._network_shapes[1]
        if y is None:
            raise ValueError(f"{names[1]} is missing")
        targets = _data.targets(y, len(inputs), shape, loss, names[1])
        weights = None
        if sample_weight is not None:
            weights = row_weights(sample_weight, len(inputs), shape)
        if class_weight is not None:
            by_class = class_weights(class_weight, targets, shape, loss.takes_labels)
            weights = by_class if weights is None else weights * by_class
        return Samples(inputs, targets, weights)

    def _inputs(self, x: Any, name: str = "x") -> NDArray[Any]:
        if self._network is None and not self.built:
            array = np.asarray(x)
            if array.ndim < 2:
                raise ValueError(f"{name} has shape {array.shape}, expected samples of features")
            dtype = "float64" if array.dtype == np.float64 else "float32"
            self.build(array.shape[1:], dtype)
        self._native_network()
        return _data.samples(x, self._network_shapes[0], name)

    def _logs(self, totals: Any) -> dict[str, float]:
        return {"loss": mean_loss(totals), **results(self._named_metrics(), totals.metrics)}

    def _named_metrics(self) -> list[tuple[str, Metric, bool]]:
        """Return the metrics, each with what goes before its name, and whether it is weighted."""
        unweighted = len(self.metrics) - len(self._weighted_as_asked)
        return [("", metric, i >= unweighted) for i, metric in enumerate(self.metrics)]


def check_compile_arguments(run_eagerly: bool, without_effect: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError for what ``compile`` cannot do or does not know."""
    if run_eagerly:
        raise ValueError("run_eagerly must be False: a step is one native call")
    for name in without_effect:
        if name not in _WITHOUT_EFFECT:
            raise TypeError(f"compile() got an unexpected keyword argument {name!r}")


def checked_batch_size(batch_size: int | None, default: int) -> int:
    """Return the size of batches.

    Raises:
        ValueError: if it is below 1.
    """
    if batch_size is None:
        return default
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, but it is {batch_size}")
    return int(batch_size)


def _check_some(samples: Samples, name: str = "x") -> None:
    if len(samples) == 0:
        raise ValueError(f"{name} has no samples")


def mean_loss(totals: Any) -> float:
    """Return the mean of a pass's losses, with the penalties."""
    loss = totals.loss / totals.weight if totals.weight else 0.0
    return float(loss + totals.penalty / totals.samples if totals.penalty else loss)


def resolve_metrics(names: Sequence[Any], loss: losses.Loss, outputs: int | None) -> list[Metric]:
    """Return metrics from names and instances.

    Raises:
        ValueError: if a name is unknown, or one does not go with the loss.
    """
    resolved = [known_metrics.get(name, loss, outputs) for name in names]
    for metric in resolved:
        metric.check(loss)
    return resolved


def _single_weight(loss_weights: Any) -> float:
    if loss_weights is None:
        return 1.0
    given = loss_weights if isinstance(loss_weights, (list, tuple)) else [loss_weights]
    if len(given) != 1 or isinstance(given[0], Mapping):
        raise ValueError(f"loss_weights is {loss_weights!r}, expected one number")
    return float(given[0])


def _results(logs: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values if len(values) > 1 else values[0]


def _evaluated_epochs(frequency: int | Sequence[int]) -> Any:
    """Return whether an epoch, counted from 1, is followed by an evaluation, as a function."""
    if isinstance(frequency, (int, np.integer)):
        if frequency < 1:
            raise ValueError(f"validation_freq must be at least 1, but it is {frequency}")
        return lambda epoch: epoch % frequency == 0
    return set(frequency).__contains__
