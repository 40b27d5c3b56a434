"""Warnings at the line of the user's program that is meant."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn"]


def warn(message: str) -> None:
    """Warn at the line that called into the package, however deep in it this is said."""
    depth = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and f"{frame.f_globals.get('__name__')}.".startswith("unitgain."):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, stacklevel=depth)
