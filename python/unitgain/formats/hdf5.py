"""The weights of Keras 3 in an HDF5 file: groups with arrays by number.

A group of a layer has a group ``vars`` with the arrays ``0``, ``1`` ... An HDF5 file may also lead
to other files, and may claim more than it holds: nothing of that is followed or believed.
Source: what Keras 3 writes, and the HDF5 File Format Specification 3.0 (links, storage layouts).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain._extras import needed

__all__ = ["Weights", "is_hdf5"]

_MAGIC = b"\x89HDF\r\n\x1a\n"
# How much more than its bytes in the file an array may come to: compressed weights are far below.
_LARGEST_RATIO = 200


def is_hdf5(path: Any) -> bool:
    """Return whether a file is HDF5, by its first bytes."""
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class Weights:
    """The arrays of a file of Keras's weights, to be used in a ``with`` block.

    Args:
        file: a path, or a binary file open for reading.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if it is no HDF5 file of Keras 3.
    """

    def __init__(self, file: Any) -> None:
        self._h5py = needed("h5py", "keras", "reading HDF5 files")
        try:
            self._file = self._h5py.File(file, "r")
        except OSError as error:
            raise ValueError(f"it is no HDF5 file: {error}") from None

    def __enter__(self) -> Weights:
        if "layer_names" in self._file.attrs or "model_weights" in self._file:
            self._file.close()
            raise ValueError(
                "it is an HDF5 file of the old format: load it with Keras, and save it as .keras "
                "or .weights.h5"
            )
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def count(self, path: str) -> int:
        """Return how many arrays there are at a path, 0 if the path is not there."""
        group = self._group(path)
        return 0 if group is None else len(group)

    def arrays(self, path: str) -> list[NDArray[Any]]:
        """Return the arrays at a path, none if the path is not there.

        Raises:
            ValueError: if there is anything but arrays of numbers, or they are not in the file.
        """
        group = self._group(path)
        return [] if group is None else [self._array(group, str(i)) for i in range(len(group))]

    def shapes(self) -> Counter[tuple[int, ...]]:
        """Return how many arrays of each shape the file holds.

        Raises:
            ValueError: as :meth:`arrays`.
        """
        found: Counter[tuple[int, ...]] = Counter()

        def visit(group: Any, depth: int) -> None:
            if depth > 100:
                raise ValueError("its groups are nested too deeply")
            for name in group:
                member = self._member(group, name)
                if isinstance(member, self._h5py.Group):
                    visit(member, depth + 1)
                else:
                    self._check(member, name)
                    found[member.shape] += 1

        visit(self._file, 0)
        return found

    def _group(self, path: str) -> Any:
        group: Any = self._file
        for part in [*filter(None, path.split("/")), "vars"]:
            if part not in group:
                return None
            group = self._member(group, part)
            if not isinstance(group, self._h5py.Group):
                raise ValueError(f"{part!r} in {path!r} is no group")
        return group

    def _member(self, group: Any, name: str) -> Any:
        if not isinstance(group.get(name, getlink=True), self._h5py.HardLink):
            raise ValueError(f"{name!r} is a link to elsewhere, which is not followed")
        return group[name]

    def _array(self, group: Any, name: str) -> NDArray[Any]:
        if name not in group:
            raise ValueError(f"{group.name} has {len(group)} arrays, but none of number {name}")
        dataset = self._member(group, name)
        self._check(dataset, f"{group.name}/{name}")
        return np.asarray(dataset[()])

    def _check(self, dataset: Any, name: str) -> None:
        if not isinstance(dataset, self._h5py.Dataset) or dataset.dtype.kind not in "fiub":
            raise ValueError(f"{name} is no array of numbers")
        if dataset.is_virtual or dataset.external:
            raise ValueError(f"{name} has its values in another file, which is not read")
        stored = dataset.id.get_storage_size()
        if dataset.size * dataset.dtype.itemsize > _LARGEST_RATIO * stored:
            raise ValueError(
                f"{name} is of shape {dataset.shape}, but there are {stored} bytes of it in the "
                "file"
            )
