"""The benchmark suite measures the same work by everyone, fairly, and says so when it is not."""

import csv
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from functools import partial

import mpmath
import numpy as np
import pytest
from scipy.special import log_softmax

import unitgain as ug
from unitgain import _native, cli
from unitgain.benchmarks import (
    instruction_sets,
    intervals,
    keras_backend,
    longer,
    machines,
    page,
    peaks,
    placement,
    report,
    runner,
    saved,
    timing,
    training,
)
from unitgain.benchmarks.case import (
    OPENMP,
    OURS,
    REFERENCE,
    Case,
    Contender,
    Exact,
    Formulas,
    Trial,
    difference,
    errors,
    units_in_last_place,
)
from unitgain.benchmarks.numpy_reference import EPSILON, Network

CASES = {case.name: case for case in runner.all_cases()}
# One of each group: what is done by the same code at other sizes is checked by --verify itself.
VERIFIED = list(
    {
        name.rpartition("/")[0]: name for name, case in reversed(CASES.items()) if not case.large
    }.values()
)
ENVIRONMENT = {
    "unitgain": "1.2.3",
    "python": "3.12",
    "cpu": "a CPU",
    "cpus": 4,
    "instruction_set": "avx2",
    "threads": 4,
    "libraries": {"NumPy": "2.0"},
    "limits": {},
    "openblas_settings": {},
    "load": 0.1,
}


def constant_case(ours, numpy, tolerance=1e-6):
    """A case in which the two contenders do nothing but return what is given."""
    contenders = {
        OURS: lambda: Contender.of(lambda: ours),
        REFERENCE: lambda: Contender.of(lambda: numpy),
    }
    return Case("made/up", "made up", lambda: Trial(contenders, tolerance, operations=1000))


def measure(case):
    return runner.run_case(case, [], timing.Effort(rounds=1, seconds=1e-6, rest=0.0))


# --- the cases ---


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.large])
def test_unitgain_agrees_with_numpy_in_every_case(name):
    trial = CASES[name].prepare()
    numpy = trial.contenders[REFERENCE]()
    expected = numpy.result()
    for contender in (OURS, OPENMP):
        if contender in trial.contenders:
            ours = trial.contenders[contender]()
            assert difference(ours.result(), expected) <= trial.tolerance
            ours.run()
    numpy.run()


@pytest.mark.parametrize("name", VERIFIED)
def test_results_are_those_of_longer_arithmetic(name):
    verdicts = runner.verify_case(CASES[name], [])
    assert [v.library for v in verdicts if not v.agrees] == []
    assert {OURS, REFERENCE} <= {v.library for v in verdicts}


def test_nearly_all_cases_have_longer_arithmetic_to_be_checked_by():
    without = [name for name in VERIFIED if CASES[name].prepare().exact is None]
    # Copies, chance, and decompositions in the longest type that there is one for.
    allowed = ("activations/copy/", "embedding/forward/", "clustering/seeding/", "linalg/")
    assert [name for name in without if not name.startswith(allowed)] == []
    assert all("float64" in name for name in without if name.startswith("linalg/"))


def test_verifying_tells_who_is_off_and_times_nothing(monkeypatch):
    wrong = Contender(lambda: pytest.fail("timed"), lambda: np.array([1.0, 2.01]))
    right = Contender(lambda: pytest.fail("timed"), lambda: np.array([1.0, 2.0]))
    exact = Exact.of([1.0, 2.0])
    contenders = {OURS: lambda: right, REFERENCE: lambda: wrong, "JAX": lambda: pytest.fail("made")}
    case = Case("made/up", "made up", lambda: Trial(contenders, 1e-6, exact=lambda: exact))
    ours, numpy = runner.verify_case(case, [])
    assert (ours.agrees, ours.error, ours.is_exact) == (True, 0.0, True)
    assert not numpy.agrees
    assert numpy.error == pytest.approx(0.005)
    line = report.format_verdicts([ours, numpy])
    assert line == "made/up: at most 1.0e-06: unitgain none, NumPy 5.0e-03 WRONG"
    ours, numpy = runner.verify_case(constant_case(np.ones(2), np.array([1.0, 2.0])), [])
    assert (ours.agrees, ours.error, ours.is_exact, numpy.error) == (False, 0.5, False, 0.0)
    assert ", against NumPy: unitgain 5.0e-01 WRONG" in report.format_verdicts([ours, numpy])


def test_each_threading_layer_runs_under_its_name_and_the_one_before_comes_back(monkeypatch):
    seen = []
    monkeypatch.setattr(ug, "matmul", lambda *a, **k: seen.append(ug.threading_layer()))
    trial = CASES["threading_layers/alone/product-256"].prepare()
    before = ug.threading_layer()
    for contender in (OURS, OPENMP):
        trial.contenders[contender]().run()
    assert seen == ["pool", "openmp"]
    assert ug.threading_layer() == before


