"""Decisions of Keras's callbacks on lists of monitored values.

    KERAS_BACKEND=torch python tests/reference/callbacks.py

writes ``callbacks.json`` beside this file. The tests run the same cases through :func:`decisions`
and need no Keras. The model is a stand-in: what it is asked to do is written down.

Keras 3 takes the first value for the best, even if it is NaN, on which nothing improves. Here NaN
is never the best: for a list that holds it, callbacks are given the worst number there is as the
best so far, which is what Keras 2 began with.
"""

import json
import tempfile
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
SUFFIX = ".safetensors"  # of files; Keras's own is put in its place
NAN = float("nan")
INF = float("inf")

FALLING = [5.0, 4.0, 3.0, 2.0, 1.0]
VALLEY = [5.0, 3.0, 2.0, 2.5, 1.9, 1.95, 1.97, 1.85, 3.0, 3.0, 3.0, 3.0]
PLATEAU = [1.0] * 12
CREEPING = [1.0, 0.99995, 0.9999, 0.95, 0.949, 0.9485, 0.948, 0.9, 0.9, 0.9, 0.9, 0.9]
HILL = [0.1, 0.3, 0.2, 0.6, 0.6, 0.65, 0.5, 0.4, 0.3, 0.9]
GAPS = [3.0, None, 2.0, None, None, 2.5, 2.4, 2.3, None, 1.0]
NANS = [3.0, NAN, 2.0, NAN, NAN, NAN, 1.0, 4.0]
LISTS = {
    "falling": FALLING, "valley": VALLEY, "plateau": PLATEAU, "creeping": CREEPING, "hill": HILL,
    "gaps": GAPS, "nans": NANS, "one": [2.0], "nan_first": [NAN, 2.0, 1.0],
}  # fmt: skip

# Class and its arguments, each run on every list.
CASES = {
    "stop": ("EarlyStopping", {}),
    "stop_patience": ("EarlyStopping", {"patience": 2}),
    "stop_restore": ("EarlyStopping", {"patience": 3, "restore_best_weights": True}),
    "stop_delta": ("EarlyStopping", {"patience": 2, "min_delta": 0.1}),
    "stop_negative_delta": ("EarlyStopping", {"patience": 2, "min_delta": -0.1}),
    "stop_max": ("EarlyStopping", {"mode": "max", "patience": 1, "restore_best_weights": True}),
    "stop_baseline": (
        "EarlyStopping",
        {"baseline": 1.96, "patience": 3, "restore_best_weights": True},
    ),
    "stop_late": (
        "EarlyStopping",
        {"start_from_epoch": 4, "patience": 2, "restore_best_weights": True},
    ),
    "plateau": ("ReduceLROnPlateau", {"patience": 2}),
    "plateau_at_once": ("ReduceLROnPlateau", {"patience": 0, "factor": 0.5}),
    "plateau_cooldown": ("ReduceLROnPlateau", {"patience": 2, "cooldown": 2, "factor": 0.5}),
    "plateau_least": ("ReduceLROnPlateau", {"patience": 1, "factor": 0.5, "min_lr": 0.03}),
    "plateau_delta": ("ReduceLROnPlateau", {"patience": 2, "min_delta": 0.02, "factor": 0.25}),
    "plateau_max": ("ReduceLROnPlateau", {"patience": 2, "mode": "max", "factor": 0.5}),
    "file": ("ModelCheckpoint", {"filepath": "m-{epoch:02d}" + SUFFIX}),
    "file_best": (
        "ModelCheckpoint",
        {"filepath": "m-{epoch:02d}" + SUFFIX, "save_best_only": True},
    ),
    "file_max": (
        "ModelCheckpoint",
        {"filepath": "m-{epoch}" + SUFFIX, "save_best_only": True, "mode": "max"},
    ),
    "file_threshold": (
        "ModelCheckpoint",
        {
            "filepath": "m-{epoch}" + SUFFIX,
            "save_best_only": True,
            "initial_value_threshold": 2.2,
        },
    ),
    "file_steps": (
        "ModelCheckpoint",
        {"filepath": "m-{epoch}-{batch}" + SUFFIX, "save_freq": 5},
    ),
    "file_best_steps": (
        "ModelCheckpoint",
        {"filepath": "m-{epoch}-{batch}-{val_loss:.2f}" + SUFFIX, "save_freq": 3, "mode": "min"},
    ),
}
STEPS = 4  # batches an epoch
# Arguments, the logs of one or more runs; the text of the file afterwards.
LOGS = {
    "plain": ({}, [[{"loss": 0.5, "accuracy": 0.25}, {"loss": 1 / 3, "accuracy": 1.0}]]),
    "validated": ({}, [[{"val_loss": 2.0, "loss": 0.1}, {"loss": 0.2}, {"val_loss": 1e-20}]]),
    "late": ({}, [[{"loss": 1.0}, {"loss": 0.5, "val_loss": 0.75}]]),
    "separator": ({"separator": ";"}, [[{"loss": 1.5, "b": NAN}]]),
    "overwritten": ({}, [[{"loss": 1.0}], [{"loss": 2.0, "mae": 3.0}]]),
    "appended": ({"append": True}, [[{"loss": 1.0}, {"loss": 0.5}], [{"loss": 0.25}]]),
    "quoted": ({}, [[{"a,b": 1.0, 'c"d': 2.0}]]),
}


