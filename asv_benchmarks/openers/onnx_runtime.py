"""ONNX Runtime: inference only, of a model made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from cases import Floats, Task
from onnx import TensorProto, helper, numpy_helper

from . import Job

OPERATORS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softmax": "Softmax"}
ELEMENTS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def _model(task: Task) -> Any:
    """z = x W^T + b by Gemm and an activation for each layer; the number of rows is left open."""
    case, nodes, arrays = task.case, [], []
    layers = case.layers(case.parameters(task.dtype))
    for l, (W, b) in enumerate(layers, start=1):
        operator = OPERATORS[case.hidden if l < len(layers) else case.output]
        arrays += [numpy_helper.from_array(W, f"W{l}"), numpy_helper.from_array(b, f"b{l}")]
        nodes += [
            helper.make_node("Gemm", [f"a{l - 1}", f"W{l}", f"b{l}"], [f"z{l}"], transB=1),
            helper.make_node(operator, [f"z{l}"], [f"a{l}"]),
        ]
    ends = [
        helper.make_tensor_value_info(name, ELEMENTS[task.dtype], ["rows", width])
        for name, width in (("a0", case.sizes[0]), (f"a{len(layers)}", case.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def open_onnx(task: Task) -> Job:
    """`InferenceSession.run` on NumPy arrays, which takes less time than binding inputs and outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = task.threads, 1
    session = onnxruntime.InferenceSession(
        _model(task).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    blocks, _, _ = task.blocks()

    def forward() -> list[Floats]:
        return [session.run(None, {"a0": x})[0] for x in blocks]

    return Job(forward, lambda: np.concatenate(forward()))
