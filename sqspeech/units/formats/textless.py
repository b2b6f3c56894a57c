"""textless-lib: `units.units` and, where asked for, `units.durations`, each `utt_id<TAB>u1 u2 ...` a line."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import Contents, Entry, integers, spaced


@FORMATS.register("textless")
class Textless:
    """textless-lib's units and durations."""

    HOLDS: ClassVar[frozenset[str]] = frozenset({"deduplicated", "durations"})
    FILES: ClassVar[tuple[str, ...]] = ("units.units", "units.durations")

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries."""
        with ExitStack() as stack:
            names = ("units.units", "units.durations") if contents.durations else ("units.units",)
            files = [stack.enter_context((folder / name).open("w", encoding="utf-8")) for name in names]
            for entry in entries:
                values = (contents.sequence(entry.units), contents.lengths(entry.units))
                for file, value in zip(files, values, strict=False):
                    file.write(f"{entry.utt_id}\t{spaced(value)}\n")

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what `write` wrote."""
        sequences = _read(folder / "units.units")
        lengths = _read(folder / "units.durations") if contents.durations else {}
        return contents.assemble(folder, sequences, lengths, {})


def _read(path: Path) -> dict[str, NDArray[np.int64]]:
    found: dict[str, NDArray[np.int64]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        utt_id, tab, text = line.partition("\t")
        if not tab:
            raise DataError(f"{path}:{number}: expected `utt_id<TAB>u1 u2 ...`; extract the units again")
        found[utt_id] = integers(path, utt_id, text)
    return found
