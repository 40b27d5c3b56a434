"""Runs cases: checks that the contenders agree, then times them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from unitgain import _native, num_threads

from . import headline, instruction_sets, keras_backend, peaks, placement
from .case import (
    OPENMP,
    OURS,
    PEERS,
    REFERENCE,
    Case,
    Contender,
    Exact,
    Trial,
    difference,
    errors,
    units_in_last_place,
)
from .intervals import interval, log_ratios
from .processor import cpu_model, cpu_name
from .timing import Effort, Times, alternate

SUBJECTS = (
    "matmul",
    "activations",
    "losses",
    "expressions",
    "metrics",
    "noise",
    "batch_norm",
    "layer_norm",
    "embedding",
    "optimizers",
    "linalg",
    "clustering",
    "training",
    "inference",
    "threading_layers",
    "scaling",
)
# The shares of the machine's peaks that a measurement may have.
SHARES = ("multiply_add", "bfloat16", "read")
# Settings that replace what OpenBLAS finds out about the CPU by itself.
OPENBLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Measurement:
    """How one library did in one case.

    ``ratio`` is its time over unitgain's, whose times are ``ours``;
    ``difference`` that of its result from NumPy's (see
    :class:`~unitgain.benchmarks.case.Trial`), ``rate`` its floating-point operations a second and
    ``read_rate`` the bytes (0 where the case does not count them). ``shares`` sets the rates
    beside the machine's peaks, by the names in ``SHARES``; ``error`` is the largest and the root
    mean square (see :func:`~unitgain.benchmarks.case.errors`), ``ulp`` the largest error in units
    in the last place, where the result is element by element. ``accuracy`` is the error that the
    library promises, see :class:`~unitgain.benchmarks.case.Trial`.
    """

    case: str
    title: str
    library: str
    times: Times
    ours: Times
    difference: float
    tolerance: float
    rate: float
    read_rate: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    error: tuple[float, float] | None = None
    ulp: float | None = None
    accuracy: float | None = None

    @property
    def ratio(self) -> float:
        """Its time over unitgain's."""
        return self.times.median / self.ours.median

    @property
    def interval(self) -> tuple[float, float]:
        """Where the ratio would lie, in 95 of 100 repetitions."""
        return interval(log_ratios(self.times, self.ours))

    @property
    def is_peers(self) -> bool:
        """Whether it is of a library which is neither unitgain nor the reference."""
        return is_peer(self.library)

    @property
    def steady(self) -> bool:
        """Whether the machine let both do their work: else the ratio says little."""
        return self.times.steady and self.ours.steady

    @property
    def agrees(self) -> bool:
        """Whether rounding can explain the difference from NumPy's result, and the error."""
        if self.error and self.accuracy is not None and self.error[0] > self.accuracy:
            return False
        return self.difference <= self.tolerance


def is_peer(library: str) -> bool:
    """Return whether errors of a library are its own matter: not unitgain's, nor the reference's.

    NumPy's side is written here, so that its errors are this suite's.
    """
    return library not in (OURS, OPENMP, REFERENCE)


def all_cases() -> list[Case]:
    """Return every case of the suite, by subject."""
    modules = (importlib.import_module(f".{subject}", __package__) for subject in SUBJECTS)
    return [case for module in modules for case in module.cases()]


def headline_cases() -> list[Case]:
    """Return the cases that speak for a machine."""
    return [case for case in all_cases() if case.name in headline.CASES]


def inside(cases: Iterable[Case], groups: Sequence[str]) -> list[Case]:
    """Return the cases whose names begin with one of these parts, ``matmul`` or ``matmul/random``.

    Raises:
        ValueError: if no case's name begins so.
    """
    cases = list(cases)
    for group in groups:
        if not any(f"{case.name}/".startswith(f"{group}/") for case in cases):
            raise ValueError(f"no benchmark case belongs to {group!r}")
    return [c for c in cases if any(f"{c.name}/".startswith(f"{g}/") for g in groups)]


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
    found = [name for name, module in PEERS.items() if importlib.util.find_spec(module)]
    return [name for name in found if name != "Keras" or keras_backend.chosen()]


