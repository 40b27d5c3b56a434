"""The parts of times, and peak memory."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from unitgain import cli
from unitgain.benchmarks import memory, page, runner, scaling, timing
from unitgain.benchmarks.case import OURS

SMALL = scaling.cases()[0]


def measured(group, library, seconds_of, numbers):
    """Measurements of a group whose times are what a function says."""
    return [
        runner.Measurement(
            f"{group}/{n}", "", library, timing.Times((seconds_of(n),) * 3),
            timing.Times((1.0,)), 0.0, 0.0, 0.0,
        )
        for n in numbers
    ]  # fmt: skip


def test_fits_find_the_costs_that_times_are_made_of():
    costs = {"call": 2e-6, "element": 3e-10, "flop": 5e-12}
    times = measured(
        "scaling/product", OURS,
        lambda n: costs["call"] + costs["element"] * 3 * n**2 + costs["flop"] * 2 * n**3,
        scaling.SIDES,
    )  # fmt: skip
    times += measured("scaling/tanh", "NumPy", lambda n: 1e-6 + 1e-9 * n, scaling.VALUES)
    product, tanh = scaling.fits(times)
    assert product.costs == pytest.approx(costs, rel=1e-6)
    assert product.error < 1e-6
    assert (tanh.group, tanh.library) == ("scaling/tanh", "NumPy")
    assert tanh.costs == pytest.approx({"call": 1e-6, "element": 1e-9}, rel=1e-6)
    text = scaling.format_fits([product, tanh])
    assert "scaling/product: cost of a call, and by element, flop" in text
    assert "2.00 µs         300 ps           5 ps   within 0%" in text


def test_costs_are_not_negative_and_threads_are_unitgains_own():
    # A time that shrinks as numbers grow has no cost of each.
    (fit,) = scaling.fits(measured("scaling/tanh", OURS, lambda n: 1 + 1 / n, (1, 2, 4, 8)))
    assert fit.costs["element"] == 0
    assert fit.costs["call"] > 1
    threads = "scaling/threads-product"
    times = measured(threads, OURS, lambda t: 1e-3 + 4e-3 / t, (1, 2, 4))
    (fit,) = scaling.fits([*times, *measured(threads, "NumPy", lambda t: 1.0, (1, 2, 4))])
    assert fit.costs == pytest.approx({"call": 1e-3, "shared among threads": 4e-3})
    assert scaling.fits(measured("scaling/tanh", OURS, lambda n: 1.0, (1,))) == []
    assert scaling.fits(measured("matmul/float32", OURS, lambda n: 1.0, (1, 2, 4))) == []


def test_times_that_are_not_steady_are_left_out_of_fits():
    times = measured("scaling/tanh", OURS, lambda n: 1e-6 + 1e-9 * n, (64, 256, 1024))
    wild = timing.Times((1.0, 1.0, 9.0, 9.0))
    times.append(replace(times[-1], case="scaling/tanh/4096", times=wild))
    (fit,) = scaling.fits(times)
    assert fit.costs == pytest.approx({"call": 1e-6, "element": 1e-9}, rel=1e-6)


def test_noise_moves_costs_little():
    rng = np.random.default_rng(0)
    times = measured(
        "scaling/step", OURS,
        lambda n: (1e-4 + 4e-6 * n) * rng.lognormal(sigma=0.03), scaling.BATCHES * 4,
    )  # fmt: skip
    (fit,) = scaling.fits(times)
    assert fit.costs == pytest.approx({"call": 1e-4, "row": 4e-6}, rel=0.15)
    assert 0.01 < fit.error < 0.05


def test_every_group_of_cases_has_its_terms():
    groups = {case.name.rpartition("/")[0] for case in scaling.cases()}
    assert groups == set(scaling.TERMS)


def test_peak_memory_is_that_of_the_process():
    before = memory.peak()
    kept = np.ones(5_000_000)
    assert memory.peak() >= before
    assert memory.peak() > kept.nbytes
    assert memory.format_memory({"training": {"unitgain": 2_000_000, "NumPy": 3_400_000}}) == (
        "peak memory of the process   unitgain   NumPy\n"
        "--------------------------   --------   -----\n"
        "training                         2 MB    3 MB"
    )


def test_each_library_works_in_a_process_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr(memory, "cases", lambda sizes: {"training": SMALL})
    memory.main(["training", OURS, "4-2"])
    before, after = map(int, capsys.readouterr().out.split())
    assert 0 < before <= after


def test_the_command_prints_and_keeps_costs_and_memory(tmp_path, monkeypatch, capsys):
    """All of `bench scaling`, with sizes that take next to no time."""
    monkeypatch.setattr(scaling, "SIDES", (4, 8, 16))
    monkeypatch.setattr(scaling, "VALUES", (64, 256))
    monkeypatch.setattr(scaling, "NETWORK", (8, 4, 3))
    monkeypatch.setattr(scaling, "BATCHES", (2, 4))
    monkeypatch.setattr(scaling, "ROWS", (1, 4))
    monkeypatch.setattr(scaling, "THREADED_SIDE", 16)
    monkeypatch.setattr(scaling, "THREADED_BATCH", 4)
    monkeypatch.setattr(timing, "THOROUGH", timing.Effort(2, 1e-5, 0.0, attempts=1))
    monkeypatch.setattr(timing, "STEADY", np.inf)
    monkeypatch.setattr(memory, "measure", partial(memory.measure, sizes=(8, 4, 3)))
    file = tmp_path / "scaling.json"
    assert cli.main(["bench", "scaling", "--peers", "numpy", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    contents = json.loads(file.read_text(encoding="utf-8"))
    fits = {(fit["group"], fit["library"]): fit["costs"] for fit in contents["costs"]}
    by_size = {group for group in scaling.TERMS if "threads" not in group}
    assert {group for group, library in fits if library == "NumPy"} == by_size
    assert {group for group, library in fits if library == OURS} >= by_size
    for (group, _), costs in fits.items():
        assert list(costs) == ["call", *scaling.TERMS[group]]
        assert f"{group}: cost of a call, and by" in printed
    assert set(contents["memory"]) == {"training", "inference"}
    for row in contents["memory"].values():
        assert set(row) == {OURS, "NumPy"}
        assert min(row.values()) > 1 << 20
    assert "peak memory of the process   unitgain   NumPy" in printed
    data = page.page_data(contents)
    assert (data["costs"], data["memory"]) == (contents["costs"], contents["memory"])
