"""The formats that units are written in, and read from: a module each."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from sqspeech.codec.units import Units
from sqspeech.units.formats import espnet, fairseq, kaldi, npz, parquet, textless, zerospeech
from sqspeech.units.formats.entry import Contents, Entry

__all__ = ["FORMATS", "Contents", "Entry", "Format"]


class Format(Protocol):
    """Layout of units in a folder.

    `HOLDS` says which fields of `Contents` it has a place for, and `FILES` how the files are named that it writes.
    """

    @property
    def HOLDS(self) -> frozenset[str]: ...  # noqa: D102, N802

    @property
    def FILES(self) -> tuple[str, ...]: ...  # noqa: D102, N802

    def write(self, folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries, which come in the order of their ids, to the folder."""

    def read(self, folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what was written."""


# In the order in which a folder with several of them is read.
FORMATS: dict[str, Format] = {
    "npz": npz,
    "parquet": parquet,
    "kaldi": kaldi,
    "textless": textless,
    "fairseq": fairseq,
    "espnet": espnet,
    "zerospeech": zerospeech,
}
