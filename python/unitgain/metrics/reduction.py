"""Means and sums of values, and of what a function of one's own gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native, losses
from unitgain._configurable import serialize
from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import NativeLoss
from unitgain.metrics.base import Metric, Value, batch_arrays
from unitgain.ops.samples import metric_program

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Mean", "MeanMetricWrapper", "Sum"]


class Mean(Metric):
    """The weighted mean of all values.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> mean = ug.metrics.Mean()
    >>> mean([1.0, 3.0], sample_weight=[1.0, 3.0])
    2.5
    """

    def __init__(self, name: str | None = "mean", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.count = 0.0

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take in values, one or several for each sample, or a number that counts as one sample.

        Args:
            values: of any shape; several of a sample count as their mean.
            sample_weight: weights of the first axes of ``values``.
        """
        total, count = summed(np.asarray(values, np.float64), sample_weight)
        self.total += total
        self.count += count

    def result(self) -> Value:
        """Return the mean, 0 of no values."""
        return self.total / self.count if self.count else 0.0

    def reset_state(self) -> None:
        """Forget all values."""
        self.total = self.count = 0.0


class Sum(Metric):
    """The weighted sum of all values.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
    """

    def __init__(self, name: str | None = "sum", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = 0.0

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take in values.

        Args:
            values: of any shape.
            sample_weight: weights of the first axes of ``values``.
        """
        array = np.asarray(values, np.float64)
        if sample_weight is not None:
            array = array * _spread(np.asarray(sample_weight, np.float64), array)
        self.total += float(array.sum())

    def result(self) -> Value:
        """Return the sum."""
        return self.total

    def reset_state(self) -> None:
        """Forget all values."""
        self.total = 0.0


class MeanMetricWrapper(Mean):
    """The mean of what a function gives: what a function among ``compile``'s metrics becomes.

    Made of :mod:`unitgain.ops`, the function is traced once, and native code computes it; a loss of
    :mod:`unitgain.losses` is native anyway. One that needs arrays' values is called for each batch
    with NumPy arrays.
    Its ``direction`` is the function's, if that has an attribute of this name, as losses have.

    Args:
        fn: ``fn(y_true, y_pred, **kwargs)`` returns a value for each sample, several, which count
            as their mean, or a number for the batch, which counts as one sample.
        name: what it is reported as, the function's name by default.
        dtype: see :class:`~unitgain.metrics.Metric`.
        **kwargs: further arguments of ``fn``.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> metric = ug.metrics.MeanMetricWrapper(lambda y, p: abs(y - p), name="gap")
    >>> metric(np.array([1.0, 2.0]), np.array([1.5, 4.0]))
    1.25
    """

    def __init__(
        self,
        fn: Callable[..., Any] | losses.Loss,
        name: str | None = None,
        dtype: DTypePolicyLike = None,
        **kwargs: Any,
    ) -> None:
        named = getattr(fn, "name", None) or getattr(fn, "__name__", None)
        super().__init__(name=name or named, dtype=dtype)
        self.fn = fn
        self.kwargs = kwargs
        self.direction = getattr(fn, "direction", None)
        self._loss: losses.Loss | None = None
        self._values: Callable[..., Any] = fn
        if isinstance(fn, NativeLoss):
            self._values = type(fn).from_config({**fn.get_config(), "reduction": None})
        elif isinstance(fn, losses.Loss):
            self._values = fn.call

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take in a batch.

        Args:
            y_true: as the function takes it.
            y_pred: as the function takes it.
            sample_weight: weights of the values' first axes.
        """
        super().update_state(self._values(y_true, y_pred, **self.kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a metric like this."""
        return {"fn": serialize(self.fn), "name": self.name, **serialize(self.kwargs)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a metric of what :meth:`get_config` returned; functions are custom objects.

        Raises:
            ValueError: if there is no function of that name.
        """
        arguments = dict(config)
        fn = arguments.pop("fn", None)
        return cls(fn if callable(fn) else _names.custom_object(fn) or losses.get(fn), **arguments)

    # ---- for models ----

    def check(self, loss: losses.Loss) -> None:
        """Raise ValueError if the metric does not go with the loss's targets."""
        self._loss = loss
        if isinstance(self.fn, losses.Loss) and self.fn.takes_labels != loss.takes_labels:
            needs = "class labels" if self.fn.takes_labels else "target values"
            raise ValueError(f"the metric {self.name} needs {needs}, but the loss is {loss.name}")

    def native_spec(self, shape: tuple[int, ...], weighted: bool) -> _native.MetricSpec:
        """Return what a native pass sums up."""
        if isinstance(self.fn, NativeLoss):
            return _native.MetricSpec(
                "loss", takes_labels=self.fn.takes_labels, weighted=weighted, loss=self.fn.spec
            )

        if self._loss is not None and type(self).update_state is MeanMetricWrapper.update_state:
            targets = self._loss.target_shape(shape)
            try:
                program = metric_program(
                    lambda t, p: self._values(t, p, **self.kwargs),
                    targets,
                    shape,
                    self.name,
                    weighted,
                )
                return _native.MetricSpec("custom", weighted=weighted, update=program, sums=2)
            except (TypeError, ValueError):
                pass  # it is called for each batch, and says itself what it cannot do

        def update(y_true: NDArray[Any], y_pred: NDArray[Any], weights: Any) -> Any:
            given = batch_arrays(shape, y_true, y_pred, weights)
            values = np.asarray(self._values(given[0], given[1], **self.kwargs), np.float64)
            return summed(values, given[2])

        return _native.MetricSpec("custom", weighted=weighted, update=update, sums=2)

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return the mean, 0 of no values."""
        return float(sums[0] / sums[1]) if sums[1] else 0.0


def summed(values: NDArray[np.float64], weights: ArrayLike | None) -> tuple[float, float]:
    """Return the weighted sum of the samples' values, and that of the weights."""
    if values.ndim == 0:
        weight = 1.0 if weights is None else float(np.sum(weights))
        return float(values) * weight, weight
    if values.size == 0:
        return 0.0, 0.0
    per_sample = values.size // len(values)
    if weights is None:
        return float(values.sum()) / per_sample, float(len(values))
    spread = _spread(np.asarray(weights, np.float64), values)
    return float((values * spread).sum()) / per_sample, float(spread.sum()) / per_sample


def _spread(weights: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    given = weights.shape
    if weights.ndim == values.ndim + 1 and given[-1] == 1:
        weights = weights[..., 0]
    if 0 < weights.ndim < values.ndim:
        weights = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
    try:
        return np.broadcast_to(weights, values.shape)
    except ValueError:
        raise ValueError(
            f"sample_weight has shape {given}, but the values have {values.shape}"
        ) from None
