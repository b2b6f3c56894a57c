"""Read any audio as mono float32, resample it, and write it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sqspeech.atomic import atomic_path
from sqspeech.errors import DataError
from sqspeech.segment_times import span
from sqspeech.sound_files import Decoder, decoding, mixing

# Samples that are decoded, resampled or encoded at once.
BLOCK = 2**20
# What is sought in folders. Files are read by what is in them, whatever their names.
SUFFIXES = frozenset(
    {
        *(".wav", ".wave", ".rf64", ".bw64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga"),
        *(".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".sph"),
    }
)
# In Hz: no speech is left of less than the first, and no recorder has more than the second.
LOWEST_RATE, HIGHEST_RATE = 4000, 1_000_000


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """Properties of a recording: Hz, channels, the number of samples in each; `note` names what of it is lost."""

    sample_rate: int
    channels: int
    n_samples: int
    note: str = ""

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.n_samples / self.sample_rate


class AudioFile:
    """A recording, or a part of one, whose header has been read; a context manager that closes the file.

    Several channels become their mean. Where they cancel each other in it, as those of opposite phases do, the one of
    the most power is taken instead: the same one for the recording and for each of its parts.

    Parameters
    ----------
    path
        A file of one of the formats that `SUFFIXES` stands for.
    start, end
        The part, in seconds; `end` None is the end of the recording.

    Attributes
    ----------
    info
        Properties of the whole recording.
    n_samples
        Samples of the part in each channel, at the rate of the recording.

    Raises
    ------
    DataError
        The file is missing, empty, truncated, not audio, has no samples, or a sample rate that no speech has; or there
        is no such part. Reading raises it for NaN and infinite samples.
    """

    def __init__(self, path: Path | str, start: float = 0.0, end: float | None = None) -> None:
        self._decoder = Decoder(Path(path))
        try:
            self.info = _info(self._decoder)
            bounds = span(self._decoder.path, self.info.n_samples, self.info.sample_rate, start, end)
        except BaseException:
            self._decoder.close()
            raise
        self._first, self._last = bounds
        self.n_samples = self._last - self._first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._decoder.close()

    @property
    def seconds(self) -> float:
        """The duration of the part."""
        return self.n_samples / self.info.sample_rate

    def read(self, sample_rate: int | None = None) -> NDArray[np.float32]:
        """Return samples (N,), full scale is [-1, 1], at `sample_rate` Hz or, when None, the recording's own rate."""
        decoder, rate = self._decoder, self.info.sample_rate
        decoder.seek(self._first)
        samples = decoder.read(self.n_samples)
        whole = len(samples) == decoder.n_samples
        mono = _mono(decoder, samples, mixing.chosen(decoder, samples if whole else None))
        if sample_rate is None or sample_rate == rate:
            return mono
        with decoding(decoder.path):
            return resample(mono, rate, sample_rate)

    def read_to_disk(self, sample_rate: int, target: IO[bytes]) -> NDArray[np.float32]:
        """Return what `read` returns as an array mapped from the file `target`, which is written block by block.

        However long the recording is, it is never in memory as a whole.
        """
        for block in _blocks(self._decoder, sample_rate, self._first, self._last):
            target.write(block.tobytes())
        target.flush()
        # Copied when it is written to, which torch asks of an array and nobody does.
        return np.memmap(target, np.float32, "c")

    def note(self, sample_rate: int) -> str:
        """Return what is done to use the recording at `sample_rate` Hz, or what is missing from it; empty if nothing.

        After `read`, nothing is decoded for it.
        """
        info, channel = self.info, mixing.chosen(self._decoder)
        notes = [info.note]
        if channel is not None:
            notes.append(f"{info.channels} channels that cancel each other, of which channel {channel + 1} is used")
        elif info.channels > 1:
            notes.append(f"{info.channels} channels, mixed down")
        if info.sample_rate < sample_rate:
            notes.append(f"{info.sample_rate} Hz, so nothing above {info.sample_rate / 2:g} Hz")
        return "; ".join(filter(None, notes))


def probe(path: Path | str) -> AudioInfo:
    """Read the header of a recording; its samples are decoded only where no header states how many there are.

    Raises DataError: see `AudioFile`.
    """
    with AudioFile(path) as file:
        return file.info


def read(
    path: Path | str, sample_rate: int | None = None, start: float = 0.0, end: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, or the part of one from `start` to `end` seconds, mixed down to mono: see `AudioFile`.

    Returns
    -------
    samples
        Shape (N,), float32, full scale is [-1, 1].
    sample_rate
        In Hz: the one that was asked for, or the recording's own.

    Raises
    ------
    DataError
        See `AudioFile`.
    """
    with AudioFile(path, start, end) as file:
        return file.read(sample_rate), sample_rate or file.info.sample_rate


def check_rate(path: Path, sample_rate: int) -> None:
    """Raise a DataError for a sample rate that no recording of speech has; below the model's, others do."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise DataError(
            f"{path}: a sample rate of {sample_rate} Hz, outside {LOWEST_RATE} to {HIGHEST_RATE}; its header may be "
            "wrong, otherwise fetch a better recording"
        )


def _info(decoder: Decoder) -> AudioInfo:
    path, rate = decoder.path, decoder.sample_rate
    check_rate(path, rate)
    if not decoder.n_samples:
        raise DataError(f"{path}: the recording has no samples; fetch or record it again")
    return AudioInfo(sample_rate=rate, channels=decoder.channels, n_samples=decoder.n_samples, note=decoder.note)


def _blocks(decoder: Decoder, sample_rate: int, first: int, last: int) -> Iterator[NDArray[np.float32]]:
    channel = mixing.chosen(decoder)
    stream = soxr.ResampleStream(decoder.sample_rate, sample_rate, 1, quality="HQ")
    decoder.seek(first)
    for begin in range(first, last, BLOCK):
        block = _mono(decoder, decoder.read(min(BLOCK, last - begin)), channel)
        if decoder.sample_rate == sample_rate:
            yield block
            continue
        with decoding(decoder.path):
            resampled: NDArray[np.float32] = stream.resample_chunk(block, begin + BLOCK >= last)
        yield resampled


def _mono(decoder: Decoder, samples: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    mono = mixing.mixed(samples, channel)
    if not np.isfinite(mono).all():
        raise DataError(f"{decoder.path}: NaN or infinite samples; the file is damaged, fetch or record it again")
    return mono


def resample(samples: NDArray[np.float32], source_rate: int, target_rate: int) -> NDArray[np.float32]:
    """Resample (N,) samples to ceil(N · target_rate / source_rate), rates in Hz (soxr, high quality)."""
    if source_rate == target_rate:
        return samples
    length = math.ceil(len(samples) * (target_rate / source_rate))
    resampled: NDArray[np.float32] = soxr.resample(samples, source_rate, target_rate, quality="HQ")[:length]
    # soxr rounds the length to the nearest.
    return np.pad(resampled, (0, length - len(resampled)))


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
