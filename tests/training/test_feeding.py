"""The feeding of models: rows by steps, weights of batches, and data as people have them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import unitgain as ug
from unitgain import callbacks, layers, losses

X = np.arange(8.0)[:, None]


class Seen(losses.Loss):
    """A squared error that notes the targets of every batch."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def call(self, y_true, y_pred):
        self.rows.append([int(value) for value in y_true[:, 0]])
        return ((y_pred - y_true) ** 2)[:, 0]

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true)


def watched():
    model = ug.Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    seen = Seen()
    model.compile(ug.optimizers.SGD(1e-4), seen)
    return model, seen.rows


def batches(count=4, size=2):
    for i in range(count):
        rows = slice(i % 4 * size, (i % 4 + 1) * size)
        yield X[rows], X[rows]


class Indexed:
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[2 * i : 2 * i + 2], X[2 * i : 2 * i + 2]


class Again:
    """An iterable that is no iterator."""

    def __iter__(self):
        return batches()


class Rewinding:
    """An iterator that iter() takes back to its beginning."""

    def __iter__(self):
        self.left = batches()
        return self

    def __next__(self):
        return next(self.left)


PAIRS = [[0, 1], [2, 3], [4, 5], [6, 7]]
# What Keras 3.15 trains on: targets of each step, by the arguments.
KERAS_ROWS = [
    ({"batch_size": 2, "steps_per_epoch": 2, "epochs": 3}, [*PAIRS, *PAIRS[:2]], 0),
    ({"batch_size": 2, "steps_per_epoch": 3, "epochs": 3}, [*PAIRS, *PAIRS[:3]], 1),
    ({"batch_size": 2, "steps_per_epoch": 9, "epochs": 2}, [*PAIRS, *PAIRS], 2),
    ({"steps_per_epoch": 3, "epochs": 2}, [[0, 1, 2], [3, 4, 5], [6, 7]] * 2, 0),
    ({"epochs": 2}, [list(range(8))] * 2, 0),
]


@pytest.mark.parametrize(("arguments", "expected", "short"), KERAS_ROWS)
@pytest.mark.parametrize("sparse", [False, True])
def test_steps_take_the_rows_that_keras_takes(arguments, expected, short, sparse):
    model, rows = watched()
    x = scipy.sparse.csr_array(X) if sparse else X
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        history = model.fit(x, X, shuffle=False, verbose=0, **arguments)
    assert rows == expected
    assert len(history.epoch) == arguments["epochs"]
    assert len(found) == short
    assert all("yielded" in str(w.message) and w.filename == __file__ for w in found)


@pytest.mark.parametrize("source", [Indexed(), Again(), Rewinding()])
@pytest.mark.parametrize(("arguments", "expected", "short"), KERAS_ROWS[:3])
def test_steps_take_the_batches_that_keras_takes(source, arguments, expected, short):
    model, rows = watched()
    rest = {name: value for name, value in arguments.items() if name != "batch_size"}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(source, shuffle=False, verbose=0, **rest)
    assert rows == expected
    assert len(found) == short


@pytest.mark.parametrize("source", ["arrays", "indexed"])
def test_shuffled_steps_see_all_rows_once_a_pass(source):
    model, rows = watched()
    given = (X, X) if source == "arrays" else (Indexed(),)
    size = {"batch_size": 2} if source == "arrays" else {}
    ug.random.seed(3)
    model.fit(*given, epochs=4, steps_per_epoch=2, verbose=0, **size)
    passes = [sorted(np.concatenate(rows[i : i + 4])) for i in (0, 4)]
    assert passes == [list(range(8))] * 2
    assert rows[:4] != rows[4:]


