"""The bitrate of discrete units, as the ZeroSpeech challenges of 2019 and 2020 define it."""

from collections import Counter
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.evaluation.codebook import entropy
from sqspeech.units import Units


def bitrate(sequences: Iterable[NDArray[np.integer] | Iterable[Hashable]], seconds: float) -> float:
    """Return (N / D) H in bits per second.

    N is the number of symbols in all sequences, D their duration, and H = -sum p log2 p the entropy of the
    symbols pooled over all sequences. Repeated symbols count as they stand: no run-length coding.

    Parameters
    ----------
    sequences
        The units of each utterance: a (T,) array of integers, or any hashable symbols.
    seconds
        D, the duration of all utterances together.

    Raises
    ------
    DataError
        There is no symbol, or no duration.

    References
    ----------
    Dunbar et al., "The Zero Resource Speech Challenge 2019: TTS without T", Interspeech 2019.
    """
    symbols: Counter[Hashable] = Counter()
    for sequence in sequences:
        symbols.update(sequence.tolist() if isinstance(sequence, np.ndarray) else sequence)
    counts = np.fromiter(symbols.values(), dtype=np.int64)
    if not counts.size or not seconds > 0:
        raise DataError(f"no bitrate of {counts.sum()} units in {seconds} s; is the list of utterances empty?")
    return float(counts.sum() / seconds * entropy(counts) / np.log(2))


def bitrate_of_runs(units: Iterable[Units], seconds: float) -> float:
    """Return the bitrate of the units without repetition: (R / D) H(code of a run) in bits per second.

    R is the number of runs of equal units. How long they last is not paid for, so that this is the rate of
    the symbols that a language model sees, and not of a signal that could be decoded in time.
    """
    return bitrate((utterance.runs()[0] for utterance in units), seconds)


def bitrate_of_timed_runs(units: Iterable[Units], seconds: float) -> float:
    """Return the bitrate of the runs with their durations: (R / D) H(code, duration) in bits per second.

    By the chain rule it is (R / D) (H(code) + H(duration | code)). The units can be restored from it.
    """
    return bitrate((zip(*map(np.ndarray.tolist, utterance.runs()), strict=True) for utterance in units), seconds)
