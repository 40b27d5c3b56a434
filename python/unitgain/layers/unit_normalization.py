"""UnitNormalization: samples brought to length 1; and the arithmetic of it, which Dot uses, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.layers.axes import sample_axis
from unitgain.layers.base import Layer, SampleShape

__all__ = ["UnitNormalization", "unit_length", "unit_length_gradient"]

Array = NDArray[Any]


def unit_length(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array]:
    """Return ``x / max(|x|, epsilon)`` with the Euclidean norm along ``axes``, and that divisor.

    The squares are of values scaled by the largest of them: they neither overflow nor vanish.
    """
    largest = np.abs(x).max(axes, keepdims=True, initial=0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
    length = scale * np.sqrt(np.square(x / scale).sum(axes, keepdims=True))
    divisor = np.maximum(length, x.dtype.type(epsilon))
    return x / divisor, divisor


def unit_length_gradient(
    upstream: Array, made: Array, divisor: Array, axes: tuple[int, ...], epsilon: float
) -> Array:
    """Return the gradient at ``x`` behind :func:`unit_length`, which made the two arrays of it.

    That is ``(g - y (y . g)) / |x|``, and ``g / epsilon`` where the norm is not above epsilon.
    """
    along = (upstream * made).sum(axes, keepdims=True)
    along = np.where(divisor > divisor.dtype.type(epsilon), along, 0)
    gradient: Array = (upstream - made * along) / divisor
    return gradient


class UnitNormalization(Layer):
    """``x / max(|x|, 1e-12)``: samples of Euclidean norm 1 along an axis or several.

    The arithmetic is NumPy's: each batch costs a call of Python.

    Args:
        axis: the axis or axes of the norm, the batch being axis 0.
        name: what the layer is called.

    Raises:
        TypeError: if ``axis`` is neither an int nor a list of ints.
        ValueError: at the first use, if there is no such axis.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> ug.layers.UnitNormalization()(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """

    _epsilon = 1e-12

    def __init__(
        self, axis: int | Sequence[int] = -1, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        given = [axis] if isinstance(axis, int) else axis
        if not isinstance(given, (list, tuple)) or not all(isinstance(a, int) for a in given):
            raise TypeError(f"axis is {axis!r}, expected an int or a list of ints")
        self.axis = axis if isinstance(axis, int) else list(axis)

    def _axes(self, input_shape: SampleShape) -> tuple[int, ...]:
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        return tuple(sorted({sample_axis(axis, input_shape) + 1 for axis in given}))

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape."""
        self._axes(input_shape)
        return input_shape

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the batch, normalised."""
        return unit_length(inputs, self._axes(inputs.shape[1:]), self._epsilon)[0]

    def backward(self, upstream: Any, inputs: Any, outputs: Any) -> Any:
        """Return the gradient at the inputs."""
        axes = self._axes(inputs.shape[1:])
        divisor = unit_length(inputs, axes, self._epsilon)[1]
        return unit_length_gradient(upstream, outputs, divisor, axes, self._epsilon)
