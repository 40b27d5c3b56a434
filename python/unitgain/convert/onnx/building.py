"""Layers made one by one as a graph is gone through, with the weights that the file has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import layers
from unitgain._names import snake_case
from unitgain.convert.onnx.elementwise import Expression, activation_layers
from unitgain.convert.onnx.package import onnx_package
from unitgain.convert.onnx.reading import Graph, UnsupportedError, attributes_of, folded
from unitgain.graph.tensors import SampleShape, SymbolicTensor
from unitgain.graph.variables import taking_weights_from

__all__ = ["Builder", "Shape", "Tensor"]

Array = NDArray[Any]

# An expression of more operators than these is made layers before it grows on.
_DEEPEST = 128
# So many of an expression's innermost and of its outermost parts are tried as the variable of an
# activation, of those that it is a function of.
_MOST_BEGINNINGS = 8
_PROBE = np.array([0.5])
# An expression so deep, and read more than once, is made layers if it is an activation.
_DEEP = 16
# Endings of the names of weights, behind those of their layers.
_ROLES = r"(weight|kernel|gamma|scale|embeddings|alpha|W)"


class Tensor:
    """A value of the ONNX graph that layers make.

    Args:
        symbolic: where the layers' graph has it.
        shape: of a sample; () where ONNX has the batch's axis alone, and the layers a size of 1.
        is_whole: whether it holds integers.
    """

    def __init__(
        self, symbolic: SymbolicTensor, shape: SampleShape | None = None, is_whole: bool = False
    ) -> None:
        self.symbolic = symbolic
        self.shape = symbolic.sample_shape if shape is None else shape
        self.is_whole = is_whole


class Shape:
    """The sizes of a batch, or some of them; None for that of the batch."""

    def __init__(self, sizes: Sequence[int | None]) -> None:
        self.sizes = list(sizes)


class Builder:
    """Makes layers, and gives them names and weights.

    Args:
        graph: the file's graph.
        dtype: of the network, float32 or float64.

    Attributes:
        values: what has been made, by its name in the file.
    """

    def __init__(self, graph: Graph, dtype: str) -> None:
        self.graph = graph
        self.dtype = dtype
        self.values: dict[str, Any] = {}
        self.absorbed: set[int] = set()  # nodes that became a part of the layer before
        self._names = {one.name for one in graph.inputs}
        self._given = {""}  # names that the file has
        self._weights: Mapping[str, Array] = {}
        # Of expressions, which are kept so that no other gets their id.
        self._made: dict[int, tuple[Expression, Tensor]] = {}
        self._shared: dict[Any, Any] = {}

    # ---- layers ----

    def give_weights(self) -> Any:
        """Return a context in which layers get their weights from the file."""
        return taking_weights_from(self._first_values)

    def _first_values(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        role = name.rsplit("/", 1)[-1]
        values = np.asarray(self._weights.get(role, 0.0), dtype)
        if role in self._weights and values.size != int(np.prod(shape)):
            raise ValueError(f"{role} has shape {values.shape}, expected {shape}")
        return np.broadcast_to(values.reshape(shape) if role in self._weights else values, shape)

    def call(self, layer: Any, given: Any, **weights: Any) -> SymbolicTensor:
        """Call a layer, whose weights are these if it has none yet."""
        if not layer.nodes:
            name = layer.name if layer.name in self._given else snake_case(type(layer).__name__)
            layer.name = self._fresh(name)
        self._weights = weights
        made: SymbolicTensor = layer(given)
        self._weights = {}
        return made

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return the layer of a key, made when it is asked for first: uses share weights."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def name_of(self, node: Any, weight: str = "") -> str | None:
        """Return what a node's layer is called, after its weight or itself; None for neither."""
        found = re.fullmatch(rf"(.+)[./]{_ROLES}", weight)
        if found:
            name = found[1]
        else:
            name = str(node.name).strip("/")
            head, _, last = name.rpartition("/")
            name = head if last.startswith(node.op_type) and head else name
            if re.fullmatch(rf"{node.op_type}[_\d]*", name, re.IGNORECASE):
                name = ""
        self._given.add(name)
        return name or None

    def _fresh(self, name: str) -> str:
        made, count = name, 0
        while made in self._names:
            count += 1
            made = f"{name}_{count}"
        self._names.add(made)
        return made

    # ---- what a node is given ----

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return a node's attributes as Python's values."""
        return attributes_of(node)

    def array(self, node: Any, which: int) -> Array | None:
        """Return an input that the file holds; None if the node has it not.

        Raises:
            UnsupportedError: if it depends on the model's inputs.
        """
        if which >= len(node.input) or not node.input[which]:
            return None
        name = node.input[which]
        if name not in self.graph.constants:
            raise UnsupportedError(node, f"takes {name!r}, which the file does not hold")
        return self.graph.constants[name]

    def needed(self, node: Any, which: int) -> Array:
        """Return an input that the file holds.

        Raises:
            UnsupportedError: if it does not.
        """
        found = self.array(node, which)
        if found is None:
            raise UnsupportedError(node, f"has no input {which}")
        return found

    def tensor(self, node: Any, which: int = 0) -> Tensor:
        """Return an input as layers make it.

        Raises:
            UnsupportedError: if it is something else.
        """
        if which >= len(node.input) or not node.input[which]:
            raise UnsupportedError(node, f"has no input {which}")
        return self.tensor_named(node, node.input[which])

    def tensor_named(self, node: Any, name: str) -> Tensor:
        """Return a value as layers make it.

        Raises:
            UnsupportedError: if it is something else.
        """
        value = self.values.get(name)
        if isinstance(value, Expression):
            value = self.values[name] = self.materialised(value)
        if not isinstance(value, Tensor):
            raise UnsupportedError(node, f"takes {name!r}, which is no batch of samples")
        return value

    def absorb(
        self, name: str, operators: Sequence[str], fits: Callable[[Array], bool]
    ) -> tuple[str, Array | None, str]:
        """Take the node behind a value into its layer, if nothing else reads the value.

        Args:
            name: of the value.
            operators: what the node may be, of the value and an array.
            fits: whether the array can be a part of the layer.

        Returns:
            The name of what the node makes, the array, and the array's name; or the value's name,
            None, and nothing.
        """
        node = self._only_consumer(name)
        while node is not None and node.op_type in ("Cast", "Identity") and self._is_float(node):
            self.absorbed.add(id(node))
            name = node.output[0]
            node = self._only_consumer(name)
        if node is None or node.op_type not in operators or len(node.input) != 2:
            return name, None, ""
        if node.op_type in ("Add", "Mul") or node.input[0] == name:
            other = node.input[1] if node.input[0] == name else node.input[0]
            array = self.graph.constants.get(other)
            if array is not None and array.dtype.kind == "f" and fits(array):
                self.absorbed.add(id(node))
                return node.output[0], array, other
        return name, None, ""

    def _only_consumer(self, name: str) -> Any:
        """Return the node that alone reads a value; None if there are others, or outputs."""
        consumers = self.graph.consumers.get(name, [])
        is_output = any(name == one.name for one in self.graph.outputs)
        return consumers[0] if len(consumers) == 1 and not is_output else None

    def _is_float(self, node: Any) -> bool:
        """Return whether a node that casts makes floating-point numbers."""
        onnx = onnx_package()
        to = self.attributes(node).get("to", onnx.TensorProto.FLOAT)
        return to in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)

    # ---- values and arrays together ----

    def scaled(self, node: Any, x: Tensor, scale: Any, offset: Any, name: str | None) -> Tensor:
        """Return ``x * scale + offset``, of numbers or arrays that broadcast to a batch."""
        shape = x.shape or (1,)
        whole = [self._of_sample(node, np.asarray(v, np.float64), shape) for v in (scale, offset)]
        symbolic = x.symbolic
        if all(v.ndim == 0 or v.shape[:-1] == (1,) * (v.ndim - 1) for v in whole):
            rows = [float(v) if v.ndim == 0 else v.reshape(-1) for v in whole]
            layer = layers.Rescaling(rows[0], rows[1], name=name)
            return Tensor(self.call(layer, symbolic), x.shape)
        flat = [np.broadcast_to(v, shape).ravel() for v in whole]
        symbolic = self.call(layers.Flatten(), symbolic)
        symbolic = self.call(layers.Rescaling(flat[0], flat[1], name=name), symbolic)
        return Tensor(self.call(layers.Reshape(shape), symbolic), x.shape)

    def _of_sample(self, node: Any, values: Array, shape: SampleShape) -> Array:
        """Return an array that broadcasts to a batch as one that does so to a sample."""
        if values.size == 1:
            return values.reshape(())
        while values.ndim > len(shape) and values.shape[0] == 1:
            values = values[0]
        try:
            fits = np.broadcast_shapes(values.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise UnsupportedError(
                node, f"takes an array of shape {values.shape} beside samples of shape {shape}"
            )
        return values

    def is_number(self, array: Array, shape: SampleShape) -> bool:
        """Return whether an array is one number to samples of a shape."""
        return array.size == 1 and array.ndim <= len(shape) + 1

    # ---- expressions ----

    def elementwise(self, node: Any) -> Any:
        """Return what an operator makes of one tensor and numbers: an expression of it.

        None if its inputs are not those.
        """
        for name in node.input:
            value: Any = self.values.get(name)
            is_deep = isinstance(value, Expression) and value.depth > _DEEP
            if is_deep and len(self.graph.consumers[name]) > 1:
                self.values[name] = self._activation(value) or value
        given = [
            None if not name else self.graph.constants.get(name, self.values.get(name))
            for name in node.input
        ]
        sources = {
            id(source): source
            for one in given
            if isinstance(one, (Expression, Tensor))
            for source in [one.source if isinstance(one, Expression) else one]
        }
        if len(sources) != 1:
            return None
        (source,) = sources.values()
        operands: list[Any] = []
        for one in given:
            if isinstance(one, np.ndarray):
                if not self.is_number(one, source.shape):
                    return None
                one = one.reshape(())
            elif one is not None and not isinstance(one, (Expression, Tensor)):
                return None
            operands.append(one)
        expression = Expression(node, self.attributes(node), operands, source)
        return expression if expression.depth <= _DEEPEST else self.materialised(expression)

    def materialised(self, expression: Expression) -> Tensor:
        """Return the layers that an expression comes to.

        Raises:
            UnsupportedError: if there are none.
        """
        if id(expression) not in self._made:
            made = self._activation(expression) or self._by_operator(expression)
            self._made[id(expression)] = expression, made
        return self._made[id(expression)][1]

    def _operand(self, operand: Any) -> Tensor:
        return self.materialised(operand) if isinstance(operand, Expression) else operand

    def _activation(self, expression: Expression) -> Tensor | None:
        """Return an activation of what an expression begins with, if that is all it is."""
        beginnings = [
            inner for inner in expression.inner() if expression.values(inner, _PROBE) is not None
        ]
        outer = beginnings[_MOST_BEGINNINGS:][-_MOST_BEGINNINGS:]
        for inner in [*beginnings[:_MOST_BEGINNINGS], *outer]:
            found = activation_layers(
                partial(expression.values, inner), self.dtype, self.graph.has_halves
            )
            if found is None:
                continue
            x = self._operand(inner)
            if len(found) == 1:
                found[0].name = self.name_of(expression.node) or found[0].name
            symbolic = x.symbolic
            for layer in found:
                symbolic = self.call(layer, symbolic)
            return Tensor(symbolic, x.shape)
        return None

    def _by_operator(self, expression: Expression) -> Tensor:
        """Return the layers of an expression's last operator, and those of its operands."""
        node, operator = expression.node, expression.node.op_type
        operands = expression.operands
        if operator in _AFFINE and len(operands) < 3:
            known = _AFFINE[operator](expression.attributes, operands)
            if known is not None:
                operand, scale, offset = known
                return self.scaled(node, self._operand(operand), scale, offset, self.name_of(node))
        if operator in _MERGING and not any(isinstance(o, np.ndarray) for o in operands):
            return self.merged(node, [self._operand(operand) for operand in operands])
        if operator in ("Max", "Min", "Clip"):
            return self._clipped(expression)
        if operator == "Pow" and isinstance(operands[1], np.ndarray) and operands[1] in (2, 3):
            x = self._operand(operands[0])
            return self.merged(node, [x] * int(operands[1]), layers.Multiply)
        if operator == "Abs":
            x = self._operand(operands[0])
            return self.merged(node, [x, self.scaled(node, x, -1.0, 0.0, None)], layers.Maximum)
        if operator == "HardSigmoid":
            alpha, beta = (
                expression.attributes.get(k, d) for k, d in (("alpha", 0.2), ("beta", 0.5))
            )
            x = self.scaled(node, self._operand(operands[0]), alpha, beta, None)
            return Tensor(self.call(layers.ReLU(1.0), x.symbolic), x.shape)
        if operator in ("Identity", "Cast"):
            return self._operand(operands[0])
        raise UnsupportedError(node, "is a function of its input that is no activation")

    def _clipped(self, expression: Expression) -> Tensor:
        """Return ``min(max(x, low), high)``."""
        node, operands = expression.node, expression.operands
        (x,) = [o for o in operands if isinstance(o, (Tensor, Expression))]
        numbers = [None if o is None else float(o) for o in operands if o is not x]
        bounds: list[float | None] = [None, None]
        if node.op_type == "Clip":
            bounds = [expression.attributes.get("min"), expression.attributes.get("max")]
            bounds[: len(numbers)] = numbers
        elif node.op_type == "Max":
            bounds[0] = max(number for number in numbers if number is not None)
        else:
            bounds[1] = min(number for number in numbers if number is not None)
        low = -np.inf if bounds[0] is None else bounds[0]
        high = np.inf if bounds[1] is None else bounds[1]
        made = self._operand(x)
        if low > -np.inf:
            made = self.scaled(node, made, 1.0, -low, None)
            bound = high - low if high < np.inf else None
            made = Tensor(self.call(layers.ReLU(bound), made.symbolic), made.shape)
            return self.scaled(node, made, 1.0, low, None)
        made = self.scaled(node, made, -1.0, high, None)
        made = Tensor(self.call(layers.ReLU(), made.symbolic), made.shape)
        return self.scaled(node, made, -1.0, high, None)

    def merged(self, node: Any, tensors: Sequence[Tensor], kind: Any = None) -> Tensor:
        """Return tensors merged value by value.

        Raises:
            UnsupportedError: if they have different numbers of axes.
        """
        kind = kind or _MERGING[node.op_type]
        ranks = {len(tensor.shape) for tensor in tensors}
        if len(ranks) != 1:
            shapes = [tensor.shape for tensor in tensors]
            raise UnsupportedError(node, f"takes samples of the shapes {shapes}")
        if len(tensors) == 1:
            return tensors[0]
        layer = kind(name=self.name_of(node))
        made = self.call(layer, [tensor.symbolic for tensor in tensors])
        return Tensor(made, () if ranks == {0} else None)

    def folded(self, node: Any, arrays: Sequence[Any]) -> Array | None:
        """Return what an operator makes of arrays; None if that is not known."""
        return folded(node, self.attributes(node), arrays)


