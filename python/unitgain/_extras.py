"""Packages that are not required: imported where they are used, by who has them."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["needed"]


def needed(module: str, extra: str, what: str) -> Any:
    """Return a module of a package that comes with an extra.

    Args:
        module: what to import.
        extra: the extra of unitgain that installs it.
        what: what needs it, in the message.

    Raises:
        ImportError: if it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        message = f"{what} needs {package}: pip install unitgain[{extra}]"
        raise ImportError(message) from None
