"""Accuracies: shares of what is right."""

from __future__ import annotations

from typing import Any

from unitgain.dtype_policies import DTypePolicyLike
from unitgain.metrics.base import RowMean

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Accuracy(RowMean):
    """The share of predictions that are equal to their target.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> ug.metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75
    """

    direction = "up"
    kind = "equality"
    elementwise = True

    def __init__(self, name: str | None = "accuracy", dtype: DTypePolicyLike = None) -> None:
        super().__init__(name, dtype)


class BinaryAccuracy(RowMean):
    """The share of outputs that are above the threshold where the target is 1, and not where 0.

    An output whose target is neither is wrong, and NaN is not above the threshold.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.
        threshold: above which an output says 1.

    >>> import unitgain as ug
    >>> ug.metrics.BinaryAccuracy()([1, 1, 0, 0], [0.98, 1.0, 0.0, 0.6])
    0.75
    """

    direction = "up"
    kind = "binary_accuracy"
    elementwise = True

    def __init__(
        self,
        name: str | None = "binary_accuracy",
        dtype: DTypePolicyLike = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"threshold": self.threshold}


class CategoricalAccuracy(RowMean):
    """The share of rows whose largest output is where the largest target is.

    Of equals the first counts, and NaN as the largest, as in ``numpy.argmax``.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> ug.metrics.CategoricalAccuracy()([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    0.5
    """

    direction = "up"
    kind = "categorical_accuracy"
    takes_rows = True

    def __init__(
        self, name: str | None = "categorical_accuracy", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)


class SparseCategoricalAccuracy(RowMean):
    """The share of rows whose largest output is the label's.

    Of equals the first counts, and NaN as the largest, as in ``numpy.argmax``. A label that is no
    class is none of them.

    Args:
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    >>> import unitgain as ug
    >>> ug.metrics.SparseCategoricalAccuracy()([2, 1], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    0.5
    """

    direction = "up"
    kind = "categorical_accuracy"
    takes_labels = True
    takes_rows = True

    def __init__(
        self, name: str | None = "sparse_categorical_accuracy", dtype: DTypePolicyLike = None
    ) -> None:
        super().__init__(name, dtype)


class _TopK(RowMean):
    """The share of rows in which fewer than k outputs are larger than that of the class."""

    direction = "up"
    kind = "top_k"
    takes_rows = True

    def __init__(self, k: int, name: str | None, dtype: DTypePolicyLike) -> None:
        super().__init__(name, dtype)
        if k < 1:
            raise ValueError(f"k must be at least 1, but it is {k}")
        self.k = k

    def arguments(self) -> dict[str, Any]:
        """Return the parameters of the native spec."""
        return {"k": self.k}


class TopKCategoricalAccuracy(_TopK):
    """The share of rows in which the largest target is among the k largest outputs.

    Outputs that are equal to the k-th largest are all among them. NaN is larger than any number,
    and a class whose output is NaN is not found.

    Args:
        k: how many outputs count.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if k is below 1.

    >>> import unitgain as ug
    >>> metric = ug.metrics.TopKCategoricalAccuracy(k=2)
    >>> metric([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.8, 0.05, 0.15]])
    0.5
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "top_k_categorical_accuracy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(k, name, dtype)


class SparseTopKCategoricalAccuracy(_TopK):
    """The share of rows in which the label is among the k largest outputs.

    Otherwise as :class:`TopKCategoricalAccuracy`; a label that is no class is not found.

    Args:
        k: how many outputs count.
        name: what it is reported as.
        dtype: see :class:`~unitgain.metrics.Metric`.

    Raises:
        ValueError: if k is below 1.
    """

    takes_labels = True

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: DTypePolicyLike = None,
    ) -> None:
        super().__init__(k, name, dtype)
