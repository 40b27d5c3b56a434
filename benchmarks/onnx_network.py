"""The benchmarks' dense network in ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .case import Array, Contender
from .timing import fastest

# The oldest versions that have what is used here, so that any runtime reads the model.
OPSET, IR_VERSION = 13, 8


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer."""
    content = _model(pairs, x).SerializeToString()
    return Contender.of(fastest(*(_session(content, x, threads) for threads in (0, 1))))


def int8_inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return the same with dynamic quantization, the fastest of its kinds."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for per_channel in (False, True):
            path = Path(folder) / f"{per_channel}.onnx"
            quantize_dynamic(
                _model(pairs, x), path, weight_type=QuantType.QInt8, per_channel=per_channel
            )
            runs += [_session(path.read_bytes(), x, threads) for threads in (0, 1)]
    return Contender.of(fastest(*runs))


def _session(content: bytes, x: Array, threads: int) -> Callable[[], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # 0: as many as there are cores
    made = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda: made.run(None, {"input": x})[0]


def _model(pairs: Sequence[tuple[Array, Array]], x: Array) -> Any:
    nodes, initializers, value = [], [], "input"
    for i, (kernel, bias) in enumerate(pairs):
        initializers.append(numpy_helper.from_array(kernel, f"kernel{i}"))
        initializers.append(numpy_helper.from_array(bias, f"bias{i}"))
        nodes.append(helper.make_node("Gemm", [value, f"kernel{i}", f"bias{i}"], [f"dense{i}"]))
        value = f"dense{i}"
        if i + 1 < len(pairs):
            nodes.append(helper.make_node("Relu", [value], [f"relu{i}"]))
            value = f"relu{i}"
    inputs = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, x.shape[1]])
    outputs = helper.make_tensor_value_info(value, TensorProto.FLOAT, [None, pairs[-1][1].size])
    graph = helper.make_graph(nodes, "network", [inputs], [outputs], initializers)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
