"""The formats that units are written in, and read from: a file each."""

from sqspeech.units.formats.base import FORMATS, Format, by_contents
from sqspeech.units.formats.entry import Contents, Entry

__all__ = ["FORMATS", "Contents", "Entry", "Format", "by_contents"]
