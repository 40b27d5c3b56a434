"""Training of any model: compile, fit, evaluate, and single steps."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from unitgain import _arrays, _native, losses, optimizers
from unitgain._progress import format_logs
from unitgain.data.dataset import Dataset
from unitgain.data.mixing import Mixer
from unitgain.graph import arrays
from unitgain.graph.structure import Arrays
from unitgain.losses.base import check_units
from unitgain.metrics import Metric
from unitgain.metrics.base import log_names, results
from unitgain.training.callback import Callback, CallbackList, History, Logs, as_list
from unitgain.training.criteria import Criterion, Objective
from unitgain.training.feeding import (
    PREDICT_BATCH,
    Batches,
    Order,
    Samples,
    are_batches,
    class_weights,
    dense,
    holds_sparse,
    row_weights,
)
from unitgain.training.frozen import FrozenBase
from unitgain.training.parts import Trained
from unitgain.training.passes import Run, Source, evaluated
from unitgain.training.sharing import current_sharing
from unitgain.training.traps import warn_of_infinite, warn_of_logits
from unitgain.training.windows import Windows

__all__ = ["Results", "Trainer", "checked_batch_size", "mean_loss"]

# The result of an evaluation: the loss, or a list with the metrics behind it, or both by name.
Results: TypeAlias = float | list[Any] | dict[str, Any]


class Trainer(Trained):
    """Compiling, training and evaluating: what every model does to learn."""

    _history: weakref.ref[History] | None
    _epochs: tuple[list[int], dict[str, list[Any]], dict[str, list[int]]]
    _resumed: tuple[int, Logs] | None
    _order_position: list[int] | None
    _is_unseen: bool
    _objective: Objective | None
    _criteria: list[Criterion]  # one for each output, once the outputs are known
    _needs_compile: bool
    run_eagerly: bool = False
    jit_compile: bool | str | None = "auto"
    auto_scale_loss: bool = True

    # ---- what is made small ----

    @property
    def loss(self) -> losses.Loss | None:
        """The loss; of several outputs, the first that has one. None if there is none."""
        return None if self._objective is None else self._objective.first_loss

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of all outputs, in their order."""
        if self._criteria:
            return [metric for c in self._criteria for metric, _ in c.named_metrics]
        return [] if self._objective is None else self._objective.all_metrics()

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns, in its order."""
        self._check_compiled()
        if not self._criteria:
            return ["loss", *(metric.name for metric in self.metrics)]
        names = ["loss"]
        if len(self._criteria) > 1:
            names += [f"{c.name}_loss" for c in self._criteria if c.loss is not None]
        return names + [name for name, _ in self._reported_metrics()]

    def compile(
        self,
        optimizer: str | optimizers.Optimizer | None = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str | None = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Set what training needs. The optimizer starts afresh.

        The loss of several outputs is the sum of their losses times their weights. An output whose
        loss is None is not trained.

        Args:
            optimizer: a name or an instance of :mod:`unitgain.optimizers`, which trains no other
                model; None for a model that is evaluated, and not trained.
            loss: a name or an instance of :mod:`unitgain.losses` for every output, or a list of
                them in the outputs' order, or a dict by :attr:`output_names`; None for a model
                that only predicts.
            metrics: names or instances of :mod:`unitgain.metrics`, or functions of ``y_true`` and
                ``y_pred``, which are called after each batch, see
                :class:`unitgain.metrics.MeanMetricWrapper`; of several outputs, a list of such
                lists or a dict of them.
            loss_weights: the losses' weights, a number, a list or a dict; 1 by default.
            weighted_metrics: as ``metrics``, of which the samples' weights count.
            run_eagerly: whether steps are run for the sake of who looks at them: each batch is a
                native call of its own, as with :meth:`train_on_batch`, so that a debugger or a
                profiler finds the parts written in Python between two of them.
            steps_per_execution: how many batches are run between two calls of the hooks that
                callbacks have for batches. These are told the number of the first batch at the
                beginning, and that of the last at the end.
            jit_compile: has no effect: a step is compiled code. With ``run_eagerly`` it is False.
            auto_scale_loss: has no effect: losses are scaled by a
                :class:`~unitgain.optimizers.LossScaleOptimizer` alone.

        Raises:
            ValueError: if a name is unknown, a metric does not go with its loss or keeps its own
                state and comes twice, there are more or fewer entries than outputs, or
                ``steps_per_execution`` is below 1.
        """
        steps = operator.index(steps_per_execution)
        if steps < 1:
            raise ValueError(f"steps_per_execution must be at least 1, but it is {steps}")
        chosen = None if optimizer is None else optimizers.get(optimizer)
        objective = None
        criteria: list[Criterion] = []
        if loss is not None:
            objective = Objective(loss, metrics, loss_weights, weighted_metrics)
            if self.built:
                criteria = objective.criteria(self.function.outputs)
        self._is_unseen = True
        self.optimizer = chosen
        self._objective, self._criteria = objective, criteria
        self._needs_compile = objective is not None
        self.run_eagerly, self.steps_per_execution = bool(run_eagerly), steps
        self.jit_compile = False if run_eagerly else jit_compile
        self.auto_scale_loss = auto_scale_loss

    def _native_losses(self) -> list[_native.OutputLoss]:
        """Return each output's loss and metrics for the native network, the criteria renewed."""
        assert self._objective is not None
        outputs = self.function.outputs
        self._criteria = self._objective.criteria(outputs)
        made = []
        for c, shape in zip(self._criteria, outputs.shapes, strict=True):
            if c.loss is not None:
                check_units(c.loss, shape)
            measured = [metric.native_spec(shape, weighted) for metric, weighted in c.named_metrics]
            without = _native.OutputLoss(None, measured, c.weight)
            made.append(c.loss.native(shape, measured, c.weight) if c.loss else without)
        return made

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callback | Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | Order = True,
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
            x: samples, ``(samples, *input_shape)``: an array, a frame of pandas or Polars, a
                tensor, or a sparse matrix, of which each batch is made dense. Numbers of any dtype:
                each batch is converted as it is read. Or batches: an iterable or an iterator of
                ``(x, y)`` or ``(x, y, sample_weight)``, as PyTorch's ``DataLoader``, or what has a
                length and is indexed by a batch's number, as ``keras.utils.PyDataset``; one batch
                at a time is held in memory. Or a :class:`~unitgain.data.Dataset`: files that are
                read window by window, targets among them.
            y: class labels ``(samples,)``, or target values, as the loss has it.
            batch_size: samples a step; by default 32, or with ``steps_per_epoch`` all samples of
                arrays over the steps. An epoch's last batch may be smaller.
            epochs: the number of the last epoch.
            verbose: 0 for silence, 1 for a progress bar an epoch, 2 for a line; "auto" is 1, and in
                a notebook one bar for all epochs.
            callbacks: told of epochs, see :mod:`unitgain.callbacks`.
            validation_split: the share of samples, the last ones, kept for validation; for one
                that has all classes in their shares, see :func:`unitgain.data.train_test_split`.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or batches, evaluated after
                epochs; goes before the split.
            shuffle: whether each epoch has an order of its own; or a
                :class:`~unitgain.training.feeding.Order` that gives it.
            class_weight: what the loss of a class's samples is multiplied by, by class; see
                :func:`unitgain.data.class_weights`.
            sample_weight: what each sample's loss is multiplied by, ``(samples,)``, or that of each
                of its rows, ``(samples, *rows)``, or what broadcasts to that; of several outputs, a
                list or a dict.
            initial_epoch: the number of the first epoch, from 0.
            steps_per_epoch: batches an epoch; by default all that there are. Each epoch goes on
                where the one before has ended, until all samples have come once.
            validation_steps: batches of an evaluation, the first ones each time; an iterator that
                cannot begin again goes on.
            validation_batch_size: samples at a time in an evaluation; with ``validation_steps`` it
                is ``batch_size`` by default, or all samples over the steps.
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
            ValueError: if the model is not compiled, shapes or values do not fit, there are no
                samples to train on or to evaluate, or the optimizer has trained another model.
        """

        def make() -> tuple[Run, History]:
            return self._training_run(
                x,
                y,
                batch_size,
                epochs,
                verbose,
                callbacks,
                validation_split,
                validation_data,
                shuffle,
                class_weight,
                sample_weight,
                steps_per_epoch,
                validation_steps,
                validation_batch_size,
                validation_freq,
                augment=augment,
                cache_frozen=cache_frozen,
            )

        def go(made: tuple[Run, History]) -> History:
            run, history = made
            if shared is not None:
                run.shared = shared
                shared.listen(run)
            run.epochs(initial_epoch, epochs)
            return history

        shared = current_sharing()
        return go(make()) if shared is None else shared.train(self, make, go, afresh=True)

    def _training_run(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callback | Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | Order = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        augment: Mixer | None = None,
        cache_frozen: bool = False,
    ) -> tuple[Run, History]:
        """Return a run with what :meth:`fit` was given, checked, and the history that it fills."""
        self._check_compiled()
        order = shuffle if isinstance(shuffle, Order) else Order(shuffle)
        source: Source
        validation: Source | None = None
        if isinstance(x, Dataset):
            given = {"y": y, "sample_weight": sample_weight, "cache_frozen": cache_frozen or None}
            _check_absent("x is a Dataset", given)
            if validation_data is None and validation_split:
                x, validation_data = x.split(validation_split)
            rows = checked_batch_size(batch_size, 32)
            source = Windows(x, rows, steps_per_epoch, order.shuffles)
            self._inputs(x.no_inputs())
            _check_some(source)
        elif are_batches(x):
            self._check_batches(y, sample_weight, validation_split, augment, cache_frozen)
            source = Batches(x, steps_per_epoch, order)
        else:
            source = self._samples(x, y, sample_weight)
            if validation_data is None and validation_split:
                source, validation = source.split(validation_split)
            _check_some(source)
            if class_weight is not None:
                source = self._weighted(source, class_weight)
        size = batch_rows(source, batch_size, steps_per_epoch, 32)
        if validation_data is not None:
            validation = self._validation(
                validation_data, validation_steps, validation_batch_size, batch_size
            )

        mix = _native.MixSpec()
        if augment is not None:
            assert not isinstance(source, Batches)
            if isinstance(source, Windows):
                is_sparse = False
                has_weights = source.data.has_weights or class_weight is not None
            else:
                has_weights, is_sparse = source.weights is not None, holds_sparse(source.x)
            if has_weights:
                raise ValueError("augment mixes samples, whose weights it cannot: give no weights")
            if is_sparse:
                raise ValueError("augment mixes samples of arrays, but x is sparse: make it dense")
            mix = augment.spec(self.function.input_shape)
        base = FrozenBase(self) if cache_frozen else None
        if base is not None:
            if augment is not None:
                raise ValueError("augment changes samples: the frozen layers cannot be cached")
            if isinstance(validation, Batches | Windows):
                raise ValueError("cache_frozen needs validation_data in arrays")

        self._own_optimizer()
        history = History()
        self._history = weakref.ref(history)
        self._epochs = (history.epoch, history.history, history.epochs_of)
        steps = steps_per_epoch
        if steps is None:
            steps = math.ceil(len(source) / size) if isinstance(source, Samples) else source.steps
        params = {"epochs": epochs, "steps": steps, "verbose": verbose}
        listeners = CallbackList([history, *as_list(callbacks)], self, params)
        run = Run(
            model=self,
            source=source,
            batch_size=size,
            steps=steps,
            order=order,
            class_weight=class_weight,
            verbose=verbose,
            mix=mix,
            listeners=listeners,
            base=base,
            validation=validation,
            is_evaluated=_evaluated_epochs(validation_freq),
            validation_size=_validation_rows(
                validation, validation_batch_size, batch_size, validation_steps
            ),
            validation_steps=validation_steps,
        )
        return run, history

    @property
    def history(self) -> History | None:
        """The result of the last :meth:`fit`, also of one under way; None before the first."""
        if self._history is None:
            return None
        # Held weakly, because it holds the model: both would stay until the garbage is collected.
        history = self._history()
        if history is None:
            history = History()
            history.epoch, history.history, history.epochs_of = self._epochs
            history.set_model(self)
            self._history = weakref.ref(history)
        return history

    @overload
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, Any]: ...

    @overload
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        return_dict: Literal[False] = False,
    ) -> float | list[Any]: ...

    @overload
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> Results: ...

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> Results:
        """Return the loss and metrics on ``x`` and ``y``, in inference mode.

        Args:
            x: samples, or batches, as for :meth:`fit`.
            y: labels or targets, as for :meth:`fit`.
            batch_size: samples at a time; the result is the same for any.
            verbose: 0 for silence, else the result is printed too.
            sample_weight: as for :meth:`fit`.
            steps: how many batches; by default all. Without a ``batch_size`` they take all samples.
            callbacks: told of the evaluation.
            return_dict: whether to return a dict by name.

        Returns:
            The loss, or a list of the loss and the metrics if there are any, or a dict.

        Raises:
            ValueError: if the model is not compiled, shapes or values do not fit, or there are no
                samples, of which a mean has no value.
        """

        def make() -> Source:
            self._check_compiled()
            if isinstance(x, Dataset):
                _check_absent("x is a Dataset", {"y": y, "sample_weight": sample_weight})
                windows = Windows(x, checked_batch_size(batch_size, PREDICT_BATCH), steps)
                self._inputs(x.no_inputs())
                _check_some(windows)
                return windows
            if are_batches(x):
                self._check_batches(y, sample_weight)
                return Batches(x, steps)
            samples = self._samples(x, y, sample_weight)
            _check_some(samples)
            return samples

        def go(source: Source) -> Results:
            size = batch_rows(source, batch_size, steps, PREDICT_BATCH)
            params = {"epochs": 1, "steps": steps, "verbose": verbose}
            listeners = CallbackList(as_list(callbacks), self, params)
            logs = evaluated(self, self._native_network(), source, size, steps, listeners, shared)
            if verbose not in (0, False):
                print(format_logs(logs))
            return _results(logs, return_dict)

        shared = current_sharing()
        return go(make()) if shared is None else shared.train(self, make, go, afresh=False)

    @overload
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, Any]: ...

    @overload
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: Literal[False] = False,
    ) -> float | list[Any]: ...

    @overload
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Results: ...

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Results:
        """Do one training step on all of ``x`` and ``y``; return its loss and metrics.

        Arguments are those of :meth:`fit`; returns and raises what :meth:`evaluate` does.
        """

        def make() -> Samples:
            self._check_compiled()
            batch = self._samples(x, y, sample_weight)
            _check_some(batch)
            if class_weight is not None:
                batch = self._weighted(batch, class_weight)
            self._own_optimizer()
            return batch

        def go(batch: Samples) -> Results:
            network = self._native_network()
            if shared is not None:
                shared.prepare(network)
            size = max(1, len(batch))
            inputs = dense(batch.x)
            warn_of_logits(self, network, inputs)
            if batch.weights is None:
                totals = network.train(inputs, batch.y, None, size)
            else:
                totals = network.train(inputs, batch.y, None, size, weights=batch.weights)
            if not math.isfinite(totals.loss):
                warn_of_infinite(Samples(inputs, batch.y, batch.weights))
            return _results(self._logs(totals), return_dict)

        shared = current_sharing()
        return go(make()) if shared is None else shared.train(self, make, go, afresh=False)

    @overload
    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, Any]: ...

    @overload
    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: Literal[False] = False,
    ) -> float | list[Any]: ...

    @overload
    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Results: ...

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Results:
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
        totals, arrays = network.gradients(dense(batch.x), batch.y, batch.weights)
        known = dict(zip(map(id, network.trainable), arrays, strict=True))
        return mean_loss(totals), [known[id(w.parameter)] for w in self.trainable_weights]

    # ---- what is given ----

    def _check_compiled(self) -> None:
        if self._objective is None:
            raise ValueError(f"{self.name} is not compiled: call compile(optimizer, loss) first")

    def _check_batches(
        self,
        y: Any,
        sample_weight: Any,
        validation_split: float = 0.0,
        augment: Any = None,
        cache_frozen: bool = False,
    ) -> None:
        _check_absent(
            "x yields batches",
            {
                "y": y,
                "sample_weight": sample_weight,
                "validation_split": validation_split or None,
                "augment": augment,
                "cache_frozen": cache_frozen or None,
            },
        )

    def _validation(
        self, given: Any, steps: int | None, batch_size: int | None, trained: int | None
    ) -> Source:
        if isinstance(given, Dataset):
            default = PREDICT_BATCH if steps is None else trained or PREDICT_BATCH
            rows = checked_batch_size(batch_size, max(trained or 0, default))
            windows = Windows(given, rows, steps)
            _check_some(windows, "validation x")
            return windows
        if are_batches(given):
            return Batches(given, steps, afresh=True)
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
        names: tuple[str, str] = ("x", "y"),
    ) -> Samples:
        """Return a user's arrays as the native network takes them."""
        self._check_compiled()
        inputs = self._inputs(x, names[0])
        outputs = self.function.outputs
        if y is None:
            raise ValueError(f"{names[1]} is missing")
        is_plain = len(self._criteria) == 1 and isinstance(y, np.ndarray)
        given = [y] if is_plain else outputs.arrange(y, names[1], None)
        targets: list[NDArray[Any] | None] = []
        for i, criterion in enumerate(self._criteria):
            if criterion.loss is None:
                targets.append(None)
                continue
            if given[i] is None:
                raise ValueError(f"{names[1]} has no entry for {outputs.names[i]!r}")
            label = outputs.label(names[1], i)
            shape = outputs.shapes[i]
            targets.append(arrays.targets(given[i], len(inputs), shape, criterion.loss, label))
        weights = self._weights(len(inputs), sample_weight)
        if len(targets) == 1:
            return Samples(inputs, targets[0], None if weights is None else weights[0])
        return Samples(inputs, Arrays(targets), None if weights is None else Arrays(weights))

    def _weights(self, count: int, sample_weight: Any) -> list[Any] | None:
        if sample_weight is None:
            return None
        outputs = self.function.outputs
        if len(outputs) > 1 and _arrays.is_array(sample_weight):
            given = [sample_weight] * len(outputs)  # the same for each output, as in Keras
        else:
            given = outputs.arrange(sample_weight, "sample_weight", None)
        weights = [
            None
            if one is None
            else row_weights(one, count, shape, outputs.label("sample_weight", i))
            for i, (one, shape) in enumerate(zip(given, outputs.shapes, strict=True))
        ]
        return weights if any(one is not None for one in weights) else None

    def _weighted(self, samples: Samples, class_weight: Mapping[int, float]) -> Samples:
        """Return samples whose weights are multiplied by those of their classes."""
        assert self.loss is not None
        if isinstance(samples.y, Arrays):
            raise ValueError("class_weight is for a model with one output: give sample_weight")
        shape = self.function.outputs.shapes[0]
        by_class = class_weights(class_weight, samples.y, shape, self.loss.takes_labels)
        weights = by_class if samples.weights is None else samples.weights * by_class
        return Samples(samples.x, samples.y, weights)

    def _output_losses(self) -> list[losses.Loss | None]:
        """Return the loss of each output."""
        return [criterion.loss for criterion in self._criteria]

    def _inputs(self, x: Any, name: str = "x") -> Any:
        """Return a user's inputs as the native network takes them, having built the model."""
        if not self.built:
            self._build_for(x, name)
        self._native_network()
        return self.function.inputs.native_arrays(x, name)

    def _logs(self, totals: Any) -> dict[str, float]:
        """Return the values of a pass by name, from its sums."""
        logs = {"loss": mean_loss(totals)}
        if len(self._criteria) == 1:
            sums = totals.metrics
            return logs | results("", self._criteria[0].named_metrics, sums) if sums else logs
        parts = totals.outputs or [totals] * len(self._criteria)
        for criterion, part in zip(self._criteria, parts, strict=True):
            if criterion.loss is not None:
                logs[f"{criterion.name}_loss"] = mean_loss(part)
        for criterion, part in zip(self._criteria, parts, strict=True):
            logs |= results(f"{criterion.name}_", criterion.named_metrics, part.metrics)
        return logs

    def _reported_metrics(self) -> list[tuple[str, Metric]]:
        """Return the metrics, each with the name that it has in the logs."""
        found = []
        for c in self._criteria:
            names = log_names(f"{c.name}_" if len(self._criteria) > 1 else "", c.named_metrics)
            found += [(n, m) for n, (m, _) in zip(names, c.named_metrics, strict=True)]
        return found


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