def test_in_a_mixed_program_everyones_run_begins_with_a_product_by_numpy(monkeypatch):
    trial = CASES["threading_layers/mixed/step-64-64-64-4"].prepare()
    assert {OURS, OPENMP, REFERENCE, "PyTorch", "JAX", "Keras"} <= set(trial.contenders)
    products, plain = [], np.matmul
    monkeypatch.setattr(np, "matmul", lambda *a, **k: products.append(a[0].shape) or plain(*a, **k))
    mixed = CASES["threading_layers/mixed/tanh-1024x1024"].prepare()
    for library in (OURS, OPENMP, REFERENCE):
        contender = mixed.contenders[library]()
        contender.result()
        assert products == []
        contender.run()
        assert products == [(256, 256)]
        products.clear()


def test_every_subject_has_cases_and_quick_ones():
    assert len(CASES) == len(runner.all_cases())
    quick = {name.split("/")[0] for name, case in CASES.items() if case.quick}
    assert {name.split("/")[0] for name in CASES} == set(runner.SUBJECTS)
    assert quick == set(runner.SUBJECTS) - {"metrics"}


# Measured under another name: a copy, the cross-entropy of labels. The last is one of Python's.
RENAMED = {
    "activations/linear": "activations/copy",
    "losses/sparse_categorical_crossentropy": "losses/cross_entropy",
}
ROWS = {
    *(f"activations/{name}" for name in _native.activation_table()),
    *(f"activations/{name}_gradient" for name in _native.activation_table() if name != "linear"),
    *(f"losses/{name}" for name in _native.loss_names),
    *(f"metrics/{name}" for name in _native.metric_names if name != "custom"),
    *(f"optimizers/{name}" for name in _native.optimizer_names),
}


@pytest.mark.parametrize("row", sorted(ROWS))
def test_every_row_has_a_case_with_a_formula_in_numpy(row):
    of_row = [case for name, case in CASES.items() if name.startswith(f"{RENAMED.get(row, row)}/")]
    assert of_row
    assert {OURS, REFERENCE} <= set(of_row[0].prepare().contenders)
    of_row[0].prepare().contenders[REFERENCE]()  # raises where its file lacks the formula


def test_a_missing_formula_is_said_to_belong_into_its_file():
    table = Formulas("benchmarks/losses.py", {"huber": abs})
    assert table["huber"] is abs
    with pytest.raises(LookupError, match=r"benchmarks/losses.py has no formula of 'hubris'"):
        table["hubris"]


def test_training_tolerance_lies_between_rounding_and_an_error():
    sizes = (64, 256, 128, 10)
    x, y = training._Training(sizes, 32).data()

    def losses(learning_rate=1e-3):
        network = Network(sizes, learning_rate=learning_rate)
        return [network.train_on_batch(x, y) for _ in range(training.STEPS)]

    exact = Network(sizes, dtype=np.float64)
    exact.set_weights(Network(sizes).get_weights())
    exact = [exact.train_on_batch(x.astype(np.float64), y) for _ in range(training.STEPS)]
    assert difference(losses(), exact) < training.TOLERANCE / 3
    assert difference(losses(learning_rate=1.01e-3), exact) > 10 * training.TOLERANCE


# --- the network in NumPy ---


def small_network(batch_norm, dtype=np.float64, regression=False):
    sizes = (5, 7, 6, 4)
    network = Network(sizes, batch_norm=batch_norm, regression=regression, dtype=dtype, seed=1)
    generator = np.random.default_rng(2)
    # Weights away from their initial values, so that no term of a gradient is 0 or 1 by chance.
    weights = [w + 0.1 * generator.standard_normal(w.shape) for w in network.get_weights()]
    network.set_weights(np.abs(w) if i % 5 == 4 else w for i, w in enumerate(weights))
    x = generator.standard_normal((9, 5)).astype(dtype)
    if regression:
        return network, x, generator.standard_normal((9, 4)).astype(dtype)
    return network, x, generator.integers(4, size=9)


