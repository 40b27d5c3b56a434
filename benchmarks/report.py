"""Measurements as text, JSON and CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .case import OURS, REFERENCE
from .runner import Measurement

# The share of the CPUs that others may keep busy before a run is called disturbed.
BUSY = 0.5

COLUMNS = (
    "case",
    "library",
    "seconds",
    "seconds_low",
    "seconds_high",
    "ratio",
    "operations_per_second",
    "difference",
    "tolerance",
    "agrees",
)


def format_seconds(seconds: float) -> str:
    """Return a time with three significant digits and its unit: ``1.23 ms``."""
    for factor, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds)} s"


def _three_digits(value: float) -> str:
    return (
        f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
    )


def format_ratio(ratio: float) -> str:
    """Return how many times as long a peer took: ``2.5x``."""
    return f"{ratio:.0f}x" if ratio >= 99.5 else f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x"


def format_difference(measurement: Measurement) -> str:
    """Return the largest difference, and what was allowed if it is more than that."""
    text = "none" if measurement.difference == 0 else f"{measurement.difference:.1e}"
    return text if measurement.agrees else f"{text} (at most {measurement.tolerance:.1e} allowed)"


def format_machine(environment: Mapping[str, Any]) -> str:
    """Return one line: the version, the CPU, the instruction set and the threads."""
    threads = environment["threads"]
    return (
        f"unitgain {environment['unitgain']} on {environment['cpu']}, instruction set "
        f"{environment['instruction_set']}, {threads} thread{'s' if threads > 1 else ''}"
    )


def format_environment(environment: Mapping[str, Any]) -> str:
    """Return the lines that head a run: the machine, what runs on it, and warnings."""
    versions = ", ".join(f"{name} {text}" for name, text in environment["libraries"].items())
    lines = [
        format_machine(environment),
        f"compared with {versions} (Python {environment['python']})",
    ]
    if environment["load"] > BUSY * environment["cpus"]:
        lines.append(
            f"warning: {environment['load']:.1f} threads were running here in the last minute, on "
            f"{environment['cpus']} CPUs; on a busy machine every time is too long"
        )
    settings = environment["openblas_settings"]
    if settings:
        names = " and ".join(f"{name}={value}" for name, value in settings.items())
        lines.append(
            f"warning: {names} in the environment replaces what OpenBLAS detects and slows NumPy "
            "down; unset it for a fair comparison"
        )
    return "\n".join(lines)


def format_case(measurements: Sequence[Measurement]) -> str:
    """Return one case as a block of lines, a line for each library."""
    lines = [f"{measurements[0].case}: {measurements[0].title}"]
    for m in measurements:
        ratio = "" if m.library == OURS else format_ratio(m.ratio)
        rate = f"{m.rate / 1e9:.1f} GFLOP/s" if m.rate else ""
        gap = "" if m.library == REFERENCE else f"difference {format_difference(m)}"
        line = f"  {m.library:<13}{format_seconds(m.times.median):>9}{ratio:>8}{rate:>16}   {gap}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def format_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with its first column flush left and the others flush right."""
    rows = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        return "   ".join([row[0].ljust(widths[0]), *rest]).rstrip()

    rule = "   ".join("-" * width for width in widths)
    return "\n".join([line(rows[0]), rule, *(line(row) for row in rows[1:])])


def as_record(measurement: Measurement) -> dict[str, Any]:
    """Return a measurement as one flat record, its keys those of ``COLUMNS``.

    An infinite difference (see :func:`~unitgain.benchmarks.case.difference`) is None.
    """
    values = (
        measurement.case,
        measurement.library,
        measurement.times.median,
        measurement.times.low,
        measurement.times.high,
        measurement.ratio,
        measurement.rate or None,
        measurement.difference if math.isfinite(measurement.difference) else None,
        measurement.tolerance,
        measurement.agrees,
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_json(
    path: Path, environment: Mapping[str, Any], measurements: Iterable[Measurement]
) -> None:
    """Write the environment and one record for each measurement."""
    document = {"environment": environment, "results": [as_record(m) for m in measurements]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(
    path: Path, environment: Mapping[str, Any], measurements: Iterable[Measurement]
) -> None:
    """Write one row for each measurement, with the instruction set and threads in each."""
    settings = {key: environment[key] for key in ("cpu", "instruction_set", "threads")}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *settings])
        writer.writeheader()
        writer.writerows({**as_record(m), **settings} for m in measurements)
