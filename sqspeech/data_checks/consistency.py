"""Checks of the tables of a data directory: the rules of its readers, Kaldi's, and what its owner may want to know."""

from collections.abc import Callable, Iterator

from sqspeech.data.data_dir import GENDERS, Utterance, utterances_of
from sqspeech.data.directory_rules import REMAKE, DirectoryTables, check_speaker_order, check_structure
from sqspeech.data.findings import Finding, Treatment, error, note, warning
from sqspeech.names import file_name, is_utf8
from sqspeech.segment_times import parse_segment, time_fault


def check_tables(tables: DirectoryTables) -> Iterator[Finding]:
    """Yield what is wrong with the tables and between them."""
    for table in (*tables.needed, tables.text, tables.spk2gender):
        yield from table.findings
    yield from check_structure(tables)
    yield from check_speaker_order(list(tables.utt2spk.rows.items()))
    for check in CHECKS:
        yield from check(tables)


def usable_utterances(tables: DirectoryTables) -> list[Utterance]:
    """Return the utterances on which the tables agree and that can be read, as far as the tables show."""
    return [
        utterance
        for utterance in utterances_of(tables)
        if not time_fault(utterance.start, utterance.end)
        and is_utf8(f"{utterance.utt_id}{utterance.spk_id}{utterance.path}")
    ]


def _no_utterances(tables: DirectoryTables) -> Iterator[Finding]:
    if not usable_utterances(tables):
        yield error("no usable utterance", str(tables.path), "the tables agree on none", "see the other findings")


def _no_spk2utt(tables: DirectoryTables) -> Iterator[Finding]:
    if not tables.spk2utt.present:
        yield warning("missing spk2utt", "spk2utt", "Kaldi needs it", REMAKE, Treatment.CORRECTED)


def _segment_times(tables: DirectoryTables) -> Iterator[Finding]:
    for utt_id, value in tables.segments.rows.items():
        _, start, end = parse_segment(value)
        if fault := time_fault(start, end):
            detail = f"has {fault}: {value.partition(' ')[2]}"
            yield error("segments with impossible times", utt_id, detail, "correct the times")


def _unused_recordings(tables: DirectoryTables) -> Iterator[Finding]:
    if tables.source is tables.segments:
        used = {value.split()[0] for value in tables.segments.rows.values()}
        for rec_id in sorted(tables.wav_scp.rows.keys() - used):
            fix = "remove it from wav.scp, or cut it"
            yield warning("recordings without a segment", rec_id, "nothing is cut from it", fix, Treatment.CORRECTED)


def _unsafe_names(tables: DirectoryTables) -> Iterator[Finding]:
    for name in sorted({*tables.utt2spk.rows, *tables.utt2spk.rows.values()}):
        if file_name(name) != name:
            detail = f"files are named {file_name(name)} instead"
            yield warning("ids that are no names of files", name, detail, "rename it")


def _texts(tables: DirectoryTables) -> Iterator[Finding]:
    for utt_id in sorted(tables.text.rows.keys() - tables.utt2spk.keys):
        yield warning("texts of unknown utterances", utt_id, "not in utt2spk", "remove the text", Treatment.CORRECTED)
    if tables.text.present:
        for utt_id in sorted(tables.utt2spk.rows.keys() - tables.text.keys):
            yield note("utterances without a text", utt_id, "not in text", "add it where the text is needed")


def _genders(tables: DirectoryTables) -> Iterator[Finding]:
    speakers = set(tables.utt2spk.rows.values())
    for spk_id, sex in tables.spk2gender.rows.items():
        if sex not in GENDERS:
            yield error("spk2gender that is not m or f", spk_id, f"is {sex!r}", "write m or f", Treatment.CORRECTED)
        if spk_id not in speakers:
            yield warning(
                "genders of unknown speakers", spk_id, "not in utt2spk", "remove the line", Treatment.CORRECTED
            )
    if tables.spk2gender.present:
        for spk_id in sorted(speakers - tables.spk2gender.keys):
            yield note("speakers without a gender", spk_id, "not in spk2gender", "add it where it is known")


# To check something else, add a function here.
CHECKS: tuple[Callable[[DirectoryTables], Iterator[Finding]], ...] = (
    _no_spk2utt,
    _no_utterances,
    _segment_times,
    _unused_recordings,
    _unsafe_names,
    _texts,
    _genders,
)
