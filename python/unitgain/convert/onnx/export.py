"""Models as ONNX files, by way of the native graph: a function for each kind of its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unitgain import _names, _native
from unitgain.convert.onnx.formulas import ACTIVATIONS
from unitgain.convert.onnx.package import onnx_package
from unitgain.convert.onnx.writer import Writer
from unitgain.formats.atomic import write
from unitgain.graph.native import NativeParameter, native, rows_and_cols
from unitgain.graph.tensors import SampleShape
from unitgain.signals.places import Lowering, Place

__all__ = ["export_onnx", "model_proto"]

# The operators of January 2023, and the files' version that came with them: ONNX Runtime 1.14 and
# later run these. LayerNormalization came with 17, Mish and Split's num_outputs with 18.
_OPSET, _IR_VERSION = 18, 8
# The most that a protocol buffer holds.
_MOST_BYTES = 2**31 - 1


def export_onnx(model: Any, filepath: str) -> None:
    """Write a model as an ONNX file, which appears whole or not at all.

    Raises:
        ValueError: as :func:`model_proto`, or if the file would be larger than 2 GB.
        ImportError: if onnx is not installed.
    """
    write(filepath, [model_proto(model).SerializeToString()])


def model_proto(model: Any) -> Any:
    """Return a model as an ``onnx.ModelProto``, checked.

    Args:
        model: a built model.

    Raises:
        ValueError: if the model has no weights yet, a layer computes in Python or is called with
            ``training=True``, or the model is larger than 2 GB.
        ImportError: if onnx is not installed.
    """
    onnx = onnx_package()
    helper = onnx.helper
    function = model.function
    lowering = Lowering(function)
    _check_native(lowering)
    nodes, parameters = _described(lowering, model)
    if sum(array.nbytes for array in parameters.values()) > _MOST_BYTES:
        raise ValueError("the model is larger than 2 GB, which no ONNX file of one piece holds")
    inputs = _distinct(function.inputs.names, [])
    outputs = _distinct(function.outputs.names, inputs)
    w = Writer(function.dtype, [*inputs, *outputs])
    values = _emit(
        w, lowering, nodes, parameters, zip(inputs, function.inputs.tensors, strict=True)
    )
    renamed: dict[str, str] = {}
    for name, node, shape in zip(outputs, lowering.outputs, function.outputs.shapes, strict=True):
        _name_output(w, name, values[node], shape, renamed)
    types = [_type_of(t, w) for t in function.inputs.tensors]
    graph = helper.make_graph(
        w.nodes,
        model.name,
        [
            helper.make_tensor_value_info(name, kind, ["batch", *shape])
            for name, kind, shape in zip(inputs, types, function.inputs.shapes, strict=True)
        ],
        [
            helper.make_tensor_value_info(name, w.type, ["batch", *shape])
            for name, shape in zip(outputs, function.outputs.shapes, strict=True)
        ],
        w.initializers,
    )
    made = helper.make_model(
        graph,
        producer_name="unitgain",
        producer_version=_native.__version__,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(made, full_check=True)
    return made


# ---- what is written ----


class Value(NamedTuple):
    """A value of the ONNX graph: ``(batch, cols)``, or ``(batch, rows, cols)`` of several rows."""

    name: str
    rows: int
    cols: int


class Source(NamedTuple):
    """A native node: its kind, attributes, parameters by their role, and their names."""

    kind: str
    attributes: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    names: Mapping[str, str]


def _check_native(lowering: Lowering) -> None:
    """Raise ValueError if a layer computes in Python, or does what training does."""
    kinds = lowering.graph.kinds
    for place in lowering.places:
        for node in place.nodes:
            if kinds[node] == "expression":
                raise ValueError(
                    f"{place.name} ({type(place.layer).__name__}) is a function of one's own, "
                    f"which cannot be exported"
                )
            if kinds[node] == "custom":
                raise ValueError(
                    f"{place.name} ({type(place.layer).__name__}) computes in Python, which cannot "
                    f"be exported{_advice(place)}"
                )


def _advice(place: Place) -> str:
    if type(place.layer).__name__ == "SpectralNormalization":
        return ": set its trainable to False, and its kernel stays as it is"
    return ""


def _described(
    lowering: Lowering, model: Any
) -> tuple[list[Mapping[str, Any]], dict[str, NDArray[Any]]]:
    """Return the nodes as the native graph describes them, and the parameters' values by name."""
    weights = model.weights
    names = _names.disambiguated([weight.name for weight in weights])
    named: dict[str, NativeParameter | None] = {
        name: weight.parameter for name, weight in zip(names, weights, strict=True)
    }
    network = native(model.dtype).Network(lowering.graph, lowering.outputs)
    described = network.describe(named)
    assert described is not None  # _check_native found no node that calls Python
    graph, parameters = described
    with _native.Still([weight.array for weight in weights]):
        return graph["nodes"], {name: p.array.copy() for name, p in parameters.items()}


