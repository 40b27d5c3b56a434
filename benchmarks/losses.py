"""Softmax, and losses with their gradients: value and gradient by one call, as in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import _native

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Formulas, Trial, some_rows

SOFTMAX_SIZES = ((128, 256), (1024, 1024), (8192, 1024), (8192, 10))
CROSS_ENTROPY_SIZES = ((128, 10), (512, 1000), (8192, 1024))
ELEMENT_SIZE = (1024, 1024)
OF_CLASSES = "sparse_categorical_crossentropy"  # as training has it, of logits and labels

# Exponentials and sums of single precision, each good to a few units in the last place.
TOLERANCE = 64 * float(np.finfo(np.float32).eps)


def cases() -> list[Case]:
    """Return softmax and cross-entropy by size, and the other losses at one size."""
    return [
        *(_softmax("softmax", shape) for shape in SOFTMAX_SIZES),
        *(_softmax("log_softmax", shape) for shape in SOFTMAX_SIZES),
        *(_cross_entropy(shape) for shape in CROSS_ENTROPY_SIZES),
        *(_loss(name) for name in _native.loss_names if name != OF_CLASSES),
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


def _share(y: Array, factor: float = 1) -> Any:
    return y.dtype.type(factor / y.size)


def _of_class_and_rest(y: Array, t: Array) -> Any:
    """Return the gradient of ``max(0, 1 + max((1 - t) y) - sum(t y))``."""
    rest = (1 - t) * y
    largest = np.zeros_like(y)
    largest[np.arange(len(y)), rest.argmax(axis=1)] = 1
    active = 1 + rest.max(axis=1) > (t * y).sum(axis=1)
    return ((1 - t) * largest - t) * active[:, None] * y.dtype.type(1 / len(y))


def _gaussian(y: Array, t: Array) -> Any:
    mean, variance = np.split(y, 2, axis=1)
    error = mean - t
    slope = (1 - error * error / variance) / (2 * variance)
    return np.concatenate([error / variance, slope], axis=1) * _share(y, 2)


def _focal(y: Array, t: Array) -> Any:
    missing = t * (1 - y) + (1 - t) * y
    entropy = -(t * np.log(y) + (1 - t) * np.log1p(-y))
    slope = (y - t) / (y * (1 - y))
    return missing * (2 * (1 - 2 * t) * entropy + missing * slope) * _share(y)


def _cosine(y: Array, t: Array) -> Any:
    length, of_targets = (np.sqrt((a * a).sum(axis=1, keepdims=True)) for a in (y, t))
    cosine = (y * t).sum(axis=1, keepdims=True) / (length * of_targets)
    return (cosine * y / length - t / of_targets) / length * y.dtype.type(1 / len(y))


# The gradients, of predictions y and targets t.
_gradients: dict[str, Callable[[Array, Array], Array]] = {
    "categorical_crossentropy": lambda y, t: (1 / y.sum(axis=1, keepdims=True) - t / y) / len(y),
    "binary_crossentropy": lambda y, t: (y - t) / (y * (1 - y)) * _share(y),
    "mean_squared_error": lambda y, t: (y - t) * _share(y, 2),
    "mean_absolute_error": lambda y, t: np.sign(y - t) * _share(y),
    "huber": lambda y, t: np.clip(y - t, -1, 1) * _share(y),
    "log_cosh": lambda y, t: np.tanh(y - t) * _share(y),
    "gaussian_nll": _gaussian,
    "poisson": lambda y, t: (1 - t / (y + y.dtype.type(1e-7))) * _share(y),
    "kl_divergence": lambda y, t: -t / y / len(y),
    "hinge": lambda y, t: np.where(t * y < 1, -t, 0) * _share(y),
    "squared_hinge": lambda y, t: -t * np.maximum(1 - t * y, 0) * _share(y, 2),
    "categorical_hinge": _of_class_and_rest,
    "quantile": lambda y, t: np.sign(y - t) * _share(y, 0.5),
    "binary_focal_crossentropy": _focal,
    "cosine_similarity": _cosine,
}
NUMPY = Formulas("benchmarks/losses.py", _gradients)


def _torch_gaussian(f: Any, y: Any, t: Any) -> Any:
    mean, variance = y.split(t.shape[1], dim=1)
    return f.gaussian_nll_loss(mean, t, variance)


# Those that PyTorch has, by its ``torch.nn.functional``.
TORCH: dict[str, Callable[[Any, Any, Any], Any]] = {
    "binary_crossentropy": lambda f, y, t: f.binary_cross_entropy(y, t),
    "mean_squared_error": lambda f, y, t: f.mse_loss(y, t),
    "mean_absolute_error": lambda f, y, t: f.l1_loss(y, t),
    "huber": lambda f, y, t: f.huber_loss(y, t),
    "gaussian_nll": _torch_gaussian,
    "poisson": lambda f, y, t: f.poisson_nll_loss(y, t, log_input=False, eps=1e-7),
    "kl_divergence": lambda f, y, t: f.kl_div(y.log(), t, reduction="batchmean"),
    "cosine_similarity": lambda f, y, t: -f.cosine_similarity(y, t).mean(),
}


def _targets(name: str, rng: np.random.Generator) -> Array:
    """Return what a loss takes: labels, signs, one-hot rows, or values."""
    rows, cols = ELEMENT_SIZE
    spec = _native.LossSpec(name)
    if spec.takes_labels:
        return rng.integers(0, cols, rows).astype(np.int32)
    if spec.takes_signs:
        return (2 * rng.integers(0, 2, ELEMENT_SIZE) - 1).astype(np.float32)
    if name.startswith("categorical"):
        return np.eye(cols, dtype=np.float32)[rng.integers(0, cols, rows)]
    # Half of a row of a normal distribution's predictions are variances.
    wanted = cols // 2 if name == "gaussian_nll" else cols
    return rng.uniform(0.05, 0.95, (rows, wanted)).astype(np.float32)


def _loss(name: str) -> Case:
    def prepare() -> Trial:
        rng = np.random.default_rng(0)
        y = rng.uniform(0.05, 0.95, ELEMENT_SIZE).astype(np.float32)
        t = _targets(name, rng)

        def unitgain() -> Contender:
            loss, out = ug.losses.get(name), np.empty_like(y)
            return Contender.of(lambda: loss.value_and_gradient(t, y, out=out)[1])

        def numpy() -> Contender:
            gradient = NUMPY[name]
            return Contender.of(lambda: gradient(y, t))

        def torch() -> Contender:
            import torch

            targets = torch.from_numpy(t)
            return _torch_gradient(y, lambda y: TORCH[name](torch.nn.functional, y, targets))

        def exact() -> Exact:
            wide = t if t.dtype == np.int32 else t.astype(np.float64)
            return Exact.of(NUMPY[name](y.astype(np.float64), wide))

        contenders = {OURS: unitgain, REFERENCE: numpy}
        if name in TORCH:
            contenders["PyTorch"] = torch
        return Trial(contenders, TOLERANCE, exact=exact)

    rows, cols = ELEMENT_SIZE
    title = f"{name} of {rows} rows of {cols} with its gradient, float32"
    return Case(f"losses/{name}/{rows}x{cols}", title, prepare)