def test_a_pass_over_several_epochs_goes_on_after_an_interruption(tmp_path):
    class Interrupt(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise RuntimeError("interrupted")

    for source in ("arrays", "indexed"):
        whole, expected = watched()
        first, before = watched()
        second, after = watched()
        folder = tmp_path / source

        def fit(model, listeners=(), source=source):
            given = (X, X, 2) if source == "arrays" else (Indexed(),)
            model.fit(*given, epochs=6, steps_per_epoch=2, verbose=0, callbacks=list(listeners))

        ug.random.seed(1)
        fit(whole)
        ug.random.seed(1)
        with pytest.raises(RuntimeError, match="interrupted"):
            fit(first, [callbacks.BackupAndRestore(folder), Interrupt()])
        ug.random.seed(2)
        fit(second, [callbacks.BackupAndRestore(folder)])
        assert before + after == expected


def test_steps_of_an_evaluation_are_those_of_keras():
    model, rows = watched()
    for arguments, expected in (
        ({"steps": 3}, [[0, 1, 2], [3, 4, 5], [6, 7]]),
        ({"batch_size": 2, "steps": 3}, PAIRS[:3]),
    ):
        for x in (X, scipy.sparse.csc_matrix(X)):
            rows.clear()
            model.evaluate(x, X, **arguments)
            assert rows == expected
    assert len(model.predict(X, steps=3)) == 8
    assert len(model.predict(X, batch_size=2, steps=3)) == 6
    for call in (lambda: model.evaluate(X, X, 2, steps=9), lambda: model.predict(X, 2, steps=9)):
        with pytest.warns(UserWarning, match="yielded 4 batches, but a pass was to take 9"):
            call()
    for method in (model.fit, model.evaluate):
        steps = {"steps_per_epoch": 0} if method == model.fit else {"steps": 0}
        with pytest.raises(ValueError, match="must be at least 1, but they are 0"):
            method(X, X, **steps)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"batch_size": 4, "validation_batch_size": 2}, PAIRS[:2]),
        ({"batch_size": 2}, PAIRS[:2]),
        ({}, [[0, 1, 2, 3], [4, 5, 6, 7]]),
    ],
)
def test_steps_of_a_validation_begin_with_the_first_rows(arguments, expected):
    model, rows = watched()
    model.fit(
        X, X, epochs=2, shuffle=False, verbose=0, validation_data=(X, X), validation_steps=2,
        **arguments,
    )  # fmt: skip
    half = len(rows) // 2
    assert rows[half - 2 : half] == rows[-2:] == expected


@pytest.mark.parametrize(
    ("source", "second"),
    [(Indexed(), 0), (Again(), 0), (Rewinding(), 0), (batches(), 2)],
    ids=["indexed", "iterable", "rewinding", "generator"],
)
def test_a_validation_begins_anew_if_it_can(source, second):
    model, rows = watched()
    model.fit(
        X, X, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=source,
        validation_steps=2,
    )  # fmt: skip
    assert rows[1:3] == PAIRS[:2]
    assert rows[4:6] == PAIRS[second : second + 2]


class Told(callbacks.Callback):
    def __init__(self):
        self.events = []

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.events.append(("end", batch))

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(("epoch", epoch))

    def on_train_end(self, logs=None):
        self.events.append(("train", sorted(logs)))


@pytest.mark.parametrize("count", [4, 3])
@pytest.mark.parametrize("steps", [2, None])
def test_a_generator_that_ends_ends_the_run(count, steps):
    model, rows = watched()
    told = Told()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        history = model.fit(
            batches(count), epochs=9, steps_per_epoch=steps, verbose=0, callbacks=[told]
        )
    assert rows == PAIRS[:count]
    epochs = 2 if steps else 1
    assert history.epoch == list(range(epochs))
    assert len(history.history["loss"]) == epochs
    assert told.events[-1] == ("train", ["loss"])
    assert [e for e in told.events if e[0] == "begin"] == [
        ("begin", i % (steps or 9)) for i in range(count)
    ]
    last = str(found[-1].message)
    assert last == f"x ran out of batches: training ends after {epochs} of 9 epochs"
    assert len(found) == (2 if (count, steps) == (3, 2) else 1)
    with pytest.raises(ValueError, match="yielded no batches"):
        model.fit(batches(0), epochs=2, verbose=0)


# ---- class weights ----


def classifier(dtype="float32", features=6):
    ug.random.seed(5)
    model = ug.Sequential([layers.Input((features,), dtype=dtype), layers.Dense(4)])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def labelled(rows=64):
    generator = np.random.default_rng(0)
    return generator.random((rows, 6)).astype("f4"), generator.integers(4, size=rows)


