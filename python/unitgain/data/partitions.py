"""What is read part by part: Dask's arrays and frames, known without importing Dask, and files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain._arrays import as_numbers
from unitgain._extras import needed
from unitgain.data.dataset import Dataset

__all__ = ["each_partition", "is_array", "is_frame", "is_partitioned", "partitions", "sample_shape"]

# How many partitions are asked for at a time: a worker has the next while one is waited for.
_AHEAD = 2


def is_array(x: Any) -> bool:
    """Return whether ``x`` is a Dask array."""
    return hasattr(x, "__dask_graph__") and hasattr(x, "to_delayed") and hasattr(x, "rechunk")


def is_frame(x: Any) -> bool:
    """Return whether ``x`` is a Dask data frame."""
    return hasattr(x, "__dask_graph__") and hasattr(x, "map_partitions") and hasattr(x, "columns")


def is_partitioned(x: Any) -> bool:
    """Return whether ``x`` is one or the other."""
    return is_array(x) or is_frame(x)


def sample_shape(x: Any) -> tuple[int, ...]:
    """Return the shape of one sample."""
    return (len(x.columns),) if is_frame(x) else tuple(x.shape[1:])


def _delayed(x: Any) -> list[Any]:
    """Return the partitions, each of whole samples, to be computed."""
    if is_frame(x):
        return list(x.to_delayed())
    if x.ndim == 0:
        raise ValueError("data has shape (), expected samples")
    whole = x.rechunk(dict.fromkeys(range(1, x.ndim), -1))
    return list(whole.to_delayed().reshape(-1))


def each_partition(function: Callable[..., Any], x: Any, *arguments: Any) -> list[Any]:
    """Return a function's results for each partition, computed where the partitions are.

    Args:
        function: of a partition, as an array of numbers, and of the arguments.
        x: a Dask array or frame.
        *arguments: what else it is given.
    """
    dask = needed("dask", "dask", "a Dask collection")
    call = dask.delayed(_called, pure=False)
    return list(dask.compute(*(call(function, part, *arguments) for part in _delayed(x))))


def _called(function: Callable[..., Any], part: Any, *arguments: Any) -> Any:
    return function(as_numbers(part, "data"), *arguments)


def partitions(x: Any) -> Iterator[NDArray[Any]]:
    """Yield the partitions as arrays, in their order; those that are empty are left out.

    A few of Dask's are computed at a time, so that no more than these are in memory; of a
    :class:`~unitgain.data.Dataset` the windows of ``x`` are yielded, copies.
    """
    if isinstance(x, Dataset):
        with closing(x.windows(1, only_x=True)) as windows:
            for inputs, _, _, _ in windows:
                yield np.array(as_numbers(inputs, "data"))
        return
    dask = needed("dask", "dask", "a Dask collection")
    rest = iter(_delayed(x))
    while some := list(itertools.islice(rest, _AHEAD)):
        for part in dask.compute(*some):
            array = np.asarray(as_numbers(part, "data"))
            if len(array):
                yield array
