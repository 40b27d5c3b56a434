"""The base of all metrics: sums, kept by native code or by the user's own, and their result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unitgain import _names, _native, initializers
from unitgain._configurable import Configurable
from unitgain.dtype_policies import DTypePolicyLike, values_dtype
from unitgain.losses import Loss

__all__ = ["Metric", "NativeMetric", "RowMean", "log_names", "results", "row_weights"]

Value = Any  # a float, or an array of one for each threshold or class


class MetricVariable(np.ndarray[Any, Any]):
    """An array that a metric of one's own keeps its state in."""

    def assign(self, value: ArrayLike) -> None:
        """Set the values."""
        self[...] = value

    def assign_add(self, value: ArrayLike) -> None:
        """Add to the values."""
        self[...] += np.asarray(value)

    def assign_sub(self, value: ArrayLike) -> None:
        """Subtract from the values."""
        self[...] -= np.asarray(value)

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the values."""
        return np.array(self)


class Metric(Configurable):
    """A value that is reported beside the loss. Subclass it for a metric of one's own.

    A subclass has ``update_state(y_true, y_pred, sample_weight=None)``, which is called after each
    batch with NumPy arrays, ``result()``, and, unless :meth:`add_variable` made all of its state,
    ``reset_state()``, called before each epoch and evaluation. The metrics of this module are
    summed up by native code; one of one's own costs a call of Python, and copies of the batch's
    outputs and targets, for each batch. It must not use the model.

    Args:
        dtype: float32, float64 or a :class:`~unitgain.dtype_policies.DTypePolicy`, for one of one's
            own to go by; sums of native code are float64 whatever is said.
        name: what it is reported as; by default the class's name in small letters.

    Attributes:
        direction: ``"up"`` if a larger value is better, ``"down"`` if a smaller one is, None if
            neither; for the subclass to set. Callbacks with ``mode="auto"`` go by it.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> class Largest(ug.metrics.Metric):
    ...     def __init__(self, name="largest"):
    ...         super().__init__(name=name)
    ...         self.found = self.add_variable(shape=(), initializer="zeros")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.found.assign(np.maximum(self.found, y_pred.max()))
    ...     def result(self):
    ...         return self.found
    >>> float(Largest()(None, np.array([1.0, 3.0])))
    3.0
    """

    direction: str | None = None

    def __init__(self, dtype: DTypePolicyLike = None, name: str | None = None) -> None:
        self.name = name or _names.unique_name(_names.snake_case(type(self).__name__))
        self.dtype = values_dtype(dtype, self.name)
        self._variables: list[MetricVariable] = []

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in a batch.

        Args:
            *args: ``y_true``, ``y_pred``, and by place or name ``sample_weight``.
            **kwargs: the same by name.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement update_state")

    def result(self) -> Value:
        """Return what the batches since the last reset come to: a float, or an array."""
        raise NotImplementedError(f"{type(self).__name__} does not implement result")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self._variables:
            variable.assign(0)
        for part in vars(self).values():
            if isinstance(part, Metric):
                part.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Value:
        """Take in a batch, and return the result so far."""
        self.update_state(*args, **kwargs)
        result = self.result()
        return np.array(result) if isinstance(result, np.ndarray) else result

    def add_variable(
        self,
        shape: Sequence[int] | int,
        initializer: Any,
        dtype: DTypeLike | None = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> MetricVariable:
        """Return an array that :meth:`reset_state` sets to 0.

        Args:
            shape: the array's.
            initializer: its first values: a name or an :class:`unitgain.initializers.Initializer`.
            dtype: float64 by default.
            aggregation: without effect: one process trains.
            name: without effect.
        """
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        values = initializers.get("zeros" if initializer is None else initializer)(shape)
        variable = np.array(values, dtype or np.float64).reshape(shape).view(MetricVariable)
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Sequence[int] | int = (),
        initializer: Any = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> MetricVariable:
        """Return :meth:`add_variable`'s array, zeros by default."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[MetricVariable]:
        """The arrays that :meth:`add_variable` made."""
        return list(self._variables)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"

    # ---- for models ----

    def check(self, loss: Loss) -> None:
        """Raise ValueError if the metric does not go with the loss's targets."""

    def native_spec(self, shape: tuple[int, ...], weighted: bool) -> _native.MetricSpec:
        """Return what a native pass sums up.

        Args:
            shape: of one sample's output.
            weighted: whether the samples' weights count.
        """

        def update(y_true: NDArray[Any], y_pred: NDArray[Any], weights: Any) -> None:
            given = batch_arrays(shape, y_true, y_pred, weights)
            if given[2] is None:
                self.update_state(given[0], given[1])
            else:
                self.update_state(given[0], given[1], sample_weight=given[2])

        return _native.MetricSpec(
            "custom", weighted=weighted, update=update, reset=self.reset_state
        )

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return what a native pass's sums come to."""
        return as_value(self.result())

    @property
    def keeps_state(self) -> bool:
        """Whether a pass's value is in the metric itself, and not in the pass's sums."""
        return type(self).value is Metric.value


