"""The contents of the build: object files, the wheel, and what an import brings in.

The object files of the instruction-set variants come from the build directory that the environment
variable UNITGAIN_BUILD_DIR names, or are compiled here, which takes a minute.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from unitgain import _native

ROOT = Path(__file__).parents[2]
VARIANTS = [name for name, _ in _native.variants()]


def run(*command):
    # Programs that pip installed lie beside the interpreter, whether or not that is on the PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    program = shutil.which(str(command[0]), path=path)
    assert program is not None, f"{command[0]} is not installed"
    process = subprocess.run(
        [program, *map(str, command[1:])],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="session")
def build_directory(tmp_path_factory):
    given = os.environ.get("UNITGAIN_BUILD_DIR")
    if given:
        return Path(given)
    directory = tmp_path_factory.mktemp("objects")
    run("cmake", "-S", ROOT, "-B", directory, "-G", "Ninja", "-DUNITGAIN_PYTHON=OFF")
    run("cmake", "--build", directory, "--target", *[f"unitgain_simd_{name}" for name in VARIANTS])
    return directory


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def objects(build_directory, variant):
    folder = build_directory / "cpp" / "CMakeFiles" / f"unitgain_simd_{variant}.dir"
    sources = {path.name for path in (ROOT / "cpp/src/simd").glob("*.cpp")}
    if variant == "amx":  # the rest is avx512's
        sources = {"gemm_amx.cpp", "peak.cpp", "table.cpp"}
    found = sorted(folder.rglob("*.o"))
    assert {path.stem for path in found} == sources
    return found


def weak_symbols(path):
    """Return the mangled names of the symbols of which the linker keeps any one copy."""
    lines = run("nm", "--defined-only", "--format=posix", path).splitlines()
    return [fields[0] for fields in map(str.split, lines) if fields[1] in "WwVvu"]


def shared_symbols(path, variant):
    """Return the weak symbols that another variant, or code for every CPU, could define as well.

    A mangled name that spells the variant's namespace, as a scope or in a template's argument, can
    come from that variant's sources alone.
    """
    namespace = f"8unitgain4simd{len(variant)}{variant}"
    return [name for name in weak_symbols(path) if namespace not in name]


def sections(path):
    return re.findall(r"\] (\.\S+)", run("readelf", "--section-headers", "--wide", path))


def test_no_code_for_a_newer_cpu_can_become_everybodys_copy(objects, variant):
    shared = {path.name: shared_symbols(path, variant) for path in objects}
    names = [name for found in shared.values() for name in found]
    assert not names, run("c++filt", *names)


def test_no_code_for_a_newer_cpu_runs_when_the_library_is_loaded(objects):
    for path in objects:
        initialisers = [name for name in sections(path) if re.match(r"\.(init_array|ctors)", name)]
        assert initialisers == [], path


def test_the_checks_see_what_they_look_for(tmp_path):
    source = tmp_path / "shared.cpp"
    source.write_text("""
int start();
int at_load = start();
inline int shared(int x) { return x + at_load; }
namespace unitgain::simd::avx2 {
inline int owned(int x) { return x - 1; }
template <class T> T own_instance(T x) { return x; }
struct Type {};
int (*const table[])(int) = {shared, owned};
Type (*make)(Type) = own_instance<Type>;
int use(int i) { return table[i & 1](i); }
}
""")
    compiled = tmp_path / "shared.o"
    run("c++", "-O0", "-c", source, "-o", compiled)
    assert shared_symbols(compiled, "avx2") == ["_Z6sharedi"]
    assert len(weak_symbols(compiled)) == 3
    assert len(shared_symbols(compiled, "amx")) == 3
    assert any(name.startswith(".init_array") for name in sections(compiled))


def distribution_files():
    files = importlib.metadata.files("unitgain")
    assert files is not None
    return [file for file in files if "__pycache__" not in str(file)]


def test_the_wheel_is_below_five_megabytes(tmp_path):
    # A wheel is the installed files in a zip archive.
    archive = tmp_path / "unitgain.whl"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in distribution_files():
            wheel.write(str(file.locate()), str(file).replace("..", "_"))
    assert archive.stat().st_size < 5_000_000


def test_the_wheel_holds_types_stubs_and_licence():
    names = {file.name for file in distribution_files()}
    assert {"py.typed", "_native.pyi", "LICENSE"} <= names
    assert {"digits_mlp.safetensors", "digits_mlp.json"} <= names
    assert not {name for name in names if name.endswith((".cpp", ".hpp", ".o", ".a"))}


def test_numpy_and_tqdm_are_the_only_requirements():
    required = importlib.metadata.requires("unitgain")
    assert required is not None
    names = {re.match(r"[\w-]+", line)[0].lower() for line in required if "extra ==" not in line}
    assert names == {"numpy", "tqdm"}


def test_importing_brings_in_no_large_modules():
    program = """
import sys
import numpy
before = set(sys.modules)
import unitgain
print(*(set(sys.modules) - before))
"""
    new = set(run(sys.executable, "-c", program).split())
    packages = {name.partition(".")[0] for name in new} - sys.stdlib_module_names
    assert packages <= {"unitgain", "numpy"}
    # Parts of the standard library that each cost milliseconds.
    slow = {"asyncio", "concurrent.futures", "email", "http", "multiprocessing", "ssl", "unittest"}
    assert new & (slow | {"urllib.request", "xml.etree"}) == set()
