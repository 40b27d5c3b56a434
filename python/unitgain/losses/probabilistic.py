"""Losses of distributions: cross-entropies, likelihoods, divergences."""

from __future__ import annotations

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.losses.base import NativeLoss, check_axis

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "GaussianNLL",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
]


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
        reduction: see :class:`~unitgain.losses.Loss`.
        axis: the classes' axis, which must be the last.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.

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
        dtype: DTypePolicyLike = None,
    ) -> None:
        check_axis(axis)
        super().__init__(
            "sparse_categorical_crossentropy",
            name,
            reduction,
            dtype,
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
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        check_axis(axis)
        super().__init__(
            "categorical_crossentropy",
            name,
            reduction,
            dtype,
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
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        check_axis(axis)
        super().__init__(
            "binary_crossentropy",
            name,
            reduction,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


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
        reduction: see :class:`~unitgain.losses.Loss`.
        name: what the loss is called.
        dtype: see :class:`~unitgain.losses.Loss`.
    """

    def __init__(
        self,
        full: bool = False,
        eps: float = 1e-6,
        log_variance: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "gaussian_nll",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(
            "gaussian_nll", name, reduction, dtype, full=full, eps=eps, log_variance=log_variance
        )
        self.full = full
        self.eps = eps
        self.log_variance = log_variance


class Poisson(NativeLoss):
    """The mean of y - t log(y + 1e-7): t as a count whose expectation is y."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "poisson",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("poisson", name, reduction, dtype)


class KLDivergence(NativeLoss):
    """The sum over a row of t log(t / y), both clipped to [1e-7, 1]."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "kl_divergence",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__("kl_divergence", name, reduction, dtype)
