"""Classes of one's own by name, and objects as JSON."""

import json

import numpy as np
import pytest

import unitgain as ug
from unitgain import saving


@pytest.fixture(autouse=True)
def _registry_stays():
    before = dict(saving.get_custom_objects())
    yield
    saving.get_custom_objects().clear()
    saving.get_custom_objects().update(before)


class Doubling(ug.layers.Layer):
    def call(self, inputs):
        return inputs * 2

    def backward(self, upstream, inputs, outputs):
        return upstream * 2


@pytest.mark.parametrize(
    "thing",
    [
        ug.layers.Dense(3, activation="relu", kernel_regularizer="l2"),
        ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(2)]),
        ug.losses.MeanSquaredError(),
        ug.metrics.MeanSquaredError(),
        ug.optimizers.SGD(ug.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        ug.optimizers.schedules.CosineDecay(0.1, 10),
        ug.initializers.HeNormal(seed=3),
        ug.regularizers.L1L2(0.1, 0.2),
        ug.constraints.MaxNorm(2.0),
        ug.DTypePolicy("float64"),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_an_object_comes_back_of_its_class_and_configuration(thing):
    document = json.loads(json.dumps(saving.serialize_keras_object(thing)))
    assert document["module"].startswith("unitgain.")
    back = saving.deserialize_keras_object(document)
    assert type(back) is type(thing)
    assert back.get_config() == thing.get_config()


def test_structures_and_functions_come_back():
    thing = {"numbers": [1, 2.5, None, np.arange(2)], "call": ug.activations.relu}
    back = saving.deserialize_keras_object(saving.serialize_keras_object(thing))
    assert back["numbers"] == [1, 2.5, None, [0, 1]]
    assert back["call"] is ug.activations.relu


def test_a_registered_class_needs_no_custom_objects(tmp_path):
    saving.register_keras_serializable("mine")(Doubling)
    assert saving.get_registered_name(Doubling) == "mine>Doubling"
    assert saving.get_registered_object("mine>Doubling") is Doubling
    model = ug.Sequential([ug.layers.Input((3,)), Doubling(), ug.layers.Dense(1)])
    model.save(tmp_path / "m.safetensors")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(ug.load_model(tmp_path / "m.safetensors")(x), model(x))


def test_a_scope_knows_its_names_alone():
    document = saving.serialize_keras_object(Doubling())
    with pytest.raises(ValueError, match="no class 'Doubling'"):
        saving.deserialize_keras_object(document)
    with saving.custom_object_scope({"Doubling": Doubling}):
        assert isinstance(saving.deserialize_keras_object(document), Doubling)
    assert isinstance(saving.deserialize_keras_object(document, {"Doubling": Doubling}), Doubling)


def test_what_has_no_configuration_is_not_registered():
    with pytest.raises(ValueError, match="Plain has no get_config"):

        @saving.register_keras_serializable()
        class Plain:
            pass


def test_kerass_modules_are_read():
    document = {"module": "keras.metrics", "class_name": "MeanSquaredError", "config": {}}
    assert isinstance(saving.deserialize_keras_object(document), ug.metrics.MeanSquaredError)
