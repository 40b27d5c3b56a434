"""Writes an ONNX file of tests/reference/onnx/ beside what its library computes."""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "onnx"


def save(name, model, inputs, outputs):
    for entry in list(model.graph.node):
        entry.doc_string = ""  # the exporter's stack traces, and this machine's paths
        del entry.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
    named = {one.name: array for one, array in zip(model.graph.input, inputs, strict=True)}
    made = {f"output_{i}": np.asarray(array) for i, array in enumerate(outputs)}
    np.savez(FOLDER / f"{name}.npz", **named, **made)
