"""Models of any graph: gradients, shared layers, freezing, nesting, several inputs and outputs."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from differences import check_gradients
from variants import rerun_on_other_variants

import unitgain as ug
from reference import functional_case
from unitgain.layers import (
    Add,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    LayerNormalization,
    Rescaling,
)

REFERENCE = Path(__file__).parents[1] / "reference"

test_other_variants = rerun_on_other_variants(__file__)

LOGITS_LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
SAMPLES = 7


def inputs(*shapes, dtype="float64"):
    return [Input(shape, dtype=dtype) for shape in shapes]


def data_for(model, seed=0):
    """Return inputs for a model, and targets for its outputs: floats."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((SAMPLES, *t.sample_shape)) for t in model.inputs]
    y = [rng.standard_normal((SAMPLES, *t.sample_shape)) for t in model.outputs]
    return x, y


def scatter_weights(model):
    rng = np.random.default_rng(12)
    for weight in model.weights:
        weight.array[...] += 0.3 * np.abs(rng.standard_normal(weight.shape))


def check_graph(ins, outs):
    """Check the gradients of the mean squared errors of a graph's outputs."""
    model = ug.Model(ins, outs)
    scatter_weights(model)
    model.compile("sgd", ["mse"] * len(model.outputs))
    x, y = data_for(model)
    check_gradients(model, x, y, scale=1 + model.gradients(x, y)[0])
    return model


def residual(x):
    return Add()([x, Dense(x.shape[-1])(Dense(5, "gelu")(x))])


# Each graph reads two inputs, a of 4 and b of 3 features.
GRAPHS = {
    "residual blocks": lambda a, b: Dense(2)(residual(residual(Dense(6, "tanh")(a)))),
    "activation behind a sum": lambda a, b: Dense(2)(
        ug.layers.Activation("gelu")(Add()([Dense(5)(a), Dense(5, "relu")(b)]))
    ),
    "relu behind a sum": lambda a, b: Dense(2)(
        ug.layers.Activation("relu")(Add()([Dense(5)(a), Dense(5)(b), Dense(5)(a)]))
    ),
    "the same twice": lambda a, b: (lambda h: Dense(2)(Add()([h, h, Dense(5)(b)])))(
        Dense(5, "tanh")(a)
    ),
    "wide and deep": lambda a, b: Dense(2)(
        Concatenate()([a, Dense(5, "relu")(Dense(6, "selu")(b))])
    ),
    "dense connections": lambda a, b: (
        lambda h: (lambda k: Dense(2)(Concatenate()([k, b, Dense(2, "tanh")(k)])))(
            Concatenate()([h, a, Dense(3, "gelu")(h)])
        )
    )(Dense(5, "sigmoid")(a)),
    "concatenated twice": lambda a, b: (
        lambda h: Dense(2)(
            Concatenate()([Concatenate()([h, b]), h, Dense(3)(Concatenate()([a, h]))])
        )
    )(Dense(5, "tanh")(a)),
    "the same twice in a concatenation": lambda a, b: (
        lambda h: Dense(2)(Concatenate()([h, h, b]))
    )(Dense(5, "mish")(a)),
    "sum of concatenations": lambda a, b: (
        lambda p, q: Dense(2)(Add()([Concatenate()([p, q]), Concatenate()([q, p])]))
    )(Dense(3, "tanh")(a), Dense(3, "gelu")(b)),
    "concatenation of sums": lambda a, b: (
        lambda p, q: Dense(2)(Concatenate()([Add()([p, q]), q]))
    )(Dense(3, "tanh")(a), Dense(3, "gelu")(b)),
    "norms behind a concatenation": lambda a, b: Dense(2)(
        LayerNormalization()(BatchNormalization()(Concatenate()([Dense(3)(a), Dense(3)(b)])))
    ),
    "norms before a concatenation": lambda a, b: Dense(2)(
        Concatenate()([BatchNormalization()(Dense(3)(a)), LayerNormalization()(Dense(3)(b))])
    ),
    "dropout before a concatenation": lambda a, b: Dense(2)(
        Concatenate()([Dropout(0.4)(Dense(9, "relu")(a)), Dropout(0.3)(b), Dense(3)(a)])
    ),
    "dropout before sums": lambda a, b: (
        lambda h: Dense(2)(Add()([h, Dropout(0.3)(Dense(9, "relu")(h)), Dense(9)(b)]))
    )(Dropout(0.4)(Dense(9, "gelu")(a))),
    "softmax gate": lambda a, b: Dense(2)(
        Concatenate()([Dense(4, "softmax")(a), Dense(3)(Dense(4, "softmax")(b))])
    ),
    "rescaled": lambda a, b: Dense(2)(
        Add()([Rescaling([1.0, 2.0, 3.0], 0.5)(Dense(3, "tanh")(a)), Rescaling(-2.0)(b)])
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_of_a_graph(name):
    ug.random.seed(1)
    a, b = inputs((4,), (3,))
    output = GRAPHS[name](a, b)
    used = [a, b] if name != "residual blocks" else [a]
    check_graph(used, output)


def test_gradients_of_two_inputs_and_two_outputs_with_weights():
    ug.random.seed(1)
    a, b = inputs((4,), (3,))
    shared = Dense(6, "tanh")(Concatenate()([a, b]))
    classes = Dense(3, "softmax", name="classes")(shared)
    value = Dense(2, name="value")(Add()([shared, Dense(6)(b)]))
    model = ug.Model([a, b], [classes, value])
    scatter_weights(model)
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], loss_weights=[0.7, 2.5])
    x, (_, y) = data_for(model)
    labels = np.array([0, 2, 1, 1, 0, 2, 2])
    loss = check_gradients(model, x, [labels, y])
    p, v = model(x)
    cross_entropy = -np.log(p[range(SAMPLES), labels]).mean()
    error = ((v - y) ** 2).mean()
    assert loss == pytest.approx(0.7 * cross_entropy + 2.5 * error, rel=1e-12)
    logs = model.evaluate(x, [labels, y], return_dict=True)
    assert logs == {
        "loss": pytest.approx(loss, rel=1e-12),
        "classes_loss": pytest.approx(cross_entropy, rel=1e-12),
        "value_loss": pytest.approx(error, rel=1e-12),
    }
    by_name = model.evaluate(x, {"value": y, "classes": labels}, batch_size=3, return_dict=True)
    assert by_name["loss"] == pytest.approx(loss, rel=1e-12)


