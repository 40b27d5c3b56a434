"""Everyone alone and in a mixed program: each run after a product by NumPy, without rest.

unitgain runs on the pool and on OpenMP's threads, side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import _native

from . import activations, inference, training
from .case import OPENMP, OURS, Case, Contender, Trial
from .products import Product
from .products import trial as product_trial

SMALL, LARGE = (64, 64, 64, 4), (784, 300, 100, 10)


def cases() -> list[Case]:
    """Return steps, inference, products and an activation, alone and each after a product."""
    works = {
        "step-64-64-64-4": training._step(training._Training(SMALL, 32)),
        "step-784-300-100-10": training._step(training._Training(LARGE, 128)),
        "inference-784-300-100-10": inference._case(LARGE, 128, False),
        "product-256": _product(256),
        "product-1024": _product(1024),
        "tanh-1024x1024": activations._forward("tanh", (1024, 1024), np.float32),
    }
    return [_case(name, work, mixed) for mixed in (False, True) for name, work in works.items()]


def _product(n: int) -> Case:
    return Case("", f"matrix product, {n} x {n}, float32", partial(product_trial, Product(n, n, n)))


def _case(name: str, work: Case, mixed: bool) -> Case:
    def prepare() -> Trial:
        trial = work.prepare()
        contenders = {**trial.contenders, OURS: _on("pool", trial.contenders[OURS])}
        if "openmp" in _native.threading_layers():
            contenders[OPENMP] = _on("openmp", trial.contenders[OURS])
        if mixed:
            a = np.ones((256, 256), np.float32)
            between = partial(np.matmul, a, a, out=np.empty_like(a))
            contenders = {name: _after(between, make) for name, make in contenders.items()}
        return replace(trial, contenders=contenders, peak="", operations=0)

    title = f"{work.title}, a product of 256 x 256 by NumPy before each" if mixed else work.title
    name = f"threading_layers/{'mixed' if mixed else 'alone'}/{name}"
    return Case(name, title, prepare, quick=name.endswith("product-256"))


def _on(layer: str, make: Callable[[], Contender]) -> Callable[[], Contender]:
    """Return a contender on this threading layer."""

    def on_layer(run: Callable[[], Any]) -> Any:
        before = ug.threading_layer()
        ug.set_threading_layer(layer)
        try:
            return run()
        finally:
            ug.set_threading_layer(before)

    def made() -> Contender:
        contender = make()
        return Contender(partial(on_layer, contender.run), partial(on_layer, contender.result))

    return made


def _after(between: Callable[[], Any], make: Callable[[], Contender]) -> Callable[[], Contender]:
    """Return a contender whose every run begins with something else."""

    def made() -> Contender:
        contender = make()

        def run() -> Any:
            between()
            return contender.run()

        return Contender(run, contender.result)

    return made
