"""Saved, copied and pickled models: the same outputs, and training that goes on bit for bit."""

import copy
import gzip
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unitgain as ug
from unitgain import layers, optimizers
from unitgain.formats import atomic, safetensors
from unitgain.formats import document as documents

CROSSENTROPY = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
(X, Y), _ = ug.datasets.load_digits()
X, Y = X[:300], Y[:300]


def network(dtype="float32"):
    return ug.Sequential(
        [
            layers.Input((64,), dtype),
            layers.Dense(24, use_bias=False, kernel_initializer="he_normal"),
            layers.BatchNormalization(),
            layers.Activation("rrelu"),
            layers.Dropout(0.3),
            layers.Dense(16, activation="selu"),
            layers.AlphaDropout(0.1, seed=4),
            layers.PReLU(),
            layers.LayerNormalization(),
            layers.Dense(10),
        ]
    )


def compiled(optimizer, dtype="float32"):
    model = network(dtype)
    model.compile(optimizer, CROSSENTROPY, ["accuracy"])
    return model


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.003, amsgrad=True, clipnorm=0.5),
    "adamw": lambda: optimizers.AdamW(0.003, use_ema=True),
    "nadam": optimizers.Nadam,
    "rmsprop": lambda: optimizers.RMSprop(centered=True, momentum=0.5),
    "muon": optimizers.Muon,
    "lion": lambda: optimizers.Lion(1e-4),
    "adagrad": optimizers.Adagrad,
    "adadelta": optimizers.Adadelta,
    "adamax": optimizers.Adamax,
}


