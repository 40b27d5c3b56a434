"""The result of a diagnosis: a table, a page, numbers, pictures."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unitgain._figures import check_file
from unitgain.signals.measures import Distribution, LayerSignals

__all__ = ["Report"]

_TITLES = (
    "Layer", "Activation", "Mean", "Std", "Zeros", "Flat", "Dead", "Gradient", "Update", "Cond.",
    "Forward", "Backward", "Verdict",
)  # fmt: skip


@dataclass(repr=False)
class Report:
    """The signals of a model's layers on some samples, and what they mean.

    Attributes:
        model: the model's name.
        rows: the samples.
        batch_size: of the batches that were run.
        loss: the loss that the gradients are of; the surrogate's name where there was none.
        value: that loss.
        layers: the signals of each layer, in the order of computation, inputs first.
        verdict: ``healthy``, or what is wrong, the gravest first.
        advice: what to do: the layer's name and a sentence, the gravest first.
    """

    model: str
    rows: int
    batch_size: int
    loss: str
    value: float
    layers: list[LayerSignals]
    verdict: str
    advice: list[tuple[str, str]]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict == "healthy"

    def layer(self, name: str) -> LayerSignals:
        """Return the signals of the layer of that name.

        Raises:
            KeyError: if there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}: there are {', '.join(x.name for x in self.layers)}")

    def __repr__(self) -> str:
        rows = [_TITLES, *map(_cells, self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        rule = "-" * max(map(len, lines))
        text = [f"{self._headline()}", rule, lines[0], rule, *lines[1:], rule]
        return "\n".join([*text, *self._advice_lines()])

    def _headline(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return f"{self.model}: {self.verdict} ({rows}, {self.loss} {self.value:.3g})"

    def _advice_lines(self) -> list[str]:
        grouped: dict[str, list[str]] = {}
        for name, text in self.advice:
            grouped.setdefault(text, []).append(name)
        return [f"{_listed(names)}: {text}" for text, names in grouped.items()]

    def _repr_html_(self) -> str:
        def row(cells: Sequence[str], tag: str, style: str = "") -> str:
            inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr{style}>{inner}</tr>"

        body = "".join(
            row(_cells(x), "td", "" if x.verdict == "healthy" else ' style="background:#fde8e8"')
            for x in self.layers
        )
        advice = "".join(f"<li>{html.escape(line)}</li>" for line in self._advice_lines())
        return (
            f"<p><b>{html.escape(self._headline())}</b></p><table><thead>{row(_TITLES, 'th')}"
            f"</thead><tbody>{body}</tbody></table><ul>{advice}</ul>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as numbers, text, lists and dicts; NaN where there is no value."""
        found = asdict(self)
        for layer in found["layers"]:
            for place in ("before", "after"):
                values = layer[place]
                if values is not None and values["histogram"] is not None:
                    values["histogram"] = values["histogram"].tolist()
        return found

    def plot(self, path: str | Path) -> None:
        """Draw gains and gradients by depth, and each layer's histograms, to a file.

        The histograms are those of the values behind the activations, as in the figures of Glorot
        and Bengio (AISTATS 2010), of up to 12 layers.

        Args:
            path: the file, its format told by its ending.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if matplotlib cannot write the format that the name ends in.
        """
        check_file(Path(path))
        from matplotlib.figure import Figure

        drawn = [x for x in self.layers if x.after is not None and x.after.histogram is not None]
        shown = [x for x in drawn if x.activation != "linear"] or drawn
        shown = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, 12, dtype=int))]
        lines = math.ceil(len(shown) / 6)
        figure: Any = Figure(figsize=(11, 3.2 + 1.5 * lines), layout="constrained")
        figure.suptitle(self._headline(), x=0.012, ha="left", fontsize=10)
        top, bottom = figure.subfigures(2, 1, height_ratios=(3, 1.5 * lines))
        gains, gradients = top.subplots(1, 2)
        self._draw_gains(gains)
        self._draw_gradients(gradients)
        for axes in bottom.subplots(lines, 6, squeeze=False).flat:
            if shown:
                _draw_histogram(axes, shown.pop(0))
            else:
                axes.set_visible(False)
        figure.savefig(path, dpi=80)

    def _draw_gains(self, axes: Any) -> None:
        for attribute, color, label in (
            ("forward_total", "#1f6fb4", "values' spread over the inputs'"),
            ("backward_total", "#c0392b", "gradient's norm over the output's"),
        ):
            self._draw(axes, attribute, color, label)
        axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
        axes.set_title("Signals over where they come from", loc="left", fontsize=9)
        axes.legend(frameon=False, fontsize=8)

    def _draw_gradients(self, axes: Any) -> None:
        self._draw(axes, "kernel_gradient_norm", "#c0392b", "kernel's gradient, norm")
        self._draw(axes, "update_ratio", "#7d3c98", "update over kernel")
        axes.set_title("Gradients and updates of kernels", loc="left", fontsize=9)
        axes.legend(frameon=False, fontsize=8)

    def _draw(self, axes: Any, attribute: str, color: str, label: str) -> None:
        values = [getattr(layer, attribute) for layer in self.layers]
        points = [(i, v) for i, v in enumerate(values) if math.isfinite(v) and v > 0]
        if not points:
            return
        axes.plot(*zip(*points, strict=True), color=color, label=label, marker="o", markersize=3)
        axes.set_yscale("log")
        axes.set_xlabel("layer", fontsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)


def _draw_histogram(axes: Any, layer: LayerSignals) -> None:
    values = layer.after
    assert values is not None
    assert values.histogram is not None
    edges = np.linspace(values.smallest, values.largest, len(values.histogram) + 1)
    color = "#1f6fb4" if layer.verdict == "healthy" else "#c0392b"
    if np.isfinite(edges).all() and values.largest > values.smallest:
        axes.stairs(values.histogram, edges, fill=True, color=color)
    axes.set_title(layer.name, fontsize=7)
    axes.set_yticks([])
    axes.tick_params(labelsize=6)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _cells(layer: LayerSignals) -> tuple[str, ...]:
    values = layer.after or layer.before
    shown: Distribution | None = values
    return (
        f"{layer.name} ({layer.kind})",
        "" if layer.activation == "linear" else layer.activation,
        _number(math.nan if shown is None else shown.mean),
        _number(math.nan if shown is None else _root(shown.variance)),
        _share(math.nan if shown is None else shown.zeros),
        _share(math.nan if shown is None else shown.saturated),
        "" if layer.activation == "linear" else str(len(layer.dead)),
        _number(layer.gradient_norm),
        _number(layer.update_ratio),
        _number(layer.condition),
        _number(layer.forward_gain),
        _number(layer.backward_gain),
        layer.verdict,
    )


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _listed(names: Sequence[str]) -> str:
    """Return names in one line: the first ones of many."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} ... {names[-1]} ({len(names)} layers)"
