"""Write what is usable of a data directory or a dump, with tables as Kaldi wants them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqspeech.audio import SUFFIXES
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_ark import GrowingArk, read_matrix
from sqspeech.data.feature_extraction import NOTES_NAME, SKIPPED_NAME, VERSIONS_NAME
from sqspeech.data.feature_store import STATE_NAME, read_state
from sqspeech.data.tables import scan_table, write_table
from sqspeech.data_checks.dump import is_dump
from sqspeech.data_checks.validate import Report
from sqspeech.errors import DataError, cannot_write

COPIED = {"wav.scp", "utt2spk", "spk2utt", "segments", "text", "spk2gender"}
COPIED_OF_DUMP = {"feats.scp", "feats.ark", "utt2num_frames", STATE_NAME, SKIPPED_NAME, NOTES_NAME, VERSIONS_NAME}
# Which utterances get their speaker's id in front of their own: as few as it takes.
RENAMINGS: tuple[Callable[[Utterance], bool], ...] = (
    lambda utterance: False,
    lambda utterance: not utterance.utt_id.startswith(utterance.spk_id),
    lambda utterance: not utterance.utt_id.startswith(f"{utterance.spk_id}-"),
    lambda utterance: True,
)


def check_free(out: Path) -> None:
    """Raise a DataError unless `out` is an empty folder or nothing at all."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: exists and is not empty; name another folder for the cleaned copy")


def write_clean(report: Report, out: Path) -> list[str]:
    """Write the usable part of what `report` is about to `out`, whole or not at all.

    Of a data directory the Kaldi tables are written, of a dump its features too. Utterances are renamed, in all
    files alike, if it takes that to sort them as their speakers.

    Returns
    -------
    left
        The names of the other files in the folder but for audio, which are not copied.

    Raises
    ------
    DataError
        `out` is not empty, nothing is usable, or the speakers' ids make the order impossible.
    SqspeechError
        `out` cannot be written.
    """
    check_free(out)
    if not report.utterances:
        raise DataError(f"{report.path}: nothing usable is left, so that no copy was written; correct the errors first")
    if is_dump(report.path):
        read_state(report.path)
    names = _names(report)
    renamed = tuple(replace(u, utt_id=names[u.utt_id]) for u in report.utterances)
    with _new_folder(out) as folder:
        DataDir(renamed, report.spk2gender).write(folder)
        if is_dump(report.path):
            _write_features(report, names, folder, out)
    copied = COPIED | COPIED_OF_DUMP if is_dump(report.path) else COPIED
    files = [file for file in sorted(report.path.iterdir()) if file.is_file() and file.suffix.lower() not in SUFFIXES]
    return [file.name for file in files if file.name not in copied]


def _names(report: Report) -> dict[str, str]:
    """Return what each utterance is to be called so that utterances sort as their speakers."""
    for needed in RENAMINGS:
        names = {u.utt_id: f"{u.spk_id}-{u.utt_id}" if needed(u) else u.utt_id for u in report.utterances}
        speakers = [u.spk_id for u in sorted(report.utterances, key=lambda u: names[u.utt_id])]
        if speakers == sorted(speakers) and len(set(names.values())) == len(names):
            return names
    raise DataError(
        f"{report.path}: some speaker's id begins with another's, so that no order of utterances is theirs; rename "
        "these speakers, and begin each utterance id with its speaker's"
    )


def _write_features(report: Report, names: dict[str, str], folder: Path, out: Path) -> None:
    ark = GrowingArk(folder)
    try:
        for entry in sorted(report.features, key=lambda entry: names[entry.utterance.utt_id]):
            ark.append(names[entry.utterance.utt_id], read_matrix(entry.ark, entry.offset))
    finally:
        ark.close()
    (folder / "index").unlink()
    entries = ark.entries
    write_table(folder / "feats.scp", {utt: f"{out / 'feats.ark'}:{entry.offset}" for utt, entry in entries.items()})
    write_table(folder / "utt2num_frames", {utt: str(entry.frames) for utt, entry in entries.items()})
    shutil.copyfile(report.path / STATE_NAME, folder / STATE_NAME)
    write_table(folder / SKIPPED_NAME, scan_table(report.path / SKIPPED_NAME, optional=True).utf8_rows)
    for name in (NOTES_NAME, VERSIONS_NAME):
        rows = scan_table(report.path / name, optional=True).utf8_rows
        write_table(folder / name, {names[utt]: text for utt, text in rows.items() if utt in names})


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    out = out.absolute()
    folder = out.with_name(f".tmp-{os.getpid()}-{out.name}")
    try:
        folder.mkdir(parents=True)
        yield folder
        folder.rename(out)
    except OSError as fault:
        raise cannot_write(out, fault) from fault
    finally:
        shutil.rmtree(folder, ignore_errors=True)
