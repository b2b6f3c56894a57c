"""Read any audio as mono float32, resample it, and write it."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

from sqspeech.atomic import atomic_path
from sqspeech.errors import DataError

# What programs that write to a pipe state, since they cannot know it, is at least this.
UNKNOWN_LENGTH = 0x7FFF0000
SHORTENED = re.compile(r"^ *(?:data|SSND) : (?P<stated>\d+) \(should be (?P<there>\d+)\)", re.MULTILINE)
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"})


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What the header of a recording says: Hz, channels and the number of samples in each of them."""

    sample_rate: int
    channels: int
    n_samples: int

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.n_samples / self.sample_rate


def probe(path: Path | str) -> AudioInfo:
    """Read the header of a recording, and none of its samples.

    Raises
    ------
    DataError
        The file is missing, empty, not audio, or has no samples.
    """
    path = Path(path)
    _check_file(path)
    try:
        with soundfile.SoundFile(path) as file:
            _check_whole(path, file)
            info = AudioInfo(sample_rate=file.samplerate, channels=file.channels, n_samples=file.frames)
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, error) from error
    if not info.n_samples:
        raise DataError(f"{path}: the recording has no samples; fetch or record it again")
    return info


def read(
    path: Path | str, sample_rate: int | None = None, start: float = 0.0, end: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, or a part of one, mixed down to mono.

    Parameters
    ----------
    path
        Anything libsndfile reads.
    sample_rate
        Hz to resample to; the recording's own rate when None.
    start, end
        The part to read, in seconds; `end` None is the end of the recording.

    Returns
    -------
    samples
        Shape (N,), float32, full scale is [-1, 1].
    sample_rate
        In Hz.

    Raises
    ------
    DataError
        The file is missing, empty, truncated, not audio, or has NaN or infinite samples.
    """
    path = Path(path)
    _check_file(path)
    samples, rate = _decode(path, start, end)
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: NaN or infinite samples; the file is damaged, fetch or record it again")
    if sample_rate is None or sample_rate == rate:
        return samples, rate
    return resample(samples, rate, sample_rate), sample_rate


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such audio file; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); fetch or record it again")


def _check_whole(path: Path, file: soundfile.SoundFile) -> None:
    # libsndfile takes a truncated WAV or AIFF as a shorter one and says so in its log alone.
    found = SHORTENED.search(file.extra_info)
    if found and int(found["there"]) < int(found["stated"]) < UNKNOWN_LENGTH:
        raise DataError(
            f"{path}: truncated, {found['there']} of {found['stated']} bytes of audio; fetch or record it again"
        )


def _undecodable(path: Path, error: soundfile.LibsndfileError) -> DataError:
    reason = error.error_string.rstrip(".")
    return DataError(f"{path}: cannot decode ({reason}); it is damaged or no audio file")


def _decode(path: Path, start: float, end: float | None) -> tuple[NDArray[np.float32], int]:
    try:
        with soundfile.SoundFile(path) as file:
            _check_whole(path, file)
            first = round(start * file.samplerate)
            last = file.frames if end is None else min(round(end * file.samplerate), file.frames)
            if first >= last:
                raise DataError(
                    f"{path}: nothing between {start} s and {end} s; it lasts {file.frames / file.samplerate} s"
                )
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
            rate: int = file.samplerate
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, error) from error
    if len(samples) < last - first:
        raise DataError(f"{path}: truncated, {len(samples)} of {last - first} samples; fetch or record it again")
    mono: NDArray[np.float32] = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    return mono, rate


def resample(samples: NDArray[np.float32], source_rate: int, target_rate: int) -> NDArray[np.float32]:
    """Resample (N,) samples to ceil(N · target_rate / source_rate), rates in Hz (soxr, high quality)."""
    resampled: NDArray[np.float32] = librosa.resample(
        samples, orig_sr=source_rate, target_sr=target_rate, res_type="soxr_hq"
    )
    return resampled


def write(path: Path | str, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write (N,) samples in [-1, 1] as 16-bit PCM, in the format of the suffix, atomically.

    Raises
    ------
    DataError
        The samples are not finite or leave [-1, 1], so that writing would clip them.
    SqspeechError
        The file cannot be written.
    """
    path = Path(path)
    if not np.isfinite(samples).all() or np.abs(samples).max(initial=0.0) > 1.0:
        raise DataError(f"{path}: samples are not finite or leave [-1, 1]; scale them before writing")
    # In memory first, because libsndfile reports a full disk as no more than a "system error".
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, sample_rate, subtype="PCM_16", format=path.suffix[1:])
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getvalue())
