"""A run that is killed goes on with the bits and the decisions of one that never stopped."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import interrupted_run
import numpy as np
import pytest
from interrupted_run import EVENTS

import unitgain as ug
from unitgain import callbacks
from unitgain.callbacks.states import packed, unpacked
from unitgain.layers import Dense, Dropout, Input

SCRIPT = Path(interrupted_run.__file__)
FILES = ("best.safetensors", "log.csv", "decided.json", "arrays.npz")


def run(folder, seed, averages, *where):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, SCRIPT, folder, str(seed), averages, *map(str, where)]
    return subprocess.run(command, check=not where, timeout=120).returncode


def same_arrays(mine, theirs):
    with np.load(mine) as a, np.load(theirs) as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])
            assert a[name].dtype == b[name].dtype


@pytest.mark.parametrize("averages", ["weights", "averages"])
def test_a_run_killed_again_and_again_is_the_run_that_was_not(averages, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(whole, 1, averages)
    stopped, _, _, lines = json.loads((whole / "decided.json").read_text())
    assert 6 < stopped < 13  # early, so that what decides it is tested
    assert len({line[1] / 0.98 ** line[0] for line in lines[:-1]}) > 2  # the rate was reduced
    assert any(line[5] for line in lines[:-1])  # and there was a cooldown
    for i, (event, epoch) in enumerate(zip(EVENTS, (2, 4, 5, 6, stopped), strict=True)):
        code = run(killed, 1 if i == 0 else 100 + i, averages, event, epoch)
        assert code == -signal.SIGKILL, event
        assert (killed / "backup" / "latest.safetensors").exists()
    run(killed, 7, averages)
    assert json.loads((killed / "decided.json").read_text()) == json.loads(
        (whole / "decided.json").read_text()
    )
    same_arrays(killed / "arrays.npz", whole / "arrays.npz")
    assert (killed / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    best = [ug.load_model(folder / "best.safetensors") for folder in (killed, whole)]
    for a, b in zip(best[0].get_weights(), best[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not (killed / "backup").exists()


class Interrupt(callbacks.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("interrupted")


def regression(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((32, 4)).astype(np.float32)
    return x, x[:, :1] - x[:, 1:2]


def transfer(seed):
    ug.random.seed(seed)
    base = Dense(8, "tanh", trainable=False)
    model = ug.Sequential([Input((4,)), base, Dropout(0.5), Dense(1)])
    model.compile("adam", "mse")
    return model


def test_cached_outputs_of_frozen_layers_are_those_of_the_weights_restored(tmp_path):
    x, y = regression()
    options = {"epochs": 4, "verbose": 0, "cache_frozen": True, "validation_split": 0.25}
    whole = transfer(seed=1)
    expected = whole.fit(x, y, **options)
    given = [callbacks.BackupAndRestore(tmp_path / "backup"), Interrupt(2)]
    with pytest.raises(RuntimeError, match="interrupted"):
        transfer(seed=1).fit(x, y, callbacks=given, **options)
    resumed = transfer(seed=2)
    found = resumed.fit(x, y, callbacks=callbacks.BackupAndRestore(tmp_path / "backup"), **options)
    for mine, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name, values in expected.history.items():
        assert found.history[name] == values[2:]


def test_states_go_back_to_the_callbacks_of_their_class_in_their_order(tmp_path):
    class Count(callbacks.Callback):
        def __init__(self, step):
            self.step, self.count = step, 0

        def on_epoch_end(self, epoch, logs=None):
            self.count += self.step

        def get_state(self):
            return {"count": self.count}

        def set_state(self, state):
            self.count = state["count"]

    x, y = regression()
    first = [Count(1), callbacks.BackupAndRestore(tmp_path), Count(10), Interrupt(3)]
    with pytest.raises(RuntimeError, match="interrupted"):
        transfer(1).fit(x, y, epochs=5, verbose=0, callbacks=first)
    later = [Count(1), callbacks.TerminateOnNaN(), Count(10), Count(100)]
    given = [*later, callbacks.BackupAndRestore(tmp_path)]
    transfer(1).fit(x, y, epochs=5, verbose=0, callbacks=given)
    assert [later[0].count, later[2].count, later[3].count] == [5, 50, 200]


def test_an_epoch_in_which_a_callback_fails_is_not_complete(tmp_path):
    class Fail(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("failed")

    x, y = regression()
    given = [callbacks.BackupAndRestore(tmp_path), Fail()]
    with pytest.raises(RuntimeError, match="failed"):
        transfer(1).fit(x, y, epochs=4, verbose=0, callbacks=given)
    resumed = transfer(2)
    run = resumed.fit(x, y, epochs=4, verbose=0, callbacks=callbacks.BackupAndRestore(tmp_path))
    assert run.epoch == [2, 3]


def test_where_a_run_was_taken_up_is_forgotten_if_it_does_not_begin(tmp_path):
    class Refuse(callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise RuntimeError("refused")

    x, y = regression()
    given = [callbacks.BackupAndRestore(tmp_path), Interrupt(2)]
    with pytest.raises(RuntimeError, match="interrupted"):
        transfer(1).fit(x, y, epochs=4, verbose=0, callbacks=given)
    model = transfer(2)
    given = [callbacks.BackupAndRestore(tmp_path), Refuse()]
    with pytest.raises(RuntimeError, match="refused"):
        model.fit(x, y, epochs=4, verbose=0, callbacks=given)
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]


def test_states_keep_their_values_and_types():
    state = {
        "numbers": [1, 2**70, 0.1, -0.0, True, None, "text"],
        "not numbers": (float("inf"), [float("-inf")]),
        "array": np.arange(6, dtype=np.int16).reshape(2, 3),
        "scalar": np.float32(1) / np.float32(3),
        "inside": {"items": [{"array": np.zeros(0)}], "array": {}, "scalar": "x"},
    }
    arrays = {}
    text = json.dumps(packed(state, "state", arrays))
    found = unpacked(json.loads(text), arrays)
    assert found["numbers"] == state["numbers"]
    assert str(found["numbers"][3]) == "-0.0"
    assert found["not numbers"] == [float("inf"), [float("-inf")]]
    assert found["scalar"] == state["scalar"]
    assert found["scalar"].dtype == np.float32
    np.testing.assert_array_equal(found["array"], state["array"])
    assert found["array"].dtype == np.int16
    assert found["inside"]["array"] == {}
    assert found["inside"]["items"][0]["array"].shape == (0,)


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a": {1, 2}}])
def test_a_state_that_no_file_can_hold_is_refused_with_its_name(value, tmp_path):
    class Odd(callbacks.Callback):
        def get_state(self):
            return {"odd": value}

    x, y = regression()
    with pytest.raises(TypeError, match=r"Odd:0/odd.* is of type .*, expected numbers, text"):
        transfer(1).fit(x, y, verbose=0, callbacks=[Odd(), callbacks.BackupAndRestore(tmp_path)])


def test_an_appended_log_keeps_what_was_there_before_a_run_that_was_cut_off(tmp_path):
    x, y = regression()
    path = tmp_path / "log.csv"
    transfer(1).fit(x, y, epochs=2, verbose=0, callbacks=callbacks.CSVLogger(path))
    for last in (Interrupt(2), Interrupt(9)):
        given = [callbacks.CSVLogger(path, append=True), last]
        backup = callbacks.BackupAndRestore(tmp_path / "backup")
        try:
            transfer(1).fit(x, y, epochs=4, verbose=0, callbacks=[backup, *given])
        except RuntimeError:
            with path.open("a") as file:  # an epoch of which the backup does not know
                file.write("2,0.5,NA\n")
    rows = path.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "0", "1", "2", "3"]
