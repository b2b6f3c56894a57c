"""Decode recordings, block by block, in several processes, and measure what their checks need.

It does without torch, because every process imports it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from sqspeech import audio, audio_ark
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.progress import track
from sqspeech.segment_times import span
from sqspeech.validation.findings import Finding, error
from sqspeech.worker_pool import map_in_order

BLOCK = 1 << 16
# Clipped is where CLIPPED_RUN neighbouring samples of a channel lie within three steps of 16 bits of full scale. Speech
# whose peak is scaled to full scale has one such sample there; a sine stays there for three only when it is below 36 Hz
# at 16 kHz, or 108 Hz at 48 kHz.
FULL_SCALE, CLIPPED_RUN = 0.9999, 3
AGAIN = "fetch or record it again, or leave it out"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file, and the utterances that are cut from it."""

    path: Path
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What was measured of an utterance.

    Attributes
    ----------
    sample_rate, channels
        Of the file.
    n_samples
        How many samples the utterance has in each channel.
    file_samples
        The same of the whole file.
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
    low: float
    high: float
    clipped: int
    digest: bytes


class _DamageError(Exception):
    """Audio that cannot be used; its arguments are those of a finding: kind, detail, fix."""


def measure(utterances: Sequence[Utterance], jobs: int) -> list[Sound | Finding]:
    """Return the measurements of the utterances, sorted by id, or what makes their audio unusable."""
    by_path: dict[Path, list[Utterance]] = {}
    for utterance in utterances:
        by_path.setdefault(utterance.path, []).append(utterance)
    recordings = (Recording(path=path, utterances=tuple(cut)) for path, cut in by_path.items())
    results = map_in_order(_examine, recordings, jobs=jobs, died=_died)
    found = [one for part in track(results, "audio", len(by_path)) for one in part]
    return sorted(found, key=lambda one: one.where if isinstance(one, Finding) else one.utterance.utt_id)


def _died(recording: Recording) -> list[Sound | Finding]:
    detail = f"{recording.path}: the process that decoded it died, of its memory or of a fault in the decoder"
    return [error("undecodable audio", u.utt_id, detail, AGAIN) for u in recording.utterances]


def _examine(recording: Recording) -> list[Sound | Finding]:
    try:
        with _open(recording.path) as file:
            _check_whole(recording.path, file)
            return [_examine_part(file, utterance) for utterance in recording.utterances]
    except _DamageError as damage:
        kind, detail, fix = damage.args
        return [error(kind, utterance.utt_id, detail, fix) for utterance in recording.utterances]


def _open(path: Path) -> soundfile.SoundFile:
    try:
        file = audio_ark.file_of(path)
        if not file.is_file():
            raise _DamageError("missing audio file", f"no file {path}", "fetch it, or mend its path in wav.scp")
        if file.stat().st_size == 0:
            raise _DamageError("empty audio file", f"{path} has 0 bytes", AGAIN)
        return soundfile.SoundFile(path if file == path else audio_ark.open_audio(path))
    except (DataError, OSError, RuntimeError, ValueError) as fault:
        reason = getattr(fault, "error_string", str(fault)).rstrip(".")
        raise _DamageError("undecodable audio", f"{path}: {reason}", "check that it is audio; else fetch it") from None


def _check_whole(path: Path, file: soundfile.SoundFile) -> None:
    if not file.frames:
        raise _DamageError("audio without samples", f"{path}: nothing but a header", AGAIN)
    try:
        audio.probe(path)
    except DataError as fault:
        # What is there, can be decoded and has samples, can only be truncated.
        raise _DamageError("truncated audio", str(fault), AGAIN) from None


def _examine_part(file: soundfile.SoundFile, utterance: Utterance) -> Sound | Finding:
    try:
        return _measure(file, utterance)
    except _DamageError as damage:
        kind, detail, fix = damage.args
        return error(kind, utterance.utt_id, detail, fix)


def _measure(file: soundfile.SoundFile, utterance: Utterance) -> Sound:
    first, last = _bounds(file, utterance)
    low, high, clipped, digest = np.inf, -np.inf, 0, hashlib.blake2b(digest_size=16)
    tail = np.zeros((0, file.channels), np.float32)
    for block in _blocks(file, first, last):
        if not np.isfinite(block).all():
            raise _DamageError("NaN or infinite samples", str(utterance.path), AGAIN)
        mono = block.mean(axis=1)
        low, high = min(low, float(mono.min())), max(high, float(mono.max()))
        digest.update(mono)
        joined = np.concatenate([tail, block])
        clipped += _clipped(joined)
        tail = joined[-(CLIPPED_RUN - 1) :]
    return Sound(
        utterance=utterance,
        sample_rate=file.samplerate,
        channels=file.channels,
        n_samples=last - first,
        file_samples=file.frames,
        low=low,
        high=high,
        clipped=clipped,
        digest=digest.digest(),
    )


def _bounds(file: soundfile.SoundFile, utterance: Utterance) -> tuple[int, int]:
    try:
        return span(utterance.path, file.frames, file.samplerate, utterance.start, utterance.end)
    except DataError as fault:
        raise _DamageError("segments outside their recording", str(fault), "mend the times, or leave it out") from None


def _blocks(file: soundfile.SoundFile, first: int, last: int) -> Iterator[NDArray[np.float32]]:
    done = 0
    try:
        file.seek(first)
        for block in file.blocks(BLOCK, frames=last - first, dtype="float32", always_2d=True):
            if len(block):
                yield block
            done += len(block)
    except (OSError, RuntimeError, ValueError):
        pass
    if done < last - first:
        detail = f"{file.name}: {done} of {last - first} samples can be decoded"
        raise _DamageError("truncated audio", detail, AGAIN)


def _clipped(samples: NDArray[np.float32]) -> int:
    full = np.abs(samples) >= FULL_SCALE
    if len(full) < CLIPPED_RUN or not full.any():
        return 0
    runs = np.lib.stride_tricks.sliding_window_view(full, CLIPPED_RUN, axis=0).all(axis=-1)
    return int(runs.any(axis=1).sum())
