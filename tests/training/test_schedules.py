"""Learning rates by the step: against Keras and PyTorch, in training, and as configurations."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unitgain as ug
from reference.schedules_cases import CASES, ONE_CYCLES, STEPS
from unitgain import layers
from unitgain.optimizers import schedules

REFERENCE = Path(__file__).parents[1] / "reference"

STORED = np.load(REFERENCE / "schedules.npz")
NAMED = [(getattr(schedules, name), arguments) for name, arguments in CASES]
EVERY = [*NAMED, *((schedules.OneCycle, arguments) for arguments in ONE_CYCLES)]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_rates_are_keras(case):
    kind, arguments = NAMED[case]
    schedule = kind(**arguments)
    # Keras computes in float32, whose cosines leave 1e-7 where the rate is 0.
    found = [schedule(step) for step in STEPS]
    np.testing.assert_allclose(found, STORED[f"keras{case}"], rtol=2e-5, atol=2e-7)


@pytest.mark.parametrize("case", range(len(ONE_CYCLES)))
def test_one_cycle_is_pytorchs(case):
    schedule = schedules.OneCycle(**ONE_CYCLES[case])
    steps = range(ONE_CYCLES[case]["total_steps"])
    found = [(schedule(step), schedule.spec.momentum(step)) for step in steps]
    np.testing.assert_allclose(found, STORED[f"one_cycle{case}"], rtol=1e-10)
    assert schedule(10**6) == pytest.approx(schedule(steps[-1]))


@given(st.floats(1e-6, 10), st.integers(1, 1000), st.integers(0, 3000))
def test_decays_lie_between_their_ends(initial, steps, step):
    for schedule in (
        schedules.ExponentialDecay(initial, steps, 0.5),
        schedules.InverseTimeDecay(initial, steps, 0.5),
        schedules.PolynomialDecay(initial, steps, 0.0),
        schedules.CosineDecay(initial, steps),
        schedules.CosineDecayRestarts(initial, steps),
    ):
        assert 0 <= schedule(step) <= initial * (1 + 1e-12)
    for schedule in (
        schedules.ExponentialDecay(initial, steps, 0.5),
        schedules.CosineDecay(initial, steps),
    ):
        assert schedule(step + 1) <= schedule(step)


def network(optimizer):
    ug.random.seed(3)
    model = ug.Sequential([layers.Input((5,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def data(rows=48):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, 5)).astype(np.float32)
    return x, x[:, :1] * 2


class Halves(schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 * 0.9**step


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.ExponentialDecay(0.1, 4, 0.7),
        schedules.CosineDecay(0.01, 8, warmup_target=0.1, warmup_steps=3),
        schedules.OneCycle(0.2, 12, cycle_momentum=False),
        Halves(),
    ],
)
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_a_schedule_trains_as_rates_set_by_hand(schedule, kind):
    x, y = data()
    make = getattr(ug.optimizers, kind)
    scheduled, by_hand = network(make(schedule)), network(make(schedule(0)))
    scheduled.fit(x, y, batch_size=16, epochs=4, shuffle=False, verbose=0)
    for step in range(12):
        by_hand.optimizer.learning_rate = schedule(step)
        rows = slice(step % 3 * 16, step % 3 * 16 + 16)
        by_hand.train_on_batch(x[rows], y[rows])
    for one, other in zip(scheduled.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert scheduled.optimizer.learning_rate == schedule(12)


def test_one_cycle_moves_the_momentum():
    schedule = schedules.OneCycle(0.1, 6, base_momentum=0.2, max_momentum=0.9)
    weights, gradient = np.ones(3), np.array([1.0, -2.0, 3.0])
    optimizer = ug.optimizers.SGD(schedule, momentum=0.9)
    expected, velocity = weights.copy(), np.zeros(3)
    for step in range(8):
        optimizer.apply([gradient], [weights])
        velocity = schedule.spec.momentum(step) * velocity - schedule(step) * gradient
        expected += velocity
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="no momentum"):
        network(ug.optimizers.SGD(schedule)).fit(*data(), verbose=0)
    network(ug.optimizers.Adam(schedule)).fit(*data(), verbose=0)


def test_a_resumed_run_goes_on_along_the_schedule(tmp_path):
    x, y = data()
    schedule = schedules.OneCycle(0.1, 12)
    whole = network(ug.optimizers.Adam(schedule))
    whole.fit(x, y, batch_size=16, epochs=4, verbose=0)
    first = network(ug.optimizers.Adam(schedule))
    first.fit(x, y, batch_size=16, epochs=2, verbose=0)
    first.save(tmp_path / "half.safetensors")
    for again in (
        ug.models.load_model(tmp_path / "half.safetensors"),
        copy.deepcopy(first),
    ):
        again.fit(x, y, batch_size=16, epochs=4, initial_epoch=2, verbose=0)
        for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", range(len(EVERY)))
def test_configurations_make_the_same_schedule(case):
    kind, arguments = EVERY[case]
    schedule = kind(**arguments)
    optimizer = ug.optimizers.SGD(schedule, momentum=0.5)
    for again in (
        kind.from_config(schedule.get_config()),
        schedules.deserialize(schedules.serialize(schedule)),
        ug.optimizers.SGD.from_config(optimizer.get_config())._schedule,
    ):
        assert again.get_config() == schedule.get_config()
        assert [again(step) for step in STEPS] == [schedule(step) for step in STEPS]


def test_setting_the_rate_of_a_schedule_and_wrong_arguments_are_errors():
    optimizer = ug.optimizers.SGD(schedules.ExponentialDecay(0.1, 4, 0.7))
    assert optimizer.learning_rate == 0.1
    with pytest.raises(TypeError, match="follows a schedule"):
        optimizer.learning_rate = 0.5
    for make, text in (
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be greater than 0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), "one more than the 1"),
        (lambda: schedules.PiecewiseConstantDecay([3, 1], [1, 2, 3]), "must ascend"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5), "t_mul must be at least 1"),
        (lambda: schedules.OneCycle(0.1, 1), "total_steps must be at least 2"),
        (lambda: schedules.OneCycle(0.1, 9, anneal_strategy="cosine"), "anneal_strategy"),
    ):
        with pytest.raises(ValueError, match=text):
            make()


def test_what_a_schedule_of_ones_own_raises_ends_the_run():
    class Broken(schedules.LearningRateSchedule):
        def __call__(self, step):
            if step == 2:
                raise KeyError("mine")
            return 0.1

    model = network(ug.optimizers.SGD(Broken()))
    with pytest.raises(KeyError, match="mine"):
        model.fit(*data(), batch_size=16, verbose=0)
    assert model.optimizer.iterations == 2


def test_the_range_test_finds_where_the_loss_falls_and_changes_nothing():
    x, y = data(200)
    model = network(ug.optimizers.SGD(1e-5, momentum=0.5))
    model.fit(x, y, verbose=0)
    before = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
    position = ug.random.process_streams().position
    found = ug.find_learning_rate(model, x, y, max_lr=1e4)
    assert ug.random.process_streams().position == position
    after = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    count = len(found.losses)
    assert len(found.learning_rates) == len(found.smoothed) == count < 100  # it diverges
    ratios = found.learning_rates[1:] / found.learning_rates[:-1]
    np.testing.assert_allclose(ratios, (1e4 / 1e-6) ** (1 / 99))
    assert 1e-3 < found.suggestion < 1
    assert found.steepest <= 10 * found.suggestion
    again = ug.find_learning_rate(model, x, y, max_lr=1e4)
    np.testing.assert_array_equal(again.losses, found.losses)


def test_the_range_test_of_a_scheduled_optimizer_and_its_errors():
    x, y = data()
    model = network(ug.optimizers.Adam(schedules.CosineDecay(0.1, 10)))
    assert len(ug.find_learning_rate(model, x, y, steps=7).losses) == 7
    with pytest.raises(ValueError, match="must ascend"):
        ug.find_learning_rate(model, x, y, min_lr=1.0, max_lr=0.1)
    with pytest.raises(ValueError, match="steps must be at least 2"):
        ug.find_learning_rate(model, x, y, steps=1)
    with pytest.raises(ValueError, match="not finite at the first step"):
        ug.find_learning_rate(model, np.full_like(x, np.nan), y)


def test_the_range_test_draws_its_curve(tmp_path):
    pytest.importorskip("matplotlib")
    found = ug.find_learning_rate(network("sgd"), *data(), steps=9)
    found.plot(tmp_path / "rates.svg")
    assert "learning rate" in (tmp_path / "rates.svg").read_text()
