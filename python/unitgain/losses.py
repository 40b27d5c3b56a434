"""Losses: what training makes small.

A loss is a configuration for :meth:`unitgain.Model.compile`, and a function of arrays:
``loss(y_true, y_pred)`` is its value, ``loss.gradient(y_true, y_pred)`` the gradient with respect
to ``y_pred``. Names, arguments and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native
from unitgain._config import Configurable, serialize

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "deserialize",
    "get",
    "serialize",
]

_REDUCTIONS = {
    "sum_over_batch_size": "mean",
    "mean": "mean",
    "mean_with_sample_weight": "mean_with_sample_weight",
    "sum": "sum",
    "none": "none",
    None: "none",
}


class Loss(Configurable):
    """What training makes small. Subclass it for a loss of one's own.

    A subclass has ``call(y_true, y_pred)``, which returns each row's loss, and, to train with,
    ``backward(y_true, y_pred)``, the derivative of the sum of these. Both get NumPy arrays of the
    batch, and must not use the model. The losses of this module are native code; one written in
    Python costs a call, and copies of the batch's outputs and targets, at each step.

    Args:
        name: what the loss is called; by default the class's name in small letters.
        reduction: how the losses of the rows become one number: ``"sum_over_batch_size"`` or
            ``"mean"``, their sum (times the samples' weights) over their number;
            ``"mean_with_sample_weight"``, over the sum of the weights; ``"sum"``; None, not at all.
        dtype: taken for the sake of code written for Keras: it is the predictions'.

    Attributes:
        takes_labels: whether targets are class labels, one a row; for the subclass to set.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> class Quantile(ug.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         error = y_true - y_pred
    ...         return np.maximum(0.9 * error, -0.1 * error)
    ...     def backward(self, y_true, y_pred):
    ...         return np.where(y_true > y_pred, -0.9, 0.1)
    >>> round(Quantile()([[1.0], [2.0]], [[0.0], [3.0]]), 6)
    0.5
    """

    axis = -1
    kind = "custom"
    takes_labels = False

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if reduction not in _REDUCTIONS:
            known = ", ".join(repr(known) for known in _REDUCTIONS)
            raise ValueError(f"reduction is {reduction!r}, expected one of {known}")
        self.name = name or _names.snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = dtype

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
            f"{type(self).__name__} does not implement backward, which training needs: the "
            "derivative of the sum of what call returns with respect to y_pred"
        )

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Return the loss.

        Args:
            y_true: what is wanted: of ``y_pred``'s shape, or class labels for each of its rows.
            y_pred: predictions, float32 or float64 of any shape; the last axis is one row.
            sample_weight: a weight for each row, or what broadcasts to that.

        Returns:
            A float, or with ``reduction=None`` an array of ``y_pred``'s shape without the last
            axis. The mean over no rows is 0.

        Raises:
            ValueError: if shapes do not fit, or a label is no class.
            TypeError: if a dtype does not.
        """
        return self._computed(y_true, y_pred, _weights(sample_weight, y_pred), False)[0]

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
        rows, gradient = self._rows(targets, outputs, wanted)
        reduction = _REDUCTIONS[self.reduction]
        factors = np.ones(rows.shape) if weights is None else weights
        counts = {"mean": rows.size, "mean_with_sample_weight": factors.sum()}
        divisor = counts.get(reduction, 1)
        factors = factors / divisor if divisor else factors * 0
        if wanted:
            gradient = (gradient * factors[..., np.newaxis]).astype(dtype)
            if out is not None:
                out[...] = gradient
                gradient = out
        if reduction == "none":
            return (rows * factors).astype(dtype), gradient
        return float((rows * factors).sum()), gradient

    def _rows(
        self, y_true: NDArray[Any], y_pred: NDArray[Any], wanted: bool
    ) -> tuple[NDArray[np.float64], Any]:
        """Return the loss of each row, and its derivatives by the row's values if wanted."""
        shape = y_pred.shape
        values = np.asarray(self.call(y_true, y_pred), np.float64)
        if values.shape not in (shape, shape[:-1]):
            raise ValueError(
                f"{self.name}.call returns the shape {values.shape}, expected {shape[:-1]}, a "
                f"value for each row, or {shape}"
            )
        per_row = shape[-1] if values.shape == shape else 1
        rows = values.reshape(*shape[:-1], per_row).mean(axis=-1)
        if not wanted:
            return rows, None
        gradient = np.asarray(self.backward(y_true, y_pred))
        if gradient.shape != shape:
            raise ValueError(
                f"{self.name}.backward returns the shape {gradient.shape}, expected {shape}"
            )
        return rows, gradient / per_row

    # ---- for models ----

    def native(
        self,
        shape: tuple[int, ...] = (1,),
        metrics: Sequence[_native.MetricSpec] = (),
        weight: float = 1.0,
    ) -> _native.OutputLoss:
        """Return what a network makes small at an output of this shape, and what it measures."""

        def compute(y_true: NDArray[Any], y_pred: NDArray[Any], wanted: bool) -> tuple[Any, Any]:
            outputs = y_pred.reshape(-1, *shape)
            rows = outputs.shape[:-1] if self.takes_labels else outputs.shape
            return self._rows(y_true.reshape(rows), outputs, wanted)

        kind = "custom_of_labels" if self.takes_labels else "custom"
        spec = _native.LossSpec(kind, reduction=_REDUCTIONS[self.reduction])
        return _native.OutputLoss(spec, metrics, weight, compute)


class NativeLoss(Loss):
    """A loss that native code computes, with its gradient. The subclasses are those there are."""

    def __init__(self, kind: str, name: str, reduction: str | None, **parameters: Any) -> None:
        super().__init__(name, reduction)
        self.kind = kind
        self.spec = _native.LossSpec(kind, reduction=_REDUCTIONS[reduction], **parameters)
        self.takes_labels = self.spec.takes_labels

    def _computed(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        weights: NDArray[np.float64] | None,
        wanted: bool,
        out: NDArray[Any] | None = None,
    ) -> tuple[Any, Any]:
        return _native.loss(self.spec, y_true, y_pred, weights, wanted, out)

    def native(
        self,
        shape: tuple[int, ...] = (1,),
        metrics: Sequence[_native.MetricSpec] = (),
        weight: float = 1.0,
    ) -> _native.OutputLoss:
        """Return what a network makes small at an output of this shape, and what it measures."""
        return _native.OutputLoss(self.spec, metrics, weight)


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


class SparseCategoricalCrossentropy(NativeLoss):
    """Cross-entropy, in nats, between a class label and the predicted distribution: -log p[label].

    Labels are integers from 0, one a row. With ``from_logits=True`` the predictions are taken as
    logits and the softmax is part of the loss, which is more accurate than a softmax layer, and
    faster. Otherwise they are probabilities: each row is divided by its sum, and p clipped to
    [1e-7, 1 - 1e-7]. Where they come from a softmax layer, training computes the loss from its
    logits.

    A row labelled ``ignore_class`` has neither a loss nor a gradient and does not count in the
    mean. Over several batches, ``evaluate`` and ``fit`` report the mean over all rows that count.
    Metrics do not know of it: to an accuracy, such a row is a wrong one, as in Keras.

    Args:
        from_logits: whether the predictions are logits.
        ignore_class: the label of rows that are left out; need not be a class.
        reduction: see :class:`Loss`.
        axis: the classes' axis, which must be the last.
        name: what the loss is called.

    >>> import unitgain as ug
    >>> loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> round(loss([1, 0], [[0.0, 0.0], [0.0, 0.0]]), 6)
    0.693147
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
    ) -> None:
        _check_axis(axis)
        super().__init__(
            "sparse_categorical_crossentropy",
            name,
            reduction,
            from_logits=from_logits,
            ignore_class=ignore_class,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class


class CategoricalCrossentropy(NativeLoss):
    """Cross-entropy, in nats, between a distribution t and the predicted one p: -sum(t log p).

    As :class:`SparseCategoricalCrossentropy` with one-hot rows, or any distributions, in place of
    labels. A logit of -inf is a masked class: without probability in t, it adds nothing.

    Args:
        from_logits: whether the predictions are logits.
        label_smoothing: s replaces t by ``t (1 - s) + s / classes``.
        axis: the classes' axis, which must be the last.
        reduction: see :class:`Loss`.
        name: what the loss is called.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
    ) -> None:
        _check_axis(axis)
        super().__init__(
            "categorical_crossentropy",
            name,
            reduction,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class BinaryCrossentropy(NativeLoss):
    """The mean over a row of -(t log p + (1 - t) log(1 - p)): each output is a yes or a no.

    With ``from_logits=True``, p is the sigmoid of the prediction, and loss and gradient keep their
    digits at both ends. Otherwise p is clipped to [1e-7, 1 - 1e-7].

    Args:
        from_logits: whether the predictions are logits.
        label_smoothing: s replaces t by ``t (1 - s) + s / 2``.
        axis: the axis of the mean, which must be the last.
        reduction: see :class:`Loss`.
        name: what the loss is called.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
    ) -> None:
        _check_axis(axis)
        super().__init__(
            "binary_crossentropy",
            name,
            reduction,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class MeanSquaredError(NativeLoss):
    """The mean of (y - t)^2."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error"
    ) -> None:
        super().__init__("mean_squared_error", name, reduction)


class MeanAbsoluteError(NativeLoss):
    """The mean of abs(y - t). The derivative at 0 is 0."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error"
    ) -> None:
        super().__init__("mean_absolute_error", name, reduction)


class Huber(NativeLoss):
    """The mean of e^2 / 2 where abs(e) <= delta, delta (abs(e) - delta / 2) beyond; e = y - t.

    Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35, 1964.

    Args:
        delta: where the square becomes a line; above 0.
        reduction: see :class:`Loss`.
        name: what the loss is called.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
    ) -> None:
        super().__init__("huber", name, reduction, delta=delta)
        self.delta = delta


