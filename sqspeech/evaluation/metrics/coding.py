"""Bitrates of units that are sent one by one: by a fixed length, and by Huffman's code."""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from math import log2
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.codebook import entropy, usage_by_stage
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric
from sqspeech.units import Units

BETTER = "lower, at equal ABX"


def fixed_bitrate(units: Iterable[tuple[Units, float]], codebook_size: int) -> float:
    """Return the mean over utterances of Σ (units a second) · log2 K, the sum over the stages.

    Parameters
    ----------
    units
        Of each utterance, with its seconds.
    codebook_size
        K.

    References
    ----------
    Chang et al., "The Interspeech 2024 challenge on speech processing using discrete units", Interspeech 2024.
    """
    return fmean(found.codes.size / seconds * log2(codebook_size) for found, seconds in units)


def huffman_bits(counts: NDArray[np.integer]) -> float:
    """Return the mean length of a symbol's code word, given how often each occurs; 1 bit where there is one symbol.

    Huffman, "A method for the construction of minimum-redundancy codes", 1952: the two rarest are joined until one is
    left, and each joining adds a bit to all below it.
    """
    heap = [int(count) for count in counts if count]
    total, bits = sum(heap), 0
    if len(heap) == 1:
        return 1.0
    heapify(heap)
    while len(heap) > 1:
        joined = heappop(heap) + heappop(heap)
        bits += joined
        heappush(heap, joined)
    return bits / total


@UNIT_METRICS.register("coding")
class Coding(UnitMetric):
    """Bitrates of units under codes that know no context."""

    rows = (
        TableRow(name="bitrate, fixed length (bit/s)", keys=("fixed_bitrate",), better=BETTER),
        TableRow(name="bitrate, Huffman (bit/s)", keys=("huffman_bitrate",), better=BETTER),
        TableRow(name="  entropy over Huffman's bits (%)", keys=("huffman_efficiency",), better="higher"),
    )

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the rates; of several stages the sum, each with a code of its own."""
        units = self.test.systems[name]
        timed = [(found, self.test.seconds[utterance]) for utterance, found in units.units.items()]
        counts = usage_by_stage([found.codes for found, _ in timed], units.info.codebook_size)
        bits = sum(huffman_bits(stage) for stage in counts)
        rate = sum(len(found) for found, _ in timed) / sum(self.test.seconds.values())
        return {
            "fixed_bitrate": fixed_bitrate(timed, units.info.codebook_size),
            "huffman_bitrate": rate * bits,
            "huffman_efficiency": float(100 * sum(entropy(stage) for stage in counts) / np.log(2) / bits),
        }