def plain_loss(weights, x, y, batch_norm):
    """The loss, written a second time, as the formulas stand in the papers."""
    weights = list(weights)
    while len(weights) > 2:
        x = x @ weights.pop(0)
        if batch_norm:
            gamma, beta, _, _ = (weights.pop(0) for _ in range(4))
            x = gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON) + beta
        else:
            x = x + weights.pop(0)
        x = np.where(x > 0, x, 0)
    kernel, bias = weights
    if y.ndim == 2:
        return np.mean((x @ kernel + bias - y) ** 2)
    return -log_softmax(x @ kernel + bias, axis=1)[np.arange(len(y)), y].mean()


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_reference_loss_is_the_formula(batch_norm, regression):
    network, x, y = small_network(batch_norm, regression=regression)
    expected = plain_loss(network.get_weights(), x, y, batch_norm)
    assert network.train_on_batch(x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_reference_step_is_adam_with_the_gradient_of_the_loss(batch_norm, regression):
    network, x, y = small_network(batch_norm, regression=regression)
    before = network.get_weights()
    network.train_on_batch(x, y)
    step = 1e-6
    for index, weight in enumerate(before):
        if batch_norm and index in (3, 4, 8, 9):
            continue  # moving mean and variance, which no gradient reaches
        for position in np.ndindex(weight.shape):
            shifted = [w.copy() for w in before]
            shifted[index][position] += step
            above = plain_loss(shifted, x, y, batch_norm)
            shifted[index][position] -= 2 * step
            gradient = (above - plain_loss(shifted, x, y, batch_norm)) / (2 * step)
            # Adam's first step: m = (1 - beta_1) g, v = (1 - beta_2) g^2.
            rate = 1e-3 * np.sqrt(1 - 0.999) / (1 - 0.9)
            update = rate * 0.1 * gradient / (np.sqrt(0.001) * abs(gradient) + 1e-7)
            change = before[index][position] - network.get_weights()[index][position]
            assert change == pytest.approx(update, rel=1e-3, abs=1e-9)


def test_reference_drops_its_share_and_keeps_the_expected_value():
    network = Network((4, 1000, 2), batch_norm=False, dropout=0.25)
    outputs = np.ones((200, 1000), np.float32)
    network._drop(outputs)
    assert set(np.unique(outputs)) == {0, np.float32(4 / 3)}
    assert outputs.mean() == pytest.approx(1, abs=0.01)


def test_reference_moments_are_adams_over_several_steps():
    network, x, y = small_network(batch_norm=False)
    mean = square = np.zeros_like(network._parameters)
    for count in range(1, 6):
        before = network._parameters.copy()
        network.train_on_batch(x, y)
        gradient = network._gradients
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 1e-3 * np.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        expected = before - rate * mean / (np.sqrt(square) + 1e-7)
        np.testing.assert_allclose(network._parameters, expected, rtol=1e-10, atol=1e-14)


def test_reference_folds_batch_norm_by_the_moving_moments():
    network, x, y = small_network(batch_norm=True)
    for _ in range(3):
        network.train_on_batch(x, y)
    weights, expected = network.get_weights(), x
    for first in (0, 5):
        kernel, gamma, beta, mean, variance = weights[first : first + 5]
        expected = gamma * (expected @ kernel - mean) / np.sqrt(variance + EPSILON) + beta
        expected = np.maximum(expected, 0)
    expected = expected @ weights[10] + weights[11]
    np.testing.assert_allclose(network.predict(x), expected, rtol=1e-10)


def test_reference_moving_moments_follow_the_batch():
    network, x, y = small_network(batch_norm=True)
    kernel, _, _, mean, variance = network.get_weights()[:5]
    z = x @ kernel
    network.train_on_batch(x, y)
    _, _, _, new_mean, new_variance = network.get_weights()[:5]
    np.testing.assert_allclose(new_mean, 0.99 * mean + 0.01 * z.mean(0), rtol=1e-12)
    np.testing.assert_allclose(new_variance, 0.99 * variance + 0.01 * z.var(0), rtol=1e-12)


def test_reference_stays_in_its_type():
    network, x, y = small_network(batch_norm=True, dtype=np.float32)
    network.train_on_batch(x, y)
    assert {w.dtype for w in network.get_weights()} == {np.dtype(np.float32)}
    assert network.predict(x).dtype == np.float32


# --- agreement ---


@pytest.mark.parametrize(
    ("result", "reference", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([1.0, np.nan], [1.0, np.nan], 0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0, np.inf], [1.0, 2.0], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
        ([0.0, 0.0], [0.0, 0.0], 0),
        ([0.0, 1.0], [0.0, 0.0], np.inf),
        (np.empty((0, 3)), np.empty((0, 3)), 0),
    ],
)
def test_difference_is_relative_to_the_largest_value(result, reference, expected):
    assert difference(result, reference) == expected


def with_accuracy(ours, peer, accuracy):
    """A case whose exact result is 1 and 2, with a peer beside unitgain and NumPy."""
    results = {OURS: ours, REFERENCE: [1.0, 2.0], "JAX": peer}
    contenders = {
        name: partial(Contender.of, partial(np.array, value)) for name, value in results.items()
    }
    exact = Exact(slice(None), np.array([1, 2], np.longdouble), np.float32)
    trial = Trial(contenders, 1e-2, accuracy=accuracy, exact=lambda: exact)
    return Case("made/up", "made up", lambda: trial)


def test_what_peers_may_be_off_by_does_not_excuse_unitgain():
    case = with_accuracy([1.0, 2.001], [1.0, 2.001], accuracy=1e-5)
    ours, _, peer = runner.verify_case(case, ["JAX"])
    assert not ours.agrees
    assert peer.agrees
    line = report.format_verdicts([ours, peer])
    assert "at most 1.0e-05, the others 1.0e-02: unitgain 5.0e-04 (4.2e+03 ulp) WRONG" in line
    ours, _, peer = runner.run_case(case, ["JAX"], timing.Effort(1, 1e-6, 0.0))
    assert not ours.agrees
    assert peer.agrees
    assert peer.ulp == pytest.approx(0.001 * 2**22, rel=1e-3)
    assert "error of at most 1.0e-05 allowed" in report.format_case([ours, peer])
    assert report.as_record(peer)["error_ulp"] == peer.ulp


def test_a_peers_wrong_result_is_the_peers_own(monkeypatch, capsys):
    case = with_accuracy([1.0, 2.0], [1.0, 3.0], accuracy=1e-5)
    monkeypatch.setattr(runner, "all_cases", lambda: [case])
    monkeypatch.setattr(runner, "installed_peers", lambda: ["JAX"])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    assert cli.main(["bench", "--verify"]) == 0
    assert "warning: JAX is off by 5.0e-01 in made/up" in capsys.readouterr().err
    measured = runner.run_case(case, ["JAX"], timing.Effort(1, 1e-6, 0.0, attempts=1))
    assert report.fastest_peer(measured).library == REFERENCE
    (kept,) = report.groups_of(measured)["made"]
    assert "JAX" not in [m.library for m in kept]
    records = [report.as_record(m) | {"turns": list(m.times.turns)} for m in measured]
    assert [bar["library"] for bar in page.summary_row("made", records)["bars"]] == [REFERENCE]
    case = with_accuracy([1.0, 3.0], [1.0, 2.0], accuracy=1e-5)
    assert cli.main(["bench", "--verify"]) == 1


@pytest.mark.parametrize(
    ("result", "exact", "units"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([1 + 2**-22, 2.0], [1.0, 2.0], 2),
        ([1.0, 0.0], [1.0, 2.0**-149], 1),  # the smallest number
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
    ],
)
def test_errors_are_counted_in_units_in_the_last_place(result, exact, units):
    wide = Exact(slice(None), np.array(exact, np.float64), np.float32)
    assert units_in_last_place(np.array(result, np.float32), wide) == units
    assert units_in_last_place(np.array(result), Exact.of(exact)) is None
    assert units_in_last_place(np.array(result), Exact(..., wide.values, np.float64)) is None


def mp_softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def mp_gelu_tanh(x):
    inner = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
    return x / 2 * (1 + mpmath.tanh(inner))


@pytest.mark.parametrize(
    ("name", "function"),
    {
        "gelu": lambda x: x * mpmath.ncdf(x),
        "gelu_tanh": mp_gelu_tanh,
        "tanh": mpmath.tanh,
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": mp_softplus,
        "mish": lambda x: x * mpmath.tanh(mp_softplus(x)),
    }.items(),
)
@pytest.mark.skipif(np.finfo(np.longdouble).eps > 2**-63, reason="long double is float64 here")
def test_longer_arithmetic_cancels_nowhere(name, function):
    x = np.concatenate([np.linspace(-11, 11, 89), [2 * np.sqrt(2), -1e-6]])

    def expected(function):
        exact = [function(mpmath.mpf(float(value))) for value in x]
        return np.array([np.longdouble(mpmath.nstr(value, 30)) for value in exact])

    with mpmath.workdps(100):
        values, slopes = expected(function), expected(lambda v: mpmath.diff(function, v))
    np.testing.assert_allclose(longer.activation(name, x), values, rtol=2.0**-56, atol=0)
    np.testing.assert_allclose(longer.slope(name, x), slopes, rtol=2.0**-40, atol=0)


def test_contenders_that_differ_do_not_agree():
    ours, numpy = measure(constant_case(np.array([1.0, 2.1]), np.array([1.0, 2.0])))
    assert not ours.agrees
    assert ours.difference == pytest.approx(0.05)
    assert numpy.agrees
    assert "at most 1.0e-06 allowed" in report.format_case([ours, numpy])


@pytest.mark.parametrize(
    ("result", "exact", "largest", "root_mean_square"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0, 0),
        ([1.5, 2.0], [1.0, 2.0], 0.25, np.sqrt(0.125 / 2.5)),
        ([1.0, -1.0], [1.0, 1.0], 2, np.sqrt(2)),
        ([np.nan, 2.0], [1.0, 2.0], np.inf, np.inf),
        ([np.inf, 2.0], [1.0, 2.0], np.inf, np.inf),
        ([1.0], [1.0, 2.0], np.inf, np.inf),
        ([0.0, 1.0], [0.0, 0.0], np.inf, np.inf),
    ],
)
def test_errors_are_relative_to_the_values(result, exact, largest, root_mean_square):
    found = errors(np.array(result, np.float32), Exact(slice(None), np.array(exact)))
    assert found == pytest.approx((largest, root_mean_square))


