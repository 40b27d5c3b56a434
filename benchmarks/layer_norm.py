"""Layer normalisation, forward with its gradient: the operations that a training step runs."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial

EPSILON = 1e-3
SHAPES = ((128, 300), (1024, 1024), (8192, 1024))


def cases() -> list[Case]:
    """Return the cases by rows and features."""
    return [_both(rows, features) for rows, features in SHAPES]


def _both(rows: int, features: int) -> Case:
    def prepare() -> Trial:
        generator = np.random.default_rng(0)
        x = 1 + 2 * generator.standard_normal((rows, features), np.float32)
        upstream = generator.standard_normal((rows, features), np.float32)
        gamma = generator.uniform(0.5, 1.5, features).astype(np.float32)
        beta = generator.standard_normal(features, np.float32)

        def unitgain() -> Contender:
            from unitgain._native import ops

            threads = ug.num_threads()

            def run() -> Any:
                return ops.layer_norm(x, upstream, gamma, beta, EPSILON, threads=threads)

            return Contender(run, lambda: _flat(run()))

        def numpy() -> Contender:
            def run() -> Any:
                return _numpy(x, upstream, gamma, beta)

            return Contender(run, lambda: _flat(run()))

        def torch() -> Contender:
            import torch

            values, above, scale, shift = map(torch.from_numpy, (x, upstream, gamma, beta))
            shape, mask = [features], [True, True, True]

            @torch.inference_mode()
            def run() -> Any:
                y, mean, inverse = torch.native_layer_norm(values, shape, scale, shift, EPSILON)
                gradients = torch.ops.aten.native_layer_norm_backward(
                    above, values, shape, mean, inverse, scale, shift, mask
                )
                return y, *gradients

            return Contender(run, lambda: _flat(run()))

        def exact() -> Exact:
            wide = (array.astype(np.float64) for array in (x, upstream, gamma, beta))
            return Exact.of(_flat(_numpy(*wide)))

        # Sums of a row's or a column's terms, in any order (Higham, "Accuracy and Stability of
        # Numerical Algorithms", 2nd edition, 2002, section 4.2).
        tolerance = 2 * max(rows, features) * float(np.finfo(np.float32).eps)
        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        return Trial(contenders, tolerance, exact=exact)

    title = f"layer norm, forward and backward, {rows} x {features}"
    return Case(f"layer_norm/both/{rows}x{features}", title, prepare, quick=rows == 128)


def _numpy(x: Array, upstream: Array, gamma: Array, beta: Array) -> tuple[Array, ...]:
    """Return the outputs, and the gradients of the input, gamma and beta."""
    features, epsilon = x.dtype.type(x.shape[1]), x.dtype.type(EPSILON)
    normalized = x - x.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", normalized, normalized) / features
    inverse = (1 / np.sqrt(variance + epsilon))[:, None]
    normalized *= inverse
    y = normalized * gamma
    y += beta
    gradient = upstream * gamma
    product = np.einsum("ij,ij->i", gradient, normalized) / features
    gradient -= gradient.mean(axis=1, keepdims=True)
    gamma_gradient = np.einsum("ij,ij->j", upstream, normalized)
    normalized *= product[:, None]
    gradient -= normalized
    gradient *= inverse
    return y, gradient, gamma_gradient, upstream.sum(axis=0)


def _flat(parts: Any) -> Array:
    """Return arrays one behind the other, each relative to its largest value."""
    arrays = [np.ravel(np.asarray(part)) for part in parts]
    return np.concatenate([a / np.abs(a).max() for a in arrays])
