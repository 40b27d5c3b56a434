"""The common part of classifier and regressor: arguments, training, and raw outputs."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from unitgain import losses
from unitgain._arrays import is_sparse
from unitgain.data import MixUp
from unitgain.models import Model
from unitgain.sklearn.checks import MLP_ARGUMENTS, Check, as_dtype, check_arguments
from unitgain.sklearn.lbfgs import minimise
from unitgain.sklearn.networks import (
    dense_layers,
    hidden_sizes,
    made_network,
    made_optimizer,
    set_penalty,
)
from unitgain.sklearn.stopping import Course, StateOrder, Stopping
from unitgain.training.callback import as_list
from unitgain.training.passes import Run
from unitgain.training.together import run_together

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NetworkEstimator", "is_stochastic", "keep_arguments"]

Array = NDArray[Any]
# Up to so many samples make one batch.
_BATCH = 200
# Up to so many, a step of float64 takes little longer than one of float32.
_SMALL = 100


def keep_arguments(estimator: Any, given: dict[str, Any]) -> None:
    """Set each argument of a constructor as an attribute of its name."""
    for name, value in given.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def is_stochastic(estimator: Any) -> bool:
    """Return whether an estimator learns batch by batch.

    Raises:
        AttributeError: if it does not.
    """
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs batches: solver='lbfgs' takes all samples at once")
    return True


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """The part of a network estimator that does not know what the outputs mean.

    Attributes:
        models_: the trained networks, ``ensemble`` of them.
    """

    models_: list[Model]
    n_outputs_: int
    n_iter_: Any
    _courses: list[Course]
    _keys: list[int]
    _dtype: str
    _is_classifier = False
    _use_bias = True
    _lbfgs_options: Mapping[str, Any] = MappingProxyType({})
    _arguments: Mapping[str, Check] = MLP_ARGUMENTS
    _l1 = 0.0
    # Whether what _reported() returns depends on the weights.
    _reads_weights = False

    # Arguments, of which a subclass may have some fixed.
    hidden_layer_sizes: Any
    solver: Any
    alpha: float
    batch_size: Any = "auto"
    max_iter: int
    shuffle: bool = True
    random_state: Any = None
    verbose: Any = False
    warm_start: bool = False
    early_stopping: bool = False
    validation_fraction: float = 0.1
    mixup: float | None = None
    ensemble: int = 1
    callbacks: Any = None
    dtype: str | None = None

    @property
    def _takes_all(self) -> bool:
        """Whether it is trained on all samples at once, by L-BFGS."""
        return bool(self.solver == "lbfgs")

    # ---- what a subclass says ----

    def _read_targets(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, Array]:
        """Return checked samples, and targets as the loss takes them."""
        raise NotImplementedError

    def _objective(self) -> tuple[losses.Loss, float, str | None, int]:
        """Return the loss, its weight, the outputs' activation, and their number."""
        raise NotImplementedError

    def _as_trained(self, targets: Array) -> Array:
        """Return targets in the form that the loss takes, of labels perhaps rows."""
        raise NotImplementedError

    def _reported(self, loss: float, penalty: Callable[[], float], targets: Array) -> float:
        """Return a model's loss as scikit-learn has it."""
        raise NotImplementedError

    def _score_of(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        """Return the score of a network's raw outputs."""
        raise NotImplementedError

    def _weights_by_class(self, targets: Array) -> Array | None:
        """Return the samples' weights by their classes; None if all are 1."""
        return None

    # ---- the public part ----

    @property
    def model_(self) -> Model:
        """The trained network, the first of an ensemble: of raw outputs, not yet probabilities."""
        return self.models_[0]

    @property
    def coefs_(self) -> list[Array]:
        """The kernels of :attr:`model_`'s dense layers, ``(inputs, units)`` each, not copied."""
        return [dense.kernel.array for dense in dense_layers(self._fitted_model())]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of :attr:`model_`'s dense layers, not copied."""
        found = [dense.bias for dense in dense_layers(self._fitted_model())]
        return [bias.array for bias in found if bias is not None]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fitted_model(self) -> Model:
        if not hasattr(self, "models_"):
            raise AttributeError(f"this {type(self).__name__} is not fitted: call fit first")
        return self.models_[0]

    def _outputs(self, X: Any) -> list[Array]:
        """Return each network's raw outputs, in the precision of the samples."""
        check_is_fitted(self, "models_")
        X = validate_data(self, X, accept_sparse=["csr"], reset=False)
        dtype = np.float32 if X.dtype in (np.float16, np.float32) else np.float64
        return [model.predict(X).astype(dtype, copy=False) for model in self.models_]

    # ---- training ----

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool = False) -> Self:
        check_arguments(self, self._arguments)
        first = not hasattr(self, "models_") or not (self.warm_start or incremental)
        X, targets = self._read_targets(X, y, first, incremental)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        by_class = self._weights_by_class(targets)
        if by_class is not None:
            weights = by_class if weights is None else weights * by_class
        state = check_random_state(self.random_state)
        self._check_together(incremental, weights, X)
        if first:
            self.models_, self._courses, self._keys = [], [], []
            self._dtype = self._chosen_dtype(X)
        X = as_dtype(X, self._dtype)
        for trained in (self.models_, self._courses, self._keys):
            del trained[self.ensemble :]
        states = self._states(state)
        for number, own in enumerate(states):
            self._prepare(number, X.shape[1], own, incremental)
        if self._takes_all:
            self._train_on_all(X, targets, weights)
        else:
            self._train_by_batches(X, targets, weights, states, incremental)
        for model in self.models_:
            if not all(np.isfinite(array).all() for array in model.get_weights()):
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain "
                    "large values and need to be preprocessed."
                )
        self._keep_results()
        return self

    def _states(self, state: np.random.RandomState) -> list[np.random.RandomState]:
        """Return what each network draws from: the first, what it would alone."""
        if isinstance(self.random_state, Integral):
            seeds = [(int(self.random_state) + i) % 2**32 for i in range(self.ensemble)]
        else:
            seeds = copy.deepcopy(state).randint(2**31, size=self.ensemble).tolist()
        return [state, *map(np.random.RandomState, seeds[1:])]

    def _check_together(self, incremental: bool, weights: Array | None, X: Any) -> None:
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.mixup is not None:
            if weights is not None:
                raise ValueError("mixup mixes samples, whose weights it cannot: give no weights")
            if is_sparse(X):
                raise ValueError("mixup mixes samples of arrays, but X is sparse: make it dense")
        if self._takes_all:
            for name in ("mixup", "dropout", "callbacks"):
                if np.any(getattr(self, name)):
                    raise ValueError(f"{name} needs batches: solver='lbfgs' takes all samples")

    def _chosen_dtype(self, X: Any) -> str:
        """Return the dtype asked for, or where none is: float32 for more than a few samples."""
        if self.dtype is not None:
            return str(self.dtype)
        if X.dtype in (np.float16, np.float32):
            return "float32"
        small = X.shape[0] <= _SMALL or self._takes_all
        return "float64" if small else "float32"

    def _prepare(
        self, number: int, features: int, state: np.random.RandomState, incremental: bool
    ) -> None:
        """Make a network of the ensemble if need be, and compile it."""
        loss, factor, last, units = self._objective()
        is_new = number >= len(self.models_)
        if is_new:
            made, key = made_network(
                self, features, units, last, self._dtype, state, self._use_bias
            )
            self.models_.append(made)
            self._courses.append(Course())
            self._keys.append(key)
        model = self.models_[number]
        self._courses[number].epochs = 0
        if is_new or not incremental or model.optimizer is None:
            optimizer = "sgd" if self._takes_all else made_optimizer(self)
            model.compile(optimizer, loss, loss_weights=factor)

    def _train_on_all(self, X: Any, targets: Array, weights: Array | None) -> None:
        l1 = self._l1 / _total(X.shape[0], weights) if self._l1 else 0.0
        for model, course in zip(self.models_, self._courses, strict=True):
            self._set_penalty(model, X.shape[0], weights)
            found, course.epochs = minimise(model, X, self._as_trained(targets), weights, self, l1)
            penalty = partial(_penalty, model)
            course.losses = [self._reported(found, penalty, targets)]

    def _train_by_batches(
        self,
        X: Any,
        targets: Array,
        weights: Array | None,
        states: list[np.random.RandomState],
        incremental: bool,
    ) -> None:
        """Train all networks at once; one after the other if they have callbacks in common."""
        epochs = 1 if incremental else self.max_iter
        runs = (
            self._run(number, X, targets, weights, state, epochs)
            for number, state in enumerate(states)
        )
        try:
            if as_list(self.callbacks):
                for run in runs:
                    run_together([run], 0, epochs)
            else:
                run_together(list(runs), 0, epochs)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        if not incremental and any(
            course.epochs == self.max_iter and not model.stop_training
            for model, course in zip(self.models_, self._courses, strict=True)
        ):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
        for model, course in zip(self.models_, self._courses, strict=True):
            if course.best_weights is not None:
                model.set_weights(course.best_weights)

    def _run(
        self,
        number: int,
        X: Any,
        targets: Array,
        weights: Array | None,
        state: np.random.RandomState,
        epochs: int,
    ) -> Run:
        """Return the run of one network's epochs."""
        model = self.models_[number]
        score, validation = None, None
        if self.early_stopping:
            (X, X_held), (targets, held), (weights, held_weights) = self._split(
                X, targets, weights, state
            )
            validation = [X_held, self._as_trained(held)]
            if held_weights is not None:
                validation.append(held_weights)

            def score() -> float:
                return self._score_of(model.predict(X_held), held, held_weights)

        size = self._batch_rows(X.shape[0])
        self._set_penalty(model, size, weights)
        stopping = Stopping(
            self._courses[number],
            self,
            X.shape[0],
            lambda loss: self._reported(loss, lambda: _penalty(model), targets),
            score,
            self._reads_weights,
        )
        own = as_list(self.callbacks)
        run, _ = model._training_run(
            X,
            self._as_trained(targets),
            size,
            epochs,
            verbose=0,
            callbacks=[stopping, *own],
            validation_data=validation if own else None,
            shuffle=StateOrder(state, self.shuffle),
            sample_weight=weights,
            augment=None if self.mixup is None else MixUp(self.mixup, self._keys[number]),
        )
        return run

    def _split(
        self, X: Any, targets: Array, weights: Array | None, state: np.random.RandomState
    ) -> list[tuple[Any, Any]]:
        """Return samples, targets and weights, each split in those trained on and those held."""
        given = [X, targets] if weights is None else [X, targets, weights]
        is_binary = self._is_classifier and self.n_outputs_ == 1
        parts = train_test_split(
            *given,
            random_state=state,
            test_size=self.validation_fraction,
            stratify=targets if is_binary else None,
        )
        if parts[1].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        return pairs if weights is not None else [*pairs, (None, None)]

    def _set_penalty(self, model: Model, size: int, weights: Array | None) -> None:
        """Set the penalty, which scikit-learn divides by a batch's samples, or their weights."""
        total = _total(size, weights)
        set_penalty(model, 0.5 * self.alpha / total if total > 0 else 0.0)

    def _batch_rows(self, count: int) -> int:
        if self.batch_size == "auto":
            return min(_BATCH, count)
        if self.batch_size > count:
            warnings.warn(
                f"batch_size is {self.batch_size}, more than the {count} samples: it is clipped",
                stacklevel=6,
            )
        return min(int(self.batch_size), count)

    def _keep_results(self) -> None:
        """Set what scikit-learn's networks have as attributes, of the first network."""
        course = self._courses[0]
        self.n_iter_, self.t_ = course.epochs, course.samples
        self.loss_ = course.losses[-1]
        self.n_layers_ = len(hidden_sizes(self)) + 2
        if self._takes_all:
            return
        self.loss_curve_ = course.losses
        stops = self.early_stopping
        self.validation_scores_ = course.scores if stops else None
        self.best_validation_score_ = course.best_score if stops else None
        self.best_loss_ = None if stops else course.best_loss


def _total(size: int, weights: Array | None) -> float:
    """Return the weight of so many samples, by the mean of all."""
    return float(size) if weights is None else size * float(weights.mean())


def _penalty(model: Model) -> float:
    kernels = (dense.kernel for dense in dense_layers(model))
    found = (k.regularizer(k.array) for k in kernels if k.regularizer is not None)
    return math.fsum(found)
