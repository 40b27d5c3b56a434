"""Outputs, gradients and steps of training of Keras's Embedding.

    KERAS_BACKEND=torch python tests/reference/embedding.py

writes ``embedding.npz`` beside this file. The tests read that file and the cases, and need no
Keras. Of each case and dtype it holds one vector: the output, the gradient of ``sum(upstream *
output)`` at the table, and the table behind some steps of Adam on that sum.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
DTYPES = ("float32", "float64")
SAMPLES, STEPS, RATE = 6, 4, 0.05

# The table's rows and columns, and a sample's shape.
CASES = {
    "words": (11, 5, (4,)),
    "one number": (7, 3, (1,)),
    "wide": (5, 37, (3,)),
    "many": (3, 2, (9,)),
    "matrix": (6, 4, (2, 3)),
}


def numbers(case):
    """Return the integers that are looked up; the table's last row is not among them."""
    rows, _, shape = CASES[case]
    return np.random.default_rng([1, *map(ord, case)]).integers(rows - 1, size=(SAMPLES, *shape))


def table(case):
    """Return the table in float64, of values that float32 holds."""
    return _rounded(np.random.default_rng([2, *map(ord, case)]).standard_normal(CASES[case][:2]))


def upstream(case):
    """Return the gradient at the output."""
    rng = np.random.default_rng([3, *map(ord, case)])
    return _rounded(rng.standard_normal((SAMPLES, *CASES[case][2], CASES[case][1])))


def parts(*arrays):
    """Return arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def _rounded(array):
    return array.astype(np.float32).astype(np.float64)


def reference(case, dtype):
    """Return what Keras makes of a case."""
    import keras
    import torch

    rows, cols, _ = CASES[case]
    layer = keras.layers.Embedding(rows, cols, dtype=dtype)
    layer.build()
    layer.set_weights([table(case).astype(dtype)])
    weight = layer.trainable_weights[0]
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build([weight])
    given = torch.tensor(upstream(case).astype(dtype))
    found = []
    for _ in range(STEPS):
        output = layer(torch.tensor(numbers(case)))
        (output * given).sum().backward()
        gradient = weight.value.grad.clone()
        if not found:
            found = [output.detach().numpy(), gradient.numpy()]
        weight.value.grad = None
        with torch.no_grad():
            optimizer.apply([gradient], [weight])
    return parts(*found, layer.get_weights()[0]).astype(dtype)


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
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
