"""Ogg: streams that are chained."""

from collections.abc import Iterator

from sqspeech.sound_files.source import Part, Source

# A page that begins a stream.
BEGINNING = b"OggS\0\x02"


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


def _length(page: bytes) -> int:
    segments = page[26] if len(page) > 26 else 0
    return 27 + segments + sum(page[27 : 27 + segments])
