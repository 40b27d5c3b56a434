"""Predictions for the data of Dask and Ray."""

from __future__ import annotations

from typing import Any

from unitgain.distribution import dask_scoring, ray_scoring
from unitgain.distribution.workers import Scored

__all__ = ["predict"]


def predict(
    model: Any,
    data: Any,
    batch_size: int | None = None,
    *,
    features: Any = None,
    **options: Any,
) -> Any:
    """Return a model's outputs for the data of Dask or Ray, computed when they are asked for.

    Nothing runs here. Each process of the engine makes one copy of the model, with the weights that
    it has now, and predicts with one team of as many threads as the engine gave the process: a Dask
    worker's ``nthreads``, a Ray actor's CPUs.

    Args:
        model: a :class:`~unitgain.Model` with weights, or what its ``optimize_for_inference`` has
            returned.
        data: a Dask array ``(samples, *input_shape)``, of several inputs a list or a dict of them;
            a Dask data frame; or a Ray Dataset.
        batch_size: samples at a time, by default as many as run fastest.
        features: which columns of a frame, or of a Ray Dataset, go into the model: a list of names,
            of several inputs a dict of such by their names. None: all columns of a frame; of a Ray
            Dataset those that have the inputs' names if there are, else all.
        **options: of Ray alone, for ``map_batches``: ``compute``, ``num_cpus`` and others.

    Returns:
        Of Dask arrays, an array with the same chunks of samples; of several outputs a list or a
        dict of them. Of a Dask frame, a frame with the same index and divisions, with a column for
        each number of each output: ``name``, or ``name_0`` and so on. Of a Ray Dataset, its rows
        with a column more for each output.

    Raises:
        TypeError: if the data are neither, or the model is none.
        ValueError: if shapes do not fit, or the model has no weights.
        ImportError: if the engine is not installed.
    """
    if ray_scoring.is_dataset(data):
        return ray_scoring.predict(Scored(model), data, batch_size, features, options)
    if options:
        raise TypeError(f"predict() got an unexpected keyword argument {next(iter(options))!r}")
    if dask_scoring.is_frame(data):
        return dask_scoring.predict_frame(Scored(model), data, batch_size, features)
    if dask_scoring.are_arrays(data):
        if features is not None:
            raise ValueError("features names columns of a frame, but data are arrays")
        return dask_scoring.predict_arrays(Scored(model), data, batch_size)
    raise TypeError(
        f"data is of type {type(data).__name__}, expected a Dask array or data frame, or a Ray "
        "Dataset: for what is in memory or in files there is model.predict"
    )
