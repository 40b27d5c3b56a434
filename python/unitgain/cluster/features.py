"""Affinities to clusters as features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from unitgain.cluster.affinity import affinities, checked_affinity, checked_bandwidth
from unitgain.cluster.kmeans import ClusterEstimator, KMeans
from unitgain.cluster.samples import Array, Seed

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ClusterFeatures"]


class ClusterFeatures(ClusterEstimator):
    """Affinities of samples to k clusters, in place of their features or beside them.

    Fewer features than the samples have (``append=False``), or features for a linear model that it
    could not make itself (``append=True``).

    Args:
        n_clusters: how many clusters.
        affinity: ``"rbf"``, ``"distance"``, ``"soft"`` or ``"one_hot"``, as of
            :meth:`KMeans.transform`.
        append: whether the samples' own features come first.
        bandwidth: of ``rbf`` and ``soft``, as of :meth:`KMeans.transform`.
        n_init: as :class:`KMeans`'s.
        max_iter: the same.
        random_state: the same.

    Attributes:
        kmeans_: the fitted :class:`KMeans`.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x = np.array([[0.0, 1.0], [0.2, 1.0], [8.0, 5.0], [8.2, 5.0]])
    >>> made = ug.cluster.ClusterFeatures(2, append=True, random_state=0).fit_transform(x)
    >>> made.shape
    (4, 4)
    """

    kmeans_: KMeans

    def __init__(
        self,
        n_clusters: SupportsIndex = 8,
        affinity: str = "rbf",
        append: bool = False,
        *,
        bandwidth: Any = "auto",
        n_init: Any = "auto",
        max_iter: SupportsIndex = 300,
        random_state: Seed = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.affinity = affinity
        self.append = append
        self.bandwidth = bandwidth
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the clusters.

        Args:
            X: (samples, features).
            y: not used.
            sample_weight: how much each sample counts; None for 1.

        Raises:
            ValueError, TypeError: as :meth:`KMeans.fit`, or if there is no such affinity.
        """
        checked_affinity(self.affinity)
        width = checked_bandwidth(self.bandwidth)
        self.kmeans_ = KMeans(
            self.n_clusters,
            n_init=self.n_init,
            max_iter=self.max_iter,
            random_state=self.random_state,
        ).fit(X, sample_weight=sample_weight)
        found = self.kmeans_
        self.cluster_centers_, self.labels_ = found.cluster_centers_, found.labels_
        self.inertia_, self.n_iter_ = found.inertia_, found.n_iter_
        self.n_features_in_ = found.n_features_in_
        self.bandwidth_ = found.bandwidth_ if width is None else width
        return self

    def transform(self, X: Any, affinity: str | None = None, bandwidth: Any = None) -> Array:
        """Return the new features: (samples, n_clusters), behind X's own if ``append``.

        Args:
            X: (samples, features).
            affinity: another than the estimator's; None for that.
            bandwidth: another than the estimator's; None for that.

        Raises:
            ValueError: if the estimator is not fitted, or X does not fit it.
        """
        kind = checked_affinity(self.affinity if affinity is None else affinity)
        width = checked_bandwidth(bandwidth)
        samples, centers = self._seen(X)
        made = affinities(samples, centers, kind, self.bandwidth_ if width is None else width)
        return np.concatenate([samples, made], axis=1) if self.append else made

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the new features; X's own are ``x0``, ``x1`` ... if not given."""
        names = super().get_feature_names_out()
        if not self.append:
            return names
        if input_features is None:
            own = getattr(self, "feature_names_in_", None)
            if own is None:
                own = [f"x{i}" for i in range(self.n_features_in_)]
            input_features = own
        return np.concatenate([np.asarray(input_features, dtype=object), names])
