"""Drawings of a model's graph: layers with their shapes, by Graphviz or by matplotlib."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from unitgain._figures import PALETTE, check_file, check_matplotlib

__all__ = ["Diagram", "diagram"]

# Of the drawing by matplotlib, in inches.
_WIDTH, _HEIGHT = 2.6, 0.62


@dataclass(frozen=True)
class Box:
    """A layer's use: its text, and the boxes that it reads."""

    lines: tuple[str, ...]
    sources: tuple[int, ...]


class Diagram:
    """A drawing of a graph of layers. A notebook shows it; :meth:`save` writes a file.

    Args:
        boxes: the layers' uses, each after those that it reads.
        horizontal: whether data flow from left to right, and not downwards.
        resolution: dots an inch, of formats that have pixels.
    """

    def __init__(self, boxes: Sequence[Box], horizontal: bool, resolution: int) -> None:
        self._boxes = list(boxes)
        self._horizontal = horizontal
        self._resolution = resolution

    def to_dot(self) -> str:
        """Return the graph in Graphviz's language."""
        direction = "LR" if self._horizontal else "TB"
        lines = [
            f'digraph model {{ rankdir={direction}; node [shape=box, fontname="Helvetica", '
            f'style="rounded", color="{PALETTE[0]}"];'
        ]
        for i, box in enumerate(self._boxes):
            text = "\\n".join(_escaped(line) for line in box.lines)
            lines.append(f'n{i} [label="{text}"];')
            lines += [f"n{source} -> n{i};" for source in box.sources]
        return "\n".join([*lines, "}"])

    def save(self, path: str | PathLike[str]) -> None:
        """Write the drawing; the ending of the name tells the format.

        Args:
            path: ``.dot`` for Graphviz's language, else ``.svg``, ``.png``, ``.pdf`` ...

        Raises:
            ImportError: if neither Graphviz's ``dot`` nor matplotlib is installed.
            ValueError: if the format is not one that can be written.
            OSError: if the file cannot be written.
        """
        target = Path(fspath(path))
        if target.suffix == ".dot":
            target.write_text(self.to_dot(), encoding="utf-8")
        elif not _has_graphviz():
            check_file(target)
            self._figure().savefig(target, dpi=self._resolution)
        else:
            target.write_bytes(self._by_graphviz(target.suffix.removeprefix(".").lower()))

    def _repr_svg_(self) -> str:
        if _has_graphviz():
            return self._by_graphviz("svg").decode()
        text = io.StringIO()
        self._figure().savefig(text, format="svg")
        return text.getvalue()

    def __repr__(self) -> str:
        """Return the number of layers' uses."""
        return f"Diagram({len(self._boxes)} layers)"

    def _by_graphviz(self, format: str) -> bytes:
        command = ["dot", f"-T{format}", f"-Gdpi={self._resolution if format != 'svg' else 72}"]
        done = subprocess.run(command, input=self.to_dot().encode(), capture_output=True)
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines()
            raise ValueError(f"dot cannot draw as {format}: {reason[0] if reason else 'no reason'}")
        return done.stdout

    def _figure(self) -> Any:
        check_matplotlib()
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        places = _places(self._boxes)
        depth = 1 + max((y for _, y in places), default=0)
        breadth = 1 + max((x for x, _ in places), default=0)
        tallest = max((len(box.lines) for box in self._boxes), default=1)
        height = _HEIGHT + 0.2 * (tallest - 1)
        step_x, step_y = _WIDTH + 0.3, height + 0.45
        if self._horizontal:
            size = (depth * step_x, breadth * step_y)
        else:
            size = (breadth * step_x, depth * step_y)
        figure: Any = Figure(figsize=size)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, size[0])
        axes.set_ylim(size[1], 0)
        centres = [
            ((b + 0.5) * step_x, (a + 0.5) * step_y)
            for a, b in ((x, y) if self._horizontal else (y, x) for x, y in places)
        ]
        arrow = {"arrowstyle": "-|>", "color": PALETTE[5], "shrinkA": 0, "shrinkB": 0}
        for box, (x, y) in zip(self._boxes, centres, strict=True):
            corner = (x - _WIDTH / 2, y - height / 2)
            style = "round,pad=0,rounding_size=0.08"
            axes.add_patch(
                FancyBboxPatch(
                    corner, _WIDTH, height, boxstyle=style, edgecolor=PALETTE[0], facecolor="white"
                )
            )
            text = "\n".join(box.lines)
            axes.text(x, y, text, ha="center", va="center", fontsize=9, clip_on=True)
            for source in box.sources:
                from_x, from_y = centres[source]
                if self._horizontal:
                    start, end = (from_x + _WIDTH / 2, from_y), (x - _WIDTH / 2, y)
                else:
                    start, end = (from_x, from_y + height / 2), (x, y - height / 2)
                axes.annotate("", xy=end, xytext=start, arrowprops=arrow, zorder=0)
        return figure


def diagram(
    model: Any, shapes: bool, dtype: bool, names: bool, horizontal: bool, resolution: int
) -> Diagram:
    """Return the drawing of a model that is built."""
    function = model.function
    boxes: list[Box] = []
    made: dict[int, int] = {}

    def add(name: str, kind: str, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        lines = [f"{name} ({kind})" if names else kind]
        if shapes:
            lines.append(", ".join(dict.fromkeys(_shape(t.sample_shape) for t in outputs)))
        if dtype:
            lines.append(function.dtype)
        sources = tuple(dict.fromkeys(made[id(tensor)] for tensor in inputs))
        made.update((id(tensor), len(boxes)) for tensor in outputs)
        boxes.append(Box(tuple(lines), sources))

    for tensor in function.inputs.tensors:
        add(tensor.name, "Input", [tensor], [])
    for use in function.nodes:
        add(use.layer.name, type(use.layer).__name__, use.data_outputs, use.data_inputs)
    return Diagram(boxes, horizontal, resolution)


def _shape(sample: Sequence[int]) -> str:
    return "(" + ", ".join(["None", *map(str, sample)]) + ")"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _has_graphviz() -> bool:
    return shutil.which("dot") is not None


def _places(boxes: Sequence[Box]) -> list[tuple[float, int]]:
    """Return each box's place across and along: below all that it reads, near their middle."""
    depths: list[int] = []
    for box in boxes:
        depths.append(1 + max((depths[source] for source in box.sources), default=-1))
    across = [0.0] * len(boxes)
    widest = max((depths.count(depth) for depth in set(depths)), default=1)
    for depth in range(max(depths, default=-1) + 1):
        here = [i for i, d in enumerate(depths) if d == depth]

        def middle(i: int) -> float:
            sources = boxes[i].sources
            return sum(across[s] for s in sources) / len(sources) if sources else 0.0

        here.sort(key=middle)
        first = (widest - len(here)) / 2
        for place, i in enumerate(here):
            across[i] = first + place
    return list(zip(across, depths, strict=True))
