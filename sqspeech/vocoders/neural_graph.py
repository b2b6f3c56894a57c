"""The trained source-filter vocoder as parts of an ONNX graph: the same arithmetic as in torch, in ONNX operators."""

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from sqspeech.features import AMPLITUDE_FLOOR, LogMelConfig
from sqspeech.graph import FLOAT, Graph, single, whole
from sqspeech.vocoders.mel_inverse import AUDIBLE_DB, LOUDEST_DB
from sqspeech.vocoders.pulses_graph import add_pulses
from sqspeech.vocoders.source_filter import MOST, Block, SourceFilter


def add_audible(graph: Graph, mel: str, config: LogMelConfig) -> str:
    """Append 1 for each frame of which `amplitudes` leaves something, else 0, (T, M) to (T,)."""
    add, top = graph.add, single(config.top_db)
    decibels = add("Min", add("Mul", add("Sub", mel, single(1)), top), single(LOUDEST_DB))
    loudest = add("ReduceMax", decibels, whole([1]), keepdims=0)
    lowest = add("Sub", add("ReduceMax", loudest, keepdims=0), top)
    floor = add("Max", lowest, single(20 * math.log10(AMPLITUDE_FLOOR)))
    return add("Cast", add("Greater", loudest, add("Add", floor, single(AUDIBLE_DB))), to=FLOAT)


def add_emphasised(
    graph: Graph, network: SourceFilter, mel: str, f0: str, audible: str, noise: Float[np.ndarray, " P"]
) -> str:
    """Append the pre-emphasised signal, (T, M) log-mel and (T,) F0 in Hz to (1, 1, N); the noise repeats itself."""
    pulses = add_pulses(graph, f0, network.edge, network.features)
    spectra = _add_spectra(graph, network, [pulses, _add_noise_like(graph, pulses, noise)])
    return _add_signal(graph, network, _add_filtered(graph, _add_filters(graph, network, mel, f0), spectra), audible)


def add_response(graph: Graph, samples: str, response: Float[np.ndarray, " R"], block: int, output: str) -> str:
    """Append a filter of this impulse response, (1, 1, N) to (N,); N is a multiple of `block`."""
    # Row b gives sample b of each block: as many channels of one convolution, which a single one would not fill.
    later = np.arange(block)[:, None] + len(response) - 1 - np.arange(len(response) + block - 1)
    inside = (later >= 0) & (later < len(response))
    kernel = single(np.where(inside, response[later.clip(0, len(response) - 1)], 0)[:, None])
    rows = graph.add("Conv", samples, kernel, pads=[len(response) - 1, 0], strides=[block])
    return graph.add("Reshape", graph.add("Transpose", rows, perm=[0, 2, 1]), whole([-1]), output=output)


def _add_filters(graph: Graph, network: SourceFilter, mel: str, f0: str) -> list[str]:
    """Append a, b, c and d of `SourceFilter`, (F, T) each."""
    add = graph.add
    voiced = add("Greater", f0, single(0))
    log_f0 = add("Mul", add("Log", add("Div", add("Max", f0, single(1)), single(150))), single(2))
    pitch = (add("Where", voiced, log_f0, single(0)), add("Cast", voiced, to=FLOAT), add("Div", f0, single(100)))
    bands = add("Transpose", add("Mul", add("Sub", mel, single(0.4)), single(4)), perm=[1, 0])
    inputs = add("Concat", bands, *(add("Unsqueeze", row, whole([0])) for row in pitch), axis=0)
    hidden = _add_convolution(graph, add("Unsqueeze", inputs, whole([0])), network.first)
    hidden = _add_norm(graph, hidden, network.first_norm)
    for block in network.blocks:
        assert isinstance(block, Block)
        hidden = _add_block(graph, hidden, block)
    last = add("Transpose", add("Squeeze", _add_norm(graph, hidden, network.norm), whole([0])), perm=[1, 0])
    parts = zip(network.last.weight.chunk(4), network.last.bias.chunk(4), strict=True)
    return [add("Add", add("MatMul", _values(w), last), _values(bias)[:, None]) for w, bias in parts]


def _add_block(graph: Graph, hidden: str, block: Block) -> str:
    add = graph.add
    mixed = _add_convolution(graph, add("Transpose", hidden, perm=[0, 2, 1]), block.depthwise)
    wide = _add_linear(graph, _add_norm(graph, mixed, block.norm), block.widen)
    # GELU, which ONNX has from opset 20 on.
    share = add("Add", add("Erf", add("Div", wide, single(math.sqrt(2)))), single(1))
    narrow = _add_linear(graph, add("Mul", add("Mul", wide, single(0.5)), share), block.narrow)
    return add("Add", hidden, add("Mul", narrow, _values(block.scale)))


