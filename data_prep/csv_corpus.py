"""A corpus as a table: CSV or TSV with the columns `path` and `speaker`, and of those in OPTIONAL any."""

import csv
import difflib
import io
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Literal

from data_prep.inventory import Inventory
from data_prep.recordings import NOBODY, Recording, safe_speaker, spoken
from sqspeech.data.data_dir import exists
from sqspeech.errors import DataError
from sqspeech.names import shown, written_alike

REQUIRED = ("path", "speaker")
OPTIONAL = ("text", "utt_id", "gender", "start", "end")
GENDERS = {"m": "m", "male": "m", "f": "f", "female": "f"}


def recordings(table: Path, inventory: Inventory) -> Iterator[Recording]:
    """Yield the recordings that `table` names, paths relative to its folder; a faulty row is noted in `inventory`.

    Raises
    ------
    DataError
        `table` is not UTF-8, its quotes do not match, or its header lacks a column.
    """
    lines = list(_rows(table))
    column = lines[0][1].index("path") if lines else 0
    paths = _Paths(table, [cells[column].strip() for _, _, cells in lines if len(cells) > column])
    for number, header, cells in lines:
        name = shown(f"{table.name}:{number}")
        given = dict(zip(header, cells, strict=False))
        row = {column: given.get(column, "").strip() for column in REQUIRED + OPTIONAL}
        if len(cells) > len(header):
            detail = shown(f"from {cells[len(header)]!r} on; put a cell that has the separator in quotes")
            inventory.skip(name, NOBODY, "a row with too many cells", detail)
        elif not (row["path"] and row["speaker"]):
            inventory.skip(name, NOBODY, "a row without path or speaker", shown(cells))
        else:
            yield from _recording(paths, name, row, inventory)


def _rows(table: Path) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield the number, the header and the cells of each line that is not blank."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: not UTF-8 at byte {error.start}; convert it to UTF-8") from None
    delimiter = max("\t,;", key=text.partition("\n")[0].count)
    # Tables with tabs do not quote, and a lone quotation mark in their texts is meant.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _check_header(table, header)
        for cells in reader:
            if any(cells):
                yield reader.line_num, header, cells
    except csv.Error as error:
        raise DataError(f"{table}:{reader.line_num}: {error}; is a quotation mark left open?") from None


def _check_header(table: Path, header: list[str]) -> None:
    for column in REQUIRED + OPTIONAL:
        if header.count(column) > 1:
            raise DataError(f"{table}: the header has {column!r} twice; rename one")
    for column in REQUIRED:
        if column not in header:
            nearest = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
            hint = f"is {nearest[0]!r} meant? Rename it" if nearest else f"it has {', '.join(header) or 'nothing'}"
            raise DataError(f"{table}: the header has no column {column!r}; {shown(hint)}")


def _recording(paths: "_Paths", name: str, row: dict[str, str], inventory: Inventory) -> Iterator[Recording]:
    try:
        start, end = _times(row)
    except ValueError:
        detail = shown(f"start {row['start']!r}, end {row['end']!r}; expected seconds, the end after the start")
        inventory.skip(name, safe_speaker(row["speaker"]), "a row with bad times", detail)
        return
    path, alike = paths.find(row["path"])
    if alike:
        detail = shown(f"{path} is not there, but {alike.name} is; write it so")
        inventory.skip(name, safe_speaker(row["speaker"]), "no such file", detail)
        return
    yield Recording(
        name=name,
        speaker=row["speaker"],
        label=_label(row, paths.name(row["path"]), start, end),
        path=path,
        start=start,
        end=end,
        text=spoken(row["text"]),
        gender=GENDERS.get(row["gender"].lower()),
    )


def _times(row: dict[str, str]) -> tuple[float, float | None]:
    start = float(row["start"] or 0)
    end = float(row["end"]) if row["end"] else None
    if not 0 <= start < (math.inf if end is None else end) or end == math.inf:
        raise ValueError
    return start, end


def _label(row: dict[str, str], path: PurePath, start: float, end: float | None) -> str:
    """Return the given id, or else path and times: the same as `data_prep.folder` makes for a folder a speaker."""
    if row["utt_id"]:
        return row["utt_id"].removeprefix(f"{row['speaker']}-")
    whole = str(path).removesuffix(path.suffix).removeprefix(f"{row['speaker']}/")
    if not start and end is None:
        return whole
    last = "end" if end is None else f"{round(1000 * end):08d}"
    return f"{whole}-{round(1000 * start):08d}-{last}"


class _Paths:
    """The paths of a table, and what an id has of them: of absolute ones what they do not have in common."""

    def __init__(self, table: Path, written: Iterable[str]) -> None:
        self.folder = table.parent.absolute()
        outside = [path for name in written if (path := Path(name)).is_absolute() and not self._is_inside(path)]
        self.common = Path(os.path.commonpath([path.parent for path in outside])) if outside else Path("/")

    def name(self, written: str) -> PurePath:
        """Return the part of a path as it is written that is to be in an id."""
        path = Path(written.replace("\\", "/") if not exists(self.folder / written) else written)
        if not path.is_absolute() or path == path.parent:
            return path
        return path.relative_to(self.folder if self._is_inside(path) else self.common)

    def find(self, written: str) -> tuple[Path, Path | None]:
        """Return the file that is meant and, where it is not there, one that is perhaps."""
        path = (self.folder / written).absolute()
        found, sure = (None, False) if exists(path) else written_alike(path)
        return (found, None) if found and sure else (path, found)

    def _is_inside(self, path: Path) -> bool:
        return path.is_relative_to(self.folder)
