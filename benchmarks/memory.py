"""Peak memory of training and inference, each library in a process of its own.

``python -m unitgain.benchmarks.memory training unitgain 1024-2048-1024`` prints what a process
needed: bytes before the library is imported and its network made, and at most from there on.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import inference, training
from .case import OURS, REFERENCE, Case
from .report import format_table

WIDE = (1024, 2048, 2048, 1024)
STEPS = 3


def cases(sizes: tuple[int, ...] = WIDE) -> dict[str, Case]:
    """Return the work by name: steps of a wide network, and inference of many rows."""
    return {
        "training": training._step(training._Training(sizes, 512), large=True),
        "inference": inference._case(sizes, 4096, False),
    }


def peak() -> int:
    """Return the most bytes that this process had at one time."""
    try:
        # Not getrusage: its figure begins with that of the process that started this one.
        text = Path("/proc/self/status").read_text(encoding="utf-8")
        lines = [line.split() for line in text.splitlines() if line.startswith("VmHWM:")]
        return int(lines[0][1]) * 1024
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _forget_peak() -> None:
    """Have the peak begin with what the process has, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Do one library's work and print its bytes."""
    name, library, sizes = arguments
    case = cases(tuple(map(int, sizes.split("-"))))[name]
    trial = case.prepare()
    _forget_peak()
    before = peak()
    contender = trial.contenders[library]()
    for _ in range(STEPS):
        contender.run()
    print(before, peak())


def measure(libraries: Iterable[str], sizes: tuple[int, ...] = WIDE) -> dict[str, dict[str, int]]:
    """Return the peak bytes of unitgain, NumPy and these libraries, by work and library."""
    libraries = list(libraries)
    found: dict[str, dict[str, int]] = {}
    for name, case in cases(sizes).items():
        known = case.prepare().contenders
        for library in dict.fromkeys([OURS, REFERENCE, *libraries]):
            if library not in known:
                continue
            network = "-".join(map(str, sizes))
            command = [sys.executable, "-m", __name__, name, library, network]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:  # else the library failed, or memory was too little
                found.setdefault(name, {})[library] = int(done.stdout.split()[-1])
    return found


def format_memory(found: dict[str, dict[str, int]]) -> str:
    """Return a table: the peak of each library's process in MB."""
    libraries = list(dict.fromkeys(library for row in found.values() for library in row))
    rows = [
        (name, *(f"{row[library] / 1e6:.0f} MB" if library in row else "" for library in libraries))
        for name, row in found.items()
    ]
    return format_table(("peak memory of the process", *libraries), rows)


if __name__ == "__main__":
    main(sys.argv[1:])
