"""ONNX files that other libraries wrote, operators as they write them, and damaged files."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unitgain as ug
from unitgain import layers

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper, numpy_helper, Type = onnx.helper, onnx.numpy_helper, onnx.TensorProto

FOLDER = Path(__file__).parents[1] / "reference" / "onnx"
FILES = sorted(path.stem for path in FOLDER.glob("*.onnx"))
# What the files of 16 bits differ by from their own libraries' sums of 16 bits.
HALF = 2e-3


def outputs_of(model, arrays):
    made = model.predict(arrays if len(arrays) > 1 else arrays[0])
    return made if isinstance(made, list) else [made]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_library_gives_that_librarys_values(name):
    model = ug.convert.from_onnx(FOLDER / f"{name}.onnx")
    with np.load(FOLDER / f"{name}.npz") as held:
        arrays = [held[one] for one in model.function.inputs.names]
        expected = [held[f"output_{i}"] for i in range(sum("output_" in key for key in held))]
    made = outputs_of(model, arrays)
    assert len(made) == len(expected)
    bound = HALF if "half" in name else 3e-6
    for one, right in zip(made, expected, strict=True):
        scale = max(1.0, np.abs(right).max())
        np.testing.assert_allclose(one, right.reshape(one.shape), rtol=0, atol=bound * scale)


def test_layers_are_called_after_weights_and_what_is_one_layer_is_one():
    model = ug.convert.from_onnx(FOLDER / "torch_script_residual.onnx")
    kinds = {layer.name: type(layer).__name__ for layer in model.layers}
    assert kinds["first"] == kinds["second"] == kinds["head"] == kinds["other"] == "Dense"
    assert (kinds["norm"], kinds["scaled"]) == ("BatchNormalization", "LayerNormalization")
    mlp = ug.convert.from_onnx(FOLDER / "torch_script_mlp.onnx")
    assert [layer.activation for layer in mlp.layers if isinstance(layer, layers.Activation)] == [
        "gelu",
        "silu",
    ]


@pytest.mark.parametrize("name", ["torch_dynamo_residual", "torch_script_mlp", "keras_torch"])
def test_a_file_of_another_library_is_trained_on(name):
    model = ug.convert.from_onnx(FOLDER / f"{name}.onnx")
    shapes = model.function.output_shape
    shapes = shapes if isinstance(shapes, list) else [shapes]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, *model.function.input_shape)).astype(np.float32)
    y = [np.abs(rng.normal(size=(64, *shape))).astype(np.float32) / 4 for shape in shapes]
    before = model.get_weights()
    model.compile("adam", "mse")
    losses = model.fit(x, y if len(y) > 1 else y[0], epochs=20).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


# ---- operators ----


def model_of(nodes, arrays=None, inputs=None, outputs=("y",), opset=18, kinds=None):
    """Return a model of nodes, ``(operator, inputs, outputs, attributes)``."""
    inputs = inputs or {"x": (None, 4)}
    kinds = kinds or {}
    made = [
        helper.make_node(op, list(given), list(out), **(more[0] if more else {}))
        for op, given, out, *more in nodes
    ]
    graph = helper.make_graph(
        made,
        "net",
        [
            helper.make_tensor_value_info(name, kinds.get(name, Type.FLOAT), ["batch", *shape[1:]])
            for name, shape in inputs.items()
        ],
        [
            helper.make_tensor_value_info(name, kinds.get(name, Type.FLOAT), None)
            for name in outputs
        ],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in (arrays or {}).items()],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8)


def check(proto, bound=3e-6, kinds=None, rows=6):
    """Compare what comes of a model with ONNX Runtime's values; return it."""
    options = onnxruntime.SessionOptions()  # optimised, it quantises what quantised weights meet
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    arrays = {}
    for one in session.get_inputs():
        shape = (rows, *one.shape[1:])
        values = rng.normal(0, 2, shape)
        if "int" in one.type:
            values = rng.integers(0, 3, shape)
        dtype = {"tensor(double)": "f8", "tensor(int64)": "i8"}.get(one.type, "f4")
        arrays[one.name] = values.astype(dtype)
    model = ug.convert.from_onnx(proto)
    made = outputs_of(model, [arrays[name] for name in model.function.inputs.names])
    names = [
        one.name for one in session.get_outputs() if "float" in one.type or "double" in one.type
    ]
    for one, right in zip(made, session.run(names, arrays), strict=True):
        assert one.size == right.size
        scale = max(1.0, np.abs(right).max())
        np.testing.assert_allclose(one, right.reshape(one.shape), rtol=0, atol=bound * scale)
    return model


