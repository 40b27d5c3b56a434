"""The notebooks of examples/ as Markdown, with what their cells print and show."""

from __future__ import annotations

import base64
import re
import tempfile
from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;]*m")
PICTURES = {"image/svg+xml": "svg", "image/png": "png"}


def executed(text: str) -> Any:
    """Run a notebook in the percent format in a process of its own, and return it.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    import jupytext
    import nbclient

    book = jupytext.reads(text, fmt="py:percent")
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        nbclient.NotebookClient(book, kernel_name="python3", resources=place).execute()
    return book


def as_markdown(book: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """Return the text of an executed notebook, and its pictures by their files' names."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in book.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.source:
            parts.append(f"```python\n{cell.source}\n```")
        for output in cell.get("outputs", ()):
            parts.append(_shown(output, name, pictures))
    return "\n\n".join(parts) + "\n", pictures


def _shown(output: Any, name: str, pictures: dict[str, bytes]) -> str:
    """Return an output in the richest form that a page can show; add its picture, if it is one."""
    if output.output_type == "stream":
        return _printed(output.text)
    data = output.data
    for kind, ending in PICTURES.items():
        if kind in data:
            file = f"{name}-{len(pictures)}.{ending}"
            contents = data[kind]
            pictures[file] = contents.encode() if ending == "svg" else base64.b64decode(contents)
            return f"![drawn by the cell above]({file})"
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"].strip()}\n</div>'
    return _printed(data.get("text/plain", ""))


def _printed(text: str) -> str:
    return f"```text\n{ANSI.sub('', text).rstrip()}\n```"
