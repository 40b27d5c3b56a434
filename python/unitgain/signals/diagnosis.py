"""``Model.diagnose``: the native pass, and all that is read from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _native, linalg, optimizers, random
from unitgain.graph.native import NativeNetwork, native
from unitgain.graph.structure import Arrays
from unitgain.graph.variables import Variable
from unitgain.losses import Loss
from unitgain.signals.advice import advise
from unitgain.signals.calibration import calibrate
from unitgain.signals.faults import (
    faults_of_structure,
    faults_of_targets,
    unprobable,
    unstandardised,
)
from unitgain.signals.limits import by_gravity
from unitgain.signals.measures import LayerSignals, Measured, likeness, measure, merged
from unitgain.signals.places import Place, kernel_of, places_of
from unitgain.signals.report import Report
from unitgain.signals.verdicts import judge
from unitgain.training.criteria import Criterion
from unitgain.training.feeding import Samples, dense
from unitgain.training.parts import Trained

__all__ = ["Diagnosis", "conclude", "examined", "losses_at", "nodes_of"]

_BATCH = 1024
# The key of the surrogate's random numbers.
_SURROGATE_SEED = 20160502


class _Surrogate(Loss):
    """The scalar product of the outputs with fixed random numbers of mean 0 and variance 1."""

    def __init__(self) -> None:
        super().__init__("surrogate loss")

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Any:
        return (y_true * y_pred).sum(axis=-1)

    def backward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Any:
        return y_true


class Diagnosis(Trained):
    """Diagnosis of a model's own signals."""

    _criteria: list[Criterion]
    _objective: Any

    def _inputs(self, x: Any, name: str = "x") -> Any:
        raise NotImplementedError

    def _samples(
        self, x: Any, y: Any, sample_weight: Any = None, names: tuple[str, str] = ("x", "y")
    ) -> Samples:
        raise NotImplementedError

    def _trained_variables(self, network: NativeNetwork) -> list[Variable]:
        raise NotImplementedError

    def diagnose(
        self, x: Any, y: Any = None, sample_weight: Any = None, *, batch_size: int | None = None
    ) -> Report:
        """Return what the signals are like at each layer, what is wrong, and what to do about it.

        One native pass, forward and backward in training mode, measures the values and gradients;
        nothing of the model changes, but for what layers written in Python change of themselves
        when they are called. Without a loss or without ``y`` the gradients are those of a
        surrogate: the scalar product of the outputs with fixed random numbers of mean 0 and
        variance 1. They tell how gradients travel, and nothing of the loss.

        Args:
            x: samples, as for :meth:`fit`: a batch or a few.
            y: labels or targets, as for :meth:`fit`.
            sample_weight: as for :meth:`fit`.
            batch_size: samples at a time, which batch norm takes its statistics of; by default all
                up to 1024.

        Returns:
            The report. Its limits, with their reasons, are :data:`unitgain.signals.LIMITS`.

        Raises:
            ValueError: if there are no samples, shapes do not fit, or the model cannot be built.

        >>> import unitgain as ug
        >>> ug.random.seed(0)
        >>> model = ug.Sequential([ug.layers.Input((64,))])
        >>> for _ in range(10):
        ...     model.add(ug.layers.Dense(64, "sigmoid", kernel_initializer="glorot_normal"))
        >>> model.diagnose(ug.random.normal((32, 64))).verdict
        'vanishing'
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but it is {batch_size}")
        inputs = self._inputs(x)
        if len(inputs) == 0:
            raise ValueError("x has no samples")
        places = places_of(self.function)
        losses = losses_at(self, places)
        wanted = self._wanted(y)
        faults = list(faults_of_targets(places, losses, wanted))
        is_surrogate = self._objective is None or y is None or bool(faults)
        if is_surrogate:
            network = self._surrogate_network()
            samples = Samples(inputs, self._surrogate_targets(len(inputs)))
        else:
            network = self._native_network()
            samples = self._samples(x, y, sample_weight)
        size = min(batch_size or _BATCH, len(samples))
        nodes, norms, value, gradients = _run(network, samples, size)
        if not is_surrogate and self.optimizer is not None:
            norms = self._with_updates(network, norms, gradients)
        by_parameter = {id(p): n for p, n in zip(network.trainable, norms, strict=True)}
        layers, findings = examined(
            places, nodes, by_parameter, size, [loss.kind for _, loss in losses]
        )
        faults += faults_of_structure(places, losses, size)
        faults += unprobable(places, losses, layers)
        scaled = list(unstandardised(places, nodes))
        advice = conclude(places, layers, findings, [*faults, *scaled], bool(scaled))
        verdict = ", ".join(by_gravity({v for _, v, _ in findings} | _of(faults + scaled)))
        title = "surrogate loss" if is_surrogate else " + ".join(loss.name for _, loss in losses)
        return Report(self.name, len(samples), size, title, value, layers, verdict, advice)

    def _calibrate(self, x: Any, **options: Any) -> dict[str, float]:
        return calibrate(self, self._inputs(x), **options)

    def _wanted(self, y: Any) -> list[Any]:
        """Return the user's targets of the outputs that have losses; None where there are none."""
        if self._objective is None:
            return []
        outputs = self.function.outputs
        given = [None] * len(outputs) if y is None else outputs.arrange(y, "y", None)
        return [
            one
            for one, criterion in zip(given, self._criteria, strict=True)
            if criterion.loss is not None
        ]

    def _surrogate_network(self) -> NativeNetwork:
        network = self.function.network()
        losses = [_Surrogate().native(shape) for shape in self.function.outputs.shapes]
        network.compile(optimizers.SGD(0.0).spec(), losses)
        return network

    def _surrogate_targets(self, rows: int) -> Any:
        made = [
            random.normal((rows, math.prod(shape)), dtype=self.dtype, seed=_SURROGATE_SEED + i)
            for i, shape in enumerate(self.function.outputs.shapes)
        ]
        return made[0] if len(made) == 1 else Arrays(made)

    def _with_updates(
        self, network: NativeNetwork, norms: NDArray[np.float64], gradients: Sequence[Any]
    ) -> NDArray[np.float64]:
        """Return the norms with those of what the optimizer's next step would change.

        The step is done on copies, with a copy of the optimizer's state.
        """
        optimizer = self.optimizer
        assert optimizer is not None
        variables = self._trained_variables(network)
        if not variables:
            return norms
        spec = optimizer.spec()
        own = optimizer._native if optimizer.is_of(self) and spec.accumulation_steps < 2 else None
        spec.accumulation_steps = 1
        with _native.Still([variable.array for variable in variables]):
            copies = [variable.array.copy() for variable in variables]
            trial = native(self.dtype).Optimizer(spec, copies, optimizer.options(variables))
            if own is not None and own.iterations > 0:
                trial.iterations = own.iterations
                for to, known in zip(trial.state(), own.state(), strict=True):
                    for (_, array), (_, kept) in zip(to, known, strict=True):
                        array[...] = kept
            before = [copy.copy() for copy in copies]
        trial.apply(list(gradients))
        found = norms.copy()
        with np.errstate(all="ignore"):
            for i, (old, new) in enumerate(zip(before, copies, strict=True)):
                found[i, 2] = np.linalg.norm((new - old).astype(np.float64))
        return found


