"""Functions of samples, as networks take them: nodes, losses and metrics of traced functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unitgain import _native
from unitgain.ops import lowering, sizes
from unitgain.ops.derivatives import gradients, in_order
from unitgain.ops.grouping import LEAVES, root
from unitgain.ops.reductions import reduce
from unitgain.ops.sizes import BATCH, ONE, Dims
from unitgain.ops.tracing import (
    Trace,
    Traced,
    TraceError,
    is_traced,
    lifted,
    record,
    tracing,
    watching,
)

__all__ = ["TracedNode", "batch_of", "by_row", "loss_programs", "metric_program"]

# What costs more to compute again than to keep.
_KEPT = frozenset(("product", "gather", "scatter", "cumulative"))


def batch_of(shape: Sequence[int]) -> Dims:
    """Return the shape of a batch of samples of a shape."""
    return (BATCH, *sizes.fixed(shape))


class TracedNode:
    """A function of samples as a node of a network.

    Args:
        function: is given a place for each input, and returns a traced value or a list of them.
        shapes: of the inputs' samples.
        dtype: float32 or float64.
        variables: those whose arrays the function may use.
        which: the output that the node is, of several.

    Attributes:
        variables: those that the function has used.
        output: what it returns.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        shapes: Sequence[Sequence[int]],
        dtype: str,
        variables: Sequence[Any] = (),
        which: int | None = None,
    ) -> None:
        self.trace = Trace(dtype)
        self.inputs = [self.trace.input(batch_of(shape)) for shape in shapes]
        with tracing(self.trace), watching(variables):
            made = function(*self.inputs)
        self.outputs: list[Traced] = [
            lifted(self.trace, one) for one in (made if isinstance(made, (list, tuple)) else [made])
        ]
        self.is_list = isinstance(made, (list, tuple))
        self.output = self.outputs[which or 0]
        self.variables = [holder for holder, _ in self.trace.variables]

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of a sample of each output.

        Raises:
            ValueError: if an output is no batch of samples, or has other samples' shapes.
        """
        made = []
        for output in self.outputs:
            dims = output.dims
            if len(dims) < 2 or dims[0] != BATCH or any(size.power for size in dims[1:]):
                raise ValueError(
                    f"the function returns an array of shape {sizes.text(dims)}, expected samples "
                    f"along the first axis, (batch, ...)"
                )
            made.append(tuple(size.factor for size in dims[1:]))
        return made

    def passes(self, parameters: Sequence[Any], differentiable: bool = True) -> tuple[Any, ...]:
        """Return the programs of a node: forward, saving, backward, and what the last reads.

        Args:
            parameters: the variables in the order of the node's parameters.
            differentiable: whether there is to be a backward pass.
        """
        places = [self.trace.variable(one) for one in parameters]
        given = [*self.inputs, *places]
        output = self.output
        forward = _program(given, [output])
        if not differentiable:
            return forward, None, None, False
        upstream = self.trace.input(output.dims)
        found = [
            _zeros(x) if part is None else lifted(self.trace, part)
            for x, part in zip(given, gradients([output], given, [upstream]), strict=True)
        ]
        saved = self._saved(found, given)
        own = root(output)
        reads = any(value is own for value in saved)
        kept = [value for value in saved if value is not own]
        return (
            forward,
            _program(given, [output, *kept]),
            _program([*given, upstream, *([own] if reads else []), *kept], found),
            reads,
        )

    def _saved(self, found: Sequence[Traced], given: Sequence[Traced]) -> list[Traced]:
        """Return the forward pass's values that the backward pass takes as they are."""
        own = root(self.output)
        forward = in_order([self.output])
        candidates = [value for value in forward if value.name in _KEPT]
        if own.name not in LEAVES and not any(value is own for value in candidates):
            candidates.append(own)
        needed = {id(value) for value in in_order(found, candidates)}
        return [value for value in candidates if id(value) in needed]


def _zeros(x: Traced) -> Any:
    return record("broadcast", lifted(x.trace, 0.0), shape=x.dims)


def _program(inputs: Sequence[Traced], outputs: Sequence[Traced]) -> Any:
    return _native.Expression(lowering.program(inputs, outputs))


# ---- losses and metrics ----


