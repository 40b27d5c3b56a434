"""Adam and what is made of it: steps along the mean gradient, scaled by its mean square."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .base import Optimizer, Options, OptionsWithoutDecay, check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .schedules import LearningRate

__all__ = ["Adam", "AdamW", "Adamax", "Lamb", "Nadam"]


class _Moments(Optimizer):
    """The base of optimizers with two decays and an epsilon."""

    _own: ClassVar[tuple[str, ...]] = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = check("beta_1", beta_1, below=1)
        self.beta_2 = check("beta_2", beta_2, below=1)
        self.epsilon = check("epsilon", epsilon)


class Adam(_Moments):
    """Adam (Kingma and Ba, ICLR 2015), in the form of the paper's section 2 that Keras has.

    ``m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v);
    w -= learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)`` at step t.
    With ``amsgrad`` the root is of the largest ``v`` so far (Reddi, Kale and Kumar, ICLR 2018).

    Args:
        learning_rate: the step size, at least 0.
        beta_1: the decay of the mean of gradients, in [0, 1).
        beta_2: the decay of the mean of squared gradients, in [0, 1).
        epsilon: keeps the division finite.
        amsgrad: whether steps never grow by a smaller ``v``.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.

    >>> import numpy as np
    >>> weights = np.array([1.0, -1.0])
    >>> optimizer = Adam(learning_rate=0.1)
    >>> for _ in range(2):
    ...     optimizer.apply([2 * weights], [weights])
    >>> weights.round(3)
    array([ 0.8, -0.8])
    """

    _kind = "adam"
    _own = (*_Moments._own, "amsgrad")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad = amsgrad


class AdamW(Adam):
    """Adam with weight decay (Loshchilov and Hutter, "Decoupled weight decay", ICLR 2019).

    ``w -= learning_rate weight_decay w``, then :class:`Adam`'s step.

    Args:
        learning_rate: the step size, at least 0.
        weight_decay: the share of a weight lost at each step, over the learning rate.
        beta_1: the decay of the mean of gradients, in [0, 1).
        beta_2: the decay of the mean of squared gradients, in [0, 1).
        epsilon: keeps the division finite.
        amsgrad: whether steps never grow by a smaller ``v``.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptionsWithoutDecay],
    ) -> None:
        if weight_decay is None:
            raise ValueError("weight_decay must be at least 0, but it is None")
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options
        )


class Adamax(_Moments):
    """Adamax (Kingma and Ba, ICLR 2015, section 7.1): Adam by the largest gradient.

    ``m += (1 - beta_1)(g - m); u = max(beta_2 u, |g|);
    w -= learning_rate / (1 - beta_1^t) m / (u + epsilon)`` at step t.

    Args:
        learning_rate: the step size, at least 0.
        beta_1: the decay of the mean of gradients, in [0, 1).
        beta_2: the decay of the largest gradient, in [0, 1).
        epsilon: keeps the division finite.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "adamax"


class Nadam(_Moments):
    """Nadam (Dozat, ICLR workshop 2016): Adam with Nesterov's look-ahead.

    ``m`` and ``v`` as :class:`Adam`'s; ``w -= learning_rate h / (sqrt(v / (1 - beta_2^t)) +
    epsilon)`` with ``h = c_(t+1) m / (1 - c_1 ... c_(t+1)) + (1 - c_t) g / (1 - c_1 ... c_t)`` and
    ``c_t = beta_1 (1 - 0.96^t / 2)`` at step t.

    Args:
        learning_rate: the step size, at least 0.
        beta_1: the decay of the mean of gradients, in [0, 1).
        beta_2: the decay of the mean of squared gradients, in [0, 1).
        epsilon: keeps the division finite.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "nadam"


class Lamb(_Moments):
    """Lamb (You et al., ICLR 2020): Adam's direction, as long as the weights are.

    ``m`` and ``v`` as :class:`Adam`'s; ``u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) +
    epsilon)``; ``w -= learning_rate |w| / |u| u`` at step t, with the norms of each variable. Where
    one of them is 0, their ratio counts as 1. For large batches.

    Args:
        learning_rate: the step size, at least 0: a step's norm over that of the variable.
        beta_1: the decay of the mean of gradients, in [0, 1).
        beta_2: the decay of the mean of squared gradients, in [0, 1).
        epsilon: keeps the division finite.
        **options: see :class:`Optimizer`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    _kind = "lamb"
