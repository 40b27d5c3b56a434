"""One model file in Python, C and C++: the C interface by ctypes and by a program, C++'s files.

The shared object and the program that trains are those of the build that UNITGAIN_BUILD_DIR names,
made with UNITGAIN_TESTS.
"""

import ctypes
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from saved_models import branches, chain, merged, trained

import unitgain as ug
from unitgain import layers
from unitgain.formats import document as documents

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("UNITGAIN_BUILD_DIR") or "none") / "cpp"
LIBRARY = BUILD / "libunitgain.so"
HEADER = ROOT / "cpp" / "include" / "unitgain" / "c.h"

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists(), reason="needs a build with tests in UNITGAIN_BUILD_DIR"
)


TYPES = {
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "int64_t": ctypes.c_int64,
    "unitgain_status": ctypes.c_int,
    "void": None,
    "const char*": ctypes.c_char_p,
    "const int64_t*": ctypes.POINTER(ctypes.c_int64),
}


class Library:
    """libunitgain.so with the types of unitgain/c.h."""

    def __init__(self):
        object_ = ctypes.CDLL(str(LIBRARY))
        text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
        declared = re.findall(r"UNITGAIN_API\s+([^;(]*?)(\w+)\(([^)]*)\);", text)
        self.names = {name for _, name, _ in declared}
        for result, name, arguments in declared:
            function = getattr(object_, name)
            function.restype = TYPES[result.strip()]
            given = [] if arguments == "void" else arguments.split(",")
            function.argtypes = [self.argument(one) for one in given]
            setattr(self, name.removeprefix("unitgain_"), function)

    def argument(self, text):
        kind = re.sub(r"\w+$", "", " ".join(text.split())).strip()
        return ctypes.c_void_p if "*" in kind and "char" not in kind else TYPES.get(kind)


@pytest.fixture(scope="module")
def library():
    return Library()


class Loaded:
    """A model that C has loaded."""

    def __init__(self, library, path, precision=None):
        self.library, self.handle = library, ctypes.c_void_p()
        where = ctypes.addressof(self.handle)
        if precision is None:
            status = library.load(os.fsencode(path), where)
        else:
            status = library.load_packed(os.fsencode(path), precision.encode(), where)
        if status != 0:
            raise ValueError(status, library.error().decode())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.library.free(self.handle)

    @property
    def dtype(self):
        return {4: "float32", 8: "float64"}[self.library.bytes_per_value(self.handle)]

    def tensors(self, what):
        """Return names and shapes of the inputs or outputs."""
        get = {key: getattr(self.library, f"{what}_{key}") for key in ("count", "name", "shape")}
        found = []
        for i in range(get["count"](self.handle)):
            rank = ctypes.c_size_t()
            shape = get["shape"](self.handle, i, ctypes.addressof(rank))
            found.append((get["name"](self.handle, i).decode(), tuple(shape[: rank.value])))
        return found

    def __call__(self, *x):
        x = [np.ascontiguousarray(one, self.dtype) for one in x]
        rows = len(x[0])
        y = [np.empty((rows, *shape), self.dtype) for _, shape in self.tensors("output")]
        predict = {
            "float32": self.library.predict_float,
            "float64": self.library.predict_double,
        }[self.dtype]
        pointers = [(ctypes.c_void_p * len(a))(*[one.ctypes.data for one in a]) for a in (x, y)]
        if predict(self.handle, pointers[0], rows, pointers[1]) != 0:
            raise ValueError(self.library.error().decode())
        return y