def test_errors_are_looked_for_at_the_rows_that_are_known():
    result = np.arange(10.0).reshape(5, 2)
    exact = Exact(slice(None, None, 2), result[::2].copy())
    assert errors(result, exact) == (0, 0)
    result[4, 1] += 9
    assert errors(result, exact)[0] == pytest.approx(1)
    # What float64 cannot tell apart, the longer type does.
    tiny = np.array([[1 + 1e-16]], np.longdouble) + np.longdouble(1e-18)
    if tiny[0, 0] != 1:
        assert errors(np.ones((1, 1)), Exact(slice(None), tiny))[0] > 0


# --- peaks ---


def test_rates_are_set_beside_the_peaks(monkeypatch):
    clock, value = Clock(monkeypatch), np.ones(2)
    monkeypatch.setattr(peaks, "rates", lambda: {"float32": 1e4, "amx_bf16": 8e4})
    monkeypatch.setattr(peaks, "read_rate", lambda size: {600: 4e5, 1200: 8e5}[size])
    contenders = {
        OURS: lambda: Contender(clock.worker("ours", 0.002), lambda: value, reads=600),
        REFERENCE: lambda: Contender(clock.worker("numpy", 0.004), lambda: value, reads=1200),
    }
    exact = Exact(slice(None), np.array([1.0, 1.0 + 1e-6]))
    trial = Trial(contenders, 0.0, 12, peak="float32", bfloat16_products=6, exact=lambda: exact)
    ours, numpy = measure(Case("a/b", "a", lambda: trial))
    assert ours.shares == pytest.approx({"multiply_add": 0.6, "bfloat16": 0.45, "read": 0.75})
    assert numpy.shares == pytest.approx({"multiply_add": 0.3, "read": 0.375})
    assert ours.read_rate == pytest.approx(3e5)
    assert ours.error == pytest.approx((1e-6, 1e-6 / np.sqrt(2)), rel=1e-3)
    line = report.format_case([ours, numpy]).splitlines()[1]
    assert "60% of peak   45% of bfloat16 peak   0.0 GB/s   75% of read rate" in line
    assert "error 1.0e-06, rms 7.1e-07" in line
    record = report.as_record(ours)
    assert record["multiply_add_share"] == pytest.approx(0.6)
    assert record["read_share"] == pytest.approx(0.75)
    assert record["error_rms"] == pytest.approx(1e-6 / np.sqrt(2), rel=1e-3)
    assert set(record) == set(report.COLUMNS)


