"""SpectralNormalization: a layer whose kernel keeps the largest singular value 1."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.initializers import TruncatedNormal
from unitgain.layers.base import Layer, SampleShape, Variable
from unitgain.layers.registry import deserialize

__all__ = ["SpectralNormalization"]


class SpectralNormalization(Layer):
    """A layer whose kernel is divided by its largest singular value in each step of training.

    The singular value is an estimate by power iteration, whose vector is kept from step to step.
    The kernel itself is replaced, before the step, as in Keras; inference takes it as the last step
    left it. Each batch costs a call of Python, in inference, too: :attr:`layer` alone, which has
    the same weights, runs without. While the layer is frozen its kernel stays as it is.

    Args:
        layer: what is wrapped: a layer with a weight ``kernel`` or ``embeddings``.
        power_iterations: how many iterations a step does.
        name: what the layer is called.
        trainable: whether training may change the weights.

    Attributes:
        layer: the layer that is wrapped.
        kernel: its weight.
        vector_u: the estimate of the left singular vector, a row.

    Raises:
        TypeError: if ``layer`` is no layer.
        ValueError: if ``power_iterations`` is below 1, or the layer has neither such weight.

    Source: Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial
    networks", ICLR 2018, algorithm 1.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> layer = ug.layers.SpectralNormalization(ug.layers.Dense(3), power_iterations=50)
    >>> model = ug.Sequential([ug.layers.Input((5,), "float64"), layer])
    >>> outputs = model(np.ones((2, 5)), training=True)
    >>> print(round(np.linalg.norm(layer.kernel.array, 2), 6))
    1.0
    """

    _epsilon = 1e-7  # the least norm that is divided by, as in Keras

    def __init__(
        self,
        layer: Layer | Mapping[str, Any],
        power_iterations: SupportsIndex = 1,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(name, trainable, **keywords)
        wrapped = deserialize(layer) if isinstance(layer, Mapping) else layer
        if not isinstance(wrapped, Layer):
            raise TypeError(f"layer is of type {type(wrapped).__name__}, expected a layer")
        self.layer = wrapped
        self.power_iterations = operator.index(power_iterations)
        if self.power_iterations < 1:
            raise ValueError(
                f"power_iterations must be at least 1, but it is {self.power_iterations}"
            )

    def build(self, input_shape: SampleShape) -> None:
        """Build the layer, and make the vector."""
        self.layer.ensure_built(input_shape, self.dtype)
        kernel = getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))
        if not isinstance(kernel, Variable):
            raise ValueError(
                f"{self.name} wraps a {type(self.layer).__name__}, which has neither a kernel nor "
                f"embeddings"
            )
        self.kernel = kernel
        self.vector_u = self.add_weight(
            (1, kernel.shape[-1]), TruncatedNormal(stddev=0.02), trainable=False, name="vector_u"
        )
        others = [weight for weight in self.layer.weights if weight is not kernel]
        self.weights = [kernel, self.vector_u, *others]
        self.parts = [self.layer]
        if not self.trainable:
            self.layer.trainable = False
        if self.learning_rate_multiplier != 1:
            self.learning_rate_multiplier = self.learning_rate_multiplier

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return that of the wrapped layer."""
        return self.layer.compute_output_shape(input_shape)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the wrapped layer, behind a node that hands its input on and divides the kernel."""
        assert self.input_shape is not None
        if self.trainable:
            rows, cols = rows_and_cols(self.input_shape)
            node = graph.custom([node], rows, cols, [], self._before, _hand_back, True)
        return int(self.layer.lower_use(graph, node, self.input_shape, False))

    def _before(self, arrays: list[NDArray[Any]], training: bool) -> NDArray[Any]:
        if training:
            self.normalize_weights()
        return arrays[0]

    def normalize_weights(self) -> None:
        """Divide the kernel by its largest singular value; one of zeros stays as it is."""
        kernel = self.kernel.array
        matrix = kernel.reshape(-1, kernel.shape[-1])
        if not matrix.any():
            return
        u = self.vector_u.array
        for _ in range(self.power_iterations):
            v = self._unit_length(u @ matrix.T)
            u = self._unit_length(v @ matrix)
        sigma = v @ matrix @ u.T
        self.vector_u.assign(u)
        np.divide(kernel, sigma[0, 0], out=kernel)

    def _unit_length(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return ``x / max(|x|, epsilon)``; squares of it neither overflow nor vanish."""
        scale = np.abs(x).max()
        if not (scale > 0 and np.isfinite(scale)):
            scale = x.dtype.type(1)
        length = scale * np.sqrt(np.square(x / scale).sum())
        made: NDArray[Any] = x / np.maximum(length, x.dtype.type(self._epsilon))
        return made


def _hand_back(
    upstream: NDArray[Any], arrays: list[NDArray[Any]], output: NDArray[Any]
) -> tuple[list[Any], list[Any]]:
    return [upstream], []