def ways(path):
    """The ways from a model to one like it."""

    def through_file(model):
        model.save(path)
        return ug.load_model(path)

    return {
        "file": through_file,
        "pickle": lambda model: pickle.loads(pickle.dumps(model)),
        "copy": copy.deepcopy,
    }


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_resumed_training_gives_the_bits_of_a_run_that_never_stopped(name, way, tmp_path):
    ug.random.seed(3)
    whole = compiled(OPTIMIZERS[name]())
    # With EMA the averages replace the weights at the end of each fit, so both runs have two.
    stops = [2, 4] if whole.optimizer.use_ema else [4]
    runs = [
        whole.fit(X, Y, batch_size=50, epochs=stop, initial_epoch=stop - 4 // len(stops), verbose=0)
        for stop in stops
    ]
    history = {key: [v for run in runs for v in run.history[key]] for key in ("loss", "accuracy")}

    ug.random.seed(3)
    part = compiled(OPTIMIZERS[name]())
    first = part.fit(X, Y, batch_size=50, epochs=2, verbose=0).history
    resumed = ways(tmp_path / "model.safetensors")[way](part)
    ug.random.uniform(100)  # what others draw is of no account
    second = resumed.fit(X, Y, batch_size=50, epochs=4, initial_epoch=2, verbose=0).history

    assert {key: first[key] + second[key] for key in first} == history
    for mine, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(resumed.optimizer.variables, whole.optimizer.variables, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert resumed.optimizer.iterations == whole.optimizer.iterations


def test_resuming_in_another_process_gives_the_same_bits(tmp_path):
    ug.random.seed(5)
    model = compiled("adam")
    model.fit(X, Y, epochs=1, verbose=0)
    model.save(tmp_path / "model.safetensors")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    code = """
import numpy as np, unitgain as ug
data = np.load("data.npz")
model = ug.load_model("model.safetensors")
model.fit(data["x"], data["y"], epochs=2, initial_epoch=1, verbose=0)
model.save_weights("after.safetensors")
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ}, check=True)
    model.fit(X, Y, epochs=2, initial_epoch=1, verbose=0)
    there, _ = safetensors.read(tmp_path / "after.safetensors")
    for mine, theirs in zip(model.get_weights(), there.values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_seed_set_after_loading_counts(tmp_path):
    def weights_after(model):
        ug.random.seed(11)
        model.fit(X, Y, epochs=1, verbose=0)
        return model.get_weights()

    ug.random.seed(1)
    model = compiled("sgd")
    model.fit(X, Y, epochs=1, verbose=0)
    loaded = copy.deepcopy(model)
    for mine, theirs in zip(weights_after(model), weights_after(loaded), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_loading_draws_no_random_numbers(tmp_path):
    model = compiled("adam")
    model.save(tmp_path / "model.safetensors")
    ug.random.seed(2)
    before = ug.random.uniform(3)
    ug.random.seed(2)
    ug.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(ug.random.uniform(3), before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_a_model_that_is_not_compiled_goes_by_every_way(dtype, way, tmp_path):
    model = network(dtype)
    model.layers[0].trainable = False
    other = ways(tmp_path / "model.safetensors")[way](model)
    np.testing.assert_array_equal(other(X), model(X))
    assert other.dtype == dtype
    assert other.get_config() == model.get_config()
    assert [w.name for w in other.trainable_weights] == [w.name for w in model.trainable_weights]
    assert other.optimizer is None
    other.layers[0].kernel.array[...] = 0
    assert model.layers[0].kernel.array.any()


def test_a_model_without_weights_goes_by_every_way(tmp_path):
    model = ug.Sequential([layers.Dense(3, name="first"), layers.Dense(2)])
    model.compile("adam", "mse")
    for way in ways(tmp_path / "model.safetensors").values():
        other = way(model)
        assert not other.built
        assert other.get_config() == model.get_config()
        other.fit(X, X[:, :2], epochs=1, verbose=0)


def test_changed_learning_rate_and_excluded_variables_are_kept(tmp_path):
    model = compiled(optimizers.AdamW(0.01, weight_decay=0.5))
    model.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma"])
    model.fit(X, Y, epochs=1, verbose=0)
    model.optimizer.learning_rate = 0.0123
    for way in ways(tmp_path / "model.safetensors").values():
        other = way(model)
        assert other.optimizer.learning_rate == 0.0123
        assert other.optimizer.without_decay() == model.optimizer.without_decay()
        assert len(other.optimizer.without_decay()) == 4


def test_weights_alone_go_into_a_model_of_other_names(tmp_path):
    model, other = network(), network()
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    other.load_weights(path)
    np.testing.assert_array_equal(other(X), model(X))
    compiled_model = compiled("adam")
    compiled_model.save(path)
    other.load_weights(path)
    np.testing.assert_array_equal(other(X), compiled_model(X))


def test_weights_that_do_not_fit_change_nothing_or_are_skipped(tmp_path):
    path = tmp_path / "weights.safetensors"
    small = ug.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)])
    large = ug.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(5)])
    small.save_weights(path)
    before = large.get_weights()
    with pytest.raises(ValueError, match=r"shape \(3, 2\), expected \(3, 5\)"):
        large.load_weights(path)
    for mine, theirs in zip(large.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    large.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(large.get_weights()[0], small.get_weights()[0])
    np.testing.assert_array_equal(large.get_weights()[2], before[2])


def test_files_have_their_suffix_and_are_not_overwritten_unasked(tmp_path):
    model = network()
    with pytest.raises(ValueError, match=r"\.safetensors"):
        model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "model.safetensors", overwrite=False)
    assert os.listdir(tmp_path) == ["model.safetensors"]
    with pytest.raises(FileNotFoundError):
        ug.load_model(tmp_path / "other.safetensors")


def test_the_library_reads_a_model(tmp_path):
    pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    model = compiled("adam")
    model.fit(X, Y, epochs=1, verbose=0)
    model.save(tmp_path / "model.safetensors")
    arrays = load_file(tmp_path / "model.safetensors")
    for weight in model.weights:
        np.testing.assert_array_equal(arrays[weight.name], weight)
    for slot in model.optimizer.variables[2:]:
        np.testing.assert_array_equal(arrays[f"optimizer/{slot.name}"], slot.numpy())


class Scaled(layers.Dense):
    pass


def test_classes_of_ones_own_must_be_given(tmp_path):
    model = ug.Sequential([layers.Input((4,)), Scaled(3)])
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(ValueError, match="'Scaled'"):
        ug.load_model(path)
    other = ug.load_model(path, custom_objects={"Scaled": Scaled})
    assert type(other.layers[0]) is Scaled
    assert type(pickle.loads(pickle.dumps(model)).layers[0]) is Scaled  # by its import


# ---- layers, optimizers, predictors ----


def test_layers_are_copied_with_their_weights():
    layer = layers.Dense(3, activation="rrelu")
    layer.ensure_built((4,), "float64")
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.get_config() == layer.get_config()
        assert other.draws == layer.draws
        np.testing.assert_array_equal(other.kernel, layer.kernel)
        assert other.kernel.dtype == np.float64
    fresh = copy.deepcopy(layers.Dropout(0.5))
    assert not fresh.built


def test_optimizers_are_copied_with_their_state():
    def steps(optimizer, weights, count):
        for _ in range(count):
            optimizer.apply([2 * w for w in weights], weights)

    weights = [np.array([1.0, -2.0, 3.0])]
    optimizer = optimizers.Adam(0.1)
    steps(optimizer, weights, 3)
    for way in (copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))):
        mine, theirs = [weights[0].copy()], [weights[0].copy()]
        other = way(way(optimizer))
        assert other.iterations == 3
        steps(other, theirs, 2)
        reference = copy.deepcopy(optimizer)
        steps(reference, mine, 2)
        np.testing.assert_array_equal(mine[0], theirs[0])
    steps(optimizer, weights, 2)
    np.testing.assert_array_equal(weights[0], theirs[0])


@pytest.mark.parametrize("precision", [None, "medium"])
def test_predictors_are_copied(precision):
    model = network()
    predictor = model.optimize_for_inference(precision)
    expected = predictor(X)
    model.set_weights([0 * w for w in model.get_weights()])
    for other in (copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        np.testing.assert_array_equal(other(X), expected)
        np.testing.assert_array_equal(copy.deepcopy(other)(X), expected)


# ---- hostile files ----


def small_file():
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((4,)), layers.Dense(3, name="a"), layers.Dropout(0.5)])
    model.compile("adam", "mse", ["mae"])
    model.fit(np.ones((8, 4)), np.ones((8, 3)), epochs=1, verbose=0)
    from unitgain.models.saving import model_document

    document, arrays = model_document(model)
    return document, arrays, documents.to_bytes(document, arrays)


DOCUMENT, ARRAYS, CONTENT = small_file()


def loaded(content, path):
    path.write_bytes(content)
    return ug.load_model(path)


def loaded_or_refused(content, path):
    """The model, or None if a ValueError names the file."""
    try:
        return loaded(content, path)
    except ValueError as error:
        if "cannot be loaded" not in str(error):
            raise
    return None


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "model.safetensors"


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_no_flipped_bit_goes_unseen(path, at, bit):
    changed = bytearray(CONTENT)
    changed[at] ^= 1 << bit
    model = loaded_or_refused(bytes(changed), path)
    if model is not None:  # blanks in the header mean nothing
        assert bytes(CONTENT[at : at + 1]).isspace()
        assert model.count_params() == 15


@given(st.data(), st.binary(max_size=20))
@settings(max_examples=200, deadline=None)
def test_cut_and_lengthened_files_are_refused(path, data, inserted):
    at = data.draw(st.integers(0, len(CONTENT)))
    removed = data.draw(st.integers(0, len(CONTENT) - at))
    content = CONTENT[:at] + inserted + CONTENT[at + removed :]
    if content == CONTENT:
        return
    if loaded_or_refused(content, path) is not None:
        assert not inserted.strip()
        assert not CONTENT[at : at + removed].strip()


def places(value, at=()):
    """Every place within a JSON value."""
    yield at
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*at, key))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
PLACES = [place for place in places(DOCUMENT) if place]


@given(st.sampled_from(PLACES), JSON)
@settings(max_examples=400, deadline=None)
def test_a_description_with_another_value_is_refused_or_makes_a_model(path, place, value):
    changed = copy.deepcopy(DOCUMENT)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    model = loaded_or_refused(documents.to_bytes(changed, ARRAYS), path)
    if model is not None:
        assert isinstance(model, ug.Sequential)
        assert model.count_params() in (0, 15)


HOSTILE = {
    "units beyond memory": (
        ("model", "config", "layers", 1, "config", "units"),
        10**15,
        "expected",
    ),
    "unknown class": (
        ("model", "config", "layers", 1, "class_name"),
        "Dens",
        "did you mean 'Dense'",
    ),
    "a module": (("model", "config", "layers", 1, "class_name"), "os.system", "os.system"),
    "activation with dots": (
        ("model", "config", "layers", 1, "config", "activation"),
        "__builtins__",
        "__builtins__",
    ),
    "unknown optimizer": (("training", "compile", "optimizer", "class_name"), "Adm", "'adam'"),
    "unknown argument": (("model", "config", "layers", 1, "config", "unit"), 3, "'units'"),
    "missing array": (("weights", 0), "b/kernel", "no array 'b/kernel'"),
    "negative iterations": (("training", "state", "iterations"), -5, "iterations must be"),
    "no rate": (("training", "state", "learning_rate"), -1.0, "learning_rate"),
    "another version": (("version",), 99, "version"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_descriptions_are_refused_with_the_reason(name, path):
    place, value, message = HOSTILE[name]
    changed = copy.deepcopy(DOCUMENT)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    text = documents.packed(changed, ARRAYS)
    with pytest.raises(ValueError, match=message):
        loaded(safetensors.write_bytes(ARRAYS, text), path)


def test_arrays_of_another_dtype_or_shape_are_refused(path):
    for name in ARRAYS:
        for change in (ARRAYS[name].astype(np.float64), ARRAYS[name].reshape(1, -1)):
            with pytest.raises(ValueError, match="expected"):
                loaded(documents.to_bytes(DOCUMENT, {**ARRAYS, name: change}), path)
    with pytest.raises(ValueError, match="nothing takes the array 'more'"):
        loaded(documents.to_bytes(DOCUMENT, {**ARRAYS, "more": np.ones(2)}), path)


def test_files_of_other_programs_are_refused(path):
    with pytest.raises(ValueError, match="no description"):
        loaded(safetensors.write_bytes(ARRAYS, {"format": "pt"}), path)


def zipped(*names):
    with io.BytesIO() as content:
        with zipfile.ZipFile(content, "w") as archive:
            for name in names:
                archive.writestr(name, b"0123456789")
        return content.getvalue()


def numpy_file(save, *arrays):
    with io.BytesIO() as content:
        save(content, *arrays)
        return content.getvalue()


# An ONNX ModelProto with ir_version 9 and producer_name "pytorch".
ONNX = b"\x08\x09\x12\x07pytorch\x1a\x05" + b"2.1.0" + bytes(100)
# The files' first bytes by their formats' specifications, and what the message has to say.
FOREIGN = {
    "keras": (
        zipped("metadata.json", "config.json", "model.weights.h5"),
        "Keras archive",
        "from_keras",
    ),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5", ""),
    "pt": (zipped("model/data.pkl", "model/data/0"), "PyTorch", "load_state_dict"),
    "npz": (numpy_file(np.savez, np.zeros(3)), r"\.npz", "numpy.load"),
    "npy": (numpy_file(np.save, np.zeros(3)), r"\.npy", "numpy.load"),
    "zip": (zipped("a.txt"), "a zip archive", "does not read"),
    "cut zip": (zipped("a.txt")[:20], "damaged zip", ""),
    "pickle": (pickle.dumps({"a": [1]}), "a pickle", "pickle.load"),
    "old pickle": (pickle.dumps({"a": [1]}, 2), "a pickle", "pickle.load"),
    "onnx": (ONNX, "ONNX", "from_onnx"),
    "gz": (gzip.compress(b"content"), "gzip", "decompress"),
    "json": (network().to_json().encode(), "JSON", "model_from_json"),
    "html": (b"<!DOCTYPE html><html></html>", "web page", "redirected"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow Lite", ""),
    "unknown": (b"\xff" * 100, "the header has", ""),
    "empty": (b"", "0 bytes", ""),
}


def loaders(model):
    """All that read a model's file."""

    def restored(path):
        os.replace(path, path.with_name("latest.safetensors"))
        model.fit(X, Y, callbacks=[ug.callbacks.BackupAndRestore(path.parent)], verbose=0)

    return ug.load_model, ug.Model.load, model.load_weights, restored


@pytest.mark.parametrize("name", FOREIGN)
def test_every_loader_says_what_a_file_of_another_program_is_and_what_reads_it(name, tmp_path):
    content, kind, reader = FOREIGN[name]
    path = tmp_path / "given.safetensors"
    for load in loaders(compiled("sgd")):
        if name == "h5" and load.__name__ == "load_weights":
            continue  # it reads what Keras writes, by h5py
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"cannot be loaded: .*{kind}.*{reader}"):
            load(path)


def test_folders_are_told_from_files(tmp_path):
    with pytest.raises(ValueError, match="cannot be loaded: it is a folder"):
        ug.load_model(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ValueError, match="SavedModel"):
        ug.load_model(tmp_path)


def test_files_that_pytorch_and_h5py_write_are_told(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    for new in (True, False):
        torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=new)
        with pytest.raises(ValueError, match=r"PyTorch file .*load_state_dict"):
            ug.load_model(path)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["a"] = np.zeros(3)
    with pytest.raises(ValueError, match="HDF5"):
        ug.load_model(tmp_path / "model.h5")


def test_a_file_of_weights_alone_says_that_load_weights_reads_it(tmp_path):
    network().save_weights(tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"weights alone, .* load_weights"):
        ug.load_model(tmp_path / "weights.safetensors")


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("model.keras", "model.safetensors"),
        ("model.weights.h5", "model.safetensors"),
        ("{epoch:02d}-{val_loss:.2f}.keras", "{epoch:02d}-{val_loss:.2f}.safetensors"),
        ("{epoch}-{loss:.2f}", "{epoch}-{loss:.2f}.safetensors"),
        ("version-1.2", "version-1.2.safetensors"),
        ("a.keras/model.PT", "a.keras/model.safetensors"),
    ],
)
def test_names_of_other_formats_are_refused_with_the_name_to_use(name, better):
    model = compiled("sgd")
    for refused in (model.save, model.save_weights, ug.callbacks.ModelCheckpoint):
        with pytest.raises(ValueError, match="safetensors format alone") as caught:
            refused(name)
        assert repr(better) in str(caught.value)
        assert repr(name) in str(caught.value)


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "model.safetensors"
    models = [network(), network()]
    models[0].save(path)
    expected = [model(X[:5]) for model in models]
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for model in models:
                model.save(path)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            output = ug.load_model(path)(X[:5])
            assert any(np.array_equal(output, one) for one in expected)
    finally:
        stop.set()
        writer.join()


