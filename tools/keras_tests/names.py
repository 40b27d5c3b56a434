"""Modules named ``keras`` and ``keras.src. ...`` whose names are unitgain's.

A test that says ``from keras.src.layers.core.dense import Dense`` gets ``unitgain.layers.Dense``:
the package below ``keras.src`` says in which of unitgain's namespaces to look. A name that is not
there is an :class:`Absent` class, which may be imported and subclassed, and says which name it is
when it is used.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import unitgain as ug
from keras_tests import stand_ins


class AbsentNameError(Exception):
    """A test uses a name of Keras's that unitgain does not have."""


class Absent(type):
    """The class of classes that stand for names that are not there."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        raise AbsentNameError(cls._absent_name())

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return absent(f"{cls._absent_name()}.{name}")

    def _absent_name(cls) -> str:
        return next(c.__dict__["keras_name"] for c in cls.__mro__ if "keras_name" in c.__dict__)

    def __mro_entries__(cls, bases: Any) -> tuple[type]:
        return (cls,)


def absent(name: str) -> Any:
    return Absent(name.rpartition(".")[2], (), {"keras_name": name})


def _namespaces() -> dict[str, list[Any]]:
    """Return where the names of each package below ``keras.src`` are looked for."""
    top = {
        name: [getattr(ug, name)]
        for name in (
            "activations", "callbacks", "constraints", "initializers", "layers", "losses",
            "metrics", "regularizers", "saving", "utils", "random", "data",
        )
    }  # fmt: skip
    schedules = ug.optimizers.schedules
    models = importlib.import_module("unitgain.models")
    return top | {
        "optimizers": [ug.optimizers, schedules],
        "models": [stand_ins.models, models],
        "trainers": [stand_ins.trainers],
        "backend": [stand_ins.backend, getattr(ug, "config", None)],
        "testing": [stand_ins.testing],
        "tree": [stand_ins.tree],
        "ops": [stand_ins.ops],
        "random": [stand_ins.random, ug.random],
        "utils": [stand_ins.utils, ug.utils, ug.data],
        "saving": [stand_ins.saving, ug.saving],
        "dtype_policies": [getattr(ug, "dtype_policies", None), ug, stand_ins.backend],
        "": [ug, stand_ins.top],
    }


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if _is_module(f"{self.__name__}.{name}"):
            return importlib.import_module(f"{self.__name__}.{name}")
        package = self.__name__.removeprefix("keras").removeprefix(".src").strip(".").split(".")[0]
        for place in NAMESPACES.get(package, []):
            found = getattr(place, name, None)
            if found is not None:
                return found
        return absent(f"{self.__name__}.{name}")


SOURCES = Path()
NAMESPACES: dict[str, list[Any]] = {}


def _is_module(name: str) -> bool:
    path = SOURCES.joinpath(*name.split("."))
    if name.startswith("keras.") and name.removeprefix("keras.") in NAMESPACES:
        return True
    return path.is_dir() or path.with_suffix(".py").is_file() or name in ("keras", "keras.src")


class _AbsentModule(types.ModuleType):
    """A module of another backend's: its names are absent."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return absent(f"{self.__name__}.{name}")


# Packages that tests import for the sake of Keras's backends and of their data.
_BACKENDS = ("tensorflow", "jax", "grain", "openvino")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        top = fullname.split(".")[0]
        if top in _BACKENDS or (top == "keras" and _is_module(fullname)):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return (_Module if spec.name.split(".")[0] == "keras" else _AbsentModule)(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__path__ = []


def install(sources: Path) -> None:
    """Make ``import keras`` mean unitgain, for the module tree of Keras's ``sources``."""
    global SOURCES
    SOURCES = sources
    NAMESPACES.update(_namespaces())
    sys.meta_path.insert(0, _Finder())
