"""Faults reported of Keras, and of programs written with it."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import callbacks
from unitgain.layers import Dense, Input


def network(optimizer="sgd", loss="mse", metrics=None):
    ug.random.seed(1)
    model = ug.Sequential([Input((3,)), Dense(4, "tanh"), Dense(1)])
    model.compile(optimizer, loss, metrics=metrics)
    return model


def regression(samples=24):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 3)).astype(np.float32)
    return x, x @ [[1.0], [-1.0], [0.5]]


class Values(callbacks.Callback):
    """Puts values of its own into the logs, and keeps each epoch's weights."""

    def __init__(self, **values):
        self.values = values
        self.weights = {}

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.values.items()})
        self.weights[epoch] = self.model.get_weights()


def same_weights(model, weights):
    for mine, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, expected)


class Interrupt(callbacks.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def interrupted(tmp_path, at, values, make):
    """Run to an epoch, and again in full, each time with callbacks made anew; return the last."""
    x, y = regression()
    given = [callbacks.BackupAndRestore(tmp_path / "backup"), Values(**values), make()]
    with pytest.raises(KeyboardInterrupt):
        network().fit(x, y, epochs=20, verbose=0, callbacks=[*given, Interrupt(at)])
    made = make()
    given = [callbacks.BackupAndRestore(tmp_path / "backup"), Values(**values), made]
    history = network().fit(x, y, epochs=20, verbose=0, callbacks=given)
    return made, history


def test_early_stopping_keeps_its_patience_over_an_interruption(tmp_path):
    """keras-team/keras#14862: patience began again at 0 after a crash."""
    values = {
        "score_loss": [5, 4, 3, *[9] * 17]
    }  # best in epoch 2, and patience 10: 12 is the last
    stop, history = interrupted(
        tmp_path, 11, values, lambda: callbacks.EarlyStopping("score_loss", patience=10)
    )
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (3, 2, 12)
    assert history.epoch == [11, 12]


def test_rates_are_reduced_after_an_interruption_as_without(tmp_path):
    """keras-team/keras#14862: ReduceLROnPlateau counted anew."""
    values = {"score_loss": [5.0, 4.0, *[9.0] * 18]}
    _, history = interrupted(
        tmp_path,
        4,
        values,
        lambda: callbacks.ReduceLROnPlateau("score_loss", factor=0.5, patience=4, cooldown=2),
    )
    # Reduced after epoch 5, and, as the cooldown's epochs do not count, after 10 and 15.
    expected = [0.01] * 2 + [0.005] * 5 + [0.0025] * 5 + [0.00125] * 4
    np.testing.assert_allclose(history.history["learning_rate"], expected, rtol=1e-12)


def test_a_checkpoint_of_the_best_is_not_overwritten_after_an_interruption(tmp_path):
    """keras-team/keras#17012: the first epoch after it was saved, whatever its loss."""
    values = {"score_loss": [5, 1, 4, 3, *[2] * 16]}
    best, _ = interrupted(
        tmp_path,
        3,
        values,
        lambda: callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.safetensors", "score_loss", save_best_only=True
        ),
    )
    assert best.best == 1
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "1.safetensors",
        "2.safetensors",
    ]


def test_a_run_goes_on_at_the_epoch_that_was_interrupted(tmp_path):
    """keras-team/keras#19179: all ten epochs were trained again."""
    x, y = regression()
    backup = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        network().fit(x, y, epochs=10, verbose=0, callbacks=[backup, Interrupt(4)])
    history = network().fit(x, y, epochs=10, verbose=0, callbacks=[backup])
    assert history.epoch == [4, 5, 6, 7, 8, 9]
    assert len(history.history["loss"]) == 6


def test_weights_are_restored_though_no_value_was_ever_a_number():
    """keras-team/keras#13658: best_weights was None, and set_weights raised a TypeError."""
    x, y = regression()
    model = network()
    values = Values(score_loss=[np.nan] * 5)
    stop = callbacks.EarlyStopping("score_loss", patience=2, restore_best_weights=True)
    history = model.fit(x, y, epochs=5, verbose=0, callbacks=[values, stop])
    assert len(history.epoch) == 2
    same_weights(model, values.weights[0])


