"""Muon: steps whose singular values are about equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .base import Optimizer, OptionsWithoutDecay, _name, check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .schedules import LearningRate

__all__ = ["Muon"]


class Muon(Optimizer):
    """Muon (Jordan et al., 2024; scaled as in Liu et al., arXiv:2502.16982) for matrices.

    ``m = momentum m + g; u = g + momentum m`` (or ``u = m`` without ``nesterov``), then
    ``x = u / |u|`` and ``ns_steps`` times ``x = a x + (b x x' + c (x x')^2) x``; at last
    ``w -= learning_rate rms_rate sqrt(max(rows, columns)) x``.

    Variables that are no matrices, whose names match ``exclude_layers``, or hold "embedding", get
    :class:`Adam`'s steps. A network's last layer is best among those.

    Args:
        learning_rate: the step size, at least 0.
        adam_beta_1: Adam's ``beta_1``, in [0, 1).
        adam_beta_2: Adam's ``beta_2``, in [0, 1).
        adam_weight_decay: the weight decay of the variables that Adam has. None: none.
        epsilon: Adam's.
        weight_decay: the weight decay of the others.
        exclude_layers: regular expressions.
        exclude_embeddings: whether "embedding" in a name leaves the variable to Adam.
        muon_a: the polynomial's first factor.
        muon_b: its second.
        muon_c: its third.
        adam_lr_ratio: Adam's learning rate over the others'.
        momentum: how much of the mean of gradients is kept, 0 to 1.
        ns_steps: how often the polynomial is applied.
        nesterov: whether the gradient is looked at ahead.
        rms_rate: what scales the steps to Adam's size; None leaves out it and the square root.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "muon"
    _own = (
        "adam_beta_1", "adam_beta_2", "adam_weight_decay", "epsilon", "exclude_layers",
        "exclude_embeddings", "muon_a", "muon_b", "muon_c", "adam_lr_ratio", "momentum", "ns_steps",
        "nesterov", "rms_rate",
    )  # fmt: skip

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Unpack[OptionsWithoutDecay],
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **options)
        self.adam_beta_1 = check("adam_beta_1", adam_beta_1, below=1)
        self.adam_beta_2 = check("adam_beta_2", adam_beta_2, below=1)
        if adam_weight_decay is not None:
            check("adam_weight_decay", adam_weight_decay)
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = check("epsilon", epsilon)
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.adam_lr_ratio = check("adam_lr_ratio", adam_lr_ratio)
        self.momentum = check("momentum", momentum, most=1)
        if not isinstance(ns_steps, int) or ns_steps < 0:
            raise ValueError(f"ns_steps must be an int of at least 0, but it is {ns_steps}")
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = None if rms_rate is None else check("rms_rate", rms_rate, above=0)

    def _native_settings(self) -> dict[str, Any]:
        same = ["epsilon", "muon_a", "muon_b", "muon_c", "adam_lr_ratio"]
        same += ["momentum", "ns_steps", "nesterov"]
        return {
            **{name: getattr(self, name) for name in same},
            "beta_1": self.adam_beta_1,
            "beta_2": self.adam_beta_2,
            "adam_weight_decay": self.adam_weight_decay or 0.0,
            "rms_rate": self.rms_rate or 0.0,
        }

    def _orthogonalizes(self, variable: Any) -> bool:
        name = _name(variable)
        if self.exclude_embeddings and "embedding" in name.lower():
            return False
        return not any(re.search(pattern, name) for pattern in self.exclude_layers)
