"""The parts of a model on which training, inference and saving rely, as protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unitgain import optimizers, random
from unitgain.graph.function import Function
from unitgain.graph.native import NativeNetwork
from unitgain.graph.variables import Variable

__all__ = ["Trained"]


class Trained:
    """The parts of a model, which it has; its abilities are classes of their own behind it."""

    name: str
    optimizer: optimizers.Optimizer | None
    stop_training: bool
    # How many batches are run between two calls of callbacks' hooks for batches.
    steps_per_execution: int = 1

    @property
    def built(self) -> bool:
        """Whether the graph is known, and the layers have their weights."""
        raise NotImplementedError

    @property
    def function(self) -> Function:
        """The graph between inputs and outputs."""
        raise NotImplementedError

    @property
    def dtype(self) -> str:
        """The dtype of weights and results, float32 or float64."""
        raise NotImplementedError

    @property
    def layers(self) -> list[Any]:
        """The layers, and the models that are used as such."""
        raise NotImplementedError

    @property
    def weights(self) -> list[Variable]:
        """All weights, layer by layer."""
        raise NotImplementedError

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        raise NotImplementedError

    @property
    def streams(self) -> random.Streams | None:
        """The random streams of a loaded model; None for those of the process."""
        raise NotImplementedError

    def leaves(self) -> Iterator[Any]:
        """Yield the layers and what they are made of, and in place of models their layers."""
        raise NotImplementedError

    def build(self, input_shape: Any, dtype: str | None = None) -> None:
        """Give the layers their weights, if they have none."""
        raise NotImplementedError

    def _check_built(self) -> None:
        raise NotImplementedError

    def _build_for(self, x: Any, name: str) -> None:
        raise NotImplementedError

    def _native_network(self) -> NativeNetwork:
        raise NotImplementedError

    def _own_optimizer(self) -> None:
        raise NotImplementedError
