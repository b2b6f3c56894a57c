"""The band-limited pulse train as part of an ONNX graph: the same arithmetic as in torch, in ONNX operators."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.features import LogMelConfig
from sqspeech.graph import DOUBLE, FLOAT, Graph, double, single, whole
from sqspeech.vocoders.pulses import AT_PULSE, REST, turn

END = np.iinfo(np.int64).max


def add_pulses(graph: Graph, f0: str, edge: int, config: LogMelConfig) -> str:
    """Append the pulses of F0 (T,), 0 where unvoiced, and of `edge` frames more on either side.

    They are `PulseTrack.samples` of the phases that `running_phase` gives: ((T - 1 + 2 · edge) · hop_length,).
    """
    add = graph.add
    filled, voicing = (add("Pad", x, whole([edge, edge]), mode="edge") for x in _add_filled(graph, f0))
    (before, after), (voiced_before, voiced_after) = (_add_neighbours(graph, x) for x in (filled, voicing))
    phase = _add_phase(graph, before, after, edge, config)
    share = single(np.arange(config.hop_length) / config.hop_length)
    first, change, phase, amplitude, amplitude_change = (
        add("Unsqueeze", x, whole([1]))
        for x in (before, add("Sub", after, before), phase, voiced_before, add("Sub", voiced_after, voiced_before))
    )
    moved = add("Add", add("Mul", first, share), add("Mul", change, share**2 / 2))
    phase = _add_wrapped(graph, add("Add", phase, add("Mul", moved, single(turn(config)))), single(2 * math.pi))
    cosines = _add_cosines(graph, phase, add("Add", first, add("Mul", change, share)), config.sample_rate)
    amplitude = add("Add", amplitude, add("Mul", amplitude_change, share))
    return add("Reshape", add("Mul", amplitude, cosines), whole([-1]))


def _add_filled(graph: Graph, f0: str) -> tuple[str, str]:
    """Append `fill` and the voicing, (T,) each."""
    add = graph.add
    voiced = add("Greater", f0, single(0))
    before = add("Slice", add("Pad", f0, whole([1, 0])), whole([0]), whole([-1]))
    after = add("Slice", add("Pad", f0, whole([0, 1])), whole([1]), whole([END]))
    near = add("Where", add("Greater", before, single(0)), before, after)
    near = add("Where", add("Greater", near, single(0)), near, single(REST))
    return add("Where", voiced, f0, near), add("Cast", voiced, to=FLOAT)


def _add_neighbours(graph: Graph, values: str) -> tuple[str, str]:
    """Append all values but the last, and all but the first."""
    return graph.add("Slice", values, whole([0]), whole([-1])), graph.add("Slice", values, whole([1]), whole([END]))


def _add_phase(graph: Graph, before: str, after: str, edge: int, config: LogMelConfig) -> str:
    """Append the integral of F0 from the first of the T frames to each frame but the last, in double precision."""
    add = graph.add
    both = add("Add", *(add("Cast", f0, to=DOUBLE) for f0 in (before, after)))
    steps = add("Mul", both, double(turn(config) / 2))
    phase = add("CumSum", steps, whole(0), exclusive=1)
    phase = add("Sub", phase, add("Gather", phase, whole([edge])))
    return add("Cast", _add_wrapped(graph, phase, double(2 * math.pi)), to=FLOAT)


def _add_wrapped(graph: Graph, phase: str, whole_turn: NDArray[Any]) -> str:
    add = graph.add
    return add("Sub", phase, add("Mul", add("Round", add("Div", phase, whole_turn)), whole_turn))


def _add_cosines(graph: Graph, phase: str, f0: str, sample_rate: int) -> str:
    """Append `cosines`."""
    add = graph.add
    count = add("Max", add("Floor", add("Div", single(sample_rate / 2), f0)), single(1))
    half = add("Sin", add("Div", phase, single(2)))
    at_pulse = add("Less", add("Abs", half), single(AT_PULSE))
    sine = add("Sin", add("Mul", add("Add", count, single(0.5)), phase))
    quotient = add("Div", sine, add("Where", at_pulse, single(1), half))
    kernel = add("Where", at_pulse, add("Add", add("Mul", count, single(2)), single(1)), quotient)
    halved = add("Div", add("Sub", kernel, single(1)), single(2))
    return add("Mul", halved, add("Sqrt", add("Div", single(2), count)))
