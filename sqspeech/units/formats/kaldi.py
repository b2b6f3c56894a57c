"""Kaldi: `units.txt` and `durations.txt`, `utt_id u1 u2 ...` a line, and matrices as .scp and .ark."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, ClassVar, TextIO

import kaldiio
import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import MATRICES, Units
from sqspeech.data.tables import read_table
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import ALL, Contents, Entry, integers, spaced


@FORMATS.register("kaldi")
class Kaldi:
    """Kaldi's text and archives."""

    HOLDS: ClassVar[frozenset[str]] = ALL
    FILES: ClassVar[tuple[str, ...]] = (
        "units.txt",
        "durations.txt",
        *(f"{name}.{end}" for name in MATRICES for end in ("scp", "ark")),
    )

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries, in the order of their ids. An .scp names its .ark without a folder."""
        with ExitStack() as stack:

            def text(name: str) -> TextIO:
                return stack.enter_context((folder / name).open("w", encoding="utf-8"))

            units, durations = text("units.txt"), text("durations.txt") if contents.durations else None
            tables = {name: (text(f"{name}.scp"), _ark(stack, folder / f"{name}.ark")) for name in contents.matrices}
            for entry in entries:
                units.write(f"{entry.utt_id} {spaced(contents.sequence(entry.units))}\n")
                if durations:
                    durations.write(f"{entry.utt_id} {spaced(contents.lengths(entry.units))}\n")
                for name, (scp, ark) in tables.items():
                    scp.write(f"{entry.utt_id} {name}.ark:{ark.tell() + len(entry.utt_id.encode()) + 1}\n")
                    kaldiio.save_ark(ark, {entry.utt_id: getattr(entry.units, name)})

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what `write` wrote."""
        path = folder / "units.txt"
        sequences = {utt_id: integers(path, utt_id, text) for utt_id, text in read_table(path).items()}
        lengths = _durations(folder / "durations.txt") if contents.durations else {}
        matrices = {name: _matrices(folder / f"{name}.scp") for name in contents.matrices}
        return contents.assemble(folder, sequences, lengths, matrices)


def _ark(stack: ExitStack, path: Path) -> BinaryIO:
    return stack.enter_context(path.open("wb"))


def _durations(path: Path) -> dict[str, NDArray[np.int64]]:
    return {utt_id: integers(path, utt_id, text) for utt_id, text in read_table(path).items()}


def _matrices(scp: Path) -> dict[str, NDArray[np.float32]]:
    try:
        return {utt: kaldiio.load_mat(str(scp.parent / location)) for utt, location in read_table(scp).items()}
    except Exception as error:  # a damaged archive may raise anything
        reason = " ".join(str(error).split()) or "damaged"
        raise DataError(f"{scp}: cannot read the matrices ({reason}); extract the units again") from None
