"""The backend that Keras runs on, without importing it."""

from __future__ import annotations

import importlib.util
import os

# The fastest on CPUs first, and the module each needs.
BACKENDS = {"jax": "jax", "torch": "torch", "tensorflow": "tensorflow", "openvino": "openvino"}


def chosen() -> str:
    """Return the backend that ``KERAS_BACKEND`` names, or the first that is installed, or none."""
    named = os.environ.get("KERAS_BACKEND", "")
    installed = (name for name, module in BACKENDS.items() if importlib.util.find_spec(module))
    return named or next(installed, "")
