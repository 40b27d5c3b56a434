"""FeatureSpace: tables of numbers and categories as arrays that networks take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names, layers
from unitgain._arrays import as_numbers
from unitgain._configurable import Configurable, checked_config, custom_classes, serialize
from unitgain.formats.document import (
    Arrays,
    Document,
    from_bytes,
    from_file,
    listed_arrays,
    to_bytes,
    to_file,
)
from unitgain.layers.encoding import checked_mode
from unitgain.layers.lookup import IndexLookup

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Cross", "Feature", "FeatureSpace"]

Array = NDArray[Any]
Path_ = str | os.PathLike[str]


class Feature(Configurable):
    """The encoding of one column: :class:`FeatureSpace` has methods that make them.

    Args:
        dtype: ``"float32"``, ``"int32"`` or ``"string"``: what the column holds.
        preprocessor: a layer that is called with the column.
        output_mode: ``"float"``: the layer's output as it is. ``"int"``: the same, of indices.
            ``"one_hot"``: its indices as rows.

    Raises:
        TypeError: if ``preprocessor`` is no layer.
        ValueError: if there is no such mode.
    """

    def __init__(
        self, dtype: str, preprocessor: layers.Layer | Mapping[str, Any], output_mode: str
    ) -> None:
        self.dtype = dtype
        made = (
            layers.deserialize(preprocessor) if isinstance(preprocessor, Mapping) else preprocessor
        )
        if not isinstance(made, layers.Layer):
            raise TypeError(f"preprocessor is of type {type(made).__name__}, expected a layer")
        self.preprocessor = made
        self.output_mode = checked_mode(output_mode, ("int", "one_hot", "float"))


class Cross(Configurable):
    """Several columns of categories as one; see :meth:`FeatureSpace.cross`.

    Args:
        feature_names: the columns.
        crossing_dim: how many bins there are.
        output_mode: ``"one_hot"`` or ``"int"``.

    Raises:
        ValueError: if there is no such mode.
    """

    def __init__(
        self,
        feature_names: Sequence[str],
        crossing_dim: SupportsIndex,
        output_mode: str = "one_hot",
    ) -> None:
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = checked_mode(output_mode, ("int", "one_hot"))

    @property
    def name(self) -> str:
        """The columns' names, joined."""
        return "_X_".join(self.feature_names)


