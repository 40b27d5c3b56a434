"""A batch normalisation layer's training step, with a squared error and plain gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Trial

MOMENTUM, EPSILON = 0.99, 1e-3  # Keras's defaults
LEARNING_RATE = 10.0  # the error is a mean over all values, so gradients are small
SHAPES = ((32, 256), (256, 512), (4096, 1024))
STEPS = 3  # after which the contenders' weights are compared


def cases() -> list[Case]:
    """Return the cases by rows and features."""
    return [_case(rows, features) for rows, features in SHAPES]


class _NumPyLayer:
    """The layer in NumPy, in place wherever it can be."""

    def __init__(self, rows: int, features: int) -> None:
        self.gamma = np.ones(features, np.float32)
        self.beta = np.zeros(features, np.float32)
        self.moving_mean = np.zeros(features, np.float32)
        self.moving_variance = np.ones(features, np.float32)
        self.normalized = np.empty((rows, features), np.float32)
        self.residual = np.empty((rows, features), np.float32)

    def step(self, x: Array, target: Array) -> float:
        """Do one step and return the mean squared error before it."""
        mean = x.mean(axis=0)
        normalized = np.subtract(x, mean, out=self.normalized)
        variance = np.einsum("ij,ij->j", normalized, normalized)
        variance /= len(x)
        normalized *= 1 / np.sqrt(variance + np.float32(EPSILON))
        self.moving_mean += (mean - self.moving_mean) * np.float32(1 - MOMENTUM)
        self.moving_variance += (variance - self.moving_variance) * np.float32(1 - MOMENTUM)

        residual = np.multiply(normalized, self.gamma, out=self.residual)
        residual += self.beta
        residual -= target
        loss = np.vdot(residual, residual) / residual.size
        rate = np.float32(2 * LEARNING_RATE / residual.size)
        self.gamma -= rate * np.einsum("ij,ij->j", residual, normalized)
        self.beta -= rate * residual.sum(axis=0)
        return float(loss)

    def weights(self) -> Array:
        """Return gamma, beta, moving mean and moving variance, one behind the other."""
        return np.concatenate([self.gamma, self.beta, self.moving_mean, self.moving_variance])


def _case(rows: int, features: int) -> Case:
    def prepare() -> Trial:
        generator = np.random.default_rng(0)
        x = 1 + 2 * generator.standard_normal((rows, features), np.float32)
        target = generator.standard_normal((rows, features), np.float32)

        def unitgain() -> Contender:
            layer = ug.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)
            model = ug.Sequential([ug.layers.Input((features,)), layer])
            model.compile(ug.optimizers.SGD(LEARNING_RATE), ug.losses.MeanSquaredError())

            def trained() -> Array:
                for _ in range(STEPS):
                    model.train_on_batch(x, target)
                return np.concatenate(model.get_weights())

            return Contender(lambda: model.train_on_batch(x, target), trained)

        def numpy() -> Contender:
            layer = _NumPyLayer(rows, features)

            def trained() -> Array:
                for _ in range(STEPS):
                    layer.step(x, target)
                return layer.weights()

            return Contender(lambda: layer.step(x, target), trained)

        contenders = {
            OURS: unitgain,
            REFERENCE: numpy,
            "PyTorch": lambda: _torch_contender(x, target),
            "JAX": lambda: _jax_contender(x, target),
        }
        # A sum of n terms in any order is within n u of the exact one, relative to the terms' sizes
        # (N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002,
        # section 4.2); each step has four such sums on either side.
        return Trial(contenders, 4 * STEPS * rows * float(np.finfo(np.float32).eps))

    title = f"batch norm layer, training step, {rows} x {features}"
    return Case(f"batch_norm/{rows}x{features}", title, prepare, quick=rows == 32)


def _torch_contender(x: Array, target: Array) -> Contender:
    import torch

    inputs, wanted = torch.from_numpy(x), torch.from_numpy(target)
    layer = torch.nn.BatchNorm1d(x.shape[1], eps=EPSILON, momentum=1 - MOMENTUM)
    optimizer = torch.optim.SGD(layer.parameters(), LEARNING_RATE, fused=True)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(layer(inputs), wanted)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def trained() -> Array:
        for _ in range(STEPS):
            step()
        # PyTorch averages the unbiased variance, Keras the biased one.
        start = MOMENTUM**STEPS
        variance = start + (layer.running_var - start) * (len(x) - 1) / len(x)
        parts = (layer.weight.detach(), layer.bias.detach(), layer.running_mean, variance)
        return np.concatenate([part.numpy() for part in parts])

    return Contender(step, trained)


def _jax_contender(x: Array, target: Array) -> Contender:
    from .jax_network import jax

    def loss_of(gamma: Any, beta: Any, x: Any, target: Any) -> Any:
        mean, variance = x.mean(axis=0), x.var(axis=0)
        y = (x - mean) * (gamma * jax.lax.rsqrt(variance + EPSILON)) + beta
        return ((y - target) ** 2).mean(), (mean, variance)

    @jax.jit
    def update(state: Any, x: Any, target: Any) -> Any:
        gamma, beta, moving_mean, moving_variance = state
        gradient_of = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)
        (loss, (mean, variance)), (to_gamma, to_beta) = gradient_of(gamma, beta, x, target)
        moving_mean += (mean - moving_mean) * (1 - MOMENTUM)
        moving_variance += (variance - moving_variance) * (1 - MOMENTUM)
        gamma, beta = gamma - LEARNING_RATE * to_gamma, beta - LEARNING_RATE * to_beta
        return (gamma, beta, moving_mean, moving_variance), loss

    inputs, wanted = jax.device_put(x), jax.device_put(target)
    ones, zeros = jax.numpy.ones(x.shape[1], x.dtype), jax.numpy.zeros(x.shape[1], x.dtype)
    state: Any = (ones, zeros, zeros, ones)

    def step() -> float:
        nonlocal state
        state, loss = jax.block_until_ready(update(state, inputs, wanted))
        return float(loss)

    def trained() -> Array:
        for _ in range(STEPS):
            step()
        return np.concatenate([np.asarray(part) for part in state])

    return Contender(step, trained)
