"""The native examples of docs/extending.md, carried out.

Their diffs are applied to a copy of the sources. What they touch is compiled and linked in front of
the build directory's own objects, for one instruction set, into an extension module, with which the
page's checks then run.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pybind11
import pytest

from unitgain import _native

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
BUILD = Path(os.environ.get("UNITGAIN_BUILD_DIR") or "none")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?://|#) ((?:cpp|python)/\S+)\n")  # the first line of a block that is a file
UNITED = re.compile(r'^#include "(.+)"$', re.MULTILINE)
ROWS = re.compile(r"#define (UNITGAIN_\w+)\(ROW\)")
VARIANT = "baseline"
INSTRUCTION_SET = "An instruction set"


def native_sections():
    """Return the code blocks of each section that has a diff: language and text."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titled = zip(parts[1::2], parts[2::2], strict=True)
    sections = {title: FENCE.findall(text) for title, text in titled}
    return {t: blocks for t, blocks in sections.items() if any(b[0] == "diff" for b in blocks)}


SECTIONS = native_sections()
EXAMPLES = [title for title in SECTIONS if title != INSTRUCTION_SET]


def run(*command, **options):
    # Programs that pip installed lie beside the interpreter, whether or not that is on the PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    process = subprocess.run(
        [shutil.which(str(command[0]), path=path) or command[0], *map(str, command[1:])],
        env={**os.environ, "PATH": path, **options.pop("env", {})},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def apply_diff(text, tree):
    """Change the file that a diff names where its old lines stand; return the file's path."""
    header, *lines = text.splitlines()
    path = header.removeprefix("+++ ")
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] in " -")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] in " +")
    content = (tree / path).read_text(encoding="utf-8")
    found = [m.start() for m in re.finditer(r"^" + re.escape(old), content, re.MULTILINE)]
    assert len(found) == 1, f"{path} has these lines {len(found)} times:\n{old}"
    (tree / path).write_text(content.replace(old, new), encoding="utf-8")
    return path


def carry_out(blocks, tree):
    """Apply the diffs and write the files of a section; return the paths that this touches."""
    touched = []
    for language, text in blocks:
        if language == "diff":
            touched.append(apply_diff(text, tree))
        elif match := NAMED.match(text):
            (tree / match[1]).write_text(text[match.end() :], encoding="utf-8")
            touched.append(match[1])
    return touched


def copy_of_the_sources(tree):
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.npz", "tests", "benchmarks")
    shutil.copytree(ROOT / "cpp", tree / "cpp", ignore=ignored)
    shutil.copytree(ROOT / "python", tree / "python", ignore=ignored)
    shutil.copy(ROOT / "CMakeLists.txt", tree)


def sources_to_compile(touched, tree):
    """Return the sources that are touched, or make something of the rows of a header that is."""
    sources = {path for path in touched if path.endswith(".cpp")}
    tables = {
        table
        for path in touched
        if path.endswith(".hpp")
        for table in ROWS.findall((tree / path).read_text(encoding="utf-8"))
    }
    uses = re.compile(r"\b({})\(UNITGAIN_\w+\)".format("|".join(tables)))
    for file in (tree / "cpp").rglob("*.cpp"):
        if tables and uses.search(file.read_text(encoding="utf-8")):
            sources.add(str(file.relative_to(tree)))
    return sorted(sources)


