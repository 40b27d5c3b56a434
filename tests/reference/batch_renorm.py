"""Outputs, gradients and statistics of Keras's BatchNormalization with ``renorm`` and masks.

    KERAS_BACKEND=torch python tests/reference/batch_renorm.py

writes ``batch_renorm.npz`` beside this file (Keras 3.15.1, PyTorch 2.13). The tests read that file
and the cases, and need no Keras. Of each case and dtype it holds one vector: of some calls in
training the output, and the gradients of ``sum(upstream * output)`` at the input and at gamma and
beta; then the layer's weights, and its output in inference.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
DTYPES = ("float32", "float64")
CALLS = 3

# A sample's shape, whether there is a mask, and the layer's arguments.
CASES = {
    "plain": ((5,), False, {"renorm": True}),
    "momenta": ((4,), False, {"renorm": True, "momentum": 0.8, "renorm_momentum": 0.5}),
    "clipped": (
        (5,),
        False,
        {
            "renorm": True,
            "renorm_clipping": {"rmax": 1.5, "rmin": 0.8, "dmax": 0.25},
            "renorm_momentum": 0.6,
        },
    ),
    "one bound": ((3,), False, {"renorm": True, "renorm_clipping": {"dmax": 0.5}}),
    "neither": ((6,), False, {"renorm": True, "center": False, "scale": False}),
    "axis": ((4, 3), False, {"renorm": True, "axis": 1, "epsilon": 0.01}),
    "mask": ((4, 3), True, {"momentum": 0.7}),
    "both": ((4, 3), True, {"renorm": True, "renorm_momentum": 0.7}),
    "wide": ((2, 19), True, {"renorm": True, "renorm_clipping": {"rmax": 2.0}}),
}


def _rng(case, call):
    return np.random.default_rng([call, *map(ord, case)])


def inputs(case, call):
    """Return a batch in float64, of values that float32 holds."""
    x = _rng(case, call).standard_normal((9, *CASES[case][0])) * 2 + 1 + call / 4
    return x.astype(np.float32).astype(np.float64)


def mask(case, call):
    """Return which rows of a batch count, or None."""
    shape, masked, _ = CASES[case]
    return _rng(case, call + 100).random((9, *shape[:-1])) < 0.6 if masked else None


def upstream(case, call):
    """Return the gradient at the output."""
    given = _rng(case, call + 200).standard_normal((9, *CASES[case][0]))
    return given.astype(np.float32).astype(np.float64)


def weights(case, shapes):
    """Return values for gamma and beta, if there are any, and all others as they begin."""
    rng = _rng(case, 300)
    return [(1 + rng.random(shape) / 2).astype(np.float32).astype(float) for shape in shapes]


def parts(*arrays):
    """Return arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def reference(case, dtype):
    """Return what Keras makes of a case."""
    import keras
    import torch

    shape, _, arguments = CASES[case]
    layer = keras.layers.BatchNormalization(dtype=dtype, **arguments)
    layer.build((None, *shape))
    trained = layer.trainable_weights
    for variable, values in zip(trained, weights(case, [v.shape for v in trained]), strict=True):
        variable.assign(values)
    found = []
    for call in range(CALLS):
        x = torch.tensor(inputs(case, call).astype(dtype), requires_grad=True)
        kept = mask(case, call)
        kept = None if kept is None else torch.tensor(kept)
        output = layer(x, training=True, mask=kept)
        (output * torch.tensor(upstream(case, call).astype(dtype))).sum().backward()
        found += [output.detach().numpy(), x.grad.numpy()]
        for variable in trained:
            found.append(variable.value.grad.clone().numpy())
            variable.value.grad = None
    inferred = layer(torch.tensor(inputs(case, 0).astype(dtype)), training=False)
    moved = [np.asarray(v) for v in layer.get_weights()]
    return parts(*found, *moved, inferred.detach().numpy()).astype(dtype)


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
