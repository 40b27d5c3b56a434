"""Write categories.json: what Keras's layers of categories make of data, and its hash functions.

Run by hand where Keras 3 and TensorFlow are installed, whenever a case is changed::

    KERAS_BACKEND=tensorflow python tests/reference/categories.py

The cases are here; the tests read them and the file, and need no Keras.
"""

import json
import os
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")

WORDS = ["a", "b", "c", "d"]
TEXTS = [["a", "c", "zz"], ["é", "b", "a"], ["", "d", "unknown"]]
COLUMN = [["A"], ["B"], [""], ["C"], ["longer than the others"]]
NUMBERS = [[12, 1138], [7, 36], [-5, 40]]
DOCUMENTS = [["b", "a", "a"], ["c", "b", "b"], ["d", "a", "[UNK]"], ["d", "é", "a"]]
COUNTS = [[3, 1, 1], [2, 3, 3], [-1, 3, 8], [8, 3, 100]]
INTEGERS = [[0, 1, 1], [3, 3, 3], [2, 0, 1]]
WEIGHTS = [[0.1, 0.2, 0.3], [1.0, 2.0, 4.0], [0.5, 0.25, 0.125]]
BOUNDARIES = [0.0, 1.0, 2.5]
VALUES = [[-1.5, 1.0, 3.4, 0.5], [0.0, 2.5, 1.3, -0.0]]
MODES = ("int", "one_hot", "multi_hot", "count")


def samples(seed, count=1000):
    """Return numbers of a skew distribution, which float32 holds."""
    drawn = np.random.default_rng(seed).gamma(2.0, 3.0, count)
    return drawn.astype(np.float32).astype(np.float64)


def lookup(options, inputs, adapts=None):
    """Return a case of a lookup layer: StringLookup, or IntegerLookup of integers."""
    first = np.asarray(inputs if adapts is None else adapts).ravel()[0]
    number = isinstance(first, np.integer) and not options.get("invert")
    return ("IntegerLookup" if number else "StringLookup", options, inputs, adapts)


# Class, its arguments, what it is called with, and what it adapts to, if it does.
CASES = {
    **{
        f"encoding {mode}": ("CategoryEncoding", {"num_tokens": 4, "output_mode": mode}, INTEGERS)
        for mode in MODES[1:]
    },
    "encoding one_hot column": (
        "CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"}, [[1], [3]]
    ),
    **{
        f"encoding {mode} row": (
            "CategoryEncoding", {"num_tokens": 5, "output_mode": mode}, [1, 3, 1]
        )
        for mode in MODES[1:]
    },
    "encoding count weights": (
        "CategoryEncoding", {"num_tokens": 4, "output_mode": "count"}, INTEGERS
    ),
    **{
        f"discretization {mode}": (
            "Discretization", {"bin_boundaries": BOUNDARIES, "output_mode": mode}, VALUES
        )
        for mode in MODES
    },
    "discretization adapted": (
        "Discretization", {"num_bins": 4}, [[-1.5, 1.0], [3.4, 0.5], [0.0, 3.0], [1.3, 0.0]],
        [[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]],
    ),
    **{
        f"discretization {bins} bins": (
            "Discretization", {"num_bins": bins, "epsilon": epsilon},
            samples(1, 200)[:, None].tolist(), samples(2).reshape(100, 10).tolist(),
        )
        for bins, epsilon in ((3, 0.01), (10, 0.01), (32, 0.001), (7, 0.1))
    },
    **{
        f"hashing {mode}": ("Hashing", {"num_bins": 5, "output_mode": mode}, COLUMN)
        for mode in MODES
    },
    "hashing masked": ("Hashing", {"num_bins": 3, "mask_value": ""}, COLUMN),
    "hashing salt": ("Hashing", {"num_bins": 7, "salt": [133, 137]}, COLUMN),
    "hashing one salt": ("Hashing", {"num_bins": 7, "salt": 133, "mask_value": "A"}, COLUMN),
    "hashing integers": ("Hashing", {"num_bins": 11}, NUMBERS),
    "hashing integers masked": (
        "Hashing", {"num_bins": 11, "mask_value": 7, "salt": 5, "output_mode": "multi_hot"}, NUMBERS
    ),
    "crossing": ("HashedCrossing", {"num_bins": 50}, [COLUMN, [[1], [2], [-3], [4], [2**40]]]),
    "crossing three": (
        "HashedCrossing", {"num_bins": 9, "output_mode": "one_hot"},
        [["A", "B", "A", "B"], [101, 101, 101, 102], ["x", "x", "y", "y"]],
    ),
    "crossing integers": (
        "HashedCrossing", {"num_bins": 12}, [[[1], [2], [3]], [[3], [2], [1]]]
    ),
    # Of lookups: with a vocabulary, and adapted.
    **{
        f"strings {mode}": lookup({"vocabulary": WORDS, "output_mode": mode}, TEXTS)
        for mode in MODES
    },
    **{
        f"strings masked {mode}": lookup(
            {"vocabulary": WORDS, "output_mode": mode, "mask_token": ""}, TEXTS
        )
        for mode in MODES
    },
    "strings special": lookup({"vocabulary": ["", "[UNK]", *WORDS], "mask_token": ""}, TEXTS),
    "strings buckets": lookup({"vocabulary": WORDS, "num_oov_indices": 3}, TEXTS),
    "strings salted": lookup(
        {"vocabulary": WORDS, "num_oov_indices": 4, "salt": [1, 2], "mask_token": ""}, TEXTS
    ),
    "strings padded": lookup(
        {"vocabulary": WORDS, "max_tokens": 8, "pad_to_max_tokens": True, "output_mode": "count"},
        TEXTS,
    ),
    "strings tf_idf": lookup(
        {"vocabulary": WORDS, "idf_weights": [0.25, 0.75, 0.6, 0.4], "output_mode": "tf_idf",
         "num_oov_indices": 2}, TEXTS,
    ),
    "strings tf_idf special": lookup(
        {"vocabulary": ["[UNK]", *WORDS], "idf_weights": [0.9, 0.25, 0.75, 0.6, 0.4],
         "output_mode": "tf_idf", "max_tokens": 7, "pad_to_max_tokens": True}, TEXTS,
    ),
    "strings inverted": ("StringLookup", {"vocabulary": WORDS, "invert": True}, [1, 3, 0, 9, 4]),
    "strings inverted mask": (
        "StringLookup", {"vocabulary": WORDS, "invert": True, "mask_token": ""}, [1, 3, 0, 9, 4]
    ),
    "strings adapted": lookup({}, TEXTS, DOCUMENTS),
    "strings adapted mask": lookup({"mask_token": "a", "num_oov_indices": 2}, TEXTS, DOCUMENTS),
    "strings adapted column": lookup({}, TEXTS, ["b", "a", "b", "c"]),
    "strings adapted some": lookup({"max_tokens": 3, "output_mode": "count"}, TEXTS, DOCUMENTS),
    "strings adapted tf_idf": lookup({"output_mode": "tf_idf"}, TEXTS, DOCUMENTS),
    "strings adapted tf_idf padded": lookup(
        {"output_mode": "tf_idf", "max_tokens": 9, "pad_to_max_tokens": True, "mask_token": "b"},
        TEXTS, DOCUMENTS,
    ),
    **{
        f"integers {mode}": lookup({"vocabulary": [12, 36, 1138], "output_mode": mode}, NUMBERS)
        for mode in MODES
    },
    "integers masked": lookup({"vocabulary": [12, 36, 1138], "mask_token": 7}, NUMBERS),
    "integers buckets": lookup({"vocabulary": [12, 36], "num_oov_indices": 3}, NUMBERS),
    "integers hashed": lookup(
        {"vocabulary": [12, 36], "num_oov_indices": 3, "oov_method": "farmhash"}, NUMBERS
    ),
    "integers salted": lookup(
        {"vocabulary": [12], "num_oov_indices": 9, "oov_method": "farmhash", "salt": 4}, NUMBERS
    ),
    "integers inverted": (
        "IntegerLookup", {"vocabulary": [12, 36, 1138], "invert": True}, [[1, 0], [3, 9]]
    ),
    "integers adapted": lookup({}, [*NUMBERS, [3, 8]], COUNTS),
    "integers adapted tf_idf": lookup({"output_mode": "tf_idf"}, [*NUMBERS, [3, 8]], COUNTS),
}  # fmt: skip

