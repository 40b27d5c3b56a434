"""The gradient of every node against central differences in float64, on every variant."""

import differences
import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain import _native
from unitgain.layers import (
    ELU,
    Activation,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Input,
    LeakyReLU,
    PReLU,
    ReLU,
    RReLU,
)

test_other_variants = rerun_on_other_variants(__file__)

LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
LOGITS_LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
ACTIVATIONS = [n for n in _native.activation_table() if n not in ("linear", "step", "exponential")]


def model_of(layers, shape=(4,), loss=LOGITS_LOSS):
    """Return a compiled float64 model with weights away from their special initial values."""
    ug.random.seed(11)
    model = ug.Sequential([Input(shape, dtype="float64"), *layers])
    model.compile("adam", loss)
    rng = np.random.default_rng(12)
    for weight in model.weights:
        weight.array[...] += 0.3 * np.abs(rng.standard_normal(weight.shape))
    return model


def check_gradients(model, y, shape=(4,), step=1e-6):
    rng = np.random.default_rng(13)
    differences.check_gradients(model, rng.standard_normal((len(y), *shape)), y, step)


# The exponential of an exponential grows too fast for central differences.
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "exponential"])
def test_dense_with_activation(name):
    check_gradients(
        model_of([Dense(5, activation=name), Dense(6, activation=name), Dense(3)]), LABELS
    )


def test_dense_with_exponential():
    check_gradients(model_of([Dense(5, activation="exponential"), Dense(3)]), LABELS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_layer_behind_batch_norm(name):
    layers = [Dense(5), BatchNormalization(), Activation(name), Dense(3)]
    check_gradients(model_of(layers), LABELS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_layer_that_follows_another(name):
    layers = [Dense(5, activation="tanh"), Activation(name), BatchNormalization(), Dense(3)]
    check_gradients(model_of(layers), LABELS)


def test_batch_norm_first_and_without_scale_or_center():
    layers = [BatchNormalization(scale=False), Dense(5), BatchNormalization(center=False), Dense(3)]
    check_gradients(model_of(layers), LABELS)


@pytest.mark.parametrize(
    "layer",
    [
        ReLU(max_value=1.5, negative_slope=0.2, threshold=0.1),
        ReLU(),
        LeakyReLU(),
        ELU(alpha=0.7),
        PReLU(),
        PReLU(alpha_initializer="ones", shared_axes=[1]),
    ],
    ids=repr,
)
def test_layers_with_parameters(layer):
    check_gradients(model_of([Dense(5), layer, Dense(3)]), LABELS)


@pytest.mark.parametrize("shared_axes", [None, [1], [2], [1, 2]])
def test_prelu_shares_slopes_along_axes(shared_axes):
    prelu = PReLU(shared_axes=shared_axes)
    model = model_of([Dense(4), prelu, PReLU(), Flatten(), Dense(3)], shape=(2, 3))
    sizes = [1 if i + 1 in (shared_axes or []) else size for i, size in enumerate((2, 4))]
    assert prelu.alpha.shape == tuple(sizes)
    check_gradients(model, LABELS, shape=(2, 3))


def test_one_prelu_used_twice_adds_up_its_gradients():
    prelu = PReLU()
    check_gradients(model_of([Dense(4), prelu, Dense(4), prelu, Dense(3)]), LABELS)


def test_frozen_prelu_has_no_gradient():
    prelu = PReLU(trainable=False)
    model = model_of([Dense(4), prelu, Dense(3)])
    assert prelu.alpha not in model.trainable_weights
    check_gradients(model, LABELS)


def test_prelu_layer_refuses_wrong_axes():
    with pytest.raises(ValueError, match="shared_axes has 3, but samples of shape"):
        model_of([PReLU(shared_axes=[3])])
    with pytest.raises(ValueError, match="all or none must be shared"):
        model_of([PReLU(shared_axes=[1])], shape=(2, 3, 4))


@pytest.mark.parametrize("axis", [1, 3, -1, [1, 2], [1, 3], [1, 2, 3]])
def test_softmax_along_any_axes(axis):
    softmax = ug.layers.Softmax(axis=axis)
    model = model_of([Dense(4), softmax, Flatten(), Dense(3)], shape=(3, 2, 2))
    check_gradients(model, LABELS, shape=(3, 2, 2))
    axes = tuple(axis) if isinstance(axis, list) else axis
    totals = softmax(np.random.default_rng(0).standard_normal((5, 3, 2, 4))).sum(axis=axes)
    np.testing.assert_allclose(totals, 1, rtol=1e-14)


def test_softmax_layer_refuses_wrong_axes():
    with pytest.raises(ValueError, match="axis is 0, but samples of shape"):
        model_of([ug.layers.Softmax(axis=0)])


@pytest.mark.parametrize(
    "noise", [Dropout(0.4), AlphaDropout(0.3), GaussianNoise(0.5), GaussianDropout(0.3), RReLU()]
)
def test_noise_is_drawn_again_in_the_backward_pass(noise):
    layers = [Dense(16, activation="tanh"), Dropout(0.2), Dense(8), noise, Dense(3)]
    check_gradients(model_of(layers), LABELS)


@pytest.mark.parametrize("activation", [None, "relu", "gelu", "selu"])
def test_dropout_behind_a_dense_layer(activation):
    layers = [Dense(9, activation), Dropout(0.4), Dense(5, activation), Dropout(0.3)]
    check_gradients(model_of(layers), LABELS, step=5e-6)
    check_gradients(model_of([*layers, Dense(3)]), LABELS, step=5e-6)


def test_dropout_in_a_product_is_the_dropout_of_the_layer():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 20))
    dense = Dense(31, activation="relu", kernel_initializer="he_normal")
    fused = ug.Sequential([Input((20,), dtype="float64"), dense, Dropout(0.4, seed=3)])
    alone = ug.Sequential([Input((31,), dtype="float64"), Dropout(0.4, seed=3)])
    whole = ug.Sequential([Input((20,), dtype="float64"), dense])
    np.testing.assert_array_equal(fused(x, training=True), alone(whole(x), training=True))


