"""Batch normalisation, forward in training: by the batch's moments, updating the moving ones."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Trial

MOMENTUM, EPSILON = 0.99, 1e-3  # Keras's defaults
SHAPES = ((32, 256), (256, 512), (4096, 1024))


def cases() -> list[Case]:
    """Return the cases by rows and features."""
    return [_case(rows, features) for rows, features in SHAPES]


class _NumPyLayer:
    """The layer in NumPy, with the arrays it needs allocated once."""

    def __init__(self, rows: int, features: int) -> None:
        self.gamma = np.ones(features, np.float32)
        self.beta = np.zeros(features, np.float32)
        self.moving_mean = np.zeros(features, np.float32)
        self.moving_variance = np.ones(features, np.float32)
        self.out = np.empty((rows, features), np.float32)

    def __call__(self, x: Array) -> Array:
        mean = x.mean(axis=0)
        out: Array = np.subtract(x, mean, out=self.out)
        variance = np.einsum("ij,ij->j", out, out)
        variance /= len(x)
        out *= self.gamma / np.sqrt(variance + np.float32(EPSILON))
        out += self.beta
        self.moving_mean += (mean - self.moving_mean) * np.float32(1 - MOMENTUM)
        self.moving_variance += (variance - self.moving_variance) * np.float32(1 - MOMENTUM)
        return out


def _case(rows: int, features: int) -> Case:
    def prepare() -> Trial:
        generator = np.random.default_rng(0)
        x = generator.normal(loc=1, scale=2, size=(rows, features)).astype(np.float32)

        def unitgain() -> Contender:
            layer = ug.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)
            model = ug.Sequential([ug.layers.Input((features,)), layer])
            return Contender.of(lambda: model(x, training=True))

        def numpy() -> Contender:
            layer = _NumPyLayer(rows, features)
            return Contender.of(lambda: layer(x))

        def torch() -> Contender:
            import torch

            values = torch.from_numpy(x)
            layer = torch.nn.BatchNorm1d(features, eps=EPSILON, momentum=1 - MOMENTUM)

            @torch.inference_mode()
            def run() -> Any:
                return layer(values)

            return Contender.of(run)

        def jax() -> Contender:
            return _jax_contender(x)

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        # A sum of n terms in any order is within n u of the exact one, relative to the terms' sizes
        # (Higham 2002, section 4.2); mean and variance are two such sums on either side.
        return Trial(contenders, 2 * rows * float(np.finfo(np.float32).eps))

    title = f"batch norm in training, {rows} x {features}, float32"
    return Case(f"batch_norm/{rows}x{features}", title, prepare, quick=rows == 32)


def _jax_contender(x: Array) -> Contender:
    from .jax_network import jax

    numpy = jax.numpy

    @jax.jit
    def step(x: Any, gamma: Any, beta: Any, moving_mean: Any, moving_variance: Any) -> Any:
        mean, variance = x.mean(axis=0), x.var(axis=0)
        y = (x - mean) * (gamma * jax.lax.rsqrt(variance + EPSILON)) + beta
        moving_mean += (mean - moving_mean) * (1 - MOMENTUM)
        moving_variance += (variance - moving_variance) * (1 - MOMENTUM)
        return y, moving_mean, moving_variance

    values = jax.device_put(x)
    ones, zeros = numpy.ones(x.shape[1], x.dtype), numpy.zeros(x.shape[1], x.dtype)
    gamma, beta, moving = ones, zeros, [zeros, ones]

    def run() -> Any:
        y, *moving[:] = step(values, gamma, beta, *moving)
        return y.block_until_ready()

    return Contender.of(run)
