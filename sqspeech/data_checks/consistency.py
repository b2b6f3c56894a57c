"""Checks that the tables of a data directory agree with each other and with Kaldi's rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sqspeech.data.data_dir import Utterance, audio_path, order_remedy
from sqspeech.data_checks.findings import Finding, Mending, error, note, warning
from sqspeech.data_checks.tables import Table, read_leniently
from sqspeech.names import file_name
from sqspeech.segment_times import parse_segment, time_fault

REMAKE = "make it from utt2spk again"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of the data directory `path`."""

    path: Path
    wav_scp: Table
    utt2spk: Table
    spk2utt: Table
    segments: Table
    text: Table
    spk2gender: Table

    @property
    def audio(self) -> Table:
        """The table that says what an utterance is cut from: segments, or wav.scp when there are none."""
        return self.segments if self.segments.keys else self.wav_scp


def read_tables(path: Path) -> tuple[Tables, list[Finding]]:
    """Return the tables of a data directory, and what is wrong with each of them."""
    fields = {"wav.scp": None, "utt2spk": 1, "spk2utt": None, "segments": 3, "text": None, "spk2gender": 1}
    tables: dict[str, Table] = {}
    findings: list[Finding] = []
    for name, count in fields.items():
        tables[name.replace(".", "_")], found = read_leniently(path / name, count)
        findings += found
    return Tables(path=path, **tables), findings


def check_tables(tables: Tables) -> Iterator[Finding]:
    """Yield what is wrong between the tables."""
    for check in CHECKS:
        yield from check(tables)


def utterances(tables: Tables) -> list[Utterance]:
    """Return the utterances that the tables agree on, sorted by id."""
    usable = []
    for utt_id, spk_id in tables.utt2spk.rows.items():
        source = tables.audio.rows.get(utt_id)
        if source is None:
            continue
        rec_id, start, end = utt_id, 0.0, None
        if tables.audio is tables.segments:
            try:
                rec_id, start, end = _segment(source)
            except ValueError:
                continue
        location = tables.wav_scp.rows.get(rec_id, "|")
        if location.endswith("|"):
            continue
        usable.append(
            Utterance(
                utt_id=utt_id,
                spk_id=spk_id,
                path=audio_path(tables.path, location),
                rec_id=rec_id if tables.audio is tables.segments else None,
                start=start,
                end=end,
                text=tables.text.rows.get(utt_id),
            )
        )
    return usable


def genders(tables: Tables) -> dict[str, str]:
    """Return the gender of the speakers of whom one is known."""
    speakers = set(tables.utt2spk.rows.values())
    return {spk: sex for spk, sex in tables.spk2gender.rows.items() if spk in speakers and sex in ("m", "f")}


def _segment(value: str) -> tuple[str, float, float | None]:
    """Return recording, start and end; a ValueError says what is wrong with them."""
    rec_id, start, end = parse_segment(value)
    if fault := time_fault(start, end):
        raise ValueError(f"{fault}: {' '.join(value.split()[1:])}")
    return rec_id, start, end


def _missing_files(tables: Tables) -> Iterator[Finding]:
    for table in (tables.wav_scp, tables.utt2spk):
        if not table.present:
            fix = f"write it, or check that {tables.path} is a Kaldi data directory"
            yield error(f"missing {table.name}", table.name, "a data directory cannot do without it", fix)
    if not tables.spk2utt.present:
        yield warning("missing spk2utt", "spk2utt", "Kaldi needs it", REMAKE, Mending.MENDED)


def _no_utterances(tables: Tables) -> Iterator[Finding]:
    if not utterances(tables):
        yield error("no usable utterance", str(tables.path), "the tables agree on none", "see the other findings")


def _pipes(tables: Tables) -> Iterator[Finding]:
    for rec_id, value in tables.wav_scp.rows.items():
        if value.endswith("|"):
            yield error("wav.scp with a pipe", rec_id, value[:80], "write the audio to a file and name that")


def _same_utterances(tables: Tables) -> Iterator[Finding]:
    for table, other in ((tables.utt2spk, tables.audio), (tables.audio, tables.utt2spk)):
        for utt_id in sorted(table.rows.keys() - other.keys):
            fix = f"add it to {other.name}, or remove it from {table.name}"
            yield error(f"ids of {table.name} that {other.name} lacks", utt_id, f"not in {other.name}", fix)