def assert_trained_alike(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["indexed", "iterable", "generator", "functional"])
def test_class_weights_hold_for_batches(kind):
    x, y = labelled()
    by_class = {0: 100.0, 2: 0.5}
    parts = [(x[i : i + 16], y[i : i + 16]) for i in range(0, 64, 16)]
    weighted = [(*p, np.array([by_class.get(label, 1.0) for label in p[1]])) for p in parts]

    class Numbered:
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return parts[i]

    model, other = classifier(), classifier()
    if kind == "functional":
        model, other = (ug.Model(m.inputs, m.outputs) for m in (model, other))
        for one in (model, other):
            one.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    given = {"indexed": Numbered(), "iterable": pd.Series(parts).items()}.get(kind)
    if kind == "iterable":
        given = type("Loader", (), {"__iter__": lambda self: iter(parts)})()
    history = model.fit(
        given or (part for part in parts), shuffle=False, verbose=0, class_weight=by_class
    )
    expected = other.fit((part for part in weighted), shuffle=False, verbose=0)
    assert_trained_alike(model, other)
    assert history.history == expected.history
    arrays = classifier().fit(x, y, 16, shuffle=False, verbose=0, class_weight=by_class)
    assert history.history["loss"] == pytest.approx(arrays.history["loss"], rel=1e-6)


def test_class_weights_leave_the_validation_split_alone():
    x, y = labelled()
    model = classifier()
    history = model.fit(
        x, y, verbose=0, validation_split=0.25, class_weight={0: 100.0, 1: 50.0}
    ).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(x[48:], y[48:]), rel=1e-6)
    weights = np.linspace(0, 2, 64)
    model = classifier()
    history = model.fit(
        x, y, verbose=0, validation_split=0.25, class_weight={0: 100.0}, sample_weight=weights
    ).history
    alone = model.evaluate(x[48:], y[48:], sample_weight=weights[48:])
    assert history["val_loss"][0] == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("key", ["a", "1", 0.5, None, (1,)])
def test_a_key_that_is_no_class_is_named(key):
    x, y = labelled()
    with pytest.raises(ValueError, match=r"class_weight has the key .* expected the classes' num"):
        classifier().fit(x, y, verbose=0, class_weight={0: 1.0, key: 2.0})


def test_class_numbers_may_come_from_numpy():
    x, y = labelled()
    model, other = classifier(), classifier()
    model.fit(x, y, verbose=0, shuffle=False, class_weight={np.int64(1): 3.0, np.float32(2): 2.0})
    other.fit(x, y, verbose=0, shuffle=False, class_weight={1: 3.0, 2: 2.0})
    assert_trained_alike(model, other)


# ---- data as people have them ----


