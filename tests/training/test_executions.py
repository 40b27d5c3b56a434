"""What compile says of how steps are run: several at a time, one by one, or none."""

import numpy as np
import pytest

import unitgain as ug
from unitgain.layers import Dense, Input

X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
Y = X @ np.ones((3, 1), np.float32)


class Told(ug.callbacks.Callback):
    """Keeps what it is told of batches."""

    def __init__(self):
        self.heard = []

    def __getattribute__(self, name):
        if name.endswith(("_batch_begin", "_batch_end")) and "_on" not in name:
            what = name.removeprefix("on_").replace("_batch_", " ")
            return lambda batch, logs=None: self.heard.append((what, batch, logs))
        return super().__getattribute__(name)


def batches(size):
    """Return what yields the batches of X and Y."""

    class Data:
        def __iter__(self):
            return ((X[i : i + size], Y[i : i + size]) for i in range(0, len(X), size))

    return Data()


def model(**arguments):
    ug.random.seed(1)
    made = ug.Sequential([Input((3,)), Dense(1)])
    made.compile("sgd", "mse", **arguments)
    return made


def numbers(told, what):
    """Return which batches were told of."""
    return [batch for name, batch, _ in told.heard if name == what]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("iterated", [False, True])
def test_callbacks_are_told_of_executions(steps, iterated):
    made, told, alone = model(steps_per_execution=steps), Told(), model()
    given = (batches(4),) if iterated else (X, Y)
    made.fit(*given, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[told])
    alone.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    first = list(range(0, 5, steps))
    assert numbers(told, "train begin") == first * 2
    # The last batch that each has, or would have if the epoch did not end.
    assert numbers(told, "train end") == [batch + steps - 1 for batch in first] * 2
    for ours, expected in zip(made.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    made.evaluate(*given, batch_size=4, callbacks=[told])
    assert numbers(told, "test begin") == first
    assert numbers(told, "test end") == [batch + steps - 1 for batch in first]
    found = made.predict(batches(4) if iterated else X, batch_size=4, callbacks=[told])
    ends = [(batch, logs["outputs"]) for name, batch, logs in told.heard if name == "predict end"]
    assert [batch for batch, _ in ends] == [batch + steps - 1 for batch in first]
    np.testing.assert_array_equal(np.concatenate([outputs for _, outputs in ends]), found)


def test_values_at_an_execution_are_those_of_all_its_batches():
    told, alone = Told(), Told()
    model(steps_per_execution=2).fit(X, Y, batch_size=5, shuffle=False, verbose=0, callbacks=[told])
    model().fit(X, Y, batch_size=5, shuffle=False, verbose=0, callbacks=[alone])
    each = [logs for name, _, logs in alone.heard if name == "train end"]
    assert [logs for name, _, logs in told.heard if name == "train end"] == each[1::2]


def test_arguments_of_compile_are_kept():
    plain = model()
    assert (plain.run_eagerly, plain.jit_compile, plain.steps_per_execution) == (False, "auto", 1)
    assert model(jit_compile=True).jit_compile is True
    eager = model(run_eagerly=True, jit_compile=True)
    assert (eager.run_eagerly, eager.jit_compile) == (True, False)
    again = model()
    again.compile_from_config(model(run_eagerly=True, steps_per_execution=4).get_compile_config())
    assert (again.run_eagerly, again.steps_per_execution) == (True, 4)
    for steps in (0, -2):
        with pytest.raises(ValueError, match="steps_per_execution must be at least 1"):
            model(steps_per_execution=steps)
    with pytest.raises(TypeError):
        model(steps_per_execution=1.5)


def test_eager_steps_are_the_same_steps():
    eager, plain = model(run_eagerly=True), model()
    for one in (eager, plain):
        one.fit(X, Y, batch_size=6, epochs=2, shuffle=False, verbose=0)
    for ours, expected in zip(eager.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert eager.evaluate(X, Y) == plain.evaluate(X, Y)


def test_a_model_without_an_optimizer_is_evaluated_and_not_trained(tmp_path):
    made = ug.Sequential([Input((3,)), Dense(1)])
    made.compile(optimizer=None, loss="mse", metrics=["mae"])
    expected = model(metrics=["mae"])
    expected.set_weights(made.get_weights())
    assert made.evaluate(X, Y) == expected.evaluate(X, Y)
    assert made.test_on_batch(X, Y) == expected.test_on_batch(X, Y)
    for train in (made.fit, made.train_on_batch):
        with pytest.raises(ValueError, match="is compiled with optimizer=None"):
            train(X, Y)
    made.save(tmp_path / "model.safetensors")
    again = ug.Model.load(tmp_path / "model.safetensors")
    assert again.optimizer is None
    assert again.evaluate(X, Y) == made.evaluate(X, Y)
    made.compile("sgd", "mse")
    made.fit(X, Y, verbose=0)
