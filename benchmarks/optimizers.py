"""One step of an optimizer on arrays: one large one, or those of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import _native

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial
from .optimizer_formulas import Rule

RATE, MOMENTUM, EPSILON = 1e-3, 0.9, 1e-7
BETA_1, BETA_2, RHO, DECAY = 0.9, 0.999, 0.9, 0.004
STEPS = 3  # after which the weights are compared
# Some roundings of the weights, whose largest is about 4. A learning rate that is one percent off
# moves them by 3e-5. PyTorch adds epsilon elsewhere, which gradients above 1/2 do not show.
TOLERANCE = 1e-6

NETWORK = ((64, 128), (128,), (128, 64), (64,), (64, 10), (10,))
SIZES: dict[str, tuple[tuple[int, ...], ...]] = {
    "9000": ((9000,),),
    "50000": ((50_000,),),
    "4000000": ((4_000_000,),),
    "64-128-64-10": NETWORK,
}
# The optimizers with fast forms in NumPy, and their arguments.
USUAL: dict[str, dict[str, float]] = {
    "adam": {},
    "adamw": {"weight_decay": DECAY},
    "sgd": {"momentum": MOMENTUM},
    "rmsprop": {},
}
_Step = Callable[[Array, Array], None]


def cases() -> list[Case]:
    """Return the usual optimizers by size, and the others on a network's arrays."""
    others = [name for name in _native.optimizer_names if name not in USUAL]
    return [
        *(_case(kind, size) for kind in USUAL for size in SIZES),
        *(_case(kind, "64-128-64-10") for kind in others),
    ]


def _arrays(shapes: tuple[tuple[int, ...], ...], seed: int) -> list[Array]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape, np.float32) for shape in shapes]


def _ours(kind: str) -> ug.optimizers.Optimizer:
    made: Any = type(ug.optimizers.get(kind))
    optimizer: ug.optimizers.Optimizer = made(RATE, **USUAL.get(kind, {}))
    return optimizer


def _numpy_steps(
    kind: str, shapes: tuple[tuple[int, ...], ...], real: Any = np.float32
) -> list[_Step]:
    """Return a function for each array, which works in place with two arrays of scratch."""

    def make(shape: tuple[int, ...]) -> _Step:
        m, v, a, b = (np.zeros(shape, real) for _ in range(4))
        count = 0

        def moments(g: Array, decay: float) -> None:
            np.multiply(g, g, out=a)
            np.subtract(a, v, out=a)
            np.multiply(a, real(1 - decay), out=a)
            np.add(v, a, out=v)

        def adam(w: Array, g: Array) -> None:
            nonlocal count
            count += 1
            if kind == "adamw":
                w *= real(1 - RATE * DECAY)
            np.subtract(g, m, out=a)
            np.multiply(a, real(1 - BETA_1), out=a)
            np.add(m, a, out=m)
            moments(g, BETA_2)
            np.sqrt(v, out=a)
            np.add(a, real(EPSILON), out=a)
            np.divide(m, a, out=a)
            rate = RATE * np.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
            np.multiply(a, real(rate), out=a)
            np.subtract(w, a, out=w)

        def sgd(w: Array, g: Array) -> None:
            np.multiply(m, real(MOMENTUM), out=m)
            np.multiply(g, real(RATE), out=a)
            np.subtract(m, a, out=m)
            np.add(w, m, out=w)

        def rmsprop(w: Array, g: Array) -> None:
            moments(g, RHO)
            np.add(v, real(EPSILON), out=a)
            np.sqrt(a, out=a)
            np.divide(g, a, out=b)
            np.multiply(b, real(RATE), out=b)
            np.subtract(w, b, out=w)

        def plain(w: Array, g: Array) -> None:
            nonlocal count
            count += 1
            w[...] = rule.step(w, g, count)

        if kind in USUAL:
            return {"sgd": sgd, "rmsprop": rmsprop}.get(kind, adam)
        rule = Rule(_ours(kind))
        return plain

    return [make(shape) for shape in shapes]


BETAS = (BETA_1, BETA_2)
# Those that PyTorch has, by the fastest form of each on a CPU, from ``torch.optim`` and parameters.
TORCH: dict[str, Callable[[Any, Any], Any]] = {
    "adam": lambda o, p: o.Adam(p, RATE, BETAS, EPSILON, fused=True),
    "adamw": lambda o, p: o.AdamW(p, RATE, BETAS, EPSILON, DECAY, fused=True),
    "sgd": lambda o, p: o.SGD(p, RATE, MOMENTUM, fused=True),
    "rmsprop": lambda o, p: o.RMSprop(p, RATE, RHO, EPSILON, foreach=True),
    "adagrad": lambda o, p: o.Adagrad(p, RATE, 0, 0, 0.1, EPSILON, fused=True),
    "adadelta": lambda o, p: o.Adadelta(p, RATE, 0.95, EPSILON, foreach=True),
    "adamax": lambda o, p: o.Adamax(p, RATE, BETAS, EPSILON, foreach=True),
}


def _torch(kind: str, weights: list[Array], gradients: list[Array]) -> Contender:
    import torch

    parameters = [torch.from_numpy(w).requires_grad_() for w in weights]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.from_numpy(gradient)
    optimizer = TORCH[kind](torch.optim, parameters)
    return _after_steps(optimizer.step, weights)


def _after_steps(step: Callable[[], Any], weights: list[Array]) -> Contender:
    """Return the contender whose result is its weights after ``STEPS`` steps."""

    def result() -> Array:
        for _ in range(STEPS):
            step()
        return np.concatenate([w.ravel() for w in weights])

    return Contender(step, result)


def _case(kind: str, size: str) -> Case:
    shapes = SIZES[size]

    def prepare() -> Trial:
        gradients = [np.copysign(np.abs(g) + np.float32(0.5), g) for g in _arrays(shapes, 1)]

        def unitgain() -> Contender:
            weights, optimizer = _arrays(shapes, 0), _ours(kind)
            return _after_steps(lambda: optimizer.apply(gradients, weights), weights)

        def numpy(real: Any = np.float32) -> Contender:
            weights = [w.astype(real) for w in _arrays(shapes, 0)]
            steps = _numpy_steps(kind, shapes, real)

            def step() -> None:
                for update, w, g in zip(steps, weights, gradients, strict=True):
                    update(w, g)

            return _after_steps(step, weights)

        contenders = {OURS: unitgain, REFERENCE: numpy}
        if kind in TORCH:
            contenders["PyTorch"] = lambda: _torch(kind, _arrays(shapes, 0), gradients)
        return Trial(contenders, TOLERANCE, exact=lambda: Exact.of(numpy(np.float64).result()))

    parameters = sum(int(np.prod(shape)) for shape in shapes)
    of = f"in {len(shapes)} arrays" if len(shapes) > 1 else "in one array"
    title = f"{kind} step, {parameters:,} parameters {of}"
    return Case(f"optimizers/{kind}/{size}", title, prepare, quick=size == "9000")
