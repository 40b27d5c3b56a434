"""The worst calls are found: each is timed by itself."""

import time

import numpy as np

from unitgain.benchmarks import latency


def test_a_slow_call_among_fast_ones_is_seen():
    count = 0

    def run():
        nonlocal count
        count += 1
        if count == 150:  # behind the warm-up
            time.sleep(0.02)

    times = latency.time_calls(run, 100)
    assert count == 200
    assert len(times) == 100
    assert times.max() >= 20_000_000
    assert times.argmax() == 49
    assert np.median(times) < times.max() / 10


def test_the_table_has_a_row_for_each_and_a_column_for_each_quantile():
    times = np.arange(1, 100_001) * 1000
    text = latency.format_latency({"unitgain": times, "NumPy": times})
    assert text.count("50000.50 µs") == 2
    assert "99990.00 µs" in text
    assert "100000 µs" in text
    found = latency.measure(3, ["NumPy"])
    assert list(found) == ["unitgain", "NumPy", "unitgain, packed"]
