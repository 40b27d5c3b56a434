"""The base of all layers: a name, weights, and a place in a graph."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unitgain import _names, _native, constraints, initializers, regularizers
from unitgain._configurable import Configurable, checked_config, custom_classes, serialize
from unitgain.formats.document import from_bytes, to_bytes
from unitgain.graph.function import Function
from unitgain.graph.native import NativeGraph
from unitgain.graph.operation import Operation, connect
from unitgain.graph.tensors import Node, SampleShape, SymbolicTensor, is_symbolic
from unitgain.graph.variables import (
    SavedWeights,
    Variable,
    checked_weights,
    copies,
    initial_values,
    note_change,
    taking_weights_from,
)
from unitgain.layers.composite import adopt_parts, is_traced, trace
from unitgain.layers.custom import infer_output_shape, lower_custom

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Layer", "SampleShape", "Variable"]


class Layer(Configurable, Operation):
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

    One with arithmetic of its own overrides :meth:`call`, made of :mod:`unitgain.ops`: it is
    traced, and native code computes it, with its derivative.

    >>> class Scale(ug.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
    ...     def call(self, inputs):
    ...         return ug.ops.tanh(inputs * self.factor)
    >>> model = ug.Sequential([ug.layers.Input((2,)), Scale(), ug.layers.Dense(1)])
    >>> model.count_params()
    5

    Where it needs arrays' values it is called for each batch, and to be trained through it has a
    method :meth:`backward`.

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
        if shape is not None and len(shape) > 1 and shape[0] is None:
            self.given_input_shape = shape[1:]  # the batch's size
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
        self.parts: list[Any] = []  # the operations that a traced one is made of
        self.traces: dict[Any, Function] = {}  # what it makes of samples of some shapes
        self.is_tracing = False

    @overload
    def __call__(
        self, inputs: SymbolicTensor | Sequence[SymbolicTensor], training: bool | None = None
    ) -> SymbolicTensor: ...

    @overload
    def __call__(
        self, inputs: ArrayLike | Sequence[ArrayLike], training: bool | None = None
    ) -> NDArray[Any]: ...

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
        note_change()

    @property
    def learning_rate_multiplier(self) -> float:
        """The factor of the optimizer's learning rate for the layer's weights, 1 at first.

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
        traced: it is given places of arrays, once for training and once for inference if a
        parameter named ``training`` is to be told which. A class with a method :meth:`backward`,
        or a call that needs values, is given arrays; one thread at a time trains then, and
        inference may call from several.

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
            f"training through {self.name} needs: its call uses arrays' values, and functions of "
            f"unitgain.ops would be differentiated"
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
            inferred: SampleShape = infer_output_shape(self, input_shape)
            return inferred
        return input_shape

    def lower(self, graph: NativeGraph, node: Any) -> Any:
        """Add the layer to a native graph behind ``node``; return the node of its output."""
        if type(self).call is not Layer.call:
            return lower_custom(self, graph, node)
        raise NotImplementedError(f"{type(self).__name__} implements neither lower nor call")

    def lower_use(self, graph: NativeGraph, node: Any, input_shape: Any, native: bool) -> Any:
        """Lower one use of the layer, or of what it is made of, for inputs of this shape."""
        self.input_shape = input_shape
        if not native and is_traced(self):
            return trace(self, input_shape).lower(graph, node)
        return self.lower(graph, node)

    def leaves(self) -> Iterator[Any]:
        """Yield the layer, and those that it is made of."""
        yield self
        for part in self.parts:
            yield from part.leaves()

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
        shape: Sequence[int] | int | None = None,
        initializer: initializers.InitializerLike | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
        aggregation: str | None = None,
        name: str | None = None,
    ) -> Variable:
        """Make a variable and add it to :attr:`weights`.

        Args:
            shape: the variable's shape; None for a scalar.
            initializer: makes its values; None for Glorot's, uniform.
            dtype: that of the layer, which needs not be said.
            trainable: whether training may change it.
            autocast: taken for the sake of code written for Keras.
            regularizer: the penalty that a model's loss has for it; None for none.
            constraint: what it is made to fulfil after each step; None for nothing.
            aggregation: taken for the sake of code written for Keras.
            name: what the variable is called, after the layer's name; None for ``variable``, and
                then ``variable_1``, ``variable_2`` ...

        Raises:
            TypeError: if ``shape`` holds no sizes, or ``dtype`` is not the layer's.
            ValueError: if the initializer makes another shape, or the penalty is not one of weights
                of this shape.
        """
        if isinstance(shape, str):
            raise TypeError(
                f"shape is {shape!r}, expected sizes: the variable's name is add_weight(..., "
                f"name={shape!r})"
            )
        sizes = (int(shape),) if isinstance(shape, int) else tuple(map(int, shape or ()))
        if dtype is not None and np.dtype(dtype).name != self.dtype:
            raise TypeError(
                f"dtype is {np.dtype(dtype).name}, but {self.name} has {self.dtype} weights"
            )
        title = f"{self.name}/{self._fresh_weight_name() if name is None else name}"
        maker = initializers.get("glorot_uniform" if initializer is None else initializer)
        values = initial_values(title, sizes, maker, self.dtype)
        variable = Variable(title, values, trainable, self.dtype)
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.learning_rate_multiplier = self.learning_rate_multiplier
        if variable.regularizer is not None:
            variable.regularizer.check(variable.name, variable.shape)
        self.weights.append(variable)
        return variable

    def _fresh_weight_name(self) -> str:
        taken = {weight.name for weight in self.weights}
        names = itertools.chain(["variable"], (f"variable_{i}" for i in itertools.count(1)))
        return next(name for name in names if f"{self.name}/{name}" not in taken)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        frozen = {w for part in self.parts for w in part.non_trainable_weights}
        return [w for w in self.weights if w.trainable and self.trainable and w not in frozen]

    def count_params(self) -> int:
        """Return the number of values in the weights."""
        return sum(math.prod(w.shape) for w in self.weights)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of :meth:`get_weights`, between two steps.

        Raises:
            ValueError: if the number of arrays or a shape differs; nothing is changed then.
        """
        arrays = checked_weights(self.name, self.weights, weights)
        with _native.Still([weight.array for weight in self.weights]):
            for variable, array in zip(self.weights, arrays, strict=True):
                variable.array[...] = array

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

    # ---- copies ----

    def __reduce__(self) -> Any:
        with custom_classes() as classes:
            names = _names.disambiguated([weight.name for weight in self.weights])
            document = {
                "config": self.get_config(),
                "shape": list(self.input_shape) if self.built and self.input_shape else None,
                "dtype": self.dtype,
                "draws": self.draws,
                "weights": names,
            }
            arrays = dict(zip(names, copies(self.weights), strict=True))
            content = to_bytes(document, arrays)
        return type(self)._restored, (content, classes)

    @classmethod
    def _restored(cls, content: bytes, classes: Mapping[str, Any]) -> Self:
        """Return a copy of the layer that :meth:`__reduce__` described."""
        document, arrays = from_bytes(content)
        values = SavedWeights(arrays)
        with _names.custom_objects(classes), taking_weights_from(values):
            layer = cls.from_config(document["config"])
            if document["shape"] is not None:
                layer.ensure_built(tuple(document["shape"]), document["dtype"])
        values.check_used()
        layer.draws = document["draws"]
        return layer


def _run_alone(layer: Layer, inputs: Any, training: bool) -> Any:
    """Run one layer on arrays, as a function of its own."""
    several = isinstance(inputs, (list, tuple))
    arrays = [np.asarray(array) for array in (inputs if several else [inputs])]
    dtype = layer.dtype if layer.built and layer.weights else "float32"
    if not (layer.built and layer.weights) and any(a.dtype.type is np.float64 for a in arrays):
        dtype = "float64"
    for array in arrays:
        if array.ndim < 2:
            raise ValueError(
                f"{layer.name} is given an array of shape {array.shape}, expected samples of "
                f"features"
            )
    tensors = [
        SymbolicTensor.source(array.shape[1:], dtype, f"input_{i}")
        for i, array in enumerate(arrays)
    ]
    count = len(layer.nodes)
    output = connect(layer, tensors, several)
    del layer.nodes[count:]
    return Function(tensors if several else tensors[0], output).run(
        arrays if several else arrays[0], training
    )
