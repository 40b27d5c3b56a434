"""Networks as C: compiled without a warning, the C gives the model's outputs within rounding."""

import ctypes
import math
import shutil
import subprocess

import numpy as np
import pytest
from saved_models import chain, merged

import unitgain as ug
from unitgain import layers
from unitgain.convert.c_source import _KINDS
from unitgain.convert.c_texts import ACTIVATIONS

COMPILERS = [name for name in ("gcc", "clang-19", "clang") if shutil.which(name)][:2]
pytestmark = pytest.mark.skipif(not COMPILERS, reason="needs a C compiler")

STRICT = [
    "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow",
    "-Wdouble-promotion", "-Wmissing-prototypes", "-Wstrict-prototypes",
]  # fmt: skip


def compiled(folder, source, compiler=COMPILERS[0] if COMPILERS else ""):
    """The library of a C file, linked with nothing but the C library's mathematics."""
    made = folder / f"{source.stem}-{compiler}.so"
    command = [compiler, *STRICT, "-shared", "-fPIC", "-Wl,-z,defs", "-o", made, source, "-lm"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return ctypes.CDLL(str(made))


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def run(library, name, text, inputs, sizes, dtype, weights=()):
    """The outputs of every row, by calls for one row each; scratch and outputs have a guard."""
    size = int(text.split(f"#define {name.upper()}_SCRATCH ")[1].split()[0])
    scratch = np.full(size + 1, 7, dtype)
    outputs = [np.full((len(inputs[0]) + 1, n), 7, dtype) for n in sizes]
    for i in range(len(inputs[0])):
        given = [pointer(array[i]) for array in (*inputs, *outputs)]
        call = getattr(library, f"{name}_predict")
        assert call(*map(pointer, weights), *given, pointer(scratch)) == 0
    assert scratch[-1] == 7
    assert all((array[-1] == 7).all() for array in outputs)
    return [array[:-1] for array in outputs]


def check(model, x, folder, compilers=COMPILERS, **options):
    """Compare the C of a model with the model."""
    path = folder / "net.c"
    model.export(path, format="c", **options)
    text = path.read_text()
    inputs = [np.ascontiguousarray(one.reshape(len(one), -1)) for one in x]
    expected = model(x if len(x) > 1 else x[0])
    expected = expected if isinstance(expected, list) else [expected]
    sizes = [math.prod(array.shape[1:]) for array in expected]
    for compiler in compilers:
        library = compiled(folder, path, compiler)
        found = run(library, "net", text, inputs, sizes, model.dtype)
        # A few hundred roundings of values of about 1.
        tolerance = 200 * np.finfo(model.dtype).eps
        for mine, theirs in zip(found, expected, strict=True):
            theirs = theirs.reshape(mine.shape)
            scale = max(1, np.abs(theirs).max())
            np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance * scale)
    return text


def branches(dtype):
    x, y = layers.Input((6,), dtype), layers.Input((4,), dtype)
    shared = layers.Dense(4, "elu", name="twice")
    both = layers.Add()([shared(layers.Dense(4)(x)), shared(y)])
    last = layers.Concatenate()([both, y, both])
    return ug.Model([x, y], [layers.Dense(3, "softmax")(last), layers.Dense(2)(both), both, x])


def masked(dtype):
    x, values, rows = (layers.Input(shape, dtype) for shape in ((4, 3), (4, 5), (5,)))
    hidden = layers.Masking()(layers.ReLU()(layers.Dense(2)(x)))
    hidden = layers.Dense(5)(layers.BatchNormalization(renorm=True)(hidden))
    return ug.Model(
        [x, values, rows],
        [layers.Softmax()(hidden), *(layers.Softmax()(hidden, mask) for mask in (values, rows))],
    )


def clusters(dtype):
    x = layers.Input((4,), dtype)
    made = []
    for affinity in ("rbf", "soft", "one_hot", "distance"):
        layer = layers.ClusterAffinity(3, affinity=affinity)
        made.append(layer(x))
    return ug.Model(x, made)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [chain, branches, merged, clusters, masked])
