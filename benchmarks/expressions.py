"""Functions of one's own with their gradients, beside PyTorch as it is, and compiled.

A case whose name ends in ``compiled`` is beside ``torch.compile``; which needs a C++ compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import ops

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial, some_rows

SIZES = ((128, 10), (8192, 10), (1024, 1024))
TOLERANCE = 256 * float(np.finfo(np.float32).eps)
LEAST = 1e-7


def cases() -> list[Case]:
    """Return a loss of rows and a function of elements by size, beside both ways of PyTorch."""
    return [
        _case(name, shape, compiled)
        for name in FUNCTIONS
        for shape in SIZES
        for compiled in (False, True)
    ]


def _focal(y: Any, t: Any) -> Any:
    p = ops.clip(ops.softmax(y), LEAST, 1 - LEAST)
    return ops.mean(-ops.sum(t * (1 - p) ** 2 * ops.log(p), axis=-1))


def _torch_focal(y: Any, t: Any) -> Any:
    import torch

    p = torch.clamp(torch.softmax(y, -1), LEAST, 1 - LEAST)
    return torch.mean(-torch.sum(t * (1 - p) ** 2 * torch.log(p), -1))


def _numpy_focal(y: Array, t: Array) -> Array:
    e = np.exp(y - y.max(axis=1, keepdims=True))
    q = e / e.sum(axis=1, keepdims=True)
    p = np.clip(q, LEAST, 1 - LEAST)
    slope = t * (2 * (1 - p) * np.log(p) - (1 - p) ** 2 / p) * (q == p)
    gradient: Array = q * (slope - (slope * q).sum(axis=1, keepdims=True))
    gradient *= y.dtype.type(1 / len(y))
    return gradient


def _gated(y: Any, t: Any) -> Any:
    return ops.mean(ops.where(y > 0, y * ops.tanh(y), 0.1 * ops.sin(t) * y))


def _torch_gated(y: Any, t: Any) -> Any:
    import torch

    return torch.mean(torch.where(y > 0, y * torch.tanh(y), 0.1 * torch.sin(t) * y))


def _numpy_gated(y: Array, t: Array) -> Array:
    tanh = np.tanh(y)
    slope = np.where(y > 0, tanh + y * (1 - tanh * tanh), y.dtype.type(0.1) * np.sin(t))
    gradient: Array = slope * y.dtype.type(1 / y.size)
    return gradient


Functions = tuple[Callable[..., Any], Callable[..., Any], Callable[[Array, Array], Array], str]
FUNCTIONS: dict[str, Functions] = {
    "focal": (_focal, _torch_focal, _numpy_focal, "focal loss"),
    "gated": (_gated, _torch_gated, _numpy_gated, "gated activation"),
}


def _case(name: str, shape: tuple[int, int], compiled: bool) -> Case:
    function, torch_function, numpy_function, title = FUNCTIONS[name]

    def prepare() -> Trial:
        rng = np.random.default_rng(0)
        y = rng.normal(size=shape).astype(np.float32)
        t = np.eye(shape[1], dtype=np.float32)[rng.integers(0, shape[1], shape[0])]

        def unitgain() -> Contender:
            both = ug.value_and_grad(function)
            return Contender.of(lambda: both(y, t)[1])

        def torch() -> Contender:
            import torch

            values = torch.from_numpy(y).requires_grad_()
            targets = torch.from_numpy(t)
            loss = torch.compile(torch_function) if compiled else torch_function

            def run() -> Any:
                (gradient,) = torch.autograd.grad(loss(values, targets), values)
                return gradient

            return Contender.of(run)

        def exact() -> Exact:
            rows = some_rows(shape)
            wide = numpy_function(y.astype(np.float64), t.astype(np.float64))
            return Exact.of(wide[rows], rows)

        contenders = {
            OURS: unitgain,
            REFERENCE: lambda: Contender.of(lambda: numpy_function(y, t)),
            "PyTorch": torch,
        }
        return Trial(contenders, TOLERANCE, exact=exact)

    rows, cols = shape
    way = "compiled" if compiled else "eager"
    return Case(
        f"expressions/{name}/{rows}x{cols}/{way}",
        f"{title} of one's own of {rows} rows of {cols} with its gradient, float32; PyTorch {way}",
        prepare,
        quick=shape == SIZES[0] and not compiled,
    )
