"""The bytes of a file: what parsers of headers look at, and parts of it that libsndfile reads as files."""

import io
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from sqspeech import audio_ark
from sqspeech.errors import DataError

# Bytes that are read at once, of a header and of what is searched.
HEAD, BLOCK = 4096, 1 << 20
# Behind a part whose length is hidden: more than any estimate from the bitrate of its first frames comes to.
HIDDEN = 64
# The length of an ID3v1 tag, which decoders look for at the end.
TAG = 128


class Part(NamedTuple):
    """Part that libsndfile reads as a file of its own: the bytes of a file from `begin` to `end`.

    Attributes
    ----------
    begin, end
        Offsets in the file.
    patches
        Offsets in the file, and what libsndfile finds there instead of what is there.
    estimated
        Whether libsndfile only guesses how many samples the part has.
    hidden
        Whether libsndfile is not to know the number of bytes, lest it stop at its estimate.
    preroll
        How many samples before a sample must be decoded for it to be exact.
    promised
        How many samples an estimated part must have at least.
    """

    begin: int
    end: int
    patches: tuple[tuple[int, bytes], ...] = ()
    estimated: bool = False
    hidden: bool = False
    preroll: int = 0
    promised: int = 0


class Source:
    """A file that is read at any offset; its attributes are the path, and the size and the time of its last change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.fd = audio_ark.open_audio(path)
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{path}: no such audio file; check the path") from None
        try:
            status = os.fstat(self.fd)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: no such audio file, but a folder or a device; check the path")
            self.size, self.changed = status.st_size, status.st_mtime_ns
            if not self.size:
                raise DataError(f"{path}: the file is empty (0 bytes); fetch or record it again")
            self._head = os.pread(self.fd, HEAD, 0)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes, or those up to the end of the file."""
        if offset + count <= len(self._head):
            return self._head[offset : offset + count]
        return os.pread(self.fd, count, offset) if offset < self.size else b""

    def find(self, pattern: bytes, start: int, end: int) -> int:
        """Return the first offset of `pattern` between two offsets; -1 where there is none."""
        while start < end:
            block = os.pread(self.fd, min(BLOCK, end - start), start)
            found = block.find(pattern)
            if found >= 0:
                return start + found
            if len(block) < len(pattern) or start + len(block) >= end:
                return -1
            start += len(block) - len(pattern) + 1
        return -1

    def skip_tags(self, start: int) -> int:
        """Return the offset behind the ID3 tags that begin at an offset."""
        while (header := self.at(start, 10))[:3] in (b"ID3", b"TAG") and len(header) == 10:
            if header[:3] == b"TAG":
                start += TAG
                continue
            size = 0
            for byte in header[6:]:
                size = size << 7 | byte & 0x7F
            start += 10 + size + (10 if header[5] & 0x10 else 0)
        return start

    def skip_zeros(self, start: int) -> int:
        """Return the offset of the first byte that is not zero; the size of the file where all are."""
        while block := os.pread(self.fd, BLOCK, start):
            rest = len(block.lstrip(b"\0"))
            start += len(block) - rest
            if rest:
                break
        return start


class View(io.RawIOBase):
    """A part of a source as a file."""

    def __init__(self, source: Source, part: Part) -> None:
        self._source, self._part, self._at = source, part, 0
        self._there = part.end - part.begin
        self._length = self._there * HIDDEN if part.hidden else self._there

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to an offset, which may lie behind the end."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    # The type of the buffer is soundfile's.
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer as far as there are bytes."""
        data = self._bytes(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _bytes(self, count: int) -> bytes:
        if self._part.hidden and self._at >= self._length - TAG:
            return bytes(min(count, self._length - self._at))
        start = self._part.begin + self._at
        data = os.pread(self._source.fd, max(0, min(count, self._there - self._at)), start)
        for offset, patch in self._part.patches:
            data = _patched(data, start, offset, patch)
        return data


def _patched(data: bytes, start: int, offset: int, patch: bytes) -> bytes:
    first, last = max(offset, start), min(offset + len(patch), start + len(data))
    if first >= last:
        return data
    return data[: first - start] + patch[first - offset : last - offset] + data[last - start :]
