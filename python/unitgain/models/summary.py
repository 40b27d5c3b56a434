"""The table that :meth:`Model.summary` prints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unitgain._figures import html_table
from unitgain.graph.tensors import SymbolicTensor

__all__ = ["summary", "summary_html"]

_TRAINING_BATCH = 32
_HEADERS = ("Layer (type)", "Output shape", "Weights", "Connected to")


def summary(model: Any, line_length: int, predict_batch: int) -> str:
    """Return the table of a model's layers, the numbers of its weights, and its memory."""
    rows = [_HEADERS, *_rows(model)]
    first = max(line_length - 32, *(len(row[0]) for row in rows))
    second = max(18, *(len(row[1]) for row in rows))
    connected = any(row[3] for row in rows[1:])
    lines = [
        f"{a:<{first}} {b:<{second}} {c:>12}" + (f"  {d}" if connected else "")
        for a, b, c, d in rows
    ]
    rule = "-" * max(len(line) for line in lines)
    text = [f"Model: {model.name}", rule, lines[0], rule, *lines[1:], rule]
    return "\n".join([*text, *_totals(model, predict_batch)])


def summary_html(model: Any, predict_batch: int) -> str:
    """Return the same table as HTML."""
    rows = _rows(model)
    columns = 4 if any(row[3] for row in rows) else 3
    table = html_table(
        _HEADERS[:columns], [row[:columns] for row in rows], caption=f"Model: {model.name}"
    )
    return f"{table}<pre>{chr(10).join(_totals(model, predict_batch))}</pre>"


def _totals(model: Any, predict_batch: int) -> list[str]:
    total, trainable = _size(model.weights), _size(model.trainable_weights)
    weight_bytes = total * np.dtype(model.dtype).itemsize
    return [
        f"Weights: {total:,} ({weight_bytes / 1024:,.1f} KiB)",
        f"  trainable: {trainable:,}",
        f"  not trainable: {total - trainable:,}",
        _memory(model, weight_bytes, predict_batch),
    ]


def _memory(model: Any, weight_bytes: int, predict_batch: int) -> str:
    network = model._native_network()
    predict = (weight_bytes + network.memory(predict_batch, False)) / 1024
    text = f"Memory: {predict:,.1f} KiB to predict {predict_batch} samples at a time"
    if model.optimizer is None:
        return text
    train = (weight_bytes + network.memory(_TRAINING_BATCH, True)) / 1024
    return f"{text},\n  {train:,.1f} KiB to train on batches of {_TRAINING_BATCH}"


def _rows(model: Any) -> list[tuple[str, str, str, str]]:
    uses = model.function.nodes
    is_chain = not any(isinstance(layer, SymbolicTensor) for layer in model.layers)
    rows = []
    for layer in model.layers:
        mine = [use for use in uses if use.layer is layer]
        shapes = [t.sample_shape for use in mine for t in use.data_outputs] or [layer.sample_shape]
        sources = [tensor.name for use in mine for tensor in use.data_inputs]
        rows.append(_row(layer, shapes, "" if is_chain else ", ".join(dict.fromkeys(sources))))
    return rows


def _row(layer: Any, shapes: list[Any], sources: str) -> tuple[str, str, str, str]:
    texts = ["(" + ", ".join(["None", *map(str, shape)]) + ")" for shape in dict.fromkeys(shapes)]
    title = f"{layer.name} ({type(layer).__name__})"
    return title, ", ".join(texts), f"{layer.count_params():,}", sources


def _size(weights: Any) -> int:
    return sum(math.prod(w.shape) for w in weights)