def losses_at(model: Any, places: Sequence[Place]) -> list[tuple[int, Loss]]:
    """Return the place of each output that has a loss, and the loss."""
    if model._objective is None:
        return []
    model._native_network()
    ends = _ends(places, model.function)
    return [
        (end, criterion.loss)
        for end, criterion in zip(ends, model._criteria, strict=True)
        if criterion.loss is not None
    ]


def _run(
    network: NativeNetwork, samples: Samples, size: int
) -> tuple[dict[int, Measured], NDArray[np.float64], float, list[Any]]:
    """Return the sums at each node, the parameters' norms, the loss, and the gradients.

    Norms and gradients are those of the first batch.
    """
    batches, values = [], []
    norms: Any = None
    gradients: list[Any] = []
    for first in range(0, len(samples), size):
        batch = samples.batch(slice(first, first + size))
        (loss, nodes, found), arrays = network.signals(dense(batch.x), batch.y, batch.weights)
        batches.append(nodes_of(nodes))
        values.append(loss * len(batch))
        if norms is None:
            norms, gradients = found, arrays
    return merged(batches), norms, sum(values) / len(samples), gradients


def nodes_of(nodes: Sequence[Any]) -> dict[int, Measured]:
    """Return what the native pass has found, by node."""
    return {node: Measured(*rest) for node, *rest in nodes}


