"""What must be alike on all processes before they train together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from unitgain import _native
from unitgain._arrays import SparseRows
from unitgain.config import get_float32_matmul_precision
from unitgain.graph.structure import Arrays
from unitgain.training.feeding import Samples
from unitgain.training.passes import Run, Source
from unitgain.training.windows import Windows

__all__ = ["check_alike", "facts"]


def facts(model: Any, made: Any) -> dict[str, Any]:
    """Return what must be the same, by names that a message can have.

    Args:
        model: the model, compiled.
        made: a run with its history, or the samples of an evaluation or of a step.
    """
    known = {
        "the version of unitgain": _native.__version__,
        "the instruction set": _native.active_variant(),
        "the precision of products": get_float32_matmul_precision(),
        "the model's dtype": model.dtype,
        "the model's layers": [type(layer).__name__ for layer in model.leaves()],
        "the weights' shapes": [list(weight.shape) for weight in model.weights],
        "what is trained": [weight.trainable for weight in model.weights],
        "the layers' arguments": _configuration(model.get_config),
        "what compile was given": _configuration(model.get_compile_config),
    }
    if isinstance(made, tuple):
        run: Run = made[0]
        known["the batch size"] = run.batch_size
        known["the steps of an epoch"] = run.steps
        known["the number of epochs"] = run.listeners.callbacks[0].params["epochs"]
        known |= _facts_of_samples(run.source, "")
        known |= _facts_of_samples(run.validation, "validation ")
    else:
        known |= _facts_of_samples(made, "")
    return known


def check_alike(all_facts: Sequence[Mapping[str, Any]]) -> None:
    """Compare what the processes have.

    Raises:
        ValueError: if there is a difference; the message names it.
    """
    first = all_facts[0]
    for rank, others in enumerate(all_facts):
        for name in dict.fromkeys([*first, *others]):
            ours, theirs = first.get(name), others.get(name)
            if ours == theirs:
                continue
            if isinstance(ours, (list, dict)) and isinstance(theirs, type(ours)):
                ours, theirs = _parts_that_differ(ours, theirs)
            raise ValueError(
                f"the processes differ in {name}: process {rank} has {theirs}, and process 0 has "
                f"{ours}"
            )


def _parts_that_differ(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return the innermost parts of two lists or dicts in which they differ first."""
    if isinstance(ours, list) and len(ours) == len(theirs):
        pairs = list(zip(ours, theirs, strict=True))
    elif isinstance(ours, dict) and ours.keys() == theirs.keys():
        pairs = [({key: ours[key]}, {key: theirs[key]}) for key in ours]
    else:
        return ours, theirs
    one, other = next(pair for pair in pairs if pair[0] != pair[1])
    if isinstance(ours, dict):
        ((key, one),), ((_, other),) = one.items(), other.items()
        if isinstance(one, (list, dict)) and type(one) is type(other):
            return _parts_that_differ(one, other)
        return {key: one}, {key: other}
    if isinstance(one, (list, dict)) and type(one) is type(other):
        return _parts_that_differ(one, other)
    return one, other


def _configuration(describe: Any) -> Any:
    """Return a configuration without names, which count the layers that a process has made."""
    try:
        return _without_names(json.loads(json.dumps(describe(), default=str)))
    except (TypeError, ValueError, NotImplementedError):
        return None


def _without_names(config: Any) -> Any:
    if isinstance(config, list):
        return [_without_names(one) for one in config]
    if isinstance(config, dict):
        return {key: _without_names(one) for key, one in config.items() if key != "name"}
    return config


def _facts_of_samples(source: Source | None, prefix: str) -> dict[str, Any]:
    if isinstance(source, Windows):
        return {
            f"the number of {prefix}samples": len(source),
            f"{prefix}data": [f"{c.label}: {c.dtype} {c.shape}" for c in source.data.table.columns],
            f"the window of {prefix}data": source.data.window,
            f"the seed of {prefix}data, which from_npy and its kin take": source.data.key,
        }
    if not isinstance(source, Samples):
        return {f"the kind of {prefix}data": type(source).__name__}
    found: dict[str, Any] = {f"the number of {prefix}samples": len(source)}
    for name, given in (("x", source.x), ("y", source.y), ("sample_weight", source.weights)):
        parts = list(given) if isinstance(given, Arrays) else [given]
        found[f"{prefix}{name}"] = [_shape_of(part) for part in parts]
    return found


def _shape_of(part: Any) -> str:
    if part is None:
        return "None"
    if isinstance(part, SparseRows):
        return f"sparse rows of shape {tuple(part.shape)}"
    return f"{part.dtype} of shape {tuple(part.shape)}"
