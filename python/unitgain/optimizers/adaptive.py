"""Steps that each element's past gradients scale, without a mean of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Optimizer, Options, check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .schedules import LearningRate

__all__ = ["Adadelta", "Adafactor", "Adagrad", "Ftrl", "RMSprop"]


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

    _kind = "adagrad"
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

    _kind = "adadelta"
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

    _kind = "rmsprop"
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


class Ftrl(Optimizer):
    """Follow the regularised leader (McMahan et al., "Ad click prediction", KDD 2013).

    With ``p = -learning_rate_power``: ``n' = n + g^2; z += g + 2 l2_shrinkage w - (n'^p - n^p) w /
    learning_rate``; then w is 0 where ``|z| <= l1``, else ``(sign(z) l1 - z) / ((n'^p + beta) /
    learning_rate + 2 l2)``. With ``l1`` many weights are exactly 0. For shallow models of many
    sparse features.

    Args:
        learning_rate: the step size, above 0.
        learning_rate_power: at most 0, which keeps the rate as it is.
        initial_accumulator_value: what ``n`` starts from, at least 0.
        l1_regularization_strength: at least 0.
        l2_regularization_strength: at least 0.
        l2_shrinkage_regularization_strength: at least 0; this one is a penalty in the gradient.
        beta: the paper's, at least 0.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "ftrl"
    _own = (
        "learning_rate_power", "initial_accumulator_value", "l1_regularization_strength",
        "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta",
    )  # fmt: skip

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        if not -float("inf") < learning_rate_power <= 0:
            raise ValueError(
                f"learning_rate_power must be at most 0, but it is {learning_rate_power}"
            )
        self.learning_rate_power = float(learning_rate_power)
        given = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
            "beta": beta,
        }
        for label, value in given.items():
            setattr(self, label, check(label, value))


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern, ICML 2018): second moments as products of rows and columns.

    Of a matrix, with ``b = 1 - t^beta_2_decay`` at step t, the means ``r`` of the rows and ``c`` of
    the columns of ``g^2 + epsilon_1`` move by ``1 - b``, and ``v = r c / mean(r)``; of a vector
    ``v`` moves itself; of more axes the last two are the matrix. ``u = g / sqrt(v)`` is made
    shorter if its root mean square is above ``clip_threshold``, and ``w -= min(learning_rate,
    1 / sqrt(t)) max(epsilon_2, rms(w)) u``.

    Args:
        learning_rate: the step size over the weights' size, at least 0.
        beta_2_decay: at most 0.
        epsilon_1: keeps the division finite.
        epsilon_2: the least size of weights that counts.
        clip_threshold: above 0.
        relative_step: taken for Keras's sake: a step is bounded by ``1 / sqrt(t)`` in any case.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "adafactor"
    _own = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        if not -float("inf") < beta_2_decay <= 0:
            raise ValueError(f"beta_2_decay must be at most 0, but it is {beta_2_decay}")
        self.beta_2_decay = float(beta_2_decay)
        self.epsilon_1 = check("epsilon_1", epsilon_1)
        self.epsilon_2 = check("epsilon_2", epsilon_2)
        self.clip_threshold = check("clip_threshold", clip_threshold, above=0)
        self.relative_step = relative_step

    def _native_settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._own if name != "relative_step"}