def _add_convolution(graph: Graph, hidden: str, layer: nn.Conv1d) -> str:
    """Append a convolution over frames, (1, C, T) to (1, T, C)."""
    edge, parameters = layer.kernel_size[0] // 2, map(_values, layer.parameters())
    convolved = graph.add("Conv", hidden, *parameters, pads=[edge, edge], group=layer.groups)
    return graph.add("Transpose", convolved, perm=[0, 2, 1])


def _add_linear(graph: Graph, hidden: str, layer: nn.Linear) -> str:
    return graph.add("Add", graph.add("MatMul", hidden, _values(layer.weight).T), _values(layer.bias))


def _add_norm(graph: Graph, hidden: str, layer: nn.LayerNorm) -> str:
    return graph.add("LayerNormalization", hidden, *map(_values, layer.parameters()), epsilon=layer.eps)


def _add_noise_like(graph: Graph, samples: str, noise: Float[np.ndarray, " P"]) -> str:
    add = graph.add
    count = add("Squeeze", add("Shape", samples), whole([0]))
    return add("Gather", single(noise), add("Mod", add("Range", whole(0), count, whole(1)), whole(len(noise))))


def _add_spectra(graph: Graph, network: SourceFilter, sources: list[str]) -> list[tuple[str, str]]:
    """Append real and imaginary part, (F, T) each, of signals of (T - 1) * hop_length + n_fft samples."""
    add, n_fft = graph.add, network.n_fft
    both = add("Concat", *(add("Unsqueeze", source, whole([0, 1])) for source in sources), axis=0)
    # A convolution with the windowed DFT basis cuts the frames and transforms them in one.
    real, imaginary = (
        add("Conv", both, single(kernel[:, None]), strides=[network.features.hop_length])
        for kernel in _windowed_dft(network.window, np.ones(n_fft // 2 + 1))
    )
    return [
        (add("Gather", real, whole(place), axis=0), add("Gather", imaginary, whole(place), axis=0))
        for place in range(len(sources))
    ]


def _add_filtered(graph: Graph, filters: list[str], spectra: list[tuple[str, str]]) -> str:
    """Append eᵃ (c + i d) · pulses + eᵇ · noise, real part upon imaginary part, (2 F, T)."""
    add, (a, b, c, d), ((real, imaginary), noise) = graph.add, filters, spectra
    gain, noise_gain = (add("Exp", add("Min", x, single(MOST))) for x in (a, b))
    turned = (
        add("Sub", add("Mul", c, real), add("Mul", d, imaginary)),
        add("Add", add("Mul", c, imaginary), add("Mul", d, real)),
    )
    parts = [add("Add", add("Mul", gain, x), add("Mul", noise_gain, y)) for x, y in zip(turned, noise, strict=True)]
    return add("Concat", *parts, axis=0)


def _add_signal(graph: Graph, network: SourceFilter, spectra: str, audible: str) -> str:
    """Append the signal of spectra (2 F, T) of the frames that are audible, (1, 1, N)."""
    add, n_fft, strides = graph.add, network.n_fft, [network.features.hop_length]
    # The transpose of the convolution transforms them back and adds them where they overlap.
    sides = np.full(n_fft // 2 + 1, 2 / n_fft)
    sides[[0, -1]] = 1 / n_fft
    inverse = single(np.concatenate(_windowed_dft(network.window, sides))[:, None])
    added = add("ConvTranspose", add("Unsqueeze", add("Mul", spectra, audible), whole([0])), inverse, strides=strides)
    ones = add("Unsqueeze", add("Max", audible, single(1)), whole([0, 1]))
    envelope = add("ConvTranspose", ones, _values(network.window.square())[None, None], strides=strides)
    return add(
        "Div", *(add("Slice", x, whole([n_fft // 2]), whole([-n_fft // 2]), whole([2])) for x in (added, envelope))
    )


def _windowed_dft(window: Tensor, weights: Float[np.ndarray, " F"]) -> tuple[Float[np.ndarray, "F W"], ...]:
    """Return the real and the imaginary part, the frequencies weighted."""
    shape, values = window.cpu().double().numpy(), len(window)
    # Whole turns are taken off as integers, for which no angle is too large to be exact.
    angles = 2 * np.pi * (np.outer(np.arange(values // 2 + 1), np.arange(values)) % values / values)
    return tuple(weights[:, None] * part * shape for part in (np.cos(angles), -np.sin(angles)))


def _values(tensor: Tensor) -> Float[np.ndarray, "*S"]:
    return single(tensor.detach().cpu())