def _emit(
    w: Writer,
    lowering: Lowering,
    nodes: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, NDArray[Any]],
    inputs: Iterator[tuple[str, Any]],
) -> list[Value]:
    """Add every node of the native graph; return their values."""
    values: list[Value] = []
    for place in lowering.places:
        w.layer = place.name
        for number in place.nodes:
            node = nodes[number]
            if node["kind"] == "input":
                values.append(_read_input(w, *next(inputs)))
                continue
            names = node["parameters"]
            source = Source(
                node["kind"],
                node["attributes"],
                {role: parameters[name] for role, name in names.items()},
                names,
            )
            if place.training and _trains(source, node["trainable"]):
                raise ValueError(
                    f"{place.name} is called with training=True, which cannot be exported"
                )
            values.append(_KINDS[source.kind](w, [values[i] for i in node["inputs"]], source))
    return values


def _trains(source: Source, trainable: bool) -> bool:
    """Return whether a node does something else where it does what training does."""
    if source.kind == "noise":
        return any(source.attributes["parameters"])
    return source.kind == "batch_norm" and trainable


def _layout(rows: int, cols: int) -> SampleShape:
    """Return a sample's shape as a :class:`Value` has it."""
    return (cols,) if rows == 1 else (rows, cols)


def _read_input(w: Writer, name: str, tensor: Any) -> Value:
    """Return an input of the graph, as numbers of the network's dtype."""
    if _type_of(tensor, w) != w.type:
        name = w("Cast", name, to=w.type)
    rows, cols = rows_and_cols(tensor.sample_shape)
    if _layout(rows, cols) != tensor.sample_shape:
        name = w.reshape(name, _layout(rows, cols))
    return Value(name, rows, cols)


def _name_output(
    w: Writer, name: str, value: Value, shape: SampleShape, renamed: dict[str, str]
) -> None:
    """Let a value be an output of the graph: it takes the output's name, unless it has such a one.

    Args:
        w: the writer.
        name: the output's.
        value: the value.
        shape: of a sample of the output.
        renamed: the values that are outputs already, by the names that they had.
    """
    made = renamed.get(value.name, value.name)
    w.layer = name
    if _layout(value.rows, value.cols) != shape:
        made = w.reshape(made, shape)
    elif made != value.name or not any(made in node.output for node in w.nodes):
        made = w("Identity", made)
    for node in w.nodes:
        for names in (node.input, node.output):
            for i, one in enumerate(names):
                if one == made:
                    names[i] = name
    renamed[made] = name


