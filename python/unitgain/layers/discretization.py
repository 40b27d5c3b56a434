"""Discretization: numbers as the number of the bin that they fall into."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain._arrays import as_numbers
from unitgain.layers.base import SampleShape
from unitgain.layers.encoding import MODES, DataLayer, checked_mode, encoded_shape
from unitgain.layers.preprocessing import batches_of_numbers

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Discretization"]

Array = NDArray[Any]


class Discretization(DataLayer):
    """The number of the bin that each value falls into.

    Bin 0 lies below the first boundary, and the last from the last boundary on; a value that is a
    boundary belongs to the bin above it, and NaN to the last. Boundaries are given, or ``adapt``
    takes them from data, so that the bins hold about as many values each.

    Before training the layer is called with arrays; what it costs within a network says
    :class:`~unitgain.layers.encoding.DataLayer`.

    Args:
        bin_boundaries: the boundaries, ascending; there is one bin more.
        num_bins: how many bins ``adapt`` is to make, in place of boundaries.
        epsilon: how much of the data ``adapt`` may leave out between two values that it keeps: with
            more samples than ``1 / epsilon`` the bins are approximate.
        output_mode: ``"int"``: the bin's number. ``"one_hot"``, ``"multi_hot"``, ``"count"``: as
            :class:`CategoryEncoding` makes it of that.
        name: what the layer is called.

    Raises:
        ValueError: if boundaries and a number of bins are both given, or neither is; if boundaries
            descend; or when called, if there are none yet.

    >>> import unitgain as ug
    >>> ug.layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])([[-1.5, 1.0, 3.4, 0.5]])
    array([[0, 2, 3, 1]])
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: SupportsIndex | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        if (num_bins is None) == (bin_boundaries is None):
            raise ValueError("one of num_bins and bin_boundaries is needed, and not both")
        if not 0 < epsilon <= 1:
            raise ValueError(f"epsilon must be above 0 and at most 1, but it is {epsilon}")
        self.num_bins = None if num_bins is None else operator.index(num_bins)
        if self.num_bins is not None and self.num_bins < 1:
            raise ValueError(f"num_bins must be at least 1, but it is {self.num_bins}")
        self.bin_boundaries: list[float] | None = None
        if bin_boundaries is not None:
            self.bin_boundaries = _checked_boundaries(bin_boundaries)
        self.epsilon = epsilon
        self.output_mode = checked_mode(output_mode, MODES)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer of what :meth:`get_config` returned, with the boundaries that it learnt."""
        given = dict(config)
        learnt = None
        if given.get("num_bins") is not None:
            learnt = given.pop("bin_boundaries", None)
        layer = super().from_config(given)
        if learnt is not None:
            layer.bin_boundaries = _checked_boundaries(learnt)
        return layer

    @property
    def is_adaptable(self) -> bool:
        """Whether :meth:`adapt` may be called: not if boundaries were given."""
        return self.num_bins is not None

    @property
    def depth(self) -> int:
        """The number of bins."""
        if self.bin_boundaries is not None:
            return len(self.bin_boundaries) + 1
        assert self.num_bins is not None
        return self.num_bins

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the boundaries from data, forgetting those before.

        Args:
            data: an array, or an iterable of batches.
            steps: how many batches are taken; None for all.

        Raises:
            ValueError: if the layer was made with boundaries, there are no values, or one is NaN.
        """
        if self.num_bins is None:
            raise ValueError(f"{self.name} was made with bin_boundaries: it has no adapt")
        summary = np.zeros((2, 0))
        for batch in islice(batches_of_numbers(data), steps):
            if np.isnan(batch).any():
                raise ValueError("data has NaN, which lies in no bin")
            if batch.size:
                both = np.concatenate([_summary(batch, self.epsilon), summary], 1)
                summary = _compressed(both[:, np.argsort(both[0])], self.epsilon)
        if not summary.size:
            raise ValueError("data has no values")
        self.bin_boundaries = _compressed(summary, 1 / self.num_bins)[0, :-1].tolist()

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape, or that with a row's length."""
        return encoded_shape(input_shape, self.output_mode, self.depth)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the bins' numbers, or rows."""
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self.name} has no boundaries yet: call adapt, or give it bin_boundaries"
            )
        values = as_numbers(inputs, "inputs")
        # As the values have them: a float32 that was written as a boundary is one.
        kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
        edges = np.asarray(self.bin_boundaries, np.float64).astype(kind)
        bins = np.asarray(np.searchsorted(edges, values, side="right"), np.int64)
        return self.encoded(bins, self.output_mode, self.depth)


def _checked_boundaries(boundaries: Sequence[float]) -> list[float]:
    edges = np.asarray(boundaries, np.float64)
    if edges.ndim != 1 or not (edges[1:] >= edges[:-1]).all():
        raise ValueError(f"bin_boundaries is {boundaries}, expected ascending numbers")
    made: list[float] = edges.tolist()
    return made


def _summary(values: Array, epsilon: float) -> Array:
    """Return about ``1 / epsilon`` of the values, ascending, and for how many each stands."""
    ordered = np.sort(values, None)
    step = max(ordered.size * epsilon, 1)
    chosen = ordered[int(step - 1) :: int(step)]
    return np.stack([chosen, np.full_like(chosen, step)])


def _compressed(summary: Array, epsilon: float) -> Array:
    """Return a summary of ``1 / epsilon`` values, which are interpolated between those before."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0, 1, epsilon)
    counts = summary[1].cumsum()
    known = counts / counts[-1]
    totals = np.interp(shares, known, counts)
    return np.stack([np.interp(shares, known, summary[0]), np.diff(totals, prepend=0)])