def as_value(result: Any) -> Value:
    """Return a number as a float, and several as an array of their own: a result may be state."""
    array = np.array(result)
    return float(array) if array.ndim == 0 else array


def batch_arrays(
    shape: tuple[int, ...], y_true: NDArray[Any], y_pred: NDArray[Any], weights: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return a pass's rows in the shapes of the model's: labels, or values, outputs, weights."""
    y_pred = y_pred.reshape(-1, *shape)
    rows = y_pred.shape[:-1]
    targets = y_true.reshape(rows + y_true.shape[1:])
    return targets, y_pred, None if weights is None else weights.reshape(rows)


class NativeMetric(Metric):
    """A metric that native code sums up. The subclasses are those there are."""

    # For native code, beside arguments(): see MetricSpec.
    kind: str
    takes_labels = False
    # Whether predictions of one dimension are one row; else each is a row.
    takes_rows = False
    # Whether a weight for each value, not each row, makes sense.
    elementwise = False

    def __init__(self, name: str | None, dtype: DTypePolicyLike = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._sums: NDArray[np.float64] | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {}

    def native_spec(self, shape: tuple[int, ...] = (1,), weighted: bool = False) -> Any:
        """Return what a native pass sums up."""
        return _native.MetricSpec(
            self.kind, takes_labels=self.takes_labels, weighted=weighted, **self.arguments()
        )

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take in a batch.

        Args:
            y_true: what is wanted: of ``y_pred``'s shape, or class labels for each of its rows.
            y_pred: predictions, of any shape; the last axis is one row.
            sample_weight: a weight for each row, or what broadcasts to that.

        Raises:
            ValueError: if shapes do not fit.
        """
        outputs = np.asarray(y_pred)
        if outputs.dtype not in (np.float32, np.float64):
            outputs = outputs.astype(np.float64)
        if outputs.ndim < 2:
            outputs = outputs.reshape((1, -1) if self.takes_rows else (-1, 1))
        shape = outputs.shape
        if self.takes_labels:
            targets = self._labels(np.asarray(y_true), shape)
        else:
            targets = _targets(np.asarray(y_true), shape)
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        if self.elementwise and weights is not None and weights.shape == shape:
            outputs, targets = outputs.reshape(-1, 1), targets.reshape(-1, 1)
        elif weights is not None:
            weights = row_weights(weights, shape[:-1])
        rows = outputs.reshape(-1, outputs.shape[-1])
        spec = self.native_spec()
        if self._sums is None:
            self._sums = np.zeros(spec.sums(rows.shape[-1]))
        _native.add_metric(
            spec,
            self._sums,
            targets.reshape(-1) if self.takes_labels else targets.reshape(rows.shape),
            np.ascontiguousarray(rows),
            None if weights is None else np.ascontiguousarray(weights).reshape(-1),
        )

    def _labels(self, y_true: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int32]:
        if y_true.shape == (*shape[:-1], 1) and y_true.ndim > 1:
            y_true = y_true[..., 0]
        if y_true.size != int(np.prod(shape[:-1])):
            raise ValueError(
                f"y_true has shape {y_true.shape}, expected {shape[:-1]}: "
                f"a class label for each row of y_pred"
            )
        # A value that is no class matches none.
        is_class = (y_true >= 0) & (y_true < shape[-1]) & (y_true == np.floor(y_true))
        return np.where(is_class, y_true, -1).astype(np.int32)

    def result(self) -> Value:
        """Return what the batches since the last reset come to: a float, or an array."""
        sums = self._sums
        return self.value(np.zeros(self.native_spec().sums(1)) if sums is None else sums)

    def reset_state(self) -> None:
        """Forget all batches."""
        self._sums = None

    def check(self, loss: Loss) -> None:
        """Raise ValueError if the metric does not go with the loss's targets."""
        if loss.kind in ("gaussian_nll", "custom_of_column"):
            raise ValueError(f"the metric {self.name} needs a target for each output")
        if self.takes_labels != loss.takes_labels:
            needs = "class labels" if self.takes_labels else "target values"
            raise ValueError(f"the metric {self.name} needs {needs}, but the loss is {loss.name}")


class RowMean(NativeMetric):
    """The weighted mean of a value for each row."""

    def value(self, sums: NDArray[np.float64]) -> Value:
        """Return the mean, 0 of no rows."""
        return float(sums[0] / sums[1]) if sums[1] else 0.0


def _targets(y_true: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if y_true.shape == shape:
        return y_true
    if shape[-1] == 1 and y_true.shape == shape[:-1]:
        return y_true[..., np.newaxis]
    if y_true.ndim == 1 and shape == (1, y_true.size):
        return y_true[np.newaxis]
    raise ValueError(f"y_true has shape {y_true.shape}, expected {shape}, as y_pred has")


def row_weights(weights: NDArray[np.float64], rows: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a weight for each row.

    Raises:
        ValueError: if the weights do not broadcast to that.
    """
    given = weights.shape
    if weights.ndim == len(rows) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if 0 < weights.ndim < len(rows):
        weights = weights.reshape(weights.shape + (1,) * (len(rows) - weights.ndim))
    try:
        return np.broadcast_to(weights, rows)
    except ValueError:
        raise ValueError(
            f"sample_weight has shape {given}, expected {rows}: a weight for each row of y_pred"
        ) from None


def check_single_use(metrics: Iterable[Metric]) -> None:
    """Raise ValueError if a metric that keeps its own state is to sum up several outputs' batches.

    Those of native code may be given again and again: each use has sums of its own.
    """
    seen: set[int] = set()
    for metric in metrics:
        if type(metric).native_spec is Metric.native_spec:
            if id(metric) in seen:
                raise ValueError(
                    f"the metric {metric.name} is given twice, but it keeps one state: "
                    f"make another for the second use"
                )
            seen.add(id(metric))


def log_names(prefix: str, metrics: Iterable[tuple[Metric, bool]]) -> list[str]:
    """Return what metrics are called in logs; those that come again are told apart as in Keras.

    Args:
        prefix: what is put before each name.
        metrics: each with whether it is weighted.
    """
    names: list[str] = []
    for metric, weighted in metrics:
        name = prefix + metric.name
        if weighted and name in names:
            name = f"{prefix}weighted_{metric.name}"
        same, count = name, 1
        while name in names:
            name, count = f"{same}_{count}", count + 1
        names.append(name)
    return names


def results(
    prefix: str, metrics: Sequence[tuple[Metric, bool]], sums: Sequence[NDArray[np.float64]]
) -> dict[str, Value]:
    """Return the values of a pass by name.

    Args:
        prefix: what is put before each name.
        metrics: each with whether it is weighted.
        sums: of each; none before a pass, of which there is nothing to report.
    """
    if not sums:
        return {}
    named = zip(log_names(prefix, metrics), metrics, sums, strict=True)
    return {name: metric.value(values) for name, (metric, _), values in named}