def test_an_output_may_feed_another_and_one_may_come_twice():
    ug.random.seed(1)
    (a,) = inputs((4,))
    first = Dense(3, "tanh", name="first")(a)
    model = check_graph(a, [first, Dense(2, name="second")(first), first])
    assert model.output_names == ["first", "second", "first_1"]
    y = model(np.ones((2, 4)))
    np.testing.assert_array_equal(y[0], y[2])
    np.testing.assert_array_equal(model.layers[2].weights[0].shape, (3, 2))


def test_an_input_may_be_an_output():
    a, b = inputs((4,), (3,))
    model = ug.Model([a, b], [a, Concatenate()([a, b]), b])
    x = [np.arange(8.0).reshape(2, 4), np.arange(6.0).reshape(2, 3)]
    first, both, second = model(x)
    np.testing.assert_array_equal(first, x[0])
    np.testing.assert_array_equal(both, np.hstack(x))
    np.testing.assert_array_equal(second, x[1])


def test_shared_layers_add_up_their_gradients():
    ug.random.seed(1)
    a, b = inputs((4,), (4,))
    tower = Dense(5, "tanh")
    norm = BatchNormalization()
    model = check_graph([a, b], Dense(2)(Concatenate()([norm(tower(a)), norm(tower(b))])))
    assert len(model.weights) == 2 + 4 + 2
    first = tower(tower(Dense(4)(a)) if tower.weights[0].shape[0] == 5 else Dense(4)(a))
    assert first.shape == (None, 5)


