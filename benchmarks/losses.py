"""Softmax, and losses with their gradients: value and gradient by one call, as in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial, some_rows

SOFTMAX_SIZES = ((128, 256), (1024, 1024), (8192, 1024), (8192, 10))
CROSS_ENTROPY_SIZES = ((128, 10), (512, 1000), (8192, 1024))
ELEMENT_SIZE = (1024, 1024)
ELEMENT_LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "binary_crossentropy")

# Exponentials and sums of single precision, each good to a few units in the last place.
TOLERANCE = 64 * float(np.finfo(np.float32).eps)


def cases() -> list[Case]:
    """Return softmax and cross-entropy by size, and the losses of elements at one size."""
    return [
        *(_softmax("softmax", shape) for shape in SOFTMAX_SIZES),
        *(_softmax("log_softmax", shape) for shape in SOFTMAX_SIZES),
        *(_cross_entropy(shape) for shape in CROSS_ENTROPY_SIZES),
        *(_element_loss(name) for name in ELEMENT_LOSSES),
    ]


def _numpy_log_softmax(x: Array, out: Array) -> Array:
    np.subtract(x, x.max(axis=1, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(axis=1, keepdims=True))
    return out


def _numpy_softmax(x: Array, out: Array) -> Array:
    np.subtract(x, x.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def _softmax(name: str, shape: tuple[int, int]) -> Case:
    def prepare() -> Trial:
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)

        def unitgain() -> Contender:
            out = np.empty_like(x)
            function = getattr(ug.activations, name)
            return Contender.of(lambda: function(x, out=out))

        def numpy() -> Contender:
            out = np.empty_like(x)
            function = _numpy_softmax if name == "softmax" else _numpy_log_softmax
            return Contender.of(lambda: function(x, out))

        def torch() -> Contender:
            import torch

            values = torch.from_numpy(x)
            out = torch.empty_like(values)

            @torch.inference_mode()
            def run() -> Any:
                return getattr(torch, name)(values, dim=1, out=out)

            return Contender.of(run)

        def jax() -> Contender:
            from .jax_network import jax

            function = jax.jit(lambda values: getattr(jax.nn, name)(values, axis=1))
            values = jax.device_put(x)
            return Contender.of(lambda: function(values).block_until_ready())

        def exact() -> Exact:
            rows = some_rows(shape)
            wide = x[rows].astype(np.float64)
            function = _numpy_softmax if name == "softmax" else _numpy_log_softmax
            return Exact.of(function(wide, np.empty_like(wide)), rows)

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        return Trial(contenders, TOLERANCE, exact=exact)

    rows, cols = shape
    title = f"{name} of {rows} rows of {cols}, float32"
    quick = shape == SOFTMAX_SIZES[0]
    return Case(f"losses/{name}/{rows}x{cols}", title, prepare, quick=quick)


def _numpy_cross_entropy(x: Array, labels: Array, out: Array) -> Array:
    rows = np.arange(len(x))
    _numpy_softmax(x, out)
    out[rows, labels] -= 1
    out /= x.dtype.type(len(x))
    return out


def _torch_gradient(y_pred: Array, loss: Callable[[Any], Any]) -> Contender:
    """Return the contender that runs a loss of PyTorch's forward and backward."""
    import torch

    values = torch.from_numpy(y_pred).requires_grad_()

    def run() -> Any:
        (gradient,) = torch.autograd.grad(loss(values), values)
        return gradient

    return Contender.of(run)


def _cross_entropy(shape: tuple[int, int]) -> Case:
    rows, cols = shape

    def prepare() -> Trial:
        rng = np.random.default_rng(0)
        x = rng.normal(size=shape).astype(np.float32)
        labels = rng.integers(0, cols, rows).astype(np.int32)

        def unitgain() -> Contender:
            loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
            out = np.empty_like(x)
            return Contender.of(lambda: loss.value_and_gradient(labels, x, out=out)[1])

        def numpy() -> Contender:
            out = np.empty_like(x)
            return Contender.of(lambda: _numpy_cross_entropy(x, labels, out))

        def torch() -> Contender:
            import torch

            targets = torch.from_numpy(labels.astype(np.int64))
            function = torch.nn.functional.cross_entropy
            return _torch_gradient(x, lambda values: function(values, targets))

        def exact() -> Exact:
            wide = x.astype(np.float64)
            return Exact.of(_numpy_cross_entropy(wide, labels, np.empty_like(wide)))

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        return Trial(contenders, TOLERANCE, exact=exact)

    title = f"cross-entropy of {rows} rows of {cols} logits with its gradient, float32"
    quick = shape == CROSS_ENTROPY_SIZES[0]
    return Case(f"losses/cross_entropy/{rows}x{cols}", title, prepare, quick=quick)


NUMPY: dict[str, Callable[[Array, Array], Array]] = {
    "mean_squared_error": lambda y, t: (y - t) * y.dtype.type(2 / y.size),
    "mean_absolute_error": lambda y, t: np.sign(y - t) * y.dtype.type(1 / y.size),
    "huber": lambda y, t: np.clip(y - t, -1, 1) * y.dtype.type(1 / y.size),
    "binary_crossentropy": lambda y, t: (y - t) / (y * (1 - y)) * y.dtype.type(1 / y.size),
}
TORCH = {
    "mean_squared_error": "mse_loss",
    "mean_absolute_error": "l1_loss",
    "huber": "huber_loss",
    "binary_crossentropy": "binary_cross_entropy",
}


def _element_loss(name: str) -> Case:
    def prepare() -> Trial:
        rng = np.random.default_rng(0)
        y, t = (rng.uniform(0.05, 0.95, ELEMENT_SIZE).astype(np.float32) for _ in range(2))

        def unitgain() -> Contender:
            loss, out = ug.losses.get(name), np.empty_like(y)
            return Contender.of(lambda: loss.value_and_gradient(t, y, out=out)[1])

        def numpy() -> Contender:
            return Contender.of(lambda: NUMPY[name](y, t))

        def torch() -> Contender:
            import torch

            targets = torch.from_numpy(t)
            function = getattr(torch.nn.functional, TORCH[name])
            return _torch_gradient(y, lambda values: function(values, targets))

        def exact() -> Exact:
            return Exact.of(NUMPY[name](y.astype(np.float64), t.astype(np.float64)))

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        return Trial(contenders, TOLERANCE, exact=exact)

    rows, cols = ELEMENT_SIZE
    title = f"{name} of {rows} rows of {cols} with its gradient, float32"
    return Case(f"losses/{name}/{rows}x{cols}", title, prepare)
