"""Inference with any model: predict, single calls, and packed copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unitgain._progress import ProgressBar
from unitgain.config import get_float32_matmul_precision
from unitgain.data.dataset import Dataset
from unitgain.data.npy import forget_pages
from unitgain.graph.tensors import is_symbolic
from unitgain.models.predictor import Predictor, checked_out
from unitgain.training.callback import Callback, CallbackList, as_list
from unitgain.training.executions import Executions
from unitgain.training.feeding import (
    PREDICT_BATCH,
    Batches,
    Samples,
    are_batches,
    dense,
    holds_sparse,
)
from unitgain.training.parts import Trained
from unitgain.training.passes import check_batches_seen
from unitgain.training.trainer import batch_rows, checked_batch_size
from unitgain.training.windows import Windows

__all__ = ["Inference", "Spread"]


class Spread(NamedTuple):
    """Mean and standard deviation of the outputs of many passes, each of the outputs' shape."""

    mean: NDArray[Any]
    std: NDArray[Any]


class Inference(Trained):
    """Running a model."""

    _quick_call: Callable[[Any], Any] | None

    def _inputs(self, x: Any, name: str = "x") -> Any:
        raise NotImplementedError

    def _connect(self, inputs: Any, training: bool | None = None) -> Any:
        raise NotImplementedError

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = 0,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        *,
        out: NDArray[Any] | None = None,
        training: bool = False,
        samples: int | None = None,
    ) -> Any:
        """Return the outputs for many samples, ``(samples, *output_shape)``.

        With ``training`` and ``samples``, dropout and noise stay on for so many passes, and mean
        and standard deviation tell how sure the model is of each output (Monte-Carlo dropout: Gal
        and Ghahramani, "Dropout as a Bayesian approximation", ICML 2016). Batch norm keeps to its
        moving statistics.

        Args:
            x: samples, ``(samples, *input_shape)``, batches, or a
                :class:`~unitgain.data.Dataset`, as for :meth:`fit`; of the last, inputs alone are
                read.
            batch_size: samples at a time, by default as many as run fastest.
            verbose: 1 for a progress bar.
            steps: how many batches; by default all. Without a ``batch_size`` they take all samples.
            callbacks: told of the prediction; batches' outputs come as ``logs["outputs"]``.
            out: where the outputs go: of their shape and dtype, C-contiguous. With a data set it
                may be an ``np.memmap`` larger than memory.
            training: whether dropout drops and noise is added.
            samples: how many passes with ``training``, a hundred by default.

        Returns:
            The outputs, or with ``training`` a :class:`Spread`.

        Raises:
            ValueError: if shapes do not fit, or the model has no weights yet.
            TypeError: if ``out`` has another dtype.
        """
        size = checked_batch_size(batch_size, PREDICT_BATCH)
        if training or samples is not None:
            return self._spread(x, size, training, 100 if samples is None else samples, out)
        params = {"epochs": 1, "steps": steps, "verbose": verbose}
        listeners = CallbackList(as_list(callbacks), self, params)
        if isinstance(x, Dataset):
            if len(x):
                return self._predict_windows(Windows(x, size, steps), listeners, out, verbose)
            x = x.no_inputs()
        if are_batches(x):
            parts = (dense(self._inputs(batch)) for batch, _, _ in Batches(x, steps))
            return self._predict_parts(parts, size, listeners, out)
        inputs = self._inputs(x)
        if steps is not None:
            size = batch_rows(Samples(inputs, None), batch_size, steps, PREDICT_BATCH)
            check_batches_seen(math.ceil(len(inputs) / size), steps)
            inputs = inputs[: steps * size]
        if holds_sparse(inputs):
            firsts = range(0, max(1, len(inputs)), size)
            parts = (dense(inputs[first : first + size]) for first in firsts)
            return self._predict_parts(parts, size, listeners, out)
        batches = math.ceil(len(inputs) / size)
        with ProgressBar("predict", batches, lambda totals: {}, verbose in (1, True)) as bar:
            if batches and listeners.wants_batches("predict"):
                if out is not None:
                    self._target(out, len(inputs), _arrays(inputs))
                parts = (inputs[i : i + size] for i in range(0, len(inputs), size))
                return self._predict_parts(parts, size, listeners, out, bar)
            listeners.tell("predict_begin")
            outputs = self._run(inputs, size, bar, out)
            bar.finish(batches, {})
        listeners.tell("predict_end")
        return outputs

    def _predict_windows(
        self, source: Windows, listeners: CallbackList, out: Any, verbose: str | int
    ) -> Any:
        """Return the outputs of a data set's rows, written to their places window by window."""
        size, count = source.batch_size, min(len(source), source.steps * source.batch_size)
        has_logs = listeners.wants_batches("predict")
        check_batches_seen(source.batches, source.steps)
        target = _Target()
        told = Executions(listeners, "predict", self.steps_per_execution)
        found: list[Any] = []  # the outputs of an execution
        batches = 0
        bar = ProgressBar("predict", source.steps, lambda _: {}, verbose in (1, True))

        def report(totals: Any) -> None:
            bar.finish(batches + totals.batches, {})

        listeners.tell("predict_begin")
        with bar, closing(source.inputs()) as windows:
            for x in windows:
                inputs = self._inputs(x)
                if out is not None and not target.arrays:
                    target.arrays = [self._target(out, count, _arrays(inputs))]
                step = size if has_logs else len(inputs)
                for first in range(0, len(inputs), step):
                    part = inputs[first : first + step]
                    if told.begin(batches):
                        found.clear()
                    outputs = target.take(self._native_network(), part, size, report, count)
                    batches += math.ceil(len(part) / size)
                    if has_logs:
                        found.append(outputs)
                        told.end(batches - 1, lambda: {"outputs": self._joined(found)})
                if out is not None:
                    forget_pages(out)
                bar.finish(batches, {})
        told.finish()
        listeners.tell("predict_end")
        made = target.arrays[0] if len(target.arrays) == 1 else target.arrays
        return self._shaped(made) if out is None else out

    def _run(self, inputs: Any, size: int, report: Any, out: NDArray[Any] | None) -> Any:
        network = self._native_network()
        if out is None:
            return self._shaped(network.predict(inputs, size, report, False))
        target = self._target(out, len(inputs), _arrays(inputs))
        network.predict(inputs, size, report, False, target)
        return out

    def _target(self, out: NDArray[Any], count: int, inputs: list[Any]) -> Any:
        shape = self.function.output_shape
        return checked_out(out, count, shape, np.dtype(self.dtype), inputs)

    def _predict_parts(
        self,
        parts: Iterable[Any],
        size: int,
        listeners: CallbackList,
        out: NDArray[Any] | None,
        bar: ProgressBar | None = None,
    ) -> Any:
        """Return the outputs of inputs that come part by part, each reported to the callbacks."""
        has_logs = listeners.wants_batches("predict")
        found: list[Any] = []
        told = Executions(listeners, "predict", self.steps_per_execution)
        listeners.tell("predict_begin")
        for i, inputs in enumerate(parts):
            told.begin(i)
            found.append(self._native_network().predict(inputs, size))
            told.end(i, partial(self._execution_logs, found, i, has_logs))
            if bar is not None:
                bar.finish(i + 1, {})
        told.finish()
        listeners.tell("predict_end")
        if not found:
            raise ValueError("x yielded no batches")
        if out is not None:
            np.concatenate(found, out=self._target(out, sum(map(len, found)), []))
            return out
        return self._joined(found)

    def _execution_logs(self, found: list[Any], batch: int, wanted: bool) -> dict[str, Any]:
        """Return the outputs of the execution that a batch is in, if they are wanted."""
        first = batch - batch % self.steps_per_execution
        return {"outputs": self._joined(found[first:])} if wanted else {}

    def _joined(self, found: list[Any]) -> Any:
        """Return the outputs of batches, one behind the other."""
        if isinstance(found[0], list):
            return self._shaped([np.concatenate(part) for part in zip(*found, strict=True)])
        return self._shaped(np.concatenate(found))

    def _spread(
        self, x: Any, size: int, training: bool, samples: int, out: NDArray[Any] | None
    ) -> Spread:
        if not training:
            raise ValueError("samples needs training=True: without it all passes are the same")
        if out is not None:
            raise ValueError("out is for one array, not for a mean and a deviation")
        if samples < 1:
            raise ValueError(f"samples must be at least 1, but it is {samples}")
        inputs = dense(self._inputs(x))
        moments = self._native_network().spread(inputs, samples, size)
        if isinstance(moments[0], list):
            return Spread(*(self._shaped(part) for part in moments))
        return Spread(self._shaped(moments[0]), self._shaped(moments[1]))

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, as a call does."""
        return self(x)

    def __call__(
        self, x: Any, training: bool | None = None, *, out: NDArray[Any] | None = None
    ) -> Any:
        """Return the outputs for one batch: the call of the lowest latency.

        With a symbolic tensor, the model becomes part of another as a layer, and the output is a
        symbolic tensor.

        Args:
            x: samples, ``(samples, *input_shape)``; or a symbolic tensor.
            training: whether batch norm takes the batch's statistics (and moves its moving ones)
                and dropout drops, differently at each call. With a symbolic tensor, whether the
                model's layers are always, or never, to do so; None: as the whole is run.
            out: where the outputs go: of their shape and dtype, C-contiguous.
        """
        if not training and out is None and self._quick_call is not None:
            quickly = self._quick_call(x)
            if quickly is not None:
                return quickly
        if not isinstance(x, np.ndarray) and is_symbolic(x):
            return self._connect(x, training)
        inputs = dense(self._inputs(x))
        if not training:
            return self._run(inputs, max(1, len(inputs)), None, out)
        if out is not None:
            raise ValueError("out needs training=False")
        return self._shaped(self._native_network().forward(inputs))

    def optimize_for_inference(self, precision: str | None = None) -> Predictor:
        """Return a :class:`Predictor`: the model with its weights as they are now, packed.

        Training the model further does not change the predictor.

        Args:
            precision: of float32 products, see :func:`unitgain.set_float32_matmul_precision`;
                by default the one in force. ``"medium"`` may keep the weights in bfloat16: half
                the memory, and half the time where reading them is what takes it. ``"int8"``
                (float32 models alone) rounds the kernels of dense layers to 8 bits, with a scale
                for each unit, and each sample's inputs to them to 8 bits as they come, between
                their least and their greatest: a quarter of the memory, and a quarter of the time
                where the CPU has AVX512_VNNI. Sums are exact integers, the same on every
                instruction set. The outputs of a sample with an input that is not finite are NaN
                before the activation.

        Raises:
            ValueError: if the model has no weights yet, there is no such precision, or ``"int8"``
                cannot hold its weights: it is of float64, or has a kernel that is not finite.
        """
        precision = precision or get_float32_matmul_precision()
        network = self._native_network().frozen(precision)
        return Predictor(network, self.function, self.name, precision, self._describe())

    def _describe(self) -> Any:
        raise NotImplementedError

    def _shaped(self, outputs: Any) -> Any:
        return self.function.outputs.pack_arrays(outputs)


class _Target:
    """Where the outputs of many rows go, part by part.

    Attributes:
        arrays: of each output, ``(rows, features)``; empty until there is the first part.
    """

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self._done = 0

    def take(self, network: Any, inputs: Any, size: int, report: Any, count: int) -> Any:
        """Put the outputs of the next inputs in their places; return them as the network does."""
        begin, end = self._done, self._done + len(inputs)
        self._done = end
        if len(self.arrays) == 1:
            place = self.arrays[0][begin:end]
            network.predict(inputs, size, report, False, place)
            return place
        found = network.predict(inputs, size, report, False)
        parts = found if isinstance(found, list) else [found]
        if not self.arrays:
            self.arrays = [np.empty((count, *part.shape[1:]), part.dtype) for part in parts]
        for array, part in zip(self.arrays, parts, strict=True):
            array[begin:end] = part
        return found


def _arrays(inputs: Any) -> list[Any]:
    return [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
