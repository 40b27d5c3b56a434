"""Predictions for Ray's Datasets (extra ``ray``)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import config
from unitgain._arrays import as_numbers
from unitgain._extras import needed
from unitgain.distribution.workers import Packed, Scored
from unitgain.training.feeding import PREDICT_BATCH

__all__ = ["is_dataset", "predict"]


def is_dataset(data: Any) -> bool:
    """Return whether data are a Ray Dataset: nobody has one who has not imported Ray."""
    datasets: Any = sys.modules.get("ray.data")
    return datasets is not None and isinstance(data, datasets.Dataset)


def predict(
    scored: Scored,
    data: Any,
    batch_size: int | None,
    features: Any,
    options: Mapping[str, Any],
) -> Any:
    """Return the rows with a column more for each output.

    Raises:
        ValueError: if columns do not fit, or one has an output's name already.
    """
    ray = needed("ray", "ray", "predict")
    known = data.schema(fetch_if_missing=True)
    names = [] if known is None else list(known.names)
    if features is None and set(scored.inputs.names) <= set(names):
        columns = [[name] for name in scored.inputs.names]
    else:
        columns = scored.columns_for(features, names)
    for name in scored.outputs.names:
        if name in names:
            raise ValueError(f"data has a column {name!r} already, which is an output's name")
    given: dict[str, Any] = {"batch_size": batch_size or PREDICT_BATCH, **options}
    if "concurrency" not in given and "compute" not in given:
        most = int(ray.cluster_resources().get("CPU", 1) // max(1, given.get("num_cpus") or 1))
        given["compute"] = ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, most))
    return data.map_batches(
        _Actor,
        fn_constructor_args=(ray.put(scored.packed), columns, scored.outputs.names),
        batch_format="numpy",
        **given,
    )


class _Actor:
    """What one process of Ray predicts with."""

    def __init__(self, packed: Any, columns: list[list[str]], names: list[str]) -> None:
        import ray

        found = ray.get(packed) if isinstance(packed, ray.ObjectRef) else packed
        self._packed: Packed = found
        self._columns = columns
        self._names = names
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        config.set_num_threads(max(1, int(cpus)))

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        inputs = [_matrix(batch, columns) for columns in self._columns]
        found = self._packed.predict(inputs[0] if len(inputs) == 1 else inputs, None)
        return {**batch, **dict(zip(self._names, found, strict=True))}


def _matrix(batch: dict[str, NDArray[Any]], columns: list[str]) -> NDArray[Any]:
    """Return columns as rows; one whose values are arrays as it is."""
    if len(columns) == 1:
        return as_numbers(batch[columns[0]], f"column {columns[0]!r}")
    return np.stack([as_numbers(batch[name], f"column {name!r}") for name in columns], axis=1)
