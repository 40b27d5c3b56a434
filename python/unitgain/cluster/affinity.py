"""Affinities of samples to cluster centres."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from unitgain import _names, _native

__all__ = ["Affinity", "affinities", "checked_affinity", "checked_bandwidth", "rule_of_bandwidth"]

Array: TypeAlias = NDArray[Any]
Affinity: TypeAlias = Literal["distance", "rbf", "soft", "one_hot"]


def checked_affinity(affinity: str) -> str:
    """Return an affinity's name.

    Raises:
        ValueError: if there is none of that name.
    """
    if affinity not in get_args(Affinity):
        raise ValueError(_names.unknown("affinity", affinity, dict.fromkeys(get_args(Affinity))))
    return affinity


def checked_bandwidth(bandwidth: Any) -> float | None:
    """Return a bandwidth, or None for one that the rule is to choose.

    Raises:
        ValueError: if it is neither "auto" nor a finite number above 0.
    """
    if bandwidth is None or (isinstance(bandwidth, str) and bandwidth == "auto"):
        return None
    if isinstance(bandwidth, (str, bool)) or not 0 < float(bandwidth) < float("inf"):
        raise ValueError(f'bandwidth is {bandwidth!r}, expected "auto" or a finite number above 0')
    return float(bandwidth)


def rule_of_bandwidth(mean_square: float, centers: Array) -> float:
    """Return the bandwidth of "auto": how far samples are from their own centre.

    That is the root of the mean squared distance, ``sqrt(inertia / weight of all samples)``. Where
    all samples lie on their centres, it is half of the least distance between two centres; and 1
    where there is but one place.

    Args:
        mean_square: the samples' mean squared distance from their own centre.
        centers: the centres, a row each.
    """
    if mean_square > 0:
        return float(np.sqrt(mean_square))
    apart = _native.cluster_affinities(centers, centers, "distance", 1.0)
    least = apart[apart > 0].min(initial=np.inf)
    return float(least) / 2 if np.isfinite(least) else 1.0


def affinities(X: Array, centers: Array, affinity: str, bandwidth: float) -> Array:
    """Return what each of the samples is to each of the centres, of X's dtype."""
    centers = np.ascontiguousarray(centers, X.dtype)
    return _native.cluster_affinities(X, centers, checked_affinity(affinity), bandwidth)
