"""The test case that Keras's tests derive from, with the checks of a layer written anew."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from absl.testing import parameterized

import unitgain as ug
from unitgain.graph.tensors import SymbolicTensor

__all__ = ["TestCase"]


class TestCase(parameterized.TestCase):
    """Assertions on arrays, configurations and layers."""

    maxDiff = None

    def setUp(self) -> None:
        ug.utils.clear_session(free_memory=False)

    def get_temp_dir(self) -> str:
        made = tempfile.mkdtemp()
        self.addCleanup(lambda: shutil.rmtree(made, ignore_errors=True))
        return made

    # ---- values ----

    def assertAllClose(
        self, actual: Any, desired: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: Any = None,
        tpu_atol: Any = None, tpu_rtol: Any = None,
    ) -> None:  # fmt: skip
        np.testing.assert_allclose(
            np.asarray(actual), np.asarray(desired), atol=atol, rtol=rtol, err_msg=msg or ""
        )

    def assertNotAllClose(
        self, x1: Any, x2: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: Any = None
    ) -> None:
        if np.allclose(np.asarray(x1), np.asarray(x2), atol=atol, rtol=rtol):
            raise AssertionError(msg or "the values are close")

    def assertAlmostEqual(
        self, actual: Any, desired: Any, decimal: int = 3, msg: Any = None, tpu_decimal: Any = None
    ) -> None:
        np.testing.assert_almost_equal(
            np.asarray(actual), np.asarray(desired), decimal, err_msg=msg or ""
        )

    def assertAllEqual(self, actual: Any, desired: Any, msg: Any = None) -> None:
        np.testing.assert_array_equal(np.asarray(actual), np.asarray(desired), err_msg=msg or "")

    def assertLen(self, iterable: Any, expected_len: int, msg: Any = None) -> None:
        self.assertEqual(len(iterable), expected_len, msg=msg)

    def assertDType(self, x: Any, dtype: Any, msg: Any = None) -> None:
        found = getattr(x, "dtype", np.dtype(type(x)))
        self.assertEqual(np.dtype(found), np.dtype(dtype), msg=msg)

    def assertSparse(self, x: Any, sparse: bool = True) -> None:
        self.assertFalse(sparse, "arrays are dense")

    def assertRagged(self, x: Any, ragged: bool = True) -> None:
        self.assertFalse(ragged, "arrays are rectangular")

    def assertFileExists(self, path: Any) -> None:
        self.assertTrue(Path(path).is_file(), f"no file {path}")

    @contextlib.contextmanager
    def _raises(self, kind: Any) -> Any:
        with self.assertRaises(kind) as found:
            yield found

    def assertRaisesRegex(self, kind: Any, pattern: Any, *arguments: Any, **keywords: Any) -> Any:
        """Check the class of an error: its words are ours to choose."""
        if not arguments:
            return self._raises(kind)
        return self.assertRaises(kind, *arguments, **keywords)

    # ---- configurations ----

    def run_class_serialization_test(self, instance: Any, custom_objects: Any = None) -> Any:
        config = instance.get_config()
        with ug.saving.custom_object_scope(custom_objects or {}):
            copy = type(instance).from_config(json.loads(json.dumps(config)))
        self.assertEqual(_as_json(config), _as_json(copy.get_config()))
        serialized = ug.saving.serialize_keras_object(instance)
        with ug.saving.custom_object_scope(
            {type(instance).__name__: type(instance)} | (custom_objects or {})
        ):
            copy = ug.saving.deserialize_keras_object(json.loads(json.dumps(serialized)))
        self.assertIs(type(copy), type(instance))
        self.assertEqual(_as_json(config), _as_json(copy.get_config()))
        return copy

    # ---- layers ----

    def run_layer_test(
        self,
        layer_cls: Any,
        init_kwargs: Any,
        input_shape: Any = None,
        input_dtype: Any = None,
        input_sparse: bool = False,
        input_ragged: bool = False,
        input_data: Any = None,
        call_kwargs: Any = None,
        expected_output_shape: Any = None,
        expected_output_dtype: Any = None,
        expected_output: Any = None,
        expected_num_trainable_weights: int | None = None,
        expected_num_non_trainable_weights: int | None = None,
        supports_masking: bool | None = None,
        custom_objects: Any = None,
        run_training_check: bool = True,
        run_mixed_precision_check: bool = True,
        **other: Any,
    ) -> None:
        """Check that a layer is copied, built, called on places and on arrays, and trained.

        Of ``other``, what only some of Keras's backends have is left unchecked.
        """
        if input_sparse or input_ragged or other.get("expected_output_sparse"):
            self.skipTest("arrays are dense")
        keywords, called = dict(init_kwargs or {}), dict(call_kwargs or {})
        self.run_class_serialization_test(layer_cls(**keywords), custom_objects)
        if supports_masking is not None:
            self.assertEqual(layer_cls(**keywords).supports_masking, supports_masking)
        if input_shape is None and input_data is None:
            return
        if input_data is None:
            input_data = _map_shapes(_some_array, input_shape, input_dtype or "float32")
        places = _map_arrays(_place, input_data)

        layer = layer_cls(**keywords)
        output = layer(places, **called)
        self._check_counts(
            layer, expected_num_trainable_weights, expected_num_non_trainable_weights
        )
        if expected_output_shape is not None:
            self.assertEqual(_sizes(output.shape), _sizes(expected_output_shape))

        layer = layer_cls(**keywords)
        array = layer(input_data, **called)
        self._check_counts(
            layer, expected_num_trainable_weights, expected_num_non_trainable_weights
        )
        if expected_output_shape is not None:
            self.assertEqual(
                list(array.shape),
                [s if e is None else e
                 for s, e in zip(array.shape, expected_output_shape, strict=True)],
            )  # fmt: skip
        if expected_output_dtype is not None:
            self.assertEqual(np.dtype(array.dtype).name, expected_output_dtype)
        if expected_output is not None:
            self.assertAllClose(array, expected_output)
        if run_training_check:
            _train(layer, input_data, array)

    def _check_counts(self, layer: Any, trainable: int | None, others: int | None) -> None:
        self.assertTrue(layer.built)
        if trainable is not None:
            self.assertLen(layer.trainable_weights, trainable)
        if others is not None:
            self.assertLen(layer.non_trainable_weights, others)


def _train(layer: Any, inputs: Any, outputs: Any) -> None:
    """Fit a model of the layer for one step."""

    class Trained(ug.Model):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def call(self, inputs: Any) -> Any:
            return self.layer(inputs)

    model = Trained()
    model.compile(optimizer="sgd", loss="mse")
    model.fit(inputs, np.zeros_like(outputs, np.float32), epochs=1, verbose=0)


def _as_json(config: Any) -> str:
    return json.dumps(config, sort_keys=True, default=str)


def _sizes(shape: Any) -> list[Any]:
    """Return a shape with the batch's size unknown."""
    return [None, *list(shape)[1:]]


