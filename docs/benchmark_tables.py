"""Write benchmarks/machines.md, and README's table, of the results in benchmarks/.

Run after ``unitgain bench --headline --keep docs/benchmarks``::

    python docs/benchmark_tables.py

Without results in that folder README stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unitgain.benchmarks import headline, machines
from unitgain.benchmarks.case import OPENMP, OURS
from unitgain.benchmarks.report import format_seconds, geometric_mean

FOLDER = Path(__file__).parent / "benchmarks"
NAME = "machines.md"
README = Path(__file__).parents[1] / "README.md"
MARKS = (
    "<!-- figures by docs/benchmark_tables.py -->",
    "<!-- end of figures -->",
)

PAGE = """\
# Results by machine

Times of unitgain, and in brackets how many times as long the fastest of its peers took in the same
run ([how it measures](../benchmarks.md)). A machine's file has every library's times and turns. The
command adds a machine; a newer run takes the place of an older one of the same machine:

```sh
unitgain bench --headline --keep docs/benchmarks
python docs/benchmark_tables.py
```

Written by `docs/benchmark_tables.py`.

## Machines

{machines}

## Cases

`unitgain bench CASE` repeats one. "Not steady" stands where the machine had other work to do.

{cases}
"""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def of_case(contents: Mapping[str, Any], case: str) -> tuple[Any, Any] | None:
    """Return unitgain's record of a case and its fastest peer's; none if they are not steady."""
    records = {r["library"]: r for r in contents["results"] if r["case"] == case}
    peers = [r for name, r in records.items() if name not in (OURS, OPENMP) and r["agrees"]]
    if OURS not in records or not peers:
        return None
    fastest = min(peers, key=lambda r: float(r["ratio"]))
    return (records[OURS], fastest) if fastest["steady"] else None


def cell(contents: Mapping[str, Any], case: str) -> str:
    """Return a machine's result of a case in words."""
    if all(record["case"] != case for record in contents["results"]):
        return ""
    found = of_case(contents, case)
    if found is None:
        return "not steady"
    ours, peer = found
    return f"{format_seconds(ours['seconds'])} ({peer['ratio']:.2f}, {peer['library']})"


def mean(contents: Mapping[str, Any]) -> str:
    """Return the geometric mean of the fastest peers' ratios."""
    names = dict.fromkeys(record["case"] for record in contents["results"])
    found = [of_case(contents, name) for name in names]
    ratios = [pair[1]["ratio"] for pair in found if pair]
    return f"{geometric_mean(ratios):.2f}" if ratios else ""


def page(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of these machines' results."""
    rows = []
    for contents in measured:
        environment = contents["environment"]
        versions = [f"Python {environment['python']}"]
        versions += [f"{name} {number}" for name, number in environment["libraries"].items()]
        rows.append(
            (
                f"[{machines.title(environment)}]({contents['file']})",
                contents["date"][:10],
                environment["unitgain"],
                f"{environment['instruction_set']}, {environment['threads']}",
                ", ".join(versions),
                f"`{contents['command']}`",
                mean(contents),
            )
        )
    headers = ("machine", "date", "unitgain", "instruction set, threads", "beside")
    names = dict.fromkeys(r["case"] for contents in measured for r in contents["results"])
    cases = [(f"`{name}`", *(cell(contents, name) for contents in measured)) for name in names]
    return PAGE.format(
        machines=table((*headers, "command", "mean of the fastest peers"), rows),
        cases=table(("case", *(machines.title(c["environment"]) for c in measured)), cases),
    )


def readme_table(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return README's paragraph and table: the newest machine's times, every machine's ratios."""
    first, *others = measured
    rows = []
    for name, words in headline.README.items():
        found = of_case(first, name)
        if found is None:
            continue
        ours, peer = found
        row = [words, format_seconds(ours["seconds"])]
        row += [f"{format_seconds(peer['seconds'])} ({peer['library']})", f"{peer['ratio']:.2f}"]
        for other in others:
            pair = of_case(other, name)
            row.append(f"{pair[1]['ratio']:.2f}" if pair else "")
        rows.append(row)
    environment = first["environment"]
    peers = ", ".join(environment["libraries"])
    text = (
        f"Measured by `unitgain bench` on {machines.title(environment)}, {first['date'][:10]}.\n"
        f"The ratio is the time of the fastest peer ({peers}) over unitgain's"
    )
    if others:
        text += "; beside it stand other machines' ratios"
    text += ".\n[Every machine and case](docs/benchmarks/machines.md).\n\n"
    headers = ["operation", "unitgain", "fastest peer", "ratio"]
    return text + table([*headers, *(machines.title(c["environment"]) for c in others)], rows)


def between_marks(text: str, contents: str) -> str:
    """Return README's text with other contents between the marks.

    Raises:
        ValueError: if the text lacks them.
    """
    before, first, rest = text.partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not first or not last:
        raise ValueError(f"there is no {MARKS[0]} ... {MARKS[1]} in the text")
    return f"{before}{MARKS[0]}\n\n{contents}\n\n{MARKS[1]}{after}"


def main() -> None:
    """Write the page, and README's table if there are results."""
    measured = machines.newest(FOLDER)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / NAME).write_text(page(measured), encoding="utf-8")
    if not measured:
        print(f"no results in {FOLDER}: README stays as it is")
        return
    text = between_marks(README.read_text(encoding="utf-8"), readme_table(measured))
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
