"""One matrix product by each library, in its best form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import unitgain as ug

from .activation_peers import NUMPY
from .case import OURS, REFERENCE, Array, Contender, Exact, Trial, longer
from .longer import activation
from .peaks import bfloat16_unit, rates

# Rows of the result at which the errors of float64 products are measured: NumPy multiplies longer
# types a number at a time.
EXACT_ROWS = 8

# Products of bfloat16 numbers for one of float32 numbers, where tiles multiply.
SPLIT_PRODUCTS = {"highest": 6, "high": 3, "medium": 1}


@dataclass(frozen=True)
class Product:
    """An m x k matrix by a k x n one; a transposed operand lies in memory the other way round.

    ``gelu`` adds a bias and takes the GELU of the sum. ``packed`` is unitgain's form for weights
    that are used often. ``reuse`` says whether results go into an existing array, in the libraries
    that can. ``reads`` counts the bytes of the second operand.
    """

    m: int
    k: int
    n: int
    dtype: Any = np.float32
    precision: str = "highest"
    transposed_a: bool = False
    transposed_b: bool = False
    gelu: bool = False
    packed: bool = False
    reuse: bool = True
    reads: bool = False

    @property
    def size(self) -> str:
        """The dimensions in the form of a case's name."""
        return f"{self.m}x{self.k}x{self.n}"

    @property
    def description(self) -> str:
        """The dimensions in words."""
        if self.m == self.k == self.n:
            return f"{self.m} x {self.m}"
        return f"{self.m} x {self.k} by {self.k} x {self.n}"


@dataclass(frozen=True)
class _Operands:
    """As they lie in memory, and as views that multiply."""

    left: Array
    right: Array
    a: Array
    b: Array
    bias: Array


def trial(product: Product) -> Trial:
    """Return the product made ready for every library."""
    operands = _operands(product)
    contenders = {
        OURS: partial(_unitgain, product, operands),
        REFERENCE: partial(_numpy, product, operands),
        "PyTorch": partial(_torch, product, operands),
        "JAX": partial(_jax, product, operands),
    }
    return Trial(
        contenders,
        _tolerance(product, operands),
        operations=2 * product.m * product.k * product.n,
        peak=np.dtype(product.dtype).name,
        bfloat16_products=_bfloat16_products(product),
        exact=partial(_exact, product, operands) if _has_exact(product) else None,
    )


def _operands(p: Product) -> _Operands:
    generator = np.random.default_rng(0)
    a = generator.standard_normal((p.m, p.k)).astype(p.dtype)
    # In front of an activation weights are scaled as initializers do.
    scale = p.k**-0.5 if p.gelu else 1.0
    b = (scale * generator.standard_normal((p.k, p.n))).astype(p.dtype)
    bias = generator.standard_normal(p.n).astype(p.dtype)
    left = np.ascontiguousarray(a.T) if p.transposed_a else a
    right = np.ascontiguousarray(b.T) if p.transposed_b else b
    return _Operands(
        left,
        right,
        left.T if p.transposed_a else left,
        right.T if p.transposed_b else right,
        bias,
    )


def _tolerance(p: Product, operands: _Operands) -> float:
    """Return how far two correctly rounded products may lie apart, relative to the largest value.

    Whatever the order of its sum, a product of inner size k is within k u |A| |B| of the exact
    one, u being half the type's epsilon (N. J. Higham, "Accuracy and Stability of Numerical
    Algorithms", 2nd edition, 2002, equation 3.13), so two are within twice that. ``medium`` rounds
    each operand to the 8 bits of bfloat16, ``high`` keeps 16 of them. A GELU has a slope of up to
    1.13, and some roundings of its own.
    """
    a, b = operands.a, operands.b
    largest = np.max(np.abs(a) @ np.abs(b)) / np.max(np.abs(a @ b))
    rounding = {"highest": 0.0, "high": 2.0 * 2**-16, "medium": 2.0 * 2**-8}[p.precision]
    gap = (p.k + 8 * p.gelu) * np.finfo(p.dtype).eps + rounding
    return float((1.13 if p.gelu else 1.0) * gap * largest)


def _bfloat16_products(p: Product) -> int:
    if p.dtype != np.float32:
        return 0
    if bfloat16_unit(rates()) == "amx_bf16":
        return SPLIT_PRODUCTS[p.precision]
    return 1 if p.precision == "medium" else 0


def _has_exact(p: Product) -> bool:
    return bool(np.finfo(longer(p.dtype)).eps < np.finfo(p.dtype).eps)


def _exact(p: Product, operands: _Operands) -> Exact:
    dtype = longer(p.dtype)
    rows = slice(None, None, 1 if dtype == np.float64 else max(1, p.m // EXACT_ROWS))
    product = operands.a[rows].astype(dtype) @ operands.b.astype(dtype)
    if p.gelu:
        product = (product + operands.bias).astype(np.longdouble)
        product = activation("gelu", product)
    return Exact(rows, product)


def _unitgain(p: Product, operands: _Operands) -> Contender:
    a, b = operands.a, operands.b
    options: dict[str, Any] = {}
    if p.gelu:
        options |= {"bias": operands.bias, "activation": "gelu"}
    if p.reuse:
        options["out"] = np.empty((p.m, p.n), p.dtype)
    right: Any = b
    if p.packed:
        right = ug.ops.PackedMatrix(b, precision=p.precision)
    elif p.precision != "highest":
        options["precision"] = p.precision
    kept = 2 if p.packed and p.precision == "medium" else b.itemsize
    return Contender.of(partial(ug.matmul, a, right, **options), kept * b.size * p.reads)


def _numpy(p: Product, operands: _Operands) -> Contender:
    a, b = operands.a, operands.b
    out = np.empty((p.m, p.n), p.dtype)
    if p.gelu:
        activated = np.empty_like(out)

        def run() -> Array:
            np.matmul(a, b, out=out)
            np.add(out, operands.bias, out=out)
            return NUMPY["gelu"](out, activated)

        return Contender.of(run)
    product = partial(np.matmul, a, b, out=out) if p.reuse else partial(np.matmul, a, b)
    return Contender.of(product, b.nbytes * p.reads)


def _torch(p: Product, operands: _Operands) -> Contender:
    import torch

    a, b, bias = (torch.from_numpy(array) for array in (operands.a, operands.b, operands.bias))
    out = torch.empty((p.m, p.n), dtype=a.dtype)
    product = partial(torch.mm, a, b, out=out) if p.reuse else partial(torch.mm, a, b)
    if p.gelu:

        @torch.inference_mode()
        def dense() -> Any:
            return torch.nn.functional.gelu(torch.addmm(bias, a, b))

        return Contender.of(dense)
    if p.precision == "medium" and not p.packed:

        def bfloat16() -> Any:
            torch.set_float32_matmul_precision("medium")
            try:
                return product()
            finally:
                torch.set_float32_matmul_precision("highest")

        return Contender.of(bfloat16)
    return Contender.of(product, operands.b.nbytes * p.reads)


def _jax(p: Product, operands: _Operands) -> Contender:
    from .jax_network import jax

    def multiply(left: Any, right: Any, bias: Any) -> Any:
        a, b = left.T if p.transposed_a else left, right.T if p.transposed_b else right
        return jax.nn.gelu(a @ b + bias, approximate=False) if p.gelu else a @ b

    arguments = [jax.device_put(x) for x in (operands.left, operands.right, operands.bias)]
    product = jax.jit(multiply)
    return Contender.of(
        lambda: product(*arguments).block_until_ready(), operands.b.nbytes * p.reads
    )
