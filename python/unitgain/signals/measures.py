"""From the native sums over a batch to what a layer's signals are like."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unitgain import _native
from unitgain.signals.limits import LIMITS
from unitgain.signals.places import Place, activation_of, is_softmax, kernel_of

__all__ = ["Distribution", "LayerSignals", "Measured", "measure", "merged"]

# The rows of the native sums, see ColumnSum in unitgain/signals.hpp.
_SUM, _SQUARES, _PROJECTION, _ZEROS, _SMALLEST, _LARGEST, _SATURATED = range(7)
_NO_GRADIENT = (math.nan, math.nan)


class Measured(NamedTuple):
    """The native pass's sums of one node.

    Attributes:
        rows: how many rows the sums are over.
        has_slope: whether saturated values were counted.
        values: the sums over the values, ``(7, columns)``.
        gradients: those over the loss's gradient there, or None.
        histogram: counts between the smallest and the largest value, or None.
    """

    rows: int
    has_slope: bool
    values: NDArray[np.float64]
    gradients: NDArray[np.float64] | None
    histogram: NDArray[np.float64] | None


@dataclass
class Distribution:
    """Statistics of the values at a place, over rows and units.

    Attributes:
        mean: of all values.
        variance: of all values.
        spread: the root of the mean over the units of the variance over the rows: what of the
            values tells one row from another. Of one row, the root mean square.
        zeros: the share of zeros.
        saturated: the share of values where the activation's slope is below a hundredth of its
            largest; NaN if there is no activation of single values.
        smallest: the smallest value.
        largest: the largest value.
        histogram: counts in bins of equal width between the two; None if not asked for.
    """

    mean: float
    variance: float
    spread: float
    zeros: float
    saturated: float
    smallest: float
    largest: float
    histogram: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def rms(self) -> float:
        """The root mean square."""
        return math.sqrt(self.mean**2 + self.variance)

    @property
    def is_finite(self) -> bool:
        """Whether all values are."""
        return math.isfinite(self.mean) and math.isfinite(self.variance)


@dataclass
class LayerSignals:
    """The signals of one layer, and what they mean.

    Attributes:
        name: the layer's name.
        kind: its class's.
        activation: its activation's, ``linear`` for none.
        units: the features behind it.
        before: the values before its activation; None where they were not computed.
        after: those behind it. A softmax that the loss takes together with its logits is not run:
            then they are None.
        dead: the units that are zero over all rows behind an activation, by their index.
        copies: groups of units that are copies of each other, forward and backward.
        gradient_norm: of the loss's gradient before the activation; NaN if none leads there.
        gradient_variance: of the same, over rows and units.
        kernel_gradient_norm: of the gradient at the kernel, without penalties.
        update_ratio: the norm of a step's change of the kernel over the kernel's.
        condition: the largest over the smallest singular value of the kernel.
        forward_gain: the spread behind the layer over that in front of it.
        backward_gain: the norm of the gradient in front of the layer over that behind it; NaN if
            what it reads is read by others, too, whose gradients add up there.
        forward_total: the spread behind it over that of the model's inputs.
        backward_total: the gradient's norm before the activation over that at the model's outputs.
        verdict: ``healthy``, or what is wrong, the gravest first.
        advice: what to do, a sentence each.
    """

    name: str
    kind: str
    activation: str
    units: int
    before: Distribution | None = None
    after: Distribution | None = None
    dead: list[int] = field(default_factory=list)
    copies: list[list[int]] = field(default_factory=list)
    gradient_norm: float = math.nan
    gradient_variance: float = math.nan
    kernel_gradient_norm: float = math.nan
    update_ratio: float = math.nan
    condition: float = math.nan
    forward_gain: float = math.nan
    backward_gain: float = math.nan
    forward_total: float = math.nan
    backward_total: float = math.nan
    verdict: str = "healthy"
    advice: list[str] = field(default_factory=list)

    @property
    def dead_share(self) -> float:
        """The share of the units that are dead."""
        return len(self.dead) / self.units


def merged(batches: Sequence[dict[int, Measured]]) -> dict[int, Measured]:
    """Return the sums over several batches; the histograms are the first batch's."""
    total = dict(batches[0])
    for batch in batches[1:]:
        for node, one in batch.items():
            known = total[node]
            gradients = None
            if known.gradients is not None and one.gradients is not None:
                gradients = _added(known.gradients, one.gradients)
            total[node] = Measured(
                known.rows + one.rows,
                known.has_slope,
                _added(known.values, one.values),
                gradients,
                known.histogram,
            )
    return total