def _values(
    function: Callable[..., Any], targets: Sequence[int], shape: Sequence[int], name: str
) -> tuple[Trace, Traced, Traced, Traced]:
    """Return the trace, the places of targets and outputs, and what a function makes of them."""
    trace = Trace()
    y_true, y_pred = trace.input(batch_of(targets)), trace.input(batch_of(shape))
    with tracing(trace):
        made = function(y_true, y_pred)
        if made is None or (not is_traced(made) and np.asarray(made).dtype.kind not in "biuf"):
            raise TypeError(f"{name} returns {type(made).__name__}, expected an array of values")
        return trace, y_true, y_pred, lifted(trace, made)


def _by_row(value: Traced, shape: Sequence[int], name: str) -> Traced:
    """Return a loss's values as one for each row of the outputs.

    Raises:
        ValueError: if they are neither that, nor one for each output, each sample or the batch.
    """
    rows = batch_of(shape[:-1])
    dims = value.dims
    if dims == batch_of(shape) != rows and shape[-1] >= 1 and len(dims) > len(rows):
        total = reduce("sum", value, -1, False)
        made: Traced = record("multiply", total, 1.0 / shape[-1])
        return made
    if dims == (*rows, ONE):
        value = record("reshape", value, shape=rows)
        dims = rows
    if dims != rows[: len(dims)]:
        raise ValueError(
            f"{name} returns an array of shape {sizes.text(dims)}, expected {sizes.text(rows)}: "
            f"a value for each row of the outputs"
        )
    wide = (*dims, *(ONE,) * (len(rows) - len(dims)))
    whole: Traced = record("broadcast", record("reshape", value, shape=wide), shape=rows)
    return whole


def by_row(value: Any, shape: Sequence[int], name: str) -> Any:
    """Return a loss's values, traced for arrays of this shape, as one for each row, or as one."""
    if not is_traced(value):
        raise TraceError(f"{name} does not depend on its arrays")
    dims = sizes.fixed(shape)
    if value.dims == dims and len(dims) > 1:
        return reduce("sum", value, -1, False) / shape[-1]
    if value.dims in (dims[:-1], ()):
        return value
    raise ValueError(
        f"{name} returns an array of shape {sizes.text(value.dims)}, expected {tuple(shape[:-1])}"
    )


def loss_programs(
    function: Callable[..., Any],
    targets: Sequence[int],
    shape: Sequence[int],
    name: str,
    sums: bool = False,
) -> tuple[Any, Any]:
    """Return the programs of a loss: each row's value; the same and the gradient.

    The first takes targets and outputs, the second the rows' weights, too.

    Args:
        function: is given the places of targets and outputs.
        targets: the shape of one sample's targets.
        shape: the shape of one sample's outputs.
        name: what messages call the function.
        sums: whether the rows' values are summed up, and not their mean taken: a single value of a
            function counts once either way.
    """
    trace, y_true, y_pred, value = _values(function, targets, shape, name)
    if sums and not value.dims:
        rows = sizes.count(batch_of(shape[:-1]))
        value = record("multiply", value, trace.count(rows, reciprocal=True))
    rows_value = _by_row(value, shape, name)
    upstream = trace.input(rows_value.dims)
    (found,) = gradients([rows_value], [y_pred], [upstream])
    gradient = _zeros(y_pred) if found is None else lifted(trace, found)
    return (
        _program([y_true, y_pred], [rows_value]),
        _program([y_true, y_pred, upstream], [rows_value, gradient]),
    )


def metric_program(
    function: Callable[..., Any],
    targets: Sequence[int],
    shape: Sequence[int],
    name: str,
    weighted: bool,
) -> Any:
    """Return the program of the values that a metric is the mean of.

    Args:
        function: is given the places of targets and outputs.
        targets: the shape of one sample's targets.
        shape: the shape of one sample's outputs.
        name: what messages call the function.
        weighted: whether the rows' weights count.

    Raises:
        TraceError: if the function needs values, or its values do not go with the rows' weights.
    """
    _, y_true, y_pred, value = _values(function, targets, shape, name)
    dims, rows = value.dims, batch_of(shape[:-1])
    if dims and dims[0] != BATCH:
        raise TraceError(f"{name} returns an array of shape {sizes.text(dims)}")
    if weighted and dims and dims[: len(rows)] != rows:
        raise TraceError("the rows' weights do not go with the values")
    return _program([y_true, y_pred], [value])
