"""SlamKit: `units.jsonl`, an object a line with the keys `file_name`, `units`, `duration` and, where known, `text`.

These are the lines that its `cli/extract_features.py` writes and its `cli/prepare_tokens.py` reads
(github.com/slp-rl/slamkit); `utt_id` is added, which SlamKit passes over.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import Contents, Entry

FILE = "units.jsonl"


@FORMATS.register("slamkit")
class SlamKit:
    """Units, durations and texts of SlamKit; of a quantiser of one stage."""

    HOLDS: ClassVar[frozenset[str]] = frozenset({"deduplicated", "durations"})
    FILES: ClassVar[tuple[str, ...]] = (FILE,)

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries; a DataError where their units have several stages."""
        with (folder / FILE).open("w", encoding="utf-8") as file:
            for entry in entries:
                file.write(json.dumps(_line(entry, contents)) + "\n")

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what `write` wrote."""
        path = folder / FILE
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            objects = {found["utt_id"]: found for found in map(json.loads, lines)}
            sequences, lengths = (
                {name: np.array(found[key], np.int64) for name, found in objects.items()}
                for key in ("units", "duration")
            )
        except (ValueError, TypeError, KeyError, OverflowError):
            raise DataError(f"{path}: a line has no utt_id, units and duration; extract the units again") from None
        return contents.assemble(folder, sequences, lengths if contents.durations else {}, {})


def _line(entry: Entry, contents: Contents) -> dict[str, Any]:
    if entry.units.codes.ndim > 1:
        raise DataError(
            f"{entry.utt_id}: units of several stages, and SlamKit reads one; give --stages 1, or another --format"
        )
    return {
        "utt_id": entry.utt_id,
        "file_name": str(entry.path),
        "units": contents.sequence(entry.units).tolist(),
        "duration": contents.lengths(entry.units).tolist(),
        **({} if entry.text is None else {"text": entry.text}),
    }
