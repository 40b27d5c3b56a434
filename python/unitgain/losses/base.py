"""The base of all losses, native ones and those written in Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native
from unitgain._configurable import Configurable
from unitgain._warnings import warn
from unitgain.dtype_policies import DTypePolicyLike, floatx, values_dtype
from unitgain.ops import reductions
from unitgain.ops.differentiation import grad
from unitgain.ops.samples import by_row, loss_programs
from unitgain.ops.tracing import TraceError

__all__ = ["Loss", "NativeLoss", "check_axis", "check_units"]

_REDUCTIONS = {
    "sum_over_batch_size": "mean",
    "mean": "mean",
    "mean_with_sample_weight": "mean_with_sample_weight",
    "sum": "sum",
    "none": "none",
    None: "none",
}

# Losses of a distribution over classes, one a unit.
_OF_CLASSES = ("categorical_crossentropy", "sparse_categorical_crossentropy")


class Loss(Configurable):
    """A value that training minimises. Subclass it for a loss of one's own.

    A subclass has ``call(y_true, y_pred)``, which returns each row's loss. Made of
    :mod:`unitgain.ops`, of operators and of NumPy's functions that have one there, it is traced
    once: native code computes it, and its derivative. Where it needs arrays' values, the subclass
    has ``backward(y_true, y_pred)``, too, the derivative of the sum of what ``call`` returns: both
    get NumPy arrays of the batch then, must not use the model, and cost a call and copies of the
    batch's outputs and targets at each step.

    Args:
        name: what the loss is called; by default the class's name in small letters.
        reduction: how the losses of the rows become one number: ``"sum_over_batch_size"`` or
            ``"mean"``, their sum (times the samples' weights) over their number;
            ``"mean_with_sample_weight"``, over the sum of the weights; ``"sum"``; None, not at all.
        dtype: what predictions are taken as, float32, float64 or a
            :class:`~unitgain.dtype_policies.DTypePolicy`; None: as they are, and integers as
            :func:`unitgain.config.floatx`. A model's outputs have the dtype of its network.

    Attributes:
        takes_labels: whether targets are class labels, one a row; for the subclass to set.
        direction: what is better where the loss is a metric, see :class:`unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> class Expectile(ug.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ug.ops.where(y_true > y_pred, 0.9, 0.1) * (y_true - y_pred) ** 2
    >>> round(Expectile()([[1.0], [2.0]], [[0.0], [3.0]]), 6)
    0.5
    """

    axis: int | tuple[int, ...] | None = -1
    kind = "custom"
    takes_labels = False
    # Whether targets are -1 and 1; where all are 0 or 1, 0 stands for -1.
    _takes_signs = False
    direction: str | None = "down"
    # Whether a row's loss depends on other rows: then _rows gives the gradient with the weights.
    _joins_rows = False

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: DTypePolicyLike = None,
    ) -> None:
        if reduction not in _REDUCTIONS:
            known = ", ".join(repr(known) for known in _REDUCTIONS)
            raise ValueError(f"reduction is {reduction!r}, expected one of {known}")
        self.name = name or _names.snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = values_dtype(dtype, self.name)

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> ArrayLike:
        """Return each row's loss.

        Args:
            y_true: what is wanted: of ``y_pred``'s shape, or labels of its rows.
            y_pred: predictions, ``(samples, ..., values)``.

        Returns:
            A value for each row, ``y_pred.shape[:-1]``; or several, ``y_pred.shape``, which count
            as their mean.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement call")

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> ArrayLike:
        """Return the derivative of the sum of :meth:`call`'s values, of ``y_pred``'s shape."""
        raise NotImplementedError(
            f"{self.name} has no derivative, which training needs: write call with functions of "
            f"unitgain.ops, or implement backward, the derivative of the sum of what call returns "
            f"with respect to y_pred"
        )

    @property
    def _is_traced(self) -> bool:
        """Whether the derivative is that of ``call`` itself."""
        return type(self).backward is Loss.backward

    def target_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a sample's targets at an output of this shape."""
        if self.takes_labels:
            return shape[:-1]
        if self.kind == "gaussian_nll":
            return (*shape[:-1], shape[-1] // 2)
        return (*shape[:-1], 1) if self.kind == "custom_of_column" else shape

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Return the loss.

        Args:
            y_true: what is wanted: of ``y_pred``'s shape, or class labels for each of its rows.
            y_pred: predictions, of any shape; the last axis is one row.
            sample_weight: a weight for each row, or what broadcasts to that.

        Returns:
            A float, or with ``reduction=None`` an array of ``y_pred``'s shape without the last
            axis. The mean over no rows is 0.

        Raises:
            ValueError: if shapes do not fit, or a label is no class.
            TypeError: if a dtype does not.
        """
        y_pred = self._outputs(y_pred)
        return self._computed(y_true, y_pred, _weights(sample_weight, y_pred), False)[0]

    def _outputs(self, y_pred: ArrayLike) -> NDArray[Any]:
        """Return predictions in the dtype that the loss is computed in."""
        outputs = np.asarray(y_pred)
        if self.dtype is not None:
            return outputs.astype(self.dtype, copy=False)
        return outputs.astype(floatx()) if outputs.dtype.kind in "biu" else outputs

    def gradient(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Return the derivative of the loss with respect to ``y_pred``, an array of its shape.

        With ``reduction=None`` it is that of the sum: each row's loss by the row's own values.
        Arguments and errors are those of a call, and those of :meth:`value_and_gradient`.
        """
        return self.value_and_gradient(y_true, y_pred, sample_weight, out)[1]

    def value_and_gradient(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        out: NDArray[Any] | None = None,
    ) -> tuple[Any, NDArray[Any]]:
        """Return the loss and its gradient from one pass over memory.

        Args:
            y_true: as for a call.
            y_pred: as for a call.
            sample_weight: as for a call.
            out: where the gradient goes, in C order; may be ``y_pred`` itself.
        """
        y_pred = self._outputs(y_pred)
        return self._computed(y_true, y_pred, _weights(sample_weight, y_pred), True, out)

    def _computed(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        weights: NDArray[np.float64] | None,
        wanted: bool,
        out: NDArray[Any] | None = None,
    ) -> tuple[Any, Any]:
        targets, outputs = np.asarray(y_true), np.asarray(y_pred)
        dtype = outputs.dtype if outputs.dtype == np.float32 else np.dtype(np.float64)
        if not self.takes_labels and targets.shape == outputs.shape[:-1] != outputs.shape:
            targets = targets[..., np.newaxis]
        rows, gradient = self._rows(targets, outputs, wanted, weights)
        reduction = _REDUCTIONS[self.reduction]
        factors = np.ones(rows.shape) if weights is None else weights
        counts = {"mean": rows.size, "mean_with_sample_weight": factors.sum()}
        divisor = counts.get(reduction, 1)
        share = 1 / divisor if divisor else 0.0
        if wanted:
            joins = self._joins_rows or self._is_traced
            scale = share if joins else factors[..., np.newaxis] * share
            gradient = (gradient * scale).astype(dtype)
            if out is not None:
                out[...] = gradient
                gradient = out
        if reduction == "none":
            return (rows * factors).astype(dtype), gradient
        return float((rows * factors).sum() * share), gradient

    def _rows(
        self,
        y_true: NDArray[Any],
        y_pred: NDArray[Any],
        wanted: bool,
        weights: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.float64], Any]:
        """Return the loss of each row, and its derivatives by the row's values if wanted."""
        shape = y_pred.shape
        values = np.asarray(self.call(y_true, y_pred), np.float64)
        if values.shape == () and self._is_traced:
            shared = 1 / max(1, math.prod(shape[:-1])) if self.reduction == "sum" else 1.0
            values = np.full(shape[:-1], values * shared)
        if values.shape not in (shape, shape[:-1]):
            raise ValueError(
                f"{self.name}.call returns the shape {values.shape}, expected {shape[:-1]}, a "
                f"value for each row, or {shape}"
            )
        per_row = shape[-1] if values.shape == shape else 1
        rows = values.reshape(*shape[:-1], per_row).mean(axis=-1)
        if not wanted:
            return rows, None
        if self._is_traced:
            return rows, self._traced_gradient(y_true, y_pred, weights)
        gradient = np.asarray(self.backward(y_true, y_pred))
        if gradient.shape != shape:
            raise ValueError(
                f"{self.name}.backward returns the shape {gradient.shape}, expected {shape}"
            )
        return rows, gradient / per_row

    def _traced_gradient(
        self, y_true: NDArray[Any], y_pred: NDArray[Any], weights: NDArray[np.float64] | None
    ) -> NDArray[Any]:
        """Return the gradient of the weighted sum of the rows' losses."""

        def total(outputs: Any) -> Any:
            rows = by_row(self.call(y_true, outputs), y_pred.shape, self.name)
            if self.reduction == "sum" and rows.ndim == 0:
                return rows
            return reductions.sum(rows if weights is None else rows * weights)

        try:
            made: NDArray[Any] = grad(total)(y_pred)
            return made
        except TraceError as error:
            raise self._untraced(error) from error

    def _untraced(self, error: Exception) -> TypeError:
        return TypeError(
            f"{self.name} cannot be differentiated: {error}; or implement backward(y_true, y_pred)"
        )

    # ---- for models ----

    def native(
        self,
        shape: tuple[int, ...] = (1,),
        metrics: Sequence[_native.MetricSpec] = (),
        weight: float = 1.0,
    ) -> _native.OutputLoss:
        """Return what a network makes small at an output of this shape, and what it measures."""
        kind = "custom_of_labels" if self.takes_labels else self.kind
        spec = _native.LossSpec(kind, reduction=_REDUCTIONS[self.reduction])
        if self._is_traced:
            try:
                programs = loss_programs(
                    self.call,
                    self.target_shape(shape),
                    shape,
                    self.name,
                    _REDUCTIONS[self.reduction] == "sum",
                )
                return _native.OutputLoss(spec, metrics, weight, programs)
            except TraceError:
                pass  # it is called for each batch, and training says why it cannot be done

        def compute(
            y_true: NDArray[Any], y_pred: NDArray[Any], wanted: bool, weights: Any
        ) -> tuple[Any, Any]:
            outputs = y_pred.reshape(-1, *shape)
            rows = outputs.shape[:-1]
            columns = () if self.takes_labels else (-1,)
            targets = y_true.reshape(*rows, *columns)
            weights = None if weights is None else weights.reshape(rows)
            return self._rows(targets, outputs, wanted, weights)

        joins = self._joins_rows or self._is_traced
        return _native.OutputLoss(spec, metrics, weight, compute, joins)


class NativeLoss(Loss):
    """A loss that native code computes, with its gradient. The subclasses are those there are."""

    def __init__(
        self,
        kind: str,
        name: str,
        reduction: str | None,
        dtype: DTypePolicyLike = None,
        **parameters: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.kind = kind
        self.spec = _native.LossSpec(kind, reduction=_REDUCTIONS[reduction], **parameters)
        self.takes_labels = self.spec.takes_labels
        self._takes_signs = self.spec.takes_signs

    def __reduce__(self) -> Any:
        return type(self).from_config, (self.get_config(),)

    def _computed(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        weights: NDArray[np.float64] | None,
        wanted: bool,
        out: NDArray[Any] | None = None,
    ) -> tuple[Any, Any]:
        check_units(self, np.shape(y_pred))
        return _native.loss(self.spec, y_true, y_pred, weights, wanted, out)

    def native(
        self,
        shape: tuple[int, ...] = (1,),
        metrics: Sequence[_native.MetricSpec] = (),
        weight: float = 1.0,
    ) -> _native.OutputLoss:
        """Return what a network makes small at an output of this shape, and what it measures."""
        return _native.OutputLoss(self.spec, metrics, weight)


def check_axis(axis: int) -> None:
    """Raise ValueError unless the axis is the last."""
    if axis != -1:
        raise ValueError(f"axis is {axis}, but only the last axis, -1, is supported")


def check_units(loss: Loss, shape: tuple[int, ...]) -> None:
    """Warn if a loss of a distribution over classes is given outputs of one unit."""
    if shape[-1:] == (1,) and loss.kind in _OF_CLASSES:
        warn(
            f"{loss.name} is 0 on one output unit, whose share of the whole is always 1: for two "
            "classes use binary_crossentropy, or an output of two units"
        )


def _weights(sample_weight: ArrayLike | None, y_pred: ArrayLike) -> NDArray[np.float64] | None:
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float64)
    rows = np.shape(y_pred)[:-1]
    if weights.ndim == len(rows) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    try:
        return np.ascontiguousarray(np.broadcast_to(weights, rows))
    except ValueError:
        raise ValueError(
            f"sample_weight has shape {np.shape(sample_weight)}, expected {rows}: "
            f"a weight for each row of y_pred"
        ) from None
