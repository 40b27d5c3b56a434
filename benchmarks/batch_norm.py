"""Batch normalisation in training: forward alone, with its gradient, and a layer's whole step.

Forward normalises by the batch's moments and moves the moving ones; the gradient is that of the
input, of gamma and of beta. The step adds a squared error and plain gradient descent, and needs no
gradient of the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial

MOMENTUM, EPSILON = 0.99, 1e-3  # Keras's defaults
LEARNING_RATE = 10.0  # the error is a mean over all values, so gradients are small
SHAPES = ((32, 256), (256, 512), (4096, 1024))
STEPS = 3  # after which the contenders' weights are compared


def cases() -> list[Case]:
    """Return the cases by rows and features."""
    both = [_both(rows, features) for rows, features in ((128, 300), (8192, 1024))]
    alone = [kind(rows, features) for kind in (_forward, _step) for rows, features in SHAPES]
    return [*alone, *both]


def _tolerance(rows: int, sums: int) -> float:
    """Return what that many sums over the rows may differ by, relative to their terms.

    A sum of n terms in any order is within n u of the exact one, u being half the type's epsilon
    (N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002, section
    4.2); both sides have such sums.
    """
    return sums * rows * float(np.finfo(np.float32).eps)


def _inputs(rows: int, features: int) -> tuple[Array, Array]:
    """Return samples and targets."""
    generator = np.random.default_rng(0)
    x = 1 + 2 * generator.standard_normal((rows, features), np.float32)
    return x, generator.standard_normal((rows, features), np.float32)


def _model(features: int) -> Any:
    layer = ug.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)
    model = ug.Sequential([ug.layers.Input((features,)), layer])
    model.compile(ug.optimizers.SGD(LEARNING_RATE), ug.losses.MeanSquaredError())
    return model


class _NumPyLayer:
    """The layer in NumPy, in place wherever it can be."""

    def __init__(self, rows: int, features: int, dtype: Any = np.float32) -> None:
        self.type = np.dtype(dtype).type
        self.gamma = np.ones(features, dtype)
        self.beta = np.zeros(features, dtype)
        self.moving_mean = np.zeros(features, dtype)
        self.moving_variance = np.ones(features, dtype)
        self.normalized = np.empty((rows, features), dtype)
        self.out = np.empty((rows, features), dtype)

    def _moments(self, x: Array) -> Array:
        """Centre ``x`` into ``normalized``, move the moving moments, return 1 / sigma."""
        mean = x.mean(axis=0)
        centred = np.subtract(x, mean, out=self.normalized)
        variance = np.einsum("ij,ij->j", centred, centred)
        variance /= len(x)
        self.moving_mean += (mean - self.moving_mean) * self.type(1 - MOMENTUM)
        self.moving_variance += (variance - self.moving_variance) * self.type(1 - MOMENTUM)
        inverse: Array = 1 / np.sqrt(variance + self.type(EPSILON))
        return inverse

    def forward(self, x: Array) -> Array:
        """Return the outputs."""
        scale = self._moments(x) * self.gamma
        out: Array = np.multiply(self.normalized, scale, out=self.out)
        out += self.beta
        return out

    def step(self, x: Array, target: Array) -> float:
        """Do one step and return the mean squared error before it."""
        self.normalized *= self._moments(x)
        residual = np.multiply(self.normalized, self.gamma, out=self.out)
        residual += self.beta
        residual -= target
        loss = np.vdot(residual, residual) / residual.size
        rate = self.type(2 * LEARNING_RATE / residual.size)
        self.gamma -= rate * np.einsum("ij,ij->j", residual, self.normalized)
        self.beta -= rate * residual.sum(axis=0)
        return float(loss)

    def weights(self) -> Array:
        """Return gamma, beta, moving mean and moving variance, one behind the other."""
        return np.concatenate([self.gamma, self.beta, self.moving_mean, self.moving_variance])


def _forward(rows: int, features: int) -> Case:
    def prepare() -> Trial:
        x, _ = _inputs(rows, features)

        def unitgain() -> Contender:
            model = _model(features)
            return Contender.of(lambda: model(x, training=True))

        def numpy() -> Contender:
            layer = _NumPyLayer(rows, features)
            return Contender.of(lambda: layer.forward(x))

        def torch() -> Contender:
            import torch

            values = torch.from_numpy(x)
            layer = torch.nn.BatchNorm1d(features, eps=EPSILON, momentum=1 - MOMENTUM)

            @torch.inference_mode()
            def run() -> Any:
                return layer(values)

            return Contender.of(run)

        contenders = {
            OURS: unitgain,
            REFERENCE: numpy,
            "PyTorch": torch,
            "JAX": lambda: _jax_forward(x),
        }

        def exact() -> Exact:
            return Exact.of(_NumPyLayer(rows, features, np.float64).forward(x.astype(np.float64)))

        return Trial(contenders, _tolerance(rows, sums=2), exact=exact)

    title = f"batch norm, forward in training, {rows} x {features}"
    return Case(f"batch_norm/forward/{rows}x{features}", title, prepare, quick=rows == 32)


def _both(rows: int, features: int) -> Case:
    """Return the operations that the layer's training step runs, called by themselves."""

    def prepare() -> Trial:
        x, upstream = _inputs(rows, features)
        gamma = np.random.default_rng(1).uniform(0.5, 1.5, features).astype(np.float32)
        beta = np.random.default_rng(2).standard_normal(features, np.float32)
        moving = np.zeros(features, np.float32), np.ones(features, np.float32)

        def unitgain() -> Contender:
            from unitgain._native import ops

            threads = ug.num_threads()

            def run() -> Any:
                y, *kept = ops.batch_norm_train(
                    x, gamma, beta, EPSILON, MOMENTUM, *moving, threads=threads
                )
                gradients = ops.batch_norm_gradient(x, upstream, gamma, *kept, threads=threads)
                return y, *gradients

            return Contender(run, lambda: _flat(run()))

        def numpy() -> Contender:
            def run() -> Any:
                return _numpy_both(x, upstream, gamma, beta)

            return Contender(run, lambda: _flat(run()))

        def torch() -> Contender:
            import torch

            tensor = torch.from_numpy
            values, above, scale, shift = map(tensor, (x, upstream, gamma, beta))
            running = [tensor(m.copy()) for m in moving]
            mask = [True, True, True]

            @torch.inference_mode()
            def run() -> Any:
                y, mean, inverse = torch.native_batch_norm(
                    values, scale, shift, *running, True, 1 - MOMENTUM, EPSILON
                )
                gradients = torch.ops.aten.native_batch_norm_backward(
                    above, values, scale, *running, mean, inverse, True, EPSILON, mask
                )
                return y, *gradients

            return Contender(run, lambda: _flat(run()))

        def exact() -> Exact:
            wide = (array.astype(np.float64) for array in (x, upstream, gamma, beta))
            return Exact.of(_flat(_numpy_both(*wide)))

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        return Trial(contenders, _tolerance(rows, sums=2), exact=exact)

    title = f"batch norm, forward and backward in training, {rows} x {features}"
    return Case(f"batch_norm/both/{rows}x{features}", title, prepare)


