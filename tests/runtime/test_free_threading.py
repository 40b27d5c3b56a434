"""Objects that threads share, used by many at once with as many switches as Python can make.

On a free-threaded interpreter these are the tests of what the GIL protects elsewhere.
"""

import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import unitgain as ug
from unitgain.layers import Dense, Dropout, Input

THREADS = 6
X = np.random.default_rng(0).standard_normal((32, 12)).astype(np.float32)
Y = X[:, :3].copy()


@pytest.fixture(autouse=True)
def often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(body):
    """Return body(i) of each thread; they start together."""
    start = threading.Barrier(THREADS)

    def begin(i):
        start.wait()
        return body(i)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


def model(seed=0):
    ug.random.seed(seed)
    made = ug.Sequential([Input((12,)), Dense(16, activation="relu"), Dropout(0.1), Dense(3)])
    made.compile("adam", "mse", metrics=["mae"])
    return made


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_the_import_leaves_the_gil_off():
    assert not sys._is_gil_enabled()


def test_a_model_that_all_threads_build_first_is_built_once():
    for _ in range(10):
        made = ug.Sequential([Dense(16, activation="relu"), Dense(3)])
        outputs = at_once(lambda _, made=made: made(X))
        for y in outputs:
            np.testing.assert_array_equal(y, outputs[0])
        assert len(made.get_weights()) == 4


def test_models_that_threads_make_at_once_have_names_of_their_own():
    made = at_once(lambda _: [Dense(2).name for _ in range(50)])
    names = [name for some in made for name in some]
    assert len(set(names)) == len(names)


def test_threads_that_train_one_model_do_each_step_whole():
    made = model()
    losses = at_once(lambda _: [made.train_on_batch(X, Y)[0] for _ in range(50)])
    assert made.optimizer.iterations == 50 * THREADS
    assert np.isfinite(losses).all()
    assert made.evaluate(X, Y, verbose=0)[0] < 0.1 * np.square(Y).mean()


def test_one_optimizer_applies_the_gradients_of_all_threads():
    weights = np.zeros(1000)
    optimizer = ug.optimizers.SGD(learning_rate=1.0)
    optimizer.build([weights])
    at_once(lambda _: [optimizer.apply([-np.ones(1000)]) for _ in range(50)])
    np.testing.assert_array_equal(weights, 50.0 * THREADS)


def test_settings_and_precisions_of_a_block_are_its_threads_own():
    def work(i):
        for _ in range(200):
            with ug.threads(i + 1):
                assert ug.num_threads() == i + 1
                np.testing.assert_allclose(ug.matmul(X, X.T), X @ X.T, rtol=1e-4, atol=1e-4)
        return True

    assert all(at_once(work))


def test_one_packed_matrix_and_one_caller_serve_all_threads():
    packed = ug.ops.PackedMatrix(Y)
    made = model()
    expected, outputs = ug.matmul(X.T.copy(), packed), made(X)

    def work(_):
        for _ in range(200):
            np.testing.assert_array_equal(ug.matmul(X.T.copy(), packed), expected)
            np.testing.assert_array_equal(made(X), outputs)
        return True

    assert all(at_once(work))


def test_draws_of_one_stream_are_nobody_elses():
    ug.random.seed(0)
    drawn = at_once(lambda _: [ug.initializers.RandomUniform()((64,)) for _ in range(50)])
    every = np.concatenate([np.asarray(some) for some in drawn])
    assert len(np.unique(every, axis=0)) == 50 * THREADS


def test_metrics_of_a_thread_count_its_own_samples():
    def work(i):
        metric = ug.metrics.MeanSquaredError()
        for _ in range(50):
            metric.update_state(np.zeros((4, 1)), np.full((4, 1), float(i)))
        return float(metric.result())

    assert at_once(work) == [float(i * i) for i in range(THREADS)]