def test_a_network_that_uses_a_layer_several_times_in_a_row():
    ug.random.seed(1)
    (a,) = inputs((4,))
    step = Dense(4, "tanh")
    check_graph(a, Dense(2)(step(step(step(a)))))


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_concatenation_along_any_axis_is_numpys(axis):
    a, b = inputs((2, 3), (2, 3))
    model = ug.Model([a, b], Concatenate(axis)([a, b]))
    x, _ = data_for(model)
    np.testing.assert_array_equal(model(x), np.concatenate(x, axis))
    ug.random.seed(1)
    joined = Concatenate(axis)([Dense(3, "tanh")(a), Dense(3)(b)])
    check_graph([a, b], Dense(2)(Flatten()(joined)))


def test_values_behind_a_reshape_are_concatenated():
    ug.random.seed(1)
    a, b = inputs((2, 3), (5,))
    flat = Flatten()(Dense(4, "gelu")(a))
    check_graph([a, b], Dense(2)(Concatenate()([flat, b, Dense(3)(flat)])))


def test_frozen_base_keeps_its_weights_and_gets_no_gradients():
    ug.random.seed(1)
    (a,) = inputs((4,))
    hidden = BatchNormalization()(Dense(5, "relu")(Dense(6, "relu")(a)))
    model = ug.Model(a, Dense(2)(Add()([hidden, Dense(5)(hidden)])))
    scatter_weights(model)
    for layer in model.layers[:4]:
        layer.trainable = False
    model.compile("adam", "mse")
    x, y = data_for(model)
    assert len(model.trainable_weights) == 4
    check_gradients(model, x[0], y[0])
    before = [w.numpy() for layer in model.layers[:4] for w in layer.weights]
    head = model.layers[-1].kernel.numpy()
    model.fit(x[0], y[0], epochs=3, verbose=0)
    after = [w.array for layer in model.layers[:4] for w in layer.weights]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(head, model.layers[-1].kernel.array)
    np.testing.assert_array_equal(
        ug.Model(a, hidden)(x[0], training=True), ug.Model(a, hidden)(x[0])
    )


def test_frozen_layers_above_trainable_ones_pass_gradients_on():
    ug.random.seed(1)
    (a,) = inputs((4,))
    model = ug.Model(a, Dense(2)(BatchNormalization()(Dense(5, "tanh")(a))))
    scatter_weights(model)
    model.layers[2].trainable = model.layers[3].trainable = False
    model.compile("sgd", "mse")
    x, y = data_for(model)
    assert len(model.trainable_weights) == 2
    check_gradients(model, x[0], y[0])


