"""clone_model: copies with other layers, other inputs, and other calls."""

import numpy as np
import pytest

import unitgain as ug
from unitgain.layers import Add, Dense, Dropout, Identity, Input
from unitgain.models import clone_model


def anew(layer):
    """Return a layer of a layer's configuration."""
    return type(layer).from_config(layer.get_config())


def graph():
    """Return a model in which a layer is used twice, and a model as a layer."""
    shared = Dense(3, "tanh", name="shared")
    inner = ug.Sequential([Input((3,)), Dense(3, name="inside"), Dropout(0.5)], name="inner")
    a, b = Input((3,), name="a"), Input((3,), name="b")
    y = Add(name="sum")([shared(a), inner(shared(b))])
    return ug.Model({"a": a, "b": b}, [y, Dense(1, name="out")(y)], name="whole")


def batch():
    rng = np.random.default_rng(1)
    return {name: rng.standard_normal((4, 3)).astype(np.float32) for name in "ab"}


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("function", [None, anew])
def test_a_copy_is_built_alike_with_weights_of_its_own(function, recursive):
    model = graph()
    copied = clone_model(model, clone_function=function, recursive=recursive)
    assert [layer.name for layer in copied.layers] == [layer.name for layer in model.layers]
    assert copied.name == model.name
    assert {id(w) for w in copied.weights}.isdisjoint({id(w) for w in model.weights})
    copied.set_weights(model.get_weights())
    for found, expected in zip(copied(batch()), model(batch()), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_function_is_called_once_a_layer_and_inner_models_if_recursive():
    seen = []

    def note(layer):
        seen.append(layer.name)
        return anew(layer)

    clone_model(graph(), clone_function=note)
    assert sorted(seen) == ["inner", "out", "shared", "sum"]
    seen.clear()
    clone_model(graph(), clone_function=note, recursive=True)
    assert sorted(name for name in seen if not name.startswith("dropout")) == [
        "inside", "out", "shared", "sum",
    ]  # fmt: skip


def test_layers_are_replaced_shared_and_added():
    model = ug.Sequential([Input((3,)), Dense(4, name="first"), Dropout(0.5), Dense(2)])
    without = clone_model(
        model, clone_function=lambda one: Identity() if isinstance(one, Dropout) else anew(one)
    )
    assert [type(layer).__name__ for layer in without.layers] == ["Dense", "Identity", "Dense"]

    def with_dropout(layer, *arguments, **keywords):
        made = layer(*arguments, **keywords)
        return Dropout(0.25)(made) if isinstance(layer, Dense) else made

    whole = graph()
    more = clone_model(whole, clone_function=lambda one: one, call_function=with_dropout)
    assert sum(isinstance(layer, Dropout) for layer in more.layers) == 3
    for found, expected in zip(more(batch()), whole(batch()), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert more.get_layer("shared") is whole.get_layer("shared")


def test_a_copy_on_other_inputs():
    model = graph()
    given = {"a": Input((3,), name="x"), "b": Input((3,), name="y")}
    copied = clone_model(model, input_tensors=given)
    assert [tensor.name for tensor in copied.inputs] == ["x", "y"]
    chain = clone_model(
        ug.Sequential([Input((3,)), Dense(2)]), input_tensors=[Input((3,), name="z")]
    )
    assert chain.inputs[0].name == "z"
    behind = clone_model(ug.Model(x := Input((3,)), Dense(2)(x)), input_tensors=Dense(3)(x))
    assert behind.output_shape == (2,)


def test_a_compiled_models_copy_is_compiled_with_an_optimizer_of_its_own():
    model = ug.Sequential([Input((3,)), Dense(2)])
    model.compile(ug.optimizers.SGD(0.125), "mae", steps_per_execution=3)
    x, y = np.ones((4, 3)), np.zeros((4, 2))
    for copied in (clone_model(model), clone_model(model, clone_function=anew)):
        assert copied.optimizer is not model.optimizer
        assert float(copied.optimizer.learning_rate) == 0.125
        assert copied.steps_per_execution == 3
        copied.fit(x, y, verbose=0)
    model.fit(x, y, verbose=0)


class Subclass(ug.Model):
    """A model that calls its layers itself."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_what_cannot_be_cloned_is_refused():
    chain = ug.Sequential([Input((3,)), Dense(2)])
    with pytest.raises(ValueError, match="which calls its layers itself"):
        clone_model(chain, call_function=lambda layer, x: layer(x))
    with pytest.raises(TypeError, match="clone_function returns a int"):
        clone_model(chain, clone_function=lambda layer: 3)
    with pytest.raises(ValueError, match="one symbolic tensor"):
        clone_model(chain, input_tensors=[Input((3,)), Input((3,))])
    with pytest.raises(ValueError, match="has no entry for 'b'"):
        clone_model(graph(), input_tensors={"a": Input((3,))})
    with pytest.raises(ValueError, match=r"samples of shape \(2,\), expected \(3,\)"):
        clone_model(graph(), input_tensors={"a": Input((3,)), "b": Input((2,))})
    model = Subclass()
    model.build((3,))
    with pytest.raises(ValueError, match="whose layers its method call uses"):
        clone_model(model, clone_function=anew)
