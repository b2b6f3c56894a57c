"""Plan for decoding a sound file: as one or in parts, with corrections of its header."""

from collections.abc import Iterator
from typing import NamedTuple

from sqspeech.sound_files import flac, mpeg, ogg
from sqspeech.sound_files.chunks import MOST_CHUNKS, MPEG_CODES, Extent, extent
from sqspeech.sound_files.faults import TruncatedError
from sqspeech.sound_files.formats import refuse_unread
from sqspeech.sound_files.source import Part, Source

# Of what follows the audio of a file, so many bytes of no known kind are no loss.
NEGLIGIBLE = 64


class Layout(NamedTuple):
    """The parts of a file, in their order, and what of it is lost.

    Attributes
    ----------
    plain
        Whether libsndfile reads the file as it is.
    facts
        Sample rate, channels and samples in each, where the header states them beyond doubt.
    """

    parts: tuple[Part, ...]
    note: str = ""
    plain: bool = False
    facts: tuple[int, int, int] | None = None


def survey(source: Source) -> Layout:
    """Return how to decode a file.

    Raises
    ------
    DataError
        It is truncated, or in a format that is not read.
    """
    start = source.skip_tags(0)
    magic, note = source.at(start, 4), ""
    if magic == b"fLaC":
        parts = list(flac.parts(source, start))
        if parts == [Part(begin=0, end=source.size)]:
            return Layout(parts=tuple(parts), plain=True, facts=flac.facts(source))
    elif magic == b"OggS":
        parts = list(ogg.parts(source, start))
        note = "" if ogg.ends(source) else ogg.UNENDED
    elif found := extent(source, start):
        return _of_chunks(source, start, found)
    else:
        refuse_unread(source, start)
        parts = list(mpeg.parts(source, start, source.size))
    whole = Part(begin=0, end=source.size)
    return Layout(parts=tuple(parts) or (whole,), note=note, plain=parts in ([], [whole]))


def _of_chunks(source: Source, start: int, first: Extent) -> Layout:
    found, parts = first, list[Part]()
    while True:
        end, following, note = _end(source, found)
        parts += _parts_of(source, start, found, end)
        if following is None:
            break
        start, found = following
    # libsndfile passes over the chunks of WAV and AIFF that follow the audio; of others it takes them for audio.
    untouched = parts[0].begin == 0 and not parts[0].patches and not parts[0].estimated
    plain = len(parts) == 1 and untouched and (end == source.size or (not note and found.pad == 2))
    rate, channels, frame = found.facts or (0, 0, 0)
    facts = (rate, channels, (end - found.begin) // frame) if plain and frame else None
    return Layout(parts=tuple(parts), note=note, plain=plain, facts=facts)


def _end(source: Source, found: Extent) -> tuple[int, tuple[int, Extent] | None, str]:
    """Return where the audio ends, the container that follows it if there is one, and what is lost."""
    stated, there = found.stated, max(0, source.size - found.begin)
    if stated is None or (stated == 0 and not _tail(source, found, found.begin)[2]):
        return found.begin + there, None, ""
    if stated > there:
        raise TruncatedError(source.path, f"{there} of {stated} bytes of audio")
    end = found.begin + stated
    if end == source.size:
        return end, None, ""
    # Some writers leave the padding out.
    at, following, sound = _tail(source, found, end + -stated % found.pad)
    if not sound and stated % found.pad:
        at, following, sound = _tail(source, found, end)
    if following:
        return end, (at, following), ""
    lost = 0 if sound or source.skip_zeros(at) == source.size else source.size - at
    return end, None, f"{lost} bytes behind the end that its header states are not read" if lost > NEGLIGIBLE else ""


def _tail(source: Source, found: Extent, at: int) -> tuple[int, Extent | None, bool]:
    """Return where the chunks from an offset on end, the container there, and whether they end with the file."""
    for _ in range(MOST_CHUNKS):
        if following := extent(source, at):
            return at, following, True
        chunk = found.chunk(source, at) if found.chunk else None
        if chunk is None or not chunk.id.isascii() or not chunk.id.decode().isprintable():
            break
        if not at < chunk.next <= source.size + found.pad:
            break
        at = chunk.next
    return at, None, at >= source.size


def _parts_of(source: Source, start: int, found: Extent, end: int) -> Iterator[Part]:
    if found.code in MPEG_CODES:
        yield from mpeg.parts(source, found.begin, end)
        return
    size = end - found.begin
    corrected = found.corrected(size) if size != found.stated or source.at(start, 4) == b"BW64" else ()
    yield Part(begin=start, end=end, patches=corrected)