def test_nested_models_are_layers_and_share_their_weights():
    ug.random.seed(1)
    tower = ug.Sequential([Input((4,), dtype="float64"), Dense(5, "tanh"), Dense(3)])
    c, d = inputs((3,), (3,))
    pair = ug.Model([c, d], [Add()([c, d]), Concatenate()([c, d])])
    a, b = inputs((4,), (4,))
    total, both = pair([tower(a), tower(b)])
    model = check_graph([a, b], [Dense(2)(total), Dense(1)(both)])
    assert tower in model.layers
    assert pair in model.layers
    assert model.weights[0] is tower.weights[0]
    x, y = data_for(model)
    tower.trainable = False
    assert len(model.trainable_weights) == 4
    before = tower.get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    for one, other in zip(before, tower.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    tower.trainable = True
    model.fit(x, y, epochs=1, verbose=0)
    assert not np.array_equal(before[0], tower.get_weights()[0])


def test_a_sequential_model_in_a_sequential_model():
    ug.random.seed(1)
    base = ug.Sequential([Dense(5, "tanh"), Dense(4)])
    model = ug.Sequential([Input((3,), dtype="float64"), base, Dense(2)])
    x = np.random.default_rng(0).standard_normal((SAMPLES, 3))
    expected = model.layers[1](base(x))
    np.testing.assert_allclose(model(x), expected, rtol=1e-12)
    model.compile("sgd", "mse")
    check_gradients(model, x, np.ones((SAMPLES, 2)))
    base.layers[0].trainable = False
    assert len(model.gradients(x, np.ones((SAMPLES, 2)))[1]) == 4
    whole = ug.Sequential([base, Dense(1)])
    assert whole(x).shape == (SAMPLES, 1)


def test_upper_layers_are_dropped_replaced_and_added_on_a_trained_base():
    ug.random.seed(1)
    x = np.random.default_rng(0).standard_normal((SAMPLES, 4))
    trained = ug.Sequential(
        [Input((4,), dtype="float64"), Dense(6, "relu"), Dense(5, "tanh"), Dense(3)]
    )
    first = ug.Model(trained.input, Dense(2)(trained.layers[-2].output))
    for layer in first.layers[:-1]:
        layer.trainable = False
    first.compile("adam", "mse")
    weights = trained.get_weights()
    first.fit(x, np.ones((SAMPLES, 2)), epochs=2, verbose=0)
    for one, other in zip(weights, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.weights[0] is trained.weights[0]

    trained.pop()
    trained.add(Dense(7))
    assert trained(x).shape == (SAMPLES, 7)
    np.testing.assert_array_equal(
        ug.Model(first.layers[1].output, first.layers[2].output)(np.ones((1, 6))),
        first.layers[2](np.ones((1, 6))),
    )


class Scale(Layer):
    """x times a learnt factor for each feature, and minus a fixed one."""

    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
        self.shift = self.add_weight((1,), "ones", trainable=False, name="shift")

    def call(self, inputs):
        return inputs * self.factor.array - self.shift.array

    def backward(self, upstream, inputs, outputs):
        return upstream * self.factor.array, [(upstream * inputs).sum(0)]


class Outer(Layer):
    """The products of all pairs of two inputs' features."""

    def call(self, inputs, training=False):
        a, b = inputs
        return a[:, :, None] * b[:, None, :]

    def backward(self, upstream, inputs, outputs):
        a, b = inputs
        return [(upstream * b[:, None, :]).sum(2), (upstream * a[:, :, None]).sum(1)]


def test_layers_written_in_python():
    ug.random.seed(1)
    a, b = inputs((4,), (3,))
    scale = Scale()
    product = Outer()([scale(Dense(3, "tanh")(a)), scale(b)])
    assert product.shape == (None, 3, 3)
    model = check_graph([a, b], Dense(2)(Flatten()(product)))
    assert [w.name for w in scale.trainable_weights] == [f"{scale.name}/factor"]
    assert model.count_params() == 15 + 4 + 20
    before = scale.factor.numpy()
    x, y = data_for(model)
    with ug.threads(2):
        model.fit(x, y, epochs=1, verbose=0)
    assert not np.array_equal(before, scale.factor.array)
    predictor = model.optimize_for_inference()
    np.testing.assert_allclose(predictor(x), model(x), rtol=1e-12)


def test_what_a_layer_in_python_raises_comes_out_and_changes_nothing():
    class Faulty(Scale):
        def backward(self, upstream, inputs, outputs):
            raise KeyError("a bug")

    class Wrong(Scale):
        def backward(self, upstream, inputs, outputs):
            return upstream[:, :1], [np.ones(4)]

    class Silent(Layer):
        def call(self, inputs):
            return np.sort(inputs)

    ug.random.seed(1)
    for kind, error, words in [
        (Faulty, KeyError, "a bug"),
        (Wrong, ValueError, r"gradient of wrong.* has shape \(7, 1\), expected \(7, 4\)"),
        (Silent, NotImplementedError, "Silent has no method backward"),
    ]:
        model = ug.Sequential(
            [Input((4,)), Dense(4), BatchNormalization(), kind(), BatchNormalization(), Dense(1)]
        )
        model.compile("adam", "mse")
        before = model.get_weights()[:2]
        with pytest.raises(error, match=words):
            model.fit(np.ones((SAMPLES, 4)), np.ones(SAMPLES), verbose=0)
        for one, other in zip(before, model.get_weights(), strict=False):
            np.testing.assert_array_equal(one, other)
        assert np.isfinite(model(np.ones((SAMPLES, 4)))).all()


def test_many_threads_call_one_model_at_once():
    ug.random.seed(1)
    a, b = inputs((40,), (30,), dtype="float32")
    hidden = Concatenate()([Dense(50, "relu")(a), Scale()(b)])
    model = ug.Model([a, b], [Dense(20)(hidden), Add()([hidden, Dense(80)(hidden)])])
    rng = np.random.default_rng(0)
    batches = [
        [rng.standard_normal((rows, n)).astype("f") for n in (40, 30)] for rows in range(1, 9)
    ]
    expected = [model(x) for x in batches]
    wrong = []

    def work(start):
        for i in range(60):
            which = (start + i) % len(batches)
            for one, other in zip(model(batches[which]), expected[which], strict=True):
                if not np.array_equal(one, other):
                    wrong.append(which)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def wide_graph():
    """Return a graph of every kind of node, wide enough to be worth several threads."""
    ug.random.seed(3)
    a, b = inputs((150,), (70,), dtype="float32")
    h = Dense(300, "gelu")(a)
    h = Add()([h, Dropout(0.3)(Dense(300, "relu")(BatchNormalization()(h)))])
    joined = Concatenate()([h, b, Dense(130, "tanh")(b)])
    classes = Dense(10, "softmax", name="classes")(joined)
    model = ug.Model([a, b], [classes, Dense(3, name="values")(LayerNormalization()(joined))])
    model.compile(
        "adam",
        {"classes": "sparse_categorical_crossentropy", "values": "mse"},
        metrics={"classes": "accuracy", "values": ["mae"]},
    )
    return model


def test_bits_are_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((450, n)).astype("f") for n in (150, 70)]
    y = [rng.integers(0, 10, 450), rng.standard_normal((450, 3))]
    runs = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            model = wide_graph()
            history = model.fit(x, y, batch_size=200, epochs=2, verbose=0)
            runs.append((history.history, [*model.get_weights(), *model.predict(x)]))
    for history, arrays in runs[1:]:
        assert history == runs[0][0]
        for one, other in zip(arrays, runs[0][1], strict=True):
            np.testing.assert_array_equal(one, other)
    assert list(runs[0][0]) == [
        "loss", "classes_loss", "values_loss", "classes_accuracy", "values_mae"
    ]  # fmt: skip


def test_lists_and_dicts_of_arrays():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    hidden = Concatenate()([a, b])
    ug.random.seed(1)
    model = ug.Model({"first": a, "second": b}, {"y": Dense(2)(hidden), "z": Dense(1)(hidden)})
    x = {"second": np.ones((5, 3)), "first": np.zeros((5, 4))}
    outputs = model.predict(x)
    assert {name: array.shape for name, array in outputs.items()} == {"y": (5, 2), "z": (5, 1)}
    again = model([x["first"], x["second"]])
    np.testing.assert_array_equal(outputs["y"], again["y"])
    np.testing.assert_array_equal(model.predict_on_batch(x)["z"], again["z"])
    model.compile("sgd", {"z": "mse", "y": None})
    before = model.get_weights()
    logs = model.train_on_batch(x, {"z": np.ones(5)}, return_dict=True)
    assert list(logs) == ["loss", "z_loss"]
    assert model.test_on_batch(x, {"z": np.ones(5)})[0] < logs["loss"]
    changed = [
        w.name
        for w, old in zip(model.weights, before, strict=True)
        if not np.array_equal(w.array, old)
    ]
    assert changed
    assert all(name.startswith(model.layers[-1].name) for name in changed)


def test_one_output_may_have_a_weighted_loss():
    (a,) = inputs((4,))
    ug.random.seed(1)
    model = ug.Model(a, Dense(2)(a))
    x, y = data_for(model)
    model.compile("sgd", "mse")
    loss, (kernel, _) = model.gradients(x[0], y[0])
    model.compile("sgd", "mse", loss_weights=[3.0], metrics=["mae"])
    weighted, (weighted_kernel, _) = model.gradients(x, y)
    assert weighted == pytest.approx(3 * loss, rel=1e-13)
    np.testing.assert_allclose(weighted_kernel, 3 * kernel, rtol=1e-12)
    assert list(model.evaluate(x[0], y[0], return_dict=True)) == ["loss", "mae"]


def test_fit_takes_validation_data_and_the_partial_batch():
    model = wide_graph()
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((70, n)) for n in (150, 70)]
    y = {"values": rng.standard_normal((70, 3)), "classes": rng.integers(0, 10, 70)}
    history = model.fit(x, y, epochs=2, verbose=0, validation_split=0.2)
    assert len(history.history["val_classes_accuracy"]) == 2
    held = model.evaluate([part[56:] for part in x], {k: v[56:] for k, v in y.items()})
    assert held[0] == history.history["val_loss"][-1]
    history = model.fit(x, y, epochs=1, verbose=0, validation_data=(x, y))
    assert "val_values_mae" in history.history


