"""Containers that state how many bytes of audio they hold: WAV, RF64, Wave64, AIFF, AU, CAF, SPHERE."""

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqspeech.sound_files.faults import UnreadFormatError
from sqspeech.sound_files.source import Source

type Patches = tuple[tuple[int, bytes], ...]

# Codes of WAV for MPEG audio.
MPEG_CODES = (0x50, 0x55)
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
# No file has more chunks; a damaged one might seem to.
MOST_CHUNKS = 10_000
# As libsndfile has it.
MOST_CHANNELS = 1024
# In Kaldi's world most files of this format are compressed.
EMBEDDED = re.compile(rb"sample_coding -s\d+ \S*embedded-(\w+)")


class Extent(NamedTuple):
    """The audio in a container.

    Attributes
    ----------
    begin
        Offset of the first byte of audio.
    stated
        The number of bytes, as the header states it; None where it is stated as unknown.
    corrected
        What makes the header state a number of bytes.
    chunk
        The parser of the chunk at an offset, of those that follow the audio.
    pad
        The audio is padded to a multiple of so many bytes.
    code
        WAV's code of the encoding.
    facts
        Sample rate, channels and bytes of a sample of all channels, where the header of a WAV of integers states them.
    """

    begin: int
    stated: int | None
    corrected: Callable[[int], Patches]
    chunk: Callable[[Source, int], "Chunk | None"] | None = None
    pad: int = 1
    code: int = 0
    facts: tuple[int, int, int] | None = None


class Chunk(NamedTuple):
    """A chunk of a container: its id, the offsets of its content, and that of the next."""

    id: bytes
    begin: int
    size: int
    next: int


