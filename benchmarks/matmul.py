"""Matrix products: squares in each precision, a dense net's, thin, tiny and random ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .case import Case
from .products import Product, trial

SQUARES = (128, 256, 512, 1024, 2048, 4096)
TINY = (4, 8, 16, 32, 64)
# A dense net's batches, and its layers' inputs and units.
BATCHES = (32, 128, 512)
LAYERS = ((784, 300), (300, 100), (1024, 4096))
# Rows that meet a large weight when few samples are inferred.
THIN_BATCHES = (1, 4, 16)
THIN_LAYER = (1024, 4096)
QUICK_SHAPE = (32, 64, 256)

# Above this many multiplications a case takes seconds where another's load or an old instruction
# set slows it down.
LARGE = 2_000_000_000

RANDOM_SHAPES = 200
RANDOM_LARGEST = 3000
RANDOM_ROUNDS = 5


def cases() -> list[Case]:
    """Return the products by kind and shape."""
    return [*_squares(), *_layers(), *_thin(), *_tiny(), *_random()]


def _case(kind: str, what: str, product: Product, **options: Any) -> Case:
    large = product.m * product.k * product.n > LARGE
    title = f"{what}, {product.description}, {np.dtype(product.dtype).name}"
    if product.precision != "highest":
        title += f", {product.precision} precision"
    name = f"matmul/{kind}/{product.size}"
    return Case(name, title, partial(trial, product), large=large, **options)


def _squares() -> list[Case]:
    kinds = {
        "float32": Product(0, 0, 0),
        "float32-high": Product(0, 0, 0, precision="high"),
        "float32-medium": Product(0, 0, 0, precision="medium"),
        "float64": Product(0, 0, 0, dtype=np.float64),
    }
    what = "matrix product"
    squares = [
        _case(kind, what, replace(product, m=n, k=n, n=n))
        for kind, product in kinds.items()
        for n in SQUARES
    ]
    m, k, n = QUICK_SHAPE
    quick = [
        _case(kind, what, replace(kinds[kind], m=m, k=k, n=n), quick=True)
        for kind in ("float32", "float64")
    ]
    return [*squares, *quick]


def _layers() -> list[Case]:
    """Return a dense layer's products; the backward ones read a transposed operand."""
    found = []
    for inputs, units in LAYERS:
        for batch in BATCHES:
            forward = Product(batch, inputs, units)
            found += [
                _case("forward", "dense layer", forward),
                _case(
                    "bias-gelu",
                    "dense layer with bias and GELU",
                    replace(forward, gelu=True),
                    quick=(batch, inputs) == (32, 300),
                ),
                _case(
                    "input-gradient",
                    "gradient of a dense layer's input",
                    Product(batch, units, inputs, transposed_b=True),
                ),
                _case(
                    "weight-gradient",
                    "gradient of a dense layer's weights",
                    Product(inputs, batch, units, transposed_a=True),
                ),
            ]
    return found


def _thin() -> list[Case]:
    inputs, units = THIN_LAYER
    found = []
    for batch in THIN_BATCHES:
        product = Product(batch, inputs, units, reads=True)
        packed = replace(product, packed=True)
        found += [
            _case("thin", "few rows by a large weight", product),
            _case("thin-packed", "few rows by a packed weight", packed),
            _case(
                "thin-packed-medium",
                "few rows by a packed weight",
                replace(packed, precision="medium"),
            ),
        ]
    return found


def _tiny() -> list[Case]:
    found = []
    for n in TINY:
        found += [
            _case("tiny", "one small product, called from Python", Product(n, n, n, reuse=False)),
            _case("tiny-out", "one small product into an array", Product(n, n, n)),
        ]
    return found


def _random() -> list[Case]:
    """Return products of random shapes, each dimension's logarithm being uniform."""
    generator = np.random.default_rng(0)
    exponents = generator.uniform(0, np.log(RANDOM_LARGEST), (RANDOM_SHAPES, 3))
    shapes = np.rint(np.exp(exponents)).astype(int).tolist()
    return [
        _case("random", "product of random shape", Product(m, k, n), rounds=RANDOM_ROUNDS)
        for m, k, n in shapes
    ]
