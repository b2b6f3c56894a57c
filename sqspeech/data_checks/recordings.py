"""Decode recordings, block by block, in several processes, and measure what their checks need.

It does without torch, because every process imports it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech import audio, audio_ark
from sqspeech.corpus import DIED, Workers, map_in_order
from sqspeech.data.data_dir import Utterance
from sqspeech.data.findings import Finding, error
from sqspeech.errors import DataError
from sqspeech.progress import track
from sqspeech.segment_times import span
from sqspeech.sound_files import Decoder, TruncatedError, UnreadFormatError, mixing

BLOCK = 1 << 16
# Clipped is where CLIPPED_RUN neighbouring samples of a channel lie within three steps of 16 bits of full scale. Speech
# whose peak is scaled to full scale has one such sample there; a sine stays there for three only when it is below 36 Hz
# at 16 kHz, or 108 Hz at 48 kHz.
FULL_SCALE, CLIPPED_RUN = 0.9999, 3
AGAIN = "fetch or record it again, or leave it out"
KINDS = {TruncatedError: "truncated audio", UnreadFormatError: "audio in a format that is not read"}


@dataclass(frozen=True, kw_only=True)
class AudioFile:
    """A file, and the utterances that are cut from it."""

    path: Path
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Measurements of an utterance.

    Attributes
    ----------
    sample_rate, channels
        Of the file.
    n_samples
        How many samples the utterance has in each channel.
    file_samples
        The same of the whole file.
    channel
        Which channel is used alone, if the mean of all is not; see `sqspeech.audio.read`.
    lost
        What of the file is not read, if anything is.
    low, high
        The least and the greatest sample, all channels mixed; full scale is [-1, 1].
    clipped
        How many runs of clipped samples begin in it (see `CLIPPED_RUN`).
    digest
        Equal for equal samples.
    """

    utterance: Utterance
    sample_rate: int
    channels: int
    n_samples: int
    file_samples: int
    channel: int | None
    lost: str
    low: float
    high: float
    clipped: int
    digest: bytes


class _DamageError(Exception):
    """Audio that cannot be used; its arguments are those of a finding: kind, detail, fix."""


def measure(utterances: Sequence[Utterance], workers: Workers) -> list[Sound | Finding]:
    """Return the measurements of the utterances, sorted by id, or what makes their audio unusable."""
    by_path: dict[Path, list[Utterance]] = {}
    for utterance in utterances:
        by_path.setdefault(utterance.path, []).append(utterance)
    recordings = (AudioFile(path=path, utterances=tuple(cut)) for path, cut in by_path.items())
    results = map_in_order(_examine, recordings, workers, died=_died)
    found = [one for part in track(results, "audio", len(by_path)) for one in part]
    return sorted(found, key=lambda one: one.where if isinstance(one, Finding) else one.utterance.utt_id)


def _died(recording: AudioFile) -> list[Sound | Finding]:
    detail = f"{recording.path}: {DIED}"
    return [error("undecodable audio", u.utt_id, detail, AGAIN) for u in recording.utterances]


def _examine(recording: AudioFile) -> list[Sound | Finding]:
    try:
        _check_file(recording.path)
        with _open(recording.path) as decoder:
            # In this order, what cannot seek is decoded once.
            ordered = sorted(recording.utterances, key=lambda utterance: utterance.start)
            return [_examine_part(decoder, utterance) for utterance in ordered]
    except DataError as fault:
        return [_damage(fault, utterance.utt_id) for utterance in recording.utterances]
    except _DamageError as damage:
        kind, detail, fix = damage.args
        return [error(kind, utterance.utt_id, detail, fix) for utterance in recording.utterances]


def _check_file(path: Path) -> None:
    try:
        file = audio_ark.file_of(path)
        if not file.is_file():
            raise _DamageError("missing audio file", f"no file {path}", "fetch it, or correct its path in wav.scp")
        if file.stat().st_size == 0:
            raise _DamageError("empty audio file", f"{path} has 0 bytes", AGAIN)
    except (OSError, ValueError) as fault:
        raise _DamageError("undecodable audio", f"{path}: {fault}", "check its path in wav.scp") from None


def _open(path: Path) -> Decoder:
    """Return the decoder of a recording that can be used; raises a DataError or, where it has no samples, damage."""
    decoder = Decoder(path)
    try:
        if not decoder.n_samples:
            raise _DamageError("audio without samples", f"{path}: nothing but a header", AGAIN)
        audio.check_rate(path, decoder.sample_rate)
    except BaseException:
        decoder.close()
        raise
    return decoder


def _damage(fault: DataError, utt_id: str) -> Finding:
    detail, _, fix = str(fault).partition("; ")
    kind = next((kind for error, kind in KINDS.items() if isinstance(fault, error)), "undecodable audio")
    return error(kind, utt_id, detail, fix)


def _examine_part(decoder: Decoder, utterance: Utterance) -> Sound | Finding:
    try:
        return _measure(decoder, utterance)
    except DataError as fault:
        return _damage(fault, utterance.utt_id)
    except _DamageError as damage:
        kind, detail, fix = damage.args
        return error(kind, utterance.utt_id, detail, fix)


def _measure(decoder: Decoder, utterance: Utterance) -> Sound:
    first, last = _bounds(decoder, utterance)
    channel = mixing.chosen(decoder)
    low, high, clipped, digest = np.inf, -np.inf, 0, hashlib.blake2b(digest_size=16)
    tail = np.zeros((0, decoder.channels), np.float32)
    decoder.seek(first)
    for begin in range(first, last, BLOCK):
        block = decoder.read(min(BLOCK, last - begin))
        if not np.isfinite(block).all():
            raise _DamageError("NaN or infinite samples", str(utterance.path), AGAIN)
        mono = mixing.mixed(block, channel)
        low, high = min(low, float(mono.min())), max(high, float(mono.max()))
        digest.update(mono)
        joined = np.concatenate([tail, block])
        clipped += _clipped(joined)
        tail = joined[-(CLIPPED_RUN - 1) :]
    return Sound(
        utterance=utterance,
        sample_rate=decoder.sample_rate,
        channels=decoder.channels,
        n_samples=last - first,
        file_samples=decoder.n_samples,
        channel=channel,
        lost=decoder.note,
        low=low,
        high=high,
        clipped=clipped,
        digest=digest.digest(),
    )


def _bounds(decoder: Decoder, utterance: Utterance) -> tuple[int, int]:
    try:
        return span(utterance.path, decoder.n_samples, decoder.sample_rate, utterance.start, utterance.end)
    except DataError as fault:
        raise _DamageError(
            "segments outside their recording", str(fault), "correct the times, or leave it out"
        ) from None


def _clipped(samples: NDArray[np.float32]) -> int:
    full = np.abs(samples) >= FULL_SCALE
    if len(full) < CLIPPED_RUN or not full.any():
        return 0
    runs = np.lib.stride_tricks.sliding_window_view(full, CLIPPED_RUN, axis=0).all(axis=-1)
    return int(runs.any(axis=1).sum())
