"""Element-wise activations and their gradients, one pass over an array, and a plain copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import _native

from . import longer
from .activation_peers import (
    JAX,
    NUMPY,
    NUMPY_SLOPES,
    TORCH,
    jax_forward,
    torch_backward,
    torch_forward,
)
from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial, some_rows

NAMES = tuple(name for name in _native.activation_table() if name != "linear")  # a copy
SIZES = ((128, 256), (1024, 1024), (8192, 1024))  # in L2, in no cache below L3, in none
LOOPS = ("relu", "sigmoid", "silu", "tanh", "gelu", "softplus")  # that Numba has
DOUBLES = ("sigmoid", "tanh", "gelu")

# unitgain's values are within two units in the last place, and gradients round once more.
ACCURACY = {name: 4 * float(np.finfo(name).eps) for name in ("float32", "float64")}
# By how much libraries may differ: JAX's slope of GELU by tanh is off by 22 epsilons, NumPy's plain
# formulas lose some where they subtract, and its erf 1.5e-7.
TOLERANCE = {"float32": 32 * float(np.finfo(np.float32).eps), "float64": 1e-6}


def cases() -> list[Case]:
    """Return every activation and gradient in float32, a few in float64, and copies.

    Those that PyTorch has are done at each size.
    """
    single = [
        case(name, shape, np.float32)
        for case in (_forward, _gradient)
        for name in NAMES
        for shape in (SIZES if name in TORCH else SIZES[1:2])
    ]
    double = [
        case(name, SIZES[1], np.float64) for case in (_forward, _gradient) for name in DOUBLES
    ]
    return [*(_copy(shape) for shape in SIZES), *single, *double]


def _values(shape: tuple[int, int], dtype: Any) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(scale=2, size=shape).astype(dtype), rng.standard_normal(shape).astype(dtype)


def _label(shape: tuple[int, int]) -> str:
    return f"{shape[0]}x{shape[1]}"


def _copy(shape: tuple[int, int]) -> Case:
    def prepare() -> Trial:
        x, _ = _values(shape, np.float32)

        def unitgain() -> Contender:
            out = np.empty_like(x)
            return Contender.of(lambda: ug.activations.linear(x, out=out))

        def numpy() -> Contender:
            out = np.empty_like(x)

            def run() -> Array:
                np.copyto(out, x)
                return out

            return Contender.of(run)

        def torch() -> Contender:
            import torch

            values, result = torch.from_numpy(x), torch.empty(shape)
            return Contender.of(lambda: result.copy_(values))

        return Trial({OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}, 0.0)

    name = _label(shape)
    return Case(f"activations/copy/float32/{name}", f"a copy of {name} values, float32", prepare)


def _forward(name: str, shape: tuple[int, int], dtype: Any) -> Case:
    def prepare() -> Trial:
        x, _ = _values(shape, dtype)

        def unitgain() -> Contender:
            activation, out = getattr(ug.activations, name), np.empty_like(x)
            return Contender.of(lambda: activation(x, out=out))

        def numpy() -> Contender:
            activation, out = NUMPY[name], np.empty_like(x)
            return Contender.of(lambda: activation(x, out))

        def torch() -> Contender:
            import torch

            activation, values = torch_forward(name), torch.from_numpy(x)
            return Contender.of(torch.inference_mode()(lambda: activation(values)))

        def jax() -> Contender:
            from .jax_network import jax

            activation, values = jax.jit(jax_forward(name)), jax.device_put(x)
            return Contender.of(lambda: activation(values).block_until_ready())

        def numba() -> Contender:
            from . import numba_loops

            activation, out = numba_loops.activation(name), np.empty_like(x)
            return Contender.of(lambda: activation(x, out))

        def exact() -> Exact:
            rows = some_rows(shape)
            return Exact(rows, longer.activation(name, x[rows]), dtype)

        contenders = {OURS: unitgain, REFERENCE: numpy, **_peers(name, torch, jax)}
        if name in LOOPS and dtype == np.float32:
            contenders["Numba"] = numba
        return _trial(contenders, dtype, exact)

    return _case(name, shape, dtype, prepare)


def _gradient(name: str, shape: tuple[int, int], dtype: Any) -> Case:
    def prepare() -> Trial:
        x, upstream = _values(shape, dtype)

        def unitgain() -> Contender:
            return Contender.of(lambda: ug.activations.gradient(name, x, upstream))

        def numpy() -> Contender:
            slope, out = NUMPY_SLOPES[name], np.empty_like(x)
            return Contender.of(lambda: np.multiply(slope(x), upstream, out=out))

        def torch() -> Contender:
            import torch

            with torch.inference_mode():
                backward = torch_backward(name, torch.from_numpy(x), torch.from_numpy(upstream))
            return Contender.of(torch.inference_mode()(backward))

        def jax() -> Contender:
            from .jax_network import jax

            function = jax_forward(name)
            gradient = jax.jit(lambda value, above: jax.vjp(function, value)[1](above)[0])
            values, above = jax.device_put(x), jax.device_put(upstream)
            return Contender.of(lambda: gradient(values, above).block_until_ready())

        def exact() -> Exact:
            rows = some_rows(shape)
            return Exact(rows, longer.slope(name, x[rows]) * upstream[rows], dtype)

        contenders = {OURS: unitgain, REFERENCE: numpy, **_peers(name, torch, jax)}
        return _trial(contenders, dtype, exact)

    return _case(f"{name} gradient", shape, dtype, prepare)


def _peers(
    name: str, torch: Callable[[], Contender], jax: Callable[[], Contender]
) -> dict[str, Callable[[], Contender]]:
    """Return the contenders of those that have the activation."""
    tables = {"PyTorch": (TORCH, torch), "JAX": (JAX, jax)}
    return {library: run for library, (table, run) in tables.items() if name in table}


def _trial(
    contenders: dict[str, Callable[[], Contender]], dtype: Any, exact: Callable[[], Exact]
) -> Trial:
    kind = np.dtype(dtype).name
    return Trial(contenders, TOLERANCE[kind], accuracy=ACCURACY[kind], exact=exact)


def _case(name: str, shape: tuple[int, int], dtype: Any, prepare: Callable[[], Trial]) -> Case:
    kind, size = np.dtype(dtype).name, _label(shape)
    quick = name == "tanh" and dtype == np.float32 and shape != SIZES[2]
    return Case(
        f"activations/{name.replace(' ', '_')}/{kind}/{size}",
        f"{name} of {size} values, {kind}",
        prepare,
        quick=quick,
    )
