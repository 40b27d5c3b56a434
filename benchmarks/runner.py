"""Runs cases: checks that the contenders agree, then times them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from unitgain import _native, num_threads

from .case import OURS, PEERS, REFERENCE, Case, difference
from .timing import Effort, Times, alternate

SUBJECTS = (
    "matmul",
    "activations",
    "losses",
    "noise",
    "batch_norm",
    "layer_norm",
    "optimizers",
    "linalg",
    "training",
    "inference",
)
# Settings that replace what OpenBLAS finds out about the CPU by itself.
OPENBLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Measurement:
    """How one library did in one case.

    ``ratio`` is its time over unitgain's, ``difference`` that of its result from NumPy's (see
    :class:`~unitgain.benchmarks.case.Trial`), ``rate`` its floating-point operations a second (0
    where the case does not count them).
    """

    case: str
    title: str
    library: str
    times: Times
    ratio: float
    difference: float
    tolerance: float
    rate: float

    @property
    def agrees(self) -> bool:
        """Whether rounding can explain the difference from NumPy's result."""
        return self.difference <= self.tolerance


def all_cases() -> list[Case]:
    """Return every case of the suite, by subject."""
    modules = (importlib.import_module(f".{subject}", __package__) for subject in SUBJECTS)
    return [case for module in modules for case in module.cases()]


def matching(cases: Iterable[Case], patterns: Sequence[str]) -> list[Case]:
    """Return the cases whose names contain one of the patterns (``*`` and ``?`` allowed).

    Raises:
        ValueError: if a pattern matches no case.
    """
    cases = list(cases)
    kept: set[str] = set()
    for pattern in patterns:
        names = {case.name for case in cases if fnmatchcase(case.name, f"*{pattern}*")}
        if not names:
            raise ValueError(f"no benchmark case matches {pattern!r}")
        kept |= names
    return [case for case in cases if case.name in kept]


def installed_peers() -> list[str]:
    """Return the libraries to compare with that can be imported here."""
    return [name for name, module in PEERS.items() if importlib.util.find_spec(module)]


def run_case(case: Case, libraries: Iterable[str], effort: Effort) -> list[Measurement]:
    """Measure a case by unitgain, NumPy and those of ``libraries`` that it has a contender for."""
    trial = case.prepare()
    wanted = {OURS, REFERENCE, *libraries}
    contenders = {name: make() for name, make in trial.contenders.items() if name in wanted}
    results = {name: contender.result() for name, contender in contenders.items()}
    times = alternate({name: contender.run for name, contender in contenders.items()}, effort)
    return [
        Measurement(
            case=case.name,
            title=case.title,
            library=name,
            times=times[name],
            ratio=times[name].median / times[OURS].median,
            difference=difference(results[name], results[REFERENCE]),
            tolerance=trial.tolerance,
            rate=trial.operations / times[name].median,
        )
        for name in contenders
    ]


def environment(libraries: Iterable[str]) -> dict[str, Any]:
    """Return what the times depend on: versions, the machine, instruction set, threads, load.

    The load is the system's average number of running threads over the last minute.
    """
    libraries = list(dict.fromkeys([REFERENCE, *libraries]))
    distributions = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime"}
    return {
        "unitgain": _native.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "instruction_set": _native.active_variant(),
        "threads": num_threads(),
        "libraries": {
            name: importlib.metadata.version(distributions.get(name, name)) for name in libraries
        },
        "openblas_settings": openblas_settings(),
        "load": os.getloadavg()[0],
    }


def cpu_name() -> str:
    """Return the CPU's name for itself, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def openblas_settings() -> dict[str, str]:
    """Return the environment variables set here that slow NumPy's OpenBLAS down."""
    return {name: os.environ[name] for name in OPENBLAS_SETTINGS if os.environ.get(name)}
