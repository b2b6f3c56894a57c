"""Input of a format's writer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import Matrix, Units
from sqspeech.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The units of an utterance with their `info`, its recording and its speaker, as far as they are known.

    The recording has `n_samples` samples and the transcript `text`.
    """

    utt_id: str
    path: Path
    n_samples: int
    units: Units
    text: str | None = None
    speaker: str | None = None


# Integers that are turned into text at once.
AT_ONCE = 65_536
# The fields of `Contents` that a format may have a place for.
ALL = frozenset({"deduplicated", "durations", "matrices"})


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Options of extraction: units without repetition, durations in steps, and matrices with a row a step."""

    deduplicated: bool = False
    durations: bool = False
    matrices: tuple[Matrix, ...] = ()

    def sequence(self, units: Units) -> NDArray[np.int64]:
        """Return the units of an utterance as they are written."""
        return units.runs()[0] if self.deduplicated else units.codes

    def lengths(self, units: Units) -> NDArray[np.int64]:
        """Return how many steps each unit of `sequence` lasts."""
        return units.runs()[1] if self.deduplicated else np.ones(len(units), np.int64)

    def assemble(
        self,
        folder: Path,
        sequences: Mapping[str, NDArray[np.int64]],
        lengths: Mapping[str, NDArray[np.int64]],
        matrices: Mapping[Matrix, Mapping[str, NDArray[Any]]],
    ) -> dict[str, Units]:
        """Return the units, one a step where the durations are known, of what was read of each utterance.

        Raises
        ------
        DataError
            An utterance lacks some of its parts, or they do not fit one another.
        """
        parts = [*([("durations", lengths)] if self.durations else []), *matrices.items()]
        for name, found in parts:
            if differing := found.keys() ^ sequences.keys():
                raise DataError(f"{folder}: {name} and units differ in {min(differing)}; extract the units again")
        return {
            utt_id: self._units(folder, utt_id, sequence, {name: of_all[utt_id] for name, of_all in parts})
            for utt_id, sequence in sequences.items()
        }

    def _units(self, folder: Path, utt_id: str, sequence: NDArray[np.int64], parts: dict[str, Any]) -> Units:
        lengths = parts.pop("durations", None)
        if lengths is not None:
            if lengths.shape != sequence.shape[:1] or not (lengths > 0).all():
                raise DataError(f"{folder}: the durations of {utt_id} do not fit its units; extract the units again")
            sequence = np.repeat(sequence, lengths, axis=0)
        for name, matrix in parts.items():
            fits = len(matrix) == len(sequence) or (self.deduplicated and lengths is None)
            if matrix.ndim != 2 or not fits:
                raise DataError(f"{folder}: the {name} of {utt_id} do not fit its units; extract the units again")
        return Units(codes=sequence, **parts)


def spaced(values: NDArray[np.int64]) -> str:
    """Return integers (L,) as text, `1 2 3`, and those of several stages (L, Q) as `1,7 2,9 3,8`."""
    if values.ndim == 2:
        return " ".join(",".join(map(str, step)) for step in values.tolist())
    # In parts: as Python's numbers and strings, those of a day of speech would take a gigabyte.
    parts = np.split(values, range(AT_ONCE, len(values), AT_ONCE))
    return " ".join(" ".join(map(str, part.tolist())) for part in parts)


def integers(where: Path, utt_id: str, text: str | Sequence[str]) -> NDArray[np.int64]:
    """Return what `spaced` wrote; a DataError if it did not."""
    steps = text.split() if isinstance(text, str) else text
    try:
        if steps and "," in steps[0]:
            return np.array([step.split(",") for step in steps], np.int64)
        return np.array(steps, np.int64)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: {utt_id} has units that are no integers; extract them again") from None