def batch_rows(source: Source, batch_size: int | None, steps: int | None, default: int) -> int:
    """Return how many samples a batch has: as requested, else all over the steps, else the default.

    Raises:
        ValueError: if there are less than 1, of samples or of steps.
    """
    if isinstance(source, Samples) and steps is not None:
        if steps < 1:
            raise ValueError(f"the steps of a pass must be at least 1, but they are {steps}")
        default = max(1, math.ceil(len(source) / steps))
    return checked_batch_size(batch_size, default)


def _check_absent(because: str, given: Mapping[str, Any]) -> None:
    """Raise ValueError if there are arguments that need arrays."""
    for argument, value in given.items():
        if value is not None:
            raise ValueError(f"{because}: {argument} needs arrays")


def _check_some(samples: Samples | Windows, name: str = "x") -> None:
    if len(samples) == 0:
        raise ValueError(f"{name} has no samples")


def mean_loss(totals: Any) -> float:
    """Return the mean of a pass's losses, with the penalties."""
    loss = totals.loss / totals.weight if totals.weight else 0.0
    return float(loss + totals.penalty / totals.samples if totals.penalty else loss)


def _validation_rows(
    validation: Source | None,
    requested: int | None,
    trained: int | None,
    steps: int | None,
) -> int:
    """Return how many samples at a time an evaluation takes; without steps all sizes are alike."""
    if isinstance(validation, Samples) and steps is not None:
        return batch_rows(validation, requested or trained, steps, PREDICT_BATCH)
    return requested or max(trained or 0, PREDICT_BATCH)


def _results(logs: dict[str, Any], return_dict: bool) -> Results:
    if return_dict:
        return logs
    values = list(logs.values())
    return values if len(values) > 1 else float(values[0])


def _evaluated_epochs(frequency: int | Sequence[int]) -> Any:
    """Return whether an epoch, counted from 1, is followed by an evaluation, as a function."""
    if isinstance(frequency, (int, np.integer)):
        if frequency < 1:
            raise ValueError(f"validation_freq must be at least 1, but it is {frequency}")
        return lambda epoch: epoch % frequency == 0
    return set(frequency).__contains__
