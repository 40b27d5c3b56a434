"""Files that figures are drawn to."""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ["check_file"]


def check_file(path: Path) -> None:
    """Check that a figure can be written to a file of this name.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if matplotlib cannot write the format that the name ends in.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("drawing needs matplotlib: pip install unitgain[plot]")
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in formats:
        known = ", ".join(f".{name}" for name in sorted(formats))
        raise ValueError(f"cannot draw to {path}: its name must end in one of {known}")
