"""Data sets in ``.npy`` files and memory maps: every row once, in an order that is stated."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import unitgain as ug
from unitgain import callbacks, layers

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((203, 5)).astype(np.float32)
Y = GENERATOR.integers(0, 3, 203)
WEIGHTS = GENERATOR.random(203)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.npy" for name in ("x", "y", "weights")]
    for path, array in zip(paths, (X, Y, WEIGHTS), strict=True):
        np.save(path, array)
    return paths


def gathered(batches):
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def classifier(seed=1, dtype="float32"):
    ug.random.seed(seed)
    model = ug.Sequential([layers.Dense(8, "relu"), layers.Dropout(0.1), layers.Dense(3)])
    model.build((5,), dtype)
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ug.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name == "unitgain-reader"]


# ---- every row once, in the order that is stated ----


@pytest.mark.parametrize("window", [None, 70, 7, 1])
@pytest.mark.parametrize("size", [1, 4, 32, 300])
def test_rows_come_in_turn(files, window, size):
    data = ug.data.from_npy(*files, window=window, block=13)
    batches = list(data.batches(size))
    assert [len(x) for x, _, _ in batches] == [min(size, 203 - i) for i in range(0, 203, size)]
    for found, expected in zip(gathered(batches), (X, Y, WEIGHTS), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("window", [None, 70, 7, 1])
def test_shuffled_rows_come_once_and_together(files, window):
    data = ug.data.from_npy(*files, window=window, block=13, seed=3)
    x, y, weights = gathered(data.batches(32, epoch=2))
    rows = np.argsort(X[:, 0])[np.searchsorted(np.sort(X[:, 0]), x[:, 0])]
    assert sorted(rows) == list(range(203))
    np.testing.assert_array_equal(x, X[rows])
    np.testing.assert_array_equal(y, Y[rows])
    np.testing.assert_array_equal(weights, WEIGHTS[rows])


def order(data, size, epoch):
    return np.concatenate(list(data.batches(size, epoch))).tolist()


def test_order_follows_seed_and_epoch_and_not_batches():
    def numbers(seed):
        return ug.data.from_npy(np.arange(500), window=64, block=16, seed=seed)

    first = order(numbers(1), 1, 0)
    for size in (3, 32, 65, 1000):
        assert order(numbers(1), size, 0) == first
    assert order(numbers(1), 32, 1) != first
    assert order(numbers(2), 32, 0) != first
    np.testing.assert_array_equal(np.sort(first), np.arange(500))


def test_window_holds_whole_blocks_and_mixes_them():
    found = np.array(order(ug.data.from_npy(np.arange(800), window=80, block=10, seed=0), 32, 0))
    for rows in found.reshape(10, 80):
        blocks, counts = np.unique(rows // 10, return_counts=True)
        assert len(blocks) == 8
        assert (counts == 10).all()
        assert (np.diff(rows) == 1).mean() < 0.2  # neighbours in the file are not so here
        assert np.ptp(blocks) > 8


def test_windows_and_epochs_have_orders_of_their_own():
    """Windows of one block each: what is drawn for each shows."""
    data = ug.data.from_npy(np.arange(400), window=50, block=50, seed=0)
    drawn = [np.reshape(order(data, 32, epoch), (8, 50)) % 50 for epoch in range(3)]
    assert len({tuple(rows) for epoch in drawn for rows in epoch.tolist()}) == 24


def test_every_order_of_a_window_is_as_likely():
    """The orders of three rows over 3000 epochs: chi-squared with 5 degrees, 20.5 at 0.1%."""
    data = ug.data.from_npy(np.arange(3), seed=0)
    seen = [tuple(order(data, 3, epoch)) for epoch in range(3000)]
    counts = np.unique(seen, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 500) ** 2 / 500).sum() < 20.5


def test_seed_of_the_process_is_drawn_once():
    ug.random.seed(7)
    first = ug.data.from_npy(np.arange(100))
    orders = order(first, 10, 0), order(first, 10, 1)
    ug.random.seed(7)
    again = ug.data.from_npy(np.arange(100))
    assert (order(again, 10, 0), order(again, 10, 1)) == orders


def test_part_and_split_are_views(files):
    data = ug.data.from_npy(*files, window=20, block=6, seed=0)
    found = gathered(data.part(15, 97).batches(8))
    np.testing.assert_array_equal(found[0], X[15:97])
    inner = gathered(data.part(15, 97).part(3, 50).batches(8))
    np.testing.assert_array_equal(inner[1], Y[18:65])
    train, rest = data.split(0.25)
    assert (len(train), len(rest)) == (152, 51)
    assert len(data.part(10, 5)) == 0
    with pytest.raises(ValueError, match=r"share is 1\.5"):
        data.split(1.5)


# ---- what files hold ----


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", ">i4", "i8", "f2", ">f4", "f8", ">f8"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_any_dtype_and_layout_is_read(tmp_path, dtype, layout):
    values = (GENERATOR.random((37, 3, 4)) * 100).astype(dtype)
    np.save(tmp_path / "x.npy", np.array(values, order=layout))
    for given in (tmp_path / "x.npy", np.load(tmp_path / "x.npy", mmap_mode="r")):
        data = ug.data.from_npy(given, block=10, window=16)
        found = np.concatenate(list(data.batches(5)))
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype.newbyteorder("=")


def test_views_of_memory_maps_and_other_arrays_are_read(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(60.0).reshape(20, 3))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for view in (mapped[3:11], mapped[::2, 1:], mapped[::-1], mapped.T, mapped.tolist()):
        found = np.concatenate(list(ug.data.from_npy(view, block=3).batches(4)))
        np.testing.assert_array_equal(found, view)


def test_own_changes_of_a_private_mapping_stay(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((20, 3)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="c")
    mapped[4] = 5
    assert np.concatenate(list(ug.data.from_npy(mapped).batches(4))).sum() == 15
    assert mapped.sum() == 15


def test_several_inputs_come_as_they_were_given(tmp_path):
    np.save(tmp_path / "a.npy", X)
    data = ug.data.from_npy({"a": tmp_path / "a.npy", "b": X[:, :2]}, [Y, Y + 1.0], seed=0)
    x, y = next(data.batches(4))
    assert list(x) == ["a", "b"]
    np.testing.assert_array_equal(x["b"], X[:4, :2])
    np.testing.assert_array_equal(y[1], Y[:4] + 1)


def damaged(path, kind):
    if kind == "text":
        path.write_text("x,y\n1,2\n")
    elif kind == "short":
        np.save(path, X)
        os.truncate(path, 1000)
    elif kind == "object":
        np.save(path, np.array([{}, []], object), allow_pickle=True)
    elif kind == "names":
        np.save(path, np.array(["a", "b"]))
    elif kind == "record":
        np.save(path, np.zeros(3, [("a", "f4")]))
    elif kind == "number":
        np.save(path, np.float32(3))


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("text", ValueError, r"x: .*x\.npy is no \.npy file"),
        ("short", ValueError, r"has 1000 bytes, but its shape \(203, 5\) of float32 needs 4188"),
        ("object", TypeError, "x has dtype object, expected numbers"),
        ("names", TypeError, "x has dtype <U1, expected numbers"),
        ("record", TypeError, "expected numbers"),
        ("number", ValueError, r"x has shape \(\), expected a row for each sample"),
        ("missing", FileNotFoundError, r"x\.npy"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, kind, error, message):
    damaged(tmp_path / "x.npy", kind)
    with pytest.raises(error, match=message):
        ug.data.from_npy(tmp_path / "x.npy")


def test_arguments_are_checked(files):
    with pytest.raises(ValueError, match="y has 202 rows, but x has 203"):
        ug.data.from_npy(files[0], Y[1:])
    with pytest.raises(ValueError, match="window must be at least 1, but it is 0"):
        ug.data.from_npy(files[0], window=0)
    with pytest.raises(ValueError, match="block must be at least 1"):
        ug.data.from_npy(files[0], block=-1)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        next(ug.data.from_npy(files[0]).batches(0))
    with pytest.raises(ValueError, match="x is None"):
        ug.data.from_npy(None)
    with pytest.raises(TypeError, match="x has dtype"):
        ug.data.from_npy(np.array(["a"]))


def test_file_that_shrinks_while_it_is_read_is_an_error(files):
    data = ug.data.from_npy(files[0], window=10, block=10)
    batches = data.batches(10)
    next(batches)
    os.truncate(files[0], 200)
    with pytest.raises(ValueError, match="ended while it was read"):
        list(data.batches(10))
    with pytest.raises(ValueError, match="ended while it was read"):
        list(batches)
    assert not reading_threads()


# ---- training ----


def test_training_on_one_window_has_the_bits_of_training_on_batches(files):
    data = ug.data.from_npy(*files, window=50, block=9, seed=4)
    model, by_hand = classifier(), classifier()
    history = model.fit(data, epochs=3, batch_size=16, verbose=0)
    for epoch in range(3):
        expected = by_hand.fit(data.batches(16, epoch), verbose=0)
        assert history.history["loss"][epoch] == expected.history["loss"][0]
    for a, b in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_in_turn_has_the_bits_of_arrays(files):
    data = ug.data.from_npy(*files, window=50, block=9)
    model, plain = classifier(), classifier()
    model.fit(data, epochs=2, batch_size=16, verbose=0, shuffle=False, class_weight={0: 2.0})
    plain.fit(
        X, Y, sample_weight=WEIGHTS, epochs=2, batch_size=16, verbose=0, shuffle=False,
        class_weight={0: 2.0},
    )  # fmt: skip
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluation_and_prediction_are_those_of_arrays(files, dtype):
    data = ug.data.from_npy(*files, window=50, block=9, seed=0)
    model = classifier(dtype=dtype)
    expected = model.evaluate(X, Y, sample_weight=WEIGHTS)
    np.testing.assert_allclose(model.evaluate(data, batch_size=16), expected, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(data), model.predict(X))
    np.testing.assert_array_equal(
        model.predict(data, batch_size=16, steps=3), model.predict(X[:48])
    )


def test_predictions_go_to_a_memory_map(files, tmp_path):
    model = classifier()
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (203, 3))
    data = ug.data.from_npy(files[0], window=50)
    assert model.predict(data, out=out) is out
    del out
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model.predict(X))
    with pytest.raises(ValueError, match=r"out has shape \(7, 3\), expected \(203, 3\)"):
        model.predict(data, out=np.empty((7, 3), np.float32))
    assert not reading_threads()


class Told(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.said = []

    def on_train_batch_begin(self, batch, logs=None):
        self.said.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.said.append(("end", batch))

    def on_test_batch_end(self, batch, logs=None):
        self.said.append(("test", batch))

    def on_predict_batch_end(self, batch, logs=None):
        self.said.append(("predict", batch, len(logs["outputs"])))


def test_callbacks_are_told_of_every_batch(files):
    data = ug.data.from_npy(*files, window=50, seed=0)
    told, model = Told(), classifier()
    model.fit(data, batch_size=32, verbose=0, callbacks=told)
    assert told.said == [(what, i) for i in range(7) for what in ("begin", "end")]
    told.said.clear()
    model.evaluate(data, batch_size=32, callbacks=told)
    assert told.said == [("test", i) for i in range(7)]
    told.said.clear()
    model.predict(data, batch_size=32, callbacks=told)
    assert told.said == [("predict", i, min(32, 203 - 32 * i)) for i in range(7)]


def test_steps_divide_a_pass_and_its_order(files):
    """Three steps an epoch of the seven of a pass: three epochs with every row once."""
    data = ug.data.from_npy(np.arange(203.0)[:, None], np.arange(203.0), window=50, seed=0)
    whole = gathered(data.batches(32, 0))[1]
    seen = []

    class Seen(ug.losses.Loss):
        def call(self, y_true, y_pred):
            seen.extend(y_true[:, 0])
            return (y_pred - y_true)[:, 0] ** 2

        def backward(self, y_true, y_pred):
            return 0 * y_pred

    model = ug.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile("sgd", Seen())
    with pytest.warns(UserWarning, match="1 batches, but a pass was to take 3"):
        model.fit(data, batch_size=32, epochs=4, steps_per_epoch=3, verbose=0)
    np.testing.assert_array_equal(seen[:203], whole)
    np.testing.assert_array_equal(seen[203:], gathered(data.batches(32, 1))[1][:96])


def test_interrupted_run_goes_on_with_the_same_bits(files, tmp_path):
    data = ug.data.from_npy(*files, window=50, seed=0)
    whole = classifier()
    whole.fit(data, epochs=4, verbose=0)

    class Fails(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    first, second = classifier(), classifier(2)
    kept = callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        first.fit(data, epochs=4, verbose=0, callbacks=[Fails(), kept])
    assert not reading_threads()
    again = callbacks.BackupAndRestore(tmp_path / "backup")
    second.fit(data, epochs=4, verbose=0, callbacks=[again])
    for a, b in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_split_and_augmentation(files):
    model = classifier()
    data = ug.data.from_npy(*files[:2], window=50, seed=0)
    told = model.fit(data, epochs=2, validation_split=0.2, verbose=0).history
    kept = model.evaluate(X[162:], Y[162:])
    np.testing.assert_allclose([told["val_loss"][-1], told["val_accuracy"][-1]], kept, rtol=1e-6)

    targets = ug.data.from_npy(X, ug.data.to_categorical(Y), window=50, seed=0)
    mixed = ug.Sequential([layers.Input((5,)), layers.Dense(3, "softmax")])
    mixed.compile("adam", "categorical_crossentropy")
    mixed.fit(targets, augment=ug.data.MixUp(seed=1), verbose=0, validation_data=targets)
    with pytest.raises(ValueError, match="give no weights"):
        mixed.fit(targets, augment=ug.data.MixUp(), class_weight={0: 2.0}, verbose=0)


def test_what_a_data_set_cannot_be_given_with_is_an_error(files):
    model, data = classifier(), ug.data.from_npy(*files)
    for extra in ({"y": Y}, {"sample_weight": WEIGHTS}, {"cache_frozen": True}):
        with pytest.raises(ValueError, match=f"x is a Dataset: {next(iter(extra))} needs arrays"):
            model.fit(data, verbose=0, **extra)
    with pytest.raises(ValueError, match="y is missing"):
        model.fit(ug.data.from_npy(files[0]), verbose=0)
    with pytest.raises(ValueError, match=r"x has shape \(0, 1\), expected"):
        model.fit(ug.data.from_npy(Y[:, None], Y), verbose=0)
    with pytest.raises(ValueError, match="labels from 0 to 7"):
        model.fit(ug.data.from_npy(X, np.arange(203) % 8), verbose=0)
    assert not reading_threads()


def test_no_rows_are_an_error_in_training_and_no_outputs_in_prediction():
    empty, model = ug.data.from_npy(X[:0], Y[:0]), classifier()
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="x has no samples"):
            method(empty, verbose=0)
    assert model.predict(empty).shape == (0, 3)
    assert list(empty.batches(3)) == []


def test_missing_values_are_warned_of():
    broken = X.copy()
    broken[150, 3] = np.nan
    with pytest.warns(UserWarning, match="x has nan in column 3"):
        classifier().fit(ug.data.from_npy(broken, Y, window=50), verbose=0)


def test_statistics_and_clusters_read_windows(files):
    expected = layers.Normalization()
    expected.adapt(X)
    for data in (ug.data.from_npy(*files, window=50), np.load(files[0], mmap_mode="r")):
        layer = layers.Normalization()
        layer.adapt(data)
        np.testing.assert_allclose(layer.mean, expected.mean, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(layer.variance, expected.variance, rtol=1e-6)
    by_hand = ug.cluster.MiniBatchKMeans(3, random_state=0)
    for first in range(0, 203, 50):
        by_hand.partial_fit(X[first : first + 50])
    found = ug.cluster.MiniBatchKMeans(3, random_state=0)
    found.partial_fit(ug.data.from_npy(*files, window=50))
    np.testing.assert_array_equal(found.cluster_centers_, by_hand.cluster_centers_)


def test_data_sets_are_pickled(files):
    data = ug.data.from_npy(*files, window=50, seed=0)
    again = pickle.loads(pickle.dumps(data))
    assert repr(again) == repr(data)
    np.testing.assert_array_equal(gathered(again.batches(8, 1))[0], gathered(data.batches(8, 1))[0])


def test_members_of_an_ensemble_read_one_data_set(files):
    data = ug.data.from_npy(*files[:2], window=50, seed=0)
    one = ug.uncertainty.Ensemble(lambda: classifier(3), 2)
    one.fit(data, epochs=2, verbose=0)
    assert [len(history.epoch) for history in one.histories] == [2, 2]


# ---- the thread ----


class Failing:
    """An array that cannot be read to its end."""

    shape = (100, 5)
    dtype = np.dtype(np.float32)

    def __getitem__(self, rows):
        if rows.start >= 50:
            raise OSError("the disk is gone")
        return X[rows]


def test_errors_of_the_thread_are_raised_where_it_is_waited_for():
    data = ug.data.from_npy(Failing(), Y[:100], window=10, block=10)
    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(data.batches(10))
    assert len(seen) == 5
    with pytest.raises(OSError, match="the disk is gone"):
        classifier().fit(data, verbose=0)
    assert not reading_threads()


def test_thread_ends_with_what_it_reads_for(files):
    data = ug.data.from_npy(*files, window=5)
    batches = data.batches(5)
    next(batches)
    assert reading_threads()
    del batches
    gc.collect()
    assert not reading_threads()

    class Stops(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    classifier().fit(data, epochs=3, verbose=0, callbacks=Stops())
    assert not reading_threads()


def test_many_threads_read_one_data_set(files):
    data = ug.data.from_npy(*files, window=20, seed=0)
    expected = [gathered(data.batches(7, epoch))[0] for epoch in range(4)]
    found = [None] * 4

    def read(epoch):
        found[epoch] = gathered(data.batches(7, epoch))[0]

    threads = [threading.Thread(target=read, args=(epoch,)) for epoch in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_is_told_to_begin_anew(files):
    data = ug.data.from_npy(*files, window=5)
    batches = data.batches(5)
    next(batches)
    process = os.fork()
    if process == 0:
        code = 1
        try:
            for _ in range(10):  # those that the window still has
                next(batches)
        except RuntimeError as error:
            own = sum(len(x) for x, _, _ in data.batches(5))
            code = 0 if "forked" in str(error) and own == 203 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    batches.close()


def test_interpreter_ends_while_a_pass_is_under_way(files):
    program = (
        "import sys, unitgain as ug\n"
        "batches = ug.data.from_npy(sys.argv[1], window=5).batches(5)\n"
        "next(batches)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(files[0])], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- memory ----

_TRAINING = """
import sys
import numpy as np
import unitgain as ug

