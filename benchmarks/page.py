"""The report of a run as one HTML page that needs no network, and its charts as files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from .case import OURS, REFERENCE
from .intervals import interval_of_mean, log_ratios
from .report import environment_warnings, geometric_mean
from .timing import Times

Record = dict[str, Any]

# The group whose rates stand beside those of everything that is done element by element.
COPIES = "activations/copy/float32"
# Rows of the summary for one subject.
MOST_GROUPS = 16


def write_page(path: Path, contents: Mapping[str, Any]) -> None:
    """Write the report of a saved run, see :func:`unitgain.benchmarks.saved.document`."""
    template = resources.files(__package__).joinpath("report_page.html").read_text("utf-8")
    text = json.dumps(page_data(contents), ensure_ascii=False).replace("</", "<\\/")
    path.write_text(template.replace("__DATA__", text), encoding="utf-8")


def page_data(contents: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows: groups of cases, charts as points, texts."""
    environment = contents["environment"]
    records: list[Record] = list(contents["results"])
    libraries = [OURS, *dict.fromkeys(r["library"] for r in records if r["library"] != OURS)]
    groups = by_group(records)
    return {
        "title": f"unitgain {environment['unitgain']} on {environment['cpu']}",
        "date": contents["date"],
        "command": contents["command"],
        "facts": _facts(environment),
        "warnings": environment_warnings(environment),
        "libraries": libraries,
        "summary": [summary_row(*row) for row in _summarized(groups).items()],
        "unsteady": sorted({r["case"] for r in records if not r["steady"]}),
        "roofline": roofline(environment, records),
        "costs": contents.get("costs", []),
        "memory": contents.get("memory", {}),
        "groups": [
            _group(name, members, environment, groups.get(COPIES, []))
            for name, members in groups.items()
        ],
    }


