"""Steps that each element's past gradients scale, without a mean of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unitgain import _native

from .base import Optimizer, Options, check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .schedules import LearningRate

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, JMLR 12, 2011).

    ``a += g^2; w -= learning_rate g / sqrt(a + epsilon)``.

    Args:
        learning_rate: the step size, at least 0.
        initial_accumulator_value: what ``a`` starts from, at least 0.
        epsilon: keeps the division finite.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = _native.OptimizerKind.adagrad
    _own = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = check(
            "initial_accumulator_value", initial_accumulator_value
        )
        self.epsilon = check("epsilon", epsilon)


class Adadelta(Optimizer):
    """Adadelta (Zeiler, arXiv:1212.5701).

    ``a = rho a + (1 - rho) g^2; d = g sqrt(b + epsilon) / sqrt(a + epsilon);
    b = rho b + (1 - rho) d^2; w -= learning_rate d``.

    Args:
        learning_rate: the step size, at least 0; 1 is the paper's.
        rho: the decay of both means, in [0, 1].
        epsilon: keeps the division finite, and starts the steps.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = _native.OptimizerKind.adadelta
    _own = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = check("rho", rho, most=1)
        self.epsilon = check("epsilon", epsilon)


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, lecture 6.5, 2012; centred: Graves, arXiv:1308.0850).

    ``v = rho v + (1 - rho) g^2; p = momentum p + learning_rate g / sqrt(v + epsilon); w -= p``.
    Centred, the root is of ``v - a^2 + epsilon`` with ``a = rho a + (1 - rho) g``.

    Args:
        learning_rate: the step size, at least 0.
        rho: the decay of the means, in [0, 1].
        momentum: how much of the last step is kept, 0 to 1.
        epsilon: keeps the division finite.
        centered: whether the variance of gradients is taken in place of their mean square.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = _native.OptimizerKind.rmsprop
    _own = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = check("rho", rho, most=1)
        self.momentum = check("momentum", momentum, most=1)
        self.epsilon = check("epsilon", epsilon)
        self.centered = centered
