"""Sick networks: the diagnosis names the fault and the layer, and finds nothing in their twins."""

import numpy as np
import pytest
from sick_networks import BATTERY, chain

import unitgain as ug
from unitgain import layers


@pytest.mark.parametrize("ill", BATTERY, ids=lambda ill: ill.name)
def test_fault_and_layer_are_named(ill):
    model, given = ill.sick()
    report = model.diagnose(**given)
    found = {x.name for x in report.layers if ill.verdict in x.verdict.split(", ")}
    assert found <= set(ill.layers)
    assert len(found) >= 0.8 * len(ill.layers)
    assert ill.verdict in report.verdict.split(", ")
    said = [text for name, text in report.advice if name in ill.layers]
    assert any(ill.advice in text for text in said), report.advice


@pytest.mark.parametrize("ill", BATTERY, ids=lambda ill: ill.name)
def test_nothing_is_found_in_the_healthy_twin(ill):
    model, given = ill.twin()
    report = model.diagnose(**given)
    assert report.verdict == "healthy", report
    assert report.advice == []


def test_battery_has_thirty_faults_and_all_verdicts():
    assert len(BATTERY) >= 30
    verdicts = {ill.verdict for ill in BATTERY}
    assert verdicts == set(ug.signals.VERDICTS) - {"healthy"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("depth", "activation", "kernel"),
    [
        (3, "sigmoid", "glorot_uniform"),
        (5, "relu", "he_normal"),
        (100, "relu", "he_normal"),
        (10, "gelu", "he_normal"),
        (20, "mish", "he_normal"),
        (30, "tanh", "glorot_uniform"),
        (100, "elu", "he_normal"),
        (100, "selu", "lecun_normal"),
        (50, "leaky_relu", "he_normal"),
    ],
)
def test_no_false_alarm_by_chance(depth, activation, kernel, seed):
    model, given = chain(depth, 64, activation, kernel, seed=seed)
    assert model.diagnose(**given).verdict == "healthy"
    del given["y"]
    assert model.diagnose(**given).verdict == "healthy"  # by the surrogate loss


@pytest.mark.parametrize("depth", [5, 25])
@pytest.mark.parametrize("norm", [layers.BatchNormalization, layers.LayerNormalization])
def test_normalised_nets_are_healthy_whatever_their_inputs_scale(norm, depth):
    ug.random.seed(3)
    model = ug.Sequential([layers.Input((48,)), norm()])
    for _ in range(depth):
        model.add(layers.Dense(48, kernel_initializer="he_normal"))
        model.add(norm())
        model.add(layers.ReLU())
    model.add(layers.Dense(5))
    x = 200 * ug.random.normal((64, 48), seed=1)
    assert model.diagnose(x).verdict == "healthy"


@pytest.mark.parametrize("activation", ["relu", "tanh", "selu", "sigmoid"])
def test_a_net_that_has_learned_the_digits_is_healthy(activation):
    (x, y), _ = ug.datasets.load_digits()
    ug.random.seed(0)
    hidden = [layers.Dense(64, activation, kernel_initializer="auto") for _ in range(2)]
    model = ug.Sequential([layers.Input((64,)), *hidden, layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=15, verbose=0)
    assert model.evaluate(x, y)[1] > 0.9
    assert model.diagnose(x[:256], y[:256]).verdict == "healthy"


def test_residual_branches_that_begin_at_zero_are_healthy():
    ug.random.seed(0)
    x = h = layers.Input((32,))
    for _ in range(4):
        branch = layers.Dense(32, "relu", kernel_initializer="he_normal")(h)
        h = layers.Add()([h, layers.Dense(32, kernel_initializer="zeros")(branch)])
    model = ug.Model(x, layers.Dense(1)(h))
    model.compile("adam", "mse")
    given = ug.random.normal((64, 32), seed=1)
    assert model.diagnose(given, np.ones((64, 1))).verdict == "healthy"
