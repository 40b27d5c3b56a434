"""The reader takes what the format allows and refuses all else; the library agrees on files."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unitgain.formats import safetensors

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b/c": np.array(2.5),
    "empty": np.zeros((0, 4), np.int64),
    "flags": np.array([True, False, True]),
    "half": np.array([1, 2], np.float16),
}
TEXT = {"note": 'quotes " and \u00fc', "other": ""}
CONTENT = safetensors.write_bytes(ARRAYS, TEXT)


def file_of(header, data=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


def entry(begin, end, shape=None, dtype="F32"):
    return {
        "dtype": dtype,
        "shape": [(end - begin) // 4] if shape is None else shape,
        "data_offsets": [begin, end],
    }


def equal(first, second):
    return first.keys() == second.keys() and all(
        first[k].dtype == second[k].dtype
        and first[k].shape == second[k].shape
        and first[k].tobytes() == second[k].tobytes()
        for k in first
    )


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "file.safetensors"
    safetensors.write(path, ARRAYS, TEXT)
    assert path.read_bytes() == CONTENT
    arrays, text = safetensors.read(path)
    assert equal(arrays, ARRAYS)
    assert text == TEXT


def test_any_strides_and_byte_orders_are_written_as_values(tmp_path):
    values = np.arange(24, dtype=">f8").reshape(4, 6)[::2, ::-3].T
    arrays, _ = safetensors.read_bytes(safetensors.write_bytes({"a": values}, {}))
    np.testing.assert_array_equal(arrays["a"], values)
    assert arrays["a"].dtype == np.float64


def test_the_library_reads_what_is_written(tmp_path):
    library = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    path = tmp_path / "file.safetensors"
    safetensors.write(path, ARRAYS, TEXT)
    assert equal(load_file(path), ARRAYS)
    with library.safe_open(path, framework="numpy") as file:
        assert file.metadata() == TEXT


def test_what_the_library_writes_is_read(tmp_path):
    pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    path = tmp_path / "file.safetensors"
    save_file(ARRAYS, path, TEXT)
    arrays, text = safetensors.read(path)
    assert equal(arrays, ARRAYS)
    assert text == TEXT


def test_a_dtype_without_a_name_is_refused():
    with pytest.raises(TypeError, match="complex128"):
        safetensors.write_bytes({"z": np.zeros(2, np.complex128)}, {})


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file.safetensors"
    path.write_bytes(b"before")

    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        safetensors.write(path, ARRAYS, TEXT)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file.safetensors"]


BAD = {
    "nothing": (b"", "0 bytes"),
    "half a length": (b"\x01\0\0", "3 bytes"),
    "length beyond the file": (b"\xff" * 8 + b"{}", "18446744073709551615 bytes"),
    "no JSON": (file_of(b"{]"), "no JSON"),
    "no UTF-8": (file_of(b'{"\xff": 1}'), "no JSON"),
    "a list": (file_of([]), "is a list"),
    "deep": (file_of(b"[" * 100_000), "nested too deeply|no JSON"),
    "a name twice": (file_of(b'{"a": 1, "a": 1}'), "twice"),
    "metadata no texts": (file_of({"__metadata__": {"a": 1}}), "__metadata__"),
    "metadata no object": (file_of({"__metadata__": "a"}), "__metadata__"),
    "no entry": (file_of({"a": 5}), "'a' is not a dtype"),
    "a field too many": (file_of({"a": {**entry(0, 4), "x": 1}}, b"\0" * 4), "not a dtype"),
    "unknown dtype": (file_of({"a": entry(0, 4, dtype="F31")}, b"\0" * 4), "F31"),
    "dtype no name": (file_of({"a": entry(0, 4, dtype=["F32"])}, b"\0" * 4), "F32"),
    "negative size": (file_of({"a": entry(0, 4, [-1])}, b"\0" * 4), "list of sizes"),
    "size a float": (file_of({"a": entry(0, 4, [1.0])}, b"\0" * 4), "list of sizes"),
    "size true": (file_of({"a": entry(0, 4, [True])}, b"\0" * 4), "list of sizes"),
    "33 axes": (file_of({"a": entry(0, 4, [1] * 33)}, b"\0" * 4), "list of sizes"),
    "wrong shape": (file_of({"a": entry(0, 4, [2])}, b"\0" * 4), "does not fill 4 bytes"),
    "huge shape": (file_of({"a": entry(0, 4, [1 << 62, 1 << 62])}, b"\0" * 4), "does not fill"),
    "huge beside 0": (file_of({"a": entry(0, 0, [0, 1 << 63])}), "too large"),
    "three offsets": (file_of({"a": {**entry(0, 4), "data_offsets": [0, 4, 4]}}, b"\0" * 4), "two"),
    "backwards": (file_of({"a": entry(4, 0, [0])}, b"\0" * 4), "lies from 4 to 0"),
    "beyond the end": (file_of({"a": entry(0, 8)}, b"\0" * 4), "4 bytes"),
    "overlap": (file_of({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12), "overlap"),
    "gap": (file_of({"a": entry(0, 4), "b": entry(8, 12)}, b"\0" * 12), "gap"),
    "more behind": (file_of({"a": entry(0, 4)}, b"\0" * 8), "there are 8 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_files_are_refused(name, tmp_path):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        safetensors.read_bytes(content)
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        safetensors.read(tmp_path / "file")


@given(st.binary(max_size=40), st.data())
@settings(max_examples=300, deadline=None)
def test_changed_bytes_are_refused_or_read_as_some_arrays(change, data):
    at = data.draw(st.integers(0, len(CONTENT)))
    removed = data.draw(st.integers(0, 40))
    try:
        arrays, text = safetensors.read_bytes(CONTENT[:at] + change + CONTENT[at + removed :])
    except ValueError:
        return
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert all(isinstance(value, str) for value in text.values())
