"""Results in files: written, read, compared, and as pytest-benchmark has them."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .case import OURS
from .intervals import interval, interval_of_mean, log_changes
from .report import as_record, format_seconds, format_table, geometric_mean
from .runner import Measurement
from .timing import Times

# Where `--save NAME` puts results, in the directory of the call.
FOLDER = Path("unitgain-benchmarks")
# Equal in two runs that can be compared.
COMPARABLE = ("cpu", "instruction_set", "threads", "pinned_to", "limits")


def path_of(name: str) -> Path:
    """Return the file of results saved under a name, or the file itself if it is one."""
    return Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"


def document(
    environment: Mapping[str, Any], measurements: Iterable[Measurement], command: str
) -> dict[str, Any]:
    """Return all of a run: when and how it was made, the environment, and each measurement."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command,
        "environment": dict(environment),
        "results": [as_record(m) | {"turns": list(m.times.turns)} for m in measurements],
    }


def write(path: Path, contents: Mapping[str, Any]) -> None:
    """Write a document as JSON, with its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    """Return the document that was saved under a name, or of a file.

    Raises:
        ValueError: if there is no such file, or it holds no results of this suite.
    """
    path = path_of(name)
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        for record in contents["results"]:
            record["turns"], record["case"], record["library"]
        contents["environment"]["cpu"]
    except FileNotFoundError:
        raise ValueError(f"there are no results {name!r}: no file {path}") from None
    except (KeyError, TypeError, json.JSONDecodeError):
        raise ValueError(f"{path} holds no results of unitgain bench") from None
    return dict(contents)


@dataclass(frozen=True)
class Change:
    """How unitgain's time of one case changed.

    ``ratio`` is the later time over the earlier, between ``low`` and ``high`` in 95 of 100
    repetitions of both runs. A change counts if that interval leaves out 1.
    """

    case: str
    before: Times
    after: Times
    ratio: float
    low: float
    high: float

    @property
    def steady(self) -> bool:
        """Whether both times say something."""
        return self.before.steady and self.after.steady

    def is_slower(self, threshold: float) -> bool:
        """Return whether it became slower by more than that part, and not by chance."""
        return self.steady and self.low > 1 and self.ratio > 1 + threshold

    def is_faster(self, threshold: float) -> bool:
        """Return whether it became faster by more than that part, and not by chance."""
        return self.steady and self.high < 1 and self.ratio < 1 / (1 + threshold)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the changes of the cases that both documents have.

    Raises:
        ValueError: if they have none in common.
    """
    earlier, later = (_own_times(contents) for contents in (before, after))
    found = []
    for case in later:
        if case not in earlier:
            continue
        old, new = earlier[case], later[case]
        low, high = interval(log_changes(old.turns, new.turns))
        found.append(Change(case, old, new, new.median / old.median, low, high))
    if not found:
        raise ValueError("the results have no case in common")
    return found


def _own_times(contents: Mapping[str, Any]) -> dict[str, Times]:
    return {
        record["case"]: Times(tuple(record["turns"]))
        for record in contents["results"]
        if record["library"] == OURS
    }


def format_comparison(
    before: Mapping[str, Any], after: Mapping[str, Any], threshold: float
) -> tuple[str, bool]:
    """Return the changes as a table with what they come to, and whether a case became slower."""
    lines = [
        f"warning: the runs differ in {name}: {before['environment'].get(name)!r} and "
        f"{after['environment'].get(name)!r}"
        for name in COMPARABLE
        if name in before["environment"].keys() & after["environment"].keys()
        and before["environment"][name] != after["environment"][name]
    ]
    found = changes(before, after)
    rows = [
        (
            change.case,
            format_seconds(change.before.median),
            format_seconds(change.after.median),
            f"{change.ratio:.3f}",
            f"{change.low:.3f}-{change.high:.3f}",
            _verdict(change, threshold),
        )
        for change in found
    ]
    headers = ("unitgain's time", "before", "after", "after/before", "95% interval", "")
    lines.append(format_table(headers, rows))
    steady = [change for change in found if change.steady]
    if steady:
        low, high = interval_of_mean(
            log_changes(change.before.turns, change.after.turns) for change in steady
        )
        mean = geometric_mean(change.ratio for change in steady)
        lines.append(f"geometric mean of {len(steady)}: {mean:.3f} ({low:.3f}-{high:.3f})")
    slower = [change.case for change in found if change.is_slower(threshold)]
    if slower:
        lines.append(f"slower by more than {threshold:.0%}: {', '.join(slower)}")
    return "\n".join(lines), bool(slower)


def _verdict(change: Change, threshold: float) -> str:
    if not change.steady:
        return "not steady"
    if change.is_slower(threshold):
        return "slower"
    return "faster" if change.is_faster(threshold) else ""


def pytest_benchmark(contents: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as pytest-benchmark writes it, for what reads its files.

    Groups are cases, and names the libraries that were compared.
    """
    environment = contents["environment"]
    return {
        "machine_info": {
            "node": platform.node(),
            "machine": environment.get("machine", ""),
            "system": platform.system(),
            "release": platform.release(),
            "python_version": environment["python"],
            "python_implementation": platform.python_implementation(),
            "cpu": {"brand_raw": environment["cpu"], "count": environment["cpus"]},
        },
        "commit_info": {"id": f"unitgain {environment['unitgain']}", "dirty": False},
        "benchmarks": [_benchmark(record) for record in contents["results"]],
        "datetime": contents["date"],
        "version": "5.0.0",
    }


def _benchmark(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group": record["case"],
        "name": record["library"],
        "fullname": f"{record['case']}::{record['library']}",
        "params": None,
        "param": None,
        "extra_info": {"ratio": record["ratio"], "agrees": record["agrees"]},
        "options": {"disable_gc": True, "timer": "perf_counter", "warmup": True},
        "stats": _statistics(record["turns"]),
    }


def _statistics(turns: Sequence[float]) -> dict[str, Any]:
    low, median, high = (float(q) for q in np.quantile(turns, (0.25, 0.5, 0.75)))
    mean = float(np.mean(turns))
    deviation = float(np.std(turns, ddof=1)) if len(turns) > 1 else 0.0
    reach = 1.5 * (high - low)  # Tukey's
    far = sum(turn < low - reach or turn > high + reach for turn in turns)
    off = sum(bool(abs(turn - mean) > deviation) for turn in turns)
    return {
        "min": min(turns),
        "max": max(turns),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(turns),
        "median": median,
        "iqr": high - low,
        "q1": low,
        "q3": high,
        "iqr_outliers": far,
        "stddev_outliers": off,
        "outliers": f"{off};{far}",
        "ld15iqr": min(turn for turn in turns if turn >= low - reach),
        "hd15iqr": max(turn for turn in turns if turn <= high + reach),
        "ops": 1 / mean if mean else math.inf,
        "total": float(np.sum(turns)),
        "data": list(turns),
        "iterations": 1,
    }
