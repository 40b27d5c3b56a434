"""Arguments of fit, evaluate and predict: weights, batches, callbacks of batches, frozen bases."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import layers
from unitgain.training.feeding import Samples
from unitgain.training.frozen import FrozenBase

test_on_other_variants = rerun_on_other_variants(__file__)


def data(rows=70, classes=4, dtype=np.float32):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, 6)).astype(dtype)
    return x, generator.integers(classes, size=rows)


def network(loss=None, dropout=0.0, dtype="float32", metrics=("accuracy",), **options):
    ug.random.seed(5)
    model = ug.Sequential(
        [
            layers.Input((6,), dtype=dtype),
            layers.Dense(12, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(dropout),
            layers.Dense(4),
        ]
    )
    loss = loss or ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ug.optimizers.SGD(0.1, momentum=0.9), loss, metrics=list(metrics), **options)
    return model


def assert_same_weights(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# ---- weights ----


def test_weights_of_one_change_nothing():
    x, y = data()
    plain, weighted = network(), network()
    for model, weights in ((plain, None), (weighted, np.ones(len(x)))):
        ug.random.seed(1)
        model.fit(x, y, epochs=2, verbose=0, sample_weight=weights)
    assert_same_weights(plain, weighted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
def test_loss_and_gradient_are_those_of_the_weighted_loss(dtype, reduction):
    x, y = data(20, dtype=dtype)
    weights = np.random.default_rng(1).random(20) * 3
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
    model = ug.Sequential([layers.Input((6,), dtype=dtype), layers.Dense(4)])
    model.compile("sgd", loss)
    value, (kernel, bias) = model.gradients(x, y, sample_weight=weights)
    outputs = model(x).astype(np.float64)
    upstream = loss.gradient(y, outputs, weights)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    assert value == pytest.approx(loss(y, outputs, weights), rel=rtol)
    np.testing.assert_allclose(kernel, x.T.astype(np.float64) @ upstream, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(bias, upstream.sum(0), rtol=rtol, atol=rtol)
    if reduction != "sum":
        assert model.evaluate(x, y, sample_weight=weights) == pytest.approx(value, rel=rtol)


def test_whole_weights_count_as_repeated_samples():
    x, y = data(24)
    counts = np.random.default_rng(2).integers(0, 4, size=24)
    repeated = np.repeat(np.arange(24), counts)
    weighted, other = network(), network()
    for model in (weighted, other):  # batch norm would see other batches
        model.layers[1].trainable = False
    model = weighted
    loss = ug.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    for model in (weighted, other):
        model.compile("sgd", loss)
    _, a = weighted.gradients(x, y, sample_weight=counts)
    _, b = other.gradients(x[repeated], y[repeated])
    for one, two in zip(a, b, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-6)


def test_class_weights_are_the_weights_of_the_classes_samples():
    x, y = data()
    by_class = {0: 2.0, 2: 0.5}
    weights = np.array([by_class.get(label, 1.0) for label in y])
    one_hot = ug.data.to_categorical(y, 4)
    dense_loss = ug.losses.CategoricalCrossentropy(from_logits=True)
    for target, loss in ((y, None), (one_hot, dense_loss)):
        a, b = network(loss), network(loss)
        a.fit(x, target, epochs=2, verbose=0, shuffle=False, class_weight=by_class)
        b.fit(x, target, epochs=2, verbose=0, shuffle=False, sample_weight=weights)
        assert_same_weights(a, b)
        both = network(loss)
        both.train_on_batch(x, target, sample_weight=weights, class_weight=by_class)
        product = network(loss)
        product.train_on_batch(x, target, sample_weight=weights**2)
        assert_same_weights(both, product)


def test_weights_of_several_outputs():
    ug.random.seed(0)
    x = layers.Input((6,))
    hidden = layers.Dense(5, "tanh")(x)
    model = ug.Model(x, [layers.Dense(4, name="a")(hidden), layers.Dense(1, name="b")(hidden)])
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", [loss, "mse"])
    rows, y = data(16)
    target = rows[:, :1]
    weights = np.linspace(0, 2, 16)
    outputs = [out.astype(np.float64) for out in model(rows)]
    for given, first, second in (
        ({"b": weights}, None, weights),
        ([weights, None], weights, None),
        (weights, weights, weights),
    ):
        value = model.evaluate(rows, [y, target], sample_weight=given, return_dict=True)["loss"]
        expected = loss(y, outputs[0], first) + ug.losses.MeanSquaredError()(
            target, outputs[1], second
        )
        assert value == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="one output"):
        model.fit(rows, [y, target], class_weight={0: 1.0}, verbose=0)


def test_weights_that_do_not_fit_are_named():
    x, y = data()
    with pytest.raises(ValueError, match=r"sample_weight has shape \(3,\), expected \(70,\)"):
        network().fit(x, y, sample_weight=[1, 2, 3], verbose=0)
    with pytest.raises(TypeError, match="class_weight is list"):
        network().fit(x, y, class_weight=[1, 2], verbose=0)


def test_validation_data_may_have_weights():
    x, y = data()
    weights = np.linspace(0, 1, len(x))
    model = network()
    history = model.fit(x, y, verbose=0, validation_data=(x, y, weights)).history
    value = model.evaluate(x, y, sample_weight=weights, return_dict=True)["loss"]
    assert history["val_loss"][0] == pytest.approx(value, rel=1e-6)


# ---- batches ----


class Indexed:
    """Batches by number, as keras.utils.PyDataset has them."""

    def __init__(self, x, y, size):
        self.x, self.y, self.size, self.epochs = x, y, size, 0

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        rows = slice(i * self.size, (i + 1) * self.size)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.epochs += 1


def batches(x, y, size=16):
    for first in range(0, len(x), size):
        yield x[first : first + size], y[first : first + size]


class Again:
    """An iterable that begins afresh each time, as PyTorch's DataLoader."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        return batches(self.x, self.y)


