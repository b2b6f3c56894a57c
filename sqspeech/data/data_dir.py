"""Kaldi data directories: read, validate, subset, split, write."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech import audio, audio_ark
from sqspeech.data.directory_rules import DirectoryTables, check_speaker_order, check_structure, spk2utt_of
from sqspeech.data.findings import refuse
from sqspeech.data.tables import write_table
from sqspeech.errors import DataError
from sqspeech.names import is_utf8, shown, written_alike
from sqspeech.segment_times import parse_segment

GENDERS = ("m", "f")


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance: a recording, or the part of one from `start` to `end` seconds (`end` None: its end).

    `rec_id` names the recording that a Kaldi `segments` file cuts the utterance from; without segments the
    utterance is the whole recording. Times and names may be impossible; reading it raises DataError.
    """

    utt_id: str
    spk_id: str
    path: Path
    rec_id: str | None = None
    start: float = 0.0
    end: float | None = None
    text: str | None = None

    def open(self) -> audio.AudioFile:
        """Return the recording, or the part of it, with its header read; raises DataError (see `AudioFile`)."""
        self.check_name()
        return audio.AudioFile(self.path, self.start, self.end)

    def read(self, sample_rate: int) -> NDArray[np.float32]:
        """Return the samples, mono, at `sample_rate` Hz; raises DataError (see `AudioFile`)."""
        with self.open() as file:
            return file.read(sample_rate)

    def seconds(self) -> float:
        """Return the duration by the recording's header; raises DataError (see `AudioFile`)."""
        with self.open() as file:
            return file.seconds

    def version(self) -> str:
        """Return the size and the time of the recording's file, which change with it; empty where there is none."""
        try:
            status = os.stat(audio_ark.file_of(self.path))  # noqa: PTH116 (a third quicker, and there may be very many)
        except (OSError, ValueError):
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def check_name(self) -> None:
        """Raise DataError where the id or the path is not UTF-8, which not all that is written can hold."""
        if not is_utf8(f"{self.utt_id}{self.path}"):
            raise DataError(f"{shown(self.path)}: the name is not UTF-8; rename it, for instance with convmv")


@dataclass(frozen=True)
class DataDir:
    """Utterances sorted by id, and the gender ("m" or "f") of the speakers where it is known.

    Raises
    ------
    DataError
        An id is empty, repeated or has white space, or the order of the speakers differs from that of the
        utterances (Kaldi needs utterance ids that begin with their speaker's).
    """

    utterances: tuple[Utterance, ...]
    spk2gender: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "utterances", tuple(sorted(self.utterances, key=lambda u: u.utt_id)))
        _check_ids(self.utterances)
        refuse(check_speaker_order([(utterance.utt_id, utterance.spk_id) for utterance in self.utterances]))

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    @property
    def speakers(self) -> list[str]:
        """The speaker ids, sorted."""
        return sorted({utterance.spk_id for utterance in self})

    def subset(self, utt_ids: Iterable[str]) -> "DataDir":
        """Return the data directory of the named utterances; an unknown id is a DataError."""
        wanted = set(utt_ids)
        unknown = wanted - {utterance.utt_id for utterance in self}
        if unknown:
            raise DataError(f"no utterance {min(unknown)} in this data directory ({len(unknown)} such ids)")
        kept = tuple(utterance for utterance in self if utterance.utt_id in wanted)
        speakers = {utterance.spk_id for utterance in kept}
        return DataDir(kept, {spk: sex for spk, sex in self.spk2gender.items() if spk in speakers})

    def split(self, assign: Callable[[Utterance], str]) -> dict[str, "DataDir"]:
        """Return one data directory for each name that `assign` gives to an utterance."""
        parts: dict[str, list[str]] = {}
        for utterance in self:
            parts.setdefault(assign(utterance), []).append(utterance.utt_id)
        return {name: self.subset(parts[name]) for name in sorted(parts)}

    @classmethod
    def read(cls, path: Path) -> "DataDir":
        """Read and validate a Kaldi data directory.

        Relative paths in `wav.scp` are sought beside it first and then, as Kaldi does, from the working
        directory. Whether the audio itself, or the segment of it, can be read is seen when it is read. Texts and
        genders that cannot be read are left out.

        Raises
        ------
        DataError
            A file is missing, unsorted, malformed, or disagrees with another one; the line is named.
        """
        tables = DirectoryTables.scan(path)
        for table in tables.needed:
            refuse(table.findings)
        refuse(check_structure(tables))
        return cls(tuple(utterances_of(tables)), genders_of(tables))

    def write(self, path: Path) -> None:
        """Write `wav.scp`, `utt2spk`, `spk2utt`, and `segments`, `text`, `spk2gender` where there are any."""
        segmented = any(utterance.rec_id for utterance in self)
        tables = {
            "wav.scp": {u.rec_id or u.utt_id: str(u.path.absolute()) for u in self},
            "utt2spk": {u.utt_id: u.spk_id for u in self},
            "spk2utt": {
                spk_id: " ".join(utt_ids) for spk_id, utt_ids in spk2utt_of({u.utt_id: u.spk_id for u in self}).items()
            },
            "segments": {
                u.utt_id: f"{u.rec_id or u.utt_id} {u.start} {-1 if u.end is None else u.end}"
                for u in self
                if segmented
            },
            "text": {u.utt_id: u.text for u in self if u.text is not None},
            "spk2gender": self.spk2gender,
        }
        for name, table in tables.items():
            if table:
                write_table(path / name, table)
            else:
                (path / name).unlink(missing_ok=True)


