"""Write optimizers.npz: where Keras's optimizers take variables in 100 steps.

Run by hand where Keras 3 and PyTorch are installed, whenever a case is added::

    KERAS_BACKEND=torch python tests/reference/optimizers.py

The cases are in ``optimizer_cases.py``, which the tests read too. For each case and dtype the file
holds the variables after 10 and after 100 steps, all in one vector.
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from optimizer_cases import CASES, DTYPES, START, STOPS, gradients


def trajectory(kind: str, arguments: dict, dtype: str) -> np.ndarray:
    """Return the variables at each of the stops."""
    optimizer = getattr(keras.optimizers, kind)(**arguments)
    variables = [keras.Variable(value, dtype=dtype, name=name) for name, value in START.items()]
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    found = []
    for step in range(max(STOPS)):
        optimizer.apply(
            [keras.ops.convert_to_tensor(g, dtype=dtype) for g in gradients(step)], variables
        )
        if step + 1 in STOPS:
            found.append(np.concatenate([v.numpy().ravel() for v in variables]))
    optimizer.finalize_variable_values(variables)
    found.append(np.concatenate([v.numpy().ravel() for v in variables]))
    return np.stack(found)


def main() -> None:
    """Write the file beside this one."""
    results = {}
    for name, (kind, arguments) in CASES.items():
        for dtype in DTYPES:
            # Keras holds the learning rate in floatx.
            keras.config.set_floatx(dtype)
            results[f"{name}/{dtype}"] = trajectory(kind, arguments, dtype).astype(dtype)
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **results)


if __name__ == "__main__":
    main()
