"""The library's settings: instruction set, threads, precision, caches."""

from __future__ import annotations

import os
import platform
from types import TracebackType

import numpy as np

from unitgain import _names, _native
from unitgain.dtype_policies import dtype_policy, floatx, set_dtype_policy, set_floatx

__all__ = [
    "dtype_policy",
    "epsilon",
    "float32_matmul_precision",
    "floatx",
    "get_float32_matmul_precision",
    "num_threads",
    "reproducible",
    "set_dtype_policy",
    "set_float32_matmul_precision",
    "set_floatx",
    "set_num_threads",
    "set_reproducible",
    "set_threading_layer",
    "show_config",
    "threading_layer",
    "threads",
]


def set_num_threads(threads: int) -> None:
    """Set how many threads an operation may use, for the whole process.

    The number starts as ``OMP_NUM_THREADS``, or as the CPUs that the process may use. Results have
    the same bits for any number; operations too small to gain run on the caller.

    Raises:
        ValueError: if ``threads`` is less than 1.
    """
    _native.set_num_threads(threads)


def num_threads() -> int:
    """Return how many threads an operation called from here may use."""
    return _native.num_threads()


class threads:  # noqa: N801 - a context manager, read as a word: ``with ug.threads(2):``
    """Set how many threads operations may use, within a ``with`` block, for the calling thread.

    >>> import unitgain as ug
    >>> with ug.threads(1):
    ...     ug.num_threads()
    1

    Raises:
        ValueError: if ``threads`` is less than 1.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, but it is {threads}")
        self._threads = threads
        self._before: list[int] = []

    def __enter__(self) -> None:
        self._before.append(_native.set_thread_override(self._threads))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _native.set_thread_override(self._before.pop())


def set_threading_layer(name: str) -> None:
    """Set where the threads of operations come from, for the whole process.

    It starts as ``UNITGAIN_THREADING_LAYER``, or as ``"pool"``. Results have the same bits on
    both. A process made by ``os.fork()`` computes on the pool, whatever its parent does.

    Args:
        name: ``"pool"``: threads of the library's own, which sleep when there is nothing to do; or
            ``"openmp"``: OpenMP's, shared with what else in the process uses OpenMP. A call inside
            an OpenMP parallel region runs on the calling thread alone then.

    Raises:
        ValueError: if there is no such layer, the build does not contain it, its library cannot be
            loaded, or OpenMP is asked for in a forked process.
    """
    _native.set_threading_layer(name)


def threading_layer() -> str:
    """Return where the threads of operations come from, ``"pool"`` or ``"openmp"``.

    Raises:
        ValueError: if ``UNITGAIN_THREADING_LAYER`` names a layer that cannot be had.
    """
    return _native.threading_layer()


def set_float32_matmul_precision(precision: str) -> None:
    """Set how exact the products of float32 matrices are, for the whole process.

    Everything that multiplies honours it: :func:`unitgain.matmul`, layers, training. Products of
    float64 do not depend on it.

    Args:
        precision: ``"highest"`` (as it starts): the error bound of sums in float32 arithmetic, for
            every finite input; ``"high"``: errors of about 4e-6 of the magnitudes multiplied;
            ``"medium"``: operands rounded to bfloat16, sums in float32, and products below 2^-126
            taken for zero. A machine may do better than asked for, where that is faster.

    Raises:
        ValueError: if there is no such precision.
    """
    _native.set_float32_matmul_precision(precision)


def get_float32_matmul_precision() -> str:
    """Return how exact products of float32 matrices are that are called from here."""
    return _native.float32_matmul_precision()


class float32_matmul_precision:  # noqa: N801 - read as words: ``with ug.float32_matmul_precision``
    """Set how exact products of float32 are, within a ``with`` block, for the calling thread.

    >>> import unitgain as ug
    >>> with ug.float32_matmul_precision("medium"):
    ...     ug.get_float32_matmul_precision()
    'medium'

    Args:
        precision: as for :func:`set_float32_matmul_precision`.

    Raises:
        ValueError: if there is no such precision.
    """

    def __init__(self, precision: str) -> None:
        self._precision = precision
        self._before: list[str | None] = []
        _native.set_precision_override(_native.set_precision_override(precision))  # checks it

    def __enter__(self) -> None:
        self._before.append(_native.set_precision_override(self._precision))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _native.set_precision_override(self._before.pop())


def epsilon() -> float:
    """Return the least probability that losses take a logarithm of, 1e-7, by Keras's name.

    It is a constant of the kernels, and cannot be set.
    """
    return 1e-7


def set_reproducible(across: str) -> None:
    """Set between what results have the same bits, for the whole process.

    It may be called at any time when nothing computes. A predictor or a packed matrix that was made
    before is to be made anew: its use is a ``ValueError``.

    Args:
        across: ``"threads"`` (as it starts): any numbers of threads, on machines with one
            instruction set and caches of one size; or ``"machine"``: any machines of one
            architecture (x86-64, or 64-bit ARM), whatever instruction sets they have. Then the
            ``baseline`` runs everywhere: networks take up to some three times as long, single
            activations more.

    Raises:
        ValueError: if there is no such setting, or the build has no baseline.
    """
    if across not in ("threads", "machine"):
        known = dict.fromkeys(("threads", "machine"))
        raise ValueError(_names.unknown("across", across, known))
    _native.set_reproducible(across == "machine")


def reproducible() -> str:
    """Return between what results have the same bits, ``"threads"`` or ``"machine"``."""
    return "machine" if _native.is_reproducible() else "threads"


def config_text() -> str:
    """Return what :func:`show_config` prints."""
    active = _native.active_variant()
    requested = os.environ.get("UNITGAIN_ISA")
    why = (
        'the same everywhere: set_reproducible("machine")'
        if reproducible() == "machine"
        else f"asked for by UNITGAIN_ISA={requested}"
        if requested
        else "the newest that this machine can run"
    )
    lines = [
        f"unitgain {_native.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}",
        f"machine: {platform.machine()}, {os.cpu_count()} CPUs",
        f"threads: {num_threads()}",
        f"threading layer: {threading_layer()} "
        f"(this build has {', '.join(_native.threading_layers())})",
        f"precision of float32 products: {get_float32_matmul_precision()}",
        f"instruction set: {active} ({why})",
    ]
    for name, missing in _native.variants():
        lines.append(f"  {name:<9} {'lacks ' + missing if missing else 'can run'}")
    return "\n".join(lines)


def show_config() -> None:
    """Print the versions, the threads and their layer, and which instruction set runs and why."""
    print(config_text())
