"""Whole models as ONNX: several inputs and outputs, nested parts, random graphs, errors."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unitgain as ug
from unitgain import layers

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def exported(model, tmp_path):
    """Return the bytes of a model's file."""
    path = tmp_path / "m.onnx"
    model.export(path)
    return path.read_bytes()


def session_of(content, dtype):
    options = onnxruntime.SessionOptions()
    if dtype == "float64":  # up to 1.23 it fused to operators that it has for float32 alone
        level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.graph_optimization_level = level
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def check(model, content, arrays, bound=3e-6):
    """Compare a model, ONNX Runtime, and what comes back."""
    session = session_of(content, model.dtype)
    names = model.function.inputs.names
    made = session.run(None, dict(zip(names, arrays, strict=True)))
    back = ug.convert.from_onnx(content)
    returned = back.predict(arrays if len(arrays) > 1 else arrays[0])
    expected = model.predict(arrays if len(arrays) > 1 else arrays[0])
    expected = expected if isinstance(expected, list) else [expected]
    returned = returned if isinstance(returned, list) else [returned]
    for one, other, right in zip(made, returned, expected, strict=True):
        scale = max(1.0, np.abs(right).max(initial=0.0))
        np.testing.assert_allclose(one, right, rtol=0, atol=bound * scale)
        np.testing.assert_allclose(other, right, rtol=0, atol=bound * scale)
    return back


def test_a_graph_of_several_inputs_and_outputs_keeps_their_names(tmp_path):
    a, b = layers.Input((4,), name="amounts"), layers.Input((2, 3), name="rows")
    hidden = layers.Dense(5, "gelu", name="hidden")(a)
    flat = layers.Flatten()(b)
    both = layers.Concatenate()([hidden, flat])
    first = layers.Dense(3, "softmax", name="classes")(both)
    second = layers.Dense(1, name="value")(hidden)
    model = ug.Model([a, b], [first, second])
    content = exported(model, tmp_path)
    proto = onnx.load_from_string(content)
    assert [one.name for one in proto.graph.input] == ["amounts", "rows"]
    assert [one.name for one in proto.graph.output] == ["classes", "value"]
    assert (proto.producer_name, proto.producer_version) == ("unitgain", ug.__version__)
    assert {one.name for one in proto.graph.initializer} >= {"hidden/kernel", "hidden/bias"}
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(6, *s)).astype(np.float32) for s in ((4,), (2, 3))]
    back = check(model, content, arrays)
    assert [layer.name for layer in back.layers if isinstance(layer, layers.Dense)] == [
        layer.name for layer in model.layers if isinstance(layer, layers.Dense)
    ]


def test_nested_models_and_layers_of_layers_are_part_of_the_graph(tmp_path):
    class Residual(layers.Layer):
        def __init__(self, units, **keywords):
            super().__init__(**keywords)
            self.units = units
            self.inner = layers.Dense(units, activation="relu")

        def call(self, inputs):
            return inputs + self.inner(inputs)

    inner = ug.Sequential([layers.Input((4,)), layers.Dense(4, "tanh"), layers.Dense(4)])
    x = layers.Input((4,))
    model = ug.Model(x, layers.Dense(2)(Residual(4)(inner(inner(x)))))
    content = exported(model, tmp_path)
    # The inner model's weights are there once, though it is used twice.
    names = [one.name for one in onnx.load_from_string(content).graph.initializer]
    assert len([name for name in names if name.endswith("kernel")]) == 4
    back = check(model, content, [np.random.default_rng(0).normal(size=(5, 4)).astype("f")])
    assert back.count_params() == model.count_params()


def test_an_input_of_integers_is_one_in_onnx(tmp_path):
    x = layers.Input((3,), "int32", name="words")
    y = layers.Embedding(7, 4, name="table")(x)
    model = ug.Model(x, layers.Dense(2)(layers.Flatten()(y)))
    content = exported(model, tmp_path)
    indices = np.random.default_rng(0).integers(0, 7, (5, 3)).astype(np.int32)
    back = check(model, content, [indices])
    assert isinstance(back.get_layer("table"), layers.Embedding)
    assert back.function.inputs.tensors[0].values_dtype == "int32"


