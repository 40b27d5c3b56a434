"""Copies of a model in the processes of an engine: one for each, with one team of threads."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import config
from unitgain._fork import Lock
from unitgain.graph.structure import Structure
from unitgain.models import Model
from unitgain.models.predictor import Predictor

__all__ = ["Packed", "Scored"]

# How many models a process keeps.
_KEPT = 4


class Packed:
    """A model as bytes, which a process makes a model of once.

    Args:
        model: a model with weights, or a predictor.
    """

    def __init__(self, model: Model | Predictor) -> None:
        self._content = pickle.dumps(model)
        self.digest = hashlib.sha256(self._content).hexdigest()

    def predict(self, x: Any, batch_size: int | None) -> list[NDArray[Any]]:
        """Return the outputs for samples, computed by all threads of the process, one call a time.

        An engine runs as many tasks in a process at once as it has threads. If each had a team of
        its own they would be in each other's way.
        """
        model, turn = _kept(self)
        with turn.current, config.threads(team_size()):
            if isinstance(model, Predictor):
                found = model.predict(x)
            else:
                found = model.predict(x, batch_size)
        if isinstance(found, Mapping):
            return list(found.values())
        return found if isinstance(found, list) else [found]

    def __dask_tokenize__(self) -> str:
        return self.digest


_models: OrderedDict[str, tuple[Any, Lock]] = OrderedDict()
_lock = Lock()


def _kept(packed: Packed) -> tuple[Any, Lock]:
    """Return the process's copy of a model, and the lock of its turns."""
    with _lock.current:
        found = _models.get(packed.digest)
        if found is None:
            found = pickle.loads(packed._content), Lock()
            _models[packed.digest] = found
            if len(_models) > _KEPT:
                _models.popitem(last=False)
        _models.move_to_end(packed.digest)
    return found


def team_size() -> int:
    """Return how many threads this process may use: those that an engine gave it, or all."""
    worker: Any = sys.modules.get("distributed.worker")
    if worker is not None:
        try:
            return max(1, int(worker.get_worker().state.nthreads))
        except ValueError:  # no task of a cluster's worker
            pass
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        return 1  # one of a pool with a process for each CPU
    return config.num_threads()


class Scored:
    """What a model makes of samples: shapes, names and dtype, known before it runs.

    Args:
        model: a model with weights, or a predictor.

    Raises:
        TypeError: if it is neither.
        ValueError: if it has no weights yet.
    """

    def __init__(self, model: Any) -> None:
        if isinstance(model, Predictor):
            self.inputs: Structure = model._inputs
            self.outputs: Structure = model._outputs
            self.dtype = np.dtype(model._network.parameters[0].array.dtype)
        elif isinstance(model, Model):
            self.inputs, self.outputs = model.function.inputs, model.function.outputs
            self.dtype = np.dtype(model.dtype)
        else:
            raise TypeError(f"model is of type {type(model).__name__}, expected a Model")
        self.packed = Packed(model)

    @property
    def widths(self) -> list[int]:
        """How many numbers each output has for one sample."""
        return [int(np.prod(shape, dtype=np.int64)) for shape in self.outputs.shapes]

    @property
    def column_names(self) -> list[str]:
        """The names of the outputs' columns: an output's name, with a number if it has several."""
        names = []
        for name, width in zip(self.outputs.names, self.widths, strict=True):
            names += [name] if width == 1 else [f"{name}_{i}" for i in range(width)]
        return names

    def columns_for(self, features: Any, known: Sequence[Any]) -> list[list[Any]]:
        """Return the columns of a frame that go into each input.

        Args:
            features: a list of columns, of several inputs a dict or a list of lists; None: all
                columns, for a model with one input.
            known: the frame's.

        Raises:
            ValueError: if there is no such column, or there are not as many as the input takes.
        """
        if features is None:
            if len(self.inputs) > 1:
                raise ValueError(
                    f"the model has the inputs {', '.join(self.inputs.names)}: say by features "
                    "which columns go into each"
                )
            chosen = [list(known)]
        elif len(self.inputs) == 1 and not isinstance(features, Mapping):
            chosen = [[features] if isinstance(features, str) else list(features)]
        else:
            chosen = [
                [one] if isinstance(one, str) else list(one)
                for one in self.inputs.arrange(features, "features")
            ]
        for i, (columns, shape) in enumerate(zip(chosen, self.inputs.shapes, strict=True)):
            for column in columns:
                if column not in known:
                    raise ValueError(f"data has no column {column!r}, but {list(map(str, known))}")
            if len(shape) == 1 and shape[0] != len(columns) and len(columns) != 1:
                raise ValueError(
                    f"{self.inputs.label('data', i)} has {len(columns)} columns, but the model "
                    f"takes {shape[0]}"
                )
        return chosen
