"""Element-wise activations, one pass over an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Trial

NAMES = ("relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "silu")
SIZES = (4096, 1 << 20)  # one fits in L1, the other in no cache below L2

# Both libraries promise a few units in the last place for each value, exponentials included; elu
# and selu lose up to two more where NumPy has to subtract, and silu where it multiplies.
TOLERANCE_IN_EPSILONS = 16

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(x: Array, out: Array) -> Array:
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def _leaky_relu(x: Array, out: Array) -> Array:
    np.multiply(x, x.dtype.type(0.2), out=out)
    return np.maximum(out, x, out=out)


def _elu(x: Array, out: Array) -> Array:
    np.minimum(x, 0, out=out)
    np.expm1(out, out=out)
    np.copyto(out, x, where=x > 0)
    return out


def _selu(x: Array, out: Array) -> Array:
    np.minimum(x, 0, out=out)
    np.expm1(out, out=out)
    out *= x.dtype.type(SELU_ALPHA)
    np.copyto(out, x, where=x > 0)
    out *= x.dtype.type(SELU_SCALE)
    return out


def _silu(x: Array, out: Array) -> Array:
    return np.multiply(x, _sigmoid(x, out), out=out)


NUMPY: dict[str, Callable[[Array, Array], Array]] = {
    "relu": lambda x, out: np.maximum(x, 0, out=out),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "sigmoid": _sigmoid,
    "tanh": lambda x, out: np.tanh(x, out=out),
    "silu": _silu,
}


def cases() -> list[Case]:
    """Return every activation by size in float32, and two in float64."""
    single = [_case(name, size, np.float32) for name in NAMES for size in SIZES]
    return [*single, *(_case(name, SIZES[1], np.float64) for name in ("sigmoid", "tanh"))]


def _case(name: str, size: int, dtype: Any) -> Case:
    type_name = np.dtype(dtype).name

    def prepare() -> Trial:
        x = np.random.default_rng(0).normal(scale=2, size=size).astype(dtype)

        def unitgain() -> Contender:
            activation, out = getattr(ug.activations, name), np.empty_like(x)
            slope = {"negative_slope": 0.2} if name == "leaky_relu" else {}
            return Contender.of(lambda: activation(x, out=out, **slope))

        def numpy() -> Contender:
            activation, out = NUMPY[name], np.empty_like(x)
            return Contender.of(lambda: activation(x, out))

        def torch() -> Contender:
            import torch
            from torch.nn import functional

            activation = getattr(torch, name, None) or getattr(functional, name)
            slope = {"negative_slope": 0.2} if name == "leaky_relu" else {}
            values = torch.from_numpy(x)

            @torch.inference_mode()
            def run() -> Any:
                return activation(values, **slope)

            return Contender.of(run)

        def jax() -> Contender:
            from .jax_network import jax

            slope = {"negative_slope": 0.2} if name == "leaky_relu" else {}
            function = getattr(jax.nn, name)
            activation = jax.jit(lambda values: function(values, **slope))
            values = jax.device_put(x)
            return Contender.of(lambda: activation(values).block_until_ready())

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        return Trial(contenders, TOLERANCE_IN_EPSILONS * float(np.finfo(dtype).eps))

    title = f"{name} of {size} values, {type_name}"
    quick = name == "tanh" and dtype == np.float32
    return Case(f"activations/{name}/{type_name}/{size}", title, prepare, quick=quick)
