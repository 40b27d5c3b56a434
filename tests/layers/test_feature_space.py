"""FeatureSpace: Keras's values, frames and dicts, files and copies, and models on what it makes."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest

import unitgain as ug
from reference import feature_space as cases
from unitgain import layers
from unitgain.utils import FeatureSpace

KERAS = json.loads(cases.FILE.read_text(encoding="utf-8"))


def adapted(case):
    space = cases.build(case, FeatureSpace)
    space.adapt(cases.columns(case, cases.LEARNT))
    return space


def check_same(found, expected, rtol=0.0):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
    parts = expected if isinstance(expected, dict) else {None: expected}
    for key, part in parts.items():
        array = found if key is None else found[key]
        assert array.shape == np.shape(part)
        np.testing.assert_allclose(array, part, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("case", cases.CASES)
def test_tables_become_what_keras_makes_of_them(case):
    found = adapted(case)(cases.columns(case, cases.TABLE))
    check_same(found, KERAS[case], rtol=1e-6)
    if not isinstance(found, dict):
        assert found.dtype == np.float32


@pytest.mark.parametrize("case", cases.CASES)
def test_frames_batches_and_single_samples_give_the_same(case):
    columns = cases.columns(case, cases.TABLE)
    expected = adapted(case)(columns)
    frame = pd.DataFrame({**cases.LEARNT, "beside": "x"})
    space = cases.build(case, FeatureSpace)
    space.adapt(frame)
    check_same(space(pd.DataFrame(cases.TABLE)), expected)
    space.adapt([frame[:3], frame[3:]])
    check_same(space({key: array[:, None] for key, array in columns.items()}), expected)
    check_same(space({key: array.tolist() for key, array in columns.items()}), expected)
    single = space({key: array[1] for key, array in columns.items()})
    if isinstance(expected, dict):
        check_same(single, {key: array[1] for key, array in expected.items()})
    else:
        np.testing.assert_array_equal(single, expected[1])
    empty = space({key: array[:0] for key, array in columns.items()})
    check_same(empty, {k: a[:0] for k, a in expected.items()} if isinstance(expected, dict)
               else expected[:0])  # fmt: skip


@pytest.mark.parametrize("case", cases.CASES)
def test_spaces_are_saved_and_copied_with_what_they_learnt(case, tmp_path):
    space = adapted(case)
    expected = space(cases.columns(case, cases.TABLE))
    space.save(tmp_path / "space.safetensors")
    for other in (
        FeatureSpace.load(tmp_path / "space.safetensors"),
        copy.deepcopy(space),
        pickle.loads(pickle.dumps(space)),
    ):
        assert other.get_config() == space.get_config()
        assert other.name == space.name
        check_same(other(cases.columns(case, cases.TABLE)), expected)
        other.adapt(cases.columns(case, cases.LEARNT))  # and may learn anew
        check_same(other(cases.columns(case, cases.TABLE)), expected)
    config = json.loads(json.dumps(space.get_config()))
    made = FeatureSpace.from_config(config)
    made.adapt(cases.columns(case, cases.LEARNT))
    check_same(made(cases.columns(case, cases.TABLE)), expected)
    with pytest.raises(FileExistsError, match="overwrite is False"):
        space.save(tmp_path / "space.safetensors", overwrite=False)


def test_what_is_not_adapted_stays_so_in_a_copy():
    space = copy.deepcopy(FeatureSpace({"a": "float_normalized"}, name="mine"))
    with pytest.raises(ValueError, match="mine is to learn 'a' yet: call adapt"):
        space({"a": [1.0]})
    plain = FeatureSpace({"a": "float", "b": FeatureSpace.float_discretized(None, [0.5])})
    np.testing.assert_array_equal(plain({"a": [2.0], "b": [0.7]}), [[2, 0, 1]])


def test_dates_in_seconds_are_standardised_exactly():
    seconds = 1.7e9 + np.arange(100.0)
    space = FeatureSpace({"when": "float_normalized"})
    space.adapt({"when": seconds})
    expected = (seconds - seconds.mean()) / seconds.std()
    np.testing.assert_allclose(space({"when": seconds})[:, 0], expected, rtol=1e-6)


class Scale(layers.Layer):
    """A layer of a user's own, which learns from data."""

    def __init__(self, power=1.0, **keywords):
        super().__init__(**keywords)
        self.power = power

    def build(self, input_shape):
        self.most = self.add_weight((1,), "ones", trainable=False, name="most")

    def adapt(self, data):
        self.ensure_built(data.shape[1:], "float32")
        self.most.assign([np.abs(data).max() ** self.power])

    def call(self, inputs):
        return inputs / self.most.array


def test_features_have_layers_of_a_users_own(tmp_path):
    lookup = layers.StringLookup(output_mode="multi_hot")
    space = FeatureSpace(
        {
            "size": FeatureSpace.feature("float32", Scale(1.0), "float"),
            "words": FeatureSpace.feature("string", lookup, "float"),
        }
    )
    table = {"size": [1.0, -4.0, 2.0], "words": [["a", "b"], ["b", "b"], ["c", "z"]]}
    space.adapt(table)
    assert space.preprocessors["words"] is lookup
    found = space(table)
    np.testing.assert_array_equal(found[:, 0], [0.25, -1, 0.5])
    np.testing.assert_array_equal(found[:, 1:].sum(1), [2, 1, 2])
    space.save(tmp_path / "space.safetensors")
    loaded = FeatureSpace.load(tmp_path / "space.safetensors", {"Scale": Scale})
    np.testing.assert_array_equal(loaded(table), found)
    np.testing.assert_array_equal(copy.deepcopy(space)(table), found)
    with pytest.raises(ValueError, match="'Scale'"):
        FeatureSpace.load(tmp_path / "space.safetensors")