def test_bias_gradient_behind_a_reshape():
    layers = [Dense(5, "relu"), Flatten(), Dense(4, "relu"), Dense(3)]
    check_gradients(model_of(layers, shape=(3, 4)), LABELS, shape=(3, 4))


def test_dense_without_bias_and_softmax_at_the_end():
    layers = [Dense(5, use_bias=False, activation="tanh"), Dense(3, activation="softmax")]
    check_gradients(model_of(layers, loss="sparse_categorical_crossentropy"), LABELS)


def test_softmax_inside_a_network():
    check_gradients(model_of([Dense(5, activation="softmax"), Dense(3)]), LABELS)


def test_softmax_behind_a_reshape_takes_its_own_shape():
    layers = [Dense(2), Flatten(), Activation("softmax"), Dense(3)]
    check_gradients(model_of(layers, shape=(3, 4)), LABELS, shape=(3, 4))


def test_cross_entropy_of_probabilities_that_come_from_no_softmax():
    layers = [Dense(3, activation="sigmoid")]
    check_gradients(model_of(layers, loss="sparse_categorical_crossentropy"), LABELS)


@pytest.mark.parametrize(
    "loss",
    [
        ug.losses.MeanAbsoluteError(),
        ug.losses.Huber(0.5, reduction="sum"),
        ug.losses.LogCosh(),
        ug.losses.Poisson(),
        ug.losses.KLDivergence(),
        ug.losses.SquaredHinge(),
        ug.losses.Quantile(0.7),
        ug.losses.CosineSimilarity(),
        ug.losses.BinaryFocalCrossentropy(gamma=1.5),
        ug.losses.CategoricalHinge(),
        ug.losses.BinaryCrossentropy(label_smoothing=0.1),
        ug.losses.BinaryCrossentropy(from_logits=True),
        ug.losses.CategoricalCrossentropy(label_smoothing=0.1),
        ug.losses.CategoricalCrossentropy(from_logits=True),
        ug.losses.GaussianNLL(log_variance=True),
    ],
    ids=lambda loss: loss.name,
)
def test_losses_of_targets(loss):
    gaussian = loss.kind == "gaussian_nll"
    targets = np.random.default_rng(2).random((7, 2, 1 if gaussian else 2))
    layers = [Dense(5, activation="tanh"), Dense(2, activation="sigmoid")]
    check_gradients(model_of(layers, shape=(2, 3), loss=loss), targets, shape=(2, 3))


def test_ignored_labels():
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1)
    check_gradients(model_of([Dense(5, activation="tanh"), Dense(3)], loss=loss), LABELS)


def test_categorical_cross_entropy_behind_softmax_is_that_of_the_logits():
    one_hot = np.eye(3)[LABELS]
    layers = [Dense(3, activation="softmax")]
    check_gradients(model_of(layers, loss="categorical_crossentropy"), one_hot)