class FeatureSpace(Configurable):
    """Encodes the columns of a table for a network.

    A table is a frame of pandas or Polars, or a dict of columns; columns that no feature names are
    left out. ``adapt`` learns from a table what vocabularies, bins and moments there are; a call
    returns arrays for ``fit`` and ``predict``. All is done with NumPy before the first batch.

    Args:
        features: what is made of each column: a :class:`Feature`, or the name of one of the methods
            that make them, for the defaults: ``"float"``, ``"float_normalized"``,
            ``"float_rescaled"``, ``"float_discretized"``, ``"integer_categorical"``,
            ``"integer_hashed"``, ``"string_categorical"``, ``"string_hashed"``.
        output_mode: ``"concat"``: one array, with the features in the order of their names and
            behind them the crosses. ``"dict"``: an array of each.
        crosses: pairs or more of columns that are made one, or what :meth:`cross` makes.
        crossing_dim: how many bins crosses have.
        hashing_dim: how many bins hashed features have, given by name.
        num_discretization_bins: how many bins discretized features have, given by name.
        name: what it is called.

    Attributes:
        features: the features by name.
        crosses: the crosses.
        preprocessors: the features' layers by name.
        crossers: the crosses' layers by name.

    Raises:
        ValueError: if there are no features, no such kind or mode, or a cross of no such column.

    >>> import unitgain as ug
    >>> table = {"age": [20.0, 30.0, 40.0], "city": ["Rome", "Oslo", "Rome"]}
    >>> space = ug.utils.FeatureSpace({"age": "float", "city": "string_categorical"})
    >>> space.adapt(table)
    >>> space(table)
    array([[20.,  0.,  1.,  0.],
           [30.,  0.,  0.,  1.],
           [40.,  0.,  1.,  0.]], dtype=float32)
    """

    def __init__(
        self,
        features: Mapping[str, Feature | str | Mapping[str, Any]],
        output_mode: str = "concat",
        crosses: Iterable[Cross | Sequence[str] | Mapping[str, Any]] | None = None,
        crossing_dim: SupportsIndex = 32,
        hashing_dim: SupportsIndex = 32,
        num_discretization_bins: SupportsIndex = 32,
        name: str | None = None,
    ) -> None:
        if not features:
            raise ValueError("features is empty, expected a feature for each column")
        self.name = name or _names.unique_name("feature_space")
        self.crossing_dim = crossing_dim
        self.hashing_dim = hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.output_mode = checked_mode(output_mode, ("concat", "dict"))
        self.features = {key: self._feature(key, value) for key, value in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.preprocessors = {key: feature.preprocessor for key, feature in self.features.items()}
        self.crossers = {
            cross.name: layers.HashedCrossing(cross.crossing_dim, name=cross.name)
            for cross in self.crosses
        }
        self._is_adapted = not self._adaptable()
        self._inputs: dict[str, Any] | None = None
        self._encoded: Any = None

    # ---- kinds of features ----

    @classmethod
    def cross(
        cls,
        feature_names: Sequence[str],
        crossing_dim: SupportsIndex,
        output_mode: str = "one_hot",
    ) -> Cross:
        """Return a cross of columns, with as many bins and an output mode of its own."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: layers.Layer, output_mode: str) -> Feature:
        """Return a feature with a layer of one's own; see :class:`Feature`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Return a feature of numbers as they are."""
        layer = layers.Identity(name=_layer_name(name, "float"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_rescaled(
        cls, scale: ArrayLike = 1.0, offset: ArrayLike = 0.0, name: str | None = None
    ) -> Feature:
        """Return a feature of numbers times ``scale`` plus ``offset``."""
        layer = layers.Rescaling(scale, offset, name=_layer_name(name, "float_rescaled"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Return a feature of numbers, standardised by the mean and variance of the data."""
        layer = layers.Normalization(axis=-1, name=_layer_name(name, "float_normalized"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_discretized(
        cls,
        num_bins: SupportsIndex | None,
        bin_boundaries: Sequence[Any] | None = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of numbers by bins, of the data or with given boundaries."""
        layer = layers.Discretization(
            num_bins=num_bins,
            bin_boundaries=bin_boundaries,
            name=_layer_name(name, "float_discretized"),
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: SupportsIndex | None = None,
        num_oov_indices: SupportsIndex = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of integers that name categories, by the data's vocabulary."""
        layer = layers.IntegerLookup(
            max_tokens, num_oov_indices, name=_layer_name(name, "integer_categorical")
        )
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: SupportsIndex | None = None,
        num_oov_indices: SupportsIndex = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of texts that name categories, by the data's vocabulary."""
        layer = layers.StringLookup(
            max_tokens, num_oov_indices, name=_layer_name(name, "string_categorical")
        )
        return Feature("string", layer, output_mode)

    @classmethod
    def integer_hashed(
        cls, num_bins: SupportsIndex, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Return a feature of integers that name categories, by hashes."""
        layer = layers.Hashing(num_bins, name=_layer_name(name, "integer_hashed"))
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_hashed(
        cls, num_bins: SupportsIndex, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Return a feature of texts that name categories, by hashes."""
        layer = layers.Hashing(num_bins, name=_layer_name(name, "string_hashed"))
        return Feature("string", layer, output_mode)

    def _feature(self, key: str, value: Feature | str | Mapping[str, Any]) -> Feature:
        if not isinstance(value, str):
            table: Any = {"Feature": Feature}
            return _names.resolve(f"features[{key!r}]", value, table, Feature)
        sizes: dict[str, tuple[SupportsIndex, ...]] = {
            "float_discretized": (self.num_discretization_bins,),
            "integer_hashed": (self.hashing_dim,),
            "string_hashed": (self.hashing_dim,),
        }
        kinds = dict.fromkeys(
            ("float", "float_normalized", "float_rescaled", "float_discretized",
             "integer_categorical", "integer_hashed", "string_categorical", "string_hashed")
        )  # fmt: skip
        if value not in kinds:
            raise ValueError(_names.unknown(f"features[{key!r}]", value, kinds))
        made: Feature = getattr(self, value)(*sizes.get(value, ()), name=key)
        return made

    def _cross(self, value: Cross | Sequence[str] | Mapping[str, Any]) -> Cross:
        if isinstance(value, (Cross, Mapping)):
            table: Any = {"Cross": Cross}
            cross = _names.resolve("crosses", value, table, Cross)
        else:
            cross = Cross(value, self.crossing_dim)
        for name in cross.feature_names:
            if name not in self.features:
                raise ValueError(
                    _names.unknown("a feature of crosses", name, dict.fromkeys(self.features))
                )
        return cross

    # ---- data ----

    def _adaptable(self) -> list[str]:
        return [
            key
            for key, layer in self.preprocessors.items()
            if hasattr(layer, "adapt") and getattr(layer, "is_adaptable", True)
        ]

    def adapt(self, dataset: Any) -> None:
        """Learn vocabularies, bins and moments, forgetting those before.

        Args:
            dataset: a table, or an iterable of tables, which are taken together.

        Raises:
            ValueError: if a column is missing, or holds nothing that is to be learnt.
            TypeError: if it is no table, or a column holds other things than its feature takes.
        """
        if _is_table(dataset):
            tables = [dataset]
        elif isinstance(dataset, (str, bytes)) or not isinstance(dataset, Iterable):
            raise TypeError(f"dataset is of type {type(dataset).__name__}, expected a table")
        else:
            tables = list(dataset)
        for key in self._adaptable():
            feature = self.features[key]
            columns = [_column(table, key, feature.dtype) for table in tables]
            if not columns:
                raise ValueError("dataset has no tables")
            layer: Any = feature.preprocessor
            if isinstance(layer, layers.Normalization) and not layer.built:
                layer.ensure_built(columns[0].shape[1:], "float64")  # exact for dates, too
            layer.adapt(np.concatenate(columns))
        self._is_adapted = True
        self._inputs = self._encoded = None

    def __call__(self, data: Any) -> Any:
        """Return what the features make of a table.

        Args:
            data: a table; or a dict of single values, for one sample.

        Returns:
            An array ``(samples, values)``, or of one sample ``(values,)``; with
            ``output_mode="dict"`` a dict of such arrays.

        Raises:
            ValueError: if something is yet to be learnt, a column is missing, columns differ in
                length, or indices are among what is to be concatenated.
            TypeError: if ``data`` is no table, or a column holds other things than its feature
                takes.
        """
        self._check_adapted()
        if not _is_table(data):
            raise TypeError(
                f"data is of type {type(data).__name__}, expected a frame or a dict of columns"
            )
        columns = {key: _column(data, key, f.dtype) for key, f in self.features.items()}
        counts = {key: len(column) for key, column in columns.items()}
        first = next(iter(counts))
        for key, count in counts.items():
            if count != counts[first]:
                raise ValueError(
                    f"column {key!r} of data has {count} values, but {first!r} has {counts[first]}"
                )
        encoded = self._merged(columns)
        if all(np.ndim(data[key]) == 0 for key in self.features):
            return (
                {k: v[0] for k, v in encoded.items()} if isinstance(encoded, dict) else encoded[0]
            )
        return encoded

    def _merged(self, given: Mapping[str, Any]) -> Any:
        """Return what features and crosses make of columns, be they arrays or symbolic tensors."""
        made = {key: self.preprocessors[key](column) for key, column in given.items()}
        crossed = {}
        for cross in self.crosses:
            for key in cross.feature_names:
                if self.features[key].output_mode == "float":
                    raise ValueError(
                        f"the cross {cross.name!r} is of categories, but the feature {key!r} is of "
                        f"floats: discretize it"
                    )
            columns = [made[key] for key in cross.feature_names]
            crossed[cross.name] = self.crossers[cross.name](columns)
        specs: dict[str, Feature | Cross] = {
            **{key: self.features[key] for key in sorted(made)},
            **{cross.name: cross for cross in sorted(self.crosses, key=lambda cross: cross.name)},
        }
        outputs = {
            key: self._encoded_as(spec, key, (made | crossed)[key]) for key, spec in specs.items()
        }
        if self.output_mode == "dict":
            return outputs
        for key, spec in specs.items():
            if spec.output_mode == "int":
                raise ValueError(
                    f"the feature {key!r} has output_mode='int', and indices are not concatenated: "
                    f"use 'one_hot', or output_mode='dict' of the FeatureSpace"
                )
        parts = list(outputs.values())
        if not all(isinstance(part, np.ndarray) for part in parts):
            return parts[0] if len(parts) == 1 else layers.Concatenate()(parts)
        return np.concatenate(parts, -1)

    def _encoded_as(self, spec: Feature | Cross, key: str, made: Any) -> Any:
        """Return a layer's output as the feature's mode has it."""
        if spec.output_mode == "one_hot":
            return layers.CategoryEncoding(self._cardinality(key))(made)
        if spec.output_mode == "float" and isinstance(made, np.ndarray):
            return as_numbers(made, key).astype(np.float32, copy=False)
        return made

    def _cardinality(self, key: str) -> int:
        layer = self.preprocessors.get(key) or self.crossers[key]
        if isinstance(layer, IndexLookup):
            return layer.vocabulary_size()
        if isinstance(layer, layers.Discretization):
            return layer.num_bins or layer.depth  # which of few samples may be less
        if isinstance(layer, (layers.Hashing, layers.HashedCrossing)):
            return layer.num_bins
        if isinstance(layer, layers.CategoryEncoding):
            return layer.num_tokens
        raise ValueError(
            f"the feature {key!r} has output_mode='one_hot', but how many categories a "
            f"{type(layer).__name__} makes is unknown: use 'int'"
        )

    def _check_adapted(self) -> None:
        if not self._is_adapted:
            raise ValueError(
                f"{self.name} is to learn {', '.join(map(repr, self._adaptable()))} yet: call adapt"
            )

    # ---- within a network ----

    def get_inputs(self) -> dict[str, layers.Input]:
        """Return a symbolic input for each column, for a model that holds the features itself.

        Such a model takes a dict of columns, ``(samples, 1)``, of numbers alone. Its preprocessing
        costs calls of Python in each batch.

        Raises:
            ValueError: if something is yet to be learnt.
            TypeError: if a feature is of texts, which no network takes.
        """
        self._check_adapted()
        if self._inputs is None:
            for key, feature in self.features.items():
                if feature.dtype == "string":
                    raise TypeError(
                        f"the feature {key!r} is of texts, which no network takes: call the "
                        f"FeatureSpace on the data before training"
                    )
            self._inputs = {key: layers.Input((1,), name=key) for key in self.features}
        return self._inputs

    def get_encoded_features(self) -> Any:
        """Return the symbolic tensor, or dict of them, that is made of :meth:`get_inputs`.

        Raises:
            ValueError: as :meth:`get_inputs` does.
            TypeError: as :meth:`get_inputs` does.
        """
        inputs = self.get_inputs()
        if self._encoded is None:
            self._encoded = self._merged(inputs)
        return self._encoded

    # ---- files and copies ----

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a FeatureSpace like this, as values that JSON can hold.

        Vocabularies and bins that it learnt are among them, but not moments: see :meth:`save`.
        """
        return super().get_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a FeatureSpace of what :meth:`get_config` returned."""
        return cls(**checked_config(cls, config, cls._argument_names()))

    def save(self, filepath: Path_, overwrite: bool = True) -> None:
        """Write all that it is and has learnt to one file, which :meth:`load` reads.

        Args:
            filepath: a name that ends in ``.safetensors``.
            overwrite: whether it may replace a file.

        Raises:
            ValueError: if the name ends otherwise.
            FileExistsError: if there is a file, and ``overwrite`` is False.
        """
        path = os.fspath(filepath)
        if not path.endswith(".safetensors"):
            raise ValueError(f"filepath is {path!r}, expected a name ending in .safetensors")
        if not overwrite and os.path.exists(path):
            raise FileExistsError(f"{path} is there already, and overwrite is False")
        to_file(path, *self._document())

    @classmethod
    def load(cls, filepath: Path_, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Return the FeatureSpace that :meth:`save` wrote to a file. No code of the file is run.

        Args:
            filepath: the file.
            custom_objects: classes of layers of one's own by their names.

        Raises:
            ValueError: if the file holds none, was altered, or names something unknown.
            OSError: if it cannot be read.
        """
        document, arrays = from_file(filepath)
        if "feature_space" not in document:
            raise ValueError(f"{os.fspath(filepath)} holds no FeatureSpace")
        return cls._from_document(document, arrays, custom_objects or {})

    def _document(self) -> tuple[Document, Arrays]:
        """Return a description, and the weights of layers that have any."""
        arrays: Arrays = {}
        built = {}
        for key, layer in self.preprocessors.items():
            if not (layer.built and layer.weights):
                continue
            assert layer.input_shape is not None
            names = [f"{key}/{i}" for i in range(len(layer.weights))]
            arrays |= dict(zip(names, (w.array for w in layer.weights), strict=True))
            shape = list(layer.input_shape)
            built[key] = {"shape": shape, "dtype": layer.dtype, "weights": names}
        config = serialize(self)
        return {"feature_space": config, "built": built, "is_adapted": self._is_adapted}, arrays

    @classmethod
    def _from_document(
        cls, document: Document, arrays: Arrays, custom_objects: Mapping[str, Any]
    ) -> Self:
        _, config = _names.class_and_config("feature_space", document["feature_space"])
        with _names.custom_objects(custom_objects):
            made = cls.from_config(config)
        for key, state in document["built"].items():
            layer = made.preprocessors[key]
            layer.ensure_built(tuple(state["shape"]), state["dtype"])
            names = listed_arrays(state, "weights", arrays)
            layer.set_weights([arrays[name] for name in names])
        made._is_adapted = bool(document["is_adapted"])
        return made

    def __reduce__(self) -> Any:
        with custom_classes() as classes:
            content = to_bytes(*self._document())
        return type(self)._restored, (content, classes)

    @classmethod
    def _restored(cls, content: bytes, classes: Mapping[str, Any]) -> Self:
        """Return a copy of the FeatureSpace that :meth:`__reduce__` described."""
        return cls._from_document(*from_bytes(content), classes)


def _layer_name(name: str | None, kind: str) -> str:
    return f"{name or _names.unique_name(kind)}_preprocessor"


def _is_table(data: Any) -> bool:
    """Return whether ``data`` has columns by name: a dict, or a frame."""
    return isinstance(data, Mapping) or (hasattr(data, "columns") and hasattr(data, "__getitem__"))


def _column(table: Any, key: str, dtype: str) -> Array:
    """Return a column as ``(samples, values)``: floats as float64, all others as they are.

    Raises:
        ValueError: if there is none of that name, or it has too many axes.
        TypeError: if it holds no numbers, and its feature is of floats.
    """
    if not _is_table(table):
        raise TypeError(f"a table is of type {type(table).__name__}, expected a frame or a dict")
    names = table if isinstance(table, Mapping) else list(table.columns)
    if key not in names:
        raise ValueError(_names.unknown("a column of data", key, dict.fromkeys(map(str, names))))
    what = f"column {key!r}"
    column = table[key]
    array = as_numbers(column, what) if dtype != "string" else np.asarray(column)
    if dtype.startswith("float"):
        array = array.astype(np.float64, copy=False)
    if array.ndim > 2:
        raise ValueError(
            f"{what} has shape {array.shape}, expected (samples,) or (samples, values)"
        )
    return array if array.ndim == 2 else np.atleast_1d(array)[:, np.newaxis]
