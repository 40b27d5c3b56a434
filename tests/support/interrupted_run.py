"""A run of ``fit`` with callbacks that have a state, which may be killed.

    python tests/support/interrupted_run.py FOLDER SEED AVERAGES [EVENT EPOCH]

trains in a folder, kills itself there without a word, if it is told where, and else writes what
the run came to. :mod:`test_backups` runs it.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

import unitgain as ug
from unitgain import callbacks
from unitgain.layers import Dense, Dropout, Input

EPOCHS = 14
EVENTS = ("epoch_begin", "batch", "first_told", "last_told", "train_end")


class Kill(callbacks.Callback):
    """Kills the process at an event of an epoch."""

    def __init__(self, event, epoch):
        self.event, self.epoch = event, epoch
        self.now = 0
        if event == "batch":
            vars(self)["on_train_batch_end"] = lambda batch, logs: self.at("batch", batch == 2)

    def at(self, event, where=True):
        if event == self.event and self.now == self.epoch and where:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        self.at("epoch_begin")

    def on_epoch_end(self, epoch, logs=None):
        self.at("first_told")
        self.at("last_told")

    def on_train_end(self, logs=None):
        self.now = self.epoch
        self.at("train_end")


class Notes(callbacks.Callback):
    """A user's callback: what was decided in each epoch, and values of every type."""

    def __init__(self, stop, plateau):
        self.stop, self.plateau = stop, plateau

    def on_train_begin(self, logs=None):
        self.lines, self.mean, self.extremes = [], np.float32(0), np.zeros((2, 1))

    def on_epoch_end(self, epoch, logs=None):
        self.mean = np.float32(0.75) * self.mean + np.float32(logs["loss"])
        self.extremes = np.maximum(self.extremes, [[logs["loss"]], [-logs["loss"]]])
        rate = float(self.model.optimizer.learning_rate)
        decided = [self.stop.wait, self.stop.best, self.plateau.wait, self.plateau.cooldown_counter]
        self.lines.append([epoch, rate, *decided, dict(logs)])

    def on_train_end(self, logs=None):
        self.lines.append([dict(logs), self.model.stop_training])

    def get_state(self):
        return {"lines": self.lines, "mean": self.mean, "extremes": (self.extremes, None)}

    def set_state(self, state):
        self.lines, self.mean, self.extremes = state["lines"], state["mean"], state["extremes"][0]


def main(folder, seed, averages, event=None, epoch=None):
    """Train."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 96)
    x = (rng.standard_normal((96, 5)) + np.eye(3, 5)[y]).astype(np.float32)
    ug.random.seed(int(seed))
    model = ug.Sequential([Input((5,)), Dense(16, "tanh"), Dropout(0.2), Dense(3)])
    ema = {"use_ema": True, "ema_momentum": 0.8} if averages == "averages" else {}
    optimizer = ug.optimizers.SGD(1.5, momentum=0.7, **ema)
    model.compile(
        optimizer, ug.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]
    )
    folder = Path(folder)
    stop = callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.7, patience=1, cooldown=1)
    best = callbacks.ModelCheckpoint(folder / "best.safetensors", save_best_only=True)
    notes = Notes(stop, plateau)
    given = [
        callbacks.BackupAndRestore(folder / "backup"),
        callbacks.LearningRateScheduler(lambda epoch, rate: 0.98 * rate),
        stop,
        plateau,
        best,
        callbacks.CSVLogger(folder / "log.csv"),
        notes,
    ]
    if ema:
        given.insert(1, callbacks.SwapEMAWeights(swap_on_epoch=True))
    if event is not None:
        place = len(given) if event == "last_told" else 0
        given.insert(place, Kill(event, int(epoch)))
    model.fit(x, y, 16, epochs=EPOCHS, validation_split=0.5, verbose=0, callbacks=given)
    arrays = [*model.get_weights(), *(v.numpy() for v in optimizer.variables), notes.extremes]
    np.savez(folder / "arrays.npz", *arrays, mean=notes.mean)
    decided = [stop.stopped_epoch, stop.best_epoch, best.best, notes.lines]
    (folder / "decided.json").write_text(json.dumps(decided))


if __name__ == "__main__":
    main(*sys.argv[1:])
