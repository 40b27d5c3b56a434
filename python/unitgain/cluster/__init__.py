"""Clustering: k-means, what samples are to clusters as features, and how many clusters there are.

The estimators follow scikit-learn's conventions, and need nothing of it.
"""

from unitgain.cluster.features import ClusterFeatures
from unitgain.cluster.kmeans import KMeans, kmeans_plusplus
from unitgain.cluster.mini_batch import MiniBatchKMeans
from unitgain.cluster.scores import (
    ClusterCounts,
    choose_n_clusters,
    inertia_curve,
    silhouette_samples,
    silhouette_score,
)

__all__ = [
    "ClusterCounts",
    "ClusterFeatures",
    "KMeans",
    "MiniBatchKMeans",
    "choose_n_clusters",
    "inertia_curve",
    "kmeans_plusplus",
    "silhouette_samples",
    "silhouette_score",
]
