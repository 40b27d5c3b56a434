"""How times grow with size, batch and threads, and what a call, an element, a flop cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import unitgain as ug

from . import activations, inference, training
from .case import OURS, Array, Case, Contender, Trial
from .products import Product
from .products import trial as product_trial
from .report import format_seconds

SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)
VALUES = (256, 1024, 4096, 16384, 65536, 262144, 1 << 20)
NETWORK = (784, 300, 100, 10)
BATCHES = (8, 16, 32, 64, 128, 256, 512)
ROWS = (1, 4, 16, 64, 256, 999)
THREADED_SIDE, THREADED_BATCH = 512, 512

# The terms of a group's times beside a constant: by the number that ends a case's name.
TERMS: dict[str, dict[str, Callable[[Array], Array]]] = {
    "scaling/product": {"element": lambda n: 3 * n**2, "flop": lambda n: 2 * n**3},
    "scaling/tanh": {"element": lambda n: n},
    "scaling/step": {"row": lambda n: n},
    "scaling/inference": {"row": lambda n: n},
    # Amdahl's law: what one thread does alone is the constant.
    "scaling/threads-product": {"shared among threads": lambda t: 1 / t},
    "scaling/threads-step": {"shared among threads": lambda t: 1 / t},
}


def cases() -> list[Case]:
    """Return products and tanh by size, a step and inference by batch, and two by threads."""
    step = partial(training._Training, NETWORK)
    threads = sorted({1 << i for i in range(10) if 1 << i < ug.num_threads()} | {ug.num_threads()})
    found = [_named(_product(n), "product", n) for n in SIDES]
    found += [_named(activations._forward("tanh", (1, n), np.float32), "tanh", n) for n in VALUES]
    found += [_named(training._step(step(batch)), "step", batch) for batch in BATCHES]
    found += [_named(inference._case(NETWORK, rows, False), "inference", rows) for rows in ROWS]
    for t in threads:
        found.append(_on(_named(_product(THREADED_SIDE), "threads-product", t), t))
        found.append(_on(_named(training._step(step(THREADED_BATCH)), "threads-step", t), t))
    return found


def _product(n: int) -> Case:
    return Case("", f"matrix product, {n} x {n}, float32", partial(product_trial, Product(n, n, n)))


def _named(case: Case, group: str, number: int) -> Case:
    return replace(case, name=f"scaling/{group}/{number}", quick=(group, number) == ("product", 32))


def _on(case: Case, threads: int) -> Case:
    """Return the case with unitgain on so many threads, the others on all that they take."""

    def prepare() -> Trial:
        trial = case.prepare()

        def unitgain() -> Contender:
            contender = trial.contenders[OURS]()

            def on_threads(run: Callable[[], Any]) -> Any:
                with ug.threads(threads):
                    return run()

            return Contender(
                partial(on_threads, contender.run), partial(on_threads, contender.result)
            )

        return replace(trial, contenders={**trial.contenders, OURS: unitgain})

    title = f"{case.title}, unitgain on {threads} thread{'s' if threads > 1 else ''}"
    return replace(case, prepare=prepare, title=title)


@dataclass(frozen=True)
class Fit:
    """A library's times in a group as a sum: a constant, and so much for each unit.

    ``costs`` has seconds by ``call`` and the names in ``TERMS``; ``error`` is the root mean square
    of the relative differences between the times and the sum.
    """

    group: str
    library: str
    costs: dict[str, float]
    error: float


def fits(measurements: Iterable[Any]) -> list[Fit]:
    """Return the least-squares fits of each group and library that was measured at enough sizes.

    Errors are relative, so that small sizes count as much as large ones, and costs are not
    negative. unitgain alone is fitted by threads. Times that are not steady are left out.
    """
    times: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for m in measurements:
        group, _, number = m.case.rpartition("/")
        if m.times.steady and group in TERMS and (m.library == OURS or "threads" not in group):
            times.setdefault((group, m.library), []).append((int(number), m.times.median))
    found = []
    for (group, library), points in times.items():
        names = ["call", *TERMS[group]]
        if len({number for number, _ in points}) < len(names):
            continue
        numbers, seconds = np.array(points).T
        columns = [np.ones_like(numbers), *(term(numbers) for term in TERMS[group].values())]
        relative = np.stack(columns, axis=1) / seconds[:, None]
        costs = _nonnegative(relative)
        error = float(np.sqrt(np.mean((relative @ costs - 1) ** 2)))
        found.append(Fit(group, library, dict(zip(names, costs.tolist(), strict=True)), error))
    return found


def _nonnegative(columns: Array) -> Array:
    """Return the coefficients that bring the columns' sum next to 1, none of them negative.

    Of few columns each choice of those that count can be tried.
    """
    count = columns.shape[1]
    best, least = np.zeros(count), np.inf
    for mask in range(1, 1 << count):
        chosen = [i for i in range(count) if mask >> i & 1]
        part = columns[:, chosen]
        scale = np.sqrt((part**2).sum(axis=0))
        solved = np.linalg.lstsq(part / scale, np.ones(len(part)), rcond=None)[0] / scale
        error = float(np.sum((part @ solved - 1) ** 2))
        if (solved >= 0).all() and error < least:
            least, best = error, np.zeros(count)
            best[chosen] = solved
    return best


def format_fits(found: Sequence[Fit]) -> str:
    """Return the costs as lines: of each group, a library in a line."""
    lines = []
    for group in dict.fromkeys(fit.group for fit in found):
        lines.append(f"{group}: cost of a call, and by {', '.join(TERMS[group])}")
        for fit in (fit for fit in found if fit.group == group):
            costs = "   ".join(f"{_cost(cost):>12}" for cost in fit.costs.values())
            lines.append(f"  {fit.library:<13}{costs}   within {fit.error:.0%}")
    return "\n".join(lines)


def _cost(seconds: float) -> str:
    """Return a cost, which may be a small part of a nanosecond, or none."""
    if seconds == 0:
        return "none"
    return format_seconds(seconds) if seconds >= 1e-9 else f"{seconds * 1e12:.3g} ps"