kind, x, y, out, rows = *sys.argv[1:5], int(sys.argv[5])
if kind == "mapped":
    x, y = np.load(x, mmap_mode="r"), np.load(y, mmap_mode="r")
data = ug.data.from_npy(x, y, seed=0)
model = ug.Sequential([ug.layers.Input((4096,)), ug.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(data, batch_size=256, verbose=0)
if kind == "predicted":
    model.predict(data, out=np.lib.format.open_memmap(out, "w+", np.float32, (rows, 1)))
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def sparse(path, shape):
    """Write a float32 array of zeros that takes no room on the disk."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 4 * int(np.prod(shape)))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux for the memory")
@pytest.mark.parametrize(
    ("kind", "gibibytes"),
    [
        ("mapped", 1),
        ("predicted", 1),
        pytest.param("read", 4, marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path, kind, gibibytes):
    rows = (gibibytes << 30) // (4 * 4096) + 1
    sparse(tmp_path / "x.npy", (rows, 4096))
    np.save(tmp_path / "y.npy", np.zeros(rows, np.float32))
    names = [str(tmp_path / name) for name in ("x.npy", "y.npy", "out.npy")]
    done = subprocess.run(
        [sys.executable, "-c", _TRAINING, kind, *names, str(rows)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 600


_WITHOUT_COPY = """
import resource
import sys
import numpy as np
import unitgain as ug

x = np.load(sys.argv[1], mmap_mode="r")
model = ug.Sequential([ug.layers.Input((4096,)), ug.layers.Dense(1)])
model.compile("sgd", "mse")
model.predict(np.zeros((1, 4096)))
status = open("/proc/self/status").read()
data = int(status.split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (data + (200 << 20),) * 2)
model.fit(x, x[:, 0], batch_size=256, verbose=0)
model.evaluate(x, x[:, 0])
model.predict(x)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits what a process allocates")
def test_memory_maps_are_not_copied(tmp_path):
    """Half a gibibyte, and 200 MB that may be allocated."""
    sparse(tmp_path / "x.npy", (1 << 15, 4096))
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_COPY, str(tmp_path / "x.npy")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("done\n", "")
