"""Layers of categories: Keras's values, files and copies, networks, and what users give them."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest

import unitgain as ug
from reference import categories as cases
from unitgain import layers
from unitgain.layers import (
    CategoryEncoding,
    Dense,
    Discretization,
    Flatten,
    HashedCrossing,
    Hashing,
    Input,
    IntegerLookup,
    StringLookup,
)
from unitgain.layers.hashes import fingerprint64, siphash64

KERAS = json.loads(cases.FILE.read_text(encoding="utf-8"))


def layer_of(case):
    name, options, *_ = cases.CASES[case]
    layer = getattr(layers, name)(**options)
    if cases.adapts(case) is not None:
        layer.adapt(cases.adapts(case))
    return layer


@pytest.mark.parametrize("case", cases.CASES)
def test_layers_are_those_of_keras(case):
    given, keywords = cases.arguments(case)
    layer = layer_of(case)
    found, expected = layer(given, **keywords), KERAS[case]["output"]
    if isinstance(expected[0], str):
        assert found.ravel().tolist() == expected
    else:
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    if hasattr(layer, "get_vocabulary"):
        assert layer.get_vocabulary() == KERAS[case]["vocabulary"]
        assert layer.vocabulary_size() == len(KERAS[case]["vocabulary"])
    if "boundaries" in KERAS[case]:
        # Keras rounds values and shares to float32; a share's rounding moves a boundary by that
        # of the gap between two values that it is in.
        values = np.ravel(cases.adapts(case) if cases.adapts(case) is not None else [0, 0])
        moved = np.finfo(np.float32).eps * len(values) * np.diff(np.sort(values)).max()
        expected = KERAS[case]["boundaries"]
        np.testing.assert_allclose(layer.bin_boundaries, expected, rtol=1e-6, atol=moved)


def test_hashes_are_those_of_tensorflow():
    texts = [text.encode() for text in cases.HASHED]
    buckets = np.uint64(cases.BUCKETS)
    np.testing.assert_array_equal(fingerprint64(texts) % buckets, KERAS["fast"])
    np.testing.assert_array_equal(siphash64(texts, tuple(cases.KEY)) % buckets, KERAS["strong"])
    assert len(fingerprint64([])) == 0


@pytest.mark.parametrize("case", cases.CASES)
def test_layers_are_copied_with_what_they_learnt(case):
    given, keywords = cases.arguments(case)
    layer = layer_of(case)
    expected = layer(given, **keywords)
    config = json.loads(json.dumps(layers.serialize(layer)))
    for other in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        layers.deserialize(config),
    ):
        assert type(other) is type(layer)
        assert other.get_config() == layer.get_config()
        np.testing.assert_array_equal(other(given, **keywords), expected)
        if cases.adapts(case) is not None:  # they may learn anew, as the layer may
            other.adapt(cases.adapts(case))
            np.testing.assert_array_equal(other(given, **keywords), expected)


# ---- in networks ----

NUMERIC = [
    case
    for case, (_, _, inputs, *_) in cases.CASES.items()
    if np.asarray(inputs).dtype.kind != "U"
    and np.ndim(inputs) > 1
    and "count_weights" not in cases.arguments(case)[1]
    and "strings" not in case
    and case != "crossing"
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", NUMERIC)
def test_layers_of_numbers_have_a_place_in_a_network(case, dtype, tmp_path):
    layer = layer_of(case)
    given, _ = cases.arguments(case)
    several = isinstance(given, list)
    arrays = given if several else [given]
    starts = [Input(x.shape[1:], dtype) for x in arrays]
    output = layer(starts if several else starts[0])
    alone = ug.Model(starts, output)
    expected = layer(given)
    found = alone(arrays)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    model = ug.Model(starts, Dense(2)(Flatten()(output)))
    model.compile("adam", "mse")
    y = np.ones((len(arrays[0]), 2), dtype)
    model.fit(arrays, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.safetensors")
    loaded, copied = ug.load_model(tmp_path / "model.safetensors"), copy.deepcopy(model)
    for one in (model, loaded, copied):
        one.fit(arrays, y, epochs=2, verbose=0)
    for other in (loaded, copied):
        np.testing.assert_array_equal(other(arrays), model(arrays))
    if not several:
        chain = ug.Sequential([Input(given.shape[1:], dtype), copy.deepcopy(layer)])
        np.testing.assert_array_equal(chain(given), found)
        np.testing.assert_array_equal(copy.deepcopy(chain)(given), found)


def test_no_gradient_passes_an_index():
    start = Input((3,), "float64")
    binned = Discretization([-100.0, 0.0])(Dense(3)(start))
    model = ug.Model(start, Dense(1)(binned))
    model.compile("sgd", "mse")
    _, gradients = model.gradients(np.ones((4, 3)), np.ones((4, 1)))
    assert not gradients[0].any()
    assert gradients[2].any()


def test_texts_have_no_place_in_a_network():
    with pytest.raises(TypeError, match="words is of texts, which no network takes"):
        StringLookup(vocabulary=["a"], name="words")(Input((1,)))
    with pytest.raises(TypeError, match="which no network takes"):
        ug.Sequential([Input((1,)), StringLookup(vocabulary=["a"])])


def test_a_vocabulary_keeps_its_size_while_a_network_has_rows_of_it():
    layer = IntegerLookup(output_mode="one_hot")
    layer.adapt([1, 2, 3])
    model = ug.Sequential([Input((1,)), layer, Dense(1)])
    layer.adapt([4, 5, 6])  # as many
    assert model(np.array([[5]])).shape == (1, 1)
    with pytest.raises(ValueError, match=r"rows of 4 values in a network, but .* makes 3"):
        layer.adapt([1, 2])


# ---- data ----


def test_lookups_take_what_people_have():
    expected = [1, 0, 2]
    layer = StringLookup(vocabulary=["a", "b"])
    for given in (
        ["a", "z", "b"],
        [b"a", b"z", b"b"],
        np.array(["a", "z", "b"]),
        np.array([b"a", b"z", b"b"]),
        np.array(["a", "z", "b"], object),
        pd.Series(["a", "z", "b"]),
        pd.Series(["a", "z", "b"], dtype="string"),
        pd.Series(["a", "z", "b"]).astype("category"),
    ):
        np.testing.assert_array_equal(layer(given), expected)
    number = IntegerLookup(vocabulary=[10, 20])
    for given in ([10, 3, 20], [10.0, 3.0, 20.0], pd.Series([10, 3, 20]), np.uint8([10, 3, 20])):
        np.testing.assert_array_equal(number(given), expected)
    assert layer("b") == 2
    assert number(np.int64(20)) == 2
    assert layer(np.zeros((0, 2), "U1")).shape == (0, 2)
    assert number(np.array([2**62])) == [0]


def test_vocabularies_come_from_files_and_stay_with_the_layer(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("one\ntwo words\n\u2028three\n", encoding="utf-8")
    layer = StringLookup(vocabulary=path)
    assert layer.get_vocabulary() == ["[UNK]", "one", "two words", "\u2028three"]
    assert layer.get_vocabulary(include_special_tokens=False) == layer.vocabulary
    path.unlink()
    assert copy.deepcopy(layer).get_vocabulary() == layer.get_vocabulary()
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("5\n-7\n", encoding="utf-8")
    assert IntegerLookup(vocabulary=str(numbers)).get_vocabulary() == [-1, 5, -7]


def test_data_come_in_batches():
    whole, parts = StringLookup(output_mode="tf_idf"), StringLookup(output_mode="tf_idf")
    data = np.array(cases.DOCUMENTS)
    whole.adapt(data)
    parts.adapt(iter([data[:3], data[3:]]))
    assert whole.get_config()["vocabulary"] == parts.get_config()["vocabulary"]
    np.testing.assert_array_equal(whole.idf_weights, parts.idf_weights)
    some = StringLookup()
    some.adapt(iter([data[:1], data[1:]]), steps=1)
    assert some.vocabulary == ["a", "b"]
    bins = Discretization(num_bins=4)
    bins.adapt(iter([cases.samples(3), cases.samples(4)]))
    both = np.concatenate([cases.samples(3), cases.samples(4)])
    shares = np.bincount(bins(both), minlength=4) / len(both)
    np.testing.assert_allclose(shares, 0.25, atol=0.02)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_value_that_is_a_boundary_belongs_to_the_bin_above(dtype):
    layer = Discretization([0.1, 0.7])
    values = np.array([0.1, 0.7], dtype)
    np.testing.assert_array_equal(layer(values), [1, 2])
    np.testing.assert_array_equal(layer(np.nextafter(values, dtype_of(dtype)(0))), [0, 1])
    np.testing.assert_array_equal(layer(np.array([np.nan, np.inf, -np.inf], dtype)), [2, 2, 0])


def dtype_of(name):
    return np.dtype(name).type


def test_rows_of_more_dimensions_are_along_the_last_axis():
    x = np.random.default_rng(0).integers(0, 4, (2, 3, 5))
    counts = (x[..., None] == np.arange(4)).sum(-2)
    np.testing.assert_array_equal(CategoryEncoding(4, "count")(x), counts)
    np.testing.assert_array_equal(CategoryEncoding(4, "multi_hot")(x), counts > 0)
    one_hot = CategoryEncoding(4, "one_hot")(x)
    np.testing.assert_array_equal(one_hot.sum(-2), counts)


def test_no_samples_make_no_rows():
    for mode in cases.MODES[1:]:
        layer = CategoryEncoding(4, mode)
        assert layer(np.zeros((0, 3), int)).shape == ((0, 3, 4) if mode == "one_hot" else (0, 4))
        assert layer(np.zeros((0, 1), int)).shape == (0, 4)


def test_integers_beyond_float32_are_exact_on_arrays():
    layer = IntegerLookup(vocabulary=[2**53 + 1, 2**24 + 1])
    np.testing.assert_array_equal(layer([2**53, 2**53 + 1, 2**24, 2**24 + 1]), [0, 1, 0, 2])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CategoryEncoding(), ValueError, "num_tokens is needed"),
        (lambda: CategoryEncoding(0), ValueError, "num_tokens must be at least 1"),
        (lambda: CategoryEncoding(3, "onehot"), ValueError, "did you mean 'one_hot'"),
        (lambda: CategoryEncoding(3, "int"), ValueError, "output_mode is 'int'"),
        (lambda: CategoryEncoding(3, name="c")([0, 3]), ValueError, "inputs has 3, but c has 3"),
        (lambda: CategoryEncoding(3)([0, -1]), ValueError, "inputs has -1"),
        (lambda: CategoryEncoding(3)([0.5]), ValueError, "inputs has 0.5, expected whole numbers"),
        (lambda: CategoryEncoding(3)([np.nan]), ValueError, "inputs has nan"),
        (lambda: CategoryEncoding(3)(["a"]), TypeError, "inputs has dtype"),
        (lambda: CategoryEncoding(3)([1], count_weights=[1]), ValueError, "output_mode='count'"),
        (lambda: CategoryEncoding(3, "count")([1], count_weights=[[1]]), ValueError,
         r"count_weights has shape \(1, 1\)"),
        (lambda: Discretization(), ValueError, "one of num_bins and bin_boundaries"),
        (lambda: Discretization([1.0], 3), ValueError, "and not both"),
        (lambda: Discretization([2.0, 1.0]), ValueError, "expected ascending"),
        (lambda: Discretization(num_bins=0), ValueError, "num_bins must be at least 1"),
        (lambda: Discretization([1.0], epsilon=0), ValueError, "epsilon must be"),
        (lambda: Discretization(num_bins=3, name="d")([1.0]), ValueError, "d has no boundaries"),
        (lambda: Discretization([1.0], name="d").adapt([1.0]), ValueError, "it has no adapt"),
        (lambda: Discretization(num_bins=3).adapt([]), ValueError, "no values"),
        (lambda: Discretization(num_bins=3).adapt([1.0, np.nan]), ValueError, "data has NaN"),
        (lambda: Hashing(0), ValueError, "num_bins must be at least 1"),
        (lambda: Hashing(3, salt="x"), TypeError, "salt is 'x'"),
        (lambda: Hashing(3, salt=[1, 2, 3]), TypeError, "expected an integer, two, or None"),
        (lambda: Hashing(3)([1.5]), ValueError, "inputs has 1.5"),
        (lambda: Hashing(3)(["a", None]), TypeError, "inputs has None at 1, expected texts"),
        (lambda: HashedCrossing(3, name="x")([[1]]), ValueError, "x is given 1 column"),
        (lambda: HashedCrossing(3)([[1, 2], [1]]), ValueError, r"shapes \(2,\), \(1,\)"),
        (lambda: HashedCrossing(3)([[[1, 2]], [[1, 2]]]), ValueError, "expected all"),
        (lambda: HashedCrossing(3, "count"), ValueError, "output_mode is 'count'"),
        (lambda: HashedCrossing(3)([Input((2,)), Input((2,))]), ValueError, "columns of shape"),
        (lambda: StringLookup(name="s")(["a"]), ValueError, "s has no vocabulary yet"),
        (lambda: StringLookup(vocabulary=["a", "b", "a"]), ValueError, "has 'a' 2 times"),
        (lambda: StringLookup(vocabulary=[]), ValueError, "vocabulary has no tokens"),
        (lambda: StringLookup(vocabulary=["a", ""], mask_token=""), ValueError,
         "vocabulary has '', the mask_token, at 1"),
        (lambda: StringLookup(vocabulary=["a", "[UNK]"], invert=True), ValueError, "oov_token"),
        (lambda: StringLookup(vocabulary=["a", "b"], max_tokens=2), ValueError, "max_tokens is 2"),
        (lambda: StringLookup(max_tokens=1), ValueError, "max_tokens must be at least 2"),
        (lambda: StringLookup(pad_to_max_tokens=True), ValueError, "needs max_tokens"),
        (lambda: StringLookup(num_oov_indices=-1), ValueError, "num_oov_indices must be"),
        (lambda: StringLookup(invert=True, output_mode="count"), ValueError, "invert needs"),
        (lambda: StringLookup(vocabulary=["a"], idf_weights=[1.0]), ValueError, "has no use"),
        (lambda: StringLookup(vocabulary=["a"], output_mode="tf_idf"), ValueError, "is needed"),
        (lambda: StringLookup(idf_weights=[1.0], output_mode="tf-idf"), ValueError,
         "needs a vocabulary"),
        (lambda: StringLookup(vocabulary=["a"], idf_weights=[1, 2], output_mode="tf_idf"),
         ValueError, r"idf_weights has shape \(2,\), but there are 1"),
        (lambda: StringLookup(vocabulary=["a"], num_oov_indices=0)(["a", "z"]), ValueError,
         "inputs has 'z', which the vocabulary"),
        (lambda: StringLookup(vocabulary=["a"])([1]), TypeError, "expected texts"),
        (lambda: StringLookup(vocabulary=["a"]).adapt(["b"]), ValueError, "it has no adapt"),
        (lambda: StringLookup().adapt(pd.Series(["a", None], dtype=object)), TypeError,
         "data has None at 1"),
        (lambda: StringLookup().adapt([]), ValueError, "data has no tokens"),
        (lambda: StringLookup(sparse=True), ValueError, "sparse is True"),
        (lambda: IntegerLookup(vocabulary=[1], vocabulary_dtype="int32"), ValueError, "int64"),
        (lambda: IntegerLookup(salt=3), ValueError, "salt needs oov_method"),
        (lambda: IntegerLookup(oov_method="modulo"), ValueError, "oov_method is 'modulo'"),
        (lambda: IntegerLookup(vocabulary=[1])([1.5]), ValueError, "inputs has 1.5"),
        (lambda: IntegerLookup(vocabulary=[1])(["a"]), TypeError, "inputs has dtype"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()
