"""Gradients at a model's inputs: how much each of them counts."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.graph.tensors import SampleShape
from unitgain.training.feeding import PREDICT_BATCH, dense
from unitgain.training.parts import Trained

__all__ = ["InputGradients"]


class InputGradients(Trained):
    """Derivatives of outputs with respect to inputs, in inference mode."""

    def _inputs(self, x: Any, name: str = "x") -> Any:
        raise NotImplementedError

    def input_gradients(self, x: Any, output: Any = None) -> Any:
        """Return the gradient of an output at each input: what a small change of it changes.

        Its magnitude, or its product with the input, tells what the model looks at (saliency:
        Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2013). Dropout and
        noise are off, batch norm takes its moving statistics, and nothing of the model changes.
        It costs one pass forward and one back.

        Args:
            x: samples, ``(samples, *input_shape)``, or a list or dict of several inputs' arrays.
            output: of which output. A position among the outputs of a sample, counted as in a flat
                array; or factors of all of them, of shape ``output_shape`` or
                ``(samples, *output_shape)``, and the gradient is of the sum of the products. None
                for a model with one number as output. Of several outputs, a list or a dict with
                one such entry each, of which None leaves that output out.

        Returns:
            An array of x's shape, in the model's dtype; of several inputs, a list or dict of them.

        Raises:
            ValueError: if shapes do not fit, ``output`` is None and there are several numbers, the
                model has no weights yet, or an embedding takes whole numbers.
            IndexError: if there is no such output.

        >>> import numpy as np
        >>> import unitgain as ug
        >>> model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(2)])
        >>> model.set_weights([np.array([[1, 4], [2, 5], [3, 6]]), np.zeros(2)])
        >>> model.input_gradients(np.zeros((1, 3)), output=1)
        array([[4., 5., 6.]], dtype=float32)
        """
        inputs, function = dense(self._inputs(x)), self.function
        outputs = function.outputs
        given = outputs.arrange(output, "output", None) if len(outputs) > 1 else [output]
        upstream = [
            self._upstream(one, shape, len(inputs), outputs.label("output", i))
            for i, (one, shape) in enumerate(zip(given, outputs.shapes, strict=True))
        ]
        network = self._native_network()
        return self._input_shaped(network.input_gradients(inputs, upstream, PREDICT_BATCH), ())

    def jacobian(self, x: Any) -> Any:
        """Return the derivative of each output at each input, for each sample.

        As :meth:`input_gradients`, at the cost of as many passes as a sample has outputs.

        Args:
            x: samples, ``(samples, *input_shape)``, or a list or dict of several inputs' arrays.

        Returns:
            An array ``(samples, *output_shape, *input_shape)``, in the model's dtype; of several
            inputs, a list or dict of them; of several outputs, a list or dict of these.

        Raises:
            ValueError: if shapes do not fit, the model has no weights yet, or an embedding takes
                whole numbers.

        >>> import numpy as np
        >>> import unitgain as ug
        >>> model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(2)])
        >>> model.set_weights([np.array([[1, 4], [2, 5], [3, 6]]), np.zeros(2)])
        >>> model.jacobian(np.zeros((1, 3)))
        array([[[1., 2., 3.],
                [4., 5., 6.]]], dtype=float32)
        """
        inputs, outputs = dense(self._inputs(x)), self.function.outputs
        network = self._native_network()
        found = [
            self._input_shaped(network.jacobian(inputs, i, PREDICT_BATCH), shape)
            for i, shape in enumerate(outputs.shapes)
        ]
        return outputs.pack(found)

    def _upstream(
        self, output: Any, shape: SampleShape, rows: int, name: str
    ) -> NDArray[Any] | None:
        """Return the factors of an output's values, ``(rows, values)``, or None for zeros."""
        values = int(np.prod(shape))
        if output is None:
            if len(self.function.outputs) > 1:
                return None
            if values > 1:
                raise ValueError(
                    f"{name} is None, but the model has {values} outputs: name one by its "
                    "position, or give factors of all"
                )
            output = 0
        factors = np.zeros((rows, values), self.dtype)
        if np.ndim(output) == 0:
            position = operator.index(output)
            if not -values <= position < values:
                raise IndexError(f"{name} is {position}, but there are {values}")
            factors[:, position] = 1
            return factors
        array = np.asarray(output)
        if array.shape not in (shape, (rows, *shape)):
            raise ValueError(
                f"{name} has shape {array.shape}, expected {shape} or {(rows, *shape)}"
            )
        factors[...] = array.reshape(-1, values)
        return factors

    def _input_shaped(self, arrays: list[NDArray[Any]], between: SampleShape) -> Any:
        structure = self.function.inputs
        return structure.pack(
            [
                array.reshape(len(array), *between, *shape)
                for array, shape in zip(arrays, structure.shapes, strict=True)
            ]
        )
