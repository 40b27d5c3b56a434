"""``unitgain demo``: a network trained on real data, and its operations beside other libraries'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import unitgain as ug
from unitgain.benchmarks import report, runner, timing
from unitgain.benchmarks.case import OURS
from unitgain.benchmarks.training import build_model

__all__ = ["EPOCHS", "Training", "compare", "run", "train"]

SIZES = (64, 128, 64, 10)
EPOCHS = 20
BATCH_SIZE = 16
LEARNING_RATE = 1e-3

# Fewer turns than a benchmark takes, so that all is done in seconds.
EFFORT = timing.Effort(rounds=7, seconds=0.01, rest=0.12, attempts=1)

COMPARED = (
    "matmul/float32/1024x1024x1024",
    "activations/tanh/float32/1024x1024",
    "batch_norm/forward/256x512",
    "linalg/pinv/float32/200x100",
    "training/step/64-128-64-10-batch-norm",
)


@dataclass(frozen=True)
class Training:
    """A training run: ``fit``'s history, its seconds, the share of test digits that are right."""

    history: Mapping[str, Sequence[float]]
    seconds: float
    accuracy: float


def train(*, seed: int = 0, epochs: int = EPOCHS, verbose: int = 1) -> Training:
    """Train the demo's network on the digits; the time includes testing it after every epoch.

    The test digits are only looked at: nothing is chosen by how well they do.
    """
    (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
    ug.random.seed(seed)
    model = build_model(SIZES, batch_norm=True, learning_rate=LEARNING_RATE, metrics=("accuracy",))
    start = perf_counter()
    history = model.fit(
        x_train,
        y_train,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_data=(x_test, y_test),
        verbose=0,
        callbacks=[ug.callbacks.ProgressBar()] if verbose else None,
    )
    seconds = perf_counter() - start
    accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    return Training(history.history, seconds, accuracy)


def compare(peers: Sequence[str] = (), effort: Any = EFFORT) -> list[Any]:
    """Measure the demo's five operations by unitgain, NumPy and these libraries."""
    cases = {case.name: case for case in runner.all_cases()}
    return [m for name in COMPARED for m in runner.run_case(cases[name], peers, effort)]


def comparison_table(measurements: Sequence[Any]) -> str:
    """Return the table of operation, times, ratios, and unitgain's difference from NumPy."""
    peers = list(dict.fromkeys(m.library for m in measurements if m.library != OURS))
    rows = []
    for name in dict.fromkeys(m.case for m in measurements):
        case = {m.library: m for m in measurements if m.case == name}
        ours = case[OURS]
        ratios = [report.format_ratio(case[peer].ratio) if peer in case else "" for peer in peers]
        time = report.format_seconds(ours.times.median)
        rows.append((ours.title, time, *ratios, report.format_difference(ours)))
    headers = ("operation", "unitgain", *peers, "largest difference")
    return str(report.format_table(headers, rows))


def run(
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    plot: Path | None = None,
    peers: Sequence[str] | None = None,
) -> int:
    """Train, compare, print what came of it; return 0 if all agree with NumPy, else 1.

    ``peers`` are the libraries to compare with beside NumPy: by default those that are installed.
    """
    start = perf_counter()
    peers = runner.installed_peers() if peers is None else peers
    environment = runner.environment(peers)
    print(report.format_environment(environment))
    network = "-".join(str(size) for size in SIZES)
    print(
        f"\nTraining on 1347 handwritten digits: network {network} with batch norm, {epochs} epochs"
    )
    training = train(seed=seed, epochs=epochs)
    print(
        f"Trained in {training.seconds:.2f} s. "
        f"Of 450 digits it had not seen, {training.accuracy:.1%} are right."
    )

    print(
        "\nIts operations by everyone in turns: unitgain's times, the others' times over these.\n"
    )
    measurements = compare(peers)
    print(comparison_table(measurements))
    agree = all(m.agrees for m in measurements)
    print(
        "\nDifferences are relative to the largest value, and "
        + ("all within what rounding explains." if agree else "NOT all within rounding.")
    )
    if plot is not None:
        from unitgain import plotting

        plotting.draw_demo(training, measurements, report.format_machine(environment), plot)
        print(f"Drawn to {plot}.")
    print(f"Done in {perf_counter() - start:.1f} s.")
    return 0 if agree else 1
