"""ESPnet's discrete tokens: `text.ts` (every step) and `text.rm` (without repetition), `utt_id u1 u2 ...` a line."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from sqspeech.codec.units import Units
from sqspeech.data.tables import read_table
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import Contents, Entry, integers, spaced


@FORMATS.register("espnet")
class Espnet:
    """ESPnet's discrete tokens."""

    HOLDS: ClassVar[frozenset[str]] = frozenset()
    FILES: ClassVar[tuple[str, ...]] = ("text.ts", "text.rm")

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries both ways, whatever else is asked for."""
        with ExitStack() as stack:
            ts, rm = (stack.enter_context((folder / name).open("w", encoding="utf-8")) for name in Espnet.FILES)
            for entry in entries:
                ts.write(f"{entry.utt_id} {spaced(entry.units.codes)}\n")
                rm.write(f"{entry.utt_id} {spaced(entry.units.runs()[0])}\n")

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return every step."""
        path = folder / "text.ts"
        return {utt_id: Units(codes=integers(path, utt_id, text)) for utt_id, text in read_table(path).items()}
