"""Models with a train_step or test_step of their own."""

import numpy as np
import pytest

import unitgain as ug
from unitgain.layers import Dense, Input

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 3)).astype(np.float32)
Y = X @ np.ones((3, 2), np.float32)


class Noted(ug.Sequential):
    """Does what the model's own steps do, and keeps what it is given."""

    def train_step(self, data):
        self.__dict__.setdefault("seen", []).append(data)
        return super().train_step(data)

    def test_step(self, data):
        self.__dict__.setdefault("tested", []).append(data)
        return super().test_step(data)


class Own(ug.Sequential):
    """Steps by gradients, and counts batches."""

    def train_step(self, data):
        loss, gradients = self.gradients(*data)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.count = getattr(self, "count", 0) + 1
        return {"loss": loss, "count": self.count}

    def test_step(self, data):
        x, y = data
        return {"distance": np.abs(self(x) - y).mean()}


def model(kind, **arguments):
    ug.random.seed(1)
    made = kind([Input((3,)), Dense(2)])
    made.compile(ug.optimizers.SGD(0.1), "mse", metrics=["mae"], **arguments)
    return made


def batches():
    """Return what yields the batches of X and Y."""

    class Data:
        def __iter__(self):
            return ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 20, 8))

    return Data()


@pytest.mark.parametrize("iterated", [False, True])
def test_steps_that_call_those_overridden_train_as_without(iterated):
    noted, plain = model(Noted), model(ug.Sequential)
    given = (batches(),) if iterated else (X, Y)
    found = noted.fit(*given, batch_size=8, epochs=2, shuffle=False, verbose=0)
    expected = plain.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for ours, weight in zip(noted.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, weight)
    for name, values in expected.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=1e-6)
    assert [len(data[0]) for data in noted.seen] == [8, 8, 4] * 2
    np.testing.assert_array_equal(noted.seen[1][0], X[8:16])
    np.testing.assert_array_equal(noted.seen[1][1], Y[8:16])
    scores = noted.evaluate(*given, batch_size=8)
    np.testing.assert_allclose(scores, plain.evaluate(X, Y), rtol=1e-6)
    assert [len(data[0]) for data in noted.tested] == [8, 8, 4]


def test_weights_of_samples_are_in_the_data():
    noted, plain = model(Noted), model(ug.Sequential)
    weights = RNG.random(20)
    for one in (noted, plain):
        one.fit(X, Y, batch_size=20, sample_weight=weights, shuffle=False, verbose=0)
    for ours, expected in zip(noted.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(noted.seen[0][2], weights)


def test_steps_by_gradients_are_steps_and_their_values_the_epochs():
    own, plain = model(Own), model(ug.Sequential)
    found = own.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y))
    plain.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for ours, expected in zip(own.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert found.history["count"] == [3, 6]
    assert set(found.history) == {"loss", "count", "val_distance"}
    distance = np.abs(own(X) - Y).mean()
    np.testing.assert_allclose(
        own.evaluate(X, Y, return_dict=True)["distance"], distance, rtol=1e-6
    )


def test_callbacks_hear_of_own_steps_and_can_end_them():
    own, heard = model(Own), []

    class Stops(ug.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            heard.append((batch, logs["count"]))
            self.model.stop_training = batch == 1

    own.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=[Stops()])
    assert heard == [(0, 1), (1, 2)]


def test_a_step_that_returns_no_values_is_refused():
    class Silent(ug.Sequential):
        def train_step(self, data):
            return None

    with pytest.raises(TypeError, match="train_step returns a NoneType, expected a dict"):
        model(Silent).fit(X, Y, verbose=0)
