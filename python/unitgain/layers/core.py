"""Input, Dense, Activation, Flatten, Identity."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from unitgain import activations, constraints, initializers, random, regularizers
from unitgain.dtype_policies import floatx
from unitgain.graph.native import NativeGraph, rows_and_cols
from unitgain.graph.tensors import Node, SymbolicTensor
from unitgain.graph.variables import checked_sizes
from unitgain.layers.activation import Parametric
from unitgain.layers.base import Layer, SampleShape, Variable
from unitgain.layers.low_rank import LowRank
from unitgain.layers.registry import deserialize

__all__ = ["Activation", "Dense", "Flatten", "Identity", "Input"]

ActivationName = str | Callable[..., Any] | None


class Input(SymbolicTensor, Layer):
    """The shape and dtype of one sample; the first layer of a model.

    It is a layer, for :class:`~unitgain.Sequential`, and the symbolic tensor that it makes, for
    calling other layers with. Its ``shape`` has the batch's size first, None; ``sample_shape`` has
    not.

    Args:
        shape: of a sample, without the batch: ``(64,)``.
        dtype: float32 or float64, of the whole network; or an integer dtype or bool, of what is
            given, which makes a network of the default dtype, :func:`unitgain.config.floatx`; None
            is that one, too. Arrays of any of them can be given to any
            input: integers go on as numbers of the network's dtype, exact up to 2**24 in float32
            and 2**53 in float64.
        name: what the layer is called.

    Raises:
        ValueError: if the shape is empty or has a size below 1.
        TypeError: if ``dtype`` is none of these.
    """

    def __init__(
        self, shape: Sequence[int], dtype: DTypeLike | None = None, name: str | None = None
    ) -> None:
        Layer.__init__(self, name)
        self.sample_shape = checked_sizes("shape", shape)
        self.values_dtype = checked_dtype(floatx() if dtype is None else dtype)
        is_float = self.values_dtype in ("float32", "float64")
        self.dtype = self.values_dtype if is_float else floatx()
        self.input_shape = self.sample_shape
        self.built = True
        self.nodes.append(Node(self, [], False, [self]))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an input like this."""
        sizes = list(self.sample_shape)
        return super().get_config() | {"shape": sizes, "dtype": self.values_dtype}

    def __repr__(self) -> str:
        return f"<Input {self.name}, shape={self.shape}, dtype={self.values_dtype}>"

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Raise TypeError: an input is where a graph begins."""
        raise TypeError(f"{self.name} is an Input, which is not called")


class Dense(LowRank):
    """``y = activation(x @ kernel + bias)`` on the last axis.

    Args:
        units: the number of outputs.
        activation: a name or function of :mod:`unitgain.activations`, or a :class:`ReLU`,
            :class:`LeakyReLU` or :class:`ELU` layer; None for none.
        use_bias: whether there is a bias.
        kernel_initializer: makes the kernel, shape ``(inputs, units)``; ``"auto"`` is what
            :func:`unitgain.initializers.for_activation` gives for the activation.
        bias_initializer: makes the bias, shape ``(units,)``.
        kernel_regularizer: the penalty that the loss has for the kernel; None for none.
        bias_regularizer: the penalty that the loss has for the bias.
        activity_regularizer: the penalty that the loss has for the outputs of a batch, divided by
            its size: ``"l1"``, ``"l2"`` or kin.
        kernel_constraint: what the kernel is made to fulfil after each step; None for nothing.
        bias_constraint: what the bias is made to fulfil.
        lora_rank: the rank of low-rank weights that are trained in place of the kernel, see
            :meth:`enable_lora`; None for none.
        lora_alpha: their strength; None is ``lora_rank``.
        name: what the layer is called.
        trainable: whether training may change the weights.

    Raises:
        ValueError: if ``units`` or ``lora_rank`` is below 1, or a name is unknown.
    """

    _keys = ("_activation_key",)
    _matrix_name = "kernel"
    supports_masking = True

    def __init__(
        self,
        units: SupportsIndex,
        activation: ActivationName = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        kernel_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        activity_regularizer: regularizers.RegularizerLike = None,
        kernel_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        lora_rank: SupportsIndex | None = None,
        lora_alpha: float | None = None,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(name, trainable, activity_regularizer=activity_regularizer, **keywords)
        self._set_lora(lora_rank, lora_alpha)
        self.units = operator.index(units)
        if self.units < 1:
            raise ValueError(f"units must be at least 1, but it is {self.units}")
        self.activation = activation_of(activation)
        self._activation_key = activation_key(self.activation)
        self.use_bias = use_bias
        if kernel_initializer == "auto":
            kernel_initializer = initializers.for_activation(_name_of(self.activation))
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape: SampleShape) -> None:
        """Make the kernel and the bias."""
        self._matrix = self.add_weight(
            (input_shape[-1], self.units),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias: Variable | None = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._enable_lora_if_asked()

    @property
    def kernel(self) -> Variable:
        """The kernel; with low-rank weights, their sum as it is now, which is no weight itself."""
        return self._whole_matrix

    def _is_default(self, name: str, value: Any) -> bool:
        return (name == "activation" and value == "linear") or super()._is_default(name, value)

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape with ``units`` as its last size."""
        return (*input_shape[:-1], self.units)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a dense node, or those of the kernel and of low-rank weights, and its activation."""
        if self.lora_enabled:
            a, _ = self._low_rank()
            adapted = graph.dense(node, a.parameter, None, self.trainable)
            adapted = self._lower_product(graph, adapted, self.bias)
            frozen = graph.dense(node, self._matrix.parameter, None, False)
            node = graph.add([frozen, adapted])
        else:
            bias = None if self.bias is None else self.bias.parameter
            node = graph.dense(node, self._matrix.parameter, bias, self.trainable)
        return lower_activation(graph, node, self.activation, self._activation_key)


class Activation(Layer):
    """An activation function as a layer.

    Args:
        activation: a name or function of :mod:`unitgain.activations`, or a :class:`ReLU`,
            :class:`LeakyReLU` or :class:`ELU` layer.
        name: what the layer is called.

    Raises:
        ValueError: if the name is unknown.
    """

    _keys = ("_activation_key",)
    _takes_one_sample = supports_masking = True

    def __init__(
        self, activation: ActivationName, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.activation = activation_of(activation)
        self._activation_key = activation_key(self.activation)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the activation's node."""
        return lower_activation(graph, node, self.activation, self._activation_key)


