import numpy as np
import pytest

from sqspeech.errors import DataError
from sqspeech.evaluation.bitrate import bitrate


def test_bitrate_of_a_known_list() -> None:
    # p = 1/2, 1/4, 1/4 have 1.5 bits; 8 units in 4 s.
    assert bitrate([np.array([0, 0, 1, 2]), np.array([0, 2, 1, 0])], 4.0) == pytest.approx(3.0)


def test_a_full_codebook_reaches_the_ceiling() -> None:
    assert bitrate([np.arange(512)] * 50, 512.0) == pytest.approx(450.0)


def test_repeats_are_not_collapsed() -> None:
    assert bitrate([[5, 5, 5, 6]], 1.0) == pytest.approx(4 * (0.75 * np.log2(4 / 3) + 0.25 * 2))


def test_symbols_are_pooled_over_files() -> None:
    assert bitrate([["a"] * 4, ["b"] * 4], 1.0) == pytest.approx(8.0)


def test_code_vectors_are_symbols_too() -> None:
    assert bitrate([[(0.5, 1.0), (0.5, 2.0)]], 0.5) == pytest.approx(4.0)


def test_one_symbol_carries_nothing() -> None:
    assert bitrate([np.full(100, 3)], 2.0) == 0.0


@pytest.mark.parametrize(("sequences", "seconds"), [([], 1.0), ([np.array([1])], 0.0)])
def test_nothing_to_rate(sequences: list[np.ndarray], seconds: float) -> None:
    with pytest.raises(DataError, match="no bitrate"):
        bitrate(sequences, seconds)
