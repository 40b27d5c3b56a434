"""Many threads on one model, forked children, Ctrl-C."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import unitgain as ug
from unitgain.layers import Activation, BatchNormalization, Dense, Input

LOGITS_LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)


def trained(width=300, features=100):
    ug.random.seed(0)
    layers = [Dense(width), BatchNormalization(), Activation("relu"), Dense(10)]
    model = ug.Sequential([Input((features,)), *layers])
    model.compile("adam", LOGITS_LOSS, metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, features)).astype(np.float32)
    y = rng.integers(0, 10, 2000)
    model.fit(x, y, epochs=1, batch_size=256, verbose=0)
    return model, x, y


def run_threads(bodies):
    """Run each body in a thread of its own; raise what any of them raised."""
    errors = []

    def guard(body):
        try:
            body()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guard, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_that_hammer_one_model_get_right_answers():
    model, x, _ = trained()
    expected = {n: model.predict(x[:n]) for n in (1, 3, 50, 400, 2000)}

    def hammer():
        for _ in range(10):
            for n, outputs in expected.items():
                np.testing.assert_array_equal(model.predict(x[:n]), outputs)
                np.testing.assert_allclose(model(x[:n]), outputs, rtol=1e-4, atol=1e-5)

    run_threads([hammer] * 6)


def test_inference_beside_training_sees_whole_steps():
    """While one thread moves all weights together, others never see some of them moved."""
    model = ug.Sequential([Input((8,), dtype="float64"), Dense(64), Dense(8)])
    model.compile("sgd", "mse")
    ones = [np.ones_like(w) for w in model.get_weights()]
    twos = [2 * w for w in ones]
    x = np.ones((4, 8))
    model.set_weights(ones)
    allowed = [model(x)]
    model.set_weights(twos)
    allowed.append(model(x))
    done = threading.Event()

    def write():
        for _ in range(300):
            model.set_weights(ones)
            model.set_weights(twos)
        done.set()

    def read():
        while not done.is_set():
            outputs = model(x)
            assert any(np.array_equal(outputs, a) for a in allowed)

    run_threads([write, read, read])


def test_threads_that_train_models_of_their_own_get_the_results_of_one():
    model, x, y = trained()
    start = model.get_weights()

    def train(results, index):
        own = ug.Sequential(
            [Input((100,)), Dense(300), BatchNormalization(), Activation("relu"), Dense(10)]
        )
        own.compile("adam", LOGITS_LOSS)
        own.set_weights(start)
        own.fit(x, y, epochs=2, batch_size=200, shuffle=False, verbose=0)
        results[index] = own.get_weights()

    results = {}
    run_threads([lambda i=i: train(results, i) for i in range(4)])
    for index in range(1, 4):
        for a, b in zip(results[0], results[index], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_trains_and_gives_the_parents_bits():
    model, x, y = trained()
    start = model.get_weights()
    model.fit(x, y, epochs=1, batch_size=500, shuffle=False, verbose=0)
    expected = model.get_weights()

    def child():
        model.compile("adam", LOGITS_LOSS)
        model.set_weights(start)
        model.fit(x, y, epochs=1, batch_size=500, shuffle=False, verbose=0)
        return 0 if model.predict(x).shape == (2000, 10) else 1

    model.compile("adam", LOGITS_LOSS)
    model.set_weights(start)
    model.fit(x, y, epochs=1, batch_size=500, shuffle=False, verbose=0)
    reference = model.get_weights()
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            status = child()
            same = zip(reference, model.get_weights(), strict=True)
            status = status or int(not all(np.array_equal(a, b) for a, b in same))
        finally:
            os._exit(status)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            break
        time.sleep(0.01)
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        pytest.fail("the forked child hangs")
    assert [w.shape for w in expected] == [w.shape for w in reference]


STEPS = 300


def steady():
    """A model whose training takes the same steps each time, and batches for it."""
    ug.random.seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS * 32, 64)).astype(np.float32)
    y = rng.integers(0, 10, len(x))
    model = ug.Sequential(
        [Input((64,)), Dense(400), BatchNormalization(), Activation("relu"), Dense(10)]
    )
    model.compile("adam", LOGITS_LOSS)
    return model, x, y


def everything(model):
    return [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]


@pytest.fixture(scope="module")
def states():
    """All that the steady model has after each step, as one thread sees it."""
    model, x, y = steady()
    seen = []
    for first in range(0, len(x), 32):
        model.train_on_batch(x[first : first + 32], y[first : first + 32])
        seen.append(everything(model))
    return seen


def through_file(model, path):
    model.save(path)
    return ug.load_model(path)


def weights_through_file(model, path):
    model.save_weights(path)
    other, _, _ = steady()
    other.load_weights(path)
    return other.get_weights()


# What another thread may do to a model that is trained; each returns what it has got of
# everything(model), and where in the list that begins.
LOOKS = {
    "save": lambda model, path: (0, everything(through_file(model, path))),
    "save_weights": lambda model, path: (0, weights_through_file(model, path)),
    "deepcopy": lambda model, path: (0, everything(copy.deepcopy(model))),
    "pickle": lambda model, path: (0, everything(pickle.loads(pickle.dumps(model)))),
    "get_weights": lambda model, path: (0, model.get_weights()),
    "a layer": lambda model, path: (2, copy.deepcopy(model.layers[1]).get_weights()),
    "a variable": lambda model, path: (0, [model.weights[0].numpy()]),
    "the optimizer": lambda model, path: (8, optimizer_state(copy.deepcopy(model.optimizer))),
}


def optimizer_state(copied):
    state, arrays = copied._restored_state
    scalars = [np.array(state["iterations"]), np.array(state["learning_rate"])]
    return [*scalars, *(arrays[name] for name in state["slots"])]


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_saved_or_copied_while_another_thread_trains_is_of_one_step(look, states, tmp_path):
    model, x, y = steady()
    everything(model)
    done = threading.Event()
    found = []

    def train():
        try:
            model.fit(x, y, shuffle=False, batch_size=32, verbose=0)
        finally:
            done.set()

    def watch():
        while not done.is_set() and len(found) < 60:
            if model.optimizer.iterations > 0:
                found.append(LOOKS[look](model, tmp_path / "model.safetensors"))

    run_threads([train, watch])
    assert found
    for begin, arrays in found:
        assert any(
            all(map(np.array_equal, arrays, state[begin : begin + len(arrays)])) for state in states
        )


def in_child(body, patience=60):
    """Run the body in a forked child; True if it returned, and that True."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            status = 0 if body() else 1
        finally:
            os._exit(status)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the forked child hangs")


