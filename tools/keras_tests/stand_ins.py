"""What Keras's tests use beside the subjects themselves: arrays, trees, a test case.

Written for the tests' needs: NumPy does the arithmetic around what a test tests. Each class here is
a namespace, for :mod:`keras_tests.names` to look names up in.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

import unitgain as ug
from keras_tests.case import TestCase
from unitgain.graph.tensors import SymbolicTensor


def _symbolic(shape: Any, dtype: Any = "float32", name: str = "input", **keywords: Any) -> Any:
    if isinstance(shape, int):
        shape = (shape,)
    return SymbolicTensor.source(tuple(shape[1:]), np.dtype(dtype).name, name)


def _variable(
    initializer: Any,
    shape: Any = None,
    dtype: Any = None,
    trainable: bool = True,
    autocast: bool = True,
    aggregation: str | None = None,
    name: str | None = None,
) -> Any:
    """Make a variable as Keras's class does."""
    if callable(initializer) or isinstance(initializer, str):
        values = ug.initializers.get(initializer)(shape, dtype or "float32")
    else:
        values = np.array(initializer)
    floats = values.astype(dtype or "float32")
    return ug.Variable(name or "variable", floats, trainable, floats.dtype.name)


def _to_numpy(given: Any) -> Any:
    return np.asarray(given)


def _standardize_dtype(given: Any) -> str:
    if given is None:
        return "float32"
    return str(np.dtype(getattr(given, "__name__", given) if isinstance(given, type) else given))


def _convert(given: Any, dtype: Any = None, **keywords: Any) -> Any:
    if isinstance(given, SymbolicTensor):
        return given
    array = np.asarray(given)
    if dtype is None and array.dtype == np.float64 and not isinstance(given, np.ndarray):
        dtype = "float32"  # as Keras reads Python's numbers
    return array.astype(dtype) if dtype is not None else array


class backend:  # noqa: N801
    Variable = staticmethod(_variable)
    KerasTensor = staticmethod(_symbolic)
    SUPPORTS_SPARSE_TENSORS = False
    SUPPORTS_RAGGED_TENSORS = False
    SUPPORTS_COMPLEX_DTYPES = False
    convert_to_numpy = staticmethod(_to_numpy)
    convert_to_tensor = staticmethod(_convert)
    standardize_dtype = staticmethod(_standardize_dtype)

    @staticmethod
    def backend() -> str:
        """Return a name that no backend has, but to a module that would not be imported then."""
        return "torch" if sys._getframe(1).f_code.co_name == "<module>" else "unitgain"

    @staticmethod
    def is_tensor(given: Any) -> bool:
        return isinstance(given, np.ndarray)

    @staticmethod
    def is_int_dtype(given: Any) -> bool:
        return np.dtype(given).kind in "iu"

    @staticmethod
    def is_float_dtype(given: Any) -> bool:
        return np.dtype(given).kind == "f"

    @staticmethod
    def image_data_format() -> str:
        return "channels_last"

    @staticmethod
    def compute_output_spec(function: Any, *arguments: Any, **keywords: Any) -> Any:
        return function(*arguments, **keywords)


class _NumPy:
    """NumPy's functions, and unitgain's own operations where a place in a graph is given."""

    convert_to_tensor = staticmethod(_convert)
    convert_to_numpy = staticmethod(_to_numpy)
    shape = staticmethod(np.shape)

    @staticmethod
    def cast(x: Any, dtype: Any) -> Any:
        return np.asarray(x).astype(dtype)

    @staticmethod
    def array(x: Any, dtype: Any = None) -> Any:
        return _convert(x, dtype)

    @staticmethod
    def one_hot(x: Any, num_classes: int, **keywords: Any) -> Any:
        return np.eye(num_classes, dtype=np.float32)[np.asarray(x)]

    @staticmethod
    def rsqrt(x: Any) -> Any:
        return 1 / np.sqrt(x)

    def __getattr__(self, name: str) -> Any:
        own = getattr(ug.ops, name, None)
        numpys = getattr(np, name, None)
        if numpys is None:
            if own is None:
                raise AttributeError(name)
            return own

        def function(*arguments: Any, **keywords: Any) -> Any:
            parts = tree.flatten([list(arguments), list(keywords.values())])
            if own is not None and not any(isinstance(p, (np.ndarray, float)) for p in parts):
                return own(*arguments, **keywords)
            made = numpys(*arguments, **keywords)
            if name in ("ones", "zeros", "full", "arange", "eye") and "dtype" not in keywords:
                made = made.astype("float32") if made.dtype == np.float64 else made
            return made

        return function


