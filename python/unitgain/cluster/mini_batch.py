"""k-means a batch at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from unitgain import _native
from unitgain.cluster.kmeans import ClusterEstimator, Init, Start
from unitgain.cluster.samples import (
    Array,
    Seed,
    as_weights,
    checked_count,
    checked_samples,
    draw_stream,
)
from unitgain.data import partitions
from unitgain.data.dataset import Dataset

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MiniBatchKMeans"]

# Steps between two looks for centres that have too few samples, in samples for each cluster.
_SAMPLES_BETWEEN_REASSIGNMENTS = 10


class MiniBatchKMeans(ClusterEstimator):
    """k-means from one batch of samples after the other, for more of them than memory holds.

    A batch's samples go to their nearest centres, and each centre becomes the mean of all samples
    that ever went to it (Sculley, "Web-scale k-means clustering", WWW 2010).

    Args:
        n_clusters: how many clusters.
        init: as :class:`KMeans`'s; of ``partial_fit``, from its first batch.
        max_iter: the most passes over the samples.
        batch_size: samples in a batch.
        verbose: 1 prints a line for each pass.
        compute_labels: whether ``fit`` sets ``labels_`` and ``inertia_`` of all samples at its end.
        random_state: as :class:`KMeans`'s.
        tol: ends ``fit`` when the centres' squared moves in a step, averaged over steps, sum up to
            no more than this part of the features' mean variance; 0 for never.
        max_no_improvement: ends it after so many batches without a better average of the batches'
            inertia; None for never.
        init_size: how many samples the centres to begin with are chosen from; None for three
            batches, and three times the clusters at least.
        n_init: of how many beginnings the best is taken, by the inertia of such samples;
            ``"auto"``: 3 of ``"random"`` and of functions, else 1.
        reassignment_ratio: a centre whose samples' weight is less than this part of the largest
            cluster's is set on a sample of a batch now and then; 0 for never.

    Attributes:
        labels_: (samples,) int32, of ``fit``'s samples or of the last batch.
        counts_: (n_clusters,), the weight of the samples that have gone to each.
        n_iter_: passes over the samples, n_steps_ batches.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x = np.random.default_rng(0).standard_normal((1000, 2)) + np.array([[8.0, 0.0]])
    >>> model = ug.cluster.MiniBatchKMeans(2, random_state=0)
    >>> for batch in np.split(np.concatenate([x, -x])[::-1], 10):
    ...     model = model.partial_fit(batch)
    >>> model.cluster_centers_.shape
    (2, 2)
    """

    counts_: Array
    n_steps_: int

    def __init__(
        self,
        n_clusters: SupportsIndex = 8,
        *,
        init: Init = "k-means++",
        max_iter: SupportsIndex = 100,
        batch_size: SupportsIndex = 1024,
        verbose: int = 0,
        compute_labels: bool = True,
        random_state: Seed = None,
        tol: float = 0.0,
        max_no_improvement: SupportsIndex | None = 10,
        init_size: SupportsIndex | None = None,
        n_init: Any = "auto",
        reassignment_ratio: float = 0.01,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the clusters, in batches of samples in random order.

        Args:
            X: (samples, features).
            y: not used.
            sample_weight: how much each sample counts; None for 1.

        Raises:
            ValueError, TypeError: as :meth:`KMeans.fit`.
        """
        samples = checked_samples(X)
        weights = as_weights(sample_weight, samples)
        passes = checked_count(self.max_iter, "max_iter")
        size = min(checked_count(self.batch_size, "batch_size"), len(samples))
        patience = self.max_no_improvement
        stop = _Stop(
            float(self.tol) * float(samples.var(axis=0).mean()) if self.tol > 0 else 0.0,
            size / len(samples),
            None if patience is None else checked_count(patience, "max_no_improvement", 0),
        )
        self._begin(samples, weights)
        done = False
        while not done and self.n_iter_ < passes:
            order = _native.permutation(len(samples), self._key, self._next_stream())
            self.n_iter_ += 1
            for first in range(0, len(samples), size):
                rows = order[first : first + size]
                before = self.cluster_centers_
                inertia = self._step(samples[rows], None if weights is None else weights[rows])
                done = stop(
                    inertia / len(rows), float(((self.cluster_centers_ - before) ** 2).sum())
                )
                if done:
                    break
            if self.verbose:
                print(f"pass {self.n_iter_}: mean inertia {stop.average:.6g}")
        total = float(len(samples)) if weights is None else float(weights.sum(dtype=np.float64))
        centers = self.cluster_centers_
        labels = _native.kmeans_assign(samples, None, centers, False, False)[0]
        self._keep(centers, _native.kmeans_inertia(samples, weights, centers, labels), total)
        if self.compute_labels:
            self.labels_ = labels
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Take one batch in; the first one also gives the centres to begin with.

        Args:
            X: (samples, features), as many of the first batch as there are clusters at least. Of a
                Dask array or frame each partition is a batch, of a :class:`~unitgain.data.Dataset`
                each window: they are read one after the other.
            y: not used.
            sample_weight: how much each sample counts; None for 1.

        Raises:
            ValueError, TypeError: as :meth:`KMeans.fit`.
        """
        if isinstance(X, Dataset) or partitions.is_partitioned(X):
            if sample_weight is not None:
                raise ValueError("X comes in parts: sample_weight needs arrays")
            for part in partitions.partitions(X):
                self.partial_fit(part)
            return self
        known = hasattr(self, "cluster_centers_")
        samples = checked_samples(X, self.cluster_centers_.shape[1] if known else None)
        if known and hasattr(self, "counts_"):
            samples = samples.astype(self.cluster_centers_.dtype, copy=False)
        weights = as_weights(sample_weight, samples)
        if not known:
            self._begin(samples, weights)
        inertia = self._step(samples, weights)
        total = float(len(samples)) if weights is None else float(weights.sum(dtype=np.float64))
        self._keep(self.cluster_centers_, inertia, total)
        return self

    def _begin(self, samples: Array, weights: Array | None) -> None:
        """Set the first centres, and what is counted."""
        self._key, self._stream = draw_stream(self.random_state)
        start = Start(self.init, self.n_init, 3, self.n_clusters, samples)
        if self.init_size is None:
            size = 3 * max(checked_count(self.batch_size, "batch_size"), start.count)
        else:
            size = max(checked_count(self.init_size, "init_size"), start.count)
        part, part_weights = samples, weights
        if size < len(samples):
            rows = _native.permutation(len(samples), self._key, self._next_stream())[:size]
            part = samples[rows]
            part_weights = None if weights is None else weights[rows]
        best = None
        for _ in range(start.runs):
            centers = start.centers(part, part_weights, self._key, self._next_stream())
            labels = _native.kmeans_assign(part, None, centers, False, False)[0]
            inertia = _native.kmeans_inertia(part, part_weights, centers, labels)
            if best is None or inertia < best[0]:
                best = inertia, centers
        assert best is not None
        self.cluster_centers_ = best[1]
        self.n_features_in_ = samples.shape[1]
        self.counts_ = np.zeros(start.count)
        self.n_iter_ = self.n_steps_ = self._since_reassignment = 0

    def _next_stream(self) -> int:
        self._stream += 1
        return self._stream

    def _step(self, samples: Array, weights: Array | None) -> float:
        """Move the centres by a batch; return its inertia before."""
        centers = self.cluster_centers_
        labels, squares, sums, totals = _native.kmeans_assign(samples, weights, centers, True, True)
        counts = self.counts_ + totals
        known = counts > 0
        moved = centers.astype(np.float64)
        # The mean of all samples so far, written as a step towards those of the batch.
        steps = (sums - totals[:, None] * moved)[known] / counts[known, None]
        moved[known] += steps
        self.counts_ = counts
        self.labels_ = labels
        self.n_steps_ += 1
        self._since_reassignment += len(samples)
        self._reassign(moved, samples, weights)
        self.cluster_centers_ = moved.astype(centers.dtype)
        squares = squares.astype(np.float64)
        return float(squares.sum() if weights is None else squares @ weights)

    def _reassign(self, centers: Array, samples: Array, weights: Array | None) -> None:
        """Set centres that few samples have gone to on samples of the batch."""
        due = self._since_reassignment >= _SAMPLES_BETWEEN_REASSIGNMENTS * len(centers)
        if self.reassignment_ratio <= 0 or not (due or (self.counts_ == 0).any()):
            return
        self._since_reassignment = 0
        poor = np.flatnonzero(self.counts_ < self.reassignment_ratio * self.counts_.max())
        poor = poor[np.argsort(self.counts_[poor], kind="stable")][: len(samples) // 2]
        if len(poor) == 0:
            return
        chosen = _native.permutation(len(samples), self._key, self._next_stream())[: len(poor)]
        if weights is not None:
            keep = weights[chosen] > 0
            poor, chosen = poor[keep], chosen[keep]
        centers[poor] = samples[chosen]
        rest = np.ones(len(centers), bool)
        rest[poor] = False
        # As much as the least of the others, so that they are not taken for poor at once.
        self.counts_[poor] = self.counts_[rest].min() if rest.any() else 1.0


class _Stop:
    """When to end: the centres hardly move, or the inertia has not become less for long.

    Attributes:
        average: the running mean of the batches' mean inertia.
    """

    def __init__(self, tolerance: float, part: float, patience: int | None) -> None:
        self._tolerance = tolerance
        self._rate = min(2 * part / (1 + part), 1.0)
        self._patience = patience
        self._steps = self._worse = 0
        self._moved = 0.0
        self._best = math.inf
        self.average = 0.0

    def __call__(self, inertia: float, moved: float) -> bool:
        self._steps += 1
        if self._steps == 1:  # from the centres to begin with
            return False
        fresh = self._steps == 2
        self.average = inertia if fresh else self.average + (inertia - self.average) * self._rate
        self._moved = moved if fresh else self._moved + (moved - self._moved) * self._rate
        if self._tolerance > 0 and self._moved <= self._tolerance:
            return True
        self._worse = 0 if self.average < self._best else self._worse + 1
        self._best = min(self._best, self.average)
        return self._patience is not None and self._worse >= self._patience > 0
