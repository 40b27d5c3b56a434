"""The losses and metrics of each output of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from unitgain import losses, metrics
from unitgain._configurable import serialize
from unitgain.graph.structure import Structure
from unitgain.losses import Loss
from unitgain.metrics import Metric
from unitgain.metrics.base import check_single_use

__all__ = ["Criterion", "Objective"]


@dataclass
class Criterion:
    """One output's loss with its weight, and its metrics."""

    name: str
    loss: Loss | None
    weight: float = 1.0
    metrics: list[Metric] = field(default_factory=list)
    weighted_metrics: list[Metric] = field(default_factory=list)

    @property
    def named_metrics(self) -> list[tuple[Metric, bool]]:
        """All metrics, each with whether it is weighted."""
        return [(m, False) for m in self.metrics] + [(m, True) for m in self.weighted_metrics]


class Objective:
    """The arguments of ``compile`` with names looked up, before the outputs are known, too.

    Args:
        loss: a loss for every output, or a list or dict of them.
        requested: the metrics, or a list or dict of those of each output.
        weights: the losses' weights.
        weighted: as ``requested``, of which the samples' weights count.

    Raises:
        ValueError: if a name is unknown, or a metric does not go with the only loss.
    """

    def __init__(self, loss: Any, requested: Any = None, weights: Any = None, weighted: Any = None):
        self.loss = _each_leaf(loss, losses.get)
        # The first output's of those that have one.
        self.first_loss: Loss | None = next(_leaves(self.loss), None)
        only = self.loss if isinstance(self.loss, Loss) else None
        self.metrics = _each_leaf(requested, lambda name: _metric(name, only))
        self.weighted_metrics = _each_leaf(weighted, lambda name: _metric(name, only))
        self.weights = weights
        given = self.all_metrics()
        check_single_use(given)
        if only is not None:
            for metric in given:
                metric.check(only)

    def all_metrics(self) -> list[Metric]:
        """Return the metrics of all outputs, accuracies as well as they can be told so far."""
        given = [*_leaves(self.metrics), *_leaves(self.weighted_metrics)]
        return [metrics.get(one, self.first_loss) for one in given]

    def criteria(self, outputs: Structure) -> list[Criterion]:
        """Return a criterion for each output.

        Raises:
            ValueError: if a metric does not go with its loss, or there are more or fewer entries
                than outputs.
        """
        if isinstance(self.loss, (list, dict)):
            chosen = _for_outputs(outputs, self.loss, "loss", None)
        else:
            chosen = [self.loss] * len(outputs)
        if all(one is None for one in chosen):
            raise ValueError("loss has no loss for any output")
        for tensor, one in zip(outputs.tensors, chosen, strict=True):
            if one is not None and one.dtype not in (None, tensor.dtype):
                raise ValueError(
                    f"the loss {one.name} was made with dtype {one.dtype}, but the network has "
                    f"{tensor.dtype}"
                )
        made = [Criterion(name, one) for name, one in zip(outputs.names, chosen, strict=True)]
        if self.weights is not None:
            given = self.weights
            given = given if isinstance(given, (list, tuple, dict)) else [given]
            weights = _for_outputs(outputs, given, "loss_weights", 1.0)
            for criterion, weight in zip(made, weights, strict=True):
                criterion.weight = 1.0 if weight is None else float(weight)
        for argument in ("metrics", "weighted_metrics"):
            each = _metrics_of_outputs(outputs, getattr(self, argument), argument)
            for criterion, names, shape in zip(made, each, outputs.shapes, strict=True):
                if names and criterion.loss is None:
                    raise ValueError(f"the output {criterion.name} has {argument}, but no loss")
                for name in names:
                    assert criterion.loss is not None
                    metric = metrics.get(name, criterion.loss, shape[-1])
                    metric.check(criterion.loss)
                    getattr(criterion, argument).append(metric)
        return made

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, as values that JSON can hold."""
        return {
            "loss": serialize(self.loss),
            "metrics": serialize(self.metrics),
            "weighted_metrics": serialize(self.weighted_metrics),
            "loss_weights": serialize(self.weights),
        }


def _is_config(given: Any) -> bool:
    return isinstance(given, Mapping) and "class_name" in given


def _each_leaf(given: Any, make: Any) -> Any:
    """Return a structure of lists and dicts with ``make`` of each thing in it, None staying."""
    if given is None:
        return None
    if isinstance(given, (list, tuple)):
        return [_each_leaf(one, make) for one in given]
    if isinstance(given, Mapping) and not _is_config(given):
        return {str(name): _each_leaf(one, make) for name, one in given.items()}
    return make(given)


def _leaves(given: Any) -> Iterator[Any]:
    if isinstance(given, list):
        for one in given:
            yield from _leaves(one)
    elif isinstance(given, dict):
        yield from _leaves(list(given.values()))
    elif given is not None:
        yield given


def _metric(given: Any, loss: Loss | None) -> Any:
    """Return a metric, or the name of one that depends on the output that it is of."""
    if isinstance(given, str) and given.lower() in ("accuracy", "acc"):
        return given
    return metrics.get(given, loss)


def _for_outputs(outputs: Structure, given: Any, argument: str, default: Any) -> list[Any]:
    if len(outputs) == 1 and isinstance(given, (list, tuple)):
        if len(given) != 1:
            raise ValueError(f"{argument} has {len(given)} entries, but there is one output")
        return list(given)
    return outputs.arrange(given, argument, default)


def _metrics_of_outputs(outputs: Structure, requested: Any, argument: str) -> list[list[Any]]:
    if requested is None:
        return [[] for _ in outputs.names]
    if isinstance(requested, dict):
        given = outputs.arrange(requested, argument, None)
    elif len(outputs) == 1:
        given = [requested[0] if isinstance(requested, list) and len(requested) == 1 else requested]
    else:
        given = outputs.arrange(requested, argument)
    return [_as_list(one) for one in given]


def _as_list(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list) else [given]
