"""A model made ready for inference."""

from __future__ import annotations

import math
from typing import Any

from unitgain import _data
from unitgain._progress import ProgressBar

__all__ = ["Predictor", "quick_call"]


def quick_call(network: Any, input_shape: Any, output_shape: Any) -> Any:
    """Return what runs a native network in inference mode on a plain matrix of samples.

    It returns None for any other argument. None if samples or outputs are no rows of a matrix.
    """
    for shape in (input_shape, output_shape):
        if not isinstance(shape, tuple) or len(shape) != 1:
            return None
    return network.caller()


class Predictor:
    """What :meth:`Model.optimize_for_inference` makes of a model: its weights as they were then.

    Dense kernels are packed in the order in which the products read them. Any number of threads
    may call one predictor.
    """

    def __init__(
        self,
        network: Any,
        input_shape: Any,
        output_shape: Any,
        batch_size: int,
        name: str,
        precision: str,
        architecture: Any,
    ) -> None:
        self.name = name
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.precision = precision
        # What copies are made of: a model's description, or why there is none.
        self.architecture = architecture
        self._network = network
        self._batch_size = batch_size
        self._quick_call = quick_call(network, input_shape, output_shape)

    @property
    def network(self) -> Any:
        """The native network."""
        return self._network

    def __reduce__(self) -> Any:
        from unitgain.saving.copying import reduce_predictor

        return reduce_predictor(self)

    def __call__(self, x: Any) -> Any:
        """Return the outputs for one batch ``(samples, *input_shape)``, at the lowest latency.

        Raises:
            ValueError: if shapes do not fit.
        """
        if self._quick_call is not None:
            quickly = self._quick_call(x)
            if quickly is not None:
                return quickly
        inputs = self._inputs(x)
        return self._shaped(self._network.predict(inputs, max(1, len(inputs))))

    def predict(self, x: Any, verbose: str | int = 0) -> Any:
        """Return the outputs for many samples, as :meth:`Model.predict`."""
        inputs = self._inputs(x)
        batches = math.ceil(len(inputs) / self._batch_size)
        with ProgressBar("predict", batches, lambda totals: {}, verbose in (1, True)) as bar:
            outputs = self._network.predict(inputs, self._batch_size, bar)
            bar.finish(batches, {})
        return self._shaped(outputs)

    def _inputs(self, x: Any) -> Any:
        return _data.samples(x, self.input_shape, "x")

    def _shaped(self, outputs: Any) -> Any:
        shape = self.output_shape
        return outputs if len(shape) == 1 else outputs.reshape(len(outputs), *shape)

    def __repr__(self) -> str:
        return f"<Predictor of {self.name}: {self.input_shape} to {self.output_shape}>"
