"""Models whose graph is what a method ``call`` does with symbolic tensors."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from unitgain import optimizers
from unitgain._arrays import as_rows
from unitgain.layers.composite import untold
from unitgain.layers.core import Input
from unitgain.layers.symbolic import SymbolicTensor, flatten
from unitgain.models.base import Model
from unitgain.models.functional import Functional

__all__ = ["Subclassed", "traced"]


class Subclassed(Functional):
    """What a subclass of :class:`~unitgain.Model` with a method ``call`` is, too.

    ``call`` is run once, when the shape of a sample is known: what it does there with symbolic
    tensors is the graph. Saved, it is a :class:`~unitgain.models.functional.Functional` model.
    """

    saved_as = Functional

    def __init__(self, name: str | None = None) -> None:
        Model.__init__(self, name)
        self._criteria = []
        self._compiled_with: dict[str, Any] | None = None  # before the graph is known

    def call(self, inputs: Any) -> Any:
        """Return what layers make of symbolic tensors."""
        raise NotImplementedError(f"{type(self).__name__} does not implement call")

    @property
    def built(self) -> bool:
        """Whether the graph is known, and the layers have their weights."""
        return hasattr(self, "_inputs_structure")

    def build(self, input_shape: Any, dtype: str = "float32") -> None:
        """Run ``call`` for samples of this shape; of several inputs, a list or dict of shapes."""
        if self.built:
            return
        inputs: Any
        if isinstance(input_shape, Mapping):
            inputs = {key: Input(shape, dtype, key) for key, shape in input_shape.items()}
        elif isinstance(input_shape, list):
            inputs = [Input(shape, dtype) for shape in input_shape]
        else:
            inputs = Input(input_shape, dtype)
        self._set_graph(inputs, self.call(inputs, **untold(self.call)))
        if self._compiled_with is not None:
            super().compile(**self._compiled_with)

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        **options: Any,
    ) -> None:
        """Set what training needs, as for any model; its outputs are known later."""
        given = {
            "optimizer": optimizers.get(optimizer),
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
            **options,
        }
        self._compiled_with = given
        if self.built:
            super().compile(**given)

    def _check_compiled(self) -> None:
        if self.built or self._compiled_with is None or self._compiled_with["loss"] is None:
            super()._check_compiled()

    def _inputs(self, x: Any, name: str = "x") -> Any:
        if not self.built:
            shape: Any
            if isinstance(x, Mapping):
                parts = {key: as_rows(one, f"{name}[{key!r}]") for key, one in x.items()}
                shape = {key: part.shape[1:] for key, part in parts.items()}
                first = next(iter(parts.values()))
            elif isinstance(x, tuple) or (isinstance(x, list) and np.ndim(x[0]) > 1):
                listed = [as_rows(one, f"{name}[{i}]") for i, one in enumerate(x)]
                shape = [part.shape[1:] for part in listed]
                first = listed[0]
            else:
                first = as_rows(x, name)
                shape = first.shape[1:]
            if first.ndim < 2:
                raise ValueError(f"{name} has shape {first.shape}, expected samples of features")
            self.build(shape, "float64" if first.dtype == np.float64 else "float32")
        return super()._inputs(x, name)

    def _flat_inputs(self, inputs: Any) -> list[SymbolicTensor]:
        if not self.built:
            tensors = flatten(inputs)
            shapes = [tensor.sample_shape for tensor in tensors]
            several = isinstance(inputs, (list, tuple)) and len(tensors) > 1
            self.build(shapes if several else shapes[0], tensors[0].dtype)
        return super()._flat_inputs(inputs)


@functools.cache
def traced(kind: type[Any]) -> type[Any]:
    """Return a subclass of one's own class whose ``call`` is traced."""
    if issubclass(kind, Functional):
        return kind
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind.__name__, (kind, Subclassed), names)
