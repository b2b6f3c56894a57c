"""Units on disk: those extracted so far, which survive any stop, and folders of a format, whole or absent."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sqspeech.atomic import atomic_path, scratch_folder
from sqspeech.codec.units import FORMAT, MATRICES, RecordingStatistics, UnitInfo, Units, UnitSet
from sqspeech.data.tables import read_table, write_table
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig
from sqspeech.units.formats import FORMATS, Contents, Entry, by_contents

INFO = "info.json"
# Beside the units of every format: the statistics of their recordings, a line an utterance.
RECORDINGS = "recordings.jsonl"
# And the speakers, as in a Kaldi data directory.
SPEAKERS = "utt2spk"
# Fields of the sidecar that earlier versions did not write.
ADDED_LATER = frozenset({"stages", "smooth"})
# Of what has been extracted so far: each holds some utterances.
EXTRACTED = "[0-9]*.npz"
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """The units of an utterance.

    Attributes
    ----------
    units
        Themselves.
    n_samples
        Of how many samples of the recording.
    version
        Of the recording's file, when it was read: see `Utterance.version`.
    note
        What was done to make it usable.
    """

    units: Units
    n_samples: int
    version: str
    note: str = ""


@dataclass(frozen=True)
class Place:
    """Place of an utterance: the file and the number within it; and the version of its recording."""

    path: Path
    number: int
    version: str


def append(folder: Path, results: Mapping[str, Extracted]) -> dict[str, Place]:
    """Write the results to a file of their own in the folder, and return where they stand."""
    number = 1 + max((int(path.stem) for path in folder.glob(EXTRACTED)), default=-1)
    path = folder / f"{number:07}.npz"
    arrays: dict[str, np.ndarray] = {
        "utt_ids": np.array(list(results)),
        "n_samples": np.array([result.n_samples for result in results.values()]),
        "versions": np.array([result.version for result in results.values()]),
        "notes": np.array([result.note for result in results.values()]),
    }
    for number, result in enumerate(results.values()):
        arrays[f"codes-{number}"] = result.units.codes
        if (recording := result.units.recording) is not None:
            arrays[f"recording-{number}"] = np.array([recording.n_samples, recording.power, *recording.cepstrum_std])
        present = {name: getattr(result.units, name) for name in MATRICES}
        arrays |= {f"{name}-{number}": matrix for name, matrix in present.items() if matrix is not None}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return {utt_id: Place(path, number, result.version) for number, (utt_id, result) in enumerate(results.items())}


def find_extracted(folder: Path) -> dict[str, Place]:
    """Return where the utterances of all files at any depth below the folder stand; a damaged file is passed over."""
    found: dict[str, Place] = {}
    for path in sorted(folder.rglob(EXTRACTED)):
        with suppress(*DAMAGED), path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            rows = enumerate(zip(stored["utt_ids"].tolist(), stored["versions"].tolist(), strict=True))
            found |= {utt_id: Place(path, number, version) for number, (utt_id, version) in rows}
    return found


def read_extracted(places: Sequence[Place]) -> Iterator[Extracted]:
    """Yield what stands at the places; neighbours in a file cost one opening of it."""
    opened: Path | None = None
    for place in places:
        if place.path != opened:
            stored, opened = np.load(place.path, allow_pickle=False), place.path
            n_samples, notes = stored["n_samples"], stored["notes"]
        matrices = {name: stored[key] for name in MATRICES if (key := f"{name}-{place.number}") in stored}
        units = Units(codes=stored[f"codes-{place.number}"], recording=_statistics(stored, place.number), **matrices)
        length, note = int(n_samples[place.number]), str(notes[place.number])
        yield Extracted(units=units, n_samples=length, version=place.version, note=note)


def _statistics(stored: Mapping[str, np.ndarray], number: int) -> RecordingStatistics | None:
    if f"recording-{number}" not in stored:
        return None
    n_samples, power, *deviations = stored[f"recording-{number}"].tolist()
    return RecordingStatistics(n_samples=int(n_samples), power=power, cepstrum_std=tuple(deviations))


def check_target(target: Path, name: str) -> None:
    """Raise DataError where the folder of a format cannot be replaced, as it holds what `sqspeech units` did not write.

    One that is absent or empty can.
    """
    found = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    patterns = [INFO, RECORDINGS, SPEAKERS, *FORMATS[name].FILES] if INFO in found else []
    foreign = [file for file in found if not any(Path(file).match(pattern) for pattern in patterns)]
    if foreign or (target.exists(follow_symlinks=False) and not target.is_dir()):
        raise DataError(
            f"{Path(target, *foreign[:1])}: `sqspeech units` did not write it, and would remove it in replacing "
            f"{target}; move it away, or choose another folder"
        )


def write(
    output: Path, name: str, entries: Iterator[Entry], contents: Contents, info: UnitInfo, scratch_beside: Path
) -> None:
    """Write a format's folder in `output`, whole or not at all, and remove the one before.

    Parameters
    ----------
    output, name
        The folder of all formats, and the format.
    entries
        In the order of their ids.
    contents
        What was asked for; the format takes what it has a place for.
    info
        The sidecar.
    scratch_beside
        A folder on the same disk, where it is written at first.

    Raises
    ------
    SqspeechError
        It cannot be written, or the disk is full.
    """
    form, target = FORMATS[name], output / name
    own = Contents(**{field: value for field, value in asdict(contents).items() if field in form.HOLDS})
    about = replace(info, deduplicated=own.deduplicated)
    with scratch_folder(scratch_beside) as scratch:
        folder = scratch / name
        folder.mkdir()
        speakers = dict[str, str]()
        with (folder / RECORDINGS).open("w", encoding="utf-8") as recordings:
            form.write(folder, _noted(entries, about, recordings, speakers), own)
        if speakers:
            write_table(folder / SPEAKERS, speakers)
        text = json.dumps({**asdict(about), "layout": name, **asdict(own)}, indent=2)
        (folder / INFO).write_text(text + "\n", encoding="utf-8")
        if target.exists():
            target.rename(scratch / "before")
        folder.rename(target)


def _noted(entries: Iterable[Entry], info: UnitInfo, recordings: TextIO, speakers: dict[str, str]) -> Iterator[Entry]:
    """Yield the entries, their units with `info`; write the statistics of their recordings, and add their speakers."""
    for entry in entries:
        if entry.speaker is not None:
            speakers[entry.utt_id] = entry.speaker
        recording = entry.units.recording
        if recording is not None:
            recordings.write(json.dumps({"utt_id": entry.utt_id, **asdict(recording)}) + "\n")
        yield replace(entry, units=entry.units.with_origin(info, recording))


def read(path: Path | str) -> UnitSet:
    """Return the units that `sqspeech units` wrote to a folder; of several formats, the one that holds most.

    Where the durations are known, the codes are one a step again, and `info.deduplicated` is false.

    Raises
    ------
    DataError
        There are none, or they are damaged.
    """
    path = Path(path)
    here = [path, *(path / name for name in by_contents())]
    folder = next((folder for folder in here if (folder / INFO).is_file()), None)
    if folder is None:
        raise DataError(f"{path}: no units here; make them with `sqspeech units CKPT INPUT... -o {path}`")
    info, layout, contents = _info(folder / INFO)
    try:
        units = FORMATS[layout].read(folder, contents)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder}: cannot read the units ({error}); extract them again") from None
    if not units:
        raise DataError(f"{folder}: no utterance in it; extract the units again")
    for utt_id, found in units.items():
        _check(folder, utt_id, found, info)
    about = replace(info, deduplicated=info.deduplicated and not contents.durations)
    recordings = _recordings(folder / RECORDINGS)
    return UnitSet(
        info=about,
        units={utt_id: found.with_origin(about, recordings.get(utt_id)) for utt_id, found in units.items()},
        speakers=read_table(folder / SPEAKERS) if (folder / SPEAKERS).exists() else {},
    )


def _recordings(path: Path) -> dict[str, RecordingStatistics]:
    """Return the statistics of the recordings; none where an earlier version wrote the units."""
    if not path.exists():
        return {}
    statistics, found = TypeAdapter(RecordingStatistics), dict[str, RecordingStatistics]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            found[values.pop("utt_id")] = statistics.validate_python(values)
        except (ValueError, TypeError, KeyError, AttributeError, ValidationError):
            raise DataError(f"{path}:{number}: damaged; extract the units again") from None
    return found


def _info(path: Path) -> tuple[UnitInfo, str, Contents]:
    """Return the sidecar, the format of the units, and what they hold."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        names = UnitInfo.__dataclass_fields__.keys() | {"layout", "durations", "matrices"}
        fits = names - ADDED_LATER <= values.keys() <= names
        if values["format"] == FORMAT and fits and values["layout"] in FORMATS.names():
            layout = values.pop("layout")
            held = {"deduplicated": values["deduplicated"]}
            held |= {name: values.pop(name) for name in ("durations", "matrices")}
            LogMelConfig(**values["features"])
            info, contents = TypeAdapter(UnitInfo), TypeAdapter(Contents)
            return info.validate_python(values), layout, contents.validate_python(held)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ValidationError):
        pass
    raise DataError(f"{path}: damaged, or of another version; extract the units again")


def _check(folder: Path, utt_id: str, units: Units, info: UnitInfo) -> None:
    codes = units.codes
    shape = codes.shape[1:] == (() if info.stages == 1 else (info.stages,))
    if not shape or not len(codes) or not np.issubdtype(codes.dtype, np.integer):
        raise DataError(f"{folder}: {utt_id} has no sequence of units; extract them again")
    if not 0 <= codes.min() <= codes.max() < info.codebook_size:
        raise DataError(
            f"{folder}: {utt_id} has units from {codes.min()} to {codes.max()} of a codebook of {info.codebook_size}; "
            "the files are damaged, extract the units again"
        )
