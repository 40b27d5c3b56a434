"""Results kept per machine: a file for each, replaced by the same machine's newer ones alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import saved
from .processor import generation

# Equal in two runs of one machine. Clouds call CPUs of several generations by one name, which their
# families and models tell apart.
IDENTITY = ("cpu", "cpu_model", "cpus")


def identity(environment: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what two runs of one machine have in common."""
    return tuple(environment.get(name) for name in IDENTITY)


def title(environment: Mapping[str, Any]) -> str:
    """Return a machine's name: ``AMD EPYC (Zen 5), 2 CPUs``."""
    made, cpus = generation(environment), environment["cpus"]
    brand = re.sub(r"\((R|TM)\)|@.*| CPU\b", "", environment["cpu"])
    brand = " ".join(brand.split())
    return f"{brand}{f' ({made})' if made else ''}, {cpus} CPU{'s' if cpus > 1 else ''}"


def file_name(environment: Mapping[str, Any]) -> str:
    """Return the name of a machine's file: ``amd-epyc-zen-5-2-cpus.json``."""
    return re.sub(r"[^a-z0-9]+", "-", title(environment).lower()).strip("-") + ".json"


def keep(folder: Path, contents: Mapping[str, Any]) -> Path:
    """Write a run into the file of its machine, in place of an earlier one; return the file.

    Raises:
        ValueError: if the file holds another machine's results, or newer ones, or if the run was
            limited to an instruction set or to some of the CPUs.
    """
    environment = contents["environment"]
    if environment.get("limits"):
        raise ValueError("a run with limited instruction sets does not speak for its machine")
    if 0 < len(environment.get("pinned_to", ())) < environment["cpus"]:
        raise ValueError("a run on some of the CPUs does not speak for its machine")
    path = folder / file_name(environment)
    if path.exists():
        before = saved.read(str(path))
        if identity(before["environment"]) != identity(environment):
            raise ValueError(f"{path} holds the results of another machine")
        if before["date"] > contents["date"]:
            raise ValueError(f"{path} holds newer results, of {before['date']}")
    saved.write(path, contents)
    return path


def newest(folder: Path) -> list[dict[str, Any]]:
    """Return the newest results of each machine in a folder, the newest machine first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        contents = saved.read(str(path)) | {"file": path.name}
        key = identity(contents["environment"])
        if key not in found or contents["date"] > found[key]["date"]:
            found[key] = contents
    return sorted(found.values(), key=lambda contents: str(contents["date"]), reverse=True)
