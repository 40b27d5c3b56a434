"""The state of a model in training: what a process takes over from another."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from unitgain.formats.document import Arrays, Document
from unitgain.graph.variables import copies
from unitgain.models.saving import random_state

__all__ = ["digest", "state_of"]


def state_of(model: Any) -> tuple[Document, Arrays]:
    """Return what :func:`unitgain.models.saving.restore` takes, of any model.

    Weights, what layers draw from, the optimizer's state, and the random numbers to come.
    """
    arrays = {f"weight {i}": array for i, array in enumerate(copies(model.weights))}
    document: Document = {
        "weights": list(arrays),
        "draws": {str(i): layer.draws for i, layer in enumerate(_drawing(model))},
        "streams": random_state(model),
        "training": None,
    }
    network = model._native_network()
    optimizer = model.optimizer
    if optimizer is not None and optimizer.built:
        with optimizer._still():
            state, slots = optimizer.get_state()
        document["training"] = {"state": state, "step": network.step}
        arrays |= slots
    return document, arrays


def digest(document: Document, arrays: Arrays) -> bytes:
    """Return a number that is another one for any other state, but for the learning rate."""
    kept = {**document}
    if kept["training"] is not None:
        state = {**kept["training"]["state"], "learning_rate": None}
        kept["training"] = {**kept["training"], "state": state}
    found = hashlib.blake2b(json.dumps(kept, default=str).encode(), digest_size=16)
    for array in arrays.values():
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.digest()


def _drawing(model: Any) -> list[Any]:
    return [layer for layer in model.leaves() if layer.draws]
