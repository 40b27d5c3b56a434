"""Losses: what training makes small.

A loss is a configuration for :meth:`unitgain.Model.compile`, and a function of arrays:
``loss(y_true, y_pred)`` is its value, ``loss.gradient(y_true, y_pred)`` the gradient with respect
to ``y_pred``. Names, arguments and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """A loss that native code computes, with its gradient. The subclasses are those there are.

    Attributes:
        name: what the loss is called.
        reduction: how the losses of the rows become one number: ``"sum_over_batch_size"`` or
            ``"mean"``, their sum (times the samples' weights) over their number;
            ``"mean_with_sample_weight"``, over the sum of the weights; ``"sum"``; None, not at all.
    """

    axis = -1

    def __init__(self, kind: str, name: str, reduction: str | None, **parameters: Any) -> None:
        if reduction not in _REDUCTIONS:
            known = ", ".join(repr(known) for known in _REDUCTIONS)
            raise ValueError(f"reduction is {reduction!r}, expected one of {known}")
        self.name = name
        self.reduction = reduction
        self.kind = kind
        self.spec = _native.LossSpec(kind, reduction=_REDUCTIONS[reduction], **parameters)
        self.takes_labels = self.spec.takes_labels

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
        weight = _weights(sample_weight, y_pred)
        return _native.loss(self.spec, y_true, y_pred, weight, False)[0]

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
        weight = None if sample_weight is None else _weights(sample_weight, y_pred)
        return _native.loss(self.spec, y_true, y_pred, weight, True, out)


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


class SparseCategoricalCrossentropy(Loss):
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


class CategoricalCrossentropy(Loss):
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


class BinaryCrossentropy(Loss):
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


class MeanSquaredError(Loss):
    """The mean of (y - t)^2."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error"
    ) -> None:
        super().__init__("mean_squared_error", name, reduction)


class MeanAbsoluteError(Loss):
    """The mean of abs(y - t). The derivative at 0 is 0."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error"
    ) -> None:
        super().__init__("mean_absolute_error", name, reduction)


class Huber(Loss):
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


class LogCosh(Loss):
    """The mean of log(cosh(y - t)): e^2 / 2 near 0, abs(e) - log 2 far from it."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh"
    ) -> None:
        super().__init__("log_cosh", name, reduction)


class GaussianNLL(Loss):
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


class Poisson(Loss):
    """The mean of y - t log(y + 1e-7): t as a count whose expectation is y."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "poisson"
    ) -> None:
        super().__init__("poisson", name, reduction)


class KLDivergence(Loss):
    """The sum over a row of t log(t / y), both clipped to [1e-7, 1]."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence"
    ) -> None:
        super().__init__("kl_divergence", name, reduction)


class Hinge(Loss):
    """The mean of max(1 - t y, 0). Targets are -1 and 1; if all are 0 or 1, 0 stands for -1."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge") -> None:
        super().__init__("hinge", name, reduction)


class SquaredHinge(Loss):
    """The mean of max(1 - t y, 0)^2, with the targets of :class:`Hinge`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge"
    ) -> None:
        super().__init__("squared_hinge", name, reduction)


class CategoricalHinge(Loss):
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
        TypeError: if it is neither a name nor a configuration nor a loss.
    """
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
