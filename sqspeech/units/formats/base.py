"""Contract of the formats of units, and their registry."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from sqspeech.codec.units import Units
from sqspeech.registry import Registry
from sqspeech.units.formats.entry import Contents, Entry


@runtime_checkable
class Format(Protocol):
    """Layout of units in a folder.

    Attributes
    ----------
    HOLDS
        The fields of `Contents` that it can hold.
    FILES
        Patterns of the names of the files that it writes.
    """

    HOLDS: ClassVar[frozenset[str]]
    FILES: ClassVar[tuple[str, ...]]

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries, which come in the order of their ids, to the folder."""

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what was written; raises DataError where it is damaged."""


FORMATS: Registry[Format] = Registry("format", "sqspeech.units.formats")


def by_contents() -> list[str]:
    """Return the names of the formats, those that can hold most first."""
    return sorted(FORMATS.names(), key=lambda name: (-len(FORMATS[name].HOLDS), name))
