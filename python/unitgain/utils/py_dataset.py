"""Batches by number, by Keras's name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import Any

__all__ = ["PyDataset"]


class PyDataset:
    """The base of batches that are indexed by number: ``len(data)`` of them, ``data[i]`` being one.

    A subclass has ``__getitem__(index)``, which returns ``(x, y)`` or ``(x, y, sample_weight)``,
    and ``__len__()``. Without a ``__len__`` the batches never end, and ``fit`` is told how many
    make an epoch. Any class with these two methods will do in its place.

    Args:
        workers: taken for the sake of code written for Keras: batches are read one by one.
        use_multiprocessing: the same.
        max_queue_size: the same.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> class Zeros(ug.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return np.zeros((4, 2)), np.zeros((4, 1))
    >>> model = ug.Sequential([ug.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(Zeros(), verbose=0)
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not implement __getitem__")

    def __iter__(self) -> Iterator[Any]:
        count = self.num_batches
        return (self[i] for i in (itertools.count() if count is None else range(count)))

    @property
    def num_batches(self) -> int | None:
        """The number of batches, None if they never end."""
        return len(self) if isinstance(self, Sized) else None

    def on_epoch_begin(self) -> None:
        """Do what is to be done before each epoch: for a subclass to override."""

    def on_epoch_end(self) -> None:
        """Do what is to be done after each epoch: for a subclass to override."""
