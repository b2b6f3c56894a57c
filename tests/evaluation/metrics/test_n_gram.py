"""Kneser-Ney n-grams against their definition, written apart."""

from collections import defaultdict
from math import log2

import numpy as np
import pytest

from sqspeech.evaluation.metrics.n_gram import KneserNey, bits_by_folds, bits_of_test, numbered
from sqspeech.units import UnitInfo, Units, UnitSet

SYMBOLS, BEGIN = 6, "begin"


def draw(count: int, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [np.minimum(random.geometric(0.4, random.integers(1, 30)) - 1, SYMBOLS - 1) for _ in range(count)]


def probability(train: list[np.ndarray], order: int, history: tuple, symbol: int, possible: int) -> float:
    """Of a symbol after a history of `order` − 1 others, by the words of the definition."""
    counts = defaultdict(int)
    for sequence in train:
        padded = [BEGIN] * (order - 1) + sequence.tolist()
        for place in range(len(sequence)):
            counts[tuple(padded[place : place + order])] += 1

    def of(counts: dict, history: tuple, symbol: int, length: int) -> float:
        if length == 0:
            return 1 / possible
        shorter = defaultdict(int)
        for gram in counts:
            shorter[gram[1:]] += 1
        backed_off = of(shorter, history[1:], symbol, length - 1)
        once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        followers = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == history}
        if not followers:
            return backed_off
        own = max(followers.get(symbol, 0) - discount, 0)
        return (own + discount * len(followers) * backed_off) / sum(followers.values())

    return of(dict(counts), history, symbol, order)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_bits_are_those_of_the_definition(order):
    train, test = draw(12, 0), draw(3, 1)
    found = KneserNey(train, order, SYMBOLS, possible=9).bits(test)
    wanted = []
    for sequence in test:
        padded = [BEGIN] * (order - 1) + sequence.tolist()
        for place, symbol in enumerate(sequence.tolist()):
            wanted.append(-log2(probability(train, order, tuple(padded[place : place + order - 1]), symbol, 9)))
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_probabilities_of_all_symbols_have_the_sum_one(order):
    model = KneserNey(draw(8, 2), order, SYMBOLS)
    for before in ([], [0], [0, 5], [5, 5]):
        last = [model.bits([np.array([*before, symbol])])[-1] for symbol in range(SYMBOLS)]
        assert sum(2.0**-bits for bits in last) == pytest.approx(1)


def unit_set(sequences: list[np.ndarray], stages: int = 1) -> UnitSet:
    info = UnitInfo(frame_rate=50.0, offset=0.0, codebook_size=SYMBOLS, checkpoint="0" * 16, stages=stages)
    return UnitSet(info=info, units={f"u{place:02}": Units(codes=codes) for place, codes in enumerate(sequences)})


def test_an_utterance_is_coded_by_the_others():
    sequences = draw(13, 3)
    wanted = 0.0
    for fold in range(10):
        test = [sequences[place] for place in range(13) if place % 10 == fold]
        train = [sequences[place] for place in range(13) if place % 10 != fold]
        wanted += bits_of_test(unit_set(train), unit_set(test), 3)
    assert bits_by_folds(unit_set(sequences), 3) == pytest.approx(wanted)


def test_a_symbol_of_two_stages_is_the_pair():
    pairs = [np.column_stack([codes, codes[::-1]]) for codes in draw(5, 4)]
    found = numbered(pairs)
    assert [len(part) for part in found] == [len(part) for part in pairs]
    flat, numbers = np.concatenate(pairs).tolist(), np.concatenate(found).tolist()
    assert len(set(map(tuple, flat))) == len(set(numbers)) == len(set(zip(map(tuple, flat), numbers, strict=True)))
    # Nothing is known of this pair: each costs log2 36 bits.
    alone = bits_of_test(unit_set([np.array([[0, 0]])], 2), unit_set([np.array([[1, 1]] * 4)], 2), 1)
    assert alone == pytest.approx(4 * log2(36))
