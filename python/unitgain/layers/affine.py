"""Affine maps by features, ``x * scale + offset``, as nodes of the native graph."""

from __future__ import annotations

import numpy as np

from unitgain.graph.native import NativeGraph
from unitgain.graph.variables import Variable

__all__ = ["lower_affine", "lower_scaled", "lower_trained_affine"]


def lower_affine(
    graph: NativeGraph,
    node: int,
    scale: Variable | None,
    offset: Variable | None,
    mean: Variable,
    variance: Variable,
) -> int:
    """Add ``(x - mean) / sqrt(variance) * scale + offset``, as a batch norm that never moves."""
    gamma, beta = (None if v is None else v.parameter for v in (scale, offset))
    return int(
        graph.batch_norm(
            [node],
            gamma,
            beta,
            mean.parameter,
            variance.parameter,
            momentum=1.0,
            epsilon=0.0,
            trainable=False,
        )
    )


def lower_scaled(graph: NativeGraph, node: int, factor: float, cols: int, dtype: str) -> int:
    """Add ``x * factor`` behind a node of ``cols`` columns."""
    values = {"factor": factor, "zero": 0.0, "one": 1.0}
    scale, mean, variance = (
        Variable(name, np.full((cols,), value), False, dtype) for name, value in values.items()
    )
    return lower_affine(graph, node, scale, None, mean, variance)


def lower_trained_affine(
    graph: NativeGraph,
    node: int,
    scale: Variable | None,
    offset: Variable | None,
    cols: int,
    trainable: bool,
) -> int:
    """Add ``x * scale + offset``, of weights to be trained, behind a node of ``cols`` columns."""
    weight = scale or offset
    if weight is None:
        return node
    mean = Variable("mean", np.zeros(cols), False, weight.dtype.name)
    variance = Variable("variance", np.ones(cols), False, weight.dtype.name)
    gamma, beta = (None if v is None else v.parameter for v in (scale, offset))
    outside, graph.training = graph.training, False  # its statistics stay as they are
    node = graph.batch_norm(
        [node],
        gamma,
        beta,
        mean.parameter,
        variance.parameter,
        momentum=1.0,
        epsilon=0.0,
        trainable=trainable,
    )
    graph.training = outside
    return int(node)
