"""Optimizers of PyTorch, with the steps and moments that they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unitgain import optimizers
from unitgain.convert.state_dicts import TRANSPOSED, array_of
from unitgain.convert.states import Slots

__all__ = ["optimizer_of", "state_of"]


def optimizer_of(optimizer: Any, given: Mapping[int, Any]) -> optimizers.Optimizer:
    """Return an optimizer like PyTorch's, of its settings.

    Raises:
        ValueError: if there is none.
    """
    kind = type(optimizer).__name__
    if kind not in ("SGD", "Adam", "AdamW"):
        raise ValueError(f"optimizer is a {kind}, expected SGD, Adam or AdamW")
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    if any(group != groups[0] for group in groups):
        raise ValueError("the optimizer's groups of parameters have different settings")
    settings: dict[str, Any] = {
        k: float(v) if hasattr(v, "item") else v for k, v in groups[0].items()
    }
    if settings.get("maximize"):
        raise ValueError("the optimizer maximizes")
    known = [p for group in optimizer.param_groups for p in group["params"]]
    if {id(p) for p in known} != given.keys():
        raise ValueError("the optimizer's parameters are not those of the module")
    decay = settings["weight_decay"]
    decoupled = kind == "AdamW" or settings.get("decoupled_weight_decay", False)
    if decay and not decoupled:
        raise ValueError(
            f"weight_decay is {decay}: {kind} of PyTorch adds it to the gradient, as a penalty "
            f"L2({decay / 2:g}) of the layers does; AdamW decays weights as here"
        )
    rate = settings["lr"]
    if kind == "SGD":
        if settings["dampening"]:
            raise ValueError(f"dampening is {settings['dampening']}, expected 0")
        return optimizers.SGD(rate, settings["momentum"], settings["nesterov"])
    beta_1, beta_2 = settings["betas"]
    options: dict[str, Any] = {"epsilon": settings["eps"], "amsgrad": settings["amsgrad"]}
    if decoupled:
        return optimizers.AdamW(rate, decay, beta_1, beta_2, **options)
    return optimizers.Adam(rate, beta_1, beta_2, **options)


def state_of(optimizer: Any, given: Mapping[int, Any]) -> tuple[int, list[tuple[Any, Slots]]]:
    """Return the steps that an optimizer has done, and its moments by our names.

    PyTorch's momentum is without the learning rate and of the gradient's sign; here it is the step.
    """
    names = {"exp_avg": "momentum", "exp_avg_sq": "velocity", "max_exp_avg_sq": "velocity_hat"}
    steps = {0}
    found: list[tuple[Any, Slots]] = []
    for group in optimizer.param_groups:
        rate = float(group["lr"])
        for parameter in group["params"]:
            kept = optimizer.state.get(parameter, {})
            slots = {new: array_of(kept[old]) for old, new in names.items() if old in kept}
            if kept.get("momentum_buffer") is not None:
                slots["momentum"] = -rate * array_of(kept["momentum_buffer"])
            if "step" in kept:
                steps.add(int(kept["step"]))
            if slots:
                variable = given[id(parameter)]
                found.append((variable, {k: _turned(variable, a) for k, a in slots.items()}))
    if len(steps) > 2:
        raise ValueError(f"the optimizer has done different numbers of steps: {sorted(steps)}")
    return max(steps), found


def _turned(variable: Any, array: Any) -> Any:
    """Return what is kept for a parameter in the layout of the variable."""
    is_transposed = variable.name.rpartition("/")[2] in TRANSPOSED
    return array.T if is_transposed else array.reshape(variable.shape)
