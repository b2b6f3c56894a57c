"""Read any audio as mono float32, resample it, and write it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import librosa
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sqspeech import audio_ark
from sqspeech.atomic import atomic_path
from sqspeech.errors import DataError
from sqspeech.segment_times import span

# What programs that write to a pipe state, since they cannot know it, is at least this.
UNKNOWN_LENGTH = 0x7FFF0000
SHORTENED = re.compile(r"^ *(?:data|SSND) : (?P<stated>\d+) \(should be (?P<there>\d+)\)", re.MULTILINE)
# Samples that are decoded, resampled or encoded at once.
BLOCK = 2**20
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
        with soundfile.SoundFile(_source(path)) as file:
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
    with _opened(path, start, end) as (file, count):
        samples, rate = _decode(path, file, count), int(file.samplerate)
    if sample_rate is None or sample_rate == rate:
        return samples, rate
    return resample(samples, rate, sample_rate), sample_rate


def read_to_disk(
    path: Path | str, sample_rate: int, target: Path, start: float = 0.0, end: float | None = None
) -> NDArray[np.float32]:
    """Return what `read` returns as an array mapped from the file `target`, which is written block by block.

    However long the recording is, it is never in memory as a whole.
    """
    path = Path(path)
    _check_file(path)
    with target.open("wb") as out, _opened(path, start, end) as (file, count):
        stream = soxr.ResampleStream(file.samplerate, sample_rate, 1, quality="HQ")
        for begin in range(0, count, BLOCK):
            block, last = _decode(path, file, min(BLOCK, count - begin)), begin + BLOCK >= count
            out.write((block if file.samplerate == sample_rate else stream.resample_chunk(block, last)).tobytes())
    # Copied when it is written to, which torch asks of an array and nobody does.
    return np.memmap(target, np.float32, "c")


def _source(path: Path) -> Path | int:
    return path if audio_ark.file_of(path) == path else audio_ark.open_audio(path)


def _check_file(path: Path) -> None:
    file = audio_ark.file_of(path)
    try:
        size = file.stat().st_size if file.is_file() else None
    except OSError as error:  # such as a name that is too long
        raise DataError(f"{path}: cannot read the audio file ({error.strerror}); check the path") from None
    if size is None:
        raise DataError(f"{path}: no such audio file; check the path")
    if size == 0:
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


@contextmanager
def _opened(path: Path, start: float, end: float | None) -> Iterator[tuple[soundfile.SoundFile, int]]:
    """Yield a recording from which so many samples are to be read."""
    try:
        with soundfile.SoundFile(_source(path)) as file:
            _check_whole(path, file)
            first, last = span(path, file.frames, file.samplerate, start, end)
            file.seek(first)
            yield file, last - first
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, error) from error


def _decode(path: Path, file: soundfile.SoundFile, count: int) -> NDArray[np.float32]:
    samples = file.read(count, dtype="float32", always_2d=True)
    if len(samples) < count:
        raise DataError(f"{path}: truncated, {len(samples)} of {count} samples; fetch or record it again")
    mono: NDArray[np.float32] = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise DataError(f"{path}: NaN or infinite samples; the file is damaged, fetch or record it again")
    return mono


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
    blocks = [samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK)]
    if not all(np.isfinite(block).all() and np.abs(block).max() <= 1.0 for block in blocks):
        raise DataError(f"{path}: samples are not finite or leave [-1, 1]; scale them before writing")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        sink = _Sink(file)
        form = {"channels": 1, "subtype": "PCM_16", "format": path.suffix[1:]}
        with soundfile.SoundFile(sink, "w", sample_rate, **form) as encoder:
            for block in blocks:
                encoder.write(block)
        if sink.error:
            raise sink.error


class _Sink:
    """A file for libsndfile that keeps why it failed: libsndfile reports a full disk as a "system error"."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data) if self.error is None else len(data)
        except OSError as error:
            self.error = error
            return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()