def test_c_gives_the_outputs_of_the_model(make, dtype, tmp_path):
    ug.random.seed(3)
    model = make(dtype)
    shapes = model.input_shape if isinstance(model.input_shape, list) else [model.input_shape]
    generator = np.random.default_rng(0)
    if make is clusters:
        for layer in model.layers[1:]:
            layer.adapt(generator.normal(size=(30, 4)))
    x = [generator.normal(size=(40, *shape)).astype(dtype) for shape in shapes]
    # Statistics and weights that are not those of the beginning.
    for weight in model.weights:
        shift = generator.uniform(0.1, 0.5, weight.shape).astype(dtype)
        weight.assign(weight.array + shift)
    check(model, x, tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_c_has_every_activation(dtype, tmp_path):
    known = set(ug._native.activation_table()) - {"linear"}
    assert known == set(ACTIVATIONS)
    x = layers.Input((61,), dtype)
    model = ug.Model(x, [layers.Activation(name)(x) for name in sorted(known)])
    check(model, [np.linspace(-12, 12, 61 * 9, dtype=dtype).reshape(9, 61)], tmp_path)


def test_c_has_every_kind_of_node():
    with pytest.raises(ValueError, match="expected one of") as caught:
        ug._native.float32.Graph.from_description(
            {"nodes": [{"kind": "?", "inputs": [], "attributes": {}, "parameters": {}}]}, {}
        )
    kinds = str(caught.value).split("expected one of ")[1].split(";")[0].split(", ")
    assert set(kinds) == set(_KINDS)


@pytest.mark.parametrize("name", ug.zoo.list())
def test_c_of_shipped_networks_decides_as_they_do(name, tmp_path):
    model = ug.zoo.load(name)
    x = np.random.default_rng(0).uniform(0, 1, (20, *model.input_shape)).astype(np.float32)
    check(model, [x], tmp_path, COMPILERS[:1])


def test_batch_norm_is_folded_and_scratch_is_shared(tmp_path):
    width = 50
    hidden = [layers.Dense(width), layers.BatchNormalization(), layers.Activation("relu")]
    more = [layers.Dense(width, "tanh") for _ in range(5)]
    model = ug.Sequential([layers.Input((4,)), *hidden, *more, layers.Dense(3, "softmax")])
    text = check(model, [np.ones((2, 4), np.float32)], tmp_path)
    assert "net_scale" not in text
    assert int(text.split("#define NET_SCRATCH ")[1].split()[0]) == 2 * width


def test_weights_may_be_a_file_of_their_own(tmp_path):
    model = ug.Sequential([layers.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(2)])
    model.export(tmp_path / "small.h", format="c", name="tiny", separate_weights=True)
    text = (tmp_path / "small.h").read_text()
    weights = np.fromfile(tmp_path / "small.bin", "<f4")
    assert f"TINY_WEIGHTS {len(weights)}\n" in text
    program = tmp_path / "program.c"
    program.write_text("""#include "small.h"
#include "small.h"
int tiny(const float *w, const float *x, float *y);
int tiny(const float *w, const float *x, float *y)
{
    float scratch[TINY_SCRATCH];
    return tiny_predict(w, x, y, scratch);
}
""")
    x, y = np.ones((1, 4), np.float32), np.zeros((1, 2), np.float32)
    library = compiled(tmp_path, program)
    assert library.tiny(pointer(weights), pointer(x), pointer(y)) == 0
    np.testing.assert_allclose(y, model(x), rtol=1e-5, atol=1e-6)


def test_numbers_that_are_none_of_an_embedding_are_refused(tmp_path):
    model = ug.Sequential([layers.Input((2,)), layers.Embedding(5, 3)])
    model.export(tmp_path / "net.c", format="c")
    library = compiled(tmp_path, tmp_path / "net.c")
    y, scratch = np.zeros(6, np.float32), np.zeros(8, np.float32)
    for numbers, code in (
        ([0, 4], 0),
        ([0, 5], -1),
        ([-1, 0], -1),
        ([0.5, 0], -1),
        ([np.nan, 0], -1),
    ):
        x = np.array(numbers, np.float32)
        assert library.net_predict(pointer(x), pointer(y), pointer(scratch)) == code


class Own(layers.Layer):
    def call(self, x):
        return np.tanh(x)

    def backward(self, upstream, x, y):
        return upstream * (1 - y * y)


def test_what_is_not_c_is_an_error_that_says_why(tmp_path):
    x = layers.Input((2,))
    model = ug.Model(x, layers.Dense(1)(x))
    with pytest.raises(ValueError, match=r"is a file in \.c"):
        model.export(tmp_path / "net.txt", format="c")
    with pytest.raises(ValueError, match=r"is a file in \.h"):
        model.export(tmp_path / "net.c", format="c", separate_weights=True)
    with pytest.raises(ValueError, match="'2nd' is no name in C"):
        model.export(tmp_path / "2nd.c", format="c")
    with pytest.raises(ValueError, match="did you mean 'c'"):
        model.export(tmp_path / "net.c", format="C")
    with pytest.raises(ValueError, match="which cannot be written as C"):
        ug.Model(x, Own()(x)).export(tmp_path / "net.c", format="c")
    noisy = ug.Model(x, layers.Dropout(0.5)(x, training=True))
    with pytest.raises(ValueError, match="called with training=True"):
        noisy.export(tmp_path / "net.c", format="c")
    assert not list(tmp_path.iterdir())
