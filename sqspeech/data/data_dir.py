"""Kaldi data directories: read, validate, subset, split, write."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech import audio, audio_ark
from sqspeech.data.tables import read_table, read_what_can_be, write_table
from sqspeech.errors import DataError
from sqspeech.names import is_utf8, shown, written_alike
from sqspeech.segment_times import parse_segment


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance: a recording, or the part of one from `start` to `end` seconds (`end` None: its end).

    `rec_id` names the recording that a Kaldi `segments` file cuts the utterance from; without segments the
    utterance is the whole recording. Times and names may be impossible: whoever reads it is told.
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
        _validate(self.utterances)

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
        locations = read_table(path / "wav.scp")
        _refuse_pipes(path / "wav.scp", locations)
        recordings = {rec_id: audio_path(path, location) for rec_id, location in locations.items()}
        utt2spk = read_table(path / "utt2spk", fields=1)
        segments = _read_segments(path / "segments", recordings) if exists(path / "segments") else None
        _same_keys(path, "utt2spk", utt2spk, "segments" if segments else "wav.scp", segments or recordings)
        _check_spk2utt(path, utt2spk)
        text = read_what_can_be(path / "text")
        return cls(
            tuple(
                Utterance(
                    utt_id=utt_id,
                    spk_id=spk_id,
                    text=text.get(utt_id),
                    **(segments[utt_id] if segments else {"path": recordings[utt_id]}),
                )
                for utt_id, spk_id in utt2spk.items()
            ),
            read_what_can_be(path / "spk2gender"),
        )

    def write(self, path: Path) -> None:
        """Write `wav.scp`, `utt2spk`, `spk2utt`, and `segments`, `text`, `spk2gender` where there are any."""
        segmented = any(utterance.rec_id for utterance in self)
        tables = {
            "wav.scp": {u.rec_id or u.utt_id: str(u.path.absolute()) for u in self},
            "utt2spk": {u.utt_id: u.spk_id for u in self},
            "spk2utt": _spk2utt({u.utt_id: u.spk_id for u in self}),
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


def _refuse_pipes(path: Path, locations: dict[str, str]) -> None:
    for rec_id, location in locations.items():
        if location.endswith("|"):
            raise DataError(f"{path}: {rec_id} is a pipe, which is refused; write the audio to a file")


def _read_segments(path: Path, recordings: dict[str, Path]) -> dict[str, dict[str, object]]:
    segments: dict[str, dict[str, object]] = {}
    for utt_id, value in read_table(path, fields=3).items():
        rec_id, start, end = parse_segment(value)
        if rec_id not in recordings:
            raise DataError(f"{path}: {utt_id} is cut from {rec_id}, which wav.scp lacks")
        segments[utt_id] = {"path": recordings[rec_id], "rec_id": rec_id, "start": start, "end": end}
    return segments


def _same_keys(path: Path, name: str, table: Collection[str], other_name: str, other: Collection[str]) -> None:
    differing = set(table) ^ set(other)
    if differing:
        first = min(differing)
        there, missing = (name, other_name) if first in table else (other_name, name)
        raise DataError(f"{path}: {first} is in {there} but not in {missing} ({len(differing)} such ids)")


def _spk2utt(utt2spk: dict[str, str]) -> dict[str, str]:
    spk2utt: dict[str, list[str]] = {}
    for utt_id, spk_id in utt2spk.items():
        spk2utt.setdefault(spk_id, []).append(utt_id)
    return {spk_id: " ".join(utt_ids) for spk_id, utt_ids in spk2utt.items()}


def _check_spk2utt(path: Path, utt2spk: dict[str, str]) -> None:
    if not (path / "spk2utt").exists():
        return
    stated, expected = read_table(path / "spk2utt"), _spk2utt(utt2spk)
    for spk_id in sorted(stated.keys() | expected.keys()):
        if stated.get(spk_id, "").split() != expected.get(spk_id, "").split():
            raise DataError(f"{path / 'spk2utt'}: {spk_id} disagrees with utt2spk; make spk2utt from utt2spk again")


def _validate(utterances: tuple[Utterance, ...]) -> None:
    previous: Utterance | None = None
    for utterance in utterances:
        for name in (utterance.utt_id, utterance.spk_id):
            if not name or len(name.split()) != 1 or name.split()[0] != name:
                raise DataError(f"{name!r}: an id must not be empty or have white space")
        if previous and previous.utt_id == utterance.utt_id:
            raise DataError(f"utterance {utterance.utt_id} stands twice ({previous.path} and {utterance.path})")
        if previous and previous.spk_id > utterance.spk_id:
            raise DataError(
                f"utterance {utterance.utt_id} of {utterance.spk_id} sorts after {previous.utt_id} of "
                f"{previous.spk_id}; {order_remedy([(u.utt_id, u.spk_id) for u in (previous, utterance)])}"
            )
        previous = utterance


def order_remedy(pairs: Sequence[tuple[str, str]]) -> str:
    """Return what to do, and has not been done, where these ids of utterances and speakers sort differently."""
    if not all(utt_id.startswith(spk_id) for utt_id, spk_id in pairs):
        return "begin each utterance id with its speaker id and a hyphen"
    for utt_id, spk_id in pairs:
        if not utt_id.startswith(f"{spk_id}-"):
            example = f"{spk_id}-{utt_id.removeprefix(spk_id).lstrip('_.')}"
            return f"write a hyphen behind each speaker's id, as in {example}, or give all speakers' ids one length"
    return "one speaker's id is the beginning of another's; rename one of the speakers"