def source_directory(build):
    """Return where the sources of a build directory lie."""
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    return Path(re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", cache, re.MULTILINE)[1])


def compile_commands(build):
    """Return the arguments that compile each source, of simd/ for one variant.

    Sources that are compiled as one, which a file of the build directory includes, have the
    command of that file.
    """
    commands = {}
    home = source_directory(build)
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        arguments = shlex.split(entry["command"])
        where = arguments[arguments.index("-o") + 1]
        if "unitgain_simd_" in where and f"unitgain_simd_{VARIANT}." not in where:
            continue
        file = Path(entry["file"])
        together = "/Unity/" in str(file)
        for source in UNITED.findall(file.read_text(encoding="utf-8")) if together else [file]:
            if home in Path(source).parents:
                commands[str(Path(source).relative_to(home))] = (arguments, where)
    return commands


def compile_all(sources, commands, tree):
    """Compile sources of the copy; return their objects, and those that they replace."""
    home = source_directory(BUILD)

    def moved(text):
        return text.replace(f"{home}/cpp", f"{tree}/cpp")

    def gone(argument):
        return argument.endswith("pybind11/include") and not Path(argument).exists()

    def compile_one(source):
        # A new source is compiled as its neighbours are.
        known = source if source in commands else next(
            other for other in commands if Path(other).parent == Path(source).parent
        )  # fmt: skip
        arguments, replaced = commands[known]
        made = tree / "objects" / f"{source.replace('/', '_')}.o"
        # pip builds with a copy of pybind11 that is gone afterwards.
        new = [pybind11.get_include() if gone(a) else moved(a) for a in arguments]
        new[new.index("-o") + 1] = str(made)
        file = arguments[arguments.index("-c") + 1]
        if "/Unity/" in file:
            copied = tree / "objects" / Path(file).name
            copied.write_text(moved((BUILD / file).read_text(encoding="utf-8")), encoding="utf-8")
            new[new.index("-c") + 1] = str(copied)
        else:
            new[new.index("-c") + 1] = str(tree / source)
        run(*[a for a in new if not a.startswith("-O")], "-O1", cwd=BUILD)
        return made, replaced if source in commands else None

    (tree / "objects").mkdir()
    # Of those that are compiled as one, one.
    chosen = {commands[s][1] if s in commands else s: s for s in sources}.values()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(compile_one, chosen))


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """The package with all that the page adds to it."""
    if not (BUILD / "compile_commands.json").exists() or not list(BUILD.glob("cpp/_native*.so")):
        pytest.skip("needs a build of the extension module in UNITGAIN_BUILD_DIR")
    tree = tmp_path_factory.mktemp("extended")
    copy_of_the_sources(tree)
    touched = [path for title in EXAMPLES for path in carry_out(SECTIONS[title], tree)]
    commands = compile_commands(BUILD)
    compiled = compile_all(sources_to_compile(touched, tree), commands, tree)
    replaced = {old for _, old in compiled}
    kept = {BUILD / where for source, (_, where) in commands.items()
            if source.startswith("cpp/bindings/") and where not in replaced}  # fmt: skip
    module = tree / "python/unitgain" / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = commands["cpp/src/nn/node.cpp"][0]
    compiler = compiler[: compiler.index("-c")][:2] if "ccache" in compiler[0] else compiler[:1]
    run(*compiler, "-shared", "-s", "-o", module, *[new for new, _ in compiled], *sorted(kept),
        BUILD / "cpp/libunitgain.a", "-pthread", "-ldl")  # fmt: skip
    return tree


@pytest.mark.slow
@pytest.mark.parametrize("title", EXAMPLES)
def test_a_native_example_works(extended, title):
    checks = [text for language, text in SECTIONS[title] if language == "py" and "assert" in text]
    assert checks, "the example checks nothing"
    program = "import numpy as np\nimport unitgain as ug\nfrom unitgain import layers\n"
    environment = {"PYTHONPATH": str(extended / "python"), "UNITGAIN_ISA": VARIANT}
    run(sys.executable, "-c", program + "".join(checks), env=environment, cwd=extended)


@pytest.mark.skipif("avx512" not in [name for name, _ in _native.variants()], reason="x86-64 only")
@pytest.mark.slow
def test_an_instruction_set_is_built_as_the_page_says(tmp_path):
    copy_of_the_sources(tmp_path)
    carry_out(SECTIONS[INSTRUCTION_SET], tmp_path)
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja", "-DUNITGAIN_PYTHON=OFF",
        "-DUNITGAIN_OPENMP=OFF", "-DUNITGAIN_VARIANTS=baseline;vbmi")  # fmt: skip
    objects = ["cpp/CMakeFiles/unitgain.dir/src/runtime/cpu.cpp.o",
               "cpp/CMakeFiles/unitgain.dir/src/runtime/dispatch.cpp.o",
               "cpp/CMakeFiles/unitgain_simd_vbmi.dir/src/simd/table.cpp.o",
               "cpp/CMakeFiles/unitgain_simd_vbmi.dir/src/simd/prelu.cpp.o"]  # fmt: skip
    run("ninja", "-C", tmp_path / "build", "-j", "2", *objects)
    names = run("nm", "-C", tmp_path / "build" / objects[1])
    assert "U unitgain::simd::vbmi::table" in names


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_is_short_and_touches_few_files(title, tmp_path):
    copy_of_the_sources(tmp_path)
    blocks = SECTIONS[title]
    lines = [len(text.splitlines()) for language, text in blocks
             if language != "py" or NAMED.match(text)]  # fmt: skip
    assert sum(lines) < 60
    promised = {"activation": 2, "optimizer": 3, "loss": 3, "metric": 3, "native node": 5,
                "instruction set": 4}  # fmt: skip
    (files,) = [count for kind, count in promised.items() if kind in title]
    assert len(set(carry_out(blocks, tmp_path))) == files
