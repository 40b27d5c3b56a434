"""The benchmarks' dense network in JAX, compiled.

Importing this module sets JAX to 64-bit types, without which it would turn float64 into float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
from jax import numpy as jnp

from .case import Array, Contender
from .numpy_reference import EPSILON, MOMENTUM, Network

__all__ = ["inference", "jax", "training"]

jax.config.update("jax_enable_x64", True)


def _batch_norm(z: Any, layer: dict[str, Any], moving: dict[str, Any]) -> tuple[Any, Any]:
    mean, variance = z.mean(axis=0), z.var(axis=0)
    y = (z - mean) * (layer["gamma"] * jax.lax.rsqrt(variance + EPSILON)) + layer["beta"]
    return y, {
        "mean": moving["mean"] + (mean - moving["mean"]) * (1 - MOMENTUM),
        "variance": moving["variance"] + (variance - moving["variance"]) * (1 - MOMENTUM),
    }


def _loss(
    parameters: Any, moving: Any, x: Any, y: Any, key: Any, dropout: float
) -> tuple[Any, Any]:
    moved = []
    for i, (layer, moments) in enumerate(zip(parameters, moving, strict=True)):
        x = x @ layer["kernel"]
        if "gamma" in layer:
            x, moments = _batch_norm(x, layer, moments)
        else:
            x = x + layer["bias"]
        if i + 1 < len(parameters):
            x = jax.nn.relu(x)
            if dropout:
                key, own = jax.random.split(key)
                x = jnp.where(jax.random.bernoulli(own, 1 - dropout, x.shape), x / (1 - dropout), 0)
        moved.append(moments)
    if y.ndim == 2:
        return jnp.mean((x - y) ** 2), moved
    log_probabilities = jax.nn.log_softmax(x)
    return -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean(), moved


@partial(jax.jit, donate_argnums=0, static_argnames=("learning_rate", "epsilon", "dropout"))
def _step(
    state: Any, x: Any, y: Any, learning_rate: float, epsilon: float, dropout: float
) -> tuple[Any, Any]:
    parameters, moving, mean, square, count, key = state
    key, own = jax.random.split(key)
    (loss, moving), gradients = jax.value_and_grad(_loss, has_aux=True)(
        parameters, moving, x, y, own, dropout
    )
    count = count + 1
    power = count.astype(jnp.float64)  # 1 - 0.999^1 has three digits left in float32
    rate = (learning_rate * jnp.sqrt(1 - 0.999**power) / (1 - 0.9**power)).astype(x.dtype)
    mean = jax.tree.map(lambda m, g: m + (g - m) * (1 - 0.9), mean, gradients)
    square = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - 0.999), square, gradients)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + epsilon), parameters, mean, square
    )
    return (parameters, moving, mean, square, count, key), loss


def training(network: Network, x: Array, y: Array, steps: int) -> Contender:
    """Return training from the reference network's weights, on one batch, as one program.

    The losses that are compared are without dropout.
    """
    parameters, moving = [], []
    for layer in network.layers:
        named = {"kernel": layer.kernel, "bias": layer.bias}
        named |= {"gamma": layer.gamma, "beta": layer.beta}
        parameters.append({key: jnp.array(a) for key, a in named.items() if a is not None})
        moments = {"mean": layer.moving_mean, "variance": layer.moving_variance}
        moving.append({key: jnp.array(a) for key, a in moments.items() if a is not None})
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    key = jax.random.key(0, impl="rbg")  # the fastest of its generators
    state: Any = (parameters, moving, *zeros, jnp.zeros((), jnp.int32), key)
    inputs, labels = jax.device_put(x), jax.device_put(y)

    def step(dropout: float = network.dropout) -> float:
        nonlocal state
        state, loss = _step(state, inputs, labels, network.learning_rate, network.epsilon, dropout)
        jax.block_until_ready(state)
        return float(loss)

    return Contender(step, lambda: [step(0.0) for _ in range(steps)])


@jax.jit
def _infer(pairs: Any, x: Any) -> Any:
    for kernel, bias in pairs[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = pairs[-1]
    return x @ kernel + bias


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer, as one program."""
    on_device, inputs = jax.device_put(list(pairs)), jax.device_put(x)
    return Contender.of(lambda: _infer(on_device, inputs).block_until_ready())
