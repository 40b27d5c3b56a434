"""Files of other programs, told by their first bytes: what they are, and what reads them."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

__all__ = ["checked_name", "description"]

_TORCH = (
    "a PyTorch file (torch.save): ug.convert.load_state_dict(model, path) takes a state dict from "
    "it, and ug.convert.from_torch converts a module"
)
# The kind of a zip archive, by a name in it.
_ARCHIVES = (
    (r"model\.weights\.h5", "a Keras archive (.keras): ug.convert.from_keras(path) reads it"),
    (r".*/data\.pkl", _TORCH),
    (r".*\.npy", "NumPy's .npz: numpy.load reads it, and set_weights takes the arrays"),
)
# By the first bytes, as a regular expression.
_MAGIC = (
    (
        rb"\x89HDF\r\n\x1a\n",
        "HDF5 (Keras's .weights.h5): model.load_weights(path) reads it, of the same layers",
    ),
    (rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", _TORCH),  # before PyTorch 1.6
    (
        rb"\x80[\x02-\x05]",
        "a pickle: pickle.load or joblib.load reads it, which runs what code it holds",
    ),
    (rb"\x93NUMPY", "NumPy's .npy: numpy.load reads it, and set_weights takes arrays"),
    # A protocol buffer has no magic number: the field ir_version, small, and another one's tag.
    (
        rb"\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a\x42\x72]",
        "ONNX, by its first bytes: unitgain.convert.from_onnx makes a model of it",
    ),
    (rb".{4}TFL3", "a TensorFlow Lite model, which unitgain does not read"),
    (rb"GGUF", "a GGUF model, which unitgain does not read"),
    (rb"\x1f\x8b", "compressed with gzip: decompress it first"),
    (rb"x[\x01\x5e\x9c\xda]", "compressed with zlib, perhaps by joblib: joblib.load reads that"),
    (rb"\xfd7zXZ\x00", "compressed with xz: decompress it first"),
    (rb"BZh[1-9]", "compressed with bzip2: decompress it first"),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd: decompress it first"),
    (rb"version https://git-lfs", "a pointer of Git LFS: git lfs pull fetches the file itself"),
    (
        rb"(?i)\s*<(!doctype|html|\?xml)",
        "a web page or XML, not a model: was the download redirected?",
    ),
    (
        rb"\s*\{",
        "JSON: unitgain.models.model_from_json reads what model.to_json writes, which has no "
        "weights",
    ),
)
# Suffixes of other formats, which a name in .safetensors replaces.
_SUFFIXES = re.compile(
    r"(\.weights)?\.(keras|h5|hdf5|tf|onnx|pt|pth|ckpt|pkl|pickle|joblib|npz|npy|json|zip|bin)$",
    re.IGNORECASE,
)


def description(path: str | os.PathLike[str]) -> str | None:
    """Return what a file is that is no safetensors file, and what reads it; None if unknown."""
    if os.path.isdir(path):
        known = (Path(path) / "saved_model.pb").exists()
        return "a TensorFlow SavedModel, which unitgain does not read" if known else "a folder"
    with open(path, "rb") as file:
        head = file.read(32)
    if head[8:9] == b"{":  # a safetensors header, in a damaged file
        return None
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    found = (text for magic, text in _MAGIC if re.match(magic, head, re.DOTALL))
    return next(found, None)


def checked_name(filepath: str | os.PathLike[str]) -> str:
    """Return the name of a file to write.

    Raises:
        ValueError: if it does not end in ``.safetensors``; the message has one that does.
    """
    name = os.fspath(filepath)
    if name.endswith(".safetensors"):
        return name
    raise ValueError(
        f"filepath is {name!r}, but files are written in the safetensors format alone: name it "
        f"{_SUFFIXES.sub('', name) + '.safetensors'!r}"
    )


def _archive(path: str | os.PathLike[str]) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return "a damaged zip archive"
    for pattern, text in _ARCHIVES:
        if any(re.fullmatch(pattern, name) for name in names):
            return text
    return "a zip archive, which unitgain does not read"
