"""Find the silence before and after the speech of a recording.

Frames 35 dB below the loudest one are silent (`librosa.effects.trim`), after a pre-emphasis of 0.97: the rumble that
VCTK 0.80 was recorded with lies only 20 to 40 dB below the speech without it. A margin of 50 ms stays at both ends.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqspeech import audio
from sqspeech.corpus import DIED, Processes, map_in_order
from sqspeech.errors import DataError

TOP_DB = 35.0
MARGIN = 0.05
# Of full scale, -60 dB: below it there is no speech, and a level relative to the loudest frame means nothing.
SILENT_PEAK = 1e-3


@dataclass(frozen=True, kw_only=True)
class Span:
    """The part of a recording from `start` to `end`, in seconds, to 0.1 ms."""

    start: float
    end: float


class SilentError(DataError):
    """A recording in which nothing is loud enough to be speech."""


def find_speech(path: Path) -> Span:
    """Return where the speech of a recording is, the margins around it included.

    Raises
    ------
    SilentError
        No sample reaches 0.1 % of full scale.
    DataError
        The recording cannot be decoded (see `sqspeech.audio.read`).
    """
    import librosa

    samples, rate = audio.read(path)
    if np.abs(samples).max() < SILENT_PEAK:
        raise SilentError(f"{path}: all silence, no sample reaches {SILENT_PEAK:g} of full scale; record it again")
    _, (first, last) = librosa.effects.trim(librosa.effects.preemphasis(samples), top_db=TOP_DB)
    start = max(0.0, first / rate - MARGIN)
    end = min(len(samples) / rate, last / rate + MARGIN)
    # Rounded inwards: an end after the recording's is an error to Kaldi.
    return Span(start=math.ceil(start * 1e4) / 1e4, end=math.floor(end * 1e4) / 1e4)


def spans(paths: Sequence[Path], jobs: int) -> Iterator[Span | DataError]:
    """Yield the span of each recording in order, or why it has none, found by `jobs` processes."""
    return map_in_order(_span_or_error, paths, Processes(jobs), died=_died)


def _died(path: Path) -> Span | DataError:
    return DataError(f"{path}: {DIED}")


def _span_or_error(path: Path) -> Span | DataError:
    try:
        return find_speech(path)
    except DataError as error:
        return error
