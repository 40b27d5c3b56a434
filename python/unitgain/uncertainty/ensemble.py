"""Several networks for one task, trained at once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import random
from unitgain.formats.document import from_file, to_file
from unitgain.models import Model
from unitgain.models.saving import checked_path, explained, model_document, model_of
from unitgain.training.callback import Callback, History
from unitgain.training.together import run_together
from unitgain.uncertainty.spread import Uncertainty, gaussian_loss, summarize

__all__ = ["Ensemble", "seeded", "train_many"]


def seeded(build: Callable[..., Model], seed: int, **settings: Any) -> Model:
    """Return ``build(**settings)``, a model with random numbers of its own.

    It has the weights that it would have after ``ug.random.seed(seed)``, and draws in training,
    whatever other models do, what it would draw then.

    Args:
        build: makes a model.
        seed: an integer from 0.
        **settings: given to ``build``.

    Raises:
        TypeError: if ``build`` makes no model.
    """
    streams = random.Streams(random._checked_seed(seed))
    with random.drawing_from(streams):
        model = build(**settings)
        if not isinstance(model, Model):
            raise TypeError(f"build returned {type(model).__name__}, expected a model")
    model._streams, model._streams_instead_of = streams, random.process_streams()
    return model


def train_many(
    models: Sequence[Model],
    x: Any,
    y: Any = None,
    *,
    epochs: int = 1,
    rows: Sequence[Any] | None = None,
    callbacks: Callable[[int], Iterable[Callback]] | None = None,
    **fit: Any,
) -> list[History]:
    """Train several models at once, each to the bits that its own ``fit`` gives.

    An epoch of all is one native call. Each network runs on one thread, several side by side: so
    small networks, which gain nothing from a second thread, use all. They may differ in everything:
    widths, learning rates, dropout, optimizers.

    Args:
        models: compiled models that share neither weights nor optimizers; with :func:`seeded` the
            random numbers of each are its own, too.
        x: samples, an array or several, as for :meth:`unitgain.Model.fit`.
        y: labels or targets.
        epochs: how many.
        rows: for each model the numbers of the rows that it is trained on, such as a bootstrap
            sample or a fold; None: all.
        callbacks: makes the callbacks of the model with a number.
        **fit: other arguments of :meth:`unitgain.Model.fit`, the same for all.

    Returns:
        The losses and metrics of each.

    Raises:
        ValueError: if models share weights, or what ``fit`` raises.
    """
    _check_apart(models)
    if rows is not None and len(rows) != len(models):
        raise ValueError(f"rows has {len(rows)} entries for {len(models)} models")
    fit.setdefault("verbose", 0)
    runs = []
    for i, model in enumerate(models):
        own_x, own_y = (x, y) if rows is None else (_part(x, rows[i]), _part(y, rows[i]))
        listeners = list(callbacks(i)) if callbacks is not None else None
        runs.append(model._training_run(own_x, own_y, epochs=epochs, callbacks=listeners, **fit))
    run_together([run for run, _ in runs], 0, epochs)
    return [history for _, history in runs]


class Ensemble:
    """Networks whose predictions are averaged, and whose disagreement says what is not known.

    Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty estimation
    using deep ensembles", NeurIPS 2017.

    Args:
        build: makes a compiled model; given the ``settings`` of each.
        n: how many; by default 5, or as many as ``settings``.
        seed: model i has what ``ug.random.seed(seed + i)`` would give it.
        settings: for each model keywords of ``build``: learning rates, widths, dropout.

    Attributes:
        models: the models.
        histories: of the last ``fit``.

    >>> import unitgain as ug
    >>> def build(units=8):
    ...     net = ug.Sequential([ug.layers.Input((4,)), ug.layers.Dense(units), ug.layers.Dense(1)])
    ...     net.compile("adam", "mse")
    ...     return net
    >>> len(ug.uncertainty.Ensemble(build, settings=[{"units": 4}, {"units": 16}]).models)
    2
    """

    def __init__(
        self,
        build: Callable[..., Model],
        n: int | None = None,
        seed: int = 0,
        settings: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        count = n if n is not None else 5 if settings is None else len(settings)
        if count < 1:
            raise ValueError(f"n must be at least 1, but it is {count}")
        if settings is not None and len(settings) != count:
            raise ValueError(f"settings has {len(settings)} entries, but n is {count}")
        chosen = settings or [{}] * count
        self.models = [seeded(build, seed + i, **chosen[i]) for i in range(count)]
        self.histories: list[History] = []
        self._seed = seed

    @classmethod
    def of(cls, models: Sequence[Model]) -> Ensemble:
        """Return the ensemble of models that there are."""
        if not models:
            raise ValueError("models is empty, expected one at least")
        made = cls.__new__(cls)
        made.models, made.histories, made._seed = list(models), [], 0
        return made

    @classmethod
    def snapshots(
        cls,
        model: Model,
        x: Any,
        y: Any = None,
        *,
        cycles: int = 5,
        epochs: int = 10,
        by: str = "epoch",
        **fit: Any,
    ) -> Ensemble:
        """Return copies of one model from the ends of cycles, in each of which its rate falls to 0.

        The rate follows a cosine from the optimizer's, and starts again. Huang, Li, Pleiss, Liu,
        Hopcroft and Weinberger, "Snapshot ensembles: train 1, get M for free", ICLR 2017.

        Args:
            model: a compiled model, whose optimizer has no schedule.
            x: as for :meth:`unitgain.Model.fit`.
            y: as for :meth:`unitgain.Model.fit`.
            cycles: how many.
            epochs: of each cycle.
            by: how often the rate is set: at each ``"epoch"``, or at each ``"step"``, as the paper
                has it, which takes a call of Python a step.
            **fit: other arguments of :meth:`unitgain.Model.fit`.

        Raises:
            ValueError: if the model is not compiled, its optimizer has a schedule of its own, or an
                argument is out of range.
        """
        if cycles < 1 or epochs < 1:
            raise ValueError(f"cycles is {cycles} and epochs {epochs}, expected at least 1 of each")
        if model.optimizer is None:
            raise ValueError(f"{model.name} is not compiled: call compile(optimizer, loss) first")
        if by not in ("epoch", "step"):
            raise ValueError(f"by is {by!r}, expected 'epoch' or 'step'")
        optimizer = model.optimizer
        try:
            optimizer.learning_rate = float(optimizer.learning_rate)
        except TypeError:
            raise ValueError(
                "the optimizer has a schedule of its own, but the cycles are to set its rate: make "
                "it with a number"
            ) from None
        fit.setdefault("verbose", 0)
        snapshots = (_Snapshots if by == "epoch" else _SnapshotsByStep)(epochs)
        own = fit.pop("callbacks", None) or []
        own = [own] if isinstance(own, Callback) else list(own)
        model.fit(x, y, epochs=cycles * epochs, callbacks=[*own, snapshots], **fit)
        return cls.of(snapshots.models)

    def __len__(self) -> int:
        return len(self.models)

    def fit(
        self, x: Any, y: Any = None, *, bagging: bool = False, epochs: int = 1, **fit: Any
    ) -> list[History]:
        """Train all at once, see :func:`train_many`.

        Args:
            x: as for :meth:`unitgain.Model.fit`.
            y: as for :meth:`unitgain.Model.fit`.
            bagging: whether each has a bootstrap sample of the rows of its own (Breiman, "Bagging
                predictors", Machine Learning 24, 1996).
            epochs: how many.
            **fit: as for :func:`train_many`.
        """
        if bagging:
            count = len(x[0]) if isinstance(x, (list, tuple)) else len(x)
            draws = [np.random.default_rng(self._seed + i) for i in range(len(self))]
            fit["rows"] = [rng.integers(0, count, count) for rng in draws]
        self.histories = train_many(self.models, x, y, epochs=epochs, **fit)
        return self.histories

    def predict_each(self, x: Any) -> NDArray[Any]:
        """Return each model's outputs, ``(models, samples, *output_shape)``."""
        return np.stack([model.predict(x) for model in self.models])

    def predict(self, x: Any) -> NDArray[Any]:
        """Return the mean of the models' outputs."""
        return np.asarray(self.predict_each(x).mean(axis=0))

    def uncertainty(self, x: Any, probabilities: bool = True) -> Uncertainty:
        """Return mean, variance, and what is known of the uncertainty, see :func:`summarize`.

        Args:
            x: samples.
            probabilities: whether the outputs are such. Of models whose loss is
                :class:`unitgain.losses.GaussianNLL` they are means and variances.
        """
        predictions = (model.predict(x) for model in self.models)
        return summarize(predictions, probabilities, gaussian_loss(self.models))

    def best(
        self, x: Any, y: Any, k: int = 1, monitor: str = "loss", mode: str = "min"
    ) -> Ensemble:
        """Return the ensemble of the ``k`` models that are best on validation data, best first.

        Args:
            x: samples.
            y: labels or targets.
            k: how many.
            monitor: the loss's or a metric's name.
            mode: ``"min"`` or ``"max"``: what is better.

        Raises:
            ValueError: if there are fewer than ``k``, or there is no such value.
        """
        if not 1 <= k <= len(self):
            raise ValueError(f"k must be between 1 and {len(self)}, but it is {k}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode is {mode!r}, expected 'min' or 'max'")
        found = [model.evaluate(x, y, return_dict=True) for model in self.models]
        if monitor not in found[0]:
            raise ValueError(f"monitor is {monitor!r}, expected one of {', '.join(found[0])}")
        values = np.array([float(logs[monitor]) for logs in found])
        order = np.argsort(values if mode == "min" else -values, kind="stable")
        return Ensemble.of([self.models[i] for i in order[:k]])

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write all models to one file, whose name ends in ``.safetensors``."""
        documents: list[Any] = []
        arrays: dict[str, NDArray[Any]] = {}
        for i, model in enumerate(self.models):
            document, own = model_document(model)
            documents.append(document)
            arrays |= {f"{i}/{name}": array for name, array in own.items()}
        to_file(
            checked_path(filepath, overwrite), {"ensemble": documents, "seed": self._seed}, arrays
        )

    @classmethod
    def load(
        cls,
        filepath: str | os.PathLike[str],
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Ensemble:
        """Return the ensemble that :meth:`save` wrote.

        Raises:
            ValueError: if the file is damaged, or holds no ensemble.
            OSError: if it cannot be read.
        """
        with explained(filepath):
            document, arrays = from_file(filepath)
            if not isinstance(document.get("ensemble"), list):
                raise ValueError("it holds no ensemble")
            models = []
            for i, one in enumerate(document["ensemble"]):
                start = f"{i}/"
                own = {n[len(start) :]: a for n, a in arrays.items() if n.startswith(start)}
                models.append(model_of(one, own, custom_objects))
            made = cls.of(models)
            made._seed = int(document["seed"])
            return made


class _Snapshots(Callback):
    """Lowers the rate in each cycle, and copies the model at its end."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.models: list[Model] = []
        self.rate = 0.0
        self.done = 0  # epochs of the cycle

    def on_train_begin(self, logs: Any = None) -> None:
        """Note the rate to start cycles with."""
        self.rate = float(self.model.optimizer.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the epoch's rate."""
        self.done = epoch % self.epochs
        self.set_rate(self.done / self.epochs)

    def set_rate(self, share: float) -> None:
        """Set the rate of a place in the cycle."""
        self.model.optimizer.learning_rate = self.rate * (1 + math.cos(math.pi * share)) / 2

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Copy the model at the end of a cycle."""
        if (epoch + 1) % self.epochs == 0:
            self.models.append(model_of(*model_document(self.model)))

    def on_train_end(self, logs: Any = None) -> None:
        """Set the rate as it was."""
        self.model.optimizer.learning_rate = self.rate


class _SnapshotsByStep(_Snapshots):
    """The same, with a rate for each step."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the step's rate."""
        share = batch / self.params["steps"] if self.params["steps"] else 0.0
        self.set_rate((self.done + share) / self.epochs)


def _check_apart(models: Sequence[Model]) -> None:
    seen: dict[int, int] = {}
    for i, model in enumerate(models):
        if not isinstance(model, Model):
            raise TypeError(f"models[{i}] is {type(model).__name__}, expected a model")
        for part in [model, *(weight.parameter for weight in model.weights)]:
            if id(part) in seen:
                raise ValueError(
                    f"models {seen[id(part)]} and {i} share weights: each must have its own"
                )
            seen[id(part)] = i


def _part(given: Any, rows: Any) -> Any:
    if given is None:
        return None
    if isinstance(given, (list, tuple)):
        return [_part(one, rows) for one in given]
    if isinstance(given, Mapping):
        return {key: _part(one, rows) for key, one in given.items()}
    return np.asarray(given)[rows]
