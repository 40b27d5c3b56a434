"""Data sets in Parquet and Arrow files: the columns that are named, every row once."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers
from unitgain.data import arrow

pa = pytest.importorskip("pyarrow", reason="needs the extra arrow")
datasets = pytest.importorskip("pyarrow.dataset", reason="needs the extra arrow")
feather = pytest.importorskip("pyarrow.feather", reason="needs the extra arrow")
parquets = pytest.importorskip("pyarrow.parquet", reason="needs the extra arrow")

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((203, 5)).astype(np.float32)
Y = GENERATOR.integers(0, 3, 203)
WEIGHTS = GENERATOR.random(203)
NAMES = [f"f{i}" for i in range(5)]
SCALARS = pa.table({**dict(zip(NAMES, X.T, strict=True)), "y": Y, "w": WEIGHTS})
VECTORS = pa.table(
    {"f": pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 5), "y": Y, "w": WEIGHTS}
)
COLUMNS = {"label": "y", "sample_weight": "w"}


def parquet(table, folder):
    parquets.write_table(table, folder / "t.parquet", row_group_size=20)
    return ug.data.from_parquet(folder / "t.parquet", **COLUMNS, window=50, seed=1)


def arrow_file(table, folder):
    with pa.ipc.new_file(str(folder / "t.arrow"), table.schema) as file:
        file.write_table(table, max_chunksize=30)
        file.write_table(table.slice(0, 0))
    return ug.data.from_arrow(folder / "t.arrow", **COLUMNS, window=50, seed=1)


def compressed(table, folder):
    feather.write_feather(table, str(folder / "t.feather"), "lz4", chunksize=30)
    return ug.data.from_arrow([str(folder / "t.feather")], **COLUMNS, window=50, seed=1)


def in_memory(table, folder):
    return ug.data.from_arrow(table, **COLUMNS, window=50, seed=1)


def as_dataset(table, folder):
    sizes = {"max_rows_per_file": 60, "max_rows_per_group": 25}
    again = "overwrite_or_ignore"
    datasets.write_dataset(
        table, folder / "parts", format="parquet", existing_data_behavior=again, **sizes
    )
    return ug.data.from_arrow(datasets.dataset(folder / "parts"), **COLUMNS, window=50, seed=1)


def as_folder(table, folder):
    as_dataset(table, folder)
    return ug.data.from_parquet(folder / "parts", **COLUMNS, window=50, seed=1)


SOURCES = [parquet, arrow_file, compressed, in_memory, as_dataset, as_folder]


def gathered(batches):
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("table", [SCALARS, VECTORS], ids=["scalars", "vectors"])
def test_rows_come_in_turn_and_shuffled(tmp_path, source, table):
    data = source(table, tmp_path)
    assert len(data) == 203
    for found, expected in zip(gathered(data.batches(7)), (X, Y, WEIGHTS), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    x, y, weights = gathered(data.batches(32, epoch=2))
    rows = np.argsort(X[:, 0])[np.searchsorted(np.sort(X[:, 0]), x[:, 0])]
    assert sorted(rows) == list(range(203))
    assert (np.diff(rows) == 1).mean() < 0.2
    np.testing.assert_array_equal(x, X[rows])
    np.testing.assert_array_equal(y, Y[rows])
    np.testing.assert_array_equal(weights, WEIGHTS[rows])


@pytest.mark.parametrize("source", SOURCES)
def test_part_cuts_blocks(tmp_path, source):
    data = source(SCALARS, tmp_path)
    x, y, _ = gathered(data.part(33, 150).part(5, 100).batches(16))
    np.testing.assert_array_equal(x, X[38:133])
    np.testing.assert_array_equal(y, Y[38:133])
    assert len(gathered(data.part(33, 150).batches(16, 0))[0]) == 117


def test_large_row_groups_are_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "_ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(arrow, "_BATCH_BYTES", 1)
    for table in (SCALARS, VECTORS):
        parquets.write_table(table, tmp_path / "t.parquet")
        data = ug.data.from_parquet(tmp_path / "t.parquet", **COLUMNS, window=50)
        np.testing.assert_array_equal(gathered(data.batches(32))[0], X)
        np.testing.assert_array_equal(gathered(data.part(150, 203).batches(32))[0], X[150:])


def test_rows_of_one_file_are_those_of_any_format(tmp_path):
    """Training on the same rows in turn has the same bits, whatever holds them."""
    found = []
    for source in SOURCES:
        ug.random.seed(1)
        model = ug.Sequential([layers.Input((5,)), layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(source(SCALARS, tmp_path), shuffle=False, epochs=2, verbose=0)
        found.append(model.get_weights()[0])
        np.testing.assert_array_equal(model.predict(source(VECTORS, tmp_path)), model.predict(X))
    for weights in found[1:]:
        np.testing.assert_array_equal(weights, found[0])


def test_folders_name_a_column(tmp_path):
    for year in (1, 2):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        parquets.write_table(SCALARS.slice(0, 10), folder / "t.parquet")
    data = ug.data.from_parquet(tmp_path, features=["f1", "year"], label="y")
    found = gathered(data.batches(20))[0]
    np.testing.assert_array_equal(found[:, 1], np.repeat([1, 2], 10))
    np.testing.assert_array_equal(found[:10, 0], X[:10, 1])


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["uint8", "float32"], "float32"),
        (["bool_", "int16"], "float32"),
        (["int32", "float32"], "float64"),
        (["int64", "uint8"], "float64"),
        (["float16", "float16"], "float32"),
        (["decimal", "float32"], "float64"),
    ],
)
def test_features_of_any_types_are_floating_point(types, expected):
    values = np.array([0, 1, 1, 0])
    columns = [
        pa.array(values).cast(pa.decimal128(22, 2) if t == "decimal" else getattr(pa, t)())
        for t in types
    ]
    data = ug.data.from_arrow(pa.table(columns, ["a", "b"]))
    (found,) = data.batches(4)
    assert found.dtype == expected
    np.testing.assert_array_equal(found, np.stack([values, values], 1))


def test_missing_values_are_nan_or_an_error():
    holes = pa.array([1, None, 3])
    data = ug.data.from_arrow(pa.table({"a": holes, "b": [0.5, None, 1.5], "y": holes}), ["a", "b"])
    np.testing.assert_array_equal(next(data.batches(3)), [[1, 0.5], [np.nan, np.nan], [3, 1.5]])
    with pytest.raises(ValueError, match="column 'y' of label has missing values"):
        next(ug.data.from_arrow(pa.table({"a": [1, 2, 3], "y": holes}), ["a"], "y").batches(3))
    vectors = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.uint8(), 2))
    with pytest.raises(ValueError, match="column 'v' of features has missing values"):
        next(ug.data.from_arrow(pa.table({"v": vectors}), "v").batches(3))


def test_tensors_and_slices_of_vectors_keep_their_shape():
    images = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    table = pa.table({"i": pa.FixedShapeTensorArray.from_numpy_ndarray(images)})
    found = np.concatenate(list(ug.data.from_arrow(table.slice(1), "i").batches(2)))
    np.testing.assert_array_equal(found, images[1:])
    assert found.dtype == np.uint8


def test_inputs_and_targets_are_named(tmp_path):
    data = ug.data.from_arrow(
        SCALARS, {"a": ["f0", "f1"], "b": ["f2"]}, {"c": "y", "d": ["f3", "f4"]}, seed=0
    )
    x, y = next(data.batches(203))
    np.testing.assert_array_equal(x["a"], X[:, :2])
    np.testing.assert_array_equal(y["d"], X[:, 3:])
    a, b = layers.Input((2,), name="a"), layers.Input((1,), name="b")
    joined = layers.Concatenate()([a, b])
    outputs = {"c": layers.Dense(3, name="c")(joined), "d": layers.Dense(2, name="d")(joined)}
    model = ug.Model({"a": a, "b": b}, outputs)
    cross = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", {"c": cross, "d": "mse"})
    model.fit(data, verbose=0)
    expected = model.predict({"a": X[:, :2], "b": X[:, 2:3]})
    found = model.predict(data)
    for key in ("c", "d"):
        np.testing.assert_array_equal(found[key], expected[key])


def test_frames_are_taken_as_they_export_themselves():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    for frame in (
        pandas.DataFrame({"a": X[:, 0], "y": Y}),
        polars.DataFrame({"a": X[:, 0], "y": Y}),
    ):
        x, y = gathered(ug.data.from_arrow(frame, ["a"], "y").batches(100))
        np.testing.assert_array_equal(x[:, 0], X[:, 0])
        np.testing.assert_array_equal(y, Y)


def test_columns_are_checked():
    words = pa.table({"a": ["x", "y"], "l": pa.array([[1], [2, 3]]), "b": [1.0, 2.0]})
    with pytest.raises(TypeError, match="column 'a' of features has type string, expected numbers"):
        ug.data.from_arrow(words)
    with pytest.raises(TypeError, match=r"column 'l' of features has type list.*fixed-size lists"):
        ug.data.from_arrow(words, ["l"])
    with pytest.raises(ValueError, match=r"a column of features.*'c'"):
        ug.data.from_arrow(words, ["c"])
    with pytest.raises(ValueError, match="label names no column"):
        ug.data.from_arrow(words, ["b"], [])
    with pytest.raises(ValueError, match="name such a column alone"):
        ug.data.from_arrow(VECTORS, ["f", "w"])
    with pytest.raises(ValueError, match="several columns 'a'"):
        ug.data.from_arrow(pa.table([[1], [2]], ["a", "a"]), ["a"])
    with pytest.raises(TypeError, match="expected a path, or a list of them"):
        ug.data.from_parquet(3)


def test_files_are_checked(tmp_path):
    with pytest.raises(FileNotFoundError):
        ug.data.from_parquet(tmp_path / "none.parquet")
    (tmp_path / "t.parquet").write_text("no such file")
    with pytest.raises(ValueError, match="parquet"):
        ug.data.from_parquet(tmp_path / "t.parquet")
    parquets.write_table(SCALARS, tmp_path / "t.parquet")
    filtered = datasets.dataset(tmp_path / "t.parquet").filter(datasets.field("y") == 1)
    with pytest.raises(ValueError, match="filtered"):
        ug.data.from_arrow(filtered, NAMES)


def test_empty_files_have_no_rows(tmp_path):
    parquets.write_table(SCALARS.slice(0, 0), tmp_path / "t.parquet")
    data = ug.data.from_parquet(tmp_path / "t.parquet", **COLUMNS)
    assert len(data) == 0
    assert list(data.batches(4)) == []


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(
        ImportError, match=r"from_parquet needs pyarrow: pip install unitgain\[arrow\]"
    ):
        ug.data.from_parquet("t.parquet")


_TRAINING = """
import sys
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import unitgain as ug

data = ug.data.from_parquet(sys.argv[1], label="y", seed=0)
model = ug.Sequential([ug.layers.Input((160,)), ug.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(data, batch_size=1024, verbose=0)
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux for the memory")
def test_memory_does_not_grow_with_a_row_group(tmp_path):
    """One row group of 640 MB."""
    rows = 1 << 20
    zeros = pa.array(np.zeros(rows, np.float32))
    table = pa.table({**{f"f{i}": zeros for i in range(160)}, "y": zeros})
    parquets.write_table(table, tmp_path / "t.parquet", row_group_size=rows)
    done = subprocess.run(
        [sys.executable, "-c", _TRAINING, str(tmp_path / "t.parquet")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 600
