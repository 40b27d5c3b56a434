"""k-means by Lloyd's iteration, and what it shares with its variant for batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np

from unitgain import _names, _native
from unitgain._configurable import Configurable
from unitgain._warnings import warn
from unitgain.cluster.affinity import (
    affinities,
    checked_affinity,
    checked_bandwidth,
    rule_of_bandwidth,
)
from unitgain.cluster.samples import (
    Array,
    Seed,
    as_weights,
    checked_count,
    checked_samples,
    draw_stream,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KMeans", "kmeans_plusplus"]

Init: TypeAlias = str | Callable[..., Any] | Any

# Operations of Lloyd's iteration between two looks at what the user has to say (Ctrl-C): a second
# or so of a core.
_OPERATIONS_A_CALL = 1e11
# Values of which NumPy finds the mean in less time than a pass of native code takes to set up.
_SMALL = 1 << 15


def default_trials(n_clusters: int) -> int:
    """Return how many candidates k-means++ draws for each centre: ``2 + log(n_clusters)``."""
    return 2 + int(math.log(n_clusters))


def kmeans_plusplus(
    X: Any,
    n_clusters: SupportsIndex,
    *,
    sample_weight: Any = None,
    random_state: Seed = None,
    n_local_trials: SupportsIndex | None = None,
) -> tuple[Array, Array]:
    """Return samples that are far from each other, to begin k-means with, and their indices.

    Each is drawn with a probability that grows with its squared distance from those before it, as
    the best of some draws (Arthur and Vassilvitskii, "k-means++: the advantages of careful
    seeding", SODA 2007).

    Args:
        X: (samples, features).
        n_clusters: how many to choose.
        sample_weight: a weight for each sample; None for 1.
        random_state: an integer that always gives the same, None, or NumPy's generator.
        n_local_trials: draws for each choice; None for ``2 + log(n_clusters)``.

    Returns:
        The centres (n_clusters, features), and which samples they are (n_clusters,).

    Raises:
        ValueError: if there are fewer samples than clusters, or one is NaN or infinite.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x = np.array([[0.0], [0.1], [9.0], [9.1]])
    >>> centers, indices = ug.cluster.kmeans_plusplus(x, 2, random_state=0)
    >>> bool(abs(centers[0] - centers[1]) > 8)
    True
    """
    samples = checked_samples(X)
    weights = as_weights(sample_weight, samples)
    count = _checked_clusters(n_clusters, samples)
    trials = default_trials(count) if n_local_trials is None else n_local_trials
    return _native.kmeans_seed(
        samples, weights, count, checked_count(trials, "n_local_trials"), *draw_stream(random_state)
    )


class ClusterEstimator(Configurable):
    """The common part of estimators of clusters: parameters, and what follows from centres.

    Attributes:
        cluster_centers_: (n_clusters, features), of the samples' dtype.
        inertia_: the sum of the samples' squared distances from their centres, by weight.
        bandwidth_: what ``bandwidth="auto"`` of :meth:`transform` means.
        n_features_in_: the number of features.
    """

    cluster_centers_: Array
    labels_: Array
    inertia_: float
    bandwidth_: float
    n_features_in_: int
    n_iter_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments that make an estimator like this."""
        return {name: getattr(self, name) for name in self._argument_names()}

    def set_params(self, **params: Any) -> Self:
        """Set arguments by name.

        Raises:
            ValueError: if there is none of a name.
        """
        known = dict.fromkeys(self._argument_names())
        for name, value in params.items():
            if name not in known:
                raise ValueError(_names.unknown(f"parameter of {type(self).__name__}", name, known))
            setattr(self, name, value)
        return self

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the clusters."""
        raise NotImplementedError(f"{type(self).__name__} does not implement fit")

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Find the clusters, and return each sample's."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None, **keywords: Any
    ) -> Array:
        """Find the clusters, and return what :meth:`transform` makes of the samples."""
        return self.fit(X, sample_weight=sample_weight).transform(X, **keywords)

    def predict(self, X: Any) -> Array:
        """Return the number of each sample's nearest centre, the first of equals.

        Raises:
            ValueError: if the estimator is not fitted, or X does not fit it.
        """
        samples, centers = self._seen(X)
        return _native.kmeans_assign(samples, None, centers, False, False)[0]

    def transform(self, X: Any, affinity: str = "distance", bandwidth: Any = "auto") -> Array:
        """Return what each sample is to each cluster: (samples, n_clusters).

        Args:
            X: (samples, features).
            affinity: of the distance d from the centre, ``"distance"``: d itself; ``"rbf"``:
                ``exp(-d**2 / (2 bandwidth**2))``; ``"soft"``: these over their sum, which are the
                probabilities of a mixture of equal Gaussian balls; ``"one_hot"``: 1 for the nearest
                centre and 0 for the others.
            bandwidth: of ``rbf`` and ``soft``. ``"auto"`` is the root mean square of the distances
                of ``fit``'s samples from their own centres.

        Raises:
            ValueError: if the estimator is not fitted, X does not fit it, or there is no such
                affinity.
        """
        checked_affinity(affinity)
        width = checked_bandwidth(bandwidth)
        samples, centers = self._seen(X)
        return affinities(samples, centers, affinity, self.bandwidth_ if width is None else width)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the negative inertia of samples: the larger, the nearer they are to the centres.

        Raises:
            ValueError: if the estimator is not fitted, or X does not fit it.
        """
        samples, centers = self._seen(X)
        weights = as_weights(sample_weight, samples)
        labels = _native.kmeans_assign(samples, None, centers, False, False)[0]
        return -_native.kmeans_inertia(samples, weights, centers, labels)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of :meth:`transform`'s columns."""
        self._check_fitted()
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(len(self.cluster_centers_))], dtype=object)

    def _check_fitted(self) -> None:
        if not hasattr(self, "cluster_centers_"):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit first")

    def _seen(self, X: Any) -> tuple[Array, Array]:
        """Return samples like those that fit has seen, and the centres in their dtype."""
        self._check_fitted()
        samples = checked_samples(X, self.cluster_centers_.shape[1])
        return samples, np.ascontiguousarray(self.cluster_centers_, samples.dtype)

    def _keep(self, centers: Array, inertia: float, total: float) -> None:
        """Set the attributes that follow from centres."""
        self.cluster_centers_ = centers
        self.n_features_in_ = centers.shape[1]
        self.inertia_ = inertia
        self.bandwidth_ = rule_of_bandwidth(inertia / total, centers)


