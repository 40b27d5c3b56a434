"""Layers, draws and whole networks are those of Keras and PyTorch, on every variant."""

import json

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from reference import categories, merging, moments, networks
from reference import layers as cases
from unitgain.layers import Input, Layer

test_other_variants = rerun_on_other_variants(__file__)

LAYERS = np.load(cases.FILE)
MOMENTS = json.loads(moments.FILE.read_text(encoding="utf-8"))
CURVES = np.load(networks.FILE)


class Tap(Layer):
    """Hands its input on and keeps the gradient; a weight of its own has one computed at all."""

    def build(self, input_shape):
        self.add_weight((1,), "zeros", name="nothing")

    def call(self, inputs):
        return inputs

    def backward(self, upstream, inputs, outputs):
        self.gradient = upstream.copy()
        return upstream, [np.zeros(1, upstream.dtype)]


class Source(Layer):
    """Hands its input on, and the gradient that it was made with back."""

    def __init__(self, gradient):
        super().__init__()
        self.gradient = gradient

    def call(self, inputs):
        return inputs

    def backward(self, upstream, inputs, outputs):
        return self.gradient


def layer_of(case):
    name, options, _ = cases.CASES[case]
    layer = getattr(ug.layers, name)(**options)
    if cases.adapts(case):
        layer.adapt(cases.seen_before(case))
    return layer


def results(case, dtype):
    """Return what unitgain makes of a case, as the reference has it."""
    layer = layer_of(case)
    given = [x.astype(dtype) for x in cases.inputs(case)]
    starts = [Input(x.shape[1:], dtype) for x in given]
    taps = [Tap() for _ in given]
    tapped = [tap(start) for tap, start in zip(taps, starts, strict=True)]
    output = layer(tapped if len(tapped) > 1 else tapped[0])
    if not isinstance(layer, ug.layers.Normalization):
        layer.set_weights(cases.weights(case, [w.shape for w in layer.weights]))
    # A model without the taps, as its users have it: fused and folded.
    plain = ug.Model(starts, layer(starts if len(starts) > 1 else starts[0]))
    inferred = plain(given)
    gradient = cases.upstream(case, inferred.shape).astype(dtype)
    model = ug.Model(starts, Source(gradient)(output))
    model.compile("sgd", "mse")
    _, gradients = model.gradients(given, np.zeros_like(inferred))
    known = dict(zip(map(id, model.trainable_weights), gradients, strict=True))
    trained = plain(given, training=True)
    return cases.parts(
        trained,
        inferred,
        [tap.gradient for tap in taps],
        [known[id(w)] for w in layer.trainable_weights],
        [] if isinstance(layer, ug.layers.Normalization) else [w.array for w in layer.weights],
    )


def rounding(case, dtype):
    """Return the rounding of the reference: some of Keras's is float32's whatever the dtype."""
    # adapt converts its data; PyTorch's hard sigmoid multiplies by a sixth in float32.
    if cases.adapts(case) or "hard_sigmoid" in case:
        dtype = "float32"
    return np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", cases.CASES)
def test_layers_are_those_of_keras(case, dtype):
    found, expected = results(case, dtype), LAYERS[f"{case}/{dtype}"]
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1
    # Sums have at most SAMPLES * 6 terms, of magnitudes up to 5 or so, and a function or a
    # statistic behind them; measured, the errors are up to 8 eps.
    error = np.abs(found - expected) / (1 + np.abs(expected))
    assert error.max() < 16 * rounding(case, dtype)


def test_every_layer_is_compared_with_keras():
    compared = {name for name, _, _ in cases.CASES.values()}
    compared |= {name for name, _, _ in moments.NOISE.values()}
    compared |= {name for name, _, _ in merging.CASES.values()} | {"SpectralNormalization"}
    compared |= {name for name, *_ in categories.CASES.values()}
    compared.add("Embedding")  # tests/layers/test_embedding.py
    compared.add("Masking")  # tests/layers/test_masks.py
    # Where a graph begins, what to subclass, the classes of tensors, what Keras has not, and what
    # changes the loss alone.
    others = {"Input", "Layer", "SymbolicTensor", "Variable", "RReLU", "ActivityRegularization"}
    others |= {"ClusterAffinity", "InputLayer", "Lambda"}
    functions = {name for name in ug.layers.__all__ if name.islower()}
    assert set(ug.layers.__all__) - others - functions == compared


