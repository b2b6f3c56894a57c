"""Bits a second that units cost under unigrams, bigrams and trigrams of other utterances."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.symbols import Codes, by_stage
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric
from sqspeech.units import UnitSet

ORDERS = {1: "unigram", 2: "bigram", 3: "trigram"}
# Each utterance is coded by the model of those in the other folds.
FOLDS = 10

type Sequences = Sequence[NDArray[np.int64]]


class KneserNey:
    """Interpolated n-gram model with Kneser-Ney's counts and one discount an order.

    p_n(w | h) = max(c(h w) − D_n, 0) / c(h ·) + D_n · N(h ·) / c(h ·) · p_{n−1}(w | h'), where c counts the n-grams in
    the highest order and in the others how many different symbols stand before them, N(h ·) how many different symbols
    follow h, h' is h without its first symbol, p_0 is uniform and D_n = n₁ / (n₁ + 2 n₂), of how many have c = 1 and 2.
    Kneser and Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995; Chen and Goodman, "An empirical
    study of smoothing techniques for language modeling", 1998.

    Parameters
    ----------
    sequences
        To count, each of symbols in [0, `symbols`). Before each stand `order` − 1 symbols that mean its beginning.
    order
        n.
    symbols
        How many symbols there may be.
    possible
        The size of the uniform distribution: the symbols, and others that never occur.
    """

    def __init__(self, sequences: Sequences, order: int, symbols: int, possible: int | None = None) -> None:
        self._order, self._begin, self._possible = order, symbols, possible or symbols
        grams = self._grams(sequences)
        self._levels = []
        for length in range(order, 0, -1):
            keys, counts = np.unique(self._keys(grams), return_counts=True)
            self._levels.append(_Level(keys, counts, symbols + 1))
            # Of the shorter ones, each counts once for every symbol before it.
            grams = self._split(keys, length)[:, 1:]

    def bits(self, sequences: Sequences) -> NDArray[np.float64]:
        """Return −log2 p of each symbol of the sequences, one after another."""
        return -np.log2(self.probabilities(self._grams(sequences)))

    def probabilities(self, grams: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability of the last symbol of each n-gram (N, n); the number `symbols` means the beginning."""
        found = np.full(len(grams), 1 / self._possible)
        for length, level in enumerate(reversed(self._levels), 1):
            found = level.interpolated(self._keys(grams[:, -length:]), found)
        return found

    def _grams(self, sequences: Sequences) -> NDArray[np.int64]:
        before = np.full(self._order - 1, self._begin)
        windows = [
            np.lib.stride_tricks.sliding_window_view(np.concatenate([before, sequence]), self._order)
            for sequence in sequences
        ]
        return np.concatenate(windows)

    def _keys(self, grams: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the digits of each row (N, n) as one number."""
        keys = np.zeros(len(grams), np.int64)
        for column in grams.T:
            keys = keys * (self._begin + 1) + column
        return keys

    def _split(self, keys: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        base = self._begin + 1
        return np.stack([keys // base**place % base for place in range(length - 1, -1, -1)], axis=1)


class _Level:
    """Counts of the n-grams of one order, by their keys, and of their histories."""

    def __init__(self, keys: NDArray[np.int64], counts: NDArray[np.int64], base: int) -> None:
        self._keys, self._counts, self._base = keys, counts, base
        self._histories, firsts = np.unique(keys // base, return_index=True)
        self._totals = np.add.reduceat(counts, firsts)
        self._followers = np.diff(firsts, append=len(keys))
        once, twice = (counts == 1).sum(), (counts == 2).sum()
        # Without n-grams that occur once there is no estimate.
        self._discount = once / (once + 2 * twice) if once else 0.5

    def interpolated(self, keys: NDArray[np.int64], shorter: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of n-grams, given that of the shorter ones; theirs where a history is new."""
        history, known = _places(self._histories, keys // self._base)
        gram, seen = _places(self._keys, keys)
        count, total = np.where(seen, self._counts[gram], 0), self._totals[history]
        left = self._discount * self._followers[history] * shorter
        return np.where(known, (np.maximum(count - self._discount, 0) + left) / total, shorter)


def _places(known: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool]]:
    """Return where each key stands among the known, in order, and whether it does."""
    places = np.searchsorted(known, keys).clip(max=len(known) - 1)
    return places, known[places] == keys


def numbered(codes: Sequence[Codes]) -> list[NDArray[np.int64]]:
    """Return the codes (L,) or (L, Q) of utterances as one number a step, from 0 without gaps."""
    stages = np.concatenate([by_stage(utterance) for utterance in codes])
    numbers = np.unique(stages, axis=0, return_inverse=True)[1].reshape(-1)
    return np.split(numbers, np.cumsum([len(utterance) for utterance in codes])[:-1])


def bits_of_test(train: UnitSet, test: UnitSet, order: int) -> float:
    """Return the bits of all units of `test` under the n-grams of `train`; with Q stages a symbol is a step's tuple."""
    codes = [units.codes for of_all in (train, test) for units in of_all.units.values()]
    sequences, possible = numbered(codes), train.info.codebook_size**train.info.stages
    return _bits(sequences[: len(train)], sequences[len(train) :], order, possible)


def bits_by_folds(units: UnitSet, order: int) -> float:
    """Return the bits of all units, each utterance under the n-grams of those in the other folds."""
    sequences = numbered([found.codes for found in units.units.values()])
    possible, total = units.info.codebook_size**units.info.stages, 0.0
    for fold in range(min(FOLDS, len(sequences))):
        others = [sequence for number, sequence in enumerate(sequences) if number % FOLDS != fold]
        total += _bits(others, sequences[fold::FOLDS], order, possible)
    return total


def _bits(train: Sequences, test: Sequences, order: int, possible: int) -> float:
    symbols = 1 + max(int(sequence.max()) for sequence in [*train, *test])
    return float(KneserNey(train, order, symbols, possible).bits(test).sum())


@UNIT_METRICS.register("n_gram")
class NGram(UnitMetric):
    """Bitrates of units that are coded by interpolated Kneser-Ney n-grams of the other utterances."""

    rows = tuple(
        TableRow(name=f"bitrate, {name} (bit/s)", keys=("bitrate_of_n_grams", name), better="lower, at equal ABX")
        for name in ORDERS.values()
    )

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the bits a second of each order, by cross-validation; nothing for a single utterance."""
        units, seconds = self.test.systems[name], sum(self.test.seconds.values())
        if len(units) == 1:
            return {}
        return {"bitrate_of_n_grams": {text: bits_by_folds(units, order) / seconds for order, text in ORDERS.items()}}