def forever(x, y):
    while True:
        yield from batches(x, y)


@pytest.mark.parametrize("kind", ["indexed", "iterable", "iterator"])
def test_batches_train_as_arrays_do(kind):
    x, y = data()
    arrays, other = network(dropout=0.3), network(dropout=0.3)
    ug.random.seed(1)
    expected = arrays.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    ug.random.seed(1)
    steps = None
    source = {"indexed": Indexed(x, y, 16), "iterable": Again(x, y)}.get(kind)
    if source is None:
        source, steps = forever(x, y), 5
    history = other.fit(source, epochs=3, steps_per_epoch=steps, shuffle=False, verbose=0)
    assert history.history == expected.history
    assert_same_weights(arrays, other)
    if kind == "indexed":
        assert source.epochs == 3


def test_batches_may_have_weights_and_are_evaluated_and_predicted():
    x, y = data()
    weights = np.linspace(0, 2, len(x))
    model = network()

    def weighted():
        for first in range(0, len(x), 16):
            rows = slice(first, first + 16)
            yield x[rows], y[rows], weights[rows]

    value = model.evaluate(weighted(), return_dict=True)
    expected = model.evaluate(x, y, sample_weight=weights, return_dict=True)
    assert value == pytest.approx(expected)
    model.fit(x, y, verbose=0, validation_data=weighted())
    np.testing.assert_allclose(model.predict(batches(x, y)), model.predict(x), rtol=1e-6, atol=1e-7)
    first = model.predict(Indexed(x, y, 16), steps=2)
    np.testing.assert_allclose(first, model.predict(x[:32]), rtol=1e-6, atol=1e-7)


def test_indexed_batches_are_shuffled_by_the_seed():
    x, y = data()
    found = []
    for _ in range(2):
        model = network()
        ug.random.seed(3)
        model.fit(Indexed(x, y, 16), epochs=2, verbose=0)
        found.append(model)
    assert_same_weights(*found)
    plain = network()
    plain.fit(Indexed(x, y, 16), epochs=2, verbose=0, shuffle=False)
    assert not np.array_equal(plain.get_weights()[0], found[0].get_weights()[0])


def test_an_iterator_that_ends_early_is_told():
    x, y = data()
    with pytest.warns(UserWarning, match="yielded 5 batches, but a pass was to take 9"):
        network().fit(batches(x, y), steps_per_epoch=9, verbose=0)
    source = batches(x, y)
    model = network()
    model.fit(source, verbose=0)
    with pytest.raises(ValueError, match="no batches"):
        model.fit(source, verbose=0)