class Flatten(Layer):
    """Makes one row of features of each sample.

    Args:
        data_format: None or ``"channels_last"``: the order of the values is kept.
        name: what the layer is called.

    Raises:
        ValueError: if ``data_format`` is another.
    """

    def __init__(
        self, data_format: str | None = None, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        if data_format not in (None, "channels_last"):
            raise ValueError(f"data_format is {data_format!r}, expected None or 'channels_last'")
        self.data_format = data_format

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the number of features, as a shape."""
        return (math.prod(input_shape),)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a node that reads the same memory as one row."""
        assert self.input_shape is not None
        return int(graph.reshape(node, *rows_and_cols(self.compute_output_shape(self.input_shape))))


class Identity(Layer):
    """Hands its input on.

    Args:
        name: what the layer is called.
    """

    _takes_one_sample = supports_masking = True

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Return the input's node."""
        return node


def activation_of(activation: ActivationName | Mapping[str, Any]) -> str | Parametric:
    """Return what a layer keeps of the activation that it is given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is another function or layer.
    """
    if isinstance(activation, Mapping):
        activation = deserialize(activation)
    return activation if isinstance(activation, Parametric) else activation_name(activation)


def _name_of(activation: str | Parametric) -> str:
    return activation.function if isinstance(activation, Parametric) else activation


def activation_name(activation: ActivationName) -> str:
    """Return the name of an activation given as a name, a function or None.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is a function that is not one of :mod:`unitgain.activations`.
    """
    if activation is None:
        return "linear"
    function = activations.get(activation)
    name = getattr(function, "__name__", "")
    if getattr(activations, name, None) is not function:
        raise TypeError(
            f"activation is {activation!r}, expected a name or a function of "
            f"unitgain.activations, or a ReLU, LeakyReLU or ELU layer"
        )
    return name


def activation_key(activation: str | Parametric) -> int:
    """Return what an activation draws from: a key of its own for rrelu, 0 for all others."""
    return random.mixed_key(None) if activation == "rrelu" else 0


def lower_activation(graph: NativeGraph, node: int, name: str | Parametric, key: int) -> int:
    """Add an activation's node; the linear one needs none."""
    if isinstance(name, Parametric):
        return name.lower(graph, node)
    if name == "rrelu":
        return int(graph.noise(node, name, [1 / 8, 1 / 3], key))
    if name == "linear":
        return node
    if name == "softmax":
        return int(graph.softmax(node))
    if name == "log_softmax":
        return int(graph.log_softmax(node))
    return int(graph.activation(node, name))


def checked_dtype(dtype: DTypeLike) -> str:
    """Return the name of float32, float64, an integer dtype or bool.

    Raises:
        TypeError: for any other dtype.
    """
    known = np.dtype(dtype)
    if known.kind not in "biu" and known.name not in ("float32", "float64"):
        raise TypeError(f"dtype is {known.name}, expected float32, float64 or an integer dtype")
    return known.name
