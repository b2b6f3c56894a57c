from collections import Counter
from itertools import chain, groupby
from math import log2

import numpy as np
import pytest

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.bitrate import bitrate, bitrate_of_runs, bitrate_of_stages, bitrate_of_timed_runs
from sqspeech.units import Units


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


def test_a_single_symbol_has_no_information() -> None:
    assert bitrate([np.full(100, 3)], 2.0) == 0.0


@pytest.mark.parametrize(("sequences", "seconds"), [([], 1.0), ([np.array([1])], 0.0)])
def test_no_symbols_or_no_duration(sequences: list[np.ndarray], seconds: float) -> None:
    with pytest.raises(DataError, match="no bitrate"):
        bitrate(sequences, seconds)


def recount(symbols: list) -> float:
    """Bits of all symbols together, one by one."""
    counts = Counter(symbols)
    return sum(-log2(counts[symbol] / len(symbols)) for symbol in symbols)


@pytest.fixture
def sticky() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [np.repeat(random.integers(0, 5, 40), random.integers(1, 4, 40)) for _ in range(3)]


def test_bitrates_of_runs_equal_a_recount(sticky) -> None:
    units, seconds = [Units(codes=codes) for codes in sticky], 7.0
    runs = list(chain(*([(code, len(list(run))) for code, run in groupby(codes.tolist())] for codes in sticky)))
    assert len(runs) < sum(map(len, sticky))
    assert bitrate_of_runs(units, seconds) == pytest.approx(recount([code for code, _ in runs]) / seconds)
    assert bitrate_of_timed_runs(units, seconds) == pytest.approx(recount(runs) / seconds)


def test_durations_cost_their_entropy_given_the_code(sticky) -> None:
    units = [Units(codes=codes) for codes in sticky]
    lengths: dict[int, list[int]] = {}
    for codes in sticky:
        for code, run in groupby(codes.tolist()):
            lengths.setdefault(code, []).append(len(list(run)))
    conditional = sum(map(recount, lengths.values()))
    assert bitrate_of_timed_runs(units, 1.0) == pytest.approx(bitrate_of_runs(units, 1.0) + conditional)


def test_bitrates_of_known_runs() -> None:
    # 1 1 1 | 2 | 1 1 1 | 2: two symbols, one bit each, and the duration follows from the code.
    units = [Units(codes=np.array([1, 1, 1, 2, 1, 1, 1, 2]))]
    assert bitrate_of_runs(units, 2.0) == pytest.approx(2.0)
    assert bitrate_of_timed_runs(units, 2.0) == pytest.approx(2.0)


@pytest.fixture
def staged() -> list[np.ndarray]:
    """Codes (L, 3) of stages that depend on each other, with runs."""
    random = np.random.default_rng(2)
    first = [np.repeat(random.integers(0, 4, 50), random.integers(1, 4, 50)) for _ in range(3)]
    return [np.stack([codes, codes % 2 + 2 * random.integers(0, 2, len(codes)), codes // 2], 1) for codes in first]


def test_a_step_of_several_stages_is_one_symbol(staged) -> None:
    rows = [tuple(row) for codes in staged for row in codes.tolist()]
    assert bitrate(staged, 7.0) == pytest.approx(recount(rows) / 7)
    units = [Units(codes=codes) for codes in staged]
    runs = [(row, len(list(run))) for codes in staged for row, run in groupby(map(tuple, codes.tolist()))]
    assert len(runs) < len(rows)
    assert bitrate_of_runs(units, 7.0) == pytest.approx(recount([row for row, _ in runs]) / 7)
    assert bitrate_of_timed_runs(units, 7.0) == pytest.approx(recount(runs) / 7)


def test_the_stages_apart_cost_the_sum_of_their_entropies(staged) -> None:
    columns = [list(chain(*(codes[:, stage].tolist() for codes in staged))) for stage in range(3)]
    assert bitrate_of_stages(staged, 7.0) == pytest.approx(sum(map(recount, columns)) / 7)
    assert bitrate_of_stages(staged, 7.0) > bitrate(staged, 7.0)
    first = [codes[:, 0] for codes in staged]
    assert bitrate_of_stages(first, 7.0) == bitrate(first, 7.0) == bitrate([codes[:, :1] for codes in staged], 7.0)


def test_independent_stages_cost_the_same_apart_and_together() -> None:
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(8)), -1).reshape(-1, 2)
    assert bitrate([grid], 1.0) == pytest.approx(bitrate_of_stages([grid], 1.0)) == pytest.approx(32 * 5)
