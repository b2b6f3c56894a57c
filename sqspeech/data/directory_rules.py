"""Tables of a Kaldi data directory, and the rules between them without which it cannot be read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sqspeech.data.findings import Finding, Treatment, error
from sqspeech.data.tables import Table, scan_table
from sqspeech.segment_times import parse_segment

REMAKE = "make it from utt2spk again"


@dataclass(frozen=True, kw_only=True)
class DirectoryTables:
    """The tables of the data directory `path`."""

    path: Path
    wav_scp: Table
    utt2spk: Table
    segments: Table
    spk2utt: Table
    text: Table
    spk2gender: Table

    @classmethod
    def scan(cls, path: Path) -> "DirectoryTables":
        """Read what can be used of each table."""
        return cls(
            path=path,
            wav_scp=scan_table(path / "wav.scp"),
            utt2spk=scan_table(path / "utt2spk", 1),
            segments=scan_table(path / "segments", 3, optional=True),
            spk2utt=scan_table(path / "spk2utt", optional=True),
            text=scan_table(path / "text", optional=True),
            spk2gender=scan_table(path / "spk2gender", 1, optional=True),
        )

    @property
    def needed(self) -> tuple[Table, ...]:
        """The tables without which there are no utterances, and the one that repeats what they hold."""
        return self.wav_scp, self.utt2spk, self.segments, self.spk2utt

    @property
    def source(self) -> Table:
        """The table from which utterances are cut: segments, or wav.scp when there are none."""
        return self.segments if self.segments.rows or self.segments.unusable else self.wav_scp


def check_structure(tables: DirectoryTables) -> Iterator[Finding]:
    """Yield what is wrong between the tables; each finding stops a strict reader."""
    for check in CHECKS:
        yield from check(tables)


def check_speaker_order(speakers: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Yield what is wrong with utterance and speaker ids, sorted by utterance, that sort differently."""
    misplaced = [(one, other) for one, other in pairwise(speakers) if other[1] < one[1]]
    if not misplaced:
        return
    without = [pair for pair in speakers if not pair[0].startswith(pair[1])]
    (one, other), *_ = misplaced
    fix = _order_remedy(without or [one, other])
    for utt_id, spk_id in without or [after for _, after in misplaced]:
        detail = f"of {spk_id} sorts unlike its speaker: {other[0]} of {other[1]} is after {one[0]} of {one[1]}"
        kind = "utterances that sort unlike their speakers"
        yield error(kind, utt_id, detail, fix, Treatment.CORRECTED, stops=True)


def spk2utt_of(utt2spk: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the utterances of each speaker."""
    spk2utt: dict[str, list[str]] = {}
    for utt_id, spk_id in utt2spk.items():
        spk2utt.setdefault(spk_id, []).append(utt_id)
    return spk2utt


def _order_remedy(pairs: Sequence[tuple[str, str]]) -> str:
    """Return the remedy that has not been applied yet to these utterance and speaker ids."""
    if not all(utt_id.startswith(spk_id) for utt_id, spk_id in pairs):
        return "begin each utterance id with its speaker id and a hyphen"
    for utt_id, spk_id in pairs:
        if not utt_id.startswith(f"{spk_id}-"):
            example = f"{spk_id}-{utt_id.removeprefix(spk_id).lstrip('_.')}"
            return f"write a hyphen after each speaker's id, as in {example}, or give all speakers' ids one length"
    return "one speaker's id is the beginning of another's; rename one of the speakers"


def _pipes(tables: DirectoryTables) -> Iterator[Finding]:
    for rec_id, value in tables.wav_scp.rows.items():
        if value.endswith("|"):
            detail, fix = f"is a pipe, which is refused: {value[:80]}", "write the audio to a file"
            yield error("wav.scp with a pipe", rec_id, detail, fix, file=tables.wav_scp.path, stops=True)


def _segments(tables: DirectoryTables) -> Iterator[Finding]:
    for utt_id, value in tables.segments.rows.items():
        rec_id = parse_segment(value)[0]
        if rec_id not in tables.wav_scp.rows and rec_id not in tables.wav_scp.unusable:
            detail, fix = f"is cut from {rec_id}, which wav.scp lacks", "add the recording to wav.scp"
            kind = "segments of recordings that wav.scp lacks"
            yield error(kind, utt_id, detail, fix, file=tables.segments.path, stops=True)


def _same_utterances(tables: DirectoryTables) -> Iterator[Finding]:
    for table, other in ((tables.utt2spk, tables.source), (tables.source, tables.utt2spk)):
        for utt_id in sorted(table.rows.keys() - other.keys):
            detail = f"is in {table.name} but not in {other.name}"
            fix = f"add it to {other.name}, or remove it from {table.name}"
            kind = f"ids of {table.name} that {other.name} lacks"
            yield error(kind, utt_id, detail, fix, file=tables.path, stops=True)


def _spk2utt(tables: DirectoryTables) -> Iterator[Finding]:
    if not tables.spk2utt.present:
        return
    expected = spk2utt_of(tables.utt2spk.rows)
    stated = {spk_id: value.split() for spk_id, value in tables.spk2utt.rows.items()}
    for spk_id in sorted((expected.keys() | stated.keys()) - tables.spk2utt.unusable):
        there, wanted = stated.get(spk_id, []), expected.get(spk_id, [])
        if there != wanted:
            detail = f"disagrees with utt2spk: {len(there)} utterances, but {len(wanted)} in utt2spk"
            kind = "spk2utt that disagrees with utt2spk"
            yield error(kind, spk_id, detail, REMAKE, Treatment.CORRECTED, file=tables.spk2utt.path, stops=True)


# To check something else that no reader can do without, add a function here.
CHECKS: tuple[Callable[[DirectoryTables], Iterator[Finding]], ...] = (_pipes, _segments, _same_utterances, _spk2utt)
