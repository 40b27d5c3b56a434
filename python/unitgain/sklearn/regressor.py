"""The regressor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from unitgain import losses
from unitgain.sklearn.network_estimator import NetworkEstimator, is_stochastic, keep_arguments

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MLPRegressor"]

Array = NDArray[Any]
# scikit-learn's names of losses.
_NAMES = {"squared_error": "mean_squared_error", "absolute_error": "mean_absolute_error"}


class MLPRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts numbers: scikit-learn's ``MLPRegressor``, faster and with more.

    Arguments and attributes that are not here are those of
    :class:`~unitgain.sklearn.MLPClassifier`; early stopping goes by R squared.

    Args:
        loss: ``"squared_error"`` or ``"poisson"`` (then the outputs are exponentials, of which the
            targets are counts or rates); ``"absolute_error"``, ``"huber"``, ``"log_cosh"``,
            ``"quantile"``, ``"gaussian_nll"``, or any other of :mod:`unitgain.losses`, by its name
            or as an instance, as ``losses.Quantile(0.9)``. With ``"gaussian_nll"`` each output has
            a variance of its own, and ``predict`` returns it with ``return_std=True``.

    Attributes:
        models_: the networks. With ``"gaussian_nll"`` the second half of their outputs are
            logarithms of variances.

    >>> from unitgain.sklearn import MLPRegressor
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, tol=1e-9).fit(X, y)
    >>> model.predict([[10.0]]).round(3)
    array([21.])
    """

    def __init__(
        self,
        loss: Any = "squared_error",
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
        dropout: Any = 0.0,
        batch_norm: bool = False,
        initializer: Any = None,
        mixup: float | None = None,
        ensemble: int = 1,
        callbacks: Any = None,
        dtype: str | None = None,
    ) -> None:
        keep_arguments(self, locals())

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on samples and their targets.

        Args:
            X: ``(samples, features)``: an array, a frame, or a sparse matrix, of which each batch
                is made dense.
            y: targets, ``(samples,)`` or ``(samples, outputs)``.
            sample_weight: what each sample's loss is multiplied by, ``(samples,)``.

        Raises:
            ValueError: if shapes or values do not fit, or an argument has a wrong value.
        """
        return self._fit(X, y, sample_weight)

    @available_if(is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch, on from what there is. Arguments are those of :meth:`fit`."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the predicted values, ``(samples,)`` or ``(samples, outputs)``.

        Args:
            X: as for :meth:`fit`.
            return_std: whether to return standard deviations, too: with ``"gaussian_nll"`` of what
                is predicted, with another loss of an ensemble's predictions.

        Returns:
            The values; with ``return_std`` a tuple of them and the deviations.

        Raises:
            ValueError: if ``return_std`` is asked of one network with another loss.
        """
        outputs = self._outputs(X)
        means = [found[:, : self.n_outputs_] for found in outputs]
        mean = means[0] if len(means) == 1 else np.asarray(np.mean(means, axis=0))
        if not return_std:
            return self._shaped(mean)
        loss = self._loss()
        variance = np.zeros_like(mean)
        if isinstance(loss, losses.GaussianNLL):
            variance = np.mean([self._variance(loss, found) for found in outputs], axis=0)
        elif len(outputs) == 1:
            raise ValueError("return_std needs loss='gaussian_nll', or an ensemble of networks")
        if len(outputs) > 1:
            variance = variance + np.var(means, axis=0)
        return self._shaped(mean), self._shaped(np.sqrt(variance))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _shaped(self, values: Array) -> Array:
        return values[:, 0] if values.shape[1] == 1 else values

    def _variance(self, loss: losses.GaussianNLL, outputs: Array) -> Array:
        second = outputs[:, self.n_outputs_ :]
        return np.asarray(np.maximum(np.exp(second) if loss.log_variance else second, loss.eps))

    # ---- for training ----

    def _loss(self) -> losses.Loss:
        if isinstance(self.loss, losses.Loss):
            return self.loss
        if self.loss == "gaussian_nll":
            return losses.GaussianNLL(log_variance=True, reduction="mean_with_sample_weight")
        named = losses.get(_NAMES.get(self.loss) or self.loss)
        return type(named)(reduction="mean_with_sample_weight")

    def _read_targets(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr"],
            multi_output=True,
            y_numeric=True,
            reset=first,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        targets = y.reshape(len(y), -1).astype(np.float64)
        if isinstance(self._loss(), losses.Poisson) and (targets < 0).any():
            raise ValueError(f"y has the value {targets.min()}, but loss='poisson' needs y >= 0")
        if first:
            self.n_outputs_ = targets.shape[1]
            poisson = isinstance(self._loss(), losses.Poisson)
            self.out_activation_ = "exp" if poisson else "identity"
        elif targets.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {targets.shape[1]} outputs, but the network has {self.n_outputs_}"
            )
        return X, targets

    def _objective(self) -> tuple[losses.Loss, float, str | None, int]:
        loss, units = self._loss(), self.n_outputs_
        if self.loss in ("squared_error", "poisson"):
            # scikit-learn's gradients are of sums over the outputs, and of half the squares.
            half = 0.5 if self.loss == "squared_error" else 1.0
            last = "exponential" if self.loss == "poisson" else None
            return loss, half * units, last, units
        if isinstance(loss, losses.GaussianNLL):
            return loss, 1.0, None, 2 * units
        return loss, 1.0, "exponential" if isinstance(loss, losses.Poisson) else None, units

    def _as_trained(self, targets: Array) -> Array:
        return targets

    @property
    def _reads_weights(self) -> bool:  # type: ignore[override]
        return bool(self.loss in ("squared_error", "poisson") and self.n_outputs_ > 1)

    def _reported(self, loss: float, penalty: Callable[[], float], targets: Array) -> float:
        if self._reads_weights:
            own = penalty()
            loss = (loss - own) / self.n_outputs_ + own
        if self.loss == "poisson":  # half the deviance, which is 0 where all is right
            loss += float(np.mean(xlogy(targets, targets) - targets))
        return loss

    def _score_of(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return float("nan")
        means = outputs[:, : self.n_outputs_]
        return float(r2_score(targets, means, sample_weight=weights))
