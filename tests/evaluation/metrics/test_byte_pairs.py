"""Byte pairs against a slow loop over lists, written apart."""

from collections import Counter
from itertools import pairwise
from math import log2

import numpy as np
import pytest

from sqspeech.evaluation.metrics.byte_pairs import apply_merges, coded_by_folds, learn_merges
from sqspeech.units import UnitInfo, Units, UnitSet

SYMBOLS = 12


def draw(count: int, seed: int, symbols: int = SYMBOLS) -> list[np.ndarray]:
    """Sequences with runs, in which some pairs are frequent."""
    random = np.random.default_rng(seed)
    steps = [random.choice([0, 1, 2], p=[0.5, 0.4, 0.1], size=random.integers(1, 40)) for _ in range(count)]
    return [(random.integers(symbols) + step.cumsum()) % symbols for step in steps]


def replaced(sequence: list[int], pair: tuple[int, int], token: int) -> list[int]:
    found, place = [], 0
    while place < len(sequence):
        is_pair = tuple(sequence[place : place + 2]) == pair
        found.append(token if is_pair else sequence[place])
        place += 2 if is_pair else 1
    return found


def slow_merges(sequences: list[list[int]], symbols: int) -> list[tuple[int, int]]:
    merges = []
    while True:
        counts = Counter()
        for pair in {pair for sequence in sequences for pair in pairwise(sequence)}:
            counts[pair] = sum(replaced(sequence, pair, -2).count(-2) for sequence in sequences)
        size, length = symbols + len(merges), sum(map(len, sequences))
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        joined = (length - counts[pair]) * log2(size + 1) + 2 * log2(size)
        if joined >= length * log2(size):
            return merges
        merges.append(pair)
        sequences = [replaced(sequence, pair, size) for sequence in sequences]


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_joined_as_a_loop_joins_them(seed):
    train, test = draw(20, seed), [*draw(5, 100 + seed), np.array([2]), np.array([1, 1, 1, 1, 1])]
    merges = learn_merges(train, SYMBOLS)
    assert len(merges) > 3
    assert merges == slow_merges([sequence.tolist() for sequence in train], SYMBOLS)
    slow = [sequence.tolist() for sequence in test]
    for number, pair in enumerate(merges):
        slow = [replaced(sequence, pair, SYMBOLS + number) for sequence in slow]
    assert [found.tolist() for found in apply_merges(test, merges, SYMBOLS)] == slow


def test_what_has_no_frequent_pairs_is_left():
    for rare in ([0, 1, 2, 3], [3], []):
        assert learn_merges([np.array(rare, int)], 4) == []
    # From 80 bits to 20 · log2 5 + 4 = 50.4, from 46.4 to 30.5, from 25.8 to 19.2; but from 14.0 to 14.6.
    assert learn_merges([np.tile([0, 1], 20)], 4) == [(0, 1), (4, 4), (5, 5)]


def test_each_utterance_is_coded_by_the_others():
    sequences, codebook_size = draw(11, 7), 15
    info = UnitInfo(frame_rate=50.0, offset=0.0, codebook_size=codebook_size, checkpoint="0" * 16)
    units = UnitSet(info=info, units={f"u{place:02}": Units(codes=codes) for place, codes in enumerate(sequences)})
    tokens, fixed, by_frequency = 0, 0.0, 0.0
    for fold in range(10):
        test = [sequence.tolist() for number, sequence in enumerate(sequences) if number % 10 == fold]
        train = [sequence.tolist() for number, sequence in enumerate(sequences) if number % 10 != fold]
        merges = slow_merges(train, SYMBOLS)
        for number, pair in enumerate(merges):
            test, train = ([replaced(one, pair, SYMBOLS + number) for one in some] for some in (test, train))
        size = codebook_size + len(merges)
        counts = Counter(token for one in train for token in one)
        once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        for token in (token for one in test for token in one):
            tokens, fixed = tokens + 1, fixed + log2(size)
            share = max(counts[token] - discount, 0) + discount * len(counts) / size
            by_frequency -= log2(share / counts.total())
    assert coded_by_folds(units) == pytest.approx((tokens, fixed, by_frequency))
