"""MPEG audio, layers I to III: its frames, and where what is joined of several streams changes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sqspeech.sound_files.faults import TruncatedError
from sqspeech.sound_files.source import TAG, Part, Source

# In kbit/s, by layer, of MPEG 1 and of the lower sample rates.
RATES_1 = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES_2 = {1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256), 2: LOW, 3: LOW}
SAMPLE_RATES = (44100, 48000, 32000)
# What all frames of a stream have in common: version, layer, sample rate; and of the mode, whether it is mono.
SAME, MODE, MONO = 0xFFFE0C00, 0xC0, 0xC0
# So many frames in a row are no accident.
ROW = 4
# Bytes that are searched for the first frame, behind zeros.
JUNK = 1 << 17
BLOCK = 1 << 16
# Samples of the frames that a frame may take bits from: 511 bytes, of frames of 24 and more.
RESERVOIR = 24 * 1152


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Frames of one stream: their offsets, how many they are, and how many its first one, a tag, states."""

    begin: int
    end: int
    behind_tag: int
    frames: int
    stated: int | None


def parts(source: Source, start: int, end: int) -> Iterator[Part]:
    """Yield the streams between two offsets, which may have anything around them; nothing where there is none.

    Raises
    ------
    TruncatedError
        A stream has fewer frames than its tag states.
    """
    for stream in _streams(source, start, end):
        stated = stream.stated
        if stated is not None and stream.frames < stated - 1:
            raise TruncatedError(source.path, f"{stream.frames} of {stated} frames of audio")
        if stated == stream.frames:
            yield Part(begin=stream.begin, end=stream.end, preroll=RESERVOIR)
        elif stream.frames:
            yield Part(begin=stream.behind_tag, end=stream.end, estimated=True, hidden=True)


def _streams(source: Source, start: int, end: int) -> Iterator[Stream]:
    at = _first(source, source.skip_zeros(source.skip_tags(start)), end)
    if at < 0:
        return
    if whole := _tagged(source, at, end):
        yield whole
        return
    while at >= 0:
        streams, at = _stream(source, at, end)
        yield from streams
        at = _first(source, source.skip_zeros(source.skip_tags(at)), end)


def _tagged(source: Source, at: int, end: int) -> Stream | None:
    """Return the stream whose tag states that it goes to the end, but for a tag of titles."""
    length, stated, size = _tag(source, at)
    if not length or not stated or not size:
        return None
    if source.at(end - TAG, 3) == b"TAG":
        end -= TAG
    if at + size != end:
        return None
    return Stream(begin=at, end=end, behind_tag=at + length, frames=stated, stated=stated)


def _stream(source: Source, at: int, end: int) -> tuple[list[Stream], int]:
    """Return the stream that begins at an offset, and one without a tag that may follow it, and the offset behind."""
    length, stated, _ = _tag(source, at)
    first, begin, frames = _header(source, at), at, 0
    at = behind_tag = behind_stated = at + length
    window, base = b"", at
    while at + 4 <= end:
        if at - base + 4 > len(window):
            base, window = at, source.at(at, min(BLOCK, end - at))
        header = int.from_bytes(window[at - base : at - base + 4])
        size = _size(header) if not (header ^ first) & SAME and _mono(header) == _mono(first) else 0
        if not size or at + size > end or (frames and _tag(source, at)[0]):
            break
        at, frames = at + size, frames + 1
        if frames == stated:
            behind_stated = at
    if stated is None or frames <= stated + 1:
        return [Stream(begin=begin, end=at, behind_tag=behind_tag, frames=frames, stated=stated)], at
    return [
        Stream(begin=begin, end=behind_stated, behind_tag=behind_tag, frames=stated, stated=stated),
        Stream(begin=behind_stated, end=at, behind_tag=behind_stated, frames=frames - stated, stated=None),
    ], at


def _first(source: Source, start: int, end: int) -> int:
    """Return the offset of the first frame that others follow, or that the bytes end with; -1 where there is none."""
    window = source.at(start, min(JUNK, end - start))
    at = -1
    while (at := window.find(b"\xff", at + 1)) >= 0:
        if _row(source, start + at, end):
            return start + at
    return -1


def _row(source: Source, at: int, end: int) -> bool:
    first = _header(source, at)
    for _ in range(ROW):
        header = _header(source, at)
        size = _size(header) if not (header ^ first) & SAME else 0
        if not size:
            return False
        at += size
        if at >= end:
            return at == end
    return True


def _header(source: Source, at: int) -> int:
    return int.from_bytes(source.at(at, 4).ljust(4, b"\0"))


def _mono(header: int) -> bool:
    return header & MODE == MONO


@cache
def _size(header: int) -> int:
    """Return the number of bytes of a frame by its header; 0 where it is none."""
    version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
    bits, rate, padding = header >> 12 & 15, header >> 10 & 3, header >> 9 & 1
    if header >> 21 != 0x7FF or version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return 0
    kbits = (RATES_1 if version == 3 else RATES_2)[layer][bits - 1]
    hertz = SAMPLE_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    return (72_000 if layer == 3 and version != 3 else 144_000) * kbits // hertz + padding


def _tag(source: Source, at: int) -> tuple[int, int | None, int]:
    """Return the length of a frame that is Xing's tag (or Fraunhofer's), and what it states: frames and bytes.

    The length is 0 where it is none, the frames are None and the bytes 0 where it does not state them.
    """
    header = _header(source, at)
    if header >> 17 & 3 != 1:
        return 0, None, 0
    long = header >> 19 & 3 == 3
    side = (17 if long else 9) if _mono(header) else (32 if long else 17)
    frame = source.at(at, 4 + max(side, 32) + 16)
    if frame[36:40] == b"VBRI":
        return _size(header), None, 0
    tag = frame[4 + side : 4 + side + 16]
    if len(tag) < 16 or tag[:4] not in (b"Xing", b"Info"):
        return 0, None, 0
    flags, one, other = struct.unpack(">III", tag[4:])
    frames = one if flags & 1 else None
    size = (other if flags & 1 else one) if flags & 2 else 0
    return _size(header), frames, size
