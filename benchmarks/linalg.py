"""Pseudoinverses of dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Case, Contender, Trial

SHAPES = ((64, 32), (200, 100), (256, 256), (1000, 100))


def cases() -> list[Case]:
    """Return the pseudoinverses by type and shape."""
    return [_pinv(shape, dtype) for dtype in (np.float32, np.float64) for shape in SHAPES]


def _pinv(shape: tuple[int, int], dtype: Any) -> Case:
    m, n = shape
    type_name = np.dtype(dtype).name

    def prepare() -> Trial:
        a = np.random.default_rng(0).standard_normal(shape).astype(dtype)

        def torch() -> Contender:
            import torch

            matrix = torch.from_numpy(a)

            @torch.inference_mode()
            def run() -> Any:
                return torch.linalg.pinv(matrix)

            return Contender.of(run)

        def jax() -> Contender:
            from .jax_network import jax

            pinv, matrix = jax.jit(jax.numpy.linalg.pinv), jax.device_put(a)
            return Contender.of(lambda: pinv(matrix).block_until_ready())

        def scipy() -> Contender:
            import scipy.linalg

            return Contender.of(lambda: scipy.linalg.pinv(a, check_finite=False))

        contenders = {
            OURS: lambda: Contender.of(lambda: ug.linalg.pinv(a)),
            REFERENCE: lambda: Contender.of(lambda: np.linalg.pinv(a)),
            "PyTorch": torch,
            "JAX": jax,
            "SciPy": scipy,
        }
        # Two backward stable pseudoinverses of a full-rank matrix differ by at most its condition
        # number times the roundings on either side, relative to their norm (Å. Björck, "Numerical
        # Methods for Least Squares Problems", 1996, theorem 1.4.2), and those grow with the size.
        condition = float(np.linalg.cond(a.astype(np.float64)))
        return Trial(contenders, 2 * max(shape) * condition * float(np.finfo(dtype).eps))

    title = f"pseudoinverse of {m} x {n}, {type_name}"
    return Case(f"linalg/pinv/{type_name}/{m}x{n}", title, prepare, quick=shape == (64, 32))
