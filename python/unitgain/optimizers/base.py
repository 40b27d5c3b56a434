"""The base of all optimizers: settings, state, and the application of gradients."""

from __future__ import annotations

import operator
import re
import warnings
import weakref
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, _native
from unitgain._configurable import Configurable, serialize
from unitgain.optimizers import schedules
from unitgain.optimizers.rate import Rate
from unitgain.optimizers.schedules import LearningRate, LearningRateSchedule
from unitgain.optimizers.state import Stateful

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Optimizer", "OptimizerVariable", "Options"]


class OptionsWithoutDecay(TypedDict, total=False):
    """The arguments that every optimizer takes beside its weight decay."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None
    name: str | None


class Options(OptionsWithoutDecay, total=False):
    """The arguments that every optimizer takes, see :class:`Optimizer`."""

    weight_decay: float | None


class OptimizerVariable:
    """A value that an optimizer keeps between steps.

    Attributes:
        name: what it is, after the variable that it belongs to: ``dense/kernel_momentum``.
        array: the value itself, not a copy.
    """

    def __init__(self, name: str, array: NDArray[Any], owner: Any = None, field: str = "") -> None:
        self.name = name
        self.array = array
        self._owner = owner
        self._field = field

    @property
    def shape(self) -> tuple[int, ...]:
        """The value's shape."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The value's dtype."""
        return self.array.dtype

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the value, between two steps."""
        with _native.Still([self.array]):
            return self.array.copy()

    def assign(self, value: ArrayLike) -> None:
        """Set the value, between two steps.

        Raises:
            ValueError: if ``value`` has another shape.
        """
        new = np.asarray(value)
        if new.shape != self.shape:
            raise ValueError(f"value has shape {new.shape}, but {self.name} has {self.shape}")
        with _native.Still([self.array]):
            self.array[...] = new
        if self._owner is not None:
            setattr(self._owner, self._field, self.array.item())

    def __repr__(self) -> str:
        return f"<OptimizerVariable {self.name}, shape={self.shape}, dtype={self.dtype}>"


