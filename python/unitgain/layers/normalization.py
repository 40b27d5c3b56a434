"""Batch and layer normalization."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import constraints, initializers, regularizers
from unitgain.graph.native import NativeGraph
from unitgain.graph.tensors import Node
from unitgain.layers.axes import lower_along, sample_axes, sample_axis
from unitgain.layers.base import Layer, SampleShape, Variable
from unitgain.layers.masks import lower_mask_of

__all__ = ["BatchNormalization", "LayerNormalization"]

InitializerName = initializers.InitializerLike
RegularizerName = regularizers.RegularizerLike
ConstraintName = constraints.ConstraintLike


def checked_epsilon(epsilon: float) -> float:
    """Return what is added to a variance.

    Raises:
        ValueError: if it is negative, or NaN.
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon must be at least 0, but it is {epsilon}")
    return epsilon


# A bound that nothing exceeds, as a file can hold it.
_MOST = sys.float_info.max


class _Normalization(Layer):
    """The base of the normalizations: epsilon, and gamma and beta along some axes."""

    supports_masking = True

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: InitializerName,
        gamma_initializer: InitializerName,
        name: str | None,
        trainable: bool,
        beta_regularizer: RegularizerName = None,
        gamma_regularizer: RegularizerName = None,
        beta_constraint: ConstraintName = None,
        gamma_constraint: ConstraintName = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, trainable, **keywords)
        self.epsilon = checked_epsilon(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None
        self._axes: tuple[int, ...] = ()

    def _build_affine(self, axes: Sequence[int], input_shape: SampleShape) -> SampleShape:
        """Make gamma and beta for these axes of a sample, from 0; return their shape."""
        self._axes = tuple(axes)
        shape = tuple(input_shape[axis] for axis in axes)
        if self.scale:
            self.gamma = self.add_weight(
                shape,
                self.gamma_initializer,
                name="gamma",
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                shape,
                self.beta_initializer,
                name="beta",
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )
        return shape

    def _features(self, input_shape: SampleShape) -> int:
        return math.prod(input_shape[axis] for axis in self._axes if axis < len(input_shape))

    def _lower_last(self, graph: NativeGraph, node: int) -> int:
        """Add the norm of a node whose rows are the features."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _lower_last")

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the norm's node, between two transpositions if the features are not last."""
        assert self.input_shape is not None
        return lower_along(
            graph, node, self.input_shape, self._axes, lambda rows: self._lower_last(graph, rows)
        )


class BatchNormalization(_Normalization):
    """``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, feature by feature.

    In training, mean and (biased) variance are the batch's, and the moving statistics move:
    ``moving = momentum moving + (1 - momentum) batch``. In inference, and in training when the
    layer is not trainable, they are the moving statistics (Ioffe and Szegedy, ICML 2015).

    Args:
        axis: the features' axis, the batch being axis 0; statistics are over all others.
        momentum: how much of the moving statistics is kept at each step, 0 to 1.
        epsilon: added to the variance.
        center: whether there is a ``beta``.
        scale: whether there is a ``gamma``.
        beta_initializer: makes ``beta``.
        gamma_initializer: makes ``gamma``.
        moving_mean_initializer: makes the first moving mean.
        moving_variance_initializer: makes the first moving variance.
        beta_regularizer: the penalty that the loss has for ``beta``; None for none.
        gamma_regularizer: the penalty that the loss has for ``gamma``.
        beta_constraint: what ``beta`` is made to fulfil after each step; None for nothing.
        gamma_constraint: what ``gamma`` is made to fulfil.
        renorm: whether a batch's statistics are corrected towards moving ones, so that training
            sees nearly what inference does: ``y = gamma ((x - mean) / deviation r + d) + beta``
            with ``r = deviation / renorm_stddev`` and ``d = (mean - renorm_mean) / renorm_stddev``,
            for the gradient constants (Ioffe, "Batch renormalization", NIPS 2017).
        renorm_clipping: bounds of the corrections: a dict with ``rmin`` and ``rmax`` of ``r`` and
            ``dmax`` of the magnitude of ``d``; those left out are none.
        renorm_momentum: how much of ``renorm_mean`` and ``renorm_stddev`` is kept at each step.
        synchronized: whether the statistics are those of the whole batch where several processes
            train, see :mod:`unitgain.distribution`; if not, they are those of each block of it. One
            process by itself has whole batches. Not with ``renorm`` or a mask.
        name: what the layer is called.
        trainable: whether training may change the weights and the moving statistics.

    Called with a ``mask``, or behind a layer that makes one, a batch's statistics are those of the
    rows that it keeps; all rows are normalized.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _takes_mask = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerName = "zeros",
        gamma_initializer: InitializerName = "ones",
        moving_mean_initializer: InitializerName = "zeros",
        moving_variance_initializer: InitializerName = "ones",
        beta_regularizer: RegularizerName = None,
        gamma_regularizer: RegularizerName = None,
        beta_constraint: ConstraintName = None,
        gamma_constraint: ConstraintName = None,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
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
        for label, value in (("momentum", momentum), ("renorm_momentum", renorm_momentum)):
            if not 0 <= value <= 1:
                raise ValueError(f"{label} must be between 0 and 1, but it is {value}")
        if synchronized and renorm:
            raise ValueError("synchronized statistics are not renormalized: renorm must be False")
        self.renorm = bool(renorm)
        self.renorm_clipping = _checked_clipping(renorm_clipping)
        self.renorm_momentum = renorm_momentum
        self.axis = axis
        self.momentum = momentum
        self.synchronized = synchronized
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: SampleShape) -> None:
        """Make gamma, beta and the moving statistics."""
        shape = self._build_affine([sample_axis(self.axis, input_shape)], input_shape)
        self.moving_mean = self.add_weight(
            shape, self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        if not self.renorm:
            return

        deviation = _Deviation(self.moving_variance_initializer)
        moving = {
            "moving_stddev": deviation,
            "renorm_mean": self.moving_mean_initializer,
            "renorm_stddev": deviation,
        }
        self.moving_stddev, self.renorm_mean, self.renorm_stddev = (
            self.add_weight(shape, first, trainable=False, name=name)
            for name, first in moving.items()
        )

    def _lower_last(self, graph: NativeGraph, node: int) -> int:
        return self._lower_rows(graph, [node])

    def _lower_rows(self, graph: NativeGraph, inputs: list[int]) -> int:
        """Add the norm of rows of features, and of the mask of these, if there is one."""
        renorm: dict[str, Any] = {}
        if self.renorm:
            known = self.renorm_clipping or {}
            bounds = (known.get("rmin", 0.0), *(known.get(key, _MOST) for key in ("rmax", "dmax")))
            renorm = {
                "moving_deviation": self.moving_stddev.parameter,
                "renorm_mean": self.renorm_mean.parameter,
                "renorm_deviation": self.renorm_stddev.parameter,
                "renorm": [self.renorm_momentum, *map(float, bounds)],
            }
        return int(
            graph.batch_norm(
                inputs,
                None if self.gamma is None else self.gamma.parameter,
                None if self.beta is None else self.beta.parameter,
                self.moving_mean.parameter,
                self.moving_variance.parameter,
                momentum=self.momentum,
                epsilon=self.epsilon,
                synchronized=int(self.synchronized),
                trainable=self.trainable,
                **renorm,
            )
        )

    def _lower_masked(self, graph: NativeGraph, node: int, use: Node, mask: int) -> int:
        shape = use.data_inputs[0].sample_shape
        if self._axes != (len(shape) - 1,):
            raise ValueError(
                f"{self.name} is given a mask, which is of the rows of features: these are along "
                f"the last axis, but axis is {self.axis}"
            )
        given = use.inputs[-1].sample_shape
        if given not in ((*shape[:-1], 1), shape[:-1]):
            raise ValueError(
                f"mask of {self.name} is of samples of shape {given}, expected {shape[:-1]}: one "
                "dimension less than the inputs"
            )
        kept = lower_mask_of(graph, self.name, mask, given, shape)
        return self._lower_rows(graph, [node, kept])


class _Deviation(initializers.Initializer):
    """The square root of what an initializer of variances makes."""

    def __init__(self, variance: initializers.Initializer) -> None:
        self.variance = variance

    def __call__(self, shape: Any, dtype: Any = None) -> NDArray[Any]:
        made: NDArray[Any] = np.sqrt(self.variance(shape, dtype))
        return made


def _checked_clipping(given: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return the bounds of the corrections of batch renormalization, None for none.

    Raises:
        ValueError: if there is another name, or a bound is out of its range.
    """
    if given is None:
        return None
    known = {name: value for name, value in given.items() if value is not None}
    for name in known:
        if name not in ("rmax", "rmin", "dmax"):
            raise ValueError(
                f"renorm_clipping has {name!r}, expected some of 'rmax', 'rmin' and 'dmax'"
            )
    least, most = known.get("rmin", 0.0), known.get("rmax", math.inf)
    if not least <= most:
        raise ValueError(f"renorm_clipping has rmin {least}, which is more than rmax, {most}")
    if not known.get("dmax", 0.0) >= 0:
        raise ValueError(f"renorm_clipping has dmax {known['dmax']}, expected at least 0")
    return known


class LayerNormalization(_Normalization):
    """``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, sample by sample.

    Mean and (biased) variance are taken over the features of one sample, in training and in
    inference alike (Ba, Kiros and Hinton, "Layer normalization", 2016).

    Args:
        axis: the features' axis or axes, the batch being axis 0. ``gamma`` and ``beta`` have their
            sizes.
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
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
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
        self.axis = axis

    def build(self, input_shape: SampleShape) -> None:
        """Make gamma and beta."""
        self._build_affine(sample_axes(self.axis, input_shape), input_shape)

    def _lower_last(self, graph: NativeGraph, node: int) -> int:
        return int(
            graph.layer_norm(
                node,
                None if self.gamma is None else self.gamma.parameter,
                None if self.beta is None else self.beta.parameter,
                self.epsilon,
                self.trainable,
            )
        )
