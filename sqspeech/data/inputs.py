"""Inputs of a command line: recordings, folders of recordings, Kaldi data directories."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqspeech.data.data_dir import DataDir, Utterance, exists
from sqspeech.data.folder_walk import Listing, list_folder, other_formats
from sqspeech.errors import DataError
from sqspeech.failures import Failures
from sqspeech.names import distinct, is_hidden, shown


def read_inputs(paths: Sequence[Path], failures: Failures | None = None) -> list[Utterance]:
    """Return the utterances of recordings, of folders (searched at every depth) and of data directories.

    A path may be a pattern with `*`, `?` or `**`.

    A recording outside a data directory is one utterance, named by its stem, or by its path inside the folder
    with `-` for `/`; where several have the same name then, a number tells them apart. Its speaker is not known, so the
    utterance's id stands for it, as Kaldi has it.

    Parameters
    ----------
    paths
        What was named.
    failures
        Takes what is left out of it (see `folder_walk`).

    Raises
    ------
    DataError
        A path does not exist, a folder has no audio, or two recordings in different places have the same name.
    """
    failures = failures or Failures()
    found: dict[str, Utterance] = {}
    for path in paths:
        for utterance in (each for match in _matches(path) for each in _read_input(match, failures)):
            other = found.setdefault(utterance.utt_id, utterance)
            if other.path != utterance.path and other_formats([other.path, utterance.path]):
                _add_twin(failures, utterance.path, other.path)
            elif other != utterance:
                raise DataError(
                    f"{other.path} and {utterance.path} are both named {utterance.utt_id}; rename one, or give the "
                    "folder that holds both, whose recordings are named by their paths in it"
                )
    return list(found.values())


def _matches(path: Path) -> list[Path]:
    """Return what a pattern such as `talks/*.flac` finds, as a shell does; a path that exists is no pattern."""
    if exists(path) or not set("*?[") & set(str(path)):
        return [path]
    found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    return [match for match in found if not any(map(is_hidden, set(match.parts) - set(path.parts)))] or [path]


def _read_input(path: Path, failures: Failures) -> Iterator[Utterance]:
    if not exists(path):
        raise DataError(f"{path}: no such file or folder; check the path")
    if not path.is_dir():
        yield _recording(path, _spaceless(path.stem))
    elif exists(path / "wav.scp"):
        utterances = list(DataDir.read(path))
        if not utterances:
            raise DataError(f"{path}: no utterance in this data directory; check its wav.scp")
        yield from utterances
    else:
        yield from _recordings(list_folder(path), failures)


def _recordings(listing: Listing, failures: Failures) -> Iterator[Utterance]:
    for left in listing.left_out:
        failures.add(str(left.path), "; ".join(filter(None, (left.reason, left.detail))))
    for twin, used in listing.twins.items():
        _add_twin(failures, twin, used)
    listing.check()
    if others := listing.others():
        print(f"{shown(listing.path)}: skipped, as they are no audio: {others}", file=sys.stderr)
    stems = {str(file.relative_to(listing.path).with_suffix("")): file for file in listing.recordings}
    forms = distinct(stems, _spaceless)
    for stem, file in stems.items():
        if forms[stem] != _spaceless(stem):
            print(f"{shown(file)}: named {forms[stem]}, since another has its name", file=sys.stderr)
        yield _recording(file, forms[stem])


def _add_twin(failures: Failures, twin: Path, used: Path) -> None:
    failures.add(str(twin), f"the same recording in another format, {used.name}, is used")


def _spaceless(name: str) -> str:
    return "_".join(name.replace("/", "-").split())


def _recording(path: Path, utt_id: str) -> Utterance:
    return Utterance(utt_id=utt_id, spk_id=utt_id, path=path)
