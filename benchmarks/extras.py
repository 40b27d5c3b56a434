"""Parts that a run of training may have beside its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import unitgain as ug


@dataclass(frozen=True)
class Extras:
    """Parts that a run may have beside its steps; NumPy's, the reference, has none."""

    decay: float = 0.9999
    l2: float = 1e-4
    clipnorm: float = 10.0
    validation: float = 0.1

    def put_on(self, model: Any, learning_rate: float) -> float:
        """Compile a model with all that; return the share of the samples to validate with."""
        for weight in model.weights:
            weight.regularizer = ug.regularizers.L2(self.l2)
        rate = ug.optimizers.schedules.ExponentialDecay(learning_rate, 1, self.decay)
        optimizer = ug.optimizers.Adam(rate, global_clipnorm=self.clipnorm)
        model.compile(optimizer, model.loss, ["accuracy"])
        return self.validation
