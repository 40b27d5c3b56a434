"""The demo's figure. Needs matplotlib, which is imported when a figure is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unitgain._figures import check_file
from unitgain.benchmarks.case import OURS
from unitgain.benchmarks.report import format_ratio, format_seconds

__all__ = ["draw_demo"]

TRAIN_COLOR, TEST_COLOR = "#9aa5b1", "#1f6fb4"


def draw_demo(training: Any, measurements: Sequence[Any], heading: str, path: Path) -> None:
    """Draw a demo's loss and accuracy by epoch and its peers' ratios, and write them to ``path``.

    Args:
        training: a :class:`unitgain.demo.Training`.
        measurements: what :func:`unitgain.demo.compare` returned.
        heading: a line that says on what machine.
        path: the file, its format told by its ending.

    Raises:
        ImportError, ValueError: see :func:`check_file`.
        OSError: if the file cannot be written.
    """
    check_file(path)
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(10, 7.8), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    figure.suptitle(heading, x=0.012, ha="left", fontsize=9, color="#52606d")
    curves, bars = figure.subfigures(2, 1, height_ratios=(1, 1.1), hspace=0.04)
    loss, accuracy = curves.subplots(1, 2)
    _draw_curves(loss, training.history, "loss")
    loss.set_yscale("log")
    loss.set_title("Cross-entropy loss", loc="left")
    _draw_curves(accuracy, training.history, "accuracy", factor=100)
    accuracy.set_title(f"Accuracy, %: {100 * training.accuracy:.1f} at the end", loc="left")
    _draw_ratios(bars.subplots(), measurements)
    figure.savefig(path, dpi=150)


def _draw_curves(axes: Any, history: Any, key: str, factor: float = 1) -> None:
    epochs = range(1, len(history[key]) + 1)
    parts = ((key, TRAIN_COLOR, "training digits"), (f"val_{key}", TEST_COLOR, "test digits"))
    for name, color, part in parts:
        values = [factor * value for value in history[name]]
        marker = "o" if len(values) == 1 else ""
        axes.plot(epochs, values, color=color, label=part, linewidth=2, marker=marker)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _draw_ratios(axes: Any, measurements: Sequence[Any]) -> None:
    """Draw a bar for each operation and peer, the operation's name and time above them."""
    cases = list(dict.fromkeys(m.case for m in measurements))
    peers = list(dict.fromkeys(m.library for m in measurements if m.library != OURS))
    height = 0.56 / len(peers)
    for number, peer in enumerate(peers):
        found = [m for m in measurements if m.library == peer]
        rows = [cases.index(m.case) - 0.2 + height * (number + 0.5) for m in found]
        ratios = [m.ratio for m in found]
        bars = axes.barh(rows, ratios, 0.9 * height, color=f"C{number}", label=peer)
        for label in axes.bar_label(bars, [format_ratio(r) for r in ratios], padding=5, fontsize=7):
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    for row, case in enumerate(cases):
        ours = next(m for m in measurements if m.case == case)
        text = f"{ours.title}: {format_seconds(ours.ours.median)}"
        title = axes.text(0, row - 0.22, text, va="bottom", fontsize=9)
        title.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    axes.axvline(1, color="black", linewidth=1, linestyle="--", zorder=0)
    axes.set_title("Others' times over unitgain's (dashed: equal)", loc="left")
    axes.set_yticks([])
    axes.set_ylim(len(cases) - 0.6, -0.8)
    axes.set_xlim(0, 1.1 * max(1.0, *(m.ratio for m in measurements)))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right", "left"]].set_visible(False)