RNG = np.random.default_rng(1)
W = RNG.normal(size=(4, 3)).astype(np.float32)
ROW = RNG.uniform(0.5, 1.5, 4).astype(np.float32)
F = np.float32
UNIT = {"half": F(0.5), "one": F(1), "root": F(2**0.5), "two": F(2), "zero": F(0), "eps": F(1e-5)}
ERF_GELU = [
    ("Div", ["x", "root"], ["a"]),
    ("Erf", ["a"], ["b"]),
    ("Add", ["one", "b"], ["c"]),
    ("Mul", ["half", "c"], ["d"]),
    ("Mul", ["d", "x"], ["y"]),
]
NORM = [
    ("ReduceMean", ["x"], ["m"], {"axes": [-1]}),
    ("Sub", ["x", "m"], ["c"]),
    ("Pow", ["c", "two"], ["s"]),
    ("ReduceMean", ["s"], ["v"], {"axes": [-1]}),
    ("Add", ["v", "eps"], ["e"]),
    ("Sqrt", ["e"], ["r"]),
    ("Div", ["c", "r"], ["n"]),
    ("Mul", ["n", "gamma"], ["g"]),
    ("Add", ["g", "beta"], ["y"]),
]
# Nodes, arrays, further arguments of model_of, and the kinds of the layers that come of them.
OPERATORS = {
    "Gemm": (
        [("Gemm", ["x", "w", "b"], ["y"], {"transB": 1, "alpha": 0.5, "beta": 2.0})],
        {"w": W.T.copy(), "b": F(0.3)},
        {},
        ["Dense"],
    ),
    "Gemm and a tensor": (
        [("Gemm", ["x", "w"], ["c"]), ("Gemm", ["x", "w", "c"], ["y"])],
        {"w": W},
        {},
        ["Dense", "Add"],
    ),
    "MatMul": (
        [("MatMul", ["x", "w"], ["a"]), ("Add", ["b", "a"], ["y"])],
        {"w": W, "b": W[:1]},
        {},
        ["Dense"],
    ),
    "MatMul twice used": (
        [("MatMul", ["x", "w"], ["a"]), ("Add", ["a", "b"], ["c"]), ("Mul", ["a", "c"], ["y"])],
        {"w": W, "b": W[0]},
        {},
        ["Dense", "Rescaling", "Multiply"],
    ),
    "MatMul of turned weights": (
        [("Transpose", ["w"], ["t"]), ("MatMul", ["x", "t"], ["y"])],
        {"w": W.T.copy()},
        {},
        ["Dense"],
    ),
    "MatMul to one": (
        [("MatMul", ["x", "w"], ["a"]), ("Add", ["a", "b"], ["y"])],
        {"w": W[:, :1], "b": W[0, :1]},
        {},
        ["Dense"],
    ),
    "GELU by erf": (ERF_GELU, UNIT, {}, ["Activation"]),
    "QuickGELU": (
        [("Mul", ["x", "k"], ["a"]), ("Sigmoid", ["a"], ["b"]), ("Mul", ["x", "b"], ["y"])],
        {"k": F(1.702)},
        {},
        ["Rescaling", "Activation", "Multiply"],
    ),
    "ELU by Where": (
        [
            ("Exp", ["x"], ["a"]),
            ("Sub", ["a", "one"], ["b"]),
            ("Greater", ["x", "zero"], ["c"]),
            ("Where", ["c", "x", "b"], ["y"]),
        ],
        UNIT,
        {},
        ["Activation"],
    ),
    "softplus by log": (
        [("Exp", ["x"], ["a"]), ("Add", ["a", "one"], ["b"]), ("Log", ["b"], ["y"])],
        UNIT,
        {},
        ["Activation"],
    ),
    "HardSigmoid of ONNX": ([("HardSigmoid", ["x"], ["y"])], {}, {}, ["Rescaling", "ReLU"]),
    "Clip both": (
        [("Clip", ["x", "low", "high"], ["y"])],
        {"low": F(-0.7), "high": F(0.4)},
        {},
        ["Rescaling", "ReLU", "Rescaling"],
    ),
    "Clip above": ([("Clip", ["x", "", "high"], ["y"])], {"high": F(0.4)}, {}, ["ReLU"]),
    "Clip by attributes": (
        [("Clip", ["x"], ["y"], {"min": 0.0, "max": 6.0})],
        {},
        {"opset": 10},
        ["Activation"],
    ),
    "Selu of others": (
        [("Elu", ["x"], ["a"], {"alpha": 0.3}), ("Mul", ["a", "k"], ["y"])],
        {"k": F(3)},
        {},
        ["ELU", "Rescaling"],
    ),
    "Celu": ([("Celu", ["x"], ["y"], {"alpha": 2.0})], {}, {}, ["Rescaling", "ELU", "Rescaling"]),
    "ThresholdedRelu": ([("ThresholdedRelu", ["x"], ["y"], {"alpha": 0.5})], {}, {}, ["ReLU"]),
    "Abs": ([("Abs", ["x"], ["y"])], {}, {}, ["Rescaling", "Maximum"]),
    "a square": ([("Pow", ["x", "two"], ["y"])], UNIT, {}, ["Multiply"]),
    "scaling": (
        [("Sub", ["x", "m"], ["a"]), ("Div", ["a", "s"], ["y"])],
        {"m": ROW, "s": ROW},
        {},
        ["Rescaling", "Rescaling"],
    ),
    "a row minus": (
        [("Sub", ["m", "x"], ["a"]), ("Mul", ["a", "m"], ["b"]), ("Add", ["b", "m"], ["y"])],
        {"m": ROW[None]},
        {},
        ["Rescaling", "Rescaling"],
    ),
    "a number minus": ([("Sub", ["one", "x"], ["y"])], UNIT, {}, ["Rescaling"]),
    "an array of a sample": (
        [("Mul", ["x", "m"], ["y"])],
        {"m": W},
        {"inputs": {"x": (None, 4, 3)}},
        ["Flatten", "Rescaling", "Reshape"],
    ),
    "LayerNormalization": (
        NORM,
        {**UNIT, "gamma": ROW, "beta": ROW},
        {"opset": 13},
        ["LayerNormalization"],
    ),
    "LayerNormalization of two": (
        [("LayerNormalization", ["x", "g"], ["y"], {"axis": -2})],
        {"g": W},
        {"inputs": {"x": (None, 4, 3)}},
        ["LayerNormalization"],
    ),
    "RMSNormalization": (
        [
            ("Mul", ["x", "x"], ["s"]),
            ("ReduceMean", ["s", "axes"], ["v"]),
            ("Add", ["v", "eps"], ["e"]),
            ("Sqrt", ["e"], ["q"]),
            ("Reciprocal", ["q"], ["r"]),
            ("Mul", ["x", "r"], ["n"]),
            ("Mul", ["gamma", "n"], ["y"]),
        ],
        {**UNIT, "gamma": ROW, "axes": np.array([1])},
        {},
        ["RMSNormalization"],
    ),
    "InstanceNormalization": (
        [("InstanceNormalization", ["x", "g", "b"], ["y"])],
        {"g": ROW, "b": ROW},
        {"inputs": {"x": (None, 4, 3)}},
        ["GroupNormalization"],
    ),
    "GroupNormalization": (
        [("GroupNormalization", ["x", "g", "b"], ["y"], {"num_groups": 2})],
        {"g": ROW, "b": ROW},
        {"inputs": {"x": (None, 4, 3)}, "opset": 21},
        ["GroupNormalization"],
    ),
    "LpNormalization": (
        [("LpNormalization", ["x"], ["y"], {"axis": 1})],
        {},
        {},
        ["UnitNormalization"],
    ),
    "BatchNormalization": (
        [("BatchNormalization", ["x", "a", "b", "m", "v"], ["y"])],
        dict.fromkeys("abmv", ROW),
        {},
        ["BatchNormalization"],
    ),
    "PRelu": (
        [("PRelu", ["x", "s"], ["y"])],
        {"s": F([[0.2], [0.1], [0.3], [0.4]])},
        {"inputs": {"x": (None, 4, 3)}},
        ["PReLU"],
    ),
    "GLU": (
        [
            ("Split", ["x", "parts"], ["a", "b"], {"axis": 1}),
            ("Sigmoid", ["b"], ["s"]),
            ("Mul", ["s", "a"], ["y"]),
        ],
        {"parts": np.array([2, 2])},
        {},
        ["GLU"],
    ),
    "old Softmax": (
        [("Softmax", ["x"], ["y"])],
        {},
        {"opset": 11, "inputs": {"x": (None, 2, 3)}},
        ["Softmax"],
    ),
    "LogSoftmax": ([("LogSoftmax", ["x"], ["y"], {"axis": 1})], {}, {}, ["Activation"]),
    "Flatten and Dropout": (
        [("Flatten", ["x"], ["a"]), ("Dropout", ["a", "half"], ["y"])],
        UNIT,
        {"inputs": {"x": (None, 2, 3)}},
        ["Flatten", "Dropout"],
    ),
    "Reshape by the batch's size": (
        [
            ("Shape", ["x"], ["a"]),
            ("Gather", ["a", "i"], ["b"]),
            ("Unsqueeze", ["b", "i1"], ["c"]),
            ("Concat", ["c", "rest"], ["d"], {"axis": 0}),
            ("Reshape", ["x", "d"], ["y"]),
        ],
        {"i": np.array(0), "i1": np.array([0]), "rest": np.array([-1])},
        {"inputs": {"x": (None, 2, 3)}},
        ["Flatten"],
    ),
    "Reshape by a slice": (
        [
            ("Shape", ["x"], ["a"]),
            ("Slice", ["a", "s", "e"], ["b"]),
            ("Concat", ["b", "rest"], ["d"], {"axis": 0}),
            ("Reshape", ["x", "d"], ["y"]),
        ],
        {"s": np.array([0]), "e": np.array([1]), "rest": np.array([3, 2])},
        {"inputs": {"x": (None, 2, 3)}},
        ["Reshape"],
    ),
    "Reshape with -1": (
        [("Reshape", ["x", "s"], ["y"])],
        {"s": np.array([-1, 6])},
        {"inputs": {"x": (None, 2, 3)}},
        ["Flatten"],
    ),
    "Transpose": (
        [("Transpose", ["x"], ["y"], {"perm": [0, 2, 1]})],
        {},
        {"inputs": {"x": (None, 2, 3)}},
        ["Permute"],
    ),
    "Squeeze and Unsqueeze": (
        [
            ("MatMul", ["x", "w"], ["a"]),
            ("Squeeze", ["a", "axes"], ["b"]),
            ("Tanh", ["b"], ["c"]),
            ("Unsqueeze", ["c", "axes"], ["d"]),
            ("Mul", ["d", "d"], ["y"]),
        ],
        {"w": W[:, :1], "axes": np.array([1])},
        {},
        ["Dense", "Activation", "Multiply"],
    ),
    "an output without features": (
        [("MatMul", ["x", "w"], ["a"]), ("Squeeze", ["a", "axes"], ["y"])],
        {"w": W[:, :1], "axes": np.array([1])},
        {},
        ["Dense"],
    ),
    "tensors": (
        [
            ("Max", ["x", "z"], ["a"]),
            ("Min", ["x", "a", "z"], ["b"]),
            ("Sum", ["a", "b", "x"], ["c"]),
            ("Mean", ["a", "c"], ["d"]),
            ("Sub", ["d", "z"], ["e"]),
            ("Concat", ["e", "x"], ["y"], {"axis": -1}),
        ],
        {},
        {"inputs": {"x": (None, 4), "z": (None, 4)}},
        ["Maximum", "Minimum", "Add", "Average", "Subtract", "Concatenate"],
    ),
    "rows by rows": (
        [("MatMul", ["x", "z"], ["y"])],
        {},
        {"inputs": {"x": (None, 2, 4), "z": (None, 4, 3)}},
        ["Dot"],
    ),
    "Embedding": (
        [("Gather", ["w", "x"], ["y"])],
        {"w": W},
        {"inputs": {"x": (None, 5)}, "kinds": {"x": Type.INT64}},
        ["Embedding"],
    ),
    "integers": (
        [("Cast", ["x"], ["a"], {"to": Type.FLOAT}), ("MatMul", ["a", "w"], ["y"])],
        {"w": W},
        {"kinds": {"x": Type.INT64}},
        ["Dense"],
    ),
    "quantised weights": (
        [("DequantizeLinear", ["q", "s", "z"], ["w"], {"axis": 1}), ("MatMul", ["x", "w"], ["y"])],
        {
            "q": RNG.integers(-127, 127, (4, 3)).astype(np.int8),
            "s": F([0.1, 0.02, 0.3]),
            "z": np.array([1, 2, -3], np.int8),
        },
        {},
        ["Dense"],
    ),
    "weights in a Constant": (
        [
            ("Constant", [], ["w"], {"value": numpy_helper.from_array(W, "w")}),
            ("Constant", [], ["k"], {"value_float": 2.0}),
            ("MatMul", ["x", "w"], ["a"]),
            ("Mul", ["a", "k"], ["y"]),
        ],
        {},
        {},
        ["Dense", "Rescaling"],
    ),
    "weights in float16": (
        [("Cast", ["w"], ["a"], {"to": Type.FLOAT}), ("MatMul", ["x", "a"], ["y"])],
        {"w": W.astype(np.float16)},
        {},
        ["Dense"],
    ),
    "double": (
        [("MatMul", ["x", "w"], ["a"]), ("Softplus", ["a"], ["y"])],
        {"w": W.astype(np.float64)},
        {"kinds": {"x": Type.DOUBLE, "y": Type.DOUBLE}},
        ["Dense", "Activation"],
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_as_exporters_write_them(name):
    nodes, arrays, more, kinds = OPERATORS[name]
    model = check(model_of(nodes, arrays, **more))
    assert [k for k in (type(one).__name__ for one in model.layers) if k != "Input"] == kinds


def test_scikit_learns_labels_are_left_out_and_its_operators_read():
    attributes = {
        "coefficients": W.T.ravel().tolist(),
        "intercepts": [0.1, 0.2, 0.3],
        "classlabels_ints": [5, 7, 9],
        "post_transform": "SOFTMAX",
    }
    scale = {"offset": ROW.tolist(), "scale": (1 / ROW).tolist()}
    nodes = [
        ("Scaler", ["x"], ["s"], {"domain": "ai.onnx.ml", **scale}),
        ("LinearClassifier", ["s"], ["label", "y"], {"domain": "ai.onnx.ml", **attributes}),
    ]
    proto = model_of(nodes, outputs=("label", "y"), kinds={"label": Type.INT64})
    model = check(proto)
    assert [type(one).__name__ for one in model.layers[1:]] == ["Normalization", "Dense", "Softmax"]


def test_bfloat16_weights_are_numbers_of_the_network():
    tensor = onnx.TensorProto(name="w", data_type=Type.BFLOAT16, dims=[4, 3])
    tensor.raw_data = (W.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    proto = model_of([("MatMul", ["x", "w"], ["y"])])
    proto.graph.initializer.append(tensor)
    kernel = ug.convert.from_onnx(proto).get_weights()[0]
    expected = ((W.view(np.uint32) >> 16) << 16).view(np.float32)
    assert np.array_equal(kernel, expected)


REFUSED = {
    "Conv": (
        [("Conv", ["x", "w"], ["y"])],
        {"w": np.zeros((1, 1, 1, 1), F)},
        {"inputs": {"x": (None, 1, 2, 2)}},
        "operator Conv of the node 'y' is none of a dense",
    ),
    "sin": ([("Sin", ["x"], ["y"])], {}, {}, "operator Sin of the node 'y'"),
    "a root": ([("Sqrt", ["x"], ["y"])], {}, {}, "Sqrt of the node 'y' is a function of its input"),
    "a quotient": (
        [("Div", ["x", "z"], ["y"])],
        {},
        {"inputs": {"x": (None, 4), "z": (None, 4)}},
        "operator Div of the node 'y'",
    ),
    "another domain": (
        [("Thing", ["x"], ["y"], {"domain": "com.acme"})],
        {},
        {},
        "operator com.acme.Thing of the node 'y'",
    ),
    "the batch turned": ([("Transpose", ["x"], ["y"])], {}, {}, "moves the batch"),
    "the batch flattened": (
        [("Flatten", ["x"], ["y"], {"axis": 0})],
        {},
        {},
        "one axis of the batch",
    ),
    "a fraction cut": (
        [
            ("Cast", ["x"], ["a"], {"to": Type.INT64}),
            ("Cast", ["a"], ["b"], {"to": Type.FLOAT}),
            ("Add", ["a", "a"], ["c"]),
            ("Cast", ["c"], ["y"], {"to": Type.FLOAT}),
        ],
        {},
        {},
        "makes int64 of numbers",
    ),
    "training": (
        [("BatchNormalization", ["x", "a", "b", "m", "v"], ["y", "p", "q"], {"training_mode": 1})],
        dict.fromkeys("abmv", ROW),
        {},
        "own statistics",
    ),
    "a constant": ([("Identity", ["w"], ["y"])], {"w": W}, {}, "'y' does not depend on an input"),
    "no shape": ([("Relu", ["x"], ["y"])], {}, {"inputs": {"x": (None,)}}, "'x' has shape"),
    "old": ([("Relu", ["x"], ["y"])], {}, {"opset": 6}, "operator set 6"),
    "nothing makes it": ([("Relu", ["u"], ["y"])], {}, {}, "takes 'u', which nothing before makes"),
    "no output": ([("Relu", ["x"], ["z"])], {}, {}, "nothing makes the output 'y'"),
    "labels alone": (
        [("ArgMax", ["x"], ["y"])],
        {},
        {"kinds": {"y": Type.INT64}},
        "no output of float",
    ),
    "too many constants": (
        [("Expand", ["one", "n"], ["a"]), ("Add", ["x", "a"], ["y"])],
        {**UNIT, "n": np.array([2**40])},
        {},
        "too many to be meant",
    ),
    "weights of another size": (
        [("MatMul", ["x", "w"], ["y"])],
        {"w": W.T.copy()},
        {},
        "operator MatMul of the node 'y'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_does_is_an_error_that_names_node_and_operator(name):
    nodes, arrays, more, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        ug.convert.from_onnx(model_of(nodes, arrays, **more))


def test_what_is_no_path_bytes_or_model_is_a_type_error(tmp_path):
    with pytest.raises(TypeError, match="expected a path, bytes or a ModelProto"):
        ug.convert.from_onnx(3)
    with pytest.raises(FileNotFoundError):
        ug.convert.from_onnx(tmp_path / "none.onnx")


# ---- values in other files ----


def with_external(folder, location, **described):
    """Write a model whose weights lie in another file; return its path."""
    tensor = onnx.TensorProto(name="w", data_type=Type.FLOAT, dims=[4, 3])
    tensor.data_location = Type.EXTERNAL
    for key, value in {"location": location, **described}.items():
        tensor.external_data.add(key=key, value=str(value))
    proto = model_of([("MatMul", ["x", "w"], ["y"])])
    proto.graph.initializer.append(tensor)
    path = folder / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_values_are_read_from_the_files_own_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"....." + W.tobytes() + b"...")
    path = with_external(tmp_path, "sub/w.bin", offset=5, length=48)
    assert np.array_equal(ug.convert.from_onnx(path).get_weights()[0], W)
    with pytest.raises(ValueError, match="give the model's path"):
        ug.convert.from_onnx(path.read_bytes())


def test_values_are_read_from_nowhere_else(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    outside = tmp_path / "w.bin"
    outside.write_bytes(W.tobytes())
    (folder / "link.bin").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    for location in ("../w.bin", str(outside), "sub/../../w.bin", "link.bin", "linked/w.bin",
                     "..\\w.bin", "", "/etc/passwd", "C:/w.bin", "linked/../w.bin"):  # fmt: skip
        with pytest.raises(ValueError, match="folder"):
            ug.convert.from_onnx(with_external(folder, location))


@pytest.mark.parametrize(
    "described",
    [
        {"offset": -4},
        {"offset": 4},
        {"length": 44},
        {"length": 2**40},
        {"offset": "a"},
        {"offset": 2**70},
    ],
)
def test_places_that_hold_no_such_values_are_errors(described, tmp_path):
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    with pytest.raises(ValueError, match="tensor 'w'"):
        ug.convert.from_onnx(with_external(tmp_path, "w.bin", **described))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        ug.convert.from_onnx(with_external(tmp_path, "pipe"))


# ---- damaged files ----


def test_shapes_beyond_the_file_are_errors():
    for dims in ([2**40], [-1, 3], [2**62, 2**62], [4, 2]):
        proto = model_of([("MatMul", ["x", "w"], ["y"])], {"w": W})
        del proto.graph.initializer[0].dims[:]
        proto.graph.initializer[0].dims.extend(dims)
        with pytest.raises(ValueError, match="tensor 'w'"):
            ug.convert.from_onnx(proto)


def test_long_chains_and_doublings_end():
    chain = [("Tanh", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(150)]
    model = ug.convert.from_onnx(model_of([*chain, ("Tanh", ["v150"], ["y"])]))
    assert len(model.layers) == 152
    doubled = [("Concat", ["w", "w"], ["c0"], {"axis": 0})]
    doubled += [("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], {"axis": 0}) for i in range(50)]
    with pytest.raises(ValueError, match="too many to be meant"):
        ug.convert.from_onnx(model_of([*doubled, ("MatMul", ["x", "c50"], ["y"])], {"w": W}))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_are_value_errors_or_models(data):
    content = bytearray((FOLDER / f"{data.draw(st.sampled_from(FILES))}.onnx").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            del content[place : place + data.draw(st.integers(1, 64))]
    said = None
    try:
        ug.convert.from_onnx(bytes(content))
    except ValueError as error:
        said = str(error)
    assert said is None or said.startswith("the ONNX model cannot be loaded: ")
