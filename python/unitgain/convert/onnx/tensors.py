"""Arrays of ONNX files, from within the file or from others in its own folder."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.convert.onnx.package import onnx_package

__all__ = ["array_of", "dequantized"]

Array = NDArray[Any]


def array_of(tensor: Any, folder: str | None) -> Array:
    """Return an ``onnx.TensorProto`` as an array; float16 and bfloat16 as float32.

    Args:
        tensor: the tensor.
        folder: where other files that hold values may lie; None: nowhere.

    Raises:
        ValueError: if the values are not those that the shape asks for, or lie elsewhere.
    """
    onnx = onnx_package()
    sizes = list(tensor.dims)
    if any(size < 0 for size in sizes):
        raise ValueError(f"the tensor {tensor.name!r} has shape {sizes}")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        tensor = _with_values(tensor, folder)
    if tensor.HasField("raw_data"):
        _check_size(tensor, len(tensor.raw_data))
    if tensor.data_type == onnx.TensorProto.BFLOAT16:  # onnx before 1.18 gives its bits
        bits = np.frombuffer(tensor.raw_data, "<u2") if tensor.raw_data else tensor.int32_data
        wide = np.asarray(bits, np.uint32) << 16
        return wide.view(np.float32).reshape(sizes)
    array = np.asarray(onnx.numpy_helper.to_array(tensor))
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _check_size(tensor: Any, size: int) -> None:
    """Raise ValueError unless so many bytes are as many values as the shape has."""
    dtype = onnx_package().helper.tensor_dtype_to_np_dtype(tensor.data_type)
    bits = _bits().get(tensor.data_type, dtype.itemsize * 8)
    expected = (math.prod(tensor.dims) * bits + 7) // 8
    if size != expected:
        raise ValueError(
            f"the tensor {tensor.name!r} of shape {list(tensor.dims)} has {size} bytes, expected "
            f"{expected}"
        )


def _bits() -> dict[int, int]:
    """Return the bits of the types that NumPy has not."""
    types = onnx_package().TensorProto
    return {types.BFLOAT16: 16, types.INT4: 4, types.UINT4: 4}


def _with_values(tensor: Any, folder: str | None) -> Any:
    """Return a copy of a tensor with the values that lie in another file."""
    described = {entry.key: entry.value for entry in tensor.external_data}
    location = described.get("location", "")
    path = _path_within(folder, location, tensor.name)
    try:
        offset = int(described.get("offset", 0))
        length = int(described.get("length", os.path.getsize(path) - offset))
    except ValueError:
        raise ValueError(f"the tensor {tensor.name!r} lies at no place of {location!r}") from None
    if offset < 0 or length < 0 or offset + length > os.path.getsize(path):
        raise ValueError(
            f"the tensor {tensor.name!r} is {length} bytes at {offset} of {location!r}, which has "
            f"{os.path.getsize(path)}"
        )
    _check_size(tensor, length)
    with open(path, "rb") as file:
        file.seek(offset)
        content = file.read(length)
    made = onnx_package().TensorProto()
    made.name, made.data_type, made.raw_data = tensor.name, tensor.data_type, content
    made.dims.extend(tensor.dims)
    return made


def _path_within(folder: str | None, location: str, name: str) -> str:
    """Return the path of a file of a folder.

    Raises:
        ValueError: if it is none of that folder, by its name or by links.
    """
    if folder is None:
        raise ValueError(
            f"the values of the tensor {name!r} lie in the file {location!r}: give the model's path"
        )
    parts = location.replace("\\", "/").split("/")
    if not location or os.path.isabs(location) or ":" in parts[0] or ".." in parts or not parts[0]:
        raise ValueError(
            f"the values of the tensor {name!r} lie in {location!r}, which is not in the model's "
            f"folder"
        )
    path = os.path.realpath(os.path.join(folder, location))
    root = os.path.realpath(folder)
    if os.path.commonpath([root, path]) != root:
        raise ValueError(
            f"the values of the tensor {name!r} lie in {location!r}, a link out of the model's "
            f"folder"
        )
    if not os.path.isfile(path):
        raise ValueError(f"the values of the tensor {name!r} lie in {location!r}, which is no file")
    return path


def dequantized(x: Array, scale: Array, zero: Array | None, axis: int) -> Array:
    """Return ``(x - zero) * scale``, with a scale for each index along ``axis`` or one for all.

    Raises:
        ValueError: if the scale has another shape.
    """
    values = x.astype(np.float64)  # int32 among them
    if zero is not None:
        zero = zero.astype(np.float64)
    if scale.size != 1:
        if scale.ndim != 1 or not -x.ndim <= axis < x.ndim or len(scale) != x.shape[axis]:
            raise ValueError(f"a scale of shape {scale.shape} does not fit values of {x.shape}")
        shape = [1] * x.ndim
        shape[axis] = len(scale)
        scale = scale.reshape(shape)
        zero = zero if zero is None or zero.size == 1 else zero.reshape(shape)
    elif zero is not None and zero.size != 1:
        raise ValueError(f"zero points of shape {zero.shape} do not fit one scale")
    scale = scale if scale.size > 1 else scale.reshape(())
    zero = zero if zero is None or zero.size > 1 else zero.reshape(())
    made: Array = (values if zero is None else values - zero) * scale
    return made
