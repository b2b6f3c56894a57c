"""The lists of ZeroSpeech 2019 as earlier work published them, in JSON or CSV, and the corpus's own vads.txt.

An entry of `train` or `test` is an in path, an offset and a duration in seconds, and an out path; of `speakers` a
speaker; of `mse_evaluation` an in path and its speaker; of `synthesis` an in path and the voice to convert it into.
Paths begin with the language and have no extension. A CSV has no header.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqspeech.errors import DataError

COLUMNS = {
    "train": ("in path", "offset", "duration", "out path"),
    "test": ("in path", "offset", "duration", "out path"),
    "speakers": ("speaker",),
    "mse_evaluation": ("in path", "speaker"),
    "synthesis": ("in path", "voice"),
}
# All speakers' ids have one length, so that they sort as their utterances do.
OUT_PATHS = {
    "train": re.compile(r"(?:.+/)?([SV]\d{3})/(\1_[\w.-]+)"),
    "test": re.compile(r"(?:.+/)?([SV]\d{3})_[\w.-]+"),
    "mse_evaluation": re.compile(r"(?:.+/)?([SV]\d{3})_[\w.-]+"),
}


@dataclass(frozen=True, kw_only=True)
class ListEntry:
    """An utterance: a recording, or its part from `start` to `end` seconds.

    `recording` is its path below the language's folder, without extension.
    """

    recording: str
    utt_id: str
    spk_id: str
    start: float = 0.0
    end: float | None = None

    @property
    def rec_id(self) -> str:
        """The name of the recording's file, without extension."""
        return self.recording.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Lists:
    """Contents of each set; `synthesis` has the ids of the test utterances to be converted into each voice."""

    train: tuple[ListEntry, ...]
    test: tuple[ListEntry, ...]
    mse: tuple[ListEntry, ...] = ()
    synthesis: dict[str, frozenset[str]] = field(default_factory=dict)


def read_lists(folder: Path, language: str) -> Lists:
    """Read the lists of `language` in `folder`/2019/`language` or in `folder`; mse_evaluation and synthesis may lack.

    The list `train` is `train.json` or `train.csv`, else `2019_<language>_train`, else the only
    `*<language>_train` with one of these extensions; so are the others.

    Raises
    ------
    DataError
        A list is missing, stands there twice, is neither JSON nor CSV, has an entry that is ill-formed or repeated,
        or names a speaker or recording that another list should have and has not.
    """
    train = _utterances(_required(folder, language, "train"), language, "train")
    test = _utterances(_required(folder, language, "test"), language, "test")
    _check_speakers(_required(folder, language, "speakers"), train)
    mse = _find(folder, language, "mse_evaluation")
    synthesis = _find(folder, language, "synthesis")
    return Lists(
        train=train,
        test=test,
        mse=_utterances(mse, language, "mse_evaluation") if mse else (),
        synthesis=_targets(synthesis, language, train, test) if synthesis else {},
    )


