"""Files that PyTorch and Keras wrote are read, without these two; and no file is believed."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import unitgain as ug
from unitgain.formats import safetensors

layers = ug.layers
FOLDER = Path(__file__).parents[1] / "reference" / "exchange"
STORED = dict(np.load(FOLDER / "outputs.npz"))
X = STORED["x"]


def close(found, name, tolerance=2e-6):
    np.testing.assert_allclose(found, STORED[name], tolerance, tolerance)


# ---- state dicts ----


def network(names=(None,) * 5):
    first, norm, second, slopes, last = names
    return ug.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(4, name=first),
            layers.BatchNormalization(epsilon=1e-5, name=norm),
            layers.Activation("relu"),
            layers.Dense(4, use_bias=False, name=second),
            layers.PReLU(shared_axes=[1], name=slopes),
            layers.Dense(4, name=last),
        ]
    )


def state():
    return safetensors.read(FOLDER / "torch.safetensors")[0]


@pytest.mark.parametrize("file", ["torch.safetensors", "torch.pt"])
def test_a_state_dict_in_a_file_goes_into_a_model(file):
    if file.endswith(".pt"):
        pytest.importorskip("torch", reason="PyTorch alone reads its files")
    model = network()
    ug.convert.load_state_dict(model, FOLDER / file)
    close(model.predict(X), "torch")
    model.compile("adam", "mse")
    before = model.evaluate(X, X)
    model.fit(X, X, epochs=20, verbose=0)
    assert model.evaluate(X, X) < before


def test_modules_are_taken_by_name_if_the_layers_have_their_names():
    model = network(["0", "1", "3", "4", "10"])
    backwards = dict(reversed(state().items()))
    ug.convert.load_state_dict(model, backwards)
    close(model.predict(X), "torch")


def test_a_sorted_state_is_taken_by_sequentials_numbers():
    model = network()
    ug.convert.load_state_dict(model, dict(sorted(state().items())))
    close(model.predict(X), "torch")


def test_modules_are_taken_by_the_names_that_are_given(tmp_path):
    named = {
        f"net.{'abcdefghijk'[int(k[: k.index('.')])]}{k[k.index('.') :]}": v
        for k, v in state().items()
    }
    path = tmp_path / "named.safetensors"
    safetensors.write(path, named, {"format": "pt"})
    model = network(["one", "norm", "two", "slopes", "three"])
    with pytest.raises(
        ValueError, match=r"does not keep the order .* names=\{'one': 'net\.[abdek]'"
    ):
        ug.convert.load_state_dict(model, path)
    pairs = {"one": "net.a", "norm": "net.b", "two": "net.d", "slopes": "net.e", "three": "net.k"}
    ug.convert.load_state_dict(model, path, pairs)
    close(model.predict(X), "torch")
    for names, message in [
        ({**pairs, "four": "net.a"}, "a layer in names is 'four'"),
        ({**pairs, "one": "net.c"}, "a module in names is 'net.c'"),
        ({**pairs, "one": "net.d"}, "no layer for the state's 'net.a'"),
        ({"one": "net.a"}, "no module for the layer 'norm'"),
    ]:
        with pytest.raises(ValueError, match=message):
            ug.convert.load_state_dict(model, path, names)


def test_numbers_of_16_bits_are_taken():
    model = ug.Sequential([layers.Input((4,)), layers.Dense(4)])
    ug.convert.load_state_dict(model, FOLDER / "half.safetensors")
    close(model.predict(X), "half")


def test_what_does_not_fit_changes_nothing():
    model = network()
    before = model.get_weights()
    short = {k: v for k, v in state().items() if k != "10.bias"}
    for given, message in [
        (short, "the state's '10': there is no 'bias' for dense"),
        ({k: v for k, v in state().items() if k[:2] != "10"}, "has 4 modules .* 5 layers"),
        ({**state(), "0.weight": np.zeros((4, 5))}, r"'0': 'weight' has shape \(4, 5\)"),
        ({**state(), "0.more": np.zeros(4)}, "'0': .* no weight for 'more'"),
    ]:
        with pytest.raises(ValueError, match=message):
            ug.convert.load_state_dict(model, given)
    for one, other in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(one, other)


def test_files_that_are_no_state_dicts(tmp_path):
    model = network()
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    with pytest.raises(ValueError, match=r"'unitgain', .*model\.load_weights reads it"):
        ug.convert.load_state_dict(model, path)
    with pytest.raises(ValueError, match=r"another program's .*ug\.convert\.load_state_dict"):
        model.load_weights(FOLDER / "torch.safetensors")
    torch = pytest.importorskip("torch", reason="PyTorch alone writes its files")
    for content, message in [
        (torch.nn.Linear(1, 1), "no file of tensors alone"),
        ({"state": {}}, "no state dict"),
    ]:
        torch.save(content, tmp_path / "module.pt")
        with pytest.raises(ValueError, match=message):
            ug.convert.load_state_dict(model, tmp_path / "module.pt")


def test_bfloat16_is_the_upper_half_of_float32():
    values = np.array([1.0, -2.5, 3.140625, np.inf, -0.0], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    content = safetensors.write_bytes({"a": halves.reshape(1, 5)}, {})
    read, _ = safetensors.read_bytes(content.replace(b'"U16"', b'"BF16"').replace(b"} ", b"}", 1))
    assert read["a"].dtype == np.float32
    assert read["a"].tobytes() == values.tobytes()


# ---- Keras ----


def test_a_keras_file_is_read_and_trains_on():
    pytest.importorskip("h5py", reason="h5py is not installed")
    model = ug.convert.from_keras(FOLDER / "model.keras")
    close(model.predict(X), "keras")
    assert (type(model.optimizer).__name__, int(model.optimizer.iterations)) == ("Adam", 3)
    close([model.train_on_batch(X, X[:, ::-1]) for _ in range(5)], "losses", 1e-5)
    assert ug.convert.from_keras(FOLDER / "model.keras", compile=False).optimizer is None


def keras_like(width=4):
    x = layers.Input((4,))
    hidden = layers.Dense(width, "tanh", use_bias=False)(x)
    return ug.Model(x, layers.Dense(4, use_bias=False)(hidden + x))


def test_weights_of_keras_go_into_a_model_of_the_same_layers():
    pytest.importorskip("h5py", reason="h5py is not installed")
    model = keras_like()
    model.load_weights(FOLDER / "model.weights.h5")
    close(model.predict(X), "keras")
    other = ug.Sequential([layers.Input((4,)), layers.Dense(4)])
    for given, message in [
        (other, "dense.* has 2 weights, but there are 1"),
        (ug.Sequential([layers.Input((5,)), layers.Dense(4, use_bias=False)]), r"shape \(4, 4\)"),
    ]:
        with pytest.raises(ValueError, match=rf"weights\.h5 cannot be loaded: .*{message}"):
            given.load_weights(FOLDER / "model.weights.h5")


def rewritten(path, change, config=None, members=()):
    """Write the archive again, with other weights or another configuration."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with zipfile.ZipFile(FOLDER / "model.keras") as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
        described = json.loads(archive.read("config.json"))
    with h5py.File(weights, "r+") as file:
        change(h5py, file)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps((config or (lambda given: given))(described)))
        archive.writestr("model.weights.h5", weights.getvalue())
        for name, content in members:
            archive.writestr(name, content)


