"""Examples of the README, the guides and the docstrings run."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import unitgain
from unitgain import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What `python -m unitgain` runs, and what only compiles with a peer installed.
NOT_IMPORTED = re.compile(
    r"unitgain\.(__main__|_native|_native_openmp|benchmarks\.(\w+_network|numba_loops))$"
)
MODULES = [
    module.name
    for module in pkgutil.walk_packages(unitgain.__path__, "unitgain.")
    if not NOT_IMPORTED.match(module.name)
]


def blocks(page, *languages):
    """The page's code blocks in these languages, with the line each begins on."""
    text = page.read_text(encoding="utf-8")
    return [
        (text[: match.start()].count("\n") + 2, match[2])
        for match in FENCE.finditer(text)
        if match[1] in languages
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_of_a_page_run_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for line, code in blocks(page, "python"):
        padded = "\n" * (line - 1) + code  # so that a traceback shows the page's line
        exec(compile(padded, page, "exec"), names)


def test_readme_has_examples():
    assert len(blocks(ROOT / "README.md", "python")) >= 3


def commands(page):
    """The unitgain commands in the page's shell blocks and tables."""
    text = "\n".join(code for _, code in blocks(page, "sh"))
    text += "\n" + "\n".join(re.findall(r"`(unitgain [^`]+)`", page.read_text(encoding="utf-8")))
    return re.findall(r"(?:^|&& |[A-Z_]+=\w+ )(unitgain .+)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_accepted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        cli._parser().parse_args(shlex.split(command)[1:])


def test_readme_shows_the_commands():
    assert "unitgain demo" in commands(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_to_files(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
