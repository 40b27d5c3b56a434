"""How fast this machine computes and reads at best, measured once for each number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from unitgain import _native, num_threads

# Where the system does not tell: usual sizes of the second and third level, in bytes.
USUAL_CACHES = {"L2": 1 << 20, "L3": 32 << 20}
# Where Linux describes the caches. Python's os.sysconf knows none of glibc's names for them.
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
UNITS = {"K": 1 << 10, "M": 1 << 20}
# Arrays for the rate of memory: as large as that, at most.
LARGEST = 1 << 30


def rates() -> dict[str, float]:
    """Return the floating-point operations a second of all threads in force.

    ``float32`` and ``float64`` are those of multiply-adds; ``avx512_bf16`` and ``amx_bf16`` of the
    instructions that multiply bfloat16 numbers, if they can run.
    """
    return _rates(num_threads())


@cache
def _rates(threads: int) -> dict[str, float]:
    return _native.peak_rates(threads)


def bfloat16_unit(peak: Mapping[str, float]) -> str | None:
    """Return the fastest of the peaks of products of bfloat16 numbers, or None."""
    units = [name for name in ("amx_bf16", "avx512_bf16") if name in peak]
    return max(units, key=lambda name: peak[name]) if units else None


def read_rate(size: int) -> float:
    """Return the bytes a second at which all threads together read ``size`` bytes, repeatedly."""
    return _read_rate(size, num_threads())


@cache
def _read_rate(size: int, threads: int) -> float:
    return _native.read_rate(max(size, 512 * threads), threads)


def read_rates() -> dict[str, float]:
    """Return the rates from the second and third level of the caches and from memory.

    Each by a working set of half the cache's size, so that it fits, or of four times the last
    cache's.
    """
    caches = USUAL_CACHES | cache_sizes()
    second, third = caches["L2"], caches["L3"]
    sizes = {"L2": second * num_threads() // 2, "L3": third // 2, "memory": 4 * third}
    return {name: read_rate(min(size, LARGEST)) for name, size in sizes.items()}


def cache_sizes(folder: Path = CACHES) -> dict[str, int]:
    """Return the bytes of one core's caches for data, as far as the system tells: Linux does."""
    sizes = {}
    for entry in sorted(folder.glob("index*")):
        try:
            level, kind, size = (
                (entry / name).read_text(encoding="ascii").strip()
                for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction" and size[:-1].isdigit() and size[-1] in UNITS:
            sizes[f"L{level}"] = int(size[:-1]) * UNITS[size[-1]]
    return sizes
