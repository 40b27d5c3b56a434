"""The gradient at the inputs of every node against central differences in float64."""

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import _native, layers

test_other_variants = rerun_on_other_variants(__file__)

ACTIVATIONS = [name for name in _native.activation_table() if name != "step"]
ROWS = 5


def shifted(model):
    """The model with weights and statistics away from their special initial values."""
    rng = np.random.default_rng(12)
    for weight in model.weights:
        weight.array[...] += 0.3 * np.abs(rng.standard_normal(weight.shape))
    return model


def chain(*parts, shape=(4,), dtype="float64"):
    ug.random.seed(11)
    return shifted(ug.Sequential([layers.Input(shape, dtype), *parts]))


def as_list(given):
    return given if isinstance(given, list) else [given]


def samples(model, seed=13):
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal((ROWS, *shape))
        for shape in (model.input_shape if isinstance(model.input, list) else [model.input_shape])
    ]


def call(model, x):
    return as_list(model(x if isinstance(model.input, list) else x[0]))


def check(model, step=1e-6):
    """Compare with differences the gradient of all outputs, weighted, and the Jacobian."""
    x = samples(model)
    rng = np.random.default_rng(14)
    upstream = [rng.standard_normal(y.shape) for y in call(model, x)]
    packed_x = x if isinstance(model.input, list) else x[0]
    several = isinstance(model.output, list)
    before = model.get_weights()
    found = as_list(model.input_gradients(packed_x, upstream if several else upstream[0]))
    jacobians = [
        as_list(one)
        for one in (model.jacobian(packed_x) if several else [model.jacobian(packed_x)])
    ]
    for i, array in enumerate(x):
        assert found[i].shape == array.shape
        for index in np.ndindex(array.shape[1:]):
            at = (slice(None), *index)
            value = array[at].copy()
            array[at] = value + step
            above = call(model, x)
            array[at] = value - step
            below = call(model, x)
            array[at] = value
            total = 0
            for k, factors in enumerate(upstream):
                numeric = (above[k] - below[k]) / (2 * step)
                exact = jacobians[k][i][(..., *index)]
                np.testing.assert_allclose(exact, numeric, rtol=1e-7, atol=1e-8)
                total = total + (numeric * factors).reshape(ROWS, -1).sum(axis=1)
            np.testing.assert_allclose(found[i][at], total, rtol=1e-7, atol=1e-8)
    for mine, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_behind_a_product_behind_a_norm_and_first(name):
    check(chain(layers.Dense(5, activation=name), layers.Dense(3)))
    check(
        chain(
            layers.Activation(name),
            layers.Dense(5),
            layers.BatchNormalization(),
            layers.Activation(name),
            layers.Dense(2, "tanh"),
        )
    )


@pytest.mark.parametrize(
    "parts",
    [
        [layers.Dense(3)],
        [layers.Dense(6, use_bias=False), layers.BatchNormalization(scale=False)],
        [layers.BatchNormalization(center=False), layers.Dense(3)],
        [layers.Normalization(mean=0.3, variance=2.0), layers.Rescaling(3.0, 1.0)],
        [layers.LayerNormalization(), layers.Dense(3)],
        [layers.RMSNormalization(), layers.UnitNormalization()],
        [layers.Dense(6), layers.GroupNormalization(2)],
        [layers.PReLU(), layers.ReLU(0.8, 0.1, 0.2), layers.LeakyReLU(), layers.ELU(0.7)],
        [layers.RReLU(), layers.Dropout(0.5), layers.GaussianNoise(0.3), layers.Dense(2)],
        [layers.Dense(6, "relu", activity_regularizer="l2"), layers.AlphaDropout(0.2)],
        [layers.Dense(5, "softmax")],
        [layers.Dense(5, "log_softmax"), layers.Dense(2)],
        [layers.Dense(6), layers.GLU(), layers.Dense(2)],
        [layers.ClusterAffinity(3, "soft"), layers.Dense(2)],
        [layers.ClusterAffinity(3, "rbf")],
        [layers.ClusterAffinity(3, "distance")],
        [layers.Reshape((2, 2)), layers.Dense(3, "tanh"), layers.Permute((2, 1)), layers.Flatten()],
        [layers.Flatten()],
        [layers.SpectralNormalization(layers.Dense(3))],
    ],
    ids=lambda parts: "-".join(type(part).__name__ for part in parts),
)
def test_layers_one_behind_another(parts):
    check(chain(*parts))


def test_samples_of_several_rows():
    check(
        chain(
            layers.Dense(5, "gelu"),
            layers.PReLU(shared_axes=[1]),
            layers.LayerNormalization(),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
            shape=(3, 4),
        )
    )


