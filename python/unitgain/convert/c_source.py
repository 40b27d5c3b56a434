"""Networks as C: one file of C99 that needs nothing but the C library's mathematics."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _names, _native
from unitgain.convert.c_texts import ACTIVATIONS, FUNCTIONS, RETURNS
from unitgain.formats import atomic

__all__ = ["export_c"]

Array = NDArray[Any]


def export_c(
    model: Any, filepath: str, *, name: str | None = None, separate_weights: bool = False
) -> None:
    """Write a model as C99: see ``Model.export``.

    Args:
        model: a built model.
        filepath: a name that ends in ``.c``, or in ``.h`` if the weights are separate.
        name: what the names of the C functions begin with; by default the file's.
        separate_weights: whether the weights go to a binary file beside it, ``.bin``, to which the
            program then has a pointer.

    Raises:
        ValueError: if the name ends otherwise or is no name in C, or the network has a node that
            computes in Python or does what training does.
    """
    path = Path(filepath)
    suffix = ".h" if separate_weights else ".c"
    if path.suffix != suffix:
        raise ValueError(
            f"filepath is {filepath!r}, but C with its weights "
            f"{'beside it' if separate_weights else 'in it'} is a file in {suffix}"
        )
    prefix = re.sub(r"\W", "_", path.stem, flags=re.ASCII) if name is None else name
    if not re.fullmatch(r"[A-Za-z_]\w*", prefix, re.ASCII):
        raise ValueError(f"{prefix!r} is no name in C: give another by name=...")
    described = model.function.network().describe({})
    if described is None:
        raise ValueError(
            f"{model.name} has a layer that is a function of one's own or computes "
            "in Python, which cannot be written as C"
        )
    graph, parameters = described
    network = _Network(model.dtype, graph)
    for number, node in enumerate(graph["nodes"]):
        network.add(
            number, node, {key: parameters[name].array for key, name in node["parameters"].items()}
        )
    writer = _Writer(network, prefix, model, separate_weights)
    text, weights = writer.text(), writer.weights()
    if separate_weights:
        atomic.write(path.with_suffix(".bin"), [weights])
    atomic.write(path, [text.encode()])


# ---- the network as steps ----


@dataclasses.dataclass
class _Value:
    """A node's output for one sample, ``(rows, cols)``; ``same`` is whose memory it is in."""

    rows: int
    cols: int
    same: int

    @property
    def size(self) -> int:
        return self.rows * self.cols


@dataclasses.dataclass
class _Step:
    """The computation of a value: lines of C, made when it is known where the values are."""

    value: int
    inputs: list[int]
    lines: Callable[[str, list[str]], list[str]]  # of the output's place and the inputs'
    in_place: bool  # whether the first input may be overwritten as it is read


