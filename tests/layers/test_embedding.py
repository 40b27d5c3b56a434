"""Embedding: Keras's values, float64 differences, bits on any number of threads, and refusals."""

import copy
import pickle

import numpy as np
import pytest
from differences import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import rerun_on_other_variants

import unitgain as ug
from reference import embedding as cases
from unitgain.layers import Concatenate, Dense, Embedding, Flatten, Input

test_other_variants = rerun_on_other_variants(__file__)

KERAS = np.load(cases.FILE)
RNG = np.random.default_rng(0)


class Upstream(ug.losses.Loss):
    """The sum of the outputs times the targets, whose gradient are these."""

    def __init__(self):
        super().__init__(reduction="sum")

    def call(self, y_true, y_pred):
        return (y_true * y_pred).reshape(len(y_pred), -1).sum(-1)

    def backward(self, y_true, y_pred):
        return y_true


def lookup(table, n, dtype="float32", optimizer="sgd", **keywords):
    """Return a compiled model that looks up n numbers in a table, and flattens the rows."""
    layer = Embedding(*table.shape, weights=table, **keywords)
    shape = n if isinstance(n, tuple) else (n,)
    model = ug.Sequential([Input(shape, dtype), layer, Flatten()])
    model.compile(optimizer, Upstream())
    return model


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", cases.CASES)
def test_values_gradients_and_steps_are_those_of_keras(case, dtype):
    shape = cases.CASES[case][2]
    model = lookup(cases.table(case), shape, dtype, ug.optimizers.Adam(cases.RATE))
    x, upstream = cases.numbers(case), cases.upstream(case)
    y = upstream.reshape(len(x), -1)
    output = model.layers[0](x) if dtype == "float32" else model.predict(x).reshape(upstream.shape)
    _, (gradient,) = model.gradients(x, y)
    for _ in range(cases.STEPS):
        model.train_on_batch(x, y)
    found = cases.parts(output, gradient, model.get_weights()[0])
    expected = KERAS[f"{case}/{dtype}"]
    assert found.dtype == dtype
    # Sums of at most 60 terms; and each step of Adam rounds a few times.
    error = np.abs(found - expected) / (1 + np.abs(expected))
    assert error.max() < 32 * np.finfo(dtype).eps
    np.testing.assert_array_equal(output, cases.table(case).astype(dtype)[x])


def test_gradients_are_those_of_differences():
    x = RNG.integers(6, size=(9, 3))
    layers = [
        Input((3,), "float64"),
        Embedding(6, 4, "random_normal", embeddings_regularizer="l2"),
        Dense(3, "tanh"),
        Flatten(),
        Dense(2),
    ]
    model = ug.Sequential(layers)
    model.compile("sgd", "mse")
    check_gradients(model, x, RNG.standard_normal((9, 2)))


@pytest.mark.parametrize("trainable", [True, False])
def test_one_table_for_two_inputs_adds_up_their_gradients(trainable):
    shared = Embedding(5, 3, "random_normal", trainable=trainable)
    a, b = Input((2,), "float64"), Input((3,), "float64")
    together = Concatenate(axis=1)([shared(a), shared(b)])
    model = ug.Model([a, b], Dense(2)(Flatten()(together)))
    model.compile("sgd", "mse")
    assert (shared.embeddings in model.trainable_weights) == trainable
    x = [RNG.integers(5, size=(7, 2)), RNG.integers(5, size=(7, 3))]
    y = RNG.standard_normal((7, 2))
    check_gradients(model, x, y)
    before = shared.get_weights()[0]
    model.fit(x, y, epochs=2, verbose=0)
    assert (shared.get_weights()[0] == before).all() != trainable


def test_numbers_that_a_layer_computes_have_gradient_0():
    steps = Dense(3, "linear")
    model = ug.Sequential(
        [Input((4,), "float64"), steps, ug.layers.Activation("step"), Embedding(2, 3), Flatten()]
    )
    model.compile("sgd", "mse")
    x, y = RNG.standard_normal((8, 4)), RNG.standard_normal((8, 9))
    _, gradients = model.gradients(x, y)
    np.testing.assert_array_equal(gradients[0], 0)
    np.testing.assert_array_equal(gradients[1], 0)
    assert (gradients[2] != 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 70), st.integers(0, 60), st.integers(1, 5), st.booleans())
def test_rows_and_their_sums_have_equal_bits_on_any_number_of_threads(
    rows, cols, batch, n, frequent
):
    rng = np.random.default_rng([rows, cols, batch, n])
    table = rng.standard_normal((rows, cols)).astype(np.float32)
    x = rng.integers(min(rows, 2) if frequent else rows, size=(batch, n))
    y = rng.standard_normal((batch, n * cols)).astype(np.float32)
    # Each element's terms in the order of the samples.
    expected = np.zeros_like(table)
    np.add.at(expected, x.ravel(), y.reshape(-1, cols))
    for threads in (1, 2, 3, 5):
        with ug.threads(threads):
            model = lookup(table, n)
            np.testing.assert_array_equal(model.predict(x), table[x].reshape(batch, n * cols))
            if batch:
                np.testing.assert_array_equal(model.gradients(x, y)[1][0], expected)