def test_errors_of_a_generator_and_of_its_batches_are_the_users():
    x, y = data()

    def broken():
        yield x[:8], y[:8]
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        network().fit(broken(), verbose=0)
    with pytest.raises(ValueError, match="tuple of 4"):
        network().fit(iter([(x, y, y, y)]), verbose=0)
    with pytest.raises(ValueError, match="y needs arrays"):
        network().fit(batches(x, y), y, verbose=0)
    with pytest.raises(ValueError, match="validation_split needs arrays"):
        network().fit(batches(x, y), validation_split=0.2, verbose=0)


def test_steps_limit_the_passes_over_arrays():
    x, y = data()
    a, b = network(), network()
    a.fit(x, y, batch_size=16, steps_per_epoch=2, shuffle=False, verbose=0)
    b.fit(x[:32], y[:32], batch_size=16, shuffle=False, verbose=0)
    assert_same_weights(a, b)
    assert a.evaluate(x, y, batch_size=10, steps=3) == pytest.approx(a.evaluate(x[:30], y[:30]))


def test_validation_frequency_and_size():
    x, y = data()
    model = network()
    history = model.fit(
        x, y, epochs=4, verbose=0, validation_data=(x, y), validation_freq=2,
        validation_batch_size=7,
    ).history  # fmt: skip
    assert len(history["val_loss"]) == 2
    history = model.fit(x, y, epochs=4, verbose=0, validation_split=0.5, validation_freq=[1, 4])
    assert len(history.history["val_loss"]) == 2


# ---- callbacks of batches ----


class Recorder(ug.callbacks.Callback):
    def __init__(self, stop_after=None):
        self.calls, self.stop_after = [], stop_after

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, sorted(logs)))
        if batch == self.stop_after:
            self.model.stop_training = True

    def on_test_batch_end(self, batch, logs=None):
        self.calls.append(("test", batch))


@pytest.mark.parametrize("from_batches", [False, True])
def test_steps_come_back_to_a_callback_that_asks(from_batches):
    x, y = data(40)
    told = Recorder()
    model = network()
    if from_batches:
        model.fit(Again(x, y), verbose=0, callbacks=[told])
    else:
        model.fit(x, y, batch_size=16, verbose=0, callbacks=[told], validation_data=(x, y))
        assert told.calls.pop() == ("test", 0)
    names = ["accuracy", "loss"]
    expected = []
    for i in range(3):
        expected += [("begin", i), ("end", i, names)]
    begun = [call for call in told.calls if call[0] == "begin"]
    assert [call for call in told.calls if call[0] == "end"] == expected[1::2]
    assert begun[:3] == expected[0::2]


def test_a_callback_stops_after_a_step():
    x, y = data(64)
    model = network()
    told = Recorder(stop_after=1)
    history = model.fit(x, y, batch_size=16, epochs=5, verbose=0, callbacks=[told])
    assert len(history.epoch) == 1
    assert model.optimizer.iterations == 2


def test_a_diverging_run_ends_at_the_step(capsys):
    x, y = data(64)
    x[40] = np.nan
    model = network()
    with pytest.warns(UserWarning, match="x has nan in column 0"):
        model.fit(
            x, y, batch_size=16, epochs=5, shuffle=False, verbose=0,
            callbacks=[ug.callbacks.TerminateOnNaN()],
        )  # fmt: skip
    assert model.optimizer.iterations == 3
    assert "not finite after batch 3 of epoch 1" in capsys.readouterr().out
    other = network()
    with pytest.warns(UserWarning, match="x has nan in column 0"):
        other.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    assert other.optimizer.iterations == 4


# ---- inference ----


def test_outputs_go_where_they_are_wanted():
    x, _ = data()
    model = network()
    for run in (model, model.predict, model.optimize_for_inference()):
        out = np.empty((len(x), 4), np.float32)
        assert run(x, out=out) is out
        np.testing.assert_array_equal(out, run(x))
    for out, error in (
        (np.empty((70, 4)), "dtype"),
        (np.empty((70, 3), np.float32), "shape"),
        (np.empty((4, 70), np.float32).T, "contiguous"),
        ([], "type list"),
    ):
        with pytest.raises((TypeError, ValueError), match=error):
            model.predict(x, out=out)
    square = ug.Sequential([layers.Input((6,)), layers.Dense(6)])
    with pytest.raises(ValueError, match="shares memory"):
        square.predict(x, out=x)