def test_layers_run_on_arrays():
    x = np.random.default_rng(0).standard_normal((5, 4))
    dense = Dense(3, "tanh")
    y = dense(x)
    np.testing.assert_allclose(y, np.tanh(x @ dense.kernel.array), rtol=1e-12)
    np.testing.assert_allclose(Add()([x, x]), 2 * x)
    np.testing.assert_allclose(Rescaling(0.5, 1)(x.astype("f")), 0.5 * x + 1, rtol=1e-6, atol=1e-7)
    assert not np.array_equal(Dropout(0.5)(x, training=True), x)


@pytest.mark.parametrize("given", ["f8", ">f8"])
def test_a_layer_alone_keeps_float64_of_either_byte_order(given):
    x = np.full((2, 3), 1 + 1e-12).astype(given)
    for layer in (ug.layers.Add(), ug.layers.Concatenate()):
        found = layer([x, x.astype(np.float32)])
        assert found.dtype == np.float64
        assert (found[:, 0] % 1 > 0).all()


def test_layers_come_in_keras_order_with_names_and_connections(capsys):
    a, b = Input((4,), name="a"), Input((3,), name="b")
    d1 = Dense(5, name="d1")(a)
    joined = Concatenate(name="joined")([d1, b])
    model = ug.Model([a, b], Dense(2, name="out")(joined), name="net")
    assert [layer.name for layer in model.layers] == ["a", "d1", "b", "joined", "out"]
    assert model.get_layer("joined") is model.layers[3]
    model.compile("adam", "mse")
    model.summary()
    text = capsys.readouterr().out
    for words in ("Model: net", "d1, b", "(None, 8)", "Connected to", "to train on batches of 32"):
        assert words in text


