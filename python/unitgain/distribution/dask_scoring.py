"""Predictions for Dask's arrays and frames (extra ``dask``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain._arrays import as_numbers
from unitgain._extras import needed
from unitgain.data.partitions import is_array, is_frame
from unitgain.distribution.workers import Packed, Scored
from unitgain.graph.tensors import SampleShape

__all__ = ["are_arrays", "is_frame", "predict_arrays", "predict_frame"]


def are_arrays(data: Any) -> bool:
    """Return whether data are a Dask array, or a list or a dict of such."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        return bool(data) and all(map(is_array, data))
    return is_array(data)


def predict_arrays(scored: Scored, data: Any, batch_size: int | None) -> Any:
    """Return the outputs for arrays, as arrays with the same chunks of samples.

    Raises:
        ValueError: if shapes do not fit.
    """
    da = needed("dask.array", "dask", "predict")
    inputs = scored.inputs
    given = [data] if len(inputs) == 1 and is_array(data) else inputs.arrange(data, "data")
    arrays = [
        _checked(array, shape, inputs.label("data", i))
        for i, (array, shape) in enumerate(zip(given, inputs.shapes, strict=True))
    ]
    for i, array in enumerate(arrays):
        if array.shape[0] != arrays[0].shape[0] and not np.isnan(array.shape[0]):
            raise ValueError(
                f"{inputs.label('data', i)} has {array.shape[0]} samples, but "
                f"{inputs.label('data', 0)} has {arrays[0].shape[0]}"
            )
    # All outputs side by side: one task for each chunk makes them.
    pairs: list[Any] = []
    for i, array in enumerate(arrays):
        pairs += [array, ("rows", *(f"{i}.{axis}" for axis in range(1, array.ndim)))]
    together = da.blockwise(
        _outputs,
        ("rows", "outputs"),
        *pairs,
        new_axes={"outputs": sum(scored.widths)},
        concatenate=True,
        dtype=scored.dtype,
        meta=np.empty((0, 0), scored.dtype),
        packed=_shared(scored),
        size=batch_size,
    )
    made, begin = [], 0
    for width, shape in zip(scored.widths, scored.outputs.shapes, strict=True):
        part = together if len(scored.widths) == 1 else together[:, begin : begin + width]
        made.append(part if len(shape) == 1 else _shaped(part, shape, scored.dtype))
        begin += width
    return scored.outputs.pack(made)


def _shared(scored: Scored) -> Any:
    """Return the model as a task of its own, which each worker is sent once."""
    delayed = needed("dask", "dask", "predict").delayed
    return delayed(scored.packed, name=f"model-{scored.packed.digest}", traverse=False)


def _checked(array: Any, shape: SampleShape, label: str) -> Any:
    """Return an array of which each chunk has whole samples."""
    is_flat = array.ndim == len(shape) and shape[-1:] == (1,)
    if array.ndim == 0 or (array.shape[1:] != shape and not (is_flat and array.ndim == 1)):
        expected = ", ".join(["samples", *map(str, shape)])
        raise ValueError(f"{label} has shape {array.shape}, expected ({expected})")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{label} has dtype {array.dtype}, expected numbers")
    return array.rechunk(dict.fromkeys(range(1, array.ndim), -1))


def _shaped(part: Any, shape: SampleShape, dtype: np.dtype[Any]) -> Any:
    return part.map_blocks(
        _reshaped,
        shape,
        dtype=dtype,
        drop_axis=1,
        new_axis=list(range(1, 1 + len(shape))),
        chunks=(part.chunks[0], *((size,) for size in shape)),
        meta=np.empty((0,) * (1 + len(shape)), dtype),
    )


def _reshaped(block: NDArray[Any], shape: SampleShape) -> NDArray[Any]:
    return block.reshape(len(block), *shape)


def _outputs(*blocks: NDArray[Any], packed: Packed, size: int | None) -> NDArray[Any]:
    """Return the outputs for one chunk, side by side."""
    found = packed.predict(blocks[0] if len(blocks) == 1 else list(blocks), size)
    flat = [output.reshape(len(output), math.prod(output.shape[1:])) for output in found]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def predict_frame(scored: Scored, data: Any, batch_size: int | None, features: Any) -> Any:
    """Return the outputs for a frame, as a frame with the same index.

    Raises:
        ValueError: if columns do not fit.
        TypeError: if one does not hold numbers.
    """
    pandas = needed("pandas", "dask", "predict")
    columns = scored.columns_for(features, list(data.columns))
    for name in dict.fromkeys(name for group in columns for name in group):
        dtype = data.dtypes[name]
        if getattr(dtype, "kind", "O") not in "biuf":
            raise TypeError(f"column {name!r} of data has dtype {dtype}, expected numbers")
    names = scored.column_names
    index = data._meta.index[:0]
    meta = pandas.DataFrame({n: np.empty(0, scored.dtype) for n in names}, index=index)
    return data.map_partitions(
        _frame, columns, names, packed=_shared(scored), size=batch_size, meta=meta
    )


def _frame(
    part: Any, columns: list[list[Any]], names: list[str], packed: Packed, size: int | None
) -> Any:
    """Return the outputs for one partition."""
    pandas = needed("pandas", "dask", "predict")
    inputs = [as_numbers(part[group], "data") for group in columns]
    found = _outputs(*inputs, packed=packed, size=size)
    return pandas.DataFrame(found, columns=names, index=part.index)
