"""Measurements as text and CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import placement
from .case import OPENMP, OURS, REFERENCE
from .counting import counted
from .intervals import interval_of_mean, log_ratios
from .runner import SHARES, Measurement, Verdict

# The share of the CPUs that others may keep busy before a run is called disturbed.
BUSY = 0.5
# How many of a group's cases a summary names.
WORST = 5

COLUMNS = (
    "case",
    "library",
    "seconds",
    "seconds_low",
    "seconds_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "steady",
    "operations_per_second",
    "multiply_add_share",
    "bfloat16_share",
    "bytes_per_second",
    "read_share",
    "error_largest",
    "error_rms",
    "error_ulp",
    "difference",
    "tolerance",
    "agrees",
    "flops",
    "bytes",
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
    """Return how many times as long a peer took: ``2.50x``."""
    return f"{_three_digits(ratio)}x"


def format_difference(measurement: Measurement) -> str:
    """Return the largest difference, and what was allowed if it is more than that."""
    text = "none" if measurement.difference == 0 else f"{measurement.difference:.1e}"
    if measurement.difference <= measurement.tolerance and not measurement.agrees:
        return f"{text} (error of at most {measurement.accuracy:.1e} allowed)"
    return text if measurement.agrees else f"{text} (at most {measurement.tolerance:.1e} allowed)"


def format_machine(environment: Mapping[str, Any]) -> str:
    """Return one line: the version, the CPU, the instruction set and the threads."""
    threads = environment["threads"]
    text = (
        f"unitgain {environment['unitgain']} on {environment['cpu']}, instruction set "
        f"{environment['instruction_set']}, {threads} thread{'s' if threads > 1 else ''}"
    )
    pinned = environment.get("pinned_to")
    if pinned and len(pinned) < environment["cpus"]:
        text += f", pinned to CPU{'s' if len(pinned) > 1 else ''} {placement.name(pinned)}"
    return text


def format_environment(environment: Mapping[str, Any]) -> str:
    """Return the lines that head a run: the machine, what runs on it, and warnings."""
    versions = ", ".join(f"{name} {text}" for name, text in environment["libraries"].items())
    lines = [
        format_machine(environment),
        f"compared with {versions} (Python {environment['python']})",
    ]
    if environment["limits"]:
        values = " ".join(f"{name}={value}" for name, value in environment["limits"].items())
        lines.append(f"instruction sets limited by {values}")
    lines += [f"warning: {text}" for text in environment_warnings(environment)]
    return "\n".join(lines)


def environment_warnings(environment: Mapping[str, Any]) -> list[str]:
    """Return what makes the times of a run worth less."""
    found = []
    if environment["load"] > BUSY * environment["cpus"]:
        found.append(
            f"{environment['load']:.1f} threads were running here in the last minute, on "
            f"{environment['cpus']} CPUs; on a busy machine every time is too long"
        )
    settings = environment["openblas_settings"]
    if settings:
        names = " and ".join(f"{name}={value}" for name, value in settings.items())
        found.append(
            f"{names} in the environment replaces what OpenBLAS detects and slows NumPy "
            "down; unset it for a fair comparison"
        )
    return found


def format_peaks(environment: Mapping[str, Any]) -> str:
    """Return the lines that say how fast the machine computes and reads at best."""
    names = {
        "float32": "float32 multiply-add",
        "float64": "float64 multiply-add",
        "avx512_bf16": "AVX512-BF16",
        "amx_bf16": "AMX-BF16",
    }
    computes = ", ".join(
        f"{names[name]} {rate / 1e9:.0f} GFLOP/s" for name, rate in environment["peaks"].items()
    )
    reads = ", ".join(
        f"{name} {rate / 1e9:.0f} GB/s" for name, rate in environment["read_rates"].items()
    )
    return f"measured peaks of all threads: {computes}; reading {reads}"


def format_case(measurements: Sequence[Measurement]) -> str:
    """Return one case as a block of lines: one for each library, and the fastest peer."""
    rows = [_cells(m) for m in measurements]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [f"{measurements[0].case}: {measurements[0].title}"]
    for m, row in zip(measurements, rows, strict=True):
        ratio = "" if m.library == OURS else format_ratio(m.ratio)
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True) if width]
        time = f"{format_seconds(m.times.median):>9}"
        if not m.times.steady:
            cells.append(
                f"not steady: {format_seconds(m.times.low)} to {format_seconds(m.times.high)}"
            )
        lines.append("   ".join([f"  {m.library:<13}{time}{ratio:>8}", *cells]).rstrip())
    if len(measurements) > 2:
        peer = fastest_peer(measurements)
        lines.append(f"  the fastest peer, {peer.library}, takes {peer.ratio:.2f} times as long")
    return "\n".join(lines)


def format_verdicts(verdicts: Sequence[Verdict]) -> str:
    """Return one case's largest errors in a line, with what is allowed and what is too much."""
    first = verdicts[0]
    against = "" if first.is_exact else ", against NumPy"
    cells = []
    for v in verdicts:
        text = f"{v.library} {'none' if v.error == 0 else f'{v.error:.1e}'}"
        text += f" ({format_ulp(v.ulp)})" if v.ulp else ""
        cells.append(text if v.agrees else f"{text} WRONG")
    loosest = max(v.tolerance for v in verdicts)
    allowed = f"{first.tolerance:.1e}"
    if loosest > first.tolerance:
        allowed += f", the others {loosest:.1e}"
    return f"{first.case}: at most {allowed}{against}: {', '.join(cells)}"