def _numpy_both(x: Array, upstream: Array, gamma: Array, beta: Array) -> tuple[Array, ...]:
    """Return the outputs, and the gradients of the input, gamma and beta."""
    rows, epsilon = x.dtype.type(len(x)), x.dtype.type(EPSILON)
    mean, variance = x.mean(axis=0), x.var(axis=0)
    inverse = 1 / np.sqrt(variance + epsilon)
    normalized = (x - mean) * inverse
    y = gamma * normalized + beta
    beta_gradient = upstream.sum(axis=0)
    gamma_gradient = np.einsum("ij,ij->j", upstream, normalized)
    gradient = upstream - beta_gradient / rows
    normalized *= gamma_gradient / rows
    gradient -= normalized
    gradient *= gamma * inverse
    return y, gradient, gamma_gradient, beta_gradient


def _flat(parts: Any) -> Array:
    """Return arrays one behind the other, each relative to its largest value."""
    arrays = [np.ravel(np.asarray(part)) for part in parts]
    return np.concatenate([a / np.abs(a).max() for a in arrays])


def _step(rows: int, features: int) -> Case:
    def prepare() -> Trial:
        x, target = _inputs(rows, features)

        def unitgain() -> Contender:
            model = _model(features)

            def step() -> Any:
                return model.train_on_batch(x, target)

            return _after_steps(step, lambda: np.concatenate(model.get_weights()))

        def numpy() -> Contender:
            layer = _NumPyLayer(rows, features)
            return _after_steps(lambda: layer.step(x, target), layer.weights)

        contenders = {
            OURS: unitgain,
            REFERENCE: numpy,
            "PyTorch": lambda: _torch_step(x, target),
            "JAX": lambda: _jax_step(x, target),
        }

        def exact() -> Exact:
            layer, data = _NumPyLayer(rows, features, np.float64), x.astype(np.float64)
            return Exact.of(_after_steps(lambda: layer.step(data, target), layer.weights).result())

        return Trial(contenders, _tolerance(rows, sums=4 * STEPS), exact=exact)

    title = f"batch norm layer, training step, {rows} x {features}"
    return Case(f"batch_norm/step/{rows}x{features}", title, prepare, quick=rows == 32)


