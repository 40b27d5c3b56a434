"""How many threads run, who decides it, and what happens after a fork."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import unitgain as ug
from unitgain import _native


def run_python(program, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    # NumPy's own threads would be counted with ours.
    environment |= {"OPENBLAS_NUM_THREADS": "1"} | variables
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # Newer Pythons warn of every fork in a process with threads, which is what is tested here.
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_set_num_threads_holds_for_the_process():
    ug.set_num_threads(3)
    assert ug.num_threads() == 3
    seen = []
    other = threading.Thread(target=lambda: seen.append(ug.num_threads()))
    other.start()
    other.join()
    assert seen == [3]


def test_threads_nest_and_end_with_their_block():
    ug.set_num_threads(4)
    with ug.threads(2):
        assert ug.num_threads() == 2
        with ug.threads(3):
            assert ug.num_threads() == 3
        assert ug.num_threads() == 2
    assert ug.num_threads() == 4


def test_threads_end_when_an_error_leaves_the_block():
    ug.set_num_threads(4)
    with pytest.raises(KeyError), ug.threads(2):
        raise KeyError
    assert ug.num_threads() == 4


def test_one_threads_object_may_be_entered_again():
    ug.set_num_threads(4)
    two = ug.threads(2)
    with two, ug.threads(3), two:
        assert ug.num_threads() == 2
    assert ug.num_threads() == 4
    with two:
        assert ug.num_threads() == 2


def test_threads_hold_for_their_own_thread_alone():
    ug.set_num_threads(4)
    inside, done = threading.Event(), threading.Event()
    seen = []

    def other():
        with ug.threads(2):
            seen.append(ug.num_threads())
            inside.set()
            done.wait()

    worker = threading.Thread(target=other)
    worker.start()
    inside.wait()
    assert ug.num_threads() == 4
    done.set()
    worker.join()
    assert seen == [2]


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_an_error(threads):
    with pytest.raises(ValueError, match=f"at least 1, but it is {threads}"):
        ug.set_num_threads(threads)
    with pytest.raises(ValueError, match=f"at least 1, but it is {threads}"):
        ug.threads(threads)


def test_omp_num_threads_is_respected():
    program = "import unitgain; print(unitgain.num_threads())"
    assert run_python(program, OMP_NUM_THREADS="3") == ["3"]


def test_the_default_is_the_cpus_that_the_process_may_use():
    program = """
import os
cpu = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpu})
import unitgain
print(unitgain.num_threads())
"""
    assert run_python(program) == ["1"]
    count = "import unitgain; print(unitgain.num_threads())"
    assert run_python(count) == [str(len(os.sched_getaffinity(0)))]


COUNT_THREADS = """
import os
import numpy as np
import unitgain as ug
from unitgain import _native
x = np.ones((600, 600))
def count():
    _native.matmul(x, x)
    print(len(os.listdir("/proc/self/task")))
"""


def test_operations_use_as_many_threads_as_asked():
    assert run_python(COUNT_THREADS + "ug.set_num_threads(1); count()") == ["1"]
    assert run_python(COUNT_THREADS + "ug.set_num_threads(3); count()") == ["3"]
    assert run_python(COUNT_THREADS + "ug.set_num_threads(3)\nwith ug.threads(1): count()") == ["1"]


def test_small_work_stays_on_the_caller():
    assert run_python(COUNT_THREADS + "ug.set_num_threads(3); x = x[:4, :4]; count()") == ["1"]


def test_a_forked_child_computes_and_ends():
    program = (
        COUNT_THREADS
        + """
ug.set_num_threads(3)
expected = _native.matmul(x, x)
for generation in range(2):  # a child, and a child's child
    child = os.fork()
    if child:
        break
    if not (_native.matmul(x, x) == expected).all():
        os._exit(1)
if child:
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if generation:
        os._exit(code)
    print(code)
    count()
else:
    os._exit(0)
"""
    )
    assert run_python(program) == ["0", "3"]


def test_the_first_calls_of_many_threads_do_not_wait_for_each_other():
    code = """
import sys, threading
import numpy as np
from unitgain import _native
sys.setswitchinterval(1e-6)
x = np.ones((4, 4))
ready = threading.Barrier(8)
def first():
    ready.wait()
    _native.matmul(x, x)
threads = [threading.Thread(target=first, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
print(any(thread.is_alive() for thread in threads))
"""
    for _ in range(3):
        assert run_python(code) == ["False"]


def test_a_fork_amid_other_threads_work_does_not_hang():
    program = (
        COUNT_THREADS
        + """
import threading
ug.set_num_threads(2)
stop = threading.Event()
def work():
    while not stop.is_set():
        _native.matmul(x, x)
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
codes = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        ug.random.normal(5)
        os._exit(0 if (_native.matmul(x, x) == 600).all() else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
for worker in workers:
    worker.join()
print(*codes)
"""
    )
    assert run_python(program) == ["0"] * 10


def test_many_threads_may_compute_at_once():
    numbers = np.random.default_rng(3)
    pairs = [(numbers.normal(size=(150, 90)), numbers.normal(size=(90, 110))) for _ in range(4)]
    expected = [_native.matmul(a, b) for a, b in pairs]
    wrong = []

    def work(which):
        a, b = pairs[which]
        for _ in range(50):
            if not (_native.matmul(a, b) == expected[which]).all():
                wrong.append(which)

    ug.set_num_threads(2)
    workers = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
