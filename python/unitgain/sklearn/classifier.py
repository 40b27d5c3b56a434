"""The classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from unitgain import activations, losses
from unitgain._arrays import is_sparse
from unitgain.layers import Activation, Dense
from unitgain.models import Model
from unitgain.sklearn.network_estimator import NetworkEstimator, is_stochastic, keep_arguments
from unitgain.sklearn.stopping import Course

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MLPClassifier", "NetworkClassifier"]

Array = NDArray[Any]


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """The common part of classifiers with a network behind, whatever their arguments.

    Attributes:
        classes_: the labels, sorted.
    """

    classes_: Array
    out_activation_: str
    class_weight: Any
    label_smoothing: float = 0.0
    _is_classifier = True
    _is_multilabel: bool
    _from_logits: bool

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on samples and their labels.

        Args:
            X: ``(samples, features)``: an array, a frame, or a sparse matrix, of which each batch
                is made dense.
            y: labels ``(samples,)``, or 0 and 1 for each of several, ``(samples, labels)``.
            sample_weight: what each sample's loss is multiplied by, ``(samples,)``.

        Raises:
            ValueError: if shapes or values do not fit, or an argument has a wrong value.
        """
        return self._fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the labels of samples; of several labels a sample, 0 and 1 for each."""
        outputs = self._mean(X)
        if self._is_multilabel:
            return (outputs > 0.5).astype(np.int64)
        number = (outputs[:, 0] > 0.5) if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        # Of a single class the one output tells nothing.
        return np.asarray(self.classes_[np.minimum(number, len(self.classes_) - 1)])

    def predict_proba(self, X: Any) -> Array:
        """Return the probabilities of the classes, ``(samples, classes)``."""
        outputs = self._mean(X)
        if outputs.shape[1] > 1 or self._is_multilabel:
            return outputs
        if len(self.classes_) == 1:
            return np.ones_like(outputs)
        return np.concatenate([1 - outputs, outputs], axis=1)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _mean(self, X: Any) -> Array:
        """Return probabilities, of one for each output, averaged over the networks."""
        check_is_fitted(self, "models_")
        found = [self._probabilities(outputs) for outputs in self._outputs(X)]
        return found[0] if len(found) == 1 else np.asarray(np.mean(found, axis=0))

    def _probabilities(self, outputs: Array) -> Array:
        if not self._from_logits:
            return outputs
        if self.out_activation_ == "softmax":
            return activations.softmax(outputs)
        return activations.sigmoid(outputs)

    # ---- for training ----

    def _read_targets(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, Array]:
        X, y = validate_data(self, X, y, accept_sparse=["csr"], multi_output=True, reset=first)
        if is_sparse(y):
            y = y.toarray()
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(f"Unknown label type: {kind}. y must hold classes")
        multilabel = kind == "multilabel-indicator"
        given = np.arange(y.shape[1]) if multilabel else np.unique(y)
        if first and not incremental:
            self.classes_ = given
        elif not first and multilabel != self._is_multilabel:
            raise ValueError("y has several labels a sample where it had one, or the other way")
        elif not incremental and not np.array_equal(given, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {given}"
            )
        elif len(np.setdiff1d(given, self.classes_)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {given}."
            )
        if first:
            self._is_multilabel, self._from_logits = multilabel, True
            count = len(self.classes_)
            self.n_outputs_ = count if multilabel or count > 2 else 1
            self.out_activation_ = "softmax" if not multilabel and count > 2 else "logistic"
        if multilabel:
            return X, y.astype(np.float64)
        numbers = np.searchsorted(self.classes_, y)
        return X, numbers if self.n_outputs_ > 1 else numbers[:, None].astype(np.float64)

    def _objective(self) -> tuple[losses.Loss, float, str | None, int]:
        share, mean = self.label_smoothing, "mean_with_sample_weight"
        units, logits = self.n_outputs_, self._from_logits
        if self.out_activation_ == "logistic":
            binary = losses.BinaryCrossentropy(logits, share, reduction=mean)
            return binary, float(units), None, units
        if share or self.mixup is not None:
            several = losses.CategoricalCrossentropy(logits, share, reduction=mean)
            return several, 1.0, None, units
        return losses.SparseCategoricalCrossentropy(logits, reduction=mean), 1.0, None, units

    def _as_trained(self, targets: Array) -> Array:
        if targets.ndim == 1 and (self.label_smoothing or self.mixup is not None):
            return np.eye(self.n_outputs_)[targets]
        return targets

    def _reported(self, loss: float, penalty: Callable[[], float], targets: Array) -> float:
        return loss

    def _score_of(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return float("nan")
        if targets.ndim == 1:
            right = outputs.argmax(axis=1) == targets
        else:
            middle = 0.0 if self._from_logits else 0.5
            right = ((outputs > middle) == (targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=weights))

    def _weights_by_class(self, targets: Array) -> Array | None:
        if self.class_weight is None:
            return None
        if self._is_multilabel:
            return np.asarray(compute_sample_weight(self.class_weight, targets.astype(np.int64)))
        labels = self.classes_[targets.astype(np.int64).reshape(-1)]
        return np.asarray(compute_sample_weight(self.class_weight, labels))


class MLPClassifier(NetworkClassifier):
    """A network that tells classes apart: scikit-learn's ``MLPClassifier``, faster and with more.

    The arguments up to ``max_fun`` are scikit-learn's, with its meanings and defaults: from the
    same ``random_state`` training begins with the same weights and takes the same batches. One
    difference remains: the penalty ``alpha`` of an epoch's last batch, if that is smaller, is
    divided by the size of the others.

    Args:
        hidden_layer_sizes: the units of each hidden layer; ``()`` for none.
        activation: ``"identity"``, ``"logistic"``, ``"tanh"``, ``"relu"``, or any of
            :mod:`unitgain.activations`.
        solver: ``"adam"``, ``"sgd"``, ``"lbfgs"``, or any optimizer of :mod:`unitgain.optimizers`
            by its name or as an instance, of which a copy is taken.
        alpha: the factor of the penalty ``alpha / 2 * sum(w**2) / samples``.
        batch_size: samples a step; ``"auto"`` is 200, or all if there are fewer.
        learning_rate: ``"constant"``; with ``solver="sgd"`` also ``"invscaling"`` and
            ``"adaptive"``; or any of :mod:`unitgain.optimizers.schedules`, for any solver that
            takes batches.
        learning_rate_init: the step size.
        power_t: the exponent of ``"invscaling"``.
        max_iter: the most epochs, or iterations of L-BFGS.
        shuffle: whether each epoch has an order of its own.
        random_state: an integer or a ``RandomState``.
        tol: what counts as an improvement.
        verbose: whether each epoch's loss is printed.
        warm_start: whether ``fit`` goes on from the weights there are.
        momentum: of ``"sgd"``.
        nesterovs_momentum: whether the momentum looks ahead.
        early_stopping: whether training ends by the score of samples that are held back, and the
            weights of the best epoch are kept.
        validation_fraction: the share held back.
        beta_1: of ``"adam"``.
        beta_2: of ``"adam"``.
        epsilon: of ``"adam"``.
        n_iter_no_change: how many epochs without an improvement end training.
        max_fun: the most evaluations of L-BFGS.
        class_weight: a dict of weights by class, ``"balanced"``, or None.
        dropout: the share of a hidden layer's outputs that each step drops, or one for each layer.
        batch_norm: whether hidden layers are normalised by batch, in front of their activation.
        initializer: of the kernels, see :mod:`unitgain.initializers`; None for scikit-learn's, or
            with an activation that it lacks the one that suits it.
        label_smoothing: the share of each target that is spread over all classes.
        mixup: None, or the parameter of :class:`unitgain.data.MixUp`.
        ensemble: how many networks are trained at once, whose probabilities are averaged. Each is
            what it would be alone: the one with number i for ``random_state + i``, if that is an
            integer.
        callbacks: told of epochs, see :mod:`unitgain.callbacks`. Networks of an ensemble, which
            share them, are trained one after the other.
        dtype: that the network computes in: None for float32, but float64 with L-BFGS, and for up
            to 100 samples of float64.

    Attributes:
        classes_: the labels, sorted; of several labels a sample, their numbers.
        models_: the networks, whose outputs are logits. ``model_`` is the first.
        coefs_: the kernels of ``model_``.
        intercepts_: its biases.
        loss_: the loss of its last epoch, and ``loss_curve_`` of each.
        best_loss_: the smallest; None with ``early_stopping``.
        validation_scores_: each epoch's accuracy with ``early_stopping``, else None.
        best_validation_score_: the largest of them.
        n_iter_: epochs done.
        t_: samples trained on, each as often as it was.
        n_layers_: the layers, the input's among them.
        n_outputs_: the output's units.
        out_activation_: what makes probabilities of them: ``"softmax"`` or ``"logistic"``.
        n_features_in_: the features of a sample; ``feature_names_in_`` has their names.

    >>> from unitgain.sklearn import MLPClassifier
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
    >>> MLPClassifier(solver="lbfgs", random_state=0).fit(X, y).predict([[0.5], [2.5]]).tolist()
    ['low', 'high']
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        initializer: Any = None,
        label_smoothing: float = 0.0,
        mixup: float | None = None,
        ensemble: int = 1,
        callbacks: Any = None,
        dtype: str | None = None,
    ) -> None:
        keep_arguments(self, locals())

    @classmethod
    def from_model(cls, model: Model, classes: ArrayLike | None = None, **arguments: Any) -> Self:
        """Return a fitted estimator of a trained model.

        Outputs count as probabilities if the model ends with a sigmoid or a softmax, else as
        logits. ``partial_fit`` goes on training it; ``fit`` begins anew, with the arguments.

        Args:
            model: of one input, ``(features,)``, and one output: of several units a class each, of
                one that of the second of two classes.
            classes: the labels, in the outputs' order; None for their numbers. Labels must be
                sorted.
            **arguments: of the constructor; by default the hidden layers are the model's.

        Raises:
            ValueError: if the model has other inputs or outputs, or there are more or fewer labels.
        """
        model._check_built()
        shapes = (model.input_shape, model.output_shape)
        if not all(isinstance(shape, tuple) and len(shape) == 1 for shape in shapes):
            raise ValueError(f"model goes from {shapes[0]} to {shapes[1]}, expected one row each")
        units = model.output_shape[0]
        found = np.arange(max(units, 2)) if classes is None else np.asarray(classes)
        if found.shape != (max(units, 2),):
            raise ValueError(f"classes has shape {found.shape}, expected {(max(units, 2),)}")
        if not np.array_equal(np.unique(found), found):
            raise ValueError("classes must be sorted, and each come once")
        dense = [layer.units for layer in model.leaves() if isinstance(layer, Dense)]
        made = cls(**{"hidden_layer_sizes": tuple(dense[:-1]), "dtype": model.dtype, **arguments})
        made.models_, made._courses, made._keys = [model], [Course(losses=[float("nan")])], [0]
        made._dtype = model.dtype
        made.classes_, made._is_multilabel = found, False
        made.n_features_in_, made.n_outputs_ = model.input_shape[0], units
        made.out_activation_ = "logistic" if units == 1 else "softmax"
        made._from_logits = not _ends_in_probabilities(model)
        made._keep_results()
        return made

    @available_if(is_stochastic)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch, on from what there is.

        Args:
            X: as for :meth:`fit`.
            y: as for :meth:`fit`; need not have all classes.
            sample_weight: as for :meth:`fit`.
            classes: all labels; for the first call.

        Raises:
            ValueError: if ``classes`` is missing at the first call or differs at another.
        """
        if not hasattr(self, "models_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self.classes_ = unique_labels(classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"classes is {np.asarray(classes).tolist()}, but earlier calls had "
                f"{self.classes_.tolist()}"
            )
        return self._fit(X, y, sample_weight, incremental=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _ends_in_probabilities(model: Model) -> bool:
    """Return whether the last layer's activation is a sigmoid or a softmax."""
    last = list(model.leaves())[-1]
    if not isinstance(last, (Dense, Activation)):
        return type(last).__name__ == "Softmax"
    name = getattr(last.activation, "__name__", last.activation)
    return name in ("sigmoid", "softmax")
