"""ReLU, LeakyReLU, ELU, PReLU, GLU, Softmax: activations as layers of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from unitgain import _native, constraints, initializers, regularizers
from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.graph.tensors import Node, is_symbolic
from unitgain.layers.axes import lower_along, sample_axes, sample_axis
from unitgain.layers.base import Layer, SampleShape
from unitgain.layers.masks import lower_mask_of

# What stands for the values that a softmax leaves out, as in Keras.
_LOWEST = -1e9

__all__ = ["ELU", "GLU", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


class Parametric(Layer):
    """An activation function with fixed parameters; subclasses set both attributes."""

    function: str
    parameters: dict[str, float]
    _takes_one_sample = supports_masking = True

    def _set(self, function: str, **parameters: float) -> None:
        self.function, self.parameters = function, parameters
        _native.check_activation(function, parameters)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the activation's node."""
        return int(graph.activation(node, self.function, list(self.parameters.values())))


class ReLU(Parametric):
    """Rectified linear unit: ``max(x, 0)`` with the default arguments.

    See :func:`unitgain.activations.relu` for the formula with others.

    Args:
        max_value: the largest output; None for no bound.
        negative_slope: the slope below the threshold.
        threshold: from where on the output is the input.
        name: what the layer is called.

    Raises:
        ValueError: if ``max_value`` or ``negative_slope`` is negative, or a parameter not finite.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        bound = float("inf") if max_value is None else float(max_value)
        self._set(
            "relu",
            negative_slope=float(negative_slope),
            max_value=bound,
            threshold=float(threshold),
        )


class LeakyReLU(Parametric):
    """``x`` where it is positive and ``negative_slope * x`` elsewhere.

    Args:
        negative_slope: the slope below 0. The function's default is 0.2, the layer's 0.3, as in
            Keras.
        name: what the layer is called.

    Raises:
        ValueError: if ``negative_slope`` is negative or not finite.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013.
    """

    def __init__(
        self, negative_slope: float = 0.3, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.negative_slope = negative_slope
        self._set("leaky_relu", negative_slope=float(negative_slope))


class ELU(Parametric):
    """``x`` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere.

    Args:
        alpha: minus the limit far below 0.
        name: what the layer is called.

    Raises:
        ValueError: if ``alpha`` is negative or not finite.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
    exponential linear units (ELUs)", ICLR 2016.
    """

    def __init__(self, alpha: float = 1.0, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.alpha = alpha
        self._set("elu", alpha=float(alpha))


class PReLU(Layer):
    """``x`` where it is positive and ``alpha * x`` elsewhere, with learned slopes.

    Args:
        alpha_initializer: makes the slopes, of a sample's shape but 1 along the shared axes.
        alpha_regularizer: the penalty that the loss has for the slopes; None for none.
        alpha_constraint: what the slopes are made to fulfil after each step; None for nothing.
        shared_axes: the axes of the batch's array along which slopes are shared, counted from 1;
            None for none. Of the axes before the last, all or none must be shared.
        name: what the layer is called.
        trainable: whether training may change the slopes.

    Raises:
        ValueError: if there is no such initializer, or at the first use, no such axis.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    _takes_one_sample = supports_masking = True

    def __init__(
        self,
        alpha_initializer: initializers.InitializerLike = "Zeros",
        alpha_regularizer: regularizers.RegularizerLike = None,
        alpha_constraint: constraints.ConstraintLike = None,
        shared_axes: Sequence[int] | int | None = None,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(name, trainable, **keywords)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = [shared_axes] if isinstance(shared_axes, int) else list(shared_axes or [])
        self.shared_axes = axes

    def build(self, input_shape: SampleShape) -> None:
        """Make the slopes."""
        shape = list(input_shape)
        for axis in self.shared_axes:
            if not 1 <= axis <= len(shape):
                raise ValueError(
                    f"shared_axes has {axis}, but samples of shape {input_shape} have the axes 1 "
                    f"to {len(shape)}"
                )
            shape[axis - 1] = 1
        if rows_and_cols(tuple(shape))[0] not in (1, rows_and_cols(input_shape)[0]):
            raise ValueError(
                f"shared_axes is {self.shared_axes}, but of the first {len(shape) - 1} axes of "
                f"samples of shape {input_shape} all or none must be shared"
            )
        self.alpha = self.add_weight(
            shape,
            self.alpha_initializer,
            name="alpha",
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a PReLU node."""
        rows, cols = rows_and_cols(self.alpha.shape)
        return int(graph.prelu(node, self.alpha.parameter, rows, cols, self.trainable))


class GLU(Layer):
    """``a * sigmoid(b)``, of the two halves ``a`` and ``b`` of a sample along an axis.

    The output has half the size of the input there.

    Args:
        axis: the axis along which samples are halved, the batch being axis 0.
        name: what the layer is called.

    Raises:
        ValueError: at the first use, if there is no such axis, or its size is odd.

    Source: Dauphin, Fan, Auli and Grangier, "Language modeling with gated convolutional networks",
    ICML 2017.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.GLU()(np.array([[3.0, 5.0, 0.0, 100.0]]))
    array([[1.5, 5. ]])
    """

    def __init__(self, axis: int = -1, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.axis = axis

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape with half its size along the axis."""
        axis = sample_axis(self.axis, input_shape)
        if input_shape[axis] % 2:
            raise ValueError(
                f"{self.name} is given samples of shape {input_shape}, expected an even size along "
                f"axis {self.axis}"
            )
        return (*input_shape[:axis], input_shape[axis] // 2, *input_shape[axis + 1 :])

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the unit's node, of rows in which one half lies behind the other."""
        assert self.input_shape is not None
        shape = self.input_shape
        axis = sample_axis(self.axis, shape)
        node = graph.glu(graph.reshape(node, math.prod(shape[:axis]), math.prod(shape[axis:])))
        return int(graph.reshape(node, *rows_and_cols(self.compute_output_shape(shape))))


class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` along an axis.

    Called with a ``mask``, the values that it does not keep are 0, and the others add up to 1;
    where it keeps none, all are 0.

    Args:
        axis: the axis or axes whose values add up to 1, the batch being axis 0.
        name: what the layer is called.

    Raises:
        ValueError: at the first use, if there is no such axis.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.Softmax()(np.array([[1.0, 5.0, 1.0]]), np.array([[True, False, True]]))
    array([[0.5, 0. , 0.5]])
    """

    _takes_one_sample = supports_masking = _takes_mask = _masks_values = True

    def __init__(
        self, axis: int | Sequence[int] = -1, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.axis = axis

    def __call__(  # type: ignore[override]
        self, inputs: Any, mask: Any = None, training: bool | None = None
    ) -> Any:
        """Give the layer a place behind a symbolic tensor, or run it on an array.

        Args:
            inputs: a symbolic tensor, or an array.
            mask: True for the values that are kept, of a shape that broadcasts to the inputs'.
            training: has no effect.
        """
        if is_symbolic(inputs) or not np.ndim(inputs):
            return super().__call__(inputs, training, mask)
        array = np.asarray(inputs)
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        if all(axis % array.ndim for axis in axes):
            return super().__call__(inputs, training, mask)
        # Along the first axis an array is no batch of samples, but one sample.
        whole = type(self)([axis % array.ndim + 1 for axis in axes])
        kept = None if mask is None else np.broadcast_to(mask, array.shape)[np.newaxis]
        return super(Softmax, whole).__call__(array[np.newaxis], mask=kept)[0]

    def build(self, input_shape: SampleShape) -> None:
        """Check the axes."""
        sample_axes(self.axis, input_shape)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a softmax node."""
        assert self.input_shape is not None
        axes = sample_axes(self.axis, self.input_shape)
        if axes == (len(self.input_shape) - 1,):  # which a loss can take together
            return int(graph.softmax(node))
        return lower_along(graph, node, self.input_shape, axes, graph.softmax)

    def _lower_masked(self, graph: NativeGraph, node: int, use: Node, mask: int) -> int:
        assert self.input_shape is not None
        given = use.inputs[-1].sample_shape
        kept = lower_mask_of(graph, self.name, mask, given, self.input_shape)
        lowest = graph.keep_where([node, kept], _LOWEST)
        return int(graph.keep_where([self.lower(graph, lowest), kept], 0.0))
