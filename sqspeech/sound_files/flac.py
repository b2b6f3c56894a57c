"""FLAC: streams of unknown length, joined ones, and their length by their last frame."""

from collections.abc import Iterator

from sqspeech.sound_files.source import Part, Source

# The marker, and a STREAMINFO block, which comes first and has 34 bytes.
BEGINNINGS = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")
LENGTH_AT, INFO = 21, 42
# Bytes at the end that are searched for the last frame: its own, or these where they are not known, and tags.
LONGEST_FRAME, TAGS = 1 << 16, 1024


def parts(source: Source, start: int) -> Iterator[Part]:
    """Yield the streams of a file whose first begins at `start`.

    Their headers state how many samples they have. That is taken for true when frames at the end and in the middle of
    the file agree, which they do not when streams were joined, or when the end is missing.
    """
    header = source.at(start, INFO)
    if _total(header) and _agrees(source, start, header):
        yield Part(begin=start, end=source.size)
        return
    while start < source.size:
        found = [at for beginning in BEGINNINGS if (at := source.find(beginning, start + 4, source.size)) >= 0]
        end = min(found, default=source.size)
        header = source.at(start, INFO)
        # A length of 0 is one that is not known, and all is decoded.
        unknown = (start + LENGTH_AT, bytes([header[LENGTH_AT] & 0xF0, 0, 0, 0, 0]))
        yield Part(begin=start, end=end, patches=(unknown,), estimated=True, promised=_total(header))
        start = end


def facts(source: Source) -> tuple[int, int, int]:
    """Return what the header states: sample rate, channels and samples in each."""
    header = source.at(0, INFO)
    return int.from_bytes(header[18:21]) >> 4, (header[20] >> 1 & 7) + 1, _total(header)


def _total(header: bytes) -> int:
    return int.from_bytes(header[LENGTH_AT : LENGTH_AT + 5]) & 0xFFFFFFFFF


def _agrees(source: Source, start: int, header: bytes) -> bool:
    """Return whether the frames at the end and in the middle of the file are where one stream has them."""
    total, block = _total(header), int.from_bytes(header[10:12])
    longest = int.from_bytes(header[15:18]) or LONGEST_FRAME
    begin = max(start, source.size - longest - TAGS)
    tail = source.at(begin, source.size - begin)
    sync = b"\xff\xf8" if header[8:10] == header[10:12] else b"\xff\xf9"
    if next((behind for _, behind in _frames(tail, sync, block)), 0) != total:
        return False
    # Streams of one length that were joined end as they should. Then too many bytes are on one side of the middle.
    half = (start + source.size) // 2
    middle = source.at(half, longest + 16)
    for at, behind in _frames(middle, sync, block):
        most = longest / block
        there, left = half + at - _audio(source, start), source.size - half - at
        return there <= most * behind and left <= most * (total - behind + block) + TAGS
    return source.size < 2 * longest


def _audio(source: Source, start: int) -> int:
    """Return the offset of the first frame."""
    at, last = start + 4, False
    while not last and len(header := source.at(at, 4)) == 4:
        last = header[0] >= 0x80
        at += 4 + int.from_bytes(header[1:])
    return at


def _frames(data: bytes, sync: bytes, block: int) -> Iterator[tuple[int, int]]:
    """Yield the offset of each frame and the number of the sample behind it, the last first."""
    at = len(data)
    while (at := data.rfind(sync, 0, at)) >= 0:
        if behind := _frame(data[at : at + 16], block):
            yield at, behind


def _frame(header: bytes, block: int) -> int:
    """Return the number of the sample behind a frame; 0 where no frame's header stands here."""
    if len(header) < 6 or header[3] & 1:
        return 0
    size, rate = header[2] >> 4, header[2] & 15
    ones = 8 - (~header[4] & 0xFF).bit_length()
    behind = 4 + max(1, ones)
    number = header[4] & (0x7F >> ones)
    for byte in header[5:behind]:
        number = number << 6 | byte & 0x3F
    extra = {6: 1, 7: 2}.get(size, 0)
    samples = _samples(size, int.from_bytes(header[behind : behind + extra]))
    end = behind + extra + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if not samples or rate == 15 or ones in (1, 8) or end >= len(header) or _crc(header[:end]) != header[end]:
        return 0
    return (number if header[1] & 1 else number * block) + samples


def _samples(size: int, stated: int) -> int:
    if size >= 8:
        return 1 << size
    if size >= 6:
        return stated + 1
    return {0: 0, 1: 192}.get(size, 144 << size)


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = CRC[crc ^ byte]
    return crc


def _crc_of_byte(crc: int) -> int:
    for _ in range(8):
        crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc


# x⁸ + x² + x + 1.
CRC = [_crc_of_byte(byte) for byte in range(256)]
