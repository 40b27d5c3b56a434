"""Write penalties.npz: how Keras trains networks with penalties and constraints.

Run by hand where Keras 3 and PyTorch are installed, whenever a case is changed::

    KERAS_BACKEND=torch python tests/reference/penalties.py

The cases are in ``penalty_cases.py``, which the test reads too.
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import penalty_cases as cases


def main() -> None:
    """Write the file beside this one."""
    keras.config.set_floatx("float64")
    results = {
        f"{name}/{key}": value
        for name in cases.CASES
        for key, value in cases.run(cases.build(keras, name)).items()
    }
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **results)


if __name__ == "__main__":
    main()
