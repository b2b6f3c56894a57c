"""Nodes and constants that become an ONNX model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sqspeech import __version__

# The oldest that have what the graphs need, so that old runtimes read them too.
OPSET, IR_VERSION = 18, 8

type Shape = list[str | int]


class OnnxGraph:
    """Nodes in their order of execution, and the constants that they read."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any) -> str:
        """Append a node of names and constants; return the name of its output."""
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def model(
        self,
        name: str,
        *,
        inputs: Mapping[str, tuple[int, Shape]],
        outputs: Mapping[str, tuple[int, Shape]],
        metadata: dict[str, str],
    ) -> onnx.ModelProto:
        """Return the checked model, whose inputs and outputs have these element types and shapes."""
        given, made = (
            [helper.make_tensor_value_info(value, *described) for value, described in end.items()]
            for end in (inputs, outputs)
        )
        model = helper.make_model(
            helper.make_graph(self.nodes, name, given, made, self.constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sqspeech",
            producer_version=__version__,
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name