def _added(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    total = a + b
    total[_SMALLEST] = np.minimum(a[_SMALLEST], b[_SMALLEST])
    total[_LARGEST] = np.maximum(a[_LARGEST], b[_LARGEST])
    return total


class _Totals(NamedTuple):
    """Totals of the sums of a node's columns, see ColumnTotals in unitgain/signals.hpp."""

    total: float
    squares: float
    zeros: float
    saturated: float
    squares_of_sums: float
    smallest: float
    largest: float
    most_zeros: float
    equal_neighbours: float


def _totals(sums: Sequence[NDArray[np.float64]], rows: Sequence[int]) -> list[_Totals]:
    tolerance = LIMITS["copies"].value
    return [_Totals(*row) for row in _native.column_totals(sums, rows, tolerance).tolist()]


def _totals_of(nodes: Mapping[int, Measured]) -> dict[int, _Totals]:
    found = _totals([node.values for node in nodes.values()], [n.rows for n in nodes.values()])
    return dict(zip(nodes, found, strict=True))


def distributions(nodes: Mapping[int, Measured]) -> dict[int, Distribution]:
    """Return what the values at each node are like."""
    return {n: _distribution(nodes[n], totals) for n, totals in _totals_of(nodes).items()}


def _distribution(node: Measured, totals: _Totals) -> Distribution:
    """Return what the values at a node are like."""
    rows = node.rows
    count = rows * node.values.shape[1]
    mean, square = totals.total / count, totals.squares / count
    variance = max(square - mean**2, 0.0) if math.isfinite(square) else math.nan
    within = square - totals.squares_of_sums / (rows * count)
    if rows > 1 and within > 1e-12 * square:  # what remains of the difference is rounding
        spread = math.sqrt(within)
    elif rows > 1 and math.isfinite(square):
        spread = 0.0
    else:
        spread = math.sqrt(square) if square >= 0 else math.nan
    return Distribution(
        mean,
        variance,
        spread,
        totals.zeros / count,
        totals.saturated / count if node.has_slope else math.nan,
        totals.smallest,
        totals.largest,
        node.histogram,
    )


def likeness(node: Measured) -> float:
    """Return how like the rows are: the squared norm of their mean over their mean squared norm.

    Of rows of mean 0 and of no likeness it is one over their number, and 0 is returned.
    """
    sums, rows = node.values, node.rows
    squares = float(sums[_SQUARES].sum()) / rows
    if rows < 2 or not squares > 0 or not math.isfinite(squares):
        return 1.0
    mean = float(sums[_SUM] @ sums[_SUM]) / rows**2
    return min(max((mean / squares - 1 / rows) / (1 - 1 / rows), 0.0), 1.0)


def dead_units(node: Measured) -> list[int]:
    """Return the units that are zero over all rows."""
    return np.flatnonzero(node.values[_ZEROS] == node.rows).tolist()


def _neighbours_equal(
    sums: NDArray[np.float64], order: NDArray[np.intp], rows: int, which: Sequence[int]
) -> NDArray[np.bool_]:
    """Return whether sums of each column and of the next in an order are equal, to rounding."""
    norms = np.sqrt(sums[_SQUARES, order] * rows)
    larger = np.maximum(norms[1:], norms[:-1])
    same = np.ones(len(larger), bool)
    for row in which:
        values = sums[row, order]
        limit = LIMITS["copies"].value * larger * (larger if row == _SQUARES else 1.0)
        same &= np.abs(values[1:] - values[:-1]) <= limit
    return same


def copied_units(node: Measured) -> list[list[int]]:
    """Return the groups of units that are copies of each other, values and gradients alike."""
    if node.rows < 4 or node.values.shape[1] < 2:
        return []
    # Sorted by one number, copies are neighbours.
    order = np.argsort(node.values[_PROJECTION], kind="stable")
    same = _neighbours_equal(node.values, order, node.rows, (_PROJECTION,))
    if same.any():
        same &= _neighbours_equal(node.values, order, node.rows, (_SUM, _SQUARES))
        if node.gradients is not None:
            rows = (_PROJECTION, _SUM, _SQUARES)
            same &= _neighbours_equal(node.gradients, order, node.rows, rows)
    groups: list[list[int]] = []
    for i in np.flatnonzero(same):
        if groups and groups[-1][-1] == order[i]:
            groups[-1].append(int(order[i + 1]))
        else:
            groups.append([int(order[i]), int(order[i + 1])])
    return [sorted(group) for group in groups]


def gradients(nodes: Mapping[int, Measured]) -> dict[int, tuple[float, float]]:
    """Return the norm and the variance of the gradient at each node that has one."""
    known = {n: node.gradients for n, node in nodes.items() if node.gradients is not None}
    if not known:
        return {}
    found = {}
    totals = _totals(list(known.values()), [nodes[n].rows for n in known])
    for (n, sums), (total, squares, *_) in zip(known.items(), totals, strict=True):
        count = nodes[n].rows * sums.shape[1]
        found[n] = (
            math.sqrt(squares) if squares >= 0 else math.nan,
            squares / count - (total / count) ** 2,
        )
    return found


def measure(places: Sequence[Place], nodes: dict[int, Measured]) -> list[LayerSignals]:
    """Return the signals of each place, without verdicts."""
    totals = _totals_of(nodes)
    known = {n: _distribution(nodes[n], one) for n, one in totals.items()}
    backward = gradients(nodes)
    found = []
    readers = Counter(node for place in places if place.nodes for node in set(place.inputs))
    behind: list[int | None] = []  # the node that has each place's values, if one was measured
    for place in places:
        mine = [n for n in place.nodes if n in nodes]
        if mine:
            last: int | None = mine[-1]
        elif len(place.sources) == 1 and not is_softmax(place.layer):
            last = behind[place.sources[0]]  # it hands its input on
        else:
            last = None
        behind.append(last)
        sources = [behind[s] for s in place.sources]
        found.append(_layer(place, nodes, totals, known, backward, mine, last, sources))
        if any(readers[node] > 1 for node in place.inputs):
            found[-1].backward_gain = math.nan
    _set_totals(places, found, behind, backward)
    return found


def _layer(
    place: Place,
    nodes: dict[int, Measured],
    totals: dict[int, _Totals],
    known: dict[int, Distribution],
    backward: dict[int, tuple[float, float]],
    mine: list[int],
    last: int | None,
    sources: list[int | None],
) -> LayerSignals:
    layer = place.layer
    activation = activation_of(layer)
    signals = LayerSignals(
        place.name, "Input" if layer is None else type(layer).__name__, activation, place.shape[-1]
    )
    first = mine[0] if mine else last
    if activation != "linear" and len(mine) == 1 and nodes[mine[0]].has_slope:
        first = sources[0]  # an activation by itself
    if first is not None:
        signals.before = known[first]
        signals.gradient_norm, signals.gradient_variance = backward.get(first, _NO_GRADIENT)
    ends_unseen = is_softmax(layer) and len(mine) < len(place.nodes)
    if last is not None and not ends_unseen:
        signals.after = known[last]
        is_bent = activation not in ("linear", "softmax", "log_softmax")
        if is_bent and mine and totals[last].most_zeros == nodes[last].rows:
            signals.dead = dead_units(nodes[last])
    # NaN, of values that are not finite, is looked at, too.
    if mine and kernel_of(layer) is not None and totals[mine[0]].equal_neighbours != 0:
        signals.copies = copied_units(nodes[mine[0]])
    read = [s for s in sources if s is not None]
    if read and last is not None and mine:
        # The softmax left out keeps what it is given: logits.
        before = math.sqrt(
            sum(known[s].spread ** 2 * _columns(nodes, s) for s in read)
            / sum(_columns(nodes, s) for s in read)
        )
        signals.forward_gain = _ratio(known[last].spread, before)
        norms = (backward.get(s, _NO_GRADIENT)[0] for s in dict.fromkeys(read))
        signals.backward_gain = _ratio(math.hypot(*norms), backward.get(last, _NO_GRADIENT)[0])
    return signals


def _columns(nodes: dict[int, Measured], node: int) -> int:
    return int(nodes[node].values.shape[1])


def _ratio(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 else math.inf
    return a / b


def _set_totals(
    places: Sequence[Place],
    layers: Sequence[LayerSignals],
    behind: Sequence[int | None],
    backward: dict[int, tuple[float, float]],
) -> None:
    """Set the totals: of the values over the inputs', of the gradients over the outputs'."""
    inputs = [layer.after for p, layer in zip(places, layers, strict=True) if not p.inputs]
    reference = max((d.spread for d in inputs if d is not None), default=math.nan)
    read = {s for place in places for s in place.sources}
    ends = {behind[i] for i in range(len(places)) if i not in read}
    # Where the softmax of an output was left out, the place before it is the end.
    ends |= {behind[s] for i, p in enumerate(places) if behind[i] is None for s in p.sources}
    norms = [backward[end][0] for end in ends if end in backward]
    last = max((norm for norm in norms if not math.isnan(norm)), default=math.nan)
    for layer in layers:
        if layer.after is not None:
            layer.forward_total = _ratio(layer.after.spread, reference)
        layer.backward_total = _ratio(layer.gradient_norm, last)