class KMeans(ClusterEstimator):
    """k clusters around means: the samples' squared distances from these are as small as they get.

    Lloyd's iteration, in the samples' dtype: each sample goes to the nearest centre, and each
    centre to the mean of its samples, until none moves. A centre without samples takes the one that
    is farthest from its own. The result has the same bits for any number of threads.

    Args:
        n_clusters: how many clusters.
        init: ``"k-means++"``, ``"random"`` (samples at random), the centres to begin with, or a
            function of X, n_clusters and a random state that returns them.
        n_init: how many runs, of which the one of least inertia is kept; ``"auto"``: 10 of
            ``"random"`` and of functions, else 1.
        max_iter: the most iterations of a run.
        tol: a run ends when the centres' squared moves sum up to no more than this part of the
            features' mean variance.
        verbose: 1 prints a line for each run.
        random_state: an integer that always gives the same clusters; None; or NumPy's RandomState
            or Generator.
        copy_x: taken for the sake of code written for scikit-learn: X is never changed.
        algorithm: ``"lloyd"`` or ``"elkan"``, whose results are the same: what can be known without
            a distance is not computed (Hamerly, "Making k-means even faster", SDM 2010).

    Attributes:
        labels_: (samples,) int32, each sample's cluster.
        n_iter_: the iterations of the run that was kept.

    Raises:
        ValueError, TypeError: by ``fit``, if an argument is not as described, there are fewer
            samples than clusters, or an entry of X is NaN or infinite.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x = np.array([[0.0], [0.2], [8.0], [8.2]])
    >>> model = ug.cluster.KMeans(2, random_state=0).fit(x)
    >>> sorted(model.cluster_centers_[:, 0].round(6).tolist())
    [0.1, 8.1]
    >>> model.transform([[0.1]], affinity="one_hot").sum()
    np.float64(1.0)
    """

    def __init__(
        self,
        n_clusters: SupportsIndex = 8,
        *,
        init: Init = "k-means++",
        n_init: Any = "auto",
        max_iter: SupportsIndex = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Seed = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the clusters.

        Args:
            X: (samples, features).
            y: not used.
            sample_weight: how much each sample counts; None for 1.
        """
        samples = checked_samples(X)
        weights = as_weights(sample_weight, samples)
        start = Start(self.init, self.n_init, 10, self.n_clusters, samples)
        most = checked_count(self.max_iter, "max_iter")
        if self.algorithm not in ("lloyd", "elkan"):
            known = {"lloyd": None, "elkan": None}
            raise ValueError(_names.unknown("algorithm", self.algorithm, known))
        tolerance = _absolute_tolerance(self.tol, samples)
        key, stream = draw_stream(self.random_state)
        best: tuple[float, Array, Array, int] | None = None
        for run in range(start.runs):
            centers = start.centers(samples, weights, key, stream + run)
            labels, iterations = _run_lloyd(samples, weights, centers, most, tolerance)
            inertia = _native.kmeans_inertia(samples, weights, centers, labels)
            if self.verbose:
                print(f"run {run + 1}: {iterations} iterations, inertia {inertia:.6g}")
            if best is None or inertia < best[0]:
                best = (inertia, centers, labels, iterations)
        assert best is not None
        inertia, centers, labels, self.n_iter_ = best
        if not math.isfinite(inertia):
            raise ValueError(
                f"X has distances too large for {samples.dtype}: scale it"
                + (", or give it as float64" if samples.dtype == np.float32 else "")
            )
        self.labels_ = labels
        total = float(len(samples)) if weights is None else float(weights.sum(dtype=np.float64))
        self._keep(centers, inertia, total)
        found = np.count_nonzero(np.bincount(labels, minlength=start.count))
        if found < start.count:
            warn(
                f"there are {found} different clusters, fewer than n_clusters={start.count}: X may "
                "have samples that are equal"
            )
        return self


class Start:
    """How runs begin: checked, and as often as there are runs.

    Attributes:
        runs: how many.
        count: the number of clusters.
    """

    def __init__(
        self, init: Init, n_init: Any, random_runs: int, n_clusters: Any, samples: Array
    ) -> None:
        self.count = _checked_clusters(n_clusters, samples)
        self._init = init
        given = not callable(init) and not isinstance(init, str)
        if given:
            self._init = _checked_init(init, self.count, samples)
        elif isinstance(init, str) and init not in ("k-means++", "random"):
            known = {"k-means++": None, "random": None}
            raise ValueError(_names.unknown("init", init, known))
        if isinstance(n_init, str):
            if n_init != "auto":
                raise ValueError(f'n_init is {n_init!r}, expected "auto" or an integer')
            self.runs = 1 if given or init == "k-means++" else random_runs
        else:
            self.runs = checked_count(n_init, "n_init")
            if given:
                self.runs = 1  # the runs would be the same

    def centers(self, samples: Array, weights: Array | None, key: int, stream: int) -> Array:
        """Return the centres that a run begins with: an array of its own."""
        if callable(self._init):
            state = np.random.RandomState((key + stream) % 2**32)
            found = self._init(samples, self.count, random_state=state)
            return _checked_init(found, self.count, samples)
        if not isinstance(self._init, str):
            return np.array(self._init, samples.dtype, order="C")
        if self._init == "random":
            return _draw_samples(samples, weights, self.count, key, stream)
        trials = default_trials(self.count)
        return _native.kmeans_seed(samples, weights, self.count, trials, key, stream)[0]


def _run_lloyd(
    samples: Array, weights: Array | None, centers: Array, most: int, tolerance: float
) -> tuple[Array, int]:
    """Move centres to where they stay; return the labels and the number of iterations."""
    labels = np.full(len(samples), -1, np.int32)
    step = max(1, int(_OPERATIONS_A_CALL / (2.0 * samples.size * len(centers))))
    done, has_ended = 0, False
    while done < most and not has_ended:
        now = min(step, most - done)
        count, is_stable, is_near = _native.kmeans_lloyd(
            samples, weights, centers, labels, now, tolerance, done + now == most
        )
        done += count
        has_ended = is_stable or is_near
    return labels, done


def _checked_clusters(n_clusters: Any, samples: Array) -> int:
    count = checked_count(n_clusters, "n_clusters")
    if count > len(samples):
        raise ValueError(f"n_samples={len(samples)} should be >= n_clusters={count}")
    return count


def _checked_init(init: Any, count: int, samples: Array) -> Array:
    centers = np.array(checked_samples(init, name="init"), samples.dtype, order="C")
    if centers.shape != (count, samples.shape[1]):
        raise ValueError(
            f"init has shape {centers.shape}, expected (n_clusters, features) = "
            f"{(count, samples.shape[1])}"
        )
    return centers


def _draw_samples(
    samples: Array, weights: Array | None, count: int, key: int, stream: int
) -> Array:
    """Return different samples, the likelier the more they weigh.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006.
    """
    if weights is None:
        chosen = _native.permutation(len(samples), key, stream)[:count]
    else:
        times = _native.empty([len(samples)], np.dtype(np.float64))
        _native.fill_uniform(times, key, stream, 0.0, 1.0)
        with np.errstate(divide="ignore"):
            times = -np.log1p(-times) / weights
        times[weights == 0] = np.inf
        chosen = np.argsort(times, kind="stable")[:count]
    return np.ascontiguousarray(samples[chosen])


def _absolute_tolerance(tol: float, samples: Array) -> float:
    """Return ``tol`` times the mean variance of the features."""
    if isinstance(tol, (str, bool)) or not tol >= 0:
        raise ValueError(f"tol is {tol!r}, expected a number of at least 0")
    if tol == 0:
        return 0.0
    if samples.size <= _SMALL:
        mean, labels = samples.mean(axis=0, keepdims=True), np.zeros(len(samples), np.int32)
    else:
        origin = np.zeros((1, samples.shape[1]), samples.dtype)
        labels, _, sums, _ = _native.kmeans_assign(samples, None, origin, False, True)
        mean = (sums / len(samples)).astype(samples.dtype)
    return float(tol) * _native.kmeans_inertia(samples, None, mean, labels) / samples.size
