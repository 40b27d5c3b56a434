"""Tracing: a function is called with places of arrays, which record what is done with them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from unitgain.ops.primitives import BINARY, CONDITIONS, EVALUATE, UNARY, WHOLE
from unitgain.ops.sizes import Dims, Size, broadcast, fixed, shown

__all__ = [
    "NUMPY_NAMES",
    "Trace",
    "TraceError",
    "Traced",
    "current_trace",
    "define_operators",
    "is_traced",
    "numbers",
    "record",
]

# What kinds of numbers there are, the more general ones last.
_KINDS = ("bool", "int", "float")


class TraceError(TypeError):
    """What a traced function does with its arrays needs their values, which it has not."""


class Trace:
    """What a function does with its arrays: values, each made of others before it.

    Args:
        dtype: float32 or float64, of all numbers in it.

    Attributes:
        inputs: the places of the function's arrays.
        variables: what holds weights, each with its place.
    """

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = dtype
        self.inputs: list[Traced] = []
        self.variables: list[tuple[Any, Traced]] = []
        self._known: dict[Any, Traced] = {}

    def input(self, dims: Dims, kind: str = "float") -> Traced:
        """Return the place of a new input."""
        place = Traced(self, "input", (), {"number": len(self.inputs)}, dims, kind)
        self.inputs.append(place)
        return place

    def value(
        self, name: str, inputs: Sequence[Traced], attributes: dict[str, Any], dims: Dims, kind: str
    ) -> Traced:
        """Return the value of a primitive: one that is there already, if it is the same."""
        key = (name, *map(id, inputs), *sorted(attributes.items()))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Traced(self, name, tuple(inputs), attributes, dims, kind)
        return known

    def constant(self, array: NDArray[Any]) -> Traced:
        """Return an array's values as a value of the trace."""
        kind = _kind(array.dtype)
        values = np.ascontiguousarray(array, np.float64).reshape(array.shape)
        key = ("constant", kind, values.shape, values.tobytes())
        known = self._known.get(key)
        if known is None:
            made = Traced(self, "constant", (), {"values": values}, fixed(values.shape), kind)
            known = self._known[key] = made
        return known

    def count(self, size: Size, scale: float = 1.0, reciprocal: bool = False) -> Traced:
        """Return a size, times a number or the number over it."""
        if not size.power:
            value = scale / size.factor if reciprocal else scale * size.factor
            return self.constant(np.array(value))
        attributes = {"size": size, "scale": float(scale), "reciprocal": reciprocal}
        return self.value("count", (), attributes, (), "float" if reciprocal else "int")

    def variable(self, holder: Any) -> Traced:
        """Return the place of a variable's values: an input, which derivatives reach."""
        for known, place in self.variables:
            if known is holder:
                return place
        place = self.input(fixed(holder.shape))
        self.variables.append((holder, place))
        return place


_current: ContextVar[Trace | None] = ContextVar("unitgain_trace", default=None)


def current_trace() -> Trace | None:
    """Return the trace that is being made in this thread, or None."""
    return _current.get()


@contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """Let what is done with places in this block belong to the trace."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def _kind(dtype: Any) -> str:
    kind = np.dtype(dtype).kind
    if kind not in "biuf":
        raise TypeError(f"an array has dtype {np.dtype(dtype)}, expected numbers")
    return {"b": "bool", "f": "float"}.get(kind, "int")


def is_traced(x: Any) -> bool:
    """Return whether ``x`` stands for an array whose values are not there yet."""
    return isinstance(x, Traced)


def _needs_value(what: str) -> NoReturn:
    raise TraceError(
        f"{what} needs the values of an array, but the function is traced: it is run once without "
        f"values. In place of `if` write unitgain.ops.where(condition, a, b), in place of a "
        f"function of NumPy's that of unitgain.ops"
    )


class Traced:
    """The place of an array in a function that is being traced."""

    # NumPy hands operators and functions over.
    __array_priority__ = 1000
    __slots__ = ("__weakref__", "attributes", "dims", "inputs", "kind", "name", "trace")
    # Functions by which methods and NumPy's functions go, filled by the modules that define them.
    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(
        self,
        trace: Trace,
        name: str,
        inputs: tuple[Traced, ...],
        attributes: dict[str, Any],
        dims: Dims,
        kind: str,
    ) -> None:
        self.trace = trace
        self.name = name
        self.inputs = inputs
        self.attributes = attributes
        self.dims = dims
        self.kind = kind

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape, with None where it depends on how many samples a batch has."""
        return shown(self.dims)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.dims)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        kinds = {"bool": "bool", "int": "int32", "float": self.trace.dtype}
        return np.dtype(kinds[self.kind])

    @property
    def T(self) -> Traced:  # noqa: N802
        """The array with its axes in reverse order."""
        return self.functions["transpose"](self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<array of a traced function, shape={self.shape}, dtype={self.dtype}>"

    # ---- what needs values ----

    def __bool__(self) -> bool:
        _needs_value("a condition (if, while, and, or, not)")

    def __float__(self) -> float:
        _needs_value("float()")

    def __int__(self) -> int:
        _needs_value("int()")

    def __index__(self) -> int:
        _needs_value("an index of a list, or range(),")

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        _needs_value("numpy.asarray()")

    def item(self) -> float:
        """Raise :class:`TraceError`."""
        _needs_value("item()")

    def numpy(self) -> Any:
        """Raise :class:`TraceError`."""
        _needs_value("numpy()")

    def __len__(self) -> int:
        if not self.dims:
            raise TypeError("len() of an array without axes")
        if self.dims[0].power:
            _needs_value("len()")
        return self.dims[0].factor

    def __iter__(self) -> Iterator[Traced]:
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, places: Any) -> Any:
        return self.functions["getitem"](self, places)

    # ---- methods of arrays ----

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return :func:`unitgain.ops.sum`."""
        return self.functions["sum"](self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return :func:`unitgain.ops.mean`."""
        return self.functions["mean"](self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return :func:`unitgain.ops.max`."""
        return self.functions["max"](self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return :func:`unitgain.ops.min`."""
        return self.functions["min"](self, axis, keepdims)

    def reshape(self, *shape: Any) -> Any:
        """Return :func:`unitgain.ops.reshape`."""
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return self.functions["reshape"](self, given)

    def astype(self, dtype: Any) -> Any:
        """Return :func:`unitgain.ops.cast`."""
        return self.functions["cast"](self, dtype)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS and name in self.functions:
            return functools.partial(self.functions[name], self)
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            _needs_value(f"the array's attribute {name}")
        raise AttributeError(f"an array of a traced function has no attribute {name!r}")

    # ---- NumPy's functions ----

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        name = NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or keywords or name not in self.functions:
            _needs_value(f"numpy.{ufunc.__name__}")
        return self.functions[name](*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = NUMPY_NAMES.get(function.__name__, function.__name__)
        if name not in self.functions:
            _needs_value(f"numpy.{function.__name__}")
        return self.functions[name](*args, **kwargs)


# Methods of arrays that are functions of the same names.
_METHODS = frozenset(
    [
        "all",
        "any",
        "argmax",
        "argmin",
        "clip",
        "cumsum",
        "dot",
        "ravel",
        "repeat",
        "round",
        "squeeze",
        "std",
        "swapaxes",
        "take",
        "transpose",
        "var",
    ]
)

# NumPy's names of what Keras calls otherwise.
NUMPY_NAMES = {
    "true_divide": "divide",
    "absolute": "abs",
    "remainder": "mod",
    "rint": "round",
    "concat": "concatenate",
    "amax": "max",
    "amin": "min",
    "around": "round",
}

_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}
_COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_SINGLE = {"neg": "negative", "abs": "abs", "invert": "logical_not"}


def define_operators(
    kind: type, functions: dict[str, Callable[..., Any]], compares: bool = True
) -> None:
    """Give a class Python's operators, by functions that are looked up by their names.

    Args:
        kind: the class; operators that it has itself stay.
        functions: what is looked up in, when an operator is used.
        compares: whether ``==`` and ``!=`` compare elements.
    """

    def forward(name: str) -> Callable[[Any, Any], Any]:
        return lambda self, other: functions[name](self, other)

    def reflected(name: str) -> Callable[[Any, Any], Any]:
        return lambda self, other: functions[name](other, self)

    def single(name: str) -> Callable[[Any], Any]:
        return lambda self: functions[name](self)

    own = dict(vars(kind))
    made: dict[str, Any] = {}
    for symbol, name in _OPERATORS.items():
        made[f"__{symbol}__"] = forward(name)
        made[f"__r{symbol}__"] = reflected(name)
    for symbol, name in _COMPARISONS.items():
        if compares or name not in ("equal", "not_equal"):
            made[f"__{symbol}__"] = forward(name)
    for symbol, name in _SINGLE.items():
        made[f"__{symbol}__"] = single(name)
    if compares:
        made["__hash__"] = object.__hash__
    for name, method in made.items():
        if name not in own or (name == "__hash__" and own[name] is None):
            setattr(kind, name, method)


define_operators(Traced, Traced.functions)


# ---- recording ----


def numbers(x: Any) -> Any:
    """Return a function's argument as a traced value or an array; Python's numbers stay.

    Variables are read, or become inputs of the trace that is being made.
    """
    if isinstance(x, (Traced, np.ndarray, float, int, np.generic)):
        trace = _current.get()
        return x if trace is None or type(x) is not np.ndarray else _array_of(trace, x)
    if hasattr(x, "parameter"):  # a Variable, which this floor does not know
        trace = _current.get()
        return x.array if trace is None else trace.variable(x)
    if isinstance(x, (list, tuple)) and any(isinstance(one, Traced) for one in x):
        return Traced.functions["stack"](x)
    array = np.asarray(x)
    _kind(array.dtype)
    return array


class _Watched:
    """Arrays of variables, which a traced function is to name as variables."""

    found: ClassVar[ContextVar[Sequence[Any]]] = ContextVar("unitgain_watched", default=())


@contextmanager
def watching(variables: Sequence[Any]) -> Iterator[None]:
    """Take these variables' arrays, too, for the variables themselves in this block."""
    token = _Watched.found.set(variables)
    try:
        yield
    finally:
        _Watched.found.reset(token)


def _array_of(trace: Trace, array: NDArray[Any]) -> Any:
    for variable in _Watched.found.get():
        if array is variable.array:
            return trace.variable(variable)
        if array.size and np.may_share_memory(array, variable.array):
            raise TraceError(
                f"a view of the array of {variable.name} is used in a traced function: use the "
                f"variable itself, whose values change, and functions of unitgain.ops"
            )
    return array


def lifted(trace: Trace, x: Any) -> Traced:
    """Return a number, an array or a value as a value of the trace."""
    if isinstance(x, Traced):
        if x.trace is not trace:
            raise TraceError("an array of a traced function is used in another one")
        return x
    return trace.constant(np.asarray(x))


def record(name: str, *inputs: Any, **attributes: Any) -> Any:
    """Return what a primitive makes: a value of the trace, or, of arrays alone, an array."""
    trace = next((x.trace for x in inputs if isinstance(x, Traced)), None)
    if trace is None:
        return EVALUATE[name](*inputs, **attributes)
    given = [lifted(trace, x) for x in inputs]
    plain = simplified(name, given, attributes)
    if plain is not None:
        return plain
    if name != "broadcast" and all(x.name == "constant" for x in given):
        made = EVALUATE[name](*(x.attributes["values"] for x in given), **attributes)
        return trace.constant(np.asarray(made))
    if name in UNARY or name in BINARY or name == "where":
        return _element_wise(trace, name, given)
    dims, kind = _SHAPES[name](*given, **attributes)
    return trace.value(name, given, attributes, dims, kind)


def _is_one(x: Traced, value: float) -> bool:
    """Return whether all of an operand's elements are a number."""
    while x.name in ("broadcast", "reshape"):
        x = x.inputs[0]
    if x.name != "constant":
        return False
    values = x.attributes["values"]
    return values.size == 1 and float(values.reshape(-1)[0]) == value


def simplified(name: str, given: list[Traced], attributes: dict[str, Any]) -> Traced | None:
    """Return a value that is there already and equals what a primitive would make, or None."""
    x = given[0]
    if name in ("reshape", "broadcast"):
        if attributes["shape"] == x.dims:
            return x
        if name == "reshape" and x.name == "reshape" and len(x.attributes) == 1:
            return record("reshape", x.inputs[0], **attributes)  # type: ignore[no-any-return]
        if name == "reshape" and x.name == "broadcast" and not x.inputs[0].dims:
            return record("broadcast", x.inputs[0], **attributes)  # type: ignore[no-any-return]
        if name == "broadcast" and x.name == "broadcast":
            return record("broadcast", x.inputs[0], **attributes)  # type: ignore[no-any-return]
    if name == "transpose":
        axes = attributes["axes"]
        if axes == tuple(range(len(axes))):
            return x
        if x.name == "transpose":
            inner = tuple(x.attributes["axes"][axis] for axis in axes)
            return record("transpose", x.inputs[0], axes=inner)  # type: ignore[no-any-return]
    if name == "negative" and x.name == "negative":
        return x.inputs[0]
    if name in UNARY and x.name == "broadcast":
        single = record(name, x.inputs[0])
        return record("broadcast", single, shape=x.dims)  # type: ignore[no-any-return]
    if name == "multiply":
        for own, other in ((x, given[1]), (given[1], x)):
            if _is_one(own, 1.0) and broadcast(own.dims, other.dims) == other.dims:
                return other if other.kind == "float" else None
    return None


def _element_wise(trace: Trace, name: str, given: list[Traced]) -> Traced:
    dims = broadcast(*(x.dims for x in given))
    kinds = [x.kind for x in (given[1:] if name == "where" else given)]
    kind = max(kinds, key=_KINDS.index)
    if name in CONDITIONS:
        kind = "bool"
    elif name != "where" and (name not in WHOLE or (name == "power" and len(given) == 2)):
        kind = "float"
    elif kind == "bool" and name in ("add", "subtract", "multiply", "negative"):
        kind = "int"
    return trace.value(name, given, {}, dims, kind)


def _without(dims: Dims, axes: Sequence[int]) -> Dims:
    return tuple(size for i, size in enumerate(dims) if i not in axes)


def _reduced(x: Traced, axes: tuple[int, ...]) -> tuple[Dims, str]:
    return _without(x.dims, axes), x.kind


def _summed(x: Traced, axes: tuple[int, ...]) -> tuple[Dims, str]:
    return _without(x.dims, axes), "int" if x.kind == "bool" else x.kind


def _joined(*xs: Traced, axis: int) -> tuple[Dims, str]:
    total = Size(0)
    for x in xs:
        size = x.dims[axis]
        if total.factor and size.factor and total.power != size.power:
            raise ValueError(
                f"arrays are joined along axis {axis}, of which one depends on the batch's size, "
                f"and another does not"
            )
        total = Size(total.factor + size.factor, max(total.power, size.power))
    dims = list(xs[0].dims)
    dims[axis] = total
    return tuple(dims), max((x.kind for x in xs), key=_KINDS.index)


def _gathered(x: Traced, index: Traced, axis: int, along: bool) -> tuple[Dims, str]:
    if along:
        return index.dims, x.kind
    return (*x.dims[:axis], *index.dims, *x.dims[axis + 1 :]), x.kind


def _scattered(x: Traced, index: Traced, axis: int, along: bool, length: Size) -> tuple[Dims, str]:
    rest = x.dims[axis + (1 if along else index.ndim) :]
    return (*x.dims[:axis], length, *rest), x.kind


def _multiplied(a: Traced, b: Traced, a_turned: bool, b_turned: bool) -> tuple[Dims, str]:
    m, n = a.dims[-1 if a_turned else -2], b.dims[-2 if b_turned else -1]
    return (*a.dims[:-2], m, n), "float"


_SHAPES: dict[str, Callable[..., tuple[Dims, str]]] = {
    "sum": _summed,
    "max": _reduced,
    "min": _reduced,
    "argmax": lambda x, axis: (_without(x.dims, (axis,)), "int"),
    "reshape": lambda x, shape: (shape, x.kind),
    "transpose": lambda x, axes: (tuple(x.dims[axis] for axis in axes), x.kind),
    "broadcast": lambda x, shape: (shape, x.kind),
    "slice": lambda x, starts, steps, shape: (shape, x.kind),
    "embed": lambda x, shape, starts, steps: (shape, x.kind),
    "concatenate": _joined,
    "product": _multiplied,
    "gather": _gathered,
    "scatter": _scattered,
    "cumulative": lambda x, axis, backward: (x.dims, x.kind),
}


def axis_of(axis: Any, ndim: int) -> int:
    """Return an axis counted from the first.

    Raises:
        ValueError: if there is no such axis.
    """
    number = operator.index(axis)
    if not -ndim <= number < ndim:
        raise ValueError(f"axis is {number}, but the array has {ndim} axes")
    return number % ndim