def by_group(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the records by what their cases' names have in common before the last slash."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["case"].rpartition("/")[0], []).append(record)
    return groups


def summary_row(name: str, records: Iterable[Record]) -> dict[str, Any]:
    """Return the geometric mean of each peer's ratios in a group, with its interval.

    Of those that are steady, and whose results are right.
    """
    records = list(records)
    ours = {r["case"]: Times(tuple(r["turns"])) for r in records if r["library"] == OURS}
    bars = []
    for library in dict.fromkeys(r["library"] for r in records if r["library"] != OURS):
        steady = [r for r in records if r["library"] == library and r["steady"] and r["agrees"]]
        if not steady:
            continue
        low, high = interval_of_mean(
            log_ratios(Times(tuple(r["turns"])), ours[r["case"]]) for r in steady
        )
        mean = geometric_mean(r["ratio"] for r in steady)
        bars.append({"library": library, "ratio": mean, "low": low, "high": high, "steady": True})
    return {"name": name, "bars": bars}


def _summarized(groups: Mapping[str, list[Record]]) -> dict[str, list[Record]]:
    """Return the groups, those of a subject that has many of them together."""
    of_subject: dict[str, list[str]] = {}
    for name in groups:
        of_subject.setdefault(name.partition("/")[0], []).append(name)
    rows: dict[str, list[Record]] = {}
    for subject, names in of_subject.items():
        for name in names:
            row = name if len(names) <= MOST_GROUPS else subject
            rows.setdefault(row, []).extend(groups[name])
    return rows


def _facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    threads = environment["threads"]
    facts = [
        ("CPU", f"{environment['cpu']}, {environment['cpus']} logical CPUs"),
        ("instruction set", f"{environment['instruction_set']}, {threads} threads"),
        ("compared with", ", ".join(f"{n} {v}" for n, v in environment["libraries"].items())),
        ("Python", environment["python"]),
    ]
    if caches := environment.get("caches"):
        sizes = ", ".join(f"{name} {size >> 10:,} KiB" for name, size in caches.items())
        facts.append(("caches", sizes))
    if environment.get("peaks"):
        peaks = ", ".join(f"{n} {v / 1e9:.0f} GFLOP/s" for n, v in environment["peaks"].items())
        reads = ", ".join(f"{n} {v / 1e9:.0f} GB/s" for n, v in environment["read_rates"].items())
        facts += [("multiply-adds", peaks), ("reading", reads)]
    return facts


def _group(
    name: str, records: list[Record], environment: Mapping[str, Any], copies: list[Record]
) -> dict[str, Any]:
    cases: dict[str, list[Record]] = {}
    for record in records:
        cases.setdefault(record["case"], []).append(record)
    size = {case: case.rpartition("/")[2] for case in cases}
    ratios = [
        {
            "name": size[case],
            "bars": [
                {
                    "library": r["library"],
                    "ratio": r["ratio"],
                    "low": r["ratio_low"],
                    "high": r["ratio_high"],
                    "steady": r["steady"],
                }
                for r in members
                if r["library"] != OURS
            ],
        }
        for case, members in cases.items()
    ]
    rows = [
        {
            "size": size[r["case"]],
            "library": r["library"],
            "median": r["seconds"],
            "low": r["seconds_low"],
            "high": r["seconds_high"],
            "ratio": r["ratio"],
            "rate": r["operations_per_second"],
            "share": r["multiply_add_share"],
            "largest": r["error_largest"],
            "rms": r["error_rms"],
            "ulp": r.get("error_ulp"),
            "difference": r["difference"],
        }
        for r in records
    ]
    # Of two hundred random shapes nobody looks at each.
    shown = ratios if len(ratios) <= 24 else sorted(ratios, key=_worst)[:24]
    title = f"{len(cases)} cases" if len(cases) > 1 else "one case"
    return {
        "name": name,
        "title": title if shown is ratios else f"{title}, the worst 24 drawn",
        "command": f"unitgain bench {name}",
        "ratios": shown,
        "curves": curves(name, records, environment, copies),
        "rows": rows,
    }


def _worst(row: Mapping[str, Any]) -> float:
    return min((bar["ratio"] for bar in row["bars"]), default=math.inf)


def curves(
    name: str,
    records: list[Record],
    environment: Mapping[str, Any],
    copies: Iterable[Record] = (),
) -> list[dict[str, Any]]:
    """Return a group's curves by size: of rates of computing, or of moving bytes.

    Beside the latter stands the rate of ``copies`` by NumPy.
    """
    kinds: list[tuple[Callable[[Record], float | None], Callable[[Record], float | None], str]] = [
        (_side, lambda r: r["operations_per_second"], "flops"),
        (lambda r: r["bytes"], _moved, "bytes"),
    ]
    for at, rate, kind in kinds:
        series = []
        for library in dict.fromkeys(r["library"] for r in records):
            points = sorted(
                [at(r), rate(r) / 1e9, f"{library}, {r['case']}"]  # type: ignore[operator]
                for r in records
                if r["library"] == library and at(r) and rate(r)
            )
            if len({point[0] for point in points}) > 2:
                series.append({"library": library, "points": points})
        copied = sorted(
            [r["bytes"], r["bytes"] / r["seconds"] / 1e9, f"a copy by NumPy, {r['case']}"]
            for r in copies
            if r["library"] == REFERENCE
        )
        if series and copied and kind == "bytes" and name != COPIES:
            series.append({"library": "a copy by NumPy", "points": copied, "dashed": True})
        if series:
            return [_curve(kind, series, name, environment)]
    return []


def _curve(
    kind: str, series: list[dict[str, Any]], name: str, environment: Mapping[str, Any]
) -> dict[str, Any]:
    if kind == "flops":
        number = "float64" if "float64" in name else "float32"
        wanted = [number] if number == "float64" else [number, "avx512_bf16", "amx_bf16"]
        peaks = environment.get("peaks", {})
        lines = [{"label": f"{p} peak", "y": peaks[p] / 1e9} for p in wanted if p in peaks]
        return {
            "series": series,
            "across": lines,
            "xlabel": "side of the squares",
            "ylabel": "GFLOP/s",
            "caption": "Rate by size; dashed: the measured peaks of multiply-adds.",
        }
    rates, sizes = environment.get("read_rates", {}), environment.get("caches", {})
    return {
        "series": series,
        "across": [{"label": f"reading, {n}", "y": v / 1e9} for n, v in rates.items()],
        "upright": [{"label": n, "x": v} for n, v in sizes.items()],
        "xlabel": "bytes read and written",
        "ylabel": "GB/s",
        "bytes": True,
        "caption": "Bytes moved a second by size; dashed: reading alone, and a copy by NumPy; "
        "dotted: sizes of caches.",
    }


def _side(record: Record) -> float | None:
    match = re.fullmatch(r".*/(\d+)x(\d+)x(\d+)", record["case"])
    square = match is not None and len(set(match.groups())) == 1
    return float(match[1]) if square and match is not None else None


def _moved(record: Record) -> float | None:
    return record["bytes"] / record["seconds"] if record["bytes"] else None


def roofline(environment: Mapping[str, Any], records: Iterable[Record]) -> dict[str, Any]:
    """Return every operation of unitgain by operations a byte, under the machine's roofs.

    S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model",
    2009.
    """
    points = [
        [r["flops"] / r["bytes"], r["flops"] / r["seconds"] / 1e9, r["case"]]
        for r in records
        if r["library"] == OURS and r["flops"] and r["bytes"]
    ]
    peaks, rates = environment.get("peaks", {}), environment.get("read_rates", {})
    peak = peaks.get("float32", 0.0) / 1e9
    roofs = [{"label": n, "slope": v / 1e9, "peak": peak} for n, v in rates.items()] if peak else []
    return {
        "series": [{"library": OURS, "points": points, "line": False}],
        "across": [{"label": f"{n} peak", "y": v / 1e9} for n, v in peaks.items()],
        "roofs": roofs,
        "caption": "Each point is an operation of unitgain; its operations are those of the usual "
        "formula, an exponential, logarithm or tangent counted as 20, its bytes the operands and "
        "results. Dashed: the measured peaks, and the rates at which L2, L3 and memory are read.",
    }


def write_plots(
    folder: Path, contents: Mapping[str, Any], endings: Iterable[str] = ("png", "svg")
) -> list[Path]:
    """Draw the charts by matplotlib, each as a PNG and an SVG file; return their paths.

    The names are ``summary``, ``roofline``, and a group's, its slashes as hyphens, with
    ``-ratios`` or ``-rates``.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    from unitgain._figures import new_figure

    data = page_data(contents)
    folder.mkdir(parents=True, exist_ok=True)
    palette = ("#1f6fb4", "#d9822b", "#3d9a5f", "#8a5bb0", "#c2444e", "#6b7785", "#0f9aa8")
    colors = dict(zip(data["libraries"], palette * 3, strict=False))
    written: list[Path] = []

    def finish(figure: Any, name: str) -> None:
        for ending in endings:
            path = folder / f"{name.replace('/', '-')}.{ending}"
            figure.savefig(path, dpi=150)
            written.append(path)

    def plain_ticks(axis: Any, unit: str = "") -> None:
        low, high = axis.get_view_interval()
        steps = (1, 2, 5) if high < 1000 * low else (1,)
        places = [step * 10.0**power for power in range(-6, 12) for step in steps]
        ticks = [place for place in places if low <= place <= high]
        axis.set_ticks(ticks, [f"{tick:g}{unit}" for tick in ticks])
        axis.axes.minorticks_off()

    def bars(rows: list[dict[str, Any]], name: str) -> None:
        rows = [row for row in rows if row["bars"]]
        if not rows:
            return
        lines = sum(len(row["bars"]) + 1 for row in rows)
        figure, axes = new_figure(1, 1, width=6.6, height=1 + 0.22 * lines)
        ax, place, places = axes[0, 0], 0.0, []
        for row in rows:
            places.append(place + (len(row["bars"]) - 1) / 2)
            for bar in row["bars"]:
                error = [[bar["ratio"] - bar["low"]], [bar["high"] - bar["ratio"]]]
                ax.barh(
                    place,
                    bar["ratio"] - 1,
                    left=1,
                    color=colors[bar["library"]],
                    xerr=[[max(0, e[0])] for e in error],
                    height=0.8,
                    alpha=1 if bar["steady"] else 0.4,
                )
                ax.annotate(
                    f"{bar['ratio']:.2f}",
                    (max(bar["ratio"], bar["high"], 1), place),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                )
                place += 1
            place += 1
        ax.set_yticks(places, [row["name"] for row in rows])
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.margins(x=0.1, y=0.5 / lines)
        plain_ticks(ax.xaxis, "x")
        ax.axvline(1, color="black", linestyle="--", linewidth=1)
        ax.set_title("peers' times over unitgain's", loc="left")
        shown = {bar["library"] for row in rows for bar in row["bars"]}
        handles = [ax.barh(0, 0, color=colors[n], label=n) for n in colors if n in shown]
        figure.legend(handles=handles, frameon=False, loc="outside lower right", ncols=4)
        finish(figure, name)

    def curve(chart: dict[str, Any], name: str) -> None:
        figure, axes = new_figure(1, 1, width=7, height=4.2)
        ax = axes[0, 0]
        for series in chart["series"]:
            xs, ys = [p[0] for p in series["points"]], [p[1] for p in series["points"]]
            style = "o" if series.get("line") is False else "--" if series.get("dashed") else "o-"
            color = colors.get(series["library"], "gray")
            ax.plot(xs, ys, style, color=color, label=series["library"])
        for line in chart.get("across", ()):
            ax.axhline(line["y"], color="black", linestyle="--", linewidth=1)
            ax.annotate(
                line["label"],
                (1, line["y"]),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize=8,
            )
        for line in chart.get("upright", ()):
            ax.axvline(line["x"], color="gray", linestyle=":", linewidth=1)
            ax.annotate(
                line["label"],
                (line["x"], 1),
                xycoords=("data", "axes fraction"),
                va="top",
                fontsize=8,
            )
        ax.set_xscale("log")
        ax.set_yscale("log")
        low, high = ax.get_xlim()
        for i, roof in enumerate(chart.get("roofs", ())):
            corner = roof["peak"] / roof["slope"]
            xs = [min(low, corner / 30), corner, max(high, corner * 3)]
            ys = [min(roof["peak"], x * roof["slope"]) for x in xs]
            ax.plot(xs, ys, color="black", linestyle="--", linewidth=1)
            at = xs[0] * 2**i  # apart from each other, though two roofs may be nearly one
            ax.annotate(
                roof["label"],
                (at, at * roof["slope"]),
                (3, -9),
                textcoords="offset points",
                fontsize=8,
            )
        plain_ticks(ax.xaxis)
        plain_ticks(ax.yaxis)
        ax.set_xlabel(chart["xlabel"])
        ax.set_ylabel(chart["ylabel"])
        ax.legend(frameon=False)
        finish(figure, name)

    bars(data["summary"], "summary")
    if data["roofline"]["series"][0]["points"]:
        labels = {"xlabel": "operations a byte", "ylabel": "GFLOP/s"}
        curve(data["roofline"] | labels, "roofline")
    for group in data["groups"]:
        bars(group["ratios"], f"{group['name']}-ratios")
        for chart in group["curves"]:
            curve(chart, f"{group['name']}-rates")
    return written
