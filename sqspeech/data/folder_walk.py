"""The recordings in a folder: what is read of it, and what is left out and why."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.names import is_hidden, is_utf8

# Sound and film in formats that may not be read; those that are, are in audio.SUFFIXES.
UNREAD = frozenset(
    {".3gp", ".aac", ".ac3", ".aifc", ".amr", ".ape", ".au", ".caf", ".dsf", ".m4a", ".m4b", ".mka", ".mkv", ".mov"}
    | {".mp4", ".ra", ".shn", ".snd", ".spx", ".sph", ".tta", ".w64", ".webm", ".wma", ".wv"}
)
LOSSY = frozenset({".mp1", ".mp2", ".mp3", ".oga", ".ogg", ".opus"})


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file or folder that is not read."""

    path: Path
    reason: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A folder at every depth, each list sorted.

    Attributes
    ----------
    path
        The folder.
    files
        All files but hidden ones.
    recordings
        The audio among them, of recordings in several formats the first that has lost nothing.
    twins
        The other formats of these.
    left_out
        What might have been wanted: audio in formats that are not read, and folders that cannot be.
    """

    path: Path
    files: list[Path]
    recordings: list[Path]
    twins: dict[Path, Path]
    left_out: list[LeftOut] = field(default_factory=list)

    def check(self) -> None:
        """Raise DataError where there is no recording."""
        if self.recordings:
            return
        suffixes = (file.suffix.lower() for file in self.files)
        unread = Counter(suffix for suffix in suffixes if suffix in UNREAD - audio.SUFFIXES).most_common(1)
        hint = f"the {unread[0][1]} {unread[0][0]} files must be converted to .flac" if unread else "check the path"
        raise DataError(f"{self.path}: no audio in this folder ({', '.join(sorted(audio.SUFFIXES))}); {hint}")

    def others(self) -> str:
        """Return how many files are no audio, by their suffixes, the most frequent first."""
        known = audio.SUFFIXES | UNREAD
        suffixes = Counter(path.suffix.lower() for path in self.files if path.suffix.lower() not in known)
        kinds = ", ".join(f"{suffix or 'without suffix'} {count}" for suffix, count in suffixes.most_common(5))
        return f"{suffixes.total()} ({kinds})" if suffixes else ""


def list_folder(path: Path) -> Listing:
    """Return what is in a folder: links are followed once, and hidden files and `__MACOSX` skipped."""
    left_out: list[LeftOut] = []
    files = sorted(_files(path, left_out))
    audio_files = [file for file in files if file.suffix.lower() in audio.SUFFIXES]
    found = [file for file in audio_files if is_utf8(str(file))]
    twins = other_formats(found)
    left_out += [
        LeftOut(path=file, reason="a name that is not UTF-8", detail="rename it, for instance with convmv")
        for file in audio_files
        if not is_utf8(str(file))
    ]
    left_out += [
        LeftOut(path=file, reason="a format that is not read", detail="convert it to .flac")
        for file in files
        if file.suffix.lower() in UNREAD - audio.SUFFIXES
    ]
    return Listing(
        path=path, files=files, recordings=[file for file in found if file not in twins], twins=twins, left_out=left_out
    )


def other_formats(paths: list[Path]) -> dict[Path, Path]:
    """Return the files that differ from another in their suffix alone, with the one that is to be read."""
    by_stem: dict[Path, list[Path]] = {}
    for path in paths:
        by_stem.setdefault(path.with_suffix(""), []).append(path)
    ordered = (sorted(same, key=_preference) for same in by_stem.values() if len(same) > 1)
    return {path: same[0] for same in ordered for path in same[1:]}


def _preference(path: Path) -> tuple[bool, str]:
    return path.suffix.lower() in LOSSY, str(path)


def _files(path: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    visited: set[Path] = set()

    def note(error: OSError) -> None:
        reason = "a folder that cannot be listed"
        left_out.append(LeftOut(path=Path(error.filename), reason=reason, detail=str(error.strerror)))

    for root, folders, names in path.walk(follow_symlinks=True, on_error=note):
        # A link to a folder above it would otherwise be walked round and round.
        place = root.resolve()
        if place in visited:
            left_out.append(LeftOut(path=root, reason="a link to a folder seen before"))
            folders.clear()
            continue
        visited.add(place)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (root / name for name in names if not is_hidden(name))