# ---- draws ----


def check_moments(made, expected):
    """Compare the moments of two samples, each within what five of its deviations allow."""
    eps = np.finfo(np.float32).eps
    found = moments.moments(made)
    assert found["count"] == expected["count"]
    scale = expected["variance"] + expected["mean"] ** 2
    bound = 5 * np.sqrt(2 / expected["count"])
    apart = abs(found["mean"] - expected["mean"])
    assert apart <= bound * np.sqrt(expected["variance"]) + 8 * eps * np.sqrt(scale)
    spread = max(0.0, expected["fourth"] - expected["variance"] ** 2)
    apart = abs(found["variance"] - expected["variance"])
    assert apart <= bound * np.sqrt(spread) + 8 * eps * scale
    return found


@pytest.mark.parametrize("case", moments.INITIALIZERS)
def test_initializers_have_the_moments_of_keras(case):
    name, options = moments.INITIALIZERS[case]
    expected = MOMENTS[case]
    seed = {} if name in ("Zeros", "Ones", "Constant") else {"seed": 5}
    made = getattr(ug.initializers, name)(**options, **seed)(moments.SHAPE)
    found = check_moments(made, expected)
    kurtosis = expected["fourth"] / (expected["variance"] ** 2 or 1.0)
    if kurtosis < 2.9:  # bounded: uniform, or truncated at two deviations, as no normal is
        deviation = np.sqrt(expected["variance"])
        for bound in ("least", "largest"):
            assert abs(found[bound] - expected[bound]) <= 2e-3 * deviation


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", moments.NOISE)
def test_noise_has_the_moments_of_keras_in_training_and_is_none_otherwise(case, dtype):
    name, options, value = moments.NOISE[case]
    layer = getattr(ug.layers, name)(**options, seed=6)
    x = np.full(moments.SHAPE, value, dtype)
    np.testing.assert_array_equal(layer(x), x)
    found = check_moments(layer(x, training=True), MOMENTS[case])
    if "Gaussian" not in name:  # of two values: those that are dropped, and those that are kept
        for bound in ("least", "largest"):
            assert found[bound] == pytest.approx(MOMENTS[case][bound], rel=1e-6, abs=1e-12)


# ---- whole networks ----


def network(name, dtype):
    layers = [Input((networks.FEATURES,), dtype)]
    kernels = networks.kernels()
    for i, kernel in enumerate(kernels):
        last = i == len(kernels) - 1
        use_bias = last or name != "batch norm"
        layers.append(ug.layers.Dense(kernel.shape[1], use_bias=use_bias))
        if not last:
            if name == "batch norm":
                layers.append(ug.layers.BatchNormalization(epsilon=networks.EPSILON))
            activation = {"selu": "selu", "plain": "tanh"}.get(name, "relu")
            layers.append(ug.layers.Activation(activation))
    model = ug.Sequential(layers)
    dense = [layer for layer in model.layers if isinstance(layer, ug.layers.Dense)]
    for layer, kernel in zip(dense, kernels, strict=True):
        layer.kernel.assign(kernel)
    model.compile(
        ug.optimizers.Adam(networks.RATE, epsilon=networks.ADAM_EPSILON),
        ug.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


@pytest.mark.parametrize("dtype", networks.DTYPES)
@pytest.mark.parametrize("name", networks.NETWORKS)
def test_losses_of_200_steps_follow_those_of_pytorch(name, dtype):
    model = network(name, dtype)
    x, y = networks.data()
    x = x.astype(dtype)
    losses = []
    for step in range(networks.STEPS):
        rows = networks.batch(step)
        losses.append(model.train_on_batch(x[rows], y[rows]))
    expected = CURVES[f"{name}/{dtype}/losses"]
    assert expected[-8:].mean() < 0.3 * expected[:8].mean()  # they do learn
    eps = np.finfo(dtype).eps
    error = np.abs(np.array(losses) / expected - 1)
    # Each step adds its rounding and passes on that of the steps before, at most a little larger.
    # Measured: 2 eps in 50 steps, 70 in 200, and 600 in the outputs then.
    assert error[:50].max() < 10 * eps
    assert error.max() < 500 * eps
    outputs = model(x[networks.batch(0)], training=True)
    np.testing.assert_allclose(outputs, CURVES[f"{name}/{dtype}/outputs"], rtol=0, atol=5000 * eps)