_MERGING = {
    "Add": layers.Add,
    "Max": layers.Maximum,
    "Mean": layers.Average,
    "Min": layers.Minimum,
    "Mul": layers.Multiply,
    "Sub": layers.Subtract,
    "Sum": layers.Add,
}


def _split(operands: Sequence[Any]) -> tuple[Any, float, bool] | None:
    """Return an operand, the number beside it, and whether the number comes first."""
    first, second = operands
    if isinstance(second, np.ndarray):
        return first, float(second), False
    return (second, float(first), True) if isinstance(first, np.ndarray) else None


def _affine_sum(a: Mapping[str, Any], operands: Sequence[Any]) -> Any:
    found = _split(operands)
    return found and (found[0], 1.0, found[1])


def _affine_difference(a: Mapping[str, Any], operands: Sequence[Any]) -> Any:
    found = _split(operands)
    return found and ((found[0], -1.0, found[1]) if found[2] else (found[0], 1.0, -found[1]))


def _affine_product(a: Mapping[str, Any], operands: Sequence[Any]) -> Any:
    found = _split(operands)
    return found and (found[0], found[1], 0.0)


def _affine_quotient(a: Mapping[str, Any], operands: Sequence[Any]) -> Any:
    found = _split(operands)
    return None if found is None or found[2] else (found[0], 1 / found[1], 0.0)


# The operand, scale and offset that an operator of a tensor and a number comes to.
_AFFINE: dict[str, Callable[[Mapping[str, Any], Sequence[Any]], Any]] = {
    "Add": _affine_sum,
    "Div": _affine_quotient,
    "Mul": _affine_product,
    "Neg": lambda a, operands: (operands[0], -1.0, 0.0),
    "Sub": _affine_difference,
    "Sum": lambda a, operands: _affine_sum(a, operands) if len(operands) == 2 else None,
}
