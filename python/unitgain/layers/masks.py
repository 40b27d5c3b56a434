"""Masks: which rows of the samples count, on their way from layer to layer.

In a graph a mask is a tensor that one layer makes and others read. A layer that supports masking
hands the mask of its input on; one in which a mask changes something is given it beside its input.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain._warnings import warn
from unitgain.dtype_policies import floatx
from unitgain.graph.function import Function
from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.graph.operation import connect
from unitgain.graph.tensors import SampleShape, SymbolicTensor

__all__ = ["connect_masked", "lower_mask_of", "run_alone", "takes_mask"]


def takes_mask(layer: Any) -> bool:
    """Return whether a mask changes what a layer does."""
    if layer._takes_mask:
        return True
    call = type(layer).call
    if call.__module__.startswith("unitgain."):
        return False
    return "mask" in inspect.signature(call).parameters


def connect_masked(
    layer: Any, inputs: list[SymbolicTensor], several: bool, training: bool | None, mask: Any
) -> SymbolicTensor:
    """Give a layer a place behind symbolic tensors, with the masks that they have.

    Args:
        layer: the layer.
        inputs: what it is to be given.
        several: whether as a list.
        training: whether it always, or never, does what training does; None: as the model runs.
        mask: in place of the input's own; of several inputs a list.

    Raises:
        TypeError: if a mask is no symbolic tensor.
        ValueError: if there are more or fewer masks than inputs.
    """
    given: list[Any] = [getattr(tensor, "mask", None) for tensor in inputs]
    if mask is not None:
        given = list(mask) if several and isinstance(mask, (list, tuple)) else [mask]
        if several and len(given) != len(inputs):
            raise ValueError(f"{layer.name} is given {len(inputs)} inputs and {len(given)} masks")
    for one in given:
        if one is not None and not isinstance(one, SymbolicTensor):
            raise TypeError(
                f"mask of {layer.name} is of type {type(one).__name__}, expected a symbolic tensor "
                "beside symbolic tensors: give it an Input of its own"
            )
    known = [one for one in given if one is not None]
    shapes = [getattr(tensor, "sample_shape", ()) for tensor in inputs]
    mask_shape = layer._mask_shape(given, shapes if several else shapes[0])
    reads = known if mask_shape is not None and several else []
    if takes_mask(layer):
        if several and known:
            raise ValueError(f"{layer.name} takes several inputs, and the mask of none")
        reads = known
    made: SymbolicTensor = connect(
        layer, inputs, several, training=training, masks=reads, mask_shape=mask_shape
    )
    if mask_shape is None and known and not several:
        if layer.supports_masking:
            if known[0].sample_shape in ((*made.sample_shape[:-1], 1), made.sample_shape[:-1]):
                made.mask = known[0]  # else it is of values, and not of rows
        elif not takes_mask(layer):
            warn(
                f"{layer.name}, a {type(layer).__name__}, does not support masking: the layers "
                "behind it know nothing of the mask of its input"
            )
    return made


def run_alone(layer: Any, inputs: Any, training: bool, mask: Any = None) -> Any:
    """Run one layer on arrays, as a function of its own.

    Raises:
        ValueError: if they are no samples of features, and the layer does not take one sample.
    """
    several = isinstance(inputs, (list, tuple))
    arrays = [np.asarray(array) for array in (inputs if several else [inputs])]
    given_shape = arrays[0].shape
    if not several and arrays[0].ndim < 2 and layer._takes_one_sample:
        arrays = [_as_samples(layer, arrays[0])]
    dtype = layer.dtype
    if layer.given_dtype is not None:
        arrays = [array.astype(dtype) if array.dtype.kind == "f" else array for array in arrays]
    elif not (layer.built and layer.weights):
        dtype = "float64" if any(a.dtype.type is np.float64 for a in arrays) else floatx()
    for array in arrays:
        if array.ndim < 2:
            raise ValueError(
                f"{layer.name} is given an array of shape {array.shape}, expected samples of "
                f"features"
            )
    tensors = [
        SymbolicTensor.source(array.shape[1:], dtype, f"input_{i}")
        for i, array in enumerate(arrays)
    ]
    masks: list[SymbolicTensor] = []
    if mask is not None and takes_mask(layer):
        arrays.append(_mask_array(layer, mask, arrays[0].shape))
        masks = [SymbolicTensor.source(arrays[-1].shape[1:], dtype, "mask")]
    count = len(layer.nodes)
    output = connect(layer, tensors, several, masks=masks)
    del layer.nodes[count:]
    function = Function([*tensors, *masks] if several or masks else tensors[0], output)
    made: NDArray[Any] = function.run(arrays if several or masks else arrays[0], training)
    if len(given_shape) < 2 and not several:
        made = made.reshape(given_shape if made.size == arrays[0].size else made.shape[1:])
    layer._note_activity(made)
    return made


def _as_samples(layer: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Return one sample as a batch of it; of a layer for single features, as one sample each."""
    if layer.built and layer.weights and layer.input_shape == (1,):
        return array.reshape(-1, 1)
    return array.reshape(1, -1)


def _mask_array(layer: Any, mask: Any, shape: SampleShape) -> NDArray[Any]:
    """Return a mask as numbers: of a value for each value, or for each row, ``(..., 1)``.

    Raises:
        ValueError: if it does not broadcast to the inputs.
    """
    array = np.asarray(mask)
    kept = array if array.dtype == bool else array > 0.5
    if kept.shape == shape[:-1] and not (layer._masks_values and kept.shape == shape[-1:]):
        return kept[..., np.newaxis].astype(np.float32)
    if kept.ndim == len(shape) - 1 and not layer._masks_values:
        kept = kept[..., np.newaxis]
        shape = (*shape[:-1], 1)
    try:
        return np.broadcast_to(kept, shape).astype(np.float32)
    except ValueError:
        raise ValueError(
            f"mask of {layer.name} has shape {array.shape}, expected what broadcasts to "
            f"{shape[:-1] if shape[-1] == 1 else shape}"
        ) from None


def lower_mask_of(
    graph: NativeGraph, name: str, mask: int, mask_shape: SampleShape, shape: Sequence[int]
) -> int:
    """Return a mask's node as rows of one column, or of those of samples of this shape.

    Raises:
        ValueError: if the mask has no value for each row, or for each value.
    """
    rows, cols = rows_and_cols(tuple(shape))
    if mask_shape == (*shape[:-1], 1):
        return mask
    if mask_shape == tuple(shape[:-1]):
        return int(graph.reshape(mask, rows, 1))
    if mask_shape in (tuple(shape), tuple(shape[-1:])):
        return int(graph.reshape(mask, rows if len(mask_shape) == len(shape) else 1, cols))
    raise ValueError(
        f"mask of {name} is of samples of shape {mask_shape}, expected {tuple(shape[:-1])} or "
        f"{tuple(shape)}"
    )
