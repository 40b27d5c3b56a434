"""Optimizers: how a step changes the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unitgain import _names, _native

__all__ = ["SGD", "Adam", "Optimizer", "get"]


class Optimizer:
    """An update that the native training step applies. The subclasses are those there are."""

    def __init__(self, learning_rate: float, name: str) -> None:
        self.name = name
        self._network: Any = None
        self._learning_rate = _checked_rate(learning_rate)

    @property
    def learning_rate(self) -> float:
        """The step size; may be set between and during calls of ``fit``."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self._learning_rate = _checked_rate(learning_rate)
        if self._network is not None:
            self._network.learning_rate = self._learning_rate

    @property
    def iterations(self) -> int:
        """The steps done since the model was compiled."""
        return 0 if self._network is None else int(self._network.iterations)

    def spec(self) -> _native.OptimizerSpec:
        """Return the configuration that the native step takes."""
        raise NotImplementedError(f"{type(self).__name__} does not implement spec")

    def attach(self, network: Any) -> None:
        """Let the learning rate of the network that was compiled with this optimizer follow it."""
        self._network = network


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    ``v = momentum v - learning_rate g; w += v``, or with Nesterov's look-ahead
    ``w += momentum v - learning_rate g`` (Sutskever, Martens, Dahl and Hinton, ICML 2013).

    Args:
        learning_rate: the step size, at least 0.
        momentum: how much of the last step is kept, 0 to 1.
        nesterov: whether the gradient is applied after the momentum's step.
        name: what the optimizer is called.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
    ) -> None:
        super().__init__(learning_rate, name)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be between 0 and 1, but it is {momentum}")
        self.momentum = momentum
        self.nesterov = nesterov

    def spec(self) -> _native.OptimizerSpec:
        """Return the configuration that the native step takes."""
        return _native.OptimizerSpec(
            _native.OptimizerKind.sgd,
            self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )


class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015), in the form of the paper's section 2 that Keras has.

    ``m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v);
    w -= learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)`` at step t.

    Args:
        learning_rate: the step size, at least 0.
        beta_1: the decay of the mean of gradients, in [0, 1).
        beta_2: the decay of the mean of squared gradients, in [0, 1).
        epsilon: keeps the division finite.
        name: what the optimizer is called.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "adam",
    ) -> None:
        super().__init__(learning_rate, name)
        for label, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{label} must be at least 0 and less than 1, but it is {beta}")
        if not epsilon >= 0:
            raise ValueError(f"epsilon must be at least 0, but it is {epsilon}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def spec(self) -> _native.OptimizerSpec:
        """Return the configuration that the native step takes."""
        return _native.OptimizerSpec(
            _native.OptimizerKind.adam,
            self.learning_rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )


_TABLE: dict[str, Callable[[], Optimizer]] = {"sgd": SGD, "adam": Adam}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimizer of that name (in any case), or the one given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor an optimizer.
    """
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    return _names.resolve("optimizer", name, _TABLE, Optimizer)


def _checked_rate(learning_rate: float) -> float:
    if not learning_rate >= 0:
        raise ValueError(f"learning_rate must be at least 0, but it is {learning_rate}")
    return float(learning_rate)
