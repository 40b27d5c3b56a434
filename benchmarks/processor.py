"""Names of the CPU, by the system and by its designers."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# (vendor, family, first and last model): AMD's and Intel's software optimisation guides.
GENERATIONS: dict[tuple[str, int, int, int], str] = {
    ("AuthenticAMD", 23, 0x00, 0x2F): "Zen",
    ("AuthenticAMD", 23, 0x30, 0xFF): "Zen 2",
    ("AuthenticAMD", 25, 0x00, 0x0F): "Zen 3",
    ("AuthenticAMD", 25, 0x10, 0x1F): "Zen 4",
    ("AuthenticAMD", 25, 0x20, 0x5F): "Zen 3",
    ("AuthenticAMD", 25, 0x60, 0xAF): "Zen 4",
    ("AuthenticAMD", 26, 0x00, 0xFF): "Zen 5",
    ("GenuineIntel", 6, 85, 85): "Skylake or Cascade Lake",
    ("GenuineIntel", 6, 106, 106): "Ice Lake",
    ("GenuineIntel", 6, 143, 143): "Sapphire Rapids",
    ("GenuineIntel", 6, 207, 207): "Emerald Rapids",
    ("GenuineIntel", 6, 173, 173): "Granite Rapids",
}


def cpu_name() -> str:
    """Return the CPU's name for itself, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cpu_model() -> str:
    """Return vendor, family and model of the CPU, ``AuthenticAMD 26/2``; nothing if unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    names = ("vendor_id", "cpu family", "model")
    found = [re.search(rf"^{name}\s*: (.+)$", text, re.MULTILINE) for name in names]
    values = [match[1].strip() for match in found if match]
    return f"{values[0]} {values[1]}/{values[2]}" if len(values) == len(names) else ""


def generation(environment: Mapping[str, Any]) -> str:
    """Return what the CPU's designer calls its cores; family and model where that is not known."""
    model = str(environment.get("cpu_model", ""))
    match = re.fullmatch(r"(\w+) (\d+)/(\d+)", model)
    if not match:
        return model
    vendor, family, number = match[1], int(match[2]), int(match[3])
    for (maker, of, first, last), name in GENERATIONS.items():
        if (maker, of) == (vendor, family) and first <= number <= last:
            return name
    return model
