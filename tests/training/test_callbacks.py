"""Callbacks decide as Keras's do on stored lists of values, and act on real runs and files."""

import csv
import gc
import json
import warnings
import weakref

import numpy as np
import pytest

import unitgain as ug
from reference.callbacks import CASES, FILE, LISTS, LOGS, csv_text, decisions
from unitgain import callbacks
from unitgain.callbacks.monitoring import larger_is_better
from unitgain.layers import Dense, Input
from unitgain.training.callback import CallbackList

REFERENCE = json.loads(FILE.read_text(encoding="utf-8"))


def blobs(samples=60, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, samples)
    return (rng.standard_normal((samples, 5)) + 2 * np.eye(3, 5)[y]).astype(np.float32), y


def classifier(optimizer="adam", metrics=("accuracy",)):
    ug.random.seed(3)
    model = ug.Sequential([Input((5,)), Dense(8, activation="tanh"), Dense(3)])
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=list(metrics))
    return model


def attached(callback, model, epochs=1, verbose=0):
    callback.set_model(model)
    callback.set_params({"epochs": epochs, "steps": 2, "verbose": verbose})
    return callback


def same(mine, theirs):
    if isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if isinstance(theirs, float):
        return mine == pytest.approx(theirs, rel=1e-7, nan_ok=True)
    return mine == theirs


# ---- decisions ----


