"""What a format is given to write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.units.unit_set import Matrix, Units


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The units of an utterance, its recording, and how many samples of that it has."""

    utt_id: str
    path: Path
    n_samples: int
    units: Units


# The fields of `Contents` that a format may have a place for.
ALL = frozenset({"deduplicated", "durations", "matrices"})


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What was asked for: units without repetition, how many steps each lasts, and matrices with a row a step."""

    deduplicated: bool = False
    durations: bool = False
    matrices: tuple[Matrix, ...] = ()

    def sequence(self, units: Units) -> NDArray[np.int64]:
        """Return the units of an utterance as they are written."""
        return units.runs()[0] if self.deduplicated else units.codes

    def lengths(self, units: Units) -> NDArray[np.int64]:
        """Return how many steps each unit of `sequence` lasts."""
        return units.runs()[1] if self.deduplicated else np.ones(len(units), np.int64)

    def steps(self, sequence: NDArray[np.int64], lengths: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the codes, one a step, where the durations are known; otherwise the sequence."""
        return sequence if lengths is None else np.repeat(sequence, lengths)


def spaced(values: NDArray[np.int64]) -> str:
    """Return integers as text."""
    return " ".join(map(str, values.tolist()))


def integers(where: Path, utt_id: str, text: str | Sequence[str]) -> NDArray[np.int64]:
    """Return what `spaced` wrote; a DataError if it did not."""
    try:
        return np.array(text.split() if isinstance(text, str) else text, np.int64)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: {utt_id} has units that are no integers; extract them again") from None
