"""Write feature_space.json: what Keras's FeatureSpace makes of a table.

Run by hand where Keras 3 and TensorFlow are installed, whenever a case is changed::

    KERAS_BACKEND=tensorflow python tests/reference/feature_space.py

The cases are here; the tests read them and the file, and need no Keras.
"""

import json
import os
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")

LEARNT = {
    "age": [20.0, 31.0, 42.0, 25.5, 67.0, 31.0, 54.0, 19.0],
    "pay": [1.5, 2.5, 0.5, 4.0, 2.0, 3.5, 8.0, 1.0],
    "city": ["Rome", "Oslo", "Rome", "Bern", "Oslo", "Rome", "Lima", "Bern"],
    "grade": [1, 2, 2, 3, 3, 3, 7, 1],
}
TABLE = {
    "age": [30.0, 70.0, 19.0, 45.25],
    "pay": [2.25, 9.0, -1.0, 1.0],
    "city": ["Oslo", "Paris", "Rome", "Lima"],
    "grade": [3, 8, 1, -2],
}

ALL = {
    "age": "float_normalized", "pay": "float_discretized", "city": "string_categorical",
    "grade": "integer_categorical",
}  # fmt: skip
# The features, each a kind's name or that and its arguments, and arguments of the FeatureSpace;
# in crosses, a dict is what `cross` takes.
CASES = {
    "all": (ALL, {}),
    "plain": ({"age": "float", "pay": "float_rescaled"}, {}),
    "hashed": ({"city": "string_hashed", "grade": "integer_hashed"}, {"hashing_dim": 6}),
    "dict": (ALL, {"output_mode": "dict", "num_discretization_bins": 3}),
    "crosses": (ALL, {"crosses": [["city", "grade"], ["pay", "city"]]}),
    "cross of few": (ALL, {"crosses": [["grade", "city"]], "crossing_dim": 5}),
    "rescaled": ({"age": ["float_rescaled", {"scale": 0.01, "offset": -0.5}]}, {}),
    "sizes": (
        {
            "city": ["string_categorical", {"max_tokens": 3, "num_oov_indices": 2}],
            "grade": ["integer_hashed", {"num_bins": 4}],
            "age": ["float_discretized", {"num_bins": 3}],
        },
        {},
    ),
    "indices": (
        {
            "city": ["string_categorical", {"output_mode": "int"}],
            "grade": ["integer_categorical", {"output_mode": "int"}],
            "pay": ["float_discretized", {"num_bins": 4, "output_mode": "int"}],
        },
        {
            "output_mode": "dict",
            "crosses": [
                {"feature_names": ["city", "grade"], "crossing_dim": 9, "output_mode": "int"},
                {"feature_names": ["city", "pay"], "crossing_dim": 7},
            ],
        },
    ),
}


def build(case, space):
    """Return a case's FeatureSpace, of Keras's class or of unitgain's."""
    features, options = CASES[case]
    made = {
        name: kind if isinstance(kind, str) else getattr(space, kind[0])(**kind[1])
        for name, kind in features.items()
    }
    crosses = [
        space.cross(**cross) if isinstance(cross, dict) else cross
        for cross in options.get("crosses", ())
    ]
    return space(made, **{**options, "crosses": crosses})


def columns(case, table):
    """Return the columns that a case has features for."""
    return {name: np.array(table[name]) for name in CASES[case][0]}


def main() -> None:
    """Write the file beside this one."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    stored = {}
    for case in CASES:
        space = build(case, keras.utils.FeatureSpace)
        space.adapt(columns(case, LEARNT))
        made = space(columns(case, TABLE))
        if isinstance(made, dict):
            stored[case] = {name: np.asarray(array).tolist() for name, array in made.items()}
        else:
            stored[case] = np.asarray(made).tolist()
    lines = [f"{json.dumps(case)}: {json.dumps(found)}" for case, found in stored.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