@pytest.mark.parametrize("values", LISTS)
@pytest.mark.parametrize("case", CASES)
def test_decisions_are_those_of_keras(case, values, tmp_path):
    name, options = CASES[case]
    given = dict(options)
    if "filepath" in given:
        given["filepath"] = tmp_path / given["filepath"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are missing
        found = decisions(getattr(callbacks, name)(**given), LISTS[values])
    expected = REFERENCE[f"{case}/{values}"]
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert same(found[key], value), key


def test_the_cases_tell_callbacks_apart():
    ended = {REFERENCE[f"stop_patience/{values}"]["epochs"] for values in LISTS}
    assert len(ended) > 4
    assert len({str(REFERENCE[f"{case}/valley"]) for case in CASES}) > 12


@pytest.mark.parametrize("case", LOGS)
def test_csv_files_are_those_of_keras(case, tmp_path):
    text = csv_text(callbacks.CSVLogger, case, tmp_path / "log.csv")
    assert text == REFERENCE[f"csv/{case}"]


@pytest.mark.parametrize(
    ("name", "larger"),
    [
        ("loss", False), ("val_loss", False), ("classes_loss", False), ("accuracy_loss", False),
        ("val_mae", False), ("mean_squared_error", False), ("binary_crossentropy", False),
        ("poisson", False), ("kl_divergence", False), ("squared_hinge", False),
        ("accuracy", True), ("val_acc", True), ("sparse_categorical_accuracy", True),
        ("auc", True), ("val_precision_1", True), ("recall", True), ("r2_score", True),
        ("f1_score", True), ("top_k_categorical_accuracy", True), ("cosine_similarity", True),
        ("true_positives", True), ("false_negatives", False), ("learning_rate", None),
        ("brier_score", False), ("score", None), ("inaccuracy", None), ("accident_rate", None),
        ("classes_accuracy", True), ("roc_auc", True), ("mean_iou", True), ("logloss", False),
        ("accuracy_error", None), ("precision_loss", False), ("rmse_2", False), ("epoch", None),
    ],
)  # fmt: skip
def test_a_metrics_name_tells_what_is_better(name, larger):
    assert larger_is_better(name, []) is larger


def test_a_metrics_class_tells_what_is_better_where_its_name_does_not():
    metric = ug.metrics.BinaryAccuracy(name="hits")
    assert larger_is_better("val_hits", [metric]) is True
    assert larger_is_better("hits", [ug.metrics.MeanSquaredError(name="hits")]) is False
    assert larger_is_better("hits", []) is None


def test_every_metric_states_the_direction_that_keras_states():
    # keras.metrics 3.15 by its attribute _direction, for those that both have
    smaller = (
        "BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy KLDivergence "
        "Poisson MeanSquaredError RootMeanSquaredError MeanAbsoluteError "
        "MeanAbsolutePercentageError MeanSquaredLogarithmicError LogCoshError Hinge SquaredHinge "
        "CategoricalHinge"
    )
    larger = (
        "Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy AUC Recall "
        "Precision TopKCategoricalAccuracy SparseTopKCategoricalAccuracy F1Score FBetaScore "
        "R2Score CosineSimilarity PearsonCorrelation ConcordanceCorrelation "
        "SensitivityAtSpecificity SpecificityAtSensitivity PrecisionAtRecall RecallAtPrecision"
    )
    for names, direction in ((smaller, "down"), (larger, "up")):
        for name in names.split():
            assert getattr(ug.metrics, name).direction == direction, name
    for name in ("Mean", "Sum", "MeanMetricWrapper", "Metric"):
        assert getattr(ug.metrics, name).direction is None


class Stated(ug.metrics.Metric):
    """A metric whose name and class tell nothing."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return next(self.values)


@pytest.mark.parametrize(("attribute", "value"), [("direction", "up"), ("_direction", "up")])
def test_a_metric_of_ones_own_states_what_is_better(attribute, value):
    x, y = blobs()
    metric = Stated(name="size")
    metric.values = iter([1.0, 2.0, 3.0, 2.5, 2.0])
    setattr(metric, attribute, value)
    stop = callbacks.EarlyStopping("size", patience=1)
    classifier(metrics=[metric]).fit(x, y, epochs=5, verbose=0, callbacks=stop)
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (3.0, 2, 3)
    metric.values = iter([1.0])
    metric.direction = metric._direction = "larger"
    with pytest.raises(ValueError, match="size has the direction 'larger', expected 'up' or"):
        classifier(metrics=[metric]).fit(x, y, verbose=0, callbacks=stop)


def test_a_function_and_a_loss_state_it_for_the_metric_that_they_become():
    def size(y_true, y_pred):
        return y_pred[:, 0]

    assert ug.metrics.MeanMetricWrapper(size).direction is None
    size.direction = "up"
    assert larger_is_better("size", [ug.metrics.MeanMetricWrapper(size)]) is True
    loss = ug.losses.MeanSquaredError(name="distance")
    assert larger_is_better("distance", [ug.metrics.get(loss)]) is False


def test_the_metric_of_an_output_is_found_by_the_name_of_the_logs():
    x, _ = blobs()
    inputs = Input((5,))
    outputs = {"a": Dense(1)(inputs), "b": Dense(1)(inputs)}
    model = ug.Model(inputs, outputs)
    metric = Stated(name="size")
    metric.values = iter([1.0, 2.0, 1.0])
    metric.direction = "up"
    model.compile("sgd", "mse", metrics={"a": ["mae"], "b": [metric]})
    stop = callbacks.EarlyStopping("b_size", patience=1)
    targets = {"a": x[:, 0], "b": x[:, 1]}
    model.fit(x, targets, epochs=3, verbose=0, callbacks=stop)
    assert (stop.best, stop.stopped_epoch) == (2.0, 2)


def test_several_values_are_no_one_value_to_watch():
    x, y = blobs()
    model = classifier(metrics=[Stated(name="each_accuracy")])
    model.metrics[0].values = iter([np.array([0.5, 0.25])])
    stop = callbacks.EarlyStopping("each_accuracy")
    with pytest.raises(ValueError, match="'each_accuracy', which is 2 values, expected one"):
        model.fit(x, y, verbose=0, callbacks=stop)


def test_a_value_that_is_missing_is_warned_of_with_those_there_are():
    model = classifier()
    for callback in (
        callbacks.EarlyStopping("val_accuracy"),
        callbacks.ReduceLROnPlateau("val_accuracy"),
    ):
        attached(callback, model).on_train_begin()
        with pytest.warns(UserWarning, match=r"'val_accuracy'.*loss, accuracy"):
            callback.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5})
    assert not model.stop_training


def test_a_name_that_tells_nothing_needs_a_mode():
    stop = attached(callbacks.EarlyStopping("size"), classifier())
    stop.on_train_begin()
    with pytest.raises(ValueError, match="'size' should be small or large: pass mode"):
        stop.on_epoch_end(0, {"size": 1.0})


# ---- runs ----


class Recorder(callbacks.Callback):
    """Keeps the weights after each epoch."""

    def __init__(self):
        self.weights, self.rates, self.logs = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())
        self.rates.append(self.model.optimizer.learning_rate)
        self.logs.append(dict(logs))


def test_early_stopping_ends_a_run_and_restores_the_best_epoch():
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(4.0))  # so fast that the validation loss soon grows
    recorder = Recorder()
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        x, y, epochs=60, validation_split=0.5, verbose=0, callbacks=[recorder, stop]
    )
    losses = history.history["val_loss"]
    assert len(losses) == stop.stopped_epoch + 1 < 60
    assert stop.best_epoch == int(np.argmin(losses)) == len(losses) - 3
    assert stop.best == min(losses)
    for mine, best in zip(model.get_weights(), recorder.weights[stop.best_epoch], strict=True):
        np.testing.assert_array_equal(mine, best)


def test_early_stopping_restores_the_best_epoch_of_a_run_that_ends_by_epochs(capsys):
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(4.0))
    recorder = Recorder()
    stop = callbacks.EarlyStopping(
        "accuracy", patience=50, mode="min", verbose=1, restore_best_weights=True
    )
    model.fit(x, y, epochs=5, verbose=0, callbacks=[recorder, stop])
    worst = int(np.argmin([logs["accuracy"] for logs in recorder.logs]))
    assert (stop.stopped_epoch, stop.best_epoch) == (0, worst)
    for mine, best in zip(model.get_weights(), recorder.weights[worst], strict=True):
        np.testing.assert_array_equal(mine, best)
    assert capsys.readouterr().out == f"Restoring the weights of the best epoch: {worst + 1}\n"


def test_a_first_epoch_of_nan_is_not_the_best(tmp_path):
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(0.01))
    recorder = Recorder()

    def spoil(epoch, logs):
        logs["loss"] = [np.nan, 2.0, 3.0, 4.0][epoch]

    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("loss", patience=2)
    best = callbacks.ModelCheckpoint(tmp_path / "b.safetensors", "loss", save_best_only=True)
    watch = [callbacks.LambdaCallback(on_epoch_end=spoil), recorder, stop, plateau, best]
    model.fit(x, y, epochs=9, verbose=0, callbacks=watch)
    assert len(recorder.logs) == 4
    assert stop.best == plateau.best == best.best == 2.0
    assert (stop.best_epoch, stop.stopped_epoch) == (1, 3)
    saved = ug.load_model(tmp_path / "b.safetensors")
    for found in (model.get_weights(), saved.get_weights()):
        for mine, expected in zip(found, recorder.weights[1], strict=True):
            np.testing.assert_array_equal(mine, expected)


def test_rates_are_reduced_and_reported():
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(0.4))
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10.0)
    recorder = Recorder()
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[plateau, recorder])
    np.testing.assert_allclose(recorder.rates, [0.4, 0.2, 0.1, 0.05], rtol=1e-12)
    np.testing.assert_allclose(history.history["learning_rate"], [0.4, 0.4, 0.2, 0.1], rtol=1e-12)


@pytest.mark.parametrize(
    "schedule", [lambda epoch, rate: 0.5 * rate, lambda epoch: 0.4 * 0.5 ** (epoch + 1)]
)
def test_learning_rate_scheduler_sets_the_rate_before_each_epoch(schedule, capsys):
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(0.4))
    scheduler = callbacks.LearningRateScheduler(schedule, verbose=1)
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[scheduler])
    np.testing.assert_allclose(history.history["learning_rate"], [0.2, 0.1, 0.05], rtol=1e-12)
    assert "Epoch 2: setting the learning rate to 0.1\n" in capsys.readouterr().out


def test_learning_rate_scheduler_takes_what_numpy_returns_and_refuses_what_is_no_number():
    x, y = blobs()
    model = classifier()
    good = callbacks.LearningRateScheduler(lambda epoch, rate: np.float32(0.25))
    model.fit(x, y, verbose=0, callbacks=[good])
    assert model.optimizer.learning_rate == 0.25
    bad = callbacks.LearningRateScheduler(lambda epoch, rate: None)
    with pytest.raises(ValueError, match="the schedule returned None"):
        model.fit(x, y, verbose=0, callbacks=[bad])


def test_errors_inside_a_schedule_are_its_own():
    x, y = blobs()

    def schedule(epoch, rate):
        return rate + "0.1"

    with pytest.raises(TypeError, match="unsupported operand"):
        classifier().fit(x, y, verbose=0, callbacks=[callbacks.LearningRateScheduler(schedule)])


def test_terminate_on_nan_names_the_step(capsys):
    x, y = blobs()
    model = classifier()

    def spoil(epoch, logs):
        if epoch == 1:
            model.layers[0].kernel.array[0, 0] = np.nan

    watch = [callbacks.LambdaCallback(on_epoch_begin=spoil), callbacks.TerminateOnNaN()]
    history = model.fit(x, y, epochs=5, verbose=0, callbacks=watch)
    assert len(history.epoch) == 2
    assert capsys.readouterr().out == (
        "the loss is not finite after batch 1 of epoch 2: terminating training\n"
    )
    assert callbacks.TerminateOnNaN.stops_at_nan
    with pytest.raises(RuntimeError, match="not finite after batch 1 of epoch 1"):
        model.fit(x, y, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])


# ---- files ----


def test_checkpoints_load_and_give_the_same_predictions(tmp_path):
    x, y = blobs()
    model = classifier()
    outputs = {}

    class Outputs(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            outputs[tmp_path / f"runs/{epoch + 1:02d}-{logs['loss']:.2f}.safetensors"] = (
                self.model.predict(x)
            )

    name = tmp_path / "runs" / "{epoch:02d}-{loss:.2f}.safetensors"
    model.fit(x, y, epochs=3, verbose=0, callbacks=[callbacks.ModelCheckpoint(name), Outputs()])
    assert sorted((tmp_path / "runs").iterdir()) == sorted(outputs)
    for path, expected in outputs.items():
        np.testing.assert_array_equal(ug.load_model(path).predict(x), expected)


def test_a_checkpoint_of_an_epoch_goes_on_as_the_run_did(tmp_path):
    x, y = blobs()
    model = classifier()
    name = tmp_path / "{epoch}.safetensors"
    model.fit(x, y, epochs=4, verbose=0, callbacks=[callbacks.ModelCheckpoint(name)])
    resumed = ug.load_model(tmp_path / "2.safetensors")
    resumed.fit(x, y, initial_epoch=2, epochs=4, verbose=0)
    for mine, expected in zip(resumed.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_the_best_weights_alone(tmp_path, capsys):
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(4.0))
    path = tmp_path / "best.safetensors"
    best = callbacks.ModelCheckpoint(
        path, verbose=1, save_best_only=True, save_weights_only=True, monitor="val_accuracy"
    )
    recorder = Recorder()
    history = model.fit(x, y, epochs=8, validation_split=0.5, verbose=0, callbacks=[best, recorder])
    accuracies = history.history["val_accuracy"]
    assert best.best == max(accuracies)
    other = classifier()
    other.load_weights(path)
    for mine, expected in zip(
        other.get_weights(), recorder.weights[int(np.argmax(accuracies))], strict=True
    ):
        np.testing.assert_array_equal(mine, expected)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Epoch 1: val_accuracy improved on nothing to ")
    assert any("did not improve on" in line for line in lines)
    assert len(lines) == 8


def test_csv_logger_goes_on_with_the_file_of_a_run_before(tmp_path):
    x, y = blobs()
    model = classifier()
    path = tmp_path / "log.csv"
    model.fit(x, y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)])
    logger = callbacks.CSVLogger(path, append=True)
    history = model.fit(x, y, initial_epoch=2, epochs=4, verbose=0, callbacks=[logger])
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert [float(row["loss"]) for row in rows[2:]] == history.history["loss"]


def test_progress_bar_counts_the_epochs_of_a_silent_run(capsys):
    x, y = blobs()
    model = classifier()
    model.fit(x, y, epochs=3, verbose=0, callbacks=[callbacks.ProgressBar()])
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "accuracy=" in shown
    model.fit(x, y, epochs=2, verbose=2, callbacks=[callbacks.ProgressBar()])
    assert "2/2" not in capsys.readouterr().err


def noisy_classifier(seed):
    ug.random.seed(seed)
    model = ug.Sequential([Input((5,)), Dense(8, "relu"), ug.layers.Dropout(0.3), Dense(3)])
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


class Interrupt(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise RuntimeError("interrupted")


def test_an_interrupted_run_goes_on_with_the_bits_of_one_that_never_stopped(tmp_path):
    x, y = blobs()
    whole = noisy_classifier(seed=1)
    whole.fit(x, y, epochs=5, verbose=0)
    first = noisy_classifier(seed=1)
    folder = tmp_path / "backup"
    backup = callbacks.BackupAndRestore(folder)
    with pytest.raises(RuntimeError, match="interrupted"):
        first.fit(x, y, epochs=5, verbose=0, callbacks=[backup, Interrupt()])
    assert [path.name for path in folder.iterdir()] == ["latest.safetensors"]
    second = noisy_classifier(seed=2)
    history = second.fit(x, y, epochs=5, verbose=0, callbacks=[callbacks.BackupAndRestore(folder)])
    assert history.epoch == [3, 4]
    for mine, expected in zip(second.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert not folder.exists()
    assert second.fit(x, y, verbose=0).epoch == [0]


def test_a_backup_that_is_damaged_gives_way_to_the_one_before(tmp_path):
    x, y = blobs()
    keep = {"backup_dir": tmp_path, "double_checkpoint": True, "delete_checkpoint": False}
    model = noisy_classifier(seed=1)
    recorder = Recorder()
    model.fit(x, y, epochs=3, verbose=0, callbacks=[callbacks.BackupAndRestore(**keep), recorder])
    latest = tmp_path / "latest.safetensors"
    latest.write_bytes(latest.read_bytes()[:-1])
    other = attached(callbacks.BackupAndRestore(**keep), noisy_classifier(seed=2))
    other.on_train_begin()
    for mine, expected in zip(other.model.get_weights(), recorder.weights[1], strict=True):
        np.testing.assert_array_equal(mine, expected)
    (tmp_path / "before.safetensors").unlink()
    with pytest.raises(ValueError, match=r"latest\.safetensors cannot be loaded"):
        other.on_train_begin()


def test_a_backup_of_another_model_is_refused(tmp_path):
    x, y = blobs()
    backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    noisy_classifier(seed=1).fit(x, y, verbose=0, callbacks=[backup])
    with pytest.raises(ValueError, match="cannot be loaded: weights has 4 arrays"):
        attached(backup, ug.Sequential([Input((5,)), Dense(3)])).on_train_begin()


# ---- hooks ----


def test_lambda_callback_calls_functions_with_logs():
    x, y = blobs()
    told = []
    callback = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: told.append(("begin", epoch, logs)),
        on_epoch_end=lambda epoch, logs: told.append(("end", epoch, sorted(logs))),
        on_train_begin=lambda logs: told.append(("train", logs)),
        on_train_end=lambda logs: told.append(("trained", sorted(logs))),
    )
    classifier().fit(x, y, verbose=0, callbacks=[callback])
    names = ["accuracy", "loss"]
    assert told == [("train", {}), ("begin", 0, {}), ("end", 0, names), ("trained", names)]


def test_only_hooks_for_batches_bring_each_step_back_to_python():
    def wants(*given, what="train"):
        return CallbackList(given, classifier(), {}).wants_batches(what)

    class Older(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            pass

    every = [
        callbacks.EarlyStopping(), callbacks.ModelCheckpoint("a.safetensors"),
        callbacks.ReduceLROnPlateau(), callbacks.LearningRateScheduler(lambda epoch: 0.1),
        callbacks.CSVLogger("a.csv"), callbacks.TerminateOnNaN(), callbacks.LambdaCallback(print),
        callbacks.ProgressBar(), callbacks.SwapEMAWeights(), callbacks.History(),
        callbacks.BackupAndRestore("a"),
    ]  # fmt: skip
    assert not any(wants(*every, what=what) for what in ("train", "test", "predict"))
    assert wants(callbacks.LambdaCallback(on_train_batch_end=print))
    assert not wants(callbacks.LambdaCallback(on_train_batch_end=print), what="test")
    assert wants(callbacks.LambdaCallback(on_test_batch_begin=print), what="test")
    assert wants(callbacks.ModelCheckpoint("a.safetensors", save_freq=3))
    assert wants(callbacks.BackupAndRestore("a", save_freq=3))
    assert wants(Older())
    assert not wants(Older(), what="predict")


def test_the_older_names_of_batch_hooks_are_called():
    told = []
    callback = callbacks.LambdaCallback(on_batch_begin=lambda batch, logs: told.append(batch))
    listeners = CallbackList([callback], classifier(), {})
    listeners.tell("train_batch_begin", 4)
    listeners.tell("train_batch_end", 4, {"loss": 1.0})
    assert told == [4]


# ---- averages ----


def test_averages_stand_for_the_weights_in_evaluations_alone():
    x, y = blobs()
    model = classifier(ug.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5))
    kernel = model.layers[0].kernel
    ran = []

    def average():
        found = {v.name: v.numpy() for v in model.optimizer.variables}
        return found[f"{kernel.name}_average"]

    def check(epoch, logs):
        own = kernel.numpy()
        swap.on_test_begin()
        np.testing.assert_array_equal(kernel.array, average())
        assert not np.array_equal(kernel.array, own)
        swap.on_test_end()
        np.testing.assert_array_equal(kernel.array, own)
        ran.append(epoch)

    swap = callbacks.SwapEMAWeights()
    watch = callbacks.LambdaCallback(on_epoch_end=check)
    model.fit(x, y, epochs=3, verbose=0, callbacks=[watch, swap])
    assert ran == [0, 1, 2]
    np.testing.assert_array_equal(kernel.array, average())


def test_callbacks_behind_see_the_averages_and_training_goes_on_without():
    x, y = blobs()
    optimizer = {"learning_rate": 0.5, "use_ema": True, "ema_momentum": 0.8}
    plain, swapped = Recorder(), Recorder()
    models = []
    for given in ([plain], [callbacks.SwapEMAWeights(swap_on_epoch=True), swapped]):
        models.append(classifier(ug.optimizers.SGD(**optimizer)))
        models[-1].fit(x, y, epochs=3, verbose=0, callbacks=given)
    assert [logs["loss"] for logs in plain.logs] == [logs["loss"] for logs in swapped.logs]
    assert not np.array_equal(plain.weights[1][0], swapped.weights[1][0])
    for final in (models[0].get_weights(), swapped.weights[-1]):
        for mine, expected in zip(models[1].get_weights(), final, strict=True):
            np.testing.assert_array_equal(mine, expected)


def test_averages_need_an_optimizer_that_keeps_them():
    swap = attached(callbacks.SwapEMAWeights(), classifier())
    with pytest.raises(ValueError, match="use_ema=True"):
        swap.on_test_begin()


# ---- errors ----


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: callbacks.EarlyStopping(mode="mxa"), "did you mean 'max'"),
        (
            lambda: callbacks.ModelCheckpoint("a.keras"),
            "'a.keras', but files are written in the safetensors format alone: name it 'a.safet",
        ),
        (lambda: callbacks.ModelCheckpoint("a.safetensors", save_freq="batch"), "'epoch' or a"),
        (lambda: callbacks.ModelCheckpoint("a.safetensors", save_freq=0), "at least 1"),
        (lambda: callbacks.BackupAndRestore(""), "backup_dir is empty"),
        (lambda: callbacks.BackupAndRestore("a", save_freq=True - 1), "save_freq is 0"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), "factor must be"),
        (lambda: callbacks.LambdaCallback(on_epoch_edn=print), "did you mean 'on_epoch_end'"),
    ],
)
def test_errors_name_the_argument(make, words):
    with pytest.raises(ValueError, match=r".") as raised:
        make()
    assert words in str(raised.value)


def test_a_file_name_with_an_unknown_value_says_which_there_are():
    x, y = blobs()
    checkpoint = callbacks.ModelCheckpoint("{epoch}-{val_los:.2f}.safetensors")
    with pytest.raises(ValueError, match=r"no 'val_los' among epoch, loss, accuracy"):
        classifier().fit(x, y, verbose=0, callbacks=[checkpoint])


def test_rates_need_a_compiled_model():
    model = ug.Sequential([Input((5,)), Dense(3)])
    scheduler = attached(callbacks.LearningRateScheduler(lambda epoch: 0.1), model)
    with pytest.raises(ValueError, match="LearningRateScheduler needs a model that is compiled"):
        scheduler.on_epoch_begin(0)


# ---- what goes in and what comes out ----


def test_a_single_callback_needs_no_list():
    x, y = blobs()
    model = classifier()
    told = []
    callback = callbacks.LambdaCallback(
        on_train_begin=lambda logs: told.append("fit"),
        on_test_begin=lambda logs: told.append("evaluate"),
        on_predict_begin=lambda logs: told.append("predict"),
    )
    model.fit(x, y, verbose=0, callbacks=callback)
    model.evaluate(x, y, callbacks=callback)
    model.predict(x, callbacks=callback)
    assert told == ["fit", "evaluate", "predict"]
    with pytest.raises(TypeError, match=r"a callback is of type str, expected a ug\.callbacks"):
        model.fit(x, y, callbacks="stop")


class Outputs(callbacks.Callback):
    """Keeps the outputs of batches, and spoils them afterwards."""

    def __init__(self):
        self.batches, self.parts = [], []

    def on_predict_batch_end(self, batch, logs=None):
        self.batches.append(batch)
        outputs = logs["outputs"]
        for part in outputs if isinstance(outputs, list) else [outputs]:
            self.parts.append(part.copy())
            part[:] = np.nan


@pytest.mark.parametrize("given", ["array", "batches", "out"])
def test_predict_tells_of_the_outputs_of_each_batch(given):
    x = np.random.default_rng(0).standard_normal((50, 3, 5)).astype(np.float32)
    model = ug.Sequential([Input((3, 5)), Dense(2)])
    expected = model.predict(x)
    told = Outputs()
    if given == "batches":
        found = model.predict((x[i : i + 16] for i in range(0, 50, 16)), callbacks=told)
    else:
        out = np.empty_like(expected) if given == "out" else None
        found = model.predict(x, batch_size=16, callbacks=[told], out=out)
        assert out is None or found is out
    assert told.batches == [0, 1, 2, 3]
    assert [part.shape for part in told.parts] == [(16, 3, 2)] * 3 + [(2, 3, 2)]
    np.testing.assert_array_equal(np.concatenate(told.parts), expected)
    np.testing.assert_array_equal(found, expected)


def test_predict_tells_of_several_outputs():
    x, _ = blobs(20)
    inputs = Input((5,))
    model = ug.Model(inputs, [Dense(2)(inputs), Dense(3)(inputs)])
    told = Outputs()
    found = model.predict(x, batch_size=12, callbacks=told)
    for i, expected in enumerate(model.predict(x)):
        np.testing.assert_array_equal(found[i], expected)
        np.testing.assert_array_equal(np.concatenate(told.parts[i::2]), expected)


def test_a_told_prediction_of_nothing_and_into_the_wrong_place(capsys):
    x, _ = blobs(20)
    model = classifier()
    told = Outputs()
    assert model.predict(x[:0], callbacks=told).shape == (0, 3)
    with pytest.raises(ValueError, match="out has shape"):
        model.predict(x, callbacks=told, out=np.empty((3, 3), np.float32))
    assert told.batches == []
    model.predict(x, batch_size=4, verbose=1, callbacks=told)
    assert "5/5" in capsys.readouterr().err


def test_a_model_has_the_history_of_its_last_run():
    x, y = blobs()
    model = classifier()
    assert model.history is None
    first = model.fit(x, y, epochs=2, verbose=0)
    assert model.history is first
    model.fit(x, y, epochs=3, verbose=0)
    assert first.epoch == [0, 1]
    assert model.history.epoch == [0, 1, 2]
    assert model.history.model is model
    assert list(model.history.history) == ["loss", "accuracy"]
    with pytest.raises(RuntimeError, match="interrupted"):
        model.fit(x, y, epochs=9, verbose=0, callbacks=Interrupt())
    assert model.history.epoch == [0, 1, 2]
    assert len(model.history.history["loss"]) == 3


def test_a_model_is_freed_with_its_last_reference():
    x, y = blobs()
    gc.collect()
    gc.disable()
    try:
        model = classifier()
        model.fit(x, y, verbose=0, callbacks=callbacks.EarlyStopping("loss"))
        freed = weakref.ref(model)
        del model
        assert freed() is None
    finally:
        gc.enable()


def test_reprs_show_the_arguments_that_were_given():
    def halve(epoch, rate):
        return rate / 2

    class Own(callbacks.Callback):
        def __init__(self, size, array=None, unkept=1):
            self.size, self.array = size, array

    for made, text in (
        (callbacks.EarlyStopping(), "EarlyStopping()"),
        (
            callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True),
            "EarlyStopping(monitor='loss', patience=3, restore_best_weights=True)",
        ),
        (callbacks.ReduceLROnPlateau(factor=0.5), "ReduceLROnPlateau(factor=0.5)"),
        (
            callbacks.ModelCheckpoint("a.safetensors", initial_value_threshold=0.5),
            "ModelCheckpoint(filepath='a.safetensors', initial_value_threshold=0.5)",
        ),
        (
            callbacks.LearningRateScheduler(halve, verbose=1),
            "LearningRateScheduler(schedule=halve, verbose=1)",
        ),
        (callbacks.CSVLogger("a.csv", ";"), "CSVLogger(filename='a.csv', separator=';')"),
        (callbacks.TerminateOnNaN(), "TerminateOnNaN()"),
        (callbacks.LambdaCallback(on_epoch_end=halve), "LambdaCallback(on_epoch_end=halve)"),
        (Own(3), "Own(size=3)"),
        (Own(0, np.arange(2)), "Own(size=0, array=array([0, 1]))"),
        (callbacks.History(), "History(no epochs)"),
    ):
        assert repr(made) == text
    x, y = blobs()
    history = classifier().fit(x, y, epochs=2, verbose=0)
    loss, accuracy = (history.history[name][-1] for name in ("loss", "accuracy"))
    last = f"loss={loss:.4f}, accuracy={accuracy:.4f}"
    assert repr(history) == f"History(2 epochs, the last: {last})"
