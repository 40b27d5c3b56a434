"""The parts of a distribution that one process has."""

import sys

import numpy as np
import pytest

import unitgain as ug
from unitgain.distribution.agreement import check_alike


def test_by_default_nothing_is_shared():
    assert ug.distribution.distribution() is None


def test_what_differs_first_is_named():
    ours = {"a": 1, "b": [{"x": 1, "y": {"z": (1, 2)}}, 2]}
    theirs = {"a": 1, "b": [{"x": 1, "y": {"z": (1, 3)}}, 2]}
    check_alike([ours, ours])
    expected = r"differ in b: process 1 has \{'z': \(1, 3\)\}, and process 0 has \{'z': \(1, 2\)\}"
    with pytest.raises(ValueError, match=expected):
        check_alike([ours, theirs])
    with pytest.raises(ValueError, match=r"process 1 has None, and process 0 has 1"):
        check_alike([ours, {"b": ours["b"]}])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"needs mpi4py: pip install unitgain\[mpi\]"):
        ug.distribution.DataParallel()


@pytest.mark.parametrize("synchronized", [False, True])
def test_synchronized_norm_of_one_process_is_a_batch_norm(synchronized):
    """Keras has the argument for processes, and one alone has whole batches."""
    x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    ug.random.seed(0)
    norm = ug.layers.BatchNormalization(synchronized=synchronized)
    model = ug.Sequential([ug.Input((4,)), norm, ug.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    copy = ug.layers.BatchNormalization.from_config(norm.get_config())
    assert copy.synchronized is synchronized
    found = np.concatenate([w.ravel() for w in model.get_weights()])
    ug.random.seed(0)
    plain = ug.Sequential([ug.Input((4,)), ug.layers.BatchNormalization(), ug.layers.Dense(1)])
    plain.compile("sgd", "mse")
    plain.fit(x, x[:, :1], epochs=2, verbose=0)
    assert found.tobytes() == np.concatenate([w.ravel() for w in plain.get_weights()]).tobytes()