def test_monte_carlo_dropout_has_the_moments_of_many_passes():
    ug.random.seed(2)
    model = ug.Sequential(
        [layers.Input((6,)), layers.Dropout(0.4), layers.Dense(3, use_bias=False)]
    )
    x, _ = data(5)
    kernel = model.layers[1].get_weights()[0]
    spread = model.predict(x, training=True, samples=4000)
    mean = x @ kernel
    variance = (x**2 @ kernel**2) * 0.4 / 0.6
    assert spread.mean.shape == spread.std.shape == (5, 3)
    np.testing.assert_allclose(spread.mean, mean, atol=5 * np.sqrt(variance.max() / 4000))
    np.testing.assert_allclose(spread.std, np.sqrt(variance), rtol=0.1)


def test_monte_carlo_passes_leave_batch_norm_and_do_not_depend_on_threads():
    x, y = data()
    found = []
    for threads in (1, 2):
        model = network(dropout=0.5)
        model.fit(x, y, verbose=0, shuffle=False)
        before = model.get_weights()
        with ug.threads(threads):
            found.append(model.predict(x, training=True, samples=7, batch_size=32))
        for one, other in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found[0].mean, found[1].mean)
    np.testing.assert_array_equal(found[0].std, found[1].std)
    still = network(dropout=0.0)
    spread = still.predict(x, training=True, samples=3)
    np.testing.assert_allclose(spread.mean, still.predict(x), rtol=1e-5, atol=1e-6)
    assert spread.std.max() < 1e-5
    with pytest.raises(ValueError, match="samples needs training=True"):
        model.predict(x, samples=3)


# ---- frozen layers ----


def transferred(dropout=0.0):
    ug.random.seed(4)
    base = ug.Sequential(
        [layers.Input((6,)), layers.Dense(8, "relu"), layers.BatchNormalization()], name="base"
    )
    base.trainable = False
    model = ug.Sequential([base, layers.Dropout(dropout), layers.Dense(5, "tanh"), layers.Dense(4)])
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ug.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_cached_outputs_of_frozen_layers_train_as_the_whole_does(dropout):
    x, y = data()
    plain, cached = transferred(dropout), transferred(dropout)
    options = {"epochs": 3, "verbose": 0, "validation_data": (x, y)}
    ug.random.seed(6)
    a = plain.fit(x, y, **options).history
    ug.random.seed(6)
    b = cached.fit(x, y, cache_frozen=True, **options).history
    for name, values in a.items():
        np.testing.assert_allclose(b[name], values, rtol=1e-4, atol=1e-6)
    assert cached.optimizer.iterations == plain.optimizer.iterations
    # Both go on alike.
    for one, other in zip(plain.get_weights(), cached.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)
    assert cached._native_network().step == plain._native_network().step


def test_what_cannot_be_cached_is_named():
    x, y = data()
    with pytest.raises(ValueError, match="needs frozen layers"):
        network().fit(x, y, cache_frozen=True, verbose=0)
    tensor = layers.Input((6,))
    branches = layers.Add()([layers.Dense(4)(tensor), layers.Dense(4)(tensor)])
    model = ug.Model(tensor, branches)
    model.compile("sgd", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="needs a chain of layers"):
        model.fit(x, y, cache_frozen=True, verbose=0)


class Shift(layers.Layer):
    """Arithmetic of its own, whose ``call`` takes ``training`` and may heed it."""

    def call(self, inputs, training=None):
        return inputs + (2 if training else 1)

    def backward(self, upstream, inputs, outputs):
        return upstream


class Block(layers.Layer):
    """Made of layers, as Keras has it: ``call`` takes ``training``."""

    def __init__(self, dropout=0.0, **keywords):
        super().__init__(**keywords)
        self.dense = layers.Dense(8, "relu")
        self.dropout = layers.Dropout(dropout) if dropout else layers.Identity()

    def call(self, inputs, training=None):
        return self.dropout(self.dense(inputs))


