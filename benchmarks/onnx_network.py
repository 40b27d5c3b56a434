"""The benchmarks' dense network in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .case import Array, Contender
from .timing import fastest

# The oldest versions that have what is used here, so that any runtime reads the model.
OPSET, IR_VERSION = 13, 8


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer."""
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
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )

    def session(threads: int) -> Callable[[], Any]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads  # 0: as many as there are cores
        made = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda: made.run(None, {"input": x})[0]

    return Contender.of(fastest(session(0), session(1)))