def format_ulp(ulp: float) -> str:
    """Return an error in units in the last place: ``1.2 ulp``, ``1.7e+07 ulp``."""
    return f"{ulp:.1f} ulp" if ulp < 1000 else f"{ulp:.1e} ulp"


def _cells(m: Measurement) -> list[str]:
    """Return what a line says after the times, each cell empty where the case does not tell."""
    share = {
        name: f"{m.shares[name]:.0%} of {what}" if name in m.shares else ""
        for name, what in zip(SHARES, ("peak", "bfloat16 peak", "read rate"), strict=True)
    }
    return [
        f"{m.rate / 1e9:.1f} GFLOP/s" if m.rate else "",
        share["multiply_add"],
        share["bfloat16"],
        f"{m.read_rate / 1e9:.1f} GB/s" if m.read_rate else "",
        share["read"],
        f"error {m.error[0]:.1e}, rms {m.error[1]:.1e}" if m.error else "",
        format_ulp(m.ulp) if m.ulp is not None else "",
        "" if m.library == REFERENCE else f"difference {format_difference(m)}",
    ]


def fastest_peer(measurements: Iterable[Measurement]) -> Measurement:
    """Return the measurement of the fastest library that is not unitgain, on whatever layer.

    One whose result is wrong counts only where no other has a right one.
    """
    peers = [m for m in measurements if m.library not in (OURS, OPENMP)]
    return min(peers, key=lambda m: (not m.agrees, m.times.median))


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean of positive numbers."""
    logarithms = [math.log(value) for value in values]
    return math.exp(math.fsum(logarithms) / len(logarithms))


def _by_case(measurements: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    cases: dict[str, list[Measurement]] = {}
    for m in measurements:
        cases.setdefault(m.case, []).append(m)
    return cases


def format_summary(measurements: Iterable[Measurement]) -> str:
    """Return the peers' times over unitgain's by groups of cases, as geometric means.

    A group is what the cases' names have in common before the last slash. With the means stand
    their intervals, see :mod:`unitgain.benchmarks.intervals`. Ratios of which one time is not
    steady are left out and named. After the table, each group's worst cases, those in which the
    fastest peer took the least of unitgain's time.
    """
    measurements = list(measurements)
    rows, worst = [], []
    peers = list(dict.fromkeys(m.library for m in measurements if m.library != OURS))
    for group, cases in groups_of(measurements).items():
        means = []
        for peer in peers:
            means.append(_mean([m for case in cases for m in case if m.library == peer]))
        fastest = sorted((fastest_peer(case) for case in cases), key=lambda m: m.ratio)
        rows.append((group, str(len(cases)), *means, _mean(fastest), f"{fastest[0].ratio:.2f}"))
        named = ", ".join(
            f"{m.case.rpartition('/')[2]} {m.ratio:.2f} ({m.library})" for m in fastest[:WORST]
        )
        worst.append(f"  {group}: {named}")
    headers = ("peers' times over unitgain's", "cases", *peers, "fastest", "worst")
    table = format_table(headers, rows)
    parts = [f"{table}\n\nthe worst of each, against the fastest peer:\n" + "\n".join(worst)]
    left_out = list(dict.fromkeys(m.case for m in measurements if not m.steady))
    if left_out:
        parts.append("left out where the times were not steady: " + ", ".join(left_out))
    return "\n\n".join(parts)


def groups_of(measurements: Iterable[Measurement]) -> dict[str, list[list[Measurement]]]:
    """Return the steady measurements of each case whose fastest peer's is, by groups of cases.

    Those of libraries whose result is wrong are left out.
    """
    groups: dict[str, list[list[Measurement]]] = {}
    for name, case in _by_case(measurements).items():
        peers = [m for m in case if m.library not in (OURS, OPENMP)]
        if peers and (fastest := fastest_peer(peers)).steady and fastest.agrees:
            kept = [m for m in case if m.steady and m.agrees]
            groups.setdefault(name.rpartition("/")[0], []).append(kept)
    return groups


def _mean(measurements: Sequence[Measurement]) -> str:
    """Return the geometric mean of ratios with its interval; nothing of none."""
    if not measurements:
        return ""
    low, high = interval_of_mean(log_ratios(m.times, m.ours) for m in measurements)
    return f"{geometric_mean(m.ratio for m in measurements):.2f} ({low:.2f}-{high:.2f})"


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

    An infinite difference or error (see :func:`~unitgain.benchmarks.case.difference`) is None.
    """
    counts = counted(measurement.case)
    values = (
        measurement.case,
        measurement.library,
        measurement.times.median,
        measurement.times.low,
        measurement.times.high,
        measurement.ratio,
        *measurement.interval,
        measurement.steady,
        measurement.rate or None,
        measurement.shares.get("multiply_add"),
        measurement.shares.get("bfloat16"),
        measurement.read_rate or None,
        measurement.shares.get("read"),
        *(_finite(error) for error in measurement.error or (None, None)),
        _finite(measurement.ulp),
        _finite(measurement.difference),
        measurement.tolerance,
        measurement.agrees,
        counts.operations if counts else None,
        counts.bytes if counts else None,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def write_csv(
    path: Path, environment: Mapping[str, Any], measurements: Iterable[Measurement]
) -> None:
    """Write one row for each measurement, with the instruction set and threads in each."""
    settings = {key: environment[key] for key in ("cpu", "instruction_set", "threads")}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *settings])
        writer.writeheader()
        writer.writerows({**as_record(m), **settings} for m in measurements)
