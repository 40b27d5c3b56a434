"""Normalisation of groups of features, and by the root mean square alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.native import NativeGraph
from unitgain.layers.axes import sample_axis
from unitgain.layers.base import Layer, SampleShape
from unitgain.layers.normalization import (
    ConstraintName,
    InitializerName,
    RegularizerName,
    _Normalization,
)

__all__ = ["GroupNormalization", "RMSNormalization"]

Array = NDArray[np.float64]


class GroupNormalization(_Normalization):
    """``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, by groups of a sample's features.

    Mean and (biased) variance are those of a group of neighbouring features along ``axis``, and of
    all other axes of the sample (Wu and He, "Group normalization", ECCV 2018). With one group it is
    a layer normalization of the whole sample. The arithmetic is NumPy's, in float64: each batch
    costs a call of Python.

    Args:
        groups: how many groups; -1 for one a feature.
        axis: the features' axis, the batch being axis 0. ``gamma`` and ``beta`` have its size.
        epsilon: added to the variance.
        center: whether there is a ``beta``.
        scale: whether there is a ``gamma``.
        beta_initializer: makes ``beta``.
        gamma_initializer: makes ``gamma``.
        beta_regularizer: the penalty that the loss has for ``beta``; None for none.
        gamma_regularizer: the penalty that the loss has for ``gamma``.
        beta_constraint: what ``beta`` is made to fulfil after each step; None for nothing.
        gamma_constraint: what ``gamma`` is made to fulfil.
        name: what the layer is called.
        trainable: whether training may change the weights.

    Raises:
        ValueError: if an argument is out of its range; or at the first use, if the features are no
            multiple of the groups.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.GroupNormalization(2, epsilon=0.0)(np.array([[1.0, 3.0, 0.0, 8.0]]))
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerName = "zeros",
        gamma_initializer: InitializerName = "ones",
        beta_regularizer: RegularizerName = None,
        gamma_regularizer: RegularizerName = None,
        beta_constraint: ConstraintName = None,
        gamma_constraint: ConstraintName = None,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            name,
            trainable,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **keywords,
        )
        if not isinstance(groups, int) or (groups < 1 and groups != -1):
            raise ValueError(f"groups must be an int of at least 1, or -1, but it is {groups}")
        self.groups = groups
        self.axis = axis

    def build(self, input_shape: SampleShape) -> None:
        """Make gamma and beta."""
        axis = sample_axis(self.axis, input_shape)
        if self.groups != -1 and input_shape[axis] % self.groups:
            raise ValueError(
                f"{self.name} has {self.groups} groups, but {input_shape[axis]} features, which is "
                "no multiple"
            )
        self._build_affine([axis], input_shape)

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape."""
        return input_shape

    def lower(self, graph: NativeGraph, node: Any) -> int:
        """Add a node that calls :meth:`call` and :meth:`backward`."""
        return Layer.lower(self, graph, node)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the batch, normalised."""
        normal, _ = self._normal(inputs)
        if self.gamma is not None:
            normal *= self._along(self.gamma.array, inputs.shape)
        if self.beta is not None:
            normal += self._along(self.beta.array, inputs.shape)
        return normal.reshape(inputs.shape).astype(inputs.dtype)

    def backward(self, upstream: Any, inputs: Any, outputs: Any) -> Any:
        """Return the gradients at the inputs and at the weights."""
        normal, inverse = self._normal(inputs)
        given = upstream.astype(np.float64).reshape(normal.shape)
        gradients: list[Array] = []
        scaled = given
        if self.gamma is not None:
            gradients.append((given * normal).sum((0, 1, 4)).reshape(-1))
            scaled = given * self._along(self.gamma.array, inputs.shape)
        if self.beta is not None:
            gradients.append(given.sum((0, 1, 4)).reshape(-1))
        mean, along = _mean(scaled), _mean(scaled * normal)
        made = ((scaled - mean - normal * along) * inverse).reshape(inputs.shape)
        return (made, gradients) if self.weights else made

    def _split(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes before the features, of the groups, within them, and behind."""
        (axis,) = (axis + 1 for axis in self._axes)
        groups = shape[axis] if self.groups == -1 else self.groups
        return (
            math.prod(shape[1:axis]),
            groups,
            shape[axis] // groups,
            math.prod(shape[axis + 1 :]),
        )

    def _along(self, weights: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        _, groups, each, _ = self._split(shape)
        return weights.reshape(1, 1, groups, each, 1)

    def _normal(self, inputs: NDArray[Any]) -> tuple[Array, Array]:
        """Return (x - mean) / deviation, by group, and 1 / deviation."""
        x = inputs.astype(np.float64).reshape(len(inputs), *self._split(inputs.shape))
        x = x - _mean(x)
        inverse = 1 / np.sqrt(_mean(x**2) + self.epsilon)
        return x * inverse, inverse


def _mean(values: Array) -> Array:
    return np.asarray(values.mean((1, 3, 4), keepdims=True))


class RMSNormalization(Layer):
    """``y = scale x / sqrt(mean(x^2) + epsilon)``, sample by sample (Zhang and Sennrich, 2019).

    A layer normalization without the mean and without an offset. The arithmetic is NumPy's, in
    float64: each batch costs a call of Python.

    Args:
        axis: the axis or axes of the mean, the batch being axis 0. ``scale`` has their sizes.
        epsilon: added to the mean.
        name: what the layer is called.
        trainable: whether training may change the weights.

    Raises:
        ValueError: if an argument is out of its range.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.RMSNormalization(epsilon=0.0)(np.array([[3.0, -3.0]]))
    array([[ 1., -1.]])
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(name, trainable, **keywords)
        if not epsilon >= 0:
            raise ValueError(f"epsilon must be at least 0, but it is {epsilon}")
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = epsilon

    def build(self, input_shape: SampleShape) -> None:
        """Make the scale."""
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        axes = sorted({sample_axis(axis, input_shape) for axis in given})
        self._axes = tuple(axis + 1 for axis in axes)
        self.scale = self.add_weight(tuple(input_shape[a] for a in axes), "ones", name="scale")

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape."""
        return input_shape

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the batch, normalised."""
        return (self._normal(inputs)[0] * self._along(inputs)).astype(inputs.dtype)

    def backward(self, upstream: Any, inputs: Any, outputs: Any) -> Any:
        """Return the gradients at the inputs and at the scale."""
        normal, inverse = self._normal(inputs)
        scaled = upstream * self._along(inputs)
        along = (scaled * normal).mean(self._axes, keepdims=True)
        others = tuple(axis for axis in range(inputs.ndim) if axis not in self._axes)
        return (scaled - normal * along) * inverse, [(upstream * normal).sum(others)]

    def _along(self, inputs: NDArray[Any]) -> Array:
        sizes = [n if axis in self._axes else 1 for axis, n in enumerate(inputs.shape)]
        return self.scale.array.astype(np.float64).reshape(sizes)

    def _normal(self, inputs: NDArray[Any]) -> tuple[Array, Array]:
        """Return x over its root mean square, and one over that."""
        x = inputs.astype(np.float64)
        inverse = 1 / np.sqrt((x**2).mean(self._axes, keepdims=True) + self.epsilon)
        return x * inverse, inverse