def _is_shape(given: Any) -> bool:
    return isinstance(given, tuple) and all(s is None or isinstance(s, int) for s in given)


def _map_shapes(function: Any, shapes: Any, dtypes: Any) -> Any:
    if _is_shape(shapes):
        return function(shapes, dtypes)
    if isinstance(shapes, dict):
        one = isinstance(dtypes, str)
        return {key: _map_shapes(function, shapes[key], dtypes if one else dtypes[key])
                for key in shapes}  # fmt: skip
    several = [dtypes] * len(shapes) if isinstance(dtypes, str) else dtypes
    return [_map_shapes(function, s, d) for s, d in zip(shapes, several, strict=True)]


def _map_arrays(function: Any, arrays: Any) -> Any:
    if isinstance(arrays, dict):
        return {key: function(value) for key, value in arrays.items()}
    if isinstance(arrays, (list, tuple)) and arrays and hasattr(arrays[0], "shape"):
        return [function(value) for value in arrays]
    return function(np.asarray(arrays))


def _some_array(shape: Any, dtype: str) -> Any:
    generator = np.random.default_rng(0)
    sizes = [2 if s is None else s for s in shape]
    if np.dtype(dtype).kind in "iu":
        return generator.integers(0, 2, sizes).astype(dtype)
    return generator.normal(size=sizes).astype(dtype)


def _place(array: Any) -> Any:
    return SymbolicTensor.source(array.shape[1:], np.dtype(array.dtype).name)
