"""Measure the largest error of each activation over every float32 input.

Run it as ``python tests/sweep_activations.py [name ...] [--stride N]``, with ``UNITGAIN_ISA`` to
choose the variant. All 2^32 inputs take some minutes a function; ``--stride 997`` takes one in 997.
The reference is the formula in float64, whose own error is below 1e-6 of a float32 ulp.
"""

import argparse
import os
from collections.abc import Callable

import numpy as np

import unitgain as ug
from unitgain import _native

References = dict[str, tuple[str, dict[str, float], Callable[[np.ndarray], np.ndarray]]]


def _elu(x: np.ndarray, scale: float, alpha: float) -> np.ndarray:
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _silu(x: np.ndarray) -> np.ndarray:
    return np.where(x == -np.inf, -0.0, x * _sigmoid(x))


alpha_float32 = float(np.float32(0.3))
references: References = {
    "elu": ("elu", {}, lambda x: _elu(x, 1, 1)),
    "elu(0.3)": ("elu", {"alpha": 0.3}, lambda x: _elu(x, 1, alpha_float32)),
    "selu": ("selu", {}, lambda x: _elu(x, 1.0507009873554805, 1.6732632423543772)),
    "sigmoid": ("sigmoid", {}, _sigmoid),
    "tanh": ("tanh", {}, np.tanh),
    "silu": ("silu", {}, _silu),
}


def ulp_errors(value: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the error of float32 values in units of the last place that the exact value has."""
    exponent = np.frexp(exact)[1]
    ulp = np.ldexp(1.0, np.maximum(exponent - 24, -149))
    rounded = exact.astype(np.float32)  # an overflow to infinity is right where this one overflows
    same = (value == rounded) & np.isinf(rounded) | (value == exact)
    same |= np.isnan(value) & np.isnan(exact)
    return np.where(same, 0, np.abs(value.astype(np.float64) - exact) / ulp)


def worst(name: str, stride: int) -> tuple[float, float]:
    """Return the largest error in ulp, and the input that has it."""
    function, parameters, reference = references[name]
    largest, where = 0.0, 0.0
    chunk = 1 << 18
    for first in range(0, 1 << 32, chunk * stride):
        bits = np.arange(first, min(first + chunk * stride, 1 << 32), stride, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        y = ug.activations.get(function)(x, **parameters)
        error = ulp_errors(y, reference(x.astype(np.float64)))
        error = np.where(np.isnan(error), np.inf, error)
        at = int(np.argmax(error))
        if error[at] > largest:
            largest, where = float(error[at]), float(x[at])
    return largest, where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(references), metavar="name")
    parser.add_argument("--stride", type=int, default=1)
    arguments = parser.parse_args()
    np.seterr(all="ignore")
    print(f"variant {_native.active_variant()}, pid {os.getpid()}, stride {arguments.stride}")
    for name in arguments.names:
        error, x = worst(name, arguments.stride)
        print(f"{name:10} {error:8.4f} ulp at {x!r} ({float(x).hex()})", flush=True)


if __name__ == "__main__":
    main()
