"""Normalisation of groups of features, and by the root mean square alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from unitgain.graph.native import NativeGraph
from unitgain.layers.affine import lower_trained_affine
from unitgain.layers.axes import (
    checked_axes,
    lower_along,
    lower_permuted,
    sample_axes,
    sample_axis,
)
from unitgain.layers.base import Layer, SampleShape
from unitgain.layers.normalization import (
    ConstraintName,
    InitializerName,
    RegularizerName,
    _Normalization,
    checked_epsilon,
)

__all__ = ["GroupNormalization", "RMSNormalization"]


class GroupNormalization(_Normalization):
    """``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, by groups of a sample's features.

    Mean and (biased) variance are those of a group of neighbouring features along ``axis``, and of
    all other axes of the sample (Wu and He, "Group normalization", ECCV 2018). With one group it is
    a layer normalization of the whole sample.

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

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the norm of the groups as rows, and then gamma and beta."""
        assert self.input_shape is not None
        shape = self.input_shape
        (axis,) = self._axes
        groups = shape[axis] if self.groups == -1 else self.groups
        outer, within = math.prod(shape[:axis]), math.prod(shape[axis:]) // groups
        node = lower_permuted(graph, node, (outer, groups, within), (1, 0, 2))
        node = graph.reshape(node, groups, outer * within)
        node = graph.layer_norm(node, None, None, self.epsilon, False)
        node = lower_permuted(graph, node, (groups, outer, within), (1, 0, 2))
        return lower_along(
            graph,
            node,
            shape,
            self._axes,
            lambda rows: lower_trained_affine(
                graph, rows, self.gamma, self.beta, shape[axis], self.trainable
            ),
        )


class RMSNormalization(Layer):
    """``y = scale x / sqrt(mean(x^2) + epsilon)``, sample by sample (Zhang and Sennrich, 2019).

    A layer normalization without the mean and without an offset.

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
        self.axis = checked_axes(axis)
        self.epsilon = checked_epsilon(epsilon)

    def build(self, input_shape: SampleShape) -> None:
        """Make the scale."""
        axes = sample_axes(self.axis, input_shape)
        self.scale = self.add_weight(tuple(input_shape[a] for a in axes), "ones", name="scale")

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the norm's node, between transpositions if the features are not last."""
        assert self.input_shape is not None
        scale = self.scale.parameter
        return lower_along(
            graph,
            node,
            self.input_shape,
            sample_axes(self.axis, self.input_shape),
            lambda rows: graph.rms_norm(rows, scale, self.epsilon, self.trainable),
        )
