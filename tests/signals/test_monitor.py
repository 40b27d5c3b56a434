"""SignalMonitor: what it sees while a model trains, and that it changes nothing."""

import gc
import math
import sys
import weakref

import numpy as np
import pytest
from sick_networks import chain

import unitgain as ug
from unitgain import layers
from unitgain.callbacks import SignalMonitor, SignalsError


def digits_net(activation="relu", optimizer="adam", dropout=0.0):
    ug.random.seed(0)
    model = ug.Sequential([layers.Input((64,))])
    for i in range(2):
        model.add(layers.Dense(32, activation, kernel_initializer="auto", name=f"hidden_{i}"))
        if dropout:
            model.add(layers.Dropout(dropout))
            model.add(layers.BatchNormalization())
    model.add(layers.Dense(10, "softmax", name="output"))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def digits():
    (x, y), _ = ug.datasets.load_digits()
    return x, y


def test_training_has_the_same_bits_with_it():
    def trained(callbacks):
        model = digits_net(dropout=0.2)
        model.fit(*digits(), epochs=3, verbose=0, callbacks=callbacks)
        return model.get_weights()

    seen = SignalMonitor(every=7)
    for a, b in zip(trained([]), trained([seen]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [record.step for record in seen.records] == list(range(0, 3 * 43, 7))


def test_healthy_training_is_silent():
    seen = SignalMonitor(every=10, on="raise")
    history = digits_net().fit(*digits(), epochs=10, verbose=0, callbacks=[seen])
    assert {record.verdict for record in seen.records} == {"healthy"}
    assert seen.began == {}
    for name in ("forward", "backward", "update", "dead", "saturated"):
        assert len(history.history[f"signal_{name}"]) == 10
    assert 0 < history.history["signal_update"][-1] < 0.1


def test_numbers_are_those_of_the_batch_and_of_its_step():
    model = digits_net(optimizer=ug.optimizers.SGD(0.1))
    x, y = (a[:32] for a in digits())
    report = model.diagnose(x, y)
    seen = SignalMonitor(every=1, on="record")
    model.fit(x, y, batch_size=32, shuffle=False, verbose=0, callbacks=[seen])
    (record,) = seen.records
    assert record.loss == pytest.approx(report.value)
    for layer, known in zip(record.layers, report.layers, strict=True):
        assert layer.name == known.name
        for name in ("forward_gain", "forward_total", "backward_total", "kernel_gradient_norm"):
            a, b = getattr(layer, name), getattr(known, name)
            # Gradients that training does without are left out.
            same = a == pytest.approx(b, rel=1e-5, nan_ok=True)
            assert same or math.isnan(a), (layer.name, name)
        assert layer.update_ratio == pytest.approx(known.update_ratio, rel=1e-3, nan_ok=True)
        assert layer.dead == known.dead


def test_warns_once_of_each_verdict_and_says_where_and_when():
    model, given = chain(20, 32, "sigmoid", "glorot_uniform")
    seen = SignalMonitor(every=2)
    with pytest.warns(UserWarning, match=r"vanishing since step 0, in hidden_0.*slope") as told:
        model.fit(given["x"], given["y"], epochs=3, verbose=0, callbacks=[seen])
    assert len(told) == 1
    assert seen.began["hidden_3", "vanishing"] == 0


def test_raises_at_the_step_at_which_it_begins():
    model = digits_net(optimizer=ug.optimizers.SGD(0.01))

    class Overheat(ug.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.optimizer.learning_rate = 1e3

    seen = SignalMonitor(every=1, on="raise")
    with pytest.raises(SignalsError, match=r"exploding since step 43, in .*learning rate"):
        model.fit(*digits(), epochs=3, verbose=0, callbacks=[Overheat(), seen])
    assert seen.records[-1].step == 43
    assert seen.records[-2].verdict == "healthy"
    assert model.optimizer.iterations == 44


def test_a_unit_that_is_rare_is_not_dead():
    model = digits_net()
    seen = SignalMonitor(every=5, on="record")
    x, y = digits()
    model.fit(x, y, batch_size=4, epochs=1, verbose=0, callbacks=[seen])
    assert "dying" not in {verdict for _, verdict in seen.began}


def test_it_watches_no_longer_than_training_and_holds_nothing():
    model = digits_net()
    seen = SignalMonitor(every=1, on="record")
    x, y = (a[:64] for a in digits())
    model.fit(x, y, verbose=0, callbacks=[seen])
    count = len(seen.records)
    model.fit(x, y, verbose=0)
    assert len(seen.records) == count
    raising = SignalMonitor(every=1, on="raise")
    model.optimizer.learning_rate = 1e4
    with pytest.raises(SignalsError):
        model.fit(x, y, verbose=0, callbacks=[raising])
    gone = weakref.ref(model), weakref.ref(raising)
    del model, seen, raising
    gc.collect()
    assert gone[0]() is None
    assert gone[1]() is None


def test_branches_that_begin_at_zero_raise_no_alarm():
    ug.random.seed(0)
    x = layers.Input((64,))
    branch = layers.Dense(32, "relu", kernel_initializer="he_normal")(x)
    h = layers.Add()([x, layers.Dense(64, kernel_initializer="zeros")(branch)])
    model = ug.Model(x, layers.Dense(10, "softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*digits(), verbose=0, callbacks=[SignalMonitor(every=1, on="raise")])


def test_steps_are_counted_through_batches():
    x, y = digits()
    batches = [(x[i : i + 50], y[i : i + 50]) for i in range(0, 500, 50)]
    seen = SignalMonitor(every=4, on="record")
    model = digits_net()
    model.fit(iter(batches), epochs=1, verbose=0, callbacks=[seen])
    assert [record.step for record in seen.records] == [0, 4, 8]
    model.fit(x[:100], y[:100], batch_size=50, verbose=0, callbacks=[seen])
    assert [record.step for record in seen.records] == []
    model.fit(x[:200], y[:200], batch_size=50, verbose=0, callbacks=[seen])
    assert [record.step for record in seen.records] == [12]


def test_layers_frozen_between_epochs():
    model = digits_net()

    class Freeze(ug.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.get_layer("hidden_0").trainable = False

    seen = SignalMonitor(every=10, on="record")
    model.fit(*digits(), epochs=2, verbose=0, callbacks=[Freeze(), seen])
    first = {layer.name: layer for layer in seen.records[-1].layers}["hidden_0"]
    assert math.isnan(first.update_ratio)


def test_errors():
    with pytest.raises(ValueError, match="every must be at least 1"):
        SignalMonitor(every=0)
    with pytest.raises(ValueError, match="expected 'warn', 'raise' or 'record'"):
        SignalMonitor(on="shout")


def test_event_files(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = SignalMonitor(every=10, log_dir=tmp_path)
    digits_net().fit(*digits(), epochs=1, verbose=0, callbacks=[seen])
    found = EventAccumulator(str(tmp_path)).Reload()
    events = found.Scalars("hidden_0/forward_gain")
    assert [event.step for event in events] == [record.step for record in seen.records]
    assert events[0].value == pytest.approx(seen.records[0].layers[1].forward_gain)


def test_event_files_need_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match="tensorboard"):
        SignalMonitor(log_dir=tmp_path)
