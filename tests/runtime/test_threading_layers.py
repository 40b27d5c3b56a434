"""The pool and OpenMP as threading layers: the choice, the same bits, forked children."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from parallel_uses import elements, inference, product, svd, training

import unitgain as ug
from unitgain import _native

LAYERS = _native.threading_layers()


def run_python(program, layer=None):
    environment = {k: v for k, v in os.environ.items() if k != "UNITGAIN_THREADING_LAYER"}
    environment |= {"OPENBLAS_NUM_THREADS": "1"}
    if layer is not None:
        environment["UNITGAIN_THREADING_LAYER"] = layer
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_build_has_the_pool_and_this_one_openmp_too():
    assert LAYERS == ["pool", "openmp"]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_layer_is_set_asked_for_and_shown(layer, capsys):
    ug.set_threading_layer(layer)
    assert ug.threading_layer() == layer
    ug.show_config()
    line = f"threading layer: {layer} (this build has {', '.join(LAYERS)})"
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("layer", ["tbb", "", "Pool"])
def test_an_unknown_layer_is_an_error_that_lists_the_known(layer):
    before = ug.threading_layer()
    with pytest.raises(ValueError, match=f"layer is '{layer}', expected one of pool, openmp"):
        ug.set_threading_layer(layer)
    assert ug.threading_layer() == before


@pytest.mark.parametrize(("layer", "expected"), [(None, "pool"), ("", "pool"),
                                                 *zip(LAYERS, LAYERS, strict=True)])  # fmt: skip
def test_the_environment_chooses_the_layer(layer, expected):
    run = run_python("import unitgain as ug; print(ug.threading_layer())", layer)
    assert run.stdout.split() == [expected], run.stderr
    shown = run_python("import sys; from unitgain.cli import main; sys.exit(main(['info']))", layer)
    assert f"threading layer: {expected} " in shown.stdout, shown.stderr


@pytest.mark.parametrize(
    "use",
    [
        "ug.threading_layer()",
        "ug.show_config()",
        "ug.matmul(np.eye(3), np.eye(3))",
        "ug.activations.tanh(np.ones(3))",
    ],
)
def test_a_wrong_layer_in_the_environment_is_an_error_at_first_use(use):
    program = f"import numpy as np, unitgain as ug; print('imported'); {use}"
    run = run_python(program, "tbb")
    assert run.stdout.split() == ["imported"]
    error = "ValueError: UNITGAIN_THREADING_LAYER is 'tbb', expected one of pool, openmp"
    assert run.stderr.splitlines()[-1] == error


def test_a_layer_that_cannot_be_loaded_is_an_error_that_says_why(tmp_path):
    # A copy of the extension without the object beside it.
    native = tmp_path / os.path.basename(_native.__file__)
    shutil.copy(_native.__file__, native)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import _native
try:
    _native.set_threading_layer("openmp")
except ValueError as error:
    print(error)
print(_native.threading_layer())
"""
    error, layer = run_python(program).stdout.splitlines()
    assert error.startswith("the threading layer is openmp, but it cannot be loaded: ")
    assert str(tmp_path / "_native.openmp.so") in error
    assert layer == "pool"


LOADED = """
import numpy as np
import unitgain as ug
def loaded():
    with open("/proc/self/maps") as maps:
        return any(name in line for line in maps for name in ("gomp", "libomp", "iomp"))
"""


def test_openmp_is_not_loaded_before_it_is_asked_for():
    program = """
ug.set_num_threads(2)
ug.matmul(np.ones((600, 600)), np.ones((600, 600)))
print(loaded())
ug.set_threading_layer("openmp")
print(loaded())
"""
    assert run_python(LOADED + program).stdout.split() == ["False", "True"]
    assert run_python(LOADED + "print(loaded())", "openmp").stdout.split() == ["False"]


USES = [product, svd, elements, training, inference]


@pytest.mark.parametrize("use", USES)
def test_both_layers_and_any_number_of_threads_give_the_same_bits(use):
    ug.set_threading_layer("pool")
    with ug.threads(1):
        expected = use()
    for layer in LAYERS:
        ug.set_threading_layer(layer)
        for threads in (1, 2, 3, 5):
            with ug.threads(threads):
                results = use()
            for result, reference in zip(results, expected, strict=True):
                np.testing.assert_array_equal(result, reference, err_msg=f"{layer}, {threads}")


FORK = """
import os
import numpy as np
import unitgain as ug
from parallel_uses import {use} as use
ug.set_num_threads(3)
expected = use()
for generation in range(2):  # a child, and a child's child
    child = os.fork()
    if child:
        break
    same = all((a == b).all() for a, b in zip(use(), expected, strict=True))
    if not same or ug.threading_layer() != "pool":
        os._exit(1)
if child:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if generation:
        os._exit(code)
    same = all((a == b).all() for a, b in zip(use(), expected, strict=True))
    print(code, same, ug.threading_layer())
else:
    os._exit(0)
"""


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("use", USES)
def test_a_forked_child_computes_on_the_pool_after_each_kind_of_use(use, layer):
    run = run_python(FORK.format(use=use.__name__), layer)
    assert run.stdout.split() == ["0", "True", layer], run.stderr


@pytest.mark.parametrize("layer", LAYERS)
def test_a_child_that_is_the_first_to_compute_has_the_pool(layer):
    program = """
import os, numpy as np, unitgain as ug
ug.set_num_threads(2)
x = np.ones((600, 600))
child = os.fork()
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
else:
    right = (ug.matmul(x, x) == 600).all() and ug.threading_layer() == "pool"
    try:
        ug.set_threading_layer("openmp")
        right = False
    except ValueError as error:
        right = right and "forked process" in str(error)
    os._exit(0 if right else 1)
"""
    run = run_python(program, layer)
    assert run.stdout.split() == ["0"], run.stderr


def test_the_layer_may_change_while_others_compute():
    program = """
import threading, numpy as np, unitgain as ug
ug.set_num_threads(2)
a, b = (np.random.default_rng(seed).normal(size=(200, 200)) for seed in (0, 1))
expected = ug.matmul(a, b)
wrong = []
def work():
    for _ in range(200):
        if not (ug.matmul(a, b) == expected).all():
            wrong.append(1)
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers:
    worker.start()
while any(worker.is_alive() for worker in workers):
    for layer in ("openmp", "pool"):
        ug.set_threading_layer(layer)
for worker in workers:
    worker.join()
print(wrong)
"""
    run = run_python(program)
    assert run.stdout.split() == ["[]"], run.stderr
