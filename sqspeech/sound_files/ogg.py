"""Ogg: streams that are chained, and their ends."""

from collections.abc import Iterator

from sqspeech.sound_files.source import Part, Source

PAGE = b"OggS\0"
# A page that begins a stream, and the flag of one that ends it.
BEGINNING, END = PAGE + b"\x02", 4
LONGEST = 27 + 255 + 255 * 255
UNENDED = "its last page does not end the stream"


def parts(source: Source, start: int) -> Iterator[Part]:
    """Yield the links of a chain; the streams of one link begin with neighbouring pages."""
    begin, behind = start, start
    at = start
    while (at := source.find(BEGINNING, at, source.size)) >= 0:
        if behind not in (at, start):
            yield Part(begin=begin, end=at)
            begin = at
        behind = at + _length(source.at(at, 27 + 255))
        at += len(BEGINNING)
    yield Part(begin=begin, end=source.size)


def ends(source: Source) -> bool:
    """Return whether the last page ends a stream, as it does unless the file was cut or recorded live."""
    begin = max(0, source.size - LONGEST)
    tail = source.at(begin, source.size - begin)
    at = tail.rfind(PAGE)
    page = tail[at:] if at >= 0 else b""
    return _length(page) <= len(page) and bool(page[5] & END)


def _length(page: bytes) -> int:
    segments = page[26] if len(page) > 26 else 0
    return 27 + segments + sum(page[27 : 27 + segments])
