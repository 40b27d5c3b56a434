"""Models written in other programs' formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias

from unitgain import _names

__all__ = ["Exporter", "Exporting", "register_format"]

# Writes a model to a path; further arguments are the format's own.
Exporter: TypeAlias = Callable[..., None]

_FORMATS: dict[str, Exporter] = {}


def register_format(name: str, exporter: Exporter) -> None:
    """Let ``model.export`` write a format: for the packages that do it.

    Args:
        name: what ``format`` is then.
        exporter: called with the model, the path as a string, and what else ``export`` is given.
    """
    _FORMATS[name] = exporter


class Exporting:
    """Files for other programs."""

    def export(
        self, filepath: str | os.PathLike[str], format: str = "onnx", **options: Any
    ) -> None:
        """Write what the model does in inference to a file that other programs run.

        What only training needs is left out; :meth:`save` writes all. ``"onnx"`` is
        the Open Neural Network Exchange's format, of operator set 18, which
        ONNX Runtime 1.14 and later run, and needs ``pip install unitgain[onnx]``. ``"c"`` is one
        file of C99 with weights and all, for programs without any library: it says at its top how
        it is called. It allocates nothing, has no state, and is meant for small networks.

        Args:
            filepath: where the file goes.
            format: the name of the format.
            **options: arguments of that format. ``"c"`` has ``name``, what the names of its
                functions begin with, by default the file's; and ``separate_weights``, which makes
                a header, ``.h``, and a binary file of weights, ``.bin``, beside it; ``"onnx"`` has
                none.

        Raises:
            ValueError: if there is no such format, the model has no weights yet, a layer computes
                in Python, or one is called with ``training=True``; the message names the layer.
            ImportError: if the format's package is not installed.
        """
        if format not in _FORMATS:
            raise ValueError(_names.unknown("format", format, _FORMATS))
        _FORMATS[format](self, os.fspath(filepath), **options)
