"""The onnx package, which is there only if asked for."""

from __future__ import annotations

from typing import Any

__all__ = ["onnx_package"]


def onnx_package() -> Any:
    """Return the module ``onnx``.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError("ONNX files need onnx: pip install unitgain[onnx]") from error
    return onnx