def _segments(tables: Tables) -> Iterator[Finding]:
    for utt_id, value in tables.segments.rows.items():
        try:
            rec_id, _, _ = _segment(value)
        except ValueError as fault:
            yield error("segments with impossible times", utt_id, f"has {fault}", "mend the times")
            continue
        if rec_id not in tables.wav_scp.keys:
            fix = "add the recording to wav.scp"
            yield error("segments of recordings that wav.scp lacks", utt_id, f"is cut from {rec_id}", fix)


def _unused_recordings(tables: Tables) -> Iterator[Finding]:
    if tables.audio is tables.segments:
        used = {value.split()[0] for value in tables.segments.rows.values()}
        for rec_id in sorted(tables.wav_scp.rows.keys() - used):
            fix = "remove it from wav.scp, or cut it"
            yield warning("recordings without a segment", rec_id, "nothing is cut from it", fix, Mending.MENDED)


def _unsafe_names(tables: Tables) -> Iterator[Finding]:
    for name in sorted({*tables.utt2spk.rows, *tables.utt2spk.rows.values()}):
        if file_name(name) != name:
            detail = f"files are named {file_name(name)} instead"
            yield warning("ids that are no names of files", name, detail, "rename it")


def _speaker_order(tables: Tables) -> Iterator[Finding]:
    rows = list(tables.utt2spk.rows.items())
    pairs = [(one, other) for one, other in pairwise(rows) if other[1] < one[1]]
    if not pairs:
        return
    without = [(utt_id, spk_id) for utt_id, spk_id in rows if not utt_id.startswith(spk_id)]
    for utt_id, spk_id in without or [other for _, other in pairs]:
        detail = f"the id and its speaker's, {spk_id}, sort differently"
        fix = order_remedy(without or pairs[0])
        yield error("utterances that sort unlike their speakers", utt_id, detail, fix, Mending.MENDED)


def _spk2utt(tables: Tables) -> Iterator[Finding]:
    if not tables.spk2utt.present:
        return
    expected: dict[str, list[str]] = {}
    for utt_id, spk_id in tables.utt2spk.rows.items():
        expected.setdefault(spk_id, []).append(utt_id)
    stated = {spk_id: value.split() for spk_id, value in tables.spk2utt.rows.items()}
    for spk_id in sorted((expected.keys() | stated.keys()) - tables.spk2utt.spoiled):
        if expected.get(spk_id) != stated.get(spk_id):
            detail = f"{len(stated.get(spk_id, []))} utterances, but {len(expected.get(spk_id, []))} in utt2spk"
            yield error("spk2utt that disagrees with utt2spk", spk_id, detail, REMAKE, Mending.MENDED)


def _texts(tables: Tables) -> Iterator[Finding]:
    for utt_id in sorted(tables.text.rows.keys() - tables.utt2spk.keys):
        yield warning("texts of unknown utterances", utt_id, "not in utt2spk", "remove the text", Mending.MENDED)
    if tables.text.present:
        for utt_id in sorted(tables.utt2spk.rows.keys() - tables.text.keys):
            yield note("utterances without a text", utt_id, "not in text", "add it where the text is needed")


def _genders(tables: Tables) -> Iterator[Finding]:
    speakers = set(tables.utt2spk.rows.values())
    for spk_id, sex in tables.spk2gender.rows.items():
        if sex not in ("m", "f"):
            yield error("spk2gender that is not m or f", spk_id, f"is {sex!r}", "write m or f", Mending.MENDED)
        if spk_id not in speakers:
            yield warning("genders of unknown speakers", spk_id, "not in utt2spk", "remove the line", Mending.MENDED)
    if tables.spk2gender.present:
        for spk_id in sorted(speakers - tables.spk2gender.keys):
            yield note("speakers without a gender", spk_id, "not in spk2gender", "add it where it is known")


# To check something else, add a function here.
CHECKS: tuple[Callable[[Tables], Iterator[Finding]], ...] = (
    _missing_files,
    _no_utterances,
    _pipes,
    _same_utterances,
    _segments,
    _unused_recordings,
    _unsafe_names,
    _speaker_order,
    _spk2utt,
    _texts,
    _genders,
)
