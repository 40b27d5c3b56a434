"""The native graph that a model's file holds: it predicts without the Python layers, to the bit."""

import copy
import json

import numpy as np
import pytest
from saved_models import branches, chain, merged, trained

import unitgain as ug
from unitgain import _native, layers
from unitgain.formats import document as documents


class Tanh(layers.Layer):
    def call(self, x):
        return np.tanh(x)

    def backward(self, upstream, x, y):
        return upstream * (1 - y * y)


def native_network(document, arrays):
    """Return a network of what a file holds, without any layer."""
    types = getattr(_native, document["dtype"])
    graph = document["graph"]
    parameters = {}
    for name in {name for node in graph["nodes"] for name in node["parameters"].values()}:
        parameters[name] = types.Parameter(name, arrays[name].shape)
        parameters[name].array[...] = arrays[name]
    return types.Network(types.Graph.from_description(graph, parameters), graph["outputs"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [chain, branches, merged])
def test_the_graph_of_a_file_predicts_the_bits_of_the_model(make, dtype, tmp_path):
    model, x = trained(make, dtype)
    model.save(tmp_path / "model.safetensors")
    network = native_network(*documents.from_file(tmp_path / "model.safetensors"))
    flat = [one.reshape(len(one), -1) for one in x]
    found = network.predict(flat, 16)
    expected = ug.load_model(tmp_path / "model.safetensors").predict(
        x if len(x) > 1 else x[0], batch_size=16
    )
    found, expected = ([one] if isinstance(one, np.ndarray) else one for one in (found, expected))
    if make is branches:  # the first output draws, from a step that training has moved
        found, expected = found[1:], expected[1:]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs.reshape(mine.shape))


@pytest.mark.parametrize("make", [chain, branches, merged])
def test_a_description_made_of_its_graph_is_the_same(make):
    model, _ = trained(make, "float32")
    network = model.function.network()
    description, parameters = network.describe({})
    again = _native.float32.Graph.from_description(description, parameters)
    described = _native.float32.Network(again, description["outputs"]).describe(parameters)
    assert described == (description, parameters)
    assert json.loads(json.dumps(description, allow_nan=False)) == description


def test_a_loaded_model_has_the_graph_of_the_saved_one(tmp_path):
    model, _ = trained(chain, "float32")
    model.save(tmp_path / "first.safetensors")
    ug.load_model(tmp_path / "first.safetensors").save(tmp_path / "second.safetensors")
    first, second = (
        documents.from_file(tmp_path / f"{name}.safetensors")[0]["graph"]
        for name in ("first", "second")
    )
    assert first == second


def test_files_without_a_graph_load(tmp_path):
    model, (x,) = trained(chain, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path)
    document, arrays = documents.from_file(path)
    del document["graph"]
    kept = {*document["weights"], *document["training"]["state"]["slots"]}
    assert len(kept) < len(arrays)  # what Rescaling's node reads is for the graph alone
    documents.to_file(path, document, {name: arrays[name] for name in kept})
    np.testing.assert_array_equal(ug.load_model(path)(x), model(x))


def test_layers_in_python_leave_the_graph_out(tmp_path):
    model = ug.Sequential([layers.Input((4,)), layers.Dense(3), Tanh()])
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert "graph" not in documents.from_file(path)[0]
    loaded = ug.load_model(path, custom_objects={"Tanh": Tanh})
    np.testing.assert_array_equal(loaded(np.ones((2, 4))), model(np.ones((2, 4))))


def test_arrays_that_the_graph_reads_must_be_there(tmp_path):
    model, _ = trained(chain, "float32")
    path = tmp_path / "model.safetensors"
    model.save(path)
    document, arrays = documents.from_file(path)
    document["graph"]["nodes"][1]["parameters"]["gamma"] = "elsewhere"
    documents.to_file(path, document, arrays)
    with pytest.raises(ValueError, match="no array 'elsewhere', which the graph reads"):
        ug.load_model(path)


GRAPH = {
    "nodes": [
        {"kind": "input", "attributes": {"rows": 1, "cols": 3}},
        {"kind": "activation", "inputs": [0], "attributes": {"name": "relu", "parameters": []}},
    ],
    "outputs": [1],
}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("nodes", 1, "kind"), "relu", "unknown node kind 'relu'"),
        (("nodes", 1, "kinds"), "relu", "has 'kinds', expected kind, inputs"),
        (("nodes", 1, "inputs"), [1], "no node 1"),
        (("nodes", 1, "inputs"), [0, 0], "activation has 2 inputs, expected one"),
        (("nodes", 1, "parameters"), {"alpha": "a"}, "no parameter 'alpha'"),
        (("nodes", 1, "attributes", "name"), "rely", "did you mean 'relu'"),
        (("nodes", 1, "attributes", "name"), 3, "name is an integer, expected a text"),
        (("nodes", 1, "attributes", "parameters"), ["inf"], "negative_slope must be"),
        (("nodes", 1, "attributes", "parameters"), [0] * 9, "does not take 9"),
        (("nodes", 1, "attributes", "more"), 3, "no attribute 'more'"),
        (("nodes", 0, "attributes", "cols"), 2**62, "too many values"),
        (("nodes", 0, "attributes", "cols"), 1.5, "cols is a number, expected an int"),
        (("nodes", 0, "attributes"), {"rows": 1}, "cols is missing"),
    ],
)
def test_descriptions_that_make_no_graph_are_refused(place, value, message):
    changed = copy.deepcopy(GRAPH)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    _native.float64.Graph.from_description(GRAPH, {})
    with pytest.raises(ValueError, match=message):
        _native.float64.Graph.from_description(changed, {})
