"""Outputs and gradients of Keras's merging, reshaping and normalising layers.

    KERAS_BACKEND=torch python tests/reference/merging.py

writes ``merging.npz`` beside this file. The tests read that file and the cases, and need no Keras.
Of each case and dtype it holds one vector: the output, and the gradients at the inputs, of
``sum(upstream * output)``. For ``spectral`` cases, see :func:`spectral`.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
DTYPES = ("float32", "float64")
SAMPLES = 5

FLAT, ROWS, CUBE = (6,), (3, 4), (2, 3, 4)
# Class, its arguments, and the shapes of the inputs' samples.
CASES = {
    "add broadcast": ("Add", {}, [ROWS, (1, 4)]),
    "add a row": ("Add", {}, [(4,), CUBE]),
    "average": ("Average", {}, [FLAT, FLAT]),
    "average three": ("Average", {}, [ROWS, ROWS, ROWS]),
    "average broadcast": ("Average", {}, [ROWS, (3, 1)]),
    "subtract": ("Subtract", {}, [FLAT, FLAT]),
    "subtract broadcast": ("Subtract", {}, [(1, 4), CUBE]),
    "multiply": ("Multiply", {}, [FLAT, FLAT]),
    "multiply three": ("Multiply", {}, [ROWS, ROWS, ROWS]),
    "multiply broadcast": ("Multiply", {}, [CUBE, (2, 1, 1)]),
    "multiply a row": ("Multiply", {}, [CUBE, (4,)]),
    "maximum": ("Maximum", {}, [FLAT, FLAT]),
    "maximum three": ("Maximum", {}, [ROWS, ROWS, ROWS]),
    "maximum broadcast": ("Maximum", {}, [ROWS, (3, 1)]),
    "minimum": ("Minimum", {}, [FLAT, FLAT]),
    "minimum three": ("Minimum", {}, [ROWS, ROWS, ROWS]),
    "dot": ("Dot", {"axes": 1}, [FLAT, FLAT]),
    "dot normalized": ("Dot", {"axes": -1, "normalize": True}, [FLAT, FLAT]),
    "dot rows": ("Dot", {"axes": 1}, [ROWS, (3, 5)]),
    "dot rows last": ("Dot", {"axes": -1}, [ROWS, (5, 4)]),
    "dot pair": ("Dot", {"axes": [1, 2]}, [ROWS, (5, 3)]),
    "dot row and rows": ("Dot", {"axes": [1, 2]}, [(4,), ROWS]),
    "dot rows and row": ("Dot", {"axes": [2, -1], "normalize": True}, [ROWS, (4,)]),
    "dot cube": ("Dot", {"axes": [2, 1], "normalize": True}, [CUBE, (3, 5)]),
    "unit norm": ("UnitNormalization", {}, [FLAT]),
    "unit norm axis 1": ("UnitNormalization", {"axis": 1}, [ROWS]),
    "unit norm axes": ("UnitNormalization", {"axis": [1, -1]}, [CUBE]),
    "reshape": ("Reshape", {"target_shape": [3, 2]}, [FLAT]),
    "reshape rest": ("Reshape", {"target_shape": [-1, 6]}, [CUBE]),
    "reshape flat": ("Reshape", {"target_shape": [-1]}, [CUBE]),
    "permute": ("Permute", {"dims": [2, 1]}, [ROWS]),
    "permute not": ("Permute", {"dims": [1, 2]}, [ROWS]),
    **{
        f"permute {a}{b}{c}": ("Permute", {"dims": [a, b, c]}, [CUBE])
        for a, b, c in [(1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)]
    },
    "permute four": ("Permute", {"dims": [3, 1, 4, 2]}, [(2, 3, 2, 4)]),
    "repeat": ("RepeatVector", {"n": 3}, [FLAT]),
    "repeat once": ("RepeatVector", {"n": 1}, [FLAT]),
    "identity": ("Identity", {}, [ROWS]),
    "glu": ("GLU", {}, [FLAT]),
    "glu axis 1": ("GLU", {"axis": 1}, [CUBE]),
}  # fmt: skip

# Of a dense layer in a SpectralNormalization: power iterations, and a sample's shape.
SPECTRAL = {"spectral": (1, FLAT), "spectral rows": (3, ROWS)}
UNITS, STEPS, RATE = 3, 3, 0.1


def inputs(case):
    """Return the inputs in float64, of values that float32 holds."""
    rng = np.random.default_rng([1, *map(ord, case)])
    shapes = CASES[case][2] if case in CASES else [SPECTRAL[case][1]]
    return [_rounded(1.5 * rng.standard_normal((SAMPLES, *shape))) for shape in shapes]


def upstream(case, shape):
    """Return the gradient at an output of this shape."""
    return _rounded(np.random.default_rng([2, *map(ord, case)]).standard_normal(shape))


def weights(case, sizes):
    """Return weights of these shapes."""
    rng = np.random.default_rng([3, *map(ord, case)])
    return [_rounded(rng.standard_normal(size)) for size in sizes]


def parts(*arrays):
    """Return arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def _rounded(array):
    return array.astype(np.float32).astype(np.float64)


def reference(case, dtype):
    """Return what Keras makes of a case."""
    import keras
    import torch

    name, options, _ = CASES[case]
    if name == "GLU":

        def layer(x):
            return keras.activations.glu(x, **options)
    else:
        layer = getattr(keras.layers, name)(**options, dtype=dtype)
    given = [torch.tensor(x.astype(dtype), requires_grad=True) for x in inputs(case)]
    output = layer(given if len(given) > 1 else given[0])
    output.backward(torch.tensor(upstream(case, tuple(output.shape)).astype(dtype)))
    return parts(output.detach().numpy(), *[x.grad.numpy() for x in given]).astype(dtype)


def spectral(case, dtype):
    """Return what Keras makes of a spectral case, as one vector.

    In order: the output of inference, those of some steps of gradient descent on ``sum(upstream *
    output)``, all weights behind them, and the output of inference then.
    """
    import keras
    import torch

    iterations, _ = SPECTRAL[case]
    layer = keras.layers.SpectralNormalization(
        keras.layers.Dense(UNITS, dtype=dtype), iterations, dtype=dtype
    )
    x = torch.tensor(inputs(case)[0].astype(dtype))
    layer.build(x.shape)
    layer.set_weights([w.astype(dtype) for w in weights(case, [w.shape for w in layer.weights])])
    results = [layer(x, training=False).detach().numpy()]
    for _ in range(STEPS):
        output = layer(x, training=True)
        results.append(output.detach().numpy())
        output.backward(torch.tensor(upstream(case, tuple(output.shape)).astype(dtype)))
        for weight in layer.trainable_weights:
            weight.assign(weight.value.detach() - RATE * weight.value.grad)
            weight.value.grad = None
    results += [*layer.get_weights(), layer(x, training=False).detach().numpy()]
    return parts(*results).astype(dtype)


def main():
    """Write the file."""
    import keras
    from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

    # Keras computes in float64 throughout with TensorFlow alone; as it does there.
    BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    stored = {}
    for dtype in DTYPES:
        keras.config.set_floatx(dtype)
        stored |= {f"{case}/{dtype}": reference(case, dtype) for case in CASES}
        stored |= {f"{case}/{dtype}": spectral(case, dtype) for case in SPECTRAL}
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
