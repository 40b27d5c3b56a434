"""A model made ready for inference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unitgain._progress import ProgressBar
from unitgain.formats.document import to_bytes
from unitgain.graph.function import Function
from unitgain.graph.native import NativeNetwork
from unitgain.models.saving import restored_predictor
from unitgain.training.feeding import PREDICT_BATCH, dense

__all__ = ["Predictor", "checked_out", "quick_call"]


def checked_out(out: Any, count: int, shape: Any, dtype: Any, x: Any) -> Any:
    """Return a user's array as a matrix for ``count`` rows of outputs of a shape.

    Raises:
        TypeError: if it is no array, or of another dtype.
        ValueError: if it has another shape, is not C-contiguous or read-only, or overlaps ``x``.
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is of type {type(out).__name__}, expected an array")
    if not isinstance(shape, tuple):
        raise ValueError("out is for a model with one output")
    if out.dtype != dtype:
        raise TypeError(f"out has dtype {out.dtype}, expected {dtype}")
    if out.shape != (count, *shape):
        raise ValueError(f"out has shape {out.shape}, expected {(count, *shape)}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError("out must be C-contiguous and writeable")
    if any(np.may_share_memory(out, array) for array in x):
        raise ValueError("out shares memory with x")
    return out.reshape(count, math.prod(shape))


def quick_call(network: NativeNetwork, input_shape: Any, output_shape: Any) -> Any:
    """Return what runs a native network in inference mode on a plain matrix of samples.

    It returns None for any other argument. None if samples or outputs are no rows of a matrix.
    """
    for shape in (input_shape, output_shape):
        if not isinstance(shape, tuple) or len(shape) != 1:
            return None
    return network.caller()


class Predictor:
    """A copy of a model for inference alone, see :meth:`Model.optimize_for_inference`.

    Dense kernels are packed in the order in which the products read them. Any number of threads
    may call one predictor.
    """

    def __init__(
        self,
        network: NativeNetwork,
        function: Function,
        name: str,
        precision: str,
        architecture: Any,
    ) -> None:
        self.name = name
        self.precision = precision
        # The source of copies: a model's description, or why there is none.
        self._architecture = architecture
        self._network = network
        self._inputs = function.inputs.without_graph()
        self._outputs = function.outputs.without_graph()
        self._quick_call = quick_call(network, self.input_shape, self.output_shape)

    @property
    def input_shape(self) -> Any:
        """The shape of one sample; of several inputs, a list or dict."""
        return self._inputs.pack(self._inputs.shapes)

    @property
    def output_shape(self) -> Any:
        """The shape of the output for one sample; of several outputs, a list or dict."""
        return self._outputs.pack(self._outputs.shapes)

    def __reduce__(self) -> Any:
        if isinstance(self._architecture, Exception):
            raise TypeError(f"the predictor cannot be copied: {self._architecture}")
        document, classes = self._architecture
        arrays = {str(i): parameter.array for i, parameter in enumerate(self._network.parameters)}
        settings = {"precision": self.precision, "name": self.name}
        return restored_predictor, (to_bytes({**document, **settings}, arrays), classes)

    def __call__(self, x: Any, *, out: Any = None) -> Any:
        """Return the outputs for one batch ``(samples, *input_shape)``, at the lowest latency.

        Args:
            x: samples.
            out: where the outputs go: of their shape and dtype, C-contiguous.

        Raises:
            ValueError: if shapes do not fit.
            TypeError: if ``out`` has another dtype.
        """
        if out is None and self._quick_call is not None:
            quickly = self._quick_call(x)
            if quickly is not None:
                return quickly
        return self._run(dense(self._inputs.native_arrays(x, "x")), None, None, out)

    def predict(self, x: Any, verbose: str | int = 0, *, out: Any = None) -> Any:
        """Return the outputs for many samples, as :meth:`Model.predict`."""
        inputs = dense(self._inputs.native_arrays(x, "x"))
        batches = math.ceil(len(inputs) / PREDICT_BATCH)
        with ProgressBar("predict", batches, lambda totals: {}, verbose in (1, True)) as bar:
            outputs = self._run(inputs, PREDICT_BATCH, bar, out)
            bar.finish(batches, {})
        return outputs

    def _run(self, inputs: Any, batch_size: int | None, progress: Any, out: Any) -> Any:
        count = len(inputs)
        target = None
        if out is not None:
            dtype = self._network.parameters[0].array.dtype
            arrays = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
            target = checked_out(out, count, self.output_shape, dtype, arrays)
        found = self._network.predict(inputs, batch_size or max(1, count), progress, out=target)
        return self._outputs.pack_arrays(found) if out is None else out

    def __repr__(self) -> str:
        return f"<Predictor of {self.name}: {self.input_shape} to {self.output_shape}>"
