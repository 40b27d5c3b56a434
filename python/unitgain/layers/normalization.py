"""Batch normalization."""

from __future__ import annotations

from typing import Any

from unitgain import initializers
from unitgain.layers.base import Layer, SampleShape, Variable

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, feature by feature.

    In training, mean and (biased) variance are the batch's, and the moving statistics move:
    ``moving = momentum moving + (1 - momentum) batch``. In inference, and in training when the
    layer is not trainable, they are the moving statistics (Ioffe and Szegedy, ICML 2015).

    Args:
        axis: the features' axis; only the last, -1, can be normalised.
        momentum: how much of the moving statistics is kept at each step, 0 to 1.
        epsilon: added to the variance.
        center: whether there is a ``beta``.
        scale: whether there is a ``gamma``.
        beta_initializer: makes ``beta``.
        gamma_initializer: makes ``gamma``.
        moving_mean_initializer: makes the first moving mean.
        moving_variance_initializer: makes the first moving variance.
        name: what the layer is called.
        trainable: whether training may change the weights and the moving statistics.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | initializers.Initializer = "zeros",
        gamma_initializer: str | initializers.Initializer = "ones",
        moving_mean_initializer: str | initializers.Initializer = "zeros",
        moving_variance_initializer: str | initializers.Initializer = "ones",
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, trainable)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be between 0 and 1, but it is {momentum}")
        if not epsilon >= 0:
            raise ValueError(f"epsilon must be at least 0, but it is {epsilon}")
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def build(self, input_shape: SampleShape) -> None:
        """Make gamma, beta and the moving statistics."""
        if self.axis not in (-1, len(input_shape)):
            raise ValueError(
                f"axis is {self.axis}, but the features of a sample of shape {input_shape} are on "
                f"axis -1 (or {len(input_shape)})"
            )
        shape = input_shape[-1:]
        if self.scale:
            self.gamma = self.add_weight("gamma", shape, self.gamma_initializer)
        if self.center:
            self.beta = self.add_weight("beta", shape, self.beta_initializer)
        self.moving_mean = self.add_weight(
            "moving_mean", shape, self.moving_mean_initializer, trainable=False
        )
        self.moving_variance = self.add_weight(
            "moving_variance", shape, self.moving_variance_initializer, trainable=False
        )

    def lower(self, graph: Any, node: int) -> int:
        """Add a batch norm node."""
        return int(
            graph.batch_norm(
                node,
                None if self.gamma is None else self.gamma.parameter,
                None if self.beta is None else self.beta.parameter,
                self.moving_mean.parameter,
                self.moving_variance.parameter,
                self.momentum,
                self.epsilon,
                self.trainable,
            )
        )
