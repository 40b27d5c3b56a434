"""What training makes small at each output of a model, and what is reported of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from unitgain import losses, metrics
from unitgain.metrics import Metric
from unitgain.models.structure import Structure

__all__ = ["Criterion", "criteria"]


@dataclass
class Criterion:
    """One output's loss with its weight, and its metrics."""

    name: str
    loss: losses.Loss | None
    weight: float = 1.0
    metrics: list[Metric] = field(default_factory=list)
    weighted_metrics: list[Metric] = field(default_factory=list)

    @property
    def named_metrics(self) -> list[tuple[Metric, bool]]:
        """All metrics, each with whether it is weighted."""
        return [(m, False) for m in self.metrics] + [(m, True) for m in self.weighted_metrics]


def criteria(
    outputs: Structure, loss: Any, asked: Any, weights: Any, weighted: Any = None
) -> list[Criterion]:
    """Return a criterion for each output, from what ``compile`` is given.

    Raises:
        ValueError: if a name is unknown, a metric does not go with its loss, or there are more or
            fewer entries than outputs.
    """
    if isinstance(loss, (list, tuple, dict)):
        chosen = _each(outputs, loss, "loss", None)
    else:
        chosen = [loss] * len(outputs)
    made = [
        Criterion(name, None if one is None else losses.get(one))
        for name, one in zip(outputs.names, chosen, strict=True)
    ]
    if weights is not None:
        given = weights if isinstance(weights, (list, tuple, dict)) else [weights]
        for criterion, weight in zip(made, _each(outputs, given, "loss_weights", 1.0), strict=True):
            criterion.weight = 1.0 if weight is None else float(weight)
    for argument, given in (("metrics", asked), ("weighted_metrics", weighted)):
        each = _metrics(outputs, given, argument)
        for criterion, names, shape in zip(made, each, outputs.shapes, strict=True):
            if names and criterion.loss is None:
                raise ValueError(f"the output {criterion.name} has {argument}, but no loss")
            for name in names:
                assert criterion.loss is not None
                metric = metrics.get(name, criterion.loss, shape[-1])
                metric.check(criterion.loss)
                getattr(criterion, argument).append(metric)
    return made


def _each(outputs: Structure, given: Any, argument: str, default: Any) -> list[Any]:
    if len(outputs) == 1 and isinstance(given, (list, tuple)) and len(given) == 1:
        return list(given)
    return outputs.arrange(given, argument, default)


def _metrics(outputs: Structure, asked: Any, argument: str) -> list[list[Any]]:
    if asked is None:
        return [[] for _ in outputs.names]
    if isinstance(asked, dict):
        given = outputs.arrange(asked, argument, None)
    elif len(outputs) == 1:
        given = [asked]
        if isinstance(asked, (list, tuple)) and len(asked) == 1:
            given = [asked[0]]
    else:
        given = outputs.arrange(asked, argument)
    return [_as_list(one) for one in given]


def _as_list(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]