def _after_steps(step: Callable[[], Any], weights: Callable[[], Array]) -> Contender:
    """Return the contender whose result is its weights after ``STEPS`` steps."""

    def trained() -> Array:
        for _ in range(STEPS):
            step()
        return weights()

    return Contender(step, trained)


def _torch_step(x: Array, target: Array) -> Contender:
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

    def weights() -> Array:
        # PyTorch averages the unbiased variance, Keras the biased one.
        start = MOMENTUM**STEPS
        variance = start + (layer.running_var - start) * (len(x) - 1) / len(x)
        parts = (layer.weight.detach(), layer.bias.detach(), layer.running_mean, variance)
        return np.concatenate([part.numpy() for part in parts])

    return _after_steps(step, weights)


def _jax_state(features: int) -> Any:
    from .jax_network import jax

    ones, zeros = jax.numpy.ones(features, np.float32), jax.numpy.zeros(features, np.float32)
    return ones, zeros, zeros, ones


def _jax_layer(state: Any, x: Any) -> tuple[Any, Any]:
    from .jax_network import jax

    gamma, beta, moving_mean, moving_variance = state
    mean, variance = x.mean(axis=0), x.var(axis=0)
    y = (x - mean) * (gamma * jax.lax.rsqrt(variance + EPSILON)) + beta
    moving_mean += (mean - moving_mean) * (1 - MOMENTUM)
    moving_variance += (variance - moving_variance) * (1 - MOMENTUM)
    return y, (gamma, beta, moving_mean, moving_variance)


def _jax_forward(x: Array) -> Contender:
    from .jax_network import jax

    layer, state, values = jax.jit(_jax_layer), _jax_state(x.shape[1]), jax.device_put(x)

    def run() -> Any:
        nonlocal state
        y, state = jax.block_until_ready(layer(state, values))
        return y

    return Contender.of(run)


def _jax_step(x: Array, target: Array) -> Contender:
    from .jax_network import jax

    def loss_of(state: Any, x: Any, target: Any) -> Any:
        y, state = _jax_layer(state, x)
        return ((y - target) ** 2).mean(), state

    @jax.jit
    def update(state: Any, x: Any, target: Any) -> Any:
        gradient_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, moved), (to_gamma, to_beta, _, _) = gradient_of(state, x, target)
        gamma, beta, *moments = moved
        return (gamma - LEARNING_RATE * to_gamma, beta - LEARNING_RATE * to_beta, *moments), loss

    inputs, wanted = jax.device_put(x), jax.device_put(target)
    state = _jax_state(x.shape[1])

    def step() -> float:
        nonlocal state
        state, loss = jax.block_until_ready(update(state, inputs, wanted))
        return float(loss)

    return _after_steps(step, lambda: np.concatenate([np.asarray(part) for part in state]))
