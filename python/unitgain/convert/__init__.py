"""Models of other libraries, made into models of this one."""

from unitgain.convert.onnx import from_onnx

__all__ = ["from_onnx"]
