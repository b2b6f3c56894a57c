"""Paths of VCTK's recordings and texts, in release 0.80 or 0.92."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep import archive
from data_prep.inventory import Inventory
from data_prep.vctk_speakers import read_text
from sqspeech.errors import DataError
from sqspeech.names import is_hidden

DEPTH = 3


@dataclass(frozen=True, kw_only=True)
class Release:
    """Marks of a release: its folder of recordings and their names."""

    version: str
    folder: str
    name: re.Pattern[str]


RELEASES = (
    Release(version="0.80", folder="wav48", name=re.compile(r"((?P<spk_id>[a-z]+\d+)_\d+)\.wav")),
    Release(
        version="0.92",
        folder="wav48_silence_trimmed",
        name=re.compile(r"((?P<spk_id>[a-z]+\d+)_\d+)_mic(?P<mic>[12])\.flac"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A release and the folder that holds its recordings' folder, txt/ and speaker-info.txt."""

    path: Path
    release: Release


def find_corpus(path: Path, extract_to: Path | None = None) -> Corpus:
    """Return the corpus in `path`: its folder, one above it, or the archive, which is unpacked first.

    Parameters
    ----------
    path
        A folder that is or holds the corpus, at most 3 levels below, or the published zip or tar.gz file.
    extract_to
        The folder to unpack an archive into; beside the archive and named as it is when None.

    Raises
    ------
    DataError
        There is no corpus or more than one, or the archive cannot be unpacked (see `archive.extract`).
    """
    if path.is_file():
        path = archive.extract(path, extract_to or archive.folder_beside(path))
    elif not path.is_dir():
        raise DataError(f"{path}: no such folder or archive; check the path")
    elif extract_to is not None:
        raise DataError(f"{path}: a folder, so there is nothing to extract; leave out --extract-to")
    found = list(_search(path, DEPTH))
    if len(found) > 1:
        folders = " and ".join(str(corpus.path / corpus.release.folder) for corpus in found)
        raise DataError(f"{path}: more than one corpus, {folders}; name the one to prepare")
    if not found:
        folders = " or ".join(f"{release.folder} (release {release.version})" for release in reversed(RELEASES))
        raise DataError(f"{path}: no folder {folders} in it, nor {DEPTH} levels below; is it VCTK, and unpacked whole?")
    return found[0]


def _search(path: Path, depth: int) -> Iterator[Corpus]:
    folders = {folder.name: folder for folder in folders_of(path)}
    found = [Corpus(path=path, release=release) for release in RELEASES if release.folder in folders]
    yield from found
    if not found and depth:
        for folder in folders.values():
            # A disk's top has lost+found, which nobody may read.
            if os.access(folder, os.R_OK | os.X_OK):
                yield from _search(folder, depth - 1)


def folders_of(path: Path) -> list[Path]:
    """Return the folders in `path`, sorted, without hidden ones."""
    return [folder for folder in _visible(path) if folder.is_dir()]


def _visible(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if not is_hidden(entry.name))
    except OSError as error:
        raise DataError(f"{path}: cannot be listed ({error.strerror}); check its permissions") from error


def list_recordings(corpus: Corpus, inventory: Inventory) -> dict[str, dict[str, Path]]:
    """Return the recordings as utterance id -> microphone ("1" or "2") -> file, sorted; 0.80 has microphone 1.

    A file whose name is not that of a recording of the speaker whose folder it is in is skipped.
    """
    recordings: dict[str, dict[str, Path]] = {}
    for folder in folders_of(corpus.path / corpus.release.folder):
        for path in _visible(folder):
            match = corpus.release.name.fullmatch(path.name)
            if match is None or match["spk_id"] != folder.name:
                name = str(path.relative_to(corpus.path))
                inventory.skip(name, folder.name, "unexpected name", f"{path.name} in the folder {folder.name}")
            else:
                recordings.setdefault(match[1], {})[match.groupdict().get("mic", "1")] = path
    return recordings


def read_texts(corpus: Corpus) -> dict[str, str]:
    """Return the transcripts by utterance id, each on one line; empty ones are left out."""
    folder = corpus.path / "txt"
    if not folder.is_dir():
        return {}
    paths = (path for speaker in folders_of(folder) for path in _visible(speaker) if path.suffix == ".txt")
    texts = {path.stem: " ".join(read_text(path).split()) for path in paths}
    return {utt_id: text for utt_id, text in texts.items() if text}
