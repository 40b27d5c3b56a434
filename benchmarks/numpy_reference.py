"""A dense network written in plain NumPy: what unitgain's training step is measured against.

It is the program that someone who knows NumPy would write for speed: single precision throughout,
all parameters in one vector so that the optimizer is a dozen calls whatever the number of layers,
and results written in place into arrays that live as long as the network. Everything is Keras's:
parameter order, defaults, and the place of epsilon in Adam and batch normalisation.

Sources: S. Ioffe and C. Szegedy, "Batch Normalization", 2015, arXiv:1502.03167; D. P. Kingma and
J. Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv:1412.6980, section 2 (its last
paragraph's order of computation); K. He et al., "Delving Deep into Rectifiers", 2015,
arXiv:1502.01852, for the initial weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

EPSILON = 1e-3  # of batch normalisation
MOMENTUM = 0.99  # of its moving averages
# The loss below which a network has learnt the digits it was trained on.
WELL_FITTED = 0.05


@dataclass
class Layer:
    """One dense layer's parameters and gradients, all views into the network's two vectors.

    A hidden layer with batch normalisation has no bias, because beta does the same.
    """

    kernel: Array
    kernel_gradient: Array
    bias: Array | None = None
    bias_gradient: Array | None = None
    gamma: Array | None = None
    gamma_gradient: Array | None = None
    beta: Array | None = None
    beta_gradient: Array | None = None
    moving_mean: Array | None = None
    moving_variance: Array | None = None


class Network:
    """Dense layers with ReLU between them, trained by Adam.

    Args:
        sizes: inputs, the units of each hidden layer, outputs: ``(64, 256, 128, 10)``.
        batch_norm: normalise each hidden layer before its ReLU.
        dropout: the share of each hidden layer's outputs that a training step drops.
        regression: squared error in place of the softmax cross-entropy of labels.
        learning_rate: Adam's.
        dtype: ``float32``, or ``float64`` for a more accurate reference.
        seed: of the initial weights (He normal; the last layer's as well).
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        batch_norm: bool = True,
        dropout: float = 0.0,
        regression: bool = False,
        learning_rate: float = 1e-3,
        dtype: Any = np.float32,
        seed: int = 0,
    ) -> None:
        self.sizes = sizes
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.regression = regression
        self.learning_rate = learning_rate
        self.epsilon = 1e-7  # Adam's
        self.dtype = np.dtype(dtype)
        self._steps = 0
        self._parameters = np.zeros(self._parameter_count(), self.dtype)
        self._gradients = np.zeros_like(self._parameters)
        self._mean = np.zeros_like(self._parameters)  # Adam's m
        self._square = np.zeros_like(self._parameters)  # Adam's v
        self._update = np.empty_like(self._parameters)
        self._scratch = np.empty_like(self._parameters)
        self.layers = self._lay_out()
        self._generator = np.random.default_rng(seed)
        self._initialize(self._generator)
        self._buffers: dict[tuple[str, int, int], Array] = {}

    def _parameter_count(self) -> int:
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        kernels = sum(inputs * units for inputs, units in pairs)
        per_hidden_unit = 2 if self.batch_norm else 1
        return kernels + per_hidden_unit * sum(self.sizes[1:-1]) + self.sizes[-1]

    def _lay_out(self) -> list[Layer]:
        """Return the layers, cutting their parameters from the vectors in Keras's order."""
        position = 0

        def take(*shape: int) -> tuple[Array, Array]:
            nonlocal position
            part = slice(position, position + int(np.prod(shape)))
            position = part.stop
            return self._parameters[part].reshape(shape), self._gradients[part].reshape(shape)

        layers = []
        last = len(self.sizes) - 2
        for i, (inputs, units) in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True)):
            layer = Layer(*take(inputs, units))
            if self.batch_norm and i < last:
                layer.gamma, layer.gamma_gradient = take(units)
                layer.beta, layer.beta_gradient = take(units)
                layer.moving_mean = np.zeros(units, self.dtype)
                layer.moving_variance = np.ones(units, self.dtype)
            else:
                layer.bias, layer.bias_gradient = take(units)
            layers.append(layer)
        return layers

    def _initialize(self, generator: np.random.Generator) -> None:
        for layer in self.layers:
            deviation = np.sqrt(2 / layer.kernel.shape[0])
            layer.kernel[:] = generator.normal(scale=deviation, size=layer.kernel.shape)
            if layer.gamma is not None:
                layer.gamma[:] = 1

    def _weight_arrays(self) -> list[Array]:
        named = (
            (p.kernel, p.bias, p.gamma, p.beta, p.moving_mean, p.moving_variance)
            for p in self.layers
        )
        return [array for layer in named for array in layer if array is not None]

    def get_weights(self) -> list[Array]:
        """Return copies of all weights in the order of Keras's ``get_weights``."""
        return [array.copy() for array in self._weight_arrays()]

    def set_weights(self, weights: Iterable[Array]) -> None:
        """Set all weights, in the order of :meth:`get_weights`."""
        for array, value in zip(self._weight_arrays(), weights, strict=True):
            array[...] = value

    def reset_optimizer(self) -> None:
        """Start Adam afresh."""
        self._steps = 0
        self._mean[:] = 0
        self._square[:] = 0

    def _buffer(self, name: str, rows: int, cols: int) -> Array:
        key = (name, rows, cols)
        if key not in self._buffers:
            self._buffers[key] = np.empty((rows, cols), self.dtype)
        return self._buffers[key]

    def train_on_batch(self, x: Array, y: Array) -> float:
        """Do one training step on ``x`` (batch, inputs) and ``y``; return the mean loss.

        ``y`` is labels (batch,), or of a regression values (batch, outputs).
        """
        inputs, normalized, deviations = self._forward(x)
        loss, upstream = self._loss_and_gradient(inputs[-1], y)
        self._backward(inputs, normalized, deviations, upstream)
        self._adam()
        return loss

    def _forward(self, x: Array) -> tuple[list[Array], list[Array], list[Array]]:
        """Return all layers' inputs and the logits, and batch norm's x-hat and 1 / sigma."""
        inputs, normalized, deviations = [x], [], []
        for i, layer in enumerate(self.layers):
            z = self._buffer(f"z{i}", len(x), layer.kernel.shape[1])
            np.matmul(inputs[-1], layer.kernel, out=z)
            if layer.gamma is not None:
                deviations.append(self._normalize(layer, z))
                normalized.append(z)
                z = np.multiply(z, layer.gamma, out=self._buffer(f"y{i}", *z.shape))
                z += layer.beta
            else:
                z += layer.bias
            if i + 1 < len(self.layers):
                np.maximum(z, 0, out=z)
                if self.dropout:
                    self._drop(z)
            inputs.append(z)
        return inputs, normalized, deviations

    def _drop(self, z: Array) -> None:
        """Set a share of z to zero, in place, and the rest to what keeps the expected value."""
        uniform = self._generator.random(z.shape, np.float32)
        z *= uniform >= self.dropout
        z *= self.dtype.type(1 / (1 - self.dropout))

    def _normalize(self, layer: Layer, z: Array) -> Array:
        """Normalise z in place by its batch's moments, update the moving ones, return 1 / sigma."""
        mean = z.mean(axis=0)
        z -= mean
        variance = np.einsum("ij,ij->j", z, z)
        variance /= len(z)
        deviation: Array = 1 / np.sqrt(variance + self.dtype.type(EPSILON))
        z *= deviation
        assert layer.moving_mean is not None
        assert layer.moving_variance is not None
        layer.moving_mean += (mean - layer.moving_mean) * self.dtype.type(1 - MOMENTUM)
        layer.moving_variance += (variance - layer.moving_variance) * self.dtype.type(1 - MOMENTUM)
        return deviation

    def _loss_and_gradient(self, logits: Array, y: Array) -> tuple[float, Array]:
        """Return the loss averaged over the batch; its gradient overwrites the logits."""
        if self.regression:
            logits -= y
            loss = float(np.einsum("ij,ij->", logits, logits)) / logits.size
            logits *= self.dtype.type(2 / logits.size)
            return loss, logits
        rows = np.arange(len(y))
        logits -= logits.max(axis=1, keepdims=True)
        label_logits = logits[rows, y]
        np.exp(logits, out=logits)
        sums = logits.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(sums[:, 0]) - label_logits))
        logits /= sums
        logits[rows, y] -= 1
        logits /= len(y)
        return loss, logits

    def _backward(
        self,
        inputs: list[Array],
        normalized: list[Array],
        deviations: list[Array],
        upstream: Array,
    ) -> None:
        for i in reversed(range(len(self.layers))):
            layer = self.layers[i]
            if i + 1 < len(self.layers):
                upstream *= inputs[i + 1] > 0  # what was dropped is zero, too
                if self.dropout:
                    upstream *= self.dtype.type(1 / (1 - self.dropout))
            if layer.gamma is not None:
                self._normalize_gradient(layer, normalized[i], deviations[i], upstream)
            else:
                np.sum(upstream, axis=0, out=layer.bias_gradient)
            np.matmul(inputs[i].T, upstream, out=layer.kernel_gradient)
            if i > 0:
                below = self._buffer(f"g{i}", len(upstream), layer.kernel.shape[0])
                upstream = np.matmul(upstream, layer.kernel.T, out=below)

    def _normalize_gradient(
        self, layer: Layer, normalized: Array, deviation: Array, upstream: Array
    ) -> None:
        """Turn the gradient of batch norm's output into that of its input, in place.

        Ioffe and Szegedy, section 3, collected: with the sums over the batch of the upstream
        gradient g and of g x-hat, it is gamma / sigma (g - mean(g) - x-hat mean(g x-hat)).
        ``normalized`` is used up.
        """
        assert layer.gamma_gradient is not None
        assert layer.beta_gradient is not None
        np.einsum("ij,ij->j", upstream, normalized, out=layer.gamma_gradient)
        np.sum(upstream, axis=0, out=layer.beta_gradient)
        normalized *= layer.gamma_gradient / self.dtype.type(len(upstream))
        upstream -= layer.beta_gradient / self.dtype.type(len(upstream))
        upstream -= normalized
        upstream *= layer.gamma * deviation

    def _adam(self, beta_1: float = 0.9, beta_2: float = 0.999) -> None:
        self._steps += 1
        rate = self.learning_rate * np.sqrt(1 - beta_2**self._steps) / (1 - beta_1**self._steps)
        np.subtract(self._gradients, self._mean, out=self._scratch)
        self._scratch *= 1 - beta_1
        self._mean += self._scratch
        np.square(self._gradients, out=self._scratch)
        self._scratch -= self._square
        self._scratch *= 1 - beta_2
        self._square += self._scratch
        np.sqrt(self._square, out=self._scratch)
        self._scratch += self.epsilon
        np.divide(self._mean, self._scratch, out=self._update)
        self._update *= float(rate)
        self._parameters -= self._update

    def folded(self) -> list[tuple[Array, Array]]:
        """Return (kernel, bias) of each layer for inference, batch norm folded into them."""
        pairs = []
        for layer in self.layers:
            if layer.gamma is None:
                assert layer.bias is not None
                pairs.append((layer.kernel.copy(), layer.bias.copy()))
                continue
            assert layer.moving_mean is not None
            assert layer.moving_variance is not None
            assert layer.beta is not None
            scale = layer.gamma / np.sqrt(layer.moving_variance + self.dtype.type(EPSILON))
            pairs.append((layer.kernel * scale, layer.beta - layer.moving_mean * scale))
        return pairs

    def predict(self, x: Array) -> Array:
        """Return the logits of ``x`` (rows, inputs), normalised by the moving moments."""
        return infer(self.folded(), x)


def infer(pairs: list[tuple[Array, Array]], x: Array) -> Array:
    """Return the logits of a network given as (kernel, bias) of each layer, ReLU between them."""
    for i, (kernel, bias) in enumerate(pairs):
        x = x @ kernel
        x += bias
        if i + 1 < len(pairs):
            np.maximum(x, 0, out=x)
    return x