class _Network:
    """The steps of a described graph.

    Args:
        dtype: float32 or float64.
        graph: the description.
    """

    def __init__(self, dtype: str, graph: Mapping[str, Any]) -> None:
        self.dtype = np.dtype(dtype)
        self.suffix = "f" if dtype == "float32" else ""
        self.outputs: list[int] = list(graph["outputs"])
        self.uses = np.bincount(
            [i for node in graph["nodes"] for i in node["inputs"]] + self.outputs,
            minlength=len(graph["nodes"]),
        )
        self.values: dict[int, _Value] = {}
        self.sources: dict[int, int] = {}  # of values that are others
        self.inputs: list[int] = []
        self.steps: list[_Step] = []
        self.constants: list[tuple[str, Array]] = []
        self.functions: dict[str, None] = {}
        self.kernels: dict[int, tuple[Array, Array | None]] = {}  # of dense nodes, until written

    def add(self, number: int, node: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Add a node.

        Raises:
            ValueError: if it does what training does.
        """
        if node.get("training") and node["kind"] in ("noise", "batch_norm"):
            raise ValueError(
                f"a {node['kind']} node is called with training=True, but C is for inference"
            )
        emit = _KINDS.get(node["kind"])
        if emit is None:
            raise ValueError(_names.unknown("the kind of a node", node["kind"], _KINDS))
        emit(self, number, node, arrays)

    def alias(self, number: int, source: int, rows: int, cols: int) -> None:
        """Let a value be another one, perhaps of another shape."""
        self.values[number] = _Value(rows, cols, self.values[source].same)
        self.sources[number] = source

    def lone_dense(self, number: int, cols: int) -> int | None:
        """Return the dense node whose output a value is, if nothing else uses that."""
        while self.uses[number] == 1:
            if number not in self.sources:
                is_dense = number in self.kernels and self.values[number].cols == cols
                return number if is_dense else None
            number = self.sources[number]
        return None

    def step(
        self,
        number: int,
        inputs: list[int],
        shape: tuple[int, int],
        lines: Callable[[str, list[str]], list[str]],
        in_place: bool = False,
    ) -> None:
        """Add what computes a value."""
        self.values[number] = _Value(*shape, number)
        sources = [self.values[i].same for i in inputs]
        self.steps.append(_Step(number, sources, lines, in_place))

    def constant(self, name: str, array: Array | None) -> str:
        """Return the C expression for an array."""
        if array is None:
            return "NULL"
        self.constants.append((name, np.ascontiguousarray(array, self.dtype)))
        return f"%{len(self.constants) - 1}%"

    def call(self, function: str, *arguments: Any) -> str:
        """Return a call of one of this file's functions."""
        self.functions[function] = None
        return f"$_{function}({', '.join(map(str, arguments))})"

    def number(self, value: Any) -> str:
        """Return a number as C."""
        return _number(self.dtype.type(float(value)), self.suffix)


def _number(value: Any, suffix: str) -> str:
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return ("" if value > 0 else "-") + "HUGE_VAL" + suffix.upper()
    text = str(value)  # the shortest that is the number again
    return (text if "." in text or "e" in text else text + ".0") + suffix


# ---- the kinds of nodes ----

Emitter = Callable[[_Network, int, Mapping[str, Any], Mapping[str, Array]], None]


def _same_shape(network: _Network, node: Mapping[str, Any]) -> tuple[int, int]:
    value = network.values[node["inputs"][0]]
    return value.rows, value.cols


def _input(network: _Network, number: int, node: Any, arrays: Any) -> None:
    shape = node["attributes"]
    network.values[number] = _Value(shape["rows"], shape["cols"], number)
    network.inputs.append(number)


def _identity(network: _Network, number: int, node: Any, arrays: Any) -> None:
    network.alias(number, node["inputs"][0], *_same_shape(network, node))


def _reshape(network: _Network, number: int, node: Any, arrays: Any) -> None:
    shape = node["attributes"]
    network.alias(number, node["inputs"][0], shape["rows"], shape["cols"])


def _dense(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = _same_shape(network, node)
    units = arrays["kernel"].shape[1]
    network.kernels[number] = arrays["kernel"], arrays.get("bias")

    def lines(to: str, at: list[str]) -> list[str]:
        kernel, bias = network.kernels[number]
        names = network.constant("kernel", kernel), network.constant("bias", bias)
        return [network.call("dense", at[0], rows, cols, units, *names, to) + ";"]

    network.step(number, node["inputs"], (rows, units), lines)


def _batch_norm(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = shape = _same_shape(network, node)
    given = {key: array.astype(np.float64) for key, array in arrays.items()}
    mean = given["moving_mean"]
    factor = 1 / np.sqrt(given["moving_variance"] + node["attributes"]["epsilon"])
    factor = factor * given.get("gamma", 1.0)
    shift = given.get("beta", np.zeros(cols))
    source = node["inputs"][0]
    dense = network.lone_dense(source, cols)
    if dense is not None:
        kernel, bias = network.kernels[dense]
        offset = (0.0 if bias is None else bias.astype(np.float64)) - mean
        network.kernels[dense] = kernel.astype(np.float64) * factor, offset * factor + shift
        network.alias(number, source, *shape)
        return

    def lines(to: str, at: list[str]) -> list[str]:
        names = [
            network.constant(name, array)
            for name, array in (("mean", mean), ("factor", factor), ("shift", shift))
        ]
        return [network.call("scale", at[0], rows, cols, *names, to) + ";"]

    network.step(number, [source], shape, lines, in_place=True)


def _activate(
    network: _Network, number: int, node: Any, name: str, parameters: list[float]
) -> None:
    shape = _same_shape(network, node)
    if name == "linear":
        return network.alias(number, node["inputs"][0], *shape)
    given = "".join(f", {network.number(value)}" for value in parameters)
    size = math.prod(shape)

    def lines(to: str, at: list[str]) -> list[str]:
        network.functions[name] = None
        return [
            f"for (i = 0; i < {size}; ++i) {{",
            f"    {_index(to)} = $_{name}({_index(at[0])}{given});",
            "}",
        ]

    network.step(number, node["inputs"], shape, lines, in_place=True)
    return None


def _index(place: str) -> str:
    """Return a value at the place and i."""
    base, _, offset = place.partition(" + ")
    return f"{base}[{offset} + i]" if offset else f"{base}[i]"


def _activation(network: _Network, number: int, node: Any, arrays: Any) -> None:
    attributes = node["attributes"]
    _activate(network, number, node, attributes["name"], attributes["parameters"])


def _noise(network: _Network, number: int, node: Any, arrays: Any) -> None:
    attributes = node["attributes"]
    if attributes["name"] != "rrelu":
        return _identity(network, number, node, arrays)
    slope = sum(attributes["parameters"]) / 2
    return _activate(network, number, node, "leaky_relu", [slope])


def _prelu(network: _Network, number: int, node: Any, arrays: Any) -> None:
    shape, attributes = _same_shape(network, node), node["attributes"]
    alpha = arrays["alpha"].reshape(attributes["rows"], attributes["cols"])

    def lines(to: str, at: list[str]) -> list[str]:
        slopes = network.constant("alpha", np.broadcast_to(alpha, shape))
        return [network.call("prelu", at[0], math.prod(shape), slopes, to) + ";"]

    network.step(number, node["inputs"], shape, lines, in_place=True)


def _rows(function: str, *names: str) -> Emitter:
    """Return what writes a function of each row, with constants or attributes of these names."""

    def emit(network: _Network, number: int, node: Any, arrays: Any) -> None:
        shape = _same_shape(network, node)

        def lines(to: str, at: list[str]) -> list[str]:
            given = [
                network.number(node["attributes"][name])
                if name in node["attributes"]
                else network.constant(name, arrays.get(name))
                for name in names
            ]
            return [network.call(function, at[0], *shape, *given, to) + ";"]

        network.step(number, node["inputs"], shape, lines, in_place=True)

    return emit


def _glu(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = _same_shape(network, node)

    def lines(to: str, at: list[str]) -> list[str]:
        return [network.call("glu", at[0], rows, cols // 2, to) + ";"]

    network.step(number, node["inputs"], (rows, cols // 2), lines)


def _differs(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = _same_shape(network, node)
    value = network.number(node["attributes"]["value"])

    def lines(to: str, at: list[str]) -> list[str]:
        return [network.call("differs", at[0], rows, cols, value, to) + ";"]

    network.step(number, node["inputs"], (rows, 1), lines)


def _keep_where(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = _same_shape(network, node)
    mask = network.values[node["inputs"][1]]
    fill = network.number(node["attributes"]["fill"])

    def lines(to: str, at: list[str]) -> list[str]:
        sizes = (rows, cols, at[1], mask.rows, mask.cols)
        return [network.call("keep_where", at[0], *sizes, fill, to) + ";"]

    network.step(number, node["inputs"], (rows, cols), lines)


def _cluster_distance(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = _same_shape(network, node)
    clusters, form = arrays["centers"].shape[0], node["attributes"]["form"]
    factor = network.number(-0.5 / float(arrays["bandwidth"][0]) ** 2)

    def lines(to: str, at: list[str]) -> list[str]:
        centers = network.constant("centers", arrays["centers"])
        made = [network.call("squared_distances", at[0], rows, cols, clusters, centers, to) + ";"]
        if form == "one_hot":
            return [*made, network.call("nearest", rows, clusters, to) + ";"]
        value = _index(to)
        root = f"sqrt{network.suffix}({value})"
        return [
            *made,
            f"for (i = 0; i < {rows * clusters}; ++i) {{",
            f"    {value} = {root if form == 'distance' else f'{factor} * {value}'};",
            "}",
        ]

    network.step(number, node["inputs"], (rows, clusters), lines)


def _merge(expression: str) -> Emitter:
    """Return what writes a function of ``{a}`` and ``{b}``, over all inputs."""

    def emit(network: _Network, number: int, node: Any, arrays: Any) -> None:
        shape = _same_shape(network, node)
        size = math.prod(shape)

        def lines(to: str, at: list[str]) -> list[str]:
            made = []
            first = at[0]
            for other in at[1:]:
                found = expression.format(a=_index(first), b=_index(other))
                made += [f"for (i = 0; i < {size}; ++i) {{", f"    {_index(to)} = {found};", "}"]
                first = to
            return made or [network.call("copy", first, 1, size, size, to) + ";"]

        network.step(number, node["inputs"], shape, lines)

    return emit


def _dot(network: _Network, number: int, node: Any, arrays: Any) -> None:
    one, other = (network.values[i] for i in node["inputs"])

    def lines(to: str, at: list[str]) -> list[str]:
        return [network.call("dot", at[0], at[1], one.rows, other.rows, one.cols, to) + ";"]

    network.step(number, node["inputs"], (one.rows, other.rows), lines)


def _transpose(network: _Network, number: int, node: Any, arrays: Any) -> None:
    rows, cols = _same_shape(network, node)
    each = node["attributes"]["rows"]

    def lines(to: str, at: list[str]) -> list[str]:
        return [network.call("transpose", at[0], rows // each, each, cols, to) + ";"]

    network.step(number, node["inputs"], (rows // each * cols, each), lines)


def _concatenate(network: _Network, number: int, node: Any, arrays: Any) -> None:
    parts = [network.values[i] for i in node["inputs"]]
    rows, total = parts[0].rows, sum(part.cols for part in parts)

    def lines(to: str, at: list[str]) -> list[str]:
        made, first = [], 0
        for part, place in zip(parts, at, strict=True):
            target = f"{to} + {first}" if first else to
            made.append(network.call("copy", place, rows, part.cols, total, target) + ";")
            first += part.cols
        return made

    network.step(number, node["inputs"], (rows, total), lines)


def _embedding(network: _Network, number: int, node: Any, arrays: Any) -> None:
    size = network.values[node["inputs"][0]].size
    count, width = arrays["embeddings"].shape

    def lines(to: str, at: list[str]) -> list[str]:
        table = network.constant("embeddings", arrays["embeddings"])
        call = network.call("embed", at[0], size, table, count, width, to)
        return [f"if ({call} != 0) {{", "    return -1;", "}"]

    network.step(number, node["inputs"], (size, width), lines)


_KINDS: dict[str, Emitter] = {
    "activation": _activation,
    "activity": _identity,
    "add": _merge("{a} + {b}"),
    "batch_norm": _batch_norm,
    "cluster_distance": _cluster_distance,
    "concatenate": _concatenate,
    "dense": _dense,
    "differs": _differs,
    "dot": _dot,
    "embedding": _embedding,
    "glu": _glu,
    "input": _input,
    "keep_where": _keep_where,
    "layer_norm": _rows("layer_norm", "gamma", "beta", "epsilon"),
    "log_softmax": _rows("log_softmax"),
    "maximum": _merge("{a} > {b} ? {a} : {b}"),
    "minimum": _merge("{a} < {b} ? {a} : {b}"),
    "multiply": _merge("{a} * {b}"),
    "noise": _noise,
    "prelu": _prelu,
    "reshape": _reshape,
    "rms_norm": _rows("rms_norm", "scale", "epsilon"),
    "softmax": _rows("softmax"),
    "transpose": _transpose,
    "unit_norm": _rows("unit_norm", "epsilon"),
}


# ---- where values are ----


def _places(network: _Network) -> tuple[dict[int, str], int]:
    """Return where each value is, in C, and how many values of scratch that takes.

    A value that an output is computed in has the output's memory, and so has what it overwrites.
    """
    outputs = [network.values[i].same for i in network.outputs]
    last = {source: at for at, step in enumerate(network.steps) for source in step.inputs}
    places = {source: f"input_{i}" for i, source in enumerate(network.inputs)}
    for i, source in enumerate(outputs):
        places.setdefault(source, f"output_{i}")
    overwrites: dict[int, int] = {}  # by the value that is overwritten
    for at, step in enumerate(network.steps):
        source = step.inputs[0]
        dies = last[source] == at and step.inputs.count(source) == 1 and source not in places
        if step.in_place and dies:
            overwrites[source] = step.value
    # Backwards, so that what is overwritten finds where its follower is.
    for source, follower in sorted(overwrites.items(), reverse=True):
        if follower in places:
            places[source] = places[follower]
    free: list[tuple[int, int]] = []  # begin and size
    taken: dict[int, tuple[int, int]] = {}
    total = 0
    for at, step in enumerate(network.steps):
        if step.value not in places:
            gone = next((s for s, f in overwrites.items() if f == step.value), None)
            if gone is not None and gone in taken:
                taken[step.value] = taken.pop(gone)
            else:
                size = network.values[step.value].size
                begin, total = _allocate(free, size, total)
                taken[step.value] = begin, size
            begin = taken[step.value][0]
            places[step.value] = f"scratch + {begin}" if begin else "scratch"
        for value in {step.value, *step.inputs}:
            if last.get(value, at) <= at and value in taken:
                free.append(taken.pop(value))
    return places, total


def _allocate(free: list[tuple[int, int]], size: int, total: int) -> tuple[int, int]:
    """Return where so many values go, and how many there are in all then."""
    fitting = [place for place in free if place[1] >= size]
    if not fitting:
        return total, total + size
    begin, room = min(fitting, key=lambda place: place[1])
    free.remove((begin, room))
    if room > size:
        free.append((begin + size, room - size))
    return begin, total


# ---- the file ----


class _Writer:
    def __init__(self, network: _Network, prefix: str, model: Any, separate: bool) -> None:
        self._network = network
        self._prefix = prefix
        self._separate = separate
        self._type = "float" if network.suffix else "double"
        self._title = f"{model.name}, {model.count_params():,} weights"
        self._places, self._scratch = _places(network)
        self._body = self._statements()

    def weights(self) -> bytes:
        """Return the weights, little-endian."""
        little = self._network.dtype.newbyteorder("<")
        return b"".join(array.astype(little).tobytes() for _, array in self._network.constants)

    def _statements(self) -> list[str]:
        network = self._network
        lines = []
        for step in network.steps:
            places = [self._places[source] for source in step.inputs]
            lines += step.lines(self._places[step.value], places)
        for i, output in enumerate(network.outputs):
            value = network.values[output]
            place = self._places[value.same]
            if place != f"output_{i}":
                call = network.call("copy", place, 1, value.size, value.size, f"output_{i}")
                lines.append(call + ";")
        return lines

    def text(self) -> str:
        """Return the file."""
        network = self._network
        parts = [self._comment(), "#include <math.h>\n#include <stddef.h>\n", self._macros()]
        if not self._separate:
            parts += [
                _array(f"{self._prefix}_{name}_{i}", array, self._type, network.suffix)
                for i, (name, array) in enumerate(network.constants)
            ]
        parts += [self._function(name) for name in network.functions]
        predict = self._predict()
        begins = np.cumsum([0, *(array.size for _, array in network.constants)])
        for i, (name, _) in enumerate(network.constants):
            inside = f"$_{name}_{i}"
            place = f"weights + {begins[i]}" if self._separate else inside
            predict = predict.replace(f"%{i}%", place)
        text = "\n".join([*parts, predict]).replace("$_", f"{self._prefix}_")
        if self._separate:
            guard = f"{self._prefix.upper()}_H"
            text = f"#ifndef {guard}\n#define {guard}\n\n{text}\n#endif\n"
        return text

    def _arguments(self) -> str:
        inputs = [f"const {self._type} *input_{i}" for i in range(len(self._network.inputs))]
        outputs = [f"{self._type} *output_{i}" for i in range(len(self._network.outputs))]
        weights = [f"const {self._type} *weights"] if self._separate else []
        return ", ".join([*weights, *inputs, *outputs, f"{self._type} *scratch"])

    def _comment(self) -> str:
        network, title, upper = self._network, self._title, self._prefix.upper()
        shapes = [
            f" *   {kind}_{i}: {network.values[number].size} values"
            for kind, numbers in (("input", network.inputs), ("output", network.outputs))
            for i, number in enumerate(numbers)
        ]
        weights = (
            [f" *   weights: {upper}_WEIGHTS values, those of {self._prefix}.bin (little-endian)"]
            if self._separate
            else []
        )
        bytes_ = max(1, self._scratch) * network.dtype.itemsize
        return "\n".join(
            [
                f"/* {title.replace('*/', '* /')}: C99, written by unitgain {_native.__version__}.",
                " *",
                " *   int",
                f" *   {self._prefix}_predict({self._arguments()});",
                " *",
                " * computes the outputs for one sample:",
                *weights,
                *shapes,
                f" *   scratch: {upper}_SCRATCH values, whatever is in them ({bytes_:,} bytes)",
                " * Arrays are row-major and do not overlap. It returns 0, or -1 where an",
                " * embedding gets what is none of its numbers. Nothing is allocated, and there is",
                " * no state: any number of threads may call it, each with outputs and scratch of",
                " * its own.",
                " * Link with the C library's mathematics (-lm).",
                " */",
            ]
        )

    def _macros(self) -> str:
        sizes = {"SCRATCH": max(1, self._scratch)}
        if self._separate:
            sizes["WEIGHTS"] = sum(array.size for _, array in self._network.constants)
        for kind, numbers in (("INPUT", self._network.inputs), ("OUTPUT", self._network.outputs)):
            for i, number in enumerate(numbers):
                sizes[f"{kind}_{i}"] = self._network.values[number].size
        upper = self._prefix.upper()
        return "".join(f"#define {upper}_{name} {size}\n" for name, size in sizes.items())

    def _function(self, name: str) -> str:
        real, suffix = self._type, self._network.suffix
        if name in ACTIVATIONS:
            parameters, formula = ACTIVATIONS[name]
            arguments = "".join(f", real {parameter}" for parameter in parameters)
            text = f"static real $_{name}(real x{arguments})\n{{\n    return {formula};\n}}\n"
        else:
            text = f"static {RETURNS.get(name, 'void')} $_{name}{FUNCTIONS[name].lstrip()}\n"
        return re.sub(r"\breal\b", real, text).replace("@", suffix)

    def _predict(self) -> str:
        linkage = "static inline int" if self._separate else "int"
        head = f"{linkage} $_predict({self._arguments()})"
        # A prototype, which some compilers want before a function that others may call.
        lines = [f"{head};\n", head, "{"]
        if any("(i = 0;" in line for line in self._body):
            lines.append("    size_t i;")
        if not any("scratch" in line for line in self._body):
            lines.append("    (void)scratch;")
        if self._separate and not self._network.constants:
            lines.append("    (void)weights;")
        lines += [f"    {line}" for line in self._body]
        return "\n".join([*lines, "    return 0;", "}", ""])


def _array(name: str, array: Array, real: str, suffix: str) -> str:
    numbers = [_number(value, suffix) for value in array.reshape(-1)]
    lines = [", ".join(numbers[i : i + 8]) for i in range(0, len(numbers), 8)]
    body = ",\n    ".join(lines)
    return f"static const {real} {name}[{max(1, len(numbers))}] = {{\n    {body or '0'}\n}};\n"