def examined(
    places: Sequence[Place],
    nodes: dict[int, Measured],
    norms: Mapping[int, Sequence[float]],
    rows: int,
    loss_kinds: Sequence[str],
    conditions: bool = True,
    adjust: Callable[[list[LayerSignals]], None] | None = None,
) -> tuple[list[LayerSignals], list[tuple[int, str, str]]]:
    """Return the layers' signals, and what is wrong with them.

    Args:
        places: where the layers lie.
        nodes: the sums at the nodes.
        norms: of each parameter's gradient, values and update, by its id.
        rows: of a batch.
        loss_kinds: the losses of the outputs.
        conditions: whether the kernels' condition numbers are wanted.
        adjust: called with the signals before they are judged.
    """
    with np.errstate(all="ignore"):  # values that are not finite are what is looked for
        layers = measure(places, nodes)
    for place, layer in zip(places, layers, strict=True):
        kernel = kernel_of(place.layer)
        if kernel is None:
            continue
        found = norms.get(id(kernel.parameter))
        if found is not None:
            layer.kernel_gradient_norm = float(found[0])
            layer.update_ratio = float(found[2] / found[1]) if found[1] > 0 else math.nan
        if conditions:
            layer.condition = condition(kernel.array)
    if adjust is not None:
        adjust(layers)

    def likeness_in_front(i: int) -> float:
        return _likeness(places[i], places, nodes)

    return layers, judge(places, layers, likeness_in_front, rows, loss_kinds)


def _likeness(place: Place, places: Sequence[Place], nodes: dict[int, Measured]) -> float:
    """Return how like the rows are that a layer reads."""
    while place.sources and place.inputs[0] not in nodes:
        place = places[place.sources[0]]  # which hands on what it reads
    node = nodes.get(place.inputs[0] if place.inputs else place.output)
    return 1.0 if node is None else likeness(node)


def condition(kernel: NDArray[Any]) -> float:
    """Return the largest over the smallest singular value of a matrix; NaN for what is none."""
    if kernel.ndim != 2 or not np.isfinite(kernel).all():
        return math.nan
    values = linalg.svd(kernel, compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 0 else math.inf


def _ends(places: Sequence[Place], function: Any) -> Iterator[int]:
    """Yield the place that makes each output."""
    layers = {id(p.layer): i for i, p in enumerate(places)}
    for tensor in function.outputs.tensors:
        layer = tensor.node.layer
        inner = getattr(layer, "function", None)
        while inner is not None and id(layer) not in layers:  # a model in the model
            layer = inner.outputs.tensors[0].node.layer
            inner = getattr(layer, "function", None)
        yield layers.get(id(layer), len(places) - 1)


def _of(faults: Sequence[Any]) -> set[str]:
    return {"misconfigured"} if faults else set()


def conclude(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    findings: Sequence[tuple[int, str, str]],
    faults: Sequence[tuple[int, str]],
    is_large: bool,
) -> list[tuple[str, str]]:
    """Set the layers' verdicts and advice; return all advice, the gravest first."""
    verdicts: dict[int, set[str]] = {}
    said: list[tuple[str, int, str]] = []
    for i, verdict, cause in findings:
        verdicts.setdefault(i, set()).add(verdict)
        said += [(verdict, i, text) for text in advise(places, layers, i, verdict, cause, is_large)]
    for i, text in faults:
        verdicts.setdefault(i, set()).add("misconfigured")
        said.append(("misconfigured", i, text))
    for i, found in verdicts.items():
        layers[i].verdict = ", ".join(by_gravity(found))
        layers[i].advice = list(dict.fromkeys(text for _, at, text in said if at == i))
    order = by_gravity({verdict for verdict, _, _ in said})
    said.sort(key=lambda one: order.index(one[0]))
    return list(dict.fromkeys((layers[i].name, text) for _, i, text in said))
