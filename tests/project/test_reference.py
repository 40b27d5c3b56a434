"""The reference has every public name, each with a line that says what it is, and no other."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import unitgain

DOCS = Path(__file__).parents[2] / "docs"
spec = importlib.util.spec_from_file_location("reference_tables", DOCS / "reference_tables.py")
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)

ROWS = {
    namespace: dict(
        re.findall(
            r"^\| `(\w+)` \| (.+) \|$",
            tables.file_of(namespace).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    for namespace in tables.NAMESPACES
}


def test_every_namespace_has_a_page():
    assert tables.namespaces() == set(tables.NAMESPACES)
    pages = {path.name for path in (DOCS / "reference").glob("*.md")}
    assert pages == {tables.file_of(namespace).name for namespace in ROWS} | {"README.md"}


@pytest.mark.parametrize("namespace", tables.NAMESPACES)
def test_every_public_name_has_a_row(namespace):
    module = unitgain
    for part in filter(None, namespace.split(".")):
        module = getattr(module, part)
    named = {name for name in module.__all__ if not inspect.ismodule(getattr(module, name))}
    assert set(ROWS[namespace]) == named
    # What says that it is another name's is described there.
    for name, said in ROWS[namespace].items():
        if same := re.match(r"The same as `(\w+)`", said):
            assert getattr(module, name) is getattr(module, same[1])
        if elsewhere := re.match(r"\[`unitgain\.([\w.]+)\.(\w+)`\]", said):
            there = tables.module_of(elsewhere[1])
            assert getattr(module, name) is getattr(there, elsewhere[2])
            assert "](" not in ROWS[elsewhere[1]][elsewhere[2]]


def test_the_pages_are_what_the_script_makes():
    for file, text in tables.pages().items():
        assert file.read_text(encoding="utf-8") == text, "run docs/reference_tables.py"


def test_the_pages_are_in_the_sites_contents():
    contents = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- (?:[\w ]+: )?([\w/-]+\.md)$", contents, re.MULTILINE)
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    notebooks = {f"examples/{path.stem}.md" for path in (DOCS.parent / "examples").glob("*.py")}
    assert set(listed) == pages | notebooks | {"changelog.md"}