class Rate:
    """An optimizer with a learning rate alone."""

    learning_rate = 0.1
    use_ema = False


class StandIn:
    """A model that writes down what callbacks do with it."""

    def __init__(self):
        self.optimizer = Rate()
        self.metrics = []
        self.stop_training = False
        self.weights = None
        self.files = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, **options):
        self.files.append(Path(path).stem)

    save_weights = save


def decisions(callback, values, best=None):
    """Return what a callback does in a run with these values of ``val_loss``; None for none.

    ``best`` is the best value before the run, if it is given.
    """
    model = StandIn()
    callback.set_model(model)
    callback.set_params({"epochs": len(values), "steps": STEPS, "verbose": 0})
    callback.on_train_begin({})
    if best is not None:
        callback.best = best
    rates, ran = [], 0
    for epoch, value in enumerate(values):
        model.weights = epoch
        logs = {"loss": 0.0} if value is None else {"loss": 0.0, "val_loss": value}
        callback.on_epoch_begin(epoch, {})
        if value is not None:
            for step in range(STEPS):
                callback.on_train_batch_end(step, dict(logs))
        callback.on_epoch_end(epoch, logs)
        rates.append(model.optimizer.learning_rate)
        ran += 1
        if model.stop_training:
            break
    callback.on_train_end({})
    found = {"epochs": ran, "weights": model.weights, "rates": rates, "files": model.files}
    for name in ("best", "best_epoch", "stopped_epoch", "wait"):
        if hasattr(callback, name):
            value = getattr(callback, name)
            found[name] = None if value in (None, INF, -INF) else float(value)
    return found


def worst(options):
    """Return the worst value of a case that compares any; None of one that does not."""
    if "filepath" in options and not options.get("save_best_only"):
        return None
    return options.get("initial_value_threshold", -INF if options.get("mode") == "max" else INF)


def csv_text(make, case, path):
    """Return the file that runs leave; ``make`` is the class."""
    options, runs = LOGS[case]
    first = 0
    for run in runs:
        callback = make(path, **options)
        callback.on_train_begin({})
        for epoch, logs in enumerate(run):
            callback.on_epoch_end(first + epoch, logs)
        callback.on_train_end({})
        first += len(run)
    return Path(path).read_bytes().decode()


def main():
    """Write the file."""
    import warnings

    import keras

    warnings.simplefilter("ignore")
    stored = {"keras": keras.__version__}
    with tempfile.TemporaryDirectory() as folder:
        for case, (name, options) in CASES.items():
            for values in LISTS:
                given = dict(options)
                if "filepath" in given:
                    given["filepath"] = str(
                        Path(folder) / given["filepath"].replace(SUFFIX, ".keras")
                    )
                callback = getattr(keras.callbacks, name)(**given)
                best = worst(options) if NAN in LISTS[values] else None
                stored[f"{case}/{values}"] = decisions(callback, LISTS[values], best)
        for case in LOGS:
            path = str(Path(folder) / f"{case}.csv")
            stored[f"csv/{case}"] = csv_text(keras.callbacks.CSVLogger, case, path)
    lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in stored.items())
    FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
