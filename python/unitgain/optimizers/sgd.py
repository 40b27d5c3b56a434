"""Steps along the gradient, or along its sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Optimizer, Options, check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .schedules import LearningRate

__all__ = ["SGD", "Lion"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    ``v = momentum v - learning_rate g; w += v``, or with Nesterov's look-ahead
    ``w += momentum v - learning_rate g`` (Sutskever, Martens, Dahl and Hinton, ICML 2013).

    Args:
        learning_rate: the step size, at least 0.
        momentum: how much of the last step is kept, 0 to 1.
        nesterov: whether the gradient is applied after the momentum's step.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "sgd"
    _own = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = check("momentum", momentum, most=1)
        self.nesterov = nesterov


class Lion(Optimizer):
    """Lion (Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675).

    ``w -= learning_rate sign(beta_1 m + (1 - beta_1) g); m = beta_2 m + (1 - beta_2) g``.

    Args:
        learning_rate: the size of every element's step, at least 0.
        beta_1: how much of the mean is in the step's direction, in (0, 1].
        beta_2: the decay of the mean of gradients, in [0, 1].
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "lion"
    _own = ("beta_1", "beta_2")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = check("beta_1", beta_1, above=0, most=1)
        self.beta_2 = check("beta_2", beta_2, most=1)
