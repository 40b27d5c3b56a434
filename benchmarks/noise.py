"""Dropout and Gaussian noise, drawn anew at each run."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial

RATE, DEVIATION = 0.5, 0.5
SHAPES = ((128, 256), (1024, 1024), (8192, 1024))


def cases() -> list[Case]:
    """Return the cases by shape."""
    return [kind(*shape) for kind in (_dropout, _gaussian_noise) for shape in SHAPES]


def _summary(y: Any, x: Array) -> Array:
    """Return what must agree between libraries that draw different numbers: mean and deviation."""
    drawn = np.asarray(y, np.float64) - x
    return np.array([np.asarray(y, np.float64).mean(), drawn.std()])


def _dropout(rows: int, cols: int) -> Case:
    def prepare() -> Trial:
        x = np.random.default_rng(0).uniform(0.5, 1.5, (rows, cols)).astype(np.float32)

        def unitgain() -> Contender:
            def run() -> Any:
                return ug.random.dropout(x, RATE)

            return Contender(run, lambda: _summary(run(), x))

        def numpy() -> Contender:
            generator, scale = np.random.default_rng(1), np.float32(1 / (1 - RATE))

            def run() -> Any:
                kept = generator.random(x.shape, np.float32) >= RATE
                y = np.multiply(x, scale)
                y *= kept
                return y

            return Contender(run, lambda: _summary(run(), x))

        def torch() -> Contender:
            import torch

            values = torch.from_numpy(x)

            @torch.inference_mode()
            def run() -> Any:
                return torch.nn.functional.dropout(values, RATE, training=True)

            return Contender(run, lambda: _summary(run(), x))

        def jax() -> Contender:
            from .jax_network import jax

            @jax.jit
            def drop(key: Any, values: Any) -> Any:
                key, own = jax.random.split(key)
                kept = jax.random.bernoulli(own, 1 - RATE, values.shape)
                return key, jax.numpy.where(kept, values / (1 - RATE), 0)

            state, values = jax.random.key(0), jax.device_put(x)

            def run() -> Any:
                nonlocal state
                state, y = jax.block_until_ready(drop(state, values))
                return y

            return Contender(run, lambda: _summary(run(), x))

        def exact() -> Exact:
            # Kept values double, the others vanish: either way by their own amount.
            wide = x.astype(np.float64)
            return Exact.of([wide.mean(), np.sqrt(np.mean(wide**2) * RATE / (1 - RATE))])

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch, "JAX": jax}
        return Trial(contenders, _tolerance(rows * cols), exact=exact)

    title = f"dropout of {rows} x {cols} values, float32"
    return Case(f"noise/dropout/{rows}x{cols}", title, prepare, quick=rows == 1024)


def _gaussian_noise(rows: int, cols: int) -> Case:
    def prepare() -> Trial:
        x = np.random.default_rng(0).uniform(0.5, 1.5, (rows, cols)).astype(np.float32)

        def unitgain() -> Contender:
            model = ug.Sequential([ug.layers.Input((cols,)), ug.layers.GaussianNoise(DEVIATION)])

            def run() -> Any:
                return model(x, training=True)

            return Contender(run, lambda: _summary(run(), x))

        def numpy() -> Contender:
            generator = np.random.default_rng(1)

            def run() -> Any:
                y = generator.standard_normal(x.shape, np.float32)
                y *= np.float32(DEVIATION)
                y += x
                return y

            return Contender(run, lambda: _summary(run(), x))

        def torch() -> Contender:
            import torch

            values = torch.from_numpy(x)

            @torch.inference_mode()
            def run() -> Any:
                return torch.randn_like(values).mul_(DEVIATION).add_(values)

            return Contender(run, lambda: _summary(run(), x))

        def exact() -> Exact:
            return Exact.of([x.mean(dtype=np.float64), DEVIATION])

        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        return Trial(contenders, _tolerance(rows * cols), exact=exact)

    title = f"Gaussian noise on {rows} x {cols} values, float32"
    return Case(f"noise/gaussian_noise/{rows}x{cols}", title, prepare)


def _tolerance(values: int) -> float:
    """Return six standard deviations of the mean of so many draws, each of deviation about one."""
    return 6 * float(np.sqrt(2 / values))
