"""Models and layers without an Input, built by what is done with them first."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers

X = np.random.default_rng(0).random((12, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


class Endless(ug.utils.PyDataset):
    def __getitem__(self, index):
        start = 4 * (index % 3)
        return X[start : start + 4], Y[start : start + 4]


class Numbered(Endless):
    def __len__(self):
        return 3


class Subclassed(ug.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(4, activation="tanh")
        self.head = layers.Dense(1)

    def call(self, inputs):
        return self.head(self.hidden(inputs))


def pairs():
    for start in range(0, 12, 4):
        yield X[start : start + 4], Y[start : start + 4]


@pytest.mark.parametrize("make", [Subclassed, lambda: ug.Sequential([layers.Dense(1)])])
@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.fit(X, Y, verbose=0),
        lambda model: model.fit(pairs(), verbose=0),
        lambda model: model.fit(Numbered(), verbose=0),
        lambda model: model.fit(Endless(), steps_per_epoch=2, epochs=2, verbose=0),
        lambda model: model.evaluate(X, Y),
        lambda model: model.evaluate(pairs()),
        lambda model: model.evaluate(Numbered()),
        lambda model: model.predict(X),
        lambda model: model.predict(x for x, _ in pairs()),
        lambda model: model.train_on_batch(X, Y),
        lambda model: model.test_on_batch(X, Y),
        lambda model: model.predict_on_batch(X),
    ],
)
def test_the_first_use_builds_a_model(make, use):
    model = make()
    model.compile("sgd", "mse", metrics=["mae"])
    use(model)
    assert model.built
    assert model.compiled


def test_no_batch_of_an_iterator_is_lost():
    seen = []

    class Recorder(ug.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    model = ug.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(pairs(), verbose=0, callbacks=[Recorder()])
    assert seen == [0, 1, 2]
    built = ug.Sequential([layers.Input((3,)), layers.Dense(1)])
    built.set_weights([np.ones((3, 1)), np.zeros(1)])
    built.compile("sgd", "mse")
    whole = built.evaluate(X, Y)
    assert built.evaluate(pairs()) == pytest.approx(whole)


def test_no_batches_are_an_error():
    model = ug.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="x yields no batches"):
        model.fit(iter([]))


@pytest.mark.parametrize("shape", [(None, 3), (3,), (1, 3)])
def test_a_layer_that_a_user_builds_keeps_its_weights(shape):
    layer = layers.Dense(2)
    layer.build(shape)
    assert layer.built
    assert len(layer.weights) == 2
    layer.set_weights([np.ones((3, 2)), np.full(2, 5.0)])
    np.testing.assert_allclose(layer(X), np.repeat(Y + 5, 2, axis=1), rtol=1e-6)
    assert len(layer.weights) == 2


def test_a_table_is_built_for_samples_of_any_shape():
    table = layers.Embedding(4, 2)
    table.build()
    assert table.built
    assert table(np.array([[1, 2, 3]])).shape == (1, 3, 2)


def test_what_a_model_lacks_until_it_is_built_is_not_an_attribute():
    model = ug.Sequential([layers.Dense(2)])
    assert not hasattr(model, "input_shape")
    with pytest.raises(ValueError, match="no weights yet"):
        _ = model.output_shape


def test_layers_of_data_make_no_sparse_arrays():
    assert layers.CategoryEncoding(3, sparse=False)([[1]]).shape == (1, 3)
    with pytest.raises(ValueError, match="sparse is True"):
        layers.Hashing(3, sparse=True)


def test_a_composite_that_a_user_builds_is_whole():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(3)

        def call(self, inputs):
            return inputs + self.inner(inputs)

    block = Block()
    block.build((None, 3))
    assert len(block.weights) == 2
    assert block(X).shape == X.shape


def test_a_build_of_ones_own_may_call_its_bases():
    class Scaled(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.scale = self.add_weight((), "ones", name="scale")

    layer = Scaled(2)
    assert layer(X).shape == (12, 2)
    assert len(layer.weights) == 3


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"shape": (2,), "batch_shape": (None, 2)}, "expected one of them"),
        ({}, "expected one of them"),
        ({"batch_shape": (4, 2), "batch_size": 4}, "which has one"),
        ({"shape": (2,), "sparse": True}, "sparse is True"),
        ({"shape": (2,), "optional": True}, "optional is True"),
        ({"shape": (None, 2)}, "every size of a sample must be known"),
    ],
)
def test_inputs_that_there_are_not_are_errors(keywords, words):
    with pytest.raises(ValueError, match=words):
        layers.Input(**keywords)


def test_an_inputs_batch_size_is_left_open():
    assert layers.Input(batch_shape=(8, 2, 3)).shape == (None, 2, 3)
    assert layers.InputLayer((3,), batch_size=8).shape == (None, 3)


def test_losses_may_stand_in_lists_of_one():
    x = layers.Input((3,))
    model = ug.Model(x, {"a": layers.Dense(1)(x), "b": layers.Dense(1)(x)})
    model.compile("sgd", {"a": ["mse"], "b": [["mae"]]})
    assert np.isfinite(model.fit(X, {"a": Y, "b": Y}, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="loss has a list of 2 for one output"):
        model.compile("sgd", {"a": ["mse", "mae"]})
