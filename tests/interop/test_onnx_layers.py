"""Each layer as ONNX: what ONNX Runtime makes of it, and what comes back from it."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ACTIVATIONS = [
    name
    for name in ug.activations.__all__
    if name not in ("get", "gradient", "glu", "prelu")  # the last two are layers alone
]


def run(path, model, arrays):
    """Return ONNX Runtime's outputs."""
    options = onnxruntime.SessionOptions()
    if model.dtype == "float64":  # up to 1.23 it fused to operators that it has for float32 alone
        level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    assert names == model.function.inputs.names
    assert [one.name for one in session.get_outputs()] == model.function.outputs.names
    return session.run(None, dict(zip(names, arrays, strict=True)))


def randomized(model, seed=0):
    """Give a model weights of which none is 0 or 1, and variances above 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.uniform(-0.5, 0.5, weight.shape)
        is_spread = weight.name.split("/")[-1] in ("moving_variance", "variance", "bandwidth")
        weight.assign(np.abs(values) + 0.5 if is_spread else values)
    return model


def several(*shapes, layer, dtype="float32"):
    """Return a model of one layer that takes several inputs."""
    inputs = [layers.Input(shape, dtype) for shape in shapes]
    return ug.Model(inputs, layer(inputs))


def chain(shape, *parts, dtype="float32"):
    return ug.Sequential([layers.Input(shape, dtype), *parts])


# What each makes a model of, given a dtype.
CASES = {
    **{
        f"activation {a}": lambda d, a=a: chain((7,), layers.Activation(a), dtype=d)
        for a in ACTIVATIONS
    },
    "Dense": lambda d: chain((5,), layers.Dense(3), dtype=d),
    "Dense without bias": lambda d: chain((5,), layers.Dense(3, use_bias=False), dtype=d),
    "Dense on rows": lambda d: chain((4, 5), layers.Dense(3, "relu"), dtype=d),
    "Dense on stacks": lambda d: chain((2, 4, 5), layers.Dense(3, "tanh"), dtype=d),
    "Dense on one row": lambda d: chain((1, 5), layers.Dense(3), dtype=d),
    "Dense to one": lambda d: chain((5,), layers.Dense(1), dtype=d),
    "Dense with a penalty": lambda d: chain(
        (5,), layers.Dense(3, activity_regularizer="l2", kernel_regularizer="l1"), dtype=d
    ),
    "ReLU": lambda d: chain((7,), layers.ReLU(2.0, 0.1, 0.5), dtype=d),
    "ReLU with a bound": lambda d: chain((7,), layers.ReLU(0.7), dtype=d),
    "LeakyReLU": lambda d: chain((7,), layers.LeakyReLU(0.1), dtype=d),
    "ELU": lambda d: chain((7,), layers.ELU(0.7), dtype=d),
    "PReLU": lambda d: chain((7,), layers.PReLU(), dtype=d),
    "PReLU on rows": lambda d: chain((3, 7), layers.PReLU(), dtype=d),
    "PReLU shared": lambda d: chain((3, 7), layers.PReLU(shared_axes=[1]), dtype=d),
    "RReLU": lambda d: chain((7,), layers.RReLU(0.1, 0.5), dtype=d),
    "GLU": lambda d: chain((6,), layers.GLU(), dtype=d),
    "GLU on columns": lambda d: chain((4, 3), layers.GLU(axis=1), dtype=d),
    "Softmax": lambda d: chain((6,), layers.Softmax(), dtype=d),
    "Softmax of columns": lambda d: chain((4, 3), layers.Softmax(axis=1), dtype=d),
    "Softmax of both": lambda d: chain((4, 3), layers.Softmax(axis=(1, 2)), dtype=d),
    "BatchNormalization": lambda d: chain((6,), layers.BatchNormalization(), dtype=d),
    "BatchNormalization alone": lambda d: chain(
        (6,), layers.BatchNormalization(center=False, scale=False), dtype=d
    ),
    "BatchNormalization on rows": lambda d: chain((3, 6), layers.BatchNormalization(), dtype=d),
    "BatchNormalization of rows": lambda d: chain(
        (3, 6), layers.BatchNormalization(axis=1), dtype=d
    ),
    "LayerNormalization": lambda d: chain((6,), layers.LayerNormalization(), dtype=d),
    "LayerNormalization alone": lambda d: chain(
        (6,), layers.LayerNormalization(center=False, scale=False), dtype=d
    ),
    "LayerNormalization of both": lambda d: chain(
        (3, 6), layers.LayerNormalization(axis=[1, 2]), dtype=d
    ),
    "LayerNormalization of rows": lambda d: chain(
        (3, 6), layers.LayerNormalization(axis=1), dtype=d
    ),
    "GroupNormalization": lambda d: chain((6,), layers.GroupNormalization(2), dtype=d),
    "GroupNormalization on rows": lambda d: chain((3, 6), layers.GroupNormalization(3), dtype=d),
    "RMSNormalization": lambda d: chain((6,), layers.RMSNormalization(), dtype=d),
    "RMSNormalization of rows": lambda d: chain((3, 6), layers.RMSNormalization(axis=1), dtype=d),
    "UnitNormalization": lambda d: chain((6,), layers.UnitNormalization(), dtype=d),
    "Normalization": lambda d: chain(
        (3,), layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 4.0, 2.0]), dtype=d
    ),
    "Normalization of all": lambda d: chain(
        (3,), layers.Normalization(axis=None, mean=1.5, variance=4.0), dtype=d
    ),
    "Normalization inverted": lambda d: chain(
        (3,),
        layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 2.0], invert=True),
        dtype=d,
    ),
    "Rescaling": lambda d: chain((3,), layers.Rescaling(1 / 16, -1.0), dtype=d),
    "Rescaling by features": lambda d: chain(
        (3,), layers.Rescaling([1.0, 2.0, 3.0], [0.5, 0, 1]), dtype=d
    ),
    "Dropout": lambda d: chain((4,), layers.Dropout(0.5), layers.Dense(2), dtype=d),
    "noise": lambda d: chain(
        (4,),
        layers.GaussianNoise(0.5),
        layers.AlphaDropout(0.1),
        layers.GaussianDropout(0.2),
        layers.ActivityRegularization(0.1),
        layers.Identity(),
        dtype=d,
    ),
    "Flatten": lambda d: chain((3, 4), layers.Flatten(), layers.Dense(2), dtype=d),
    "Reshape": lambda d: chain((3, 4), layers.Reshape((2, 3, 2)), dtype=d),
    "Reshape to a row": lambda d: chain((6,), layers.Reshape((1, 6)), layers.Dense(2), dtype=d),
    "RepeatVector": lambda d: chain((3,), layers.RepeatVector(4), dtype=d),
    "Permute": lambda d: chain((3, 4), layers.Permute((2, 1)), dtype=d),
    "Permute of three": lambda d: chain((2, 3, 4), layers.Permute((3, 1, 2)), dtype=d),
    "Add": lambda d: several((4,), (4,), (4,), layer=layers.Add(), dtype=d),
    "Add of rows": lambda d: several((3, 4), (1, 4), layer=layers.Add(), dtype=d),
    "Subtract": lambda d: several((4,), (4,), layer=layers.Subtract(), dtype=d),
    "Multiply": lambda d: several((4,), (4,), layer=layers.Multiply(), dtype=d),
    "Average": lambda d: several((4,), (4,), (4,), layer=layers.Average(), dtype=d),
    "Maximum": lambda d: several((4,), (4,), layer=layers.Maximum(), dtype=d),
    "Minimum": lambda d: several((4,), (4,), (4,), layer=layers.Minimum(), dtype=d),
    "Concatenate": lambda d: several((4,), (3,), layer=layers.Concatenate(), dtype=d),
    "Concatenate rows": lambda d: several(
        (4, 2), (3, 2), layer=layers.Concatenate(axis=1), dtype=d
    ),
    "Dot": lambda d: several((4,), (4,), layer=layers.Dot(1), dtype=d),
    "Dot of matrices": lambda d: several((3, 5), (10, 3), layer=layers.Dot((1, 2)), dtype=d),
    "Dot of directions": lambda d: several(
        (4,), (4,), layer=layers.Dot(1, normalize=True), dtype=d
    ),
    "ClusterAffinity soft": lambda d: chain((3,), layers.ClusterAffinity(4, "soft"), dtype=d),
    "ClusterAffinity rbf": lambda d: chain((3,), layers.ClusterAffinity(4, "rbf"), dtype=d),
    "ClusterAffinity distance": lambda d: chain(
        (3,), layers.ClusterAffinity(4, "distance"), dtype=d
    ),
    "ClusterAffinity one_hot": lambda d: chain((3,), layers.ClusterAffinity(4, "one_hot"), dtype=d),
}


def masked(shape, mask_shape, dtype):
    """Return a softmax with a mask, behind a norm that reads one, too."""
    x, mask = layers.Input(shape, dtype), layers.Input(mask_shape, dtype)
    rows = layers.Masking()(layers.ReLU()(layers.Dense(2)(x)))
    return ug.Model(
        [x, mask], layers.Softmax()(layers.Dense(5)(layers.BatchNormalization()(rows)), mask)
    )


# Shapes of samples, and of their masks.
MASKED = [((4, 3), (4, 5)), ((4, 3), (4, 1)), ((4, 3), (5,)), ((3,), (5,)), ((3,), (1,))]


def arrays_for(model, rows=5):
    rng = np.random.default_rng(1)
    dtype = model.dtype
    return [rng.normal(0, 2, (rows, *s)).astype(dtype) for s in model.function.inputs.shapes]


def tolerance(dtype):
    return {"float32": 3e-6, "float64": 1e-14}[dtype]


def assert_close(made, expected, dtype):
    assert made.shape == expected.shape
    assert made.dtype == dtype
    bound = tolerance(dtype) * max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(made, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_onnx_runtime_makes_the_same_of_each_layer(case, dtype, tmp_path):
    model = randomized(CASES[case](dtype))
    path = tmp_path / "m.onnx"
    model.export(path)
    # Up to 1.23 ONNX Runtime kept an axis that it reduced where there were no samples.
    version = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    for rows in (5, 1, 0) if version > (1, 23) else (5, 1):
        given = arrays_for(model, rows)
        (made,) = run(path, model, given)
        expected = model.predict(given if len(given) > 1 else given[0])
        assert_close(made, expected, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "mask_shape"), MASKED)
def test_onnx_runtime_masks_what_masks_leave_out(shape, mask_shape, dtype, tmp_path):
    model = randomized(masked(shape, mask_shape, dtype))
    model.export(tmp_path / "m.onnx")
    for rows in (40, 1):
        given = arrays_for(model, rows)
        (made,) = run(tmp_path / "m.onnx", model, given)
        assert_close(made, model.predict(given), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_each_layer_comes_back_from_onnx(case, dtype, tmp_path):
    model = randomized(CASES[case](dtype))
    path = tmp_path / "m.onnx"
    model.export(path)
    back = ug.convert.from_onnx(path)
    assert back.dtype == dtype
    assert back.function.inputs.names == model.function.inputs.names
    for rows in (5, 1, 0):
        given = arrays_for(model, rows)
        x = given if len(given) > 1 else given[0]
        assert_close(back.predict(x), model.predict(x), dtype)