KILLED = """
import sys
import numpy as np
from unitgain.formats import atomic, safetensors
for name in sys.argv[1:]:
    setattr(atomic, name, None)
arrays = {"a": np.zeros(4_000_000)}
print("begins", flush=True)
while True:
    safetensors.write("model.safetensors", arrays, {})
"""


# Without files that have no name, as on macOS; and without locks, as on Windows.
WITHOUT = {"unnamed": [], "named": ["UNNAMED"], "unlocked": ["UNNAMED", "fcntl"]}


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_process_killed_while_saving_leaves_a_whole_file_and_nothing_else(
    kind, tmp_path, monkeypatch
):
    for name in WITHOUT[kind]:
        monkeypatch.setattr(atomic, name, None)
    path = tmp_path / "model.safetensors"
    safetensors.write(path, {"a": np.zeros(4_000_000)}, {})
    delays = np.random.default_rng(0).uniform(0, 0.1, 8)
    for delay in delays:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, *WITHOUT[kind]], cwd=tmp_path, stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert not safetensors.read(path)[0]["a"].any()
        assert len(os.listdir(tmp_path)) <= 2  # no more than the last one left
    safetensors.write(path, ARRAYS, {})
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_files_that_another_writer_holds_are_left_alone(tmp_path):
    held = tmp_path / ".other.safetensors.0123456789abcdef"
    left = tmp_path / ".other.safetensors.fedcba9876543210"
    mine = tmp_path / ".other.safetensors"
    for file in (held, left, mine):
        file.write_bytes(b"content")
    holds = f"import fcntl; f = open({str(held)!r}); fcntl.flock(f, 2); print(1); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        safetensors.write(tmp_path / "model.safetensors", ARRAYS, {})
        assert sorted(os.listdir(tmp_path)) == [mine.name, held.name, "model.safetensors"]
        process.stdin.write(b"\n")
    safetensors.write(tmp_path / "model.safetensors", ARRAYS, {})
    assert sorted(os.listdir(tmp_path)) == [mine.name, "model.safetensors"]


@pytest.mark.parametrize("kind", ["unnamed", "named"])
def test_many_writers_of_one_folder_do_not_hinder_each_other(kind, tmp_path, monkeypatch):
    if kind == "named":
        monkeypatch.setattr(atomic, "UNNAMED", None)
    failed = []

    def write(name):
        try:
            for _ in range(60):
                safetensors.write(tmp_path / name, ARRAYS, {})
        except OSError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(f"{i % 2}.safetensors",)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert sorted(os.listdir(tmp_path)) == ["0.safetensors", "1.safetensors"]


def test_descriptions_are_plain_json():
    json.dumps(DOCUMENT, allow_nan=False)
