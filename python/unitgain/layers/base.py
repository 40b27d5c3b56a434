"""The base of all layers: a name, weights, and a place in a graph."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unitgain import _names, _native, constraints, dtype_policies, initializers, regularizers
from unitgain._configurable import Configurable, checked_config, custom_classes, serialize
from unitgain.dtype_policies import DTypePolicy, DTypePolicyLike, floatx
from unitgain.formats.document import from_bytes, to_bytes
from unitgain.graph.function import Function
from unitgain.graph.native import NativeGraph
from unitgain.graph.operation import Operation
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
from unitgain.layers.masks import connect_masked, run_alone, takes_mask

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
        **keywords: what all layers take: ``dtype``, float32, float64, or a
            :class:`~unitgain.dtype_policies.DTypePolicy` or its name: that of the network, which
            has one dtype, where nothing else says it, and checked where something does;
            ``input_shape``, a sample's, for the first layer of a :class:`~unitgain.Sequential`,
            where it stands for an :class:`Input` in front, or ``input_dim`` for samples of one
            dimension; and ``activity_regularizer``, the penalty that the loss has for the outputs
            of a batch, divided by its size: ``"l1"``, ``"l2"`` or kin.

    Raises:
        TypeError: if there is no such argument.
        ValueError: if there is no such policy, or ``"mixed_bfloat16"`` is asked of one layer while
            the process's precision is another.
    """

    # Whether the layer is called with a list of tensors.
    _takes_several = False
    # Whether it is called with one sample, or one number, too: what is done with values in turn.
    _takes_one_sample = False
    # Whether a mask changes what it does: then it has a _lower_masked.
    _takes_mask = False
    # Whether its masks are of values, and not of rows.
    _masks_values = False
    _learning_rate_multiplier = 1.0
    # Whether a mask of the input is one of the output, too.
    supports_masking = False
    # Whether the weights are being made: then a method build need not say that they are.
    _is_building = False

    def __init__(self, name: str | None = None, trainable: bool = True, **keywords: Any) -> None:
        size = keywords.pop("input_dim", None)
        shape = keywords.pop("input_shape", None)
        self.activity_regularizer = regularizers.of_activities(
            keywords.pop("activity_regularizer", None)
        )
        self._activity_losses: list[float] = []
        self.given_input_shape: Sequence[int] | None = shape if size is None else (size,)
        if shape is not None and len(shape) > 1 and shape[0] is None:
            self.given_input_shape = shape[1:]  # the batch's size
        dtype = keywords.pop("dtype", None)
        for argument in keywords:
            everywhere = ("dtype", "input_shape", "input_dim", "activity_regularizer")
            known = dict.fromkeys((*self._argument_names(), *everywhere))
            what = f"an argument of {type(self).__name__}"
            raise TypeError(_names.unknown(what, argument, known))
        self.name = name or _names.unique_name(_names.snake_case(type(self).__name__))
        self.trainable = trainable
        self.built = False
        self.given_policy = None if dtype is None else dtype_policies.of_layer(dtype, self.name)
        self.dtype = floatx() if self.given_dtype is None else self.given_dtype
        self.input_shape: SampleShape | None = None
        self.weights: list[Variable] = []
        self.nodes: list[Node] = []
        self.parts: list[Any] = []  # the operations that a traced one is made of
        self.traces: dict[Any, Function] = {}  # what it makes of samples of some shapes
        self.is_tracing = False

    @overload
    def __call__(
        self,
        inputs: SymbolicTensor | Sequence[SymbolicTensor],
        training: bool | None = None,
        mask: Any = None,
    ) -> SymbolicTensor: ...

    @overload
    def __call__(
        self,
        inputs: ArrayLike | Sequence[ArrayLike],
        training: bool | None = None,
        mask: Any = None,
    ) -> NDArray[Any]: ...

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Give the layer a place behind symbolic tensors, or run it on arrays.

        Args:
            inputs: a symbolic tensor, or a list of them for a layer of several inputs; or arrays,
                ``(samples, *shape)``. Layers that act on each value, or on each sample, take one
                sample of one dimension, too.
            training: whether to do what training does, drop or add noise and take the batch's own
                statistics; None does where the model trains, and never with arrays. ``True`` is
                Monte-Carlo dropout, ``False`` a base whose batch norm stays as it is. What is said
                here stands, however the model is run.
            mask: which rows, or values, count: what a symbolic tensor has as its ``mask``, or an
                array with arrays, True for those that do. None takes the input's.

        Returns:
            A symbolic tensor, or an array.

        Raises:
            ValueError: if shapes do not fit; the message names the layer and the shapes.
            TypeError: if a mask is given to a layer that knows of none.
        """
        several = isinstance(inputs, (list, tuple))
        if several and not self._takes_several and type(self).call is Layer.call:
            if _are_numbers(inputs):
                inputs, several = np.asarray(inputs), False
            elif len(inputs) != 1:
                raise ValueError(f"{self.name} takes one input, but is given {len(inputs)}")
            else:
                inputs, several = inputs[0], False
        if mask is not None and not (self.supports_masking or takes_mask(self)):
            raise TypeError(f"{self.name}, a {type(self).__name__}, takes no mask")
        if not is_symbolic(inputs):
            return run_alone(self, inputs, bool(training), mask)
        return connect_masked(self, list(inputs) if several else [inputs], several, training, mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask of the output for arrays: by default that of the input.

        Args:
            inputs: what the layer is called with.
            previous_mask: the mask of that, or None; of several inputs, a list.
        """
        return previous_mask

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
    def dtype_policy(self) -> DTypePolicy:
        """What the layer's weights are kept in, and its products computed with.

        May be set until the layer is built.
        """
        given = self.given_policy
        if given is not None:
            return given
        default = dtype_policies.dtype_policy()
        return default if default.variable_dtype == self.dtype else DTypePolicy(self.dtype)

    @dtype_policy.setter
    def dtype_policy(self, value: DTypePolicyLike) -> None:
        policy = dtype_policies.of_layer(value, self.name)
        if self.built and policy.variable_dtype != self.dtype:
            raise ValueError(
                f"{self.name} has {self.dtype} weights, which stay: make a layer with the dtype "
                f"{policy.variable_dtype}"
            )
        self.given_policy = policy
        self.dtype = policy.variable_dtype

    @property
    def given_dtype(self) -> str | None:
        """The dtype that the layer was made with, which is its network's; None: any."""
        return None if self.given_policy is None else self.given_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype that operands of products are rounded to."""
        return self.dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights, by Keras's name."""
        return self.dtype_policy.variable_dtype

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
        if self.given_policy is not None:
            config["dtype"] = self.given_policy.name
        if self.learning_rate_multiplier != 1:
            config["learning_rate_multiplier"] = self.learning_rate_multiplier
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        return config | {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer of what :meth:`get_config` returned; without its weights.

        Raises:
            ValueError: if the configuration has a name that is no argument, or a wrong value.
        """
        names = cls._argument_names()
        attributes = (
            "name",
            "trainable",
            "dtype",
            "learning_rate_multiplier",
            "activity_regularizer",
        )
        arguments = checked_config(cls, config, (*names, *attributes))
        late = {key: arguments.pop(key) for key in attributes if key in arguments.keys() - names}
        if "dtype" in late and _takes_keywords(cls):
            arguments["dtype"] = late.pop("dtype")
        layer = cls(**arguments)
        for key, value in late.items():
            if key == "activity_regularizer":
                layer.activity_regularizer = regularizers.of_activities(value)
            elif key != "dtype":
                setattr(layer, key, value)
            elif value is not None:
                layer.dtype_policy = value
        return layer

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "build" in cls.__dict__:
            cls.build = _noting_build(cls.build)  # type: ignore[method-assign]

    def build(self, input_shape: SampleShape) -> None:
        """Make the weights for samples of this shape. Layers with weights override it.

        A user may call it, too, with a batch's shape whose size is None, or a sample's.
        """

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
            return self._penalized(graph, trace(self, input_shape).lower(graph, node))
        return self._penalized(graph, self.lower(graph, node))

    def lower_masked_use(
        self, graph: NativeGraph, use: Node, inputs: Sequence[int], masks: Sequence[int]
    ) -> list[int]:
        """Lower one use that is given masks, or makes one; return the nodes of its outputs."""
        shapes = [tensor.sample_shape for tensor in use.data_inputs]
        self.input_shape = shapes if use.several else shapes[0]  # type: ignore[assignment]
        node = list(inputs) if use.several else inputs[0]
        if masks and takes_mask(self):
            made = self._penalized(graph, self._lower_masked(graph, node, use, masks[0]))
        else:
            made = self.lower_use(graph, node, self.input_shape, use.native)
        return [made, self._lower_mask(graph, node, masks)] if use.makes_mask else [made]

    def _lower_masked(self, graph: NativeGraph, node: Any, use: Node, mask: int) -> Any:
        """Add the layer behind ``node``, with the node of a mask."""
        return lower_custom(self, graph, node, (mask, use.inputs[-1].sample_shape))

    def _lower_mask(self, graph: NativeGraph, node: Any, masks: Sequence[int]) -> int:
        """Add the mask that the layer makes; return its node."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _lower_mask")

    def _mask_shape(self, masks: Sequence[SymbolicTensor | None], shapes: Any) -> Any:
        """Return a sample's shape of the mask that the layer makes; None if it makes none.

        Args:
            masks: the inputs' masks.
            shapes: the inputs' shapes.
        """
        return None

    def _penalized(self, graph: NativeGraph, node: Any) -> Any:
        """Add the penalty of the outputs."""
        penalty = self.activity_regularizer
        if penalty is None:
            return node
        nodes = node if isinstance(node, list) else [node]
        found = [int(graph.activity(one, penalty.l1, penalty.l2)) for one in nodes]
        return found if isinstance(node, list) else found[0]

    def _lowering(self) -> Any:
        """Return what decides which nodes the layer becomes."""
        return (self.trainable,)

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
        if self.given_dtype not in (None, dtype):
            raise ValueError(
                f"{self.name} was made with dtype {self.given_dtype}, but its input has {dtype}: "
                f"a network has one dtype, that of its Input"
            )
        if not self.built:
            self.dtype = dtype
            self._is_building = True
            try:
                self.build(input_shape)
            finally:
                self._is_building = False
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
        asked = self.dtype if dtype is None else dtype_policies.get(dtype).variable_dtype
        if asked != self.dtype:
            raise TypeError(f"dtype is {asked}, but {self.name} has {self.dtype} weights")
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

    @property
    def losses(self) -> list[float]:
        """The penalties of the trainable weights, and that of the outputs of the last call.

        The latter is there where the layer was called with arrays; in a model it is part of the
        batches' loss.
        """
        return [*super().losses, *self._activity_losses]

    def _note_activity(self, outputs: NDArray[Any]) -> None:
        """Keep the penalty of a call's outputs."""
        factors = self._activity_factors()
        if factors is not None:
            values = outputs.astype(np.float64)
            total = factors[0] * np.abs(values).sum() + factors[1] * np.square(values).sum()
            self._activity_losses = [float(total / max(1, len(values)))]

    def _activity_factors(self) -> tuple[float, float] | None:
        """Return the factors of the outputs' magnitudes and squares, if there is a penalty."""
        penalty = self.activity_regularizer
        return None if penalty is None else (penalty.l1, penalty.l2)

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


def _noting_build(build: Callable[..., None]) -> Callable[..., None]:
    """Return a layer's ``build``, after which the layer is built, also where a user calls it."""

    @functools.wraps(build)
    def noting(self: Layer, *arguments: Any, **keywords: Any) -> None:
        if self._is_building or self.built:
            build(self, *arguments, **keywords)
            return
        given = [*arguments, *keywords.values()]
        input_shape = given[0] if given else None
        if isinstance(input_shape, tuple) and len(input_shape) > 1 and input_shape[0] is None:
            input_shape = input_shape[1:]
        self._is_building = True
        try:
            build(self, *([] if input_shape is None else [input_shape]), *given[1:])
        finally:
            self._is_building = False
        if input_shape is not None and is_traced(self):
            adopt_parts(self, input_shape)
        self.built = True
        self.input_shape = input_shape

    return noting


def _takes_keywords(cls: type) -> bool:
    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def _are_numbers(given: Sequence[Any]) -> bool:
    """Return whether a list is itself an array, of numbers."""
    return bool(given) and all(isinstance(one, (int, float, np.number)) for one in given)


Layer.build = _noting_build(Layer.build)  # type: ignore[method-assign]