def test_log_softmax_inside_a_network():
    native = _native.float64
    kernel = native.Parameter("kernel", (4, 3))
    kernel.array[...] = np.random.default_rng(5).standard_normal((4, 3))
    graph = native.Graph()
    x = graph.input(1, 4)
    output = graph.log_softmax(graph.dense(x, kernel, None, True))
    network = native.Network(graph, output)
    network.compile(ug.optimizers.SGD().spec(), [ug.losses.MeanSquaredError().native()])
    data, targets = np.random.default_rng(6).standard_normal((2, 5, 4))
    targets = targets[:, :3].copy()
    _, (gradient,) = network.gradients(data, targets)

    def loss():
        logits = data @ kernel.array
        y = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return ((y - targets) ** 2).mean()

    for index in np.ndindex(gradient.shape):
        value = kernel.array[index]
        kernel.array[index] = value + 1e-6
        above = loss()
        kernel.array[index] = value - 1e-6
        below = loss()
        kernel.array[index] = value
        assert (above - below) / 2e-6 == pytest.approx(gradient[index], rel=1e-7, abs=2e-9)


def test_mean_squared_error():
    targets = np.random.default_rng(1).standard_normal((7, 2))
    layers = [Dense(5, activation="tanh"), Dense(2)]
    check_gradients(model_of(layers, loss="mse"), targets)


def test_flatten_and_dense_on_samples_of_several_rows():
    layers = [Dense(4, activation="relu"), BatchNormalization(), Flatten(), Dense(3)]
    check_gradients(model_of(layers, shape=(2, 3)), LABELS, shape=(2, 3))


def test_frozen_batch_norm_uses_its_moving_statistics():
    frozen = BatchNormalization(trainable=False)
    check_gradients(model_of([Dense(5), frozen, Activation("relu"), Dense(3)]), LABELS)


def test_frozen_layers_have_no_gradients():
    layers = [Dense(5, trainable=False), Dense(4, activation="relu"), Dense(3)]
    model = model_of(layers)
    assert [w.name for w in model.trainable_weights] == [
        f"{layer.name}/{part}" for layer in layers[1:] for part in ("kernel", "bias")
    ]
    check_gradients(model, LABELS)


def test_nodes_with_several_readers_and_shared_parameters_add_up_their_gradients():
    """A residual block whose two dense nodes share one kernel and bias: x + f(f(x))."""
    native = _native.float64
    rng = np.random.default_rng(3)
    parameters = {}
    for name, shape in [("kernel", (4, 4)), ("bias", (4,)), ("head", (4, 3))]:
        parameters[name] = native.Parameter(name, shape)
        parameters[name].array[...] = rng.standard_normal(shape)
    graph = native.Graph()
    x = graph.input(1, 4)
    first = graph.activation(graph.dense(x, parameters["kernel"], parameters["bias"], True), "tanh")
    second = graph.activation(
        graph.dense(first, parameters["kernel"], parameters["bias"], True), "silu"
    )
    total = graph.add([graph.add([first, second]), first])
    network = native.Network(graph, graph.dense(total, parameters["head"], None, True))
    network.compile(ug.optimizers.SGD().spec(), [LOGITS_LOSS.native()])
    data = rng.standard_normal((5, 4))
    labels = np.array([0, 1, 2, 1, 0], np.int32)

    def loss():
        return network.gradients(data, labels)[0].loss / 5

    def reference():
        kernel, bias, head = (p.array for p in parameters.values())
        a = np.tanh(data @ kernel + bias)
        z = a @ kernel + bias
        logits = (2 * a + z / (1 + np.exp(-z))) @ head
        shifted = logits - logits.max(1, keepdims=True)
        return -(shifted[range(5), labels] - np.log(np.exp(shifted).sum(1))).mean()

    assert loss() == pytest.approx(reference(), rel=1e-13)
    _, gradients = network.gradients(data, labels)
    for parameter, gradient in zip(network.trainable, gradients, strict=True):
        for index in np.ndindex(gradient.shape):
            value = parameter.array[index]
            parameter.array[index] = value + 1e-6
            above = reference()
            parameter.array[index] = value - 1e-6
            below = reference()
            parameter.array[index] = value
            assert (above - below) / 2e-6 == pytest.approx(gradient[index], rel=1e-7, abs=2e-9)