def test_steps_of_many_samples_have_equal_bits_on_any_number_of_threads():
    x = RNG.integers(300, size=(4000, 8))
    y = RNG.standard_normal((4000, 1))
    found = []
    for threads in (1, 2, 4):
        ug.random.seed(3)
        model = ug.Sequential([Input((8,)), Embedding(300, 24), Flatten(), Dense(1)])
        model.compile("adam", "mse")
        with ug.threads(threads):
            model.fit(x, y, batch_size=1000, epochs=2, verbose=0)
        found.append(model.get_weights())
    for weights in found[1:]:
        for one, other in zip(weights, found[0], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64", "bool"]
)
def test_numbers_may_have_any_dtype_and_strides(dtype):
    table = RNG.standard_normal((2, 3)).astype(np.float32)
    x = RNG.integers(2, size=(10, 8))
    model = lookup(table, 4)
    expected = table[x[::2, ::-2]].reshape(5, 12)
    np.testing.assert_array_equal(model.predict(x.astype(dtype)[::2, ::-2]), expected)
    np.testing.assert_array_equal(model(np.ascontiguousarray(x[::2, ::-2]).astype(dtype)), expected)
    assert model.predict(np.zeros((0, 4), dtype)).shape == (0, 12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [7, -1, 2**40, 1.5, np.nan, np.inf, -np.inf])
def test_a_number_without_a_row_is_refused_with_its_place(value, dtype):
    model = lookup(np.ones((7, 2)), 3, dtype, name="words")
    x = RNG.integers(7, size=(70, 3)).astype(float)
    x[41, 1] = value
    y = np.zeros((70, 6))
    weights = model.get_weights()[0]
    message = r"words is given .* in row 41, expected whole numbers from 0 to 6"
    for run in (
        lambda: model.predict(x),
        lambda: model.predict(x, batch_size=8),
        lambda: model(x),
        lambda: model(x, training=True),
        lambda: model.evaluate(x, y),
        lambda: model.train_on_batch(x, y),
        lambda: model.gradients(x, y),
        lambda: model.fit(x, y, batch_size=16, shuffle=True, verbose=0),
        lambda: model.optimize_for_inference()(x),
    ):
        with pytest.raises(ValueError, match=message):
            run()
    np.testing.assert_array_equal(model.get_weights()[0], weights)
    x[41, 1] = 6
    assert np.isfinite(model.predict(x)).all()
    for threads in (2, 3):
        x[[41, 69], 1] = value
        with ug.threads(threads), pytest.raises(ValueError, match=message):
            model.predict(x)


def test_integers_beyond_float32_are_no_row():
    table = np.zeros((2**24, 1), np.float32)
    table[-1] = 5
    model = lookup(table, 1)
    assert model.predict(np.array([[2**24 - 1]])) == 5
    with pytest.raises(ValueError, match="is given 16777216 in row 0"):
        model.predict(np.array([[2**24 + 1]]))


def test_categories_beside_features_lie_in_one_row():
    inputs = [Input((1,), "int32"), Input((1,), "int64"), Input((3,))]
    tables = [Embedding(4, 5), Embedding(9, 2)]
    rows = [Flatten()(table(x)) for table, x in zip(tables, inputs[:2], strict=True)]
    model = ug.Model(inputs, Concatenate()([*rows, inputs[2]]))
    x = [RNG.integers(4, size=(30, 1)), RNG.integers(9, size=(30, 1)), RNG.random((30, 3))]
    weights = [table.get_weights()[0] for table in tables]
    expected = np.hstack([weights[0][x[0][:, 0]], weights[1][x[1][:, 0]], x[2].astype(np.float32)])
    np.testing.assert_array_equal(model.predict(x), expected)
    model.compile("sgd", Upstream())
    y = RNG.standard_normal(expected.shape).astype(np.float32)
    _, gradients = model.gradients(x, y)
    for gradient, numbers, part in zip(gradients, x, (y[:, :5], y[:, 5:7]), strict=False):
        sums = np.zeros_like(gradient)
        np.add.at(sums, numbers[:, 0], part)
        np.testing.assert_array_equal(gradient, sums)


def test_models_are_saved_and_copied_with_the_dtype_of_their_input(tmp_path):
    x = RNG.integers(9, size=(20, 2))
    start = Input((2,), "int32", name="numbers")
    chain = ug.Sequential([start, Embedding(9, 3), Flatten(), Dense(1)])
    tensor = Input((2,), "int16")
    graph = ug.Model(tensor, Dense(1)(Flatten()(Embedding(9, 3)(tensor))))
    for model in (chain, graph):
        expected = model.predict(x)
        model.save(tmp_path / "model.safetensors")
        for other in (
            ug.Model.load(tmp_path / "model.safetensors"),
            pickle.loads(pickle.dumps(model)),
            copy.deepcopy(model),
        ):
            np.testing.assert_array_equal(other.predict(x), expected)
            assert other.get_config() == model.get_config()
    assert "int32" in repr(start)
    layer = chain.layers[0]
    made = Embedding.from_config(layer.get_config())
    assert made.get_config() == layer.get_config()
    assert ug.models.clone_model(chain).count_params() == chain.count_params()


