"""The onnx package, which is there only if asked for."""

from __future__ import annotations

from typing import Any

from unitgain._extras import needed

__all__ = ["onnx_package"]


def onnx_package() -> Any:
    """Return the module ``onnx``.

    Raises:
        ImportError: if it is not installed.
    """
    for module in ("onnx.checker", "onnx.numpy_helper"):
        needed(module, "onnx", "an ONNX file")
    return needed("onnx", "onnx", "an ONNX file")