class Capsule:
    """An array that shows itself by ``__dlpack__`` alone, as JAX's and PyTorch's may."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class Tensor:
    """An array that shows itself by ``__array__`` alone, once nothing is computed of it."""

    def __init__(self, array, needs_gradient=True):
        self._array, self._needs_gradient = array, needs_gradient

    def detach(self):
        return Tensor(self._array, False)

    def __array__(self, dtype=None, copy=None):
        if self._needs_gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.asarray(self._array, dtype)


def frame(rows=64):
    generator = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "integer": generator.integers(-3, 4, rows),
            "float": generator.random(rows).astype("f4"),
            "bool": generator.random(rows) > 0.5,
            "Int64": pd.array(generator.integers(0, 9, rows), dtype="Int64"),
            "boolean": pd.array(generator.random(rows) > 0.3, dtype="boolean"),
            "category": pd.Categorical(generator.integers(0, 3, rows)),
        }
    )


def plain(given):
    return np.column_stack([np.asarray(given[name].tolist(), np.float64) for name in given])


KINDS = {
    "frame": lambda a: frame(),
    "object array": lambda a: frame().to_numpy(dtype=object),
    "csr_matrix": lambda a: scipy.sparse.csr_matrix(a),
    "csc_array": lambda a: scipy.sparse.csc_array(a),
    "coo_matrix": lambda a: scipy.sparse.coo_matrix(a),
    "dlpack": Capsule,
    "tensor": Tensor,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", ["sequential", "unbuilt", "functional", "subclassed"])
def test_data_of_any_kind_are_what_their_numbers_are(kind, make):
    def model():
        ug.random.seed(5)
        if make == "subclassed":

            class Own(ug.Model):
                def __init__(self):
                    super().__init__()
                    self.head = layers.Dense(4)

                def call(self, inputs):
                    return self.head(inputs)

            made = Own()
        else:
            first = [] if make == "unbuilt" else [layers.Input((6,), dtype="float64")]
            made = ug.Sequential([*first, layers.Dense(4)])
            if make == "functional":
                made = ug.Model(made.inputs, made.outputs)
        made.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
        return made

    x, (_, y) = plain(frame()), labelled()
    given = KINDS[kind](x)
    ours, expected = model(), model()
    histories = []
    for one, data in ((ours, given), (expected, x)):
        ug.random.seed(7)
        fitted = one.fit(data, pd.Series(y, dtype="Int64"), 16, 2, 0, validation_data=(data, y))
        histories.append(fitted.history)
    assert_trained_alike(ours, expected)
    assert histories[0] == histories[1]
    split = ours.fit(given, y, verbose=0, validation_split=0.25, shuffle=False).history
    assert split == expected.fit(x, y, verbose=0, validation_split=0.25, shuffle=False).history
    assert ours.evaluate(given, y, batch_size=16) == expected.evaluate(x, y, batch_size=16)
    assert ours.train_on_batch(given, y) == expected.train_on_batch(x, y)
    assert ours.gradients(given, y)[0] == expected.gradients(x, y)[0]
    for call in (lambda m, a: m.predict(a, 16), lambda m, a: m(a), lambda m, a: m(a, training=True),
                 lambda m, a: m.optimize_for_inference().predict(a)):  # fmt: skip
        np.testing.assert_array_equal(call(ours, given), call(expected, x))
    spread = ours.predict(given, training=True, samples=2)
    np.testing.assert_array_equal(spread.mean, expected.predict(x, training=True, samples=2).mean)


def test_a_sparse_matrix_is_made_dense_by_the_batch(monkeypatch):
    most = []
    dense = scipy.sparse.csr_array.toarray

    def toarray(self, *arguments, **keywords):
        most.append(self.shape[0])
        return dense(self, *arguments, **keywords)

    monkeypatch.setattr(scipy.sparse.csr_array, "toarray", toarray)
    x, y = labelled(100)
    given = scipy.sparse.csr_array(x)
    model = classifier()
    model.fit(given, y, batch_size=8, verbose=0, validation_data=(given, y))
    model.evaluate(given, y, batch_size=8)
    model.predict(given, batch_size=8)
    assert sum(most) == 4 * 100
    assert [rows for rows in most if rows > 8] == [100]  # the validation, whose rows fit at once


def test_a_sparse_matrix_beside_other_inputs():
    x, y = labelled()
    inputs = [layers.Input((6,), name="a"), layers.Input((6,), name="b")]
    ug.random.seed(1)
    outputs = layers.Dense(4)(layers.Concatenate()(inputs))
    model = ug.Model(inputs, outputs)
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    given = {"a": scipy.sparse.csr_array(x), "b": pd.DataFrame(x)}
    np.testing.assert_array_equal(model.predict(given, 16), model.predict([x, x], 16))
    assert model.evaluate(given, y) == model.evaluate([x, x], y)
    model.fit(given, y, batch_size=16, verbose=0)
    with pytest.raises(ValueError, match="augment mixes samples of arrays, but x is sparse"):
        classifier().fit(given["a"], y, verbose=0, augment=ug.data.MixUp())


def test_cached_frozen_layers_take_sparse_matrices():
    x, y = labelled()
    models = []
    for _ in range(2):
        ug.random.seed(2)
        model = ug.Sequential([layers.Input((6,)), layers.Dense(5, "relu"), layers.Dense(4)])
        model.layers[0].trainable = False
        model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
        models.append(model)
    for model, data in zip(models, (scipy.sparse.csr_array(x), x), strict=True):
        model.fit(data, y, verbose=0, shuffle=False, cache_frozen=True)
    assert_trained_alike(*models)


def test_one_column_may_be_a_series():
    table = pd.DataFrame({"sex": [0, 1, 1, 0], "age": [20.0, 30.0, 40.0, 50.0]})
    inputs = {name: layers.Input((1,), name=name) for name in table}
    outputs = layers.Dense(1)(layers.Concatenate()(list(inputs.values())))
    model = ug.Model(inputs, outputs)
    model.compile("sgd", "mse")
    expected = model({name: table[name].to_numpy()[:, None] for name in table})
    np.testing.assert_array_equal(model.predict(dict(table)), expected)
    model.fit(dict(table), table["age"], verbose=0)
    alone = ug.Sequential([layers.Input((1,)), layers.Dense(2)])
    column = np.arange(3.0)
    np.testing.assert_array_equal(alone(column), alone(column[:, None]))
    square = ug.Sequential([layers.Input((2, 2)), layers.Flatten()])
    assert square(np.ones((3, 2, 2, 1))).shape == (3, 4)  # as Keras squeezes it
    with pytest.raises(ValueError, match=r"x has shape \(3,\), expected \(samples, 6\)"):
        classifier()(column)


def test_dummies_of_pandas_are_numbers():
    table = pd.get_dummies(pd.DataFrame({"sex": ["m", "f", "m"], "age": [1.5, 2, 3]}))
    model = classifier(features=3)
    expected = model(np.array([[1.5, 0, 1], [2, 1, 0], [3, 0, 1]]))
    np.testing.assert_array_equal(model(table), expected)


def test_what_is_missing_in_a_nullable_column_is_nan():
    table = frame(3)
    table["Int64"] = pd.array([1, None, 3], dtype="Int64")
    table["boolean"] = pd.array([None, True, False], dtype="boolean")
    outputs = classifier("float64")(table)
    assert np.isnan(outputs).all(axis=1).tolist() == [True, True, False]


def test_a_series_weighs_the_samples_of_each_output():
    x, y = labelled()
    inputs = layers.Input((6,))
    heads = [layers.Dense(4, name="a")(inputs), layers.Dense(1, name="b")(inputs)]
    model = ug.Model(inputs, heads)
    model.compile("sgd", [losses.SparseCategoricalCrossentropy(from_logits=True), "mse"])
    weights = np.linspace(0, 2, 64)
    targets = [pd.Series(y), pd.Series(x[:, 0])]
    expected = model.evaluate(x, [y, x[:, 0]], sample_weight=weights)
    assert model.evaluate(x, targets, sample_weight=pd.Series(weights)) == expected
    both = [pd.Series(weights), None]
    assert model.evaluate(x, targets, sample_weight=both) == model.evaluate(
        x, targets, sample_weight={"a": weights}
    )


@pytest.mark.parametrize("wrap", [Capsule, Tensor, np.asarray, pd.DataFrame])
@pytest.mark.parametrize("kind", [list, tuple])
def test_batches_are_tuples_or_lists_of_tensors(wrap, kind):
    x, y = labelled()

    class Loader:
        def __iter__(self):
            for i in range(0, 64, 16):
                yield kind([wrap(x[i : i + 16]), wrap(y[i : i + 16])])

        def __len__(self):
            return 4

    model, other = classifier(), classifier()
    history = model.fit(Loader(), epochs=2, shuffle=False, verbose=0, validation_data=Loader())
    other.fit(x, y, 16, epochs=2, shuffle=False, verbose=0)
    assert_trained_alike(model, other)
    assert history.history["val_loss"][1] == pytest.approx(other.evaluate(x, y), rel=1e-6)
    np.testing.assert_array_equal(model.predict(Loader()), other.predict(x, 16))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (
            pd.DataFrame({"age": [1, 2], "sex": ["m", "f"]}),
            "x has dtype object in column 'sex', which holds 'm', expected numbers: encode categ",
        ),
        (
            pd.DataFrame({"age": [1, 2], "sex": pd.Categorical(["m", "f"])}),
            "x has dtype object in column 'sex', which holds 'm', expected numbers: encode categ",
        ),
        (
            pd.DataFrame({"age": [1, 2], "sex": [True, None]}),
            "x has dtype object in column 'sex', which holds None, expected numbers",
        ),
        (
            pd.DataFrame({"age": [1, 2], "when": pd.to_datetime(["2020", "2021"])}),
            " in column 'when', expected numbers",
        ),
        (
            np.array([[1, "m"], [2, "f"]], dtype=object),
            "x has dtype object in column 1, which holds 'm', expected numbers",
        ),
        (np.array([["a", "b"]]), "x has dtype <U1 in column 0, which holds 'a', expected numbers"),
        (np.ones((2, 2), complex), "x has dtype complex128 in column 0, expected numbers"),
        (scipy.sparse.csr_array(np.eye(2, dtype=complex)), "x has dtype complex128, expected num"),
    ],
)
def test_what_is_no_number_is_named_with_its_column(x, words):
    model = classifier(features=2)
    for call in (model, model.predict, lambda a: model.fit(a, [0] * a.shape[0], verbose=0)):
        with pytest.raises(TypeError) as raised:
            call(x)
        assert words in str(raised.value)


def test_lists_whose_rows_differ_in_length_are_told():
    with pytest.raises(ValueError, match="x cannot be made an array"):
        classifier().predict([[1, 2], [3]])


@pytest.mark.parametrize("y", [["a", "b"], np.array(["a", "b"], object), pd.Series(["a", "b"])])
def test_labels_that_are_text_say_how_to_number_them(y):
    x = np.ones((2, 6))
    how = r"which holds 'a', expected integer class labels: number .* np.unique\(y, return_inverse"
    with pytest.raises(TypeError, match=how):
        classifier().fit(x, y, verbose=0)
    dense = ug.Sequential([layers.Input((6,)), layers.Dense(1)])
    dense.compile("sgd", "mse")
    with pytest.raises(TypeError, match="expected numbers: number the classes"):
        dense.fit(x, y, verbose=0)
    for call in (ug.data.class_weights, ug.data.to_categorical):
        with pytest.raises(TypeError, match="number the classes"):
            call(y)


def test_splits_keep_what_frames_and_sparse_matrices_are():
    table = frame(10)
    matrix = scipy.sparse.coo_matrix(plain(table))
    parts = ug.data.train_test_split(table, table["integer"], matrix, list("abcdefghij"))
    assert [type(part) for part in parts[::2]] == [
        pd.DataFrame, pd.Series, scipy.sparse.csr_matrix, np.ndarray,
    ]  # fmt: skip
    assert parts[0].index.equals(parts[2].index)
    np.testing.assert_array_equal(plain(parts[1]), parts[5].toarray())


# ---- adapt ----


@pytest.mark.parametrize("kind", KINDS)
def test_normalization_adapts_to_data_of_any_kind(kind):
    x = plain(frame())
    layer, other = layers.Normalization(), layers.Normalization()
    layer.adapt(KINDS[kind](x))
    other.adapt(x)
    np.testing.assert_array_equal(layer.get_weights()[0], other.get_weights()[0])
    loaded = layers.Normalization()
    loaded.adapt([KINDS["tensor"](x[i : i + 16])] for i in range(0, 64, 16))
    np.testing.assert_allclose(loaded.get_weights()[0], other.get_weights()[0], rtol=1e-6)


def test_adapt_takes_lists_of_batches_and_leaves_their_targets_out():
    x = np.random.default_rng(0).random((12, 3))
    expected = layers.Normalization()
    expected.adapt(x)
    for data in (
        [x[:5], x[5:]],
        [(x[:5], 1.0), (x[5:], 2.0)],
        ((a, a) for a in (x[:5], x[5:])),
        ([a, a] for a in (x[:5], x[5:])),
    ):
        layer = layers.Normalization()
        layer.adapt(data)
        for found, wanted in zip(layer.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
    rows = layers.Normalization()
    rows.adapt(list(x))
    np.testing.assert_array_equal(rows.get_weights()[0], expected.get_weights()[0])


def test_adapt_refuses_targets():
    x, y = labelled()
    with pytest.raises(ValueError, match=r"data is 2 arrays, expected samples alone: adapt\(x\)"):
        layers.Normalization().adapt((x, y))
    with pytest.raises(TypeError, match="column 'sex', which holds 'm'"):
        layers.Normalization().adapt(pd.DataFrame({"a": [1], "sex": ["m"]}))


# ---- traps ----


def ending(activation, loss, units=3):
    ug.random.seed(1)
    model = ug.Sequential([layers.Input((6,)), layers.Dense(units, activation)])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("activation", "loss", "advice"),
    [
        (None, "sparse_categorical_crossentropy", "softmax, or give the loss from_logits=True"),
        (None, "categorical_crossentropy", "softmax, or give the loss from_logits=True"),
        ("tanh", "binary_crossentropy", "sigmoid, or give the loss from_logits=True"),
        (None, "kl_divergence", "softmax"),
    ],
)
def test_logits_given_to_a_loss_of_probabilities_are_told_once(activation, loss, advice):
    x, y = labelled()
    x = x - 0.5
    y = y % 3 if "sparse" in loss else np.eye(3)[y % 3]
    for call in (
        lambda model: model.fit(x, y, epochs=3, verbose=0),
        lambda model: [model.train_on_batch(x, y) for _ in range(3)],
        lambda model: model.fit(iter([(x, y)] * 3), verbose=0),
        lambda model: [model.fit(x, y, verbose=0) for _ in range(2)],
    ):
        with pytest.warns(UserWarning, match="takes probabilities") as found:
            call(ending(activation, loss))
        assert len(found) == 1
        assert found[0].filename == __file__
        assert f"{loss} takes probabilities, but the outputs run from -" in str(found[0].message)
        assert str(found[0].message).endswith(f"end the model with {advice}")


def test_probabilities_and_losses_of_logits_are_not_warned_of():
    x, y = labelled()
    one_hot = np.eye(4)[y]
    ending("softmax", "sparse_categorical_crossentropy", 4).fit(x, y, verbose=0)
    ending("sigmoid", "binary_crossentropy", 4).fit(x, one_hot, verbose=0)
    ending(None, losses.BinaryCrossentropy(from_logits=True), 4).fit(x, one_hot, verbose=0)
    ending(None, "mse", 4).fit(x, one_hot, verbose=0)


def test_the_output_whose_loss_takes_probabilities_is_told():
    x, y = labelled()
    inputs = layers.Input((6,))
    heads = [layers.Dense(4, name="a")(inputs), layers.Dense(4, name="b")(inputs)]
    model = ug.Model(inputs, heads)
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"])
    with pytest.warns(UserWarning, match="sparse_categorical_crossentropy takes probabilities"):
        model.fit(x - 0.5, [np.eye(4)[y], y], verbose=0)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("x", np.nan, "x has nan in column 2, and so the loss"),
        ("x", np.inf, "x has inf in column 2"),
        ("y", np.nan, "y has nan in column 0"),
        ("sample_weight", np.nan, "sample_weight has nan in column 0"),
    ],
)
def test_what_makes_the_loss_nan_is_told_once(where, value, words):
    x, _ = labelled()
    given = {"x": x.copy(), "y": x[:, 0].copy(), "sample_weight": np.ones(64)}
    given[where][(40, 2) if where == "x" else 40] = value

    def parts():
        for i in range(0, 64, 16):
            yield tuple(array[i : i + 16] for array in given.values())

    for call in (
        lambda model: model.fit(**given, epochs=3, verbose=0),
        lambda model: model.fit(parts(), verbose=0),
        lambda model: model.train_on_batch(**given),
    ):
        with pytest.warns(UserWarning, match="the loss is not finite") as found:
            call(ending(None, "mse", 1))
        assert len(found) == 1
        assert found[0].filename == __file__
        assert str(found[0].message).startswith(words)


def test_nan_in_sparse_rows_and_one_of_several_inputs_is_told():
    x, y = labelled()
    holes = x.copy()
    holes[3, 1] = np.nan
    with pytest.warns(UserWarning, match="x has nan in column 1"):
        classifier().fit(scipy.sparse.csr_array(holes), y, verbose=0)
    inputs = [layers.Input((6,)), layers.Input((6,))]
    model = ug.Model(inputs, layers.Dense(1)(layers.Add()(inputs)))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match=r"x\[1\] has nan in column 1"):
        model.fit([x, holes], y, verbose=0)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_categorical_loss_on_one_unit_is_told(loss):
    x = labelled()[0]
    y = np.zeros(64, int)
    for make in (
        lambda: ending("sigmoid", loss, 1),
        lambda: ug.Model(*(lambda m: (m.inputs, m.outputs))(ending("sigmoid", "mse", 1))),
    ):
        model = make()
        model.compile("sgd", loss)
        with pytest.warns(UserWarning, match=f"{loss} is 0 on one output unit") as found:
            model.fit(x, y, epochs=2, verbose=0)
        assert len(found) == 1
        assert found[0].filename == __file__
    function = losses.get(loss)
    with pytest.warns(UserWarning, match="is 0 on one output unit"):
        assert function(
            np.zeros(2, int) if "sparse" in loss else [[1.0], [0.0]], [[0.3], [0.4]]
        ) < (1e-6)
