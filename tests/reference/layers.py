"""Outputs and gradients of Keras's layers.

    KERAS_BACKEND=torch python tests/reference/layers.py

writes ``layers.npz`` beside this file. The tests read that file and the cases, and need no Keras.
Of each case and dtype it holds one vector: see :func:`parts`.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
DTYPES = ("float32", "float64")
SAMPLES = 5
ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "gelu_tanh", "hard_sigmoid", "hard_silu", "hard_swish",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
)  # fmt: skip

FLAT, ROWS, CUBE, CUBE_3 = (7,), (3, 4), (2, 3, 4), (6, 2, 3)
# Class, its arguments, and the shape of a sample; several shapes for several inputs.
CASES = {
    **{f"dense {a}": ("Dense", {"units": 6, "activation": a}, FLAT) for a in ACTIVATIONS},
    **{f"activation {a}": ("Activation", {"activation": a}, FLAT) for a in ACTIVATIONS},
    "dense without bias": ("Dense", {"units": 3, "use_bias": False}, FLAT),
    "dense rows": ("Dense", {"units": 5, "activation": "relu"}, ROWS),
    "dense cube": ("Dense", {"units": 2, "activation": "tanh"}, CUBE),
    "activation rows": ("Activation", {"activation": "softmax"}, ROWS),
    "batch norm": ("BatchNormalization", {}, FLAT),
    "batch norm settings": ("BatchNormalization", {"momentum": 0.7, "epsilon": 1e-5}, FLAT),
    "batch norm rows": ("BatchNormalization", {"momentum": 0.9}, ROWS),
    "batch norm axis 1": ("BatchNormalization", {"axis": 1, "momentum": 0.9}, ROWS),
    "batch norm axis 2": ("BatchNormalization", {"axis": 2}, CUBE),
    "batch norm axis -2": ("BatchNormalization", {"axis": -2, "scale": False}, ROWS),
    "batch norm without center": ("BatchNormalization", {"center": False}, FLAT),
    "batch norm without scale": ("BatchNormalization", {"scale": False}, FLAT),
    "batch norm plain": ("BatchNormalization", {"scale": False, "center": False}, FLAT),
    "batch norm frozen": ("BatchNormalization", {"trainable": False}, ROWS),
    "layer norm": ("LayerNormalization", {}, FLAT),
    "layer norm epsilon": ("LayerNormalization", {"epsilon": 1e-5}, ROWS),
    "layer norm axis 1": ("LayerNormalization", {"axis": 1}, ROWS),
    "layer norm axes": ("LayerNormalization", {"axis": [1, 2]}, ROWS),
    "layer norm last axes": ("LayerNormalization", {"axis": [-2, -1]}, CUBE),
    "layer norm without center": ("LayerNormalization", {"center": False}, FLAT),
    "layer norm without scale": ("LayerNormalization", {"scale": False}, ROWS),
    "layer norm plain": ("LayerNormalization", {"scale": False, "center": False}, FLAT),
    "group norm": ("GroupNormalization", {"groups": 2}, (8,)),
    "group norm rows": ("GroupNormalization", {"groups": 2, "epsilon": 1e-5}, ROWS),
    "group norm axis 1": ("GroupNormalization", {"groups": 3, "axis": 1}, CUBE_3),
    "group norm of each": ("GroupNormalization", {"groups": -1, "scale": False}, ROWS),
    "group norm without center": ("GroupNormalization", {"groups": 1, "center": False}, ROWS),
    "group norm plain": (
        "GroupNormalization",
        {"groups": 2, "center": False, "scale": False},
        (8,),
    ),
    "rms norm": ("RMSNormalization", {}, FLAT),
    "rms norm rows": ("RMSNormalization", {"epsilon": 1e-2}, ROWS),
    "rms norm axes": ("RMSNormalization", {"axis": [-2, -1]}, CUBE),
    "normalization": ("Normalization", {}, FLAT),
    "normalization rows": ("Normalization", {}, ROWS),
    "normalization axis 1": ("Normalization", {"axis": 1}, ROWS),
    "normalization axes": ("Normalization", {"axis": [1, 2]}, ROWS),
    "normalization of all": ("Normalization", {"axis": None}, ROWS),
    "normalization given": ("Normalization", {"mean": 2.0, "variance": 4.0}, FLAT),
    "normalization given each": (
        "Normalization",
        {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [0.5, 1.0, 2.0, 4.0]},
        ROWS,
    ),
    "normalization undone": ("Normalization", {"invert": True}, FLAT),
    "rescaling": ("Rescaling", {"scale": 0.125, "offset": -1.0}, FLAT),
    "rescaling each": (
        "Rescaling",
        {"scale": [1.0, 2.0, 3.0, 4.0], "offset": [0.5, 0.25, 0.125, 1.0]},
        ROWS,
    ),
    "relu": ("ReLU", {}, FLAT),
    "relu arguments": ("ReLU", {"max_value": 1.5, "negative_slope": 0.2, "threshold": 0.3}, FLAT),
    "relu bounded below its threshold": (
        "ReLU",
        {"max_value": 0.4, "negative_slope": 0.5, "threshold": 1.2},
        ROWS,
    ),
    "relu bounded": ("ReLU", {"max_value": 0.75}, FLAT),
    "relu leaky": ("ReLU", {"negative_slope": 0.1}, FLAT),
    "relu threshold": ("ReLU", {"threshold": 0.5}, ROWS),
    "leaky relu": ("LeakyReLU", {}, FLAT),
    "leaky relu slope": ("LeakyReLU", {"negative_slope": 0.05}, ROWS),
    "elu": ("ELU", {}, FLAT),
    "elu alpha": ("ELU", {"alpha": 0.4}, FLAT),
    "softmax": ("Softmax", {}, FLAT),
    "softmax rows": ("Softmax", {}, ROWS),
    "softmax axis 1": ("Softmax", {"axis": 1}, ROWS),
    "softmax axis -2": ("Softmax", {"axis": -2}, CUBE),
    "softmax axes": ("Softmax", {"axis": [1, 2]}, ROWS),
    "softmax first axes": ("Softmax", {"axis": [2, 1]}, CUBE),
    "prelu": ("PReLU", {}, FLAT),
    "prelu rows": ("PReLU", {}, ROWS),
    "prelu shared 1": ("PReLU", {"shared_axes": [1]}, ROWS),
    "prelu shared 2": ("PReLU", {"shared_axes": [2]}, ROWS),
    "prelu shared all": ("PReLU", {"shared_axes": [1, 2]}, ROWS),
    "prelu shared planes": ("PReLU", {"shared_axes": [1, 2]}, CUBE),
    "flatten": ("Flatten", {}, FLAT),
    "flatten rows": ("Flatten", {}, ROWS),
    "flatten cube": ("Flatten", {}, CUBE),
    "add": ("Add", {}, [FLAT, FLAT]),
    "add three": ("Add", {}, [ROWS, ROWS, ROWS]),
    "concatenate": ("Concatenate", {}, [FLAT, (3,), (1,)]),
    "concatenate axis 1": ("Concatenate", {"axis": 1}, [ROWS, (2, 4)]),
    "concatenate axis 2": ("Concatenate", {"axis": 2}, [ROWS, (3, 5)]),
    "concatenate axis -3": ("Concatenate", {"axis": -3}, [CUBE, (1, 3, 4)]),
}  # fmt: skip


def shapes(case):
    """Return the shapes of the inputs' samples."""
    given = CASES[case][2]
    return given if isinstance(given, list) else [given]