def test_first_values_constraints_and_multipliers():
    table = RNG.standard_normal((4, 3)).astype(np.float32)
    for given_table in (table, [table], table.tolist()):
        layer = Embedding(4, 3, weights=given_table, embeddings_constraint="non_neg")
        np.testing.assert_array_equal(layer(np.array([[3, 1]]))[0], table[[3, 1]])
    model = ug.Sequential([Input((2,)), layer, Flatten()])
    model.compile("sgd", "mse")
    model.fit(np.array([[0, 1]]), np.zeros((1, 6)), epochs=1, verbose=0)
    assert (layer.embeddings.array >= 0).all()
    ug.random.seed(1)
    uniform = Embedding(1000, 3)
    uniform(np.zeros((1, 1)))
    assert 0.04 < np.abs(uniform.embeddings.array).max() <= 0.05


def test_a_spectral_normalization_wraps_it():
    layer = ug.layers.SpectralNormalization(Embedding(8, 4, "random_normal"))
    model = ug.Sequential([Input((2,), "float64"), layer, Flatten(), Dense(1)])
    model(RNG.integers(8, size=(5, 2)), training=True)
    assert 0.5 < np.linalg.norm(layer.kernel.array, 2) < 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Embedding(0, 3), ValueError, "input_dim must be at least 1, but it is 0"),
        (lambda: Embedding(3, -2), ValueError, "output_dim must be at least 1"),
        (lambda: Embedding(2.5, 3), TypeError, "expected an integer"),
        (lambda: Embedding(True, 3), TypeError, "input_dim is a bool"),
        (lambda: Embedding(3, 3, lora_rank=0), ValueError, "lora_rank must be at least 1, but it"),
        (lambda: Embedding(3, 2, weights=np.zeros((2, 3))), ValueError, r"\(2, 3\), expected"),
        (lambda: Embedding(3, 2, "nothing"), ValueError, "initializer"),
        (lambda: Embedding(3, 2, weight=1), TypeError, "weight"),
        (lambda: Input((3,), "complex64"), TypeError, "dtype is complex64, expected float32"),
        (lambda: Input((3,), "float16"), TypeError, "dtype is float16"),
        (
            lambda: Embedding(2**24 + 1, 1, "zeros")(np.array([[1]])),
            ValueError,
            "has 16777217 rows, but a network of float32 tells no more than 16777216 apart",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_input_length_is_taken_with_a_warning():
    with pytest.warns(UserWarning, match="input_length has no effect"):
        Embedding(3, 2, input_length=4)


def test_a_model_begins_with_it():
    x, y = RNG.integers(10, size=(40, 4)), RNG.standard_normal((40, 1))
    for first in (Embedding(10, 3), Embedding(10, 3, input_shape=(4,))):
        model = ug.Sequential([first, Flatten(), Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, y, epochs=1, verbose=0)
        assert model.count_params() == 10 * 3 + 12 + 1
        assert first.output.shape == (None, 4, 3)


def test_a_frozen_one_is_cached():
    x, y = RNG.integers(10, size=(40, 4)), RNG.standard_normal((40, 1))
    histories = []
    for cached in (False, True):
        ug.random.seed(1)
        model = ug.Sequential([Input((4,)), Embedding(10, 3, trainable=False), Flatten(), Dense(1)])
        model.compile("adam", "mse")
        histories.append(model.fit(x, y, epochs=2, verbose=0, cache_frozen=cached).history["loss"])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-6)


def test_the_penalty_is_of_all_rows():
    table = RNG.standard_normal((6, 3))
    model = lookup(table, 1, "float64", embeddings_regularizer=ug.regularizers.L2(0.1))
    loss, (gradient,) = model.gradients(np.array([[2]]), np.ones((1, 3)))
    assert loss == pytest.approx(table[2].sum() + 0.1 * (table**2).sum())
    expected = 0.2 * table
    expected[2] += 1
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)


def test_numbers_that_lie_in_a_concatenation_are_read_there():
    x = RNG.integers(6, size=(9, 2))
    start, other = Input((2,)), Input((3,))
    table = Embedding(6, 4)
    model = ug.Model([start, other], [Concatenate()([other, start]), Flatten()(table(start))])
    features = RNG.random((9, 3)).astype(np.float32)
    together, rows = model.predict([x, features])
    np.testing.assert_array_equal(together, np.hstack([features, x]))
    np.testing.assert_array_equal(rows, table.get_weights()[0][x].reshape(9, 8))
    x[4, 1] = 6
    with pytest.raises(ValueError, match="is given 6 in row 4"):
        model.predict([x, features], batch_size=2)