class Optimizer(Configurable, Stateful):
    """An update of weights from gradients, which native code applies to all of them in one pass.

    The subclasses are those there are. Each takes these arguments beside its own:

    Args:
        learning_rate: the step size, at least 0, or a schedule of it, see
            :mod:`unitgain.optimizers.schedules`.
        weight_decay: before each step weights lose ``learning_rate * weight_decay`` of
            themselves (decoupled: Loshchilov and Hutter, ICLR 2019). None: they lose nothing.
        clipnorm: the largest Euclidean norm that the gradient of one variable may have; a larger
            one is scaled down.
        clipvalue: the largest magnitude that an element of a gradient may have.
        global_clipnorm: the largest norm that all gradients together may have. Of the three
            limits one can be set; 0 is none.
        use_ema: whether exponential moving averages of the weights are kept. At the end of ``fit``
            they replace the weights.
        ema_momentum: how much of an average is kept at each step, 0 to 1.
        ema_overwrite_frequency: after how many steps, again and again, the averages replace the
            weights. None: only at the end.
        gradient_accumulation_steps: of so many batches, at least 2, the mean gradient makes one
            step, as if they were one batch (but for batch norm, whose statistics are each batch's
            own, and move with each). None: every batch makes a step.
        name: what the optimizer is called; None makes a fresh name from the class's.

    Gradients that hold a NaN or infinity are not hidden: they go into the update as they are. Norms
    do not overflow where the sum of squares would. Denormal results become zero.
    """

    _kind: ClassVar[str]  # of the native rules
    # The arguments beside the common ones: attributes of the same names, and the native settings.
    _own: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: LearningRate,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or _names.unique_name(type(self).__name__.lower())
        self._schedule: LearningRateSchedule | None = None
        if isinstance(learning_rate, LearningRateSchedule | Mapping):
            self._schedule = schedules.get(learning_rate)
            self._learning_rate = self._schedule(0)
        else:
            self._learning_rate = check("learning_rate", learning_rate)
        limits = {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
            "weight_decay": weight_decay,
        }
        for label, value in limits.items():
            if value is not None:
                check(label, value)
        if sum(v is not None for v in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "only one of clipnorm, clipvalue and global_clipnorm can be set, but they are "
                f"{clipnorm}, {clipvalue} and {global_clipnorm}"
            )
        if use_ema:
            check("ema_momentum", ema_momentum, most=1)
            frequency = ema_overwrite_frequency
            if frequency is not None and (not isinstance(frequency, int) or frequency < 1):
                raise ValueError(
                    f"ema_overwrite_frequency must be an int of at least 1 or None, but it is "
                    f"{frequency}"
                )
        accumulated = gradient_accumulation_steps
        if accumulated is not None and (not isinstance(accumulated, int) or accumulated < 2):
            raise ValueError(
                f"gradient_accumulation_steps must be an int of at least 2 or None, but it is "
                f"{accumulated}"
            )
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self._native: Any = None
        self._trainable: list[Any] = []  # what the native optimizer's arrays are, in its order
        self._model: weakref.ref[Any] | None = None  # whose network has the native optimizer
        self._excluded: set[int] = set()
        self._excluded_objects: list[Any] = []  # kept, so that their ids stay theirs
        self._excluded_names: re.Pattern[str] | None = None

    # ---- configuration ----

    @property
    def learning_rate(self) -> Rate:
        """The step size; may be set, or assigned to, between and during calls of ``fit``.

        With a schedule it is the next step's, and setting it raises TypeError.
        """
        if self._schedule is not None:
            calls = 0 if self._native is None else int(self._native.iterations)
            return Rate(self._schedule(calls), self)
        if self._native is not None:
            self._learning_rate = float(self._native.learning_rate)
        return Rate(self._learning_rate, self)

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        if self._schedule is not None:
            raise TypeError(
                "the learning rate follows a schedule: make the optimizer with a number to set it"
            )
        self._learning_rate = check("learning_rate", learning_rate)
        if self._native is not None:
            self._native.learning_rate = self._learning_rate

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Spare variables weight decay. To be called before the optimizer has seen any.

        Args:
            var_list: the variables.
            var_names: regular expressions; a variable is meant if one is found in its name.

        Raises:
            ValueError: if the optimizer is built.
        """
        if self.built:
            raise ValueError(
                "exclude_from_weight_decay must be called before the optimizer is built"
            )
        self._excluded_objects = list(var_list or [])
        self._excluded = {id(variable) for variable in self._excluded_objects}
        names = list(var_names or [])
        self._excluded_names = re.compile("|".join(names)) if names else None

    def no_decay_patterns(self) -> list[str]:
        """Return regular expressions for the names of the variables that decay spares."""
        found = [] if self._excluded_names is None else [self._excluded_names.pattern]
        return found + [f"^{re.escape(_name(v))}$" for v in self._excluded_objects if _name(v)]

    def without_decay(self) -> list[str]:
        """Return the names of the variables that weight decay spares."""
        return [_name(v) for v in self._trainable if not self._decays(v)]

    def spec(self) -> _native.OptimizerSpec:
        """Return the configuration that the native step takes."""
        spec = _native.OptimizerSpec(self._kind, self.learning_rate, **self._native_settings())
        if self._schedule is not None:
            spec.schedule = self._schedule.spec
            if spec.schedule.momenta and not (
                getattr(self, "momentum", 0) or "beta_1" in self._own
            ):
                raise ValueError(
                    f"{type(self).__name__} has no momentum for the schedule to move: give it one, "
                    "or the schedule cycle_momentum=False"
                )
        spec.weight_decay = self.weight_decay or 0.0
        for limit, kind in (
            (self.clipnorm, _native.Clipping.norm),
            (self.global_clipnorm, _native.Clipping.global_norm),
            (self.clipvalue, _native.Clipping.value),
        ):
            if limit:
                spec.clip, spec.clipping = limit, kind
        spec.use_ema = self.use_ema
        spec.ema_momentum = self.ema_momentum
        spec.ema_overwrite_frequency = self.ema_overwrite_frequency or 0
        spec.accumulation_steps = self.gradient_accumulation_steps or 1
        return spec

    def _native_settings(self) -> dict[str, Any]:
        """Return the parameters of the native rule."""
        return {name: getattr(self, name) for name in self._own}

    def options(self, variables: Sequence[Any]) -> list[_native.UpdateOptions]:
        """Return how each variable is treated."""
        return [
            _native.UpdateOptions(
                self._decays(variable), self._orthogonalizes(variable), *_own_options(variable)
            )
            for variable in variables
        ]

    def _decays(self, variable: Any) -> bool:
        if id(variable) in self._excluded:
            return False
        pattern = self._excluded_names
        return pattern is None or pattern.search(_name(variable)) is None

    def _orthogonalizes(self, variable: Any) -> bool:
        return True

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this."""
        config = super().get_config()
        if self._schedule is not None:
            config["learning_rate"] = serialize(self._schedule)
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an optimizer of what :meth:`get_config` returned; without its state.

        Args:
            config: the configuration.
            custom_objects: classes of one's own by name, for the schedule.

        Raises:
            ValueError: if the configuration describes none.
        """
        with _names.custom_objects(custom_objects):
            return super().from_config(config)

    def _argument(self, name: str) -> Any:
        has_schedule = name == "learning_rate" and self._schedule is not None
        return self._schedule if has_schedule else super()._argument(name)

    def _is_default(self, name: str, value: Any) -> bool:
        is_fresh = name == "name" and value == type(self).__name__.lower()
        return is_fresh or super()._is_default(name, value)

    @classmethod
    def _argument_names(cls) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("name", "learning_rate", *cls._own, *Options.__annotations__)))

    # ---- application ----

    @property
    def built(self) -> bool:
        """Whether the optimizer has its variables and its state."""
        return self._native is not None

    @property
    def iterations(self) -> int:
        """The steps done since the optimizer was built, or its model compiled."""
        return self._calls // (self.gradient_accumulation_steps or 1)

    @property
    def _calls(self) -> int:
        """The gradients seen, several of which may make a step."""
        if self._native is not None:
            return int(self._native.iterations)
        restored = self._restored_state
        return 0 if restored is None else int(restored[0]["iterations"])

    def build(self, variables: Iterable[Any]) -> None:
        """Make the state for these variables; nothing if there is one.

        Args:
            variables: NumPy arrays, all of them float32 or all float64, writeable and C-contiguous,
                or a model's variables. They are updated where they are.

        Raises:
            ValueError: if an array is read-only or not contiguous, or comes twice.
            TypeError: if one is no array, or of another dtype.
        """
        if self.built:
            return
        trainable = list(variables)
        if not trainable:
            raise ValueError("there are no variables to optimize")
        arrays = [getattr(variable, "array", variable) for variable in trainable]
        if len({id(array) for array in arrays}) != len(arrays):
            raise ValueError("a variable comes twice")
        types = _native.float64 if _dtype(arrays[0]) == np.float64 else _native.float32
        self._native = types.Optimizer(self.spec(), arrays, self.options(trainable))
        self._trainable = trainable
        self._take_up_state()

    def attach(self, native: Any, variables: Sequence[Any], model: Any) -> None:
        """Take over the native optimizer of the network that was compiled with this one's spec."""
        self._restored_state = None
        self._model = weakref.ref(model)
        self._native = native
        self._trainable = list(variables)

    def is_of(self, model: Any) -> bool:
        """Tell whether the state is that of a model's network."""
        return self._model is not None and self._model() is model

    def may_train(self, model: Any) -> bool:
        """Tell whether the optimizer has done no step, or its steps were those of the model."""
        if self._native is None or self._calls == 0 or self.is_of(model):
            return True
        known = set(map(id, model.weights))
        return self._model is None and all(id(v) in known for v in self._trainable)

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        """Do one step: update the variables in place.

        The learning-rate multipliers and constraints of a layer's variables are heeded; their
        penalties are not, as the gradients are taken to be those of the whole loss.

        Args:
            grads: an array for each variable, of its shape, C-contiguous. None leaves its variable
                as it is, with a warning. Those of another floating-point dtype than their variable
                are copied as its own, float64 to float32 included.
            trainable_variables: as for :meth:`build`, which the first call does. Later calls give
                the same objects, or some of them; None means all, in their order.

        Raises:
            ValueError: if shapes do not fit, a variable is unknown, or no gradient is given.
            TypeError: if one is no array of floating-point numbers.
        """
        if len(grads) == 0:
            return
        if trainable_variables is not None:
            variables = list(trainable_variables)
            if len(variables) != len(grads):
                raise ValueError(f"{len(grads)} gradients for {len(variables)} variables")
            self.build(variables)
            known = self._trainable
            if len(variables) != len(known) or not all(map(operator.is_, variables, known)):
                grads = self._in_order(grads, variables)
        elif self._native is None:
            raise ValueError(
                "the optimizer has no variables: pass trainable_variables, or build it"
            )
        try:
            missing = self._native.apply(grads)
        except TypeError:  # raised before anything is changed
            cast = [_as_dtype_of(v, g) for v, g in zip(self._trainable, grads, strict=True)]
            if all(map(operator.is_, cast, grads)):
                raise
            missing = self._native.apply(cast)
        if missing and (trainable_variables is None or len(variables) == len(self._trainable)):
            names = [_name(v) or str(i) for i, v in enumerate(self._trainable) if grads[i] is None]
            warnings.warn(f"no gradient for {', '.join(names)}", stacklevel=2)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> int:
        """Do one step with pairs of a gradient and its variable; return the steps done."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def _in_order(self, grads: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
        index = {id(variable): i for i, variable in enumerate(self._trainable)}
        ordered: list[Any] = [None] * len(index)
        for i, (gradient, variable) in enumerate(zip(grads, variables, strict=True)):
            if id(variable) not in index:
                raise ValueError(
                    f"variable {i} is not one of those that the optimizer was built with; "
                    "make a new optimizer for other variables"
                )
            ordered[index[id(variable)]] = gradient
        return ordered

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Put the averages in the variables' place, if ``use_ema`` and a step was done."""
        if not self.use_ema or self._native is None:
            return
        index = {id(variable): i for i, variable in enumerate(self._trainable)}
        for variable in var_list:
            if id(variable) not in index:
                raise ValueError("a variable is not one of those the optimizer was built with")
            self._native.finalize(index[id(variable)])

    # ---- state ----

    @property
    def variables(self) -> list[OptimizerVariable]:
        """The state as variables: steps done, learning rate, and values for each variable."""
        native = self._native
        owner = self if self._schedule is None else None
        rate = OptimizerVariable(
            "learning_rate", np.array(self.learning_rate), owner, "learning_rate"
        )
        steps = np.array(self._calls)
        found = [OptimizerVariable("iteration", steps, native, "iterations"), rate]
        if native is not None:
            for i, (variable, values) in enumerate(
                zip(self._trainable, native.state(), strict=True)
            ):
                prefix = _name(variable) or f"variable_{i}"
                found += [OptimizerVariable(f"{prefix}_{name}", array) for name, array in values]
        return found

    def _still(self) -> _native.Still:
        """Return what holds the variables, and the optimizer, between two steps in a block."""
        return _native.Still([getattr(variable, "array", variable) for variable in self._trainable])

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all of :attr:`variables`.

        Raises:
            ValueError: if the optimizer is not built, or the number of arrays or a shape differs;
                nothing is changed then.
        """
        if not self.built:
            raise ValueError("the optimizer has no variables yet: build it first")
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(f"{len(weights)} arrays for {len(variables)} variables of {self.name}")
        arrays = [np.asarray(weight) for weight in weights]
        for variable, array in zip(variables, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"the array for {variable.name} has shape {array.shape}, expected "
                    f"{variable.shape}"
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put the values of :attr:`variables`, between two steps, into ``store``, by number."""
        with self._still():
            for i, variable in enumerate(self.variables):
                store[str(i)] = variable.array.copy()

    def load_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Set :attr:`variables` from what :meth:`save_own_variables` stored."""
        self.set_weights([store[str(i)] for i in range(len(store))])


def check(
    label: str,
    value: float,
    *,
    most: float = float("inf"),
    below: float = float("inf"),
    above: float | None = None,
) -> float:
    """Return a setting as a float.

    Raises:
        ValueError: if it is outside [0, most], not below ``below`` or not above ``above``.
        TypeError: if it is no number.
    """
    if isinstance(value, str):
        raise TypeError(f"{label} is {value!r}, expected a number")
    number = float(value)
    low = number >= 0 if above is None else number > above
    if low and number <= most and (number < below or below == float("inf")):
        return number
    bounds = ["at least 0" if above is None else f"greater than {above:g}"]
    if most < float("inf"):
        bounds = [f"between 0 and {most:g}"] if above is None else [*bounds, f"at most {most:g}"]
    if below < float("inf"):
        bounds.append(f"less than {below:g}")
    raise ValueError(f"{label} must be {' and '.join(bounds)}, but it is {value}")


def _name(variable: Any) -> str:
    name = getattr(variable, "name", "")
    return name if isinstance(name, str) else ""


def _own_options(
    variable: Any,
) -> tuple[float, _native.PenaltySpec, _native.ConstraintSpec]:
    """Return a layer's variable's learning-rate multiplier, penalty and constraint."""
    penalty = getattr(variable, "regularizer", None)
    constraint = getattr(variable, "constraint", None)
    name = _name(variable)
    return (
        getattr(variable, "learning_rate_multiplier", 1.0),
        _native.PenaltySpec() if penalty is None else penalty.spec(name, variable.array),
        _native.ConstraintSpec() if constraint is None else constraint.spec(name, variable.array),
    )


def _dtype(array: Any) -> Any:
    return getattr(array, "dtype", None)


def _as_dtype_of(variable: Any, gradient: Any) -> Any:
    """Return a gradient of floating-point numbers as one of the variable's dtype."""
    if not isinstance(gradient, np.ndarray) or gradient.dtype.kind != "f":
        return gradient
    return gradient.astype(variable.dtype, copy=False)