def inputs(case):
    """Return the inputs in float64, of values that float32 holds; no two of equal features."""
    rng = np.random.default_rng([1, *map(ord, case)])
    return [
        _rounded(1.5 * rng.standard_normal((SAMPLES, *s)) + 0.25 * rng.standard_normal(s))
        for s in shapes(case)
    ]


def weights(case, sizes):
    """Return weights of these shapes: positive ones, as variances have to be."""
    rng = np.random.default_rng([2, *map(ord, case)])
    return [
        _rounded(0.5 * rng.standard_normal(s) if len(s) == 2 else rng.uniform(0.4, 1.6, s))
        for s in sizes
    ]


def upstream(case, shape):
    """Return the gradient at an output of this shape."""
    return _rounded(np.random.default_rng([3, *map(ord, case)]).standard_normal(shape))


def seen_before(case):
    """Return what normalization layers adapt to."""
    rng = np.random.default_rng([4, *map(ord, case)])
    return _rounded(3 * rng.random((40, *shapes(case)[0])) ** 2)


def adapts(case):
    """Tell whether the layer takes its statistics from data."""
    return CASES[case][0] == "Normalization" and "mean" not in CASES[case][1]


def parts(output, inferred, input_gradients, weight_gradients, weights_after):
    """Return the results as one vector.

    In order: the output in training, that in inference with the weights as they were before, the
    gradients at the inputs, those at the trainable weights, and all weights after training saw one
    batch. The gradients are of ``sum(upstream * output)``.
    """
    arrays = [output, inferred, *input_gradients, *weight_gradients, *weights_after]
    return np.concatenate([np.ravel(array) for array in arrays])


def _rounded(array):
    return array.astype(np.float32).astype(np.float64)


def reference(case, dtype):
    """Return what Keras makes of a case, by :func:`parts`."""
    import keras
    import torch

    name, options, _ = CASES[case]
    options = dict(options)
    if options.get("activation") == "gelu_tanh":
        options["activation"] = lambda x: keras.activations.gelu(x, approximate=True)
    # With PyTorch, Keras normalizes the last axes only: another one is made the last and back.
    moved = case == "layer norm axis 1"
    if moved:
        options["axis"] = -1
    layer = getattr(keras.layers, name)(**options, dtype=dtype)
    given = [torch.tensor(x.astype(dtype), requires_grad=True) for x in inputs(case)]
    argument = given if len(given) > 1 else given[0]
    if moved:
        argument = argument.transpose(1, 2)
    if adapts(case):
        layer.adapt(seen_before(case).astype(dtype))
    else:
        layer.build([x.shape for x in given] if len(given) > 1 else argument.shape)
    if name != "Normalization":
        layer.set_weights(
            [w.astype(dtype) for w in weights(case, [w.shape for w in layer.weights])]
        )
    inferred = layer(argument, training=False)
    output = layer(argument, training=True)
    if moved:
        inferred, output = inferred.transpose(1, 2), output.transpose(1, 2)
    output.backward(torch.tensor(upstream(case, tuple(output.shape)).astype(dtype)))
    after = [] if name == "Normalization" else [w.numpy() for w in layer.weights]
    return parts(
        output.detach().numpy(),
        inferred.detach().numpy(),
        [x.grad.numpy() for x in given],
        [w.value.grad.numpy() for w in layer.trainable_weights],
        after,
    ).astype(dtype)


def main():
    """Write the file."""
    import keras
    from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

    # Keras computes in float64 throughout with TensorFlow alone; as it does there.
    BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    stored = {}
    for dtype in DTYPES:
        keras.config.set_floatx(dtype)
        for case in CASES:
            stored[f"{case}/{dtype}"] = reference(case, dtype)
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
