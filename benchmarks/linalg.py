"""Pseudoinverses, singular value decompositions and least squares of dense matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial, longer

SQUARES = ((64, 64), (256, 256), (512, 512), (1000, 1000), (2000, 2000))
SHAPES = (*SQUARES, (4000, 100), (20000, 100), (10000, 500), (100, 4000))
SMALL = ((64, 32), (200, 100), (1000, 100))
STACK = 2000
STACKED = (8, 32)
# From this many multiplications of a QR decomposition on, NumPy takes too long for a test.
LARGE = 10**7
# Singular values of at most this times the largest are cut off where they decay across it.
DECAY_CUT = {np.float32: 1e-4, np.float64: 1e-8}


@dataclass(frozen=True)
class Work:
    """Each library's result of a function of two arrays.

    ``roundings`` is by how many epsilons of the type, relative to the largest value, two of what
    ``result`` makes of it may differ.
    """

    a: Array
    functions: Mapping[str, Callable[[Any, Any], Any]]
    roundings: float
    b: Array | None = None
    result: Callable[[Any], Any] = np.asarray

    def exact(self) -> Exact:
        """Return the result of NumPy's function in float64, its singular values cut off alike."""
        wide = (None if x is None else x.astype(np.float64) for x in (self.a, self.b))
        return Exact.of(self.result(self.functions[REFERENCE](*wide)))


def cases() -> list[Case]:
    """Return all cases by type, operation and shape."""
    found = []
    for dtype in (np.float32, np.float64):
        for shape in (*SMALL, *SHAPES):
            found.append(_case("pinv", shape, dtype, _pinv, full_rank))
        for shape in SHAPES:
            found.append(_case("pinv_half_rank", shape, dtype, _pinv, half_rank))
            found.append(_case("pinv_decaying", shape, dtype, _pinv, decaying))
            found.append(_case("svd", shape, dtype, _svd, full_rank))
            found.append(_case("svdvals", shape, dtype, _singular_values, full_rank))
        for n in STACKED:
            found.append(_case("stack_pinv", (STACK, n, n), dtype, _pinv, full_rank))
            found.append(_case("stack_svd", (STACK, n, n), dtype, _svd, full_rank))
        for count in (1, 10):
            name, least_squares = f"lstsq{count}", partial(_least_squares, count)
            found.append(_case(name, (20000, 100), dtype, least_squares, full_rank))
    return found


TITLES = {
    "pinv": "pseudoinverse",
    "pinv_half_rank": "pseudoinverse of half the rank",
    "pinv_decaying": "pseudoinverse, decaying across the cut,",
    "svd": "singular value decomposition",
    "svdvals": "singular values",
    "stack_pinv": "pseudoinverses",
    "stack_svd": "singular value decompositions",
    "lstsq1": "least squares, 1 right-hand side,",
    "lstsq10": "least squares, 10 right-hand sides,",
}


def _case(
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    operation: Callable[[Array], Work],
    matrix: Callable[[tuple[int, ...], Any], Array],
) -> Case:
    type_name, extents = np.dtype(dtype).name, "x".join(map(str, shape))
    return Case(
        f"linalg/{name}/{type_name}/{extents}",
        f"{TITLES[name]} of {' x '.join(map(str, shape))}, {type_name}",
        lambda: _trial(operation(matrix(shape, dtype))),
        quick=name == "pinv" and shape == (64, 32),
        large=int(np.prod(shape)) * min(shape[-2:]) > LARGE,
    )


# ---- matrices ----


def full_rank(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return matrices of independent normal entries."""
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def half_rank(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a matrix of half the rank that it could have."""
    rng, (m, n) = np.random.default_rng(0), shape
    rank = min(m, n) // 2
    return (rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))).astype(dtype)