def run_case(case: Case, libraries: Iterable[str], effort: Effort) -> list[Measurement]:
    """Measure a case by unitgain, NumPy and those of ``libraries`` that it has a contender for."""
    trial = case.prepare()
    contenders = _contenders(trial, libraries)
    results = {name: contender.result() for name, contender in contenders.items()}
    exact = trial.exact() if trial.exact else None
    error = {name: errors(result, exact) if exact else None for name, result in results.items()}
    ulp = {name: _ulp(result, exact) for name, result in results.items()}
    if case.rounds:
        effort = replace(effort, rounds=min(case.rounds, effort.rounds))
    times = alternate({name: contender.run for name, contender in contenders.items()}, effort)
    return [
        Measurement(
            case=case.name,
            title=case.title,
            library=name,
            times=times[name],
            ours=times[OURS],
            difference=difference(results[name], results[REFERENCE]),
            tolerance=trial.tolerance,
            rate=trial.operations / times[name].median,
            read_rate=contender.reads / times[name].median,
            shares=_shares(trial, name, contender, times[name].median),
            error=error[name],
            ulp=ulp[name],
            accuracy=trial.accuracy if name in (OURS, OPENMP) else None,
        )
        for name, contender in contenders.items()
    ]


@dataclass(frozen=True)
class Verdict:
    """How far one library's result is from that of longer arithmetic.

    ``error`` is the largest, relative to the largest value. Where a case has nothing longer
    (``is_exact`` is false), it is the difference from NumPy's result. ``ulp`` is the largest error
    in units in the last place, where the result is element by element.
    """

    case: str
    library: str
    error: float
    tolerance: float
    is_exact: bool
    ulp: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether rounding can explain the error."""
        return self.error <= self.tolerance

    @property
    def is_peers(self) -> bool:
        """Whether it is of a library which is neither unitgain nor the reference."""
        return is_peer(self.library)


def verify_case(case: Case, libraries: Iterable[str]) -> list[Verdict]:
    """Check a case's results by unitgain, NumPy and those of ``libraries``; time nothing."""
    trial = case.prepare()
    results = {name: each.result() for name, each in _contenders(trial, libraries).items()}
    exact = trial.exact() if trial.exact else None

    def error(result: Any) -> float:
        return errors(result, exact)[0] if exact else difference(result, results[REFERENCE])

    def allowed(library: str) -> float:
        strict = library in (OURS, OPENMP) and trial.accuracy is not None
        return trial.accuracy if strict and trial.accuracy is not None else trial.tolerance

    return [
        Verdict(
            case.name, name, error(result), allowed(name), exact is not None, _ulp(result, exact)
        )
        for name, result in results.items()
    ]


def _ulp(result: Any, exact: Exact | None) -> float | None:
    return units_in_last_place(result, exact) if exact else None


def _contenders(trial: Trial, libraries: Iterable[str]) -> dict[str, Contender]:
    wanted = {OURS, OPENMP, REFERENCE, *libraries}
    return {name: make() for name, make in trial.contenders.items() if name in wanted}


def _shares(trial: Trial, name: str, contender: Contender, seconds: float) -> dict[str, float]:
    """Return a run's rates over the machine's, by the names in ``SHARES``."""
    shares = {}
    if trial.peak:
        rate, peak = trial.operations / seconds, peaks.rates()
        shares["multiply_add"] = rate / peak[trial.peak]
        unit = peaks.bfloat16_unit(peak)
        if name == OURS and trial.bfloat16_products and unit:
            shares["bfloat16"] = trial.bfloat16_products * rate / peak[unit]
    if contender.reads:
        shares["read"] = contender.reads / seconds / peaks.read_rate(contender.reads)
    return shares


def environment(libraries: Iterable[str], isa: str | None = None) -> dict[str, Any]:
    """Return what the times depend on: versions, the machine, instruction set, threads, load.

    The load is the system's average number of running threads over the last minute. ``isa`` is
    the instruction set that all libraries were limited to.
    """
    libraries = list(dict.fromkeys([REFERENCE, *libraries]))
    distributions = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime"}
    return {
        "unitgain": _native.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "cpu_model": cpu_model(),
        "cpus": os.cpu_count(),
        "pinned_to": placement.allowed(),
        "instruction_set": _native.active_variant(),
        "threads": num_threads(),
        "caches": peaks.cache_sizes(),
        "libraries": {
            name: importlib.metadata.version(distributions.get(name, name))
            + (f" on {keras_backend.chosen()}" if name == "Keras" else "")
            for name in libraries
        },
        "limits": (limits := instruction_sets.settings(isa, os.environ) if isa else {}),
        "openblas_settings": {
            name: value for name, value in openblas_settings().items() if name not in limits
        },
        "load": os.getloadavg()[0],
    }


def openblas_settings() -> dict[str, str]:
    """Return the environment variables set here that slow NumPy's OpenBLAS down."""
    return {name: os.environ[name] for name in OPENBLAS_SETTINGS if os.environ.get(name)}
