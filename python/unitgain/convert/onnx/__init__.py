"""Models to and from ONNX files: ``pip install unitgain[onnx]``."""

from unitgain.convert.onnx.export import export_onnx
from unitgain.convert.onnx.importing import from_onnx
from unitgain.models.exporting import register_format

__all__ = ["from_onnx"]

register_format("onnx", export_onnx)
del export_onnx, register_format
