"""Learning rates that depend on the step.

An optimizer takes a schedule in place of a learning rate; native code evaluates it at every step:

>>> import unitgain as ug
>>> rate = ug.optimizers.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
>>> optimizer = ug.optimizers.SGD(rate)
>>> rate(0), rate(100)
(0.1, 0.05)

A step is a call with gradients, counted from 0. Names, arguments and defaults are those of Keras 3,
but for :class:`OneCycle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from unitgain import _names, _native
from unitgain._configurable import Configurable, serialize

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "get",
    "serialize",
]

_Kind = _native.ScheduleKind


class LearningRateSchedule(Configurable):
    """A learning rate for each step.

    One's own implements ``__call__``, which is then called before every step, at the price of a
    call of Python, and must not call the model that is being trained:

    >>> import unitgain as ug
    >>> class Halves(ug.optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5**step
    >>> ug.optimizers.SGD(Halves()).learning_rate
    1.0
    """

    _native_spec: _native.ScheduleSpec | None = None

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if self._native_spec is None:
            raise NotImplementedError(f"{type(self).__name__} does not implement __call__")
        return self._native_spec.rate(int(step))

    @property
    def spec(self) -> _native.ScheduleSpec:
        """The specification that native code evaluates."""
        if self._native_spec is not None:
            return self._native_spec
        made = _native.ScheduleSpec(_Kind.custom)
        made.function = lambda step: float(self(step))
        return made

    def __getstate__(self) -> tuple[bool, dict[str, Any]]:
        is_native = self._native_spec is not None
        return is_native, self.get_config() if is_native else dict(vars(self))

    def __setstate__(self, state: tuple[bool, dict[str, Any]]) -> None:
        is_native, values = state
        if is_native:
            self.__init__(**values)  # type: ignore[misc]
        else:
            vars(self).update(values)

    def _set(
        self, kind: _native.ScheduleKind, initial: float, steps: float, **settings: Any
    ) -> None:
        spec = _native.ScheduleSpec(kind, float(initial), float(steps))
        for name, value in settings.items():
            setattr(spec, name, value)
        spec.check()
        self._native_spec = spec


class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate^(step / decay_steps)``.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: after how many steps the rate is ``decay_rate`` times what it was.
        decay_rate: the factor.
        staircase: whether the rate changes every ``decay_steps`` steps alone.
        name: what the schedule is called.

    Raises:
        ValueError: if ``decay_steps`` is not above 0.
    """

    _kind = _Kind.exponential

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        self._set(
            self._kind,
            initial_learning_rate,
            decay_steps,
            factor=float(decay_rate),
            staircase=bool(staircase),
        )


class InverseTimeDecay(ExponentialDecay):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``: power scheduling.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: after how many steps the divisor has grown by ``decay_rate``.
        decay_rate: how much the divisor grows.
        staircase: whether the rate changes every ``decay_steps`` steps alone.
        name: what the schedule is called.

    Raises:
        ValueError: if ``decay_steps`` is not above 0.
    """

    _kind = _Kind.inverse_time

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[0]`` up to the step ``boundaries[0]``, then ``values[1]`` up to the next, and so on.

    Args:
        boundaries: the last step of each value but the last, ascending.
        values: the rates, one more than ``boundaries``.
        name: what the schedule is called.

    Raises:
        ValueError: if there are more or fewer values, or boundaries do not ascend.
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"values has {len(values)} entries, expected one more than the {len(boundaries)} "
                "boundaries"
            )
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name
        self._set(
            _Kind.piecewise,
            values[0],
            1,
            boundaries=[float(b) for b in boundaries],
            values=[float(v) for v in values],
        )


class PolynomialDecay(LearningRateSchedule):
    """``(initial - end) * (1 - step / decay_steps)^power + end``, up to ``decay_steps``.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: after how many steps the rate is ``end_learning_rate``.
        end_learning_rate: the last rate.
        power: 1 for a straight line.
        cycle: whether, past ``decay_steps``, these are taken twice, three times ... as many.
        name: what the schedule is called.

    Raises:
        ValueError: if ``decay_steps`` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name
        self._set(
            _Kind.polynomial,
            initial_learning_rate,
            decay_steps,
            end=float(end_learning_rate),
            power=float(power),
            cycle=bool(cycle),
        )


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down, after a linear warmup if there is one.

    ``rate * ((1 - alpha) * (1 + cos(pi step / decay_steps)) / 2 + alpha)`` (Loshchilov and Hutter,
    "SGDR: stochastic gradient descent with warm restarts", ICLR 2017).

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: how many steps the decay takes, the warmup not counted.
        alpha: the last rate, as a part of the rate that the decay begins from.
        name: what the schedule is called.
        warmup_target: the rate that the warmup ends with, and the decay begins from.
        warmup_steps: how many steps the warmup takes.

    Raises:
        ValueError: if ``decay_steps`` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        target = initial_learning_rate if warmup_target is None else warmup_target
        self._set(
            _Kind.cosine,
            initial_learning_rate if warmup_steps else target,
            decay_steps,
            end=float(alpha),
            warmup_steps=0.0 if warmup_target is None else float(warmup_steps),
            warmup_target=float(target),
        )


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine from the initial rate down, again and again (Loshchilov and Hutter, 2017).

    Args:
        initial_learning_rate: the rate of the first step.
        first_decay_steps: how many steps the first decay takes.
        t_mul: how many times as long each is as the one before it.
        m_mul: how many times as high each begins.
        alpha: the last rate, as a part of the initial one.
        name: what the schedule is called.

    Raises:
        ValueError: if ``first_decay_steps`` is not above 0, or ``t_mul`` below 1.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        if t_mul < 1:
            raise ValueError(f"t_mul must be at least 1, but it is {t_mul}")
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = _positive("first_decay_steps", first_decay_steps)
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name
        self._set(
            _Kind.restarts,
            initial_learning_rate,
            first_decay_steps,
            times_steps=float(t_mul),
            times_rate=float(m_mul),
            end=float(alpha),
        )


class OneCycle(LearningRateSchedule):
    """The 1cycle policy: up to ``max_lr``, then down below where it began.

    The momentum (of SGD and RMSprop; of Adam and its kin beta_1) goes the other way (Smith and
    Topin, "Super-convergence", 2017, arXiv:1708.07120). Arguments as of PyTorch's ``OneCycleLR``.

    Args:
        max_lr: the highest rate.
        total_steps: how many steps the cycle takes; afterwards the rate stays.
        pct_start: the share of the steps on the way up.
        anneal_strategy: ``"cos"`` for half cosines, ``"linear"`` for straight lines.
        cycle_momentum: whether the momentum moves.
        base_momentum: the lowest momentum, beside the highest rate.
        max_momentum: the highest momentum.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last is the first over this.
        three_phase: whether the rate first comes down as it went up, and then to the last.
        name: what the schedule is called.

    Raises:
        ValueError: if ``total_steps`` is below 2, ``pct_start`` not in [0, 1], or
            ``anneal_strategy`` unknown.
    """

    def __init__(
        self,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        name: str = "OneCycle",
    ) -> None:
        if total_steps < 2:
            raise ValueError(f"total_steps must be at least 2, but it is {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start must be between 0 and 1, but it is {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            table = dict.fromkeys(("cos", "linear"))
            raise ValueError(_names.unknown("anneal_strategy", anneal_strategy, table))
        self.max_lr = max_lr
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.base_momentum = base_momentum
        self.max_momentum = max_momentum
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.three_phase = three_phase
        self.name = name
        first = max_lr / div_factor
        last, top = first / final_div_factor, pct_start * total_steps - 1
        ends, rates = [top, total_steps - 1], [first, max_lr, last]
        momenta = [max_momentum, base_momentum, max_momentum]
        if three_phase:
            ends.insert(1, 2 * pct_start * total_steps - 2)
            rates.insert(2, first)
            momenta.append(max_momentum)
        self._set(
            _Kind.phases,
            first,
            total_steps,
            boundaries=[float(end) for end in ends],
            values=[float(rate) for rate in rates],
            momenta=[float(m) for m in momenta] if cycle_momentum else [],
            linear=anneal_strategy == "linear",
        )


LearningRate: TypeAlias = "float | LearningRateSchedule | Mapping[str, Any]"

_CLASSES: tuple[type[LearningRateSchedule], ...] = (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
_TABLE: dict[str, Callable[[], LearningRateSchedule]] = {kind.__name__: kind for kind in _CLASSES}


def get(schedule: Mapping[str, Any] | LearningRateSchedule) -> LearningRateSchedule:
    """Return the schedule of that configuration, or the one given.

    Raises:
        ValueError: if the configuration describes none.
        TypeError: if it is neither.
    """
    return _names.resolve("schedule", schedule, _TABLE, LearningRateSchedule, str)


deserialize = _names.deserializer("schedule", get)


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0, but it is {value}")
    return value