class tree:  # noqa: N801
    @staticmethod
    def flatten(given: Any) -> list[Any]:
        if isinstance(given, Mapping):
            return [leaf for key in sorted(given) for leaf in tree.flatten(given[key])]
        if isinstance(given, (list, tuple)):
            return [leaf for part in given for leaf in tree.flatten(part)]
        return [given]

    @staticmethod
    def map_structure(function: Any, *given: Any) -> Any:
        first = given[0]
        if isinstance(first, Mapping):
            return {k: tree.map_structure(function, *(g[k] for g in given)) for k in first}
        if isinstance(first, (list, tuple)):
            made = [tree.map_structure(function, *parts) for parts in zip(*given, strict=True)]
            return type(first)(*made) if hasattr(first, "_fields") else type(first)(made)
        return function(*given)

    @staticmethod
    def assert_same_structure(one: Any, other: Any, **keywords: Any) -> None:
        tree.map_structure(lambda *leaves: None, one, other)


class random:  # noqa: N801
    class SeedGenerator:
        def __init__(self, seed: int | None = None) -> None:
            self.generator = np.random.default_rng(seed)

    @staticmethod
    def _generator(seed: Any) -> Any:
        return getattr(seed, "generator", None) or np.random.default_rng(seed)

    @staticmethod
    def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None,
               seed: Any = None) -> Any:  # fmt: skip
        return random._generator(seed).normal(mean, stddev, shape).astype(dtype or "float32")

    @staticmethod
    def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None,
                seed: Any = None) -> Any:  # fmt: skip
        made = random._generator(seed).uniform(minval, maxval, shape)
        return made.astype(dtype or "float32")


ops = _NumPy()
ops.random = random
backend.numpy = ops
backend.random = random


class _TestUtils:
    @staticmethod
    def named_product(*lists: Any, **by_name: Any) -> list[dict[str, Any]]:
        rows = [dict(zip(by_name, values, strict=True))
                for values in itertools.product(*by_name.values())]  # fmt: skip
        for given in lists:
            rows = [{**one, **row, "testcase_name": one.get("testcase_name", "")}
                    for one in given for row in rows]  # fmt: skip
        for number, row in enumerate(rows):
            row["testcase_name"] = f"{row.get('testcase_name', '')}_{number}"
        return rows

    @staticmethod
    def get_test_data(
        train_samples: int,
        test_samples: int,
        input_shape: Any,
        num_classes: int,
        random_seed: int | None = None,
    ) -> Any:
        generator = np.random.default_rng(random_seed)
        count = train_samples + test_samples
        y = generator.integers(0, num_classes, count)
        centres = generator.random((num_classes, *input_shape)) * 2
        x = (centres[y] + generator.normal(0, 0.3, (count, *input_shape))).astype(np.float32)
        return (x[:train_samples], y[:train_samples]), (x[train_samples:], y[train_samples:])


class testing:  # noqa: N801
    TestCase = TestCase
    test_utils = _TestUtils
    test_case = type("test_case", (), {"TestCase": TestCase})
    named_product = staticmethod(_TestUtils.named_product)
    get_test_data = staticmethod(_TestUtils.get_test_data)

    @staticmethod
    def _no_accelerator() -> bool:
        return False

    uses_gpu = uses_tpu = jax_uses_gpu = jax_uses_tpu = _no_accelerator
    torch_uses_gpu = tensorflow_uses_gpu = tensorflow_uses_tpu = _no_accelerator


class Trainer:
    """Keras's mix-in that makes a layer trainable: here a model around the layer does the work."""

    def __init__(self) -> None:
        pass

    @property
    def _trained(self) -> Any:
        layer = self
        if "_trained_model" not in self.__dict__:

            class Trained(ug.Model):
                def __init__(self) -> None:
                    super().__init__()
                    self.layer = layer

                def call(self, inputs: Any) -> Any:
                    return self.layer(inputs)

            model = Trained()
            for name in ("train_step", "test_step", "predict_step"):
                if hasattr(type(self), name):
                    setattr(model, name, getattr(self, name))
            self.__dict__["_trained_model"] = model
        return self.__dict__["_trained_model"]


def _delegated(name: str) -> Any:
    return property(lambda self: getattr(self._trained, name))


for _name in (
    "compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch",
    "optimizer", "metrics", "metrics_names", "history", "compiled", "loss", "get_compile_config",
    "compile_from_config", "get_metrics_result", "reset_metrics", "run_eagerly", "stop_training",
    "jit_compile", "steps_per_execution",
):  # fmt: skip
    setattr(Trainer, _name, _delegated(_name))


backend.TorchTrainer = Trainer


class trainers:  # noqa: N801
    Trainer = Trainer


class utils:  # noqa: N801
    @staticmethod
    def removesuffix(text: str, suffix: str) -> str:
        return text.removesuffix(suffix)


class models:  # noqa: N801
    Functional = ug.Model


class saving:  # noqa: N801
    save_model = staticmethod(lambda model, *given, **named: model.save(*given, **named))
    serialization_lib = object_registration = saving_api = ug.saving


class top:  # noqa: N801
    Functional = ug.Model
