"""Predictions by Ray's actors on this machine."""

from __future__ import annotations

import os

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
ray = pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("ray.data", reason="needs the extra ray")

pytestmark = [
    pytest.mark.slow,
    # Of Ray itself, when it starts and when sockets to its processes are collected.
    pytest.mark.filterwarnings("ignore"),
]

X = np.random.default_rng(0).standard_normal((203, 4))


@pytest.fixture(scope="module", autouse=True)
def engine():
    """Two CPUs' worth of Ray."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}},
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    yield
    ray.shutdown()


def classifier():
    ug.random.seed(0)
    return ug.Sequential(
        [layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(3, name="odds")]
    )


def test_rows_get_a_column_of_outputs():
    model = classifier()
    rows = [{"id": i, **dict(zip("abcd", row, strict=True))} for i, row in enumerate(X)]
    data = ray.data.from_items(rows, override_num_blocks=3)
    outputs = ug.distribution.predict(model, data, features=list("abcd"))
    found = outputs.take_batch(203)
    assert list(found) == ["id", "a", "b", "c", "d", "odds"]
    order = np.argsort(found["id"])
    np.testing.assert_array_equal(found["id"][order], np.arange(203))
    np.testing.assert_array_equal(found["odds"][order], model.predict(X))
    assert found["odds"].dtype == np.float32


def test_columns_of_arrays_and_a_batch_size():
    model = classifier()
    found = ug.distribution.predict(model, ray.data.from_numpy(X), 50).take_batch(203)
    np.testing.assert_array_equal(found["odds"], model.predict(found["data"]))
    assert len(found["odds"]) == 203


def test_data_are_checked():
    data = ray.data.from_items([{"odds": 1.0, "a": 2.0}])
    with pytest.raises(ValueError, match="data has a column 'odds' already"):
        ug.distribution.predict(classifier(), data, features=["a"])
    with pytest.raises(ValueError, match="data has no column 'b'"):
        ug.distribution.predict(classifier(), data, features=["b"])
    with pytest.raises(ValueError, match="data has 2 columns, but the model takes 4"):
        ug.distribution.predict(classifier(), data)