def test_embeddings_of_rows_and_of_one_number(tmp_path):
    for shape in ((2, 3), (1,)):
        x = layers.Input(shape)
        model = ug.Model(x, layers.Embedding(7, 4)(x))
        indices = np.random.default_rng(0).integers(0, 7, (5, *shape)).astype(np.float32)
        check(model, exported(model, tmp_path), [indices])


def test_an_output_that_is_an_input_or_another_output(tmp_path):
    x = layers.Input((3,))
    y = layers.Dense(3)(x)
    model = ug.Model(x, [layers.Identity()(x), y, layers.Identity()(y), layers.Reshape((3, 1))(y)])
    check(model, exported(model, tmp_path), [np.ones((2, 3), np.float32)])


def test_training_goes_on_as_it_would_have(tmp_path):
    ug.random.seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype(np.float32)
    y = np.sin(x.sum(axis=1, keepdims=True))
    model = ug.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(8, "gelu"),
            layers.BatchNormalization(),
            layers.Dense(8, "tanh"),
            layers.LayerNormalization(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    model.fit(x, y, epochs=2, shuffle=False)
    back = ug.convert.from_onnx(exported(model, tmp_path))
    assert [w.trainable for w in back.weights] == [w.trainable for w in model.weights]
    histories = []
    for each in (model, back):
        each.compile(ug.optimizers.Adam(0.01), "mse")
        histories.append(each.fit(x, y, epochs=5, shuffle=False).history["loss"])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-4)
    assert histories[1][-1] < histories[1][0]


def test_conversion_draws_no_random_numbers(tmp_path):
    model = ug.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dropout(0.5)])
    content = exported(model, tmp_path)
    ug.random.seed(3)
    expected = layers.Dense(3)(np.ones((2, 4)))
    ug.random.seed(3)
    ug.convert.from_onnx(content)
    assert np.array_equal(layers.Dense(3)(np.ones((2, 4))), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_behind_one_another_come_back_one_by_one(dtype, tmp_path):
    names = ["gelu", "tanh", "gelu", "gelu", *["tanh"] * 9, "gelu", "mish"]
    model = ug.Sequential([layers.Input((3,), dtype), *map(layers.Activation, names)])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    back = check(model, exported(model, tmp_path), [x], {"float32": 3e-6, "float64": 1e-13}[dtype])
    assert [layer.activation for layer in back.layers[1:]] == names


# ---- random graphs ----

UNARY = [
    lambda d: layers.Dense(
        d.draw(st.integers(1, 5)), d.draw(st.sampled_from(["relu", "mish", None]))
    ),
    lambda d: layers.Activation(d.draw(st.sampled_from(["gelu", "selu", "softmax", "hard_silu"]))),
    lambda d: layers.LeakyReLU(d.draw(st.floats(0.0, 2.0))),
    lambda d: layers.ReLU(d.draw(st.floats(0.1, 9.0)), 0.0, d.draw(st.floats(-1.0, 1.0))),
    lambda d: layers.BatchNormalization(),
    lambda d: layers.LayerNormalization(),
    lambda d: layers.RMSNormalization(),
    lambda d: layers.PReLU(),
    lambda d: layers.Rescaling(d.draw(st.floats(-2, 2)), d.draw(st.floats(-2, 2))),
    lambda d: layers.Dropout(0.5),
    lambda d: layers.Flatten(),
]
BINARY = [
    lambda d: layers.Add(),
    lambda d: layers.Subtract(),
    lambda d: layers.Multiply(),
    lambda d: layers.Maximum(),
    lambda d: layers.Average(),
]


@st.composite
def models(draw):
    """Return a random graph with random weights."""

    class Data:
        def __init__(self):
            self.draw = draw

    data = Data()
    dtype = draw(st.sampled_from(["float32", "float64"]))
    shapes = draw(
        st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=2)
    )
    inputs = [layers.Input(shape, dtype) for shape in shapes]
    tensors = list(inputs)
    for _ in range(draw(st.integers(1, 8))):
        x = draw(st.sampled_from(tensors))
        like = [t for t in tensors if t.sample_shape == x.sample_shape]
        if len(like) > 1 and draw(st.booleans()):
            tensors.append(draw(st.sampled_from(BINARY))(data)([x, draw(st.sampled_from(like))]))
        elif len(x.sample_shape) > 1 and draw(st.booleans()):
            order = draw(st.permutations(range(1, len(x.sample_shape) + 1)))
            tensors.append(layers.Permute(order)(x))
        else:
            tensors.append(draw(st.sampled_from(UNARY))(data)(x))
    # All inputs must be used.
    flat = [layers.Flatten()(t) for t in inputs]
    last = layers.Concatenate()([*flat, layers.Flatten()(tensors[-1])])
    model = ug.Model(inputs, [layers.Dense(2)(last), tensors[-1]])
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    for weight in model.weights:
        values = rng.uniform(-0.6, 0.6, weight.shape)
        weight.assign(np.abs(values) + 0.3 if "variance" in weight.name else values)
    return model


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(models(), st.integers(1, 4))
def test_random_graphs_are_the_same_in_onnx_and_back(tmp_path_factory, model, rows):
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(size=(rows, *shape)).astype(model.dtype)
        for shape in model.function.inputs.shapes
    ]
    content = exported(model, tmp_path_factory.mktemp("onnx"))
    # What a product or a norm of random values adds to the rounding of each node.
    check(model, content, arrays, {"float32": 3e-5, "float64": 1e-12}[model.dtype])


