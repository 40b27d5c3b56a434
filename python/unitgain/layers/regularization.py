"""Dropout."""

from __future__ import annotations

from typing import Any, SupportsIndex

from unitgain import random
from unitgain.layers.base import Layer

__all__ = ["Dropout"]


class Dropout(Layer):
    """In training, sets each value to 0 with probability ``rate`` and scales the others up.

    Those kept are multiplied by 1 / (1 - rate), so that the expectation stays; in inference nothing
    changes (Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, JMLR 15, 2014). What is
    dropped depends on the seed, the training step and the value's position alone.

    Args:
        rate: the probability, at least 0 and less than 1.
        seed: an integer that always drops the same; None takes the process-wide seed.
        name: what the layer is called.

    Raises:
        ValueError: if ``rate`` is out of range.
    """

    def __init__(
        self, rate: float, seed: SupportsIndex | None = None, name: str | None = None
    ) -> None:
        super().__init__(name)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and less than 1, but it is {rate}")
        self.rate = rate
        self.seed = seed
        self._key = random.mixed_key(seed)

    def lower(self, graph: Any, node: int) -> int:
        """Add a dropout node."""
        return int(graph.dropout(node, self.rate, self._key))
