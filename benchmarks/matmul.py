"""Matrix products, plain and with the bias and ReLU of a dense layer."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Trial

# Rows, inner size and columns. The thin ones are dense layers on a batch of 32 and on one row.
SHAPES = ((64, 64, 64), (256, 256, 256), (1024, 1024, 1024), (32, 64, 256), (1, 784, 512))
QUICK_SHAPE = (32, 64, 256)


def cases() -> list[Case]:
    """Return the products by type and shape, then those with an epilogue."""
    plain = [_plain(shape, dtype) for dtype in (np.float32, np.float64) for shape in SHAPES]
    return [*plain, _dense(32, 256, 128), _dense(1024, 1024, 1024)]


def _tolerance(a: Array, b: Array, extra: int = 0) -> float:
    """Return how far two correctly rounded products may lie apart, relative to the largest value.

    Whatever the order of its sum, a product of inner size k is within k u |A| |B| of the exact
    one, u being half the type's epsilon (N. J. Higham, "Accuracy and Stability of Numerical
    Algorithms", 2nd edition, 2002, equation 3.13), so two are within twice that. ``extra`` counts
    further roundings.
    """
    largest = np.max(np.abs(a) @ np.abs(b)) / np.max(np.abs(a @ b))
    return float((a.shape[1] + extra) * np.finfo(a.dtype).eps * largest)


def _operands(m: int, k: int, n: int, dtype: Any) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    a = generator.standard_normal((m, k)).astype(dtype)
    b = generator.standard_normal((k, n)).astype(dtype)
    return a, b


def _describe(m: int, k: int, n: int) -> str:
    return f"{m} x {k} by {k} x {n}" if {m, k, n} != {m} else f"{m} x {m}"


def _plain(shape: tuple[int, int, int], dtype: Any) -> Case:
    m, k, n = shape
    type_name = np.dtype(dtype).name

    def prepare() -> Trial:
        a, b = _operands(m, k, n, dtype)

        def unitgain() -> Contender:
            out = np.empty((m, n), dtype)
            return Contender.of(lambda: ug.matmul(a, b, out=out))

        def numpy() -> Contender:
            out = np.empty((m, n), dtype)
            return Contender.of(lambda: np.matmul(a, b, out=out))

        def torch() -> Contender:
            import torch

            left, right, out = torch.from_numpy(a), torch.from_numpy(b), torch.empty(m, n)
            out = out.to(left.dtype)
            return Contender.of(lambda: torch.mm(left, right, out=out))

        def jax() -> Contender:
            from .jax_network import jax

            product = jax.jit(jax.numpy.matmul)
            left, right = jax.device_put(a), jax.device_put(b)
            return Contender.of(lambda: product(left, right).block_until_ready())

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        return Trial(contenders, _tolerance(a, b), operations=2 * m * k * n)

    title = f"matrix product, {_describe(m, k, n)}, {type_name}"
    return Case(f"matmul/{type_name}/{m}x{k}x{n}", title, prepare, quick=shape == QUICK_SHAPE)


def _dense(m: int, k: int, n: int) -> Case:
    def prepare() -> Trial:
        a, b = _operands(m, k, n, np.float32)
        bias = np.random.default_rng(1).standard_normal(n).astype(np.float32)

        def unitgain() -> Contender:
            out = np.empty((m, n), np.float32)
            return Contender.of(lambda: ug.matmul(a, b, out=out, bias=bias, activation="relu"))

        def numpy() -> Contender:
            out = np.empty((m, n), np.float32)

            def run() -> Array:
                np.matmul(a, b, out=out)
                np.add(out, bias, out=out)
                return np.maximum(out, 0, out=out)

            return Contender.of(run)

        def torch() -> Contender:
            import torch

            left, right, shift = (torch.from_numpy(array) for array in (a, b, bias))

            @torch.inference_mode()
            def run() -> Any:
                return torch.addmm(shift, left, right).relu_()

            return Contender.of(run)

        def jax() -> Contender:
            from .jax_network import jax

            layer = jax.jit(lambda x, kernel, shift: jax.nn.relu(x @ kernel + shift))
            arguments = [jax.device_put(array) for array in (a, b, bias)]
            return Contender.of(lambda: layer(*arguments).block_until_ready())

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        return Trial(contenders, _tolerance(a, b, extra=1), operations=2 * m * k * n)

    title = f"matrix product with bias and ReLU, {_describe(m, k, n)}, float32"
    return Case(f"matmul/bias-relu/{m}x{k}x{n}", title, prepare, quick=m == 32)
