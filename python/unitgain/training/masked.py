"""Losses and metrics of outputs that a mask has reached: the rows that it leaves out do not count.

A mask is made of the inputs alone, so that it is computed once, with the data's weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.function import Function
from unitgain.graph.structure import Arrays
from unitgain.graph.tensors import SymbolicTensor
from unitgain.losses import Loss
from unitgain.losses.base import NativeLoss
from unitgain.training.criteria import Criterion
from unitgain.training.feeding import PREDICT_BATCH, dense

__all__ = ["has_mask", "masked_loss", "masked_weights"]

_MEAN = ("sum_over_batch_size", "mean")


def has_mask(tensor: SymbolicTensor) -> bool:
    """Return whether a mask has reached an output."""
    return tensor.mask is not None


def masked_loss(loss: Loss) -> Loss:
    """Return a loss whose mean is over the rows that count."""
    if loss.reduction not in _MEAN:
        return loss
    if isinstance(loss, NativeLoss):
        return type(loss).from_config({**loss.get_config(), "reduction": "mean_with_sample_weight"})
    made = copy.copy(loss)
    made.reduction = "mean_with_sample_weight"
    return made


def masked_weights(
    function: Function,
    criteria: Sequence[Criterion],
    inputs: Any,
    weights: list[NDArray[np.float64] | None] | None,
) -> list[NDArray[np.float64] | None] | None:
    """Return the weights of the outputs' rows, 0 for those that a mask leaves out.

    Args:
        function: the model's.
        criteria: of each output.
        inputs: the samples, as the native network takes them.
        weights: those that were given with the data, of each output; None for none.

    Raises:
        ValueError: if a mask is not made of the inputs alone, or weights are given for an output
            whose mean, or a metric of which, leaves only the masked rows out.
    """
    tensors = function.outputs.tensors
    if not any(map(has_mask, tensors)):
        return weights
    made = list(weights or [None] * len(tensors))
    for i, (tensor, criterion) in enumerate(zip(tensors, criteria, strict=True)):
        if tensor.mask is None or criterion.loss is None:
            continue
        shape = tensor.sample_shape
        rows = math.prod(shape[:-1])
        if math.prod(tensor.mask.sample_shape) != rows:
            raise ValueError(
                f"the mask of the output {criterion.name} is of samples of shape "
                f"{tensor.mask.sample_shape}, expected a value for each row of {shape}"
            )
        kept = _values(function, tensor.mask, inputs).reshape(-1, rows).astype(np.float64)
        given = made[i]
        if given is not None:
            _check_weighted(criterion)
            kept = kept * given
        made[i] = kept
    return made


def _check_weighted(criterion: Criterion) -> None:
    assert criterion.loss is not None
    if criterion.loss.reduction in _MEAN:
        raise ValueError(
            f"sample_weight is given for the output {criterion.name}, which has a mask: give its "
            'loss reduction="mean_with_sample_weight", or "sum"'
        )
    if criterion.metrics:
        raise ValueError(
            f"sample_weight is given for the output {criterion.name}, which has a mask: give its "
            "metrics as weighted_metrics"
        )


def _values(function: Function, mask: SymbolicTensor, inputs: Any) -> NDArray[Any]:
    """Return a mask's values for samples."""
    given = function.inputs.tensors
    needed = _inputs_of(mask, given)
    arrays = list(inputs) if isinstance(inputs, Arrays) else [inputs]
    chosen = [dense(a) for t, a in zip(given, arrays, strict=True) if t in needed]
    network = Function([t for t in given if t in needed], mask).network()
    rows: Any = Arrays(chosen) if len(chosen) > 1 else chosen[0]
    found: NDArray[Any] = network.predict(rows, PREDICT_BATCH)
    return found


def _inputs_of(mask: SymbolicTensor, inputs: list[SymbolicTensor]) -> list[SymbolicTensor]:
    """Return those of the model's inputs that a mask is made of."""
    found: list[SymbolicTensor] = []
    stack, seen = [mask], set()
    while stack:
        tensor = stack.pop()
        if tensor in inputs:
            found.append(tensor)
            continue
        use = tensor.node
        if id(use) in seen:
            continue
        seen.add(id(use))
        # Of what makes the mask itself only the other output depends on weights.
        if use.layer.weights and not (use.makes_mask and tensor is use.outputs[-1]):
            raise ValueError(
                f"a mask reaches an output, but depends on the weights of {use.layer.name}: "
                "losses take masks that are made of the inputs alone"
            )
        stack.extend(use.inputs)
    return found