# ---- errors ----


def test_what_computes_in_python_is_an_error_that_names_the_layer(tmp_path):
    class Doubled(layers.Layer):
        def call(self, inputs):
            return np.sort(inputs)

    x = layers.Input((3,))
    for layer in (Doubled(name="twice"), layers.CategoryEncoding(4, name="twice")):
        model = ug.Model(x, layers.Dense(1)(layer(x)))
        with pytest.raises(
            ValueError, match=rf"twice \({type(layer).__name__}\) computes in Python"
        ):
            model.export(tmp_path / "m.onnx")
    model = ug.Sequential([x, layers.Lambda(lambda v: v * v, name="own")])
    with pytest.raises(ValueError, match=r"own \(Lambda\) is a function of one's own"):
        model.export(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_spectral_normalization_is_exported_when_it_is_frozen(tmp_path):
    layer = layers.SpectralNormalization(layers.Dense(3), name="bounded")
    model = ug.Sequential([layers.Input((4,)), layer])
    with pytest.raises(ValueError, match=r"bounded .*set its trainable to False"):
        model.export(tmp_path / "m.onnx")
    layer.trainable = False
    check(model, exported(model, tmp_path), [np.ones((2, 4), np.float32)])


def test_what_does_as_in_training_is_an_error_that_names_the_layer(tmp_path):
    x = layers.Input((3,))
    for layer in (layers.Dropout(0.5, name="always"), layers.BatchNormalization(name="always")):
        model = ug.Model(x, layer(x, training=True))
        with pytest.raises(ValueError, match="always is called with training=True"):
            model.export(tmp_path / "m.onnx")
    layer.trainable = False  # its statistics stay as they are
    check(model, exported(model, tmp_path), [np.ones((2, 3), np.float32)])


def test_an_unknown_format_and_options_are_errors(tmp_path):
    model = ug.Sequential([layers.Input((3,)), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"format is 'onxx', expected one of .*onnx"):
        model.export(tmp_path / "m.onnx", format="onxx")
    with pytest.raises(TypeError, match="unexpected keyword"):
        model.export(tmp_path / "m.onnx", opset=3)
    with pytest.raises(ValueError, match=r"no weights yet|not built"):
        ug.Sequential([layers.Dense(1)]).export(tmp_path / "m.onnx")


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    model = ug.Sequential([layers.Input((3,)), layers.Dense(1)])
    with pytest.raises(ImportError, match=r"pip install unitgain\[onnx\]"):
        model.export(tmp_path / "m.onnx")
    with pytest.raises(ImportError, match=r"pip install unitgain\[onnx\]"):
        ug.convert.from_onnx(b"")


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "howto" / "exchange.md").read_text()
    section = page.split("\n## ONNX\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```py\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    exec("\n".join(blocks), {})
