"""Log-mel and the choice of frames as parts of an ONNX graph: the same arithmetic as in torch, in ONNX operators."""

import math

import numpy as np
from numpy.typing import NDArray

from sqspeech.features import AMPLITUDE_FLOOR, LogMel
from sqspeech.graph import Graph, single, whole
from sqspeech.models.geometry import Geometry

PAD_MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge"}


def add_log_mel(graph: Graph, samples: str, log_mel: LogMel) -> str:
    """Append `LogMel.forward` without its refusals, (N,) to (M, T)."""
    add, config = graph.add, log_mel.config
    # Of digital silence the gain is finite too.
    peak = add("Max", add("ReduceMax", add("Abs", samples), keepdims=0), single(np.finfo(np.float32).tiny))
    scaled = add("Mul", samples, add("Div", single(config.peak), peak))
    as_channel = add("Unsqueeze", scaled, whole([0, 1]))
    emphasised = add("Conv", as_channel, single([[[-config.preemphasis, 1]]]), pads=[1, 0])
    left, right = config.edges
    padded = add("Pad", emphasised, whole([0, 0, left, 0, 0, right]), mode=PAD_MODES[config.pad_mode])
    # A convolution with the windowed DFT basis cuts the frames and transforms them in one.
    parts = [add("Conv", padded, single(kernel), strides=[config.hop_length]) for kernel in _windowed_dft(log_mel)]
    magnitude = add("Sqrt", add("Add", *(add("Mul", part, part) for part in parts)))
    mel = add("MatMul", single(log_mel.filters.T.cpu()), add("Squeeze", magnitude, whole([0])))
    logarithm = add("Log", add("Max", mel, single(AMPLITUDE_FLOOR)))
    decibels = add("Mul", logarithm, single(20 / math.log(10)))
    floor = add("Sub", add("ReduceMax", decibels, keepdims=0), single(config.top_db))
    return add("Add", add("Div", add("Max", decibels, floor), single(config.top_db)), single(1))


def _windowed_dft(log_mel: LogMel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the real and the imaginary part, shape (n_fft // 2 + 1, 1, win_length)."""
    n_fft, window = log_mel.config.n_fft, log_mel.window.cpu().double().numpy()
    # Whole turns are taken off as integers, for which no angle is too large to be exact.
    turns = np.outer(np.arange(n_fft // 2 + 1), np.arange(len(window))) % n_fft / n_fft
    return tuple((function(2 * np.pi * turns) * window)[:, None] for function in (np.cos, np.sin))


def add_used_frames(graph: Graph, mel: str, geometry: Geometry) -> str:
    """Append the choice of those frames (M, T) that have an influence on units."""
    add, context = graph.add, geometry.left + geometry.right
    frames = add("Shape", mel, start=1)
    over = add("Mod", add("Sub", frames, whole([context])), whole([geometry.stride]))
    return add("Slice", mel, whole([0]), add("Sub", frames, over), whole([1]))
