"""Read the matrices of a dump in several processes, and measure what their checks need.

It does without torch, because every process imports it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqspeech import audio
from sqspeech.corpus import DIED, Workers, map_in_order
from sqspeech.data.data_dir import Utterance
from sqspeech.data.feature_ark import read_matrix
from sqspeech.data.feature_locations import AGAIN
from sqspeech.data.findings import Finding, error
from sqspeech.errors import DataError
from sqspeech.progress import track
from sqspeech.segment_times import span


@dataclass(frozen=True, kw_only=True)
class UtteranceFeatures:
    """Place of the features of an utterance."""

    utterance: Utterance
    ark: Path
    offset: int


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Measurements of the features of an utterance.

    Attributes
    ----------
    n_frames, n_mels
        The shape.
    finite
        Whether it has neither NaN nor infinity.
    low, high
        The least and the greatest value.
    digest
        Equal for equal matrices.
    n_samples, sample_rate
        Of the audio, as its header has it; None where there is no audio any more.
    """

    entry: UtteranceFeatures
    n_frames: int
    n_mels: int
    finite: bool
    low: float
    high: float
    digest: bytes
    n_samples: int | None
    sample_rate: int | None


def measure(entries: Sequence[UtteranceFeatures], workers: Workers) -> list[Matrix | Finding]:
    """Return the measurements of the features, in order, or why they cannot be read."""
    results = map_in_order(_examine, entries, workers, died=_died)
    return list(track(results, "features", len(entries)))


def _died(entry: UtteranceFeatures) -> Matrix | Finding:
    detail = DIED
    return error("features that cannot be read", entry.utterance.utt_id, detail, AGAIN)


def _examine(entry: UtteranceFeatures) -> Matrix | Finding:
    try:
        matrix = read_matrix(entry.ark, entry.offset)
    except DataError as fault:
        return error("features that cannot be read", entry.utterance.utt_id, str(fault), AGAIN)
    n_samples, sample_rate = _audio_length(entry.utterance)
    finite = bool(np.isfinite(matrix).all())
    return Matrix(
        entry=entry,
        n_frames=matrix.shape[0],
        n_mels=matrix.shape[1],
        finite=finite,
        low=float(matrix.min()) if finite else np.nan,
        high=float(matrix.max()) if finite else np.nan,
        digest=hashlib.blake2b(matrix.tobytes(), digest_size=16).digest(),
        n_samples=n_samples,
        sample_rate=sample_rate,
    )


def _audio_length(utterance: Utterance) -> tuple[int, int] | tuple[None, None]:
    try:
        info = audio.probe(utterance.path)
        first, last = span(utterance.path, info.n_samples, info.sample_rate, utterance.start, utterance.end)
    except (DataError, OSError):
        return None, None
    return last - first, info.sample_rate
