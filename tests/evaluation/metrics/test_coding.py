from itertools import product
from math import log2

import numpy as np
import pytest

from sqspeech.evaluation.metrics.coding import fixed_bitrate, huffman_bits
from sqspeech.units import Units


def test_the_fixed_length_is_the_challenge_s():
    """The mean over utterances, not over seconds, of units a second times bits."""
    short, long = Units(codes=np.zeros(10, int)), Units(codes=np.zeros((40, 2), int))
    assert fixed_bitrate([(short, 1.0), (long, 2.0)], 500) == pytest.approx((10 + 2 * 20) * log2(500) / 2)


@pytest.mark.parametrize("counts", [[5, 1], [1, 1, 1, 1], [10, 5, 2, 1], [7, 7, 3, 2, 0], [8, 4, 2, 1, 1]])
def test_no_prefix_code_is_shorter(counts):
    """Every set of lengths that Kraft's inequality allows is tried."""
    used = [count for count in counts if count]
    allowed = (
        lengths
        for lengths in product(range(1, len(used) + 1), repeat=len(used))
        if sum(2.0**-length for length in lengths) <= 1
    )
    best = min(sum(count * length for count, length in zip(used, lengths, strict=True)) for lengths in allowed)
    assert huffman_bits(np.array(counts)) == pytest.approx(best / sum(used))


def test_one_symbol_takes_a_bit():
    assert huffman_bits(np.array([0, 9])) == 1.0