KERNEL = "layers/dense/vars/0"


def replaced(make):
    def change(h5py, file):
        del file[KERNEL]
        make(h5py, file)

    return change


def virtual(h5py, file):
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "a", (4, 4))
    file.create_virtual_dataset(KERNEL, layout)


BAD_WEIGHTS = {
    "a link to a file": (
        lambda h5py, file: file.update({KERNEL: h5py.ExternalLink("/etc/other.h5", "/a")}),
        "link to elsewhere",
    ),
    "a soft link": (
        lambda h5py, file: file.update({KERNEL: h5py.SoftLink("/layers/dense_1/vars/0")}),
        "link to elsewhere",
    ),
    "values in a file": (
        lambda h5py, file: file.create_dataset(
            KERNEL, (4, 4), "f4", external=[("/etc/hostname", 0, 64)]
        ),
        "values in another file",
    ),
    "virtual values": (virtual, "values in another file"),
    "no values": (
        lambda h5py, file: file.create_dataset(KERNEL, (1 << 20, 1 << 10), "f4", chunks=True),
        "0 bytes of it",
    ),
    "compressed zeros": (
        lambda h5py, file: file.create_dataset(
            KERNEL, data=np.zeros((1 << 12, 1 << 10), "f4"), compression="gzip"
        ),
        "bytes of it in the file",
    ),
    "texts": (lambda h5py, file: file.create_dataset(KERNEL, data=b"text"), "no array of numbers"),
    "a group": (lambda h5py, file: file.create_group(KERNEL), "no array of numbers"),
    "nothing": (lambda h5py, file: None, "has 1 weights, but there are 0"),
    "another shape": (
        lambda h5py, file: file.create_dataset(KERNEL, data=np.zeros((3, 4), "f4")),
        r"an array of shape \(3, 4\)",
    ),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights_that_lead_elsewhere_or_are_not_there_are_refused(name, tmp_path):
    make, message = BAD_WEIGHTS[name]
    path = tmp_path / "model.keras"
    rewritten(path, replaced(make))
    with pytest.raises(ValueError, match=rf"model\.keras cannot be loaded: .*{message}"):
        ug.convert.from_keras(path)


def nested(config):
    inner = config
    for _ in range(3):
        inner = {"class_name": "Sequential", "config": {"layers": [inner], "name": "a"}}
    return inner


def changed(key, value, place=1):
    def change(config):
        config["config"]["layers"][place]["config"][key] = value
        return config

    return change


def with_class(name, module="keras.layers"):
    def change(config):
        config["config"]["layers"][1] |= {"class_name": name, "module": module}
        return config

    return change


FUNCTION = {"class_name": "function", "module": "os", "config": "system", "registered_name": "x"}
BAD_CONFIGS = {
    "code": (with_class("Lambda"), "'Lambda' of 'keras.layers' has no counterpart"),
    "a module": (with_class("Dense", "os"), "'Dense' of 'os' has no counterpart"),
    "a function": (changed("activation", FUNCTION), "the function 'system' of 'os' is not read"),
    "an object": (
        changed("kernel_initializer", {"class_name": "x", "module": "os", "config": {}}),
        "'x' of 'os'",
    ),
    "a size": (changed("units", 1 << 40), "no values of shape"),
    "an argument": (changed("wheels", 2), "Dense takes no wheels"),
    "another model": (lambda config: {**config, "class_name": "Mine"}, "it is a 'Mine'"),
    "no layers": (lambda config: {**config, "config": {}}, "'layers'"),
    "no object": (lambda config: [1], ""),
    "a policy": (changed("dtype", "mixed_float16"), "dtype policies"),
    "an unknown size": (changed("batch_shape", [None, None], 0), "expected known sizes"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_configurations_that_say_something_else_are_refused(name, tmp_path):
    config, message = BAD_CONFIGS[name]
    path = tmp_path / "model.keras"
    rewritten(path, lambda h5py, file: None, config)
    with pytest.raises(ValueError, match=rf"model\.keras cannot be loaded: .*{message}"):
        ug.convert.from_keras(path)


BAD_MEMBERS = {
    "outside": ("../outside", "x", "outside of the archive"),
    "absolute": ("/outside", "x", "outside of the archive"),
    "drive": ("C:\\outside", "x", "outside of the archive"),
    "bomb": ("bomb", b"0" * 10_000_000, "10000000 bytes, out of"),
    "assets": ("assets/layers/string_lookup/vocabulary.txt", "a", "files, which are not read"),
}


@pytest.mark.parametrize("name", BAD_MEMBERS)
def test_archives_that_reach_out_or_blow_up_are_refused(name, tmp_path):
    member, content, message = BAD_MEMBERS[name]
    path = tmp_path / "model.keras"
    rewritten(path, lambda h5py, file: None, members=[(member, content)])
    with pytest.raises(ValueError, match=rf"model\.keras cannot be loaded: .*{message}"):
        ug.convert.from_keras(path)


def test_files_that_are_no_archives_of_keras(tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "model.keras"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"no \.keras archive"):
        ug.convert.from_keras(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"has no model\.weights\.h5"):
        ug.convert.from_keras(path)
    with pytest.raises(FileNotFoundError):
        ug.convert.from_keras(tmp_path / "none.keras")


def test_the_old_format_of_keras_is_told(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.create_group("model_weights")
    with pytest.raises(ValueError, match="the old format: load it with Keras"):
        keras_like().load_weights(tmp_path / "old.h5")


def test_missing_packages_are_named_with_their_extra(monkeypatch):
    for module in ("torch", "keras", "h5py"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImportError, match=r"from_torch needs torch: pip install unitgain\[torch\]"):
        ug.convert.from_torch(None)
    with pytest.raises(ImportError, match=r"unitgain\[torch\]"):
        ug.convert.to_torch(network())
    with pytest.raises(ImportError, match=r"unitgain\[torch\]"):
        ug.convert.load_state_dict(network(), FOLDER / "torch.pt")
    with pytest.raises(ImportError, match=r"from_keras needs keras: .*unitgain\[keras\]"):
        ug.convert.from_keras(None)
    with pytest.raises(ImportError, match=r"unitgain\[keras\]"):
        ug.convert.to_keras(network())
    with pytest.raises(ImportError, match=r"HDF5 files needs h5py: .*unitgain\[keras\]"):
        keras_like().load_weights(FOLDER / "model.weights.h5")
