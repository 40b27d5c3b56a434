"""What every layer has: a name, weights, and a place in a graph."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unitgain import _names, _native, constraints, initializers, regularizers
from unitgain._config import Configurable, checked_config, serialize
from unitgain.layers.composite import adopt_parts, is_traced, trace
from unitgain.layers.custom import infer_output_shape, lower_custom
from unitgain.layers.symbolic import (
    Node,
    SampleShape,
    SymbolicTensor,
    connect,
    is_symbolic,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Layer", "SampleShape", "Variable"]

# Gives a weight of that name, shape and dtype its first values, in place of its initializer.
initial_values: ContextVar[Callable[[str, tuple[int, ...], str], NDArray[Any]] | None] = ContextVar(
    "unitgain_initial_values", default=None
)


def native(dtype: str) -> Any:
    """Return the native classes for float32 or float64 networks."""
    return getattr(_native, dtype)


class Variable:
    """An array of weights. It lives in native memory, which :attr:`array` shows without a copy.

    Attributes:
        name: what the variable is called, ``dense/kernel``.
        array: the values; writing to it changes the weights.
        trainable: whether training may change it.
        regularizer: the penalty that a model's loss has for it, or None.
        constraint: what it fulfils after each step, or None.
        learning_rate_multiplier: what the optimizer's learning rate is multiplied by for it.
    """

    def __init__(
        self, name: str, values: NDArray[Any], trainable: bool, dtype: str = "float32"
    ) -> None:
        self.name = name
        self.trainable = trainable
        self.regularizer: regularizers.Regularizer | None = None
        self.constraint: constraints.Constraint | None = None
        self.learning_rate_multiplier = 1.0
        self.parameter = native(dtype).Parameter(name, values.shape)
        self.array: NDArray[Any] = self.parameter.array
        self.array[...] = values

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype, float32 or float64."""
        return self.array.dtype

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the values, between two steps."""
        return copies([self])[0]

    def assign(self, values: ArrayLike) -> None:
        """Set the values.

        Raises:
            ValueError: if ``values`` has another shape.
        """
        new = np.asarray(values)
        if new.shape != self.shape:
            raise ValueError(f"values has shape {new.shape}, but {self.name} has {self.shape}")
        self.array[...] = new

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("regularizer", "constraint", "learning_rate_multiplier"):
            _Changes.note()  # a compiled model takes it up
        super().__setattr__(name, value)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.array if dtype is None else self.array.astype(dtype)
        return array.copy() if copy else array

    def __repr__(self) -> str:
        return f"<Variable {self.name}, shape={self.shape}, dtype={self.dtype}>"


def copies(variables: Sequence[Variable]) -> list[NDArray[Any]]:
    """Return the values of all variables as they are between two steps of who trains them."""
    arrays = [variable.array for variable in variables]
    with _native.Still(arrays):
        return [array.copy() for array in arrays]


class _Changes:
    """Counts changes of what training does with any layer, for models to notice at little cost."""

    count = 0
    _numbers = itertools.count(1)

    @classmethod
    def note(cls) -> None:
        cls.count = next(cls._numbers)


class Layer(Configurable):
    """A step of a network. Layers get their weights when the input's shape is known.

    A layer of one's own that is made of others keeps them as attributes, in lists or dicts, and
    calls them in a method ``call``; it is run once with symbolic tensors:

    >>> import unitgain as ug
    >>> class Residual(ug.layers.Layer):
    ...     def __init__(self, units, **keywords):
    ...         super().__init__(**keywords)
    ...         self.units = units
    ...         self.hidden = ug.layers.Dense(units, activation="relu")
    ...     def call(self, inputs):
    ...         return inputs + self.hidden(inputs)
    >>> ug.Sequential([ug.layers.Input((4,)), Residual(4), ug.layers.Dense(1)]).count_params()
    25

    One with arithmetic of its own overrides :meth:`call`, and to be trained through also
    :meth:`backward`:

    >>> class Scale(ug.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight("factor", (input_shape[-1],), "ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor.array
    ...     def backward(self, upstream, inputs, outputs):
    ...         return upstream * self.factor.array, [(upstream * inputs).sum(axis=0)]
    >>> model = ug.Sequential([ug.layers.Input((2,)), Scale(), ug.layers.Dense(1)])
    >>> model.count_params()
    5

    Args:
        name: what the layer is called; None makes a fresh name from the class's.
        trainable: whether training may change the layer's weights.
        **keywords: what all layers take: ``input_shape``, a sample's, for the first layer of a
            :class:`~unitgain.Sequential`, where it stands for an :class:`Input` in front; or
            ``input_dim`` for samples of one dimension.

    Raises:
        TypeError: if there is no such argument.
    """

    # Whether the layer is called with a list of tensors.
    _takes_several = False
    _learning_rate_multiplier = 1.0

    def __init__(self, name: str | None = None, trainable: bool = True, **keywords: Any) -> None:
        size = keywords.pop("input_dim", None)
        shape = keywords.pop("input_shape", None)
        self.given_input_shape: Sequence[int] | None = shape if size is None else (size,)
        for argument in keywords:
            known = dict.fromkeys((*self._argument_names(), "input_shape", "input_dim"))
            what = f"an argument of {type(self).__name__}"
            raise TypeError(_names.unknown(what, argument, known))
        self.name = name or _names.unique_name(_names.snake_case(type(self).__name__))
        self.trainable = trainable
        self.built = False
        self.dtype = "float32"
        self.input_shape: SampleShape | None = None
        self.weights: list[Variable] = []
        self.nodes: list[Node] = []
        self.parts: list[Any] = []  # layers and models that a traced one is made of
        self.traces: dict[Any, Any] = {}  # what it makes of samples of some shapes, as models
        self.is_tracing = False

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Give the layer a place behind symbolic tensors, or run it on arrays.

        Args:
            inputs: a symbolic tensor, or a list of them for a layer of several inputs; or arrays,
                ``(samples, *shape)``.
            training: whether to do what training does, drop or add noise and take the batch's own
                statistics; None does where the model trains, and never with arrays. ``True`` is
                Monte-Carlo dropout, ``False`` a base whose batch norm stays as it is. What is said
                here stands, however the model is run.

        Returns:
            A symbolic tensor, or an array.

        Raises:
            ValueError: if shapes do not fit; the message names the layer and the shapes.
        """
        several = isinstance(inputs, (list, tuple))
        if several and not self._takes_several and type(self).call is Layer.call:
            if len(inputs) != 1:
                raise ValueError(f"{self.name} takes one input, but is given {len(inputs)}")
            inputs, several = inputs[0], False
        if not is_symbolic(inputs):
            return _run_alone(self, inputs, bool(training))
        return connect(self, list(inputs) if several else [inputs], several, training=training)

    @property
    def trainable(self) -> bool:
        """Whether training may change the layer's weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for part in getattr(self, "parts", ()):
            part.trainable = value
        _Changes.note()

    @property
    def learning_rate_multiplier(self) -> float:
        """What the optimizer's learning rate is multiplied by for the layer's weights, 1 at first.

        Weight decay, which is a share of the learning rate, is scaled with it. May be set at any
        time, also on a compiled model, whose optimizer stays as it is. 0 leaves the weights where
        they are; unlike ``trainable = False`` it saves no work.

        Raises:
            ValueError: if it is set to a negative or infinite number.
        """
        return self._learning_rate_multiplier

    @learning_rate_multiplier.setter
    def learning_rate_multiplier(self, value: float) -> None:
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(
                f"learning_rate_multiplier must be a finite number of at least 0, but it is {value}"
            )
        self._learning_rate_multiplier = float(value)
        for weight in self.weights:
            weight.learning_rate_multiplier = self._learning_rate_multiplier

    @property
    def losses(self) -> list[float]:
        """The penalties of the trainable weights that have a regularizer, without activities'."""
        return penalties(self.trainable_weights)

    @property
    def input(self) -> Any:
        """The symbolic tensor, or list of them, that the layer was first called with."""
        node = self._first_node()
        return node.inputs if node.several else node.inputs[0]

    @property
    def output(self) -> SymbolicTensor:
        """The symbolic tensor that the layer's first call made."""
        return self._first_node().outputs[0]

    def _first_node(self) -> Node:
        if not self.nodes:
            raise ValueError(f"{self.name} was not yet called with a symbolic tensor")
        return self.nodes[0]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the layer's output for a batch: what a layer written in Python overrides.

        One that is made of layers is given symbolic tensors, once. One of arithmetic of its own is
        given arrays, and a parameter named ``training`` is told whether the model trains. One
        thread at a time trains; inference may call from several.

        Args:
            inputs: an array ``(samples, *shape)``, or a list of them; or symbolic tensors.
            training: as in a call of the layer.
        """
        if type(self).lower is Layer.lower:
            raise NotImplementedError(f"{type(self).__name__} does not implement call")
        if not self.is_tracing:
            return self(inputs, training=training)
        several = isinstance(inputs, (list, tuple))
        tensors = list(inputs) if several else [inputs]
        shapes = [tensor.sample_shape for tensor in tensors]
        shape = self._native_output_shape(shapes if several else shapes[0])
        output = SymbolicTensor(shape, self.dtype, self.name)
        Node(self, tensors, several, [output], training, native=True)
        return output

    def _native_output_shape(self, input_shape: Any) -> SampleShape:
        if type(self).compute_output_shape is Layer.compute_output_shape:
            return tuple(input_shape)
        return self.compute_output_shape(input_shape)

    def backward(self, upstream: Any, inputs: Any, outputs: Any) -> Any:
        """Return the gradients of the loss at the inputs, and at the weights; for layers in Python.

        Args:
            upstream: the gradient at the output, of its shape.
            inputs: what :meth:`call` was given.
            outputs: what it returned.

        Returns:
            The gradient at the inputs, or a list of them for several; a layer with weights returns
            a pair of that and a list of the gradients at its trainable weights.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no method backward(upstream, inputs, outputs), which "
            f"training through {self.name} needs"
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as values that JSON can hold.

        Arguments are read from attributes of the same names. A subclass that keeps one otherwise
        overrides this and adds it to what ``super().get_config()`` returns.
        """
        if type(self).get_config is Layer.get_config:
            config = super().get_config()
        else:
            names = [name for name in self._argument_names() if hasattr(self, name)]
            config = {name: serialize(getattr(self, name)) for name in names}
        if self.learning_rate_multiplier != 1:
            config["learning_rate_multiplier"] = self.learning_rate_multiplier
        return config | {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer of what :meth:`get_config` returned; without its weights.

        Raises:
            ValueError: if the configuration has a name that is no argument, or a wrong value.
        """
        names = cls._argument_names()
        attributes = ("name", "trainable", "learning_rate_multiplier")
        arguments = checked_config(cls, config, (*names, *attributes))
        late = {key: arguments.pop(key) for key in attributes if key in arguments.keys() - names}
        layer = cls(**arguments)
        for key, value in late.items():
            setattr(layer, key, value)
        return layer

    def build(self, input_shape: SampleShape) -> None:
        """Make the weights for samples of this shape. Layers with weights override it."""

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the shape of the layer's output for one sample."""
        if is_traced(self):
            made: SampleShape = trace(self, input_shape).output_shape
            return made
        if type(self).call is not Layer.call:
            return infer_output_shape(self, input_shape)
        return input_shape

    def lower(self, graph: Any, node: int) -> int:
        """Add the layer to a native graph behind ``node``; return the node of its output."""
        if type(self).call is not Layer.call:
            return lower_custom(self, graph, node)
        raise NotImplementedError(f"{type(self).__name__} implements neither lower nor call")

    def ensure_built(self, input_shape: SampleShape, dtype: str) -> None:
        """Build the layer, or check that it was built for this input.

        Raises:
            ValueError: if it was built for another number of features or another dtype.
        """
        if not self.built:
            self.dtype = dtype
            self.build(input_shape)
            if is_traced(self):
                adopt_parts(self, input_shape)
            self.built = True
        elif self.weights and self.input_shape is not None:
            built, given = self._features(self.input_shape), self._features(input_shape)
            if self.dtype != dtype or built != given:
                raise ValueError(
                    f"{self.name} was built for {built} {self.dtype} features, but its input has "
                    f"{given} {dtype} features"
                )
        self.input_shape = input_shape

    def _features(self, input_shape: SampleShape) -> int:
        return input_shape[-1]

    def add_weight(
        self,
        name: str,
        shape: Sequence[int],
        initializer: str | initializers.Initializer = "glorot_uniform",
        trainable: bool = True,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
    ) -> Variable:
        """Make a variable and add it to :attr:`weights`.

        Args:
            name: what the variable is called, after the layer's name.
            shape: the variable's shape.
            initializer: makes its values.
            trainable: whether training may change it.
            regularizer: the penalty that a model's loss has for it; None for none.
            constraint: what it is made to fulfil after each step; None for nothing.

        Raises:
            ValueError: if the initializer makes another shape, or the penalty is not one of weights
                of this shape.
        """
        given = initial_values.get()
        if given is not None:
            values = given(f"{self.name}/{name}", tuple(shape), self.dtype)
        else:
            values = np.asarray(initializers.get(initializer)(tuple(shape), self.dtype))
        if values.shape != tuple(shape):
            raise ValueError(
                f"the initializer of {self.name}/{name} made shape {values.shape}, "
                f"expected {tuple(shape)}"
            )
        variable = Variable(f"{self.name}/{name}", values, trainable, self.dtype)
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.learning_rate_multiplier = self.learning_rate_multiplier
        if variable.regularizer is not None:
            variable.regularizer.check(variable.name, variable.shape)
        self.weights.append(variable)
        return variable

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        frozen = {w for part in self.parts for w in part.non_trainable_weights}
        return [w for w in self.weights if w.trainable and self.trainable and w not in frozen]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves: frozen ones, and moving statistics."""
        trainable = self.trainable_weights
        return [w for w in self.weights if w not in trainable]

    @property
    def variables(self) -> list[Variable]:
        """The weights, by Keras's other name."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The weights that training leaves."""
        return self.non_trainable_weights

    def count_params(self) -> int:
        """Return the number of values in the weights."""
        return sum(math.prod(w.shape) for w in self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights."""
        return copies(self.weights)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of :meth:`get_weights`.

        Raises:
            ValueError: if the number of arrays or a shape differs; nothing is changed then.
        """
        arrays = checked_weights(self.name, self.weights, weights)
        for variable, array in zip(self.weights, arrays, strict=True):
            variable.assign(array)

    # Attributes with the Philox keys that the layer draws from.
    _keys: ClassVar[tuple[str, ...]] = ()

    @property
    def draws(self) -> list[int]:
        """The keys of the layer's random numbers: with them a copy draws what the layer does."""
        return [getattr(self, key) for key in self._keys]

    @draws.setter
    def draws(self, keys: Sequence[int]) -> None:
        if len(keys) != len(self._keys):
            raise ValueError(f"{len(keys)} keys for {self.name}, which has {len(self._keys)}")
        for name, key in zip(self._keys, keys, strict=True):
            setattr(self, name, int(key))

    def __reduce__(self) -> Any:
        from unitgain.saving.copying import reduce_layer

        return reduce_layer(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _run_alone(layer: Layer, inputs: Any, training: bool) -> Any:
    """Run one layer on arrays, as a model of its own."""
    from unitgain.layers.core import Input
    from unitgain.models.functional import Functional

    several = isinstance(inputs, (list, tuple))
    arrays = [np.asarray(array) for array in (inputs if several else [inputs])]
    dtype = layer.dtype if layer.built and layer.weights else "float32"
    if not (layer.built and layer.weights) and any(a.dtype == np.float64 for a in arrays):
        dtype = "float64"
    for array in arrays:
        if array.ndim < 2:
            raise ValueError(
                f"{layer.name} is given an array of shape {array.shape}, expected samples of "
                f"features"
            )
    tensors: list[SymbolicTensor] = [Input(array.shape[1:], dtype) for array in arrays]
    count = len(layer.nodes)
    output = connect(layer, tensors, several)
    del layer.nodes[count:]
    return Functional(tensors if several else tensors[0], output)(
        arrays if several else arrays[0], training=training
    )


def trainable_changes() -> int:
    """Return a number that changes whenever what training does with a layer is set."""
    return _Changes.count


def penalties(weights: Iterable[Variable]) -> list[float]:
    """Return the penalties of those weights that have a regularizer."""
    return [w.regularizer(w.array) for w in weights if w.regularizer is not None]


def checked_weights(
    owner: str, variables: Sequence[Variable], weights: Sequence[ArrayLike]
) -> list[NDArray[Any]]:
    """Return ``weights`` as arrays that fit the variables.

    Raises:
        ValueError: if the number of arrays or a shape differs.
    """
    if len(weights) != len(variables):
        raise ValueError(
            f"weights has {len(weights)} arrays, but {owner} has {len(variables)} weights"
        )
    arrays = [np.asarray(w) for w in weights]
    for variable, array in zip(variables, arrays, strict=True):
        if array.shape != variable.shape:
            raise ValueError(
                f"the array for {variable.name} has shape {array.shape}, expected {variable.shape}"
            )
    return arrays


def checked_sizes(argument: str, shape: Sequence[int]) -> SampleShape:
    """Return a shape as a tuple of positive ints.

    Raises:
        ValueError: if it is empty or has a size below 1.
    """
    sizes = tuple(int(size) for size in shape)
    if not sizes or any(size < 1 for size in sizes):
        raise ValueError(f"{argument} is {tuple(shape)}, expected one or more positive sizes")
    return sizes


def rows_and_cols(shape: SampleShape) -> tuple[int, int]:
    """Return one sample as the native graph sees it: rows along which layers repeat, features."""
    return math.prod(shape[:-1]), shape[-1]