def read_vads(path: Path) -> dict[str, tuple[float, float]]:
    """Return the first onset and the last offset of each recording in vads.txt, in seconds.

    Raises
    ------
    DataError
        A line is not `utt_id start end` with 0 <= start < end.
    """
    spans: dict[str, tuple[float, float]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        times = [_number(cell) for cell in fields[1:]]
        if len(times) != 2 or not 0 <= times[0] < times[1] < math.inf:
            raise DataError(f"{path}:{number}: expected an id, its start and end in seconds, found {line!r}")
        start, end = spans.get(fields[0], (math.inf, 0.0))
        spans[fields[0]] = min(start, times[0]), max(end, times[1])
    return spans


def _required(folder: Path, language: str, name: str) -> Path:
    path = _find(folder, language, name)
    if path is None:
        raise DataError(
            f"{folder}: no {name}.json, {name}.csv, 2019_{language}_{name}.json or .csv there or in 2019/{language}; "
            "check --lists and --language"
        )
    return path


def _find(folder: Path, language: str, name: str) -> Path | None:
    for place in (folder / "2019" / language, folder):
        # The 2019 lists by name first: those of 2017 may lie beside them.
        for pattern in (name, f"2019_{language}_{name}", f"*{language}_{name}"):
            found = sorted(path for suffix in (".csv", ".json") for path in place.glob(pattern + suffix))
            if len(found) > 1:
                raise DataError(f"{place}: {found[0].name} and {found[1].name} are both a list {name}; keep one there")
            if found:
                return found[0]
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; fetch the list again") from None


def _entries(path: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield where each entry stands, for messages, and its cells."""
    columns = COLUMNS[name]
    # Lists for conversion in JSON have the name to write as a third cell.
    allowed = {len(columns), 3} if name == "synthesis" else {len(columns)}
    entries = list(_json_entries(path) if path.suffix == ".json" else _csv_entries(path))
    if not entries:
        raise DataError(f"{path}: the list is empty; fetch it again")
    for place, cells in entries:
        if len(cells) not in allowed or not all(cells):
            raise DataError(f"{place}: expected {', '.join(columns)}, found {', '.join(cells)!r}")
        yield place, cells


def _csv_entries(path: Path) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            yield f"{path}:{number}", [cell.strip() for cell in line.split(",")]


def _json_entries(path: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        entries = json.loads(_text(path))
    except ValueError as error:
        raise DataError(f"{path}: no JSON ({error}); fetch the list again") from None
    if not isinstance(entries, list):
        raise DataError(f"{path}: expected a list of entries, found a {type(entries).__name__}")
    for number, entry in enumerate(entries, start=1):
        yield f"{path}: entry {number}", [str(cell) for cell in (entry if isinstance(entry, list) else [entry])]


def _utterances(path: Path, language: str, name: str) -> tuple[ListEntry, ...]:
    rows: dict[str, ListEntry] = {}
    recordings: dict[str, str] = {}
    for place, cells in _entries(path, name):
        row = _mse_row(place, cells, language) if name == "mse_evaluation" else _row(place, cells, language, name)
        if row.utt_id in rows:
            raise DataError(f"{place}: utterance {row.utt_id} stands twice in the list; remove one")
        # Kaldi finds a segment's recording by its name.
        if recordings.setdefault(row.rec_id, row.recording) != row.recording:
            other = recordings[row.rec_id]
            raise DataError(f"{place}: {row.recording} has the name of {other} and is another recording; remove one")
        rows[row.utt_id] = row
    return tuple(rows.values())


def _row(place: str, cells: list[str], language: str, name: str) -> ListEntry:
    offset, duration = _number(cells[1]), _number(cells[2])
    if not (0 <= offset < math.inf and 0 < duration < math.inf):
        raise DataError(f"{place}: offset {cells[1]} and duration {cells[2]} are no times in seconds")
    recording = _recording(place, cells[0], language)
    spk_id, utt_id = _ids(place, cells[3], name)
    # To the microsecond, so that 0.1 + 0.2 is written as 0.3.
    return ListEntry(recording=recording, utt_id=utt_id, spk_id=spk_id, start=offset, end=round(offset + duration, 6))


def _mse_row(place: str, cells: list[str], language: str) -> ListEntry:
    spk_id, utt_id = _ids(place, cells[0], "mse_evaluation")
    if spk_id != cells[1]:
        raise DataError(f"{place}: {cells[0]} is named after another speaker than {cells[1]}")
    return ListEntry(recording=_recording(place, cells[0], language), utt_id=utt_id, spk_id=spk_id)


def _ids(place: str, path: str, name: str) -> tuple[str, str]:
    found = OUT_PATHS[name].fullmatch(path)
    if not found:
        folder = "S015/" if name == "train" else ""
        raise DataError(f"{place}: expected a path that ends like {folder}S015_0000000001, found {path!r}")
    return found[1], path.rpartition("/")[2]


def _recording(place: str, path: str, language: str) -> str:
    if not re.fullmatch(rf"{language}(/[\w-]+)+", path):
        expected = f"{language}/train/unit/S015_0000000001"
        raise DataError(f"{place}: expected an in path such as {expected}, found {path!r}; check --language")
    return path.removeprefix(f"{language}/")


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _check_speakers(path: Path, train: Iterable[ListEntry]) -> None:
    listed = {cells[0] for _, cells in _entries(path, "speakers")}
    missing = sorted({row.spk_id for row in train} - listed)
    if missing:
        raise DataError(f"{path}: {missing[0]} is in the training list but not here ({len(missing)} such speakers)")


def _targets(
    path: Path, language: str, train: Iterable[ListEntry], test: Iterable[ListEntry]
) -> dict[str, frozenset[str]]:
    speakers = {row.spk_id for row in train}
    cut_from: dict[str, set[str]] = {}
    for row in test:
        cut_from.setdefault(row.recording, set()).add(row.utt_id)
    targets: dict[str, set[str]] = {}
    for place, cells in _entries(path, "synthesis"):
        utt_ids = cut_from.get(_recording(place, cells[0], language))
        if utt_ids is None:
            raise DataError(f"{place}: {cells[0]} is not in the list test; remove it or take the lists of one release")
        if cells[1] not in speakers:
            raise DataError(f"{place}: {cells[1]} is no speaker of the list train, so nothing can speak as it")
        targets.setdefault(cells[1], set()).update(utt_ids)
    return {voice: frozenset(targets[voice]) for voice in sorted(targets)}
