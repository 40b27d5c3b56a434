"""``unitgain demo``: a network trained on real data, beside the same in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import unitgain as ug
from unitgain.benchmarks import report, runner, timing
from unitgain.benchmarks.training import build_model

__all__ = ["EPOCHS", "Training", "compare", "run", "train"]

SIZES = (64, 128, 64, 10)
EPOCHS = 20
BATCH_SIZE = 16
LEARNING_RATE = 1e-3

# Fewer turns than a benchmark takes, so that all is done in seconds.
EFFORT = timing.Effort(rounds=9, seconds=0.02, rest=0.12)

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


def compare(effort: Any = EFFORT) -> list[Any]:
    """Measure the demo's five operations; return unitgain's and NumPy's measurement of each."""
    cases = {case.name: case for case in runner.all_cases()}
    return [m for name in COMPARED for m in runner.run_case(cases[name], [], effort)]


def comparison_table(measurements: Sequence[Any]) -> str:
    """Return the table of operation, times, ratio and largest difference."""
    rows = []
    for ours, numpy in zip(measurements[0::2], measurements[1::2], strict=True):
        rows.append(
            (
                ours.title,
                report.format_seconds(ours.times.median),
                report.format_seconds(numpy.times.median),
                report.format_ratio(numpy.ratio),
                report.format_difference(ours),
            )
        )
    headers = ("operation", "unitgain", "NumPy", "ratio", "largest difference")
    return str(report.format_table(headers, rows))


def run(*, seed: int = 0, epochs: int = EPOCHS, plot: Path | None = None) -> int:
    """Train, compare, print what came of it; return 0 if unitgain and NumPy agree, else 1."""
    start = perf_counter()
    environment = runner.environment([])
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

    print("\nThe same by unitgain and by NumPy, in turns. Ratio: NumPy's time over unitgain's.\n")
    measurements = compare()
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
