"""Bitrate of discrete units, as the ZeroSpeech challenges of 2019 and 2020 define it.

With Q stages (codes (L, Q)) a symbol is the tuple of a step's Q codes, in all of these but `bitrate_of_stages`.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.codebook import entropy
from sqspeech.evaluation.metrics.symbols import Codes, by_stage, symbols
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric
from sqspeech.units import Units

BETTER = "lower, at equal ABX"


def bitrate(sequences: Iterable[NDArray[np.integer] | Iterable[Hashable]], seconds: float) -> float:
    """Return (N / D) H in bits per second.

    N is the number of symbols in all sequences, D their duration, and H = -sum p log2 p the entropy of the
    symbols pooled over all sequences. Repeated symbols count as they stand: no run-length coding.

    Parameters
    ----------
    sequences
        The units of each utterance: codes (L,) or (L, Q), or any hashable symbols.
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
    found: Counter[Hashable] = Counter()
    for sequence in sequences:
        found.update(symbols(sequence) if isinstance(sequence, np.ndarray) else sequence)
    counts = np.fromiter(found.values(), dtype=np.int64)
    if not counts.size or not seconds > 0:
        raise DataError(f"no bitrate of {counts.sum()} units in {seconds} s; is the list of utterances empty?")
    return float(counts.sum() / seconds * entropy(counts) / np.log(2))


def bitrate_of_stages(codes: Sequence[Codes], seconds: float) -> float:
    """Return the sum over the Q stages of (N / D) H(codes of the stage) in bits per second.

    The rate of a code that treats the stages as independent; at least `bitrate`, which it equals for Q = 1 or
    independent stages. The entropy of tuples is biased low where there are fewer steps than tuples, and this is not.
    """
    stages = [by_stage(utterance) for utterance in codes]
    return sum(bitrate((utterance[:, stage] for utterance in stages), seconds) for stage in range(stages[0].shape[1]))


def bitrate_of_runs(units: Iterable[Units], seconds: float) -> float:
    """Return the bitrate of the units without repetition: (R / D) H(symbol of a run) in bits per second.

    R is the number of runs of equal units. The durations of runs are not included: this is the rate of the symbols
    that a language model sees, and not of a signal that could be decoded in time.
    """
    return bitrate((utterance.runs()[0] for utterance in units), seconds)


def bitrate_of_timed_runs(units: Iterable[Units], seconds: float) -> float:
    """Return the bitrate of the runs with their durations: (R / D) H(symbol, duration) in bits per second.

    By the chain rule it is (R / D) (H(symbol) + H(duration | symbol)). The units can be restored from it.
    """
    runs = (utterance.runs() for utterance in units)
    return bitrate((zip(symbols(codes), durations.tolist(), strict=True) for codes, durations in runs), seconds)


@UNIT_METRICS.register("bitrate")
class Bitrate(UnitMetric):
    """Bitrates and rates of units."""

    rows = (
        TableRow(name="bitrate (bit/s)", keys=("bitrate",), better=BETTER),
        TableRow(name="  sum over stages", keys=("bitrate_of_stages",), better=BETTER),
        TableRow(name="  of runs with durations", keys=("bitrate_of_timed_runs",), better=BETTER),
        TableRow(name="  of runs", keys=("bitrate_of_runs",), better=BETTER),
        TableRow(name="units per second", keys=("units_per_second",), better=BETTER),
        TableRow(name="runs per second", keys=("runs_per_second",), better=BETTER),
    )

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the rates per second of recording; `bitrate_of_stages` for several stages only."""
        seconds, utterances = sum(self.test.seconds.values()), list(self.test.systems[name].units.values())
        codes = [utterance.codes for utterance in utterances]
        return {
            "bitrate": bitrate(codes, seconds),
            **({"bitrate_of_stages": bitrate_of_stages(codes, seconds)} if codes[0].ndim > 1 else {}),
            "bitrate_of_runs": bitrate_of_runs(utterances, seconds),
            "bitrate_of_timed_runs": bitrate_of_timed_runs(utterances, seconds),
            "units_per_second": sum(map(len, utterances)) / seconds,
            "runs_per_second": sum(len(utterance.runs()[0]) for utterance in utterances) / seconds,
        }