class LogCosh(NativeLoss):
    """The mean of log(cosh(y - t)): e^2 / 2 near 0, abs(e) - log 2 far from it."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh"
    ) -> None:
        super().__init__("log_cosh", name, reduction)


class GaussianNLL(NativeLoss):
    """The mean of (log v + (m - t)^2 / v) / 2: t as drawn from a normal distribution (m, v).

    PyTorch's ``GaussianNLLLoss`` for networks with one output: the first half of the predictions'
    last axis is the means m, the second half the variances v, so that the last axis is twice as
    long as the targets'. A dense layer without activation may well give a negative variance; with
    ``log_variance=True`` its second half is log v, which may be any number.

    v is raised to ``eps`` if it is below; there the derivative is the one at ``eps``, so that
    training leads out. Nix and Weigend, "Estimating the mean and variance of the target probability
    distribution", ICNN 1994.

    Args:
        full: whether to add the constant log(2 pi) / 2.
        eps: the least variance; above 0.
        log_variance: whether the second half is log v.
        reduction: see :class:`Loss`.
        name: what the loss is called.
    """

    def __init__(
        self,
        full: bool = False,
        eps: float = 1e-6,
        log_variance: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "gaussian_nll",
    ) -> None:
        super().__init__(
            "gaussian_nll", name, reduction, full=full, epsilon=eps, log_variance=log_variance
        )
        self.full = full
        self.eps = eps
        self.log_variance = log_variance


class Poisson(NativeLoss):
    """The mean of y - t log(y + 1e-7): t as a count whose expectation is y."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "poisson"
    ) -> None:
        super().__init__("poisson", name, reduction)


