"""Layer-sequential unit variance: kernels scaled on data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unitgain.graph.native import native
from unitgain.initializers import Orthogonal
from unitgain.signals.places import Lowering, kernel_of
from unitgain.training.feeding import PREDICT_BATCH, dense

__all__ = ["calibrate"]


def calibrate(
    model: Any,
    x: Any,
    orthonormal: bool = True,
    tolerance: float = 0.1,
    max_iterations: int = 10,
) -> dict[str, float]:
    """Scale the kernels, see :func:`unitgain.initializers.calibrate`; ``x`` as native input."""
    if not (tolerance > 0 and math.isfinite(tolerance)):
        raise ValueError(f"tolerance must be positive and finite, but it is {tolerance}")
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be at least 1, but it is {max_iterations}")
    if len(x) == 0:
        raise ValueError("x has no samples")
    lowering = Lowering(model.function)
    types = native(model.dtype)
    arrays = dense(x)
    found: dict[str, float] = {}
    seen: set[int] = set()
    for place in lowering.places:
        kernel = kernel_of(place.layer)
        if kernel is None or id(kernel) in seen:
            continue
        seen.add(id(kernel))
        if not place.layer.trainable:
            continue
        if orthonormal:
            kernel.assign(Orthogonal()(kernel.shape, model.dtype))
        network = types.Network(lowering.graph, place.nodes[0])
        for _ in range(max_iterations):
            z = network.predict(arrays, PREDICT_BATCH)
            variance = float(z.var(dtype=np.float64))
            found[place.name] = variance
            if not math.isfinite(variance) or variance <= 0:
                raise ValueError(
                    f"the outputs of {place.name} have variance {variance}, which no factor makes "
                    f"1: x must have rows that differ, of finite values that reach the layer"
                )
            if abs(variance - 1) < tolerance:
                break
            kernel.assign(kernel.numpy() / math.sqrt(variance))
    return found
