"""Older instruction sets for unitgain and its peers, set by environment variables.

The libraries read them when they are loaded, so they must be there when the process starts.
"""

from __future__ import annotations

from collections.abc import Mapping

# The limit of each peer. MKL listens on Intel's CPUs alone (on others it takes AVX2 by itself), and
# avx512 leaves OpenBLAS its own choice, since no newer instructions change its float products.
LIMITS: dict[str, dict[str, str]] = {
    "baseline": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
    },
    "avx2": {
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
    "avx512": {
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX512",
    },
    "amx": {},
}

# XLA's flag limits the code that it generates; its matrix products choose for themselves.
UNLIMITED = {"baseline": ("JAX",), "avx2": ("JAX",), "avx512": (), "amx": ()}


def settings(isa: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that limit everybody to an instruction set, added to those given."""
    wanted = {"UNITGAIN_ISA": isa, **LIMITS[isa]}
    flags = environment.get("XLA_FLAGS", "")
    if "XLA_FLAGS" in wanted and wanted["XLA_FLAGS"] not in flags:
        wanted["XLA_FLAGS"] = f"{flags} {wanted['XLA_FLAGS']}".strip()
    elif "XLA_FLAGS" in wanted:
        wanted["XLA_FLAGS"] = flags
    return wanted


def are_set(wanted: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Return whether the environment has all these variables."""
    return all(environment.get(name) == value for name, value in wanted.items())