class KLDivergence(NativeLoss):
    """The sum over a row of t log(t / y), both clipped to [1e-7, 1]."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence"
    ) -> None:
        super().__init__("kl_divergence", name, reduction)


class Hinge(NativeLoss):
    """The mean of max(1 - t y, 0). Targets are -1 and 1; if all are 0 or 1, 0 stands for -1."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge") -> None:
        super().__init__("hinge", name, reduction)


class SquaredHinge(NativeLoss):
    """The mean of max(1 - t y, 0)^2, with the targets of :class:`Hinge`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge"
    ) -> None:
        super().__init__("squared_hinge", name, reduction)


class CategoricalHinge(NativeLoss):
    """max(0, 1 + max((1 - t) y) - sum(t y)) of each row, t being one-hot."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge"
    ) -> None:
        super().__init__("categorical_hinge", name, reduction)


def _check_axis(axis: int) -> None:
    if axis != -1:
        raise ValueError(f"axis is {axis}, but only the last axis, -1, is supported")


_CLASSES: dict[str, Callable[[], Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "gaussian_nll": GaussianNLL,
    "poisson": Poisson,
    "kl_divergence": KLDivergence,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge,
}
_ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
}
_TABLE: dict[str, Callable[[], Loss]] = {
    **_CLASSES,
    **{loss.__name__: loss for loss in _CLASSES.values()},
    **{alias: _CLASSES[name] for alias, name in _ALIASES.items()},
    **{alias.upper(): _CLASSES[name] for alias, name in _ALIASES.items()},
}


def get(loss: str | Mapping[str, Any] | Loss) -> Loss:
    """Return the loss of that name, of that configuration, or the one given.

    Names are those of Keras: ``"mean_squared_error"``, ``"MeanSquaredError"``, ``"mse"`` ...

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor a loss; of a function, training
            would lack the derivative: subclass :class:`Loss`.
    """
    if callable(loss) and not isinstance(loss, (type, Loss)):
        raise TypeError(
            f"loss is a function, {getattr(loss, '__name__', loss)!s}, whose derivative nobody "
            "knows: subclass unitgain.losses.Loss, with call and backward"
        )
    return _names.resolve("loss", loss, _TABLE, Loss)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Loss:
    """Return the loss that :func:`serialize` described.

    Args:
        config: a mapping with a ``class_name`` and a ``config``.
        custom_objects: classes of one's own by name.

    Raises:
        ValueError: if it describes none.
    """
    with _names.custom_objects(custom_objects):
        return get(config)