def decaying(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a matrix whose singular values fall geometrically to the square of the cut."""
    rng, (m, n) = np.random.default_rng(0), shape
    k = min(m, n)
    u = np.linalg.qr(rng.standard_normal((m, k)))[0]
    v = np.linalg.qr(rng.standard_normal((n, k)))[0]
    values = np.geomspace(1, DECAY_CUT[dtype] ** 2, k)
    product: Array = (u * values) @ v.T
    return product.astype(dtype)


# ---- operations ----


def _kept_condition(values: Array, cut: float) -> float:
    """Return the condition number of what the cut leaves, or of what lies close to it."""
    largest = values.max(axis=-1, initial=0, keepdims=True)
    return float(np.max(largest / np.where(values > cut * largest, values, largest)))


def _pinv(a: Array) -> Work:
    # A factor of two and more from any singular value of half_rank() and full_rank().
    rtol = DECAY_CUT[a.dtype.type]
    values = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    # Two backward stable pseudoinverses differ by at most the condition number times the roundings
    # on either side, relative to their norm (Å. Björck, "Numerical Methods for Least Squares
    # Problems", 1996, theorem 1.4.2), and those grow with the size. A value at the cut itself
    # may count on one side alone.
    near = (values > 0.9 * rtol * values.max()) & (values < 1.1 * rtol * values.max())
    roundings = 2 * max(a.shape[-2:]) * _kept_condition(values, rtol)
    full = bool(np.all(values > rtol * values.max()))
    if full:
        cut = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
        return Work(
            a,
            {
                OURS: lambda a, _: ug.linalg.pinv(a),
                REFERENCE: lambda a, _: np.linalg.pinv(a),
                "PyTorch": lambda a, _: _torch().linalg.pinv(a),
                # By itself it would cut off ten times as much, and with it values that count.
                "JAX": lambda a, _: _jax().linalg.pinv(a, rtol=cut),
            },
            roundings,
        )
    return Work(
        a,
        {
            OURS: lambda a, _: ug.linalg.pinv(a, rtol=rtol),
            REFERENCE: lambda a, _: np.linalg.pinv(a, rcond=rtol),
            "PyTorch": lambda a, _: _torch().linalg.pinv(a, rtol=rtol),
            "JAX": lambda a, _: _jax().linalg.pinv(a, rtol=rtol),
        },
        float("inf") if near.any() else roundings,
    )


def _product(parts: Any) -> Any:
    """Return what the factors multiply to: the vectors themselves have signs of their own."""
    u, s, vh = map(np.asarray, parts)
    return (u * s[..., None, :]) @ vh


def _svd(a: Array) -> Work:
    return Work(
        a,
        {
            OURS: lambda a, _: ug.linalg.svd(a, full_matrices=False),
            REFERENCE: lambda a, _: np.linalg.svd(a, full_matrices=False),
            "PyTorch": lambda a, _: _torch().linalg.svd(a, full_matrices=False),
            "JAX": lambda a, _: _jax().linalg.svd(a, full_matrices=False),
        },
        10 * max(a.shape[-2:]),
        result=_product,
    )


def _singular_values(a: Array) -> Work:
    return Work(
        a,
        {
            OURS: lambda a, _: ug.linalg.svd(a, compute_uv=False),
            REFERENCE: lambda a, _: np.linalg.svd(a, compute_uv=False),
            "PyTorch": lambda a, _: _torch().linalg.svdvals(a),
            "JAX": lambda a, _: _jax().linalg.svd(a, compute_uv=False),
        },
        max(a.shape[-2:]),
    )


def _least_squares(count: int, a: Array) -> Work:
    b = np.random.default_rng(1).standard_normal((a.shape[0], count)).astype(a.dtype)
    return Work(
        a,
        {
            OURS: lambda a, b: ug.linalg.lstsq(a, b)[0],
            REFERENCE: lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0],
            "PyTorch": lambda a, b: _torch().linalg.lstsq(a, b).solution,
            "JAX": lambda a, b: _jax().linalg.lstsq(a, b)[0],
        },
        # The condition number is near 1, and a residual as large as b.
        10 * max(a.shape),
        b,
    )


# ---- libraries ----


def _torch() -> Any:
    import torch

    return torch


def _jax() -> Any:
    from .jax_network import jax

    return jax.numpy


def _trial(work: Work) -> Trial:
    def contender(library: str) -> Contender:
        function, a, b = work.functions[library], work.a, work.b

        def run() -> Any:
            return function(a, b)

        if library == "PyTorch":
            import torch

            tensors = [None if x is None else torch.from_numpy(x) for x in (a, b)]

            @torch.inference_mode()
            def run() -> Any:
                return function(*tensors)

        elif library == "JAX":
            from .jax_network import jax

            arrays = [None if x is None else jax.device_put(x) for x in (a, b)]
            compiled = jax.jit(function)

            def run() -> Any:
                return jax.block_until_ready(compiled(*arrays))

        return Contender(run, lambda: work.result(run()))

    contenders = {library: partial(contender, library) for library in work.functions}
    epsilon = float(np.finfo(work.a.dtype).eps)
    # No library decomposes in more than float64: there NumPy's result is what all must agree with.
    exact = work.exact if longer(work.a.dtype) == np.float64 else None
    return Trial(contenders, work.roundings * epsilon, exact=exact)