def is_one_of(arrays, states):
    return any(all(map(np.array_equal, arrays, state)) for state in states)


# What a child does with a model that the parent's thread was training; the states are what it
# may find.
CHILDREN = {
    "m(x)": lambda model, x, y, path: model(x[:50]).shape == (50, 10),
    "predict": lambda model, x, y, path: model.predict(x).shape == (len(x), 10),
    "evaluate": lambda model, x, y, path: np.isfinite(model.evaluate(x, y)),
    "fit": lambda model, x, y, path: model.fit(x, y, verbose=0),
    "fit with a bar": lambda model, x, y, path: model.fit(x, y, verbose=1),
    "compile": lambda model, x, y, path: not model.compile("sgd", LOGITS_LOSS) and model.fit(x, y),
    "save": lambda model, x, y, path: through_file(model, path),
    "deepcopy": lambda model, x, y, path: copy.deepcopy(model),
    "set_weights": lambda model, x, y, path: not model.set_weights(model.get_weights()),
    "the optimizer": lambda model, x, y, path: (
        not model.optimizer.apply(
            [np.ones_like(v.array) for v in model.trainable_weights], model.trainable_weights
        )
    ),
    "seed and layers": lambda model, x, y, path: steady(),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("what", CHILDREN)
def test_a_child_forked_while_another_thread_trains_goes_on_from_one_step(what, states, tmp_path):
    model, x, y = steady()
    model.predict(x)
    done = threading.Event()
    results = []

    def train():
        while not done.is_set():
            model.fit(x, y, shuffle=False, batch_size=32, verbose=what == "fit with a bar")

    def child():
        found = everything(model)
        consistent = model.optimizer.iterations > STEPS or is_one_of(found, states)
        return consistent and CHILDREN[what](model, x, y, tmp_path / "model.safetensors")

    def fork():
        try:
            while model.optimizer.iterations == 0:
                time.sleep(0.001)
            for _ in range(5):
                results.append(in_child(child))
        finally:
            done.set()

    run_threads([train, fork])
    assert results == [True] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_within_a_step_of_a_layer_of_ones_own_neither_waits_nor_hangs():
    other, x, _ = steady()

    class Forking(ug.layers.Layer):
        def call(self, inputs):
            if len(inputs) == 7:
                inner.append(in_child(lambda: other.predict(x[:9]).shape == (9, 10), 20))
            return np.asarray(inputs) * 2

        def backward(self, upstream, inputs, outputs):
            return upstream * 2

    inner = []
    model = ug.Sequential([Input((64,)), Dense(10), Forking()])
    model.compile("sgd", LOGITS_LOSS)
    began = time.monotonic()
    model.train_on_batch(x[:7], np.zeros(7, int))
    assert inner == [True]
    assert time.monotonic() - began < 5


CTRL_C = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    import numpy as np
    import unitgain as ug
    from unitgain.layers import BatchNormalization, Dense, Input

    model = ug.Sequential([Input((64,)), Dense(256), BatchNormalization(), Dense(10)])
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    rng = np.random.default_rng(0)
    # An epoch of many seconds: one native call.
    x = np.broadcast_to(rng.standard_normal(64).astype(np.float32), (20_000_000, 64))
    y = np.zeros(len(x), np.int32)
    sent = []

    def interrupt():
        time.sleep(0.5)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        CALL
        sys.exit("the call ended by itself")
    except KeyboardInterrupt:
        answered = time.monotonic() - sent[0]
    small = np.ones((100, 64), np.float32)
    model.fit(small, np.zeros(100, int), verbose=0)
    assert np.isfinite(model.predict(small)).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    print(answered)
    """
)


@pytest.mark.parametrize(
    "call",
    [
        "model.fit(x, y, batch_size=32, verbose=0, shuffle=False)",
        "model.fit(x, y, batch_size=32, verbose=1, shuffle=False)",
        "model.evaluate(x, y)",
        "model.predict(x)",
    ],
)
def test_ctrl_c_is_answered_within_half_a_second_and_leaves_a_usable_model(call):
    process = subprocess.run(
        [sys.executable, "-c", CTRL_C.replace("CALL", call)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) < 0.5
