"""Table of vocoders: a row for each recording and kind, a column for each vocoder, with the values of the judges."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.report.listening import LONGEST, Cell, CellReader, read_manifest

COLUMNS = ("utt_id", "speaker", "kind", "target", "vocoder", "output")
# Kinds of the manifest.
NATURAL, CONVERSION = "natural", "conversion"
# Of the values in the manifest, those that are shown: their names and their forms.
SHOWN = {
    "distillmos": ("DistillMOS", "{:.2f}"),
    "dnsmos_overall": ("DNSMOS", "{:.2f}"),
    "pesq": ("PESQ", "{:.2f}"),
    "similarity_target": ("Similarity", "{:.2f}"),
    "word_error": ("Word error", "{:.0f} %"),
}


@dataclass(frozen=True, kw_only=True)
class VocodedCell:
    """A recording, and what judges gave it: shown values by their names."""

    cell: Cell
    values: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class VocoderRow:
    """Speech of a recording for a target: natural speech of the target, and one of each vocoder; None where missing."""

    utt_id: str
    kind: str
    target: str
    natural: VocodedCell | None
    vocoded: list[VocodedCell | None]


@dataclass(frozen=True, kw_only=True)
class VocoderTable:
    """Rows with a column for each of the `vocoders`; `judged` where there are values."""

    vocoders: list[str]
    rows: list[VocoderRow]
    judged: bool

    @property
    def cells(self) -> list[Cell]:
        """All cells that are not empty."""
        return [found.cell for row in self.rows for found in (row.natural, *row.vocoded) if found]


def read_vocoders(manifest: Path, config: LogMelConfig) -> VocoderTable | None:
    """Read the recordings of `sqspeech compare-vocoders`; None without a manifest.

    Raises
    ------
    DataError
        The manifest is malformed, or a recording cannot be read.
    """
    entries = read_manifest(manifest, COLUMNS)
    if not entries:
        return None
    reader = CellReader(LogMel(config), manifest.parent, LONGEST)
    natural, rows = dict[str, VocodedCell](), dict[tuple[str, str, str], dict[str, VocodedCell]]()
    for entry in entries:
        found = VocodedCell(cell=reader.cell(entry["target"], manifest.parent / entry["output"]), values=_values(entry))
        if entry["kind"] == NATURAL:
            natural[entry["target"]] = found
        else:
            rows.setdefault((entry["utt_id"], entry["kind"], entry["target"]), {})[entry["vocoder"]] = found
    vocoders = list(dict.fromkeys(name for by_vocoder in rows.values() for name in by_vocoder))
    return VocoderTable(
        vocoders=vocoders,
        rows=[
            VocoderRow(
                utt_id=utt_id,
                kind=kind,
                target=target,
                natural=natural.get(target),
                vocoded=[by_vocoder.get(name) for name in vocoders],
            )
            for (utt_id, kind, target), by_vocoder in rows.items()
        ],
        judged=any(name in entry for entry in entries for name in SHOWN),
    )


def _values(entry: Mapping[str, str]) -> dict[str, str]:
    try:
        return {label: form.format(float(entry[key])) for key, (label, form) in SHOWN.items() if entry.get(key)}
    except ValueError:
        raise DataError(f"manifest.tsv: {entry['output']} has a value that is not a number; compare again") from None