# Of every length that a hash function has a way of its own for, and of bytes beyond ASCII.
HASHED = ["", "A", "ab", "abc", "é", "é日本語テキスト", *(
    ("0123456789abcdefghijklmnopqrstuvwxyz" * 20)[:length]
    for length in (4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129, 500)
)]  # fmt: skip
BUCKETS, KEY = 2**62, [133, 137]


def arguments(case):
    """Return what a case's layer is called with: an array, or a list of them; and keywords."""
    name, _, inputs = CASES[case][:3]
    given = [np.array(x) for x in inputs] if name == "HashedCrossing" else np.array(inputs)
    keywords = {"count_weights": np.array(WEIGHTS)} if case == "encoding count weights" else {}
    return given, keywords


def adapts(case):
    """Return what a case's layer adapts to, or None."""
    data = CASES[case][3:]
    return np.array(data[0]) if data and data[0] is not None else None


def main() -> None:
    """Write the file beside this one."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    def plain(values):
        array = np.asarray(values)
        if array.dtype.kind in "OS":
            return [text.decode() for text in array.ravel().tolist()]
        return array.tolist()

    stored = {}
    for case, (name, options, *_) in CASES.items():
        layer = getattr(keras.layers, name)(**options)
        if adapts(case) is not None:
            layer.adapt(adapts(case))
        given, keywords = arguments(case)
        stored[case] = {"output": plain(layer(given, **keywords))}
        if hasattr(layer, "get_vocabulary"):
            known = layer.get_vocabulary()
            stored[case]["vocabulary"] = [v if isinstance(v, str) else int(v) for v in known]
        if name == "Discretization":
            stored[case]["boundaries"] = layer.bin_boundaries
    stored["fast"] = tf.strings.to_hash_bucket_fast(HASHED, BUCKETS).numpy().tolist()
    stored["strong"] = tf.strings.to_hash_bucket_strong(HASHED, BUCKETS, KEY).numpy().tolist()
    lines = [f"{json.dumps(case)}: {json.dumps(found)}" for case, found in stored.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