def audio_path(folder: Path, location: str) -> Path:
    """Return the file that `location` in the wav.scp of `folder` means; see `DataDir.read`."""
    joined = os.path.join(folder, location)  # noqa: PTH118 (twice as quick, and there may be very many)
    beside = Path(joined)
    if exists(joined) or exists(audio_ark.file_of(beside)):
        return beside
    places = [Path(location), *(found for path in (beside, Path(location)) if (found := _alike(path)))]
    return next((place for place in places if exists(audio_ark.file_of(place))), beside)


def _alike(path: Path) -> Path | None:
    found, sure = written_alike(path)
    return found if sure else None


def exists(path: Path | str) -> bool:
    """Return whether there is a file or a folder of this name; of one that cannot be, there is none."""
    return os.path.exists(path)  # noqa: PTH110 (which raises where a name is too long)


def utterances_of(tables: DirectoryTables) -> Iterator[Utterance]:
    """Yield the utterances that utt2spk, segments and wav.scp agree on, whatever their times and names."""
    source_table = tables.source
    segmented, sources = source_table is tables.segments, source_table.rows
    locations, text = tables.wav_scp.rows, tables.text.utf8_rows
    paths: dict[str, Path] = {}
    for utt_id, spk_id in tables.utt2spk.rows.items():
        source = sources.get(utt_id)
        if source is None:
            continue
        rec_id, start, end = parse_segment(source) if segmented else (utt_id, 0.0, None)
        location = locations.get(rec_id, "|")
        if location.endswith("|"):
            continue
        if rec_id not in paths:
            paths[rec_id] = audio_path(tables.path, location)
        yield Utterance(
            utt_id=utt_id,
            spk_id=spk_id,
            path=paths[rec_id],
            rec_id=rec_id if segmented else None,
            start=start,
            end=end,
            text=text.get(utt_id),
        )


def genders_of(tables: DirectoryTables) -> dict[str, str]:
    """Return the gender, "m" or "f", of the speakers whose gender is known; capital letters are read, too."""
    speakers, rows = set(tables.utt2spk.rows.values()), tables.spk2gender.utf8_rows
    return {spk: sex.lower() for spk, sex in rows.items() if spk in speakers and sex.lower() in GENDERS}


def _check_ids(utterances: Sequence[Utterance]) -> None:
    """Raise DataError unless the sorted utterances have ids of Kaldi's form, each its own."""
    names = [name for utterance in utterances for name in (utterance.utt_id, utterance.spk_id)]
    if " ".join(names).split() != names:
        bad = next(name for name in names if name.split() != [name])
        raise DataError(f"{bad!r}: an id must not be empty or have white space; rename it")
    for one, other in pairwise(utterances):
        if one.utt_id == other.utt_id:
            raise DataError(f"utterance {one.utt_id} stands twice ({one.path} and {other.path}); rename one")