def test_a_model_learns_from_a_frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, 400),
            "city": rng.choice(["Rome", "Oslo", "Bern"], 400),
            "team": rng.choice(["red", "blue"], 400),
        }
    )
    label = ((frame["city"] == "Rome") ^ (frame["team"] == "red")).to_numpy().astype(float)
    space = FeatureSpace(
        {"age": "float_normalized", "city": "string_categorical", "team": "string_categorical"},
        crosses=[("city", "team")],
    )
    space.adapt(frame)
    x = space(frame)
    ug.random.seed(0)
    model = ug.Sequential([ug.Input(x.shape[1:]), layers.Dense(1, "sigmoid")])
    model.compile(ug.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, label, epochs=20, verbose=0)
    assert model.evaluate(x, label)[1] > 0.95  # which needs the cross: alone, neither tells


def test_features_of_numbers_have_a_place_in_a_model(tmp_path):
    kinds = {"age": "float_normalized", "pay": "float_discretized", "grade": "integer_hashed"}
    space = FeatureSpace(kinds, crosses=[("pay", "grade")], num_discretization_bins=4)
    space.adapt(cases.LEARNT)
    columns = {key: np.array(cases.TABLE[key])[:, None] for key in kinds}
    model = ug.Model(space.get_inputs(), space.get_encoded_features())
    np.testing.assert_allclose(model(columns), space(columns), rtol=1e-6)
    model = ug.Model(space.get_inputs(), layers.Dense(1)(space.get_encoded_features()))
    model.compile("sgd", "mse")
    model.fit(columns, np.ones((4, 1)), epochs=1, verbose=0)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        ug.load_model(tmp_path / "model.safetensors")(columns), model(columns)
    )
    one = FeatureSpace({"age": "float"}, output_mode="dict")
    assert list(one.get_encoded_features()) == ["age"]
    with pytest.raises(TypeError, match="the feature 'city' is of texts"):
        FeatureSpace({"city": "string_hashed"}).get_inputs()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FeatureSpace({}), ValueError, "features is empty"),
        (lambda: FeatureSpace({"a": "floats"}), ValueError,
         r"features\['a'\] is 'floats'.*did you mean 'float'"),
        (lambda: FeatureSpace({"a": 3}), TypeError, r"features\['a'\]"),
        (lambda: FeatureSpace({"a": "float"}, "concatenate"), ValueError, "did you mean 'concat'"),
        (lambda: FeatureSpace({"ab": "float"}, crosses=[("ab", "bb")]), ValueError,
         "a feature of crosses is 'bb'"),
        (lambda: FeatureSpace.feature("string", "layer", "int"), TypeError, "preprocessor is of"),
        (lambda: FeatureSpace.string_hashed(3, output_mode="multi_hot"), ValueError,
         "output_mode is 'multi_hot'"),
        (lambda: FeatureSpace.cross(("a", "b"), 3, "float"), ValueError, "output_mode is 'float'"),
        (lambda: FeatureSpace({"age": "float"})({"agee": [1.0]}), ValueError,
         "a column of data is 'age'.*did you mean 'agee'"),
        (lambda: FeatureSpace({"a": "float"})([1.0]), TypeError, "data is of type list"),
        (lambda: FeatureSpace({"a": "float"})({"a": ["x"]}), TypeError, "column 'a' has dtype"),
        (lambda: FeatureSpace({"a": "float"})({"a": np.ones((2, 2, 2))}), ValueError,
         r"column 'a' has shape \(2, 2, 2\)"),
        (lambda: FeatureSpace({"a": "float", "b": "float"})({"a": [1.0], "b": [1.0, 2.0]}),
         ValueError, "column 'b' of data has 2 values, but 'a' has 1"),
        (lambda: FeatureSpace({"a": "string_hashed"})({"a": ["x", None]}), TypeError,
         "inputs has None at 1, expected texts"),
        (lambda: FeatureSpace({"a": FeatureSpace.string_hashed(3, "int")})({"a": ["x"]}),
         ValueError, "the feature 'a' has output_mode='int'"),
        (lambda: FeatureSpace({"a": "float", "b": "float"}, crosses=[("a", "b")])(
            {"a": [1.0], "b": [1.0]}), ValueError, "cross 'a_X_b' .* feature 'a' is of floats"),
        (lambda: FeatureSpace({"a": FeatureSpace.feature("float32", layers.Identity(), "one_hot")})(
            {"a": [1.0]}), ValueError, "how many categories a Identity makes is unknown"),
        (lambda: FeatureSpace({"a": "float_normalized"}).adapt("table"), TypeError,
         "dataset is of type str"),
        (lambda: FeatureSpace({"a": "float_normalized"}).adapt([]), ValueError, "no tables"),
        (lambda: FeatureSpace({"a": "float_normalized"}).adapt([([1.0], 2)]), TypeError,
         "a table is of type tuple"),
        (lambda: FeatureSpace({"a": "float"}).save("space.keras"), ValueError,
         "a name ending in .safetensors"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_file_of_a_model_is_no_feature_space(tmp_path):
    model = ug.Sequential([ug.Input((2,)), layers.Dense(1)])
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="holds no FeatureSpace"):
        FeatureSpace.load(tmp_path / "model.safetensors")
    FeatureSpace({"a": "float"}).save(tmp_path / "space.safetensors")
    with pytest.raises(ValueError, match=r"space.safetensors cannot be loaded"):
        ug.load_model(tmp_path / "space.safetensors")
