"""Losses: what training makes small. Each is the mean over the samples."""

from __future__ import annotations

from collections.abc import Callable

from unitgain import _names, _native

__all__ = ["Loss", "MeanSquaredError", "SparseCategoricalCrossentropy", "get"]


class Loss:
    """A loss that the native training step computes. The subclasses are those there are."""

    def __init__(self, spec: _native.LossSpec, *, takes_labels: bool, name: str) -> None:
        self.spec = spec
        self.takes_labels = takes_labels
        self.name = name


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy, in nats, between a class label and the predicted distribution: -log p[label].

    Labels are integers from 0, one a sample. With ``from_logits=True`` the network's output is
    taken as logits and the softmax is part of the loss, which is more accurate than a softmax
    layer. Otherwise the output is probabilities: each row is divided by its sum, and p clipped to
    [1e-7, 1 - 1e-7]. Where they come from a softmax layer the loss is computed from its logits.

    Args:
        from_logits: whether the outputs are logits.
        name: what the loss is called.
    """

    def __init__(
        self, from_logits: bool = False, name: str = "sparse_categorical_crossentropy"
    ) -> None:
        kind = _native.LossKind.sparse_categorical_crossentropy
        super().__init__(_native.LossSpec(kind, from_logits), takes_labels=True, name=name)
        self.from_logits = from_logits


class MeanSquaredError(Loss):
    """The mean over outputs and samples of (y - target)^2."""

    def __init__(self, name: str = "mean_squared_error") -> None:
        spec = _native.LossSpec(_native.LossKind.mean_squared_error)
        super().__init__(spec, takes_labels=False, name=name)


_TABLE: dict[str, Callable[[], Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a loss.
    """
    return _names.resolve("loss", loss, _TABLE, Loss)
