"""A document: a description as JSON, arrays by name, and a digest of both."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.formats import safetensors

__all__ = ["Arrays", "Document", "listed_arrays", "packed", "unpacked"]

Arrays = dict[str, NDArray[Any]]
Document = dict[str, Any]

_VERSION = 1


def packed(document: Document, arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Return the text that goes with the arrays into the header."""
    description = json.dumps({"version": _VERSION, **document}, separators=(",", ":"))
    return {
        "format": "unitgain",
        "description": description,
        "sha256": _digest(description, arrays),
    }


def unpacked(arrays: Mapping[str, NDArray[Any]], text: Mapping[str, str]) -> Document:
    """Return the description, having checked that nothing was altered.

    Raises:
        ValueError: if it is none, or text or arrays are not as they were written.
    """
    if text.get("format") != "unitgain" or not {"description", "sha256"} <= text.keys():
        names = ", ".join(list(arrays)[:3]) or "none"
        raise ValueError(
            "the file has no description of a unitgain model: it is another program's safetensors "
            f"file, with {len(arrays)} arrays ({names}{', ...' if len(arrays) > 3 else ''}); "
            "if they are a PyTorch module's, ug.convert.load_state_dict(model, path) takes them "
            "into a model made here"
        )
    description = text["description"]
    if not hmac.compare_digest(
        _digest(description, arrays), text["sha256"].encode(errors="replace").decode()
    ):
        raise ValueError("the file was altered: its contents do not have the digest it names")
    try:
        document = json.loads(description)
    except RecursionError:
        raise ValueError("the description is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the description is no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"the description is not one of version {_VERSION}")
    return document


def _digest(description: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(description.encode(errors="surrogatepass"))
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], arrays[name].dtype.newbyteorder("<"))
        title = json.dumps([name, array.dtype.str, list(arrays[name].shape)])
        digest.update(title.encode())
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def to_file(
    path: Any,
    document: Document,
    arrays: Mapping[str, NDArray[Any]],
    bfloat16: Collection[str] = (),
) -> None:
    """Write a description and arrays, see :func:`unitgain.formats.safetensors.write`."""
    safetensors.write(path, arrays, packed(document, arrays), bfloat16)


def from_file(path: Any) -> tuple[Document, Arrays]:
    """Return what :func:`to_file` wrote.

    Raises:
        ValueError: if the file is not what was written.
    """
    arrays, text = safetensors.read(path)
    return unpacked(arrays, text), arrays


def to_bytes(document: Document, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a file's contents."""
    return safetensors.write_bytes(arrays, packed(document, arrays))


def from_bytes(content: bytes) -> tuple[Document, Arrays]:
    """Return what :func:`to_bytes` was given."""
    arrays, text = safetensors.read_bytes(content)
    return unpacked(arrays, text), arrays


def listed_arrays(document: Mapping[str, Any], key: str, arrays: Mapping[str, Any]) -> list[str]:
    """Return the names of arrays that a description lists under ``key``.

    Raises:
        ValueError: if there is no such list, a name comes twice, or an array is missing.
    """
    names = document.get(key)
    if not isinstance(names, list) or len(set(map(str, names))) != len(names):
        raise ValueError(f"{key} is no list of different names")
    for name in names:
        if name not in arrays:
            raise ValueError(f"there is no array {name!r}")
    return names
