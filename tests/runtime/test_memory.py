import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import unitgain as ug

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def _empty_cache():
    gc.collect()
    ug.clear_cache()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def results() -> dict[str, np.ndarray]:
    """Large results of each part of the API."""
    x = np.ones((600, 600), np.float32)
    return {
        "matmul": ug.matmul(x, x),
        "activation": ug.activations.tanh(x),
        "softmax": ug.activations.softmax(x),
        "gradient": ug.activations.gradient("tanh", x, x),
        "dropout": ug.random.dropout(x, 0.5),
        "random": ug.random.normal((600, 600)),
        "loss": ug.losses.MeanSquaredError().gradient(x, x),
        "prelu": ug.activations.prelu(x, x[0]),
        "pinv": ug.linalg.pinv(x[:300] + np.eye(300, 600, dtype=np.float32)),
    }


def test_large_results_come_from_what_was_released():
    x = np.ones((1024, 1024), np.float32)
    first = ug.activations.relu(x)
    where = address(first)
    assert where % 4096 == 0
    assert ug.cache_memory() == 0
    del first
    assert ug.cache_memory() == 4 * MEGABYTE
    second = ug.activations.tanh(x)
    assert address(second) == where
    assert ug.cache_memory() == 0


def test_every_kind_of_large_result_is_recycled():
    made = results()
    for name, array in made.items():
        assert array.flags.writeable, name
        assert array.flags.c_contiguous, name
    held = sum(array.nbytes for array in made.values())
    del made, array
    assert ug.cache_memory() >= held


def test_views_keep_the_memory_in_use():
    view = ug.activations.relu(np.ones((512, 512), np.float32))[10:20]
    assert ug.cache_memory() == 0
    np.testing.assert_array_equal(view, 1)
    other = ug.activations.relu(np.full((512, 512), 2, np.float32))
    np.testing.assert_array_equal(view, 1)
    np.testing.assert_array_equal(other, 2)
    del view
    assert ug.cache_memory() == MEGABYTE


def test_what_is_kept_is_bounded_and_what_was_released_longest_ago_goes_first():
    assert ug.set_cache_limit(5 * MEGABYTE) == 256 * MEGABYTE
    sizes = [(3, 1 << 18), (2, 1 << 18), (1, 1 << 18)]
    made = [ug.random.uniform(shape) for shape in sizes]
    del made[0]
    assert ug.cache_memory() == 3 * MEGABYTE
    made.clear()
    assert ug.cache_memory() == 3 * MEGABYTE
    ug.random.uniform(sizes[1])
    assert ug.cache_memory() == 3 * MEGABYTE
    ug.set_cache_limit(0)
    assert ug.cache_memory() == 0
    ug.random.uniform((1, 1 << 20))
    assert ug.cache_memory() == 0


def test_clear_cache_returns_the_memory_to_the_system():
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    array = ug.random.uniform((16 * MEGABYTE,))
    full = resident()
    del array
    assert resident() > full - 8 * MEGABYTE
    ug.clear_cache()
    assert resident() < full - 48 * MEGABYTE


def test_small_arrays_do_not_take_from_the_pool():
    ug.activations.relu(np.ones(1000, np.float32))
    assert ug.cache_memory() == 0


def test_many_threads_share_the_pool():
    errors = []

    def work(value: int) -> None:
        x = np.full((300, 300), value, np.float32)
        for _ in range(200):
            y = ug.activations.linear(x)
            z = ug.activations.linear(y)
            if not (y[0, 0] == z[-1, -1] == value and np.all(z == value)):
                errors.append(value)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_a_forked_child_can_allocate_and_release():
    kept = ug.random.uniform((MEGABYTE,))
    pid = os.fork()
    if pid == 0:
        try:
            ug.random.uniform((MEGABYTE,))
            ug.clear_cache()
        finally:
            os._exit(0 if kept[0] >= 0 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_bad_limits_are_refused():
    with pytest.raises(ValueError, match="limit must be at least 0, but it is -1"):
        ug.set_cache_limit(-1)
    with pytest.raises(TypeError):
        ug.set_cache_limit(1.5)


def test_absurd_shapes_raise_as_in_numpy():
    with pytest.raises((MemoryError, ValueError)):
        ug.random.uniform((1 << 40, 1 << 40))
    with pytest.raises(MemoryError):
        ug.random.uniform((1 << 44,))


def beyond_the_address_space() -> dict[str, tuple]:
    """Calls that need more than 2^47 bytes, of arrays that take none, and the bytes and purpose."""
    square = np.broadcast_to(1.0, (10**7, 10**7))
    rows, targets = (np.broadcast_to(np.float32(1), (4 * 10**13, n)) for n in (1, 3))
    model = ug.Sequential([ug.layers.Input((1,)), ug.layers.Dense(3)])
    model.compile("adam", "mse")
    result = r"800000000000000 bytes \(728 TiB\) for an array of shape \(10000000, 10000000\)"
    outputs = r"480000000000000 bytes \(437 TiB\) for an array of shape \(40000000000000, 3\)"
    values = r"\d+ bytes \(.* [TP]iB\) for a network's values"
    kernel = ug._native.float32.Parameter
    return {
        "matmul": (lambda: ug.matmul(square[:, :1], square[:1]), result),
        "packed": (lambda: ug.ops.PackedMatrix(square), r"\(728 TiB\) for a packed matrix"),
        "svd": (lambda: ug.linalg.svd(square), result),
        "activation": (lambda: ug.activations.tanh(square), result + " and dtype float64"),
        "random": (lambda: ug.random.normal((10**7, 10**7)), r"\(364 TiB\) for an array of shape"),
        "weights": (lambda: kernel("dense/kernel", (10**7, 10**8)), r"PiB\) for dense/kernel"),
        "call": (lambda: model(rows), outputs + " and dtype float32"),
        "predict": (lambda: model.predict(rows), outputs),
        "step": (lambda: model.train_on_batch(rows, targets), values),
        "evaluate": (lambda: model.evaluate(rows, targets, batch_size=10**13), values),
    }


@pytest.mark.parametrize("name", beyond_the_address_space())
def test_memory_errors_say_how_many_bytes_and_what_for(name):
    call, expected = beyond_the_address_space()[name]
    with pytest.raises(MemoryError, match=rf"^cannot allocate .*{expected}"):
        call()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_is_kept_is_given_up_where_memory_is_missing():
    script = """
import resource
import numpy as np
import unitgain as ug

ug.set_num_threads(1)
x = np.broadcast_to(np.float32(1), (4 << 20, 8))
ug.activations.tanh(x)  # released at once, and kept
kept = ug.cache_memory()
assert kept == 128 << 20, kept
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
assert ug.activations.tanh(x[: 3 << 20]).shape == (3 << 20, 8)
try:
    ug.activations.tanh(np.broadcast_to(x[0], (9 << 20, 8)))
except MemoryError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert found == (
        "cannot allocate 301989888 bytes (288 MiB) for an array of shape (9437184, 8) "
        "and dtype float32\n"
    )
