"""Log-mel, encoder and code choice as an ONNX graph: the same arithmetic as in torch, written in ONNX operators."""

import copy
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from sqspeech import __version__
from sqspeech.features import AMPLITUDE_FLOOR, LogMel
from sqspeech.models.batch_norm import BatchNorm
from sqspeech.models.encoder import Encoder

# The oldest that have what the graph needs, so that old runtimes read it too.
OPSET, IR_VERSION = 18, 8
PAD_MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge"}

Shape = list[str | int]


class Graph:
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
        *,
        inputs: Mapping[str, tuple[int, Shape]],
        outputs: Mapping[str, tuple[int, Shape]],
        metadata: dict[str, str],
    ) -> onnx.ModelProto:
        """Return the checked model of the graph, whose inputs and outputs have these element types and shapes."""
        given, made = (
            [helper.make_tensor_value_info(name, *described) for name, described in end.items()]
            for end in (inputs, outputs)
        )
        model = helper.make_model(
            helper.make_graph(self.nodes, "units", given, made, self.constants),
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
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def add_log_mel(graph: Graph, samples: str, log_mel: LogMel) -> str:
    """Append `LogMel.forward` without its refusals, (N,) to (M, T)."""
    add, config = graph.add, log_mel.config
    # Of digital silence the gain is finite too.
    peak = add("Max", add("ReduceMax", add("Abs", samples), keepdims=0), _single(np.finfo(np.float32).tiny))
    scaled = add("Mul", samples, add("Div", _single(config.peak), peak))
    as_channel = add("Unsqueeze", scaled, _whole([0, 1]))
    emphasised = add("Conv", as_channel, _single([[[-config.preemphasis, 1]]]), pads=[1, 0])
    left, right = config.edges
    padded = add("Pad", emphasised, _whole([0, 0, left, 0, 0, right]), mode=PAD_MODES[config.pad_mode])
    # A convolution with the windowed DFT basis cuts the frames and transforms them in one.
    parts = [add("Conv", padded, _single(kernel), strides=[config.hop_length]) for kernel in _windowed_dft(log_mel)]
    magnitude = add("Sqrt", add("Add", *(add("Mul", part, part) for part in parts)))
    mel = add("MatMul", _single(log_mel.filters.T.cpu()), add("Squeeze", magnitude, _whole([0])))
    logarithm = add("Log", add("Max", mel, _single(AMPLITUDE_FLOOR)))
    decibels = add("Mul", logarithm, _single(20 / math.log(10)))
    floor = add("Sub", add("ReduceMax", decibels, keepdims=0), _single(config.top_db))
    return add("Add", add("Div", add("Max", decibels, floor), _single(config.top_db)), _single(1))


def _windowed_dft(log_mel: LogMel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the real and the imaginary part, shape (n_fft // 2 + 1, 1, win_length)."""
    n_fft, window = log_mel.config.n_fft, log_mel.window.cpu().double().numpy()
    # Whole turns are taken off as integers, for which no angle is too large to be exact.
    turns = np.outer(np.arange(n_fft // 2 + 1), np.arange(len(window))) % n_fft / n_fft
    return tuple((function(2 * np.pi * turns) * window)[:, None] for function in (np.cos, np.sin))


def add_encoder(graph: Graph, mel: str, encoder: Encoder) -> str:
    """Append the encoder in eval mode on an even number of frames, (M, T) to (L, O)."""
    add = graph.add
    frames = add("Shape", mel, start=1)
    even = add("Slice", mel, _whole([0]), add("Sub", frames, add("Mod", frames, _whole([2]))), _whole([1]))
    if encoder.normalize:
        even = add("Sub", even, add("ReduceMean", even, _whole([1]), keepdims=1))
    hidden = add("Unsqueeze", even, _whole([0]))
    layers = list(copy.deepcopy(encoder.layers).cpu().double().eval())
    for layer, following in pairwise([*layers, None]):
        match layer:
            case nn.Conv1d():
                folded = fuse_conv_bn_eval(layer, following) if isinstance(following, BatchNorm) else layer
                weight_and_bias = [_single(parameter.detach()) for parameter in folded.parameters()]
                strides, pads = list(layer.stride), [*layer.padding, *layer.padding]
                hidden = add("Conv", hidden, *weight_and_bias, strides=strides, pads=pads)
            case nn.ReLU():
                hidden = add("Relu", hidden)
            case BatchNorm():
                pass
            case _:
                raise NotImplementedError(f"{type(layer).__name__} in the encoder")
    return add("Transpose", add("Squeeze", hidden, _whole([0])), perm=[1, 0])


def _single(values: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _whole(values: list[int]) -> NDArray[np.int64]:
    return np.asarray(values, np.int64)