def graph():
    ug.random.seed(2)
    x, y = layers.Input((6,), "float64"), layers.Input((4,), "float64")
    shared = layers.Dense(4, "elu", name="twice")
    both = layers.Add()([shared(layers.Dense(4)(x)), shared(y)])
    last = layers.Concatenate()([both, y, layers.Dense(3, "tanh")(both)])
    merged = layers.Multiply()([layers.Dense(4)(last), both])
    extreme = layers.Maximum()([merged, layers.Minimum()([y, both])])
    products = layers.Dot(1)([extreme, y])
    return shifted(ug.Model([x, y], [layers.Dense(3, "softmax")(last), products, both, x]))


def test_graphs_of_several_inputs_and_outputs():
    check(graph())


def test_one_output_of_several_by_its_position_and_by_its_name():
    model = graph()
    x = samples(model)
    names = model.output_names
    found = model.input_gradients(x, {names[0]: 2})
    expected = model.jacobian(x)[0]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs[:, 2], rtol=1e-13, atol=1e-15)
    with pytest.raises(ValueError, match="has 2 entries, expected a list or a dict of 4"):
        model.input_gradients(x, [1, 2])


def test_an_input_without_influence_has_gradient_zero():
    x, y = layers.Input((2,), "float64"), layers.Input((2,), "float64")
    model = ug.Model([x, y], [layers.Dense(1)(x), layers.Dense(1)(y)])
    found = model.input_gradients([np.ones((3, 2)), np.ones((3, 2))], [0, None])
    assert found[0].any()
    assert not found[1].any()


@pytest.mark.parametrize("rows", [0, 1, 3000])
def test_float32_and_any_number_of_rows(rows):
    wide, single = (
        chain(
            layers.Dense(16, "gelu"),
            layers.BatchNormalization(),
            layers.Dense(3, "softmax"),
            dtype=dtype,
        )
        for dtype in ("float64", "float32")
    )
    single.set_weights(wide.get_weights())
    x = np.random.default_rng(1).standard_normal((rows, 4))
    assert single.dtype == "float32"
    for method in ("input_gradients", "jacobian"):
        arguments = (1,) if method == "input_gradients" else ()
        exact = getattr(wide, method)(x, *arguments)
        found = getattr(single, method)(x.astype(np.float32), *arguments)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)


def test_training_goes_on_to_the_bit_after_an_explanation():
    x = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
    weights = []
    for explains in (False, True):
        ug.random.seed(5)
        hidden = [layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.3)]
        model = ug.Sequential([layers.Input((4,)), *hidden, layers.Dense(1)])
        model.compile("adam", "mse")
        for _ in range(2):
            model.fit(x, x[:, 0], epochs=1, verbose=0)
            if explains:
                model.input_gradients(x)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


class Square(layers.Layer):
    def call(self, x):
        return x * x

    def backward(self, upstream, x, y):
        return 2 * upstream * x


class NoWayBack(layers.Layer):
    def call(self, x):
        return np.sort(x)


def test_layers_in_python_are_asked_for_their_backward():
    check(chain(Square(), layers.Dense(2, "tanh")))
    with pytest.raises(NotImplementedError, match="backward"):
        chain(NoWayBack()).input_gradients(np.ones((1, 4)), 0)


def test_what_has_no_gradient_is_an_error_that_says_so():
    model = ug.Sequential([layers.Input((2,)), layers.Embedding(5, 3, name="words")])
    with pytest.raises(
        ValueError, match="words takes whole numbers, at which there is no gradient"
    ):
        model.input_gradients(np.ones((1, 2)), 0)
    with pytest.raises(ValueError, match="words takes whole numbers"):
        model.jacobian(np.ones((1, 2)))
    model = ug.Sequential([layers.Input((2,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="output is None, but the model has 3 outputs"):
        model.input_gradients(np.ones((1, 2)))
    with pytest.raises(IndexError, match="output is 3, but there are 3"):
        model.input_gradients(np.ones((1, 2)), 3)
    with pytest.raises(ValueError, match=r"output has shape \(2,\), expected \(3,\) or \(1, 3\)"):
        model.input_gradients(np.ones((1, 2)), [1, 2])
    with pytest.raises(ValueError, match="has shape"):
        model.input_gradients(np.ones((1, 5)), 0)
    with pytest.raises(ValueError, match="a frozen network has no gradients"):
        model._native_network().frozen("highest").input_gradients(
            np.ones((1, 2), np.float32), [np.ones((1, 3), np.float32)], 8
        )
