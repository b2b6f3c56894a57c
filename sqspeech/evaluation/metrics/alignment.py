"""Alignments of phones with recordings."""

from collections import defaultdict
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError

# Centres of steps often fall on an onset; rounding must not decide to which phone they belong.
TOLERANCE = 1e-5
FIELDS = "utterance channel start duration label"


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """The phones of an utterance in order: `labels`, each from its onset to before its offset, (P,) in seconds."""

    onsets: NDArray[np.float64]
    offsets: NDArray[np.float64]
    labels: tuple[str, ...]

    def at(self, times: NDArray[np.float64]) -> list[str | None]:
        """Return the phone at each of the times (T,), None where there is none; of two, the later one."""
        times = times + TOLERANCE
        latest = np.searchsorted(self.onsets, times, side="right") - 1
        inside = (latest >= 0) & (times < self.offsets[latest])
        return [self.labels[phone] if found else None for phone, found in zip(latest, inside, strict=True)]


def read_ctm(path: Path) -> dict[str, Alignment]:
    """Read a CTM file: `utterance channel start duration label [confidence]` a line, times in seconds.

    Lines that begin with ;; are comments. The channel is ignored.

    Raises
    ------
    DataError
        The file is missing or has no phone, or a line is malformed; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the alignment ({error}); check the path") from None
    phones: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        if not line.startswith(";;"):
            utterance, phone = _parse(path, number, line)
            phones[utterance].append(phone)
    if not phones:
        raise DataError(f"{path}: no phone in the alignment; expected `{FIELDS}` a line")
    return {utterance: _alignment(found) for utterance, found in phones.items()}


def _parse(path: Path, number: int, line: str) -> tuple[str, tuple[float, float, str]]:
    try:
        utterance, _, start, duration, label, *confidence = line.split()
        onset, length = float(start), float(duration)
    except ValueError:
        raise DataError(f"{path}:{number}: expected `{FIELDS}`, found {line!r}") from None
    if len(confidence) > 1 or not (0 <= onset < inf and 0 <= length < inf):
        raise DataError(f"{path}:{number}: expected `{FIELDS}` with times from 0 in seconds, found {line!r}")
    return utterance, (onset, onset + length, label)


def _alignment(phones: list[tuple[float, float, str]]) -> Alignment:
    onsets, offsets, labels = zip(*sorted(phones), strict=True)
    return Alignment(onsets=np.array(onsets), offsets=np.array(offsets), labels=labels)
