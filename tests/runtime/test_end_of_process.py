"""The end of the interpreter, and a second interpreter: never an abort, never a hang."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DAEMONS = """
import sys, threading, time
import numpy as np, unitgain as ug
from unitgain.layers import Dense, Input, Layer

class Twice(Layer):
    def call(self, inputs):
        return np.asarray(inputs) * 2
    def backward(self, upstream, inputs, outputs):
        return upstream * 2

class Squares(ug.losses.Loss):
    def call(self, y_true, y_pred):
        return (y_true - y_pred) ** 2
    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true)

class Schedule(ug.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01

def squares(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean(axis=-1)

def model(*between, loss="mse", optimizer="adam", metrics=(), **keywords):
    made = ug.Sequential([Input((64,)), Dense(64, **keywords), *between, Dense(10)])
    made.compile(optimizer, loss, list(metrics))
    return made


a = np.ones((300, 300))
values = np.ones(2_000_000, np.float32)
x, y = np.ones((6000, 64), np.float32), np.zeros((6000, 10), np.float32)
plain, eager = model(), model(Twice(), loss=Squares(), metrics=[squares])
scheduled = model(optimizer=ug.optimizers.SGD(Schedule()))
told = ug.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
optimizer = ug.optimizers.Adam()
weights, gradients = [np.zeros(1_000_000)], [np.ones(1_000_000)]
calls = {
    "matmul": lambda: ug.matmul(a, a),
    "svd": lambda: ug.linalg.svd(a),
    "lstsq": lambda: ug.linalg.lstsq(a, a),
    "tanh": lambda: ug.activations.tanh(values),
    "softmax": lambda: ug.activations.softmax(values.reshape(-1, 100)),
    "normal": lambda: ug.random.normal(500_000),
    "permutation": lambda: ug.random.permutation(500_000),
    "optimizer": lambda: optimizer.apply(gradients, weights),
    "call": lambda: plain(x),
    "predict": lambda: plain.predict(x),
    "evaluate": lambda: plain.evaluate(x, y),
    "fit": lambda: plain.fit(x, y, verbose=0),
    "fit with a callback": lambda: plain.fit(x, y, verbose=0, callbacks=[told]),
    "fit with a bar": lambda: plain.fit(x, y, verbose=1),
    "fit with Python's layer, loss and metric": lambda: eager.fit(x, y, verbose=0),
    "fit with Python's schedule": lambda: scheduled.fit(x, y, verbose=0),
    "save": lambda: plain.save_weights(sys.argv[1]),
    "load": lambda: plain.load_weights(sys.argv[1]),
}
plain.save_weights(sys.argv[1])

def work(call):
    while True:
        call()

for _ in range(2):
    threading.Thread(target=work, args=(calls[sys.argv[2]],), daemon=True).start()
time.sleep(0.2)
print("end")
"""
CALLS = [line.split('"')[1] for line in DAEMONS.splitlines() if '": lambda' in line]


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("call", CALLS)
def test_daemon_threads_in_native_calls_let_the_process_end(call, tmp_path):
    for _ in range(3):
        process = run(DAEMONS, str(tmp_path / "weights.safetensors"), call)
        assert process.returncode == 0, process.stderr
        assert process.stdout.split()[-1] == "end"
        assert "terminate" not in process.stderr
        assert "Fatal" not in process.stderr
        assert "Traceback" not in process.stderr


def test_bindings_wait_for_the_gil_by_one_file_alone():
    """A wait of pybind11's own would abort as above, in a call that no test here makes."""
    bindings = Path(__file__).parents[2] / "cpp" / "bindings"
    waits = re.compile(r"gil_scoped_(release|acquire)|PyEval_RestoreThread|PyGILState_Ensure\(")
    files = [path.name for path in bindings.iterdir() if waits.search(path.read_text("utf-8"))]
    assert files == ["gil.cpp"]


SUB_INTERPRETER = """
import sys
import _xxsubinterpreters as interpreters
if sys.argv[1]:
    __import__(sys.argv[1])
other = interpreters.create()
try:
    interpreters.run_string(other, "import unitgain")
except interpreters.RunFailedError as error:
    print(error)
import unitgain as ug  # where it can be imported
print(ug.matmul([[2.0]], [[3.0]]))
"""


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the module has another name")
@pytest.mark.parametrize("before", ["", "numpy", "unitgain"])
def test_a_sub_interpreter_says_that_it_cannot_import(before):
    process = run(SUB_INTERPRETER, before)
    assert process.returncode == 0, process.stderr
    assert "ImportError" in process.stdout
    assert "unitgain cannot be imported in a sub-interpreter" in process.stdout
    assert "[[6.]]" in process.stdout
