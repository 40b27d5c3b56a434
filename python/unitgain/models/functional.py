"""Models of any graph of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _data, _names, _native, metrics, optimizers
from unitgain._config import checked_config, serialize
from unitgain.layers.base import SampleShape
from unitgain.layers.symbolic import Node, SymbolicTensor
from unitgain.metrics.base import check_single_use, reported, results
from unitgain.models.base import Model
from unitgain.models.criteria import Criterion, criteria
from unitgain.models.feeding import Samples, class_weights, row_weights
from unitgain.models.graph import layers_in_order, nodes_between
from unitgain.models.graph_config import graph_config, graph_of
from unitgain.models.nesting import lower_layer
from unitgain.models.predictor import Predictor
from unitgain.models.structure import Arrays, Structure, check_lengths
from unitgain.models.training import PREDICT_BATCH, check_compile_arguments, mean_loss

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Functional"]


class Functional(Model):
    """A model of any graph of layers: what ``Model(inputs, outputs)`` makes.

    Args:
        inputs: a symbolic tensor, or a list or a dict of them.
        outputs: a symbolic tensor that depends on the inputs, or a list or a dict of them.
        name: what the model is called.

    Raises:
        TypeError: if one of them is no symbolic tensor.
        ValueError: if an output depends on an input that is not given, an input is not used, or
            two layers have one name.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        Model.__init__(self, name)
        self._criteria: list[Criterion] = []
        self._set_graph(inputs, outputs)

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        self._inputs_structure = Structure(inputs)
        self._outputs_structure = Structure(outputs)
        sources, results = self._inputs_structure.tensors, self._outputs_structure.tensors
        self._graph_nodes: list[Node] = nodes_between(sources, results)
        self.layers = layers_in_order(sources, results, self._graph_nodes)
        self._outputs_structure = Structure(outputs, _unique([t.node.layer.name for t in results]))
        names = [layer.name for layer in self.layers]
        for layer_name in names:
            if names.count(layer_name) > 1:
                raise ValueError(f"the model has two layers named {layer_name!r}")

    # ---- structure ----

    @property
    def built(self) -> bool:
        """Whether the layers have their weights: always."""
        return True

    def build(self, input_shape: SampleShape, dtype: str = "float32") -> None:
        """Do nothing: the weights were made with the graph."""

    @property
    def dtype(self) -> str:
        """The dtype of weights and results, float32 or float64."""
        return self._inputs_structure.tensors[0].dtype

    @property
    def input(self) -> Any:
        """The symbolic tensor that the model begins with, or a list or dict of them."""
        return self._inputs_structure.pack(self._inputs_structure.tensors)

    @property
    def output(self) -> Any:
        """The symbolic tensor that the model ends with, or a list or dict of them."""
        return self._outputs_structure.pack(self._outputs_structure.tensors)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that the model begins with."""
        return list(self._inputs_structure.tensors)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that the model ends with."""
        return list(self._outputs_structure.tensors)

    @property
    def input_shape(self) -> Any:
        """The shape of one sample; of several inputs, a list or dict."""
        return self._inputs_structure.pack(self._inputs_structure.shapes)

    @property
    def output_shape(self) -> Any:
        """The shape of the output for one sample; of several outputs, a list or dict."""
        return self._outputs_structure.pack(self._outputs_structure.shapes)

    @property
    def output_names(self) -> list[str]:
        """What the outputs are called where losses and metrics are given by name."""
        return list(self._outputs_structure.names)

    def ensure_built(self, input_shape: Any, dtype: str) -> None:
        """Check that the model, used as a layer, fits its inputs."""
        given = input_shape if isinstance(input_shape, list) else [input_shape]
        expected = self._inputs_structure.shapes
        if given != expected or dtype != self.dtype:
            raise ValueError(
                f"{self.name} takes {self.dtype} samples of shape "
                f"{', '.join(map(str, expected))}, but its input has {dtype} samples of shape "
                f"{', '.join(map(str, given))}"
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of one sample's output, or a list of several outputs'."""
        shapes = self._outputs_structure.shapes
        return shapes[0] if len(shapes) == 1 else list(shapes)

    def _flat_inputs(self, inputs: Any) -> list[SymbolicTensor]:
        return self._inputs_structure.arrange(
            inputs[0] if _is_single(inputs, len(self._inputs_structure)) else inputs, "inputs"
        )

    def _pack_outputs(self, outputs: list[Any]) -> Any:
        return self._outputs_structure.pack(outputs)

    def lower(self, graph: Any, node: Any) -> Any:
        """Add the model's layers to a native graph; return the node, or nodes, of its outputs."""
        given = node if isinstance(node, list) else [node]
        places = {id(t): n for t, n in zip(self._inputs_structure.tensors, given, strict=True)}
        for use in self._graph_nodes:
            shapes = [tensor.sample_shape for tensor in use.inputs]
            nodes = [places[id(tensor)] for tensor in use.inputs]
            made = lower_layer(
                use.layer,
                graph,
                nodes if use.several else nodes[0],
                shapes if use.several else shapes[0],
                use.training,
                use.native,
            )
            for tensor, place in zip(
                use.outputs, made if isinstance(made, list) else [made], strict=True
            ):
                places[id(tensor)] = place
        results = [places[id(tensor)] for tensor in self._outputs_structure.tensors]
        return results[0] if len(results) == 1 else results

    def _lower(self, graph: Any) -> Any:
        inputs = [graph.input(*self._rows_and_cols(s)) for s in self._inputs_structure.shapes]
        return self.lower(graph, inputs)

    # ---- configuration ----

    def get_config(self) -> dict[str, Any]:
        """Return the model's name, its layers' configurations, and where each is used."""
        return {"name": self.name, **graph_config(self)}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model of what :meth:`get_config` returned, as for any model."""
        names = ("name", "layers", "inputs", "uses", "outputs")
        arguments = checked_config(cls, config, names)
        with _names.custom_objects(custom_objects):
            return cls(*graph_of(arguments), arguments.get("name"))

    def get_compile_config(self) -> dict[str, Any]:
        """Return the arguments of ``compile``, as values that JSON can hold."""
        return {
            "optimizer": serialize(self.optimizer),
            "loss": [serialize(c.loss) for c in self._criteria],
            "metrics": [serialize(c.metrics) for c in self._criteria],
            "weighted_metrics": [serialize(c.weighted_metrics) for c in self._criteria],
            "loss_weights": [c.weight for c in self._criteria],
        }

    # ---- training ----

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        *,
        run_eagerly: bool = False,
        **without_effect: Any,
    ) -> None:
        """Set what training needs. The optimizer starts afresh.

        The loss is the sum of the outputs' losses times their weights. An output whose loss is None
        is not trained.

        Args:
            optimizer: a name or an instance of :mod:`unitgain.optimizers`.
            loss: a name or an instance of :mod:`unitgain.losses` for every output, or a list of
                them in the outputs' order, or a dict by :attr:`output_names`.
            metrics: names or instances of :mod:`unitgain.metrics`; of several outputs, a list of
                such lists or a dict of them.
            loss_weights: the outputs' weights, a list or a dict; 1 by default.
            weighted_metrics: as ``metrics``, of which the samples' weights count.
            run_eagerly: as for any model.
            **without_effect: as for any model.

        Raises:
            ValueError: if a name is unknown, a metric does not go with its loss or keeps its own
                state and comes twice, or there are more or fewer entries than outputs.
        """
        check_compile_arguments(run_eagerly, without_effect)
        if loss is None:
            self._criteria = []
            super().compile(optimizer)
            return
        self._criteria = criteria(
            self._outputs_structure, loss, metrics, loss_weights, weighted_metrics
        )
        first = next((c for c in self._criteria if c.loss is not None), None)
        if first is None or first.loss is None:
            raise ValueError("loss has no loss for any output")
        check_single_use(self._resolved_metrics())
        super().compile(optimizer, first.loss)
        self.metrics = self._resolved_metrics()

    def _native_losses(self) -> list[_native.OutputLoss]:
        made = []
        for c, shape in zip(self._criteria, self._outputs_structure.shapes, strict=True):
            measured = [metric.native_spec(shape, weighted) for metric, weighted in c.named_metrics]
            without = _native.OutputLoss(None, measured, c.weight)
            made.append(c.loss.native(shape, measured, c.weight) if c.loss else without)
        return made

    def _resolved_metrics(self) -> list[metrics.Metric]:
        return [metric for c in self._criteria for metric, _ in c.named_metrics]

    def _samples(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        names: tuple[str, str] = ("x", "y"),
    ) -> Samples:
        self._check_compiled()
        inputs = self._inputs(x, names[0])
        structure = self._outputs_structure
        if y is None:
            raise ValueError(f"{names[1]} is missing")
        given = structure.arrange(y, names[1], None)
        targets: list[NDArray[Any] | None] = []
        for i, criterion in enumerate(self._criteria):
            if criterion.loss is None:
                targets.append(None)
                continue
            if given[i] is None:
                raise ValueError(f"{names[1]} has no entry for {structure.names[i]!r}")
            label = structure.label(names[1], i)
            targets.append(
                _data.targets(given[i], len(inputs), structure.shapes[i], criterion.loss, label)
            )
        weights = self._weights(targets, len(inputs), sample_weight, class_weight)
        if len(targets) == 1:
            return Samples(inputs, targets[0], None if weights is None else weights[0])
        return Samples(inputs, Arrays(targets), None if weights is None else Arrays(weights))

    def _weights(
        self, targets: list[Any], count: int, sample_weight: Any, class_weight: Any
    ) -> list[Any] | None:
        structure = self._outputs_structure
        if class_weight is not None:
            loss = self._criteria[0].loss
            if len(structure) != 1 or loss is None:
                raise ValueError("class_weight is for a model with one output: give sample_weight")
            by_class = class_weights(
                class_weight, targets[0], structure.shapes[0], loss.takes_labels
            )
        if sample_weight is None:
            return None if class_weight is None else [by_class]
        if isinstance(sample_weight, np.ndarray) and len(structure) > 1:
            given = [sample_weight] * len(structure)  # the same for each output, as in Keras
        else:
            given = structure.arrange(sample_weight, "sample_weight", None)
        weights = [
            None
            if one is None
            else row_weights(one, count, shape, structure.label("sample_weight", i))
            for i, (one, shape) in enumerate(zip(given, structure.shapes, strict=True))
        ]
        if class_weight is not None:
            weights[0] = by_class if weights[0] is None else weights[0] * by_class
        return weights if any(one is not None for one in weights) else None

    def _inputs(self, x: Any, name: str = "x") -> Any:
        self._native_network()
        return _arranged(self._inputs_structure, x, name)

    def _logs(self, totals: Any) -> dict[str, float]:
        logs = {"loss": mean_loss(totals)}
        if len(self._criteria) < 2:
            return logs | results(self._named_metrics(), totals.metrics)
        parts = totals.outputs or [totals] * len(self._criteria)
        for criterion, part in zip(self._criteria, parts, strict=True):
            if criterion.loss is not None:
                logs[f"{criterion.name}_loss"] = mean_loss(part)
        for criterion, part in zip(self._criteria, parts, strict=True):
            logs |= results(self._named_by(criterion), part.metrics)
        return logs

    def _named_by(self, criterion: Criterion) -> list[tuple[str, metrics.Metric, bool]]:
        prefix = f"{criterion.name}_" if len(self._criteria) > 1 else ""
        return [(prefix, *metric) for metric in criterion.named_metrics]

    def _named_metrics(self) -> list[tuple[str, metrics.Metric, bool]]:
        return [named for criterion in self._criteria for named in self._named_by(criterion)]

    def _reported_metrics(self) -> list[tuple[str, metrics.Metric]]:
        return [pair for c in self._criteria for pair in reported(self._named_by(c))]

    def _shaped(self, outputs: Any) -> Any:
        return self._outputs_structure.pack_arrays(outputs)

    def _predictor(self, network: Any, precision: str, architecture: Any) -> Predictor:
        structures = self._inputs_structure, self._outputs_structure
        return _FunctionalPredictor(network, *structures, self.name, precision, architecture)


class _FunctionalPredictor(Predictor):
    """A predictor with inputs and outputs as the model's."""

    def __init__(
        self,
        network: Any,
        inputs: Structure,
        outputs: Structure,
        name: str,
        precision: str,
        architecture: Any,
    ) -> None:
        shapes = inputs.pack(inputs.shapes), outputs.pack(outputs.shapes)
        super().__init__(network, *shapes, PREDICT_BATCH, name, precision, architecture)
        self._inputs_structure, self._outputs_structure = inputs, outputs

    def _inputs(self, x: Any) -> Any:
        return _arranged(self._inputs_structure, x, "x")

    def _shaped(self, outputs: Any) -> Any:
        return self._outputs_structure.pack_arrays(outputs)


def _arranged(structure: Structure, x: Any, name: str) -> Any:
    """Return a user's inputs as the native network takes them."""
    if isinstance(x, np.ndarray) and len(structure) == 1:
        return _data.samples(x, structure.shapes[0], name)
    given = structure.arrange(x, name)
    check_lengths(structure, given, name)
    arrays = [
        _data.samples(array, shape, structure.label(name, i))
        for i, (array, shape) in enumerate(zip(given, structure.shapes, strict=True))
    ]
    return arrays[0] if len(arrays) == 1 else Arrays(arrays)


def _is_single(inputs: Any, count: int) -> bool:
    return count == 1 and isinstance(inputs, (list, tuple)) and len(inputs) == 1


def _unique(names: Sequence[str]) -> list[str]:
    """Return names in which a number tells those apart that come again: ``out``, ``out_1``."""
    made: list[str] = []
    for name in names:
        count = sum(other == name for other in names[: len(made)])
        made.append(f"{name}_{count}" if count else name)
    return made