def _distinct(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    return _names.disambiguated([*taken, *names])[len(taken) :]


def _type_of(tensor: Any, w: Writer) -> int:
    """Return the type that an input is given as: one of integers, if it says so."""
    given = np.dtype(getattr(tensor, "values_dtype", w.dtype))
    return int(onnx_package().helper.np_dtype_to_tensor_dtype(given))


# ---- the kinds of nodes ----


def _array(w: Writer, source: Source, role: str) -> str:
    return w.constant(source.arrays[role], source.names[role])


def _row(w: Writer, source: Source, role: str) -> str:
    """Return a parameter of one value for each column, whatever axes of a sample these are."""
    return w.constant(source.arrays[role].ravel(), source.names[role])


def _same(value: Value, name: str) -> Value:
    """Return a value of the shape of another."""
    return Value(name, value.rows, value.cols)


def _stacked(w: Writer, value: Value) -> str:
    """Return a value as ``(batch, rows, cols)``."""
    return w.reshape(value.name, (1, value.cols)) if value.rows == 1 else value.name


def _reshaped(w: Writer, value: Value, rows: int, cols: int) -> Value:
    if _layout(value.rows, value.cols) == _layout(rows, cols):
        return value
    return Value(w.reshape(value.name, _layout(rows, cols)), rows, cols)


def _dense(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    kernel = _array(w, source, "kernel")
    bias = [_array(w, source, "bias")] if "bias" in source.arrays else []
    if x.rows == 1:
        made = w("Gemm", x.name, kernel, *bias)
    else:
        made = w("MatMul", x.name, kernel)
        if bias:
            made = w("Add", made, *bias)
    return Value(made, x.rows, source.arrays["kernel"].shape[1])


def _differs(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    other = w("Not", w("Equal", x.name, source.attributes["value"]))
    made = w("ReduceMax", w("Cast", other, to=w.type), w.integers([-1]), keepdims=1)
    return Value(made, x.rows, 1)


def _keep_where(w: Writer, inputs: list[Value], source: Source) -> Value:
    x, mask = inputs
    kept = w("Greater", mask.name, 0.5)
    if x.rows > 1 and mask.rows == 1:
        kept = w("Unsqueeze", kept, w.integers([1]))
    return _same(x, w("Where", kept, x.name, source.attributes["fill"]))


def _batch_norm(w: Writer, inputs: list[Value], source: Source) -> Value:
    x = inputs[0]  # behind it there may be a mask, which training reads
    mean, variance = source.arrays["moving_mean"], source.arrays["moving_variance"]
    epsilon = source.attributes["epsilon"]
    if epsilon == 0 and not mean.any() and (variance == 1).all():
        return _affine(w, x, source)
    ones, zeros = np.ones(x.cols), np.zeros(x.cols)
    given = [
        _row(w, source, role) if role in source.arrays else w.constant(otherwise)
        for role, otherwise in (("gamma", ones), ("beta", zeros))
    ]
    given.append(_row(w, source, "moving_mean"))
    if w.is_exact(epsilon):
        given.append(_row(w, source, "moving_variance"))
    else:
        given.append(w.constant(variance + epsilon))
        epsilon = 0.0
    momentum = source.attributes["momentum"]
    if x.rows == 1:
        made = w("BatchNormalization", x.name, *given, epsilon=epsilon, momentum=momentum)
        return _same(x, made)
    turned = w("Transpose", x.name, perm=[0, 2, 1])  # the features are axis 1 there
    made = w("BatchNormalization", turned, *given, epsilon=epsilon, momentum=momentum)
    return _same(x, w("Transpose", made, perm=[0, 2, 1]))


def _affine(w: Writer, x: Value, source: Source) -> Value:
    """Add ``x * gamma + beta``, which is how layers that scale come, one number where all agree."""
    made = x.name
    for operator, role, neutral in (("Mul", "gamma", 1.0), ("Add", "beta", 0.0)):
        values = source.arrays.get(role, np.array([neutral]))
        if (values != values[0]).any():
            made = w(operator, made, _row(w, source, role))
        elif values[0] != neutral:
            made = w(operator, made, float(values[0]))
    return _same(x, made)


def _layer_norm(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    epsilon, arrays = source.attributes["epsilon"], source.arrays
    if w.dtype == np.float32:
        scale = [_row(w, source, "gamma") if "gamma" in arrays else w.constant(np.ones(x.cols))]
        offset = [_row(w, source, "beta")] if "beta" in arrays else []
        made = w("LayerNormalization", x.name, *scale, *offset, axis=-1, epsilon=epsilon)
        return _same(x, made)
    # Of 32 bits are the operator's epsilon and, by default, its sums.
    centred = w("Sub", x.name, w("ReduceMean", x.name, w.integers([-1])))
    variance = w("ReduceMean", w("Mul", centred, centred), w.integers([-1]))
    made = w("Div", centred, w("Sqrt", w("Add", variance, epsilon)))
    if "gamma" in arrays:
        made = w("Mul", made, _row(w, source, "gamma"))
    if "beta" in arrays:
        made = w("Add", made, _row(w, source, "beta"))
    return _same(x, made)


def _rms_norm(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    mean = w("ReduceMean", w("Mul", x.name, x.name), w.integers([-1]))
    made = w("Div", x.name, w("Sqrt", w("Add", mean, source.attributes["epsilon"])))
    if "scale" in source.arrays:
        made = w("Mul", made, _row(w, source, "scale"))
    return _same(x, made)


def _unit_norm(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    norm = w("ReduceL2", x.name, w.integers([-1]))
    return _same(x, w("Div", x.name, w("Max", norm, source.attributes["epsilon"])))


def _activation(w: Writer, inputs: list[Value], source: Source) -> Value:
    parameters = [float(value) for value in source.attributes["parameters"]]
    return _same(inputs[0], ACTIVATIONS[source.attributes["name"]](w, inputs[0].name, parameters))


def _noise(w: Writer, inputs: list[Value], source: Source) -> Value:
    """Hand the input on, but for the randomised ReLU, which takes the mean of its slopes."""
    (x,) = inputs
    if source.attributes["name"] != "rrelu":
        return x
    slope = sum(source.attributes["parameters"]) / 2
    return _same(x, ACTIVATIONS["leaky_relu"](w, x.name, [slope]))


def _prelu(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    shape = _layout(source.attributes["rows"], source.attributes["cols"])
    slopes = w.constant(source.arrays["alpha"].reshape(shape), source.names["alpha"])
    return _same(x, w("PRelu", x.name, slopes))


def _cluster_distance(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    centers = source.arrays["centers"]
    apart = w("Sub", w("Unsqueeze", x.name, w.integers([-2])), _array(w, source, "centers"))
    made = w("ReduceSum", w("Mul", apart, apart), w.integers([-1]), keepdims=0)
    form = source.attributes["form"]
    if form == "distance":
        made = w("Sqrt", made)
    elif form == "exponent":
        made = w("Div", made, float(-2 * np.float64(source.arrays["bandwidth"][0]) ** 2))
    else:
        nearest = w("ArgMin", made, axis=-1, keepdims=1)
        numbers = w.integers(list(range(len(centers))))
        made = w("Cast", w("Equal", nearest, numbers), to=w.type)
    return Value(made, x.rows, len(centers))


def _glu(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    value, gate = w.several("Split", [x.name], 2, axis=-1, num_outputs=2)
    return Value(w("Mul", value, w("Sigmoid", gate)), x.rows, x.cols // 2)


def _embedding(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    table = source.arrays["embeddings"]
    rows = w("Cast", x.name, to=int(onnx_package().TensorProto.INT64))
    made = w("Gather", _array(w, source, "embeddings"), rows)
    size, dim = x.rows * x.cols, table.shape[1]
    if x.rows > 1 or size == 1:
        made = w.reshape(made, _layout(size, dim))
    return Value(made, size, dim)


def _transpose(w: Writer, inputs: list[Value], source: Source) -> Value:
    (x,) = inputs
    rows, cols = source.attributes["rows"], x.cols
    count = x.rows // rows
    made, perm = _stacked(w, x), [0, 2, 1]
    if count > 1:
        made, perm = w.reshape(made, (count, rows, cols)), [0, 1, 3, 2]
    made = w("Transpose", made, perm=perm)
    if count > 1 or cols == 1:
        made = w.reshape(made, _layout(count * cols, rows))
    return Value(made, count * cols, rows)


def _dot(w: Writer, inputs: list[Value], source: Source) -> Value:
    x, y = inputs
    turned = w("Transpose", _stacked(w, y), perm=[0, 2, 1])
    made = w("MatMul", _stacked(w, x), turned)
    if x.rows == 1:
        made = w.reshape(made, (y.rows,))
    return Value(made, x.rows, y.rows)


def _concatenate(w: Writer, inputs: list[Value], source: Source) -> Value:
    made = w.several("Concat", [x.name for x in inputs], 1, axis=-1)[0]
    return Value(made, inputs[0].rows, sum(x.cols for x in inputs))


def _several(operator: str) -> Callable[[Writer, list[Value], Source], Value]:
    """Return what applies an operator of two values to any number."""

    def emit(w: Writer, inputs: list[Value], source: Source) -> Value:
        made = inputs[0].name
        for other in inputs[1:]:
            made = w(operator, made, other.name)
        return _same(inputs[0], made)

    return emit


def _row_operator(operator: str) -> Callable[[Writer, list[Value], Source], Value]:
    """Return what applies an operator along the last axis."""
    return lambda w, inputs, source: _same(inputs[0], w(operator, inputs[0].name, axis=-1))


_KINDS: dict[str, Callable[[Writer, list[Value], Source], Value]] = {
    "activation": _activation,
    "activity": lambda w, inputs, source: inputs[0],
    "add": _several("Add"),
    "batch_norm": _batch_norm,
    "cluster_distance": _cluster_distance,
    "concatenate": _concatenate,
    "dense": _dense,
    "differs": _differs,
    "dot": _dot,
    "embedding": _embedding,
    "glu": _glu,
    "keep_where": _keep_where,
    "layer_norm": _layer_norm,
    "log_softmax": _row_operator("LogSoftmax"),
    "maximum": _several("Max"),
    "minimum": _several("Min"),
    "multiply": _several("Mul"),
    "noise": _noise,
    "prelu": _prelu,
    "reshape": lambda w, inputs, source: _reshaped(
        w, inputs[0], source.attributes["rows"], source.attributes["cols"]
    ),
    "rms_norm": _rms_norm,
    "softmax": _row_operator("Softmax"),
    "transpose": _transpose,
    "unit_norm": _unit_norm,
}
