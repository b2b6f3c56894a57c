"""List of the recordings that a run wrote, as TSV and as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.names import shown


def write_manifest(
    output: Path, about: Mapping[str, str], columns: Sequence[str], rows: Sequence[Mapping[str, object]]
) -> None:
    """Write `output`/manifest.tsv with a row a recording, and manifest.json with the values `about` all of them."""
    write_text(output / "manifest.json", json.dumps({**about, "recordings": rows}, indent=2) + "\n")
    lines = [columns, *(["" if row[name] is None else shown(row[name]) for name in columns] for row in rows)]
    write_text(output / "manifest.tsv", "".join("\t".join(line) + "\n" for line in lines))
