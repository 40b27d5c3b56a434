"""The pool and OpenMP as threading layers, side by side: alone, and in turns with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import unitgain as ug
from unitgain import _native

from .case import OPENMP, OURS, REFERENCE, Case, Contender, Exact, Trial
from .numpy_reference import Network
from .training import LEARNING_RATE, TOLERANCE, build_model

# Of a product's values, which add up to 1024 terms, or of a tanh, to the largest one.
ROUNDING = 64 * float(np.finfo(np.float32).eps)


def cases() -> list[Case]:
    """Return steps, products and an activation, alone and each after a product by NumPy."""
    works = [
        _step((64, 64, 64, 4), 32),
        _step((784, 300, 100, 10), 128),
        _product(256),
        _product(1024),
        _tanh((1024, 1024)),
    ]
    return [_case(*work, mixed) for mixed in (False, True) for work in works]


# A name and a title; how to make ready what unitgain does and what NumPy does, in this type; and by
# how much their results may differ.
_Prepare = Callable[..., tuple[Contender, Contender]]
_Work = tuple[str, str, _Prepare, float]


def _case(
    name: str,
    title: str,
    prepare: _Prepare,
    tolerance: float,
    mixed: bool,
) -> Case:
    def trial() -> Trial:
        a = np.ones((256, 256), np.float32)
        between = partial(np.matmul, a, a, out=np.empty_like(a)) if mixed else None
        contenders = {
            OURS: lambda: _after(between, _on("pool", prepare()[0])),
            REFERENCE: lambda: _after(between, prepare()[1]),
        }
        if "openmp" in _native.threading_layers():
            contenders[OPENMP] = lambda: _after(between, _on("openmp", prepare()[0]))
        exact = partial(prepare, np.float64)
        return Trial(contenders, tolerance, exact=lambda: Exact.of(exact()[1].result()))

    group = "mixed" if mixed else "alone"
    if mixed:
        title += ", and a product of 256 x 256 by NumPy before each"
    return Case(f"threading_layers/{group}/{name}", title, trial, quick=name == "product-256")


def _on(layer: str, contender: Contender) -> Contender:
    """Return the contender on this threading layer."""

    def on_layer(run: Callable[[], Any]) -> Any:
        before = ug.threading_layer()
        ug.set_threading_layer(layer)
        try:
            return run()
        finally:
            ug.set_threading_layer(before)

    return Contender(partial(on_layer, contender.run), partial(on_layer, contender.result))


def _after(between: Callable[[], Any] | None, contender: Contender) -> Contender:
    """Return the contender whose every run begins with something else, if there is something."""
    if between is None:
        return contender

    def run() -> Any:
        between()
        return contender.run()

    return Contender(run, contender.result)


def _step(sizes: tuple[int, ...], batch: int) -> _Work:
    def prepare(dtype: Any = np.float32) -> tuple[Contender, Contender]:
        generator = np.random.default_rng(0)
        x = generator.standard_normal((batch, sizes[0]), np.float32)
        y = generator.integers(sizes[-1], size=batch)
        options: dict[str, Any] = {"batch_norm": False, "learning_rate": LEARNING_RATE}
        network = Network(sizes, **options)
        model = build_model(sizes, batch_norm=False, learning_rate=LEARNING_RATE)
        model.set_weights(network.get_weights())

        if dtype != np.float32:
            weights = network.get_weights()
            network, x = Network(sizes, dtype=dtype, **options), x.astype(dtype)
            network.set_weights(weights)

        def loss_of_first_step(step: Callable[[Any, Any], Any]) -> float:
            return float(np.ravel(step(x, y))[0])

        ours, numpy = model.train_on_batch, network.train_on_batch
        return (
            Contender(partial(ours, x, y), partial(loss_of_first_step, ours)),
            Contender(partial(numpy, x, y), partial(loss_of_first_step, numpy)),
        )

    name = "-".join(map(str, sizes))
    return f"step-{name}", f"training step, {name}, batch of {batch}", prepare, TOLERANCE


def _product(n: int) -> _Work:
    def prepare(dtype: Any = np.float32) -> tuple[Contender, Contender]:
        generator = np.random.default_rng(0)
        a, b = (generator.standard_normal((n, n), np.float32).astype(dtype) for _ in range(2))
        ours, numpy = np.empty_like(a), np.empty_like(a)
        return (
            Contender.of(partial(ug.matmul, a, b, out=ours)),
            Contender.of(partial(np.matmul, a, b, out=numpy)),
        )

    return f"product-{n}", f"matrix product, {n} x {n}, float32", prepare, ROUNDING


def _tanh(shape: tuple[int, int]) -> _Work:
    def prepare(dtype: Any = np.float32) -> tuple[Contender, Contender]:
        x = np.random.default_rng(0).standard_normal(shape, np.float32).astype(dtype)
        ours, numpy = np.empty_like(x), np.empty_like(x)
        return (
            Contender.of(partial(ug.activations.tanh, x, out=ours)),
            Contender.of(partial(np.tanh, x, out=numpy)),
        )

    label = f"{shape[0]}x{shape[1]}"
    return f"tanh-{label}", f"tanh of {label} values, float32", prepare, ROUNDING
