"""Sound files decoded forward, whatever they are made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.sound_files.faults import TruncatedError, undecodable
from sqspeech.sound_files.formats import refused
from sqspeech.sound_files.layout import Layout, survey
from sqspeech.sound_files.source import Part, Source, View

# Samples that are decoded at once where they are only counted or passed over.
BLOCK = 1 << 12
# What was found by looking at all of a file is kept, of so many files: their parts, and what decoding has counted.
KEPT = 1 << 16
type Key = tuple[Path, int, int]
_layouts: dict[Key, Layout] = {}
_counted: dict[Key, tuple[int, ...]] = {}


class Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file of libsndfile that is read without the seek which soundfile adds to each reading."""

    def seekable(self) -> bool:
        """Return False, on which soundfile does without."""
        return False


class Decoder:
    """The samples of a sound file, from the first to the last.

    Attributes
    ----------
    path
        The file.
    sample_rate
        In Hz.
    channels
        The number of channels.
    note
        What of the file is lost, if anything is.

    Raises
    ------
    DataError
        The file cannot be opened, is truncated, damaged, no sound, or in a format that is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with decoding(path):
            self._source = Source(path)
            try:
                self._parts, self.note, self._plain, facts = self._survey()
                self._number, self._done = 0, 0
                self._opened: Forward | None = None if facts else self._open(0)
            except BaseException:
                self._source.close()
                raise
        self.sample_rate = facts[0] if facts else int(self._file.samplerate)
        self.channels = facts[1] if facts else int(self._file.channels)
        self._stated = facts[2] if facts else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._opened:
            self._opened.close()
        self._source.close()

    @property
    def key(self) -> Key:
        """The path, the size and the time of change of the file."""
        return self.path, self._source.size, self._source.changed

    @cached_property
    def n_samples(self) -> int:
        """Number of samples of each channel; where no header knows, the file is decoded, once in a process."""
        return self._stated or sum(self._lengths)

    def seek(self, first: int) -> None:
        """Go to a sample: by a seek where the format has one that is exact, and else by decoding what is before it."""
        with decoding(self.path):
            number, before = 0, 0
            while number + 1 < len(self._parts) and before + self._lengths[number] <= first:
                before += self._lengths[number]
                number += 1
            self._go(number, first - before)

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next samples, shape (`count`, channels); raises a TruncatedError where there are fewer."""
        with decoding(self.path):
            if count <= self._left():
                return self._read(count)
            pieces = []
            while count:
                pieces.append(self._read(min(count, self._left())))
                count -= len(pieces[-1])
            return np.concatenate(pieces)

    def _survey(self) -> Layout:
        layout = _layouts.get(self.key) or survey(self._source)
        if not layout.plain:
            _keep(_layouts, self.key, layout)
        return layout

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        """The number of samples of each part."""
        if len(self._parts) == 1 and not self._parts[0].estimated:
            return (self._stated or int(self._file.frames),)
        if self.key not in _counted:
            lengths = tuple(self._count(number) for number in range(len(self._parts)))
            _keep(_counted, self.key, lengths)
        return _counted[self.key]

    @property
    def _file(self) -> Forward:
        """The open part, which is not opened before it is needed: that takes longer than the rest."""
        if not self._opened:
            self._opened = self._open(self._number)
        return self._opened

    def _open(self, number: int) -> Forward:
        try:
            return Forward(self._source.fd if self._plain else View(self._source, self._parts[number]), closefd=False)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
        try:
            return Forward(self.path)  # some formats without a header are known by their suffix alone
        except (soundfile.LibsndfileError, TypeError, ValueError):
            raise refused(self._source, reason) from None

    def _count(self, number: int) -> int:
        part = self._parts[number]
        with decoding(self.path), self._open(number) as file:
            if (file.samplerate, file.channels) != (self.sample_rate, self.channels):
                raise DataError(
                    f"{self.path}: joined of {self.channels} channels at {self.sample_rate} Hz and {file.channels} at "
                    f"{file.samplerate} Hz; split it, such as with ffmpeg"
                )
            return _decoded(self.path, file, part) if part.estimated else int(file.frames)

    def _go(self, number: int, first: int) -> None:
        """Go to a sample of a part."""
        if number != self._number:
            self._start(number)
        part = self._parts[number]
        if first != self._done and not part.estimated and soundfile.SoundFile.seekable(self._file):
            try:
                self._done = self._file.seek(max(0, first - part.preroll))
            except soundfile.LibsndfileError:  # of a format that goes back to its beginning at most
                self._start(number)
        if first < self._done:
            self._start(number)
        while self._done < first:
            self._read(min(BLOCK, first - self._done))

    def _start(self, number: int) -> None:
        self._file.close()
        self._number, self._done, self._opened = number, 0, self._open(number)

    def _left(self) -> int:
        """Return how many samples the open part still has, which is the next one where it has none."""
        while self._done >= self._lengths[self._number]:
            if self._number + 1 == len(self._parts):
                raise TruncatedError(self.path, f"{self.n_samples} samples are not enough")
            self._go(self._number + 1, 0)
        return self._lengths[self._number] - self._done

    def _read(self, count: int) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = self._file.read(count, dtype="float32", always_2d=True)
        self._done += len(samples)
        if len(samples) < count:
            there = sum(self._lengths[: self._number]) + self._done
            raise TruncatedError(self.path, f"{there} of {self.n_samples} samples")
        return samples


def _keep[T](known: dict[Key, T], key: Key, value: T) -> None:
    if len(known) >= KEPT:
        known.clear()
    known[key] = value


def _decoded(path: Path, file: Forward, part: Part) -> int:
    """Return how many samples a part of unknown length has."""
    total, last = 0, BLOCK
    try:
        while last == BLOCK:
            last = len(file.read(BLOCK, dtype="float32", always_2d=True))
            total += last
    except soundfile.LibsndfileError:
        if not part.promised:
            raise
    if total < part.promised:
        raise TruncatedError(path, f"{total} of {part.promised} samples can be decoded")
    return total


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a DataError that names the file."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)) if error.errno else str(error)
        raise DataError(f"{path}: cannot read the audio file ({reason}); check the path") from error
    except soundfile.LibsndfileError as error:
        raise undecodable(path, error.error_string.rstrip(".")) from error
    except Exception as error:
        raise undecodable(path, f"{type(error).__name__}: {error}") from error