def cached_rows(first, called=lambda layer, x: layer(x)):
    """Return how many rows the layers see in the part that cache_frozen runs once."""
    ug.random.seed(2)
    start = layers.Input((6,))
    made = start
    for layer in first:
        made = called(layer, made)
    last = layers.Dense(4)
    model = ug.Model(start, last(made))
    model.compile(ug.optimizers.SGD(0.1), ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = data()
    other = FrozenBase(model).outputs(Samples(x, y)).x
    expected = ug.Model(start, made).predict(x)
    model.fit(x, y, epochs=2, verbose=0, cache_frozen=True)
    return other.shape == expected.shape and bool((other == expected).all())


def test_layers_that_take_training_without_heeding_it_are_cached():
    frozen = layers.Dense(8, trainable=False)
    assert cached_rows([frozen, Block(trainable=False)])
    inner = Block()
    inner.dense.trainable = False
    assert cached_rows([frozen, inner])
    bins = layers.Discretization(bin_boundaries=[-0.5, 0.5])
    assert cached_rows([bins, layers.Dense(8, trainable=False)])
    # What is called with training=False does the same at every step.
    never = [Shift(), layers.Dense(8, trainable=False), layers.Dropout(0.5)]
    assert cached_rows(never, lambda layer, x: layer(x, training=False))


def test_layers_that_may_heed_training_are_not_cached():
    for layer in (Block(0.5, trainable=False), Shift(), layers.Dropout(0.5), Block()):
        frozen = layers.Dense(6, trainable=False)
        assert not cached_rows([frozen, layer, layers.Dense(6, trainable=False)])


# ---- one step after the other ----


class Meeting(layers.Layer):
    """Says that a step runs, and whether what another thread does comes to its end meanwhile."""

    def __init__(self):
        super().__init__()
        self.runs, self.done = threading.Event(), threading.Event()
        self.interrupted = False

    def call(self, inputs):
        self.runs.set()
        self.interrupted |= self.done.wait(0.05)
        return inputs

    def backward(self, upstream, inputs, outputs):
        return upstream


@pytest.mark.parametrize(
    "change",
    [
        lambda dense, model: dense.kernel.assign(np.ones((6, 4))),
        lambda dense, model: dense.set_weights([np.ones((6, 4)), np.ones(4)]),
        lambda dense, model: model.optimizer.variables[2].assign(np.ones((6, 4))),
    ],
    ids=["variable", "layer", "optimizer"],
)
def test_what_is_assigned_waits_for_the_step_that_runs(change):
    meeting, dense = Meeting(), layers.Dense(4)
    model = ug.Sequential([layers.Input((6,)), dense, meeting, layers.Dense(1)])
    model.compile(ug.optimizers.SGD(0.1, momentum=0.9), "mse")
    x = np.ones((4, 6))
    model.train_on_batch(x, np.ones(4))
    meeting.runs.clear()

    def assign():
        meeting.runs.wait()
        change(dense, model)
        meeting.done.set()

    thread = threading.Thread(target=assign)
    thread.start()
    model.train_on_batch(x, np.ones(4))
    thread.join()
    assert meeting.done.is_set()
    assert not meeting.interrupted


@pytest.mark.parametrize("steps", [0, -1])
def test_a_pass_of_no_steps_is_refused(steps):
    x, y = data()
    model = network()
    for run in (
        lambda: model.evaluate(x, y, steps=steps),
        lambda: model.evaluate(x, y, batch_size=8, steps=steps),
        lambda: model.predict(x, steps=steps),
        lambda: model.fit(x, y, steps_per_epoch=steps, verbose=0),
        lambda: model.fit(x, y, validation_data=(x, y), validation_steps=steps, verbose=0),
        lambda: model.evaluate(iter([(x, y)]), steps=steps),
    ):
        with pytest.raises(ValueError, match="steps of a pass must be at least 1"):
            run()


# ---- compile ----


def test_the_loss_weight_of_one_output():
    x, y = data()
    plain, doubled = network(metrics=()), network(metrics=(), loss_weights=[2.0])
    assert doubled.evaluate(x, y) == pytest.approx(2 * plain.evaluate(x, y))
    with pytest.raises(ValueError, match="2 entries, but there is one output"):
        network(loss_weights=[1, 2])


def test_other_arguments_of_compile_are_refused():
    with pytest.raises(TypeError, match="'gpu'"):
        network(gpu=True)
    model = network()
    model.compile("adam")
    with pytest.raises(ValueError, match="not compiled"):
        model.fit(*data(), verbose=0)
