"""The rooms of docs/architecture.md: who uses whom, by every import and include."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "unitgain"
TEXT = (ROOT / "docs" / "architecture.md").read_text()


def table(section):
    """Return the floor of each name in the first two columns of a section's table."""
    body = TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", body, re.MULTILINE)
    return {name: int(floor) for floor, names in rows for name in re.findall(r"`([^`]+)`", names)}


def circle(arrows):
    """Return names that lead back to the first of them, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in sorted(arrows.get(name, ())):
            found = visit(other)
            if found:
                return found
        done.add(path.pop())
        return None

    return next(filter(None, map(visit, sorted(arrows))), None)


# ---- Python ----


def modules():
    """Return the path of each module, by name; the benchmarks are a package of their own."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] != "benchmarks":
            found[".".join(("unitgain", *parts)).removesuffix(".__init__")] = path
    for path in (ROOT / "benchmarks").glob("*.py"):
        found[f"unitgain.benchmarks.{path.stem}".removesuffix(".__init__")] = path
    return found


def imports(name, known):
    """Yield the modules of the package that one imports, wherever in it that stands."""
    path = known[name]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            parts = [] if node.module is None else [node.module]
            if node.level:
                above = name.split(".") + ["__init__"] * (path.stem == "__init__")
                parts = above[: -node.level] + parts
            module = ".".join(parts)
            for alias in node.names:
                full = f"{module}.{alias.name}"
                if full in known:
                    yield full
                elif module in known and full != "unitgain._native":
                    yield module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


MODULES = modules()
ARROWS = {name: set(imports(name, MODULES)) - {name} for name in MODULES}
FLOORS = table("Python")


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "unitgain"


def test_every_module_has_a_floor():
    assert {room(name) for name in MODULES} == set(FLOORS)


def test_no_module_imports_from_a_floor_above():
    upward = [
        f"{name} imports {other}"
        for name, others in ARROWS.items()
        for other in others
        if FLOORS[room(other)] > FLOORS[room(name)]
    ]
    assert not upward


def test_modules_do_not_import_each_other_in_circles():
    found = circle(ARROWS)
    assert found is None, " imports ".join(found)


def test_rooms_do_not_import_each_other_in_circles():
    arrows = {}
    for name, others in ARROWS.items():
        arrows.setdefault(room(name), set()).update({room(o) for o in others} - {room(name)})
    found = circle(arrows)
    assert found is None, " imports ".join(found)


def test_circles_are_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


# ---- C++ ----

CPP = ROOT / "cpp"
FOLDERS = table("C++")


def folder(path):
    """Return the row of the table that a source file belongs to."""
    parts = path.relative_to(CPP).parts
    return parts[0] if parts[0] in ("bindings", "c", "mpi") else "/".join(parts[:2])


def includes(path):
    """Yield the files of the library that a file includes."""
    for name in re.findall(r'^\s*#\s*include "([^"]+)"', path.read_text(), re.MULTILINE):
        places = [path.parent / name, CPP / "include" / name, CPP / "src" / name]
        found = [place for place in places if place.is_file()]
        assert found, f"{path} includes {name}, which is not there"
        yield found[0]


SOURCES = [
    path
    for name in ("include", "src", "bindings", "c", "mpi")
    for path in sorted((CPP / name).rglob("*"))
    if path.suffix in (".cpp", ".hpp", ".h")
]


def test_every_source_has_a_floor():
    assert {folder(path) for path in SOURCES} == set(FOLDERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CPP)))
def test_a_source_includes_from_its_own_floor_or_below(path):
    mine = folder(path)
    for other in map(folder, includes(path)):
        assert other == mine or FOLDERS[other] < FOLDERS[mine], f"{mine} includes from {other}"


SYSTEM_HEADER = r"^\s*#\s*include <((?:sys/|windows|pthread|unistd|sched|dlfcn|fcntl)[^>]*)>"


def test_one_file_alone_asks_the_operating_system():
    """Elsewhere nothing needs a guard for systems that lack it."""
    found = {
        str(path.relative_to(CPP)): re.findall(SYSTEM_HEADER, path.read_text(), re.MULTILINE)
        for path in SOURCES
    }
    asking = {name for name, headers in found.items() if headers}
    assert asking == {"src/base/system.cpp"}


def test_headers_do_not_include_each_other_in_circles():
    arrows = {str(path): {str(other) for other in includes(path)} for path in SOURCES}
    found = circle(arrows)
    assert found is None, " includes ".join(found)