def test_peak_memory_counts_weights_buffers_gradients_and_the_optimizer():
    (a,) = inputs((100,), dtype="float32")
    model = ug.Model(a, Dense(10)(Dense(200, "relu")(a)))
    model.compile("adam", "mse")
    network = model._native_network()
    weights = 4 * model.count_params()
    assert network.memory(1, True) >= 3 * weights
    assert network.memory(1000, False) >= 4 * 1000 * 200
    assert network.memory(1000, False) < 4 * 1000 * 350 + 2**20


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda a, b: Add(name="sum")([a, b]), ValueError, r"of sum have .* \(4,\), \(3,\)"),
        (lambda a, b: Add()(a), ValueError, "expected a list of two"),
        (lambda a, b: Concatenate(axis=0)([a, b]), ValueError, "axis of .* is 0"),
        (
            lambda a, b: Concatenate(name="c")([a, Input((2, 2), dtype="float64")]),
            ValueError,
            r"inputs of c have samples of the shapes \(4,\), \(2, 2\)",
        ),
        (lambda a, b: Add()([a, Input((4,))]), ValueError, "different dtypes"),
        (lambda a, b: Dense(2, name="d")([a, b]), ValueError, "d takes one input"),
        (lambda a, b: Add()([a, np.ones((2, 4))]), TypeError, "given a ndarray"),
        (lambda a, b: np.asarray(a), TypeError, "has no values"),
        (lambda a, b: ug.Model(a, Add()([a, Dense(4)(b)])), ValueError, "not among the inputs"),
        (lambda a, b: ug.Model([a, b], Dense(4)(b)), ValueError, "no output depends"),
        (lambda a, b: ug.Model(a, np.ones(3)), TypeError, "symbolic tensors"),
        (
            lambda a, b: ug.Model(a, Dense(2, name="x")(Dense(2, name="x")(a))),
            ValueError,
            "two layers named 'x'",
        ),
        (lambda a, b: Rescaling([1.0, 2.0], name="r")(np.ones((2, 4))), ValueError, "scale has"),
        (
            lambda a, b: (
                ug.Sequential([Dense(2), Dense(3)], name="s")(a).shape
                and ug.Model(a, ug.Model(b, Dense(2)(b), name="m")(a))
            ),
            ValueError,
            r"m takes float64 samples of shape \(3,\), but its input has .* \(4,\)",
        ),
    ],
)
def test_errors_of_graphs_name_the_layer_and_the_shapes(make, error, words):
    with pytest.raises(error, match=words):
        make(*inputs((4,), (3,)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x, y: m.predict(x[:1]), "x has 1 entries, expected a list or a dict of 2: a, b"),
        (lambda m, x, y: m.predict(x[0]), "x is ndarray, expected a list or a dict of 2"),
        (lambda m, x, y: m.predict([x[0], x[1][:2]]), r"x\['b'\] has 2 samples, but x\['a'\]"),
        (lambda m, x, y: m([x[1], x[0]]), r"x\['a'\] has shape \(7, 3\), expected \(samples, 4\)"),
        (lambda m, x, y: m({"a": x[0]}), "x has no entry for 'b'"),
        (lambda m, x, y: m({"a": x[0], "c": x[1]}), "key of x is 'c'"),
        (lambda m, x, y: m.fit(x, {"p": y[0]}, verbose=0), "y has no entry for 'q'"),
        (lambda m, x, y: m.fit(x, [y[0], y[1][:3]], verbose=0), r"y\['q'\] has shape \(3, 1\)"),
        (lambda m, x, y: m.fit(x, [y[1], y[0]], verbose=0), r"y\['p'\] has shape \(7, 1\)"),
        (
            lambda m, x, y: m.compile("sgd", ["mse"]),
            "loss has 1 entries, expected a list or a dict of 2: p, q",
        ),
        (lambda m, x, y: m.compile("sgd", {"pp": "mse"}), "did you mean 'p'"),
        (lambda m, x, y: m.compile("sgd", [None, None]), "no loss for any output"),
        (lambda m, x, y: m.compile("sgd", "mse", metrics=["mae"]), "metrics has 1 entries"),
        (lambda m, x, y: m.compile("sgd", ["mse", None], metrics={"q": "mae"}), "but no loss"),
    ],
)
def test_errors_of_arrays_name_the_input_or_output(call, words):
    a, b = (Input((n,), dtype="float64", name=name) for n, name in ((4, "a"), (3, "b")))
    joined = Concatenate()([a, b])
    model = ug.Model([a, b], [Dense(2, name="p")(joined), Dense(1, name="q")(joined)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=words):
        call(model, *data_for(model))


def test_inference_mode_equals_numpy_for_a_graph():
    ug.random.seed(1)
    a, b = inputs((4,), (3,))
    first, norm, second = Dense(5), BatchNormalization(), Dense(5, "relu")
    h = norm(first(a))
    y = Concatenate()([Add()([h, second(b)]), second(b), b])
    model = ug.Model([a, b], y)
    scatter_weights(model)
    (xa, xb), _ = data_for(model)
    k, c, gamma, beta, mean, variance = [w.array for w in first.weights + norm.weights]
    normal = gamma * (xa @ k + c - mean) / np.sqrt(variance + 1e-3) + beta
    right = np.maximum(xb @ second.kernel.array + second.bias.array, 0)
    expected = np.hstack([normal + right, right, xb])
    np.testing.assert_allclose(model([xa, xb]), expected, rtol=1e-12)
    np.testing.assert_allclose(model.predict([xa, xb], batch_size=2), expected, rtol=1e-12)


def nested_graph():
    """Return a compiled model of a sum, a concatenation, a shared layer, a list and a dict."""
    ug.random.seed(3)
    tower = ug.Sequential([Input((6,)), Dense(8, "relu"), Dropout(0.2)], name="tower")
    a, b = Input((6,), name="a"), Input((6,), name="b")
    left, right = tower(a), tower(b)
    joined = Concatenate()([Add()([left, right]), right, Rescaling(0.5)(a)])
    outputs = {"label": Dense(3, "softmax")(joined), "value": Dense(1)(joined)}
    model = ug.Model([a, b], outputs)
    model.compile(
        "adam",
        {"label": "sparse_categorical_crossentropy", "value": "mse"},
        metrics={"label": ["accuracy"]},
        loss_weights={"value": 0.3},
    )
    return model


def test_a_graph_that_was_saved_goes_on_with_the_same_bits(tmp_path):
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((40, 6)).astype("f") for _ in range(2)]
    y = {"label": rng.integers(0, 3, 40), "value": rng.standard_normal(40)}
    model = nested_graph()
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "graph.safetensors")
    loaded = ug.models.load_model(tmp_path / "graph.safetensors")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    for name, output in model.predict(x).items():
        np.testing.assert_array_equal(output, loaded.predict(x)[name])
    first, second = (m.fit(x, y, epochs=2, verbose=0).history for m in (model, loaded))
    assert first == second
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_graph_is_copied():
    model = nested_graph()
    x = np.random.default_rng(0).standard_normal((2, 5, 6)).astype("f")
    expected = model(list(x))
    copy = pickle.loads(pickle.dumps(model))
    predictor = pickle.loads(pickle.dumps(model.optimize_for_inference()))
    model.set_weights([0 * w for w in model.get_weights()])
    for made in (copy(list(x)), predictor(list(x))):
        for name in expected:
            np.testing.assert_allclose(made[name], expected[name], rtol=1e-5, atol=1e-6)
    clone = ug.models.clone_model(model)
    assert clone.get_config() == model.get_config()
    assert clone.weights[0] is not model.weights[0]


