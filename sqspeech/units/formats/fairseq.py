"""fairseq and GSLM: `units.txt` with `utt_id|u1 u2 ...` a line, and `manifest.tsv` in the same order.

The manifest's first line is the folder of all recordings, the others are `path<TAB>samples`: an utterance's own, also
where it is a part of a recording.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import Contents, Entry, integers, spaced


@FORMATS.register("fairseq")
class Fairseq:
    """Units of fairseq and GSLM, with the manifest of their recordings."""

    HOLDS: ClassVar[frozenset[str]] = frozenset({"deduplicated"})
    FILES: ClassVar[tuple[str, ...]] = ("units.txt", "manifest.tsv")

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries."""
        rows = []
        with (folder / "units.txt").open("w", encoding="utf-8") as units:
            for entry in entries:
                units.write(f"{entry.utt_id}|{spaced(contents.sequence(entry.units))}\n")
                rows.append((entry.path.absolute(), entry.n_samples))
        root = Path(os.path.commonpath([path.parent for path, _ in rows]))
        lines = [str(root), *(f"{path.relative_to(root)}\t{n_samples}" for path, n_samples in rows)]
        (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return the units; this format has no durations."""
        path, found = folder / "units.txt", dict[str, Units]()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            utt_id, bar, text = line.rpartition("|")
            if not bar:
                raise DataError(f"{path}:{number}: expected `utt_id|u1 u2 ...`; extract the units again")
            found[utt_id] = Units(codes=integers(path, utt_id, text))
        return found
