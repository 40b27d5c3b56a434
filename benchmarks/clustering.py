"""k-means from given centres, k-means++, and distances from centres."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unitgain import cluster

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial

# Samples, features, clusters.
SIZES = ((1000, 8, 8), (10_000, 16, 16), (100_000, 64, 64))
ITERATIONS = 20
# Seedings and tiny differences between distances are matters of chance: what they come to is alike.
CHANCE = 0.15


@dataclass(frozen=True)
class Problem:
    """Samples around as many centres as are looked for, or around one (``spread_out``)."""

    rows: int
    features: int
    clusters: int
    dtype: Any = np.float32
    spread_out: bool = False

    @property
    def size(self) -> str:
        """Its part of a case's name."""
        return f"{self.rows}x{self.features}x{self.clusters}"

    def samples(self) -> Array:
        """Return the samples: normal around centres that are themselves drawn so, but wider."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, self.features))
        if not self.spread_out:
            centers = 2 * rng.standard_normal((self.clusters, self.features))
            x += centers[rng.integers(0, self.clusters, self.rows)]
        return x.astype(self.dtype)

    def inertia(self, x: Array, centers: Array) -> float:
        """Return the inertia of centres, in float64."""
        total = 0.0
        for part in np.array_split(x, max(1, self.rows // 4096)):
            wide = part.astype(np.float64)
            squares = (wide**2).sum(axis=1)[:, None] - 2 * wide @ centers.T.astype(np.float64)
            total += (squares + (centers.astype(np.float64) ** 2).sum(axis=1)).min(axis=1).sum()
        return total


def cases() -> list[Case]:
    """Return all cases."""
    found = []
    for rows, features, clusters in SIZES:
        large = rows > 10_000
        grouped = Problem(rows, features, clusters)
        for problem, name in (
            (grouped, "kmeans"),
            (Problem(rows, features, clusters, spread_out=True), "kmeans_no_groups"),
            (Problem(rows, features, clusters, np.float64), "kmeans"),
        ):
            found.append(_case(name, problem, _lloyd_trial, large))
        found.append(_case("seeding", grouped, _seeding_trial, large))
        found.append(_case("transform", grouped, _transform_trial, large))
    return found


TITLES = {
    "kmeans": f"k-means, {ITERATIONS} iterations,",
    "kmeans_no_groups": f"k-means of samples without groups, {ITERATIONS} iterations,",
    "seeding": "k-means++",
    "transform": "distances from centres",
}


def _case(name: str, problem: Problem, trial: Callable[[Problem], Trial], large: bool) -> Case:
    type_name = np.dtype(problem.dtype).name
    return Case(
        f"clustering/{name}/{type_name}/{problem.size}",
        f"{TITLES[name]} of {problem.rows} x {problem.features} into {problem.clusters} clusters, "
        f"{type_name}",
        lambda: trial(problem),
        quick=name == "kmeans" and problem.rows == 1000 and type_name == "float32",
        large=large,
    )


# ---- Lloyd's iteration ----


def _lloyd_trial(problem: Problem) -> Trial:
    x = problem.samples()
    start = np.random.default_rng(1).permutation(len(x))[: problem.clusters]
    init = x[start].copy()
    options: dict[str, Any] = {"n_init": 1, "max_iter": ITERATIONS, "tol": 0.0}

    def contender(fit: Callable[[], Array]) -> Contender:
        return Contender(fit, lambda: problem.inertia(x, fit()))

    def unitgain() -> Contender:
        model = cluster.KMeans(problem.clusters, init=init, **options)
        return contender(lambda: model.fit(x).cluster_centers_)

    def numpy() -> Contender:
        return contender(lambda: _numpy_lloyd(x, init))

    def sklearn() -> Contender:
        from sklearn.cluster import KMeans

        model = KMeans(problem.clusters, init=init, **options)

        def fit() -> Array:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the iterations were too few
                return np.asarray(model.fit(x).cluster_centers_)

        return contender(fit)

    # Labels that rounding decides lead to other centres, whose inertia is next to the same.
    tolerance = 1e-5 if problem.dtype == np.float32 else 1e-6

    def exact() -> Exact:
        wide = x.astype(np.float64)
        return Exact.of(problem.inertia(x, _numpy_lloyd(wide, wide[start])))

    contenders = {OURS: unitgain, REFERENCE: numpy, "scikit-learn": sklearn}
    return Trial(contenders, tolerance, exact=exact)


def _numpy_lloyd(x: Array, centers: Array) -> Array:
    """Return the centres after some iterations; a cluster that gets empty stays where it is."""
    rows = np.arange(len(x))
    before = None
    for _ in range(ITERATIONS):
        labels = ((centers**2).sum(axis=1) - 2 * (x @ centers.T)).argmin(axis=1)
        if before is not None and np.array_equal(labels, before):
            break
        before = labels
        counts = np.bincount(labels, minlength=len(centers))
        order = rows[np.argsort(labels, kind="stable")]
        filled = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])[filled]
        centers = centers.copy()
        centers[filled] = np.add.reduceat(x[order], starts, axis=0) / counts[filled, None]
    return centers


# ---- k-means++ ----


def _seeding_trial(problem: Problem) -> Trial:
    x, k = problem.samples(), problem.clusters

    def contender(seed: Callable[[], Any]) -> Contender:
        # Half a dozen seedings on average, which are alike.
        return Contender(seed, lambda: np.mean([problem.inertia(x, seed()[0]) for _ in range(6)]))

    def unitgain() -> Contender:
        seeds = iter(range(1 << 30))
        return contender(lambda: cluster.kmeans_plusplus(x, k, random_state=next(seeds)))

    def numpy() -> Contender:
        rng = np.random.default_rng(0)
        return contender(lambda: (_numpy_seeding(x, k, rng), None))

    def sklearn() -> Contender:
        from sklearn.cluster import kmeans_plusplus

        seeds = iter(range(1 << 30))
        return contender(lambda: kmeans_plusplus(x, k, random_state=next(seeds)))

    return Trial({OURS: unitgain, REFERENCE: numpy, "scikit-learn": sklearn}, CHANCE)


def _numpy_seeding(x: Array, k: int, rng: np.random.Generator) -> Array:
    """Return samples chosen by greedy k-means++."""
    trials = 2 + int(np.log(k))
    squares = (x**2).sum(axis=1)
    chosen = [int(rng.integers(len(x)))]
    least = None
    for step in range(k):
        if step == 0:
            drawn = np.array(chosen)
        else:
            assert least is not None
            sums = np.cumsum(least, dtype=np.float64)
            drawn = np.searchsorted(sums, rng.random(trials) * sums[-1]).clip(max=len(x) - 1)
        apart = np.maximum(squares - 2 * (x[drawn] @ x.T) + squares[drawn, None], 0)
        if least is not None:
            np.minimum(apart, least, out=apart)
        best = int(apart.sum(axis=1).argmin())
        least = apart[best]
        if step > 0:
            chosen.append(int(drawn[best]))
    return np.asarray(x[chosen])


# ---- distances ----


def _transform_trial(problem: Problem) -> Trial:
    x = problem.samples()
    centers = x[: problem.clusters].copy()
    # Its own distances, of samples from themselves, would show what rounding leaves of 0.
    x = x[problem.clusters :]

    def unitgain() -> Contender:
        model = cluster.KMeans(problem.clusters, init=centers, max_iter=1).fit(centers)
        return Contender.of(lambda: model.transform(x))

    def numpy() -> Contender:
        return Contender.of(lambda: _numpy_distances(x, centers))

    def sklearn() -> Contender:
        from sklearn.cluster import KMeans

        model = KMeans(problem.clusters, init=centers, n_init=1, max_iter=1).fit(centers)
        return Contender.of(lambda: model.transform(x))

    tolerance = 1e-4 if problem.dtype == np.float32 else 1e-10

    def exact() -> Exact:
        return Exact.of(_numpy_distances(x.astype(np.longdouble), centers.astype(np.longdouble)))

    contenders = {OURS: unitgain, REFERENCE: numpy, "scikit-learn": sklearn}
    return Trial(contenders, tolerance, exact=exact)


def _numpy_distances(x: Array, centers: Array) -> Array:
    squares = (x**2).sum(axis=1)[:, None] - 2 * (x @ centers.T)
    squares += (centers**2).sum(axis=1)
    np.maximum(squares, 0, out=squares)
    return np.asarray(np.sqrt(squares, out=squares))
