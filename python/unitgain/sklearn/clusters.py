"""k-means and its features as scikit-learn's estimators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from unitgain import cluster

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ClusterFeatures", "KMeans", "MiniBatchKMeans"]

Array = NDArray[Any]


class _Clusters(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The parts of scikit-learn's interface that :class:`unitgain.cluster.KMeans` lacks."""

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters of ``X`` (samples, features); ``y`` is not used."""
        X, weights = self._read(X, sample_weight)
        super().fit(X, sample_weight=weights)
        return self

    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, **keywords: Any
    ) -> Array:
        """Find the clusters, and return what ``transform`` makes of the samples."""
        return np.asarray(self.fit(X, sample_weight=sample_weight).transform(X, **keywords))

    def transform(self, X: Any, *arguments: Any, **keywords: Any) -> Array:
        """Return what each sample is to each cluster; further arguments are the base class's."""
        return np.asarray(super().transform(self._seen_before(X), *arguments, **keywords))

    def predict(self, X: Any) -> Array:
        """Return the number of each sample's nearest centre."""
        return np.asarray(super().predict(self._seen_before(X)))

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the negative inertia of samples."""
        check_is_fitted(self)
        X, weights = self._read(X, sample_weight, reset=False)
        return float(super().score(X, sample_weight=weights))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Return the names of ``transform``'s columns."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.asarray(super().get_feature_names_out(names))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _read(
        self, X: Any, sample_weight: ArrayLike | None, reset: bool = True
    ) -> tuple[Array, Array | None]:
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)
        if sample_weight is None:
            return X, None
        return X, _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)

    def _seen_before(self, X: Any) -> Array:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))


class KMeans(ClusterMixin, _Clusters, cluster.KMeans):  # type: ignore[misc]
    """k-means, as :class:`unitgain.cluster.KMeans`, whose arguments and attributes it has.

    >>> from unitgain.sklearn import KMeans
    >>> KMeans(2, random_state=0).fit([[0.0], [0.2], [9.0]]).predict([[1.0], [8.0]]).size
    2
    """


class MiniBatchKMeans(ClusterMixin, _Clusters, cluster.MiniBatchKMeans):  # type: ignore[misc]
    """k-means by batches, as :class:`unitgain.cluster.MiniBatchKMeans`."""

    def partial_fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Take one batch in."""
        X, weights = self._read(X, sample_weight, reset=not hasattr(self, "cluster_centers_"))
        cluster.MiniBatchKMeans.partial_fit(self, X, sample_weight=weights)
        return self


class ClusterFeatures(_Clusters, cluster.ClusterFeatures):
    """Affinities to clusters as features, as :class:`unitgain.cluster.ClusterFeatures`."""
