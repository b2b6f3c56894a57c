"""The archive that is handed in."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from sqspeech.atomic import atomic_path
from sqspeech.errors import DataError
from sqspeech.names import is_utf8, shown


def archive_path(submission: Path) -> Path:
    """Return the path of a tree's archive."""
    named = submission if submission.name else submission.absolute()  # "." has no name
    return named.with_name(f"{submission.resolve().name}.zip")


def write_archive(submission: Path) -> Path:
    """Write SUBMISSION.zip beside the tree, whole or not at all, and return its path.

    Raises
    ------
    DataError
        A file's name is not UTF-8.
    SqspeechError
        It cannot be written, or the disk is full.
    """
    path = archive_path(submission)
    with atomic_path(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in sorted(submission.rglob("*")):
            if file.is_file() and not is_utf8(str(file)):
                raise DataError(f"{shown(file)}: the name is not UTF-8; rename it")
            if file.is_file():
                archive.write(file, file.relative_to(submission))
    return path