def test_caches_are_those_that_the_system_describes(tmp_path):
    described = [(1, "Data", "32K"), (1, "Instruction", "64K"), (2, "Unified", "1024K")]
    for i, (level, kind, size) in enumerate([*described, (3, "Unified", "32M")]):
        folder = tmp_path / f"index{i}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{text}\n")
    (tmp_path / "index9").mkdir()  # a level of which nothing is told
    assert peaks.cache_sizes(tmp_path) == {"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}
    assert peaks.cache_sizes(tmp_path / "none") == {}


@pytest.mark.skipif(not peaks.CACHES.exists(), reason="the system does not tell")
def test_this_machines_caches_are_in_the_environment():
    caches = runner.environment([])["caches"]
    assert 1 << 12 <= caches["L1"] < caches["L2"]


# --- CPUs ---


def test_cpus_are_named_as_ranges(monkeypatch):
    monkeypatch.setattr(placement, "allowed", lambda: [0, 1, 2, 3, 8])
    assert placement.parse("0-2,8") == [0, 1, 2, 8]
    assert placement.name([0, 1, 2, 8]) == "0-2,8"
    assert placement.name([3]) == "3"
    for text in ("", "a", "1-", "3-1", "-1", "0,", "4", "0-8"):
        with pytest.raises(ValueError, match="expected"):
            placement.parse(text)
    monkeypatch.setattr(placement, "allowed", list)
    with pytest.raises(ValueError, match="cannot pin"):
        placement.parse("0")


@pytest.mark.skipif(len(placement.allowed()) < 2, reason="needs two CPUs and a system that pins")
def test_all_threads_of_a_run_are_pinned_to_the_cpus_that_are_named(tmp_path, monkeypatch):
    before = placement.allowed()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = ["bench", "--cpus", str(before[-1]), "--quick", "matmul/tiny", "--peers", "numpy"]
    assert cli.main([*command, "--json", str(tmp_path / "run.json")]) == 0
    assert placement.allowed() == before
    contents = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    environment = contents["environment"]
    assert environment["pinned_to"] == before[-1:]
    assert environment["threads"] == 1
    assert f"1 thread, pinned to CPU {before[-1]}" in report.format_machine(environment)
    with pytest.raises(ValueError, match="some of the CPUs"):
        machines.keep(tmp_path, contents)


# --- times ---


class Clock:
    """Stands in for time: it moves when somebody works or sleeps."""

    def __init__(self, monkeypatch):
        self.now, self.log = 0.0, []
        monkeypatch.setattr(timing, "perf_counter", lambda: self.now)
        monkeypatch.setattr(timing, "sleep", self.work)

    def work(self, seconds):
        self.now += seconds

    def worker(self, name, seconds):
        def run():
            self.log.append(name)
            self.work(seconds)

        return run


def test_times_are_those_of_one_run(monkeypatch):
    clock = Clock(monkeypatch)
    runs = {"a": clock.worker("a", 0.001), "b": clock.worker("b", 0.25)}
    times = timing.alternate(runs, timing.Effort(rounds=5, seconds=0.01, rest=0.5))
    assert times["a"].median == pytest.approx(0.001)
    assert times["b"].median == pytest.approx(0.25)
    assert times["b"].low == pytest.approx(times["b"].high)


def test_contenders_take_turns_in_rotating_order(monkeypatch):
    clock = Clock(monkeypatch)
    runs = {name: clock.worker(name, 1.0) for name in "abc"}
    timing.alternate(runs, timing.Effort(rounds=3, seconds=0.5, rest=0.0))
    assert "".join(clock.log[-18:]) == "aabbcc" + "bbccaa" + "ccaabb"


def test_median_is_not_moved_by_one_slow_turn(monkeypatch):
    clock, durations = Clock(monkeypatch), [1.0] * 6 + [50.0, 50.0] + [1.0] * 20
    runs = {"a": lambda: clock.work(durations.pop(0))}
    times = timing.alternate(runs, timing.Effort(rounds=5, seconds=0.5, rest=0.0))
    assert times["a"].median == pytest.approx(1.0)


def test_turns_that_are_not_steady_are_made_again_and_the_steadiest_count(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(timing, "_repeats", lambda run, seconds: 1)
    noisy, quiet = [1.0, 9.0, 1.0, 9.0], [2.0, 2.0, 2.1, 2.0]
    durations = [value for turns in (noisy, quiet) for value in turns for _ in range(2)]
    runs = {"a": lambda: clock.work(durations.pop(0))}
    times = timing.alternate(runs, timing.Effort(rounds=4, seconds=0.5, rest=0.0))
    assert not durations
    assert times["a"].steady
    assert times["a"].turns == pytest.approx(quiet)
    always = {"a": lambda: clock.work(next(endless))}
    endless = iter([1.0, 1.0, 9.0, 9.0] * 100)
    times = timing.alternate(always, timing.Effort(rounds=8, seconds=0.5, rest=0.0))
    assert not times["a"].steady
    assert sum(1 for _ in endless) == 400 - timing.ATTEMPTS * 8 * 2


def test_an_interval_holds_the_ratio_of_medians_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        noise = rng.lognormal(sigma=0.3, size=15)  # of the machine: both have it
        ours = timing.Times(tuple(noise * rng.lognormal(sigma=0.1, size=15)))
        theirs = timing.Times(tuple(2 * noise * rng.lognormal(sigma=0.1, size=15)))
        low, high = intervals.interval(intervals.log_ratios(theirs, ours))
        held += low <= 2 <= high
    # 95% within four deviations of the binomial distribution.
    assert held >= 200 * 0.95 - 4 * (200 * 0.95 * 0.05) ** 0.5


def test_a_case_may_ask_for_fewer_rounds(monkeypatch):
    clock = Clock(monkeypatch)
    contenders = {
        name: lambda name=name: Contender(clock.worker(name, 1.0), lambda: np.ones(1))
        for name in (OURS, REFERENCE)
    }
    effort = timing.Effort(rounds=9, seconds=0.5, rest=0.0)
    runner.run_case(Case("a/b", "a", lambda: Trial(contenders, 0.0), rounds=2), [], effort)
    few = len(clock.log)
    clock.log.clear()
    runner.run_case(Case("a/b", "a", lambda: Trial(contenders, 0.0)), [], effort)
    assert len(clock.log) - few == 2 * 2 * 7  # of each contender, one uncounted run a turn


def test_ratio_is_the_peers_time_over_ours(monkeypatch):
    clock = Clock(monkeypatch)
    value = np.ones(2)
    contenders = {
        OURS: lambda: Contender(clock.worker("ours", 0.002), lambda: value),
        REFERENCE: lambda: Contender(clock.worker("numpy", 0.006), lambda: value),
        "PyTorch": lambda: pytest.fail("not asked for"),
    }
    ours, numpy = measure(Case("a", "a", lambda: Trial(contenders, 0.0, operations=12)))
    assert ours.ratio == pytest.approx(1)
    assert numpy.ratio == pytest.approx(3)
    assert numpy.rate == pytest.approx(2000)


# --- choosing cases, and reports ---


def test_patterns_choose_cases_in_the_suites_order():
    cases = [case for case in CASES.values() if case.quick]
    chosen = [case.name for case in runner.matching(cases, ["linalg", "matmul/*64x256"])]
    assert chosen[0].startswith("matmul/")
    assert chosen[-1].startswith("linalg/")
    assert all("64x256" in name or name.startswith("linalg/") for name in chosen)


def test_groups_choose_cases_by_the_beginning_of_their_names():
    chosen = {case.name for case in runner.inside(CASES.values(), ["matmul/float32", "linalg"])}
    expected = {name for name in CASES if name.startswith(("matmul/float32/", "linalg/"))}
    assert chosen == expected
    with pytest.raises(ValueError, match="no benchmark case belongs to 'mat'"):
        runner.inside(CASES.values(), ["mat"])


def made_up(case, **seconds):
    times = {name: timing.Times((value,) * 3) for name, value in seconds.items()}
    return [
        runner.Measurement(case, "", name, times[name], times[OURS], 0.0, 0.0, 0.0)
        for name in seconds
    ]


def test_summary_has_geometric_means_and_the_worst_cases():
    measurements = [
        *made_up("group/of/a", unitgain=1.0, NumPy=2.0, JAX=3.0),
        *made_up("group/of/b", unitgain=2.0, NumPy=16.0, JAX=1.5),
        *made_up("other/c", unitgain=1.0, NumPy=1.5),
    ]
    lines = report.format_summary(measurements).splitlines()
    assert lines[0].split()[-5:] == ["cases", "NumPy", "JAX", "fastest", "worst"]
    assert [cell for cell in lines[2].split() if "-" not in cell] == [
        "group/of", "2", "4.00", "1.50", "1.22", "0.75",
    ]  # fmt: skip
    assert [cell for cell in lines[3].split() if "-" not in cell] == [
        "other", "1", "1.50", "1.50", "1.50",
    ]  # fmt: skip
    assert "  group/of: b 0.75 (JAX), a 2.00 (NumPy)" in lines


def test_times_that_are_not_steady_are_marked_and_left_out():
    wild = timing.Times((1.0, 1.0, 40.0, 40.0, 40.0))
    measurements = made_up("group/a", unitgain=1.0, NumPy=2.0)
    measurements += made_up("group/b", unitgain=1.0, NumPy=2.0)
    peer = runner.Measurement("group/b", "", "JAX", wild, measurements[2].ours, 0.0, 0.0, 0.0)
    text = report.format_summary([*measurements, peer])
    assert "left out where the times were not steady: group/b" in text
    assert text.splitlines()[2].split()[:3] == ["group", "2", "2.00"]
    assert "40" not in text
    # Nor is a slower peer's ratio that of the fastest one.
    fast = timing.Times((0.5, 0.5, 0.6, 2.0, 2.0))
    faster = runner.Measurement("group/b", "", "JAX", fast, measurements[2].ours, 0.0, 0.0, 0.0)
    text = report.format_summary([*measurements, faster])
    assert text.splitlines()[2].split()[:3] == ["group", "1", "2.00"]
    assert "not steady: 1.00 s to 40.0 s" in report.format_case([*measurements[2:], peer])


# --- results in files ---


def results(rng, **medians):
    """The document of a run in which each case's turns spread by a tenth."""
    records = [
        {"case": case, "library": OURS, "ratio": 1.0, "agrees": True,
         "turns": (median * rng.lognormal(sigma=0.1, size=15)).tolist()}
        for case, median in medians.items()
    ]  # fmt: skip
    environment = ENVIRONMENT | {"machine": "x86_64"}
    return {"date": "2026-01-02T03:04:05+00:00", "environment": environment, "results": records}


def test_a_change_counts_if_it_is_larger_than_the_noise_and_the_threshold():
    rng = np.random.default_rng(1)
    before = results(rng, same=1.0, slower=1.0, faster=1.0, little=1.0, gone=1.0)
    after = results(rng, same=1.0, slower=1.5, faster=0.5, little=1.02, new=1.0)
    changes = {change.case: change for change in saved.changes(before, after)}
    assert set(changes) == {"same", "slower", "faster", "little"}
    assert [name for name, c in changes.items() if c.is_slower(0.05)] == ["slower"]
    assert [name for name, c in changes.items() if c.is_faster(0.05)] == ["faster"]
    assert changes["slower"].low < 1.5 < changes["slower"].high
    text, slower = saved.format_comparison(before, after, 0.05)
    assert slower
    assert "slower by more than 5%: slower" in text
    assert not saved.format_comparison(before, after, 0.8)[1]
    after["environment"] = ENVIRONMENT | {"threads": 2}
    assert (
        "warning: the runs differ in threads: 4 and 2"
        in (saved.format_comparison(before, after, 0.05)[0])
    )
    with pytest.raises(ValueError, match="no case in common"):
        saved.changes(results(rng, a=1.0), results(rng, b=1.0))


def test_noise_alone_seldom_counts_as_a_change():
    rng = np.random.default_rng(2)
    names = {f"case{i}": 1.0 for i in range(300)}
    changes = saved.changes(results(rng, **names), results(rng, **names))
    assert sum(c.is_slower(0.0) or c.is_faster(0.0) for c in changes) < 300 * 0.1


def test_pytest_benchmarks_own_command_reads_the_results(tmp_path):
    contents = results(np.random.default_rng(4), a=1e-3, b=2e-3)
    saved.write(tmp_path / "0001_run.json", saved.pytest_benchmark(contents))
    command = shutil.which("pytest-benchmark")
    assert command, "pytest-benchmark belongs to the test extra"
    done = subprocess.run(
        [command, "compare", "--sort=name", "--columns=median,rounds", tmp_path / "0001_run.json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    medians = [np.median(record["turns"]) * 1e6 for record in contents["results"]]
    shown = done.stdout.replace(",", "")
    assert all(f"{median:.4f}" in shown or f"{median / 1e3:.4f}" in shown for median in medians)
    assert "benchmark 'a'" in done.stdout


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512", "amx"])
def test_limits_are_added_to_the_environment_once(isa):
    limits = instruction_sets.settings(isa, {"XLA_FLAGS": "--own=1"})
    assert limits["UNITGAIN_ISA"] == isa
    environment = {"XLA_FLAGS": "--own=1"} | limits
    assert environment["XLA_FLAGS"].startswith("--own=1")
    assert instruction_sets.settings(isa, environment) == limits
    assert instruction_sets.are_set(limits, environment)
    assert not instruction_sets.are_set(limits, {})


def test_a_pattern_without_a_match_is_an_error():
    with pytest.raises(ValueError, match="no benchmark case matches 'matmull'"):
        runner.matching(CASES.values(), ["matmul", "matmull"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.234e-9, "1.23 ns"),
        (9.996e-7, "1.00 µs"),
        (1.25e-5, "12.5 µs"),
        (0.1234, "123 ms"),
        (9.9999e-4, "1.00 ms"),
        (2.5, "2.50 s"),
        (1234.0, "1234 s"),
    ],
)
def test_times_have_three_digits_and_a_unit(seconds, text):
    assert report.format_seconds(seconds) == text


def test_json_and_csv_hold_every_measurement(tmp_path):
    measurements = measure(constant_case(np.array([np.nan]), np.array([1.0])))
    saved.write(tmp_path / "out.json", saved.document(ENVIRONMENT, measurements, "unitgain"))
    report.write_csv(tmp_path / "out.csv", ENVIRONMENT, measurements)
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert document["environment"] == ENVIRONMENT
    assert [record["library"] for record in document["results"]] == [OURS, REFERENCE]
    ours = document["results"][0]
    assert ours["agrees"] is False
    assert ours["difference"] is None
    assert ours["seconds_low"] <= ours["seconds"] <= ours["seconds_high"]
    assert ours["ratio_low"] == ours["ratio"] == ours["ratio_high"] == 1
    assert ours["turns"] == [ours["seconds"]]
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["library"] for row in rows] == [OURS, REFERENCE]
    assert rows[0]["instruction_set"] == "avx2"
    assert float(rows[1]["ratio"]) == pytest.approx(document["results"][1]["ratio"])


def test_openblas_settings_that_slow_numpy_down_are_warned_of(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    settings = runner.openblas_settings()
    assert settings == {"OPENBLAS_CORETYPE": "Haswell"}
    text = report.format_environment({**ENVIRONMENT, "openblas_settings": settings})
    assert "warning: OPENBLAS_CORETYPE=Haswell" in text
    assert "warning" not in report.format_environment(ENVIRONMENT)


def test_limits_are_named_and_not_warned_of(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    environment = runner.environment([], "avx2")
    assert environment["limits"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert "OPENBLAS_CORETYPE" not in environment["openblas_settings"]
    text = report.format_environment(ENVIRONMENT | {"limits": environment["limits"]})
    assert "limited by UNITGAIN_ISA=avx2 OPENBLAS_CORETYPE=Haswell" in text


def test_a_busy_machine_is_warned_of():
    assert "warning: 3.5 threads" in report.format_environment({**ENVIRONMENT, "load": 3.5})


def test_environment_names_what_the_times_depend_on():
    environment = runner.environment([])
    assert set(environment) >= set(ENVIRONMENT)
    assert environment["libraries"] == {"NumPy": np.__version__}


def test_keras_runs_on_the_backend_that_is_named_or_the_first_installed(monkeypatch):
    installed = {"keras", "torch", "tensorflow"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in installed or None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert keras_backend.chosen() == "torch"
    assert "Keras" in runner.installed_peers()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert keras_backend.chosen() == "tensorflow"
    monkeypatch.delenv("KERAS_BACKEND")
    installed.difference_update({"torch", "tensorflow"})
    assert keras_backend.chosen() == ""
    assert "Keras" not in runner.installed_peers()


PEERS_CASES = {
    "Keras": ["training/step/64-64-64-4", "training/step/64-256-128-10-batch-norm",
              "inference/64-64-64-4/1"],
    "Numba": ["activations/gelu/float32/128x256", "clustering/kmeans/float32/1000x8x8"],
}  # fmt: skip


@pytest.mark.parametrize(("library", "names"), PEERS_CASES.items())
def test_peers_that_are_installed_agree(library, names):
    if library not in runner.installed_peers():
        pytest.skip(f"{library} is not installed")
    for name in names:
        verdicts = runner.verify_case(CASES[name], [library])
        assert [v.library for v in verdicts] == [OURS, REFERENCE, library]
        assert all(v.agrees for v in verdicts)
