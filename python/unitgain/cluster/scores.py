"""How good clusters are, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain import _names, _native
from unitgain._figures import check_file
from unitgain.cluster.kmeans import KMeans
from unitgain.cluster.samples import Array, Seed, checked_count, checked_samples, draw_stream

__all__ = [
    "ClusterCounts",
    "choose_n_clusters",
    "inertia_curve",
    "silhouette_samples",
    "silhouette_score",
]


def silhouette_samples(X: Any, labels: Any) -> NDArray[np.float64]:
    """Return how much nearer each sample is to its own cluster than to the next: -1 to 1.

    ``(b - a) / max(a, b)`` of the mean distance a from the others of its cluster and the least mean
    distance b from another cluster's samples; 0 for a sample that is alone (Rousseeuw,
    "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987).
    The arithmetic is float64; it takes time that grows with the square of the samples.

    Args:
        X: (samples, features).
        labels: (samples,), each sample's cluster.

    Raises:
        ValueError: if there are not 2 to ``samples - 1`` clusters, or shapes do not fit.
    """
    samples = checked_samples(X).astype(np.float64, copy=False)
    names = np.asarray(labels)
    if names.shape != (len(samples),):
        raise ValueError(f"labels has shape {names.shape}, expected ({len(samples)},)")
    clusters, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    if not 2 <= len(clusters) <= len(samples) - 1:
        raise ValueError(
            f"labels has {len(clusters)} different values, expected 2 to n_samples - 1 = "
            f"{len(samples) - 1}"
        )
    order = np.argsort(numbers, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    made = np.empty(len(samples))
    made[order] = _native.silhouettes(np.ascontiguousarray(samples[order]), starts)
    return made


def silhouette_score(
    X: Any, labels: Any, *, sample_size: SupportsIndex | None = None, random_state: Seed = None
) -> float:
    """Return the mean of :func:`silhouette_samples`.

    Args:
        X: (samples, features).
        labels: (samples,), each sample's cluster.
        sample_size: how many samples to take at random; None for all.
        random_state: decides which.

    Raises:
        ValueError: if there are not 2 to ``samples - 1`` clusters among them.

    >>> import unitgain as ug
    >>> x = [[0.0], [1.0], [10.0], [11.0]]
    >>> round(ug.cluster.silhouette_score(x, [0, 0, 1, 1]), 3)
    0.9
    """
    samples, names = checked_samples(X), np.asarray(labels)
    if sample_size is not None and names.shape == (len(samples),):
        size = min(checked_count(sample_size, "sample_size", 2), len(samples))
        rows = _native.permutation(len(samples), *draw_stream(random_state))[:size]
        samples, names = samples[rows], names[rows]
    return float(silhouette_samples(samples, names).mean())


def inertia_curve(X: Any, candidates: Iterable[SupportsIndex], **keywords: Any) -> Array:
    """Return the inertia that :class:`KMeans` finds for each number of clusters.

    Args:
        X: (samples, features).
        candidates: numbers of clusters.
        keywords: further arguments of :class:`KMeans`.

    Raises:
        ValueError: if a number does not fit X.
    """
    samples = checked_samples(X)
    return np.array([KMeans(k, **keywords).fit(samples).inertia_ for k in candidates])


@dataclass(frozen=True)
class ClusterCounts:
    """The result of :func:`choose_n_clusters`.

    Attributes:
        n_clusters: the number chosen.
        candidates: the numbers tried, ascending.
        inertias: the inertia of each.
        silhouettes: the mean silhouette of each; NaN where it is not defined.
        criterion: what the choice went by.
    """

    n_clusters: int
    candidates: NDArray[np.int64]
    inertias: NDArray[np.float64]
    silhouettes: NDArray[np.float64]
    criterion: str

    def plot(self, path: str | Path) -> None:
        """Draw both curves over the number of clusters, and write the figure to a file.

        Args:
            path: the file, its format told by its ending.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if matplotlib cannot write the format that the name ends in.
        """
        check_file(Path(path))
        from matplotlib.figure import Figure

        figure: Any = Figure(figsize=(7, 4.5), layout="constrained")
        left = figure.add_subplot()
        right = left.twinx()
        lines = left.plot(self.candidates, self.inertias, "o-", color="#9aa5b1", label="inertia")
        lines += right.plot(
            self.candidates, self.silhouettes, "o-", color="#1f6fb4", label="silhouette"
        )
        lines.append(left.axvline(self.n_clusters, color="#1f6fb4", linestyle="--", label="chosen"))
        left.set(xlabel="clusters", ylabel="inertia")
        right.set_ylabel("mean silhouette")
        left.xaxis.get_major_locator().set_params(integer=True)
        left.legend(handles=lines)
        figure.savefig(path)


def choose_n_clusters(
    X: Any,
    candidates: Iterable[SupportsIndex] = range(2, 11),
    *,
    criterion: str = "silhouette",
    sample_size: SupportsIndex | None = 5000,
    random_state: Seed = None,
    **keywords: Any,
) -> ClusterCounts:
    """Return a number of clusters, and what others came to.

    Args:
        X: (samples, features).
        candidates: the numbers to try.
        criterion: ``"silhouette"``: the one with the largest mean silhouette; ``"elbow"``: the one
            whose inertia lies farthest below the line between the first and the last (Satopaa,
            Albrecht, Irwin and Raghavan, "Finding a kneedle in a haystack", 2011), of three at
            least.
        sample_size: how many samples the silhouette is taken of, at random; None for all.
        random_state: decides the clusters and those samples.
        keywords: further arguments of :class:`KMeans`.

    Raises:
        ValueError: if there is no candidate, one does not fit X, or no silhouette is defined.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x = np.random.default_rng(0).standard_normal((300, 2))
    >>> x += np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 100, axis=0)
    >>> ug.cluster.choose_n_clusters(x, random_state=0).n_clusters
    3
    """
    if criterion not in ("silhouette", "elbow"):
        known = {"silhouette": None, "elbow": None}
        raise ValueError(_names.unknown("criterion", criterion, known))
    samples = checked_samples(X)
    numbers = sorted({checked_count(k, "candidates") for k in candidates})
    if len(numbers) < (3 if criterion == "elbow" else 1):
        raise ValueError(f"candidates has {len(numbers)} numbers, too few for {criterion!r}")
    inertias, silhouettes = [], []
    for k in numbers:
        model = KMeans(k, random_state=random_state, **keywords).fit(samples)
        inertias.append(model.inertia_)
        silhouettes.append(_silhouette(samples, model.labels_, sample_size, random_state))
    if criterion == "elbow":
        best = _elbow(np.array(numbers), np.array(inertias))
    elif np.isfinite(silhouettes).any():
        best = int(np.nanargmax(silhouettes))
    else:
        raise ValueError("no candidate has a silhouette: that takes 2 to n_samples - 1 clusters")
    return ClusterCounts(
        numbers[best], np.array(numbers), np.array(inertias), np.array(silhouettes), criterion
    )


def _silhouette(
    samples: Array, labels: Array, sample_size: SupportsIndex | None, random_state: Seed
) -> float:
    """Return the mean silhouette, NaN where it is not defined."""
    try:
        return silhouette_score(samples, labels, sample_size=sample_size, random_state=random_state)
    except ValueError:
        return float("nan")


def _elbow(numbers: Array, inertias: Array) -> int:
    """Return the index of the point that lies farthest below the line from first to last."""
    along = (numbers - numbers[0]) / (numbers[-1] - numbers[0])
    drop = inertias[0] - inertias[-1]
    height = (inertias - inertias[-1]) / drop if drop > 0 else np.zeros(len(inertias))
    return int(np.argmax(1 - along - height))
