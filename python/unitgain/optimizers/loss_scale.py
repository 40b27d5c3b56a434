"""Steps of scaled losses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unitgain import _names, _native
from unitgain._configurable import checked_config, serialize

from .base import Optimizer, OptimizerVariable, check
from .rate import Rate
from .registry import find

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LossScaleOptimizer"]


class LossScaleOptimizer(Optimizer):
    """An optimizer that leaves out steps whose gradients are not finite, and scales the loss.

    A step with a NaN or an infinity among its gradients changes nothing, and halves the scale;
    ``dynamic_growth_steps`` others in a row double it. In loops of one's own the loss is
    ``scale_loss(loss)``, and :meth:`apply` divides the gradients by the scale. A model's own
    training computes in float32 or float64, which need no scale: there ``fit`` leaves out steps
    alone.

    Args:
        inner_optimizer: the optimizer that does the steps, or its configuration.
        initial_scale: the first scale, above 0.
        dynamic_growth_steps: at least 1.
        name: what the optimizer is called; None makes a fresh name from the class's.

    Raises:
        ValueError: if an argument is out of its range.

    >>> import numpy as np
    >>> weights = np.ones(2)
    >>> optimizer = LossScaleOptimizer(find("sgd"), initial_scale=8.0)
    >>> optimizer.apply([np.array([np.inf, 1.0])], [weights])
    >>> weights, optimizer.dynamic_scale
    (array([1., 1.]), 4.0)
    """

    _own = ("inner_optimizer", "initial_scale", "dynamic_growth_steps")

    def __init__(
        self,
        inner_optimizer: Optimizer | Mapping[str, Any],
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ) -> None:
        inner = find(inner_optimizer)
        if not isinstance(inner, Optimizer) or isinstance(inner, LossScaleOptimizer):
            raise TypeError(f"inner_optimizer is {inner!r}, expected an optimizer without a scale")
        if not isinstance(dynamic_growth_steps, int) or dynamic_growth_steps < 1:
            raise ValueError(
                f"dynamic_growth_steps must be an int of at least 1, but it is "
                f"{dynamic_growth_steps}"
            )
        self.inner_optimizer = inner
        super().__init__(
            inner._schedule or float(inner.learning_rate),
            use_ema=inner.use_ema,
            gradient_accumulation_steps=inner.gradient_accumulation_steps,
            name=name,
        )
        self.initial_scale = check("initial_scale", initial_scale, above=0)
        self.dynamic_growth_steps = dynamic_growth_steps

    @property
    def learning_rate(self) -> Rate:
        """The inner optimizer's step size; may be set, or assigned to."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def dynamic_scale(self) -> float:
        """The factor of the loss."""
        return self.initial_scale if self._native is None else float(self._native.loss_scale)

    def scale_loss(self, loss: Any) -> Any:
        """Return a loss times the scale."""
        return loss * self.dynamic_scale

    def spec(self) -> _native.OptimizerSpec:
        """Return the configuration that the native step takes."""
        spec = self.inner_optimizer.spec()
        spec.loss_scale = self.initial_scale
        spec.scale_growth_steps = self.dynamic_growth_steps
        return spec

    def options(self, variables: Sequence[Any]) -> list[_native.UpdateOptions]:
        """Return how each variable is treated."""
        return self.inner_optimizer.options(variables)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Spare variables weight decay. To be called before the optimizer has seen any."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def no_decay_patterns(self) -> list[str]:
        """Return regular expressions for the names of the variables that decay spares."""
        return self.inner_optimizer.no_decay_patterns()

    def _decays(self, variable: Any) -> bool:
        return self.inner_optimizer._decays(variable)

    def build(self, variables: Iterable[Any]) -> None:
        """Make the state for these variables, see :meth:`Optimizer.build`."""
        super().build(variables)
        self._share()

    def attach(self, native: Any, variables: Sequence[Any], model: Any) -> None:
        """Take over the native optimizer of the network that was compiled with this one's spec."""
        super().attach(native, variables, model)
        self._share()

    def _share(self) -> None:
        """Give the inner optimizer the steps: its rate may be set, and it trains nothing else."""
        inner = self.inner_optimizer
        inner._native, inner._trainable, inner._model = self._native, self._trainable, self._model

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        """Do one step with gradients of the scaled loss, see :meth:`Optimizer.apply`."""
        scale = self.dynamic_scale
        # A gradient that is no array of floats is left to the check of types.
        unscaled = [
            np.divide(g, scale, dtype=g.dtype) if getattr(g, "dtype", None) in _FLOATS else g
            for g in grads
        ]
        super().apply(unscaled, trainable_variables)

    @property
    def variables(self) -> list[OptimizerVariable]:
        """The state as variables: also the scale, and the steps since it changed."""
        native, found = self._native, super().variables
        if native is not None:
            steps = np.array(native.scaled_steps)
            found.append(OptimizerVariable("step_counter", steps, native, "scaled_steps"))
            scale = np.array(native.loss_scale)
            found.append(OptimizerVariable("dynamic_scale", scale, native, "loss_scale"))
        return found

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this."""
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an optimizer of what :meth:`get_config` returned; without its state."""
        with _names.custom_objects(custom_objects):
            return cls(**checked_config(cls, config, cls._argument_names()))

    @classmethod
    def _argument_names(cls) -> tuple[str, ...]:
        return ("name", *cls._own)


_FLOATS: tuple[Any, ...] = (np.dtype(np.float32), np.dtype(np.float64))