def test_a_first_value_of_nan_does_not_stay_the_best():
    """keras-team/autokeras#1758: a later, finite loss was never better."""
    x, y = regression()
    model = network()
    values = Values(score_loss=[np.nan, 3.0, 2.0, 4.0, 5.0])
    stop = callbacks.EarlyStopping("score_loss", patience=2, restore_best_weights=True)
    model.fit(x, y, epochs=5, verbose=0, callbacks=[values, stop])
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (2.0, 2, 4)
    same_weights(model, values.weights[2])


def test_the_best_weights_are_those_after_the_epoch_with_the_best_value():
    """keras-team/keras#20323: the weights seemed to be of another epoch.

    The loss of an epoch is of the weights at its steps; that of validation is of those at its end.
    """
    x, y = regression()
    model = network(ug.optimizers.SGD(1.2))
    stop = callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    history = model.fit(x, y, epochs=40, verbose=0, validation_data=(x, y), callbacks=[stop])
    assert stop.best == min(history.history["val_loss"])
    assert model.evaluate(x, y) == stop.best


def test_the_best_weights_come_back_when_the_epochs_are_over():
    """tensorflow/tensorflow#35634: only if the callback itself had ended the run."""
    x, y = regression()
    model = network()
    values = Values(score_loss=[5, 4, 1, 3, 2])
    stop = callbacks.EarlyStopping("score_loss", patience=5, restore_best_weights=True)
    model.fit(x, y, epochs=5, verbose=0, callbacks=[values, stop])
    assert stop.stopped_epoch == 0
    same_weights(model, values.weights[2])


@pytest.mark.parametrize("metric", ["Precision", "Recall", "F1Score", "R2Score", "AUC"])
def test_early_stopping_maximises_what_is_better_when_larger(metric):
    """keras-team/keras#18798 and #15138: all but accuracies were minimised."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    y = (x[:, :1] > 0).astype(float)
    model = ug.Sequential([Input((3,)), Dense(1, "sigmoid")])
    options = {"threshold": 0.5} if metric == "F1Score" else {}
    made = getattr(ug.metrics, metric)(name="quality", **options)
    model.compile(ug.optimizers.SGD(0.3), "binary_crossentropy", metrics=[made])
    stop = callbacks.EarlyStopping("val_quality", patience=30)
    history = model.fit(x, y, epochs=6, verbose=0, validation_data=(x, y), callbacks=stop)
    assert stop.best == max(history.history["val_quality"])
    assert stop.best > min(history.history["val_quality"])


def test_early_stopping_asks_for_a_mode_where_it_cannot_tell():
    """keras-team/keras#17593: "auto" minimised NDCG, of which it knows nothing."""
    x, y = regression()
    given = [Values(ndcg=[0.5, 0.75]), callbacks.EarlyStopping("ndcg", patience=1)]
    with pytest.raises(ValueError, match="'ndcg' should be small or large: pass mode="):
        network().fit(x, y, epochs=2, verbose=0, callbacks=given)


def test_one_optimizer_does_not_train_two_models():
    """eriklindernoren/Keras-GAN#128 and yzhao062/pyod#459: both shared one momentum."""
    x, y = regression()
    optimizer = ug.optimizers.Adam(0.01)
    discriminator, combined = network(optimizer), network(optimizer)
    discriminator.train_on_batch(x, y)
    with pytest.raises(ValueError, match=r"cannot be trained with adam.*optimizer of its own"):
        combined.train_on_batch(x, y)
    combined.compile(ug.optimizers.Adam.from_config(optimizer.get_config()), "mse")
    alone = network(ug.optimizers.Adam(0.01))
    for _ in range(3):
        combined.train_on_batch(x, y)
        alone.train_on_batch(x, y)
        discriminator.train_on_batch(x, y)
    same_weights(combined, alone.get_weights())
    assert optimizer.iterations == 4


def test_outputs_come_to_callbacks_batch_by_batch():
    """tensorflow/io#146: what predict gives, to be written elsewhere as it comes."""
    x, _ = regression()
    model = network()
    written = []
    told = callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: written.append(logs["outputs"])
    )
    outputs = model.predict(x, batch_size=10, callbacks=[told])
    assert [len(part) for part in written] == [10, 10, 4]
    np.testing.assert_array_equal(np.concatenate(written), outputs)
    np.testing.assert_array_equal(outputs, model.predict(x))