def test_a_graph_follows_keras_in_layers_outputs_and_training():
    keras = np.load(REFERENCE / "functional.npz")
    model = functional_case.build(ug.layers, ug.Model)
    assert [layer.name for layer in model.layers] == list(keras["layers"])
    x, y = functional_case.data()
    model.set_weights(functional_case.weights([w.shape for w in model.weights]))
    for name, output in zip(model.output_names, model.predict(x), strict=True):
        np.testing.assert_allclose(output, keras[f"predict/{name}"], rtol=1e-5, atol=1e-6)
    model.compile(
        ug.optimizers.SGD(0.05, momentum=0.9),
        loss=functional_case.LOSSES,
        loss_weights=functional_case.WEIGHTS,
        metrics=functional_case.METRICS,
    )
    fit = {"batch_size": functional_case.BATCH, "epochs": functional_case.EPOCHS}
    history = model.fit(x, y, shuffle=False, verbose=0, **fit).history
    names = {name.removeprefix("history/") for name in keras if name.startswith("history/")}
    assert set(history) == names
    for name, values in history.items():
        np.testing.assert_allclose(values, keras[f"history/{name}"], rtol=2e-5)
    for i, weight in enumerate(model.get_weights()):
        np.testing.assert_allclose(weight, keras[f"weight/{i}"], rtol=1e-4, atol=1e-5)


def test_layers_before_any_use_of_a_shared_layer_are_the_model_s():
    x = Input((4,))
    shared = Dense(4, name="shared")
    total = Add()([shared(x), shared(Dense(4, name="before")(x))])
    model = ug.Model(x, total)
    assert {layer.name for layer in model.layers} >= {"shared", "before"}
    model.compile("sgd", "mse")
    before = model.get_layer("before").get_weights()
    model.train_on_batch(np.ones((3, 4), np.float32), np.ones((3, 4), np.float32))
    assert not np.array_equal(model.get_layer("before").get_weights()[0], before[0])
