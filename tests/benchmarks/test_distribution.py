"""The model of training on many nodes."""

import pytest

from unitgain.benchmarks import distribution as bench
from unitgain.benchmarks.distribution import Pieces


def test_an_exchange_is_two_rounds_of_messages_to_all_others():
    bandwidth = 25e9 / 8 * bench.SHARE_OF_LINE
    two = 2 * (1e-6 + bench.MESSAGE + 1000 / 2 / bandwidth)
    assert bench.exchange_time(2, 1000, 25, 1e-6) == pytest.approx(two)
    four = 2 * (1e-6 + 3 * (bench.MESSAGE + 1000 / 4 / bandwidth))
    assert bench.exchange_time(4, 1000, 25, 1e-6) == pytest.approx(four)


def test_efficiency_falls_with_nodes_and_rises_with_the_link():
    network = Pieces(row=1e-6, update=1e-4, bytes=4_000_000)
    slow, fast = (bench.efficiencies(network, gigabits, 1e-5) for gigabits in (25, 100))
    assert len(slow) == len(bench.NODES)
    assert all(0 < a < b < 1 for a, b in zip(slow, fast, strict=True))
    assert slow == sorted(slow, reverse=True)
    alone = 1024e-6 + 1e-4
    exchange = bench.exchange_time(2, 4_000_000, 25, 1e-5)
    assert slow[0] == pytest.approx(alone / (alone + exchange))


def test_of_several_runs_the_shortest_times_are_kept():
    assert bench.merged([{"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 3.0}]) == {"a": 1.0, "b": 1.0}
    runs = [
        {"a": {"seconds": s, "sent": n}, "exchanges": [(64, s), (128, 3 - s)]}
        for s, n in ((1.0, 7), (2.0, 8))
    ]
    assert bench.merged(runs) == {
        "a": {"seconds": 1.0, "sent": 7},
        "exchanges": [(64, 1.0), (128, 1.0)],
    }


def test_the_efficiency_is_drawn(tmp_path):
    names = [(name, link) for name in bench.NETWORKS for link in bench.LINKS]
    bench.draw({name: [0.9] * len(bench.NODES) for name in names}, str(tmp_path / "model.svg"))
    assert (tmp_path / "model.svg").read_text().count("25 Gbit/s") >= 1
