"""Figures by matplotlib, and HTML for notebooks."""

from __future__ import annotations

import html
import importlib.util
import io
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["check_file", "check_matplotlib", "html_table", "new_figure"]

PALETTE = ("#1f6fb4", "#d9822b", "#3d9a5f", "#8a5bb0", "#c2444e", "#52606d")


def check_matplotlib() -> None:
    """Check that figures can be drawn.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("drawing needs matplotlib: pip install unitgain[plot]")


def new_figure(rows: int, cols: int, width: float = 4.2, height: float = 3.0) -> tuple[Any, Any]:
    """Return a matplotlib figure that belongs to no window, and its axes, ``(rows, cols)``.

    A notebook shows it, also one that has not loaded ``pyplot``.

    Args:
        rows: of the grid of axes.
        cols: of the grid of axes.
        width: of one of them, in inches.
        height: of one of them, in inches.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width * cols, height * rows), layout="constrained")
    axes = figure.subplots(rows, cols, squeeze=False)
    for each in axes.flat:
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    figure._repr_png_ = partial(_as_png, figure)
    return figure, axes


def _as_png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def html_table(headers: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return an HTML table of texts, which are escaped."""

    def line(tag: str, cells: Sequence[str]) -> str:
        aligned = [f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells]
        return f"<tr>{''.join(aligned)}</tr>"

    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(line("td", row) for row in rows)
    return f"<table>{title}<thead>{line('th', headers)}</thead><tbody>{body}</tbody></table>"


def check_file(path: Path) -> None:
    """Check that a figure can be written to a file of this name.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if matplotlib cannot write the format that the name ends in.
    """
    check_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in formats:
        known = ", ".join(f".{name}" for name in sorted(formats))
        raise ValueError(f"cannot draw to {path}: its name must end in one of {known}")
