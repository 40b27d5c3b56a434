"""The site's pages of machines: charts of the results in benchmarks/, drawn when it is built."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unitgain.benchmarks import machines, page

FOLDER = Path(__file__).parent / "benchmarks"

PAGE = """\
# {title}

{facts}

Repeat it: `{command}`, then `unitgain bench --results FILE --report report.html`.
[How it measures](../benchmarks.md), [every machine](machines.md), [all times]({file}), and
[the same as one page]({report}) whose tables sort.

## Peers' times over unitgain's

Geometric means by group of cases, with intervals of 95%; right of the line unitgain is faster.

![summary of {title}]({stem}-summary.svg)

## Roofline

{roofline}

![roofline of {title}]({stem}-roofline.svg)

{groups}
"""

GROUP = """\
## {name}

`{command}`

{charts}"""


def of_file(name: str) -> str:
    """Return the place on the site of the page of a file of results."""
    return f"benchmarks/{Path(name).stem}.md"


def made(contents: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a machine's page by their paths on the site: text, charts, report."""
    stem = Path(contents["file"]).stem
    report = f"{stem}-report.html"
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for chart in page.write_plots(Path(folder), contents, ["svg"]):
            found[f"benchmarks/{stem}-{chart.name}"] = chart.read_bytes()
        page.write_page(Path(folder) / report, contents)
        found[f"benchmarks/{report}"] = (Path(folder) / report).read_bytes()
    data = page.page_data(contents)
    facts = [("measured", contents["date"][:10]), *data["facts"]]
    rows = [f"| {name} | {value} |" for name, value in facts]
    groups = []
    for group in data["groups"]:
        name = f"{stem}-{group['name'].replace('/', '-')}"
        drawn = [
            f"![{kind} of {group['name']}]({name}-{kind}.svg)"
            for kind in ("ratios", "rates")
            if f"benchmarks/{name}-{kind}.svg" in found
        ]
        groups.append(GROUP.format(**group, charts="\n\n".join(drawn)))
    text = PAGE.format(
        title=machines.title(contents["environment"]),
        facts="\n".join([rows[0], "| --- | --- |", *rows[1:]]),
        command=contents["command"],
        file=contents["file"],
        report=report,
        stem=stem,
        roofline=data["roofline"]["caption"],
        groups="\n".join(groups),
    )
    return {of_file(contents["file"]): text.encode(), **found}
