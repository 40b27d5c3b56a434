"""The choice of the instruction-set variant, and the message where one cannot run."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unitgain as ug
from unitgain import _native

VARIANTS = [name for name, _ in _native.variants()]
AVAILABLE = [name for name, missing in _native.variants() if not missing]

# Products of small integers are exact in any order of summation, so that every variant must agree.
MULTIPLY = """
import numpy as np, unitgain as ug
from unitgain import _native
numbers = np.random.default_rng(1)
for dtype in (np.float32, np.float64):
    a, b = (numbers.integers(-9, 10, shape).astype(dtype) for shape in [(37, 65), (65, 43)])
    assert (_native.matmul(a, b) == a.astype(np.int64) @ b.astype(np.int64)).all(), dtype
print(_native.active_variant())
"""


def run_python(program, *, isa=None, emulator=()):
    # OPENBLAS_CORETYPE would have NumPy run instructions that an emulated CPU lacks.
    chosen = ("UNITGAIN_ISA", "OPENBLAS_CORETYPE")
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    if isa is not None:
        environment["UNITGAIN_ISA"] = isa
    # The package is found where this process found it; an emulator needs the real interpreter,
    # whose path does not lead to a virtual environment.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    executable = os.path.realpath(sys.executable) if emulator else sys.executable
    return subprocess.run(
        [*emulator, executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_build_contains_the_machines_variants():
    expected = {"x86_64": ["baseline", "avx2", "avx512", "amx"], "aarch64": ["baseline"]}
    assert expected[platform.machine()] == VARIANTS
    assert "baseline" in AVAILABLE


@pytest.mark.parametrize("name", VARIANTS)
def test_unitgain_isa_chooses_the_variant(name):
    run = run_python(MULTIPLY, isa=name)
    if name in AVAILABLE:
        assert run.stdout.strip() == name, run.stderr
    else:
        missing = dict(_native.variants())[name]
        assert f"UNITGAIN_ISA is {name}, but this machine lacks {missing}" in run.stderr


@pytest.mark.parametrize("isa", [None, ""])
def test_the_newest_that_can_run_is_chosen(isa):
    run = run_python(MULTIPLY, isa=isa)
    assert run.stdout.strip() == AVAILABLE[-1], run.stderr


@pytest.mark.parametrize("isa", ["sse9", "AVX2", "baseline "])
def test_an_unknown_variant_is_an_error_that_lists_the_known(isa):
    run = run_python(MULTIPLY, isa=isa)
    assert run.returncode == 1
    assert (
        f"ValueError: UNITGAIN_ISA is '{isa}', expected one of {', '.join(VARIANTS)}" in run.stderr
    )


def test_importing_works_whatever_unitgain_isa_says():
    run = run_python("import unitgain; print(unitgain.__version__)", isa="sse9")
    assert run.stdout.strip() == ug.__version__, run.stderr


def test_show_config_says_what_was_chosen_and_why(capsys):
    ug.show_config()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"unitgain {ug.__version__}, NumPy {np.__version__}, Python ")
    assert f"threads: {ug.num_threads()}" in lines
    chosen = next(line for line in lines if line.startswith("instruction set: "))
    assert _native.active_variant() in chosen
    for name, missing in _native.variants():
        status = f"lacks {missing}" if missing else "can run"
        assert any(line.split(maxsplit=1) == [name, status] for line in lines)
    for isa, why in [(None, "the newest that this machine can run"),
                     ("baseline", "asked for by UNITGAIN_ISA=baseline")]:  # fmt: skip
        assert why in run_python("import unitgain; unitgain.show_config()", isa=isa).stdout


@pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("qemu-x86_64") is None,
    reason="needs qemu-x86_64 (Debian's qemu-user)",
)
def test_a_cpu_without_avx_runs_baseline_and_refuses_the_rest():
    nehalem = ("qemu-x86_64", "-cpu", "Nehalem")
    run = run_python(MULTIPLY, emulator=nehalem)
    assert run.stdout.strip() == "baseline", run.stderr
    run = run_python("import unitgain; unitgain.show_config()", isa="avx2", emulator=nehalem)
    assert "ValueError: UNITGAIN_ISA is avx2, but this machine lacks AVX, FMA" in run.stderr


def test_no_source_asks_for_the_building_machines_instructions():
    root = Path(__file__).parents[2]
    for path in [root / "CMakeLists.txt", *root.glob("cpp/**/CMakeLists.txt")]:
        assert "march=native" not in path.read_text(), path
