"""Bitrate of units whose frequent pairs are joined to tokens, by byte-pair encoding."""

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.coding import BETTER
from sqspeech.evaluation.metrics.n_gram import FOLDS, KneserNey, Sequences, numbered
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric
from sqspeech.units import UnitSet

type Tokens = NDArray[np.int64]
type Merge = tuple[int, int]

# Between the sequences that stand in one array.
END = -1


def learn_merges(sequences: Sequences, symbols: int) -> list[Merge]:
    """Return the pairs of tokens that are joined, in order: each time the most frequent one, the k-th as symbols + k.

    Pairs are joined while the sequences and the list of the pairs become shorter with tokens of a fixed length: among N
    tokens of V kinds, a pair that occurs c times is joined if (N − c) log2(V + 1) + 2 log2 V < N log2 V. Of pairs that
    are equally frequent, the one with the lowest first token, then the lowest second one, comes first.

    Gage, "A new algorithm for data compression", 1994; Sennrich, Haddow and Birch, "Neural machine translation of rare
    words with subword units", ACL 2016.

    Parameters
    ----------
    sequences
        Of symbols in [0, `symbols`).
    symbols
        How many symbols there are.
    """
    tokens, count, merges = _joined(sequences), sum(map(len, sequences)), list[Merge]()
    while len(places := _pairs(tokens)):
        size = symbols + len(merges)
        pairs, counts = np.unique(tokens[places] * size + tokens[places + 1], return_counts=True)
        most = counts.argmax()
        left = count - int(counts[most])
        if left * log2(size + 1) >= (count - 2) * log2(size):
            break
        merges.append(divmod(int(pairs[most]), size))
        tokens, count = _merge(tokens, merges[-1], size), left
    return merges


def apply_merges(sequences: Sequences, merges: Sequence[Merge], symbols: int) -> list[Tokens]:
    """Return the tokens of sequences: in each, the pairs are joined from the left, one kind of pair after another."""
    tokens = _joined(sequences)
    for place, pair in enumerate(merges):
        tokens = _merge(tokens, pair, symbols + place)
    return [part[1:] for part in np.split(tokens, np.flatnonzero(tokens == END))[1:-1]]


def _joined(sequences: Sequences) -> Tokens:
    """Return the sequences in one array, with `END` before each and after the last."""
    return np.concatenate([*(part for sequence in sequences for part in ([END], sequence)), [END]])


def _pairs(tokens: Tokens) -> NDArray[np.intp]:
    """Return where pairs begin that may be joined; of those of equal tokens, every second one in a run."""
    changes = np.concatenate([[True], tokens[1:] != tokens[:-1]])
    places = np.arange(len(tokens))
    in_run = places - np.maximum.accumulate(np.where(changes, places, 0))
    equal, whole = ~changes[1:], (tokens[1:] != END) & (tokens[:-1] != END)
    return np.flatnonzero(whole & (~equal | (in_run[:-1] % 2 == 0)))


def _merge(tokens: Tokens, pair: Merge, token: int) -> Tokens:
    places = _pairs(tokens)
    places = places[(tokens[places] == pair[0]) & (tokens[places + 1] == pair[1])]
    tokens = tokens.copy()
    tokens[places] = token
    return np.delete(tokens, places + 1)


def coded_by_folds(units: UnitSet) -> tuple[int, float, float]:
    """Return tokens, bits at a fixed length and bits by frequency of all units, each coded by those in other folds.

    The folds, and the symbols of several stages, are those of `bits_by_folds`. The fixed length is log2 of the number
    of symbols that there may be and of tokens; the frequencies are those of a Kneser-Ney unigram.
    """
    sequences = numbered([found.codes for found in units.units.values()])
    symbols = 1 + max(int(sequence.max()) for sequence in sequences)
    unseen = units.info.codebook_size**units.info.stages - symbols
    count, fixed, by_frequency = 0, 0.0, 0.0
    for fold in range(min(FOLDS, len(sequences))):
        others = [sequence for number, sequence in enumerate(sequences) if number % FOLDS != fold]
        merges = learn_merges(others, symbols)
        train, test = (apply_merges(some, merges, symbols) for some in (others, sequences[fold::FOLDS]))
        size, found = symbols + len(merges), sum(map(len, test))
        count += found
        fixed += found * log2(size + unseen)
        by_frequency += float(KneserNey(train, 1, size, size + unseen).bits(test).sum())
    return count, fixed, by_frequency


@UNIT_METRICS.register("byte_pairs")
class BytePairs(UnitMetric):
    """Bitrates of units whose frequent pairs, learnt from the other utterances, are sent as one token."""

    rows = (
        TableRow(name="bitrate, byte pairs (bit/s)", keys=("byte_pair_bitrate",), better=BETTER),
        TableRow(name="  by frequency over fixed length (%)", keys=("byte_pair_efficiency",), better="higher"),
        TableRow(name="  units a token", keys=("units_per_token",)),
    )

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the bitrate at a fixed length, its efficiency, and the units a token; nothing for one utterance."""
        units = self.test.systems[name]
        if len(units) == 1:
            return {}
        count, fixed, by_frequency = coded_by_folds(units)
        return {
            "byte_pair_bitrate": fixed / sum(self.test.seconds.values()),
            "byte_pair_efficiency": 100 * by_frequency / fixed,
            "units_per_token": sum(map(len, units.units.values())) / count,
        }