def extent(source: Source, start: int) -> Extent | None:
    """Return the audio of the container that begins at `start`; None where there is none of these containers."""
    magic = source.at(start, 40)
    match magic[:4]:
        case b"RIFF" | b"RF64" | b"BW64" if magic[8:12] == b"WAVE":
            return _wav(source, start, "<")
        case b"RIFX" if magic[8:12] == b"WAVE":
            return _wav(source, start, ">")
        case b"riff" if magic[:16] == W64_RIFF:
            return _w64(source, start)
        case b"FORM" if magic[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
            return _aiff(source, start)
        case b"caff":
            return _caf(source, start)
        case b".snd":
            return _au(source, start, ">")
        case b"dns.":
            return _au(source, start, "<")
        case b"NIST":
            return _sphere(source, start)
    return None


def _chunks(source: Source, start: int, parse: Callable[[Source, int], Chunk | None]) -> Iterator[Chunk]:
    for _ in range(MOST_CHUNKS):
        chunk = parse(source, start)
        if chunk is None:
            return
        yield chunk
        start = chunk.next


def _chunk32(source: Source, at: int, order: str) -> Chunk | None:
    header = source.at(at, 8)
    if len(header) < 8:
        return None
    size: int = struct.unpack_from(order + "I", header, 4)[0]
    return Chunk(id=header[:4], begin=at + 8, size=size, next=at + 8 + size + size % 2)


def _little(source: Source, at: int) -> Chunk | None:
    return _chunk32(source, at, "<")


def _big(source: Source, at: int) -> Chunk | None:
    return _chunk32(source, at, ">")


def _chunk_of_w64(source: Source, at: int) -> Chunk | None:
    header = source.at(at, 24)
    if len(header) < 24:
        return None
    size = max(0, struct.unpack_from("<q", header, 16)[0] - 24)
    return Chunk(id=header[:4], begin=at + 24, size=size, next=at + 24 + size + -size % 8)


def _chunk_of_caf(source: Source, at: int) -> Chunk | None:
    header = source.at(at, 12)
    if len(header) < 12:
        return None
    size: int = struct.unpack_from(">q", header, 4)[0]
    return Chunk(id=header[:4], begin=at + 12, size=size, next=at + 12 + max(0, size))


def _u32(size: int, order: str = ">") -> bytes:
    return struct.pack(order + "I", min(size, 2**32 - 1))


def _of_a_pipe(size: int) -> bool:
    """Return whether this is what programs state, in 32 bits, that cannot know a size."""
    return 0x7FFF0000 <= size <= 0x80010000 or size >= 0xFFFF0000


def _wav(source: Source, start: int, order: str) -> Extent | None:
    parse = _little if order == "<" else _big
    long: tuple[int, int] | None = None
    code, facts = 0, None
    for chunk in _chunks(source, start + 12, parse):
        if chunk.id == b"ds64":
            long = chunk.begin, struct.unpack("<q", source.at(chunk.begin + 8, 8).ljust(8, b"\0"))[0]
        elif chunk.id == b"fmt ":
            form = source.at(chunk.begin, min(chunk.size, 26))
            code, facts = _code(form, order), _facts(form, order)
        elif chunk.id == b"data":
            stated: int | None = chunk.size
            if long and chunk.size == 0xFFFFFFFF:
                stated = long[1] if long[1] > 0 else 0
            elif _of_a_pipe(chunk.size) or chunk.size + 2**32 <= source.size - chunk.begin:
                stated = None
            return Extent(
                begin=chunk.begin,
                stated=stated,
                corrected=_correct_wav(start, chunk.begin, order, long[0] if long else None),
                chunk=parse,
                pad=2,
                code=code,
                facts=facts,
            )
    return None


def _code(content: bytes, order: str) -> int:
    if len(content) < 2:
        return 0
    code: int = struct.unpack_from(order + "H", content)[0]
    return struct.unpack_from(order + "H", content, 24)[0] if code == 0xFFFE and len(content) >= 26 else code


def _facts(content: bytes, order: str) -> tuple[int, int, int] | None:
    if len(content) < 16:
        return None
    code, channels, rate, _, frame, bits = struct.unpack_from(order + "HHIIHH", content)
    plain = code == 1 and bits in (8, 16, 24, 32) and 0 < channels <= MOST_CHANNELS and frame == channels * bits // 8
    return (rate, channels, frame) if plain else None


def _correct_wav(start: int, begin: int, order: str, long: int | None) -> Callable[[int], Patches]:
    def corrected(size: int) -> Patches:
        if long:
            sizes = struct.pack("<qqq", begin - start - 8 + size, size, 0)
            return (start, b"RF64"), (long, sizes), (begin - 4, b"\xff" * 4)
        total = begin - start - 8 + size
        return (start + 4, _u32(total, order)), (begin - 4, _u32(size, order))

    return corrected


def _w64(source: Source, start: int) -> Extent | None:
    def corrected(size: int) -> Patches:
        total = struct.pack("<q", begin - start + size)
        return (start + 16, total), (begin - 8, struct.pack("<q", size + 24))

    for chunk in _chunks(source, start + 40, _chunk_of_w64):
        if chunk.id == b"data":
            begin = chunk.begin
            return Extent(begin=begin, stated=chunk.size, corrected=corrected, chunk=_chunk_of_w64, pad=8)
    return None


def _aiff(source: Source, start: int) -> Extent | None:
    common, form = 0, b""

    def corrected(size: int) -> Patches:
        patches = (start + 4, _u32(begin - start - 8 + size)), (begin - skipped - 4, _u32(size + skipped))
        channels, bits = struct.unpack(">H4xH", form) if len(form) == 8 else (0, 0)
        frame = channels * -(-bits // 8)
        return (*patches, (common + 2, _u32(size // frame))) if frame else patches

    for chunk in _chunks(source, start + 12, _big):
        if chunk.id == b"COMM":
            common, form = chunk.begin, source.at(chunk.begin, 8)
        elif chunk.id in (b"SSND", b"BODY"):
            # Sound data begin with an offset, which is 0 everywhere, and a block size.
            skipped = 8 if chunk.id == b"SSND" else 0
            begin = chunk.begin + skipped
            stated = None if _of_a_pipe(chunk.size) else max(0, chunk.size - skipped)
            return Extent(begin=begin, stated=stated, corrected=corrected, chunk=_big, pad=2)
    return None


def _caf(source: Source, start: int) -> Extent | None:
    def corrected(size: int) -> Patches:
        return ((begin - 12, struct.pack(">q", size + 4)),)

    for chunk in _chunks(source, start + 8, _chunk_of_caf):
        if chunk.id == b"data":
            begin = chunk.begin + 4
            stated = None if chunk.size < 0 else max(0, chunk.size - 4)
            return Extent(begin=begin, stated=stated, corrected=corrected, chunk=_chunk_of_caf)
    return None


def _au(source: Source, start: int, order: str) -> Extent | None:
    header = source.at(start, 12)
    if len(header) < 12:
        return None
    offset, size = struct.unpack_from(order + "II", header, 4)
    stated = None if _of_a_pipe(size) else size
    return Extent(begin=start + offset, stated=stated, corrected=lambda size: ((start + 8, _u32(size, order)),))


def _sphere(source: Source, start: int) -> Extent | None:
    length = re.match(rb"NIST_1A\r?\n *(\d+)", source.at(start, 64))
    header = source.at(start, min(int(length[1]), 1 << 16)) if length else b""
    if found := EMBEDDED.search(header):
        raise UnreadFormatError(source.path, f"SPHERE compressed with {found[1].decode()}")
    numbers = dict(re.findall(rb"(sample_count|channel_count|sample_n_bytes) -\w+ (\d+)", header))
    if not length or len(numbers) < 3:
        return None
    count, channels, width = (int(numbers[name]) for name in (b"sample_count", b"channel_count", b"sample_n_bytes"))
    return Extent(begin=start + int(length[1]), stated=count * channels * width, corrected=lambda size: ())