def as_list(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [chain, branches, merged])
def test_c_predicts_the_bits_of_the_python_model(library, make, dtype, tmp_path):
    model, x = trained(make, dtype)
    path = tmp_path / "model.safetensors"
    model.save(path)
    expected = as_list(ug.load_model(path)(x if len(x) > 1 else x[0]))
    with Loaded(library, path) as loaded:
        assert loaded.dtype == dtype
        assert loaded.tensors("input") == [
            (tensor.name, tensor.sample_shape) for tensor in model.inputs
        ]
        assert [name for name, _ in loaded.tensors("output")] == model.output_names
        for mine, theirs in zip(loaded(*x), expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("weights_dtype", [None, "bfloat16", "int8"])
@pytest.mark.parametrize("make", [chain, branches, merged])
def test_c_runs_weights_of_fewer_bits_as_python_does(library, make, weights_dtype, tmp_path):
    model, x = trained(make, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path, weights_dtype=weights_dtype)
    given = x if len(x) > 1 else x[0]
    loaded = ug.load_model(path)
    runs = {None: loaded, "int8": loaded.optimize_for_inference("int8")}
    runs |= {"medium": loaded.optimize_for_inference("medium")}
    for precision, run in runs.items():
        expected = as_list(run(given))
        with Loaded(library, path, precision) as found:
            for mine, theirs in zip(found(*x), expected, strict=True):
                np.testing.assert_array_equal(mine, theirs)
    # What is quantized before it is saved and after it was loaded is the same. (`branches` has a
    # dropout, whose random numbers start again in such a file.)
    if weights_dtype == "int8" and make is not branches:
        before = as_list(model.optimize_for_inference("int8")(given))
        for mine, theirs in zip(before, as_list(runs["int8"](given)), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_c_refuses_what_int8_is_not_for(library, tmp_path):
    path = tmp_path / "model.safetensors"
    model, _ = trained(chain, "float64")
    model.save(path)
    with pytest.raises(ValueError, match="int8 is for float32 models"):
        Loaded(library, path, "int8")
    with pytest.raises(ValueError, match="precision is 'int4', expected highest"):
        Loaded(library, path, "int4")
    model, _ = trained(chain, "float32")
    model.save(path, weights_dtype="int8")
    document, arrays = documents.from_file(path)
    place = next(iter(document["scales"].values()))
    wrong = [arrays | {place: np.ones(1, np.float32)}]
    wrong += [arrays | {place: arrays[place].astype(np.float64)}]
    wrong += [{name: array for name, array in arrays.items() if name != place}]
    for some in wrong:
        documents.to_file(path, document, some)
        for precision in (None, "int8"):
            with pytest.raises(ValueError, match="scales"):
                Loaded(library, path, precision)


def test_files_without_a_signature_have_default_names(library, tmp_path):
    model, x = trained(merged, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path)
    document, arrays = documents.from_file(path)
    del document["signature"]
    documents.to_file(path, document, arrays)
    with Loaded(library, path) as loaded:
        assert loaded.tensors("input") == [("input", (6,)), ("input_1", (4,))]
        for mine, theirs in zip(loaded(*x), model(x), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_what_c_cannot_load_says_why(library, tmp_path):
    class Own(layers.Layer):
        def call(self, x):
            return np.tanh(x)

    path = tmp_path / "own.safetensors"
    ug.Sequential([layers.Input((3,)), Own()]).save(path)
    with pytest.raises(ValueError, match=r"own\.safetensors cannot be loaded: .*written in Python"):
        Loaded(library, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="by its first bytes the header has"):
        Loaded(library, path)
    with pytest.raises(ValueError, match=r"none\.safetensors") as missing:
        Loaded(library, tmp_path / "none.safetensors")
    assert missing.value.args[0] == 2
    path = tmp_path / "weights.safetensors"
    ug.Sequential([layers.Input((3,)), layers.Dense(2)]).save_weights(path)
    with pytest.raises(ValueError, match="weights alone"):
        Loaded(library, path)


def test_errors_are_of_the_thread_and_no_argument_may_be_null(library, tmp_path):
    assert library.load(b"none", None) == 1
    assert library.error() == b"model is NULL"
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(library.error()))
    thread.start()
    thread.join()
    assert elsewhere == [b""]
    model, _ = trained(chain, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path)
    with Loaded(library, path) as loaded:
        assert library.predict_float(loaded.handle, None, 3, None) == 1
        assert library.error() == b"x is NULL"
        two = (ctypes.c_void_p * 1)(np.zeros((1, 12)).ctypes.data)
        assert library.predict_double(loaded.handle, two, 1, two) == 1
        assert b"outputs are float32" in library.error()
        assert library.predict_float(None, two, 1, two) == 1
        assert library.predict_float(loaded.handle, two, -1, two) == 1
        assert library.input_name(loaded.handle, 7) is None
        assert library.output_size(loaded.handle, 7) == 0
    assert library.input_count(None) == library.bytes_per_value(None) == 0
    assert library.output_name(None, 0) is None
    library.free(None)
    assert library.set_num_threads(0) == 1
    assert library.abi_version() == 1
    assert library.version().decode() == ug.__version__


def test_a_model_in_memory_is_loaded(library, tmp_path):
    model, x = trained(chain, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path)
    content = path.read_bytes()
    with Loaded(library, path) as loaded:
        expected = loaded(*x)[0]
        library.free(loaded.handle)
        given = ctypes.addressof(loaded.handle)
        assert library.load_bytes(content, len(content), given) == 0
        del content
        np.testing.assert_array_equal(loaded(*x)[0], expected)


def test_the_shared_object_shows_the_c_interface_alone(library):
    text = subprocess.run(
        ["nm", "-D", "--defined-only", str(LIBRARY)], check=True, capture_output=True, text=True
    ).stdout
    assert {line.split()[2] for line in text.splitlines()} == library.names


def test_a_program_in_c99_predicts(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    page = (ROOT / "docs" / "howto" / "embed.md").read_text()
    program = re.findall(r"^```c\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "main.c").write_text(program)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{HEADER.parents[1]}"]
    linked = [f"-L{BUILD}", "-lunitgain", f"-Wl,-rpath,{BUILD}"]
    command = [compiler, *flags, "main.c", *linked, "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    model = ug.Sequential([layers.Input((64,)), layers.Dense(10, activation="softmax")])
    model.save(tmp_path / "digits.safetensors")
    made = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True)
    np.testing.assert_array_equal(
        np.array(made.stdout.split(), np.float32), model(np.zeros((1, 64), np.float32))[0]
    )
    (tmp_path / "digits.safetensors").unlink()
    failed = subprocess.run(["./main"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "digits.safetensors" in failed.stderr


def test_python_goes_on_with_what_cpp_has_trained(library, tmp_path):
    (x, y), _ = ug.datasets.load_digits()
    np.column_stack([x, y]).astype("float32").tofile(tmp_path / "digits.f32")
    path = tmp_path / "digits.safetensors"
    program = BUILD / "tests" / "unitgain_train_digits"
    subprocess.run([program, path, tmp_path / "digits.f32"], check=True)
    model = ug.load_model(path)
    assert model.input_shape == (64,)
    assert [w.name.split("/", 1)[1] for w in model.trainable_weights] == [
        "hidden/bias", "hidden/kernel", "scores/bias", "scores/kernel",
    ]  # fmt: skip
    with Loaded(library, path) as loaded:
        assert loaded.tensors("input") == [("pixels", (64,))]
        assert loaded.tensors("output") == [("digit", (10,))]
        np.testing.assert_array_equal(loaded(x)[0], model(x.astype(np.float32)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.evaluate(x, y, return_dict=True)
    assert before["accuracy"] > 0.95
    model.fit(x, y, epochs=3, verbose=0)
    assert model.evaluate(x, y, return_dict=True)["loss"] < before["loss"]
    model.save(path)
    again = ug.load_model(path)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    with Loaded(library, path) as loaded:
        np.testing.assert_array_equal(loaded(x)[0], model(x.astype(np.float32)))


@pytest.mark.parametrize("make", [chain, branches, merged])
def test_a_graph_without_layers_becomes_a_model(make, tmp_path):
    model, x = trained(make, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path)
    document, arrays = documents.from_file(path)
    kept = {key: document[key] for key in ("graph", "signature", "dtype")}
    names = {n for node in kept["graph"]["nodes"] for n in node["parameters"].values()}
    documents.to_file(path, kept, {name: arrays[name] for name in names})
    graph = ug.load_model(path)
    given = x if len(x) > 1 else x[0]
    skipped = 1 if make is branches else 0  # that output draws
    found, expected = as_list(graph(given))[skipped:], as_list(model(given))[skipped:]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert sum(w.array.size for w in graph.trainable_weights) == sum(
        w.array.size for w in model.trainable_weights
    )
    shapes = [output["shape"] for output in kept["signature"]["outputs"]]
    y = [np.zeros((40, *shape)) for shape in shapes]
    graph.compile("adam", "mse")
    assert np.isfinite(graph.fit(given, y if len(y) > 1 else y[0], verbose=0).history["loss"][0])
    graph.trainable = False
    assert graph.trainable_weights == []
