"""Data sets on disk as a run takes them: epoch by epoch, a window at a time."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.data.dataset import Dataset, first_of, rows_of
from unitgain.training.feeding import Samples

__all__ = ["Windows"]


class Windows:
    """The passes of a run over a :class:`~unitgain.data.Dataset`.

    An epoch with fewer steps than a pass goes on where the one before has ended, and ends with the
    pass. Where it begins follows from its number, so that a run that is resumed needs nothing else.

    Args:
        data: the rows.
        batch_size: rows of a batch.
        steps: batches of an epoch; None: all.
        shuffle: whether each pass has an order of its own.

    Attributes:
        epoch: the number of the next epoch, from 0.
    """

    def __init__(
        self,
        data: Dataset,
        batch_size: int,
        steps: int | None = None,
        shuffle: bool = False,
    ) -> None:
        if steps is not None and steps < 1:
            raise ValueError(f"the steps of a pass must be at least 1, but they are {steps}")
        self.data = data
        self.batch_size = batch_size
        self.epoch = 0
        self._steps = steps
        self._shuffle = shuffle

    def __len__(self) -> int:
        return len(self.data)

    @property
    def steps(self) -> int:
        """How many batches an epoch takes, if the pass has as many."""
        return self.batches if self._steps is None else self._steps

    @property
    def batches(self) -> int:
        """How many batches a whole pass has."""
        return math.ceil(len(self.data) / self.batch_size)

    def chunks(self, model: Any) -> Generator[tuple[Samples, NDArray[np.int64] | None], None, None]:
        """Yield an epoch's samples, which are overwritten once the next are asked for.

        Args:
            model: whose samples they are.

        Yields:
            Samples, and the order in which they are taken; None for all in turn.
        """
        for x, y, weights, order in self._windows():
            yield model._samples(x, y, weights), order

    def inputs(self) -> Generator[Any, None, None]:
        """Yield the first pass's inputs, as the user has them; they are overwritten, too."""
        for x, _, _, _ in self._windows(only_x=True):
            yield x

    def _windows(
        self, only_x: bool = False
    ) -> Generator[tuple[Any, Any, Any, NDArray[np.int64] | None], None, None]:
        most = self.steps
        number, place = divmod(self.epoch, max(1, math.ceil(self.batches / most)))
        left = most * self.batch_size
        first = place * left
        epoch = number if self._shuffle else None
        with closing(self.data.windows(self.batch_size, epoch, first, only_x)) as windows:
            for x, y, weights, order in windows:
                rows = len(first_of(x)) if order is None else len(order)
                taken = min(rows, left)
                if order is not None:
                    yield x, y, weights, order[:taken]
                else:
                    yield *(rows_of(part, slice(taken)) for part in (x, y, weights)), None
                left -= taken
                if not left:
                    return
