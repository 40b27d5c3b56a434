"""Data sets from files: what was written comes back, and damage is named."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unitgain import datasets

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}


def idx(values, kind):
    """Return the bytes of an IDX file."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, kind, values.ndim, *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


@given(st.data())
def test_idx_files_of_every_type_and_shape_come_back(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(sorted(TYPES)))
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
    values = data.draw(arrays.arrays(TYPES[kind], shape))
    path = tmp_path_factory.mktemp("idx") / "file"
    content = idx(values, kind)
    path.write_bytes(gzip.compress(content) if data.draw(st.booleans()) else content)
    found = datasets.load_idx(path)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


def test_damaged_idx_files_are_named(tmp_path):
    path = tmp_path / "damaged"
    whole = idx(np.arange(12, dtype="u1").reshape(3, 4), 0x08)
    for content in (whole[:-1], whole + b"\0", whole[:9]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"damaged has \d+ bytes, but its shape"):
            datasets.load_idx(path)
    for content in (b"", b"PNG", b"\0\0\x07\1\0\0\0\0"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no IDX file"):
            datasets.load_idx(path)


def test_the_four_files_of_mnist_are_a_data_set(tmp_path):
    generator = np.random.default_rng(0)
    made = {}
    for part, count in (("train", 7), ("t10k", 3)):
        images = generator.integers(0, 256, (count, 28, 28), "u1")
        labels = generator.integers(0, 10, count, "u1")
        made[part] = images, labels
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images, 8)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels, 8))
    train, test = datasets.load_mnist(tmp_path)
    raw_train, raw_test = datasets.load_mnist(tmp_path, raw=True)
    for part, (x, y), (images, labels) in zip(
        made, (train, test), (raw_train, raw_test), strict=True
    ):
        np.testing.assert_array_equal(images, made[part][0])
        np.testing.assert_array_equal(labels, made[part][1])
        np.testing.assert_array_equal(y, made[part][1])
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        np.testing.assert_allclose(x, made[part][0].reshape(len(x), 784) / 255, rtol=1e-6)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(4, "u1"), 8))
    with pytest.raises(ValueError, match="3 images and 4 labels of t10k"):
        datasets.load_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="no file t10k-labels-idx1-ubyte"):
        datasets.load_mnist(tmp_path)


def test_npz_files_are_data_sets_and_run_no_code(tmp_path):
    path = tmp_path / "set.npz"
    parts = {
        name: np.arange(i + 2) for i, name in enumerate(("x_train", "y_train", "x_test", "y_test"))
    }
    np.savez(path, **parts)
    (x, y), (x_test, y_test) = datasets.load_npz(path)
    for found, expected in zip((x, y, x_test, y_test), parts.values(), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.savez(path, x_train=x)
    with pytest.raises(ValueError, match="no array y_train, but x_train"):
        datasets.load_npz(path)
    np.savez(path, **{**parts, "x_train": np.array([{}], object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        datasets.load_npz(path)


def test_tables_have_features_a_target_and_names(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('width,"height, cm",kind\n1,2.5,oak\n3,,elm\n\n-4e1,5,oak\n', encoding="utf-8")
    table = datasets.load_csv(path)
    np.testing.assert_array_equal(table.x, np.array([[1, 2.5], [3, np.nan], [-40, 5]], "float32"))
    np.testing.assert_array_equal(table.y, [1, 0, 1])
    assert (table.x.dtype, table.y.dtype) == (np.float32, np.int64)
    assert (table.features, table.classes) == (["width", "height, cm"], ["elm", "oak"])
    with pytest.raises(ValueError, match="did you mean 'width'"):
        datasets.load_csv(path, "widht")
    with pytest.raises(ValueError, match="row 2 has 'oak' in column 3"):
        datasets.load_csv(path, "width")
    with pytest.raises(ValueError, match="target is 3, but there are 3 columns"):
        datasets.load_csv(path, 3)


def test_tables_without_names_and_with_numbers_for_a_target(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("1;2;0.5\n3;4;2\n", encoding="utf-8")
    table = datasets.load_csv(path, delimiter=";", dtype="float64")
    np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(table.y, [0.5, 2])
    assert table.y.dtype == np.float64
    assert (table.features, table.classes) == ([], [])
    whole = datasets.load_csv(path, None, delimiter=";")
    assert whole.y is None
    assert whole.x.shape == (2, 3)
    assert datasets.load_csv(path, 0, delimiter=";").y.dtype == np.int64
    path.write_text("1;2\n3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="row 2 has 1 fields, but row 1 has 2"):
        datasets.load_csv(path, delimiter=";")
    path.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="is empty"):
        datasets.load_csv(path)
